"""Quality of predictions and counterfactuals on the tables of the published experiments.

    python examples/3_paper/benchmark.py --data ../shared/data

prints one line per table, the mean over the seeds, and writes every figure to a JSON file. A run that was interrupted
goes on where it stopped. Counterfactuals of all alternative classes of the test rows are judged by models that had no
part in making them: a random forest ("agreement") and the distance to the target's own training rows ("near").
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from tables import NAMES, Split, load

from hyconex_sklearn import Counterfactuals, HyConExClassifier

SHOWN = (
    "auroc auroc_plain auroc_boosting auroc_linear valid one_shot_valid agreement near l2 plausible support changed "
    "one_shot_agreement one_shot_near one_shot_l2 one_shot_plausible fit_seconds search_seconds"
).split()


def _by_kind(numbers, text):
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (text, make_column_selector(dtype_exclude="number"))
    )


class Judge:
    """Independent opinion on counterfactual rows, from the training rows in the user's own columns."""

    def __init__(self, X: pd.DataFrame, y: np.ndarray) -> None:
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        forest = RandomForestClassifier(300, random_state=0, n_jobs=-1)
        self.forest = make_pipeline(_by_kind(SimpleImputer(), one_hot), forest).fit(X, y)
        self.units = _by_kind(make_pipeline(SimpleImputer(), MinMaxScaler((-0.5, 0.5))), one_hot).fit(X)
        self.n_numbers = X.select_dtypes("number").shape[1]
        self.neighbours, self.reach = {}, {}
        for label in np.unique(y):
            own = self.units.transform(X[y == label])
            k = min(10, len(own) - 1)
            self.neighbours[label] = NearestNeighbors(n_neighbors=k).fit(own)
            self.reach[label] = np.quantile(self.neighbours[label].kneighbors()[0][:, -1], 0.95)

    def __call__(self, cf: Counterfactuals) -> dict[str, float]:
        target = cf.report["target"].to_numpy()
        after, before = self.units.transform(cf.data), self.units.transform(cf.original)
        near = np.zeros(len(cf), dtype=bool)
        for label in np.unique(target):
            rows = target == label
            near[rows] = self.neighbours[label].kneighbors(after[rows])[0][:, -1] <= self.reach[label]
        return {
            "valid": cf.report["valid"].mean(),
            "plausible": cf.report["plausible"].mean(),
            "support": cf.report["support"].mean(),
            "agreement": (self.forest.predict(cf.data) == target).mean(),
            "near": near.mean(),
            "l2": np.linalg.norm((after - before)[:, : self.n_numbers], axis=1).mean(),
            "changed": cf.report["n_changed"].mean(),
        }


def auroc(estimator, X: pd.DataFrame, y: np.ndarray) -> float:
    """Area under the curve; one class against the rest where there are more than two."""
    proba = estimator.predict_proba(X)
    return roc_auc_score(y, proba[:, 1] if proba.shape[1] == 2 else proba, multi_class="ovr")


def measure(split: Split, judge: Judge, seed: int, n_queries: int) -> dict[str, float]:
    """Fit with one seed and measure predictions and counterfactuals on test rows."""
    start = time.perf_counter()
    clf = HyConExClassifier(random_state=seed).fit(split.rows_to_fit, split.labels_to_fit)
    figures = {"fit_seconds": time.perf_counter() - start}
    queries = split.X_test[:n_queries]
    one_shot = judge(clf.counterfactuals(queries, search="one_shot"))
    start = time.perf_counter()
    found = clf.counterfactuals(queries)
    figures["search_seconds"] = time.perf_counter() - start
    figures |= judge(found) | {f"one_shot_{name}": value for name, value in one_shot.items()}
    figures["auroc"] = auroc(clf, split.X_test, split.y_test)
    figures["accuracy"] = clf.score(split.X_test, split.y_test)
    plain = HyConExClassifier(random_state=seed, alpha_validity=0, alpha_proximity=0, alpha_plausibility=0)
    figures["auroc_plain"] = auroc(plain.fit(split.rows_to_fit, split.labels_to_fit), split.X_test, split.y_test)
    return {name: float(value) for name, value in figures.items()}


def baselines(split: Split) -> dict[str, float]:
    """Area under the curve of scikit-learn's own classifiers on the same rows."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    boosting = make_pipeline(_by_kind("passthrough", codes), HistGradientBoostingClassifier(random_state=0))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    linear = make_pipeline(_by_kind(numbers, OneHotEncoder(handle_unknown="ignore")), LogisticRegression(max_iter=2000))
    fitted = {"auroc_boosting": boosting, "auroc_linear": linear}
    return {
        name: float(auroc(model.fit(split.rows_to_fit, split.labels_to_fit), split.X_test, split.y_test))
        for name, model in fitted.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the CSV files")
    parser.add_argument("--tables", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--queries", type=int, default=1000, help="test rows to explain, at most")
    parser.add_argument("--output", type=Path, default=Path("benchmark.json"))
    arguments = parser.parse_args()
    runs = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    warnings.simplefilter("ignore")
    print(f"{'table':8s}" + "".join(f"{name.replace('one_shot', '1s')[-13:]:>14s}" for name in SHOWN))
    for name in arguments.tables:
        split = load(name, arguments.data)
        judge = Judge(split.X_train, split.y_train)
        missing = [seed for seed in arguments.seeds if f"{name}/{seed}" not in runs]
        for seed in missing:
            runs[f"{name}/{seed}"] = measure(split, judge, seed, arguments.queries) | baselines(split)
            arguments.output.write_text(json.dumps(runs, indent=1))
        table = pd.DataFrame([runs[f"{name}/{seed}"] for seed in arguments.seeds])
        print(f"{name:8s}" + "".join(f"{table[figure].mean():14.4g}" for figure in SHOWN), flush=True)


if __name__ == "__main__":
    main()
