"""What a notebook shows of a result: a table in which changed cells are marked old -> new."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._cells import Column, cells_differ, column_of, objects_of
from ._wording import decimals_for, format_pair, format_value, spread_of

if TYPE_CHECKING:
    from ._result import Counterfactuals

_ROWS = 20
_COLUMNS = 30
_KEYS = ["row", "target", "rank"]
_FLAGS = ["probability", "valid", "plausible", "status"]
_CHANGED_STYLE = "font-weight:bold;background:#fff3b0;color:#000"


def notebook_table(result: Counterfactuals) -> str:
    """Return the first rows of a result as HTML; every text in it is escaped."""
    head = result[:_ROWS]
    changed = cells_differ(head.original, head.data)  # (rows shown, d)
    columns, notes = list(range(len(result.feature_names))), []
    if len(columns) > _COLUMNS:
        columns = [j for j in columns if changed[:, j].any()]
        notes.append(f"{len(columns)} of {len(result.feature_names)} columns shown: those that change")
    if len(result) > len(head):
        notes.append(f"... and {len(result) - len(head)} more")
    names = _KEYS + [str(result.feature_names[j]) for j in columns] + _FLAGS
    cells = [_plain_cells(head.report[name]) for name in _KEYS]
    cells += [_cells(column_of(head.original, j), column_of(head.data, j), changed[:, j]) for j in columns]
    cells += [_plain_cells(head.report[name]) for name in _FLAGS]
    header = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in zip(*cells, strict=True))
    footer = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<div><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>{footer}</div>"


def _cells(before: Column, after: Column, changed: np.ndarray) -> list[str]:
    spread, cells = spread_of(before, after), []
    for old, new, differs in zip(objects_of(before), objects_of(after), changed, strict=True):
        if differs:
            left, right = (escape(text) for text in format_pair(old, new, spread))
            cells.append(f'<td class="hyconex-changed" style="{_CHANGED_STYLE}">{left} &rarr; {right}</td>')
        else:
            cells.append(f"<td>{escape(format_value(new, decimals_for(spread, new)))}</td>")
    return cells


def _plain_cells(column: pd.Series) -> list[str]:
    """Cells of a report column; flags as words, so that no colour is needed to read them."""
    words = {True: "yes", False: "no"} if column.name in ("valid", "plausible") else {}
    return [f"<td>{escape(words.get(value) or format_value(value, 3))}</td>" for value in objects_of(column)]
