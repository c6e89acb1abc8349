"""What a notebook shows of a result: a table in which changed cells are marked old -> new."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import Any

import pandas as pd

from .._table.cells import free_name, objects_of
from .changes import ComparedColumn
from .rows import AnsweredRows
from .sentences import is_disputed
from .status import Status
from .wording import counted, format_probability, format_value, isolated, row_name, shorten

_ROWS = 20
_COLUMNS = 30
_REPORT = ["row", "target", "rank", "probability", "valid", "plausible", "status"]  # first, to be in sight
# Colours that let the notebook's own ground and ink through, so that they do for light and dark themes. Where a viewer
# drops the style, bold type and arrows are left.
_STYLE = """
.hyconex { overflow-x: auto; }
.hyconex caption { caption-side: top; text-align: start; white-space: nowrap; padding: .3em 0; }
.hyconex table { width: max-content; }
.hyconex th, .hyconex td { max-width: 16em; overflow-wrap: break-word; }
.hyconex td[title] { text-decoration: underline dotted; cursor: help; }
.hyconex .hyconex-changed { background: rgba(240, 170, 0, .3); }
.hyconex .hyconex-same { opacity: .55; }
.hyconex .hyconex-first > td { border-top: 1px solid rgba(128, 128, 128, .6); }
.hyconex td[rowspan] { vertical-align: top; }
"""


def notebook_table(result: AnsweredRows) -> str:
    """Return the first rows of a result as HTML without scripts; every text in it is escaped and cut."""
    head = result[:_ROWS]
    columns, notes = _columns_shown(ComparedColumn.all_of(head, result))
    if len(result) > len(head):
        notes.append(f"... and {len(result) - len(head)} more")
    taken = set(result.feature_names)
    names = [free_name(name, taken) for name in _REPORT] + [column.label for column in columns]
    cells = [[f"<td>{_text(row_name(row))}</td>" for row in head.row_names]]
    cells += [_plain_cells(head.report[name]) for name in _REPORT[1:]]
    cells[:2] = _grouped(head.report, cells[:2])
    cells += [_cells(column) for column in columns]
    header = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    body = "".join(map(_line, zip(*cells, strict=True)))
    notes += _disputed(head) + _intervals(head)
    footer = "".join(f"<p>{escape(note)}</p>" for note in notes)
    table = f"<caption>{_caption(result)}</caption><thead><tr>{header}</tr></thead><tbody>{body}</tbody>"
    return f'<style>{_STYLE}</style><div class="hyconex"><table>{table}</table>{footer}</div>'


def _columns_shown(columns: list[ComparedColumn]) -> tuple[list[ComparedColumn], list[str]]:
    """All columns where they are few, else those that change, as far as there is room; and a note about the rest."""
    if len(columns) <= _COLUMNS:
        return columns, []
    moving = [column for column in columns if column.changed.any()]
    which = "those that change" if len(moving) <= _COLUMNS else f"the first of {len(moving)} that change"
    shown = moving[:_COLUMNS]
    return shown, [f"{len(shown)} of {len(columns)} columns shown: {which}"]


def _caption(result: AnsweredRows) -> str:
    told = f"{counted(len(result), 'counterfactual')} for {counted(result.report['row'].nunique(), 'row')}"
    numbers = {status: int((result.report["status"] == status).sum()) for status in Status}
    outcomes = [f"{number:,} {status}" for status, number in numbers.items() if number]
    told = f"{told}: {', '.join(outcomes)}" if outcomes else told
    lacking = int((result.report["n_lacking"] > 0).sum()) if "n_lacking" in result.report else 0
    queries = "1 query" if lacking == 1 else f"{lacking:,} queries"
    return f"{told}; fewer alternatives than asked for in {queries}" if lacking else told


def _grouped(report: pd.DataFrame, cells: list[list[str]]) -> list[list[str]]:
    """Cells of row and target, each once for all lines of a query that follow each other; none at the others."""
    for keys, column in zip((["row"], ["row", "target"]), cells, strict=True):
        first = (report[keys] != report[keys].shift()).any(axis=1).to_numpy().nonzero()[0].tolist()
        for start, end in pairwise([*first, len(column)]):
            if end > start + 1:
                column[start] = column[start].replace("<td", f'<td rowspan="{end - start}"', 1)
                column[start + 1 : end] = [""] * (end - start - 1)
    return cells


def _line(cells: tuple[str, ...]) -> str:
    """A line of the table; the first one of a row is set off."""
    kind = ' class="hyconex-first"' if cells[0] else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _disputed(head: AnsweredRows) -> list[str]:
    """A note on rows that most second opinions would decide otherwise."""
    lines: list[Any] = head.report.to_dict("records")
    rows = [line["row"] for line in lines if is_disputed(line)]
    named = ", ".join(str(row) for row in dict.fromkeys(rows))
    return [f"Most second opinions predict otherwise for these rows as they are: {named}"] if rows else []


def _intervals(head: AnsweredRows) -> list[str]:
    """A note on what stands in parentheses, where anything does."""
    found = head.intervals
    return [found.note()] if found is not None and found.checked.any() else []


def _text(text: str) -> str:
    return escape(isolated(shorten(text)).encode(errors="replace").decode())  # half of a surrogate pair is no text


def _cells(column: ComparedColumn) -> list[str]:
    cells = [f'<td class="hyconex-same">{_text(column.text(value))}</td>' for value in column.after]
    for i in column.rows:
        old, new = map(_text, column.texts(i))
        within = _text(column.interval_told(i))
        cells[i] = f'<td class="hyconex-changed"><b>{old} &rarr; {new}</b>{within and f" {within}"}</td>'
    return cells


def _plain_cells(column: pd.Series) -> list[str]:
    """Cells of a report column; flags as words, so that no colour is needed to read them, and outcomes explained."""
    if column.name == "status":
        titles = {status: f' title="{escape(status.description)}"' for status in Status}
        return [f"<td{titles.get(value, '')}>{_text(str(value))}</td>" for value in column]
    if column.name == "probability":
        return [f"<td>{_text(format_probability(value))}</td>" for value in column]
    words = {True: "yes", False: "no"} if column.name in ("valid", "plausible") else {}
    return [f"<td>{_text(words.get(value) or format_value(value, 3))}</td>" for value in objects_of(column)]
