"""What carries labels of rows, and a table in, where the values of each row of the table are out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._common.messages import listing
from .cells import Array, Table


def row_labels(X: Table) -> pd.Index:
    """What the rows of a table are called: 0, 1, ... in an array."""
    return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(X))


def row_places(labels: pd.Index, X: Table, what: str) -> Array:
    """Where among `labels` those of each row of X are, int (n,); raise where one is missing, or stands there twice."""
    rows = row_labels(X)
    if labels.equals(rows):
        return np.arange(len(rows))
    if not labels.is_unique:
        twice = listing(labels[labels.duplicated()].unique().tolist(), 5)
        raise ValueError(
            f"{what} has several values for the row {twice}, and its rows are not those of X in their order. Give each "
            f"row one value, or {_BY_POSITION}"
        )
    places = labels.get_indexer(rows)
    if (places < 0).any():
        lacking = listing(rows[places < 0].tolist(), 5)
        raise ValueError(
            f"{what} is matched by row labels and has none of X's {lacking}. Give it the index of X, or {_BY_POSITION}"
        )
    return places


_BY_POSITION = "pass an array, such as its .to_numpy(), with one value per row in the order of X."


def in_order(values: Any, X: Table, what: str) -> Any:
    """A Series in the order of the rows of X, as a list; anything else as it is."""
    return values.iloc[row_places(values.index, X, what)].tolist() if isinstance(values, pd.Series) else values
