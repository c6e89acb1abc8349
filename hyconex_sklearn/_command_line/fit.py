"""A file with known classes in, a model file out, and what was learnt from it."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from .._classifier import HyConExClassifier
from .asking import judged, shown
from .console import UsageError, listed, say
from .rows import training_table
from .tables import check_outputs, read_table
from .text import label_of


def run(arguments: argparse.Namespace) -> None:
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
    if kept := [str(relation) for relation in classifier.relations_ if relation.exact]:
        say(f"kept         {listed(kept)}")
    if test is not None:
        X_test, y_test = test
        accuracy, auroc = judged(classifier, X_test, y_test)
        most, _ = Counter(y.tolist()).most_common(1)[0]
        chance = float((y_test == most).mean())
        told = f"accuracy {accuracy:.3f} (always {most}: {chance:.3f}), AUROC {shown(auroc)}"
        say(f"held out     {len(X_test)} rows: {told}")
    say(f"written      {output}")
