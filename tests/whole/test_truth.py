"""Contributions and local weights tell the truth of the classifier, which nothing else can change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import fitted, mixed_table
from sklearn.datasets import load_breast_cancer, load_wine

from hyconex_sklearn import HyConExClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ONE_PASS = {"joint_epochs": 100, "hidden_size": 64, "n_blocks": 2}  # enough for the single pass to have learnt its way
OBJECTIVES = [
    {"alpha_validity": 0, "alpha_proximity": 0, "alpha_plausibility": 0},
    {"alpha_validity": 0.3, "alpha_plausibility": 2.0},
    {"joint_epochs": 0},
]


@pytest.fixture(scope="module", params=[load_wine, load_breast_cancer])
def real(request: pytest.FixtureRequest) -> tuple[HyConExClassifier, pd.DataFrame]:
    """A model of real data, and rows that it has not seen."""
    X, y = request.param(return_X_y=True, as_frame=True)
    return fitted(X[::2], y[::2], **ONE_PASS), X[1::4]


def against_others(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """What (n, K, ...) says of one class of each row, less the mean of what it says of the others."""
    own = values[np.arange(len(values)), chosen]
    return own - (values.sum(1) - own) / (values.shape[1] - 1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_predictions_do_not_depend_on_the_objective(objective: dict[str, Any]) -> None:
    X, y = mixed_table()
    np.testing.assert_array_equal(fitted(X, y, **objective).predict_proba(X), fitted(X, y).predict_proba(X))


def test_a_column_speaks_for_the_class_that_it_speaks_for() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["decides", "noise", "more noise"])
    clf = fitted(X, np.where(X["decides"] > 0, "high", "low"))
    terms, _ = clf.contributions(X)
    for_high = terms[:, 0] - terms[:, 1]
    clear = (X["decides"].abs() > 0.5).to_numpy()
    assert (np.abs(for_high).argmax(1)[clear] == 0).mean() > 0.95
    assert (np.sign(for_high[clear, 0]) == np.sign(X["decides"][clear])).all()


def test_contributions_agree_with_taking_a_column_away(real: Any) -> None:
    clf, X = real
    predicted = clf.predict_proba(X).argmax(1)
    terms, _ = clf.contributions(X)
    bars = against_others(terms, predicted)  # (n, d)
    with torch.no_grad():
        x, model = torch.from_numpy(clf._codec.encode(X)), clf._model
        logits = model.logits(x).numpy()
        without = [
            model.logits(torch.where(model.space.owner == j, model.typical, x)).numpy() for j in range(X.shape[1])
        ]
    lost = np.stack([against_others(logits - each, predicted) for each in without], 1)
    largest = np.abs(bars).argmax(1)[:, None]
    same = np.sign(np.take_along_axis(bars, largest, 1)) == np.sign(np.take_along_axis(lost, largest, 1))
    assert same.mean() > 0.9
    assert np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(bars, lost, strict=True)]) > 0.8


def test_local_coefficients_point_where_the_logits_grow(real: Any) -> None:
    clf, X = real
    coef, intercept = clf.local_linear(X)
    x = torch.from_numpy(clf._codec.encode(X)).requires_grad_(True)
    logits = clf._model.logits(x)
    told = np.einsum("nkd,nd->nk", coef, x.detach().numpy()) + intercept
    np.testing.assert_allclose(told, logits.detach().numpy(), atol=1e-3)  # at the row it is the classifier
    target = logits.detach().argsort(1)[:, -2].numpy()  # the second most probable class
    (gradient,) = torch.autograd.grad(logits[np.arange(len(X)), target].sum() * 2 - logits.sum(), x)
    direction = against_others(coef, target)
    cosine = torch.cosine_similarity(torch.from_numpy(direction), gradient, 1)
    assert float(cosine.mean()) > 0.4


def test_the_local_model_is_about_right_at_its_own_counterfactual(real: Any) -> None:
    clf, X = real
    coef, intercept = clf.local_linear(X)
    cf = clf.counterfactuals(X, search="one_shot", target="second")
    target = np.searchsorted(clf.classes_, cf.report["target"])
    there = np.einsum("nkd,nd->nk", coef, clf._codec.encode(cf.data)) + intercept
    assert (there.argmax(1) == target).mean() > 0.9
    assert cf.report["valid"].mean() > 0.9
