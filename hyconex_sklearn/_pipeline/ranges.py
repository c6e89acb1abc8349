"""What fit has seen of each column, told in the units of the table that goes into a pipeline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._table.cells import Table, cells_differ, take_rows
from .._table.column_io import is_number, numbers_in, with_values


def ranges_before(
    ranges: np.ndarray | None, table: Table, X: Table, back: Callable[[np.ndarray, Table], Table]
) -> np.ndarray | None:
    """Return the smallest and largest value of each column of X, of which the classifier knows its own columns'.

    The ends of one column at a time are mapped back. Where they move one column of X, and no other column moves that
    one, they become its ends; everywhere else nothing is known.

    Parameters
    ----------
    ranges : ndarray of shape (k, 2), or None
        Of the columns behind the steps, NaN where they have none.
    table, X : tables of shapes (n, k) and (n, d)
        The rows behind the steps and before them; only the first is looked at.
    back : callable
        Maps positions of rows and their changed rows behind the steps to rows in the columns of X.

    Returns
    -------
    ndarray of shape (d, 2), or None
    """
    if ranges is None or not len(X):
        return None
    found = np.full((X.shape[1], 2), np.nan)
    known = [k for k in np.flatnonzero(np.isfinite(ranges).all(axis=1)).tolist() if is_number(table, k)]
    if not known:
        return found
    first = np.zeros(2 * len(known), dtype=int)
    ends = take_rows(table, first)
    for i, k in enumerate(known):
        ends = with_values(ends, k, ranges[k], np.array([2 * i, 2 * i + 1]))
    was, now = take_rows(X, first), back(first, ends)
    touched: np.ndarray = np.any(cells_differ(was, now).reshape(len(known), 2, -1), axis=1)  # (known, d)
    for i, j in zip(*np.nonzero(touched), strict=True):
        if touched[i].sum() == 1 and touched[:, j].sum() == 1 and is_number(now, j):
            seen = numbers_in(now, j)[[2 * i, 2 * i + 1]]
            found[j] = seen.min(), seen.max()
    return found
