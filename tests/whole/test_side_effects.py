"""What fits and queries leave as it was: the estimator, the user's table, and the user's global settings."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _helpers import same_cells, settings_of_the_user, short_fits, short_searches, state_of
from _models import fast, fitted, iris, mixed, mixed_table, model, small_parts
from pandas.testing import assert_frame_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, counterfactuals
from hyconex_sklearn._answer.page import report_page
from hyconex_sklearn._model.model import Model
from hyconex_sklearn.metrics import evaluate_counterfactuals

__all__ = ["model", "short_fits", "short_searches", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_searches"),
]


FROZEN = Actionability(immutable=[0])


def read(cf: Counterfactuals) -> None:
    """Everything that a result says of itself."""
    assert cf.to_frame() is not None and cf.changes() is not None and cf.explain() and cf.to_json()
    assert (
        repr(cf)
        and cf._repr_html_()
        and report_page(cf, "page")
        and [len(one) for one in cf]
        and len(cf[cf.report["valid"]]) <= len(cf)
    )


QUERIES: list[Callable[[HyConExClassifier, Any], object]] = [
    lambda clf, X: clf.predict(X),
    lambda clf, X: clf.predict_proba(X),
    lambda clf, X: clf.local_linear(X),
    lambda clf, X: clf.contributions(X),
    lambda clf, X: clf.score_samples(X),
    lambda clf, X: clf.score_samples(X, clf.predict(X)),
    lambda clf, X: clf.score(X, clf.predict(X)),
    lambda clf, X: clf.counterfactuals(X),
    lambda clf, X: clf.counterfactuals(X[:9], search="steps", target_probability=0.7, monotonic_cst={0: 1}),
    lambda clf, X: clf.counterfactuals(X, search="latent", immutable=[0], max_changes=2),
    lambda clf, X: clf.counterfactuals(X, search="one_shot", target=clf.classes_[0], n_counterfactuals=2),
    lambda clf, X: read(clf.counterfactuals(X[:9], search="one_shot")),
    lambda clf, X: evaluate_counterfactuals(
        clf.counterfactuals(X[:9], search="one_shot"), X[:9], X, clf.predict(X), actionability=FROZEN
    ),
    lambda clf, X: counterfactuals(make_pipeline(FunctionTransformer(), clf), X[:9], search="one_shot", immutable=[0]),
    lambda clf, X: pickle.dumps(clf),
    lambda clf, X: repr(clf) + clf._repr_html_(),
]


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_a_query_changes_neither_estimator_nor_table_nor_global_state(model: Any, number: int) -> None:
    clf, X, _ = model
    table, before, own = copy.deepcopy(X), state_of(clf), settings_of_the_user()
    QUERIES[number](clf, X)
    assert state_of(clf) == before
    assert settings_of_the_user() == own
    assert same_cells(X, table).all()


@pytest.mark.parametrize(("search", "call"), [("auto", 1), ("auto", 4), ("auto", 30), ("latent", 5), ("steps", 2)])
def test_a_query_that_is_interrupted_leaves_everything_as_it_was(
    search: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, X, _ = mixed()
    expected, before, own = clf.counterfactuals(X[:4], search=search), state_of(clf), settings_of_the_user()
    calls, judge = [], Model.judge

    def interrupted(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return judge(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Model, "judge", interrupted)
        with pytest.raises(KeyboardInterrupt):
            clf.counterfactuals(X[:4], search=search, n_counterfactuals=2)
    assert state_of(clf) == before and settings_of_the_user() == own
    again = clf.counterfactuals(X[:4], search=search)
    assert_frame_equal(again.report, expected.report, check_exact=True)
    assert same_cells(again.data, expected.data).all()


def test_the_digest_notices_a_change() -> None:
    clf = copy.deepcopy(iris()[0])
    before = state_of(clf)
    clf._model.temperature *= 1.001
    assert state_of(clf) != before


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("n_jobs", [None, 1, 3])
def test_fit_leaves_the_users_settings_and_table_alone(n_jobs: int | None) -> None:
    X, y = mixed_table(40)
    table, own, labels = X.copy(deep=True), settings_of_the_user(), y.copy()
    fitted(X, y, n_jobs=n_jobs, flow_epochs=2, pretrain_epochs=2, joint_epochs=1)
    assert settings_of_the_user() == own
    assert_frame_equal(X, table)
    np.testing.assert_array_equal(y, labels)


def test_a_failed_fit_and_a_failed_query_restore_the_users_settings() -> None:
    clf, X, y = iris()
    own = settings_of_the_user()
    with pytest.raises(ValueError):
        fast(learning_rate=1e6, n_jobs=3).fit(X, y)
    with pytest.raises(ValueError):
        clf.counterfactuals(X, target="no such class")
    assert settings_of_the_user() == own


@pytest.mark.parametrize("context", ["float64", "no_grad", "inference_mode"])
def test_what_the_user_told_torch_makes_no_difference(context: str) -> None:
    shared, X, y = iris()
    expected = shared.counterfactuals(X[:20])

    def ask() -> tuple[HyConExClassifier, Any]:
        return fitted(X, y), shared.counterfactuals(X[:20])

    if context == "float64":
        torch.set_default_dtype(torch.float64)
        try:
            clf, cf = ask()
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        with getattr(torch, context)():
            clf, cf = ask()
    np.testing.assert_array_equal(clf.predict_proba(X), shared.predict_proba(X))
    np.testing.assert_array_equal(cf.data, expected.data)


def test_a_copy_shares_no_memory() -> None:
    clf, *_ = iris()
    before = state_of(clf)
    twin = copy.deepcopy(clf)
    for tensor in twin._model.state_dict().values():
        tensor.zero_()
    assert state_of(clf) == before
