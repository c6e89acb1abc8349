"""From encoded rows to a fitted model: what is held out, the linear start, calibration and thresholds."""

from __future__ import annotations

import warnings
from unittest.mock import patch

import numpy as np
import pytest
import torch
from _helpers import state_of
from _models import fitted, iris
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hyconex_sklearn._model.committee import mean_log_odds
from hyconex_sklearn._model.losses import log_odds
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._training.calibrate import (
    Calibration,
    Confidence,
    calibrate,
    fit_temperature,
    plausible_threshold,
    quantile_of,
)
from hyconex_sklearn._training.classifier_phase import linear_start
from hyconex_sklearn._training.rows import Rows, draw_held_out


def rows_of(x: np.ndarray, labels: np.ndarray, weight: np.ndarray | None = None) -> Rows:
    weight = np.ones(len(x)) if weight is None else weight
    return Rows(torch.tensor(x).float(), torch.tensor(labels), torch.tensor(weight).float())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.floats(0.01, 0.99), st.integers(0, 9))
def test_every_class_keeps_a_row_and_gives_its_share(labels: list[int], fraction: float, seed: int) -> None:
    y = np.array(labels)
    held_out = draw_held_out(y, fraction, np.random.default_rng(seed))
    for label in np.unique(y):
        n, given_away = (y == label).sum(), held_out[y == label].sum()
        assert given_away < n
        assert abs(given_away - fraction * n) <= 1 or given_away == n - 1


