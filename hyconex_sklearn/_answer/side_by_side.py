"""A result and one of its rows in, a table of the row beside each of its alternatives out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .changes import ComparedColumn
from .rows import AnsweredRows
from .wording import counted, plain

_SHOWN = 10  # rows


def side_by_side(result: AnsweredRows, row: Any, changed_only: bool) -> pd.DataFrame:
    """Return a line for each column of the table, "now" and an alternative in each column; plain values as objects."""
    rows = result.report["row"]
    if isinstance(row, bool | np.bool_) or np.ndim(row):
        raise TypeError(f"row must be a single value of report['row'], a whole number, got {row!r:.80}.")
    at = np.flatnonzero(rows == row)
    if not len(at):
        _refuse(result, row)
    own = result[at]
    columns = [column for column in ComparedColumn.all_of(own) if column.changed.any() or not changed_only]
    cells = np.empty((len(columns), 1 + len(own)), dtype=object)
    for line, column in zip(cells, columns, strict=True):
        line[0], line[1:] = column.before[0], column.after
    index = pd.Index([column.label for column in columns], dtype=object, name="column")
    return pd.DataFrame(cells, index=index, columns=pd.Index(["now", *_numbered(own)], dtype=object))


def _refuse(result: AnsweredRows, row: Any) -> None:
    """Raise, and tell which rows there are; somebody may have meant the label of one."""
    rows = result.report["row"]
    there = rows.unique().tolist()
    meant = [
        place for place, name in zip(rows.tolist(), result.row_names, strict=True) if name is not pd.NA and name == row
    ]
    hint = f" {row!r} is the label of row {meant[0]}: rows are told by their place in the table." if meant else ""
    shown = f"{counted(len(there), 'row')}: {', '.join(map(repr, there[:_SHOWN]))}{', ...' * (len(there) > _SHOWN)}"
    raise ValueError(f"There is no counterfactual of row {row!r}; the result has those of {shown}.{hint}")


def _numbered(own: AnsweredRows) -> list[str]:
    """Return a heading for each alternative: its number, and its target where there are several."""
    ranks, targets = own.report["rank"].tolist(), own.report["target"].tolist()
    several = own.report["target"].nunique() > 1
    return [
        f"{plain(target)} {rank + 1}" if several else str(rank + 1) for rank, target in zip(ranks, targets, strict=True)
    ]
