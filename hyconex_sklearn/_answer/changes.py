"""A result in, its columns before and after out: what changed, as values, as texts, and one sentence for each row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from .._table.cells import Column, cells_differ, column_of, numbers_of, objects_of
from .rows import AnsweredRows
from .status import Status
from .wording import decimals_for, format_pair, format_probability, format_value, join, plain

_DOUBTS = {
    Status.IMPLAUSIBLE: ", but rows like the changed one are rare",
    Status.UNSURE: ", but less surely than was asked for",
}


@dataclass(frozen=True, eq=False)
class ComparedColumn:
    """One column of a result, before and after.

    Parameters
    ----------
    result : AnsweredRows
        Of m counterfactuals.
    position : int
        Of the column.
    changed : bool ndarray of shape (m,)
        Which cells differ.
    whole : AnsweredRows
        What the result is a part of, or itself. Texts are rounded as those of the whole are, so that a cell reads the
        same wherever it stands.
    """

    result: AnsweredRows
    position: int
    changed: np.ndarray
    whole: AnsweredRows

    @classmethod
    def all_of(cls, result: AnsweredRows, whole: AnsweredRows | None = None) -> list[Self]:
        """Return the columns of a result, in the order of the table."""
        changed = cells_differ(result.original, result.data)
        return [cls(result, j, changed[:, j], whole or result) for j in range(changed.shape[1])]

    @property
    def name(self) -> Any:
        return self.result.feature_names[self.position]

    @property
    def rows(self) -> list[int]:
        """Positions of the counterfactuals that change it."""
        return np.flatnonzero(self.changed).tolist()

    @property
    def cells(self) -> tuple[Column, Column]:
        """Its cells before and after, as they stand in the tables."""
        return column_of(self.result.original, self.position), column_of(self.result.data, self.position)

    @cached_property
    def before(self) -> np.ndarray:
        """Its cells before, as plain Python objects."""
        return objects_of(self.cells[0])

    @cached_property
    def after(self) -> np.ndarray:
        return objects_of(self.cells[1])

    @cached_property
    def numbers(self) -> list[np.ndarray]:
        """Its cells before and after as float64, NaN where they are none."""
        return numbers_of(*self.cells)

    @property
    def met(self) -> tuple[float, float] | None:
        """Smallest and largest finite number among its cells; None where there is none."""
        numbers = np.concatenate(self.numbers)
        numbers = numbers[np.isfinite(numbers)]
        return (float(numbers.min()), float(numbers.max())) if numbers.size else None

    @property
    def seen(self) -> tuple[float, float] | None:
        """Smallest and largest number that fit has seen; None where that is not known."""
        low, high = self._range
        return (low, high) if math.isfinite(high - low) else None

    @property
    def _range(self) -> tuple[float, float]:
        ranges = self.result.ranges
        return (math.nan, math.nan) if ranges is None else tuple(ranges[self.position].tolist())

    @cached_property
    def spread(self) -> float:
        """How far it spreads: in the rows that fit has seen where that is known, else in the whole result."""
        low, high = self._range
        if not high > low:
            low, high = replace(self, result=self.whole).met or (0.0, 0.0)
        return high - low

    def text(self, value: Any) -> str:
        """Return a value of the column as text, rounded to its spread."""
        return format_value(value, decimals_for(self.spread, value))

    def texts(self, i: int) -> tuple[str, str]:
        """Return the old and the new cell of counterfactual i as text, with more digits where they would look alike."""
        return format_pair(self.before[i], self.after[i], self.spread)


def sentences(
    result: AnsweredRows,
    whole: AnsweredRows | None = None,
    quoted: Callable[[str], str] = str,
    arrow: str = "->",
) -> list[str]:
    """Return one sentence per counterfactual, with names, values and labels `quoted` as the reader's medium needs."""
    told: list[list[str]] = [[] for _ in range(len(result))]
    for column in ComparedColumn.all_of(result, whole):
        for i in column.rows:
            old, new = map(quoted, column.texts(i))
            told[i].append(f"{quoted(plain(column.name))} {old} {arrow} {new}")
    return [_sentence(result, i, join(changes), quoted, arrow) for i, changes in enumerate(told)]


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
