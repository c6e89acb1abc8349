"""Rows that came back through the steps in, the same rows on each column's own grid of decimals out.

Behind a scaler whole numbers are whole no more, so that 1.58 children come back. What a column's cells can be is read
off the table that was asked about, and off the ends of the range that fit has seen.
"""

from __future__ import annotations

import numpy as np

from .._table.cells import Array, Table, cells_differ
from .._table.column_io import kind_in, numbers_in, own_cells, with_values
from .._table.learn_column import decimals_of

#: Relative noise of numbers that went through steps and back.
_NOISE = 1e-11
#: Steps of a grid that a number may be off it by such noise.
_SLACK = 0.05


def resolution(X: Table, ranges: Array | None) -> dict[int, int]:
    """The fewest decimals that write all cells of a column of floats, by column number; none where it is continuous."""
    found = {}
    for j in range(X.shape[1]):
        if kind_in(X, j) != "numeric":
            continue
        values = np.concatenate([numbers_in(X, j), [] if ranges is None else ranges[j]])
        values, dtype = values[np.isfinite(values)], own_cells(X, j).dtype
        digits = float(np.finfo(dtype).eps) if isinstance(dtype, np.dtype) and dtype.kind == "f" else 0.0
        decimals = decimals_of(values, max(_NOISE, 4 * digits)) if values.size else None
        if decimals is not None:
            found[j] = decimals
    return found


def on_grid(data: Table, original: Table, grid: dict[int, int], way: Array) -> Table:
    """The rows with their changed cells rounded: to the nearest on the grid where `way` (m,) is 0, away from the
    original where it is 1, toward it where it is -1.
    """
    changed, rounded = cells_differ(original, data), data
    for j, decimals in grid.items():
        steps, home = (numbers_in(table, j) * 10.0**decimals for table in (data, original))
        up, down = np.ceil(steps - _SLACK), np.floor(steps + _SLACK)
        onward, homeward = np.where(steps > home, (up, down), (down, up))
        values = np.select([way > 0, way < 0], [onward, homeward], np.rint(steps)) / 10.0**decimals + 0.0
        at = np.flatnonzero(changed[:, j] & np.isfinite(values))
        rounded = with_values(rounded, j, values[at], at) if at.size else rounded
    return rounded
