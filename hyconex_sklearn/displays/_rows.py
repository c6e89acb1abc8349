"""What is asked of the rows and columns to draw, checked before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._cells import Table, take_rows
from ._style import several


def one_row(X: Any, row: int) -> tuple[Table, int]:
    """The table of row `row` of X alone, and the row's position; raise where there is none."""
    X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension(s); expected a table of shape (n, d). Give a DataFrame or 2-d array."
        )
    if not isinstance(row, (int, np.integer)) or not -len(X) <= row < len(X):
        raise ValueError(f"row is {row!r}, but X has {several(len(X), 'row')}; give a position from 0 to {len(X) - 1}.")
    position = int(row) % len(X)
    return take_rows(X, np.array([position])), position


def check_max_features(max_features: Any) -> None:
    """Raise if it is no positive number of columns."""
    if not isinstance(max_features, (int, np.integer)) or max_features < 1:
        raise ValueError(f"max_features must be an integer >= 1, got {max_features!r}. Leave it out for the default.")
