"""How long fits, answers and those of other tools take on this machine; run it while nothing else runs.

    python examples/3_paper/timing.py --data ../shared/data --output results

Every figure is the median of some repetitions, after one that is not counted; what takes seconds is timed once. Parts,
in timing.json and timing.csv:

- "latency", one row, and "throughput", 100 to 100,000 at once: `predict_proba`, one-shot and searched counterfactuals,
  both with their certificate;
- "growth": a default fit (fit_seconds) and one-shot answers of 10,000 rows (seconds) as one of features, classes and
  training rows grows, beside two searches row by row (wachter_per_second, nice_per_second). Training stops early, so
  that a larger table may take fewer epochs. Every class but the predicted one is asked for, so that 10 classes are 9
  counterfactuals a row; per_second counts rows;
- "peers": every method of `peers.py` explains the same classifier, each row asked for its second class, in batches of a
  size at which more hardly gains (`Size`); one-shot is asked for few rows and for 100,000. What a method prepares for
  a batch counts; "valid" is the share of rows with an answer that the classifier confirms. Methods whose packages are
  missing are left out; `peers_environment.py` makes a place for all of them.

`--tables` takes names of the split tables, "5 numbers" (growth included) and "4 numbers and 4 texts".
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import METHODS
from runs import QUICK_FIT, Records, Stopwatch, attempt, command_line
from tables import load

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn.metrics import validity

FEATURES, CLASSES = 5, 2
LONG = 3.0  # seconds after which a piece is timed once: what the first run loads is a small part of it
ANSWERS: dict[str, Callable[[HyConExClassifier, Any], Any]] = {
    "predict_proba": lambda clf, X: clf.predict_proba(X),
    "hyconex_one_shot": lambda clf, X: clf.counterfactuals(X, search="one_shot"),
    "hyconex_auto": lambda clf, X: clf.counterfactuals(X),
}


@dataclass(frozen=True)
class Size:
    """How much is fitted and asked, and how often."""

    base_rows: int = 1_000  # training rows of drawn tables
    rows: tuple[int, ...] = (1, 100, 1_000, 10_000, 100_000)
    auto_rows: int = 1_000  # the most that the search is asked
    growth: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {
            "features": (5, 10, 20, 50, 100),
            "classes": (2, 3, 5, 10),
            "rows": (500, 1_000, 5_000, 20_000),
        }
    )
    growth_queries: int = 10_000
    growth_peer_queries: int = 5
    peer_queries: int = 20
    batches: dict[str, int] = field(default_factory=lambda: {"ppcef": 1_024, "nice": 200})  # of those that gain by more
    peer_many: int = 100_000
    repetitions: int = 3
    settings: dict[str, int] = field(default_factory=dict)


FULL = Size()
QUICK = Size(200, (1, 100), 0, {"features": (5, 10)}, 100, 1, 2, {}, 100, 0, QUICK_FIT)


def median_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Return the median wall time of `work`, after one run that counts only where it is long or not repeated."""
    seconds: list[float] = []
    for _ in range(1 + repetitions):
        with Stopwatch() as watch:
            work()
        seconds.append(watch.seconds)
        if seconds[0] > LONG:
            break
    return statistics.median(seconds[1:] or seconds)


# --------------------------------------------------------------------------------------------------------- drawn rows


