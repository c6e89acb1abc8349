"""How long fits and answers take on this machine; run it while nothing else runs.

    python examples/3_paper/timing.py

prints the median of three repetitions: a default fit on a small table, certified one-shot counterfactuals against
`predict_proba` on the same 100,000 rows, and the search against one-shot on 1,000 of them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from hyconex_sklearn import HyConExClassifier


def median_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Return the median wall time of `work`, after one run that is not counted."""
    work()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def numbers(n: int, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` rows of `d` numbers and two classes with a curved boundary."""
    X = np.random.default_rng(0).normal(size=(n, d))
    return X, (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)


def mixed(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return `n` rows of four numbers and four text columns."""
    rng = np.random.default_rng(0)
    X, y = numbers(n, 4)
    table = pd.DataFrame(X.round(2), columns=list("abcd"))
    for name in "efgh":
        table[name] = rng.choice([f"{name}{level}" for level in range(5)], n)
    return table, y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows to answer")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    small = numbers(100)
    fit = median_seconds(lambda: HyConExClassifier(random_state=0).fit(*small), arguments.repetitions)
    print(f"default fit, 100 rows x 5 columns: {fit:.2f} s")
    for name, make in {"5 numbers (array)": numbers, "4 numbers and 4 texts (DataFrame)": mixed}.items():
        clf = HyConExClassifier(random_state=0).fit(*make(1_000))
        X = make(arguments.rows)[0]
        predict = median_seconds(lambda clf=clf, X=X: clf.predict_proba(X), arguments.repetitions)
        answer = median_seconds(lambda clf=clf, X=X: clf.counterfactuals(X, search="one_shot"), arguments.repetitions)
        print(
            f"{name}, {arguments.rows:,} rows: predict_proba {predict:.2f} s, one-shot counterfactuals {answer:.2f} s"
        )
        print(f"    {answer / predict:.1f} times as long, {arguments.rows / answer:,.0f} counterfactuals a second")
        few = X[:1_000]
        quick = median_seconds(lambda clf=clf, X=few: clf.counterfactuals(X, search="one_shot"), arguments.repetitions)
        auto = median_seconds(lambda clf=clf, X=few: clf.counterfactuals(X), arguments.repetitions)
        print(f"    1,000 rows: one-shot {quick:.3f} s, auto {auto:.2f} s, {auto / quick:.0f} times as long")


if __name__ == "__main__":
    main()
