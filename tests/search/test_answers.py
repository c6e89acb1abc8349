"""Answers in order: by row, target and rank, each with what it is worth to know about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _queries import Parts, brief, lacks, line_model, parts, plane
from torch import Tensor

from hyconex_sklearn._common.parameters import SEARCHES
from hyconex_sklearn._search.answers import Answers, answer
from hyconex_sklearn._search.query import Query, Request

__all__ = ["brief"]
pytestmark = pytest.mark.usefixtures("brief")


def answers(
    asked: Parts,
    wanted: Tensor | str | None = None,
    k: int = 1,
    search: str = "auto",
    probability: float | None = None,
    offset: int = 0,
    **rules: Any,
) -> Answers:
    return answer(asked.model, Request(asked.x, wanted, asked.rules(**rules), probability, search, k), offset)


def price(asked: Parts, found: Answers) -> tuple[np.ndarray, np.ndarray]:
    """What the certificates lack, and the way, of each answer."""
    rows, target = torch.from_numpy(found.row), torch.from_numpy(found.target)
    demands = asked.model.demands(target)
    query = Query.of(asked.model, asked.x[rows], target, demands, asked.rules().take(found.row))
    z = torch.from_numpy(found.z)
    return lacks(query, z).numpy(), query.distance(z).numpy()


def keys(found: Answers) -> list[tuple[int, int, int]]:
    return list(zip(found.row.tolist(), found.target.tolist(), found.rank.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "search"), [("numbers3", "auto"), ("numbers2", "latent"), ("labels3", "steps"), ("mixed3", "one_shot")]
)
def test_answers_come_by_row_target_and_rank(name: str, search: str) -> None:
    asked = parts(name).head(5)
    found = answers(asked, k=2, search=search)
    assert keys(found) == sorted(set(keys(found)))
    predicted = asked.model.logits(asked.x).argmax(1).tolist()
    expected = {(i, k) for i in range(5) for k in range(asked.model.n_classes) if k != predicted[i]}
    assert {key[:2] for key in keys(found)} == expected
    assert found.predicted.tolist() == [predicted[row] for row in found.row]
    for row, target, rank in keys(found):
        assert rank == 0 or (row, target, rank - 1) in keys(found)


@pytest.mark.parametrize("name", ["numbers3", "labels2", "mixed2"])
def test_the_first_of_several_answers_is_the_nearest_certified_one(name: str) -> None:
    asked = parts(name).head(6)
    found = answers(asked, k=2)
    shortfall, way = price(asked, found)
    later = np.flatnonzero(found.rank > 0)
    assert len(later)
    for i in later:
        assert (shortfall[i - 1], way[i - 1] - 1e-6) <= (shortfall[i], way[i])


def test_answers_that_lack_the_same_come_by_distance_too() -> None:
    asked = plane({0: 2.0, 1: 2.02, 2: 2.04, 3: 2.06}, np.zeros((2, 4)), -0.5)
    asked.model.threshold.fill_(99.0)  # no row is plausible
    found = answers(asked, torch.ones(2, dtype=torch.long), k=3)
    shortfall, way = price(asked, found)
    assert (shortfall > 0).all() and found.rank.max() > 0
    same = (found.rank[1:] > 0) & (shortfall[1:] == shortfall[:-1])
    assert same.any() and (way[1:] >= way[:-1])[same].all()


def test_a_row_in_its_target_has_one_line_and_stays() -> None:
    asked = parts("numbers3")
    few = asked._replace(table=asked.table[::20], x=asked.x[::20])
    found = answers(few, torch.ones(len(few.x), dtype=torch.long), k=3)
    predicted = few.model.logits(few.x).argmax(1).numpy()
    assert found.already.tolist() == (found.predicted == 1).tolist() and found.already.any()
    for row in np.flatnonzero(predicted == 1):
        assert (found.row == row).sum() == 1
        np.testing.assert_array_equal(found.z[found.row == row], few.x[[row]].numpy())
    assert not (found.z[~found.already] == few.x.numpy()[found.row[~found.already]]).all(1).any()


def test_it_stays_even_where_the_rules_would_change_it() -> None:
    table = pd.DataFrame({"age": [20.5, 30.25, 40.125, 70.0] * 10, "job": list("abcd") * 10})
    asked = line_model(table, {"age": 1.0}, 0.0, table.iloc[3:4])
    for search in ("auto", "one_shot"):
        found = answers(asked, torch.tensor([1]), search=search, bounds={"age": (None, 50)})
        assert found.already.tolist() == [True] and np.array_equal(found.z, asked.x.numpy())


def test_second_asks_for_the_runner_up() -> None:
    asked = parts("mixed3").head(20)
    found = answers(asked, "second", search="one_shot")
    order = asked.model.logits(asked.x).argsort(1)
    assert found.target.tolist() == order[:, -2].tolist() and found.row.tolist() == list(range(20))


def test_what_was_predicted_before_is_told() -> None:
    asked = parts("numbers3").head(5)
    found = answers(asked, search="one_shot")
    probability = asked.model.logits(asked.x).double().softmax(1).numpy()
    np.testing.assert_allclose(found.before, probability[found.row, found.target], rtol=1e-5)
    assert (found.before < probability[found.row, found.predicted]).all()


def test_fewer_answers_than_asked_for_are_told_on_the_last_of_them() -> None:
    table = pd.DataFrame({"a": list("uv") * 20, "b": list("uuvv") * 10, "c": np.linspace(-1, 1, 40)})
    asked = line_model(table, {"a": {"v": 4.0}, "b": {"v": 4.0}}, -2.0, table.iloc[[0]])
    wanted = torch.tensor([1])
    two, three = answers(asked, wanted, k=2), answers(asked, wanted, k=9)
    assert two.rank.tolist() == [0, 1] and not two.lacking.any()
    assert len(three.rank) < 9 and three.lacking.tolist() == [0] * (len(three.rank) - 1) + [9 - len(three.rank)]


def test_one_answer_asked_for_is_never_fewer() -> None:
    for search in SEARCHES:
        assert not answers(parts("labels3").head(5), search=search).lacking.any()


def test_positions_count_on_from_the_offset() -> None:
    asked = parts("mixed2").head(6)
    whole = answers(asked, search="one_shot")
    parted = Answers.joined(
        [
            answers(asked.head(2), search="one_shot"),
            answers(asked._replace(table=asked.table[2:], x=asked.x[2:]), search="one_shot", offset=2),
        ]
    )
    assert keys(whole) == keys(parted)
    np.testing.assert_allclose(whole.z, parted.z, atol=1e-5)


@pytest.mark.parametrize("search", ["auto", "latent"])
def test_queries_searched_in_chunks_are_answered_as_at_once(search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = parts("numbers3").head(4)
    whole = answers(asked, search=search)
    monkeypatch.setattr("hyconex_sklearn._search.answers._CLIMB_ROWS", 3)
    parted = answers(asked, search=search)
    assert keys(whole) == keys(parted)
    (lacking, way), (also, again) = price(asked, whole), price(asked, parted)
    assert lacking.tolist() == also.tolist()
    np.testing.assert_allclose(way, again, rtol=2e-2)  # a rounded number more or less


def test_rules_hold_for_every_answer() -> None:
    asked = parts("mixed2").head(8)
    found = answers(asked, k=2, immutable=["job"], max_changes=2)
    home = asked.x.numpy()[found.row]
    changed = asked.codec.schema.changed(found.z, home)
    assert not changed[:, 2].any() and (changed.sum(1) <= 2).all() and changed.any()
    allowed = asked.rules(immutable=["job"], max_changes=2).take(found.row)
    settled, obeys = allowed.settle(found.z, home)
    assert obeys.all() and np.array_equal(settled, found.z)


def test_answers_do_not_depend_on_the_global_random_state() -> None:
    asked = parts("numbers2").head(3)
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = torch.random.get_rng_state()
        found.append(answers(asked, search="latent").z)
        assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(found[0], found[1])
