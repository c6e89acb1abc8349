"""Tables, labels and columns as users pass them in, checked ones out, in scikit-learn's words where it has some."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from .._common.messages import listing
from .._common.parameters import is_int
from .cells import Array
from .containers import read_table
from .rows import with_types

_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def resolve_categorical(categorical_features: Any, n_features: int, feature_names: Sequence[Any]) -> Array | None:
    """Mask of the columns that are listed as categorical; None where none is listed ("from_dtype" or None).

    Parameters
    ----------
    categorical_features : "from_dtype", None, bool mask (n_features,), int indices or names
        The convention of scikit-learn's ``HistGradientBoostingClassifier``.
    n_features : int
        Number of columns of the table.
    feature_names : sequence
        Column names of the table; empty for an array.
    """
    if categorical_features is None or (isinstance(categorical_features, str) and categorical_features == "from_dtype"):
        return None
    listed = _as_list(categorical_features)
    if not listed:
        return None
    if all(isinstance(item, bool | np.bool_) for item in listed):
        if len(listed) != n_features:
            raise ValueError(
                f"categorical_features is a mask of {len(listed)} values, but X has {n_features} columns. "
                "Pass one True or False per column, or indices or names."
            )
        return np.array(listed, dtype=bool)
    mask = np.zeros(n_features, dtype=bool)
    if all(is_int(item) for item in listed):
        mask[_checked_positions(listed, n_features)] = True
    elif all(isinstance(item, str) for item in listed):
        mask[_named_positions(listed, feature_names)] = True
    else:
        raise TypeError(
            "categorical_features must hold only bools (a mask), only integers (indices) or only text (names), "
            f"got {listing(listed)}."
        )
    return mask


def _as_list(categorical_features: Any) -> list[Any]:
    if isinstance(categorical_features, str) or not isinstance(categorical_features, Iterable):
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or a mask, indices or names of columns, "
            f"got {categorical_features!r}. To name a single column, put it into a list."
        )
    return list(categorical_features)


def _checked_positions(listed: list[Any], n_features: int) -> Array:
    positions = np.array(listed, dtype=np.intp)
    wrong = positions[(positions < 0) | (positions >= n_features)]
    if wrong.size:
        raise ValueError(
            f"categorical_features has the indices {listing(wrong.tolist())}, but X has {n_features} columns: "
            f"indices go from 0 to {n_features - 1}."
        )
    return positions


def _named_positions(listed: list[Any], feature_names: Sequence[Any]) -> list[int]:
    if not len(feature_names):
        raise ValueError(
            "categorical_features gives column names, but X is an array without names. Pass a DataFrame, or a mask "
            "or indices."
        )
    known = {name: j for j, name in enumerate(feature_names)}
    unknown = [name for name in listed if name not in known]
    if unknown:
        raise ValueError(
            f"categorical_features names columns that X does not have: {listing(unknown)}. "
            f"The columns of X are {listing(list(feature_names))}."
        )
    return [known[name] for name in listed]


def check_unique_names(names: Sequence[Any]) -> None:
    """Raise if a column name occurs twice."""
    if all(type(name) is str for name in names) and len(set(names)) == len(names):
        return
    index = pd.Index(names, dtype=object, tupleize_cols=False)  # text that Arrow would refuse, too
    if not index.is_unique:
        twice = list(dict.fromkeys(index[index.duplicated()].tolist()))
        raise ValueError(
            f"X has more than one column of the name {listing(twice)}. Columns are matched by name: rename or drop one."
        )


def match_columns(names: Sequence[Any], fitted: Sequence[Any]) -> Array:
    """Where each column of the fit is in a table with the columns ``names``: int array, or a message that names both.

    The order of the columns is free.
    """
    if len(names) == len(fitted) and all(type(name) is str for name in names) and tuple(names) == tuple(fitted):
        return np.arange(len(fitted))
    check_unique_names(names)
    where = {name: j for j, name in enumerate(names)}
    missing = [name for name in fitted if name not in where]
    known = set(fitted)
    extra = [name for name in names if name not in known]
    if missing or extra:
        raise ValueError(_mismatch(extra, missing))
    return np.array([where[name] for name in fitted], dtype=np.intp)


def _mismatch(extra: Sequence[Any], missing: Sequence[Any]) -> str:
    def bullets(names: Sequence[Any]) -> str:
        shown = "".join(f"- {name}\n" for name in names[:10])
        return shown if len(names) <= 10 else f"{shown}- ... and {len(names) - 10} more\n"

    message = "The feature names should match those that were passed during fit.\n"
    if extra:
        message += f"Feature names unseen at fit time:\n{bullets(extra)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{bullets(missing)}"
    return message + "Pass the columns of the fit, in any order: drop the unseen ones and supply the missing ones."


def check_n_columns(n_columns: int, fitted: int) -> None:
    """Raise if a table without usable names has another number of columns than the fit."""
    if n_columns != fitted:
        raise ValueError(
            f"X has {n_columns} features, but the table at fit had {fitted}. Pass the same columns, in the same order."
        )


def check_dtype(dtype: Any, name: Any) -> None:
    """Raise if columns of this dtype cannot be encoded."""
    kind = getattr(dtype, "kind", "O")
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: column {name!r} has dtype {dtype}. Pass its real and imaginary parts as two "
            "columns."
        )
    if kind in "mM" or isinstance(dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        raise _dates_in(name, f"dtype {dtype}")
    nested = isinstance(dtype, pd.ArrowDtype) and dtype.type in (list, dict, bytes)
    if isinstance(dtype, pd.IntervalDtype) or kind in "SV" or nested:
        raise TypeError(f"column {name!r} has dtype {dtype}; expected numbers, text, booleans or categories.")
    try:
        hash(dtype)  # which pandas does whenever it compares categories
    except TypeError as error:
        raise TypeError(
            f"column {name!r} has categories that pandas itself cannot compare, such as tuples beside other labels. "
            "Write them as text: X[column].map(str)."
        ) from error


def check_finite(values: Array, names: Sequence[Any]) -> None:
    """Raise if a float matrix (n, p) holds infinities; NaN is fine."""
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        culprits = [names[j] for j in np.flatnonzero(infinite).tolist()]
        plural = "columns" if len(culprits) > 1 else "column"
        raise ValueError(
            f"Input X contains infinity or a value too large for float64, in {plural} {listing(culprits)}. Replace "
            "infinities by the largest value that makes sense, or by NaN where the value is unknown."
        )


def cell_types(cells: Array, missing: Array, name: Any) -> set[type]:
    """The types of the cells of an object column that are not missing; raise if one of them is no label or number."""
    types = set(map(type, cells[~missing]))
    for found in types:
        if issubclass(found, _DATES):
            raise _dates_in(name, f"cells of type {found.__name__}")
        if not issubclass(found, str | numbers.Number | np.number | np.bool_ | Decimal):
            raise TypeError(
                f"column {name!r} holds a cell of type {found.__name__}, but a cell's argument must be a string or a "
                "number (or a bool, or missing). Convert the column first."
            )
        if issubclass(found, complex | np.complexfloating):
            raise ValueError(
                f"Complex data not supported: column {name!r} holds complex numbers. Pass real and imaginary parts as "
                "two columns."
            )
    return types


def _dates_in(name: Any, told: str) -> TypeError:
    return TypeError(
        f"column {name!r} holds dates or durations ({told}), which have no meaning as plain numbers. Turn them into "
        "numbers or categories first, with .dt.year, .dt.dayofweek or .dt.total_seconds() for instance."
    )


def text_in_numbers(name: Any, example: Any) -> ValueError:
    """The error for text in a column that held numbers at fit."""
    return ValueError(
        f"column {name!r} held numbers at fit, but now holds text such as {example!r}: could not convert string to "
        "float. Convert the column to numbers, or fit on text."
    )


def as_table(X: Any) -> Any:
    """Return X as a DataFrame of pandas or an ndarray of two dimensions; raise where it is none."""
    X = read_table(X)
    X = X if isinstance(X, pd.DataFrame) else np.asarray(with_types(X))
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension(s); expected a table of shape (n, d). Give a DataFrame or 2-d array."
        )
    return X


def check_table(estimator: Any, X: Any, reset: bool) -> Any:
    """Return X as a DataFrame of pandas or an ndarray of shape (n, d); raise where it is no table."""
    X = read_table(X)
    if issparse(X):
        raise TypeError(
            f"X is a sparse matrix ({type(X).__name__}), but dense data is required. Use X.toarray() to convert."
        )
    if isinstance(X, str | bytes | PathLike):
        raise TypeError(f"X is the text {str(X)!r:.80}; expected a table. Read a file first: pd.read_csv(...).")
    if isinstance(X, Mapping) or (isinstance(X, list) and X and isinstance(X[0], Mapping)):
        raise TypeError(f"X is a {type(X).__name__} of cells by label; expected a table. Pass pd.DataFrame(X).")
    if isinstance(X, pd.DataFrame):
        if 0 in X.shape:
            raise ValueError(
                f"Found a table with {X.shape[0]} row(s) and {X.shape[1]} column(s), but at least one of each is "
                "required. Pass a table with data."
            )
        check_unique_names(list(X.columns))
        if reset or not hasattr(estimator, "feature_names_in_"):  # which scikit-learn warns of
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    refuse_masked(X, "X")
    X = with_types(X)
    return validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False, accept_sparse=False)


def refuse_masked(given: Any, name: str) -> None:
    """Raise for a masked array: scikit-learn would drop the mask without a word, and take what is hidden for real."""
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost; expected plain data. Use "
            f"{name}.astype(float).filled(np.nan) where what is masked is missing, or {name}.data to ignore the mask."
        )
