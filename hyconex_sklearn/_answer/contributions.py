"""Rows before and after in, what each changed cell adds to the log-odds of the target on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import logsumexp

from .._common.runtime import chunks
from .._table.cells import Array, Table, take_rows, values_differ

_EXACT = 6  # changed columns of which all orders are walked: they share 64 rows
_ORDERS = 4  # of more columns; each is also walked backwards, so that no column always comes first
_MANY = 100  # columns from which on one order and its reverse have to do: each takes a row for every column
_CELLS = 500_000  # of the rows between that are asked about at once


class LogProba(NamedTuple):
    """What a result keeps of the classifier that gave it: logarithms of its probabilities (n, K) of any such table."""

    of: Callable[[Table], Array]
    classes: Array  # (K,), labels

    def log_odds(self, table: Table, target: Array) -> Array:
        """Return log p / (1 - p) of the class of number `target` (n,) for each row, float64 (n,)."""
        told = np.asarray(self.of(table), dtype=np.float64)
        rows = np.arange(len(told))
        own = told[rows, target]
        others = np.array(told)
        others[rows, target] = -np.inf
        return own - logsumexp(others, axis=1)


def contributions(
    log_proba: LogProba, original: Table, data: Table, changed: Array, targets: Sequence[Any]
) -> np.ndarray:
    """Return what each changed cell adds to the log-odds of the row's target, float64 (m, d).

    Shapley values over the changed columns: their cells are exchanged one after the other, and a cell adds what the
    log-odds gain at its exchange, averaged over orders. Whatever the orders, the cells of a row sum to the log-odds
    after minus those before.

    Parameters
    ----------
    log_proba : LogProba
    original, data : tables of shape (m, d)
        Rows before and after.
    changed : bool ndarray of shape (m, d)
        Which cells differ.
    targets : sequence of length m
        Labels; a row whose target is none of the classes gets NaN.

    Returns
    -------
    ndarray of shape (m, d)
        NaN where nothing changes.
    """
    known = {label: k for k, label in enumerate(log_proba.classes.tolist())}
    target = np.array([known.get(label, -1) for label in targets], dtype=np.intp)
    added, counts = np.full(changed.shape, np.nan), np.where(target < 0, 0, changed.sum(1))
    for count in np.unique(counts[counts > 0]).tolist():
        walk, rows = _Walk.over(count), np.flatnonzero(counts == count)
        for part in chunks(len(rows), max(1, _CELLS // (len(walk.sets) * changed.shape[1]))):
            at = rows[part]
            columns = np.nonzero(changed[at])[1].reshape(len(at), count)
            between = _Between(take_rows(original, at), take_rows(data, at), columns, walk.sets)
            added[at[:, None], columns] = walk.gains(between.log_odds(log_proba, target[at]))
    return added


class _Walk(NamedTuple):
    """Ways from no changed column to all c of them: the sets that they pass, and what each tells of a column's gain."""

    sets: Array  # (s, c), bool
    weights: csr_array  # (c, s)

    @classmethod
    def over(cls, n_columns: int) -> _Walk:
        """Return all ways over a few columns, a fixed sample of those over many."""
        if n_columns <= _EXACT:
            orders = np.array(list(permutations(range(n_columns))))
        else:
            rng = np.random.default_rng(0)
            orders = np.stack([rng.permutation(n_columns) for _ in range(_ORDERS if n_columns <= _MANY else 1)])
            orders = np.concatenate([orders, orders[:, ::-1]])
        ranks = orders.argsort(1)
        passed = ranks[:, None, :] < np.arange(n_columns + 1)[:, None]  # (orders, steps, c)
        sets, number = np.unique(passed.reshape(-1, n_columns), axis=0, return_inverse=True)
        number = number.reshape(passed.shape[:2])
        without, joined = (np.take_along_axis(number, at, 1) for at in (ranks, ranks + 1))  # (orders, c)
        signs = np.repeat([-1.0, 1.0], orders.size) / len(orders)
        column = np.tile(np.arange(n_columns), 2 * len(orders))
        places = (column, np.concatenate([without.ravel(), joined.ravel()]))
        return cls(sets, csr_array((signs, places), shape=(n_columns, len(sets))))

    def gains(self, values: Array) -> Array:
        """Return what each column gains on average (n, c), of the values of all sets (n, s)."""
        return np.asarray((self.weights @ values.T).T)


class _Between(NamedTuple):
    """Rows between n originals and their counterfactuals: for each set of its changed columns, those are exchanged."""

    original: Table
    data: Table
    columns: Array  # (n, c), positions of the changed columns
    sets: Array  # (s, c), bool

    def log_odds(self, log_proba: LogProba, target: Array) -> Array:
        """Return the log-odds of each row's target in each of its sets (n, s)."""
        told = np.empty(len(self.columns) * len(self.sets))
        for part in chunks(len(told), max(1, _CELLS // self.data.shape[1])):
            row, chosen = np.divmod(np.arange(part.start, part.stop), len(self.sets))
            told[part] = log_proba.log_odds(self._table(row, chosen), target[row])
        return told.reshape(len(self.columns), len(self.sets))

    def _table(self, row: Array, chosen: Array) -> Table:
        """Return a table of rows, each between an original and its counterfactual."""
        back = np.zeros((len(row), self.data.shape[1]), dtype=bool)  # cells that are still the original's
        back[np.arange(len(row))[:, None], self.columns[row]] = ~self.sets[chosen]
        before, after = self.original, self.data
        if not (isinstance(before, pd.DataFrame) and isinstance(after, pd.DataFrame)):
            return np.where(back, np.asarray(before)[row], np.asarray(after)[row])
        columns = (_mixed(before.iloc[:, j], after.iloc[:, j], row, back[:, j]) for j in range(after.shape[1]))
        table = pd.DataFrame(dict(enumerate(columns)), copy=False)
        table.columns = after.columns
        return table


def _mixed(before: pd.Series, after: pd.Series, row: Array, back: Array) -> pd.Series:
    """Return a column's cells `row`, those before where `back` holds and those after elsewhere."""
    if not back.any():
        cells = after.iloc[row]
    else:
        cells = pd.concat(_alike(before, after), ignore_index=True).iloc[np.where(back, row, row + len(before))]
    return cells.set_axis(pd.RangeIndex(len(cells)))  # reset_index would look again into what objects are


def _alike(before: pd.Series, after: pd.Series) -> list[pd.Series]:
    """Return both columns in the dtype of the later one, which may be wider; where it can't hold both, as objects."""
    cast = before if before.dtype == after.dtype else _cast(before, after.dtype)
    return [before.astype(object), after.astype(object)] if cast is None else [cast, after]


def _cast(column: pd.Series, dtype: Any) -> pd.Series | None:
    """Return a column in another dtype; None where that can't hold it."""
    if isinstance(dtype, pd.CategoricalDtype) and not column.dropna().isin(dtype.categories).all():
        return None
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError):
        return None
    return None if values_differ(column, cast).any() else cast
