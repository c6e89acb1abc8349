"""Rules against a table: :func:`compile_rules` reads an ``Actionability`` into the ``FeasibleSet`` of query rows.

A rule that does not fit the table, or contradicts another one, is told at once. What only a single row runs into (its
value is above the bound and may only rise) makes that row ``impossible`` and hinders no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._table.schema import Column, TableSchema
from .actionability import Actionability
from .feasible_set import FeasibleSet
from .read import (
    MISSING,
    UNSEEN,
    LabelRule,
    places,
    read_bounds,
    read_directions,
    read_free,
    read_labels,
    read_relations,
    read_weights,
)

Array = NDArray[Any]


def compile_rules(rules: Actionability, schema: TableSchema, numbers: Array | None, encoded: Array) -> FeasibleSet:
    """Read rules against a table and some of its rows.

    Parameters
    ----------
    rules : Actionability
        What the user said.
    schema : TableSchema
        Columns, labels and seen ranges.
    numbers : float64 array of shape (n, p) or None
        Values of ``schema.value_columns`` in original units (ordered: ranks), NaN where missing; None is enough for
        rules that are trivial.
    encoded : float32 array of shape (n, d)
        The same rows, encoded.

    Returns
    -------
    FeasibleSet of the n rows
    """
    n, p = len(encoded), len(schema.value_columns)
    numbers = np.broadcast_to(np.nan, (n, p)) if numbers is None else numbers
    free = read_free(rules.immutable, schema, n)
    bounds = read_bounds(rules.bounds, schema, n)
    directions = read_directions(rules.monotonic_cst, schema)
    labels = read_labels(rules, schema)
    relations = read_relations(rules.relations, schema)
    weights = read_weights(rules.feature_weights, schema)

    rows = _Rows.of(schema, numbers, encoded, free)
    for j in sorted({*bounds, *directions}):
        rows.restrict_range(j, bounds.get(j), directions.get(j, 0))
    for j, rule in labels.items():
        rows.restrict_labels(j, rule)
    if rules.max_changes is not None:
        rows.impossible |= rows.broken.sum(axis=1) > rules.max_changes
    return FeasibleSet(
        schema,
        free=rows.free[:, schema.owner] if not rows.free.all() else np.broadcast_to(True, encoded.shape),
        lower=rows.lower,
        upper=rows.upper,
        choices=rows.choices,
        impossible=rows.impossible,
        weights=weights,
        numbers=numbers,
        low=rows.low,
        high=rows.high,
        broken=rows.broken,
        ranks=tuple(rows.ranks.items()),
        limited=tuple(j for j in labels if schema.columns[j].one_hot),
        relations=relations,
        max_changes=rules.max_changes,
        bounded=bool(bounds or directions),
        trivial=replace(rules, target_probability=None, repair=None).is_trivial,
    )


# ------------------------------------------------------------------------------------------- what the rules do to rows


@dataclass
class _Rows:
    """The arrays of a ``FeasibleSet`` in the making; views without memory until a rule needs them."""

    schema: TableSchema
    numbers: Array
    encoded: Array
    movable: Array  # bool (n, C): what the user did not freeze
    free: Array  # bool (n, C): of that, cells that another value is left for
    broken: Array
    impossible: Array
    low: Array
    high: Array
    lower: Array
    upper: Array
    choices: Array
    ranks: dict[int, Array]

    @classmethod
    def of(cls, schema: TableSchema, numbers: Array, encoded: Array, free: Array) -> _Rows:
        """Nothing restricted yet, but for the frozen columns."""
        n, width = encoded.shape
        return cls(
            schema,
            numbers,
            encoded,
            movable=free,
            free=free,
            broken=np.broadcast_to(False, free.shape),
            impossible=np.zeros(n, dtype=bool),
            low=np.broadcast_to(-np.inf, numbers.shape),
            high=np.broadcast_to(np.inf, numbers.shape),
            lower=np.broadcast_to(np.float32(-np.inf), (n, width)),
            upper=np.broadcast_to(np.float32(np.inf), (n, width)),
            choices=np.broadcast_to(True, (n, width)),
            ranks={},
        )

    def _make_writable(self, *names: str) -> None:
        """Give arrays memory of their own, to be written to."""
        for name in names:
            array = getattr(self, name)
            if not array.flags.writeable:
                setattr(self, name, array.copy())

    def restrict_range(self, j: int, bound: tuple[Array, Array] | None, direction: int) -> None:
        """Bounds and direction of a value column."""
        column, slot = self.schema.columns[j], int(np.searchsorted(self.schema.value_columns, j))
        own, home = self.numbers[:, slot], self.encoded[:, column.start]
        low, high = (np.full(len(own), -np.inf), np.full(len(own), np.inf)) if bound is None else bound
        below, above = own < low, own > high
        self._check_frozen(j, "bounds", below | above, own)
        if bound is not None:
            low, high, pinned = self._on_grid(column, own, low, high)
        else:
            pinned = np.zeros(len(own), dtype=bool)
        if direction:
            low = np.fmax(low, own) if direction > 0 else low
            high = np.fmin(high, own) if direction < 0 else high
            pinned |= np.isnan(own)
        self._make_writable("free", "broken", "low", "high", "lower", "upper")
        self.free[:, j] &= ~pinned
        self.broken[:, j] |= below | above
        self.impossible |= low > high
        self.low[:, slot], self.high[:, slot] = low, high
        self.lower[:, column.start] = _encoded_bound(column, low, own, home, below, +1)
        self.upper[:, column.start] = _encoded_bound(column, high, own, home, above, -1)

    def _on_grid(self, column: Column, own: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
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

    def restrict_labels(self, j: int, rule: LabelRule) -> None:
        """Allowed categories and transitions of a column of labels."""
        column, slot = self.schema.columns[j], int(np.searchsorted(self.schema.value_columns, j))
        own = self._levels(column, self.numbers[:, slot] if column.is_value else None)
        permitted, broken = rule.permitted(column, own)
        self._check_frozen(j, "allowed_categories", broken, _own_labels(column, own))
        self._make_writable("free", "broken")
        if column.one_hot:
            self._make_writable("choices")
            self.choices[:, column.start : column.stop] = permitted
        else:
            rank = np.arange(len(column.categories))
            permitted &= (rank >= self.low[:, slot, None]) & (rank <= self.high[:, slot, None])
            self.free[:, j] &= (own != MISSING) | permitted.any(axis=1)
            self.ranks[j] = permitted
        self.broken[:, j] |= broken
        self.impossible |= self.broken[:, j] & ~permitted.any(axis=1)

    def _levels(self, column: Column, ranks: Array | None) -> Array:
        """Own level of each row; negative where missing or unseen."""
        if ranks is not None:
            return np.where(np.isnan(ranks), MISSING, ranks).astype(np.intp)
        block = self.encoded[:, column.start : column.stop]
        levels = np.where(block.any(axis=1), block.argmax(axis=1), UNSEEN)
        return (
            np.where(levels == column.stop - column.start - 1, MISSING, levels) if column.has_missing_level else levels
        )

    def _check_frozen(self, j: int, rule: str, excluded: Array, own: Array) -> None:
        """Raise where a rule excludes the value of a cell that must not change."""
        lost = excluded & ~self.movable[:, j]
        if lost.any():
            column, value = self.schema.columns[j], own[int(lost.argmax())]
            shown = _shown(column, value) if rule == "bounds" else value
            raise ValueError(
                f"immutable freezes column {column.name!r} at a value that {rule} excludes, {shown!r} "
                f"{places(lost)}. Let the column change, or let {rule} include its value."
            )


def _own_labels(column: Column, levels: Array) -> Array:
    """The labels of levels, in words for the negative ones."""
    return np.array([*column.categories, "a label not seen at fit", None], dtype=object)[levels]


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
