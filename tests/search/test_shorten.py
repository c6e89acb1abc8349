"""Shortening by planes: the nearest certified row, few changed columns, and no rule or range overstepped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _queries import every, far, parts, plane, shortens_nothing, shown, start
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._model.model import Model
from hyconex_sklearn._search.descend import descend
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.ladder import solve
from hyconex_sklearn._search.shorten import shorten, thin
from hyconex_sklearn._search.take_back import undo


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that are judged, call by call."""
    sizes: list[int] = []
    judge = Model.judge

    def counted(model: Model, x: Tensor, target: Tensor) -> Any:
        sizes.append(len(x))
        return judge(model, x, target)

    monkeypatch.setattr(Model, "judge", counted)
    return sizes


# --------------------------------------------------------------------------------------------------------- nearest row


def test_over_a_line_the_way_is_the_shortest_one() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-1.0, 0.0, 0.3, 0.0], [0.0, -1.5, 0.0, 1.0]])
    best = start(asked, [2.5, 2.0, 1.0, -1.0])
    shorten(best, every(best), 6)
    shortest = 1.0 - asked.x @ torch.tensor([0.6, 0.8, 0.0, 0.0])  # the slope has length 1
    assert (best.shortfall == 0).all()
    torch.testing.assert_close(best.query.distance(best.x), shortest, atol=0.06, rtol=0)


def test_rows_that_are_not_certified_are_mended_on_the_way() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-1.0, 0.0, 0.3, 0.0]])
    best = start(asked, [0.4, 0.0, 0.3, 0.0])
    assert best.shortfall.item() > 0
    shorten(best, every(best), 6)
    assert best.shortfall.item() == 0


def test_on_curved_ground_a_few_steps_do_what_many_steps_along_the_gradient_do() -> None:
    asked = parts("numbers3").head(40)
    ours, theirs = far(asked), far(asked)
    shorten(ours, every(ours), 6)
    descend(theirs, every(theirs), 40)
    assert ours.query.distance(ours.x).mean() < 1.05 * theirs.query.distance(theirs.x).mean()


def test_what_a_range_cuts_off_another_column_makes_up_for() -> None:
    asked = plane({0: 0.9, 1: 0.3}, [[0.0, 0.0, 0.0, 0.0]])
    best = start(asked, [1.0, 3.0, 0.0, 0.0], bounds={"x0": (None, 0.5)})
    shorten(best, every(best), 8)
    moved = best.x[0, :2].tolist()
    assert best.shortfall.item() == 0
    assert moved[0] == pytest.approx(0.5, abs=0.01) and moved[1] == pytest.approx((1 - 0.45) / 0.3, abs=0.1)


def test_what_is_dear_moves_less() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.zeros((1, 4)))
    for dear, cheap in ((0, 1), (1, 0)):
        best = start(asked, [1.0, 1.0, 0.0, 0.0], feature_weights={f"x{dear}": 2.0})
        shorten(best, every(best), 6)
        way = best.x[0].abs()
        assert best.shortfall.item() == 0 and way[cheap] > 3 * way[dear]


def test_typical_rows_are_looked_for_where_the_nearest_ones_are_rare() -> None:
    asked = plane({0: 1.0}, [[-1.0, 3.0, 0.0, 0.0]])
    asked.model.threshold.fill_(-6.0)  # allows for a distance of 2.1 from the middle
    best = start(asked, [1.5, 0.0, 0.0, 0.0])
    shorten(best, every(best), 10)
    assert best.shortfall.item() == 0
    assert best.x[0, 0] < 1.1 and 1.5 < best.x[0, 1] < 2.2


def test_only_open_numbers_move_and_the_others_go_home() -> None:
    asked = plane({0: 1.0, 1: 1.0}, [[-1.0, 0.0, 0.0, 0.0]])
    best = start(asked, [2.0, 2.0, 2.0, 2.0])
    shorten(best, every(best), 6, torch.tensor([[True, False, False, False]]))
    assert torch.equal(best.x[0, 1:], asked.x[0, 1:]) and best.shortfall.item() == 0


