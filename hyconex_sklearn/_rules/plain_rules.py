"""What a user says of each rule in, plain, copied and checked Python data out; and the same as JSON and back."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NoReturn

import numpy as np
import pandas as pd

# ---------------------------------------------------------------------------------------------------- plain Python


def _plain(value: Any) -> Any:
    """Arrays, lists and the like as tuples, scalars of numpy as Python's own."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return _tuples(value.tolist())
    if isinstance(value, np.ndarray | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return tuple(map(_plain, value))
    if isinstance(value, set | frozenset):
        return tuple(sorted(map(_plain, value), key=repr))
    return value


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _wrong(problem: type[Exception], rule: str, expected: str, got: Any, advice: str) -> NoReturn:
    raise problem(f"{rule} must be {expected}, got {got!r}. {advice}")


def _sequence(value: Any, rule: str, expected: str, advice: str) -> tuple[Any, ...]:
    """A list, array, set or the like as a tuple; text and dicts are none, and a table's columns have no fixed order."""
    plain = _plain(value)
    if not isinstance(plain, tuple):
        _wrong(TypeError, rule, expected, value, advice)
    return plain


def _mapping(value: Any, rule: str, content: str) -> dict[Any, Any]:
    """A dict by columns, its keys as plain Python."""
    if not isinstance(value, Mapping):
        _wrong(TypeError, rule, f"a dict of column to {content}", value, "Name each column that the rule is about.")
    return {_column(key, rule): item for key, item in value.items()}


def _column(key: Any, rule: str) -> Any:
    key = _plain(key)
    if isinstance(key, bool) or _is_missing(key) or not isinstance(key, Hashable):
        _wrong(TypeError, f"a column in {rule}", "a name or a position", key, "Use the names that the table has.")
    return key


def _labels(value: Any, rule: str) -> tuple[Any, ...]:
    """Labels as plain Python, None for a missing one."""
    labels = _sequence(value, rule, "a list of labels", "Put a single label into a list.")
    for label in labels:
        if not isinstance(label, Hashable):
            _wrong(TypeError, f"a label in {rule}", "text, a number or a bool", label, "Use the labels of the table.")
        if isinstance(label, float) and math.isinf(label):
            _wrong(ValueError, f"a label in {rule}", "finite", label, "No table that was fitted holds it.")
    return tuple(None if _is_missing(label) else label for label in labels)


# ------------------------------------------------------------------------------------------------- one reader a rule


def _read_immutable(value: Any) -> tuple[Any, ...] | None:
    advice = "Put a single column into a list: immutable=['age']."
    expected = "a list of columns, or a mask of bools (for all query rows, or one row each)"
    items = _sequence(value, "immutable", expected, advice)
    if any(isinstance(item, bool) for item in items):
        if not all(isinstance(item, bool) for item in items):
            _wrong(TypeError, "immutable", "only bools (a mask) or only columns", list(items), "Do not mix the two.")
        return items
    if items and all(isinstance(item, tuple) and all(isinstance(cell, bool) for cell in item) for item in items):
        if len({len(item) for item in items}) > 1:
            raise ValueError("immutable has rows of different lengths; pass one bool per row and column of the table.")
        return items
    return tuple(_column(item, "immutable") for item in items) or None


def _read_bounds(value: Any) -> dict[Any, Any] | None:
    return {c: _read_pair(c, pair) for c, pair in _mapping(value, "bounds", "(low, high)").items()} or None


def _read_pair(column: Any, pair: Any) -> tuple[Any, Any]:
    rule = f"bounds[{column!r}]"
    advice = "Use None for a side without a bound: (0, None)."
    sides = _sequence(pair, rule, "a pair (low, high)", advice)
    if len(sides) != 2:
        _wrong(ValueError, rule, "a pair (low, high)", pair, advice)
    low, high = _read_side(sides[0], rule, -math.inf), _read_side(sides[1], rule, math.inf)
    if isinstance(low, tuple) and isinstance(high, tuple) and len(low) != len(high):
        raise ValueError(f"{rule} has {len(low)} low and {len(high)} high values; pass one of each per query row.")
    n = max(len(side) if isinstance(side, tuple) else 1 for side in (low, high))
    for row, (a, b) in enumerate(zip(_repeated(low, n), _repeated(high, n), strict=True)):
        if _is_real(a) and _is_real(b) and a > b:
            where = f" in row {row}" if n > 1 else ""
            raise ValueError(f"{rule} has low {a!r} above high {b!r}{where}. Pass (low, high), in this order.")
    return low, high


def _read_side(side: Any, rule: str, unbounded: float) -> Any:
    """One side of a pair: None, a number or label, or a tuple of them; missing and ``unbounded`` values are None."""
    if isinstance(side, tuple):
        if not side:
            raise ValueError(f"{rule} has an empty list of values; pass one value per query row, or a single one.")
        return tuple(None if _is_missing(cell) else _read_side(cell, rule, unbounded) for cell in side)
    advice = "Use numbers (labels for ordered categories), None for no bound, or one of them per query row."
    if isinstance(side, bool) or not isinstance(side, Hashable):
        _wrong(TypeError, rule, "a pair of numbers or labels", side, advice)
    if isinstance(side, float) and not math.isfinite(side) and side != unbounded:
        _wrong(ValueError, rule, "a pair of finite numbers", side, advice)
    return None if side == unbounded else side


def _repeated(side: Any, n: int) -> Any:
    return side if isinstance(side, tuple) else (side,) * n


def _read_monotonic(value: Any) -> Any:
    advice = "1: may only rise, -1: may only fall, 0: free."
    given: Any
    if isinstance(value, Mapping):
        given = _mapping(value, "monotonic_cst", "-1, 0 or 1")
        given = {column: _plain(cst) for column, cst in given.items()}
        named = [(f"monotonic_cst[{column!r}]", cst) for column, cst in given.items()]
    else:
        given = _sequence(value, "monotonic_cst", "a dict, or one of -1, 0 and 1 for each column", advice)
        named = [(f"monotonic_cst[{j}]", cst) for j, cst in enumerate(given)]
    for rule, cst in named:
        if not _is_int(cst):
            _wrong(TypeError, rule, "-1, 0 or 1", cst, advice)
        if cst not in (-1, 0, 1):
            _wrong(ValueError, rule, "-1, 0 or 1", cst, advice)
    return given or None


def _read_max_changes(value: Any) -> int:
    value, expected = _plain(value), "an integer >= 1"
    if not _is_int(value):
        _wrong(TypeError, "max_changes", expected, value, "It is the number of columns that may change.")
    if value < 1:
        _wrong(ValueError, "max_changes", expected, value, "A counterfactual has to change something.")
    return int(value)


def _read_target_probability(value: Any) -> float:
    value, expected = _plain(value), "a number between 0 and 1, both excluded"
    if not _is_real(value):
        _wrong(TypeError, "target_probability", expected, value, "Pass 0.9, for instance.")
    if not 0 < value < 1:
        _wrong(ValueError, "target_probability", expected, value, "Pass 0.9, for instance.")
    return float(value)


def _read_allowed_categories(value: Any) -> dict[Any, tuple[Any, ...]] | None:
    allowed = {}
    for column, labels in _mapping(value, "allowed_categories", "a list of labels").items():
        rule = f"allowed_categories[{column!r}]"
        allowed[column] = _labels(labels, rule)
        if not allowed[column]:
            raise ValueError(f"{rule} is empty, which leaves no label. Use immutable=[{column!r}] to keep all labels.")
    return allowed or None


def _read_allowed_transitions(value: Any) -> dict[Any, dict[Any, tuple[Any, ...]]] | None:
    transitions = {}
    for column, moves in _mapping(value, "allowed_transitions", "a dict of label to list of labels").items():
        rule = f"allowed_transitions[{column!r}]"
        if not isinstance(moves, Mapping):
            _wrong(TypeError, rule, "a dict of label to list of labels", moves, "Say where each label may go.")
        starts = _labels(list(moves), rule)
        transitions[column] = {
            start: _labels(goals, f"{rule}[{start!r}]") for start, goals in zip(starts, moves.values(), strict=True)
        }
    return transitions or None


def _read_relations(value: Any) -> tuple[Any, ...]:
    expected, advice = "a list of (dict of column to coefficient, bound)", "Pass [({'a': 1, 'b': -1}, 0)] for a <= b."
    if not isinstance(value, Iterable) or isinstance(value, Mapping | str):
        _wrong(TypeError, "relations", expected, value, advice)
    relations: list[Any] = []
    for relation in value:
        if not isinstance(relation, list | tuple) or len(relation) != 2 or not isinstance(relation[0], Mapping):
            _wrong(TypeError, "relations", expected, relation, advice)
        relations.append(_read_relation(relation[0], _plain(relation[1]), f"relations[{len(relations)}]"))
    return tuple(relations)


def _read_relation(terms: Mapping[Any, Any], bound: Any, rule: str) -> tuple[dict[Any, Any], Any]:
    coefficients = {column: _plain(value) for column, value in _mapping(terms, rule, "coefficient").items()}
    for what, number in [("bound", bound), *((f"coefficient of {c!r}", value) for c, value in coefficients.items())]:
        if not _is_real(number):
            _wrong(TypeError, f"the {what} in {rule}", "a number", number, "Relations are sums of numbers.")
        if not math.isfinite(number):
            _wrong(ValueError, f"the {what} in {rule}", "finite", number, "Leave the relation out if nothing binds.")
    if not any(coefficients.values()):
        _wrong(ValueError, rule, "about one column at least", terms, "Give a coefficient other than 0.")
    return coefficients, bound


def _read_feature_weights(value: Any) -> dict[Any, float] | None:
    weights = {column: _plain(w) for column, w in _mapping(value, "feature_weights", "weight").items()}
    for column, weight in weights.items():
        rule, advice = f"feature_weights[{column!r}]", "Use immutable for what must not change at all."
        if not _is_real(weight):
            _wrong(TypeError, rule, "a number > 0", weight, advice)
        if not 0 < weight < math.inf:
            _wrong(ValueError, rule, "a finite number > 0", weight, advice)
    return weights or None


def _read_repair(value: Any) -> Any:
    if not callable(value):
        _wrong(TypeError, "repair", "a function from DataFrame to DataFrame", value, "Pass the function itself.")
    return value


READERS: dict[str, Callable[[Any], Any]] = {
    "immutable": _read_immutable,
    "bounds": _read_bounds,
    "monotonic_cst": _read_monotonic,
    "max_changes": _read_max_changes,
    "target_probability": _read_target_probability,
    "allowed_categories": _read_allowed_categories,
    "allowed_transitions": _read_allowed_transitions,
    "relations": _read_relations,
    "feature_weights": _read_feature_weights,
    "repair": _read_repair,
}


# ------------------------------------------------------------------------------------------------------------ JSON


def described(rule: str, value: Any) -> Any:
    """Tuples as lists, dicts as lists of pairs."""
    if isinstance(value, dict):
        return [[described(rule, key), described(rule, item)] for key, item in value.items()]
    if isinstance(value, tuple):
        return [described(rule, item) for item in value]
    if value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(
            f"{rule} holds {value!r} of type {type(value).__name__}; JSON can hold text, numbers and booleans only. "
            "Convert such labels and names to text, in the table and in the rules."
        )
    return value


def restored(rule: str, value: Any) -> Any:
    """The inverse of ``described``: pairs become dicts again, where the rule is a dict."""
    if value is None:
        return None
    if rule == "relations":
        return [(_pairs(rule, terms), bound) for terms, bound in value]
    if rule == "allowed_transitions":
        return {column: _pairs(rule, moves) for column, moves in _pairs(rule, value).items()}
    if rule in ("bounds", "allowed_categories", "feature_weights"):
        return _pairs(rule, value)
    if rule == "monotonic_cst" and not (isinstance(value, list) and all(_is_real(cst) for cst in value)):
        return _pairs(rule, value)
    return value


def _pairs(rule: str, value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return {_plain(key): item for key, item in value}
    except (TypeError, ValueError):
        raise ValueError(f"{rule} is described by a list of pairs (or a dict), got {value!r}.") from None
