"""Answers in, tables of them out: as rows, as changes, or side by side; each as text and as typed columns.

Cells that do not change are spelled as in the file. Those that do have as many decimals as the file's own, so that a
column has one format; figures of the report have six.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._table.cells import cells_differ, column_of, free_name
from .._table.units import as_written
from .tables import Table
from .text import is_missing_text, written

_DECIMALS = 6  # of figures of the report
_FIXED = re.compile(r"-?[0-9]*(?:\.([0-9]*))?")


class _Spelled(NamedTuple):
    """The cells of all answers as text (m, d), before and after, and which of them differ."""

    before: np.ndarray
    after: np.ndarray
    changed: np.ndarray

    @classmethod
    def of(cls, cf: Counterfactuals, table: Table) -> _Spelled:
        rows = cf.report["row"].to_numpy()
        changed = cells_differ(cf.original, cf.data)
        before, after = (np.empty(changed.shape, dtype=object) for _ in range(2))
        for j, name in enumerate(cf.feature_names):
            old, new = (as_written(column_of(each, j)) for each in (cf.original, cf.data))
            file = table.cells[str(name)].to_numpy()[rows] if table.is_text else None
            before[:, j] = [written(cell) for cell in old] if file is None else file
            after[:, j] = np.where(changed[:, j], _in_format([*map(written, new)], new, before[:, j]), before[:, j])
        return cls(before, after, changed)


def _in_format(texts: list[str], values: np.ndarray, cells: np.ndarray) -> list[str]:
    """The texts of new values, as the cells of their column are written: with so many decimals, in that case."""
    met = {cell.strip() for cell in cells if not is_missing_text(cell)}
    if any(isinstance(value, bool) for value in values):
        case = next((case for case in (str.lower, str.upper) if met and all(c == case(c) for c in met)), str)
        return [case(text) for text in texts]
    found = [_FIXED.fullmatch(cell) for cell in met]
    if not all(found) or not found:
        return texts
    fewest = min(len(match[1] or "") for match in found if match)
    return [_padded(text, fewest) for text in texts]


def _padded(text: str, decimals: int) -> str:
    """A number with so many decimals at least."""
    match = _FIXED.fullmatch(text)
    if not text or match is None or len(match[1] or "") >= decimals:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}"


def _report_text(column: pd.Series) -> list[str]:
    if pd.api.types.is_float_dtype(column.dtype):
        return ["" if value != value else f"{value:.{_DECIMALS}f}" for value in column]
    return [written(value) for value in column]


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({name: np.asarray(cells, dtype=object) for name, cells in columns.items()}, dtype=object)


def _wide(cf: Counterfactuals, table: Table, extra: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A line for each answer: own columns, report, sentence, cells, and the cells as they were."""
    names = list(map(str, cf.feature_names))
    taken = {*extra, *names}
    report = cf.report.reset_index(drop=True)
    report = report.assign(status=report["status"].astype(str), explanation=cf.explain())
    report.columns = pd.Index([free_name(name, taken) for name in report.columns], dtype=object)
    kept = table.cells[extra].iloc[report[free_name("row", taken)].to_numpy()].reset_index(drop=True)
    originals = _originals(names, {*taken, *report.columns})
    data, original = (_renamed(each, columns) for each, columns in ((cf.data, names), (cf.original, originals)))
    typed = pd.concat([kept, report, data, original], axis=1)
    spelled = _Spelled.of(cf, table)
    text = _frame(
        {name: kept[name] if table.is_text else kept[name].map(written) for name in extra}
        | {name: _report_text(report[name]) for name in report.columns}
        | dict(zip(names, spelled.after.T, strict=True))
        | dict(zip(originals, spelled.before.T, strict=True))
    )
    return text, typed


def _originals(names: list[str], taken: set[str]) -> list[str]:
    """Names for the columns as they were."""
    prefix = "original_"
    while any(prefix + name in taken for name in names):
        prefix = f"cf_{prefix}"
    return [prefix + name for name in names]


def _renamed(data: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return data.reset_index(drop=True).set_axis(pd.Index(names, dtype=object), axis=1)


def _changes(cf: Counterfactuals, table: Table, extra: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A line for each changed cell, and one for an answer that changes none."""
    spelled, changes = _Spelled.of(cf, table), cf.changes()
    at, columns = np.nonzero(spelled.changed)
    unchanged = np.flatnonzero(~spelled.changed.any(1))
    names = ["contribution", *(name for name in ("lowest", "highest", "checked") if name in changes)]
    added = zip(*(_report_text(changes[name]) for name in names), strict=True)
    lines = [
        (i, str(cf.feature_names[j]), spelled.before[i, j], spelled.after[i, j], *more)
        for i, j, more in zip(at.tolist(), columns.tolist(), added, strict=True)
    ]
    empty = [""] * (3 + len(names))
    lines = sorted([*lines, *((i, *empty) for i in unchanged.tolist())], key=lambda line: line[0])
    order = np.array([line[0] for line in lines], dtype=int)
    own = {name: _report_text(cf.report[name].iloc[order]) for name in ("row", "target", "rank", "status")}
    parts = zip(("column", "from", "to", *names), zip(*(line[1:] for line in lines), strict=True), strict=True)
    return _twice(_kept(table, extra, cf.report["row"].iloc[order]) | _free({**own, **dict(parts)}, extra))


def _compare(cf: Counterfactuals, table: Table, extra: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For each row its columns as lines, those that an answer changes: as it is, and each answer beside it."""
    spelled, rows = _Spelled.of(cf, table), cf.report["row"].to_numpy()
    report = {name: _report_text(cf.report[name]) for name in ("target", "probability", "status")}
    names = list(map(str, cf.feature_names))
    most = int(cf.report["row"].value_counts().max())
    lines: list[list[str]] = []
    for row in dict.fromkeys(rows.tolist()):
        at = np.flatnonzero(rows == row)
        before = [written(cf.prediction_before[at[0]]), "", ""]
        for (name, told), now in zip(report.items(), before, strict=True):
            lines.append([str(row), free_name(name, set(names)), now, *(told[i] for i in at)])
        for j in np.flatnonzero(spelled.changed[at].any(0)):
            lines.append([str(row), names[j], spelled.before[at[0], j], *spelled.after[at, j]])
    head = ["row", "column", "now", *map(str, range(1, most + 1))]
    filled = [line + [""] * (len(head) - len(line)) for line in lines]
    columns = dict(zip(head, zip(*filled, strict=True), strict=True))
    own = pd.Series([int(line[0]) for line in lines])
    return _twice(_kept(table, extra, own) | _free(columns, extra))


def _kept(table: Table, extra: list[str], rows: pd.Series) -> dict[str, Any]:
    """The columns of the file that the model does not know, as text."""
    kept = table.cells[extra].iloc[rows.to_numpy()]
    return {name: kept[name].to_numpy() if table.is_text else kept[name].map(written).to_numpy() for name in extra}


def _free(columns: dict[str, Any], extra: list[str]) -> dict[str, Any]:
    return {free_name(name, set(extra)): cells for name, cells in columns.items()}


def _twice(columns: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table whose columns mix numbers and labels is text whatever the kind of file."""
    text = _frame(columns)
    return text, text


#: How answers are laid out: of answers, file and columns to keep, each returns a table as text and with typed columns.
LAYOUTS: dict[str, Callable[[Counterfactuals, Table, list[str]], tuple[pd.DataFrame, pd.DataFrame]]] = {
    "wide": _wide,
    "changes": _changes,
    "compare": _compare,
}
