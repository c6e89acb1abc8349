"""The estimator from table to counterfactuals: the laws, targets, reports, and life inside scikit-learn."""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
import threading
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from _models import FAST, fast, fitted, iris, mixed, mixed_table, real_table, small_parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from hyconex_sklearn import HyConExClassifier, Status, counterfactuals

__all__ = ["small_parts"]  # a fixture

SEARCHES = ["auto", "one_shot"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts"),
]


@pytest.fixture(params=["iris", "mixed"])
def model(request: pytest.FixtureRequest) -> tuple[HyConExClassifier, Any, np.ndarray]:
    return iris() if request.param == "iris" else mixed()


def state_of(clf: HyConExClassifier) -> str:
    """A digest of everything that the estimator holds."""
    digest = hashlib.sha256()
    for name, value in sorted(vars(clf).items()):
        digest.update(name.encode())
        if name == "_model":
            for key, tensor in value.state_dict().items():
                digest.update(key.encode() + tensor.numpy().tobytes())
            digest.update(str([module.training for module in value.modules()]).encode())
        else:
            digest.update(pickle.dumps(value))
    return digest.hexdigest()


def same_cells(left: Any, right: Any) -> np.ndarray:
    """Which cells of two tables are the same in type and in every bit, shape (m, d); missing marks count as equal."""
    left, right = (
        table.astype(object).to_numpy() if isinstance(table, pd.DataFrame) else table for table in (left, right)
    )
    pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
    same = [a is b or repr(a) == repr(b) for a, b in pairs]
    return np.array(same, dtype=bool).reshape(left.shape)


# ---------------------------------------------------------------------------------------------------- law: certify


@pytest.mark.parametrize("search", SEARCHES)
def test_flags_hold_for_the_row_in_the_users_hands(model: Any, search: str) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X, search=search)
    predicted, probability = clf.predict(cf.data), clf.predict_proba(cf.data)
    column = np.searchsorted(clf.classes_, cf.report["target"].to_numpy())
    np.testing.assert_array_equal(cf.report["prediction"], predicted)
    np.testing.assert_array_equal(cf.report["valid"], predicted == cf.report["target"].to_numpy())
    np.testing.assert_allclose(cf.report["probability"], probability[np.arange(len(cf)), column], atol=1e-5)
    log_density = clf.score_samples(cf.data, cf.report["target"])
    np.testing.assert_allclose(cf.report["log_density"], log_density, rtol=1e-4, atol=1e-3)


def test_flags_are_not_those_of_the_soft_row(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever the search claims to have found, the certificate speaks of what decoding makes of it: here the user's
    # own rows, since the proposal lies a hair away from them.
    clf, X, _ = mixed()
    monkeypatch.setattr("hyconex_sklearn._classifier.climb", lambda model, query, start, snap: query.x + 1e-5)
    cf = clf.counterfactuals(X)
    assert not cf.report["valid"].any()
    assert (cf.report["status"] == Status.NOT_VALID).all()
    np.testing.assert_array_equal(cf.report["prediction"], clf.predict(cf.data))


def test_status_and_flags_tell_the_same_story(model: Any) -> None:
    clf, X, _ = model
    for search in SEARCHES:
        report = clf.counterfactuals(X, search=search).report
        assert report.loc[report["status"] == Status.OK, ["valid", "plausible", "feasible"]].all(axis=None)
        assert (report["valid"] == (report["status"] != Status.NOT_VALID)).all()
        assert report["probability"].between(0, 1).all() and report["support"].between(0, 1).all()
        assert (report.loc[report["valid"], "probability"] >= 1 / len(clf.classes_) - 1e-6).all()


def test_distances_and_counts_are_those_of_the_returned_row(model: Any) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X)
    changes = cf.changes().groupby(["row", "target", "rank"]).size()
    counted = pd.MultiIndex.from_frame(cf.report[["row", "target", "rank"]]).map(changes).to_numpy(dtype=float)
    np.testing.assert_array_equal(cf.report["n_changed"], np.nan_to_num(counted))
    difference = (clf._codec.encode(cf.data) - clf._codec.encode(cf.original)).astype(float)
    np.testing.assert_allclose(cf.report["distance_l1"], np.abs(difference).sum(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cf.report["distance_l2"], np.linalg.norm(difference, axis=1), rtol=1e-4, atol=1e-5)


# -------------------------------------------------------------------------------------------------- law: untouched


@pytest.mark.parametrize("search", SEARCHES)
def test_cells_that_are_not_listed_as_changed_are_the_users_own(model: Any, search: str) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X, search=search)
    rows = cf.report["row"].to_numpy()
    before = X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
    place = {name: j for j, name in enumerate(cf.feature_names)}
    lines = pd.MultiIndex.from_frame(cf.report[["row", "target", "rank"]])
    changes = cf.changes()
    listed = np.zeros(before.shape, dtype=bool)
    listed[lines.get_indexer(pd.MultiIndex.from_frame(changes[lines.names])), changes["feature"].map(place)] = True
    assert listed.any() and not listed.all()
    np.testing.assert_array_equal(same_cells(before, cf.data), ~listed)


