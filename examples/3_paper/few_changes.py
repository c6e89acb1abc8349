"""How many columns an answer changes, and what that costs: the default query on nine tables.

    python examples/3_paper/few_changes.py --data ../shared/data --output results

One record for each table and seed, which draws an 80/20 split, too: up to 300 test rows toward their runner-up, those
of "rare" and "wide" toward the rarer class. Nothing of the search was chosen on these tables: the trials were made on
vehicle, diabetes, cmc, vowel, credit-approval, and on other draws of "scores", "wide" and "rare".

- "columns", "l2", "gower": of valid answers, in the units of `hyconex_sklearn.metrics`.
- "certified", "plausible" as the report says; "agreement" of a random forest; "near": as far from rows of the target
  class as these are from each other, at most.

"scores" are 23 correlated whole numbers, as of a credit bureau; "wide" 37 correlated numbers, a tenth of the rows
positive; "rare" ten of which 7 % are. `results.py` makes the table of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from runs import QUICK_FIT, Records, command_line
from sklearn.model_selection import train_test_split
from tables import Table, read

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn.metrics import agreement, gower_distance, independent_classifier, l2_distance, near_target

QUERIES = 300
_ROWS = 3_000
_OTHER_DRAWS = 10  # trials were made on draws of smaller seeds


def _factors(n_columns: int, n_factors: int, seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Draw correlated columns: a few factors, each of which half of the columns depend on, and noise."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(_ROWS, n_factors))
    loads = rng.normal(size=(n_factors, n_columns)) * (rng.random((n_factors, n_columns)) < 0.5)
    return rng, factors, factors @ loads + 0.6 * rng.normal(size=(_ROWS, n_columns))


def _frame(columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(columns, columns=[f"c{j}" for j in range(columns.shape[1])])


def scores(seed: int) -> Table:
    """Draw 23 correlated whole numbers, half of the rows positive."""
    rng, factors, X = _factors(23, 6, seed)
    scale = rng.uniform(2, 30, 23)
    X = np.rint(np.exp(0.3 * X) * scale)
    odds = 1.2 * factors[:, 0] + 0.8 * factors[:, 1] - 0.5 * factors[:, 2] * factors[:, 3] + 0.6 * X[:, 4] / scale[4]
    noisy = odds + 0.8 * rng.logistic(size=_ROWS)
    return _frame(X.astype(int)), (noisy > np.median(odds)).astype(int)


def wide(seed: int) -> Table:
    """Draw 37 correlated numbers, 10 % of the rows positive."""
    rng, factors, X = _factors(37, 8, seed)
    noisy = 1.2 * factors[:, 0] + 0.8 * factors[:, 1] + 0.4 * factors[:, 2] ** 2 + 0.5 * rng.logistic(size=_ROWS)
    return _frame(X), (noisy > np.quantile(noisy, 0.9)).astype(int)


def rare(seed: int) -> Table:
    """Draw ten correlated numbers, 7 % of the rows positive."""
    rng, factors, X = _factors(10, 4, seed)
    noisy = 1.5 * factors[:, 0] + factors[:, 1] + 0.7 * rng.logistic(size=_ROWS)
    return _frame(X), (noisy > np.quantile(noisy, 0.93)).astype(int)


DRAWN = {"scores": scores, "wide": wide, "rare": rare}
TABLES = ("wine", "audit", "law", "adult", "cancer", "moons", *DRAWN)


def measure(name: str, seed: int, quick: bool, folder: Path | None) -> dict[str, float]:
    """Fit the default and ask it the default question."""
    X, y = DRAWN[name](seed + _OTHER_DRAWS) if name in DRAWN else read(name, folder)
    X, X_test, y, _ = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    clf = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {})).fit(X, y)
    if name in ("wide", "rare"):
        X_test = X_test[clf.predict(X_test) == 0]
    rows = X_test[: 10 if quick else QUERIES]
    cf = clf.counterfactuals(rows, target="second")
    valid, target = cf[cf.report["valid"].to_numpy()], cf.report["target"].to_numpy()
    return {
        "columns": valid.report["n_changed"].mean(),
        "l2": l2_distance(valid.original, valid.data, X).mean(),
        "gower": gower_distance(valid.original, valid.data, X).mean(),
        "certified": (cf.report["status"] == "ok").mean(),
        "plausible": cf.report["plausible"].mean(),
        "agreement": agreement(cf.data, target, independent_classifier(X, y).predict).mean(),
        "near": near_target(cf.data, target, X, y).mean(),
    }


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    quick, folder = arguments.quick, arguments.data
    names = arguments.tables or (["scores"] if quick else [name for name in TABLES if folder or name in DRAWN])
    records = Records(arguments.output, "few_changes", quick)
    for key in records.missing(seed=arguments.seeds or ([0] if quick else range(3)), table=names):
        records.add(key, measure(key["table"], key["seed"], quick, folder))


if __name__ == "__main__":
    main()
