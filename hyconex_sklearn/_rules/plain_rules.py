"""What a user says of each rule in, plain, copied and checked Python data out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from .._common.messages import number_text
from .._table.labelled import Labelled, read_labelled
from .plain_values import is_int, is_missing, is_real, plain


def _require(fine: bool, problem: type[Exception], rule: str, expected: str, got: Any, advice: str) -> None:
    if not fine:
        raise problem(f"{rule} must be {expected}, got {got!r}. {advice}")


def _sequence(value: Any, rule: str, expected: str, advice: str) -> tuple[Any, ...]:
    """A list, array, set or the like as a tuple; text and dicts are none, and a table's columns have no fixed order."""
    items = plain(value)
    _require(isinstance(items, tuple), TypeError, rule, expected, value, advice)
    return items


def _mapping(value: Any, rule: str, content: str) -> dict[Any, Any]:
    """A dict (or Series) by columns, its keys as plain Python."""
    if isinstance(value, pd.Series):
        _require_unique(value.index, rule)
        value = dict(value.items())
    expected, advice = f"a dict of column to {content}", "Name each column that the rule is about."
    _require(isinstance(value, Mapping), TypeError, rule, expected, value, advice)
    return {_column(key, rule): item for key, item in value.items()}


def _require_unique(columns: pd.Index, rule: str) -> None:
    if not columns.is_unique:
        raise ValueError(f"{rule} says something twice of {columns[columns.duplicated()][0]!r}. Name each column once.")


def _require_all(said: Mapping[Any, Any], rule: str, expected: str) -> None:
    """Raise where a value is missing; a Series makes floats of whole numbers beside it, which are not to blame."""
    for column, value in said.items():
        if is_missing(value):
            raise TypeError(
                f"{rule}[{column!r}] must be {expected}, got {value!r}: a missing value says nothing of the column. "
                "Leave the column out where it is free."
            )


def _column(key: Any, rule: str) -> Any:
    key = plain(key)
    fine = isinstance(key, Hashable) and not isinstance(key, bool) and not is_missing(key)
    _require(fine, TypeError, f"a column in {rule}", "a name or a position", key, "Use the names that the table has.")
    return key


def _labels(value: Any, rule: str) -> tuple[Any, ...]:
    """Labels as plain Python, None for a missing one."""
    labels, what = _sequence(value, rule, "a list of labels", "Put a single label into a list."), f"a label in {rule}"
    for label in labels:
        fine = isinstance(label, Hashable)
        _require(fine, TypeError, what, "text, a number or a bool", label, "Use the labels of the table.")
        finite = not isinstance(label, float) or not math.isinf(label)
        _require(finite, ValueError, what, "finite", label, "No table that was fitted holds it.")
    return tuple(None if is_missing(label) else label for label in labels)


# ------------------------------------------------------------------------------------------------- one reader a rule


def kind_of(said: Any) -> str:
    """What plain ``immutable`` or ``mutable`` is.

    "columns", a "mask" of all columns, or one of all "cells", a row for each query row.
    """
    if isinstance(said, Labelled):
        return "cells"
    if said and all(isinstance(item, bool) for item in said):
        return "mask"
    rows = all(isinstance(item, tuple) for item in said) and any(said)
    return "cells" if rows and all(isinstance(cell, bool) for row in said for cell in row) else "columns"