@pytest.mark.parametrize("search", SEARCHES)
def test_awkward_numbers_survive_bit_for_bit(search: str) -> None:
    clf, X, _ = iris()
    odd = X.copy()
    odd[:, 1] += np.linspace(1e-13, 1e-9, len(X))  # digits that the encoding does not hold
    odd[3, 2] = -0.0
    odd[5, 0] = 1e9  # far outside of what was seen
    cf = clf.counterfactuals(odd, target=1, search=search)
    before = odd[cf.report["row"]]
    already = (cf.report["status"] == Status.ALREADY_TARGET).to_numpy()
    assert already.any() and same_cells(before, cf.data)[already].all()
    # Where the encoded cell is the same, the model asked for no change: the cell is the user's own, digit for digit.
    kept = ~clf._codec.changed(clf._codec.encode(cf.data), clf._codec.encode(before))
    assert same_cells(before, cf.data)[kept].all()
    np.testing.assert_array_equal(cf.report["n_changed"], (~same_cells(before, cf.data)).sum(1))


def test_data_has_the_type_of_the_query(model: Any) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X)
    assert type(cf.data) is type(X)
    if isinstance(X, pd.DataFrame):
        assert list(cf.data.columns) == list(X.columns)
        assert cf.data.dtypes.equals(X.dtypes)
        assert cf.data["age"].between(X["age"].min(), X["age"].max()).all()
        assert set(cf.data["job"].dropna()) <= {"clerk", "nurse", "pilot"}
        assert (cf.data["fixed"] == 7).all()
    else:
        assert cf.data.dtype == X.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, object])
def test_arrays_of_every_dtype_come_back_in_it(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(scale=20, size=(60, 3))).astype(dtype)
    clf = fitted(X, X[:, 0].astype(float) > 0)
    cf = clf.counterfactuals(X[:10])
    assert cf.data.dtype == X.dtype
    assert cf.report["valid"].all()
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["target"])
    if dtype is not np.float16:  # too few digits to tell whole numbers from others
        np.testing.assert_array_equal(cf.data.astype(float), np.round(cf.data.astype(float)))


# ----------------------------------------------------------------------------------------------- law: nothing lost


@pytest.mark.parametrize("search", SEARCHES)
def test_every_row_and_other_class_is_answered_in_order(model: Any, search: str) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X, search=search)
    wanted = [(row, label) for row, own in enumerate(clf.predict(X)) for label in clf.classes_ if label != own]
    assert list(zip(cf.report["row"], cf.report["target"], strict=True)) == wanted
    assert len(cf) == len(cf.data) == len(cf.original) == len(wanted)
    assert (cf.report["rank"] == 0).all()


def test_rows_that_cannot_be_served_stay_with_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X, _ = iris()
    real = clf.counterfactuals(X, search="one_shot")

    def hopeless(model: Any, query: Any, start: torch.Tensor, snap: Any) -> torch.Tensor:
        stuck = torch.arange(len(start)) % 3 == 0
        return torch.where(stuck[:, None], query.x, start)

    monkeypatch.setattr("hyconex_sklearn._classifier.climb", hopeless)
    report = clf.counterfactuals(X).report
    assert list(report["row"]) == list(real.report["row"])
    assert (report["status"][::3] == Status.NOT_VALID).all()
    assert not report["valid"][::3].any() and (report["n_changed"][::3] == 0).all()
    assert report.notna().all(axis=None)


