"""A result in words: each change as a pair of texts, each counterfactual as one plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._table.cells import cells_differ, column_of, objects_of
from .rows import AnsweredRows
from .status import Status
from .wording import format_pair, format_probability, join, plain, spread_of

_DOUBTS = {
    Status.IMPLAUSIBLE: ", but rows like the changed one are rare",
    Status.UNSURE: ", but less surely than was asked for",
}


class Change(NamedTuple):
    """One changed cell: its column, both values, and both as text, rounded to the spread of the column."""

    column: int
    before: Any
    after: Any
    old: str
    new: str


def spread(result: AnsweredRows, j: int) -> float:
    """How far column j spreads: in the rows that fit has seen where that is known, else in the result."""
    if result.ranges is not None:
        low, high = result.ranges[j].tolist()
        if high > low:
            return float(high - low)
    return spread_of(column_of(result.original, j), column_of(result.data, j))


def told_changes(result: AnsweredRows, whole: AnsweredRows | None = None) -> list[list[Change]]:
    """Return the changed cells of each counterfactual, in the order of the table's columns.

    What is part of a `whole` is rounded as the whole is, so that a cell reads the same wherever it stands.
    """
    changes: list[list[Change]] = [[] for _ in range(len(result))]
    changed = cells_differ(result.original, result.data)  # (m, d)
    for j in np.flatnonzero(changed.any(axis=0)).tolist():
        before, after = column_of(result.original, j), column_of(result.data, j)
        width, rows = spread(whole or result, j), np.flatnonzero(changed[:, j]).tolist()
        old, new = objects_of(before), objects_of(after)
        for row in rows:
            changes[row].append(Change(j, old[row], new[row], *format_pair(old[row], new[row], width)))
    return changes


def sentences(
    result: AnsweredRows,
    changes: list[list[Change]],
    quoted: Callable[[str], str] = str,
    arrow: str = "->",
) -> list[str]:
    """Return one sentence per counterfactual, with names, values and labels `quoted` as the reader's medium needs."""
    names = [quoted(plain(name)) for name in result.feature_names]
    told = [join([f"{names[c.column]} {quoted(c.old)} {arrow} {quoted(c.new)}" for c in listed]) for listed in changes]
    return [_sentence(result, position, text, quoted, arrow) for position, text in enumerate(told)]


def _sentence(result: AnsweredRows, position: int, changes: str, quoted: Callable[[str], str], arrow: str) -> str:
    line = result.report.iloc[position]
    target, status = quoted(plain(line["target"])), str(line["status"])
    if status == Status.ALREADY_TARGET:
        return f"Already predicted as {target}; nothing to change."
    old, new = (format_probability(p) for p in (result.probability_before[position], line["probability"]))
    probability = f"(probability {old} {arrow} {new})"
    if status == Status.INFEASIBLE:
        return f"No row was found that obeys the rules and is predicted as {target} {probability}."
    if not line["valid"] or status == Status.NOT_VALID:
        missed, reached = f"No change was found that makes the prediction {target}", quoted(plain(line["prediction"]))
        attempt = f"the closest attempt, {changes or 'the row itself'}, is predicted as {reached}"
        return f"{missed}; {attempt} {probability}."
    was, doubt = quoted(plain(result.prediction_before[position])), _DOUBTS.get(Status(status), "")
    return f"{changes or 'No change'} would change the prediction from {was} to {target} {probability}{doubt}."
