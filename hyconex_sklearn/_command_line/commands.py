"""Arguments in, files and lines out: what each command reads, asks the classifier, and tells."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from .._answer.counterfactuals import Counterfactuals
from .._classifier import HyConExClassifier
from .._table.concatenate import Joined
from ..metrics._evaluate import evaluate_counterfactuals
from .console import UsageError, listed, say
from .rows import answers, labels_for, query_of, row_names, table_for, training_table
from .tables import TABLE_ENDINGS, check_kind, check_outputs, read_table, write_table
from .text import label_of, written

_FIRST_BLOCK, _BLOCK = 50, 500  # rows asked at a time: the more, the faster each; the fewer, the sooner there is news
_NEWS = 2.0  # seconds that somebody who watches can do without
_OF_EACH_ROW = ("data", "original", "report", "probability_before", "prediction_before")

_MEANINGS = {
    "rows": "rows in the file",
    "accuracy": "share of rows that are classified right",
    "auroc": "chance that a row of a class is ranked above one of another class",
    "counterfactuals": "rows and other classes that were asked for",
    "validity": "share of them that are classified as their target",
    "plausible": "share that is usual in its class by the model's own density",
    "plausibility_independent": "the same by kernel densities of this file",
    "near_target": "share as near to rows of its class in this file as these are to one another",
    "agreement": "share that a random forest, fitted to this file, classifies as the target, too",
    "n_changed": "columns that change",
    "gower": "mean way of a column: 1 is its whole range, or another category",
    "l1": "way of the numbers in sum, each told in its range",
    "hamming": "share of category columns that change",
    "lof_target": "local outlier factor among its class, median: near 1 is an inlier",
}


def fit(arguments: argparse.Namespace) -> None:
    """Fit a classifier to a file and save it."""
    check_outputs({"--output": arguments.output}, {"DATA": arguments.data}, arguments.force)
    share = arguments.test_size
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--test-size must be a share between 0 and 1, got {share:g}; 0.2 holds out a fifth.")
    table = read_table(arguments.data, arguments.separator)
    X, y = training_table(table, arguments.target, arguments.drop, arguments.categorical)
    chosen = {
        "categorical_features": arguments.categorical or "from_dtype",
        "random_state": arguments.random_state,
        "max_time": arguments.max_time,
        "verbose": int(sys.stderr.isatty()),
        **dict(arguments.set),
    }
    if isinstance(weights := chosen.get("class_weight"), dict):  # JSON has keys of text only
        chosen["class_weight"] = {label_of(name, np.unique(y).tolist()): weight for name, weight in weights.items()}
    try:
        classifier = HyConExClassifier(**chosen)
    except TypeError as error:
        raise UsageError(f"--set: {error}. See help(HyConExClassifier) for the parameters.") from error
    test = None
    if share is not None:
        X, X_test, y, y_test = _split(X, y, share, arguments.random_state)
        test = X_test, y_test
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "column .* different labels in")  # told already, with the way to drop it
        classifier.fit(X, y)
    classifier.set_params(verbose=0).save(arguments.output)
    _tell_fit(classifier, X, y, test, arguments.output)


def _split(X: pd.DataFrame, y: np.ndarray, share: float, seed: int) -> Any:
    """Training and held-out rows, drawn at random, each class in both; indices anew."""
    label, count = Counter(y.tolist()).most_common()[-1]
    if count < 2:
        raise UsageError(
            f"--test-size needs two rows of each class, one to learn from and one to test by; class {label!r} has one. "
            "Drop its row, or leave out --test-size."
        )
    X, X_test, y, y_test = train_test_split(X, y, test_size=share, stratify=y, random_state=seed)
    return X.reset_index(drop=True), X_test.reset_index(drop=True), y, y_test


def _tell_fit(classifier: HyConExClassifier, X: pd.DataFrame, y: np.ndarray, test: Any, output: str) -> None:
    kinds: dict[str, list[str]] = {}
    for column in classifier._columns:
        kinds.setdefault(column.kind, []).append(str(column.name))
    counts = Counter(y.tolist())
    say(f"rows         {len(X)}")
    say(f"classes      {listed(f'{label} ({counts[label]} rows)' for label in classifier.classes_.tolist())}")
    for kind, names in kinds.items():
        say(f"{kind:<12} {listed(names)}")
    if test is not None:
        X_test, y_test = test
        accuracy, auroc = _judged(classifier, X_test, y_test)
        most, _ = Counter(y.tolist()).most_common(1)[0]
        chance = float((y_test == most).mean())
        told = f"accuracy {accuracy:.3f} (always {most}: {chance:.3f}), AUROC {_shown(auroc)}"
        say(f"held out     {len(X_test)} rows: {told}")
    say(f"written      {output}")


def explain(arguments: argparse.Namespace) -> None:
    """Answer each row of a file with counterfactuals."""
    written_to = {"--output": arguments.output, "--report": arguments.report}
    check_outputs(written_to, {"MODEL": arguments.model, "ROWS": arguments.rows}, arguments.force)
    if arguments.output is not None:
        check_kind(arguments.output)
    if arguments.row_names is not None and arguments.report is None:
        raise UsageError("--row-names tells what the page calls its rows; give --report FILE, too.")
    classifier = _load(arguments.model)
    table = read_table(arguments.rows, arguments.separator)
    names = None if arguments.row_names is None else row_names(table, arguments.row_names)
    X, extra = table_for(classifier, table)
    cf = _ask(classifier, X, query_of(arguments, classifier))
    if arguments.report is not None:
        cf.to_html(arguments.report, title=f"Counterfactuals of {Path(arguments.rows).name}", row_names=names)
    if arguments.output is not None:
        write_table(arguments.output, *answers(cf, table, extra), arguments.separator)
    if arguments.output is None and arguments.report is None:
        for row, sentence in zip(cf.report["row"], cf.explain(), strict=True):
            say(f"row {row}: {sentence}")
        return
    told = Counter(cf.report["status"].astype(str))
    say(f"{len(cf)} counterfactuals of {len(X)} rows: {listed(f'{n} {status}' for status, n in told.most_common())}")
    say(f"written: {listed(path for path in written_to.values() if path is not None)}")


def evaluate(arguments: argparse.Namespace) -> None:
    """Judge a classifier and its counterfactuals by the rows of a file."""
    classifier = _load(arguments.model)
    table = read_table(arguments.data, arguments.separator)
    X, _ = table_for(classifier, table, arguments.target)
    y = labels_for(classifier, table, arguments.target)
    cf = _ask(classifier, X, {"search": arguments.search})
    means = evaluate_counterfactuals(cf, X, X, y).to_dict()
    accuracy, auroc = _judged(classifier, X, y)
    measured = {
        "rows": len(X),
        "accuracy": accuracy,
        "auroc": auroc,
        "counterfactuals": len(cf),
        "plausible": float(cf.report["plausible"].mean()),
        **means,
    }
    shown = {name: _plain(measured[name]) for name in _MEANINGS}
    if arguments.json:
        for line in json.dumps(shown, indent=2).splitlines():
            say(line)
        return
    for name, meaning in _MEANINGS.items():
        say(f"{name:<24} {_shown(shown[name]):>8}  {meaning}")


# ------------------------------------------------------------------------------------------------------------ together


def _load(path: str) -> HyConExClassifier:
    if not Path(path).exists():
        raise UsageError(f"there is no model file {path!r}.")
    try:
        return HyConExClassifier.load(path)
    except ValueError as error:
        if path.lower().endswith(TABLE_ENDINGS):
            raise UsageError(f"{path!r} is a table and no model file; did you swap the two?") from error
        raise


def _ask(classifier: HyConExClassifier, X: pd.DataFrame, query: dict[str, Any]) -> Counterfactuals:
    """The answers to all rows, with a progress bar where somebody watches."""
    watched, start = sys.stderr.isatty(), 0
    size, parts = _FIRST_BLOCK if watched else _BLOCK, []
    classifier.predict(X)  # warns of what is new in all rows at once
    with warnings.catch_warnings(), tqdm(total=len(X), desc="explain", unit="row", disable=not watched) as bar:
        warnings.filterwarnings("ignore", "column .* holds categories that were not seen at fit")
        while start < len(X):
            begun = time.monotonic()
            block = X.iloc[start : start + size].reset_index(drop=True)
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
    for cf in parts:
        joined.add({name: getattr(cf, name) for name in _OF_EACH_ROW})
    return Counterfactuals(feature_names=parts[0].feature_names, ranges=parts[0].ranges, **joined.fields())


def _judged(classifier: HyConExClassifier, X: pd.DataFrame, y: np.ndarray) -> tuple[float, float]:
    """Accuracy, and area under the ROC curve, one class against the others: NaN where a class is missing."""
    classes, probability = classifier.classes_, classifier.predict_proba(X)
    accuracy = float((classes[probability.argmax(1)] == y).mean())
    if len(set(y.tolist())) < len(classes):
        return accuracy, float("nan")
    areas = [roc_auc_score(y == label, probability[:, k]) for k, label in enumerate(classes)]
    return accuracy, float(np.mean(areas))


def _plain(value: Any) -> Any:
    """A number that JSON knows; None for what could not be told."""
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if isinstance(value, int | np.integer) else number


def _shown(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return written(value) if isinstance(value, int) else f"{value:.3f}"