def test_long_tables_are_answered_as_their_pieces_are(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X, _ = iris()
    whole = clf.counterfactuals(X)
    monkeypatch.setattr("hyconex_sklearn._classifier._CHUNK_ROWS", 7)
    pieces = clf.counterfactuals(X)
    exact = ["row", "target", "prediction", "valid", "status"]
    assert_frame_equal(whole.report[exact], pieces.report[exact])
    np.testing.assert_allclose(whole.data, pieces.data, atol=0.11)
    halves = np.concatenate([clf.predict_proba(X[:70]), clf.predict_proba(X[70:])])
    np.testing.assert_allclose(clf.predict_proba(X), halves, atol=1e-5)


# ------------------------------------------------------------------------------- law: queries change nothing


QUERIES: list[Callable[[HyConExClassifier, Any], object]] = [
    lambda clf, X: clf.predict(X),
    lambda clf, X: clf.predict_proba(X),
    lambda clf, X: clf.local_linear(X),
    lambda clf, X: clf.score_samples(X),
    lambda clf, X: clf.counterfactuals(X),
    lambda clf, X: clf.counterfactuals(X, search="one_shot"),
    lambda clf, X: clf.counterfactuals(X, target=clf.classes_[0]),
    lambda clf, X: pickle.dumps(clf),
    lambda clf, X: repr(clf) + clf._repr_html_(),
]


def settings_of_the_user() -> tuple[Any, ...]:
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.random.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_a_query_changes_neither_estimator_nor_table_nor_global_state(model: Any, number: int) -> None:
    clf, X, _ = model
    table, before, own = copy.deepcopy(X), state_of(clf), settings_of_the_user()
    QUERIES[number](clf, X)
    assert state_of(clf) == before
    assert settings_of_the_user() == own
    assert same_cells(X, table).all()


def test_the_digest_notices_a_change() -> None:
    clf = copy.deepcopy(iris()[0])
    before = state_of(clf)
    clf._model.temperature *= 1.001
    assert state_of(clf) != before


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


def test_threads_may_ask_at_the_same_time() -> None:
    clf, X, _ = mixed()
    before, expected = state_of(clf), clf.counterfactuals(X[:30])
    own, answers = torch.get_num_threads(), {}

    def ask(number: int) -> None:
        answers[number] = clf.counterfactuals(X[:30])

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answers) == [0, 1, 2, 3]
    for cf in answers.values():
        assert_frame_equal(cf.report, expected.report)
        assert_frame_equal(cf.data, expected.data)
    assert state_of(clf) == before and torch.get_num_threads() == own


# ---------------------------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "mixed"])
def test_without_constraints_every_counterfactual_is_valid(name: str) -> None:
    X, y = real_table(name)
    clf = fitted(X, y)
    cf = clf.counterfactuals(X)
    assert cf.report["valid"].all()
    assert (clf.predict(cf.data) == cf.report["target"]).all()
    assert (cf.report["status"] != Status.NOT_VALID).all()


def test_the_search_serves_what_the_single_pass_does_not() -> None:
    X, y = mixed_table()
    weak = fitted(X, y, pretrain_epochs=1, joint_epochs=0)  # a network that never learned to move
    single, searched = (weak.counterfactuals(X, search=search).report for search in ("one_shot", "auto"))
    assert single["valid"].mean() < 0.9
    assert searched["valid"].all()
    assert (searched["status"] == Status.OK).mean() > (single["status"] == Status.OK).mean()


def test_the_search_prefers_a_certified_row_and_then_a_near_one() -> None:
    clf, X, _ = iris()
    single, searched = (clf.counterfactuals(X, search=search).report for search in ("one_shot", "auto"))
    order = [Status.NOT_VALID, Status.IMPLAUSIBLE, Status.OK]
    rank, better = (report["status"].map(order.index).to_numpy() for report in (single, searched))
    assert (better >= rank).all() and (better > rank).any()
    same = (better == rank) & (rank == 2)
    assert (searched["distance_l2"][same] <= single["distance_l2"][same] + 1e-5).all()


def test_searches_stop_at_a_confidence_and_not_on_the_bare_boundary() -> None:
    clf, X, _ = iris()
    report = clf.counterfactuals(X).report
    sure = report[report["status"] == Status.OK]
    assert len(sure)
    assert (sure["probability"] > 0.5).all() and (sure["support"] >= 0.75).all()


def test_the_default_search_is_auto() -> None:
    clf, X, _ = iris()
    assert_frame_equal(clf.counterfactuals(X).report, clf.counterfactuals(X, search="auto").report)


