"""Distances, diversity and stability: values worked out by hand on tiny tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _metrics import CF, DISTANCES, NAN, TRAIN, X, assert_flags, assert_floats
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn.metrics import (
    coverage,
    diversity,
    gower_distance,
    hamming_distance,
    jaccard_distance,
    l1_distance,
    l2_distance,
    n_changed,
    stability,
)


@pytest.mark.parametrize("container", ["frame", "array"])
@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (l1_distance, 0.5 + 1 + 2),
        (l2_distance, np.sqrt(0.25 + 1 + 4)),
        (hamming_distance, 1 / 2),
        (jaccard_distance, 1 - 1 / 3),
        (gower_distance, (0.5 + 1 + 1 + 0 + 1) / 5),
    ],
)
def test_distances_are_those_worked_out_by_hand(distance: Any, expected: float, container: str) -> None:
    tables = (X, CF, TRAIN)
    if container == "array":
        tables = tuple(table.astype(object).to_numpy() for table in tables)
    assert_floats(distance(*tables), [expected, 0, NAN])


def test_changed_columns_are_counted() -> None:
    assert_floats(n_changed(X, CF), [4, 0, NAN])
    assert_floats(n_changed(np.array([[1.0, NAN]]), np.array([[1.0, NAN]])), [0])


def test_a_table_of_one_kind_has_no_distance_in_the_other() -> None:
    numbers, text = np.array([[1.0], [3.0]]), np.array([["a"], ["b"]])
    for distance in (hamming_distance, jaccard_distance):
        assert_floats(distance(numbers, numbers[::-1], numbers), [0, 0])
    for distance in (l1_distance, l2_distance):
        assert_floats(distance(text, text[::-1], text), [0, 0])
    assert_floats(gower_distance(text, text[::-1], text), [1, 1])


def test_nullable_and_categorical_columns_are_read_alike() -> None:
    plain = pd.DataFrame({"k": [0, 4, 2], "c": ["a", "b", None]})
    rich = pd.DataFrame({"k": pd.array([0, 4, 2], dtype="Int64"), "c": pd.Categorical(["a", "b", None])})
    assert_floats(gower_distance(rich, plain.iloc[[1, 1, 2]], rich), [1, 0, 0])
    holed = rich.assign(k=pd.array([pd.NA, 2, 2], dtype="Int64"))
    assert_floats(l1_distance(rich, holed, rich), [1, 0.5, 0])


def test_coverage_tells_rows_that_hold_anything() -> None:
    assert_flags(coverage(CF), [True, True, False])
    assert_flags(coverage(np.array([[NAN, 1.0], [NAN, NAN]])), [True, False])


CELLS = st.tuples(
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.sampled_from("ab")),
    st.one_of(st.none(), st.booleans()),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_distances_are_zero_for_the_same_rows_only_and_symmetric(pairs: list[Any]) -> None:
    pairs = [pair for pair in pairs if all(any(cell is not None for cell in row) for row in pair)]
    left, right = (
        pd.DataFrame([pair[side] for pair in pairs], columns=["k", "c", "b"]).astype({"k": float, "c": object})
        for side in (0, 1)
    )
    train = pd.DataFrame({"k": [0.0, 4.0], "c": ["a", "b"], "b": [True, False]})
    gower = gower_distance(left, right, train)
    assert ((gower >= 0) & (gower <= 1)).all()
    assert (gower == 0).tolist() == [one == other for one, other in pairs]
    for distance in DISTANCES:
        assert_floats(distance(left, right, train), distance(right, left, train).tolist())
        assert not distance(left, left, train).any()


# ------------------------------------------------------------------------------------------------ several, and noise


def test_diversity_is_the_mean_over_the_pairs_of_a_query() -> None:
    train = pd.DataFrame({"a": [0.0, 10.0], "b": [0.0, 10.0]})
    before = pd.DataFrame({"a": [0.0] * 6, "b": [0.0] * 6})
    after = pd.DataFrame({"a": [4.0, 0.0, 4.0, 1.0, 1.0, NAN], "b": [0.0, 2.0, 2.0, 0.0, 1.0, NAN]})
    query = ["p", "p", "p", "q", "r", "r"]  # q has one, r has one that was found
    values = np.mean([(0.4 + 0.2) / 2, 0.2 / 2, 0.4 / 2])
    assert_floats(diversity(before, after, train, query), [values] * 3 + [NAN] * 3)
    columns = np.mean([1, 1 / 2, 1 / 2])
    assert_floats(diversity(before, after, train, query, of="columns"), [columns] * 3 + [NAN] * 3)
    same = diversity(before, before, train, [0, 0, 1, 1, 2, 2], of="columns")
    assert_floats(same, [0] * 6)  # none changes anything


def test_stability_compares_the_answers_to_disturbed_rows() -> None:
    seen: list[pd.DataFrame] = []

    def generate(rows: pd.DataFrame) -> pd.DataFrame:
        seen.append(rows)
        return rows.assign(job="nurse")

    table = pd.concat([TRAIN] * 50).assign(small=np.arange(200, dtype="uint8") % 3)
    got = stability(generate, table, table, noise=0.5)
    first, second = seen
    pd.testing.assert_frame_equal(first, table)
    pd.testing.assert_frame_equal(first.dtypes.to_frame(), second.dtypes.to_frame())
    pd.testing.assert_frame_equal(first[["job", "owner", "fixed"]], second[["job", "owner", "fixed"]])
    assert (second["income"].isna() == first["income"].isna()).all()
    moved = (second["age"] - first["age"]).std() / (0.5 * TRAIN["age"].std(ddof=0))
    assert 0.8 < moved < 1.2
    assert second["small"].max() < 10  # no wrapping around below zero
    assert_floats(got, gower_distance(generate(first), generate(second), table).tolist())
    assert not stability(generate, table, table, noise=0).any()


def test_stability_of_arrays_and_of_rows_without_an_answer() -> None:
    rows = np.array([[0.5, 2.0], [1.5, 4.0], [2.5, 7.0]])
    seen: list[np.ndarray] = []

    def generate(asked: np.ndarray) -> np.ndarray:
        seen.append(asked)
        answer = asked.copy()
        answer[len(seen) - 1] = NAN
        return answer

    got = stability(generate, rows, rows, noise=0.1, random_state=3)
    assert np.isnan(got[:2]).all() and got[2] > 0
    assert (seen[1][:, 1] % 1 == 0).all() and (seen[1][:, 0] != rows[:, 0]).all()  # whole numbers stay whole
