"""What goes wrong while a model is fitted: it is interrupted, time runs out, or the data lead nowhere."""

from __future__ import annotations

import copy
import itertools
import warnings
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from _helpers import settings_of_the_user, short_fits, short_searches, state_of
from _models import fast, fitted, iris, mixed, mixed_table, small_parts
from _trainings import encoded, rows_of, training_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from hyconex_sklearn import HyConExClassifier, Status
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._training.density_phase import fit_density
from hyconex_sklearn._training.history import Clock

__all__ = ["short_fits", "short_searches", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_searches"),
]

QUICK = {"flow_epochs": 2, "pretrain_epochs": 2, "joint_epochs": 2}
PHASES = ["density", "classifier", "clusters", "joint"]


# -------------------------------------------------------------------------------------------------------- interruption


def check_interrupted(clf: HyConExClassifier, X: Any, y: Any) -> None:
    """The fit ends with the interruption, and the estimator and the user's settings are as before."""
    before, own = state_of(clf), settings_of_the_user()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert state_of(clf) == before and settings_of_the_user() == own


@pytest.mark.usefixtures("short_fits")
@settings(max_examples=12)
@given(st.integers(1, 45), st.booleans())
def test_a_fit_interrupted_at_any_step_leaves_the_estimator_as_it_was(step: int, was_fitted: bool) -> None:
    X, y = mixed_table(40)
    clf = copy.deepcopy(iris()[0]) if was_fitted else fast()
    clf.set_params(**QUICK)
    taken, take = itertools.count(1), torch.optim.AdamW.step

    def interrupted(self: Any, *given: Any) -> Any:
        if next(taken) == step:
            raise KeyboardInterrupt
        return take(self, *given)

    with patch.object(torch.optim.AdamW, "step", interrupted):
        check_interrupted(clf, X, y)
    if was_fitted:
        np.testing.assert_array_equal(clf.predict(iris()[1]), iris()[0].predict(iris()[1]))
    else:
        with pytest.raises(NotFittedError):
            clf.predict(X)


STATIONS = [
    "_classifier.check_labels",
    "_classifier.TableCodec.encode",
    "_classifier.unruled",
    "_training.fit_model.fit_density",
    "_training.fit_model.plausible_threshold",
    "_training.fit_model.fit_committee",
    "_training.fit_model.fit_classifier",
    "_training.classifier_phase.fit_ensemble",
    "_training.ensemble.LogisticRegression",
    "_training.ensemble.HistGradientBoostingClassifier",
    "_training.fit_model.calibrate",
    "_training.fit_model.pretrain_on_clusters",
    "_training.fit_model.fill_reservoir",
    "_training.history.History.warn",
]


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("station", STATIONS)
def test_a_fit_interrupted_between_its_phases_leaves_the_earlier_one_whole(station: str) -> None:
    clf = copy.deepcopy(iris()[0]).set_params(**QUICK)
    with patch(f"hyconex_sklearn.{station}", side_effect=KeyboardInterrupt):
        check_interrupted(clf, *mixed_table(40))
    assert clf.n_features_in_ == 4 and not hasattr(clf, "feature_names_in_")


# -------------------------------------------------------------------------------------------------------- limited time


def slow_clock(seconds: float = 1.0) -> Any:
    """Time that moves on whenever somebody looks at it."""
    ticks = itertools.count(0.0, seconds)
    return patch("hyconex_sklearn._training.history.monotonic", side_effect=lambda: next(ticks))


def count(clf: HyConExClassifier) -> dict[Any, int]:
    return {phase: sum(record["phase"] == phase for record in clf.history_) for phase in PHASES}


def test_a_model_whose_time_is_up_at_once_can_still_be_used() -> None:
    X, y = mixed_table()
    with slow_clock():
        clf = fitted(X, y, max_time=0.01)
    assert count(clf) == dict.fromkeys(PHASES, 1)
    assert [record.get("stopped") for record in clf.history_] == ["max_time"] * 4
    assert np.isfinite(clf.predict_proba(X)).all() and np.isfinite(clf.score_samples(X)).all()
    assert clf.score(X, y) > 0.8  # thanks to the linear start
    cf = clf.counterfactuals(X[:10])
    assert len(cf) == 10
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


@pytest.mark.usefixtures("short_fits")
def test_every_phase_gets_its_share_of_the_time() -> None:
    long = {"flow_epochs": 500, "pretrain_epochs": 500, "joint_epochs": 500, "patience": 500}
    with slow_clock():
        clf = fitted(*mixed_table(60), max_time=400.0, **long)
    steps = count(clf)  # of an epoch there are four, and each looks at the clock
    assert 25 <= steps["density"] <= 40 and 15 <= steps["classifier"] <= 24
    assert 2 <= steps["clusters"] <= 4 and 20 <= steps["joint"] <= 35
    stopped = {record["phase"]: record.get("stopped") for record in clf.history_}  # the last record of each phase
    assert stopped == dict.fromkeys(PHASES, "max_time")
    assert sum("stopped" in record for record in clf.history_) == 4


