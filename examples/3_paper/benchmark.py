"""Counterfactuals beside those of other methods, and the classifier's own on more rows, on the published tables.

    python examples/3_paper/benchmark.py --data ../shared/data --output results

For each table and seed one `HyConExClassifier` is fitted, and every method of `peers.py` explains it: the same test
rows, every other class than the predicted one for each. One record for each method: the means of
`hyconex_sklearn.metrics` (distances in min-max units of the training rows), and seconds. "agreement" is that of one
forest for each table, "plausibility" that of the explained model's own density. A method that fails as a whole found
none, and its record says why in "error". The record of method "hyconex_all" is the default search on more test rows,
with the quality of predictions and the time of the fit. `peers_environment.py` makes a place for all methods; those
that can't be imported are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from accuracy import auroc
from peers import LEFT_OUT, METHODS
from runs import QUICK_FIT, Records, Stopwatch, command_line, failure
from tables import PUBLISHED, Split, load

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn.metrics import evaluate_counterfactuals, independent_classifier, stability

JUDGING_ROWS = 5_000  # training rows, at most, that the judges are fitted on
STABILITY_ROWS = 50
ALL = "hyconex_all"

Predict = Callable[[Any], Any]


def every_other_class(clf: HyConExClassifier, X: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows of X, each once for every class that is not predicted for it, and these classes."""
    row, column = np.nonzero(clf.predict(X)[:, None] != clf.classes_)
    return X.iloc[row].reset_index(drop=True), clf.classes_[column]


def judged(cf: Any, X: pd.DataFrame, clf: HyConExClassifier, split: Split, oracle: Predict, target: Any) -> dict:
    """Return the means of all metrics."""
    figures = evaluate_counterfactuals(
        cf,
        X,
        split.X_train[:JUDGING_ROWS],
        split.y_train[:JUDGING_ROWS],
        target=target,
        predict=clf.predict,
        oracle=oracle,
        score_samples=clf.score_samples,
    )
    return figures.to_dict()


def beside(method: str, clf: HyConExClassifier, split: Split, oracle: Predict, n: int, seed: int) -> dict[str, Any]:
    """Ask one method about the first `n` test rows."""
    X, target = every_other_class(clf, split.X_test[:n])
    try:
        with Stopwatch() as watch:
            answers = METHODS[method](clf, split.rows_to_fit, split.labels_to_fit, X, target, seed)
        times = {"seconds": watch.seconds, "per_second": len(X) / watch.seconds}
        return judged(answers, X, clf, split, oracle, target) | times
    except Exception as error:  # of a peer, whatever it is: the other methods go on
        return {"n": len(X), "coverage": 0.0} | failure(error)


def steadiness(clf: HyConExClassifier, X: pd.DataFrame, split: Split) -> float:
    """Return how far answers lie apart whose queries differ by noise; the target stays that of the first."""
    target = clf.classes_[clf.predict_proba(X).argsort(1)[:, -2]]
    near = stability(lambda rows: clf.counterfactuals(rows, target=target).data, X, split.X_train)
    return float(near.mean())


def overall(clf: HyConExClassifier, split: Split, oracle: Predict, n: int, fit_seconds: float) -> dict[str, Any]:
    """Ask for the default search on the first `n` test rows, and judge the predictions on all."""
    X = split.X_test[:n]
    with Stopwatch() as watch:
        cf = clf.counterfactuals(X)
    return judged(cf, X, clf, split, oracle, None) | {
        "stability": steadiness(clf, X[:STABILITY_ROWS], split),
        "support": cf.report["support"].mean(),
        "certified": (cf.report["status"] == "ok").mean(),
        "seconds": watch.seconds,
        "per_second": len(cf) / watch.seconds,
        "auroc": auroc(split.y_test, clf.predict_proba(split.X_test)),
        "accuracy": clf.score(split.X_test, split.y_test),
        "fit_seconds": fit_seconds,
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--queries", type=int, help="test rows that every method explains (30)")
    parser.add_argument("--all-queries", type=int, help="test rows, at most, that the default search explains (1,000)")
    arguments = parser.parse_args()
    quick = arguments.quick
    tables = arguments.tables or (("iris",) if quick else (*PUBLISHED, "cancer") if arguments.data else ("cancer",))
    seeds = arguments.seeds or ([0] if quick else range(3))
    n, n_all = arguments.queries or (2 if quick else 30), arguments.all_queries or (20 if quick else 1_000)
    records = Records(arguments.output, "benchmark", quick)
    for method, reason in LEFT_OUT.items():
        print(f"{method} is left out: {reason}")
    for table in tables:
        missing = records.missing(table=[table], seed=seeds, method=[*METHODS, ALL])
        if not missing:
            continue
        split = load(table, arguments.data)
        oracle = independent_classifier(split.X_train, split.y_train).predict
        for seed, keys in groupby(missing, key=lambda key: key["seed"]):
            clf = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {}))
            with Stopwatch() as fit:
                clf.fit(split.rows_to_fit, split.labels_to_fit)
            clf.counterfactuals(split.X_test[:1])  # what torch imports at first use is nobody's time
            for key in keys:
                if key["method"] == ALL:
                    records.add(key, overall(clf, split, oracle, n_all, fit.seconds))
                else:
                    records.add(key, beside(key["method"], clf, split, oracle, n, seed))


if __name__ == "__main__":
    main()
