"""A classifier whose counterfactuals are known, for what pipelines make of them, and tables and steps for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from hyconex_sklearn._answer.counterfactuals import Counterfactuals


def keep(Z: Any) -> Any:
    return Z


class Mover(ClassifierMixin, BaseEstimator):
    """Classifier whose counterfactuals are ``move(X)``, and that notes what it was asked to certify."""

    def __init__(self, move: Callable[[Any], Any] = keep, C: float = 1.0) -> None:
        self.move, self.C = move, C

    def fit(self, X: Any, y: Any) -> Mover:
        frame = pd.DataFrame(X).infer_objects()
        self.numeric_ = [j for j in range(frame.shape[1]) if pd.api.types.is_numeric_dtype(frame.iloc[:, j].dtype)]
        self.model_ = LogisticRegression(C=self.C).fit(self._numbers(X), y)
        self.classes_ = self.model_.classes_
        self.asked_: list[Any] = []
        self.certified_: list[Any] = []
        return self

    def _numbers(self, X: Any) -> np.ndarray:
        numbers = pd.DataFrame(X).iloc[:, self.numeric_].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        return np.nan_to_num(numbers).reshape(len(X), -1)

    def predict(self, X: Any) -> np.ndarray:
        return self.model_.predict(self._numbers(X))

    def counterfactuals(self, X: Any, *, twice: bool = False) -> Counterfactuals:
        self.asked_.append(X.copy())
        rows = np.repeat(np.arange(len(X)), 2 if twice else 1)
        original = X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
        data = self.move(original.copy())
        before = self.predict(original)
        report = pd.DataFrame({"row": rows, "target": 1 - before, "rank": 0})
        report = self._certify_rows(data, report, X)
        self.certified_.clear()
        return Counterfactuals(data, original, report, list(range(X.shape[1])), np.full(len(rows), 0.5), before)

    def _certify_rows(self, data: Any, report: pd.DataFrame, X: Any, **asked: Any) -> pd.DataFrame:
        assert len(data) == len(report) and report["row"].max() < len(X)
        self.certified_.append(data)
        prediction = self.predict(data)
        valid = prediction == report["target"].to_numpy()
        flags = {"prediction": prediction, "probability": 0.5, "valid": valid, "plausible": valid, "n_changed": -1}
        return report.assign(**flags, status=np.where(valid, "ok", "not_valid"))


def table(n: int = 40, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "wage": rng.normal(1000.0, 1 / 3, n),
            "town": pd.array(rng.choice(["Oslo", "Bergen", "Bodø"], n), dtype="str"),
            "level": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), ["low", "mid", "high", "never"], ordered=True
            ),
            "member": rng.random(n) < 0.5,
            "note": [f"id {i}" for i in range(n)],
        },
        index=np.arange(n) + 100,
    )
    return X, np.array(X["age"] > 45, dtype=int)


def add(**steps: float) -> Callable[[Any], Any]:
    """A move that adds to columns of an ndarray by position (``c0=1.0``)."""

    def move(Z: Any) -> Any:
        for name, step in steps.items():
            Z[:, int(name[1:])] += step
        return Z

    return move


def columns() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "wage"]),  # 0, 1
            ("hot", OneHotEncoder(categories=[["Bergen", "Bodø", "Oslo"]], sparse_output=False), ["town"]),  # 2-4
            ("rank", OrdinalEncoder(categories=[["low", "mid", "high"]]), ["level"]),  # 5
            ("keep", "passthrough", ["member"]),  # 6
        ]
    )
