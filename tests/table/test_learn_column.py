"""What fit learns of a column: its kind, its labels, its unit, its decimals and its grid."""

from __future__ import annotations

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _tables import people
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.learn_column import MAX_LEVELS

__all__ = ["people"]  # a fixture


def test_kinds_follow_the_dtypes(people: pd.DataFrame) -> None:
    columns = TableCodec.fit(people).schema.columns
    kinds = ["integer", "numeric", "ordered", "categorical", "boolean", "numeric", "categorical", "constant"]
    assert [column.kind for column in columns] == kinds
    assert columns[1].decimals == 2 and columns[5].decimals is None
    assert (columns[7].lower, columns[7].upper) == (1, 1)
    assert columns[2].categories == ("S", "M", "L")
    assert columns[3].categories == ("baker", "judge", "smith")
    assert columns[6].categories == ("x", "y", None)


@pytest.mark.parametrize("listed", [["age"], [0], [True] + [False] * 7, np.array(["age"]), pd.Index(["age"])])
def test_listed_columns_are_categorical_whatever_their_dtype(people: pd.DataFrame, listed: Any) -> None:
    columns = TableCodec.fit(people, listed).schema.columns
    assert columns[0].kind == "categorical"
    assert columns[0].categories == tuple(sorted(set(people["age"].tolist())))
    assert columns[1].kind == "numeric" and columns[3].kind == "categorical"


def test_objects_that_are_numbers_are_numbers() -> None:
    X = np.array([[1, 1.5, "a", True], [None, Decimal("2"), 1, False], [3, np.float32(4), None, None]], dtype=object)
    assert [c.kind for c in TableCodec.fit(X).schema.columns] == ["integer", "numeric", "categorical", "boolean"]
    listed = TableCodec.fit(X, [0, 1, 3]).schema.columns
    assert [c.kind for c in listed] == ["categorical", "categorical", "categorical", "boolean"]


def test_categories_have_an_order_only_where_their_dtype_says_so() -> None:
    labels = ["S", "L", "S"]
    X = pd.DataFrame({"plain": pd.Categorical(labels), "ordered": pd.Categorical(labels, ordered=True)})
    assert [c.kind for c in TableCodec.fit(X).schema.columns] == ["categorical", "ordered"]
    assert [c.kind for c in TableCodec.fit(X, ["ordered"]).schema.columns] == ["categorical", "categorical"]


def test_a_single_label_is_a_constant_unless_some_cells_are_missing() -> None:
    X = pd.DataFrame(
        {
            "one": ["only"] * 3,
            "none": pd.Series([None] * 3, dtype="str"),
            "two": pd.Series(["only", None, "only"], dtype="str"),
        }
    )
    columns = TableCodec.fit(X).schema.columns
    assert [c.kind for c in columns] == ["constant", "constant", "categorical"]
    assert [c.categories for c in columns] == [("only",), (), ("only", None)]
    assert [c.dtype for c in columns] == [str(dtype) for dtype in X.dtypes]


def test_integers_too_large_for_exact_floats_are_integers_all_the_same() -> None:
    X = np.array([[0], [10**15], [3 * 10**15]])
    codec = TableCodec.fit(X)
    moved = codec.encode(X) + np.float32(0.123)
    result = codec.decode(codec.schema.snap(moved, codec.encode(X)), X)
    assert result.dtype == X.dtype and (result[:2] > X[:2]).all()


def test_decimals_of_narrow_floats_are_seen() -> None:
    cents = np.round(np.random.default_rng(0).uniform(0, 9, 300), 2).astype(np.float32)
    assert TableCodec.fit(cents[:, None]).schema.columns[0].decimals == 2


def test_numbers_may_come_as_categories() -> None:
    fitted = pd.DataFrame({"v": [1.5, 2.5, 4.0, np.nan]})
    codec = TableCodec.fit(fitted)
    query = fitted.astype({"v": "category"})
    assert (codec.encode(query) == codec.encode(fitted)).all()
    pd.testing.assert_frame_equal(codec.decode(codec.encode(query), query), query)


def test_nan_and_na_are_both_missing_in_a_nullable_column() -> None:
    values = pd.arrays.FloatingArray(np.array([1.0, np.nan, 2.0, 0.0]), np.array([False, False, False, True]))
    X = pd.DataFrame({"v": pd.Series(values)})
    assert TableCodec.fit(X, ["v"]).schema.columns[0].categories == (1.0, 2.0, None)
    assert TableCodec.fit(X).encode(X)[:, 1].tolist() == [0, 1, 0, 1]


