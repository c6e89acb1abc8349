"""Rows that came back through the steps in, the same rows on each column's own grid out.

Behind a scaler whole numbers are whole no more, so that 1.58 children come back. What a column's cells can be is read
off the table that was asked about, and off the numbers that fit has seen: decimals, hundreds, six months. A rule on the
numbers of a column takes the place of that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .._table.cells import Array, Table, cells_differ
from .._table.column_io import kind_in, numbers_in, own_cells, with_values
from .._table.grid import Grid, Steps, onward
from .._table.learn_column import decimals_of, multiple_of

#: Relative noise of numbers that went through steps and back.
_NOISE = 1e-11
#: Units of the last decimal that a number may be off its grid by such noise; share of the way to the next listed one.
_SLACK, _LISTED_SLACK = 0.05, 1e-6

#: Between which numbers the cells of a column may lie, by its number: low and high (m,).
Limits = Mapping[int, tuple[Array, Array]]


def resolution(X: Table, *seen: Array | None) -> dict[int, Grid]:
    """The grid of all cells of each column of numbers, by its number; none where it is continuous.

    `seen` are numbers that fit has seen in each column, in rows of two, NaN where they are not known.
    """
    found: dict[int, Grid] = {}
    for j in range(X.shape[1]):
        kind = kind_in(X, j)
        if kind not in ("numeric", "integer"):
            continue
        values = np.concatenate([numbers_in(X, j), *(ends[j] for ends in seen if ends is not None)])
        values, dtype = values[np.isfinite(values)], own_cells(X, j).dtype
        digits = float(np.finfo(dtype).eps) if isinstance(dtype, np.dtype) and dtype.kind == "f" else 0.0
        decimals = decimals_of(values, max(_NOISE, 4 * digits)) if values.size else None
        if decimals is not None:
            multiple = multiple_of(values, decimals)
            if kind == "numeric" or multiple > 1:  # whole numbers come back as such anyway
                found[j] = Steps(10.0**decimals, multiple)
    return found


def on_grid(data: Table, original: Table, grids: Mapping[int, Grid], way: Array, limits: Limits) -> Table:
    """The rows with their changed cells rounded: to the nearest on the grid where `way` (m,) is 0, away from the
    original where it is 1, toward it where it is -1; but not beyond the limits of their column.

    A cell is as it was where its grid has no number within these.
    """
    changed, rounded = cells_differ(original, data), data
    for j, grid in grids.items():
        new, own = numbers_in(data, j), numbers_in(original, j)
        steps, home = grid.to_steps(new), grid.to_steps(own)
        slack = _SLACK / grid.multiple if isinstance(grid, Steps) else _LISTED_SLACK
        up, down = np.ceil(steps - slack), np.floor(steps + slack)
        onto, homeward = np.where(steps > home, (up, down), (down, up))
        values = grid.from_steps(np.select([way > 0, way < 0], [onto, homeward], np.rint(steps))) + 0.0
        if j in limits:
            first, last = (onward(grid, end, side) for end, side in zip(limits[j], (1, -1), strict=True))
            values = np.where(first <= last, np.clip(values, first, last), own)
        at = np.flatnonzero(changed[:, j] & np.isfinite(new))
        rounded = with_values(rounded, j, values[at], at) if at.size else rounded
    return rounded
