"""What a person can change in, plain data that is checked, compared and written to JSON out: :class:`Actionability`.

Only what can be said without a table is checked here; ``read`` and ``compile`` hold the rules against a table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd

from .._table.cells import Table
from .._table.containers import Kind, is_foreign, read_table
from .._table.labelled import Labelled, placed, without_row_labels
from .described import described, restored
from .plain_rules import BY_COLUMN, READERS, kind_of

#: Rules that are keywords of ``counterfactuals``, too.
EVERYDAY = ("immutable", "mutable", "bounds", "monotonic_cst", "max_changes", "target_probability")


@dataclass(frozen=True)
class Actionability:
    """What a person can change: rules that every counterfactual of a query obeys.

    Columns are given by name, or by position where names are not integers themselves; the columns of an array are
    also called ``"x0"``, ``"x1"``, ... Rules are kept as plain, copied Python data: later edits of an array or a dict
    that was passed change nothing.

    Parameters
    ----------
    immutable : list of columns, bool mask (n_features,) or bool array (n, n_features), optional
        What must not change; the last form says it for each query row. A Series of bools is matched by the names of
        columns, a DataFrame of bools by those and by the labels of rows.
    mutable : as `immutable`, optional
        What may change; nothing else does. Say one of the two.
    bounds : dict of column to (low, high), optional
        Smallest and largest value, in the units of the table (labels for ordered categories). Either may be None, or
        an array with one value per query row (None or NaN: no bound in that row), or a Series, which is matched by the
        labels of rows.
    monotonic_cst : dict or Series of column to {-1, 0, 1}, or array-like of shape (n_features,), optional
        1: the value may only rise, -1: only fall, 0: free. Ordered categories have a direction, too, and truth values:
        False may rise to True. A missing cell has no value to compare with and stays missing.
    max_changes : int, optional
        How many table columns may change at most.
    target_probability : float, optional
        Probability of the target class that a counterfactual shall reach, in (0, 1).
    allowed_categories : dict of column to list of labels, optional
        The only labels that a counterfactual may have. A missing category may stay missing.
    allowed_transitions : dict of column to dict of label to list of labels, optional
        Where a label may go. Staying is always allowed; a label that is not named as a key is free. None stands for
        a missing category.
    allowed_values : dict of column to list of numbers, optional
        The only numbers that a counterfactual may have, ``{"term": [12, 24, 36]}``, all from the range seen at fit. A
        missing number may stay missing.
    resolution : dict of column to number, optional
        New numbers of the column are multiples of this: ``{"income": 500}``. It takes the place of the steps that the
        column was seen to have at fit, but has no more decimals than these. The row's own number may stay as it is.
    relations : list of (dict of column to coefficient, bound), optional
        Each says ``sum(coefficient * column) <= bound``, for numbers. Where one of the columns is missing, there is
        nothing to compare.
    feature_weights : dict of column to weight, optional
        What a change costs, compared with other columns; a column that is not named weighs 1.
    repair : callable, optional
        Takes a DataFrame of counterfactuals (of the library of X, if X is one; of pandas for an array), in rows 0, 1,
        ..., and returns one of the same rows and columns that a table of this kind can hold. Rows of pandas are matched
        by their labels, in any order. A row is infeasible where a cell becomes what the fit can not have seen there: an
        unknown label, a fraction in a column of integers, a gap where there was none, or another value in a column
        that had only one.
    keep_relations : bool, default=True
        Whether answers keep the equations between columns that all training rows obeyed, `relations_` of the
        classifier, where the query row obeys them. A column that follows another one counts as changed, too, and where
        all others are immutable, it is as well.

    Examples
    --------
    >>> rules = Actionability(immutable=["age"], bounds={"income": (0, 90_000)}, monotonic_cst={"degree": 1})
    >>> Actionability.from_json(rules.to_json()) == rules
    True
    """

    immutable: Any = None
    mutable: Any = None
    bounds: Any = None
    monotonic_cst: Any = None
    max_changes: int | None = None
    target_probability: float | None = None
    allowed_categories: Any = None
    allowed_transitions: Any = None
    allowed_values: Any = None
    resolution: Any = None
    relations: Any = ()
    feature_weights: Any = None
    repair: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    keep_relations: bool = True

    def __post_init__(self) -> None:
        """Check every field and replace it by plain, immutable data."""
        silent = {field.name: field.default for field in fields(self)}
        for name, read in READERS.items():
            value = getattr(self, name)
            value = without_row_labels(read_table(value)) if is_foreign(value) else value
            plain = None if value is None else read(value)
            object.__setattr__(self, name, silent[name] if plain is None else plain)
        if self.immutable is not None and self.mutable is not None:
            raise ValueError(
                "immutable and mutable are both given, and each says of all columns whether they may change. Say one."
            )

    def __repr__(self) -> str:
        """Only the rules that are set."""
        return f"Actionability({', '.join(f'{name}={value!r}' for name, value in self._rules().items())})"

    @property
    def is_trivial(self) -> bool:
        """Whether there is no rule at all."""
        return not self._rules()

    def _plain(self) -> dict[str, Any]:
        """The rules that are set, as values that can be kept: of a function its name."""
        rules = self._rules()
        return rules | ({"repair": getattr(self.repair, "__name__", "function")} if self.repair else {})

    def _rules(self) -> dict[str, Any]:
        """The fields that say something, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, silent) in values.items() if value is not silent and value != silent}

    @property
    def _movable_said(self) -> tuple[str, Any]:
        """The rule by which columns may change or not, and what it says; None if there is none."""
        return ("immutable", self.immutable) if self.mutable is None else ("mutable", self.mutable)

    @property
    def _immutable_kind(self) -> str:
        """How that is said: "columns" by name, a "mask" of all columns, or one of all "cells", row by row."""
        return kind_of(self._movable_said[1] or ())

    @property
    def _by_row(self) -> list[str]:
        """The rules that say something else of each row."""
        sides = [side for pair in (self.bounds or {}).values() for side in pair]
        found = {
            self._movable_said[0]: self._immutable_kind == "cells",
            "bounds": any(isinstance(side, tuple | Labelled) for side in sides),
        }
        return [rule for rule, said in found.items() if said]

    def _placed(self, X: Table, names: Sequence[Hashable]) -> Actionability:
        """The same rules, what is said of each row in the order of X and of its columns `names`."""
        return placed(self, X, tuple(names))

    def _repairing(self, kind: Kind) -> Actionability:
        """The same rules, whose `repair` gets tables of a kind, and may return them."""
        if self.repair is None or kind.empty is None:
            return self
        repair: Any = self.repair
        return replace(self, repair=lambda table: read_table(repair(kind.written(table)), "what repair returned"))

    def _by_position(self, names: Sequence[Hashable]) -> list[str]:
        """The rules that tell columns of a table with these `names` by position: masks, lists per column, indices."""
        columns = {name: tuple(getattr(self, name) or ()) for name in BY_COLUMN}
        rule, said = self._movable_said
        columns[rule] = () if isinstance(said, Labelled) else said or ()
        columns["relations"] = tuple(column for terms, _ in self.relations for column in terms)
        listed = {
            rule: self._immutable_kind != "columns" and not isinstance(said, Labelled),
            "monotonic_cst": isinstance(self.monotonic_cst, tuple),
        }
        return [
            rule
            for rule, named in columns.items()
            if listed.get(rule) or any(isinstance(column, int) and column not in names for column in named)
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

    @classmethod
    def _in_query(cls, query: Mapping[str, Any]) -> Actionability:
        """The rules among the keywords of a query."""
        return cls.merged(query.get("actionability"), **{name: query.get(name) for name in EVERYDAY})

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
        return {name: described(name, value) for name, value in self._rules().items()}

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
        unknown = [name for name in described if name not in READERS]
        if unknown:
            raise ValueError(
                f"the description has the fields {', '.join(map(repr, unknown))}, which Actionability does not know. "
                f"It knows {', '.join(READERS)}."
            )
        return cls(**{name: restored(name, value) for name, value in described.items()})

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
