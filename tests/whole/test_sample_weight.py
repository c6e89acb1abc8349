"""How much each row counts: in what is learned, as a parameter among scikit-learn's, and where it can't be used."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from _helpers import short_fits, state_of, take
from _models import fast, fitted, iris, mixed, mixed_table, small_parts
from scipy.special import expit, softmax
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import HyConExClassifier

__all__ = ["short_fits", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_fits"),
]

TINY = {"flow_epochs": 2, "pretrain_epochs": 4, "joint_epochs": 1}


def cloud(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


def weighted(X: Any, y: Any, weight: Any, **changes: Any) -> HyConExClassifier:
    return fast(**{**TINY, **changes}).fit(X, y, sample_weight=weight)


def same(one: HyConExClassifier, other: HyConExClassifier) -> bool:
    """Whether two fits are the same in every bit."""
    return state_of(one) == state_of(other)


# ------------------------------------------------------------------------------------------------- what a weight means


@pytest.mark.parametrize("weight", [1, 2.5, "ones", "tenths"])
def test_equal_weights_give_the_unweighted_fit(weight: Any) -> None:
    X, y = mixed_table(60)
    each = {"ones": np.ones(60), "tenths": np.full(60, 0.1)}
    equal = weighted(X, y, each.get(weight, weight) if isinstance(weight, str) else weight)
    assert same(equal, weighted(X, y, None))


def test_the_scale_of_weights_does_not_matter() -> None:
    X, y = mixed_table(60)
    weight = 1.0 + np.arange(60) % 4
    one, scaled, tenth = (weighted(X, y, weight * scale) for scale in (1.0, 4.0, 0.1))
    assert same(one, scaled)
    np.testing.assert_allclose(tenth.predict_proba(X), one.predict_proba(X), atol=1e-3)
    assert not same(one, weighted(X, y, None))


@pytest.mark.parametrize("frame", [True, False], ids=["frame", "array"])
@pytest.mark.parametrize("others", ["equal", "unequal"])
def test_a_row_without_weight_is_as_if_it_were_not_there(frame: bool, others: str) -> None:
    X, y = mixed_table(80)
    X, y = (X, y) if frame else (X[["age", "children"]].astype(float).to_numpy(), (y == "yes").astype(int))
    weight = np.where(np.arange(80) % 5 == 0, 0.0, 1.0 if others == "equal" else 1.0 + np.arange(80) % 3)
    gone = take(X, np.flatnonzero(weight == 0)).copy()
    X = X.copy()
    if frame:
        X.loc[gone.index, "age"], X.loc[gone.index, "job"] = 1_000_000, "astronaut"
    else:
        X[weight == 0] = 1e6
    kept = np.flatnonzero(weight)
    alone = weighted(take(X, kept), y[kept], weight[kept])
    assert same(weighted(X, y, weight), alone)
    if others == "equal":
        assert same(alone, weighted(take(X, kept), y[kept], None))


def test_a_class_without_weight_is_no_class() -> None:
    X, y = iris()[1:]
    clf = weighted(X, y, np.where(y == 1, 0.0, 1.0))
    assert clf.classes_.tolist() == [0, 2] and clf.predict_proba(X).shape == (150, 2)
    with pytest.raises(ValueError, match="one class only"):
        weighted(X, y, (y == 1).astype(float))


@cache
def at_length(kind: str) -> HyConExClassifier:
    """Fits of the cloud: as it is, with a third of its rows three times, or with weight 3 for these."""
    X, y = cloud()
    chosen = np.arange(300) % 3 == 0
    times = np.where(chosen & (y == 1), 3, 1)
    settings: dict[str, Any] = {"flow_epochs": 20, "pretrain_epochs": 100, "joint_epochs": 1}
    if kind == "repeated":
        return fitted(np.repeat(X, times, axis=0), np.repeat(y, times), **settings)
    clf = fast(**settings)
    return clf.fit(X, y, sample_weight=times if kind == "weighted" else None)


def test_a_row_of_weight_three_is_as_good_as_three_rows() -> None:
    X, _ = cloud()
    plain, repeated, heavy = (at_length(kind).predict_proba(X) for kind in ("plain", "repeated", "weighted"))
    assert np.abs(heavy - repeated).mean() < 0.08
    assert np.abs(heavy - repeated).mean() < np.abs(plain - repeated).mean()


def test_rows_that_count_more_are_predicted_more() -> None:
    X, y = cloud()
    shares = [
        weighted(X, y, np.where(y == 1, heavy, 1.0), pretrain_epochs=20).predict(X).mean() for heavy in (1.0, 8.0)
    ]
    assert shares[1] > shares[0] + 0.1


def test_weights_reach_the_threshold_of_the_density() -> None:
    X, y = cloud()
    near = (X**2).sum(1) < 2
    centre, edge = (
        weighted(X, y, weight, flow_epochs=15) for weight in (np.where(near, 9.0, 1.0), np.where(near, 1.0, 9.0))
    )
    at_home = np.median(centre.score_samples(X[near], y[near]) - edge.score_samples(X[near], y[near]))
    assert at_home > 0
    assert (centre._model.threshold > edge._model.threshold).all()


def test_weights_reach_the_typical_row() -> None:
    X, y = cloud()
    typical = [weighted(X, y, np.where(X[:, 0] > 0, heavy, 1.0))._model.typical[0] for heavy in (1.0, 9.0)]
    assert typical[1] > typical[0] + 0.2


def test_weights_far_apart_are_learnt_from() -> None:
    X, y = cloud(60)
    odd = np.arange(60) % 2
    huge, tiny = (weighted(X, y, np.where(odd, *pair)) for pair in ((1e308, 1.7e308), (1e-60, 1.0)))
    assert huge.score(X, y) > 0.6 and tiny.score(X[odd == 0], y[odd == 0]) > 0.6


def test_class_weight_and_sample_weight_are_multiplied() -> None:
    X, y = cloud(120)
    by_rows = weighted(X, y, np.where(y == 1, 3.0, 1.0))
    both = weighted(X, y, np.where(np.arange(120) % 2, 2.0, 1.0), class_weight={0: 1.0, 1: 3.0})
    alone = weighted(X, y, np.where(np.arange(120) % 2, 2.0, 1.0))
    shares = [clf.predict_proba(X)[:, 1].mean() for clf in (by_rows, both, alone)]
    assert shares[0] > shares[2] + 0.05 and shares[1] > shares[2] + 0.05


# ---------------------------------------------------------------------------------------------------- what is refused


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "text": (["a"] * 30, TypeError, r"sample_weight must hold numbers.*Pass one number"),
    "text among objects": (np.array([1.0] * 29 + ["b"], dtype=object), TypeError, r"must hold numbers"),
    "a masked array": (np.ma.masked_equal(np.arange(30.0), 3), TypeError, r"sample_weight is a masked array"),
    "complex": (np.ones(30) + 1j, TypeError, r"must hold numbers"),
    "too few": (np.ones(29), ValueError, r"shape \(29,\), expected \(30,\)"),
    "a column": (np.ones((30, 1)), ValueError, r"shape \(30, 1\), expected \(30,\)"),
    "negative": (
        np.r_[-1.0, np.ones(29)],
        ValueError,
        r"1 value\(s\) that are negative or not finite, the first one -1.0 in row 0",
    ),
    "a negative number for all": (-2.0, ValueError, r"expected finite numbers >= 0"),
    "NaN": (np.r_[np.nan, np.ones(29)], ValueError, r"expected finite numbers >= 0"),
    "infinite": (np.r_[np.inf, np.ones(29)], ValueError, r"expected finite numbers >= 0"),
    "missing": ([None] + [1.0] * 29, ValueError, r"expected finite numbers >= 0"),
    "all zero": (np.zeros(30), ValueError, r"sample_weight is zero for every row"),
    "zero for all": (0, ValueError, r"sample_weight is zero for every row"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_mean_nothing_are_refused_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("work began although the weights are bad")

    monkeypatch.setattr("hyconex_sklearn._training.fit_model.fit_model", work)
    weight, kind, message = REFUSED[name]
    clf = fast()
    with pytest.raises(kind, match=message):
        clf.fit(np.arange(60.0).reshape(30, 2), np.arange(30) % 2, sample_weight=weight)
    assert not hasattr(clf, "classes_")


# -------------------------------------------------------------------------------------- weights inside scikit-learn


def test_a_pipeline_passes_weights_on() -> None:
    X, y = cloud(80)
    weight = 1.0 + np.arange(80) % 3
    scaled = StandardScaler().fit(X)
    expected = weighted(scaled.transform(X), y, weight).predict_proba(scaled.transform(X))
    plain = make_pipeline(StandardScaler(), fast(**TINY)).fit(X, y, hyconexclassifier__sample_weight=weight)
    np.testing.assert_array_equal(plain.predict_proba(X), expected)
    with sklearn.config_context(enable_metadata_routing=True):
        steps = StandardScaler().set_fit_request(sample_weight=False), fast(**TINY).set_fit_request(sample_weight=True)
        routed = make_pipeline(*steps).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict_proba(X), expected)


def test_a_grid_search_passes_weights_on() -> None:
    X, y = cloud(80)
    weight = 1.0 + np.arange(80) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        clf = fast(**TINY).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(clf, {"hidden_size": [8]}, cv=2, error_score="raise").fit(X, y, sample_weight=weight)
    expected = weighted(X, y, weight, hidden_size=8)
    np.testing.assert_array_equal(search.predict_proba(X), expected.predict_proba(X))
    assert 0 <= search.best_score_ <= 1


def test_weights_that_nobody_asked_to_route_are_told() -> None:
    X, y = cloud(80)
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"sample_weight.*not explicitly set"),
    ):
        GridSearchCV(fast(**TINY), {"hidden_size": [8]}, cv=2).fit(X, y, sample_weight=np.ones(80))


# ----------------------------------------------------------------------------------- what else scikit-learn may ask for


@pytest.mark.parametrize("shared", [iris, mixed])
def test_logarithms_and_scores_say_what_the_probabilities_say(shared: Any) -> None:
    clf, X, _ = shared()
    probability = clf.predict_proba(X)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), probability, atol=1e-6)
    score = clf.decision_function(X)
    assert score.dtype == clf.predict_log_proba(X).dtype == np.float32
    if len(clf.classes_) == 2:
        assert score.shape == (len(X),)
        np.testing.assert_allclose(expit(score), probability[:, 1], atol=1e-5)
        np.testing.assert_array_equal(clf.classes_[(score > 0).astype(int)], clf.predict(X))
    else:
        assert score.shape == (len(X), len(clf.classes_))
        np.testing.assert_allclose(softmax(score, axis=1), probability, atol=1e-5)
        np.testing.assert_array_equal(clf.classes_[score.argmax(1)], clf.predict(X))


def test_logarithms_stay_finite_where_probabilities_round_to_zero() -> None:
    clf, X, _ = iris()
    far = np.vstack([X.mean(0) + scale * np.array([[-1.0, 1.0, -1.0, -1.0]]) for scale in (1e2, 1e4)])
    assert np.isfinite(clf.predict_log_proba(far)).all() and np.isfinite(clf.decision_function(far)).all()
    assert (clf.predict_log_proba(far) <= 0).all()


def test_a_frame_may_carry_its_weights_as_a_series_with_an_index_of_its_own() -> None:
    X, y = mixed_table(60)
    weight = 1.0 + np.arange(60) % 3
    series = pd.Series(weight, index=X.index[::-1])  # matched by place, as labels are
    assert same(weighted(X, y, series), weighted(X, y, weight))
