"""Positions that an index of any kind stands for: integer, slice, mask or array in, positions out."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def row_positions(key: Any, m: int) -> np.ndarray:
    """Positions (-m to m-1) that an integer, slice, boolean mask or integer array stands for."""
    if isinstance(key, slice):
        return np.arange(m)[key]
    if not isinstance(key, (bool, np.bool_)) and hasattr(type(key), "__index__") and np.ndim(key) == 0:
        positions = np.array([operator.index(key)])
    else:
        positions = _array_positions(key, m)
    outside = (positions < -m) | (positions >= m)
    if outside.any():
        raise IndexError(f"Position {positions[outside][0]} is out of range; expected -{m} to {m - 1}.")
    return positions


def _array_positions(key: Any, m: int) -> np.ndarray:
    array = np.asarray(key)
    if array.ndim == 1 and array.dtype == object and len(array) and all(isinstance(v, (bool, np.bool_)) for v in array):
        array = array.astype(bool)  # a nullable mask without gaps
    if array.ndim == 1 and array.dtype == bool:
        if len(array) != m:
            raise IndexError(f"The mask has {len(array)} entries; expected {m}, one per counterfactual.")
        return np.flatnonzero(array)
    if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
        return array.astype(np.intp)
    raise TypeError(
        f"Counterfactuals are cut by an integer, a slice, a boolean mask or an array of positions; got {key!r:.80}."
    )
