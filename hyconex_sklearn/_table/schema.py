"""What a table looks like in encoded space: the only owner of encoded positions, units and seen ranges.

A :class:`Column` says where one table column lives in the encoded matrix and how its values are mapped; a
:class:`TableSchema` holds all columns and answers, as plain arrays of length ``d``, every question that the rest
of the package asks about encoded positions. The layout is one contiguous run per table column, in table order::

    numeric, integer, ordered   [value] or [value, missing indicator]
    categorical, boolean        [one-hot block], the last level is "missing" if a cell was missing at fit
    constant                    [0]
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from .cells import Array
from .found_relation import FoundRelation
from .grid import Grid, Steps
from .units import NumericMap, held_in

VALUE_KINDS = ("numeric", "integer", "ordered")
ONE_HOT_KINDS = ("categorical", "boolean")
#: A move by less than this many encoded units (about standard deviations) is not worth telling the user.
NOTICEABLE = 1e-3
#: How far above the median level, in encoded units, a label is encoded that an ordered column did not have at fit: to
#: every network as good as that level, and still another cell than one that holds it.
OFF_LEVEL = NOTICEABLE / 8
_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Column:
    """One table column and its place in the encoded matrix."""

    name: Any  # as in the table; "x0", "x1", ... for arrays
    kind: str  # numeric, integer, ordered, categorical, boolean or constant
    dtype: str  # name of the column's dtype at fit
    start: int  # encoded positions start:stop of the value (1 wide) or the one-hot block (K wide)
    stop: int
    missing: int | None = None  # encoded position of the missing indicator (1: missing); None: no cell was at fit
    # Labels in encoded order (ordered: rank order); the last one is None if it stands for "missing". A constant column
    # of labels keeps its only label here.
    categories: tuple[Any, ...] = ()
    rare: tuple[Any, ...] = ()  # labels that were seen at fit but were too rare to get a one-hot level
    center: float = 0.0  # z = (u - center) / scale
    scale: float = 1.0
    power: float | None = None  # exponent of the Yeo-Johnson power u = YJ(x / unit); None: u = x
    unit: float = 1.0  # typical magnitude of the column, in original units; 1 without a power
    decimals: int | None = None  # that decoded values are rounded to; None: continuous
    multiple: int = 1  # ... and of how many units of the last decimal they are multiples: hundreds, halves, six months
    lower: float = 0.0  # seen range, in original units (ordered: ranks)
    upper: float = 0.0
    usual: tuple[float, float] | None = None  # 0.01 and 0.99 quantile of the seen numbers; None: not known
    fill: float = 0.0  # median of the seen values, in original units: stands in for missing cells

    @property
    def is_value(self) -> bool:
        """Whether the column is encoded as one number."""
        return self.kind in VALUE_KINDS

    @property
    def one_hot(self) -> bool:
        """Whether the column is encoded as a one-hot block."""
        return self.kind in ONE_HOT_KINDS

    @property
    def has_missing_level(self) -> bool:
        """Whether the last level of the one-hot block stands for "missing"."""
        return self.one_hot and self.categories[-1] is None

    @property
    def off_level(self) -> float:
        """The rank that stands for labels of an ordered column that the fit did not see."""
        return self.fill + OFF_LEVEL * self.scale

    @property
    def positions(self) -> slice:
        """All encoded positions of the column, its missing indicator included."""
        return slice(self.start, self.stop if self.missing is None else self.missing + 1)

    @property
    def grid(self) -> Grid | None:
        """The numbers that decoded values are rounded to; None: continuous."""
        return None if self.decimals is None else Steps(10.0**self.decimals, self.multiple)

    def held(self, values: Array) -> Array:
        """Numbers as the column's cells hold them, which may be in a narrow precision."""
        return held_in(values, self.dtype)

    @cached_property
    def numeric_map(self) -> NumericMap:
        """The map of this column alone."""
        return NumericMap.of((self,))

    def forward(self, values: Any) -> Array:
        """Encoded values (float64) of numbers in original units (ordered: ranks), any shape."""
        numbers = np.asarray(values, dtype=np.float64)
        return self.numeric_map.forward(numbers.reshape(-1, 1)).reshape(numbers.shape)

    def inverse(self, encoded: Any) -> Array:
        """Numbers in original units of encoded values: rounded, within the seen range, any shape."""
        numbers = np.asarray(encoded, dtype=np.float64)
        return self.numeric_map.inverse(numbers.reshape(-1, 1)).reshape(numbers.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields travel; what is derived from them is computed anew."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class TableSchema:
    """All columns of a table and where they are in the encoded matrix of width ``d``."""

    columns: tuple[Column, ...]  # in table order
    container: str  # what the table was at fit: ndarray or dataframe
    dtype: str  # of the ndarray at fit; "" for a DataFrame
    feature_names: tuple[Any, ...]  # column names, as in `columns`
    relations: tuple[FoundRelation, ...] = ()  # between columns, that all rows of the fit obeyed

    @cached_property
    def n_encoded(self) -> int:
        """Width d of the encoded matrix."""
        return self.columns[-1].positions.stop if self.columns else 0

    @cached_property
    def value_columns(self) -> Array:
        """Table column numbers of the numeric, integer and ordered columns."""
        return _frozen([j for j, c in enumerate(self.columns) if c.is_value], np.intp)

    @cached_property
    def numeric_index(self) -> Array:
        """Encoded positions of the values of ``value_columns``, in the same order."""
        return _frozen([c.start for c in self.columns if c.is_value], np.intp)

    def slot(self, j: int) -> int:
        """Place of table column j in ``value_columns``."""
        return int(np.searchsorted(self.value_columns, j))

    @cached_property
    def constant_index(self) -> Array:
        """Encoded positions of the constant columns."""
        return _frozen([c.start for c in self.columns if c.kind == "constant"], np.intp)

    @cached_property
    def missing_index(self) -> Array:
        """Encoded positions of the missing indicators."""
        return _frozen([c.missing for c in self.columns if c.missing is not None], np.intp)

    @cached_property
    def missing_slots(self) -> Array:
        """For each missing indicator, the place of its value in ``numeric_index``."""
        values = [c for c in self.columns if c.is_value]
        return _frozen([i for i, c in enumerate(values) if c.missing is not None], np.intp)

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """Encoded slices of the one-hot blocks."""
        return tuple(slice(c.start, c.stop) for c in self.columns if c.one_hot)

    @cached_property
    def owner(self) -> Array:
        """Table column number of each encoded position, shape (d,)."""
        widths = [c.positions.stop - c.start for c in self.columns]
        return _frozen(np.repeat(np.arange(len(self.columns)), widths), np.intp)

    @cached_property
    def all_numbers(self) -> bool:
        """Whether all columns are plain numbers or constant."""
        return all(c.kind in ("numeric", "integer", "constant") for c in self.columns)

    @cached_property
    def numeric_map(self) -> NumericMap:
        """The map of ``value_columns``, all at once."""
        return NumericMap.of([self.columns[j] for j in self.value_columns])

    @cached_property
    def lower(self) -> Array:
        """Seen minimum in encoded units, shape (d,) float32: 0 for one-hot levels, indicators and constants."""
        return self._bound(0)

    @cached_property
    def upper(self) -> Array:
        """Seen maximum in encoded units, shape (d,) float32: 1 for one-hot levels and indicators, 0 for constants."""
        return self._bound(1)

    def _bound(self, side: int) -> Array:
        bound = np.full(self.n_encoded, float(side), dtype=np.float32)
        bound[self.constant_index] = 0.0
        bound[self.numeric_index] = self.numeric_map.range[side]
        return _frozen(bound, np.float32)

    @cached_property
    def resolution(self) -> Array:
        """Encoded size of one rounding step at the median, shape (d,) float32; 0 where continuous or one-hot."""
        resolution = np.zeros(self.n_encoded, dtype=np.float32)
        columns = [self.columns[j] for j in self.value_columns]
        fill = np.array([c.fill for c in columns])
        step = np.array([0.0 if c.decimals is None else c.multiple * 10.0**-c.decimals for c in columns])
        if len(columns):
            there, here = self.numeric_map.forward(np.stack([fill + step, fill]))
            resolution[self.numeric_index] = np.abs(there - here)
        return _frozen(resolution, np.float32)

    @cached_property
    def movable(self) -> Array:
        """Which encoded positions a counterfactual may move, shape (d,) bool.

        Not the constants, not the missing indicators, and not a number that had a single value at fit.
        """
        movable = np.ones(self.n_encoded, dtype=bool)
        movable[self.constant_index] = False
        movable[self.missing_index] = False
        movable[self.numeric_index] = self.numeric_map.lower < self.numeric_map.upper
        return _frozen(movable, np.bool_)

    def snap(self, encoded: Array, reference: Array) -> Array:
        """Round encoded rows to rows that a table can hold: what ``encode(decode(Z))`` would give, without a table.

        Numbers are rounded to their column's decimals and clipped to the seen range, one-hot blocks are made hard.
        A table cell that does not noticeably differ from the reference is copied from it bit for bit. "Missing" is
        never newly chosen; a missing number is filled where its value was moved.

        Parameters
        ----------
        encoded : array of shape (m, d)
            Soft encoded rows.
        reference : array of shape (m, d)
            The encoded query row of each of them.

        Returns
        -------
        ndarray of shape (m, d), float32
        """
        reference = np.asarray(reference, dtype=np.float32)
        snapped = np.array(reference, order="C")
        if self.numeric_index.size:
            self._snap_values(np.asarray(encoded), reference, snapped)
        for column in self.columns:
            if column.one_hot:
                block = slice(column.start, column.stop)
                _snap_block(encoded[:, block], reference[:, block], snapped[:, block], column.has_missing_level)
        return snapped

    def _snap_values(self, encoded: Array, reference: Array, snapped: Array) -> None:
        z, home = encoded[:, self.numeric_index], reference[:, self.numeric_index]
        target = self.numeric_map.snap(z)
        moved = (np.abs(z - home) > NOTICEABLE) & (np.abs(target - home) > NOTICEABLE)
        # A query value off the column's own grid has moved only when it rounds to something else, or when a value
        # from outside the seen range was brought inside on purpose.
        low, high = self.lower[self.numeric_index], self.upper[self.numeric_index]
        outside = (home < low - NOTICEABLE) | (home > high + NOTICEABLE)
        brought_in = outside & (z >= low) & (z <= high)
        moved &= (np.abs(target - self.numeric_map.snap(home)) > NOTICEABLE) | brought_in
        snapped[:, self.numeric_index] = np.where(moved, target, home)
        if self.missing_index.size:
            stays = ~moved[:, self.missing_slots]
            snapped[:, self.missing_index] = reference[:, self.missing_index] * stays

    def changed(self, encoded: Array, reference: Array) -> Array:
        """Which table columns differ, bit for bit, between two encoded matrices: bool (m, n_columns)."""
        ours = np.ascontiguousarray(encoded, dtype=np.float32).view(np.uint32)
        theirs = np.ascontiguousarray(reference, dtype=np.float32).view(np.uint32)
        starts = np.array([c.start for c in self.columns], dtype=np.intp)
        return np.logical_or.reduceat(ours != theirs, starts, axis=1)

    def by_column(self, terms: Array) -> Array:
        """Sum of encoded terms (..., d) over the positions of each table column: (..., n_columns)."""
        return np.add.reduceat(terms, [c.start for c in self.columns], axis=-1)

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields travel; what is derived from them is computed anew."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _snap_block(soft: Array, home: Array, out: Array, has_missing_level: bool) -> None:
    """Write the hard one-hot block of ``soft`` (m, K) into ``out``, which holds ``home``, where the level differs."""
    moved = (np.abs(soft - home) > NOTICEABLE).any(axis=1) & soft.any(axis=1)
    permitted = np.ones(soft.shape, dtype=bool)
    if has_missing_level:
        permitted[:, -1] = home[:, -1] >= 0.5
    hard = hardened(soft, permitted)
    moved &= home[hard > 0] < 0.5
    out[moved] = hard[moved]


def hardened(scores: Array, permitted: Array) -> Array:
    """One-hot codes of the permitted levels with the highest scores (m, K), the first of equals; NaN is the lowest."""
    known = np.where(permitted, np.nan_to_num(scores, nan=_LOWEST), -np.inf)
    return np.eye(scores.shape[1], dtype=np.float32)[known.argmax(axis=1)]


def _frozen(values: Any, dtype: Any) -> Array:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
