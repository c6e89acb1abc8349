"""The reservoir: certified rows of every class, offered by their distance on what may move, as a last resort."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import mixed_table
from _queries import Parts, at_home, every, line_model, parts, plane, shown
from torch import Tensor

from hyconex_sklearn._model.certificate import Shortfall
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.reservoir import fill_missing, offer_reservoir
from hyconex_sklearn._training.fill_reservoir import fill_reservoir


def stocked(asked: Parts, rows: list[list[float]] | Tensor, labels: list[int] | None = None) -> Parts:
    """The same model with these rows in its reservoir, by default all of class 1."""
    model = copy.deepcopy(asked.model)
    model.reservoir = torch.as_tensor(rows)
    model.reservoir_labels = torch.tensor([1] * len(rows) if labels is None else labels)
    return asked._replace(model=model)


def offered(asked: Parts, k: int, **rules: Any) -> Incumbent:
    best = at_home(asked, **rules)
    offer_reservoir(best, every(best), k)
    return best


# ---------------------------------------------------------------------------------------------------- what is offered


def test_the_nearest_row_of_the_target_class_is_offered() -> None:
    asked = plane({0: 1.0}, [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    rows = [[1.5, 0.0, 0.0], [1.2, 2.0, 0.0], [0.1, 0.0, 0.0]]
    best = offered(stocked(asked, rows, [1, 1, 0]), 1)
    assert shown(best.x) == [[1.5, 0.0, 0.0], [1.2, 2.0, 0.0]]


def test_what_may_not_move_counts_neither_in_the_distance_nor_in_the_row() -> None:
    asked = plane({0: 1.0}, [[0.0, 0.0, 0.0]])
    rows = [[1.2, 2.0, 0.0], [1.8, 0.0, 0.0]]
    assert shown(offered(stocked(asked, rows), 1).x) == [[1.8, 0.0, 0.0]]
    frozen = offered(stocked(asked, rows), 1, immutable=["x1"])
    assert shown(frozen.x) == [[1.2, 0.0, 0.0]]
    assert torch.equal(frozen.x[:, 1], asked.x[:, 1])


def test_the_distance_counts_what_a_change_costs() -> None:
    asked = plane({0: 1.0}, [[0.0, 0.0, 0.0]])
    rows = [[1.3, 1.0, 0.0], [1.3, 0.0, 1.2]]
    assert shown(offered(stocked(asked, rows), 1).x) == [[1.3, 1.0, 0.0]]
    assert shown(offered(stocked(asked, rows), 1, feature_weights={"x1": 3.0}).x) == [[1.3, 0.0, 1.2]]


def test_of_the_nearest_rows_a_certified_one_is_taken_and_of_those_the_shortest() -> None:
    asked = plane({0: 1.0}, [[0.0, 0.0, 0.0]])
    rows = stocked(asked, [[0.3, 0.0, 0.0], [0.6, 0.0, 0.0], [1.9, 0.0, 0.0], [1.4, 0.0, 0.0]])
    assert shown(offered(rows, 2).x) == [[0.6, 0.0, 0.0]]  # neither is certified: the one that lacks less
    assert shown(offered(rows, 3).x) == shown(offered(rows, 9).x) == [[1.4, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("numbers3", {"immutable": ["x0", "x2"]}),
        ("mixed2", {"immutable": ["job", "age"]}),
        ("mixed2", {"max_changes": 2, "bounds": {"age": (30, 60)}}),
        ("mixed3", {"allowed_transitions": {"job": {"clerk": ["nurse"], "nurse": ["pilot"]}}}),
    ],
    ids=["frozen numbers", "frozen columns", "few changes", "transitions"],
)
def test_an_exhaustive_search_finds_any_valid_row_that_there_is(name: str, rules: dict[str, Any]) -> None:
    whole = parts(name).head(20)
    asked = stocked(whole, whole.model.reservoir[::4], whole.model.reservoir_labels[::4].tolist())
    best, brute = offered(asked, len(asked.model.reservoir), **rules), at_home(asked, **rules)
    for row in asked.model.reservoir:
        brute.offer(torch.where(brute.query.movable > 0, row, brute.query.x), every(brute))
    assert torch.equal(best.shortfall, brute.shortfall)
    torch.testing.assert_close(best.cost, brute.cost, atol=1e-4, rtol=0)
    assert (best.shortfall < Shortfall.INVALID).any()


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_many_queries_are_served_in_chunks_as_they_are_at_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = parts("mixed2").head(20)
    whole = offered(asked, 8)
    monkeypatch.setattr("hyconex_sklearn._search.reservoir._MAX_JUDGED", size)
    monkeypatch.setattr("hyconex_sklearn._search.reservoir._MAX_CELLS", size)
    torch.testing.assert_close(offered(asked, 8).cost, whole.cost, atol=1e-4, rtol=0)


def test_an_empty_reservoir_and_no_queries_are_no_obstacle() -> None:
    asked = parts("mixed2").head(5)
    empty = stocked(asked, asked.model.reservoir[:0], [])
    for best in (offered(empty, 3), offered(empty, 0)):
        fill_missing(best, every(best))
        assert torch.equal(best.x, asked.x)
    best = at_home(asked)
    offer_reservoir(best, torch.arange(0), 3)
    fill_missing(best, torch.arange(0))
    assert torch.equal(best.x, asked.x)


# ---------------------------------------------------------------------------------------------------- missing numbers


def gaps() -> Parts:
    """Three people of unknown income, which alone decides; the reservoir knows one who earns enough."""
    train = pd.DataFrame({"age": range(20, 80), "income": [None, *np.linspace(-3, 3, 59)], "job": ["a", "b"] * 30})
    table = train.iloc[[5, 15, 25]].assign(income=np.nan)
    asked = line_model(train, {"income": 2.0}, -1.0, table)
    rich = torch.from_numpy(asked.codec.encode(train.iloc[[-1]]))
    return stocked(asked, rich)


def test_a_missing_number_is_filled_where_nothing_else_helps() -> None:
    asked = gaps()
    best = offered(asked, 1)
    assert (best.shortfall >= Shortfall.INVALID).all()  # what is missing stays missing, so far
    fill_missing(best, every(best))
    assert (best.shortfall < Shortfall.INVALID).all()
    decoded = asked.codec.decode(best.x.numpy(), asked.table)
    assert decoded["income"].tolist() == pytest.approx([3.0] * 3)


@pytest.mark.parametrize("rule", [{"immutable": ["income"]}, {"monotonic_cst": {"income": 1}}], ids=str)
def test_a_missing_number_stays_missing_where_the_user_does_not_let_it_change(rule: dict[str, Any]) -> None:
    asked = gaps()
    best = offered(asked, 1, **rule)
    fill_missing(best, every(best))
    assert asked.codec.decode(best.x.numpy(), asked.table)["income"].isna().all()


def test_gaps_are_filled_in_some_rows_and_left_in_the_others() -> None:
    asked = gaps()
    best = offered(asked, 1, immutable=np.array([[False, True, False], [False] * 3, [False, True, False]]))
    fill_missing(best, every(best))
    assert asked.codec.decode(best.x.numpy(), asked.table)["income"].isna().tolist() == [True, False, True]


def test_a_table_without_gaps_has_none_to_fill() -> None:
    asked = parts("numbers3").head(5)
    best = at_home(asked)
    fill_missing(best, every(best))
    assert torch.equal(best.x, asked.x)


# ----------------------------------------------------------------------------------------------------- how it is filled


def refilled(asked: Parts, seed: int, per_class: int, spoil: Callable[[Any], None] = lambda model: None) -> Any:
    model = copy.deepcopy(asked.model)
    spoil(model)
    torch.manual_seed(seed)
    fill_reservoir(model, asked.head(1).rules(), per_class, model.demands(torch.arange(model.n_classes)))
    return model


@pytest.fixture(params=["numbers3", "labels2", "mixed2"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr("hyconex_sklearn._training.fill_reservoir._MENDING_STEPS", 10)
    return parts(request.param)


def test_the_reservoir_has_valid_rows_of_every_class_the_certified_ones_first(asked: Parts) -> None:
    model = refilled(asked, 0, 30)
    counts = torch.bincount(model.reservoir_labels, minlength=model.n_classes)
    assert ((counts > 0) & (counts <= 30)).all()
    labels = model.reservoir_labels
    lacking = model.judge(model.reservoir, labels).shortfall(labels, model.demands(labels))
    assert (lacking < Shortfall.INVALID).all()
    for label in range(model.n_classes):
        own = lacking[labels == label]
        assert torch.equal(own, own.sort().values) and own[0] == 0


def test_its_rows_are_complete_and_can_be_held_by_a_table(asked: Parts) -> None:
    rows = asked.model.reservoir.numpy()
    assert (asked.codec.schema.snap(rows, rows) == rows).all()
    assert (rows[:, asked.codec.schema.missing_index] == 0).all()
    assert (rows >= asked.codec.schema.lower - 1e-6).all() and (rows <= asked.codec.schema.upper + 1e-6).all()
    assert np.isfinite(rows).all()


def test_the_reservoir_follows_the_random_state(asked: Parts) -> None:
    first, again, other = (refilled(asked, seed, 10).reservoir for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_a_class_that_nothing_belongs_to_leaves_the_others_their_rows(asked: Parts) -> None:
    def never(model: Any) -> None:
        model.classifier.linear.bias.data[0] = -1e4

    model = refilled(asked, 0, 10, never)
    assert set(model.reservoir_labels.tolist()) == set(range(1, model.n_classes))


def test_no_training_row_is_stored() -> None:
    table, _ = mixed_table()
    asked = parts("mixed2")
    training = torch.from_numpy(asked.codec.encode(table))
    assert not (asked.model.reservoir[:, None] == training[None]).all(2).any()
