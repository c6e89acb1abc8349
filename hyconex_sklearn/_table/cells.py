"""Cells of a table, be it a DataFrame or an array: some rows, one column, and where two tables differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Table = pd.DataFrame | np.ndarray
Column = pd.Series | np.ndarray

_NUMBERS = ("integer", "floating", "mixed-integer-float", "empty")


def framed(cells: Any, **labels: Any) -> pd.DataFrame:
    """A DataFrame of an array or of rows: dtypes as pandas infers them, but objects where no dtype of text holds them.

    Half of a surrogate pair is text to Python, and an error to Arrow, which keeps the text of newer versions of pandas.
    """
    try:
        return pd.DataFrame(cells, **labels)
    except UnicodeEncodeError:
        return pd.DataFrame(cells, dtype=object, **labels)


def cells_differ(before: Table, after: Table) -> np.ndarray:
    """Which cells hold different values, shape (m, d); two missing values are the same, and so are 0.0 and -0.0."""
    left, right = _as_numbers(before), _as_numbers(after)
    if left is not None and right is not None:
        return values_differ(left, right)
    differs = [values_differ(column_of(before, j), column_of(after, j)) for j in range(before.shape[1])]
    return np.column_stack(differs) if differs else np.zeros(before.shape, dtype=bool)


def _as_numbers(table: Table) -> np.ndarray | None:
    """A table of numbers in one dtype as an array; None for any other."""
    dtypes = {table.dtype} if isinstance(table, np.ndarray) else set(table.dtypes.tolist())
    plain = len(dtypes) == 1 and all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes)
    return np.asarray(table) if plain else None


def values_differ(before: Column, after: Column) -> np.ndarray:
    """Which entries of two columns, or arrays of numbers, differ, of their shape, whatever the dtypes."""
    if all(isinstance(c.dtype, np.dtype) and c.dtype.kind in "biuf" for c in (before, after)):
        left, right = np.asarray(before), np.asarray(after)
        return (left != right) & ~((left != left) & (right != right))
    left, right = objects_of(before), objects_of(after)
    gone_left, gone_right = np.asarray(pd.isna(left)), np.asarray(pd.isna(right))
    differs = gone_left != gone_right
    both = ~(gone_left | gone_right)  # missing markers such as pd.NA refuse a comparison
    with np.errstate(over="ignore"):  # a narrow float among objects, beside a number that it can't hold
        differs[both] = np.asarray(left[both] != right[both], dtype=bool)
    return differs


def take_rows(table: Table, rows: np.ndarray | slice) -> Table:
    """Some rows of a table, by position; a slice copies nothing."""
    return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def column_of(table: Table, j: int) -> Column:
    return table.iloc[:, j] if isinstance(table, pd.DataFrame) else table[:, j]


def columns_at(table: Table, places: Any) -> Table:
    """Some columns of a table, by position or by a slice of positions."""
    return table.iloc[:, places] if isinstance(table, pd.DataFrame) else table[:, places]


def names_of(table: Table) -> list[Any]:
    """What the columns of a table are called: "x0", "x1", ... in an array."""
    return list(table.columns) if isinstance(table, pd.DataFrame) else [f"x{j}" for j in range(table.shape[1])]


def hold_numbers(*columns: Column) -> bool:
    """Whether the columns together hold numbers and gaps only; truth values and the labels of categories are none."""
    if all(isinstance(c.dtype, np.dtype) and c.dtype.kind in "iuf" for c in columns):
        return True
    if any(isinstance(c.dtype, pd.CategoricalDtype) for c in columns):
        return False
    return pd.api.types.infer_dtype(np.concatenate([objects_of(c) for c in columns]), skipna=True) in _NUMBERS


def numbers_of(*columns: Column) -> list[np.ndarray]:
    """The columns as float64; NaN for gaps, for what float64 can't hold, and throughout where they hold no numbers."""
    if not hold_numbers(*columns):
        return [np.full(len(c), np.nan) for c in columns]
    return [
        np.asarray(c, dtype=np.float64)
        if isinstance(c.dtype, np.dtype) and c.dtype.kind in "iuf"
        else np.array([_float(v) for v in objects_of(c)], dtype=np.float64)
        for c in columns
    ]


def _float(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, TypeError):  # an integer beyond float64; None and pd.NA
        return math.nan


def free_name(name: str, taken: set[Any]) -> str:
    """The name of a report column, with ``cf_`` before it where a column of the table has it, too."""
    while name in taken:
        name = f"cf_{name}"
    return name


def objects_of(column: Column) -> np.ndarray:
    """The column as plain Python objects, shape (m,)."""
    return column.to_numpy(dtype=object) if isinstance(column, pd.Series) else column.astype(object)
