"""Columns and TableSchema: positions, units and seen ranges in encoded space."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import yeojohnson

from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.schema import Column, TableSchema
from hyconex_sklearn._table.units import inverse_yeo_johnson, yeo_johnson


@pytest.fixture
def schema() -> TableSchema:
    columns = (
        Column("age", "integer", "int64", 0, 1, center=40.0, scale=10.0, decimals=0, lower=20, upper=80, fill=38.0),
        Column("kg", "numeric", "float64", 1, 2, missing=2, center=70.0, scale=5.0, lower=50.0, upper=99.0, fill=70.5),
        Column("job", "categorical", "str", 3, 6, categories=("baker", "judge", None), rare=("pilot",), upper=1.0),
        Column("same", "constant", "int64", 6, 7, decimals=0, lower=3.0, upper=3.0, fill=3.0),
        Column(
            "size",
            "ordered",
            "category",
            7,
            8,
            categories=("S", "M", "L"),
            center=1.0,
            scale=0.5,
            decimals=0,
            upper=2.0,
            fill=2.0,
        ),
        Column("owns", "boolean", "bool", 8, 10, categories=(False, True), upper=1.0),
        Column(
            "once", "numeric", "float64", 10, 11, missing=11, center=4.0, decimals=0, lower=4.0, upper=4.0, fill=4.0
        ),
        Column(
            "pay",
            "numeric",
            "float64",
            12,
            13,
            center=0.7,
            scale=0.3,
            power=-0.5,
            unit=1000.0,
            decimals=2,
            lower=10.0,
            upper=1e6,
            fill=1000.0,
        ),
    )
    return TableSchema(columns, "dataframe", "", tuple(column.name for column in columns))


def test_every_encoded_position_has_one_owner_and_one_role(schema: TableSchema) -> None:
    assert schema.n_encoded == 13
    assert schema.owner.tolist() == [0, 1, 1, 2, 2, 2, 3, 4, 5, 5, 6, 6, 7]
    assert schema.numeric_index.tolist() == [0, 1, 7, 10, 12]
    assert schema.missing_index.tolist() == [2, 11]
    assert schema.constant_index.tolist() == [6]
    assert schema.blocks == (slice(3, 6), slice(8, 10))
    assert schema.numeric_index[schema.missing_slots].tolist() == [1, 10]
    assert [c.has_missing_level for c in schema.columns] == [False, False, True, False, False, False, False, False]


def test_bounds_and_steps_are_in_encoded_units(schema: TableSchema) -> None:
    assert schema.lower.dtype == schema.upper.dtype == schema.resolution.dtype == np.float32
    assert schema.lower[:12].tolist() == [-2, -4, 0, 0, 0, 0, 0, -2, 0, 0, 0, 0]
    assert schema.upper[:12] == pytest.approx([4, 5.8, 1, 1, 1, 1, 0, 2, 1, 1, 0, 1])
    assert schema.resolution[:10] == pytest.approx([0.1, 0, 0, 0, 0, 0, 0, 2, 0, 0])
    pay = schema.columns[7]
    assert schema.upper[12] == pytest.approx(float(pay.forward(1e6)))
    assert schema.resolution[12] == pytest.approx(float(pay.forward(1000.01) - pay.forward(1000.0)), rel=1e-4)


def test_what_has_a_single_value_cannot_move(schema: TableSchema) -> None:
    assert np.flatnonzero(~schema.movable).tolist() == [2, 6, 10, 11]


def test_nothing_can_be_changed_in_place(schema: TableSchema) -> None:
    for array in (schema.lower, schema.upper, schema.movable, schema.owner, schema.numeric_index, schema.resolution):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(FrozenInstanceError):
        schema.columns[0].center = 1.0  # type: ignore[misc]


def test_a_column_maps_single_numbers_and_arrays(schema: TableSchema) -> None:
    age, pay = schema.columns[0], schema.columns[7]
    assert age.forward(50) == 1.0 and age.forward([[50, 60]]).tolist() == [[1.0, 2.0]]
    assert age.inverse(0.123) == 41.0 and age.inverse(99.0) == 80.0
    assert pay.inverse(pay.forward([10.0, 1234.56, 999_999.0])) == pytest.approx([10.0, 1234.56, 999_999.0])


def test_a_power_that_saturates_still_finds_the_way_back() -> None:
    for scale in np.linspace(0.013, 0.9, 200):
        column = Column("v", "numeric", "float64", 0, 1, center=0.1, scale=scale, power=-2.0, lower=0.1, upper=1e16)
        back = column.inverse(column.forward([0.1, 1.0, 1e16]))
        assert back[:2] == pytest.approx([0.1, 1.0]) and 1e6 < back[2] <= 1e16


def test_narrow_floats_are_decoded_to_what_they_can_hold() -> None:
    column = Column("v", "numeric", "float32", 0, 1, center=500.0, scale=2.0, lower=490.0, upper=510.0)
    value = float(column.inverse(0.123456789))
    assert value == np.float32(value)
    assert float(column.forward(value)) == pytest.approx(0.123456789, abs=1e-4)


def test_a_pickle_brings_back_an_equal_schema(schema: TableSchema) -> None:
    _ = schema.lower, schema.numeric_map.range  # cached, and not to be carried along
    twin = pickle.loads(pickle.dumps(schema))
    assert twin == schema
    assert "numeric_map" not in schema.__getstate__()
    assert [type(label) for label in twin.columns[5].categories] == [bool, bool]


@settings(deadline=None)
@given(st.floats(-2, 4), st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=20))
def test_the_power_is_yeo_johnson_and_has_an_inverse(power: float, values: list[float]) -> None:
    x = np.array(values)
    u = yeo_johnson(x, power)
    near = min(abs(power), abs(power - 2)) or 1.0  # there scipy 1.11 takes differences of almost equal numbers
    assert u == pytest.approx(yeojohnson(x, lmbda=power), rel=1e-6, abs=1e-9 + 1e-12 / near)
    assert (np.abs(inverse_yeo_johnson(u, power) - x) <= 1e-6 * (1 + np.abs(x))).all()


def test_a_number_that_is_rounded_to_zero_has_no_sign() -> None:
    X = np.array([[-1.0], [0.0], [1.0]])
    codec = TableCodec.fit(X)
    reference = codec.encode(X[2:])
    soft = np.array([[-0.1]], dtype=np.float32)
    assert not np.signbit(codec.schema.snap(soft, reference)).any()
    assert codec.decode(soft, X[2:]).tolist() == [[0.0]] and not np.signbit(codec.decode(soft, X[2:])).any()


def test_terms_are_added_within_each_table_column(schema: TableSchema) -> None:
    terms = np.arange(2 * schema.n_encoded, dtype=float).reshape(2, -1)
    added = schema.by_column(terms)
    assert added.shape == (2, len(schema.columns))
    for j in range(len(schema.columns)):
        np.testing.assert_allclose(added[:, j], terms[:, schema.owner == j].sum(1))
