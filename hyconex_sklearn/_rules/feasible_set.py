""":class:`FeasibleSet`: for each query row the encoded rows that its rules allow, and the way back into them.

``settle`` is a hard projection: whatever a search proposes, what comes out can be held by a table, and a rule that it
says is obeyed is obeyed by the decoded row, in original units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._table.schema import NOTICEABLE, TableSchema, hardened
from .._table.units import NumericMap
from .relations import Relation, project, spread

Array = NDArray[Any]

_PER_ROW = ("free", "lower", "upper", "choices", "impossible", "numbers", "low", "high", "broken")


@dataclass(frozen=True)
class FeasibleSet:
    """What the rules allow each of n query rows; d encoded positions, p value columns, C table columns.

    Where a rule is absent, the arrays are broadcast views that take no memory.

    Parameters
    ----------
    schema : TableSchema
        Columns and encoded positions.
    free : bool array (n, d)
        Positions that the rules let move; a missing indicator follows its column.
    lower, upper : float32 array (n, d)
        Bounds in encoded units, on each column's own grid; infinite where there is none.
    choices : bool array (n, d)
        One-hot levels that the row may take; True elsewhere.
    impossible : bool array (n,)
        Rows that no change can bring to obey the rules.
    weights : float32 array (d,)
        What a change costs.
    numbers, low, high : float64 array (n, p)
        Own values of the value columns and their bounds, in original units; NaN where missing.
    broken : bool array (n, C)
        Columns whose own value breaks a rule, so that they have to change.
    ranks : tuple of (column number, bool array (n, K))
        Ordered columns with a rule on their labels, and the ranks that each row may take.
    limited : tuple of int
        One-hot columns with a rule on their labels.
    relations : tuple of Relation
        Relations between value columns.
    max_changes : int or None
        Table columns that may change at most.
    bounded, trivial : bool
        Whether there is a bound or direction; whether there is no rule at all.
    """

    schema: TableSchema
    free: Array
    lower: Array
    upper: Array
    choices: Array
    impossible: Array
    weights: Array
    numbers: Array
    low: Array
    high: Array
    broken: Array
    ranks: tuple[tuple[int, Array], ...] = ()
    limited: tuple[int, ...] = ()
    relations: tuple[Relation, ...] = ()
    max_changes: int | None = None
    bounded: bool = False
    trivial: bool = True

    @property
    def n_rows(self) -> int:
        """Number n of query rows."""
        return len(self.impossible)

    def __len__(self) -> int:
        """Number n of query rows."""
        return self.n_rows

    def take(self, rows: Any) -> FeasibleSet:
        """The rules of some rows: a slice, row numbers (which may repeat) or a mask."""
        rows = np.arange(self.n_rows)[rows]
        parts: dict[str, Any] = {name: _rows(getattr(self, name), rows) for name in _PER_ROW}
        return replace(self, **parts, ranks=tuple((j, permitted[rows]) for j, permitted in self.ranks))

    def exclude(self, columns: Array) -> FeasibleSet:
        """The same rules, and some more table columns frozen: bool (n, C)."""
        columns = np.broadcast_to(columns, self.broken.shape)
        return replace(
            self,
            free=self.free & ~columns[:, self.schema.owner],
            impossible=self.impossible | (self.broken & columns).any(axis=1),
            trivial=self.trivial and not columns.any(),
        )

    # ------------------------------------------------------------------------------------------------- settling

    def settle(self, Z: Array, reference: Array) -> tuple[Array, Array]:
        """Rows near Z that a table can hold and that obey the rules, and which of them do.

        A frozen cell keeps its bits, no more than ``max_changes`` columns change and no label is newly taken that
        the rules exclude, even where a row cannot obey all rules.

        Parameters
        ----------
        Z : array of shape (n, d)
            Soft encoded rows.
        reference : float32 array of shape (n, d)
            The encoded query rows.

        Returns
        -------
        settled : float32 array of shape (n, d)
            Impossible rows are the query rows.
        obeyed : bool array of shape (n,)
            Whether the row obeys every rule.
        """
        if self.trivial:
            return self.schema.snap(Z, reference), np.ones(len(Z), dtype=bool)
        reference = np.asarray(reference, dtype=np.float32)
        settled = self._project(Z, reference)
        good = self._holds(settled, reference)
        failed = np.flatnonzero(~(good | self.impossible))
        if failed.size:
            # The query row itself, mended where it breaks a rule, is the last resort: unchanged if it obeys.
            rows, home = self.take(failed), reference[failed]
            mended = rows._project(home, home)
            better = rows._holds(mended, home)
            settled[failed[better]] = mended[better]
            good[failed[better]] = True
        return settled, good

    def obeyed(self, Z: Array, reference: Array, numbers: Array) -> Array:
        """Which rows obey every rule, judged by what the user holds: bool (n,).

        Parameters
        ----------
        Z : float32 array of shape (n, d)
            The decoded rows, encoded again.
        reference : float32 array of shape (n, d)
            The encoded query rows.
        numbers : float64 array of shape (n, p)
            Values of the decoded rows in original units.
        """
        frozen = ~self.free[:, self._starts]
        thawed = (self.schema.changed(Z, reference) & frozen).any(axis=1)
        return ~thawed & self._holds(Z, reference, numbers)

    def _project(self, Z: Array, reference: Array) -> Array:
        """Each rule in turn, the ones that later ones cannot break first."""
        inside = Z if self._all_free else np.where(self.free, Z, reference)
        settled = self.schema.snap(self._clipped(inside, reference) if self.bounded else inside, reference)
        if self._any_broken:
            self._enter_bounds(settled, reference)
        for j in self.limited:
            self._choose_level(j, Z, settled, reference)
        for j, permitted in self.ranks:
            self._choose_rank(j, permitted, settled, reference)
        if self.max_changes is not None:
            self._undo_smallest(settled, reference)
        if self.relations:
            self._relate(settled, reference)
        if self._any_impossible:
            settled[self.impossible] = reference[self.impossible]
        return settled

    def _clipped(self, Z: Array, reference: Array) -> Array:
        clipped = np.clip(Z, self.lower, self.upper)
        if self._any_missing:
            # A bound is no reason to fill a cell that the proposal leaves missing.
            at = self.schema.numeric_index
            untouched = np.isnan(self.numbers) & ~(np.abs(Z[:, at] - reference[:, at]) > NOTICEABLE)
            clipped[:, at] = np.where(untouched, reference[:, at], clipped[:, at])
        return clipped

    def _enter_bounds(self, settled: Array, reference: Array) -> None:
        """Move the own values that are out of bounds by less than `snap` calls a change."""
        at = self.schema.numeric_index
        value, home = settled[:, at], reference[:, at]
        kept = self.broken[:, self.schema.value_columns] & (value == home)
        settled[:, at] = np.where(kept, np.clip(home, self.lower[:, at], self.upper[:, at]), value)

    def _choose_level(self, j: int, soft: Array, settled: Array, reference: Array) -> None:
        """An excluded label becomes the own one, or the permitted one with the highest score where that is excluded."""
        block = slice(self.schema.columns[j].start, self.schema.columns[j].stop)
        rows = np.flatnonzero(~self._level_permitted(j, settled))
        if not rows.size:
            return
        settled[rows, block] = reference[rows, block]
        rows = rows[self.broken[rows, j]]
        settled[rows, block] = hardened(soft[rows, block], self.choices[rows, block])

    def _choose_rank(self, j: int, permitted: Array, settled: Array, reference: Array) -> None:
        """An excluded rank becomes the nearest permitted one."""
        column = self.schema.columns[j]
        value = settled[:, column.start]
        rank = np.rint(column.inverse(value)).astype(np.intp)
        stays_missing = np.isnan(self.numbers[:, self._slot(j)]) & (value == reference[:, column.start])
        rows = np.flatnonzero(~permitted[np.arange(len(rank)), rank] & ~stays_missing)
        if rows.size:
            codes = column.forward(np.arange(permitted.shape[1])).astype(np.float32)
            distance = np.where(permitted[rows], np.abs(value[rows, None] - codes), np.inf)
            settled[rows, column.start] = codes[distance.argmin(axis=1)]

    def _undo_smallest(self, settled: Array, reference: Array) -> None:
        """Keep the ``max_changes`` largest changes per cost, those that have to be made first."""
        changed = self.schema.changed(settled, reference)
        rows = np.flatnonzero(changed.sum(axis=1) > self.max_changes)
        if not rows.size:
            return
        move = (settled[rows] - reference[rows]) / self.weights
        move[:, self.schema.missing_index] = 0.0
        size = np.sqrt(np.add.reduceat(move**2, self._starts, axis=1))
        size[self.broken[rows]] = np.inf
        size[~changed[rows]] = -1.0
        undone = ~_largest(size, np.full(len(rows), self.max_changes))
        settled[rows] = np.where(undone[:, self.schema.owner], reference[rows], settled[rows])

    def _relate(self, settled: Array, reference: Array) -> None:
        """Move the numbers of rows that violate a relation into it."""
        numbers = self._numbers_of(settled, reference)
        violated = np.column_stack([relation.excess(numbers) > 0 for relation in self.relations])
        rows = np.flatnonzero(violated.any(axis=1) & ~self.impossible)
        if not rows.size:
            return
        at, scales = self.schema.numeric_index, self.schema.numeric_map
        before = numbers[rows]
        movable = self.free[np.ix_(rows, at)] & ~np.isnan(before)
        reach = spread(scales, before) / np.sqrt(self.weights[at])
        if self.max_changes is not None:
            changed = self.schema.changed(settled[rows], reference[rows])
            movable &= self._affordable(changed, violated[rows], np.where(movable, reach, 0.0))
        lower, upper = self.lower[np.ix_(rows, at)], self.upper[np.ix_(rows, at)]
        low = np.maximum(np.minimum(scales.lower, before), _representable(scales, self.low[rows], lower, np.maximum))
        high = np.minimum(np.maximum(scales.upper, before), _representable(scales, self.high[rows], upper, np.minimum))
        after = project(self.relations, before, movable, low, high, reach, scales)
        moved = movable & (after != before)
        value = np.clip(scales.snap(scales.forward(after)), lower, upper)
        settled[np.ix_(rows, at)] = np.where(moved, value, settled[np.ix_(rows, at)])

    def _affordable(self, changed: Array, violated: Array, reach: Array) -> Array:
        """Value columns that a relation may move: the changed ones, and of the others as many as the budget allows."""
        changed, n_changed = changed[:, self.schema.value_columns], changed.sum(axis=1)
        gain = np.zeros(reach.shape)
        for relation, rows in zip(self.relations, violated.T, strict=True):
            slots = list(relation.slots)
            gain[:, slots] += rows[:, None] * np.abs(relation.coefficients) * reach[:, slots]
        gain[changed] = -1.0
        return changed | (_largest(gain, self.max_changes - n_changed) & (gain > 0))

    # -------------------------------------------------------------------------------------------------- judging

    def _holds(self, Z: Array, reference: Array, numbers: Array | None = None) -> Array:
        """Which rows obey the rules on their own values; that frozen cells are the query's is taken for granted."""
        good = ~self.impossible
        if self.bounded or self.relations:
            numbers = self._numbers_of(Z, reference) if numbers is None else numbers
            good &= (((numbers >= self.low) & (numbers <= self.high)) | np.isnan(numbers)).all(axis=1)
            for relation in self.relations:
                good &= ~(relation.excess(numbers) > 0)
        for j in self.limited:
            good &= self._level_permitted(j, Z)
        for j, permitted in self.ranks:
            good &= self._rank_permitted(j, permitted, Z, reference)
        if self.max_changes is not None:
            good &= self.schema.changed(Z, reference).sum(axis=1) <= self.max_changes
        return good

    def _level_permitted(self, j: int, Z: Array) -> Array:
        """Whether the one-hot block of a column holds a level that may be taken; no level at all may only be kept."""
        block = slice(self.schema.columns[j].start, self.schema.columns[j].stop)
        taken = Z[:, block] > 0.5
        return (taken & self.choices[:, block]).any(axis=1) | ~(taken.any(axis=1) | self.broken[:, j])

    def _rank_permitted(self, j: int, permitted: Array, Z: Array, reference: Array) -> Array:
        """Whether an ordered column holds a rank that may be taken, or is missing still."""
        start = self.schema.columns[j].start
        rank = np.rint(self.schema.columns[j].inverse(Z[:, start])).astype(np.intp)
        stays_missing = np.isnan(self.numbers[:, self._slot(j)]) & (Z[:, start] == reference[:, start])
        return permitted[np.arange(len(rank)), rank] | stays_missing

    def _numbers_of(self, Z: Array, reference: Array) -> Array:
        """Numbers (n, p) that a table would hold: own values where a column did not change."""
        changed = self.schema.changed(Z, reference)[:, self.schema.value_columns]
        return np.where(changed, self.schema.numeric_map.inverse(Z[:, self.schema.numeric_index]), self.numbers)

    # ------------------------------------------------------------------------------------------ derived, once a set

    def _slot(self, j: int) -> int:
        """Place of a table column among the value columns."""
        return int(np.searchsorted(self.schema.value_columns, j))

    @cached_property
    def _starts(self) -> Array:
        return np.array([column.start for column in self.schema.columns], dtype=np.intp)

    @cached_property
    def _all_free(self) -> bool:
        return bool(self.free.all())

    @cached_property
    def _any_broken(self) -> bool:
        return bool(self.broken.any())

    @cached_property
    def _any_impossible(self) -> bool:
        return bool(self.impossible.any())

    @cached_property
    def _any_missing(self) -> bool:
        return bool(np.isnan(self.numbers).any())


def _representable(scales: NumericMap, bound: Array, encoded: Array, inward: Any) -> Array:
    """Bounds (m, p) in original units, where an encoded bound decodes to a value further inside: that value."""
    return np.where(np.isfinite(encoded), inward(bound, scales.inverse(encoded)), bound)


def _rows(array: Array, rows: Array) -> Array:
    """Rows of an array; one that repeats a single row in memory goes on to do so."""
    if len(array) and array.strides[0] == 0:
        if len(rows) <= len(array):
            return array[: len(rows)]
        return np.broadcast_to(array[:1], (len(rows), *array.shape[1:]))
    return array[rows]


def _largest(values: Array, count: Array) -> Array:
    """Mask of the ``count`` (m,) largest values of each row of (m, k); of equal ones the first."""
    place = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
    return place < np.asarray(count)[:, None]
