"""How far values may go, by a judge that can be checked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._answer.intervals import Intervals
from hyconex_sklearn._answer.reach import Limits, reach
from hyconex_sklearn._table.cells import Array, Table
from hyconex_sklearn._table.grid import Steps
from hyconex_sklearn._table.possible_values import PossibleValues

WHOLE, CONTINUOUS = PossibleValues(0.0, 100.0, Steps(1.0)), PossibleValues(0.0, 1.0)


def told(
    data: Table,
    grids: dict[int, PossibleValues],
    rule: Any,
    limits: Limits | None = None,
    together: bool = False,
    original: Table | None = None,
    size: int = 1000,
) -> Intervals:
    """The intervals of rows whose cells all changed, by a rule of tables."""
    original = (data * 0 - 1) if original is None else original

    def judge(at: Array, table: Table) -> Array:
        assert len(at) == len(table)
        return np.asarray(rule(table))

    return reach(data, original, np.ones(len(data), dtype=bool), grids, limits or {}, judge, size, together)


def test_an_interval_ends_where_the_judge_says_no() -> None:
    found = told(np.array([[45.0], [70.0]]), {0: WHOLE}, lambda t: (t[:, 0] >= 44) & (t[:, 0] <= 70))
    assert found.low.tolist() == [[44], [44]] and found.high.tolist() == [[70], [70]]
    assert found.how(0, 0) == "all 101 values"


def test_it_is_the_run_of_values_around_the_answer() -> None:
    found = told(np.array([[45.0], [80.0]]), {0: WHOLE}, lambda t: (t[:, 0] != 50) & (t[:, 0] != 20))
    assert found.low.tolist() == [[21], [51]] and found.high.tolist() == [[49], [100]]


def test_the_answer_itself_always_is_in() -> None:
    found = told(np.array([[45.0]]), {0: WHOLE}, lambda t: np.zeros(len(t), dtype=bool))
    assert found.low.tolist() == found.high.tolist() == [[45]]


def test_borders_between_many_values_are_looked_for_more_closely() -> None:
    found = told(np.array([[0.5]]), {0: CONTINUOUS}, lambda t: np.abs(t[:, 0] - 0.5) < 0.1234)
    assert found.how(0, 0) == "128 values"
    for end, border in ((found.low, 0.3766), (found.high, 0.6234)):
        inside = abs(end.item() - 0.5)
        assert inside < 0.1234 and abs(end.item() - border) < 1 / 4000


def test_limits_are_ends_to_the_last_bit() -> None:
    limits = {0: (np.array([0.1 + 0.2]), np.array([0.7]))}
    found = told(np.array([[0.5]]), {0: CONTINUOUS}, lambda t: (t[:, 0] >= 0.1 + 0.2) & (t[:, 0] <= 0.7), limits)
    assert (found.low.item(), found.high.item()) == (0.1 + 0.2, 0.7)


def test_an_answer_beyond_what_fit_has_seen_is_in_its_own_interval() -> None:
    found = told(np.array([[120.0]]), {0: WHOLE}, lambda t: t[:, 0] > 90)
    assert (found.low.item(), found.high.item(), found.checked.item()) == (91, 120, 121)


def test_cells_that_stay_and_gaps_have_none() -> None:
    original = np.array([[1.0, 2.0, 3.0]])
    data = np.array([[1.0, 5.0, np.nan]])
    found = told(data, dict.fromkeys(range(3), WHOLE), lambda t: t[:, 1] > 3, original=original)
    assert found.checked.astype(bool).tolist() == [[False, True, False]]
    assert np.isnan(found.low[0, [0, 2]]).all() and found.how(0, 0) is None


def test_labels_are_written_and_told_by_their_places() -> None:
    order = ["low", "mid", "high", "top"]
    data = pd.DataFrame({"grade": pd.Categorical(["mid"], order, ordered=True)})
    original = data.assign(grade=pd.Categorical(["low"], order, ordered=True))
    grid = PossibleValues(0.0, 3.0, Steps(1.0), labels=tuple(order))
    found = told(data, {0: grid}, lambda t: t["grade"].isin(["mid", "high"]), original=original)
    assert (found.low.item(), found.high.item(), found.how(0, 0)) == (1, 2, "all 4 values")
    assert found.labels == {0: tuple(order)}


def test_single_precision_is_judged_as_it_is_held() -> None:
    held = []

    def rule(table: Table) -> Array:
        assert table.dtype == np.float32
        held.extend(table[:, 0].astype(float).tolist())
        return np.asarray(table[:, 0] < np.float32(0.6))

    found = told(np.array([[0.5]], dtype=np.float32), {0: CONTINUOUS}, rule)
    assert found.high.item() in held and found.low.item() in held


def test_a_box_holds_together() -> None:
    data = np.array([[60.0, 60.0]])
    grids = {0: WHOLE, 1: WHOLE}

    def rule(table: Table) -> Array:
        return np.asarray(table.sum(1) >= 100)

    each, box = (told(data, grids, rule, together=together) for together in (False, True))
    assert each.low.tolist() == [[40, 40]] and box.how(0, 0) == "128 rows"
    assert box.low.sum() >= 100 and (box.low >= each.low).all() and (box.high <= each.high).all()
    assert 49 <= box.low[0, 0] <= 51  # evenly


@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 700))
def test_every_value_inside_holds_and_no_more_rows_are_judged_at_once_than_there_is_room_for(
    seed: int, together: bool, size: int
) -> None:
    rng = np.random.default_rng(seed)
    m, d = rng.integers(1, 5), rng.integers(1, 4)
    data, slope, border = rng.integers(0, 101, (m, d)).astype(float), rng.normal(size=d), rng.normal() * 50
    most = []

    def rule(table: Table) -> Array:
        most.append(len(table))
        return np.asarray(np.abs(table @ slope - border) < 100)

    certified = rule(data)
    original = np.where(rng.random((m, d)) < 0.3, data, -1.0)
    grids = dict.fromkeys(range(d), WHOLE)
    found = reach(data, original, certified, grids, {}, lambda at, table: rule(table), size, together)
    asked = (original != data) & certified[:, None]
    np.testing.assert_array_equal(found.checked > 0, asked)
    assert max(most) <= max(size, 256)
    for i, j in zip(*np.nonzero(asked), strict=True):
        low, high = found.low[i, j], found.high[i, j]
        assert low <= data[i, j] <= high
        rows = np.repeat(data[[i]], int(high - low) + 1, axis=0)
        rows[:, j] = np.arange(low, high + 1)
        assert rule(rows).all()
    one = reach(data[:1], original[:1], certified[:1], grids, {}, lambda at, table: rule(table), 1000, together)
    np.testing.assert_array_equal(one.low, found.low[:1])  # whatever stands beside it