@given(st.integers(0, 2**31), st.sampled_from(["numbers3", "mixed2", "mixed3"]))
@settings(max_examples=8)
def test_frozen_columns_stay_and_no_number_leaves_its_range(seed: int, name: str) -> None:
    asked = parts(name).head(15)
    numeric = asked.codec.schema.value_columns
    frozen, rising = (asked.codec.schema.columns[int(j)] for j in numeric[:2])
    best = far(asked, monotonic_cst={rising.name: 1}, immutable=[frozen.name])
    noise = torch.randn(best.x.shape, generator=torch.Generator().manual_seed(seed))
    shorten(best, every(best), 4, start=best.x + noise)
    thin(best, every(best), 2, 2)
    assert torch.equal(best.x[:, frozen.positions], asked.x[:, frozen.positions])
    assert (best.x >= best.query.lower - 1e-6).all() and (best.x <= best.query.upper + 1e-6).all()


def test_rows_that_have_nothing_to_gain_cost_no_more_steps(judged: list[int]) -> None:
    asked = plane({0: 1.0}, [[0.0, 0.0, 0.0, 0.0]] * 5)
    best = Incumbent(asked.query(), torch.tensor([[1.2, 0, 0, 0]] * 4 + [[3.0, 1.0, 1.0, 0]]))
    judged.clear()
    shorten(best, every(best), 12)
    assert judged[:3] == [5, 5, 5] and len(judged) < 12 and 1 in judged


def test_without_numbers_nothing_happens(judged: list[int]) -> None:
    best = far(parts("labels2").head(5))
    judged.clear()
    shorten(best, every(best), 3)
    thin(best, every(best), 3, 3)
    assert judged == []


def test_shortening_learns_nothing() -> None:
    asked = parts("numbers3").head(5)
    state = {name: tensor.clone() for name, tensor in asked.model.state_dict().items()}
    best = far(asked)
    shorten(best, every(best), 3)
    thin(best, every(best), 2, 2)
    assert all(torch.equal(tensor, state[name]) for name, tensor in asked.model.state_dict().items())
    assert all(parameter.grad is None for parameter in asked.model.parameters())
    assert not best.x.requires_grad and not best.cost.requires_grad


# --------------------------------------------------------------------------------------------------------- few columns


def test_thinning_finds_the_one_column_that_will_do() -> None:
    asked = plane({0: 2.0} | dict.fromkeys(range(1, 8), 0.5), np.zeros((1, 8)), -1.0)
    best = start(asked, [0.5] + [0.4] * 7)  # no single change can be spared, unless another one grows
    undone = Incumbent(best.query, best.x)
    undo(undone, every(undone))
    assert best.query.changed(undone.x).sum() > 1
    thin(best, every(best), 3, 2)
    assert best.shortfall.item() == 0
    assert best.query.changed(best.x)[0].tolist() == [True] + [False] * 7


def test_thinning_goes_on_where_the_first_count_fails() -> None:
    asked = plane(dict.fromkeys(range(6), 1.0), np.zeros((1, 6)), -1.0)
    asked.model.threshold.fill_(-6.8)  # no two columns can carry the whole way
    best = start(asked, [0.4] * 6)
    assert best.shortfall.item() == 0
    thin(best, every(best), 3, 4)
    assert best.shortfall.item() == 0 and best.query.changed(best.x).sum() in (3, 4, 5)


def test_a_nearer_row_of_the_reservoir_takes_the_place_of_a_far_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plane({0: 1.0}, [[-0.5, 0.0, 0.0]])
    asked.model.reservoir, asked.model.reservoir_labels = torch.tensor([[1.2, 0.0, 0.0]]), torch.tensor([1])
    shortens_nothing(monkeypatch, "auto")
    best = solve(asked.query(), torch.tensor([[3.0, 2.0, 2.0]]), "auto", torch.Generator())
    assert best.shortfall.item() == 0 and shown(best.x) == [[1.2, 0.0, 0.0]]
