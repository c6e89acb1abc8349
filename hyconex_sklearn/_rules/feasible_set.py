"""Proposed rows in, rows that a table can hold and that obey the rules out: :class:`FeasibleSet`.

``settle`` is a hard projection: whatever a search proposes, what comes out can be held by a table, and a rule that it
says is obeyed is obeyed by the decoded row, in original units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any, ClassVar, Self

import numpy as np

from .._table.cells import Array
from .._table.grid import Grid, onward
from .._table.schema import NOTICEABLE, TableSchema, hardened
from .._table.units import NumericMap
from . import judge
from .kept_relations import NOISE, KeptRelation, affordable, followers, groups, keep, margins, solved, without_tied
from .relations import Relation, Room, project, spread


@dataclass(frozen=True)
class FeasibleSet:
    """What the rules allow each of n query rows; d encoded positions, p value columns, C table columns.

    Where a rule is absent, the arrays are broadcast views that take no memory.
    """

    PER_ROW: ClassVar[tuple[str, ...]] = (
        *("movable", "broken", "impossible", "lower", "upper", "numbers", "low", "high", "asked", "max_changes"),
    )

    schema: TableSchema
    movable: Array  # bool (n, C): columns that the rules let change
    broken: Array  # bool (n, C): columns whose own value breaks a rule, so that they have to change
    impossible: Array  # bool (n,): rows that no change can bring to obey the rules
    lower: Array  # float32 (n, d): bounds in encoded units, on each column's own grid; infinite where there is none
    upper: Array
    numbers: Array  # float64 (n, p): own values in original units, NaN where missing
    low: Array  # float64 (n, p): bounds in original units
    high: Array
    weights: Array  # float32 (d,): what a change costs
    labels: Mapping[int, Array]  # bool (n, K) of each column with a rule on labels: levels that each row may take
    relations: tuple[Relation, ...]  # between value columns
    kept: tuple[KeptRelation, ...]  # equations between value columns, that all training rows obeyed
    asked: Array  # bool (n, R): which of them each row obeys, so that its answers have to
    max_changes: Array  # int (n,): table columns that may change at most; all of them where nothing is said
    grids: Mapping[int, Grid]  # what the numbers of a column may become, where there is a rule on that
    bounded: bool  # whether there is a bound, a direction or such a rule
    trivial: bool  # whether there is no rule at all

    def __len__(self) -> int:
        """Number n of query rows."""
        return len(self.impossible)

    def take(self, rows: Any) -> Self:
        """The rules of some rows: a slice, row numbers (which may repeat) or a mask."""
        rows = np.arange(len(self))[rows]
        parts: dict[str, Any] = {name: _rows(getattr(self, name), rows) for name in self.PER_ROW}
        return replace(self, **parts, labels={j: permitted[rows] for j, permitted in self.labels.items()})

    def exclude(self, columns: Array) -> Self:
        """The same rules, and some more table columns frozen: bool (n, C)."""
        columns = np.broadcast_to(columns, self.broken.shape)
        movable = self.movable & ~columns
        if self.kept:
            movable = without_tied(self.kept, self.asked, movable, self.schema.value_columns)
            columns = self.movable & ~movable
        return replace(
            self,
            movable=movable,
            impossible=self.impossible | (self.broken & columns).any(axis=1),
            trivial=self.trivial and not columns.any(),
        )

    def at_most(self, counts: Array) -> Self:
        """The same rules, and no more than some number of changed table columns: int (n,)."""
        return replace(self, max_changes=np.minimum(self.max_changes, counts), trivial=False)

    @cached_property
    def movable_positions(self) -> Array:
        """Encoded positions that the rules let move, bool (n, d); a missing indicator follows its column."""
        if self.movable.all():
            return np.broadcast_to(True, self.lower.shape)
        return self.movable[:, self.schema.owner]

    @cached_property
    def counted(self) -> bool:
        """Whether some row may not change all of its columns."""
        return bool((self.max_changes < self.movable.shape[1]).any())

    @cached_property
    def choices(self) -> Array:
        """One-hot levels that each row may take, bool (n, d); True elsewhere."""
        choices = np.broadcast_to(True, self.lower.shape)
        for j, permitted in self.labels.items():
            if self.schema.columns[j].one_hot:
                choices = choices if choices.flags.writeable else choices.copy()
                choices[:, self._block(j)] = permitted
        return choices

    # ------------------------------------------------------------------------------------------------- settling

    def settle(self, Z: Array, reference: Array) -> tuple[Array, Array]:
        """Rows (n, d), float32, near soft rows Z that a table can hold, and which of them obey every rule, bool (n,).

        `reference` (n, d) are the encoded query rows. Even where a row cannot obey all rules, a frozen cell keeps its
        bits, no more than ``max_changes`` columns change, what is kept of relations holds and no label is newly taken
        that the rules exclude; impossible rows are the query rows.
        """
        if self.trivial:
            return self.schema.snap(Z, reference), np.ones(len(Z), dtype=bool)
        reference = np.asarray(reference, dtype=np.float32)
        settled = self._project(Z, reference)
        good = self.obeyed(settled, reference)
        failed = np.flatnonzero(~(good | self.impossible))
        if failed.size:
            # The query row itself, mended where it breaks a rule, is the last resort: unchanged if it obeys.
            rows, home = self.take(failed), reference[failed]
            mended = rows._project(home, home)
            better = rows.obeyed(mended, home)
            settled[failed[better]] = mended[better]
            good[failed[better]] = True
        return settled, good

    def _project(self, Z: Array, reference: Array) -> Array:
        """Each rule in turn, the ones that later ones cannot break first."""
        inside = np.where(self.movable_positions, Z, reference)
        inside = self._clipped(inside, reference) if self.bounded else inside
        settled = self.schema.snap(inside, reference)
        for j, grid in self.grids.items():
            self._choose_number(j, grid, inside, settled, reference)
        if self.broken.any():
            self._enter_bounds(settled, reference)
        for j in self.labels:
            self._choose_label(j, Z, settled, reference)
        if self.counted:
            self._undo_smallest(settled, reference)
        if self.relations:
            self._relate(settled, reference)
        if self.kept:
            self._keep(settled, reference)
        settled[self.impossible] = reference[self.impossible]
        return settled

    def _clipped(self, Z: Array, reference: Array) -> Array:
        """Z within the bounds, which are no reason to fill a cell that it leaves missing."""
        clipped, at = np.clip(Z, self.lower, self.upper), self.schema.numeric_index
        untouched = np.isnan(self.numbers) & ~(np.abs(Z[:, at] - reference[:, at]) > NOTICEABLE)
        clipped[:, at] = np.where(untouched, reference[:, at], clipped[:, at])
        return clipped

    def _enter_bounds(self, settled: Array, reference: Array) -> None:
        """Move the own values that are out of bounds by less than `snap` calls a change."""
        at = self.schema.numeric_index
        value, home = settled[:, at], reference[:, at]
        kept = self.broken[:, self.schema.value_columns] & (value == home)
        settled[:, at] = np.where(kept, np.clip(home, self.lower[:, at], self.upper[:, at]), value)

    def _choose_number(self, j: int, grid: Grid, soft: Array, settled: Array, reference: Array) -> None:
        """The nearest number of the grid within the bounds, or the own one, if that is nearer and may stay."""
        column, slot = self.schema.columns[j], self.schema.slot(j)
        z, home, own = soft[:, column.start], reference[:, column.start], self.numbers[:, slot]
        ends = (self.low[:, slot], 1), (self.high[:, slot], -1)
        least, most = (onward(grid, end, side, column.held) for end, side in ends)
        new = column.forward(np.clip(column.inverse(z), least, most)).astype(np.float32)
        new = np.clip(new, self.lower[:, column.start], self.upper[:, column.start])
        leaves = self.broken[:, j] & self.movable[:, j]
        new = np.where(leaves & (new == home), np.nextafter(home, np.float32(np.inf)), new)  # a cell changes if bits do
        away, apart = np.abs(z - home), np.abs(new - home) > NOTICEABLE
        moved = (away > NOTICEABLE) & apart & (np.isnan(own) | (np.abs(new - z) < away)) & (least <= most)
        settled[:, column.start] = np.where(moved | leaves, new, home)
        if column.missing is not None:
            settled[:, column.missing] = np.where(moved, 0.0, reference[:, column.missing])

    def _choose_label(self, j: int, soft: Array, settled: Array, reference: Array) -> None:
        """An excluded rank becomes the nearest permitted one.

        An excluded label without an order becomes the own one, or, where that is excluded too, the permitted one with
        the highest score.
        """
        column, block, permitted = self.schema.columns[j], self._block(j), self.labels[j]
        rows = np.flatnonzero(~self._permits(j, settled, reference))
        if not rows.size:
            return
        if not column.one_hot:
            codes = column.forward(np.arange(permitted.shape[1])).astype(np.float32)
            distance = np.where(permitted[rows], np.abs(settled[rows, block] - codes), np.inf)
            settled[rows, column.start] = codes[distance.argmin(axis=1)]
            return
        settled[rows, block] = reference[rows, block]
        rows = rows[self.broken[rows, j]]
        settled[rows, block] = hardened(soft[rows, block], permitted[rows])

    def _undo_smallest(self, settled: Array, reference: Array) -> None:
        """Keep the ``max_changes`` largest changes per cost, those that have to be made first."""
        changed = self.schema.changed(settled, reference)
        following = (changed @ self._follows) > 0 if self.kept else changed
        rows = np.flatnonzero(following.sum(axis=1) > self.max_changes)
        if not rows.size:
            return
        move = (settled[rows] - reference[rows]) / self.weights
        move[:, self.schema.missing_index] = 0.0
        size = np.sqrt(self.schema.by_column(move**2))
        size[self.broken[rows]] = np.inf
        size[~changed[rows]] = -1.0
        undone = ~self._affordable_columns(size, rows)
        settled[rows] = np.where(undone[:, self.schema.owner], reference[rows], settled[rows])

    def _affordable_columns(self, size: Array, rows: Array) -> Array:
        """Columns that may change within ``max_changes``, the largest (m, C) first, with all that follow them."""
        if not self.kept:
            return _largest(size, self.max_changes[rows])
        taken = np.zeros(size.shape, dtype=bool)
        for some, kept in self._alike(rows):
            taken[some] = affordable(size[some], kept, self.schema, self.max_changes[rows][some])
        return taken

    def _relate(self, settled: Array, reference: Array) -> None:
        """Move the numbers of rows that break a relation into it."""
        for some, kept in self._alike(np.arange(len(self))):
            told = [solved(relation, kept, len(self.schema.value_columns)) for relation in self.relations]
            self._relate_by(told, some, settled, reference)

    def _relate_by(self, relations: Sequence[Relation], some: Array, settled: Array, reference: Array) -> None:
        changed = self.schema.changed(settled, reference)
        numbers = self._numbers_of(settled, changed)
        broken = np.column_stack([some & relation.broken(numbers) for relation in relations])
        rows = np.flatnonzero(broken.any(axis=1) & ~self.impossible)
        if not rows.size:
            return
        scales, before = self.schema.numeric_map, numbers[rows]
        room = self._room(rows, before, scales)
        movable, reach = room.movable, room.reach / np.sqrt(self.weights[self.schema.numeric_index])
        if self.counted:
            worth = np.where(movable, reach, 0.0)
            movable &= self._affordable(relations, changed[rows], broken[rows], worth, self.max_changes[rows])
        after = project(relations, before, replace(room, reach=reach), scales)
        self._write(settled, rows, after, movable & (after != before))

    def _room(self, rows: Array, numbers: Array, scales: NumericMap) -> Room:
        """Where numbers (m, p) of some rows may go; their reach is their spread."""
        part = np.ix_(rows, self.schema.numeric_index)
        movable = self.movable[np.ix_(rows, self.schema.value_columns)] & ~np.isnan(numbers)
        low, high = (
            _representable(scales, bound[rows], encoded[part], inward)
            for bound, encoded, inward in ((self.low, self.lower, np.maximum), (self.high, self.upper, np.minimum))
        )
        low = np.maximum(np.minimum(scales.lower, numbers), low)
        high = np.minimum(np.maximum(scales.upper, numbers), high)
        return Room(movable, low, high, spread(scales, numbers))

    def _write(self, settled: Array, rows: Array, numbers: Array, moved: Array) -> None:
        """Write the numbers (m, p) of some rows where they `moved` (m, p)."""
        scales, part = self.schema.numeric_map, np.ix_(rows, self.schema.numeric_index)
        value = np.clip(scales.snap(scales.forward(numbers)), self.lower[part], self.upper[part])
        settled[part] = np.where(moved, value, settled[part])

    def _affordable(
        self, relations: Sequence[Relation], changed: Array, broken: Array, reach: Array, most: Array
    ) -> Array:
        """Value columns that a relation may move: the changed ones, and of the others as many as the budget allows."""
        changed, n_changed = changed[:, self.schema.value_columns], changed.sum(axis=1)
        gain = np.zeros(reach.shape)
        for relation, rows in zip(relations, broken.T, strict=True):
            slots = list(relation.slots)
            gain[:, slots] += rows[:, None] * np.abs(relation.coefficients) * reach[:, slots]
        gain[changed] = -1.0
        return changed | (_largest(gain, most - n_changed) & (gain > 0))

    # -------------------------------------------------------------------------- relations that training rows obeyed

    @cached_property
    def _follows(self) -> Array:
        return followers(self.kept, self.schema)

    def _alike(self, rows: Array) -> Iterator[tuple[Array, tuple[KeptRelation, ...]]]:
        """The kept relations that are asked of some rows, each with a mask (m,) of those that they are asked of."""
        patterns, which = np.unique(self.asked[rows], axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            yield which.reshape(-1) == number, tuple(compress(self.kept, pattern))

    def _keep(self, settled: Array, reference: Array) -> None:
        """Compute what the kept relations determine; where they can't hold otherwise, their columns stay."""
        changed = self.schema.changed(settled, reference)
        slots = sorted({slot for relation in self.kept for slot in relation.slots})
        rows = np.flatnonzero(changed[:, self.schema.value_columns[slots]].any(axis=1) & ~self.impossible)
        if not rows.size:
            return
        scales, before = self.schema.numeric_map, self._numbers_of(settled, changed)[rows]
        own, room = self.numbers[rows], self._room(rows, before, scales)
        margin = margins(self.kept, room.reach)
        margin[:, scales.discrete] = 0.0
        low, high = room.low + margin, np.maximum(room.low + margin, room.high - margin)
        near = (before < room.low + margin / 2) | (before > room.high - margin / 2)
        start = np.where((before != own) & near, np.clip(before, low, high), before)
        after = keep(self.kept, self.asked[rows], start, own, replace(room, low=low, high=high), scales)
        moved, at = (after != before) & ~np.isnan(after), self.schema.numeric_index
        self._write(settled, rows, after, moved)
        home = moved & (after == own)
        settled[np.ix_(rows, at)] = np.where(home, reference[np.ix_(rows, at)], settled[np.ix_(rows, at)])
        self._stay(settled, reference)

    def _stay(self, settled: Array, reference: Array) -> None:
        """Take back all columns of kept relations in rows that break one, or change more columns than they may."""
        changed = self.schema.changed(settled, reference)
        broken = self._unkept(self._numbers_of(settled, changed), changed)
        broken |= (changed.sum(axis=1) > self.max_changes)[:, None]
        for numbers, slots in groups(self.kept):
            at = np.ix_(broken[:, numbers].any(axis=1), np.isin(self.schema.owner, self.schema.value_columns[slots]))
            settled[at] = reference[at]

    def _unkept(self, numbers: Array, changed: Array) -> Array:
        """Which kept relations each row breaks, bool (n, R), by more than float32 takes from a changed number."""
        scales = self.schema.numeric_map
        noise = 2 * NOISE * spread(scales, numbers) * changed[:, self.schema.value_columns]
        noise[:, scales.discrete] = 0.0
        return self.asked & np.column_stack([relation.broken(numbers, noise) for relation in self.kept])

    # -------------------------------------------------------------------------------------------------- judging

    def obeyed(self, Z: Array, reference: Array, numbers: Array | None = None) -> Array:
        """Which rows Z (n, d), settled or encoded from a table, obey every rule: bool (n,).

        Judged by what the user holds: `numbers` (n, p) in original units, by default what decoding would give.
        """
        changed = self.schema.changed(Z, reference)
        if not (self.bounded or self.relations or self.kept):
            numbers = None
        elif numbers is None:
            numbers = self._numbers_of(Z, changed)
        good = judge.obeyed(changed, numbers, self.movable, self.low, self.high, self.relations, self.max_changes)
        if self.kept and numbers is not None:
            good &= ~self._unkept(numbers, changed).any(axis=1)
        for j in self.labels:
            good &= self._permits(j, Z, reference)
        for j in self.grids:
            good &= changed[:, j] | ~self.broken[:, j]
        return good & ~self.impossible

    def _permits(self, j: int, Z: Array, reference: Array) -> Array:
        """Whether column j holds a label that may be taken (n,), or is left without one."""
        column, permitted = self.schema.columns[j], self.labels[j]
        if column.one_hot:
            taken = Z[:, self._block(j)] > 0.5
            return (taken & permitted).any(axis=1) | ~(taken.any(axis=1) | self.broken[:, j])
        value, own = Z[:, column.start], self.numbers[:, self.schema.slot(j)]
        rank = np.rint(column.inverse(value)).astype(np.intp)
        stays = (value == reference[:, column.start]) & (own != np.rint(own))  # missing, or a label that has no level
        return np.where(stays, ~self.broken[:, j], permitted[np.arange(len(rank)), rank])

    def _block(self, j: int) -> slice:
        return slice(self.schema.columns[j].start, self.schema.columns[j].stop)

    def _numbers_of(self, Z: Array, changed: Array) -> Array:
        """Numbers (n, p) that a table would hold: own values where a column did not change."""
        decoded = self.schema.numeric_map.inverse(Z[:, self.schema.numeric_index])
        return np.where(changed[:, self.schema.value_columns], decoded, self.numbers)


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
