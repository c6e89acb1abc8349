"""Compiled rules and the rows that came back infeasible in, warnings that name column, rows and reason out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._common.messages import number_text, user_stacklevel
from .._table.cells import Array, Table
from .._table.codec import TableCodec
from .._table.grid import onward
from .._table.row_labels import row_labels
from .._table.schema import Column
from .actionability import Actionability
from .compile import compile_rules
from .feasible_set import FeasibleSet
from .kept_relations import KeptRelation
from .table_rules import TableRules

_SHOWN = 5  # rows

#: Where something holds (n,), and what it is, told of one of these rows.
Reason = tuple[Array, Callable[[int], str]]


def warn_of_conflicts(said: Actionability, codec: TableCodec, X: Table, encoded: Array, lost: Array) -> None:
    """Warn of the cells that would have to change and cannot, in some rows of a table.

    Parameters
    ----------
    said : Actionability
        The rules.
    codec : TableCodec
    X : ndarray or DataFrame of shape (n, n_columns)
        The table.
    encoded : array of shape (n, d)
        The same rows.
    lost : int array
        Rows that came back infeasible; a row may stand there more than once.
    """
    if not len(lost):
        return
    read = TableRules.read(said, codec, X)
    rules = compile_rules(read, X, encoded)
    stuck = rules.broken & ~rules.movable & np.isin(np.arange(len(rules)), lost)[:, None]
    names = row_labels(X).tolist()
    for j in np.flatnonzero(stuck.any(axis=0)).tolist():
        column, left = rules.schema.columns[j], stuck[:, j].copy()
        for holds, told in _reasons(j, column, read, rules, names):
            rows = np.flatnonzero(left & holds).tolist()
            left &= ~holds
            if rows:
                _warn(column, [names[row] for row in rows], told(rows[0]))


def _warn(column: Column, rows: list[Any], why: str) -> None:
    where = f"row {rows[0]!r}" if len(rows) == 1 else f"rows {', '.join(map(repr, rows[:_SHOWN]))}"
    more = f", ... ({len(rows)} rows in all)" if len(rows) > _SHOWN else ""
    warnings.warn(
        f"column {column.name!r} breaks a rule in {where}{more}, and {why}: what comes back there has the status "
        "'infeasible'. Let the column change, or let the rules include its value.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


def _reasons(j: int, column: Column, read: TableRules, rules: FeasibleSet, names: list[Any]) -> Iterator[Reason]:
    """Why a cell of column j that breaks a rule cannot change, the first that holds; the last one always does."""
    always = np.ones(len(names), dtype=bool)
    if column.kind == "constant":
        yield always, lambda row: "held one value only at fit, so that it never changes"
    yield ~read.movable[:, j], lambda row: "may not change"
    if j in read.exact:
        low, high = read.exact[j]
        seen = f"{_shown(column, column.lower)} to {_shown(column, column.upper)}"

        def ends(row: int) -> str:
            return f"{_ends(column, low[row], high[row])} in row {names[row]!r}"

        yield low > high, lambda row: f"has a low bound above the high one ({ends(row)})"
        if j in read.grids:
            least, most = (onward(read.grids[j].grid, end, side) for end, side in ((low, 1), (high, -1)))
            none = np.maximum(least, column.lower) > np.minimum(most, column.upper)
            yield none, lambda row: f"has no number that the rules leave within its bounds ({ends(row)})"
        outside = np.maximum(low, column.lower) > np.minimum(high, column.upper)
        yield outside, lambda row: f"held nothing within its bounds ({ends(row)}) at fit, only {seen}"
    for relation, asked in zip(rules.kept, rules.asked.T, strict=True):
        if column.is_value and rules.schema.slot(j) in relation.slots:
            yield asked, _bound_by(relation)
    yield always, lambda row: "has nothing that it may become"


def _bound_by(relation: KeptRelation) -> Callable[[int], str]:
    return lambda row: f"is bound to what may not change by {relation.found}"


def _ends(column: Column, low: float, high: float) -> str:
    """Bounds as text."""
    sides = {"low": low, "high": high}
    return ", ".join(f"{side} {_shown(column, end)}" for side, end in sides.items() if np.isfinite(end))


def _shown(column: Column, value: float) -> str:
    """A number in the column's own units: the label of a rank."""
    return repr(column.categories[int(value)]) if column.kind == "ordered" else number_text(float(value))