def test_missing_cells_stay_missing_unless_they_are_filled() -> None:
    clf, X, _ = mixed()
    cf = clf.counterfactuals(X)
    was, now = (table.isna().to_numpy() for table in (cf.original, cf.data))
    assert was.any()
    assert not (now & ~was).any()  # a counterfactual never takes a value away


def test_a_row_of_gaps_is_served() -> None:
    clf, X, _ = mixed()
    empty = X[:2].copy()
    empty[["income", "job", "children"]] = None
    empty = empty.astype(X.dtypes.to_dict())
    assert clf.counterfactuals(empty).report["valid"].all()


# -------------------------------------------------------------------------------------------------------- targets


def test_one_target_for_all_rows() -> None:
    clf, X, _ = iris()
    cf = clf.counterfactuals(X, target=2)
    np.testing.assert_array_equal(cf.report["row"], np.arange(len(X)))
    assert (cf.report["target"] == 2).all()


@pytest.mark.parametrize("container", [list, np.array, pd.Series, tuple])
def test_one_target_for_each_row(container: Any) -> None:
    clf, X, y = iris()
    wanted = [int(label) for label in (y + 1) % 3]
    cf = clf.counterfactuals(X, target=container(wanted))
    np.testing.assert_array_equal(cf.report["row"], np.arange(len(X)))
    np.testing.assert_array_equal(cf.report["target"], wanted)
    assert cf.report["valid"].all()


@pytest.mark.parametrize("search", SEARCHES)
def test_a_row_that_already_is_its_target_comes_back_unchanged(model: Any, search: str) -> None:
    clf, X, _ = model
    label = clf.classes_[1]
    cf = clf.counterfactuals(X, target=label, search=search)
    already = clf.predict(X) == label
    assert 0 < already.sum() < len(X)
    np.testing.assert_array_equal(cf.report["status"] == Status.ALREADY_TARGET, already)
    assert same_cells(X[already], cf.data[already]).all()
    assert (cf.report["n_changed"][already] == 0).all() and (cf.report["distance_l2"][already] == 0).all()
    assert cf.report["valid"][already].all()


def test_asking_for_a_target_gives_the_rows_that_asking_for_all_gives(model: Any) -> None:
    clf, X, _ = model
    label = clf.classes_[0]
    everything = clf.counterfactuals(X)
    chosen = everything[(everything.report["target"] == label).to_numpy()]
    cf = clf.counterfactuals(X, target=label)
    cf = cf[(cf.report["status"] != Status.ALREADY_TARGET).to_numpy()]
    np.testing.assert_array_equal(chosen.report["row"], cf.report["row"])
    np.testing.assert_array_equal(chosen.report["valid"], cf.report["valid"])