def test_held_out_rows_follow_the_seed_and_are_not_the_first_ones() -> None:
    y = np.arange(100) % 2
    draws = [draw_held_out(y, 0.2, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any() and draws[0].sum() == 20 and draws[0][40:].any()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_linear_start_is_a_logistic_regression(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    labels = np.digitize(x[:, 0] - x[:, 1] + 0.5 * rng.normal(size=300), np.linspace(-1, 1, n_classes + 1)[1:-1])
    weight, bias = linear_start(rows_of(x, labels), n_classes)
    assert weight.shape == (n_classes, 4) and bias.shape == (n_classes,)
    found = (torch.tensor(x).float() @ weight.T + bias).softmax(1).numpy()
    reference = LogisticRegression(C=1.0).fit(x, labels).predict_proba(x)
    assert np.abs(found - reference).mean() < 0.05
    assert (found.argmax(1) == labels).mean() > 0.75


def test_the_linear_start_heeds_weights() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    labels = (x[:, 0] + rng.normal(size=200) > 1.0).astype(int)
    shares = []
    for weight in (np.ones(200), np.where(labels == 1, 20.0, 1.0)):
        w, b = linear_start(rows_of(x, labels, weight), 2)
        shares.append(float((torch.tensor(x).float() @ w.T + b).argmax(1).float().mean()))
    assert shares[1] > shares[0] + 0.2


@pytest.mark.parametrize("counts", [[50, 1], [50, 2], [1, 1], [40, 1, 2, 5]])
def test_rare_classes_have_a_linear_start_too(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).normal(size=(len(labels), 3)) + 5 * labels[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weight, bias = linear_start(rows_of(x, labels), len(counts))
    predicted = (torch.tensor(x).float() @ weight.T + bias).argmax(1).numpy()
    assert torch.isfinite(weight).all() and (predicted == labels).mean() > 0.8


def test_a_class_without_rows_is_unlikely_from_the_start() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    weight, bias = linear_start(rows_of(x, np.where(x[:, 0] > 0, 0, 2)), 3)
    probability = (torch.tensor(x).float() @ weight.T + bias).softmax(1)
    assert (probability[:, 1] < 0.01).all()
    assert (probability.argmax(1).numpy() == np.where(x[:, 0] > 0, 0, 2)).mean() > 0.9


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_scale(factor: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(5_000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(logits * factor, labels, torch.ones(5_000)) == pytest.approx(factor, rel=0.1)


def test_a_few_rows_that_are_all_right_do_not_make_it_sure() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    temperature = fit_temperature(logits, torch.tensor([0, 1]), torch.ones(2))
    assert (logits / temperature).softmax(1).max() < 0.9


def test_weights_count_in_the_temperature() -> None:
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]]).repeat(50, 1)
    labels = torch.tensor([0, 1]).repeat(50)
    trusting = fit_temperature(logits, labels, torch.tensor([1.0, 0.01]).repeat(50))
    wary = fit_temperature(logits, labels, torch.tensor([1.0, 0.8]).repeat(50))
    assert trusting < wary


def test_the_threshold_is_a_quantile_of_each_class() -> None:
    clf, X, y = iris()
    rows = rows_of(clf._codec.encode(X), y)
    density = clf._model.density
    for quantile in (0.0, 0.25, 0.9):
        threshold = plausible_threshold(density, rows, rows, quantile)
        own = density.log_prob(rows.x, rows.labels)
        shares = torch.stack([(own[rows.labels == k] < threshold[k]).float().mean() for k in range(3)])
        torch.testing.assert_close(shares, torch.full((3,), quantile), atol=0.03, rtol=0)


def test_more_held_out_rows_than_torch_takes_have_a_quantile_too() -> None:
    values = torch.rand(17_000_000, generator=torch.Generator().manual_seed(0))
    assert float(quantile_of(values, 0.25)) == pytest.approx(0.25, abs=1e-3)


def test_a_higher_quantile_asks_more_of_a_counterfactual() -> None:
    _, X, y = iris()
    strict = fitted(X, y, plausibility_quantile=0.6)
    assert (strict._model.threshold > iris()[0]._model.threshold).all()


# --------------------------------------------------------------------------------------------------- asked confidence


def calibrated(
    quantile: float, least: float, most: float = 3.5, labels: np.ndarray | None = None
) -> tuple[Calibration, Model, Rows]:
    """What all rows say of the model of iris, with these limits; the labels may be wrong on purpose."""
    clf, X, y = iris()
    rows = rows_of(clf._codec.encode(X), y if labels is None else labels)
    limits = (quantile, least, most)
    with patch.multiple("hyconex_sklearn._training.calibrate", AIMED=limits, ASKED=limits):
        found = calibrate(clf._model, rows)
    assert all(torch.equal(*pair) for pair in zip(found.aimed, found.asked, strict=True))
    return found, clf._model, rows


@pytest.mark.parametrize("quantile", [0.1, 0.25, 0.5])
def test_the_confidence_is_what_rows_of_the_class_that_are_told_right_typically_reach(quantile: float) -> None:
    found, model, rows = calibrated(quantile, 0.1)
    logits = model.network.logits(rows.x) / found.temperature
    reached = Confidence(log_odds(logits, rows.labels), mean_log_odds(model.committee(rows.x), rows.labels))
    for odds, confidence in zip(reached, found.asked, strict=True):
        for label in range(3):
            own = odds[(rows.labels == label) & (logits.argmax(1) == label)]
            torch.testing.assert_close(confidence[label], own.quantile(quantile).clamp(0.1, 3.5))


def test_the_confidence_has_a_floor_and_a_ceiling() -> None:
    floor = calibrated(0.0, 1.0)[0].asked.calibrated
    assert (floor >= 1.0).all() and (floor == 1.0).any()
    for most in (2.0, 3.5):
        ceiling = calibrated(1.0, 1.0, most)[0].asked
        assert (ceiling.calibrated <= most).all() and (ceiling.committee == most).any()


def test_a_class_that_is_never_told_right_asks_what_the_others_reach() -> None:
    _, _, y = iris()
    found, model, rows = calibrated(0.5, 0.0, labels=np.where(y == 2, 0, y))  # no row is labelled 2
    logits = model.network.logits(rows.x) / found.temperature
    right = logits.argmax(1) == rows.labels
    typical = log_odds(logits, rows.labels)[right].quantile(0.5).clamp(0.0, 3.5)
    torch.testing.assert_close(found.asked.calibrated[2], typical)


def test_a_model_that_is_always_wrong_asks_the_least() -> None:
    clf, X, _ = iris()
    found, *_ = calibrated(0.25, 1.0, labels=(clf.predict(X) + 1) % 3)
    assert found.asked.calibrated.tolist() == found.asked.committee.tolist() == [1.0, 1.0, 1.0]


def test_a_search_may_stop_earlier_than_the_one_pass_is_trained_to_go() -> None:
    clf, X, y = iris()
    _, aimed, asked = calibrate(clf._model, rows_of(clf._codec.encode(X), y))
    assert (asked.calibrated <= aimed.calibrated).all() and (asked.calibrated < aimed.calibrated).any()


def test_calibration_leaves_the_model_as_it_is() -> None:
    clf, X, y = iris()
    before = state_of(clf)
    calibrate(clf._model, rows_of(clf._codec.encode(X[::2]), y[::2]))
    assert state_of(clf) == before
