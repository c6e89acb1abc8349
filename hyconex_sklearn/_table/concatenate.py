"""Results of several blocks of rows in, one result out, written in place: nothing of it is ever held twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .cells import Array
from .column_io import widened


class Joined:
    """Tables, arrays and records of arrays that come block by block, end to end.

    Where a block's column was widened for a cell that did not fit, the whole column is, as if it had been one block.

    Parameters
    ----------
    capacity : int
        Most rows that will come. Memory that is not written to costs nothing.
    orders : sequence of tuple
        Labels of each table column in their order, for columns of ordered categories.
    """

    def __init__(self, capacity: int, orders: Sequence[tuple[Any, ...]] = ()) -> None:
        self._capacity, self._orders = capacity, orders
        self._wholes: dict[str, _Stack | _Frame | _Record] = {}

    def add(self, block: dict[str, Any]) -> None:
        """Take over the tables, arrays and records of a block, the same names each time."""
        for name, part in block.items():
            if name not in self._wholes:
                self._wholes[name] = self._whole_of(part)
            self._wholes[name].add(part)

    def _whole_of(self, part: Any) -> _Stack | _Frame | _Record:
        """Return what holds such parts."""
        if isinstance(part, pd.DataFrame):
            return _Frame(self._capacity, self._orders)
        return _Record(self._capacity) if is_dataclass(part) else _Stack(self._capacity)

    def fields(self) -> dict[str, Any]:
        """Return what has come, by name."""
        return {name: whole.done() for name, whole in self._wholes.items()}


class _Stack:
    """Arrays, end to end, in the dtype that holds all of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._used = capacity, 0
        self._whole: Array = np.empty(0)

    def add(self, part: Array) -> None:
        if not self._used:
            self._whole = np.empty((self._capacity, *part.shape[1:]), part.dtype)
        dtype = np.result_type(self._whole.dtype, part.dtype)
        if dtype != self._whole.dtype:
            self._whole = self._whole.astype(dtype)
        self._whole[self._used : self._used + len(part)] = part
        self._used += len(part)

    def done(self) -> Array:
        return self._whole if self._used == len(self._whole) else self._whole[: self._used].copy()


class _Record:
    """Dataclasses whose arrays go end to end; all else in them is the same in each."""

    def __init__(self, capacity: int) -> None:
        self._arrays = Joined(capacity)
        self._part: Any = None

    def add(self, part: Any) -> None:
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        self._arrays.add({name: value for name, value in values.items() if isinstance(value, np.ndarray)})
        self._part = part

    def done(self) -> Any:
        return replace(self._part, **self._arrays.fields())


class _Series:
    """Columns of dtypes that numpy lacks, end to end."""

    def __init__(self, order: tuple[Any, ...]) -> None:
        self._order = order
        self._parts: list[Any] = []

    def add(self, part: Any) -> None:
        self._parts.append(part)

    def done(self) -> Any:
        dtypes = [part.dtype for part in self._parts]
        if all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes) and any(t != dtypes[0] for t in dtypes):
            met = dict.fromkeys(label for dtype in dtypes for label in dtype.categories)
            lacking = [label for label in met if label not in dtypes[0].categories]
            categories = widened(dtypes[0], lacking, self._order)
            self._parts = [part.set_categories(categories) for part in self._parts]
        return pd.concat([pd.Series(part, copy=False) for part in self._parts], ignore_index=True).array


class _Frame:
    """Frames of the same columns, end to end."""

    def __init__(self, capacity: int, orders: Sequence[tuple[Any, ...]]) -> None:
        self._capacity, self._orders = capacity, orders
        self._columns: list[_Stack | _Series] = []
        self._names: Any = None
        self._labels: list[pd.Index] = []  # of the rows

    def add(self, part: pd.DataFrame) -> None:
        for j in range(part.shape[1]):
            column = part.iloc[:, j]
            if self._names is None:
                order = self._orders[j] if j < len(self._orders) else ()
                plain = isinstance(column.dtype, np.dtype)
                self._columns.append(_Stack(self._capacity) if plain else _Series(order))
            whole = self._columns[j]
            whole.add(column.to_numpy() if isinstance(whole, _Stack) else column.array)
        self._names = part.columns
        self._labels.append(part.index)

    def done(self) -> pd.DataFrame:
        # A Series keeps the dtype; a bare array of objects would have its dtype inferred anew.
        cells = (whole.done() for whole in self._columns)
        columns = {j: pd.Series(column, dtype=column.dtype, copy=False) for j, column in enumerate(cells)}
        frame = pd.DataFrame(columns, copy=False)
        frame.index = self._labels[0].append(self._labels[1:])
        frame.columns = self._names
        return frame