LABELS = {
    "text": ["no", "yes"],
    "booleans": [False, True],
    "minus one and one": [-1, 1],
    "floats": [0.0, 5.0],
    "large integers": [2**40, 2**40 + 1],
    "objects": np.array(["a", "b"], dtype=object),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_type(labels: Any) -> None:
    X, y = make_classification(60, 4, random_state=0)
    y = np.asarray(labels)[y]
    clf = fitted(X, y, flow_epochs=2, pretrain_epochs=10, joint_epochs=1)
    np.testing.assert_array_equal(clf.classes_, labels)
    assert clf.predict(X).dtype == y.dtype and set(clf.predict(X)) <= set(labels)
    cf = clf.counterfactuals(X[:9], target=labels[1])
    assert list(cf.report["target"]) == [labels[1]] * 9
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    assert len(clf.counterfactuals(X[:9], target=y[:9])) == 9


# --------------------------------------------------------------------------------------------------------- report


def test_columns_and_dtypes_of_the_report(model: Any) -> None:
    clf, X, y = model
    report = clf.counterfactuals(X[:5]).report
    kinds = {
        "row": "i",
        "target": pd.Series(y).dtype.kind,
        "rank": "i",
        "prediction": pd.Series(y).dtype.kind,
        "probability": "f",
        "support": "f",
        "valid": "b",
        "plausible": "b",
        "feasible": "b",
        "log_density": "f",
        "distance_l1": "f",
        "distance_l2": "f",
        "n_changed": "i",
        "status": "O",
    }
    assert {name: report[name].dtype.kind for name in report.columns} == kinds
    assert list(report.columns) == list(kinds)
    assert isinstance(report.index, pd.RangeIndex)
    assert set(report["status"]) <= set(Status)


def test_results_are_cut_like_arrays() -> None:
    clf, X, _ = mixed()
    cf = clf.counterfactuals(X)
    far = cf.report["distance_l2"] > cf.report["distance_l2"].median()
    part = cf[far.to_numpy()]
    assert 0 < len(part) < len(cf)
    assert part.report["distance_l2"].tolist() == cf.report["distance_l2"][far].tolist()
    np.testing.assert_array_equal(clf.predict(part.data), part.report["prediction"])
    assert len(cf[:3]) == 3 and len(list(cf[:3])) == 3


def test_every_way_to_read_a_result_works(model: Any) -> None:
    clf, X, _ = model
    cf = clf.counterfactuals(X[:8])
    assert len(cf.explain()) == len(cf) and len(cf.to_frame()) == len(cf)
    assert cf.to_json().startswith("[{") and "<table>" in cf._repr_html_() and "counterfactual" in repr(cf)


def test_what_was_before_is_told_of_the_query() -> None:
    clf, X, _ = iris()
    cf = clf.counterfactuals(X)
    rows, column = cf.report["row"].to_numpy(), cf.report["target"].to_numpy()
    np.testing.assert_array_equal(cf.prediction_before, clf.predict(X)[rows])
    np.testing.assert_allclose(cf.probability_before, clf.predict_proba(X)[rows, column], atol=1e-6)


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
    ratio = (logits[:, 1] - logits[:, 0]) / np.log(clf.predict_proba(X)[:, 1] / clf.predict_proba(X)[:, 0])
    np.testing.assert_array_equal(clf.classes_[logits.argmax(1)], clf.predict(X))
    assert np.ptp(ratio) < 1e-2 * ratio.mean()  # up to one temperature, they are the probabilities


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


def test_an_unseen_category_is_explained_too_with_a_single_warning() -> None:
    clf, X, _ = mixed()
    rows = X[:10].copy()
    rows["job"] = "astronaut"
    with pytest.warns(UserWarning, match="'astronaut'") as caught:
        cf = clf.counterfactuals(rows)
    assert len(caught) == 1
    assert cf.report["valid"].all()
    assert set(cf.data["job"]) <= {"astronaut", "clerk", "nurse", "pilot"}


# ----------------------------------------------------------------------------------------------------- randomness


def test_one_seed_gives_one_model_bit_for_bit() -> None:
    X, y = mixed_table()
    shared = mixed()[0]
    again = fitted(X, y)
    assert state_of(again) == state_of(shared)
    np.testing.assert_array_equal(again.predict_proba(X), shared.predict_proba(X))
    assert_frame_equal(again.counterfactuals(X).data, shared.counterfactuals(X).data)
    assert again.history_ == shared.history_


def test_global_random_state_has_no_say() -> None:
    shared, X, y = iris()
    torch.manual_seed(123)
    np.random.seed(123)
    np.testing.assert_array_equal(fitted(X, y).predict_proba(X), shared.predict_proba(X))


def test_another_seed_gives_another_model() -> None:
    shared, X, y = iris()
    other = fitted(X, y, random_state=1)
    assert not np.array_equal(other.predict_proba(X), shared.predict_proba(X))


def test_a_random_state_instance_moves_on_and_an_integer_does_not() -> None:
    _, X, y = iris()
    quick = {"flow_epochs": 2, "pretrain_epochs": 3, "joint_epochs": 1}
    instance = np.random.RandomState(0)
    clf = fast(**quick, random_state=instance)
    first, second = (clf.fit(X, y).predict_proba(X) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(fitted(X, y, **quick, random_state=np.random.RandomState(0)).predict_proba(X), first)
    none = [fitted(X, y, **quick, random_state=None).predict_proba(X) for _ in range(2)]
    assert not np.array_equal(*none)


def test_a_second_fit_forgets_the_first() -> None:
    shared, X, y = iris()
    clf = fitted(*mixed_table(50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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


def test_progress_bars_name_the_phases_on_stderr_only_if_asked() -> None:
    _, X, y = iris()
    shown = {}
    for verbose in (0, 1):
        stream = io.StringIO()
        with redirect_stderr(stream), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast(verbose=verbose).fit(X, y)
        shown[verbose] = stream.getvalue()
    assert shown[0] == ""
    assert "density" in shown[1] and "joint" in shown[1] and "%" in shown[1]


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("parameter", ["flow_epochs", "pretrain_epochs"])
def test_a_training_that_was_cut_short_says_what_to_raise(parameter: str) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=rf"2 epoch.s. ran out. Raise {parameter}") as caught:
        fast(**{"flow_epochs": 0, "pretrain_epochs": 0, parameter: 2}, joint_epochs=0, learning_rate=1e-4).fit(X, y)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_a_training_that_converged_is_silent() -> None:
    _, X, y = iris()
    fast(flow_epochs=300, pretrain_epochs=300, patience=2, learning_rate=0.02).fit(X, y)


@pytest.mark.parametrize("changes", [{}, {"flow_epochs": 0}], ids=["density", "classifier"])
def test_a_diverging_training_says_what_to_lower(changes: dict[str, Any]) -> None:
    _, X, y = iris()
    clf = fast(learning_rate=1e6, **changes)
    with pytest.raises(ValueError, match=r"diverged.*Lower learning_rate"):
        clf.fit(X, y)
    for ask in QUERIES[:5]:
        with pytest.raises(NotFittedError):
            ask(clf, X)


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
    np.testing.assert_array_equal(clf.counterfactuals(X).data, shared.counterfactuals(X).data)


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
    assert_frame_equal(twin.counterfactuals(X).report, clf.counterfactuals(X).report)
    assert same_cells(twin.counterfactuals(X).data, clf.counterfactuals(X).data).all()
    np.testing.assert_array_equal(twin.score_samples(X, y), clf.score_samples(X, y))
    assert twin.get_params() == clf.get_params() and twin.device_ == clf.device_ and twin.history_ == clf.history_
    assert vars(twin).keys() == vars(clf).keys()


def test_a_copy_shares_no_memory() -> None:
    clf, *_ = iris()
    before = state_of(clf)
    twin = copy.deepcopy(clf)
    for tensor in twin._model.state_dict().values():
        tensor.zero_()
    assert state_of(clf) == before


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
    for ask in QUERIES[:6]:
        with pytest.raises(NotFittedError):
            ask(fast(), X)


def test_the_repr_shows_documented_attributes_and_parameters() -> None:
    clf, *_ = iris()
    public = {name for name in vars(clf) if name.endswith("_") and not name.startswith("_")}
    assert public == {"classes_", "n_features_in_", "n_iter_", "history_", "device_"}
    documented = HyConExClassifier.__doc__ or ""
    for name in [*public, "feature_names_in_", *clf.get_params()]:
        assert f"    {name} : " in documented
    assert "hidden_size" in clf._repr_html_()


def test_alphas_in_a_grid_change_the_result() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150], y[:150]
    quick = {"flow_epochs": 2, "pretrain_epochs": 8, "joint_epochs": 4}
    search = GridSearchCV(fast(**quick), {"alpha_proximity": [0.0, 20.0]}, cv=2, scoring="neg_log_loss").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    answers = {
        name: fitted(X, y, **quick, **{name: 5.0}).counterfactuals(X, search="one_shot")
        for name in ("alpha_validity", "alpha_proximity", "alpha_plausibility")
    }
    nearest = min(answers, key=lambda name: answers[name].report["distance_l2"].mean())
    assert nearest == "alpha_proximity"
    assert not np.array_equal(answers["alpha_validity"].data, answers["alpha_plausibility"].data)


def test_without_any_alpha_it_is_a_plain_classifier() -> None:
    _, X, y = iris()
    clf = fitted(X, y, alpha_validity=0.0, alpha_proximity=0.0, alpha_plausibility=0.0)
    assert {record["phase"] for record in clf.history_} == {"density", "classifier"}
    assert clf.score(X, y) > 0.9 and clf.counterfactuals(X).report["valid"].all()


def test_calibration_around_it() -> None:
    X, y = mixed_table()
    calibrated = CalibratedClassifierCV(fast(flow_epochs=2, joint_epochs=1), cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.8
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(1), 1.0)


def test_class_weights_shift_predictions_toward_the_rare_class() -> None:
    X, y = make_classification(300, 4, weights=[0.88], class_sep=0.4, flip_y=0.05, random_state=3)
    quick = {"flow_epochs": 1, "joint_epochs": 1}
    found = {
        str(weight): recall_score(y, fitted(X, y, **quick, class_weight=weight).predict(X))
        for weight in (None, "balanced", {0: 1.0, 1: 30.0}, {0: 1.0, 1: 1.0})
    }
    assert found["balanced"] > found["None"] + 0.1
    assert found["{0: 1.0, 1: 30.0}"] >= found["balanced"]
    assert found["{0: 1.0, 1: 1.0}"] == found["None"]


def test_weights_are_given_by_label() -> None:
    X, y = make_classification(200, 4, weights=[0.85], class_sep=0.4, flip_y=0.05, random_state=3)
    quick = {"flow_epochs": 1, "joint_epochs": 1}
    by_number = fitted(X, y, **quick, class_weight={0: 1, 1: 20}).predict(X)
    by_name = fitted(X, np.array(["a", "z"])[y], **quick, class_weight={"z": 20, "a": 1}).predict(X)
    np.testing.assert_array_equal(by_name == "z", by_number == 1)


# ------------------------------------------------------------------------------------------------------- pipelines


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-3, 3))], ids=["standard", "minmax"])
def test_counterfactuals_through_a_scaler(scaler: Any) -> None:
    _, X, y = iris()
    pipe = make_pipeline(clone(scaler), fast()).fit(X, y)
    cf = counterfactuals(pipe, X[::5])
    np.testing.assert_array_equal(pipe.predict(cf.data), cf.report["prediction"])
    assert cf.report["valid"].mean() > 0.95
    assert (cf.data >= X.min(0) - 1e-6).all() and (cf.data <= X.max(0) + 1e-6).all()


