""":class:`Actionability`: what a person can change, as plain data that is checked, compared and written to JSON.

Only what can be said without a table is checked here; ``_rules`` reads the rules against a table.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NoReturn

import numpy as np
import pandas as pd

#: Rules that are keywords of ``counterfactuals``, too.
EVERYDAY = ("immutable", "bounds", "monotonic_cst", "max_changes", "target_probability")
_COLUMN_RULES = ("bounds", "monotonic_cst", "allowed_categories", "allowed_transitions", "feature_weights")


@dataclass(frozen=True)
class Actionability:
    """What a person can change: rules that every counterfactual of a query obeys.

    Columns are given by name, or by position where names are not integers themselves; the columns of an array are
    also called ``"x0"``, ``"x1"``, ... Rules are kept as plain, copied Python data: later edits of an array or a dict
    that was passed change nothing.

    Parameters
    ----------
    immutable : list of columns, bool mask (n_features,) or bool array (n, n_features), optional
        What must not change; the last form says it for each query row.
    bounds : dict of column to (low, high), optional
        Smallest and largest value, in the units of the table (labels for ordered categories). Either may be None, or
        an array with one value per query row (None or NaN: no bound in that row).
    monotonic_cst : dict of column to {-1, 0, 1} or array-like of shape (n_features,), optional
        1: the value may only rise, -1: only fall, 0: free. A missing cell has no value to compare with and stays
        missing.
    max_changes : int, optional
        How many table columns may change at most.
    target_probability : float, optional
        Probability of the target class that a counterfactual shall reach, in (0, 1).
    allowed_categories : dict of column to list of labels, optional
        The only labels that a counterfactual may have. A missing category may stay missing.
    allowed_transitions : dict of column to dict of label to list of labels, optional
        Where a label may go. Staying is always allowed; a label that is not named as a key is free. None stands for
        a missing category.
    relations : list of (dict of column to coefficient, bound), optional
        Each says ``sum(coefficient * column) <= bound``, for numbers. Where one of the columns is missing, there is
        nothing to compare.
    feature_weights : dict of column to weight, optional
        What a change costs, compared with other columns; a column that is not named weighs 1.
    repair : callable, optional
        Takes a DataFrame of counterfactuals and returns one of the same shape that a table of this kind can hold.

    Examples
    --------
    >>> rules = Actionability(immutable=["age"], bounds={"income": (0, 90_000)}, monotonic_cst={"degree": 1})
    >>> Actionability.from_json(rules.to_json()) == rules
    True
    """

    immutable: Any = None
    bounds: Any = None
    monotonic_cst: Any = None
    max_changes: int | None = None
    target_probability: float | None = None
    allowed_categories: Any = None
    allowed_transitions: Any = None
    relations: Any = ()
    feature_weights: Any = None
    repair: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def __post_init__(self) -> None:
        """Check every field and replace it by plain, immutable data."""
        for name, read in _READERS.items():
            value = getattr(self, name)
            plain = None if value is None else read(value)
            object.__setattr__(self, name, () if name == "relations" and plain is None else plain)

    def __repr__(self) -> str:
        """Only the rules that are set."""
        return f"Actionability({', '.join(f'{name}={value!r}' for name, value in self._rules().items())})"

    @property
    def is_trivial(self) -> bool:
        """Whether there is no rule at all."""
        return not self._rules()

    def _rules(self) -> dict[str, Any]:
        """The fields that say something, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != ()}

    def _by_position(self, names: Sequence[Hashable]) -> list[str]:
        """The rules that tell columns of a table with these `names` by position: masks, lists per column, indices."""
        mappings = {name: tuple(getattr(self, name) or ()) for name in _COLUMN_RULES}
        mappings["immutable"] = self.immutable or ()
        mappings["relations"] = tuple(column for terms, _ in self.relations for column in terms)
        lists = {"monotonic_cst"} if isinstance(self.monotonic_cst, tuple) else set()
        # A mask's True is not the column of the name 1, though they are equal.
        return [
            rule
            for rule, columns in mappings.items()
            if rule in lists
            or any(isinstance(c, bool) or (isinstance(c, (tuple, int)) and c not in names) for c in columns)
        ]

    @classmethod
    def merged(cls, rules: Actionability | None, **keywords: Any) -> Actionability:
        """The rules with some more fields set; None means that a keyword says nothing.

        Parameters
        ----------
        rules : Actionability or None
            What is said already; never modified.
        **keywords : fields of `Actionability`
            What is added.

        Returns
        -------
        Actionability
            New rules. A field that is set twice is a ValueError.
        """
        if rules is not None and not isinstance(rules, cls):
            raise TypeError(
                f"actionability must be None or an Actionability, got {type(rules).__name__}. Build one with "
                "Actionability(immutable=[...], bounds={...}), or pass those keywords themselves."
            )
        given = {name: value for name, value in keywords.items() if value is not None}
        known = {} if rules is None else rules._rules()
        twice = [name for name in given if name in known]
        if twice:
            raise ValueError(
                f"{', '.join(twice)} is given twice: as a keyword and in actionability. Say it in one place, or use "
                "dataclasses.replace(actionability, ...) to change it."
            )
        return cls(**given) if rules is None else replace(rules, **given)

    # ------------------------------------------------------------------------------------------------ persistence

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe description of the rules that are set; `from_dict` restores equal rules.

        Returns
        -------
        dict
            From field to rule. Dicts in it are written as lists of pairs, so that keys keep their type.

        Raises
        ------
        TypeError, ValueError
            If a label is of a type that JSON can't tell, or there is a `repair` function, which can't be written.
        """
        if self.repair is not None:
            raise ValueError(
                "repair is a function and cannot be written. Write dataclasses.replace(rules, repair=None), and pass "
                "the function again after reading."
            )
        return {name: _described(name, value) for name, value in self._rules().items()}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Actionability:
        """Rebuild rules from what `to_dict` gave.

        Parameters
        ----------
        described : dict
            From field to rule; dicts may be written as dicts, too.

        Returns
        -------
        Actionability
            Rules equal to those described. An unknown field, or a malformed rule, is a TypeError or ValueError.
        """
        if not isinstance(described, Mapping):
            raise TypeError(f"rules are described by a dict, got {type(described).__name__}; pass to_dict's result.")
        unknown = [name for name in described if name not in _READERS]
        if unknown:
            raise ValueError(
                f"the description has the fields {', '.join(map(repr, unknown))}, which Actionability does not know. "
                f"It knows {', '.join(_READERS)}."
            )
        return cls(**{name: _restored(name, value) for name, value in described.items()})

    def to_json(self, indent: int | None = None) -> str:
        """The rules as JSON text.

        Parameters
        ----------
        indent : int or None, default=None
            Spaces per level, or None for a single line.

        Returns
        -------
        str
            What `to_dict` gives, as text; it raises as that does.
        """
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Actionability:
        """Rebuild rules from what `to_json` gave.

        Parameters
        ----------
        text : str
            JSON text.

        Returns
        -------
        Actionability
            Rules equal to those written. Text that is no JSON is a ValueError.
        """
        return cls.from_dict(json.loads(text))


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


_READERS: dict[str, Callable[[Any], Any]] = {
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


def _described(rule: str, value: Any) -> Any:
    """Tuples as lists, dicts as lists of pairs."""
    if isinstance(value, dict):
        return [[_described(rule, key), _described(rule, item)] for key, item in value.items()]
    if isinstance(value, tuple):
        return [_described(rule, item) for item in value]
    if value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(
            f"{rule} holds {value!r} of type {type(value).__name__}; JSON can hold text, numbers and booleans only. "
            "Convert such labels and names to text, in the table and in the rules."
        )
    return value


def _restored(rule: str, value: Any) -> Any:
    """The inverse of ``_described``: pairs become dicts again, where the rule is a dict."""
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
