"""Small tables and quickly fitted models that several test files share; every fit happens once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model import committee

#: Parameters with which a fit takes about a second.
FAST: dict[str, Any] = {
    "flow_epochs": 10,
    "pretrain_epochs": 60,
    "joint_epochs": 5,
    "hidden_size": 16,
    "n_blocks": 1,
    "flow_hidden": (8,),
    "flow_transforms": 2,
    "random_state": 0,
}


@contextmanager
def small() -> Iterator[None]:
    """Less of what no parameter of the estimator shortens: reservoir, committee, ensemble and rows drawn to teach."""
    trees = {"_TREES": 5, "_LEAST_TREES": 5, "_FOREST_TREES": 5}
    with (
        patch("hyconex_sklearn._training.fit_model._RESERVOIR", 300),
        patch("hyconex_sklearn._model.committee._EPOCHS", min(20, committee._EPOCHS)),
        patch.multiple("hyconex_sklearn._training.ensemble", **trees),
        patch.multiple("hyconex_sklearn._training.classifier_phase", _FEWEST_DRAWN=600, _KEPT_BACK=100),
    ):
        yield


@pytest.fixture
def small_parts() -> Iterator[None]:
    """The same for every fit of a test."""
    with small():
        yield


def fast(**changes: Any) -> HyConExClassifier:
    """An unfitted estimator that trains quickly."""
    return HyConExClassifier(**{**FAST, **changes})


def fitted(X: Any, y: Any, **changes: Any) -> HyConExClassifier:
    """A quickly fitted estimator with small parts; that a short training has not converged is no news here."""
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fast(**changes).fit(X, y)


def mixed_table(n: int = 160, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """People with every kind of column, gaps in most of them, and a label that depends on numbers and text alike."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    income = np.round(np.exp(rng.normal(10, 1, n)), 2)
    job = rng.choice(["clerk", "nurse", "pilot"], n, p=[0.5, 0.3, 0.2])
    grade = rng.choice(["low", "mid", "high"], n)
    owner = rng.random(n) < 0.4
    children = rng.integers(0, 5, n)
    score = (age - 50) / 15 + (job == "pilot") * 2 + (grade == "high") - (grade == "low") + owner + np.log(income) - 10
    X = pd.DataFrame(
        {
            "age": age,
            "income": income,
            "job": job,
            "grade": pd.Categorical(grade, categories=["low", "mid", "high"], ordered=True),
            "owner": owner,
            "children": pd.array(children, dtype="Int64"),
            "fixed": 7,
        },
        index=np.arange(n) * 3 + 11,
    )
    gaps = rng.random((n, 3)) < 0.1
    X.loc[gaps[:, 0], "income"] = np.nan
    X.loc[gaps[:, 1], "job"] = None
    X.loc[gaps[:, 2], "children"] = pd.NA
    return X, np.where(score + rng.normal(0, 0.3, n) > 0.5, "yes", "no")


@cache
def mixed() -> tuple[HyConExClassifier, pd.DataFrame, np.ndarray]:
    """Estimator, table and labels of `mixed_table`. Shared: never change them."""
    X, y = mixed_table()
    return fitted(X, y), X, y


@cache
def iris() -> tuple[HyConExClassifier, np.ndarray, np.ndarray]:
    """Estimator, table and labels of the iris data, three classes. Shared: never change them."""
    X, y = load_iris(return_X_y=True)
    return fitted(X, y), X, y


def real_table(name: str) -> tuple[Any, np.ndarray]:
    """A table by its name."""
    if name == "mixed":
        return mixed_table()
    if name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        return X.iloc[:200], y.to_numpy()[:200]
    return {"iris": load_iris, "wine": load_wine}[name](return_X_y=True)


@pytest.fixture(params=["iris", "mixed"])
def model(request: pytest.FixtureRequest) -> tuple[HyConExClassifier, Any, np.ndarray]:
    """A shared estimator, and every third row of its table."""
    clf, X, y = iris() if request.param == "iris" else mixed()
    return clf, X[::3], y[::3]
