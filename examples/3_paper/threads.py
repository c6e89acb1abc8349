"""Threads: do eight threads that ask one estimator get, bit for bit, the answers that a single thread gets?

    python examples/3_paper/threads.py --output docs/reliability

A small classifier is fitted to a table of mixed types. Questions of every kind are asked by one thread first:
predictions, what they rest on, densities, and counterfactuals by each search, with and without rules. Then each of
eight threads asks them a thousand times in all, in an order of its own, the quick ones more often. A record counts the
calls, the answers that differ in any bit, the calls that raised, and what the global settings of Python, numpy and
torch had become at the end. A seed seeds the fit and the orders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from runs import QUICK_FIT, Records, Stopwatch, command_line

from hyconex_sklearn import Actionability, HyConExClassifier

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from _helpers import differ, settings_of_the_user
from _models import mixed_table

THREADS = 8
SMALL = {"hidden_size": 16, "n_blocks": 1, "flow_hidden": (16,), "flow_transforms": 2}
RULES = {"immutable": ["age"], "bounds": {"income": (1e3, 1e5)}, "max_changes": 3}

Call = Callable[[], Any]


def questions(clf: HyConExClassifier, X: pd.DataFrame) -> dict[Call, int]:
    """Return calls without arguments, and how many of a thousand each stands for: more, the quicker it is."""
    ask = clf.counterfactuals
    shared = Actionability(allowed_categories={"job": ["nurse", "pilot"]}, feature_weights={"age": 3.0})
    return {
        partial(clf.predict, X): 150,
        partial(clf.predict_proba, X[::2]): 100,
        partial(clf.contributions, X[::5]): 50,
        partial(clf.score_samples, X[::3]): 150,
        partial(clf.local_linear, X[1::4]): 100,
        partial(ask, X[:12], search="one_shot"): 110,
        partial(ask, X[5:20], search="one_shot", **RULES): 110,
        partial(ask, X[:4], search="one_shot", actionability=shared, n_counterfactuals=2): 90,
        partial(ask, X[:3], search="steps"): 60,
        partial(ask, X[3:6], search="steps", target_probability=0.7, **RULES): 60,
        partial(ask, X[:2], search="latent", random_state=1): 5,
        partial(ask, X[2:4], search="latent", **RULES): 5,
        partial(ask, X[:2], target="yes"): 5,
        partial(ask, X[4:6], actionability=shared, **RULES): 5,
    }


def asked(calls: list[Call], expected: dict[Call, Any], order: np.ndarray) -> dict[str, int]:
    """Make calls in the given order in this thread, and count how they ended."""
    counts = {"calls": 0, "different": 0, "raised": 0}
    for place in order:
        counts["calls"] += 1
        try:
            counts["different"] += differ(calls[place](), expected[calls[place]])
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            counts["raised"] += 1
    return counts


def measure(seed: int, per_thread: int, quick: bool) -> dict[str, Any]:
    """Ask in one thread, then in eight, and count differences."""
    X, y = mixed_table()
    clf = HyConExClassifier(random_state=seed, **SMALL, **(QUICK_FIT if quick else {})).fit(X, y)
    calls = [call for call, share in questions(clf, X).items() for _ in range(share * per_thread // 1000)]
    expected = {call: call() for call in set(calls)}
    before = settings_of_the_user()
    orders = [np.random.default_rng([seed, thread]).permutation(len(calls)) for thread in range(THREADS)]
    with Stopwatch() as watch, ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(lambda order: asked(calls, expected, order), orders))
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    return {"threads": THREADS, **total, "settings_kept": settings_of_the_user() == before, "seconds": watch.seconds}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="calls of each thread")
    arguments = parser.parse_args()
    records = Records(arguments.output, "threads", arguments.quick)
    count = 20 if arguments.quick else arguments.count
    for key in records.missing(seed=arguments.seeds or [0], asked=[count]):
        records.add(key, measure(key["seed"], key["asked"], arguments.quick))


if __name__ == "__main__":
    main()
