"""A table with a column of each kind, which tests of the codec share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 40
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "pay": np.round(rng.normal(30, 5, n), 2),
            "size": pd.Categorical(np.resize(["L", "S", "M"], n), categories=["S", "M", "L", "XL"], ordered=True),
            "job": np.resize(["smith", "baker", "judge"], n),
            "owns": np.resize([True, False], n),
            "weight": np.where(np.arange(n) % 5 == 0, np.nan, rng.normal(70, 9, n)),
            "team": pd.Series(np.resize(["x", "y", None], n), dtype="str"),
            "same": 1,
        }
    )
