"""Searching again under a cap: fewer changed columns, certified still, each row for itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from _queries import every, far, parts, plane, start
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._search.fewer import search_fewer
from hyconex_sklearn._search.fewest import Fewest
from hyconex_sklearn._search.ladder import _search_under_cap
from hyconex_sklearn._search.shorten import shorten


def test_columns_that_the_answer_does_not_change_are_found() -> None:
    # Three weak columns carry the way; the strong one, which alone would do, is at rest.
    asked = plane({0: 1.0, 1: 0.5, 2: 0.5, 3: 0.5}, [[-1.0, 0.0, 0.0, 0.0]])
    best = start(asked, [-1.0, 1.4, 1.4, 1.4])
    assert best.shortfall.item() == 0
    search_fewer(best, every(best), 2, _search_under_cap)
    assert best.shortfall.item() == 0 and best.query.changed(best.x).sum() < 3 and best.query.changed(best.x)[0, 0]


@pytest.mark.parametrize("name", ["numbers3", "mixed2"])
def test_answers_stay_certified_and_get_no_costlier(name: str) -> None:
    best = far(parts(name).head(20))
    shorten(best, every(best), 4)
    certified, cost, before = best.shortfall == 0, best.cost.clone(), best.query.changed(best.x).sum(1)
    search_fewer(best, every(best), 2, _search_under_cap)
    after = best.query.changed(best.x).sum(1)
    assert (best.shortfall[certified] == 0).all() and (best.cost <= cost).all()
    assert after[certified].float().mean() < before[certified].float().mean()


def test_rows_that_are_not_certified_and_rows_that_are_not_asked_stay() -> None:
    asked = plane(dict.fromkeys(range(4), 1.0), np.zeros((3, 4)), -1.0)
    best = start(asked, [0.6] * 4)
    best.shortfall[1] = 2
    before = best.x.clone()
    search_fewer(best, every(best)[:2], 2, _search_under_cap)
    assert torch.equal(best.x[1:], before[1:]) and not torch.equal(best.x[0], before[0])


@given(data=st.data(), share=st.floats(0.05, 0.95))
def test_the_fewest_that_will_do_are_found(data: st.DataObject, share: float) -> None:
    most = np.array(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5)))
    need = np.array([data.draw(st.integers(1, int(n))) for n in most])
    counts = Fewest(torch.from_numpy(most), share)
    for _ in range(100):
        rows, count = counts.guess()
        if len(rows) == 0:
            break
        assert (count >= 1).all() and (count.numpy() < counts.enough[rows].numpy()).all()
        counts.learn(rows, count, count >= torch.from_numpy(need)[rows])
    assert counts.enough.tolist() == need.tolist()