def _reader_of_columns(rule: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        expected = "a list of columns, or a mask of bools (for all query rows, or one row each)"
        labelled = None if isinstance(value, pd.Series) else read_labelled(value, plain)
        if labelled is not None:
            return _checked_mask(labelled, rule)
        if isinstance(value, Named):
            return value
        if isinstance(value, pd.Series) and any(isinstance(cell, bool) for cell in plain(value)):
            return _named(value, rule)
        items = _sequence(value, rule, expected, f"Put a single column into a list: {rule}=['age'].")
        kind = kind_of(items)
        if kind == "columns":
            alike, expected = not any(isinstance(item, bool) for item in items), "only bools (a mask) or only columns"
            _require(alike, TypeError, rule, expected, list(items), "Do not mix the two.")
            return tuple(_column(item, rule) for item in items) or None
        if kind == "cells" and len(set(map(len, items))) > 1:
            raise ValueError(f"{rule} has rows of different lengths; pass one bool per row and column of the table.")
        return items

    return read


class Named(tuple[Any, ...]):
    """Columns that a mask with names chooses, and all that it names: others than those of the table are refused."""

    names: tuple[Any, ...] = ()


def _named(mask: pd.Series, rule: str) -> Named | None:
    """The columns that a Series of bools chooses, whatever their order; None for none of them."""
    _require_unique(mask.index, rule)
    cells = dict(zip((_column(name, rule) for name in mask.index), plain(mask), strict=True))
    for column, cell in cells.items():
        advice = "Say True or False of each column that the mask names."
        _require(isinstance(cell, bool), TypeError, f"{rule}[{column!r}]", "a bool", cell, advice)
    chosen = Named(column for column, cell in cells.items() if cell)
    chosen.names = tuple(cells)
    return chosen or None


def _read_mutable(value: Any) -> Any:
    said = _reader_of_columns("mutable")(value)
    if said is None:
        raise ValueError("mutable names no column, which leaves nothing to change. Name those that may change.")
    return said


def _all_bools(cells: Iterable[Any]) -> bool:
    return all(isinstance(cell, bool) for cell in cells)


def _checked_mask(mask: Labelled, rule: str) -> Labelled:
    """A mask with labels, if it holds a bool for each row and column."""
    whole = all(isinstance(row, tuple) and len(row) == len(mask.columns) for row in mask.cells)
    if not (mask.columns and whole and all(map(_all_bools, mask.cells))):
        raise TypeError(
            f"{rule} is a table, but no mask: it must hold a bool in every cell. Fill its gaps, or name columns."
        )
    return mask


def _read_bounds(value: Any) -> dict[Any, Any] | None:
    return {c: _read_pair(c, pair) for c, pair in _mapping(value, "bounds", "(low, high)").items()} or None


def _read_pair(column: Any, pair: Any) -> tuple[Any, Any]:
    rule, expected = f"bounds[{column!r}]", "a pair (low, high)"
    advice = "Use None for a side without a bound: (0, None)."
    labelled = isinstance(pair, pd.Series) and not pair.index.equals(pd.RangeIndex(2))
    _require(not labelled, TypeError, rule, expected, pair, "Pass a tuple: a Series has labels, which say otherwise.")
    sides = list(pair) if isinstance(pair, list | tuple) else _sequence(pair, rule, expected, advice)
    _require(len(sides) == 2, ValueError, rule, expected, pair, advice)
    low, high = (_read_row_side(side, rule, ends) for side, ends in zip(sides, (-math.inf, math.inf), strict=True))
    if isinstance(low, tuple) and isinstance(high, tuple) and len(low) != len(high):
        raise ValueError(f"{rule} has {len(low)} low and {len(high)} high values; pass one of each per query row.")
    if is_real(low) and is_real(high) and low > high:
        ends = number_text(low), number_text(high)
        raise ValueError(f"{rule} has low {ends[0]} above high {ends[1]}. Pass (low, high), in this order.")
    return low, high


def _read_row_side(side: Any, rule: str, unbounded: float) -> Any:
    """One side of a pair, with its row labels if it has some."""
    labelled = read_labelled(side, plain)
    if labelled is None:
        return _read_side(plain(side), rule, unbounded)
    one_each = not labelled.columns and not isinstance(side, pd.DataFrame)
    _require(one_each, TypeError, rule, "a pair of numbers or labels", side, "Pass one value per query row, a Series.")
    return Labelled(labelled.rows, _read_side(labelled.cells, rule, unbounded))


def _read_side(side: Any, rule: str, unbounded: float) -> Any:
    """One side of a pair: None, a number or label, or a tuple of them; missing and ``unbounded`` values are None."""
    if isinstance(side, tuple):
        if not side:
            raise ValueError(f"{rule} has an empty list of values; pass one value per query row, or a single one.")
        return tuple(None if is_missing(cell) else _read_side(cell, rule, unbounded) for cell in side)
    advice = "Use numbers (labels for ordered categories), None for no bound, or one of them per query row."
    if isinstance(side, bool):
        advice = (
            "Truth values have directions, monotonic_cst={column: 1} or -1, and allowed_categories={column: [True]}."
        )
    fine = isinstance(side, Hashable) and not isinstance(side, bool)
    _require(fine, TypeError, rule, "a pair of numbers or labels", side, advice)
    finite = not isinstance(side, float) or math.isfinite(side) or side == unbounded
    _require(finite, ValueError, rule, "a pair of finite numbers", side, advice)
    return None if side == unbounded else side


def _read_monotonic(value: Any) -> Any:
    expected, advice = "-1, 0 or 1", "1: may only rise, -1: may only fall, 0: free."
    given: Any
    if isinstance(value, Mapping | pd.Series):
        given = {column: plain(cst) for column, cst in _mapping(value, "monotonic_cst", expected).items()}
    else:
        given = _sequence(value, "monotonic_cst", "a dict, or one of -1, 0 and 1 for each column", advice)
    said = given if isinstance(given, dict) else dict(enumerate(given))
    _require_all(said, "monotonic_cst", expected)
    for column, cst in said.items():
        _require(is_int(cst), TypeError, f"monotonic_cst[{column!r}]", expected, cst, advice)
        _require(cst in (-1, 0, 1), ValueError, f"monotonic_cst[{column!r}]", expected, cst, advice)
    return given or None


def _read_max_changes(value: Any) -> int:
    value, rule, expected = plain(value), "max_changes", "an integer >= 1"
    _require(is_int(value), TypeError, rule, expected, value, "It is the number of columns that may change.")
    _require(value >= 1, ValueError, rule, expected, value, "A counterfactual has to change something.")
    return int(value)


def _read_target_probability(value: Any) -> float:
    value, rule, expected = plain(value), "target_probability", "a number between 0 and 1, both excluded"
    _require(is_real(value), TypeError, rule, expected, value, "Pass 0.9, for instance.")
    _require(0 < value < 1, ValueError, rule, expected, value, "Pass 0.9, for instance.")
    return float(value)


def _read_allowed_categories(value: Any) -> dict[Any, tuple[Any, ...]] | None:
    allowed = {}
    for column, labels in _mapping(value, "allowed_categories", "a list of labels").items():
        rule = f"allowed_categories[{column!r}]"
        allowed[column] = _labels(labels, rule)
        if not allowed[column]:
            raise ValueError(f"{rule} is empty, which leaves no label. Use immutable=[{column!r}] to keep all labels.")
    return allowed or None


def _read_allowed_values(value: Any) -> dict[Any, tuple[float, ...]] | None:
    allowed = {}
    for column, values in _mapping(value, "allowed_values", "a list of numbers").items():
        rule, advice = f"allowed_values[{column!r}]", "Use the units of the table."
        given = _sequence(values, rule, "a list of numbers", "Put a single number into a list.")
        if not given:
            raise ValueError(f"{rule} is empty, which leaves no value. Use immutable=[{column!r}] to keep all values.")
        for number in given:
            _require(is_real(number), TypeError, f"a value in {rule}", "a number", number, advice)
            _require(_is_finite(number), ValueError, f"a value in {rule}", "finite", number, advice)
        allowed[column] = tuple(map(_number, given))
    return allowed or None


def _read_resolution(value: Any) -> dict[Any, float] | None:
    steps = {column: plain(step) for column, step in _mapping(value, "resolution", "step").items()}
    _require_all(steps, "resolution", "a number > 0")
    for column, step in steps.items():
        rule, advice = f"resolution[{column!r}]", "New numbers of the column are multiples of it: 500, or 0.05."
        _require(is_real(step), TypeError, rule, "a number > 0", step, advice)
        _require(_is_finite(step) and step > 0, ValueError, rule, "a finite number > 0", step, advice)
    return {column: _number(step) for column, step in steps.items()} or None


def _is_finite(number: Any) -> bool:
    return bool(abs(number) <= sys.float_info.max)  # which whole numbers and fractions may exceed, too


def _number(number: Any) -> float:
    return int(number) if is_int(number) else float(number)


def _read_allowed_transitions(value: Any) -> dict[Any, dict[Any, tuple[Any, ...]]] | None:
    transitions, content = {}, "a dict of label to list of labels"
    for column, moves in _mapping(value, "allowed_transitions", content).items():
        rule = f"allowed_transitions[{column!r}]"
        _require(isinstance(moves, Mapping), TypeError, rule, content, moves, "Say where each label may go.")
        starts = _labels(list(moves), rule)
        transitions[column] = {
            start: _labels(goals, f"{rule}[{start!r}]") for start, goals in zip(starts, moves.values(), strict=True)
        }
    return transitions or None


def _read_relations(value: Any) -> tuple[Any, ...]:
    expected, advice = "a list of (dict of column to coefficient, bound)", "Pass [({'a': 1, 'b': -1}, 0)] for a <= b."
    fine = isinstance(value, Iterable) and not isinstance(value, Mapping | str)
    _require(fine, TypeError, "relations", expected, value, advice)
    relations: list[Any] = []
    for relation in value:
        pair = isinstance(relation, list | tuple) and len(relation) == 2 and isinstance(relation[0], Mapping)
        _require(pair, TypeError, "relations", expected, relation, advice)
        relations.append(_read_relation(relation[0], plain(relation[1]), f"relations[{len(relations)}]"))
    return tuple(relations)


def _read_relation(terms: Mapping[Any, Any], bound: Any, rule: str) -> tuple[dict[Any, Any], Any]:
    coefficients = {column: plain(value) for column, value in _mapping(terms, rule, "coefficient").items()}
    named = {f"the coefficient of {column!r} in {rule}": value for column, value in coefficients.items()}
    for what, number in {f"the bound in {rule}": bound, **named}.items():
        _require(is_real(number), TypeError, what, "a number", number, "Relations are sums of numbers.")
        finite, advice = math.isfinite(number), "Leave the relation out if nothing binds."
        _require(finite, ValueError, what, "finite", number, advice)
    some = any(coefficients.values())
    _require(some, ValueError, rule, "about one column at least", terms, "Give a coefficient other than 0.")
    return coefficients, bound


def _read_feature_weights(value: Any) -> dict[Any, float] | None:
    weights = {column: plain(w) for column, w in _mapping(value, "feature_weights", "weight").items()}
    _require_all(weights, "feature_weights", "a number > 0")
    for column, weight in weights.items():
        rule, advice = f"feature_weights[{column!r}]", "Use immutable for what must not change at all."
        _require(is_real(weight), TypeError, rule, "a number > 0", weight, advice)
        _require(0 < weight < math.inf, ValueError, rule, "a finite number > 0", weight, advice)
    return weights or None


def _read_repair(value: Any) -> Any:
    expected, advice = "a function from DataFrame to DataFrame", "Pass the function itself."
    _require(callable(value), TypeError, "repair", expected, value, advice)
    return value


def _read_keep_relations(value: Any) -> bool:
    value, advice = plain(value), "False lets answers break what all training rows obeyed."
    _require(isinstance(value, bool), TypeError, "keep_relations", "True or False", value, advice)
    return bool(value)


READERS: dict[str, Callable[[Any], Any]] = {
    "immutable": _reader_of_columns("immutable"),
    "mutable": _read_mutable,
    "bounds": _read_bounds,
    "monotonic_cst": _read_monotonic,
    "max_changes": _read_max_changes,
    "target_probability": _read_target_probability,
    "allowed_categories": _read_allowed_categories,
    "allowed_transitions": _read_allowed_transitions,
    "allowed_values": _read_allowed_values,
    "resolution": _read_resolution,
    "relations": _read_relations,
    "feature_weights": _read_feature_weights,
    "repair": _read_repair,
    "keep_relations": _read_keep_relations,
}
#: Rules that are dicts by columns.
BY_COLUMN = (
    "bounds",
    "monotonic_cst",
    "allowed_categories",
    "allowed_transitions",
    "allowed_values",
    "resolution",
    "feature_weights",
)
