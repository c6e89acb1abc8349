"""Counterfactual rows and the rows asked about in, checked to fit together: what all ways to read them start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from .._common.positions import row_positions
from .._table.cells import Table, cells_differ
from .._table.containers import Kind, copied, read_table, rows_in
from .._table.row_labels import row_labels
from .about import About
from .contributions import LogProba, contributions
from .intervals import Intervals
from .words import PLAIN_WORDS, Words

_ENDS = ("ranges", "usual")  # fields with two ends for each column


class _Judged:
    """A result whose classifier can be asked again: no field, since it is no part of what the result says."""

    _log_proba: LogProba | None = None  # None of what was made by hand


@dataclass(frozen=True, eq=False, repr=False)
class AnsweredRows(_Judged):
    """The fields of `Counterfactuals`, which tells what they are: a base class, so that readers need not import it."""

    data: Any  # a table of any library, as X was: a union would make every typed caller ask which
    original: Any
    report: pd.DataFrame
    feature_names: list[Any]
    probability_before: np.ndarray
    prediction_before: np.ndarray
    ranges: np.ndarray | None = None
    usual: np.ndarray | None = None
    about: About | None = None
    words: Words = PLAIN_WORDS
    intervals: Intervals | None = None

    def __post_init__(self) -> None:
        owned = {
            "data": copied(self.data),
            "original": copied(self.original),
            "report": self.report.copy().set_axis(_labels_of(self.data)),
            "feature_names": list(self.feature_names),
            "probability_before": np.array(self.probability_before),
            "prediction_before": np.array(self.prediction_before),
            **{name: _floats(getattr(self, name)) for name in _ENDS},
            "intervals": None if self.intervals is None else self.intervals[:],
        }
        _check_aligned(owned)
        for name, value in owned.items():
            object.__setattr__(self, name, value)

    @classmethod
    def _adopted(cls, **parts: Any) -> Self:
        """Return a result of these parts themselves, which nobody else holds: a large one is not copied again."""
        _check_aligned(parts)
        made = object.__new__(cls)
        parts["report"].index = _labels_of(parts["data"])
        for name, value in parts.items():
            object.__setattr__(made, name, value)
        return made

    def __len__(self) -> int:
        return len(self.report)

    @property
    def row_names(self) -> list[Any]:
        """What to call the query row of each counterfactual: its label, or its position in an array."""
        return list(self.data.index) if isinstance(self.data, pd.DataFrame) else self.report["row"].tolist()

    def __iter__(self) -> Iterator[Self]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, key: Any) -> Self:
        _check_labels(key, row_labels(self.data))
        rows = row_positions(key, len(self))
        cut = replace(
            self,
            data=rows_in(self.data, rows),
            original=rows_in(self.original, rows),
            report=self.report.iloc[rows],
            probability_before=self.probability_before[rows],
            prediction_before=self.prediction_before[rows],
            intervals=None if self.intervals is None else self.intervals[rows],
        )._judged_by(self._log_proba)
        if "_contributions" in vars(self):
            vars(cut)["_contributions"] = self._contributions[rows]
        return cut

    def _judged_by(self, log_proba: LogProba | None) -> Self:
        """Return this result, which now knows its classifier."""
        vars(self)["_log_proba"] = log_proba
        return self

    @cached_property
    def _contributions(self) -> np.ndarray:
        """What each changed cell adds to the log-odds of the target (m, d); NaN elsewhere, and where that is unknown.

        Computed when it is first asked for, with the classifier as it was when it answered.
        """
        if self._log_proba is None:
            return np.full(self.data.shape, np.nan)
        before, after = self._tables
        return contributions(
            self._log_proba, before, after, cells_differ(before, after), self.report["target"].tolist()
        )

    @cached_property
    def _tables(self) -> tuple[Table, Table]:
        """The rows asked about and their counterfactuals as the package reads them: of pandas, or arrays."""
        return read_table(self.original), read_table(self.data)

    def _in_kind(self, kind: Kind, X: Any) -> Self:
        """Return this result with tables of the kind of X, which it was asked about, and with X's own cells."""
        data, original = kind.answered(self.data, self.original, X, self.report["row"].to_numpy())
        if data is self.data:
            return self
        state = {name: value for name, value in vars(self).items() if name not in ("_tables", "data", "original")}
        return self._adopted(data=data, original=original, **state)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles hold the contributions in place of the classifier."""
        state = {name: value for name, value in vars(self).items() if name != "_tables"}
        if state.pop("_log_proba", None) is not None:
            state["_contributions"] = self._contributions
        return state


def _labels_of(data: Table) -> pd.Index:
    """The labels that a report has, so that masks of it fit the data; unnamed, since its columns have names, too."""
    labels = row_labels(data)
    return labels.set_names([None] * labels.nlevels)


def _check_labels(key: Any, labels: pd.Index) -> None:
    """Raise for a mask with other row labels than the result, and for labels in the place of positions."""
    if isinstance(key, pd.Index) and not labels.equals(pd.RangeIndex(len(labels))):
        raise IndexError(
            "A result is cut by positions, got an Index, which holds labels. Take a mask, or the positions: "
            "np.argsort(report[...]), say."
        )
    is_mask = isinstance(key, pd.Series) and len(key) == len(labels) and pd.api.types.infer_dtype(key) == "boolean"
    if is_mask and not key.index.equals(labels):
        raise IndexError(
            "The mask has other row labels than the result, or has them in another order. Take it from `report` or "
            "`data` as they are, or pass an array."
        )


def _check_aligned(parts: dict[str, Any]) -> None:
    m = len(parts["report"])
    for name in ("data", "original", "probability_before", "prediction_before"):
        if len(parts[name]) != m:
            got = len(parts[name])
            raise ValueError(f"{name} has {got} rows, but report has {m}; give one row per counterfactual.")
    d = len(parts["feature_names"])
    for name in ("data", "original"):
        got = parts[name].shape
        if len(got) != 2 or got[1] != d:
            raise ValueError(f"{name} has shape {got}, but there are {d} feature names; give shape ({m}, {d}).")
    for name in _ENDS:
        ends = parts.get(name)
        if ends is not None and ends.shape != (d, 2):
            raise ValueError(f"{name} has shape {ends.shape}; give shape ({d}, 2), a lower and an upper end by column.")
    if parts.get("intervals") is not None:
        parts["intervals"].check(m, d)


def _floats(ends: Any) -> np.ndarray | None:
    return None if ends is None else np.array(ends, dtype=float)
