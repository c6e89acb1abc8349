"""What a result changes, column by column and in numbers: what its pictures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._cells import Column, cells_differ, column_of, objects_of
from .._result import Counterfactuals
from .._status import Status
from .._wording import decimals_for, format_pair, format_value, spread_of

NO_ANSWER = (Status.NOT_VALID, Status.INFEASIBLE)
CERTIFIED = (Status.OK, Status.FEWER)


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
        The cells as numbers (ordered categories: their rank); NaN where they are none.
    lower, upper : float
        What fit has seen, or what the result holds where that is unknown; NaN unless the column is drawn on a scale.
    """

    position: int
    name: Any
    before: np.ndarray
    after: np.ndarray
    changed: np.ndarray
    start: np.ndarray
    end: np.ndarray
    lower: float
    upper: float

    @property
    def scaled(self) -> bool:
        """Whether the column has a scale on which its numbers can be drawn."""
        return bool(np.isfinite([self.lower, self.upper]).all())

    @property
    def span(self) -> float:
        return self.upper - self.lower if self.scaled else 0.0

    @property
    def direction(self) -> np.ndarray:
        """1 where the column rises, -1 where it falls, 0 for other changes and none, shape (m,)."""
        moved = self.changed & np.isfinite(self.start) & np.isfinite(self.end)
        return np.where(moved, np.sign(np.nan_to_num(self.end - self.start)), 0).astype(int)

    @property
    def size(self) -> float:
        """Mean size of its changes: share of the scale, 1 for what has none."""
        if not self.scaled or self.span == 0:
            return 1.0
        return float(np.nan_to_num(np.abs(self.end - self.start)[self.changed] / self.span, nan=1.0).mean())

    def pair(self, i: int) -> tuple[str, str]:
        """Old and new cell of counterfactual i in words."""
        return format_pair(self.before[i], self.after[i], self._spread)

    def value(self, i: int) -> str:
        """The old cell in words."""
        return format_value(self.before[i], decimals_for(self._spread, self.before[i]))

    @property
    def range_in_words(self) -> str:
        if not self.scaled:
            return ""
        ends = (float(end) for end in (self.lower, self.upper))
        low, high = (format_value(end, decimals_for(self._spread, end)) for end in ends)
        return f"{low} to {high}"

    @property
    def _spread(self) -> float:
        return self.span or spread_of(self.before, self.after)


def changed_columns(cf: Counterfactuals) -> list[ChangedColumn]:
    """The columns that change somewhere, the most often changed first, then those with the largest changes."""
    changed = cells_differ(cf.original, cf.data)
    found = [_column(cf, j, changed[:, j]) for j in np.flatnonzero(changed.any(axis=0)).tolist()]
    return sorted(found, key=lambda column: (-column.changed.sum(), -column.size, column.position))


def _column(cf: Counterfactuals, j: int, changed: np.ndarray) -> ChangedColumn:
    before, after = column_of(cf.original, j), column_of(cf.data, j)
    ranks = _ranks(before), _ranks(after)
    cells = objects_of(before), objects_of(after)
    start, end = (_numbers(part) if rank is None else rank for part, rank in zip(cells, ranks, strict=True))
    seen = np.concatenate([start, end])
    seen = seen[np.isfinite(seen)]
    known = np.full(2, np.nan) if cf.ranges is None else cf.ranges[j]
    lower = upper = np.nan
    # Where fit tells no range, whole numbers may be codes of categories; what has decimals is a number.
    if ranks[0] is None and seen.size and (np.isfinite(known).all() or cf.ranges is None or (seen % 1 != 0).any()):
        lower, upper = np.nanmin([known[0], seen.min()]), np.nanmax([known[1], seen.max()])
    elif ranks[0] is None:
        start = end = np.full(len(changed), np.nan)
    return ChangedColumn(j, cf.feature_names[j], *cells, changed, start, end, float(lower), float(upper))


def _ranks(column: Column) -> np.ndarray | None:
    """The ranks of a categorical column as float64, NaN where it has no order or a gap; None for other columns."""
    if not (isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype)):
        return None
    codes = column.cat.codes.to_numpy(dtype=float)
    return np.where(codes < 0, np.nan, codes) if column.cat.ordered else np.full(len(codes), np.nan)


def _numbers(cells: np.ndarray) -> np.ndarray:
    """Cells as float64, NaN for all that is no number."""
    if pd.api.types.infer_dtype(cells, skipna=True) not in ("integer", "floating", "mixed-integer-float"):
        return np.full(len(cells), np.nan)
    return pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(dtype=float, na_value=np.nan)


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