def test_counterfactuals_through_columns_and_a_search() -> None:
    X, y = mixed_table()
    X = X.drop(columns=["children", "grade"]).dropna()
    y = y[(X.index - 11) // 3]
    columns = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["age", "income"]),
            ("hot", OneHotEncoder(sparse_output=False), ["job"]),
            ("ranked", OrdinalEncoder(), ["owner"]),
        ]
    )
    pipe = make_pipeline(columns, fast(flow_epochs=2, joint_epochs=2))
    search = GridSearchCV(pipe, {"hyconexclassifier__alpha_validity": [0.2, 1.0]}, cv=2).fit(X, y)
    cf = counterfactuals(search, X[:25])
    assert list(cf.data.columns) == list(X.columns)
    assert cf.data.dtypes.equals(X.dtypes)
    assert set(cf.data["job"]) <= {"clerk", "nurse", "pilot"}
    np.testing.assert_array_equal(search.predict(cf.data), cf.report["prediction"])
    np.testing.assert_array_equal(cf.report["valid"], cf.report["prediction"] == cf.report["target"])
    assert cf.report["valid"].mean() > 0.8


def test_counterfactuals_of_the_bare_estimator_are_its_own() -> None:
    clf, X, _ = iris()
    assert_frame_equal(counterfactuals(clf, X[:9]).report, clf.counterfactuals(X[:9]).report)


