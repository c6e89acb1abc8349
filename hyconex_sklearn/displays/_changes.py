"""What a result changes, column by column and in numbers: what its pictures are drawn from."""

from __future__ import annotations

import math
from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._answer.changes import ComparedColumn
from .._answer.counterfactuals import Counterfactuals
from .._answer.status import NO_ANSWER, Status
from .._answer.wording import format_share, is_missing
from .._table.cells import Column, hold_numbers


class ChangedColumn(ComparedColumn):
    """One column of the table in all m counterfactuals of a result, and the scale that its numbers are drawn on."""

    @cached_property
    def direction(self) -> np.ndarray:
        """1 where the column rises, -1 where it falls, 0 for other changes and none: int of shape (m,)."""
        # Numbers by the cells themselves: float64 takes large neighbours for equal.
        old, new = (self.before, self.after) if hold_numbers(*self.cells) else map(_ranks, self.cells)
        direction = np.zeros(len(self.changed), dtype=int)
        for i in self.rows:
            if not is_missing(old[i]) and not is_missing(new[i]):
                with np.errstate(over="ignore"):  # a narrow float beside a number that it can't hold
                    direction[i] = int(new[i] > old[i]) - int(new[i] < old[i])
        return direction

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Ends of the scale that holds its numbers and what fit has seen; NaN where there is none."""
        ends = [*(self.met or ()), *(self.seen or ())]
        return (min(ends), max(ends)) if self.met else (math.nan, math.nan)

    @property
    def scaled(self) -> bool:
        """Whether the column has a scale on which its numbers can be drawn."""
        return math.isfinite(self.scale[1] - self.scale[0])

    @property
    def span(self) -> float:
        return self.scale[1] - self.scale[0] if self.scaled else 0.0

    @property
    def size(self) -> float:
        """Mean size of its changes: share of the scale, 1 for what has none."""
        if not self.scaled or self.span == 0:
            return 1.0
        start, end = self.numbers
        sizes, moved = np.ones(len(self.changed)), np.isfinite(start) & np.isfinite(end)
        sizes[moved] = np.abs(end[moved] - start[moved]) / self.span
        return float(sizes[self.changed].mean())

    @property
    def range_in_words(self) -> str:
        """What fit has seen, or what the cells span where that is not known."""
        low, high = self.seen or self.scale
        return f"{self.text(low, unit=False)} to {self.text(high)}" if self.scaled else ""


def changed_columns(cf: Counterfactuals) -> list[ChangedColumn]:
    """The columns that change somewhere, the most often changed first, then those with the largest changes."""
    found = [column for column in ChangedColumn.all_of(cf) if column.changed.any()]
    return sorted(found, key=lambda column: (-column.changed.sum(), -column.size, column.position))


def _ranks(column: Column) -> np.ndarray:
    """The ranks of an ordered categorical column as float64; NaN in its gaps, and in any other column."""
    if not (isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered):
        return np.full(len(column), np.nan)
    codes = column.cat.codes.to_numpy(dtype=float)
    return np.where(codes < 0, np.nan, codes)


def shares(cf: Counterfactuals) -> pd.DataFrame:
    """How often each column changes, and which way, for each target.

    Returns
    -------
    DataFrame
        Columns ``target``, ``n`` (counterfactuals that count), ``feature``, ``up``, ``down``, ``other`` (shares of n),
        ``exchange`` (which of the other changes is the most frequent, and its share of them where there are more).
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
            told = _exchange(column, first - len(part) + np.flatnonzero(counts["other"]))
            lines.append({"target": target, "n": len(part), "feature": column.name, **means, "exchange": told})
    return pd.DataFrame(lines, columns=["target", "n", "feature", "up", "down", "other", "exchange"])


def _exchange(column: ChangedColumn, rows: np.ndarray) -> str:
    """Say what becomes what most often among some changes of a column, "" where there are none."""
    pairs = Counter(column.texts(i) for i in rows.tolist())
    if not pairs:
        return ""
    ((old, new), number) = pairs.most_common(1)[0]
    share = f" ({format_share(number / len(rows))})" if len(pairs) > 1 else ""
    return f"{old} → {new}{share}"


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
