"""How far the values of answers may go: two ends for each changed cell, and how many values in between were checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from .._table.cells import free_name

_EACH = "In parentheses: where a value may lie, all others as they are. Checked value by value, not proved."
_BOX = "In parentheses: where all values of an answer may lie at the same time. Checked at random rows, not proved."


@dataclass(frozen=True, eq=False)
class Intervals:
    """How far the changed values of m counterfactuals may go, so that a row stays certified and obeys the rules.

    Parameters
    ----------
    low, high : float ndarrays of shape (m, d)
        Smallest and largest value, in the units of the answers; NaN where nothing was asked: at cells that do not
        change, at categories without an order, and in rows that are not certified.
    checked : int ndarray of shape (m, d)
        How many values, or rows of a box, were checked; 0 where there is no interval.
    complete : bool ndarray of shape (m, d)
        Whether these are all values that the column can take between what fit has seen and the rules allow.
    together : bool
        Whether the intervals of a row hold at the same time ("box"), or each with the other cells as they are ("each").
    labels : dict of int to tuple
        Of each column of ordered categories, by position, its labels: `low` and `high` are places among these.
    numbers : tuple of int
        Positions of all columns that can have an interval.
    """

    low: np.ndarray
    high: np.ndarray
    checked: np.ndarray
    complete: np.ndarray
    together: bool = False
    labels: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()

    @classmethod
    def none(cls, m: int, d: int, **more: Any) -> Self:
        """Return intervals of m rows of d columns, of which no cell has one yet."""
        empty = np.full((m, d), np.nan)
        return cls(empty, empty.copy(), np.zeros((m, d), dtype=np.int32), np.zeros((m, d), dtype=bool), **more)

    def __getitem__(self, rows: Any) -> Self:
        """Return those of some rows."""
        return replace(self, **{name: array[rows].copy() for name, array in self._arrays.items()})

    @property
    def _arrays(self) -> dict[str, np.ndarray]:
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def check(self, m: int, d: int) -> None:
        """Raise where they are not of m rows of d columns."""
        for name, array in self._arrays.items():
            if array.shape != (m, d):
                raise ValueError(f"intervals.{name} has shape {array.shape}; give shape ({m}, {d}), one for each cell.")

    def beside(self, names: Sequence[Any], taken: set[Any], index: pd.Index) -> dict[str, pd.Series]:
        """Return both ends as columns of a table, of each column of these `names` that can have intervals.

        They are called so that they don't have a name that is `taken`; their rows are labelled by `index`.
        """
        told: dict[str, pd.Series] = {}
        for j in self.numbers:
            for end, values in (("lowest", self.low[:, j]), ("highest", self.high[:, j])):
                cells = self._labels_at(j, values) if j in self.labels else values
                told[free_name(f"{end}_{names[j]}", taken)] = pd.Series(cells, index, cells.dtype)
        return told

    def _labels_at(self, j: int, places: np.ndarray) -> np.ndarray:
        labels = np.array([*self.labels[j], None], dtype=object)
        return labels[np.nan_to_num(places, nan=-1).astype(int)]

    def note(self) -> str:
        """Return what a reader has to know of intervals in parentheses."""
        return _BOX if self.together else _EACH

    def how(self, i: int, j: int) -> str | None:
        """Return how that of a cell was checked; None where there is none."""
        number = int(self.checked[i, j])
        if not number:
            return None
        if self.together:
            return f"{number} rows"
        return f"{'all ' if self.complete[i, j] else ''}{number} value{'' if number == 1 else 's'}"
