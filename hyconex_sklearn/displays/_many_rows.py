"""Many rows and what their counterfactuals have in common: the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._answer.status import CERTIFIED, NO_ANSWER, Status
from .._answer.wording import counted, format_share
from ._changes import answers
from ._grid import MOST_PANELS, Cell, PanelGrid
from ._style import QUIET, and_more, class_name, labels_of

_WAYS = {  # colour, hatch, words
    "up": ("#9ecae1", "///", "rises"),
    "down": ("#f4a582", "...", "falls"),
    "other": ("#dddddd", "xxx", "is exchanged"),
}


def draw_shares(cf: Counterfactuals, table: pd.DataFrame, most: int, ax: Any) -> Any:
    """Draw how often at most `most` columns change, the result of `shares`; return the axes."""
    found = answers(cf)
    targets, names = list(found)[:MOST_PANELS], list(dict.fromkeys(table["feature"]))
    notes = and_more(len(names) - most, "column changes", "columns change")
    notes += and_more(len(found) - len(targets), "target, cut off", "targets, cut off")
    if not names:
        notes.append("No column changes.")
    title = f"What the counterfactuals of {counted(cf.report['row'].nunique(), 'row')} change"
    rows = [(label, "") for label in labels_of([cf.words.label(name) for name in names[:most]])]
    headers = [_summary(cf, target, found[target]) for target in targets]
    height = 0.44 if table["exchange"].any() else 0.32
    grid = PanelGrid(ax, title, rows, headers, height, [*notes, "", ""], "CounterfactualDisplay")
    for i, target in enumerate(targets):
        lines = table[table["target"] == target].head(most)
        for j, line in enumerate(lines.to_dict("records")):
            if line["n"]:
                _draw_share(grid, grid.cell(i, j), line)
    _draw_legend(grid, [way for way in _WAYS if table[way].any()])
    return grid.finish()


def _summary(cf: Counterfactuals, target: Any, part: np.ndarray) -> list[str]:
    status = cf.report["status"].astype(str).to_numpy()
    own = (cf.report["target"] == target).to_numpy()
    doubtful = int((~np.isin(status[part], CERTIFIED)).sum())
    rows = cf.report["row"].to_numpy()
    silent = len(set(rows[own & np.isin(status, NO_ANSWER)]) - set(rows[part]))
    already = len(set(rows[own & (status == Status.ALREADY_TARGET)]))
    told = f"of them {doubtful} not certified" if doubtful else "all certified" if len(part) else ""
    left = f"{counted(silent, 'row')} without an answer" if silent else ""
    same = f"{counted(already, 'row')} predicted so already" if already else ""
    lines = (f"to {class_name(target)}", counted(len(part), "counterfactual"), told, left, same)
    return [line for line in lines if line]


def _draw_share(grid: PanelGrid, cell: Cell, line: dict[str, Any]) -> None:
    """A bar and its number; below it what is exchanged most often."""
    width = cell.right - cell.left
    room = 0.8 * width  # the rest is for the number
    left, ax = cell.left, grid.ax
    y = cell.y - 0.08 if line["exchange"] else cell.y
    if line["exchange"]:
        grid.text(left + 0.02, cell.y + 0.12, line["exchange"], width=width, size=7, color=QUIET, va="center")
    ax.plot([left, left], [y - 0.12, y + 0.12], color=QUIET, lw=0.8, zorder=3)
    for way, (colour, hatch, _) in _WAYS.items():
        if line[way] > 0:
            ax.barh(y, room * line[way], 0.19, left=left, color=colour, hatch=hatch, ec="0.2", lw=0.6, zorder=2)
            left += room * line[way]
    total = line["up"] + line["down"] + line["other"]
    grid.text(left + 0.02, y, format_share(total) if total else "never", size=8, va="center")


def _draw_legend(grid: PanelGrid, ways: list[str]) -> None:
    from matplotlib.patches import Patch

    handles = []
    for colour, hatch, words in (_WAYS[way] for way in ways):
        handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="0.2", label=words))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 0), "borderpad": 0}
    grid.ax.legend(handles=handles, ncols=3, fontsize=8, frameon=False, **place)
