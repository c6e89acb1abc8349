"""One row and its counterfactuals side by side: the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._answer.counterfactuals import Counterfactuals
from .._answer.status import CERTIFIED, Status
from .._answer.wording import format_probability, row_name
from ._changes import ChangedColumn, changed_columns
from ._grid import MOST_PANELS, Cell, PanelGrid
from ._style import BLUE, QUIET, VERMILLION, and_more, class_name, labels_of, shorten_middle

_WORDS = {
    Status.OK: "certified",
    Status.FEWER: "certified, and the last that was found",
    Status.UNSURE: "not certified: less sure than it should be",
    Status.IMPLAUSIBLE: "not certified: such rows are rare",
    Status.NOT_VALID: "no answer: predicted {prediction}",
    Status.INFEASIBLE: "no answer obeys the rules",
    Status.ALREADY_TARGET: "predicted so already",
}


def draw_row(cf: Counterfactuals, most: int, ax: Any) -> Any:
    """Draw the counterfactuals of one row and at most `most` columns; return the axes."""
    columns = changed_columns(cf)
    panels, shown = min(len(cf), MOST_PANELS), columns[:most]
    notes = and_more(len(columns) - most, "column changes", "columns change")
    notes += and_more(len(cf) - panels, "counterfactual, cut off", "counterfactuals, cut off")
    if not columns:
        notes.append("No column changes.")
    scaled = [column for column in shown if column.scaled]
    if scaled:
        notes.append(f"○ as it is   ▶ ◀ as it would be, on the range that {_span_in_words(scaled)}")
        if any(column.seen for column in scaled) and any(c.seen != c.scale for c in scaled):
            notes.append("thick line: what fit has seen")
        if not cf.report["status"].iloc[:panels].isin([*CERTIFIED, Status.ALREADY_TARGET]).all():
            notes.append("dotted: not certified")
    name = shorten_middle(row_name(cf.row_names[0]), 30)
    title = f"Row {name}, predicted {shorten_middle(class_name(cf.prediction_before[0]), 30)}"
    labels = labels_of([column.label for column in shown])
    rows = [(label, _detail(column, scaled)) for label, column in zip(labels, shown, strict=True)]
    grid = PanelGrid(ax, title, rows, [_header(cf, i) for i in range(panels)], 0.5, notes, "CounterfactualDisplay")
    for i in range(panels):
        certified = cf.report["status"].iloc[i] in CERTIFIED
        for j, column in enumerate(shown):
            _draw_cell(grid, grid.cell(i, j), column, i, certified)
    return grid.finish()


def _span_in_words(scaled: list[ChangedColumn]) -> str:
    if all(column.seen for column in scaled):
        return "fit has seen"
    return "fit has seen, or else these cells span" if any(column.seen for column in scaled) else "these cells span"


def _detail(column: ChangedColumn, scaled: list[ChangedColumn]) -> str:
    """The range in words; of cells only, it says so where other columns have one that fit has seen."""
    mark = "cells: " if column.scaled and not column.seen and any(other.seen for other in scaled) else ""
    return f"{mark}{column.range_in_words}"


def _header(cf: Counterfactuals, i: int) -> list[str]:
    line = cf.report.iloc[i]
    several_of_target = (cf.report["target"] == line["target"]).sum() > 1
    rank = f", alternative {line['rank'] + 1}" if several_of_target else ""
    old, new = (format_probability(p) for p in (cf.probability_before[i], line["probability"]))
    words = _WORDS[Status(line["status"])].format(prediction=class_name(line["prediction"]))
    return [f"to {class_name(line['target'])}{rank}", f"probability {old} → {new}", words]


def _draw_cell(grid: PanelGrid, cell: Cell, column: ChangedColumn, i: int, certified: bool) -> None:
    width = cell.right - cell.left
    if not column.changed[i]:
        tone: dict[str, Any] = {"color": QUIET, "size": 8, "width": width}
        on_scale = column.scaled and np.isfinite(column.numbers[0][i])
        grid.text(cell.left, cell.y - 0.09 * on_scale, column.text(column.before[i]), va="center", **tone)
        if on_scale:
            _draw_track(grid, cell, column, i, certified)
        return
    old, new = column.texts(i)
    on_scale = column.scaled and np.isfinite(column.numbers[1][i])

    def write(most: int) -> str:
        # A pair that is too long for one line stands on two, if no track needs the second.
        arrow = " → " if on_scale or most >= len(old) + len(new) + 3 else " →\n"
        part = max(3, (most - 3) // 2) if arrow == " → " else most
        return f"{shorten_middle(old, part)}{arrow}{shorten_middle(new, part)}" if most < 10_000 else f"{old} → {new}"

    grid.text(cell.left, cell.y - 0.09 * on_scale, write, width=width, size=8, va="center", linespacing=1.0)
    if on_scale:
        _draw_track(grid, cell, column, i, certified)


def _draw_track(grid: PanelGrid, cell: Cell, column: ChangedColumn, i: int, certified: bool) -> None:
    """A grey line, thick where fit has seen numbers, the old value as a circle, the new one as a triangle."""
    start, end = (numbers[i] for numbers in column.numbers)

    def place(value: float) -> float:
        share = (value - column.scale[0]) / column.span if column.span else 0.5
        return cell.left + share * (cell.right - cell.left)

    y, ax = cell.y + 0.12, grid.ax
    line: dict[str, Any] = {"color": "0.75", "solid_capstyle": "butt", "zorder": 1}
    ax.plot([cell.left, cell.right], [y, y], lw=0.8, **line)
    if column.seen:  # thick; where cells leave it, the thin line goes on
        low, high = map(place, column.seen) if column.span else (cell.left, cell.right)
        ax.plot([low, high], [y, y], lw=3.2, **line)
    known = np.isfinite(start)
    if column.changed[i]:
        rises = column.direction[i] > 0
        colour = QUIET if not known else BLUE if rises else VERMILLION
        if known:
            ax.plot([place(start), place(end)], [y, y], color=colour, lw=2.2, ls="-" if certified else ":", zorder=2)
        marker = "D" if not known else ">" if rises else "<"
        ax.plot([place(end)], [y], marker=marker, ms=6.5, color=colour, mec="black", mew=0.4, ls="none", zorder=4)
    if known:
        tone = "black" if column.changed[i] else QUIET
        ax.plot([place(start)], [y], marker="o", ms=5, mfc="white", mec=tone, ls="none", zorder=3)
