"""A tiny table, whose counterfactuals are worked out by hand, for tests of the metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hyconex_sklearn.metrics import (
    gower_distance,
    hamming_distance,
    jaccard_distance,
    l1_distance,
    l2_distance,
)

NAN = np.nan
DISTANCES = [l1_distance, l2_distance, hamming_distance, jaccard_distance, gower_distance]

TRAIN = pd.DataFrame(
    {
        "age": [20, 30, 40, 60],
        "income": [0.0, 50.0, NAN, 100.0],
        "job": ["clerk", "nurse", "clerk", None],
        "owner": [True, False, True, False],
        "fixed": [3, 3, 3, 3],
    }
)
X = TRAIN.iloc[[0, 3, 1]].reset_index(drop=True)
CF = pd.DataFrame(
    {
        "age": [40, 60, None],
        "income": [NAN, 100.0, NAN],
        "job": ["nurse", None, None],
        "owner": [True, False, None],
        "fixed": [5, 3, None],
    }
)  # the first row changes, the second does not, for the third none was found


def nothing_like(table: pd.DataFrame) -> pd.DataFrame:
    """No answer to any row."""
    return pd.DataFrame(None, index=table.index, columns=table.columns, dtype=object)


def assert_floats(got: np.ndarray, expected: list[float]) -> None:
    assert got.dtype == float and got.shape == (len(expected),)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def assert_flags(got: np.ndarray, expected: list[bool]) -> None:
    assert got.dtype == bool
    assert got.tolist() == expected
