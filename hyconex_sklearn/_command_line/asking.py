"""A model file in, its classifier out; rows in, the answers to all of them out, and how often it is right."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .._answer.counterfactuals import Counterfactuals
from .._classifier import HyConExClassifier
from .._table.concatenate import Joined
from .console import UsageError
from .tables import TABLE_ENDINGS
from .text import written

_FIRST_BLOCK, _BLOCK = 50, 500  # rows asked at a time: the more, the faster each; the fewer, the sooner there is news
_NEWS = 2.0  # seconds that somebody who watches can do without
_OF_EACH_ROW = ("data", "original", "report", "probability_before", "prediction_before")


def load_model(path: str) -> HyConExClassifier:
    if not Path(path).exists():
        raise UsageError(f"there is no model file {path!r}.")
    try:
        return HyConExClassifier.load(path)
    except ValueError as error:
        if path.lower().endswith(TABLE_ENDINGS):
            raise UsageError(f"{path!r} is a table and no model file; did you swap the two?") from error
        raise


def ask(classifier: HyConExClassifier, X: pd.DataFrame, query: dict[str, Any]) -> Counterfactuals:
    """The answers to all rows, with a progress bar where somebody watches."""
    watched, start = sys.stderr.isatty(), 0
    size, parts = _FIRST_BLOCK if watched else _BLOCK, []
    classifier.predict(X)  # warns of what is new in all rows at once
    with warnings.catch_warnings(), tqdm(total=len(X), desc="explain", unit="row", disable=not watched) as bar:
        warnings.filterwarnings("ignore", "column .* holds categories that were not seen at fit")
        while start < len(X):
            begun = time.monotonic()
            block = X.iloc[start : start + size]
            cf = classifier.counterfactuals(block, **query)
            cf.report["row"] += start
            parts.append(cf)
            bar.update(len(block))
            start += len(block)
            if time.monotonic() - begun < _NEWS:
                size = min(2 * size, _BLOCK)
    return _joined(parts, [column.categories for column in classifier._columns])


def _joined(parts: list[Counterfactuals], orders: list[tuple[Any, ...]]) -> Counterfactuals:
    """The answers of several blocks of rows as one; `orders` has the labels of each column."""
    if len(parts) == 1:
        return parts[0]
    joined = Joined(sum(map(len, parts)), orders)
    names = _OF_EACH_ROW if parts[0].intervals is None else (*_OF_EACH_ROW, "intervals")
    for cf in parts:
        joined.add({name: getattr(cf, name) for name in names})
    whole = replace(parts[0], **joined.fields())
    return whole._judged_by(parts[0]._log_proba)  # all parts are answers of one classifier


def judged(classifier: HyConExClassifier, X: pd.DataFrame, y: np.ndarray) -> tuple[float, float]:
    """Accuracy, and area under the ROC curve, one class against the others: NaN where a class is missing."""
    from sklearn.metrics import roc_auc_score  # explain can do without

    classes, probability = classifier.classes_, classifier.predict_proba(X)
    accuracy = float((classes[probability.argmax(1)] == y).mean())
    if len(set(y.tolist())) < len(classes):
        return accuracy, float("nan")
    areas = [roc_auc_score(y == label, probability[:, k]) for k, label in enumerate(classes)]
    return accuracy, float(np.mean(areas))


def shown(value: Any) -> str:
    """Return a figure as text; a bar for what could not be told."""
    if value is None or value != value:
        return "-"
    return written(value) if isinstance(value, int) else f"{value:.3f}"
