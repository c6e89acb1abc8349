"""A model and rows with known classes in, figures out: how often it is right, what its counterfactuals are worth."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from ..metrics._evaluate import evaluate_counterfactuals
from .asking import ask, judged, load_model, shown
from .console import say
from .rows import labels_for, table_for
from .tables import read_table

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


def run(arguments: argparse.Namespace) -> None:
    """Judge a classifier and its counterfactuals by the rows of a file."""
    classifier = load_model(arguments.model)
    table = read_table(arguments.data, arguments.separator)
    X, _ = table_for(classifier, table, arguments.target)
    y = labels_for(classifier, table, arguments.target)
    cf = ask(classifier, X, {"search": arguments.search})
    means = evaluate_counterfactuals(cf, X, X, y).to_dict()
    accuracy, auroc = judged(classifier, X, y)
    measured = {
        "rows": len(X),
        "accuracy": accuracy,
        "auroc": auroc,
        "counterfactuals": len(cf),
        "plausible": float(cf.report["plausible"].mean()),
        **means,
    }
    told = {name: _plain(measured[name]) for name in _MEANINGS}
    if arguments.json:
        for line in json.dumps(told, indent=2).splitlines():
            say(line)
        return
    for name, meaning in _MEANINGS.items():
        say(f"{name:<24} {shown(told[name]):>8}  {meaning}")


def _plain(value: Any) -> Any:
    """A number that JSON knows; None for what could not be told."""
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if isinstance(value, int | np.integer) else number
