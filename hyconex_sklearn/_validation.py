"""Checks of tables and labels against an estimator, in scikit-learn's words where it has some."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from ._checks import check_unique_names


def check_table(estimator: Any, X: Any, reset: bool) -> Any:
    """Return X as a DataFrame or an ndarray of shape (n, d); raise where it is no table."""
    if isinstance(X, pd.DataFrame):
        if 0 in X.shape:
            raise ValueError(
                f"Found a table with {X.shape[0]} row(s) and {X.shape[1]} column(s), but at least one of each is "
                "required. Pass a table with data."
            )
        check_unique_names(list(X.columns))
        if reset:
            validate_data(estimator, X, skip_check_array=True)
        return X
    _refuse_masked(X, "X")
    if issparse(X):
        raise TypeError(
            f"X is a sparse matrix ({type(X).__name__}), but dense data is required. Use X.toarray() to convert."
        )
    return validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False, accept_sparse=False)


def _refuse_masked(given: Any, name: str) -> None:
    """Raise for a masked array: scikit-learn would drop the mask without a word, and take what is hidden for real."""
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost; expected plain data. Use "
            f"{name}.astype(float).filled(np.nan) where what is masked is missing, or {name}.data to ignore the mask."
        )


def _sorted_classes(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes (K,) in order, and the class index of each row (n,)."""
    try:
        return np.unique(given, return_inverse=True)
    except TypeError:
        types = sorted({type(label).__name__ for label in given.tolist()})
        raise TypeError(
            f"y mixes labels of the types {', '.join(types)}, which have no common order; expected a single label "
            "type. Convert them to one, with np.asarray(y, dtype=str) for instance."
        ) from None


def check_labels(y: ArrayLike, n: int, class_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the classes (K,), class indices (n,) and row weights (n,) of mean 1."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None. Pass one class label for each row.")
    _refuse_masked(y, "y")
    given: np.ndarray = column_or_1d(y, warn=True)
    if given.dtype.kind == "T":  # numpy's variable-width strings, which scikit-learn can't sort into classes
        given = np.array(given.tolist())
    if pd.isna(given).any():
        raise ValueError(f"Input y contains NaN in {pd.isna(given).sum()} rows. Drop them, or give them a label.")
    classes, labels = _sorted_classes(given)
    check_classification_targets(given)
    if len(given) != n:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n} rows, y has {len(given)} "
            "labels. Pass one label for each row."
        )
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class only ({classes.tolist()[0]!r}) in n_samples = {len(given)}, but a classifier "
            "needs two or more. Pass rows of another class."
        )
    weight = compute_sample_weight(class_weight, given)
    if not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise ValueError(
            f"class_weight must give finite weights >= 0, not all of them 0, got {class_weight!r}. Use "
            "'balanced', or a positive weight for each label."
        )
    return classes, labels, weight / weight.mean()
