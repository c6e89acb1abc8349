"""What a query gives back: counterfactual rows, their certificate, and three ways to read them."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

import numpy as np
import pandas as pd

Table = pd.DataFrame | np.ndarray
Column = pd.Series | np.ndarray

_KEYS = ["row", "target", "rank"]
_HTML_ROWS = 20
_HTML_COLUMNS = 30
_HTML_FLAGS = ["probability", "valid", "plausible", "status"]
_REPR_SENTENCES = 3
_REPR_WIDTH = 200
_CHANGED_STYLE = "font-weight:bold;background:#fff3b0;color:#000"


class Status(StrEnum):
    """Outcome of one counterfactual; compares equal to its plain text, such as ``"ok"``."""

    OK = "ok"
    ALREADY_TARGET = "already_target"
    NOT_VALID = "not_valid"
    IMPLAUSIBLE = "implausible"
    UNSURE = "unsure"
    INFEASIBLE = "infeasible"
    FEWER = "fewer"

    @property
    def description(self) -> str:
        """One plain sentence: what happened, and what to try."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Status.OK: "The row is predicted as the target and meets every demand; nothing to do.",
    Status.ALREADY_TARGET: (
        "The row was predicted as the target before any change, so it came back unchanged; "
        "ask for another target to get a counterfactual."
    ),
    Status.NOT_VALID: (
        "No row was found that is predicted as the target; try search='auto', fewer immutable columns, "
        "wider bounds, or a larger max_changes."
    ),
    Status.IMPLAUSIBLE: (
        "The row is predicted as the target, but it is rarer than the plausibility threshold of that class; "
        "try search='auto', looser rules, or a fit with a larger alpha_plausibility."
    ),
    Status.UNSURE: (
        "The row is predicted as the target and plausible, but the probability or the committee's support that was "
        "asked for is not reached; try search='auto', looser rules, or a lower target_probability."
    ),
    Status.INFEASIBLE: (
        "No row was found that obeys every rule, so the query row came back, unchanged where it could be; "
        "free some immutable columns, widen the bounds, or allow more changes."
    ),
    Status.FEWER: (
        "The row meets every demand, and is the last of fewer alternatives than n_counterfactuals asked for; "
        "try looser rules, or ask for fewer."
    ),
}

