"""Rules and rows of a table in, what they allow each row out, as a ``FeasibleSet``: :func:`compile_rules`.

A rule that does not fit the table, or contradicts another one, is told at once. What only a single row runs into (its
value is above the bound and may only rise) makes that row ``impossible`` and hinders no other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._table.cells import Array
from .._table.schema import Column, TableSchema
from .actionability import Actionability
from .feasible_set import FeasibleSet
from .judge import LabelRule, narrowed
from .read import places, read_bounds, read_directions, read_labels, read_movable, read_relations, read_weights

#: Levels of cells that are missing, or hold a label that the fit did not see: places from the end of all labels.
_MISSING, _UNSEEN = -1, -2
_UNKNOWN = object()  # the label of the latter


def compile_rules(rules: Actionability, schema: TableSchema, numbers: Array | None, encoded: Array) -> FeasibleSet:
    """Read rules against a table with the columns, labels and seen ranges of `schema`, and n of its rows.

    `numbers` (n, p) are the values of ``schema.value_columns`` in original units (ordered: ranks), NaN where missing;
    None is enough for rules that are trivial. `encoded` (n, d) are the same rows, encoded, float32.
    """
    n, p = len(encoded), len(schema.value_columns)
    movable = read_movable(rules, schema, n)
    bounds = read_bounds(rules.bounds, schema, n)
    directions = read_directions(rules.monotonic_cst, schema)
    labels = read_labels(rules, schema)
    bounded = bool(bounds or directions)

    def filled(value: Any, shape: tuple[int, ...], written: bool) -> Array:
        return np.full(shape, value) if written else np.broadcast_to(value, shape)

    rows = FeasibleSet(
        schema,
        movable=movable.copy() if bounded or labels else movable,
        lower=filled(np.float32(-np.inf), encoded.shape, bounded),
        upper=filled(np.float32(np.inf), encoded.shape, bounded),
        impossible=np.zeros(n, dtype=bool),
        weights=read_weights(rules.feature_weights, schema),
        numbers=np.broadcast_to(np.nan, (n, p)) if numbers is None else numbers,
        low=filled(-np.inf, (n, p), bounded),
        high=filled(np.inf, (n, p), bounded),
        broken=filled(False, movable.shape, bounded or bool(labels)),
        labels={},
        relations=read_relations(rules.relations, schema),
        max_changes=rules.max_changes,
        bounded=bounded,
        trivial=replace(rules, target_probability=None, repair=None).is_trivial,
    )
    for j in sorted({*bounds, *directions}):
        _restrict_range(rows, encoded, movable[:, j], j, bounds.get(j), directions.get(j, 0))
    permitted = {j: _restrict_labels(rows, encoded, movable[:, j], j, rule) for j, rule in labels.items()}
    if rules.max_changes is not None:
        rows.impossible[rows.broken.sum(axis=1) > rules.max_changes] = True
    return replace(rows, labels=permitted)


# --------------------------------------------------------------------- what rules do to the rows of a set in the making


def _restrict_range(
    rows: FeasibleSet, encoded: Array, movable: Array, j: int, bound: tuple[Array, Array] | None, direction: int
) -> None:
    """Write down bounds and direction of a value column, which the user lets change in the rows `movable` (n,)."""
    column, slot = rows.schema.columns[j], rows.schema.slot(j)
    own, home = rows.numbers[:, slot], encoded[:, column.start]
    low, high = (np.full(len(own), -np.inf), np.full(len(own), np.inf)) if bound is None else bound
    below, above = own < low, own > high
    _check_frozen(column, "bounds", (below | above) & ~movable, own)
    pinned = np.zeros(len(own), dtype=bool)
    if bound is not None:
        low, high, pinned = _on_grid(column, own, low, high)
    low, high = narrowed(low, high, own, direction)
    rows.movable[:, j] &= ~(pinned | np.isnan(own)) if direction else ~pinned
    rows.broken[:, j] |= below | above
    rows.impossible[low > high] = True
    rows.low[:, slot], rows.high[:, slot] = low, high
    rows.lower[:, column.start] = _encoded_bound(column, low, own, home, below, +1)
    rows.upper[:, column.start] = _encoded_bound(column, high, own, home, above, -1)


def _restrict_labels(rows: FeasibleSet, encoded: Array, movable: Array, j: int, rule: LabelRule) -> Array:
    """Write down a rule on the labels of a column, and return the levels that each row may take: bool (n, K)."""
    column, slot = rows.schema.columns[j], rows.schema.slot(j)
    own = _levels(column, encoded, rows.numbers[:, slot] if column.is_value else None)
    labels = [*column.categories, _UNKNOWN, None]
    held, place = np.unique(own, return_inverse=True)
    permitted = np.zeros((len(held), len(column.categories)), dtype=bool)
    for row, level in zip(permitted, held, strict=True):
        row[:] = [rule.permits(labels[level], label) for label in column.categories]
    permitted = permitted[place]
    broken = np.array([not rule.permits(labels[level], labels[level]) for level in held], dtype=bool)[place]
    shown = np.array(["a label not seen at fit" if label is _UNKNOWN else label for label in labels], dtype=object)
    _check_frozen(column, "allowed_categories", broken & ~movable, shown[own])
    if not column.one_hot:
        rank = np.arange(len(column.categories))
        permitted &= (rank >= rows.low[:, slot, None]) & (rank <= rows.high[:, slot, None])
        rows.movable[:, j] &= (own != _MISSING) | permitted.any(axis=1)
    rows.broken[:, j] |= broken
    rows.impossible[rows.broken[:, j] & ~permitted.any(axis=1)] = True
    return permitted


def _levels(column: Column, encoded: Array, ranks: Array | None) -> Array:
    """Own level of each row (n,); negative where missing or unseen."""
    if ranks is not None:
        return np.where(np.isnan(ranks), _MISSING, ranks).astype(np.intp)
    block = encoded[:, column.start : column.stop]
    levels = np.where(block.any(axis=1), block.argmax(axis=1), _UNSEEN)
    return np.where(levels == block.shape[1] - 1, _MISSING, levels) if column.has_missing_level else levels


def _on_grid(column: Column, own: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Bounds on the column's grid and in its seen range, widened to own values; and cells without another value."""
    inside = ~((own < low) | (own > high))  # a missing cell violates nothing
    least = np.maximum(_next_on_grid(column, low, +1), column.lower)
    most = np.minimum(_next_on_grid(column, high, -1), column.upper)
    pinned = least > most
    lost = pinned & ~inside
    if lost.any():
        first = int(lost.argmax())
        raise ValueError(
            f"bounds[{column.name!r}] leave no value of the range seen at fit, "
            f"{_shown(column, column.lower)} to {_shown(column, column.upper)}, {places(lost)}: "
            f"got ({_shown(column, low[first])}, {_shown(column, high[first])}). Widen the bounds."
        )
    least = np.where(inside, np.fmin(least, own), least)
    most = np.where(inside, np.fmax(most, own), most)
    return np.where(pinned, -np.inf, least), np.where(pinned, np.inf, most), pinned