def test_time_that_does_not_run_out_changes_nothing() -> None:
    shared, X, y = mixed()
    clf = fitted(X, y, max_time=1e9)
    assert clf.history_ == shared.history_
    np.testing.assert_array_equal(clf.predict_proba(X), shared.predict_proba(X))


@pytest.mark.usefixtures("short_fits")
def test_one_warning_says_that_time_ran_out() -> None:
    X, y = mixed_table(60)
    with slow_clock(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fast(max_time=50.0, flow_epochs=100, pretrain_epochs=100, joint_epochs=100).fit(X, y)
    told = [warning for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    assert len(told) == 1 and told[0].filename == __file__
    assert str(told[0].message).startswith("max_time=50.0 seconds ran out in phases density, ")
    assert "Raise max_time" in str(told[0].message)


def test_what_is_kept_when_time_runs_out_is_the_best_model_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyconex_sklearn._training.density_phase._NOISE", 0.0)  # so that a loss can be told again
    space, x = encoded(np.random.default_rng(0).normal(size=(150, 3)))
    rows = rows_of(x, np.arange(150) % 2)
    with slow_clock():
        # So large a step that later epochs are worse than earlier ones.
        settings = {"learning_rate": 0.3, "weight_decay": 0.0, "patience": 1_000}
        training = training_of(rows, 100, clock=Clock(max_time=200.0), **settings)
        density = MixedDensity(space, 2, 2, (16,))
        fit_density(density, space, training, 1_000)
    losses = [record["valid_loss"] for record in training.history.records]
    with torch.no_grad():
        kept = -float(density.log_prob(training.valid.x, training.valid.labels).mean())
    assert training.history.stopped == ["density"] and len(losses) < 30
    assert min(losses) < losses[-1]
    assert kept == pytest.approx(min(losses), abs=1e-5)


# ----------------------------------------------------------------------------------------------- data that lead nowhere


@pytest.mark.parametrize(
    "changes",
    [{}, {"flow_epochs": 0}, {"flow_epochs": 0, "pretrain_epochs": 0}],
    ids=["density", "classifier", "clusters or joint"],
)
def test_a_training_that_diverges_is_told_whatever_the_phase(changes: dict[str, int]) -> None:
    _, X, y = iris()
    clf = fast(learning_rate=1e20, **changes)
    with pytest.raises(ValueError, match=r"diverged.*Lower learning_rate"):
        clf.fit(X, y)
    with pytest.raises(NotFittedError):
        clf.predict(X)


RNG = np.random.default_rng(0)
LINE = RNG.normal(size=80)
SIGN = (LINE > 0).astype(int)
MASS = np.where(RNG.random(80) < 0.95, 0.0, 1.0)
DEGENERATE: dict[str, tuple[Any, Any]] = {
    "collinear columns": (np.c_[LINE, LINE, -2 * LINE + 1, LINE + 1e-9 * RNG.normal(size=80), np.ones(80)], SIGN),
    "more columns than rows": (np.tile(LINE[:6, None], (1, 40)), [0, 1] * 3),
    "two rows": (LINE[:2, None], ["a", "b"]),
    "two equal rows": (np.ones((2, 3)), ["a", "b"]),
    "one row of each class": (RNG.normal(size=(12, 3)), np.arange(12)),
    "one row of each class, all equal": (np.ones((5, 2)), np.arange(5)),
    "a point mass": (np.c_[MASS, MASS * 1e-12, RNG.normal(size=80)], RNG.integers(0, 2, 80)),
    "ties": (np.repeat([[0.0, 1.0], [1.0, 0.0]], 40, axis=0), np.repeat([0, 1], 40)),
    "a step": (np.c_[SIGN.astype(float), RNG.integers(0, 2, 80)], SIGN),
    "an outlier": (np.r_[LINE[:79], 1e200][:, None], SIGN),
}


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("name", DEGENERATE)
def test_a_density_of_degenerate_data_stays_finite(name: str) -> None:
    X, y = DEGENERATE[name]
    clf = fitted(X, y, flow_epochs=20, pretrain_epochs=10, joint_epochs=2)
    assert np.isfinite(clf.score_samples(X)).all()
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1.0, atol=1e-5)
    cf = clf.counterfactuals(X[:6])
    assert len(cf) == len(X[:6]) * (len(clf.classes_) - 1)
    assert np.isfinite(cf.report[["probability", "support", "log_density", "distance_l2"]]).all(axis=None)
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


@cache
def never_predicted() -> tuple[HyConExClassifier, np.ndarray]:
    """An estimator of a table whose rare class looks like the other one, and its rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 3)), np.where(np.arange(150) < 2, "rare", "common")
    X[:2] = X[2:4]
    return fitted(X, y), X


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("search", ["auto", "latent", "steps", "one_shot"])
def test_a_class_that_is_never_predicted_can_be_asked_for(search: str) -> None:
    clf, X = never_predicted()
    assert not (clf.predict(X) == "rare").any()
    cf = clf.counterfactuals(X[:20], target="rare", search=search)
    assert len(cf) == 20
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    unsatisfied = ~cf.report["valid"].to_numpy()
    assert (cf.report["status"][unsatisfied] == Status.NOT_VALID).all()
    assert not (cf.report["status"][~unsatisfied] == Status.NOT_VALID).any()