_DOUBTS = {
    Status.IMPLAUSIBLE: ", but rows like the changed one are rare",
    Status.UNSURE: ", but less surely than was asked for",
}


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactuals:
    """Counterfactual rows with their certificate; what ``counterfactuals(X)`` returns.

    Has a length, iterates over one-row results, and is cut like an array: by an integer, a slice, a boolean mask
    (``cf[cf.report["valid"]]``) or an array of positions.

    Parameters
    ----------
    data : DataFrame or ndarray of shape (m, d)
        The counterfactual rows, in the container, units, dtypes and categories of the table that was asked about.
    original : DataFrame or ndarray of shape (m, d)
        The query rows, aligned with `data`: a row that has three counterfactuals stands here three times.
    report : DataFrame of m lines
        One line per counterfactual: ``row`` (position in the query table), ``target``, ``rank``, ``prediction``,
        ``probability`` (of the target), ``support`` (share of the committee that agrees), ``valid``, ``plausible``,
        ``feasible``, ``log_density``, ``distance_l1``, ``distance_l2`` (encoded units), ``n_changed``, ``status``.
    feature_names : list of length d
        Names of the columns.
    probability_before : ndarray of shape (m,)
        Probability of the target class for the original row.
    prediction_before : ndarray of shape (m,)
        Predicted label of the original row.

    Notes
    -----
    Tables and arrays are copied, so that later edits of the caller's data leave the result as it was.
    """

    data: Any  # a DataFrame or an ndarray, as X was: a union would make every typed caller ask which
    original: Any
    report: pd.DataFrame
    feature_names: list[Any]
    probability_before: np.ndarray
    prediction_before: np.ndarray

    def __post_init__(self) -> None:
        owned = {
            "data": self.data.copy(),
            "original": self.original.copy(),
            "report": self.report.reset_index(drop=True),  # a copy, too
            "feature_names": list(self.feature_names),
            "probability_before": np.array(self.probability_before),
            "prediction_before": np.array(self.prediction_before),
        }
        _check_aligned(owned)
        for name, value in owned.items():
            object.__setattr__(self, name, value)

    @classmethod
    def adopted(cls, **parts: Any) -> Counterfactuals:
        """Return a result of these parts themselves, which nobody else holds: a large one is not copied again."""
        _check_aligned(parts)
        made = object.__new__(cls)
        for name, value in parts.items():
            object.__setattr__(made, name, value)
        return made

    def __len__(self) -> int:
        return len(self.report)

    def __iter__(self) -> Iterator[Counterfactuals]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, key: Any) -> Counterfactuals:
        rows = row_positions(key, len(self))
        return Counterfactuals(
            data=_take(self.data, rows),
            original=_take(self.original, rows),
            report=self.report.iloc[rows],
            feature_names=self.feature_names,
            probability_before=self.probability_before[rows],
            prediction_before=self.prediction_before[rows],
        )

    def to_frame(self) -> pd.DataFrame:
        """Report and counterfactual rows side by side.

        Returns
        -------
        DataFrame of m lines
            The columns of `report`, then those of `data`. Where a data column has the name of a report column, the
            data column keeps it and the report column is prefixed with ``cf_``.
        """
        taken = set(self.feature_names)
        report = self.report.rename(columns={name: _free_name(name, taken) for name in self.report.columns})
        if isinstance(self.data, pd.DataFrame):
            data = self.data.reset_index(drop=True)
        else:
            data = pd.DataFrame(self.data, columns=pd.Index(self.feature_names))
        return pd.concat([report, data], axis=1)

    def changes(self) -> pd.DataFrame:
        """Every changed cell on a line of its own.

        Returns
        -------
        DataFrame
            Columns ``row``, ``target``, ``rank``, ``feature``, ``from``, ``to``, in the order of the counterfactuals
            and, within one, of the table's columns. ``from`` and ``to`` have dtype object: every value keeps its type.
        """
        long, at = self._changed_cells()
        keys = self.report[_KEYS].iloc[at["position"]].reset_index(drop=True)
        return pd.concat([keys, long], axis=1)

    def explain(self) -> list[str]:
        """One plain sentence per counterfactual.

        Returns
        -------
        list of str, of length m
            Such as ``"age 38 -> 45 would change the prediction from no to yes (probability 0.31 -> 0.64)."``. Numbers
            are rounded to the spread of their column, never so far that two different values look alike.
        """
        parts: list[list[str]] = [[] for _ in range(len(self))]
        long, at = self._changed_cells()
        spreads = {j: _spread(_column(self.original, j), _column(self.data, j)) for j in at["column"].unique()}
        cells = zip(at["position"], at["column"], long["feature"], long["from"], long["to"], strict=True)
        for position, column, feature, before, after in cells:
            old, new = _format_pair(before, after, spreads[column])
            parts[position].append(f"{feature} {old} -> {new}")
        return [self._sentence(position, _join(listed)) for position, listed in enumerate(parts)]

    def to_json(self, *, indent: int | None = None) -> str:
        """The result as JSON text, with plain scalars only; missing and infinite values become ``null``.

        Parameters
        ----------
        indent : int or None, default=None
            Spaces per level, or None for a single line.

        Returns
        -------
        str
            A list of records: the fields of `report`, ``prediction_before``, ``probability_before``, ``changes``
            (``{feature: {"from": ..., "to": ...}}``) and ``counterfactual`` (``{feature: value}``).
        """
        before = {"prediction_before": self.prediction_before, "probability_before": self.probability_before}
        records = _records(self.report.assign(**before))
        for record, row in zip(records, _records(self.data, self.feature_names), strict=True):
            record |= {"changes": {}, "counterfactual": row}
        long, at = self._changed_cells()
        cells = zip(at["position"], long["feature"], long["from"], long["to"], strict=True)
        for position, feature, old, new in cells:
            records[position]["changes"][str(feature)] = {"from": _plain(old), "to": _plain(new)}
        return json.dumps(records, indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        if not len(self):
            return "Counterfactuals: none"
        noun = "counterfactual" if len(self) == 1 else "counterfactuals"
        valid, plausible = (float(self.report[flag].mean()) for flag in ("valid", "plausible"))
        lines = [f"Counterfactuals: {len(self)} {noun}, {valid:.0%} valid, {plausible:.0%} plausible"]
        shown = self[:_REPR_SENTENCES].explain()
        rows = self.report["row"].head(_REPR_SENTENCES)
        lines += [f"  row {row}: {_shorten(text)}" for row, text in zip(rows, shown, strict=True)]
        if len(self) > _REPR_SENTENCES:
            lines.append(f"  ... and {len(self) - _REPR_SENTENCES} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = self[:_HTML_ROWS]
        changed = cells_differ(head.original, head.data)  # (rows shown, d)
        columns, notes = list(range(len(self.feature_names))), []
        if len(columns) > _HTML_COLUMNS:
            columns = [j for j in columns if changed[:, j].any()]
            notes.append(f"{len(columns)} of {len(self.feature_names)} columns shown: those that change")
        if len(self) > len(head):
            notes.append(f"... and {len(self) - len(head)} more")
        names = _KEYS + [str(self.feature_names[j]) for j in columns] + _HTML_FLAGS
        cells = [_html_plain(head.report[name]) for name in _KEYS]
        cells += [_html_cells(_column(head.original, j), _column(head.data, j), changed[:, j]) for j in columns]
        cells += [_html_plain(head.report[name]) for name in _HTML_FLAGS]
        header = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(f"<tr>{''.join(line)}</tr>" for line in zip(*cells, strict=True))
        footer = "".join(f"<p>{escape(note)}</p>" for note in notes)
        return f"<div><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>{footer}</div>"

    def _changed_cells(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Changed cells as (feature, from, to), and their places as (position, column)."""
        changed = cells_differ(self.original, self.data)  # (m, d)
        positions, columns = np.nonzero(changed)  # by row, then column
        before, after = np.empty(len(positions), dtype=object), np.empty(len(positions), dtype=object)
        for j in np.flatnonzero(changed.any(axis=0)).tolist():
            here = columns == j
            before[here] = _objects(_column(self.original, j))[changed[:, j]]
            after[here] = _objects(_column(self.data, j))[changed[:, j]]
        names = np.empty(len(self.feature_names), dtype=object)
        names[:] = self.feature_names
        long = {
            "feature": names[columns],
            "from": pd.Series(before, dtype=object),
            "to": pd.Series(after, dtype=object),
        }
        return pd.DataFrame(long), pd.DataFrame({"position": positions, "column": columns})

    def _sentence(self, position: int, changes: str) -> str:
        line = self.report.iloc[position]
        target, status = line["target"], str(line["status"])
        if status == Status.ALREADY_TARGET:
            return f"Already predicted as {target}; nothing to change."
        old, new = (_format_probability(p) for p in (self.probability_before[position], line["probability"]))
        probability = f"(probability {old} -> {new})"
        if not line["valid"] or status in (Status.NOT_VALID, Status.INFEASIBLE):
            if status == Status.INFEASIBLE:
                return f"No row was found that obeys the rules and is predicted as {target} {probability}."
            missed = f"No change was found that makes the prediction {target}"
            attempt = f"the closest attempt, {changes or 'the row itself'}, is predicted as {line['prediction']}"
            return f"{missed}; {attempt} {probability}."
        doubt = _DOUBTS.get(Status(status), "")
        change = (
            f"{changes or 'No change'} would change the prediction from {self.prediction_before[position]} to {target}"
        )
        return f"{change} {probability}{doubt}."


def cells_differ(before: Table, after: Table) -> np.ndarray:
    """Which cells hold different values, shape (m, d); two missing values are the same, and so are 0.0 and -0.0."""
    differs = [values_differ(_column(before, j), _column(after, j)) for j in range(before.shape[1])]
    return np.column_stack(differs) if differs else np.zeros(before.shape, dtype=bool)


def values_differ(before: Column, after: Column) -> np.ndarray:
    """Which entries of two columns differ, shape (m,), whatever the dtypes."""
    if all(isinstance(c.dtype, np.dtype) and c.dtype.kind in "biuf" for c in (before, after)):
        left, right = np.asarray(before), np.asarray(after)
        return (left != right) & ~((left != left) & (right != right))
    left, right = _objects(before), _objects(after)
    gone_left, gone_right = np.asarray(pd.isna(left)), np.asarray(pd.isna(right))
    differs = gone_left != gone_right
    both = ~(gone_left | gone_right)  # missing markers such as pd.NA refuse a comparison
    with np.errstate(over="ignore"):  # a narrow float among objects, beside a number that it can't hold
        differs[both] = np.asarray(left[both] != right[both], dtype=bool)
    return differs


def _check_aligned(parts: dict[str, Any]) -> None:
    m = len(parts["report"])
    for name in ("data", "original", "probability_before", "prediction_before"):
        if len(parts[name]) != m:
            got = len(parts[name])
            raise ValueError(f"{name} has {got} rows, but report has {m}; give one row per counterfactual.")
    d = len(parts["feature_names"])
    for name in ("data", "original"):
        if parts[name].ndim != 2 or parts[name].shape[1] != d:
            got = parts[name].shape
            raise ValueError(f"{name} has shape {got}, but there are {d} feature names; give shape ({m}, {d}).")


def row_positions(key: Any, m: int) -> np.ndarray:
    """Positions (-m to m-1) that an integer, slice, boolean mask or integer array stands for."""
    if isinstance(key, slice):
        return np.arange(m)[key]
    if not isinstance(key, (bool, np.bool_)) and hasattr(type(key), "__index__") and np.ndim(key) == 0:
        positions = np.array([operator.index(key)])
    else:
        positions = _array_positions(key, m)
    outside = (positions < -m) | (positions >= m)
    if outside.any():
        raise IndexError(f"Position {positions[outside][0]} is out of range; expected -{m} to {m - 1}.")
    return positions


def _array_positions(key: Any, m: int) -> np.ndarray:
    array = np.asarray(key)
    if array.ndim == 1 and array.dtype == object and len(array) and all(isinstance(v, (bool, np.bool_)) for v in array):
        array = array.astype(bool)  # a nullable mask without gaps
    if array.ndim == 1 and array.dtype == bool:
        if len(array) != m:
            raise IndexError(f"The mask has {len(array)} entries; expected {m}, one per counterfactual.")
        return np.flatnonzero(array)
    if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
        return array.astype(np.intp)
    raise TypeError(
        f"Counterfactuals are cut by an integer, a slice, a boolean mask or an array of positions; got {key!r:.80}."
    )


def _take(table: Table, rows: np.ndarray) -> Table:
    return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def _column(table: Table, j: int) -> Column:
    return table.iloc[:, j] if isinstance(table, pd.DataFrame) else table[:, j]


def _objects(column: Column) -> np.ndarray:
    """The column as plain Python objects, shape (m,)."""
    return column.to_numpy(dtype=object) if isinstance(column, pd.Series) else column.astype(object)


def _free_name(name: str, taken: set[Any]) -> str:
    while name in taken:
        name = f"cf_{name}"
    return name


def _join(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _shorten(text: str) -> str:
    return text if len(text) <= _REPR_WIDTH else text[: _REPR_WIDTH - 3] + "..."


def _spread(*columns: Column) -> float:
    """Largest minus smallest finite number of float columns; 0.0 where there is none, or for other dtypes."""
    if not all(pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == object for column in columns):
        return 0.0
    joined = np.concatenate([_objects(column) for column in columns])
    try:
        series = pd.to_numeric(pd.Series(joined, dtype=object), errors="coerce")
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
    except OverflowError:  # labels that are integers beyond float64
        return 0.0
    finite = numbers[np.isfinite(numbers)]
    return float(finite.max()) - float(finite.min()) if finite.size else 0.0


def _is_missing(value: Any) -> bool:
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    return value is None or value is pd.NA or value is pd.NaT


def _decimals(spread: float, *values: Any) -> int:
    """Decimals that show about four digits of `spread`, or of the largest value where all values are the same."""
    if not 0 < spread < math.inf:
        spread = max((abs(v) for v in values if isinstance(v, float) and math.isfinite(v)), default=1.0) or 1.0
    return min(max(3 - math.floor(math.log10(spread)), 0), 17)


def _format_pair(before: Any, after: Any, spread: float) -> tuple[str, str]:
    """Both values as text, rounded to the spread of their column, with more digits where they would look alike."""
    first = _decimals(spread, before, after)
    for decimals in range(first, 18):
        old, new = _format(before, decimals), _format(after, decimals)
        if old != new:
            return old, new
    if str(before) != str(after):  # neighbouring floats
        return str(before), str(after)
    if repr(before) != repr(after):  # 1 and "1"
        return repr(before), repr(after)
    return _format(before, first), _format(after, first)


def _format_probability(probability: float) -> str:
    """Two decimals, and never a certainty that is none."""
    if 0 < probability < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= probability < 1 else f"{probability:.2f}"


def _format(value: Any, decimals: int) -> str:
    if _is_missing(value):
        return "missing"
    if isinstance(value, np.floating):
        value = float(value)
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    if decimals > 8 or abs(value) >= 1e15:  # fixed point would be a row of zeros
        return f"{value:.{max(decimals - 4, 4)}g}"
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _plain(value: Any) -> Any:
    """A scalar that JSON knows, None for missing and infinite values."""
    if _is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float)) else str(value)


def _records(table: Table, names: Sequence[Any] | None = None) -> list[dict[str, Any]]:
    names = list(table.columns) if names is None and isinstance(table, pd.DataFrame) else names or []
    columns = [[_plain(value) for value in _objects(_column(table, j))] for j in range(len(names))]
    keys = [str(name) for name in names]
    return [dict(zip(keys, (column[i] for column in columns), strict=True)) for i in range(len(table))]


def _html_cells(before: Column, after: Column, changed: np.ndarray) -> list[str]:
    spread, cells = _spread(before, after), []
    for old, new, differs in zip(_objects(before), _objects(after), changed, strict=True):
        if differs:
            left, right = (escape(text) for text in _format_pair(old, new, spread))
            cells.append(f'<td class="hyconex-changed" style="{_CHANGED_STYLE}">{left} &rarr; {right}</td>')
        else:
            cells.append(f"<td>{escape(_format(new, _decimals(spread, new)))}</td>")
    return cells


def _html_plain(column: pd.Series) -> list[str]:
    """Cells of a report column; flags as words, so that no colour is needed to read them."""
    words = {True: "yes", False: "no"} if column.name in ("valid", "plausible") else {}
    return [f"<td>{escape(words.get(value) or _format(value, 3))}</td>" for value in _objects(column)]