def numbers(rows: int, seed: int, features: int = FEATURES, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of numbers; parabolas part the classes, which are equally frequent."""
    X = np.random.default_rng(seed).normal(size=(rows, features))
    rank = (X[:, 0] + X[:, 1] ** 2).argsort().argsort()
    return X, rank * classes // rows


def mixed(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows of four numbers, which tell the class, and four text columns."""
    rng = np.random.default_rng(seed)
    X, y = numbers(rows, seed, 4)
    table = pd.DataFrame(X.round(2), columns=list("abcd"))
    for name in "efgh":
        table[name] = rng.choice([f"{name}{level}" for level in range(5)], rows)
    return table, y


MADE = {"5 numbers": numbers, "4 numbers and 4 texts": mixed}


# ------------------------------------------------------------------------------------------------ answers and growth


def answers(records: Records, table: str, seed: int, size: Size) -> None:
    """Time predictions and counterfactuals of few and of many rows."""
    keys = [
        key
        for rows in size.rows
        for key in records.missing(
            part=["latency" if rows == 1 else "throughput"], table=[table], seed=[seed], rows=[rows], method=ANSWERS
        )
        if key["method"] != "hyconex_auto" or rows <= size.auto_rows
    ]
    if not keys:
        return
    clf = HyConExClassifier(random_state=seed, **size.settings).fit(*MADE[table](size.base_rows, seed))
    X = MADE[table](max(size.rows), seed + 1)[0]
    for key in keys:
        records.add(key, attempt(answered, clf, X[: key["rows"]], ANSWERS[key["method"]], size.repetitions))


def answered(
    clf: HyConExClassifier, X: Any, method: Callable[[HyConExClassifier, Any], Any], repetitions: int
) -> dict[str, float]:
    """Time one method on one batch."""
    seconds = median_seconds(lambda: method(clf, X), repetitions)
    return {"seconds": seconds, "per_second": len(X) / seconds}


def growth(records: Records, seed: int, size: Size) -> None:
    """Time fits and answers while one measure of the table grows."""
    base = {"rows": size.base_rows, "features": FEATURES, "classes": CLASSES}
    for grows, values in size.growth.items():
        for key in records.missing(part=["growth"], grows=[grows], size=values, seed=[seed]):
            records.add(key, attempt(grown, {**base, grows: key["size"]}, seed, size))


def grown(shape: dict[str, int], seed: int, size: Size) -> dict[str, float]:
    """Time the fit to a table of this shape, and one-shot answers."""
    X, y = numbers(shape["rows"], seed, shape["features"], shape["classes"])
    queries, _ = numbers(size.growth_queries, seed + 1, shape["features"])
    clf = HyConExClassifier(random_state=seed, **size.settings)
    fit_seconds = median_seconds(lambda: clf.fit(X, y), size.repetitions)
    figures = {"fit_seconds": fit_seconds, **answered(clf, queries, ANSWERS["hyconex_one_shot"], size.repetitions)}
    few = queries[: size.growth_peer_queries]
    for name in ("wachter", "nice"):  # a search by gradient, and one along training rows
        if name in METHODS:
            explain = partial(METHODS[name], clf, X, y, few, runner_up(clf, few), seed)
            figures[f"{name}_per_second"] = len(few) / median_seconds(explain, 0)
    return figures


# -------------------------------------------------------------------------------------------------------------- peers


def peers(records: Records, table: str, seed: int, size: Size, folder: Path | None) -> None:
    """Time every installed method on the same classifier."""
    asked = [(method, size.batches.get(method, size.peer_queries)) for method in METHODS]
    keys = [
        key
        for method, rows in (*asked, ("hyconex_one_shot", size.peer_many))
        for key in records.missing(part=["peers"], table=[table], seed=[seed], method=[method], rows=[rows])
    ]
    if not keys:
        return
    X, y, X_test = rows_of(table, seed, size, folder)
    clf = HyConExClassifier(random_state=seed, **size.settings).fit(X, y)
    for key in keys:
        # The same rows again where there are fewer than asked: nothing is remembered between rows.
        queries = X_test.take(np.arange(key["rows"]) % len(X_test)).reset_index(drop=True)
        target = runner_up(clf, queries)
        explain = partial(METHODS[key["method"]], clf, X, y, queries, target, seed)
        confirmed = partial(validity, target=target, predict=clf.predict)
        records.add(key, attempt(explained, explain, confirmed, len(queries), size.repetitions))


def rows_of(table: str, seed: int, size: Size, folder: Path | None) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Return rows and labels to fit, and rows to explain."""
    if table in MADE:
        (X, y), (X_test, _) = (MADE[table](size.base_rows, one) for one in (seed, seed + 1))
        X, X_test = (pd.DataFrame(part).rename(columns=str) for part in (X, X_test))
        return X, y, X_test
    split = load(table, folder)
    return split.rows_to_fit, split.labels_to_fit, split.X_test


def runner_up(clf: HyConExClassifier, X: pd.DataFrame) -> np.ndarray:
    """Return the second most probable class of each row."""
    return clf.classes_[clf.predict_proba(X).argsort(1)[:, -2]]


def explained(
    explain: Callable[[], pd.DataFrame], confirmed: Callable[[pd.DataFrame], np.ndarray], rows: int, repetitions: int
) -> dict[str, float]:
    """Time one method on one batch, and count the answers that the classifier confirms."""
    tables: list[pd.DataFrame] = []
    seconds = median_seconds(lambda: tables.append(explain()), repetitions)
    return {"seconds": seconds, "per_second": rows / seconds, "valid": confirmed(tables[-1]).mean()}


def chosen_tables(quick: bool, folder: Path | None) -> Iterable[str]:
    """Return the tables of a run that names none."""
    if quick:
        return ("5 numbers",)
    return (*MADE, *(("law", "adult") if folder else ()))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repetitions", type=int, help="how often each piece is timed (3)")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    size = replace(size, repetitions=arguments.repetitions or size.repetitions)
    records = Records(arguments.output, "timing", arguments.quick)
    tables = arguments.tables or chosen_tables(arguments.quick, arguments.data)
    for seed in arguments.seeds or [0]:
        for table in tables:
            if table in MADE:
                answers(records, table, seed, size)
        if "5 numbers" in tables:
            growth(records, seed, size)
        for table in tables:
            peers(records, table, seed, size, arguments.data)


if __name__ == "__main__":
    main()
