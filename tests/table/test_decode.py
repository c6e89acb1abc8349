"""Encoded rows as rows of a table: rounded, untouched where nothing moved, in dtypes that hold them."""

from __future__ import annotations

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _tables import people

from hyconex_sklearn._table.codec import TableCodec

__all__ = ["people"]  # a fixture


def _one(codec: TableCodec, query: pd.DataFrame, name: str, encoded: Any) -> Any:
    """The cell that results when one column of the first row is set in encoded space."""
    reference = codec.encode(query.iloc[:1], warn_unseen=False)
    Z = reference.copy()
    column = codec.schema.columns[codec.schema.feature_names.index(name)]
    Z[0, column.start : column.stop] = encoded
    return codec.decode(codec.schema.snap(Z, reference), query.iloc[:1])[name].iloc[0]


def test_decoded_numbers_are_rounded_and_stay_in_the_seen_range(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    age, pay = codec.schema.columns[0], codec.schema.columns[1]
    assert _one(codec, people, "age", age.forward(41.3)) == 41
    assert _one(codec, people, "pay", pay.forward(30.1234)) == 30.12
    assert _one(codec, people, "age", 50.0) == people["age"].max()
    assert _one(codec, people, "size", 50.0) == "L"
    assert _one(codec, people, "job", [0.1, 0.7, 0.2]) == "judge"
    assert _one(codec, people, "owns", [0.9, 0.1]) is np.False_


def test_a_move_too_small_to_notice_leaves_the_cell_alone(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    weight, now = codec.schema.columns[5], people["weight"].iloc[1]
    query = people.iloc[1:]
    assert _one(codec, query, "weight", weight.forward(now) + 9e-4) == now
    assert _one(codec, query, "weight", weight.forward(now) + 2e-3) == pytest.approx(now + 2e-3 * weight.scale)
    assert (
        _one(codec, query, "age", codec.schema.columns[0].forward(query["age"].iloc[0] + 0.4)) == query["age"].iloc[0]
    )


def test_a_value_between_the_steps_stays_until_it_rounds_to_something_else(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    age = codec.schema.columns[0]
    query = people.assign(age=33.4999)
    assert _one(codec, query, "age", age.forward(33.2)) == 33.4999
    assert _one(codec, query, "age", age.forward(33.5001)) == 33.4999  # rounds to 34, but by a hair's breadth
    assert _one(codec, query, "age", age.forward(33.9)) == 34


def test_a_value_outside_the_seen_range_stays_until_it_is_moved(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    query = people.assign(age=99, pay=31.234567)
    age, pay = codec.schema.columns[0], codec.schema.columns[1]
    assert _one(codec, query, "age", age.forward(99)) == 99
    assert _one(codec, query, "pay", pay.forward(31.234567)) == 31.234567
    # Brought to the edge on purpose, or beyond it.
    assert _one(codec, query, "age", age.forward(age.upper)) == people["age"].max()
    assert _one(codec, query, "age", age.forward(33)) == 33


def test_missing_is_kept_or_filled_but_never_newly_chosen(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    weight = codec.schema.columns[5]
    assert np.isnan(people["weight"].iloc[0])
    assert np.isnan(_one(codec, people, "weight", weight.forward(weight.fill)))
    assert _one(codec, people, "weight", weight.forward(60.0)) == pytest.approx(60.0, abs=1e-4)
    assert _one(codec, people, "team", [0.1, 0.2, 0.9]) == "y"  # the likeliest of the others
    gone = people.iloc[2:]
    assert pd.isna(_one(codec, gone, "team", [0.1, 0.2, 0.9]))
    assert _one(codec, gone, "team", [0.1, 0.9, 0.2]) == "y"
    reference = codec.encode(people.iloc[1:2])
    Z = reference.copy()
    Z[:, codec.schema.missing_index] = 1.0
    assert (codec.schema.snap(Z, reference) == reference).all()


def test_untouched_cells_are_the_very_bits_of_the_query() -> None:
    odd_nan = np.array([0x7FF8_0000_0000_BEEF], dtype=np.uint64).view(np.float64)[0]
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[0] = [odd_nan, -0.0, 1e-310]
    codec = TableCodec.fit(X)
    for table in (X, pd.DataFrame(X), pd.DataFrame(X).assign(text="a")[[0, 1, 2]]):
        Z = codec.encode(table)
        moved = Z.copy()
        moved[:, codec.schema.columns[2].start] += 1
        result = np.asarray(codec.decode(codec.schema.snap(moved, Z), table))
        assert (result[:, :2].view(np.uint64) == X[:, :2].copy().view(np.uint64)).all()
        assert (result[:, 2] != X[:, 2]).sum() >= 29
    words = pd.DataFrame({"w": pd.Series(["left", "right"] * 5, dtype=object), "v": np.arange(10.0)})
    codec = TableCodec.fit(words)
    Z = codec.encode(words)
    Z[:, -1] = 0
    assert all(a is b for a, b in zip(codec.decode(Z, words)["w"], words["w"], strict=True))


def test_a_value_that_the_dtype_of_the_query_cannot_hold_widens_the_column() -> None:
    fitted = pd.DataFrame({"v": [0.25, 10.5, 300.0], "c": list("abc"), "u": [1, 2, 1000]})
    codec = TableCodec.fit(fitted)
    query = pd.DataFrame({"v": [1, 2], "c": pd.Categorical(["a", "a"]), "u": np.array([1, 2], dtype="uint8")})
    result = codec.decode(codec.encode(fitted.iloc[1:]), query)
    assert result["v"].tolist() == [10.5, 300.0] and result["v"].dtype == "float64"
    assert result["u"].tolist() == [2, 1000] and result["u"].dtype == "int64"
    assert result["c"].tolist() == ["b", "c"] and isinstance(result["c"].dtype, pd.CategoricalDtype)
    big = pd.DataFrame({"v": [1e300, 2.5e299, -1e300]})
    wide = TableCodec.fit(big)
    single = wide.decode(wide.encode(big), pd.DataFrame({"v": pd.Series([1, 2, None], dtype="Float32")}))
    assert single["v"].tolist() == pytest.approx(big["v"].tolist()) and single["v"].dtype == "Float64"
    codec = TableCodec.fit(np.array([[0.5], [1.5], [9.0]]))
    array = codec.decode(codec.encode(np.array([[0.5]])), np.array([[3]]))
    assert array.tolist() == [[0.5]] and array.dtype == "float64"
    codec = TableCodec.fit(np.array([["a"], ["lengthy"]]))
    assert codec.decode(codec.encode(np.array([["lengthy"]])), np.array([["a"]])).tolist() == [["lengthy"]]


def test_numbers_keep_their_type() -> None:
    top = 2**63 - 1
    codec = TableCodec.fit(np.array([[top], [0]]))
    result = codec.decode(codec.encode(np.array([[top]])), np.array([[0]]))
    assert result.dtype == np.int64 and result[0, 0] == pytest.approx(top)
    prices = np.array([[Decimal("1.25"), 3], [Decimal("2.5"), 4], [Decimal("9"), 7]], dtype=object)
    codec = TableCodec.fit(prices)
    result = codec.decode(codec.encode(prices[::-1]), prices)
    assert (result == prices[::-1]).all()
    assert {type(cell) for cell in result[:, 0]} == {Decimal} and {type(cell) for cell in result[:, 1]} == {int}


def test_a_level_that_an_ordered_query_lacks_is_inserted_in_its_place() -> None:
    sizes = pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    fitted = pd.DataFrame({"size": pd.Series(["S", "M", "L", "M"], dtype=sizes)})
    codec = TableCodec.fit(fitted)
    query = pd.DataFrame({"size": pd.Series(["S"], dtype=pd.CategoricalDtype(["S", "L"], ordered=True))})
    result = codec.decode(codec.encode(fitted.iloc[1:2]), query)["size"]
    assert result.tolist() == ["M"] and result.dtype == sizes


def test_rows_may_repeat_and_the_query_is_never_modified(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    before = people.copy(deep=True)
    rows = np.array([3, 3, 0, 7])
    reference = codec.encode(people)[rows]
    Z = reference + np.float32(0.7) * codec.schema.movable
    result = codec.decode(codec.schema.snap(Z, reference), people, rows)
    assert len(result) == 4 and result.dtypes.equals(people.dtypes)
    assert result.iloc[0].equals(result.iloc[1])
    pd.testing.assert_frame_equal(people, before)


def test_changed_tells_the_columns_apart(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    reference = codec.encode(people)
    Z = reference.copy()
    Z[0, codec.schema.columns[3].start] += 1
    Z[1, codec.schema.columns[5].missing] += 1
    assert np.argwhere(codec.schema.changed(Z, reference)).tolist() == [[0, 3], [1, 5]]


def test_read_only_and_fortran_arrays_are_welcome() -> None:
    X = np.asfortranarray(np.random.default_rng(0).normal(size=(10, 3)))
    X.flags.writeable = False
    codec = TableCodec.fit(X)
    assert (codec.decode(codec.encode(X), X) == X).all()
    assert codec.encode(X[::2]).shape == (5, 3)


@pytest.mark.parametrize("magnitude", [5e-324, 1e-300, 1e-30, 1e30, 1e300, 1.7e308])
@pytest.mark.parametrize("shape", ["plain", "outlier", "lognormal", "rarely on"])
def test_any_magnitude_is_encoded_without_a_warning(magnitude: float, shape: str) -> None:
    shapes = {
        "plain": np.array([1.0, 2.0, 3.0, -1.0]),
        "outlier": np.r_[np.linspace(1, 2, 50), 1e5],
        "lognormal": np.exp(3 * np.random.default_rng(0).normal(size=50)),
        "rarely on": np.r_[np.zeros(50), 1.0],
    }
    values = shapes[shape] / np.abs(shapes[shape]).max() * magnitude
    X = values[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec = TableCodec.fit(X)
        Z = codec.encode(X)
        far = codec.encode(np.array([[1e308], [-1e308], [0.0], [1e-320]]))
        snapped = codec.schema.snap(Z + 1, Z)
        again = codec.encode(codec.decode(snapped, X))
    assert np.isfinite(Z).all() and np.isfinite(far).all() and np.abs(far).max() <= 1e6
    assert np.allclose(again, snapped, rtol=1e-5, atol=1e-6)