def _check_frozen(column: Column, rule: str, lost: Array, own: Array) -> None:
    """Raise where a rule excludes the value of a cell that must not change: rows `lost` (n,)."""
    if lost.any():
        value = own[int(lost.argmax())]
        shown = _shown(column, value) if rule == "bounds" else value
        raise ValueError(
            f"immutable freezes column {column.name!r} at a value that {rule} excludes, {shown!r} "
            f"{places(lost)}. Let the column change, or let {rule} include its value."
        )


def _next_on_grid(column: Column, bound: Array, side: int) -> Array:
    """The nearest value on the column's grid of decimals that a bound includes; side is +1 for a lower bound."""
    if column.decimals is None:
        return bound
    factor = 10.0**column.decimals
    with np.errstate(over="ignore"):
        step = np.rint(bound * factor)
        return np.where(side * (step / factor) < side * bound, (step + side) / factor, step / factor)


def _encoded_bound(column: Column, bound: Array, own: Array, home: Array, violated: Array, side: int) -> Array:
    """A bound (n,) in encoded units, float32: its decoded value obeys the bound; side is +1 for a lower bound.

    A row whose own value obeys the bound has its own encoded value inside, and any other row strictly outside.
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
    return np.where(violated, inward(encoded, np.nextafter(home, np.float32(side * np.inf))), encoded)


def _shown(column: Column, value: float) -> Any:
    """A number in the column's own units: the label of a rank."""
    if not np.isfinite(value):
        return None
    return column.categories[int(value)] if column.kind == "ordered" else float(value)
