"""How quick fits and answers are beside what they can't do without; run it while nothing else runs, on one thread.

    OMP_NUM_THREADS=1 python examples/3_paper/speed.py --data ../shared/data --output results

In speed.json and speed.csv:

- "fit": a default fit of the tables that the published code was timed on; "published" is its time in seconds on one
  thread (of another machine), "times" how often the fit goes into it;
- "batch", 100,000 rows at once: "bare" is the forward pass of the same classifier, with nothing around it, over rows
  that are encoded already; "predict_proba", and "one_shot", certified counterfactuals toward each row's second class;
- "search", 1,000 rows: "one_shot" and "auto", the default;
- "row", a single row: the median of many calls, each timed alone.

Each figure of the last three is the median of some repetitions, all of one table in one run, after one that is not
counted. `--tables` takes "23 numbers" (an array), "23 numbers, frame", "adult" and those of the fits.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from runs import QUICK_FIT, Records, Stopwatch, command_line
from tables import load
from timing import median_seconds, numbers

from hyconex_sklearn import HyConExClassifier

PUBLISHED = {"moons": 573, "blobs": 449, "wine": 107, "audit": 440, "law": 716}
ASKED = ("23 numbers", "23 numbers, frame", "adult")
QUICK = ("23 numbers",)
AT_ONCE = 4_096  # rows of a bare forward pass


def one_shot(clf: HyConExClassifier, X: Any) -> object:
    """Ask for certified counterfactuals of the single pass."""
    return clf.counterfactuals(X, search="one_shot", target="second")


def auto(clf: HyConExClassifier, X: Any) -> object:
    """Ask for the default search."""
    return clf.counterfactuals(X, target="second")


def bare(clf: HyConExClassifier, X: Any) -> Callable[[], None]:
    """Return the forward pass of the classifier alone, over the rows of X."""
    rows = torch.from_numpy(clf._codec.encode(X))

    @torch.no_grad()
    def forward() -> None:
        for part in rows.split(AT_ONCE):
            clf._model.logits(part)

    return forward


def fit(records: Records, table: str, seeds: list[int], folder: Path | None) -> None:
    """Time default fits of a published table."""
    for key in records.missing(part=["fit"], table=[table], seed=seeds):
        split = load(table, folder)
        HyConExClassifier(**QUICK_FIT, random_state=0).fit(split.rows_to_fit, split.labels_to_fit)  # what loads once
        clf = HyConExClassifier(random_state=key["seed"])
        with Stopwatch() as watch:
            clf.fit(split.rows_to_fit, split.labels_to_fit)
        published = PUBLISHED[table]
        records.add(key, {"seconds": watch.seconds, "published": published, "times": published / watch.seconds})


def answers(records: Records, table: str, seed: int, quick: bool, folder: Path | None) -> None:
    """Time answers about many rows, some and one."""
    methods = {"batch": ("bare", "predict_proba", "one_shot"), "search": ("one_shot", "auto")}
    methods["row"] = ("predict_proba", "one_shot", "auto")
    keys = [
        key
        for part, names in methods.items()
        for key in records.missing(part=[part], table=[table], seed=[seed], method=names)
    ]
    if not keys:
        return
    X, y, queries = rows_of(table, seed, folder)
    clf = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {})).fit(X, y)
    sizes = {"batch": 200, "search": 20, "row": 1} if quick else {"batch": 100_000, "search": 1_000, "row": 1}
    for key in keys:
        some = repeated(queries, sizes[key["part"]])
        seconds = timed(clf, some, key["method"], quick)
        records.add(key, {"rows": len(some), "seconds": seconds, "per_second": len(some) / seconds})


def timed(clf: HyConExClassifier, X: Any, method: str, quick: bool) -> float:
    """Return the median seconds of one method about all rows of X."""
    if method == "bare":
        return median_seconds(bare(clf, X), 3)
    ask = {"predict_proba": HyConExClassifier.predict_proba, "one_shot": one_shot, "auto": auto}[method]
    if len(X) > 1:
        return median_seconds(lambda: ask(clf, X), 3)
    seconds = []
    for _ in range(3 if quick else 300):
        with Stopwatch() as watch:
            ask(clf, X)
        seconds.append(watch.seconds)
    return statistics.median(seconds)


def repeated(X: Any, rows: int) -> Any:
    """Return as many rows as asked, the same again where there are fewer: nothing is remembered between rows."""
    at = np.arange(rows) % len(X)
    return X.take(at).reset_index(drop=True) if isinstance(X, pd.DataFrame) else X[at]


def rows_of(table: str, seed: int, folder: Path | None) -> tuple[Any, np.ndarray, Any]:
    """Return rows and labels to fit, and rows to ask about."""
    if table == "adult":
        split = load(table, folder)
        return split.rows_to_fit, split.labels_to_fit, split.X_test
    (X, y), (queries, _) = (numbers(rows, one, 23) for rows, one in ((1_000, seed), (20_000, seed + 1)))
    if "frame" in table:
        X, queries = (pd.DataFrame(part).rename(columns=str) for part in (X, queries))
    return X, y, queries


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    folder, quick = arguments.data, arguments.quick
    records = Records(arguments.output, "speed", quick)
    with_data = (*PUBLISHED, *ASKED)
    for table in arguments.tables or (with_data if folder and not quick else QUICK):
        if table in PUBLISHED:
            fit(records, table, arguments.seeds or [0, 1, 2], folder)
        else:
            for seed in arguments.seeds or [0]:
                answers(records, table, seed, quick, folder)


if __name__ == "__main__":
    main()
