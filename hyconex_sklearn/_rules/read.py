"""One rule and the columns of a table in, the rule by column number and in the units of the table out.

What the table shows to be wrong is told here: unknown columns and labels, shapes that do not fit, rules that are made
for another kind of column.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._common.messages import listing, number_text
from .._table.cells import Array
from .._table.schema import Column, TableSchema
from .actionability import Actionability
from .judge import LabelRule
from .plain_rules import kind_of
from .relations import Relation


def read_movable(rules: Actionability, schema: TableSchema, n: int) -> Array:
    """Which table columns each row may change: bool (n, C)."""
    shape, (rule, said) = (n, len(schema.columns)), rules._movable_said
    if said is None:
        return np.broadcast_to(True, shape)
    kind = kind_of(said)
    if kind == "columns":
        for column in getattr(said, "names", ()):  # of a mask that names columns, those that it does not choose, too
            _position(column, schema, rule)
        named = np.isin(np.arange(shape[1]), [_position(column, schema, rule) for column in said])
    else:
        named = np.array(said, dtype=bool)
    if kind == "cells" and named.shape != shape:
        raise ValueError(
            f"{rule} is a mask of shape {named.shape}, but X has shape {shape}. Pass one bool per row and column of X."
        )
    if kind == "mask" and len(named) != shape[1]:
        raise ValueError(
            f"{rule} is a mask of {len(named)} values, but X has {shape[1]} columns. Pass one bool per column, or "
            "names or indices."
        )
    movable = np.broadcast_to(named if rule == "mutable" else ~named, shape)
    if n and kind != "cells" and schema.movable.any() and not (movable[:, schema.owner] & schema.movable).any():
        every, advice = ("every", "fewer") if rule == "immutable" else ("no", "more")
        raise ValueError(f"{rule} names {every} column that can change, which leaves nothing to change. Name {advice}.")
    return movable


def read_bounds(bounds: Any, schema: TableSchema, n: int) -> dict[int, tuple[Array, Array]]:
    """Low and high (n,) in original units, by table column number; infinite where there is no bound."""
    result = {}
    for name, j, (low, high) in by_column(bounds, schema, "bounds"):
        column, rule = schema.columns[j], f"bounds[{name!r}]"
        if column.kind == "boolean":
            raise ValueError(
                f"{rule} is about column {column.name!r}, which holds truth values. Use "
                f"monotonic_cst={{{column.name!r}: 1}} for one that may only become True, -1 for one that may only "
                f"become False, or allowed_categories={{{column.name!r}: [True]}} for one value alone."
            )
        if column.one_hot or (column.kind == "constant" and column.categories):
            raise ValueError(
                f"{rule} is about column {column.name!r}, which holds labels without an order. Use "
                f"allowed_categories={{{column.name!r}: [...]}}."
            )
        sides = _side(low, -np.inf, column, n, rule), _side(high, np.inf, column, n, rule)
        if not isinstance(low, tuple) and not isinstance(high, tuple) and (sides[0] > sides[1]).any():
            raise ValueError(f"{rule} has the low bound {low!r} above the high one, {high!r}. Swap them.")
        _check_whole(low, high, column, rule)
        result[j] = sides
    return result


def _check_whole(low: Any, high: Any, column: Column, rule: str) -> None:
    """Raise where bounds for all rows hold no number that a column of integers can have."""
    both = all(isinstance(side, numbers.Real) for side in (low, high))
    if column.kind == "integer" and both and math.ceil(low) > math.floor(high):
        raise ValueError(
            f"{rule} leave no value: got ({number_text(low)}, {number_text(high)}), between which there is no whole "
            f"number, but column {column.name!r} held integers at fit. Widen the bounds."
        )


def _side(side: Any, unbounded: float, column: Column, n: int, rule: str) -> Array:
    """One side of a bound for each row (n,) float64, in original units."""
    cells = side if isinstance(side, tuple) else (side,)
    if isinstance(side, tuple) and len(side) != n:
        raise ValueError(f"{rule} has {len(side)} values, but X has {n} rows. Pass one per row, or one for all.")
    if column.kind == "ordered":
        for cell in set(cells):
            _check_labels(column, (cell,), rule)
        ranks = {label: rank for rank, label in enumerate(column.categories)}
        cells = tuple(ranks.get(cell) for cell in cells)
    elif any(isinstance(cell, str) for cell in cells):
        raise TypeError(
            f"{rule} is {side!r}, but column {column.name!r} holds numbers. Pass numbers in the units of the column."
        )
    values = np.array([unbounded if cell is None else cell for cell in cells], dtype=np.float64)
    return np.broadcast_to(values, (n,))


def read_directions(monotonic_cst: Any, schema: TableSchema) -> dict[int, int]:
    """1 or -1, by number of the columns that have a direction: numbers, ordered labels, truth values."""
    if isinstance(monotonic_cst, tuple):
        if len(monotonic_cst) != len(schema.columns):
            raise ValueError(
                f"monotonic_cst has {len(monotonic_cst)} values, but X has {len(schema.columns)} columns. Pass one per "
                "column, or a dict of column to -1 or 1."
            )
        monotonic_cst = dict(zip(schema.feature_names, monotonic_cst, strict=True))
    directions = {}
    for name, j, direction in by_column(monotonic_cst, schema, "monotonic_cst"):
        column = schema.columns[j]
        if direction and column.kind == "categorical":
            raise ValueError(
                f"monotonic_cst[{name!r}] is about column {column.name!r}, which holds labels without an order. Use "
                f"allowed_transitions={{{column.name!r}: {{...}}}}, or make it an ordered category before fit."
            )
        if direction and (column.is_value or column.kind == "boolean" or not column.categories):
            directions[j] = direction
    return directions


def read_labels(rules: Actionability, schema: TableSchema) -> dict[int, LabelRule]:
    """Rules on labels, by table column number; directions of truth values are such rules."""
    allowed = {j: frozenset(v) for _, j, v in by_column(rules.allowed_categories, schema, "allowed_categories")}
    moves = {
        j: {label: frozenset(to) for label, to in goals.items()}
        for _, j, goals in by_column(rules.allowed_transitions, schema, "allowed_transitions")
    }
    directions = read_directions(rules.monotonic_cst, schema)
    ways = {j: direction for j, direction in directions.items() if schema.columns[j].kind == "boolean"}
    columns = sorted({*allowed, *moves, *ways})
    return {j: LabelRule(allowed.get(j), moves.get(j, {}), ways.get(j, 0)) for j in columns}


def check_labels(rules: Actionability, schema: TableSchema) -> None:
    """Raise where a rule on labels names one that the fit did not see, or a column of numbers."""
    for name, j, labels in by_column(rules.allowed_categories, schema, "allowed_categories"):
        column, rule = schema.columns[j], f"allowed_categories[{name!r}]"
        _check_kind(column, rule, "bounds, or allowed_values in their place")
        _check_labels(column, labels, rule)
    for name, j, goals in by_column(rules.allowed_transitions, schema, "allowed_transitions"):
        column, rule = schema.columns[j], f"allowed_transitions[{name!r}]"
        _check_kind(column, rule, "monotonic_cst or bounds")
        for label in goals:
            _check_labels(column, (label,), rule)
        for label, to in goals.items():
            _check_labels(column, to, f"{rule}[{label!r}]")


def _check_kind(column: Column, rule: str, instead: str) -> None:
    if not column.categories:
        raise ValueError(f"{rule} is about column {column.name!r}, which holds numbers. Use {instead}.")


def _check_labels(column: Column, labels: Iterable[Any], rule: str) -> None:
    """Raise where the fit did not see one of the labels; None stands for a missing one."""
    known = [label for label in column.categories if label is not None]
    unknown = [label for label in labels if label is not None and label not in known]
    rare = [label for label in unknown if label in column.rare]
    if unknown:
        problem = "labels that were too rare at fit to be told apart" if rare else "labels that were not seen at fit"
        raise ValueError(
            f"{rule} names {problem}: {listing(rare or unknown)}. The labels of column {column.name!r} are "
            f"{listing(known)}."
        )


def read_relations(relations: Any, schema: TableSchema) -> tuple[Relation, ...]:
    result = []
    for i, (terms, bound) in enumerate(relations):
        named = by_column(terms, schema, f"relations[{i}]")
        for _, j, _ in named:
            column = schema.columns[j]
            if column.kind not in ("numeric", "integer"):
                held = "a single value" if column.kind == "constant" else "labels"
                raise ValueError(
                    f"relations[{i}] is about column {column.name!r}, which held {held} at fit. Relations are sums of "
                    "numbers that can change; move a constant to the bound."
                )
        slots = tuple(schema.slot(j) for _, j, _ in named)
        result.append(Relation(slots, tuple(float(value) for *_, value in named), float(bound)))
    return tuple(result)


def read_weights(feature_weights: Any, schema: TableSchema) -> Array:
    """What a change of each encoded position costs, float32 (d,)."""
    weights = np.ones(len(schema.columns), dtype=np.float32)
    for _, j, weight in by_column(feature_weights, schema, "feature_weights"):
        weights[j] = weight
    return weights[schema.owner]


def by_column(rule: Mapping[Any, Any] | None, schema: TableSchema, name: str) -> list[tuple[Any, int, Any]]:
    """Each column that a rule names: as it is named, its number, what is said of it."""
    named = [(key, _position(key, schema, name), value) for key, value in (rule or {}).items()]
    taken: dict[int, Any] = {}
    for key, j, _ in named:
        if j in taken:
            raise ValueError(f"{name} names column {schema.columns[j].name!r} twice, as {taken[j]!r} and {key!r}.")
        taken[j] = key
    return named


def _position(key: Any, schema: TableSchema, rule: str) -> int:
    """Table column number of a name, or of an index where names are not integers themselves."""
    names, width = schema.feature_names, len(schema.columns)
    if key in names:
        return names.index(key)
    if isinstance(key, int) and not any(isinstance(name, int) for name in names):
        if 0 <= key < width:
            return key
        raise ValueError(f"{rule} has the index {key}, but X has {width} columns: indices go from 0 to {width - 1}.")
    raise ValueError(f"{rule} names a column that X does not have: {key!r}. The columns of X are {listing(names)}.")
