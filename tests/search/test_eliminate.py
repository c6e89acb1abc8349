"""Taking columns back with the others moved anew: fewer changes, certified still, whatever is asked with a row."""

from __future__ import annotations

import pytest
import torch
from _queries import at_home, every, far, parts, plane, start

from hyconex_sklearn._search.eliminate import _tries, eliminate
from hyconex_sklearn._search.shorten import shorten
from hyconex_sklearn._search.take_back import undo


def test_a_column_goes_that_no_change_alone_could_spare() -> None:
    asked = plane({0: 1.0, 1: 0.5, 2: 0.5}, [[-1.0, 0.0, 0.0, 0.0]])
    best = start(asked, [0.3, 0.9, 0.9, 0.0])  # just certified: whatever is taken back alone, the row is not
    shorten(best, every(best), 4)
    undo(best, every(best))
    assert best.query.changed(best.x).sum() == 3
    eliminate(best, every(best), 3)
    assert best.query.changed(best.x).tolist() == [[True, False, False, False]]
    assert best.shortfall.item() == 0


def test_a_category_goes_where_numbers_can_make_up_for_it() -> None:
    asked = parts("mixed2").head(30)
    best = far(asked)
    before = best.query.changed(best.x).sum(1)
    certified, cost = best.shortfall == 0, best.cost.clone()
    eliminate(best, every(best), 3)
    after = best.query.changed(best.x).sum(1)
    assert (best.shortfall[certified] == 0).all() and (best.cost <= cost).all()
    assert (after <= before).all() and (after < before).float().mean() > 0.5


@pytest.mark.parametrize("name", ["numbers3", "mixed2"])
def test_the_answer_does_not_depend_on_how_many_tries_are_made_together(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for together in (1, 64 * 12):
        monkeypatch.setattr("hyconex_sklearn._search.eliminate._TOGETHER", together)
        best = far(parts(name).head(12))
        eliminate(best, every(best), 3)
        found.append(best.x)
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


def test_what_the_rules_freeze_stays_and_no_other_row_is_touched() -> None:
    best = far(parts("numbers3").head(10), immutable=[0])
    others = best.x[5:].clone()
    eliminate(best, every(best)[:5], 3)
    assert torch.equal(best.x[5:], others) and not best.query.changed(best.x)[:, 0].any()


def test_rows_that_are_where_they_started_are_left_alone() -> None:
    best = at_home(parts("numbers3").head(4))
    eliminate(best, every(best), 3)
    assert torch.equal(best.x, best.query.x)
    eliminate(best, every(best)[:0], 3)


def test_many_at_once_are_tried_first_and_each_alone_last() -> None:
    low, high = _tries(torch.tensor([5, 1, 2]), 4)
    tries = [[tuple(pair) for pair in zip(*row, strict=True)] for row in zip(low.tolist(), high.tolist(), strict=True)]
    assert tries == [
        [(0, 5), (0, 2), (0, 1), (1, 2)],
        [(0, 1), (1, 2), (2, 3), (3, 4)],
        [(0, 2), (0, 1), (1, 2), (2, 3)],
    ]
