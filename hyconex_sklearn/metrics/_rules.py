"""Tables and rules in, which counterfactuals break a rule out: an independent judge.

It shares no code with the judge that the search obeys, and tells from the cells alone. It is milder in one thing: there
no sum exceeds its bound by a single bit, here rounding is forgiven, since rows of other tools have been written, read
and added up in other orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._rules.actionability import Actionability
from .._table.cells import Array, cells_differ, names_of
from .._table.column_io import is_number
from .._table.column_io import numbers_in as column_numbers
from .._table.containers import read_table
from ._units import aligned, check_length, found_in, labels_in, number_columns, numbers_in

#: What a sum may exceed its bound by: this share of the size of its terms and of the bound, together. A number may be
#: off by this share of its size.
_TOLERANCE = 1e-9


def violations(X: Any, X_cf: Any, actionability: Actionability) -> Array:
    """Whether each row breaks a rule about what can change.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
        The rows asked about.
    X_cf : DataFrame or ndarray of shape (n, d)
        Their counterfactuals, row by row; a row without any value: none was found.
    actionability : Actionability
        The rules. Masks over rows and bounds that are arrays have one entry for each row of `X`. A cell that is out of
        bounds, or not among the allowed categories or values, breaks the rule even where it did not change. A sum may
        exceed its bound by 1e-9 of the size of its terms, which is rounding, and so may a number be off an allowed
        value or a multiple. The weights of columns, `repair`, the probability to reach and the relations that a fit has
        found are nothing that cells could break.

    Returns
    -------
    bool ndarray of shape (n,)
        True where at least one rule is broken; False where none is, or no row was found. Less is better.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns, or a rule does not fit them.

    References
    ----------
    Ustun, Spangher & Liu (2019), Actionable recourse in linear classification.
    """
    X = read_table(X)
    before, after = aligned(X=X, X_cf=X_cf)
    return broken_rules(X, before, after, actionability, np.arange(len(before)), len(before))


def broken_rules(X: Any, before: pd.DataFrame, after: pd.DataFrame, rules: Any, rows: Array, n_asked: int) -> Array:
    """Whether each row of ``after`` breaks a rule, where it answers the query row ``rows`` of ``n_asked``."""
    if not isinstance(rules, Actionability):
        got = type(rules).__name__
        raise TypeError(f"actionability must be an Actionability, got {got}. Build one: Actionability(immutable=...).")
    rules = rules._placed(X, names_of(X))
    cells = _Cells(before, after, cells_differ(before, after), _names(X), rows, n_asked)
    broken = np.asarray((cells.changed & cells.frozen(rules)).any(axis=1))
    if rules.max_changes is not None:
        broken |= cells.changed.sum(axis=1) > rules.max_changes
    for j, (low, high) in cells.named(rules.bounds, "bounds"):
        broken |= cells.out_of_bounds(j, low, high)
    directions = rules.monotonic_cst
    if isinstance(directions, tuple):
        check_length("monotonic_cst", len(directions), before.shape[1], "the list of columns")
        directions = dict(zip(before.columns, directions, strict=True))
    for j, direction in cells.named(directions, "monotonic_cst"):
        if direction:
            broken |= cells.goes_against(j, direction)
    for j, labels in cells.named(rules.allowed_categories, "allowed_categories"):
        left = [new not in labels and not (new is None and old is None) for old, new in cells.moves(j)]
        broken |= np.array(left, dtype=bool)
    for j, goals in cells.named(rules.allowed_transitions, "allowed_transitions"):
        astray = [old in goals and new != old and new not in goals[old] for old, new in cells.moves(j)]
        broken |= np.array(astray, dtype=bool)
    for j, values in cells.named(rules.allowed_values, "allowed_values"):
        broken |= cells.off_values(j, values)
    for j, step in cells.named(rules.resolution, "resolution"):
        broken |= cells.changed[:, j] & cells.off_multiples(j, step)
    for terms, bound in rules.relations:
        broken |= cells.exceeds(terms, bound)
    return broken & found_in(after)


def _names(X: Any) -> dict[Any, int]:
    """What a rule may call each column: its name, or its position if names are no integers; arrays: "x0" as well."""
    if not isinstance(X, pd.DataFrame):
        return {name: j for j in range(X.shape[1]) for name in (j, f"x{j}")}
    names = {name: j for j, name in enumerate(X.columns)}
    has_integers = any(isinstance(name, int | np.integer) for name in names)
    return names if has_integers else {j: j for j in range(X.shape[1])} | names


@dataclass(frozen=True)
class _Cells:
    """Rows before and after, and how rules find their cells."""

    before: pd.DataFrame
    after: pd.DataFrame
    changed: Array  # bool (n, d)
    names: dict[Any, int]
    rows: Array  # (n,) place of each row among those that rules were given for
    n_asked: int

    def named(self, rule: Any, name: str) -> Iterator[tuple[int, Any]]:
        """The position of each column that a rule names, and what is said of it."""
        for column, said in (rule or {}).items():
            yield self.position(column, name), said

    def position(self, column: Any, rule: str) -> int:
        if column not in self.names:
            known = list(self.before.columns)[:20]
            raise ValueError(f"{rule} names a column that X does not have: {column!r}. The columns of X are {known}.")
        return self.names[column]

    def frozen(self, rules: Actionability) -> Array:
        """Cells that must not change: bool (n, d), or (d,) where all rows have the same."""
        (rule, said), width = rules._movable_said, self.changed.shape[1]
        if said is None:
            return np.zeros(width, dtype=bool)
        if rules._immutable_kind == "columns":
            mask = np.isin(np.arange(width), [self.position(column, rule) for column in said])
        else:
            mask, by_row = np.array(said, dtype=bool), rules._immutable_kind == "cells"
            got, expected = mask.shape, (self.n_asked, width) if by_row else (width,)
            if got != expected:
                raise ValueError(f"{rule} is a mask of shape {got}; expected {expected}: one bool per column, or cell.")
            mask = mask[self.rows] if by_row else mask
        return ~mask if rule == "mutable" else mask

    def moves(self, j: int) -> Iterator[tuple[Any, Any]]:
        """Labels of a column before and after, None where missing."""
        return zip(labels_in(self.before.iloc[:, j]), labels_in(self.after.iloc[:, j]), strict=True)

    def out_of_bounds(self, j: int, low: Any, high: Any) -> Array:
        value = self._values(self.after, j, "bounds")
        return (value < self._side(j, low, -np.inf)) | (value > self._side(j, high, np.inf))

    def goes_against(self, j: int, direction: int) -> Array:
        """Whether a value moved the wrong way, or came from a missing one that has no way to move."""
        labels = [*labels_in(self.before.iloc[:, j]), *labels_in(self.after.iloc[:, j])]
        if all(label == labels[0] for label in labels):  # a constant goes nowhere, whether it has an order or not
            return np.zeros(len(self.rows), dtype=bool)
        old, new = (self._values(table, j, "monotonic_cst") for table in (self.before, self.after))
        return (direction * (new - old) < 0) | (np.isnan(old) & ~np.isnan(new))

    def off_values(self, j: int, values: tuple[float, ...]) -> Array:
        """Whether a number is none of some values, or was lost."""
        old, new = (self._values(table, j, "allowed_values") for table in (self.before, self.after))
        apart = np.abs(new[:, None] - np.array(values, dtype=float))
        near = (apart <= self._rounding(j) * np.abs(new)[:, None]).any(axis=1)
        return ~near & ~(np.isnan(new) & np.isnan(old))

    def off_multiples(self, j: int, step: float) -> Array:
        """Whether a number is no multiple of a step; a missing one breaks nothing."""
        count = self._values(self.after, j, "resolution") / step
        return np.asarray(np.abs(count - np.rint(count)) > self._rounding(j) * np.abs(count))

    def _rounding(self, j: int) -> float:
        """What the numbers of a column may be off by, relative to their size."""
        dtype = getattr(self.after.dtypes.iloc[j], "numpy_dtype", self.after.dtypes.iloc[j])
        return _TOLERANCE + (float(np.finfo(dtype).eps) if isinstance(dtype, np.dtype) and dtype.kind == "f" else 0.0)

    def exceeds(self, terms: dict[Any, Any], bound: float) -> Array:
        """Whether a sum of numbers is above its bound by more than rounding; a missing number compares with nothing."""
        total, size = np.zeros(len(self.rows)), np.full(len(self.rows), abs(float(bound)))
        for j, coefficient in self.named(terms, "relations"):
            term = coefficient * self._values(self.after, j, "relations")
            total, size = total + term, size + np.abs(term)
        return total > bound + _TOLERANCE * size

    def _side(self, j: int, side: Any, unbounded: float) -> Array:
        """One side of a bound for each row (n,), in the units of `_values`."""
        column = self.before.iloc[:, j]
        cells = side if isinstance(side, tuple) else (side,) * self.n_asked
        check_length(f"bounds[{column.name!r}]", len(cells), self.n_asked, "X")
        if isinstance(column.dtype, pd.CategoricalDtype):
            ranks = {label: float(rank) for rank, label in enumerate(column.cat.categories)}
            unknown = [cell for cell in cells if cell is not None and cell not in ranks]
            if unknown:
                raise ValueError(f"bounds[{column.name!r}] names {unknown[0]!r}; its labels are {list(ranks)}.")
            cells = tuple(None if cell is None else ranks[cell] for cell in cells)
        values = np.array([unbounded if cell is None else cell for cell in cells], dtype=float)[self.rows]
        # 0.1 as a float32 is above 0.1 as a float64: a narrow column is compared in its own precision, as numpy does.
        narrow = getattr(column.dtype, "numpy_dtype", column.dtype)
        if isinstance(narrow, np.dtype) and narrow.kind == "f":
            with np.errstate(over="ignore"):
                values = values.astype(narrow)
        return values.astype(float)

    def _values(self, table: pd.DataFrame, j: int, rule: str) -> Array:
        """Numbers of a column, ranks of ordered labels, or truth values (n,); NaN where missing."""
        column, dtype = table.iloc[:, j], self.before.dtypes.iloc[j]
        if rule == "monotonic_cst" and pd.api.types.infer_dtype(self.before.iloc[:, j], skipna=True) == "boolean":
            return np.array([np.nan if label is None else float(label is True) for label in labels_in(column)])
        of_numbers = rule in ("allowed_values", "resolution")
        if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered and not of_numbers:
            codes = dtype.categories.get_indexer(pd.Index(column.astype(object)))
            return np.where(codes < 0, np.nan, codes)
        if not number_columns(self.before.iloc[:, [j]])[0] and self.before.iloc[:, j].notna().any():
            if is_number(self.before, j):  # of a kind of their own, such as fractions
                return column_numbers(table, j)
            held = "labels, no numbers" if of_numbers else "labels without an order"
            raise ValueError(
                f"{rule} is about column {column.name!r}, which holds {held}. Use allowed_categories or "
                "allowed_transitions there."
            )
        return numbers_in(table.iloc[:, [j]], np.array([True]))[:, 0]
