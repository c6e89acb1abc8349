"""Answers of any tool and the table asked about in, one line of means over all metrics out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._rules.actionability import Actionability
from .._table.cells import Array, cells_differ
from .._table.containers import read_table, rows_in
from . import _distances, _judges
from ._rules import broken_rules
from ._units import aligned, as_frame, found_in, labels_1d, placed, predictions_of, same_labels


def coverage(X_cf: Any) -> Array:
    """Whether there is a counterfactual at all.

    Parameters
    ----------
    X_cf : DataFrame or ndarray of shape (n, d)
        Counterfactuals; a row without any value: none was found.

    Returns
    -------
    bool ndarray of shape (n,)
        More is better.

    Raises
    ------
    TypeError
        If `X_cf` is no table.

    References
    ----------
    Guidotti (2022), Counterfactual explanations and how to find them: literature review and benchmarking.
    """
    return found_in(as_frame(X_cf, "X_cf"))


def validity(X_cf: Any, target: Any, predict: Callable[[Any], Any]) -> Array:
    """Whether the explained classifier predicts the target class.

    Parameters
    ----------
    X_cf : DataFrame or ndarray of shape (n, d)
        Counterfactuals; a row without any value: none was found.
    target : array-like of shape (n,)
        Class label asked for.
    predict : callable
        Gives the class labels (n,) of rows. Called once, with the rows that were found, as they are in `X_cf`.

    Returns
    -------
    bool ndarray of shape (n,)
        False where none was found. More is better.

    Raises
    ------
    TypeError, ValueError
        If `target` has another length, or `predict` does not return one label for each row.

    References
    ----------
    Wachter, Mittelstadt & Russell (2017), Counterfactual explanations without opening the black box; Mothilal, Sharma &
    Tan (2020), Explaining machine learning classifiers through diverse counterfactual explanations.
    """
    found = coverage(X_cf)
    target = labels_1d(target, "target", len(found), "X_cf")
    valid = same_labels(target[found], predictions_of(predict, X_cf, found)) if found.any() else False
    return placed(found, valid, missing=False)


def evaluate_counterfactuals(
    cf: Any,
    X: Any,
    X_train: Any,
    y_train: Any,
    *,
    target: Any = None,
    predict: Callable[[Any], Any] | None = None,
    oracle: Callable[[Any], Any] | None = None,
    score_samples: Callable[[Any, Any], Any] | None = None,
    actionability: Actionability | None = None,
) -> pd.Series:
    """Average all metrics over some counterfactuals.

    Parameters
    ----------
    cf : Counterfactuals, or DataFrame or ndarray of shape (n, d)
        What was answered; a plain table has one row for each row of `X`, all missing where none was found.
    X : DataFrame or ndarray of shape (n, d)
        The table asked about.
    X_train : DataFrame or ndarray of shape (m, d)
        Training rows.
    y_train : array-like of shape (m,)
        Their class labels.
    target : array-like of shape (n,), optional
        Class labels asked for, with a plain table; a `Counterfactuals` brings its own.
    predict : callable, optional
        ``predict(X)`` of the explained classifier. None: what a `Counterfactuals` reports; nothing for a plain table.
    oracle : callable, optional
        ``predict(X)`` of an independent classifier. None: that of `independent_classifier`.
    score_samples : callable, optional
        ``score_samples(X, y)`` of the explained classifier, for its own opinion on plausibility.
    actionability : Actionability, optional
        Rules that the answers had to obey; entries for each row are those of `X`.

    Returns
    -------
    Series of float64
        By the names of the metrics: ``n``; ``coverage``; and over the rows that were found: ``validity`` (where
        a prediction is known), ``agreement``, ``l1``, ``l2``, ``hamming``, ``jaccard``, ``gower``,
        ``n_changed``, ``log_density``, ``plausibility`` (where `score_samples` is given),
        ``plausibility_independent``, ``near_target``, ``isolation_target`` and ``isolation_all`` as means;
        ``lof_target`` and ``lof_all`` as medians; ``violations`` as a share (where rules are given);
        ``diversity`` (where a query has several). NaN where nothing was found.

    Raises
    ------
    TypeError, ValueError
        If tables, labels or rules don't fit together, or `X` is not what a `Counterfactuals` was asked about.

    References
    ----------
    Guidotti (2022), Counterfactual explanations and how to find them: literature review and benchmarking.
    """
    before, after, target, rows = _answers(cf, X, target)
    (train,) = aligned(X_train=X_train)
    labels = labels_1d(y_train, "y_train", len(train), "X_train")
    values: dict[str, Array] = {}
    if actionability is not None:  # first, since it is quick to tell that a rule does not fit
        asked, answered = aligned(X=before, X_cf=after)
        values["violations"] = broken_rules(read_table(X), asked, answered, actionability, rows, len(X))
    values |= _distances_of(before, after, X_train) | _judgements(after, target, X_train, labels)
    if predict is not None:
        values["validity"] = validity(after, target, predict)
    elif isinstance(cf, Counterfactuals):
        values["validity"] = cf.report["valid"].to_numpy()
    if score_samples is not None:
        values["plausibility"] = _judges.plausibility(after, target, X_train, labels, score_samples=score_samples)
    oracle = _judges.independent_classifier(X_train, labels).predict if oracle is None else oracle
    values["agreement"] = _judges.agreement(after, target, oracle)
    if isinstance(cf, Counterfactuals):
        queries = cf.report.groupby(["row", "target"]).ngroup()
        if queries.duplicated().any():
            values["diversity"] = _distances.diversity(before, after, X_train, queries)
    return _averaged(values, coverage(after))


_SHOWN = (
    "validity agreement l1 l2 hamming jaccard gower n_changed log_density plausibility plausibility_independent "
    "near_target lof_target lof_all isolation_target isolation_all violations diversity"
).split()


def _answers(cf: Any, X: Any, target: Any) -> tuple[Any, Any, Array, Array]:
    """Rows asked and answered side by side, the labels asked for, and the place of each row in X."""
    if not isinstance(cf, Counterfactuals):
        if target is None:
            raise ValueError("target is None, but cf is a plain table. Pass the class label asked for in each row.")
        aligned(X=X, cf=cf)
        return X, cf, labels_1d(target, "target", len(cf), "cf"), np.arange(len(cf))
    if target is not None:
        raise ValueError("target is given, but cf is a Counterfactuals and brings its own. Leave target out.")
    rows = cf.report["row"].to_numpy()
    if len(rows) and rows.max() >= len(X):
        raise ValueError(f"cf answers row {rows.max()}, but X has {len(X)} rows. Pass the table that was asked about.")
    before = rows_in(X, rows)
    if cells_differ(*aligned(X=before, cf=cf.original)).any():
        raise ValueError("X holds other cells than cf was asked about. Pass the table that was asked about.")
    return before, cf.data, cf.report["target"].to_numpy(), rows


def _distances_of(before: Any, after: Any, X_train: Any) -> dict[str, Array]:
    tables = before, after, X_train
    return {
        "l1": _distances.l1_distance(*tables),
        "l2": _distances.l2_distance(*tables),
        "hamming": _distances.hamming_distance(*tables),
        "jaccard": _distances.jaccard_distance(*tables),
        "gower": _distances.gower_distance(*tables),
        "n_changed": _distances.n_changed(before, after),
    }


def _judgements(after: Any, target: Array, X_train: Any, labels: Array) -> dict[str, Array]:
    parts = after, target, X_train, labels
    return {
        "log_density": _judges.log_density(*parts),
        "plausibility_independent": _judges.plausibility(*parts),
        "near_target": _judges.near_target(*parts),
        "lof_target": _judges.local_outlier_factor(*parts),
        "lof_all": _judges.local_outlier_factor(*parts, of="all"),
        "isolation_target": _judges.isolation_forest(*parts),
        "isolation_all": _judges.isolation_forest(*parts, of="all"),
    }


def _averaged(values: dict[str, Array], found: Array) -> pd.Series:
    """Means over the rows that were found; medians of the outlier factor, which a few rows can make huge."""
    line: dict[str, float] = {"n": len(found), "coverage": found.mean() if len(found) else np.nan}
    for name in _SHOWN:
        if name in values:
            column = pd.Series(values[name][found], dtype=float)  # skips the NaN of a query with a single answer
            line[name] = column.median() if name.startswith("lof") else column.mean()
    return pd.Series(line, dtype=float)