# ------------------------------------------------------------------------------------------- what must not break


def check_end_to_end(X: Any, y: Any, valid: float = 1.0, **changes: Any) -> HyConExClassifier:
    """Fit, predict, explain; every certificate holds and the share of valid rows is at least `valid`."""
    clf = fitted(X, y, **{"flow_epochs": 3, "pretrain_epochs": 20, "joint_epochs": 2, **changes})
    cf = clf.counterfactuals(X[:25])
    assert np.isfinite(clf.predict_proba(X)).all()
    assert len(cf) == len(X[:25]) * (len(clf.classes_) - 1)
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    assert cf.report["valid"].mean() >= valid
    assert np.isfinite(cf.report.select_dtypes("number")).all(axis=None)
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
    "text array": (TEXTS.to_numpy(dtype=str), SIGN),
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


@pytest.mark.parametrize("n_features", [800])
def test_wide_tables(n_features: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyconex_sklearn._fitting._RESERVOIR", 100, raising=False)
    X, y = make_classification(80, n_features, n_informative=30, random_state=0)
    check_end_to_end(X, y)


def test_a_hundred_classes() -> None:
    place = np.array([(i, j) for i in range(10) for j in range(10)], dtype=float)
    X = np.repeat(place, 5, axis=0) + np.random.default_rng(0).normal(scale=0.05, size=(500, 2))
    y = np.repeat(np.arange(100), 5)
    clf = fitted(X, y, flow_epochs=3, pretrain_epochs=40, joint_epochs=2, learning_rate=0.02)
    assert clf.predict_proba(X).shape == (500, 100)
    cf = clf.counterfactuals(X[:2])
    assert len(cf) == 2 * 99
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


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
