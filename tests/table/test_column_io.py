"""Counterfactuals written into columns of another dtype than the fitted ones: nothing is cut, rounded or lost."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hyconex_sklearn._table.codec import TableCodec


def _objects(*cells: Any) -> np.ndarray:
    return np.array([*cells, None], dtype=object)[:-1]


def written(fitted: Any, goal: Any, query: Any, listed: Any = "from_dtype") -> pd.Series:
    """The column of a query after its cells became what the goal, a column of the fitted kind, says.

    A copy of its first row that changes nothing is written with it, and has to come out as it was.
    """
    codec = TableCodec.fit(pd.DataFrame({"v": fitted}), listed)
    Z = codec.encode(pd.DataFrame({"v": goal}))
    rows = np.r_[0, np.arange(len(Z))]
    reference = np.full_like(Z, 9.0)[rows]
    reference[0] = Z[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = codec.decode(Z[rows], pd.DataFrame({"v": query}), rows, reference)["v"].reset_index(drop=True)
    assert result[0] == query[0]
    if result.dtype == object:
        assert isinstance(result[0], float) == isinstance(query[0], float)
    return result[1:]


TEXT = pd.Series(["a", "a"]).array  # in the dtype that this pandas gives to text
LABELS_OF_ANY_TYPE = _objects("a", 1, "1", None)


@pytest.mark.parametrize(
    ("fitted", "goal", "query", "expected", "dtype"),
    [
        # Numbers into narrower or other columns of numbers.
        (np.array([0.0, 1.0, np.nan]), [np.nan, 1.0], np.array([True, False]), [None, 1.0], "object"),
        (np.array([0.5, 1.0, np.nan]), [np.nan, 0.5], np.array([3, 4]), [None, 0.5], "float64"),
        (np.array([0, 300]), [300, 0], np.array([1, 2], dtype="uint8"), [300, 0], "int64"),
        (np.array([0.0, 1e39]), [1e39, 0.0], np.array([1, 2], dtype="float32"), [1e39, 0.0], "float64"),
        (np.array([0.0, 1e39]), [1e39, 0.0], pd.array([1, 2], dtype="Float32"), [1e39, 0.0], "Float64"),
        # Labels into columns of text, numbers and booleans.
        (LABELS_OF_ANY_TYPE, _objects(None, "1"), TEXT, [None, "1"], str(TEXT.dtype)),
        (LABELS_OF_ANY_TYPE, _objects("a", 1), np.array([1, 1]), ["a", 1], "object"),
        (LABELS_OF_ANY_TYPE, _objects("a", 1), pd.array([1, 1], dtype="Int64"), ["a", 1], "object"),
        (_objects(True, False, None), _objects(None, True), np.array([False, False]), [None, True], "object"),
    ],
)
def test_a_column_becomes_one_that_holds_what_is_written(
    fitted: Any, goal: Any, query: Any, expected: list[Any], dtype: str
) -> None:
    result = written(fitted, goal, query)
    assert result.dtype == dtype
    for cell, wanted in zip(result, expected, strict=True):
        if dtype.lower().startswith("float") and wanted is not None:
            assert cell == pytest.approx(wanted, rel=1e-6)
        else:
            assert (None if pd.isna(cell) else cell) == wanted


@pytest.mark.parametrize(
    ("labels", "query", "dtype"),
    [
        ([2, 1000, None], np.array([2, 2, 2], dtype="uint8"), "float64"),
        ([2, 1000, 3], np.array([2, 2, 2], dtype="uint8"), "int64"),
        ([0.1, 0.2, 0.7], pd.array([0.5, 0.5, 0.5], dtype="Float32"), "Float64"),
        ([0.1, 0.2, 0.7], np.array([0.5, 0.5, 0.5], dtype="float32"), "float64"),
        ([2**53 + 1, 3, 4], np.array([1.0, 1.0, 1.0]), "object"),
    ],
)
def test_a_number_that_is_a_label_is_never_rounded(labels: list[Any], query: Any, dtype: str) -> None:
    result = written(_objects(*labels), _objects(*labels), query, listed=["v"])
    assert result.dtype == dtype
    assert [None if pd.isna(cell) else cell for cell in result] == labels


def test_arrays_of_text_grow_and_hold_what_is_no_text_as_objects() -> None:
    codec = TableCodec.fit(LABELS_OF_ANY_TYPE[:, None])
    query = np.array([["1"], ["1"]])
    grown = codec.decode(codec.encode(np.array([["a"], ["1"]])), query)
    assert grown.tolist() == [["a"], ["1"]] and grown.dtype.kind == "U"
    for label in (None, 1):
        mixed = codec.decode(codec.encode(_objects(label, "1")[:, None]), query)
        assert mixed.tolist() == [[label], ["1"]] and mixed.dtype == object
    long = TableCodec.fit(np.array([["a", "x"], ["lengthy", "y"]]))
    result = long.decode(long.encode(np.array([["lengthy", "x"]])), np.array([["a", "x"]]))
    assert result.tolist() == [["lengthy", "x"]] and result.dtype.kind == "U"


def test_arrays_of_narrow_floats_become_wide_rather_than_infinite() -> None:
    X = np.array([[1.0, 1.0], [1e300, 2.0], [-1e300, 3.0]])
    codec = TableCodec.fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = codec.decode(codec.encode(X), np.ones((3, 2), dtype=np.float32))
        kept = codec.decode(codec.encode(X[:1]), np.ones((1, 2), dtype=np.float32))
    assert result.dtype == np.float64 and kept.dtype == np.float32
    np.testing.assert_allclose(result, X, rtol=1e-6)


@pytest.mark.parametrize(
    ("known", "goal", "expected"),
    [
        (["M", "L"], "S", ["S", "M", "L"]),
        (["S", "L", "XL"], "M", ["S", "M", "L", "XL"]),
        (["S", "M", "L"], "XL", ["S", "M", "L", "XL"]),
        (["huge", "M"], "L", ["huge", "M", "L"]),
    ],
)
def test_a_level_is_inserted_after_the_levels_below_it(known: list[str], goal: str, expected: list[str]) -> None:
    sizes = pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    fitted = pd.Series(["S", "M", "L", "XL"], dtype=sizes)
    query = pd.Series(["M" if "M" in known else "L"], dtype=pd.CategoricalDtype(known, ordered=True))
    result = written(fitted, pd.Series([goal], dtype=sizes), query)
    assert result.tolist() == [goal] and result.cat.ordered and result.cat.categories.tolist() == expected
