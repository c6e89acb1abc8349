"""Alternatives: rows that differ in what they change, none twice, and fewer where there are no more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _queries import Parts, brief, line_model, parts, plane, settle
from torch import Tensor

from hyconex_sklearn._model.certificate import Shortfall
from hyconex_sklearn._search.alternatives import _new, alternatives
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.ladder import solve

__all__ = ["brief"]
pytestmark = pytest.mark.usefixtures("brief")
Found = list[tuple[Tensor, Incumbent]]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def answered(asked: Parts, k: int, search: str = "auto", **how: Any) -> Found:
    """The first answers to the question toward class 1, and all others, with the queries that they are about."""
    question = asked.ask(torch.ones(len(asked.x), dtype=torch.long), **how)
    rows = (~question.already).nonzero().squeeze(1)
    first = solve(question.query[rows], question.moved[rows], search, generator())
    return list(alternatives(first, k, search, generator()))


def by_query(found: Found, of: Callable[[Incumbent, int], Any]) -> list[list[Any]]:
    """What `of` says of each query's answers, in the order in which they were found."""
    said: list[list[Any]] = [[] for _ in found[0][0]]
    for rows, answer in found:
        for place, row in enumerate(rows.tolist()):
            said[row].append(of(answer, place))
    return said


def row_of(answer: Incumbent, place: int) -> list[float]:
    return answer.x[place].tolist()


def columns_of(answer: Incumbent, place: int) -> set[int]:
    return set(answer.query.changed(answer.x)[place].nonzero().squeeze(1).tolist())


@pytest.mark.parametrize(
    ("name", "search"),
    [("numbers3", "auto"), ("numbers2", "latent"), ("labels2", "auto"), ("mixed2", "steps"), ("mixed3", "one_shot")],
)
def test_no_answer_comes_twice_and_every_further_one_is_valid(name: str, search: str) -> None:
    found = answered(parts(name).head(8), 3, search)
    for rows in by_query(found, row_of):
        assert all(a != b for a, b in combinations(rows, 2))
    for _, answer in found[1:]:
        assert (answer.shortfall < Shortfall.INVALID).all()
        assert torch.equal(settle(answer.query, answer.x), answer.x)
    assert len(found) > 1 or search != "auto"


def test_each_way_that_suffices_by_itself_is_found() -> None:
    asked = plane({0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0}, np.zeros((3, 5)), -0.5)
    for sets in by_query(answered(asked, 4), columns_of):
        assert len(sets) == 4
        assert len({frozenset(changed) for changed in sets}) == 4


def test_a_further_answer_leaves_the_larger_half_of_the_changes() -> None:
    asked = plane({0: 2.0, 1: 1.8, 2: 1.6, 3: 1.4}, np.zeros((1, 5)), -1.0)
    sets = by_query(answered(asked, 2, "one_shot"), columns_of)[0]
    assert sets == [{0, 1, 2, 3}, {2, 3}]  # the one pass moves all that counts, the first column furthest


def test_a_further_answer_leaves_what_the_first_one_changed_most() -> None:
    asked = plane({0: 3.0, 1: 2.0, 2: 2.0}, np.zeros((1, 3)), -1.0)
    found = answered(asked, 2)
    (_, first), (_, second) = found
    largest = int((first.x - asked.x).abs().argmax())
    assert largest not in columns_of(second, 0)
    assert torch.equal(second.x[0, largest], asked.x[0, largest])
    assert second.shortfall.item() == 0


def test_categories_give_way_to_each_other() -> None:
    table = pd.DataFrame({"a": list("uv") * 20, "b": list("uuvv") * 10, "c": list("uuuv") * 10})
    asked = line_model(table, {name: {"v": 4.0} for name in "abc"}, -2.0, table.iloc[:1])
    sets = by_query(answered(asked, 5), columns_of)[0]
    assert sorted(map(sorted, sets[:3])) == [[0], [1], [2]]


def test_a_further_answer_is_not_shortened_back_into_an_earlier_one() -> None:
    table = pd.DataFrame({"a": list("uv") * 20, "b": list("uuvv") * 10})
    asked = line_model(table, {name: {"v": 4.0} for name in "ab"}, -2.0, table.iloc[:1])
    sets = by_query(answered(asked, 2, feature_weights={"b": 5.0}), columns_of)[0]
    assert sets == [{0}, {1}]  # "a" is the cheap one, and the second answer has to do without it


def test_an_answer_is_new_if_no_earlier_one_to_the_same_query_equals_it() -> None:
    asked = plane({0: 1.0}, np.zeros((4, 2)))
    first = Incumbent(asked.query(), torch.tensor([[0.9, 0.0], [1.2, 0.0], [1.5, 0.0], [1.8, 0.0]]))
    some = torch.tensor([3, 1])
    second = Incumbent(first.query[some], torch.tensor([[0.5, 0.5], [0.7, 0.7]]))
    earlier = [(torch.arange(4), first), (some, second)]
    rows = torch.tensor([0, 1, 3])
    assert _new(first.x[rows], rows, earlier).tolist() == [False] * 3
    assert _new(second.x[[0, 1, 0]], rows, earlier).tolist() == [True, False, False]
    assert _new(second.x[[1, 0, 1]], rows, earlier).tolist() == [True] * 3


def test_fewer_come_back_where_there_are_no_more() -> None:
    table = pd.DataFrame({"a": list("uv") * 20, "b": list("uuvv") * 10})
    asked = line_model(
        table, {"a": {"v": 4.0}}, -2.0, table.iloc[[0, 2]]
    )  # only "a" decides, and it has one other label
    found = answered(asked, 5)
    assert [len(rows) for rows in by_query(found, row_of)] == [1, 1]


def test_some_queries_get_more_answers_than_others() -> None:
    asked = plane({0: 2.0, 1: 2.0}, np.zeros((3, 3)), -0.5)
    frozen = np.array([[False, False, True], [False, True, True], [True, False, False]])
    counts = [len(rows) for rows in by_query(answered(asked, 2, immutable=frozen), row_of)]
    assert counts == [2, 1, 1]


@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_rules_hold_for_all_alternatives(search: str) -> None:
    asked = parts("mixed2").head(8)
    found = answered(asked, 2, search, immutable=["job"], max_changes=3, bounds={"age": (None, 60)})
    for _, answer in found:
        assert torch.equal(answer.x[:, answer.model.space.owner == 2], answer.query.x[:, answer.model.space.owner == 2])
        assert (answer.query.changed(answer.x).sum(1) <= 3).all()
        assert (answer.x <= answer.query.upper + 1e-6).all()


def test_one_answer_asked_for_means_no_further_search() -> None:
    assert len(answered(parts("numbers3").head(4), 1)) == 1


def test_the_same_question_has_the_same_alternatives() -> None:
    first, again = (by_query(answered(parts("numbers3").head(5), 2), row_of) for _ in range(2))
    assert first == again and max(map(len, first)) > 1
