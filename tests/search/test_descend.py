"""Mending and shortening: every stage keeps certificates, stays inside the rules, and does what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _queries import at_home, every, far, lacks, line_model, parts, plane, shown, start
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._model.model import Model
from hyconex_sklearn._search.descend import descend, lack, objective
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.shorten import shorten, thin
from hyconex_sklearn._search.take_back import bisect, undo

Stage = Callable[[Incumbent, Tensor], None]
STAGES: dict[str, Stage] = {
    "descend": lambda best, rows: descend(best, rows, 10),
    "bisect": bisect,
    "undo": undo,
    "shorten": lambda best, rows: shorten(best, rows, 5),
    "thin": lambda best, rows: thin(best, rows, 2, 2),
}


# --------------------------------------------------------------------------------------------------- what is lacking


def test_what_is_lacking_falls_to_nothing_where_the_certificate_holds() -> None:
    asked = plane({0: 1.0}, np.zeros((5, 4)))
    z = torch.zeros(5, 4)
    z[:, 0] = torch.tensor([-1.0, 0.0, 0.5, 1.11, 2.0])
    lacking = lack(asked.query(), z)
    # Confidence of the network and of the committee, a log-odds of 1 and some slack each.
    torch.testing.assert_close(lacking, torch.tensor([4.2, 2.2, 1.2, 0.0, 0.0]), atol=1e-5, rtol=0)


def test_rare_rows_lack_something_and_the_rarer_the_more() -> None:
    asked = plane({0: 1.0}, np.zeros((3, 4)))
    asked.model.threshold.fill_(-6.0)
    z = torch.tensor([[2.0, 0, 0, 0], [2.0, 2, 0, 0], [2.0, 3, 0, 0]])
    typical, rare, rarer = lack(asked.query(), z).tolist()
    assert 0 == typical < rare < rarer


def test_slope_and_way_point_to_a_certified_row_nearby() -> None:
    asked = plane({0: 1.0, 1: -2.0}, np.zeros((1, 4)))
    z = torch.zeros(1, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(lack(asked.query(), z).sum(), z)
    assert slope[0, 0] < 0 < slope[0, 1] and (slope[0, 2:] == 0).all()
    near, away = torch.tensor([[1.0, -1.0, 0, 0]]), torch.tensor([[1.0, -1.0, 0, 2.0]])
    query = asked.query()
    assert objective(query, near) < objective(query, away)
    dear = asked.query(feature_weights={"x3": 3.0})
    assert objective(dear, away) > objective(query, away)


@pytest.mark.parametrize("name", ["numbers3", "labels2", "mixed2"])
def test_certified_with_some_slack_means_nothing_lacking(name: str) -> None:
    asked = parts(name).head(60)
    best = far(asked)
    lacking, shortfall = lack(best.query, best.x), lacks(best.query, best.x)
    votes = asked.model.judge(best.x, best.query.target).support
    assert (lacking == 0).any()
    assert (shortfall[(lacking == 0) & (votes >= 0.8)] == 0).all()
    assert (lacking[shortfall >= 4] > 0).all()


# ------------------------------------------------------------------------------------------------ what all stages keep


@pytest.mark.parametrize("name", ["numbers3", "labels3", "mixed2"])
@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_loses_a_certificate_or_lengthens_the_way(stage: str, name: str) -> None:
    best = far(parts(name).head(40))
    shortfall, cost = best.shortfall.clone(), best.cost.clone()
    assert (shortfall == 0).any()
    STAGES[stage](best, every(best))
    assert (best.shortfall <= shortfall).all()
    assert (best.cost <= cost)[best.shortfall == shortfall].all()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_for_some_rows_leaves_the_others(stage: str) -> None:
    best = far(parts("mixed2").head(12))
    before, rows = best.x.clone(), torch.tensor([8, 1, 5])
    STAGES[stage](best, rows)
    others = torch.ones(12, dtype=torch.bool).index_fill(0, rows, False)
    assert torch.equal(best.x[others], before[others])
    STAGES[stage](best, rows[:0])


@pytest.mark.parametrize("stage", STAGES)
def test_a_row_that_did_not_change_stays_as_it_is(stage: str) -> None:
    asked = plane({0: 1.0}, [[3.0, 0.0, 0.0, 0.0]])
    best = at_home(asked)
    STAGES[stage](best, every(best))
    assert torch.equal(best.x, asked.x)


# ----------------------------------------------------------------------------------------------------------- descent


def test_a_descent_finds_the_shortest_way_over_the_line() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-1.0, 0.0, 0.3, 0.0], [0.0, -1.5, 0.0, 1.0]])
    asked.model.confidence.fill_(1.0)
    best = at_home(asked)
    descend(best, every(best), 60)
    assert (best.shortfall == 0).all()
    shortest = 1.0 - (asked.x @ torch.tensor([0.6, 0.8, 0.0, 0.0]))  # the slope has length 1
    way = best.query.distance(best.x)
    assert (way >= shortest - 1e-4).all() and (way <= 1.15 * shortest + 0.1).all()


def test_a_descent_moves_what_is_cheap_to_change() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.zeros((1, 4)))
    for dear, cheap in ((0, 1), (1, 0)):
        best = at_home(asked, feature_weights={f"x{cheap}": 0.5, f"x{dear}": 2.0})
        descend(best, every(best), 60)
        way = best.x[0].abs()
        assert best.shortfall.item() == 0 and way[cheap] > 3 * way[dear]


def test_a_descent_goes_where_rows_are_typical() -> None:
    asked = plane({0: 1.0}, [[-1.0, 3.0, 0.0, 0.0]])
    asked.model.threshold.fill_(-6.0)  # allows for a distance of 2.1 from the middle
    best = at_home(asked)
    descend(best, every(best), 60)
    assert best.shortfall.item() == 0
    assert best.x[0, 1] < 2.2


@given(st.integers(0, 2**31), st.sampled_from(["numbers3", "mixed2", "mixed3"]))
@settings(max_examples=8)
def test_a_descent_never_moves_frozen_columns_nor_leaves_the_range(seed: int, name: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    asked = parts(name).head(15)
    numeric = asked.codec.schema.value_columns
    column = asked.codec.schema.columns[int(numeric[0])]
    frozen = torch.rand(len(asked.x), asked.model.space.n_columns, generator=generator) < 0.4
    query = asked.query(monotonic_cst={column.name: 1}, immutable=frozen.numpy())
    best = Incumbent(query, asked.x + torch.randn(asked.x.shape, generator=generator))
    descend(best, every(best), 6)
    cells = frozen[:, asked.model.space.owner]
    assert torch.equal(best.x[cells], asked.x[cells])
    assert (best.x >= best.query.lower - 1e-6).all() and (best.x <= best.query.upper + 1e-6).all()
    assert (best.x != asked.x).any()


def test_without_numbers_a_descent_changes_nothing() -> None:
    asked = parts("labels2").head(30)
    best = far(asked)
    before = best.x.clone()
    descend(best, every(best), 5)
    assert torch.equal(best.x, before)


def test_a_descent_learns_nothing() -> None:
    asked = parts("numbers3").head(5)
    state = {name: tensor.clone() for name, tensor in asked.model.state_dict().items()}
    best = at_home(asked)
    descend(best, every(best), 5)
    assert all(torch.equal(tensor, state[name]) for name, tensor in asked.model.state_dict().items())
    assert all(parameter.grad is None for parameter in asked.model.parameters())
    assert not best.x.requires_grad and not best.cost.requires_grad


# ----------------------------------------------------------------------------------------------- halving and undoing


def test_bisection_stops_just_behind_the_line() -> None:
    asked = plane({0: 1.0}, [[-1.0, 0.0, 0.0, 0.0]])
    best = start(asked, [2.5, 0.0, 0.0, 0.0])
    bisect(best, every(best))
    assert best.shortfall.item() == 0
    assert 1.0 <= best.x[0, 0] <= 1.0 + 3.5 / 2**4 + 1e-5


def test_undoing_takes_a_needless_change_back_and_leaves_the_needed_ones() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.zeros((1, 4)))
    best = start(asked, [0.6, 0.6, 0.0, 1.5])  # the largest change is the needless one
    undo(best, every(best))
    assert shown(best.x) == [[0.6, 0.6, 0.0, 0.0]]


def test_of_two_changes_that_suffice_by_themselves_the_smaller_is_undone() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.zeros((1, 4)))
    best = start(asked, [1.2, 1.5, 0.0, 0.0])
    undo(best, every(best))
    assert shown(best.x) == [[0.0, 1.5, 0.0, 0.0]]


def test_undoing_judges_no_more_rows_at_once_than_memory_is_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = parts("numbers3").head(30)
    whole, parted = far(asked), far(asked)
    undo(whole, every(whole))
    sizes: list[int] = []
    judge = Model.judge

    def counted(model: Model, x: Tensor, target: Tensor) -> Any:
        sizes.append(len(x))
        return judge(model, x, target)

    monkeypatch.setattr(Model, "judge", counted)
    monkeypatch.setattr(Model, "rows_at_once", 30)
    undo(parted, every(parted))
    assert max(sizes) <= 30 < sum(sizes)
    assert torch.equal(parted.x != asked.x, whole.x != asked.x)


def test_undoing_takes_whole_categories_back() -> None:
    asked = line_model(parts("labels2").table, {"shape": {"u": 3.0}, "side": {"p": 0.1}}, -1.5)
    query = asked.query()
    start = query.x.clone()
    for j in (0, 1, 2):  # the first label of each, instead of its own
        block = asked.model.space.owner == j
        start[:, block] = torch.eye(int(block.sum()))[0]
    best = Incumbent(query, start)
    assert (best.shortfall == 0).all()
    undo(best, every(best))
    others = asked.model.space.owner != 0
    assert torch.equal(best.x[:, others], query.x[:, others])
    assert torch.equal(best.x[:, ~others], start[:, ~others])
