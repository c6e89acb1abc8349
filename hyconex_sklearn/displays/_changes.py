"""What a result changes, column by column and in numbers: what its pictures are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._answer.changes import spread
from .._answer.counterfactuals import Counterfactuals
from .._answer.status import NO_ANSWER, Status
from .._answer.wording import decimals_for, format_pair, format_value, is_missing
from .._table.cells import Column, cells_differ, column_of, hold_numbers, numbers_of, objects_of


@dataclass(frozen=True)
class ChangedColumn:
    """One column of the table in all m counterfactuals of a result.

    Attributes
    ----------
    position : int
        Of the column.
    name : hashable
    before, after : object ndarray of shape (m,)
        Its cells.
    changed : bool ndarray of shape (m,)
    start, end : float ndarray of shape (m,)
        The cells as numbers, NaN where they are none.
    direction : int ndarray of shape (m,)
        1 where the column rises, -1 where it falls, 0 for other changes and none.
    lower, upper : float
        Ends of the scale that holds its numbers and what fit has seen; NaN where there is none.
    seen : (float, float) or None
        Smallest and largest number that fit has seen; None where that is not known.
    spread : float
        To which its numbers are rounded.
    """

    position: int
    name: Any
    before: np.ndarray
    after: np.ndarray
    changed: np.ndarray
    start: np.ndarray
    end: np.ndarray
    direction: np.ndarray
    lower: float
    upper: float
    seen: tuple[float, float] | None
    spread: float

    @property
    def scaled(self) -> bool:
        """Whether the column has a scale on which its numbers can be drawn."""
        return math.isfinite(self.upper - self.lower)

    @property
    def span(self) -> float:
        return self.upper - self.lower if self.scaled else 0.0

    @property
    def size(self) -> float:
        """Mean size of its changes: share of the scale, 1 for what has none."""
        if not self.scaled or self.span == 0:
            return 1.0
        sizes, moved = np.ones(len(self.changed)), np.isfinite(self.start) & np.isfinite(self.end)
        sizes[moved] = np.abs(self.end[moved] - self.start[moved]) / self.span
        return float(sizes[self.changed].mean())

    def pair(self, i: int) -> tuple[str, str]:
        """Old and new cell of counterfactual i in words."""
        return format_pair(self.before[i], self.after[i], self.spread)

    def value(self, i: int) -> str:
        """The old cell in words."""
        return format_value(self.before[i], decimals_for(self.spread, self.before[i]))

    @property
    def range_in_words(self) -> str:
        """What fit has seen, or what the cells span where that is not known."""
        if not self.scaled:
            return ""
        ends = self.seen or (self.lower, self.upper)
        low, high = (format_value(end, decimals_for(self.spread, end)) for end in ends)
        return f"{low} to {high}"


def changed_columns(cf: Counterfactuals) -> list[ChangedColumn]:
    """The columns that change somewhere, the most often changed first, then those with the largest changes."""
    changed = cells_differ(cf.original, cf.data)
    found = [_column(cf, j, changed[:, j]) for j in np.flatnonzero(changed.any(axis=0)).tolist()]
    return sorted(found, key=lambda column: (-column.changed.sum(), -column.size, column.position))


def _column(cf: Counterfactuals, j: int, changed: np.ndarray) -> ChangedColumn:
    before, after = column_of(cf.original, j), column_of(cf.data, j)
    cells = objects_of(before), objects_of(after)
    start, end = numbers_of(before, after)
    numbers = np.concatenate([start, end])
    numbers = numbers[np.isfinite(numbers)].tolist()
    low, high = (math.nan, math.nan) if cf.ranges is None else cf.ranges[j].tolist()
    seen = (low, high) if math.isfinite(high - low) else None
    span = [*numbers, *(seen or ())]
    ends = (min(span), max(span)) if numbers else (math.nan, math.nan)
    direction = _direction(before, after, changed)
    return ChangedColumn(
        j, cf.feature_names[j], *cells, changed, start, end, direction, ends[0], ends[1], seen, spread(cf, j)
    )


def _direction(before: Column, after: Column, changed: np.ndarray) -> np.ndarray:
    """The sign of each change of a number or of a category with an order, 0 for others and none, shape (m,)."""
    direction = np.zeros(len(changed), dtype=int)
    old, new = _ranks(before), _ranks(after)
    if hold_numbers(before, after):  # by the cells themselves: float64 takes large neighbours for equal
        old, new = objects_of(before), objects_of(after)
    if old is None or new is None:
        return direction
    for i in np.flatnonzero(changed).tolist():
        if not is_missing(old[i]) and not is_missing(new[i]):
            with np.errstate(over="ignore"):  # a narrow float beside a number that it can't hold
                direction[i] = int(new[i] > old[i]) - int(new[i] < old[i])
    return direction


def _ranks(column: Column) -> np.ndarray | None:
    """The ranks of a categorical column as float64, NaN where it has no order or a gap; None for other columns."""
    if not (isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype)):
        return None
    codes = column.cat.codes.to_numpy(dtype=float)
    return np.where(codes < 0, np.nan, codes) if column.cat.ordered else np.full(len(codes), np.nan)


def shares(cf: Counterfactuals) -> pd.DataFrame:
    """How often each column changes, and which way, for each target.

    Returns
    -------
    DataFrame
        Columns ``target``, ``n`` (counterfactuals that count), ``feature``, ``up``, ``down``, ``other`` (shares of n).
        Only answers count: not those that no change was found for, and no row that already was its target.
    """
    found = answers(cf)
    columns = changed_columns(cf[np.concatenate(list(found.values()))])
    lines, first = [], 0
    for target, part in found.items():
        own = slice(first, first + len(part))
        first += len(part)
        for column in columns:
            changed, way = column.changed[own], column.direction[own]
            counts = {"up": way > 0, "down": way < 0, "other": changed & (way == 0)}
            means = {name: float(mask.mean()) if len(part) else 0.0 for name, mask in counts.items()}
            lines.append({"target": target, "n": len(part), "feature": column.name, **means})
    return pd.DataFrame(lines, columns=["target", "n", "feature", "up", "down", "other"])


def answers(cf: Counterfactuals) -> dict[Any, np.ndarray]:
    """For each target the positions of the counterfactuals that answer: valid, feasible, and not the row itself."""
    status = cf.report["status"].astype(str)
    counts = ~status.isin([*NO_ANSWER, Status.ALREADY_TARGET]).to_numpy()
    targets = cf.report["target"]
    return {t: np.flatnonzero((targets == t).to_numpy() & counts) for t in sorted_labels(targets)}


def sorted_labels(labels: pd.Series) -> list[Any]:
    """Different labels in order, or as they come where they have none."""
    found = list(dict.fromkeys(labels.tolist()))
    try:
        return sorted(found)
    except TypeError:
        return found
