"""Building a counterfactual change by change: the decisive columns are found, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from _models import mixed_table
from _queries import Parts, at_home, every, lacks, line_model, parts, plane, settle
from torch import Tensor

from hyconex_sklearn._search.greedy import build
from hyconex_sklearn._search.incumbent import Incumbent

TABLE, _ = mixed_table(120)
CLERK = TABLE[(TABLE["job"] == "clerk") & (TABLE["age"] < 40) & TABLE["income"].notna()].head(5)
#: What decides in the models below: to be a pilot, a little also to be a nurse, and the age; the rest hardly counts.
JOB = {"pilot": 3.0, "nurse": 0.2, "clerk": -0.2}


def built(asked: Parts, **rules: object) -> Incumbent:
    best = at_home(asked, **rules)
    build(best, every(best))
    return best


def columns(best: Incumbent) -> list[list[int]]:
    """Numbers of the changed columns of each row."""
    return [row.nonzero().squeeze(1).tolist() for row in best.query.changed(best.x)]


def label(asked: Parts, best: Incumbent, name: str) -> list[object]:
    return asked.codec.decode(best.x.numpy(), asked.table)[name].tolist()


def test_the_one_decisive_category_is_found() -> None:
    asked = line_model(TABLE, {"job": JOB, "age": 0.1, "grade": 0.1}, -1.5, CLERK)
    best = built(asked)
    assert (best.shortfall == 0).all()
    assert columns(best) == [[2]] * len(CLERK)
    assert label(asked, best, "job") == ["pilot"] * len(CLERK)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_the_one_decisive_number_is_found_in_either_direction(direction: float) -> None:
    asked = plane({0: 0.1, 2: direction}, [[0.2, 0.0, 0.3 * direction, 0.0]])
    best = built(asked)
    assert best.shortfall.item() == 0 and columns(best) == [[2]]
    assert best.x[0, 2] * direction > 1.0


def test_the_one_decisive_label_of_many_is_found() -> None:
    table = pd.DataFrame({"city": list("abcdefghijkl") * 5, "colour": list("rgb") * 20})
    slope = {"city": dict(zip("abcdefghijkl", np.linspace(-1.0, 0.5, 12), strict=True)) | {"h": 3.0}}
    asked = line_model(table, slope, -1.0, table.head(3))
    best = built(asked)
    assert label(asked, best, "city") == ["h"] * 3 and columns(best) == [[0]] * 3


def test_the_shorter_of_two_ways_is_taken_where_both_will_do() -> None:
    table = pd.DataFrame({"colour": list("uv") * 30, "size": np.linspace(-3, 3, 60)})
    slope = {"colour": {"u": -3.0, "v": 3.0}, "size": 9.0}
    best = built(line_model(table, slope, 0.0, table.assign(size=-0.1).head(1)))
    assert best.shortfall.item() == 0 and columns(best) == [[1]]
    assert 0 < best.x[0, 2] < 1.5  # the shorter of the two lengths, too


def test_where_the_decisive_number_is_frozen_the_next_one_does_the_work() -> None:
    asked = plane({0: 3.0, 1: 1.0}, [[-0.1, 0.0, 0.0]])
    best = built(asked, immutable=["x0"])
    assert best.shortfall.item() == 0 and columns(best) == [[1]]


def test_two_changes_are_made_where_one_is_not_enough() -> None:
    asked = line_model(TABLE, {"job": JOB, "owner": {True: 1.5, False: -1.5}}, -2.0, CLERK)
    best = built(asked)
    owner = CLERK["owner"].tolist()
    assert (best.shortfall == 0).all()
    assert columns(best) == [[2] if own else [2, 4] for own in owner] and {True, False} == set(owner)


def test_no_more_is_changed_once_nothing_is_lacking() -> None:
    asked = plane({0: 1.0}, [[3.0, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    best = built(asked)
    assert torch.equal(best.x[0], asked.x[0])
    assert best.shortfall.tolist() == [0, 0] and columns(best) == [[], [0]]


def test_at_most_four_columns_change() -> None:
    table = pd.DataFrame({f"c{j}": list("uv") * 20 for j in range(8)})
    asked = line_model(table, {f"c{j}": {"v": 1.0} for j in range(8)}, -7.5, table.iloc[:1])  # "v" everywhere is asked
    best = built(asked)
    assert len(columns(best)[0]) == 4 and best.shortfall.item() > 0
    assert label(asked, best, "c0") in (["u"], ["v"])


def test_labels_that_the_rules_exclude_are_not_taken() -> None:
    asked = line_model(TABLE, {"job": JOB, "age": 1.0}, 0.0, CLERK)
    assert set(label(asked, built(asked), "job")) == {"pilot"}
    ruled = built(asked, allowed_categories={"job": ["clerk", "nurse"]})
    assert "pilot" not in label(asked, ruled, "job") and (ruled.shortfall == 0).all()
    frozen = built(asked, immutable=["job"])
    assert columns(frozen) == [[0]] * len(CLERK)


def test_missing_is_never_a_change_to_make() -> None:
    asked = line_model(TABLE, {"job": {None: 9.0, "pilot": 1.0}}, -0.5, CLERK)
    best = built(asked, probability=0.55)
    assert asked.model.space.missing_level.any()
    assert label(asked, best, "job") == ["pilot"] * len(CLERK)


def test_a_missing_number_is_not_built_on() -> None:
    table = CLERK.copy()
    table["income"] = np.nan
    asked = line_model(TABLE, {"income": 3.0, "age": 1.0}, -0.5, table)
    assert all(1 not in row for row in columns(built(asked)))


@pytest.mark.parametrize("name", ["numbers3", "labels3", "mixed2"])
def test_building_never_takes_anything_back(name: str) -> None:
    asked = parts(name).head(30)
    query = asked.query()
    start: Tensor = torch.where(
        query.movable > 0, asked.model.reservoir[asked.model.reservoir_labels == 1][:1], query.x
    )
    best = Incumbent(query, start)
    shortfall, cost = best.shortfall.clone(), best.cost.clone()
    build(best, every(best))
    assert (best.shortfall <= shortfall).all() and (best.cost <= cost)[best.shortfall == shortfall].all()
    assert torch.equal(settle(query, best.x), best.x)
    torch.testing.assert_close(best.shortfall, lacks(query, best.x))
    if name != "numbers3":
        assert (best.cost < cost).any()


def test_building_for_no_row_is_no_work() -> None:
    best = at_home(parts("labels2").head(4))
    build(best, torch.arange(0))
    assert torch.equal(best.x, best.query.x)
