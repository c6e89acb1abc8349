"""Rows told by label or listed cell by cell in, tables out: a dict, a Series, a list of dicts, a list of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._common.messages import listing
from .cells import framed

_NESTED = (list, tuple, set, Mapping, np.ndarray, pd.Series)


def read_rows(X: Any, names: Sequence[Any] | None) -> Any:
    """One row as a Series or a dict, or a list of dicts, as a DataFrame; anything else as it is.

    Parameters
    ----------
    X : object
        What was given in place of a table.
    names : sequence or None
        Columns of the fit; None where they have no names.
    """
    if issparse(X):  # of which one kind is a dict
        return X
    rows = [X] if isinstance(X, Mapping | pd.Series) else X
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping | pd.Series) for row in rows):
        return X
    if names is None:
        raise TypeError(
            f"X is a {type(X).__name__} of cells by label, but the columns of the fit have no names. Pass rows as at "
            "fit: a list of them, or an array of shape (n, d)."
        )
    for row in rows:
        _check_row(row, X, names)
    return framed([{name: row[name] for name in names} for row in rows], index=_labels(X))


def _labels(X: Any) -> Any:
    """The row's own label, which a Series brings along as its name."""
    return [X.name] if isinstance(X, pd.Series) and X.name is not None else None


def _check_row(row: Any, X: Any, names: Sequence[Any]) -> None:
    labels = list(row.keys())
    missing, extra = ([label for label in a if label not in set(b)] for a, b in ((names, labels), (labels, names)))
    if missing or extra or len(labels) > len(names):
        lacks = f" It lacks {listing(missing)}." if missing else ""
        more = f" It has {listing(extra)}, which the fit had not." if extra else ""
        raise ValueError(
            f"X is a {type(X).__name__}, which is read as one row by label, but its labels are not the columns of the "
            f"fit.{lacks}{more} Pass the cells of one row by label, or a 2D table: X.to_frame() of a single column, "
            "pd.DataFrame(X) of several."
        )
    if isinstance(row, Mapping) and any(np.ndim(cell) for cell in row.values()):
        raise ValueError(
            "X is a dict of several values for each column; a dict is read as one row. Pass pd.DataFrame(X)."
        )


def with_types(X: Any) -> Any:
    """Rows as lists whose cells an array would turn into one type, text or numbers, as an array of objects.

    Anything else as it is: numbers of several types lose nothing side by side. A cell that holds several values is a
    ValueError.
    """
    if not isinstance(X, list | tuple) or not X or not all(isinstance(row, list | tuple) for row in X):
        return X
    types = set(map(type, chain.from_iterable(X)))
    if nested := [found.__name__ for found in types if issubclass(found, _NESTED)]:
        raise ValueError(
            f"X is a list of rows of which some cells hold several values each, as a {nested[0]}; expected one number, "
            "text or truth value in each cell. Give every value a column of its own."
        )
    text, truth = (any(issubclass(found, kind) for found in types) for kind in (str, bool | np.bool_))
    mixed = (text or truth) and len(types) > 1
    return np.array(X, dtype=object) if mixed and len(set(map(len, X))) == 1 else X
