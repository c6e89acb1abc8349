"""Labels, targets and weights as users pass them in, checked arrays out, in scikit-learn's words where it has some."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import _safe_indexing
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, column_or_1d

from .._common.messages import listing
from .cells import Array, take_rows
from .check_input import refuse_masked
from .column_io import as_float64
from .containers import read_column

_OPPOSITE = "Leave target out to ask for every class but the predicted one."


def target_numbers(target: Any, n: int, classes: Any) -> Array:
    """Return the class numbers (positions in ``classes``) that are asked for, int array of shape (n,).

    Parameters
    ----------
    target : a label, or array-like of shape (n,)
        A label: that class for all rows; an array: one label per row.
    n : int
        Number of rows.
    classes : array of shape (K,)
        The class labels.
    """
    target = read_column(target)
    alone = isinstance(target, str | bytes) or np.ndim(target) == 0
    given = [target] if alone else target.tolist() if isinstance(target, np.ndarray | pd.Series | pd.Index) else target
    labels = [label.item() if isinstance(label, np.generic) else label for label in given]
    if not alone and len(labels) != n:
        raise ValueError(
            f"target has {len(labels)} labels, but X has {n} rows. Pass one label for all rows, one label per row, "
            "or None for every class but the predicted one."
        )
    known = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    for label in labels:
        if not isinstance(label, Hashable) or label not in known:
            raise ValueError(
                f"target contains the unknown label {label!r}; the classes are {listing(list(known))}. "
                f"{_OPPOSITE if label == 'opposite' else 'Ask for one of these.'}"
            )
    return np.resize(np.array([known[label] for label in labels], dtype=np.intp), n)


def _label_array(y: Any) -> np.ndarray:
    """Labels (n,), each of its own type: an array of a list would turn numbers beside text into text."""
    if isinstance(y, list | tuple) and any(isinstance(label, str) for label in y):
        y = np.array([*y, None], dtype=object)[:-1]  # the last one keeps texts from becoming letters' arrays
    given: np.ndarray = column_or_1d(y, warn=True)
    return np.array(given.tolist()) if given.dtype.kind == "T" else given  # which scikit-learn can't sort


def _check_label_types(given: np.ndarray) -> None:
    """Raise where labels are neither text nor plain numbers or truth values, as no classifier of scikit-learn does."""
    types = set(map(type, given.tolist())) if given.dtype.kind in "OmM" else set()
    if all(issubclass(found, str) for found in types):
        return
    names = sorted(found.__name__ for found in types)
    if len(names) > 1:
        raise TypeError(
            f"y mixes labels of the types {', '.join(names)}; expected a single label type. Convert them to one, with "
            "[str(label) for label in y] for instance."
        )
    example = given[0]
    plain = next((kind for kind in (bool, int, float) if type(example) is kind), None)
    how = "[str(label) for label in y]" if plain is None else f"np.asarray(y, dtype={plain.__name__})"
    raise ValueError(
        f"Unknown label type: y holds labels of type {type(example).__name__} (dtype {given.dtype}), such as "
        f"{example!r:.80}; expected text, whole numbers or truth values. Convert them first, with {how} for instance."
    )


_LEAST_WEIGHT = 1e-6  # of a row that counts, beside the largest: single precision loses what is far smaller


def check_sample_weight(sample_weight: Any, n: int) -> np.ndarray:
    """Return the weights of n rows, float64 (n,); a number stands for equal ones."""
    refuse_masked(sample_weight, "sample_weight")
    given = np.asarray(sample_weight)
    if given.dtype.kind == "O":
        with suppress(TypeError, ValueError, OverflowError):
            given = as_float64(given)
    if given.dtype.kind not in "iufb":
        raise TypeError(f"sample_weight must hold numbers, got dtype {given.dtype}. Pass one number >= 0 for each row.")
    weight = as_float64(given)
    if weight.ndim == 0:
        weight = np.full(n, float(weight))
    if weight.shape != (n,):
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected ({n},): one number >= 0 for each row of X."
        )
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(wrong):
        raise ValueError(
            f"sample_weight holds {len(wrong)} value(s) that are negative or not finite, the first one "
            f"{weight[wrong[0]]} in row {wrong[0]}; expected finite numbers >= 0."
        )
    if not weight.any():
        raise ValueError("sample_weight is zero for every row; expected some rows that count.")
    return weight


def counted_rows(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, np.ndarray]:
    """Return the rows that count, their labels, and how much each does, with mean 1.

    Rows of weight 0 are dropped before anything is learnt of them: neither ranges nor labels should come from them.
    """
    n = X.shape[0]
    if sample_weight is None or y is None or _num_samples(y) != n:
        return X, y, np.ones(n)
    weight = check_sample_weight(sample_weight, n)
    if (weight == weight[0]).all():
        return X, y, np.ones(n)
    if (weight == 0).any():
        counts = np.flatnonzero(weight)
        X, y, weight = take_rows(X, counts), _safe_indexing(y, counts), weight[counts]
    weight = np.maximum(weight / weight.max(), _LEAST_WEIGHT)
    return X, y, weight / weight.mean()


def check_labels(
    y: ArrayLike, n: int, class_weight: Any, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the classes (K,), class indices (n,), and `times` (n,) those of the classes, with mean 1."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None. Pass one class label for each row.")
    refuse_masked(y, "y")
    given = _label_array(read_column(y))
    if pd.isna(given).any():
        raise ValueError(f"Input y contains NaN in {pd.isna(given).sum()} rows. Drop them, or give them a label.")
    _check_label_types(given)
    classes, labels = np.unique(given, return_inverse=True)
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
    if isinstance(class_weight, str):  # "balanced": of what rows count
        weight = (1 / np.bincount(labels, weights=times))[labels]
    weight = weight * times
    return classes, labels, weight / weight.mean()
