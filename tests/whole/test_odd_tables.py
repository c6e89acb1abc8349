"""Tables that are odd in one way or another: each is fitted, predicted and explained, and every certificate holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_fits, short_searches
from _models import fitted
from sklearn.datasets import make_classification

from hyconex_sklearn import HyConExClassifier, Status

__all__ = ["short_fits", "short_searches"]  # fixtures

pytestmark = pytest.mark.usefixtures("short_searches")


def check_end_to_end(X: Any, y: Any, valid: float = 1.0, **changes: Any) -> HyConExClassifier:
    """Fit, predict, explain; every certificate holds and the share of valid rows is at least `valid`."""
    clf = fitted(X, y, **{"flow_epochs": 3, "pretrain_epochs": 20, "joint_epochs": 2, **changes})
    cf = clf.counterfactuals(X[:25])
    assert np.isfinite(clf.predict_proba(X)).all()
    assert len(cf) == len(X[:25]) * (len(clf.classes_) - 1)
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    assert cf.report["valid"].mean() >= valid
    assert np.isfinite(cf.report.drop(columns="flips_at").select_dtypes("number")).all(axis=None)
    return clf


RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(60, 3))
RANKS = NUMBERS[:, 0].argsort().argsort()
SIGN = (NUMBERS[:, 0] > 0).astype(int)
TEXTS = pd.DataFrame({"c": RNG.choice(list("abc"), 60), "d": RNG.choice(["x", "y"], 60)})
TABLES: dict[str, tuple[Any, Any]] = {
    "constant column": (np.c_[NUMBERS, np.full(60, 3.0)], SIGN),
    "missing column": (np.c_[NUMBERS, np.full(60, np.nan)], SIGN),
    "missing object column": (pd.DataFrame(NUMBERS).assign(gone=None).rename(columns=str), SIGN),
    "as many categories as rows": (pd.DataFrame({"x": NUMBERS[:, 0], "id": [f"id {i}" for i in range(60)]}), SIGN),
    "nothing but identifiers": (pd.DataFrame({"id": [f"id {i}" for i in range(60)]}), SIGN),
    "all categorical": (TEXTS, (TEXTS["c"] == "a").to_numpy()),
    "all boolean": (pd.DataFrame(NUMBERS > 0).rename(columns=str), SIGN),
    "one numeric column": (NUMBERS[:, :1], SIGN),
    "one boolean column": (pd.DataFrame({"b": NUMBERS[:, 0] > 0}), SIGN),
    "duplicated rows": (np.repeat(NUMBERS[:6], 10, axis=0), np.repeat(SIGN[:6], 10)),
    "two rows": (NUMBERS[:2], [0, 1]),
    "three rows": (NUMBERS[:3], [0, 1, 1]),
    "1 row of a class": (NUMBERS, RANKS >= 59),
    "2 rows of a class": (NUMBERS, RANKS >= 58),
    "5 rows of a class": (NUMBERS, RANKS >= 55),
    "huge numbers": (NUMBERS * 1e300, SIGN),
    "tiny numbers": (NUMBERS * 1e-300, SIGN),
    "numbers far from zero": (NUMBERS + 1e12, SIGN),
    "heavy tails": (np.exp(20 * NUMBERS), SIGN),
    "integer names": (pd.DataFrame(NUMBERS), SIGN),
    "sparse columns": (pd.DataFrame({f"x{j}": pd.arrays.SparseArray(NUMBERS[:, j].round()) for j in range(3)}), SIGN),
    "text array": (TEXTS.to_numpy(dtype=str), (TEXTS["c"] == "a").to_numpy()),
}


@pytest.mark.parametrize("name", TABLES)
def test_odd_tables_go_all_the_way(name: str) -> None:
    check_end_to_end(*TABLES[name])


UNLEARNABLE: dict[str, Any] = {
    "all constant": np.ones((60, 2)),
    "all missing": np.full((60, 2), np.nan),
    "one row sixty times": np.repeat(NUMBERS[:1], 60, axis=0),
}


@pytest.mark.parametrize("name", UNLEARNABLE)
def test_a_table_that_says_nothing_gives_the_frequent_class(name: str) -> None:
    labels = np.arange(60) % 3 == 0
    clf = check_end_to_end(UNLEARNABLE[name], labels, valid=0.0)
    assert not clf.predict(UNLEARNABLE[name]).any()
    report = clf.counterfactuals(UNLEARNABLE[name]).report
    assert (report["status"] == Status.NOT_VALID).all() and (report["n_changed"] == 0).all()


@pytest.mark.usefixtures("short_fits")
def test_a_table_with_more_columns_than_rows() -> None:
    check_end_to_end(*make_classification(80, 300, n_informative=30, random_state=0), flow_epochs=2)


@pytest.mark.usefixtures("short_fits")
def test_a_hundred_classes() -> None:
    place = np.array([(i, j) for i in range(10) for j in range(10)], dtype=float)
    X = np.repeat(place, 5, axis=0) + np.random.default_rng(0).normal(scale=0.05, size=(500, 2))
    y = np.repeat(np.arange(100), 5)
    clf = fitted(X, y, flow_epochs=3, pretrain_epochs=40, joint_epochs=2, learning_rate=0.02)
    assert clf.predict_proba(X).shape == (500, 100)
    cf = clf.counterfactuals(X[:2], search="steps")
    assert len(cf) == 2 * 99
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
