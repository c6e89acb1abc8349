"""Where on the way a prediction changes, told behind the steps of a pipeline, in; the same before the steps out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._table.cells import Array, Table, cells_differ, take_rows
from .._table.column_io import is_number, numbers_in, with_values


def tips_before(
    shares: Array,
    rows: Array,
    behind: tuple[Table, Table],
    tables: tuple[Table, Table],
    back: Callable[[Array, Table], Table],
) -> Array:
    """Return the shares of the way (m,), in the user's units where one cell is all that changes.

    A step may bend a column, so that half of the way behind it is not half of the way before it. Where more than one
    cell changes, each may be bent in its own way, and the share stays what it is behind the steps.

    Parameters
    ----------
    shares : ndarray of shape (m,)
        Behind the steps.
    rows : int ndarray of shape (m,)
        What each counterfactual is about.
    behind, tables : pairs of tables of m rows
        Rows before and after, behind the steps and in the columns of the user.
    back : callable
        Maps positions of rows and their changed rows behind the steps to rows in the columns of the user.
    """
    changed, told = cells_differ(*tables), shares.copy()
    at = np.flatnonzero((changed.sum(axis=1) == 1) & (shares > 0) & (shares < 1))
    if not len(at):
        return told
    start, end = (take_rows(table, at) for table in behind)
    between = back(rows[at], _blend(start, end, shares[at]))
    own = changed[at].argmax(axis=1)
    for j in np.unique(own).tolist():
        here = np.flatnonzero(own == j)
        original, data = (take_rows(table, at[here]) for table in tables)
        told[at[here]] = _share(j, original, data, take_rows(between, here))
    return told


def _blend(start: Table, end: Table, shares: Array) -> Table:
    """Return rows on the way: numbers move evenly, all else is exchanged."""
    for k in range(end.shape[1]):
        if is_number(start, k) and is_number(end, k):
            old, new = numbers_in(start, k), numbers_in(end, k)
            moving = np.flatnonzero(np.isfinite(new - old) & (new != old))
            if len(moving):
                end = with_values(end, k, (old + shares * (new - old))[moving], moving)
    return end


def _share(j: int, original: Table, data: Table, between: Table) -> Array:
    """Return how far column j has come; 0 where it holds no numbers: it is exchanged at the start."""
    if not all(is_number(table, j) for table in (original, data, between)):
        return np.zeros(len(data))
    old, new, here = (numbers_in(table, j) for table in (original, data, between))
    way = np.where(np.isfinite(new - old), new - old, np.inf)
    return np.clip(np.where(np.isfinite(way), here - old, 0.0) / way, 0.0, 1.0)
