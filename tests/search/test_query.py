"""What is asked of each row, and the best answer so far: it only ever gets better, and a table can always hold it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from _models import mixed_table
from _queries import Parts, at_home, every, far, lacks, line_model, parts, plane, settle, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._model.certificate import Shortfall
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.query import Query

PER_ROW = ("x", "target", "allowed", "movable", "lower", "upper", "choices")
TABLE, _ = mixed_table(60)
rows_of_noise = st.lists(st.tuples(st.integers(0, 99), st.sampled_from([0.05, 0.5, 3.0])), min_size=1, max_size=4)


def people(**slope: Any) -> Parts:
    return line_model(TABLE, slope or {"age": 1.0}, -1.0)


def noise(x: Tensor, seed: int, scale: float) -> Tensor:
    return scale * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def offered(best: Incumbent, row: list[float]) -> bool:
    return bool(best.offer(torch.tensor([row]), every(best)))


# --------------------------------------------------------------------------------------------------------- questions


def test_constants_and_missing_numbers_cannot_move_and_the_rest_can() -> None:
    asked = people()
    query = asked.query()
    missing = asked.model.space.missing_cells(asked.x)
    constants, indicators = asked.codec.schema.constant_index.tolist(), asked.codec.schema.missing_index.tolist()
    assert missing.any() and constants
    assert (query.movable[missing] == 0).all() and (query.movable[:, constants] == 0).all()
    others = ~missing
    others[:, constants + indicators] = False
    assert (query.movable[others] == 1).all()
    assert (query.allowed == 1).all()  # the user has forbidden nothing


def test_what_the_user_freezes_is_frozen_for_the_network_and_the_search() -> None:
    asked = people()
    query, job = asked.query(immutable=["job"]), asked.model.space.owner == 2
    assert (query.allowed[:, job] == 0).all() and (query.movable[:, job] == 0).all()
    assert (query.allowed[:, ~job] == 1).all()


def test_a_range_is_the_seen_one_widened_to_the_row_and_cut_by_the_rules() -> None:
    table = TABLE.iloc[:3].copy()
    table["age"] = [25, 120, 40]  # 120 was never seen
    asked = line_model(TABLE, {"age": 1.0}, table=table)
    free, ruled = asked.query(), asked.query(bounds={"age": (None, 50)}, monotonic_cst={"age": 1})
    column = asked.codec.schema.columns[0]
    assert free.lower[:, 0].tolist() == [asked.model.space.lower[0]] * 3
    assert free.upper[1, 0] == asked.x[1, 0] > free.upper[0, 0] == asked.model.space.upper[0]
    assert column.inverse(ruled.lower[[0, 2], 0]).tolist() == [25, 40]
    assert column.inverse(ruled.upper[[0, 2], 0]).tolist() == [50, 50]


@pytest.mark.parametrize("rows", [[2, 0, 2], slice(1, 3), "mask"], ids=["numbers", "slice", "mask"])
def test_queries_are_cut_together(rows: Any) -> None:
    target = torch.arange(len(TABLE)) % 2
    query = people().query(target, bounds={"age": (20, 70)}, allowed_transitions={"job": {"clerk": ["nurse"]}})
    chosen = target == 1 if rows == "mask" else torch.tensor(rows) if isinstance(rows, list) else rows
    part = query[chosen]
    for name in PER_ROW:
        assert torch.equal(getattr(part, name), getattr(query, name)[chosen]), name
    for ours, whole in zip(part.demands, query.demands, strict=True):
        assert torch.equal(ours, whole[chosen])
    proposal = query.x + noise(query.x, 0, 2.0)
    assert len(part) == len(part.rules) == len(part.x)
    assert torch.equal(settle(part, proposal[chosen]), settle(query, proposal)[chosen])


def test_more_columns_can_be_frozen_each_row_its_own() -> None:
    asked = people()
    query = asked.query(immutable=["grade"])
    frozen = torch.rand(len(query), asked.model.space.n_columns, generator=torch.Generator().manual_seed(0)) < 0.5
    part = query.without(frozen)
    cells = frozen[:, asked.model.space.owner]
    assert torch.equal(part.movable, query.movable * ~cells) and torch.equal(part.allowed, query.allowed * ~cells)
    held = settle(part, query.x + noise(query.x, 1, 3.0))
    kept = cells | (asked.model.space.owner == 3)  # the grade is frozen still
    assert torch.equal(held[kept], query.x[kept])
    assert not torch.equal(held, query.x)
    assert (query.movable.sum() > part.movable.sum()) and not torch.equal(
        query.allowed, part.allowed
    )  # itself, it stays


def test_the_distance_counts_what_the_user_says_a_change_costs() -> None:
    asked = plane({0: 1.0}, np.zeros((1, 4)))
    moved = asked.x + torch.tensor([[3.0, 0.0, 4.0, 0.0]])
    assert asked.query().distance(moved).tolist() == pytest.approx([5.0])
    assert asked.query(feature_weights={"x0": 4.0}).distance(moved).tolist() == pytest.approx([(12**2 + 4**2) ** 0.5])


def test_what_changed_is_told_by_column() -> None:
    asked = parts("mixed2").head(20)
    best = far(asked)
    expected = asked.codec.schema.changed(best.x.numpy(), asked.x.numpy())
    assert best.query.changed(best.x).numpy().tolist() == expected.tolist()


# ---------------------------------------------------------------------------------------------------------- answers


@given(rows_of_noise, st.sampled_from(["numbers3", "labels2", "mixed2"]), st.booleans())
@settings(max_examples=8)
def test_an_incumbent_never_gets_worse_and_is_always_what_a_table_can_hold(
    tries: list[tuple[int, float]], name: str, ruled: bool
) -> None:
    asked = parts(name).head(15)
    first = asked.codec.schema.feature_names[0]
    query = asked.query(immutable=[first], max_changes=2) if ruled else asked.query()
    best = Incumbent(query, query.x)
    for seed, scale in tries:
        x, shortfall, cost = best.x.clone(), best.shortfall.clone(), best.cost.clone()
        better = best.offer(query.x + noise(query.x, seed, scale), every(best))
        assert torch.equal((best.shortfall < shortfall) | ((best.shortfall == shortfall) & (best.cost < cost)), better)
        assert torch.equal(best.x[~better], x[~better]) and torch.equal(best.cost[~better], cost[~better])
        assert torch.equal(settle(query, best.x), best.x)
    torch.testing.assert_close(best.shortfall, lacks(query, best.x))
    if ruled:
        assert torch.equal(best.x[:, asked.model.space.owner == 0], query.x[:, asked.model.space.owner == 0])
        assert (best.query.changed(best.x).sum(1) <= 2).all()


def test_what_is_kept_does_not_depend_on_the_order_of_offers() -> None:
    asked = parts("mixed2").head(40)
    query = asked.query()
    proposals = [query.x + noise(query.x, seed, scale) for seed, scale in [(0, 0.5), (1, 1.0), (2, 2.0)]]
    ends = []
    for order in (proposals, proposals[::-1]):
        best = Incumbent(query, query.x)
        for proposal in order:
            best.offer(proposal, every(best))
        ends.append(best)
    assert torch.equal(ends[0].shortfall, ends[1].shortfall)
    torch.testing.assert_close(ends[0].cost, ends[1].cost)
    assert (ends[0].x != query.x).any()


def test_a_certified_row_beats_any_shorter_way_that_is_not() -> None:
    asked = plane({0: 1.0}, [[-1.0, 0, 0, 0]])
    best = at_home(asked)
    assert best.shortfall.item() >= Shortfall.INVALID
    assert best.offer(
        torch.tensor([[0.5, 0.0, 0.0, 0.0]]), every(best)
    ).item()  # the class is right, the confidence is not
    assert 0 < best.shortfall.item() < Shortfall.INVALID
    assert offered(best, [2.0, 1.0, 1.0, 1.0])
    assert best.shortfall.item() == 0
    assert not offered(best, [0.5, 0.0, 0.0, 0.0])
    assert shown(best.x) == [[2.0, 1.0, 1.0, 1.0]]


def test_where_nothing_is_certified_the_best_effort_beats_the_shorter_way() -> None:
    asked = plane({0: 1.0}, [[-1.0, 0, 0, 0]])
    query = asked.query(probability=0.99)  # log-odds of 4.6: out of reach
    best = Incumbent(query, torch.tensor([[0.1, 0.0, 0.0, 0.0]]))
    lacking = best.shortfall.item()
    assert offered(best, [2.0, 0.0, 0.0, 0.0])
    assert best.shortfall.item() == lacking > 0
    assert not offered(best, [0.2, 0.0, 0.0, 0.0])
    assert shown(best.x) == [[2.0, 0.0, 0.0, 0.0]]


def test_so_it_does_for_rows_that_are_too_rare() -> None:
    asked = plane({0: 1.0}, [[-2.0, 8.0, 0.0, 0.0]])
    asked.model.threshold.fill_(-4.0)  # the density of a standard normal is -3.7 at its best
    best = Incumbent(asked.query(), torch.tensor([[1.5, 8.0, 0.0, 0.0]]))
    lacking = best.shortfall.item()
    assert offered(best, [1.5, 0.0, 0.0, 0.0])  # longer, and less rare
    assert best.shortfall.item() == lacking == 1.0


def test_of_certified_rows_the_shorter_and_the_one_with_fewer_changes_costs_less() -> None:
    asked = plane({0: 1.0}, [[-1.0, 0, 0, 0]])
    best = Incumbent(asked.query(), torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
    assert offered(best, [1.5, 0.0, 0.0, 0.0])
    spread = torch.tensor([[1.4, 0.25, 0.25, 0.25]])
    assert best.query.distance(spread) < best.query.distance(best.x)
    assert not best.offer(spread, every(best)).item()
    assert offered(best, [1.05, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("sparsity", "takes_both"), [(0.0, True), (10.0, False)])
def test_sparsity_says_how_much_longer_a_way_of_fewer_changes_may_be(sparsity: float, takes_both: bool) -> None:
    asked = plane({0: 1.0, 1: 1.0}, [[-1.0, 0, 0, 0]])
    best = Incumbent(replace(asked.query(), sparsity=sparsity), torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
    assert offered(best, [0.5, 1.5, 0.0, 0.0]) == takes_both


def test_a_row_that_cannot_obey_stays_itself_and_any_row_that_obeys_beats_it() -> None:
    table = TABLE.iloc[:2].copy()
    table["age"] = [25, 60]
    asked = line_model(TABLE, {"age": 1.0}, table=table)
    query = asked.query(bounds={"age": (None, 50)}, monotonic_cst={"age": 1})  # 60 may neither stay, nor fall
    best = Incumbent(query, query.x + noise(query.x, 0, 2.0))
    assert torch.equal(best.x[1], query.x[1])
    assert best.shortfall[1] >= 2 * Shortfall.INVALID > best.shortfall[0]


def test_an_offer_to_some_rows_touches_no_other() -> None:
    asked = parts("mixed2").head(20)
    query = asked.query()
    best, twin = (Incumbent(query, query.x) for _ in range(2))
    rows, proposal = torch.tensor([7, 2, 11]), query.x + noise(query.x, 3, 1.0)
    better = best.offer(proposal[rows], rows)
    expected = twin.offer(proposal, every(twin))
    assert torch.equal(better, expected[rows]) and better.any()
    assert torch.equal(best.x[rows], twin.x[rows]) and torch.allclose(best.cost[rows], twin.cost[rows])
    others = torch.ones(20, dtype=torch.bool).index_fill(0, rows, False)
    assert torch.equal(best.x[others], query.x[others])


def test_an_offer_to_no_row_is_no_offer() -> None:
    asked = parts("labels2").head(3)
    best = at_home(asked)
    assert best.offer(asked.x[:0], torch.arange(0)).tolist() == []


def test_a_question_leaves_the_rows_alone() -> None:
    asked = parts("mixed2").head(10)
    x = asked.x.clone()
    query: Query = asked.query()
    best = Incumbent(query, query.x)
    best.offer(query.x + noise(query.x, 0, 3.0), every(best))
    assert (best.x != x).any()
    assert torch.equal(query.x, x)
