"""Rules and a table in, rules by column number out, and which rows of cells obey them: :class:`TableRules`.

The last word on whether a row is feasible. It goes by the cells that the user holds, in their own units and precision,
whatever an encoding can tell apart: labels that the fit did not see, columns that it saw one value of, gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .._table.cells import Array, Table, cells_differ
from .._table.codec import TableCodec, ranks_of
from .._table.column_io import labels_of, missing_cells, read_numbers, with_values
from .._table.schema import Column
from .._table.units import held_in
from .actionability import Actionability
from .grids import read_grids, ruled
from .judge import LabelRule, NumberRule, narrowed
from .kept_relations import KeptRelation, exactly, read_kept
from .read import read_bounds, read_directions, read_labels, read_movable, read_relations
from .relations import Relation


@dataclass(frozen=True)
class TableRules:
    """What the user said, read against the n rows of a table, by column number of the codec's schema."""

    said: Actionability
    codec: TableCodec  # which decodes to numbers that the rules allow
    movable: Array  # bool (n, C)
    exact: dict[int, tuple[Array, Array]]  # low and high (n,), infinite where there is none; ranks of ordered labels
    bounds: dict[int, tuple[Array, Array]]  # the same, `as_compared`
    directions: dict[int, int]  # 1 or -1, of numbers and ordered labels; those of truth values are label rules
    labels: dict[int, LabelRule]
    grids: dict[int, NumberRule]  # what numbers may become, beside bounds and directions
    relations: tuple[Relation, ...]  # sums of ``codec.schema.value_columns``
    kept: tuple[KeptRelation, ...]  # equations between them that all training rows obeyed

    @classmethod
    def read(cls, rules: Actionability, codec: TableCodec, X: Table) -> Self:
        """Raise where a rule does not fit the columns or rows of X."""
        rules = rules._placed(X, codec.schema.feature_names)
        parts = cls._read(rules, codec, X)
        return cls(rules, ruled(codec, parts["grids"], X), **parts)

    @classmethod
    def _read(cls, rules: Actionability, codec: TableCodec, X: Table) -> dict[str, Any]:
        schema = codec.schema
        bounds = read_bounds(rules.bounds, schema, len(X))
        directions = read_directions(rules.monotonic_cst, schema)
        for j in {*bounds, *directions}:
            if schema.columns[j].kind == "ordered":
                _check_order(codec.cells(X, j).dtype, schema.columns[j])
        return {
            "movable": read_movable(rules, schema, len(X)),
            "exact": bounds,
            "bounds": {j: as_compared(sides, codec.cells(X, j).dtype) for j, sides in bounds.items()},
            "directions": {j: way for j, way in directions.items() if schema.columns[j].is_value},
            "labels": read_labels(rules, schema),
            "grids": read_grids(rules, schema),
            "relations": read_relations(rules.relations, schema),
            "kept": read_kept(codec, X) if rules.keep_relations else (),
        }

    def values(self, table: Table, j: int) -> Array:
        """Column j as numbers (n,): those of the cells, or ranks; NaN where there is none."""
        cells, column = self.codec.cells(table, j), self.codec.schema.columns[j]
        return ranks_of(cells, column) if column.kind == "ordered" else read_numbers(cells, column.name)

    @property
    def ruled(self) -> list[int]:
        """The columns whose cells have rules of their own."""
        return sorted({*self.bounds, *self.directions, *self.labels, *self.grids})

    def ends_of(self, j: int, original: Table, rows: Array) -> tuple[Array, Array]:
        """Least and most that bounds and direction allow column j of query rows (m,), number `rows` of all; (m,) both.

        For finding values to try: `obeyed` has the last word on them.
        """
        unbounded = np.full(len(rows), np.inf)
        low, high = (side[rows] for side in self.exact[j]) if j in self.exact else (-unbounded, unbounded)
        return narrowed(low, high, self.values(original, j), self.directions.get(j, 0))

    def obeyed(self, data: Table, original: Table, rows: Array) -> Array:
        """Which rows (m,) obey every rule by their own cells; `original` are their query rows, number `rows` of all."""
        place = self.codec.match(data)
        changed = cells_differ(original, data)[:, place]
        good = ~(changed & ~self.movable[rows]).any(axis=1)
        if self.said.max_changes is not None:
            good &= changed.sum(axis=1) <= self.said.max_changes
        if self.relations or self.kept:
            numbers = self.codec.numbers(data)
            for relation in self.relations:
                good &= ~relation.broken(numbers)
        if self.kept:
            own = self.codec.numbers(original)
            for each in self.kept:
                good &= ~(each.asked(own) & each.broken(numbers))
        for j in self.ruled:
            good &= self.obeyed_in(j, data, original, rows)
        return np.asarray(good)

    def obeyed_in(self, j: int, data: Table, original: Table, rows: Array) -> Array:
        """Whether the cells of column j obey the rules on it, bool (m,)."""
        good = np.ones(len(rows), dtype=bool)
        if j in self.bounds:
            good &= self._within(j, data, rows)
        if j in self.directions:
            before, after, way = self.values(original, j), self.values(data, j), self.directions[j]
            good &= ~(way * after < way * before) & ~(np.isnan(before) & ~np.isnan(after))
        if j in self.grids:
            good &= self.on_grid(j, data, original)
        if j in self.labels:
            name, permits = self.codec.schema.columns[j].name, self.labels[j].permits
            old, new = (labels_of(self.codec.cells(table, j), name) for table in (original, data))
            good &= np.array([*map(permits, old, new)], dtype=bool)
        return good

    def on_grid(self, j: int, data: Table, original: Table) -> Array:
        """Whether the cells of column j hold numbers that they may become, bool (m,)."""
        dtype = self.codec.cells(data, j).dtype
        return self.grids[j].permits(self.values(original, j), self.values(data, j), lambda of: held_in(of, dtype))

    def exactly(self, data: Table, original: Table) -> Table:
        """The rows, decoded from float32, without what that has taken from the relations that are kept."""
        if not self.kept:
            return data
        schema, before = self.codec.schema, self.codec.numbers(data)
        after = exactly(self.kept, before, self.codec.numbers(original), schema.numeric_map)
        moved, place = after != before, self.codec.match(data)[schema.value_columns]
        moved &= ~np.isnan(before)
        for slot in np.flatnonzero(moved.any(axis=0)).tolist():
            at = np.flatnonzero(moved[:, slot])
            data = with_values(data, int(place[slot]), after[at, slot], at)
        return data

    def _within(self, j: int, data: Table, rows: Array) -> Array:
        """Whether column j is within its bounds (m,). A missing cell breaks none; a label without a rank is in none."""
        low, high = (side[rows] for side in self.bounds[j])
        values = self.values(data, j)
        unranked = np.isnan(values) & ~missing_cells(self.codec.cells(data, j))
        return ~((values < low) | (values > high) | (unranked & (np.isfinite(low) | np.isfinite(high))))


def as_compared(sides: tuple[Array, Array], dtype: Any) -> tuple[Array, Array]:
    """Numbers as a column of a dtype compares with them, as numpy and pandas do: in its own precision."""
    low, high = (held_in(side, dtype) for side in sides)
    return low, high


def _check_order(dtype: Any, column: Column) -> None:
    """Raise where a table orders the labels of a column otherwise than the fit did: rules on order would mean both."""
    if not getattr(dtype, "ordered", False):
        return
    ranks = [column.categories.index(label) for label in dtype.categories if label in column.categories]
    if ranks != sorted(ranks):
        raise ValueError(
            f"column {column.name!r} orders its labels as {list(dtype.categories)}, but at fit the order was "
            f"{list(column.categories)}. Pass the order of the fit, so that bounds and directions mean one thing."
        )
