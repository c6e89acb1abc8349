"""What a user says of each row by its label in, plain data that waits for a table out, and its place in the table.

Rules are made before there is a table, so that a Series or a DataFrame in them is kept with its labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .._common.messages import listing
from .cells import Table
from .row_labels import row_places


@dataclass(frozen=True)
class Labelled:
    """Values by the labels of rows, as plain Python; a mask has one for each column, too.

    Without labels of rows, as tables of polars are, they stand in the order of X.
    """

    rows: tuple[Any, ...]
    cells: tuple[Any, ...]  # of each row a value, or a tuple of bools
    columns: tuple[Any, ...] = ()  # of a mask

    def described(self) -> dict[str, list[Any]]:
        """As lists by name, as `read_labelled` takes them."""
        parts = {"rows": self.rows, "columns": self.columns, "cells": self.cells}
        return {name: [list(v) if isinstance(v, tuple) else v for v in part] for name, part in parts.items() if part}

    def values(self, X: Table, what: str) -> tuple[Any, ...]:
        """The values of each row of X, in its order."""
        if not self.rows and self.cells:
            if len(self.cells) != len(X):
                raise ValueError(f"{what} has {len(self.cells)} rows, but X has {len(X)}; give one for each row of X.")
            return self.cells
        index = pd.Index(list(self.rows), tupleize_cols=True)
        return tuple(self.cells[place] for place in row_places(index, X, what))

    def mask(self, X: Table, names: tuple[Any, ...], what: str) -> tuple[tuple[bool, ...], ...]:
        """The mask of the rows of X and of the columns `names`, in their order."""
        if set(names) != set(self.columns):
            raise ValueError(
                f"{what} is a mask of the columns {listing(self.columns)}, but X has the columns {listing(names)}. "
                "Pass one bool per row and column of X, under its name."
            )
        order = [self.columns.index(name) for name in names]
        return tuple(tuple(row[j] for j in order) for row in self.values(X, what))


def read_labelled(value: Any, plain: Callable[[Any], Any]) -> Labelled | None:
    """A Series, a DataFrame, or what `Labelled.described` gave, as plain data; None for anything else."""
    if isinstance(value, Labelled):
        return value
    if isinstance(value, pd.Series):
        return Labelled(plain(value.index), plain(value))
    if isinstance(value, pd.DataFrame):
        return Labelled(plain(value.index), tuple(map(plain, _rows(value))), plain(value.columns))
    if (
        isinstance(value, Mapping)
        and "cells" in value
        and len(value) > 1
        and set(value) <= {"rows", "cells", "columns"}
    ):
        parts = {"rows": (), **{name: plain(part) for name, part in value.items()}}
        whole = all(isinstance(part, tuple) for part in parts.values())
        if whole and len(parts["rows"]) in (0, len(parts["cells"])):
            return Labelled(**parts)
    return None


def without_row_labels(mask: pd.DataFrame) -> dict[str, Any]:
    """A table whose rows have no labels of their own, as `read_labelled` takes it."""
    return {"cells": _rows(mask), "columns": mask.columns.tolist()}


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    return frame.astype(object).to_numpy().tolist()


def placed(rules: Any, X: Table, names: tuple[Any, ...]) -> Any:
    """Rules (`Actionability`) in which all that is said of each row stands in the order of X and of its columns."""
    found: dict[str, Any] = {}
    for rule in ("immutable", "mutable"):
        said = getattr(rules, rule)
        if isinstance(said, Labelled):
            found[rule] = np.array(said.mask(X, names, rule), dtype=bool)
    if any(isinstance(side, Labelled) for pair in (rules.bounds or {}).values() for side in pair):
        found["bounds"] = {
            column: tuple(
                side.values(X, f"bounds[{column!r}]") if isinstance(side, Labelled) else side for side in pair
            )
            for column, pair in rules.bounds.items()
        }
    return replace(rules, **found) if found else rules
