"""Search in the flow's latent space: it finds certified rows, and heeds masks, ranges and its own random state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _models import mixed_table
from _queries import Parts, at_home, brief, every, line_model, parts, plane

from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.latent import search_latent

__all__ = ["brief"]
briefly = pytest.mark.usefixtures("brief")
NUMBERS = ["numbers2", "numbers3", "mixed2", "mixed3"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def searched(asked: Parts, copies: int = 2, seed: int = 0, **rules: Any) -> Incumbent:
    best = at_home(asked, **rules)
    search_latent(best, every(best), copies, seeded(seed))
    return best


def test_the_line_is_crossed_by_a_short_way() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-1.0, 0.0, 0.3, 0.0], [0.0, -1.0, 0.0, 1.0]])
    best = searched(asked)
    assert (best.shortfall == 0).all()
    shortest = 1.0 - asked.x @ torch.tensor([0.6, 0.8, 0.0, 0.0])
    assert (best.query.distance(best.x) < 1.25 * shortest + 0.1).all()


def test_rows_get_less_rare_where_that_is_lacking() -> None:
    asked = plane({0: 1.0}, [[1.5, 3.0, 0.0, 0.0]])
    asked.model.threshold.fill_(-6.0)
    best = searched(asked)
    assert best.shortfall.item() == 0 and best.x[0, 1] < 2.5


@pytest.mark.parametrize("name", ["numbers2", "numbers3", "mixed2"])
def test_some_rows_are_mended_and_none_gets_worse(name: str) -> None:
    asked = parts(name).head(30)
    before, best = at_home(asked), searched(asked)
    assert (best.shortfall <= before.shortfall).all()
    assert ((best.shortfall < 4) & (before.shortfall >= 4)).any()


@briefly
@pytest.mark.parametrize("name", NUMBERS)
def test_categories_gaps_and_frozen_columns_stay_as_they_are(name: str) -> None:
    asked = parts(name).head(30)
    first = int(asked.codec.schema.value_columns[0])
    best = searched(asked, immutable=[asked.codec.schema.feature_names[first]])
    space = asked.model.space
    frozen = best.query.movable == 0
    assert frozen[:, space.owner == first].all()
    assert torch.equal(best.x[frozen], asked.x[frozen])
    assert torch.equal(best.x[:, space.discrete], asked.x[:, space.discrete])
    assert (best.x != asked.x).any()


def test_rows_stay_inside_the_bounds_of_the_user() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.full((3, 4), -0.5))
    best = searched(asked, bounds={"x0": (-1.0, [0.2, 0.4, 0.6])})
    assert (best.shortfall == 0).all()
    assert (best.x[:, 0] <= torch.tensor([0.2, 0.4, 0.6]) + 1e-5).all()
    assert (best.x[:, 1] > 0.3).all()


@briefly
@pytest.mark.parametrize("name", ["numbers3", "mixed2"])
def test_an_answer_does_not_depend_on_the_rows_asked_along_with_it(name: str) -> None:
    asked = parts(name).head(12)
    together = searched(asked, copies=4)
    reordered = at_home(asked)
    search_latent(reordered, every(reordered).flip(0), 4, seeded())
    for i in (0, 11):
        alone = at_home(asked)
        search_latent(alone, torch.tensor([i]), 4, seeded())
        assert alone.shortfall[i] == together.shortfall[i] == reordered.shortfall[i]
        torch.testing.assert_close(alone.x[i], together.x[i], atol=2e-2, rtol=0)
        torch.testing.assert_close(reordered.x[i], together.x[i], atol=2e-2, rtol=0)
    assert (together.x != asked.x).any(1).sum() > 3


def test_the_same_seed_gives_the_same_answer_and_another_one_another() -> None:
    asked = parts("numbers3").head(5)
    state = torch.random.get_rng_state()
    first, again, other = (searched(asked, seed=seed).x for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@briefly
def test_a_search_for_some_rows_leaves_the_others() -> None:
    asked = parts("numbers2").head(10)
    best = at_home(asked)
    rows = torch.tensor([7, 3])
    search_latent(best, rows, 1, seeded())
    others = torch.ones(10, dtype=torch.bool).index_fill(0, rows, False)
    assert torch.equal(best.x[others], asked.x[others])
    assert (best.x[rows] != asked.x[rows]).any()


def test_tables_without_numbers_and_questions_without_rows_are_left_as_they_are() -> None:
    for asked, rows in ((parts("labels2").head(5), torch.arange(5)), (parts("mixed2").head(5), torch.arange(0))):
        best = at_home(asked)
        search_latent(best, rows, 2, seeded())
        assert torch.equal(best.x, asked.x)


def test_a_row_outside_of_what_was_seen_stays_there_or_comes_nearer() -> None:
    table, _ = mixed_table(80)
    asked = line_model(table, {"age": 1.0}, 0.0, table.head(3).assign(age=[900, 30, -50]))
    best = searched(asked)
    assert torch.equal(best.x[0], asked.x[0])  # already far beyond the line
    assert best.shortfall[1] == 0 and best.x[1, 0] >= 1.0
    assert torch.isfinite(best.x).all() and best.x[2, 0] >= asked.x[2, 0]
