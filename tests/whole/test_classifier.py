"""The estimator: predictions, randomness, trouble, and life inside scikit-learn."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import same_cells, short_fits, short_searches, state_of
from _models import FAST, fast, fitted, iris, mixed, mixed_table, model, small_parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, make_classification, make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV

from hyconex_sklearn import HyConExClassifier, Status

__all__ = ["model", "short_fits", "short_searches", "small_parts"]  # fixtures

METHODS = ["predict", "predict_proba", "local_linear", "score_samples", "counterfactuals"]
QUICK = {"flow_epochs": 2, "pretrain_epochs": 3, "joint_epochs": 1}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_searches"),
]


# ------------------------------------------------------------------------------------- predictions and densities


def test_a_real_table_is_learned(model: Any) -> None:
    clf, X, y = model
    assert clf.score(X, y) > 0.85
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[clf.predict_proba(X).argmax(1)])


def test_each_row_has_its_own_linear_classifier(model: Any) -> None:
    clf, X, _ = model
    coef, intercept = clf.local_linear(X)
    encoded = clf._codec.encode(X)
    assert coef.shape == (len(X), len(clf.classes_), encoded.shape[1])
    logits = np.einsum("nkd,nd->nk", coef, encoded) + intercept
    np.testing.assert_allclose(softmax(logits, axis=1), clf.predict_proba(X), atol=1e-4)


def test_contributions_of_columns_add_up_to_the_calibrated_logits(model: Any) -> None:
    clf, X, _ = model
    terms, baseline = clf.contributions(X)
    assert terms.shape == (len(X), len(clf.classes_), X.shape[1]) and baseline.shape == (len(clf.classes_),)
    np.testing.assert_allclose(softmax(terms.sum(2) + baseline, axis=1), clf.predict_proba(X), atol=1e-4)
    # A column that is as in the typical row adds nothing: here one that never varied.
    if isinstance(X, pd.DataFrame):
        np.testing.assert_allclose(terms[:, :, list(X.columns).index("fixed")], 0.0, atol=1e-5)


def test_contributions_stand_in_the_order_of_the_asked_table() -> None:
    clf, X, _ = mixed()
    terms, _ = clf.contributions(X[:5])
    turned, _ = clf.contributions(X.iloc[:5, ::-1])
    np.testing.assert_array_equal(turned, terms[:, :, ::-1])


def test_log_densities_for_given_labels_are_columns_of_those_for_all() -> None:
    clf, X, y = iris()
    every = clf.score_samples(X)
    assert every.shape == (len(X), 3)
    np.testing.assert_array_equal(clf.score_samples(X, y), every[np.arange(len(X)), y])
    assert (every.argmax(1) == y).mean() > 0.8
    far = clf.score_samples(X + 30.0)
    assert far.max() < every.max(1).min()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(7)), st.integers(0, 159))
def test_columns_are_matched_by_name(order: list[int], first: int) -> None:
    clf, X, _ = mixed()
    rows = X.iloc[first : first + 5]
    shuffled = rows.iloc[:, order]
    np.testing.assert_array_equal(clf.predict_proba(shuffled), clf.predict_proba(rows))
    cf, expected = clf.counterfactuals(shuffled, search="one_shot"), clf.counterfactuals(rows, search="one_shot")
    assert list(cf.data.columns) == list(shuffled.columns)
    assert_frame_equal(cf.data[X.columns], expected.data)


def test_an_unseen_category_warns_and_is_predicted_sensibly() -> None:
    clf, X, _ = mixed()
    rows = X[:30].copy()
    rows["job"] = "astronaut"
    with pytest.warns(UserWarning, match=r"'job'.*'astronaut'") as caught:
        probability = clf.predict_proba(rows)
    assert len(caught) == 1 and caught[0].filename == __file__
    jobs = []
    for job in ("clerk", "nurse", "pilot"):
        rows["job"] = job
        jobs.append(clf.predict_proba(rows)[:, 1])
    low, high = np.min(jobs, axis=0), np.max(jobs, axis=0)
    assert np.isfinite(probability).all()
    assert ((low - 0.25 < probability[:, 1]) & (probability[:, 1] < high + 0.25)).all()


# ----------------------------------------------------------------------------------------------------- randomness


def test_one_seed_gives_one_model_bit_for_bit() -> None:
    X, y = mixed_table()
    shared = mixed()[0]
    again = fitted(X, y)
    assert state_of(again) == state_of(shared)
    np.testing.assert_array_equal(again.predict_proba(X), shared.predict_proba(X))
    assert_frame_equal(again.counterfactuals(X[:20]).data, shared.counterfactuals(X[:20]).data)
    assert again.history_ == shared.history_


def test_the_seed_decides_and_global_random_state_has_no_say() -> None:
    shared, X, y = mixed()
    torch.manual_seed(123)
    np.random.seed(123)
    np.testing.assert_array_equal(fitted(X, y).predict_proba(X), shared.predict_proba(X))
    assert not np.array_equal(fitted(X, y, random_state=1).predict_proba(X), shared.predict_proba(X))


@pytest.mark.usefixtures("short_fits")
def test_a_random_state_instance_moves_on_and_an_integer_does_not() -> None:
    _, X, y = iris()
    instance = np.random.RandomState(0)
    clf = fast(**QUICK, random_state=instance)
    first, second = (clf.fit(X, y).predict_proba(X) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(fitted(X, y, **QUICK, random_state=np.random.RandomState(0)).predict_proba(X), first)
    none = [fitted(X, y, **QUICK, random_state=None).predict_proba(X) for _ in range(2)]
    assert not np.array_equal(*none)


class Named(HyConExClassifier):
    """A subclass with a parameter of its own, which it does not keep as it was given."""

    def __init__(self, *, layers: Any = (8,), random_state: int = 0) -> None:
        quick = {"flow_epochs": 1, "pretrain_epochs": 1, "joint_epochs": 0, "hidden_size": 8, "n_blocks": 1}
        super().__init__(**quick, flow_hidden=layers, flow_transforms=1, random_state=random_state)
        self.layers = list(layers)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_subclass_that_copies_its_parameters_is_fitted() -> None:
    _, X, y = iris()
    assert Named().fit(X, y).predict(X).shape == y.shape


def test_a_second_fit_forgets_the_first() -> None:
    shared, X, y = iris()
    clf = fitted(*mixed_table(50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), shared.predict_proba(X))
    assert clf.n_features_in_ == 4 and not hasattr(clf, "feature_names_in_")


# -------------------------------------------------------------------------------------------- history and trouble


def test_every_epoch_is_in_the_history() -> None:
    clf, *_ = iris()
    phases = pd.DataFrame(clf.history_).groupby("phase", sort=False)["epoch"]
    assert set(phases.groups) >= {"density", "classifier", "joint"}
    for _, epochs in phases:
        assert list(epochs) == list(range(len(epochs)))
    assert clf.n_iter_ == len(clf.history_)
    assert phases.size()["joint"] == FAST["joint_epochs"] and phases.size()["density"] <= FAST["flow_epochs"]
    assert all(np.isfinite([record["train_loss"], record["valid_loss"]]).all() for record in clf.history_)


def test_the_history_marks_the_epoch_that_each_phase_keeps() -> None:
    clf, *_ = iris()
    kept = {record["phase"]: record for record in clf.history_ if record.get("kept")}
    assert len(kept) == sum("kept" in record for record in clf.history_) and {"density", "joint"} <= kept.keys()
    for phase in {"density", "classifier"} & kept.keys():
        assert kept[phase]["valid_loss"] == min(r["valid_loss"] for r in clf.history_ if r["phase"] == phase)
    assert kept["joint"]["valid"] >= max(r["valid"] for r in clf.history_ if r["phase"] == "joint") - 0.01


@pytest.mark.usefixtures("short_fits")
def test_progress_bars_name_the_phases_on_stderr_only_if_asked() -> None:
    _, X, y = iris()
    shown = {}
    for verbose in (0, 1):
        stream = io.StringIO()
        with redirect_stderr(stream), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fast(**QUICK, verbose=verbose).fit(X, y)
        shown[verbose] = stream.getvalue()
    assert shown[0] == ""
    assert "density" in shown[1] and "joint" in shown[1] and "%" in shown[1]


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("parameter", ["flow_epochs", "pretrain_epochs"])
def test_a_training_that_was_cut_short_says_what_to_raise(parameter: str) -> None:
    X, y = make_moons(300, noise=0.05, random_state=0)  # whose classes no linear model tells apart
    with pytest.warns(ConvergenceWarning, match=rf"2 epoch.s. ran out. Raise {parameter}") as caught:
        fast(**{"flow_epochs": 0, "pretrain_epochs": 0, parameter: 2}, joint_epochs=0, learning_rate=1e-4).fit(X, y)
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("short_fits")
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_a_training_that_converged_is_silent() -> None:
    _, X, y = iris()
    fast(flow_epochs=300, pretrain_epochs=300, patience=2, learning_rate=0.02).fit(X[::2], y[::2])


@pytest.mark.parametrize("changes", [{}, {"flow_epochs": 0}], ids=["density", "classifier"])
def test_a_diverging_training_says_what_to_lower(changes: dict[str, Any]) -> None:
    _, X, y = iris()
    clf = fast(learning_rate=1e6, **changes)
    with pytest.raises(ValueError, match=r"diverged.*Lower learning_rate"):
        clf.fit(X, y)
    for method in METHODS:
        with pytest.raises(NotFittedError):
            getattr(clf, method)(X)


@pytest.mark.parametrize("trouble", ["divergence", "one class", "infinity", "length", "parameter"])
def test_a_fit_that_fails_leaves_the_earlier_one_whole(trouble: str) -> None:
    shared, X, _ = iris()
    clf = copy.deepcopy(shared)
    other, labels = mixed_table(60)
    if trouble == "divergence":
        clf.learning_rate = 1e6
    elif trouble == "one class":
        labels = np.full(60, "yes")
    elif trouble == "infinity":
        other["income"] = np.inf
    elif trouble == "length":
        labels = labels[:-1]
    else:
        clf.hidden_size = 0
    with pytest.raises(ValueError):
        clf.fit(other, labels)
    np.testing.assert_array_equal(clf.classes_, shared.classes_)
    assert clf.n_features_in_ == 4 and not hasattr(clf, "feature_names_in_")
    assert clf.history_ == shared.history_
    np.testing.assert_array_equal(clf.predict_proba(X), shared.predict_proba(X))
    np.testing.assert_array_equal(clf.counterfactuals(X[:3]).data, shared.counterfactuals(X[:3]).data)


# --------------------------------------------------------------------------------------------- life in scikit-learn


def test_a_model_for_a_device_that_is_not_here_loads_where_it_can() -> None:
    shared, X, _ = iris()
    clf = copy.copy(shared)
    clf.device = "cuda:99"
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(again.predict_proba(X), shared.predict_proba(X), atol=1e-5)


COPIES: dict[str, Callable[[Any, Any], Any]] = {
    "pickle": lambda clf, path: pickle.loads(pickle.dumps(clf)),
    "deepcopy": lambda clf, path: copy.deepcopy(clf),
    "joblib": lambda clf, path: joblib.load(joblib.dump(clf, path / "model.joblib")[0]),
    "memory map": lambda clf, path: joblib.load(joblib.dump(clf, path / "model.joblib")[0], mmap_mode="r"),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_answer_alike(model: Any, how: str, tmp_path: Any) -> None:
    clf, X, y = model
    twin = COPIES[how](clf, tmp_path)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    answer, expected = twin.counterfactuals(X[:9]), clf.counterfactuals(X[:9])
    assert_frame_equal(answer.report, expected.report)
    assert same_cells(answer.data, expected.data).all()
    np.testing.assert_array_equal(twin.score_samples(X, y), clf.score_samples(X, y))
    assert twin.get_params() == clf.get_params() and twin.device_ == clf.device_ and twin.history_ == clf.history_
    assert vars(twin).keys() == vars(clf).keys()


@pytest.mark.usefixtures("short_fits")
def test_a_model_holds_no_row_of_the_table_it_was_fitted_to() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    clf = fitted(X, (X[:, 0] > 0).astype(int))
    encoded = clf._codec.encode(X)
    for tensor in clf._model.state_dict().values():
        if tensor.ndim == 2 and tensor.shape[1] == encoded.shape[1]:
            assert not (tensor.numpy()[:, None] == encoded[None]).all(-1).any()


def test_clone_and_parameters() -> None:
    clf, *_ = iris()
    twin = clone(clf)
    assert twin.get_params() == clf.get_params()
    assert not hasattr(twin, "classes_")
    odd = object()
    assert HyConExClassifier(hidden_size=odd).hidden_size is odd  # nothing is looked at before fit
    assert all(value is HyConExClassifier(**{name: value}).get_params()[name] for name, value in FAST.items())


def test_unfitted_estimators_say_so() -> None:
    _, X, _ = iris()
    for method in METHODS:
        with pytest.raises(NotFittedError):
            getattr(fast(), method)(X)


def test_the_repr_shows_documented_attributes_and_parameters() -> None:
    clf, *_ = iris()
    public = {name for name in vars(clf) if name.endswith("_") and not name.startswith("_")}
    assert public == {"classes_", "n_features_in_", "n_iter_", "history_", "fitted_on_", "device_"}
    documented = HyConExClassifier.__doc__ or ""
    for name in [*public, "feature_names_in_", *clf.get_params()]:
        assert f"    {name} : " in documented
    assert "hidden_size" in clf._repr_html_()


@pytest.mark.usefixtures("short_fits")
def test_alphas_in_a_grid_change_the_result() -> None:
    X, y = make_classification(150, 4, random_state=0)
    quick = {"flow_epochs": 2, "pretrain_epochs": 8, "joint_epochs": 4}

    def nearness(clf: HyConExClassifier, X: Any, y: Any) -> float:
        return -clf.counterfactuals(X, search="one_shot").report["distance_l2"].mean()

    search = GridSearchCV(fast(**quick), {"alpha_proximity": [0.0, 20.0]}, cv=2, scoring=nearness).fit(X, y)
    assert search.best_params_ == {"alpha_proximity": 20.0}
    answers = {
        name: fitted(X, y, **quick, **{name: 5.0}).counterfactuals(X, search="one_shot")
        for name in ("alpha_validity", "alpha_proximity", "alpha_plausibility")
    }
    way = {name: cf.report["distance_l2"].mean() for name, cf in answers.items()}
    assert way["alpha_proximity"] < way["alpha_validity"]
    assert not np.array_equal(answers["alpha_validity"].data, answers["alpha_plausibility"].data)


def test_without_any_alpha_it_is_a_plain_classifier() -> None:
    _, X, y = iris()
    clf = fitted(X, y, alpha_validity=0.0, alpha_proximity=0.0, alpha_plausibility=0.0)
    assert {record["phase"] for record in clf.history_} == {"density", "classifier"}
    assert clf.score(X, y) > 0.9 and clf.counterfactuals(X[::15]).report["valid"].all()


@pytest.mark.usefixtures("short_fits")
def test_calibration_around_it() -> None:
    X, y = mixed_table()
    calibrated = CalibratedClassifierCV(fast(flow_epochs=2, joint_epochs=1), cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.8
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(1), 1.0)


@pytest.mark.usefixtures("short_fits")
def test_class_weights_shift_predictions_toward_the_rare_class() -> None:
    X, y = make_classification(300, 4, weights=[0.88], class_sep=0.4, flip_y=0.05, random_state=3)
    quick = {"flow_epochs": 1, "pretrain_epochs": 20, "joint_epochs": 1}
    found = {
        str(weight): recall_score(y, fitted(X, y, **quick, class_weight=weight).predict(X))
        for weight in (None, "balanced", {0: 1.0, 1: 30.0}, {0: 1.0, 1: 1.0})
    }
    assert found["balanced"] > found["None"] + 0.1
    assert found["{0: 1.0, 1: 30.0}"] >= found["balanced"]
    assert found["{0: 1.0, 1: 1.0}"] == found["None"]
    by_name = fitted(X, np.array(["a", "z"])[y], **quick, class_weight={"z": 30.0, "a": 1.0}).predict(X)
    assert recall_score(y, by_name == "z") == found["{0: 1.0, 1: 30.0}"]


# ------------------------------------------------------------------------------------------------------ what is taken


def test_read_only_and_fortran_ordered_arrays() -> None:
    clf, X, y = iris()
    frozen = np.asfortranarray(X)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(fitted(frozen, y).predict_proba(frozen), clf.predict_proba(X))
    cf = clf.counterfactuals(frozen)
    assert cf.data.flags.writeable


def test_categorical_features_as_mask_indices_or_names() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"code": rng.integers(0, 4, 80), "x": rng.normal(size=80)})
    y = (X["code"].isin([0, 2]) ^ (X["x"] > 1)).to_numpy()
    quick = {"flow_epochs": 2, "joint_epochs": 1}
    answers = [
        fitted(X, y, **quick, categorical_features=listed).predict_proba(X)
        for listed in (["code"], [0], [True, False], "from_dtype")
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    assert not np.array_equal(answers[0], answers[3])
    assert ((answers[0][:, 1] > 0.5) == y).mean() > 0.9  # no line through the code tells 0 and 2 from 1 and 3


@pytest.mark.slow
def test_the_defaults_serve_a_real_table() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    clf = HyConExClassifier(random_state=0).fit(X[:400], y[:400])
    assert clf.score(X[400:], y[400:]) > 0.93
    report = clf.counterfactuals(X[400:]).report
    assert report["valid"].all() and (report["status"] == Status.OK).mean() > 0.8
    assert clf.counterfactuals(X[400:], search="one_shot").report["valid"].mean() > 0.9
