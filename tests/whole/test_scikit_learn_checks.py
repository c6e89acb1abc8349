"""The contract of scikit-learn: its own checks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from _helpers import short_fits
from _models import fast, small_parts
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from hyconex_sklearn import HyConExClassifier

__all__ = ["short_fits", "small_parts"]  # fixtures


def expected(_: Any) -> dict[str, str]:
    """The check that fails by design: it wants equal numbers, `test_sample_weight` says how near these are."""
    why = "a row given twice is drawn into other batches than one of weight two"
    return {"check_sample_weight_equivalence_on_dense_data": why}


@pytest.mark.usefixtures("small_parts", "short_fits")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([fast(flow_epochs=2, pretrain_epochs=8, joint_epochs=1)], expected_failed_checks=expected)
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.very_slow
def test_check_estimator_with_the_defaults() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = check_estimator(
            HyConExClassifier(random_state=0), on_fail=None, expected_failed_checks=expected(None)
        )
    trouble = [result for result in results if result["status"] == "failed"]
    assert not trouble, [(result["check_name"], result["exception"]) for result in trouble]


@pytest.mark.slow  # other processes import torch first
def test_cross_validation_in_two_processes() -> None:
    X, y = load_iris(return_X_y=True)
    clf = fast(flow_epochs=2, joint_epochs=1, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone, together = (cross_val_score(clf, X, y, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2))
    np.testing.assert_allclose(alone, together)
    assert alone.min() > 0.85
