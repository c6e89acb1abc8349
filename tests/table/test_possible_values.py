"""The values that a column can take: on its grid, in its dtype, between two ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.possible_values import PossibleValues


def grid_of(cells: object) -> PossibleValues:
    grid = PossibleValues.of(TableCodec.fit(pd.DataFrame({"a": cells})).schema.columns[0])
    assert grid is not None
    return grid


def test_whole_numbers_are_all_there() -> None:
    values, complete = grid_of([1, 2, 3, 5, 8, 40]).between(4, 8, 256, 128)
    assert complete and values.tolist() == [4, 5, 6, 7, 8]


def test_hundreds_stay_hundreds() -> None:
    rng = np.random.default_rng(0)
    values, complete = grid_of(rng.integers(10, 90, 200) * 100).between(1250, 1800, 256, 128)
    assert complete and values.tolist() == [1300, 1400, 1500, 1600, 1700, 1800]


def test_where_there_are_many_some_are_spread_between_both_ends() -> None:
    cells = np.random.default_rng(0).integers(0, 10_000, 300) / 100
    values, complete = grid_of(cells).between(10, 90, 256, 128)
    assert not complete and len(values) == 128 and values[[0, -1]].tolist() == [10.0, 90.0]
    np.testing.assert_array_equal(values, values.round(2))


def test_levels_are_ranks() -> None:
    grid = grid_of(pd.Categorical(["low", "mid", "high"], ["low", "mid", "high"], ordered=True))
    assert grid.labels == ("low", "mid", "high") and grid.between(0, 2, 256, 128)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("cells", [["a", "b"], [True, False], [7, 7]])
def test_what_is_no_number_has_none(cells: list[object]) -> None:
    assert PossibleValues.of(TableCodec.fit(pd.DataFrame({"a": cells})).schema.columns[0]) is None


@given(st.sampled_from(["float32", "float16", "float64"]), st.integers(0, 3), st.integers(0, 10_000))
def test_values_are_what_the_codec_writes(dtype: str, decimals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.integers(-500, 500, 60).round() / 10**decimals
    codec = TableCodec.fit(pd.DataFrame({"a": cells.astype(dtype)}))
    grid = PossibleValues.of(codec.schema.columns[0])
    assert grid is not None
    values = grid.between(grid.lower, grid.upper, 256, 128)[0]
    np.testing.assert_array_equal(values, codec.schema.columns[0].inverse(codec.schema.columns[0].forward(values)))
    assert values[0] == grid.lower and values[-1] == grid.upper
