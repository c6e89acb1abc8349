"""Plain rules in, values that JSON can hold out, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._table.labelled import Labelled
from .plain_rules import BY_COLUMN
from .plain_values import is_real, plain


def described(rule: str, value: Any) -> Any:
    """Tuples as lists, dicts as lists of pairs."""
    if isinstance(value, dict):
        return [[described(rule, key), described(rule, item)] for key, item in value.items()]
    if isinstance(value, tuple):
        return [described(rule, item) for item in value]
    if isinstance(value, Labelled):
        return {name: described(rule, plain(part)) for name, part in value.described().items()}
    if value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(
            f"{rule} holds {value!r} of type {type(value).__name__}; JSON can hold text, numbers and booleans only. "
            "Convert such labels and names to text, in the table and in the rules."
        )
    return value


def restored(rule: str, value: Any) -> Any:
    """The inverse of ``described``: pairs become dicts again, where the rule is a dict."""
    if rule == "relations":
        return [(_pairs(rule, terms), bound) for terms, bound in value or ()]
    in_order = isinstance(value, list) and all(map(is_real, value))  # a direction for each column
    if value is None or rule not in BY_COLUMN or (rule == "monotonic_cst" and in_order):
        return value
    columns = _pairs(rule, value)
    return {c: _pairs(rule, moves) for c, moves in columns.items()} if rule == "allowed_transitions" else columns


def _pairs(rule: str, value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return {plain(key): item for key, item in value}
    except (TypeError, ValueError):
        raise ValueError(f"{rule} is described by a list of pairs (or a dict), got {value!r}.") from None
