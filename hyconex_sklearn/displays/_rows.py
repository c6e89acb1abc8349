"""What is asked of the rows and columns to draw, checked before any work."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from .._answer.wording import counted
from .._table.cells import Table, take_rows


def one_row(X: Any, row: int) -> tuple[Table, int]:
    """The table of row `row` of X alone, and the row's position; raise where there is none."""
    X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension(s); expected a table of shape (n, d). Give a DataFrame or 2-d array."
        )
    if not is_whole(row) or not -len(X) <= row < len(X):
        raise ValueError(f"row is {row!r}, but X has {counted(len(X), 'row')}; give a position from 0 to {len(X) - 1}.")
    position = int(row) % len(X)
    return take_rows(X, np.array([position])), position


def is_whole(number: Any) -> bool:
    """Whether it is an integer, of Python or NumPy; truth values are none."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def check_max_features(max_features: Any) -> None:
    """Raise if it is no positive number of columns."""
    if not is_whole(max_features) or max_features < 1:
        raise ValueError(f"max_features must be an integer >= 1, got {max_features!r}. Leave it out for the default.")
