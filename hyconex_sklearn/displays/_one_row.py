"""One row and its counterfactuals side by side: the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._result import Counterfactuals
from .._status import Status
from .._wording import format_probability
from ._changes import CERTIFIED, ChangedColumn, changed_columns
from ._grid import MOST_PANELS, Cell, PanelGrid
from ._style import BLUE, QUIET, VERMILLION, and_more, class_name, labels_of, plain, shorten_middle

_WORDS = {
    Status.OK: "certified",
    Status.FEWER: "certified, and the last that was found",
    Status.UNSURE: "not certified: less sure than asked",
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
    if any(column.scaled for column in shown):
        span = "these cells span" if cf.ranges is None else "fit has seen"
        notes.append(f"○ as it is   ▶ ◀ as it would be, on the range that {span}")
        if not cf.report["status"].iloc[:panels].isin([*CERTIFIED, Status.ALREADY_TARGET]).all():
            notes.append("dotted: not certified")
    title = f"Row {cf.report['row'].iloc[0]}, predicted {shorten_middle(class_name(cf.prediction_before[0]), 30)}"
    labels = labels_of([column.name for column in shown])
    rows = [(label, column.range_in_words) for label, column in zip(labels, shown, strict=True)]
    grid = PanelGrid(ax, title, rows, [_header(cf, i) for i in range(panels)], 0.5, notes, "CounterfactualDisplay")
    for i in range(panels):
        certified = cf.report["status"].iloc[i] in CERTIFIED
        for j, column in enumerate(shown):
            _draw_cell(grid, grid.cell(i, j), column, i, certified)
    return grid.finish()


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
        on_scale = column.scaled and np.isfinite(column.start[i])
        grid.text(cell.left, cell.y - 0.09 * on_scale, plain(column.value(i)), va="center", **tone)
        if on_scale:
            _draw_track(grid, cell, column, column.start[i], None, certified)
        return
    old, new = (plain(text) for text in column.pair(i))
    on_scale = column.scaled and np.isfinite(column.end[i])

    def write(most: int) -> str:
        # A pair that is too long for one line stands on two, if no track needs the second.
        arrow = " → " if on_scale or most >= len(old) + len(new) + 3 else " →\n"
        part = max(3, (most - 3) // 2) if arrow == " → " else most
        return f"{shorten_middle(old, part)}{arrow}{shorten_middle(new, part)}" if most < 10_000 else f"{old} → {new}"

    grid.text(cell.left, cell.y - 0.09 * on_scale, write, width=width, size=8, va="center", linespacing=1.0)
    if on_scale:
        _draw_track(grid, cell, column, column.start[i], column.end[i], certified)


def _draw_track(
    grid: PanelGrid, cell: Cell, column: ChangedColumn, start: float, end: float | None, certified: bool
) -> None:
    """The range as a grey line, the old value as a circle, the new one as a triangle that points the way."""

    def place(value: float) -> float:
        share = (value - column.lower) / column.span if column.span else 0.5
        return cell.left + share * (cell.right - cell.left)

    y, ax = cell.y + 0.12, grid.ax
    ax.plot([cell.left, cell.right], [y, y], color="0.75", lw=1.5, solid_capstyle="butt", zorder=1)
    known = np.isfinite(start)
    if end is not None:
        rises = end > start
        colour = QUIET if not known else BLUE if rises else VERMILLION
        if known:
            ax.plot([place(start), place(end)], [y, y], color=colour, lw=2.2, ls="-" if certified else ":", zorder=2)
        marker = "D" if not known else ">" if rises else "<"
        ax.plot([place(end)], [y], marker=marker, ms=6.5, color=colour, mec="black", mew=0.4, ls="none", zorder=4)
    if known:
        tone = "black" if end is not None else QUIET
        ax.plot([place(start)], [y], marker="o", ms=5, mfc="white", mec=tone, ls="none", zorder=3)
