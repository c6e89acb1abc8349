"""Which estimators are opened, and which are refused: clearly, and before any search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _movers import Mover, add, keep
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    StandardScaler,
    TargetEncoder,
)

from hyconex_sklearn._pipeline.counterfactuals import counterfactuals


def test_searches_nested_pipelines_and_frozen_estimators_are_opened() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    inner = make_pipeline(StandardScaler(), Mover(add(c1=1.0)))
    search = GridSearchCV(make_pipeline(MinMaxScaler(), inner), {"pipeline__mover__C": [0.1, 1.0]}, cv=2).fit(X, y)
    expected = X + np.array([0, X[:, 1].std()])
    for estimator in (search, FrozenEstimator(search), search.best_estimator_):
        np.testing.assert_allclose(counterfactuals(estimator, X).data, expected)
    bare = Mover(add(c1=1.0)).fit(X, y)
    np.testing.assert_allclose(counterfactuals(bare, X).data, X + np.array([0, 1]))
    np.testing.assert_allclose(
        counterfactuals(GridSearchCV(bare, {"C": [1.0]}, cv=2).fit(X, y), X).data, X + np.array([0, 1])
    )


class Bare(ClassifierMixin, BaseEstimator):
    """Classifier that has a method counterfactuals, and nothing else beside predictions."""

    def fit(self, X: Any, y: Any) -> Bare:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.full(len(X), self.classes_[0])

    def counterfactuals(self, X: Any) -> Any:
        return Mover(add(c0=1.0)).fit(X, np.arange(len(X)) % 2).counterfactuals(X)


def test_a_classifier_that_cannot_judge_rows_again_is_asked_where_nothing_has_to_be_judged_again() -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    scaled = make_pipeline(StandardScaler(), Bare()).fit(X, y)
    np.testing.assert_allclose(counterfactuals(Bare().fit(X, y), X).data, X + np.array([1, 0]))
    np.testing.assert_allclose(counterfactuals(scaled, X).data, X + np.array([X[:, 0].std(), 0]))
    lacking = pytest.raises(
        TypeError, match=r"Bare has .* counterfactuals, but none called _certify_rows, which judges"
    )
    with lacking:  # whole numbers are rounded on the way back
        whole = pd.DataFrame({"a": range(40), "b": range(40)})
        counterfactuals(make_pipeline(StandardScaler(), Bare()).fit(whole, y), whole)
    with lacking:
        counterfactuals(scaled, X, immutable=[1])


def no_way_back() -> dict[str, tuple[Any, str]]:
    return {
        "target": (TargetEncoder(cv=2), "TargetEncoder"),
        "log": (FunctionTransformer(np.log1p), "FunctionTransformer"),
        "block": (ColumnTransformer([("code", TargetEncoder(cv=2), [0])]), "TargetEncoder"),
        "nested": (make_pipeline(StandardScaler(), FunctionTransformer(np.abs)), "FunctionTransformer"),
    }


@pytest.mark.parametrize("name", no_way_back())
def test_a_step_without_inverse_is_named_before_any_search(name: str) -> None:
    X = np.random.default_rng(0).integers(0, 3, (20, 2)).astype(float)
    step, kind = no_way_back()[name]
    pipe = Pipeline([("first", StandardScaler()), (name, step), ("clf", Mover())])
    if name != "nested":
        pipe.steps.pop(0)
    pipe.fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=rf"'{name}(__\w+)?' \({kind}\) cannot be inverted.*inverse_func"):
        counterfactuals(pipe, X)
    assert pipe[-1].asked_ == []


def lost(Z: Any) -> Any:
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("inverse", "message"),
    [
        (lost, "its inverse_transform failed: 'lost'"),
        (lambda Z: Z[:, :1], r"its inverse gave \(1, 1\), not a table of shape \(1, 2\)"),
    ],
)
def test_a_step_whose_inverse_fails_is_named_before_any_search(inverse: Callable[[Any], Any], message: str) -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    step = FunctionTransformer(keep, inverse_func=inverse, check_inverse=False)
    pipe = make_pipeline(step, Mover()).fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=rf"'functiontransformer' \(FunctionTransformer\) cannot be.*{message}"):
        counterfactuals(pipe, X)
    assert pipe[-1].asked_ == []


def test_a_category_that_is_a_number_comes_back_as_the_nearest_one() -> None:
    X = pd.DataFrame({"dose": pd.Categorical([1, 2, 5, 9] * 5), "age": np.arange(20.0)})
    pipe = make_pipeline(FunctionTransformer(np.asarray, inverse_func=keep, check_inverse=False), Mover(add(c0=2.9)))
    cf = counterfactuals(pipe.fit(X, np.arange(20) % 2), X)
    assert cf.data["dose"].dtype == X["dose"].dtype
    assert cf.data["dose"].tolist() == [5, 5, 9, 9] * 5  # of 3.9, 4.9, 7.9 and 11.9


def test_a_rotation_comes_back_through_its_inverse() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    pipe = make_pipeline(PCA(), Mover(add(c0=1.0))).fit(X, (X[:, 0] > 0).astype(int))
    np.testing.assert_allclose(counterfactuals(pipe, X).data, X + pipe[0].components_[0])


def test_estimators_without_counterfactuals_are_refused_with_a_reason() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    with pytest.raises(TypeError, match="LogisticRegression has no method counterfactuals; expected"):
        counterfactuals(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), X)
    with pytest.raises(TypeError, match=r"CalibratedClassifierCV decides by probabilities that are calibrated anew"):
        counterfactuals(CalibratedClassifierCV(Mover()), X)
    with pytest.raises(NotFittedError, match="call fit first"):
        counterfactuals(GridSearchCV(Mover(), {"C": [1.0]}), X)
    with pytest.raises(TypeError, match="'passthrough'"):
        counterfactuals(Pipeline([("a", StandardScaler()), ("b", "passthrough")]), X)
    with pytest.raises(ValueError, match=r"1 dimension.*\(n, d\)"):
        counterfactuals(make_pipeline(StandardScaler(), Mover()).fit(X, y), X[0])


class Doubler(BaseEstimator):
    """A sampler, as those of imbalanced-learn are: for fit only, and without a transform."""

    def fit_resample(self, X: Any, y: Any) -> Any:
        return np.concatenate([X, X]), np.concatenate([y, y])


def test_samplers_are_skipped_as_they_are_when_a_pipeline_predicts() -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])
    y = (X["a"] > 0).to_numpy().astype(int)
    scale = StandardScaler().fit(X)
    final = Mover(add(c0=1.0, c1=-1.0)).fit(scale.transform(X), y)
    plain, sampling = (
        Pipeline([("scale", scale), *between, ("final", final)]) for between in ((), (("double", Doubler()),))
    )
    cf, expected = counterfactuals(sampling, X[:5]), counterfactuals(plain, X[:5])
    pd.testing.assert_frame_equal(cf.data, expected.data)
    assert (cf.data != X[:5]).all(axis=None)


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (
            FixedThresholdClassifier(Mover(), threshold=0.7),
            r"by a threshold of its own.*wrapper\.estimator_.*target_prob",
        ),
        (TunedThresholdClassifierCV(Mover()), r"by a threshold of its own.*wrapper\.estimator_.*target_probability"),
        (CalibratedClassifierCV(Mover()), r"by probabilities .* calibrated by itself: fit one without the wrapper"),
    ],
)
def test_wrappers_that_decide_by_themselves_are_named_with_a_remedy(wrapper: Any, words: str) -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    for estimator in (wrapper, Pipeline([("scale", StandardScaler()), ("last", wrapper)])):
        with pytest.raises(TypeError, match=f"{type(wrapper).__name__} decides {words}"):
            counterfactuals(estimator, X)
