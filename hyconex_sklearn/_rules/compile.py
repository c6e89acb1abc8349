"""Rules as read against a table in, what they allow each of its rows out, as a ``FeasibleSet``: :func:`compile_rules`.

A rule that does not fit the table, or contradicts another one, is told at once. What only rows run into (their frozen
value is out of bounds, or above the bound and may only rise) makes those rows ``impossible``, be it all of them, and
hinders no other; ``conflicts`` tells of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._table.cells import Array, Table
from .._table.codec import UNSEEN
from .._table.grid import onward
from .._table.schema import Column, TableSchema
from .._table.units import NARROW_FLOATS, held_in
from .feasible_set import FeasibleSet
from .judge import LabelRule, narrowed
from .kept_relations import without_tied
from .read import check_labels, read_weights
from .table_rules import TableRules

_UNKNOWN = object()  # the label of a cell whose label the fit did not see
_ANY = LabelRule(None, {})


def unruled(schema: TableSchema, encoded: Array) -> FeasibleSet:
    """Encoded rows (n, d), float32, about which there is no rule."""
    n, p = len(encoded), len(schema.value_columns)
    return FeasibleSet(
        schema,
        movable=np.broadcast_to(True, (n, len(schema.columns))),
        lower=np.broadcast_to(np.float32(-np.inf), encoded.shape),
        upper=np.broadcast_to(np.float32(np.inf), encoded.shape),
        impossible=np.zeros(n, dtype=bool),
        weights=np.ones(schema.n_encoded, dtype=np.float32),
        numbers=np.broadcast_to(np.nan, (n, p)),
        low=np.broadcast_to(-np.inf, (n, p)),
        high=np.broadcast_to(np.inf, (n, p)),
        broken=np.broadcast_to(False, (n, len(schema.columns))),
        labels={},
        relations=(),
        kept=(),
        asked=np.broadcast_to(False, (n, 0)),
        max_changes=np.broadcast_to(len(schema.columns), n),
        grids={},
        bounded=False,
        trivial=True,
    )


def compile_rules(read: TableRules, X: Table, encoded: Array) -> FeasibleSet:
    """What rules allow the n rows of the table that they were read against; `encoded` (n, d) are the same rows."""
    said, schema = read.said, read.codec.schema
    check_labels(said, schema)
    rows = unruled(schema, encoded)
    numbers = read.codec.numbers(X) if read.kept else rows.numbers
    asked = np.array([relation.asked(numbers) for relation in read.kept], dtype=bool).T
    kept = read.kept if asked.any() else ()
    if said.is_trivial and not kept:
        return rows
    bounded = bool(read.bounds or read.directions or read.grids)
    written = {"movable", "lower", "upper", "low", "high", "broken"} if bounded or read.labels else set()
    rows = replace(
        rows,
        **{name: getattr(rows, name).copy() for name in written - {"movable"}},
        movable=read.movable.copy() if written else read.movable,
        numbers=numbers if read.kept else read.codec.numbers(X),
        weights=read_weights(said.feature_weights, schema),
        relations=read.relations,
        kept=kept,
        asked=asked if kept else rows.asked,
        max_changes=np.broadcast_to(said.max_changes or len(schema.columns), len(rows)),
        bounded=bounded,
        grids={j: rule.grid for j, rule in read.grids.items() if schema.columns[j].is_value},
        trivial=not kept and replace(said, target_probability=None, repair=None, keep_relations=True).is_trivial,
    )
    permitted = {}
    for j in read.ruled:
        rows.broken[:, j] = ~read.obeyed_in(j, X, X, np.arange(len(rows)))
        if schema.columns[j].kind == "constant":
            rows.movable[:, j] = False
            continue
        if j in read.bounds or j in read.directions or j in read.grids:
            _restrict_range(rows, read, X, encoded, j)
        own = read.codec.levels(X, j) if schema.columns[j].categories else np.empty(0)
        if j in read.labels or (own == UNSEEN).any():
            permitted[j] = _restrict_labels(rows, read.labels.get(j, _ANY), own, j)
    if kept:
        rows = replace(rows, movable=without_tied(kept, asked, rows.movable, schema.value_columns))
    _give_up(rows)
    return replace(rows, labels=permitted)


# --------------------------------------------------------------------- what rules do to the rows of a set in the making


def _restrict_range(rows: FeasibleSet, read: TableRules, X: Table, encoded: Array, j: int) -> None:
    """Write down bounds and direction of a value column, and where its numbers have any way to go."""
    column, slot, direction = rows.schema.columns[j], rows.schema.slot(j), read.directions.get(j, 0)
    own, home = rows.numbers[:, slot], encoded[:, column.start]
    unbounded = np.full(len(own), -np.inf), np.full(len(own), np.inf)
    low, high = read.bounds.get(j, unbounded)
    below, above, pinned = own < low, own > high, np.zeros(len(own), dtype=bool)
    if j in read.bounds or j in read.grids:
        may_stay = ~(below | above | (rows.broken[:, j] & (j in read.grids)))
        bound, dtype = read.exact.get(j, unbounded), str(read.codec.cells(X, j).dtype)
        low, high, pinned = _on_grid(column, own, may_stay, bound, dtype)
    low, high = narrowed(low, high, own, direction)
    pinned |= (low > high) | (np.isnan(own) if direction else False)
    rows.impossible[(low > high) & ~np.isnan(own)] = True
    rows.movable[:, j] &= ~pinned
    rows.low[:, slot], rows.high[:, slot] = low, high
    unseen = home == np.float32(column.forward(column.off_level)) if column.kind == "ordered" else np.zeros_like(below)
    rows.lower[:, column.start] = _encoded_bound(column, low, own, home, below, unseen, +1)
    rows.upper[:, column.start] = _encoded_bound(column, high, own, home, above, unseen, -1)


def _restrict_labels(rows: FeasibleSet, rule: LabelRule, own: Array, j: int) -> Array:
    """Return the levels that each row may take, bool (n, K), of a column of labels at the levels `own` (n,)."""
    column = rows.schema.columns[j]
    labels = [*column.categories, _UNKNOWN, None]
    held, place = np.unique(own, return_inverse=True)
    permitted = np.zeros((len(held), len(column.categories)), dtype=bool)
    for row, level in zip(permitted, held, strict=True):
        row[:] = [rule.permits(labels[level], label) for label in column.categories]
    permitted = permitted[place]
    if not column.one_hot:
        rank, slot = np.arange(len(column.categories)), rows.schema.slot(j)
        permitted &= (rank >= rows.low[:, slot, None]) & (rank <= rows.high[:, slot, None])
    rows.movable[:, j] &= permitted.any(axis=1)
    return permitted


def _give_up(rows: FeasibleSet) -> None:
    """Mark the rows that cannot come to obey."""
    rows.impossible[(rows.broken & ~rows.movable).any(axis=1)] = True
    rows.impossible[rows.broken.sum(axis=1) > rows.max_changes] = True


def _on_grid(
    column: Column, own: Array, inside: Array, bound: tuple[Array, Array], dtype: str
) -> tuple[Array, Array, Array]:
    """Bounds on the column's grid and in its seen range, widened to own values; and cells without another value.

    `inside` (n,) are the rows whose own value obeys the rules on its column; a missing cell violates nothing.
    """
    low, high = bound
    least = np.maximum(_next_on_grid(column, low, +1, dtype), column.lower)
    most = np.minimum(_next_on_grid(column, high, -1, dtype), column.upper)
    if column.grid is not None:
        least, most = column.held(least), column.held(most)
    pinned = least > most
    least = np.where(inside, np.fmin(least, own), least)
    most = np.where(inside, np.fmax(most, own), most)
    stays = pinned & inside
    return np.where(stays, -np.inf, least), np.where(stays, np.inf, most), pinned


def _next_on_grid(column: Column, bound: Array, side: int, dtype: str) -> Array:
    """The nearest value that a cell can hold and that a bound includes; side is +1 for a lower bound.

    Cells hold decimals, and narrow floats where the fit, or the table of this `dtype`, does.
    """
    narrow = [NARROW_FLOATS[name] for name in (column.dtype.lower(), dtype.lower()) if name in NARROW_FLOATS]

    def held(values: Array) -> Array:
        for name in (column.dtype, dtype):
            values = held_in(values, name)
        return values

    with np.errstate(over="ignore", invalid="ignore"):
        if (grid := column.grid) is not None:  # 0.1 as the column has it is within a bound of 0.1
            return onward(grid, held_in(bound, dtype), side, held)
        if not narrow:
            return bound
        value, beyond = held(bound), np.dtype(narrow[0]).type(side * np.inf)
        inward = np.nextafter(value.astype(narrow[0]), beyond).astype(np.float64)
        return np.where(side * value < side * bound, inward, value)


def _encoded_bound(
    column: Column, bound: Array, own: Array, home: Array, violated: Array, unseen: Array, side: int
) -> Array:
    """A bound (n,) in encoded units, float32: its decoded value obeys the bound; side is +1 for a lower bound.

    A row whose own value obeys the bound has its own encoded value inside, and any other row strictly outside; but
    for unseen labels, whose place in encoded units says nothing of them.
    """
    encoded = np.full(len(bound), -side * np.inf, dtype=np.float32)
    at = np.flatnonzero(np.isfinite(bound))
    value = column.forward(bound[at]).astype(np.float32)
    for power in range(8):  # float32 may round to the wrong side of the bound: step inward until it does not
        wrong = side * (column.inverse(value) - bound[at]) < 0
        if not wrong.any():
            break
        value = np.where(wrong, value + side * 2.0**power * np.spacing(np.abs(value)), value)
    encoded[at] = value
    outward, inward = (np.minimum, np.maximum) if side > 0 else (np.maximum, np.minimum)
    encoded = np.where(np.isnan(own) | violated, encoded, outward(encoded, home))
    encoded = np.where(own == bound, home, encoded)
    return np.where(violated & ~unseen, inward(encoded, np.nextafter(home, np.float32(side * np.inf))), encoded)
