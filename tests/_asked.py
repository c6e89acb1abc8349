"""What shared estimators answer about some rows of their tables."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from _models import iris, mixed

from hyconex_sklearn import Counterfactuals, HyConExClassifier
from hyconex_sklearn._common.parameters import SEARCHES

QUICK = {"flow_epochs": 2, "pretrain_epochs": 10, "joint_epochs": 1}
KEYS = ["row", "target", "rank"]

each_table = pytest.mark.parametrize("name", ["iris", "mixed"])
each_search = pytest.mark.parametrize("search", SEARCHES)


@cache
def rows_of(name: str) -> tuple[HyConExClassifier, Any]:
    """A shared estimator, and some rows of its table."""
    clf, X, _ = iris() if name == "iris" else mixed()
    return clf, X[:: len(X) // 30]


@cache
def asked(name: str, search: str = "auto", **how: Any) -> Counterfactuals:
    """What a shared estimator answers about `rows_of`. Shared: never change it."""
    clf, X = rows_of(name)
    return clf.counterfactuals(X, search=search, **how)
