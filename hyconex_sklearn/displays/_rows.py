"""What is asked of the rows and columns to draw, checked before any work."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._answer.wording import counted
from .._common.parameters import is_int
from .._table.check_input import as_table
from .._table.containers import is_foreign, rows_in


def one_row(X: Any, row: int) -> tuple[Any, int]:
    """The table of row `row` of X alone, of X's own kind, and the row's position; raise where there is none."""
    X = X if is_foreign(X) else as_table(X)
    if not is_int(row) or not -len(X) <= row < len(X):
        raise ValueError(f"row is {row!r}, but X has {counted(len(X), 'row')}; give a position from 0 to {len(X) - 1}.")
    position = int(row) % len(X)
    return rows_in(X, np.array([position])), position


def check_max_features(max_features: Any) -> None:
    """Raise if it is no positive number of columns."""
    if not is_int(max_features) or max_features < 1:
        raise ValueError(f"max_features must be an integer >= 1, got {max_features!r}. Leave it out for the default.")
