"""Metrics of how far counterfactuals are: from their rows, from one another, from those of almost the same rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from .._table.cells import Array, cells_differ
from .._table.column_io import as_held, own_cells, with_columns, write_cells
from .._table.containers import Kind, read_table
from ._units import Units, aligned, check_option, found_in, labels_1d, number_columns, numbers_in, placed


def l1_distance(X: Any, X_cf: Any, X_train: Any) -> Array:
    """How far the numbers of each row moved in sum.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
        The rows asked about.
    X_cf : DataFrame or ndarray of shape (n, d)
        Their counterfactuals, row by row; a row without any value: none was found.
    X_train : DataFrame or ndarray of shape (m, d)
        Training rows: tell which columns are numbers, and their ranges.

    Returns
    -------
    ndarray of shape (n,)
        In min-max units, from 0 to the number of numeric columns and beyond where a row leaves the training range;
        0 where there are no numbers, NaN where none was found. Lower is closer.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Wachter, Mittelstadt & Russell (2017), Counterfactual explanations without opening the black box.
    """
    difference, units, found = _moved(X, X_cf, X_train)
    return placed(found, difference[:, units.numbers].sum(axis=1)[found])


def l2_distance(X: Any, X_cf: Any, X_train: Any) -> Array:
    """How far the numbers of each row moved as the crow flies.

    Parameters
    ----------
    X, X_cf, X_train : DataFrames or ndarrays
        As of `l1_distance`.

    Returns
    -------
    ndarray of shape (n,)
        Euclidean length in min-max units, >= 0; 0 where there are no numbers, NaN where none was found. Lower is
        closer.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Wachter, Mittelstadt & Russell (2017), Counterfactual explanations without opening the black box.
    """
    difference, units, found = _moved(X, X_cf, X_train)
    return placed(found, np.linalg.norm(difference[:, units.numbers], axis=1)[found])


def hamming_distance(X: Any, X_cf: Any, X_train: Any) -> Array:
    """Share of the category columns of each row that differ.

    Parameters
    ----------
    X, X_cf, X_train : DataFrames or ndarrays
        As of `l1_distance`; every column that is not a number is a category, booleans too.

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1]; 0 where there are no categories, NaN where none was found. Lower is closer.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Hamming (1950), Error detecting and error correcting codes.
    """
    difference, units, found = _moved(X, X_cf, X_train)
    n_categories = max(int((~units.numbers).sum()), 1)
    return placed(found, difference[:, ~units.numbers].sum(axis=1)[found] / n_categories)


def jaccard_distance(X: Any, X_cf: Any, X_train: Any) -> Array:
    """Jaccard distance between the categories of each row, read as sets of (column, level).

    Parameters
    ----------
    X, X_cf, X_train : DataFrames or ndarrays
        As of `l1_distance`; a missing category counts as a level.

    Returns
    -------
    ndarray of shape (n,)
        One minus the share of pairs in either row that are in both, in [0, 1]; 0 where there are no categories, NaN
        where none was found. Lower is closer.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Jaccard (1912), The distribution of the flora in the alpine zone.
    """
    difference, units, found = _moved(X, X_cf, X_train)
    differ = difference[:, ~units.numbers].sum(axis=1)[found]
    either = max(int((~units.numbers).sum()), 1) + differ  # a column that differs has a pair in each row
    return placed(found, 2 * differ / either)


def gower_distance(X: Any, X_cf: Any, X_train: Any) -> Array:
    """Gower distance between each row and its counterfactual: the mean difference over all columns.

    Parameters
    ----------
    X, X_cf, X_train : DataFrames or ndarrays
        As of `l1_distance`.

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1]: numbers count by their difference in min-max units, 1 at most, categories by 0 or 1. NaN where none
        was found. Lower is closer.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Gower (1971), A general coefficient of similarity and some of its properties.
    """
    difference, _, found = _moved(X, X_cf, X_train)
    return placed(found, _gower(difference)[found])


def n_changed(X: Any, X_cf: Any) -> Array:
    """How many columns of each row differ: its sparsity.

    Parameters
    ----------
    X, X_cf : DataFrames or ndarrays
        As of `l1_distance`.

    Returns
    -------
    ndarray of shape (n,)
        Columns, from 0 to d; NaN where none was found. Lower is simpler.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns.

    References
    ----------
    Mothilal, Sharma & Tan (2020), Explaining machine learning classifiers through diverse counterfactual explanations.
    """
    before, after = aligned(X=X, X_cf=X_cf)
    found = found_in(after)
    return placed(found, cells_differ(before, after).sum(axis=1)[found])


def diversity(X: Any, X_cf: Any, X_train: Any, query: Any, *, of: str = "values") -> Array:
    """How different the counterfactuals of one query are: the mean distance over all pairs of them.

    Parameters
    ----------
    X, X_cf, X_train : DataFrames or ndarrays
        As of `l1_distance`; a row of `X` stands there once for each of its counterfactuals.
    query : array-like of shape (n,)
        Which rows of `X_cf` answer the same question.
    of : {"values", "columns"}, default="values"
        Gower distance between the counterfactuals, or Jaccard distance between the sets of columns that they change.

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1], the same for all counterfactuals of a query; NaN for those that were not found and for a query that
        has a single one. Higher is more diverse.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same rows and columns, `query` has another length, or `of` is not known.

    References
    ----------
    Mothilal, Sharma & Tan (2020), Explaining machine learning classifiers through diverse counterfactual explanations.
    """
    check_option("of", of, ("values", "columns"))
    before, after, train = aligned(X=X, X_cf=X_cf, X_train=X_train)
    query = labels_1d(query, "query", len(after), "X_cf")
    codes, _ = pd.factorize(query, use_na_sentinel=False)
    members = pd.Series(codes)[found_in(after)].groupby(codes[found_in(after)]).indices
    rows, changed = np.flatnonzero(found_in(after)), cells_differ(before, after)
    answer, units = np.full(len(after), np.nan), Units.of(train)
    for own in members.values():
        pairs = np.array(list(combinations(rows[own], 2)), dtype=np.intp).reshape(-1, 2)
        if len(pairs) and of == "values":
            one, other = (after.iloc[side].reset_index(drop=True) for side in pairs.T)
            answer[rows[own]] = _gower(units.differences(one, other)).mean()
        elif len(pairs):
            answer[rows[own]] = _jaccard(changed[pairs[:, 0]], changed[pairs[:, 1]]).mean()
    return answer


def stability(
    generate: Callable[[Any], Any], X: Any, X_train: Any, *, noise: float = 0.01, random_state: int = 0
) -> Array:
    """How far a counterfactual moves when its row is disturbed a little.

    Parameters
    ----------
    generate : callable
        Takes rows like `X` and returns their counterfactuals, row by row. Called twice.
    X : DataFrame or ndarray of shape (n, d)
        The rows asked about.
    X_train : DataFrame or ndarray of shape (m, d)
        Training rows.
    noise : float, default=0.01
        Standard deviation of the normal noise, as a share of that of the column in `X_train`. Whole numbers stay whole;
        dtypes and categories stay as they are.
    random_state : int, default=0
        Seed of the noise.

    Returns
    -------
    ndarray of shape (n,)
        Gower distance between the two counterfactuals, in [0, 1]; NaN where either was not found. Lower is steadier.

    Raises
    ------
    TypeError, ValueError
        If the tables don't have the same columns, `generate` does not return one row for each row, or `noise` is
        negative.

    References
    ----------
    Artelt et al. (2021), Evaluating robustness of counterfactual explanations.
    """
    if not noise >= 0:
        raise ValueError(f"noise must be a number >= 0, got {noise!r}. Pass 0.01, for instance.")
    asked, train = aligned(X=X, X_train=X_train)
    disturbed = Kind.of(X).written(_disturbed(read_table(X), asked, train, noise, np.random.default_rng(random_state)))
    _, first, second = aligned(X=asked, **{"generate(X)": generate(X), "generate(X + noise)": generate(disturbed)})
    found = found_in(first) & found_in(second)
    return placed(found, _gower(Units.of(train).differences(first, second))[found])


def _moved(X: Any, X_cf: Any, X_train: Any) -> tuple[Array, Units, Array]:
    """Differences (n, d), the units that they are told in, and which rows were found."""
    before, after, train = aligned(X=X, X_cf=X_cf, X_train=X_train)
    units = Units.of(train)
    return units.differences(before, after), units, found_in(after)


def _gower(difference: Array) -> Array:
    return np.minimum(difference, 1).mean(axis=1)


def _jaccard(left: Array, right: Array) -> Array:
    """Jaccard distance between sets, told by masks (n, d); two empty ones are the same."""
    either = (left | right).sum(axis=1)
    return 1 - np.where(either > 0, (left & right).sum(axis=1) / np.maximum(either, 1), 1.0)


def _disturbed(X: Any, asked: pd.DataFrame, train: pd.DataFrame, noise: float, rng: np.random.Generator) -> Any:
    """X with noise on its numbers, in its own container and dtypes; what is missing stays so."""
    numbers = number_columns(train)
    values, seen = numbers_in(asked, numbers), numbers_in(train, numbers)
    seen[~np.isfinite(seen)] = np.nan
    spread = pd.DataFrame(seen).std(ddof=0).fillna(0.0).to_numpy()
    moved = values + rng.normal(size=values.shape) * noise * spread
    whole = (np.nan_to_num(seen) % 1 == 0).all(axis=0)  # integers that a gap has made floats are integers
    columns = {}
    for slot, j in enumerate(np.flatnonzero(numbers).tolist()):
        cells, at = own_cells(X, j), np.flatnonzero(~np.isnan(values[:, slot]))
        fresh = np.rint(moved[at, slot]) if whole[slot] else moved[at, slot]
        columns[j] = write_cells(cells, at, as_held(cells, fresh))
    return with_columns(X.copy(), columns)