def test_equal_labels_of_different_types_are_one_category_and_text_is_another() -> None:
    X = np.array([[1], [True], [1.0], ["1"], [1]], dtype=object)
    codec = TableCodec.fit(X)
    Z = codec.encode(X)
    assert codec.schema.columns[0].categories == (1, "1")
    assert (Z[[0, 1, 2, 4]] == [1, 0]).all() and (Z[3] == [0, 1]).all()
    # Cells that stay keep their own spelling.
    assert [type(cell) for cell in codec.decode(Z, X)[:, 0]] == [int, bool, float, str, int]


def test_a_column_of_many_labels_keeps_the_frequent_ones() -> None:
    labels = [f"rare {i}" for i in range(1_400)] + ["often"] * 3
    X = pd.DataFrame({"id": labels})
    codec = TableCodec.fit(X)
    assert codec.schema.n_encoded == MAX_LEVELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = codec.encode(X)
    assert (Z.sum(axis=1) == [1] * (MAX_LEVELS - 1) + [0] * (1_401 - MAX_LEVELS) + [1] * 3).all()
    assert codec.decode(Z, X).equals(X)


def test_a_heavy_tail_is_tamed_whatever_its_unit() -> None:
    pay = np.exp(2 * np.random.default_rng(0).normal(size=500))
    encoded = [TableCodec.fit(unit * pay[:, None]).encode(unit * pay[:, None]) for unit in (1e-6, 1.0, 1e6)]
    assert encoded[1].max() < 5 < ((pay - pay.mean()) / pay.std()).max()
    assert np.allclose(encoded[0], encoded[1], atol=1e-2) and np.allclose(encoded[2], encoded[1], atol=1e-2)
    # Few distinct values stay apart.
    counts = np.repeat([0.0, 1.0, 2.0], [90, 5, 5])[:, None]
    assert np.diff(np.unique(TableCodec.fit(counts).encode(counts))).min() > 0.5
    # Zeros beside the tail are not what its unit is.
    sparse = np.r_[np.zeros(700), pay[:300]][:, None]
    assert TableCodec.fit(sparse).encode(sparse).max() < 5
    # Long columns are judged by a part of their rows.
    many = np.exp(2 * np.random.default_rng(0).normal(size=25_000))[:, None]
    assert TableCodec.fit(many).encode(many).max() < 5
    # A mild skew is none.
    assert TableCodec.fit(np.random.default_rng(0).gamma(4, size=(500, 1))).schema.columns[0].power is None
    # A switch that is rarely off is skewed, too, but no power could help it.
    assert TableCodec.fit(1 - np.eye(50)[:, :1]).schema.columns[0].power is None


@pytest.mark.parametrize(("n_labels", "told"), [(200, True), (110, True), (100, False), (40, False)])
def test_a_column_that_names_its_rows_is_told(n_labels: int, told: bool, recwarn: pytest.WarningsRecorder) -> None:
    TableCodec.fit(pd.DataFrame({"id": [f"C{i % n_labels:04}" for i in range(200)], "x": np.arange(200.0)}), None)
    warned = [str(each.message) for each in recwarn if "different labels" in str(each.message)]
    assert bool(warned) == told
    assert all(text.startswith(f"column 'id' has {n_labels} different labels in 200 cells") for text in warned)


# ----------------------------------------------------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("values", "decimals", "multiple"),
    [
        (np.arange(40) * 100 + 14_600, 0, 100),
        (np.tile([6, 12, 24], 20), 0, 6),
        (np.arange(40) / 2, 1, 5),
        (np.arange(40) * 0.25 - 3, 2, 25),
        (np.array([-30, -20, -10, 0, 10, 20, 30, 40] * 20), 0, 10),
        (np.arange(20, 40, 2), 0, 1),  # ten even ages
        (np.array([20, 34, 46, 58]), 0, 1),
        (np.array([10, 20, 30]), 0, 1),
        (np.tile([0, 5], 50), 0, 1),  # nothing but itself to be a multiple of
        (np.arange(40) * 100 + (np.arange(40) == 7), 0, 1),
        (np.arange(40) * 2.0**52, None, 1),  # beyond what float64 tells apart
    ],
)
def test_the_grid_of_a_column_is_seen_where_there_is_evidence(values: np.ndarray, decimals: int, multiple: int) -> None:
    column = TableCodec.fit(values[:, None]).schema.columns[0]
    assert (column.decimals, column.multiple) == (decimals, multiple)


@given(st.integers(1, 10_000), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_what_is_decoded_lies_on_the_grid_and_seen_values_stay(multiple: int, decimals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.unique(rng.integers(-500, 500, 60)) * multiple / 10**decimals
    column = TableCodec.fit(values[:, None]).schema.columns[0]
    np.testing.assert_array_equal(column.inverse(column.forward(values)), values)
    between = column.inverse(rng.normal(size=100))
    assert set(between) <= set(np.arange(-500, 501) * multiple / 10**decimals)
