"""A category of many levels, each with an effect of its own: predictions and fit seconds beside other classifiers'.

    python examples/3_paper/levels.py --output results

Each seed draws a table of 5,000 rows to fit and 1,250 to judge: four numbers, two of them with effects that add up and
two with one that multiplies, and a place whose levels have effects of 2.5 in log-odds. The settings of `hyconex` were
chosen with seed 0. `results.py` makes the table of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from classifiers import CatBoost, scaled
from runs import QUICK_FIT, Records, Stopwatch, command_line
from scipy.special import expit
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from hyconex_sklearn import HyConExClassifier

_ROWS, _HELD_OUT = 6_250, 0.2
_LEVELS = (100, 900)


def table(n_levels: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a table in which every level occurs."""
    rng = np.random.default_rng(seed)
    place = np.concatenate([np.arange(n_levels), rng.integers(n_levels, size=_ROWS - n_levels)])
    rng.shuffle(place)
    effect, numbers = rng.normal(0, 2.5, n_levels), rng.normal(size=(_ROWS, 4))
    a, b, c, _ = numbers.T
    y = rng.random(_ROWS) < expit(effect[place] + a - 0.7 * b + 0.5 * a * c)
    X = pd.DataFrame(numbers, columns=list("abcd"))
    X.insert(1, "place", [f"place {number}" for number in place])
    return X, y.astype(int)


def encoded(model: Any) -> Any:
    """Return a pipeline: the place encoded by its targets within folds, numbers standardised, then the model."""
    columns = make_column_transformer((TargetEncoder(random_state=0), ["place"]), remainder=StandardScaler())
    return make_pipeline(columns, model)


MODELS: dict[str, Callable[[int], Any]] = {
    "hyconex": lambda seed: HyConExClassifier(random_state=seed),
    "target-encoded boosting": lambda seed: encoded(HistGradientBoostingClassifier(random_state=seed)),
    "target-encoded regression": lambda seed: encoded(LogisticRegression()),
    "one-hot regression": lambda seed: scaled(LogisticRegressionCV(Cs=4, max_iter=1_000)),
    "catboost": lambda seed: CatBoost(seed),
}


def measure(n_levels: int, name: str, seed: int, quick: bool) -> dict[str, float]:
    """Fit one classifier and judge it on the held-out rows."""
    X, y = table(n_levels, seed)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=_HELD_OUT, random_state=seed, stratify=y)
    model = MODELS[name](seed)
    if quick and name == "hyconex":
        model.set_params(**QUICK_FIT)
    with Stopwatch() as fit:
        model.fit(X_train, y_train)
    proba = np.asarray(model.predict_proba(X_test), dtype=float)
    return {
        "accuracy": accuracy_score(y_test, proba.argmax(1)),
        "log_loss": log_loss(y_test, proba),
        "fit_seconds": fit.seconds,
    }


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    quick = arguments.quick
    seeds = arguments.seeds or ([0] if quick else range(5))
    names = [name for name in MODELS if not quick or name in ("hyconex", "target-encoded boosting")]
    records = Records(arguments.output, "levels", quick)
    for key in records.missing(levels=_LEVELS[:1] if quick else _LEVELS, seed=seeds, model=names):
        records.add(key, measure(key["levels"], key["model"], key["seed"], quick))


if __name__ == "__main__":
    main()
