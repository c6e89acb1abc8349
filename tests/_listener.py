"""A classifier at the end of a pipeline that notes what it is told, and tables and steps for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from hyconex_sklearn import Actionability, Counterfactuals, counterfactuals


class Listener(ClassifierMixin, BaseEstimator):
    """Classifier that notes the rules it is told, and answers with its rows plus `shift`, all called feasible."""

    def __init__(self, shift: Any = 0.0) -> None:
        self.shift = shift

    def fit(self, X: Any, y: Any) -> Listener:
        self.classes_ = np.unique(y)
        self.told_: list[Any] = []
        self.certified_: list[Any] = []
        return self

    def counterfactuals(self, X: Any, *, actionability: Any = None, **rest: Any) -> Counterfactuals:
        self.told_.append({"actionability": actionability, **rest})
        report = pd.DataFrame({"row": np.arange(len(X)), "target": 1, "rank": 0, "feasible": True, "status": "ok"})
        moved = X if np.ndim(self.shift) == 0 and self.shift == 0 else X + self.shift
        return Counterfactuals(moved, X, report, list(range(X.shape[1])), np.full(len(X), 0.5), np.zeros(len(X)))

    def _certify_rows(self, data: Any, report: pd.DataFrame, X: Any, **asked: Any) -> pd.DataFrame:
        self.certified_.append(asked)
        return report.assign(feasible=True, status="ok")


def listening(step: Any, X: Any, shift: Any = 0.0) -> Pipeline:
    """A pipeline that ends in a listener, fitted without a warning."""
    return make_pipeline(step, Listener(shift)).fit(X, np.arange(len(X)) % 2)


def told(step: Any, X: Any, rows: Any = None, **rules: Any) -> Actionability:
    """What the classifier behind a step is told, when the rules are said of X or of some other rows."""
    pipe = listening(step, X)
    counterfactuals(pipe, X if rows is None else rows, **rules)
    return pipe[-1].told_[0]["actionability"]


def people(n: int = 30, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": np.exp(rng.normal(10, 1, n)),
            "debt": rng.normal(5000, 2000, n),
            "job": rng.choice(["clerk", "nurse", "pilot"], n),
            "owner": rng.random(n) < 0.5,
        }
    )


def columns() -> ColumnTransformer:
    """Final columns: age, income and debt scaled; one each for clerk, nurse and pilot; owner as it is."""
    hot = OneHotEncoder(sparse_output=False)
    blocks = [("num", StandardScaler(), ["age", "income", "debt"]), ("hot", hot, ["job"])]
    return ColumnTransformer([*blocks, ("keep", "passthrough", ["owner"])], verbose_feature_names_out=False)


def named_columns() -> ColumnTransformer:
    return columns().set_output(transform="pandas")


NUMBERS = people()[["age", "income", "debt"]]
