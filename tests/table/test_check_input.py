"""Tables and labels on their way in: what passes comes out as it is used. What is refused: test_bad_input."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import iris
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import dok_matrix
from sklearn.base import BaseEstimator

from hyconex_sklearn._table.check_input import check_table
from hyconex_sklearn._table.check_labels import check_labels, check_sample_weight, counted_rows
from hyconex_sklearn._table.codec import TableCodec


class Anyone(BaseEstimator):
    """An estimator that has seen nothing yet."""


FRAME = pd.DataFrame(
    {"a": [1.0, np.nan], "b": pd.Categorical(["x", "y"]), "c": pd.array([True, None], dtype="boolean")}
)


# --------------------------------------------------------------------------------------------------------- tables


def test_a_frame_passes_as_it_is_and_its_names_are_kept() -> None:
    estimator = Anyone()
    assert check_table(estimator, FRAME, reset=True) is FRAME
    assert estimator.n_features_in_ == 3
    np.testing.assert_array_equal(estimator.feature_names_in_, ["a", "b", "c"])


def test_a_frame_at_a_query_leaves_the_estimator_alone() -> None:
    estimator = Anyone()
    check_table(estimator, FRAME, reset=True)
    before = dict(vars(estimator))
    turned = FRAME[["c", "a"]]  # matched by name later on
    assert check_table(estimator, turned, reset=False) is turned
    assert vars(estimator).keys() == before.keys()


@pytest.mark.parametrize("reset", [True, False])
def test_an_array_keeps_its_dtype_and_its_gaps(reset: bool) -> None:
    for table in (np.array([[1, 2]], dtype=np.int8), np.array([["a", None]], dtype=object), np.array([[np.nan, 1.0]])):
        estimator = Anyone()
        check_table(estimator, table, reset=True)
        checked = check_table(estimator, table, reset=reset)
        assert checked.dtype == table.dtype and not hasattr(estimator, "feature_names_in_")
        assert all(a is b or a == b or (a != a and b != b) for a, b in zip(checked.flat, table.flat, strict=True))


def test_lists_become_arrays() -> None:
    checked = check_table(Anyone(), [[1, 2.5], [3, 4.5]], reset=True)
    assert isinstance(checked, np.ndarray) and checked.tolist() == [[1, 2.5], [3, 4.5]]


def test_an_array_of_another_width_is_told_at_a_query() -> None:
    estimator = Anyone()
    check_table(estimator, np.zeros((2, 3)), reset=True)
    with pytest.raises(ValueError, match=r"2 features.*3 features"):
        check_table(estimator, np.zeros((2, 2)), reset=False)


# --------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["no", "yes", "no"], ["no", "yes"]),
        (np.array([2.0, 0.0, 2.0]), [0.0, 2.0]),
        (pd.Series([True, False, True], index=[7, 8, 9]), [False, True]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (np.array(["z", "a", "z"], dtype=object), ["a", "z"]),
        ([3, 1, 2], [1, 2, 3]),
    ],
)
def test_classes_are_sorted_and_rows_know_theirs(y: Any, classes: list[Any]) -> None:
    found, labels, weight = check_labels(y, 3, None, np.ones(3))
    assert found.tolist() == classes
    np.testing.assert_array_equal(found[labels], np.asarray(y))
    np.testing.assert_array_equal(weight, 1.0)


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        (None, [1, 1, 1, 1]),
        ("balanced", [2 / 3] * 3 + [2]),
        ({"a": 1, "b": 3}, [2 / 3] * 3 + [2]),
        ({"b": 0}, [4 / 3] * 3 + [0]),
    ],
    ids=["equal", "balanced", "by label", "one class without weight"],
)
def test_weights_of_rows_have_a_mean_of_one(class_weight: Any, expected: list[float]) -> None:
    _, _, weight = check_labels(["a", "a", "a", "b"], 4, class_weight, np.ones(4))
    np.testing.assert_allclose(weight, expected)


@pytest.mark.parametrize(("class_weight", "shares"), [("balanced", [0.5, 0.5]), ({"a": 1, "b": 3}, [4 / 7, 3 / 7])])
def test_classes_are_weighted_by_what_their_rows_count(class_weight: Any, shares: list[float]) -> None:
    times = np.array([2.0, 1.0, 1.0, 1.0])
    _, labels, weight = check_labels(["a", "a", "a", "b"], 4, class_weight, times)
    np.testing.assert_allclose(np.bincount(labels, weights=weight) / 4, shares)


# ------------------------------------------------------------------------------------------------------ sample weights


@pytest.mark.parametrize(
    "given_weight",
    [
        [1, 0, 2],
        (1.0, 0.0, 2.0),
        np.array([1, 0, 2], dtype=np.uint8),
        np.array([1, 0, 2], dtype=np.float32),
        np.array([1, 0, 2.0], dtype=object),
        pd.Series([1, 0, 2], index=[7, 8, 9]),
        pd.Series([1, 0, 2], dtype="Int64"),
    ],
    ids=["list", "tuple", "bytes", "floats", "objects", "series", "nullable"],
)
def test_weights_of_any_kind_of_number_are_read(given_weight: Any) -> None:
    weight = check_sample_weight(given_weight, 3)
    assert weight.dtype == np.float64 and weight.tolist() == [1.0, 0.0, 2.0]


def test_one_number_stands_for_equal_weights_and_truth_values_for_one_and_none() -> None:
    assert check_sample_weight(2.5, 3).tolist() == [2.5, 2.5, 2.5]
    assert check_sample_weight([True, False, True], 3).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("frame", [True, False])
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12).filter(any))
def test_rows_that_count_keep_their_order_and_their_share(frame: bool, weights: list[int]) -> None:
    n = len(weights)
    X: Any = pd.DataFrame({"a": np.arange(n)}, index=np.arange(n) * 7) if frame else np.arange(n)[:, None]
    kept, y, times = counted_rows(X, [str(i) for i in range(n)], weights)
    counting = [i for i, weight in enumerate(weights) if weight]
    assert np.asarray(kept)[:, 0].tolist() == counting and list(y) == [str(i) for i in counting]
    assert times.mean() == pytest.approx(1.0)
    expected = np.array([weights[i] for i in counting])
    np.testing.assert_allclose(times, expected / expected.mean())
    if frame:
        assert kept.index.tolist() == [7 * i for i in counting]


@pytest.mark.parametrize("weights", [None, 1.0, 7, [3, 3, 3], np.full(3, 0.1)])
def test_equal_weights_leave_the_table_itself_and_count_as_none(weights: Any) -> None:
    y = np.array([0, 1, 0])
    X, labels, times = counted_rows(FRAME.iloc[[0, 1, 0]], y, weights)
    assert labels is y and len(X) == 3 and times.tolist() == [1.0, 1.0, 1.0]


def test_a_label_in_the_place_of_labels_is_told_whatever_the_weights() -> None:
    with pytest.raises(TypeError, match="Expected sequence or array-like"):
        counted_rows(FRAME, 3, [1, 2])


class Grade(enum.IntEnum):
    LOW = 1
    HIGH = 2


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([Decimal(1), Decimal(2)], r"labels of type Decimal \(dtype object\), such as Decimal\('1'\); .* \[str\("),
        (np.array([Grade.LOW, Grade.HIGH], dtype=object), "labels of type Grade"),
        (pd.cut(pd.Series([1.0, 2.0]), 2), "labels of type Interval"),
        (pd.period_range("2020", periods=2, freq="M"), "labels of type Period"),
        (pd.date_range("2020", periods=2), "labels of type datetime64"),
        ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], "labels of type date "),
        (np.array([1, 2]).astype("m8[D]"), "labels of type timedelta64"),
        (pd.Series([("a",), ("a", "b")]), "labels of type tuple"),
        (pd.Series([1, 2], dtype=object), r"labels of type int .* np.asarray\(y, dtype=int\)"),
        (pd.Series([True, False], dtype=object), r"np.asarray\(y, dtype=bool\)"),
        ([1, "a"], r"labels of the types int, str; .*\[str\(label\)"),
        (pd.Series([1.5, "a"], dtype=object), "labels of the types float, str"),
        (["a", None], "Input y contains NaN in 1 rows"),
    ],
)
def test_labels_that_no_classifier_takes_are_told_by_their_type(labels: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        check_labels(labels, 2, None, np.ones(2))


@pytest.mark.parametrize(
    "labels", [["a", "b"], ("a", "b"), [Grade.LOW, Grade.HIGH], [True, False], pd.Series(["a", "b"], dtype="category")]
)
def test_labels_that_are_text_or_whole_numbers_are_taken(labels: Any) -> None:
    classes, found, _ = check_labels(labels, 2, None, np.ones(2))
    assert classes[found].tolist() == list(labels)


@pytest.mark.parametrize("cell", [datetime.time(3), datetime.timedelta(1), np.datetime64("2020-01-01")])
def test_dates_among_objects_are_told_as_dates(cell: Any) -> None:
    with pytest.raises(TypeError, match="column 't' holds dates or durations"):
        TableCodec.fit(pd.DataFrame({"t": pd.Series([cell, None], dtype=object)}))


def test_a_sparse_matrix_that_is_a_dict_is_told_as_sparse() -> None:
    clf, X, _ = iris()
    with pytest.raises(TypeError, match=r"sparse matrix \(dok_"):
        clf.predict(dok_matrix(X[:3]))
