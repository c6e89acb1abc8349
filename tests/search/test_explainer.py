"""The laws of a query: what flags promise holds for the returned rows, nothing is lost, nothing else is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _asked import KEYS, QUICK, asked, each_search, each_table, rows_of
from _helpers import same_cells, short_searches, take
from _models import fitted, iris
from pandas.testing import assert_frame_equal

from hyconex_sklearn import Actionability, Status
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._search import explainer as explaining
from hyconex_sklearn._search.answers import Answers
from hyconex_sklearn._search.query import Request

__all__ = ["short_searches"]  # a fixture
pytestmark = pytest.mark.usefixtures("short_searches")


def answers_become(monkeypatch: pytest.MonkeyPatch, moved: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Let every search claim to have found ``moved(found, query)``, encoded rows (m, d) both."""
    real = explaining.answer

    def answer(model: Model, request: Request, offset: int, told: Callable[[int], None]) -> Answers:
        found = real(model, request, offset, told)
        return found._replace(z=moved(found.z, request.x.numpy()[found.row - offset]))

    monkeypatch.setattr(explaining, "answer", answer)


# ---------------------------------------------------------------------------------------------------- law: certify


@each_search
@each_table
def test_flags_hold_for_the_row_in_the_users_hands(name: str, search: str) -> None:
    (clf, _), cf = rows_of(name), asked(name, search)
    predicted, probability = clf.predict(cf.data), clf.predict_proba(cf.data)
    column = np.searchsorted(clf.classes_, cf.report["target"].to_numpy())
    np.testing.assert_array_equal(cf.report["prediction"], predicted)
    np.testing.assert_array_equal(cf.report["valid"], predicted == cf.report["target"].to_numpy())
    np.testing.assert_allclose(cf.report["probability"], probability[np.arange(len(cf)), column], atol=1e-5)
    log_density = clf.score_samples(cf.data, cf.report["target"])
    np.testing.assert_allclose(cf.report["log_density"], log_density, rtol=1e-4, atol=1e-3)


def test_flags_are_not_those_of_the_soft_row(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever a search claims to have found, the certificate speaks of what decoding makes of it. A claim a hair away
    # from the query decodes to the user's own row, and one far outside of the seen range to a row inside of it.
    clf, X = rows_of("mixed")
    age = clf._codec.schema.columns[0].start
    step = np.zeros(clf._codec.schema.n_encoded, dtype=np.float32)
    for size in (1e-5, 50.0):
        step[age] = size
        answers_become(monkeypatch, lambda found, query: query + step)
        cf = clf.counterfactuals(X)
        assert (cf.data["age"] == cf.original["age"]).all() or size == 50.0
        np.testing.assert_array_equal(cf.report["prediction"], clf.predict(cf.data))
        np.testing.assert_array_equal(cf.report["valid"], cf.report["prediction"] == cf.report["target"])
        log_density = clf.score_samples(cf.data, cf.report["target"])
        np.testing.assert_allclose(cf.report["log_density"], log_density, rtol=1e-4, atol=1e-3)


@each_search
@each_table
def test_status_and_flags_tell_the_same_story(name: str, search: str) -> None:
    report = asked(name, search).report
    assert report.loc[report["status"] == Status.OK, ["valid", "plausible", "feasible"]].all(axis=None)
    assert (report["valid"] == (report["status"] != Status.NOT_VALID)).all()
    assert not report.loc[report["status"] == Status.IMPLAUSIBLE, "plausible"].any()
    assert report["feasible"].all() and not report["status"].isin([Status.INFEASIBLE, Status.FEWER]).any()
    assert report["probability"].between(0, 1).all() and report["support"].between(0, 1).all()
    assert (report.loc[report["valid"], "probability"] >= 1 / len(rows_of(name)[0].classes_) - 1e-6).all()


@pytest.mark.parametrize("weights", [None, {0: 3.0, "owner": 0.5}], ids=["equal", "weighted"])
def test_distances_and_counts_are_those_of_the_returned_row(weights: dict[Any, float] | None) -> None:
    clf, X = rows_of("mixed")
    cf = clf.counterfactuals(X, actionability=Actionability(feature_weights=weights))
    changes = cf.changes().groupby(KEYS).size()
    counted = pd.MultiIndex.from_frame(cf.report[KEYS]).map(changes).to_numpy(dtype=float)
    np.testing.assert_array_equal(cf.report["n_changed"], np.nan_to_num(counted))
    cost = np.ones(clf._codec.schema.n_encoded)
    for column, weight in (weights or {}).items():
        place = column if isinstance(column, int) else list(X.columns).index(column)
        cost[clf._codec.schema.owner == place] = weight
    difference = (clf._codec.encode(cf.data) - clf._codec.encode(cf.original)).astype(float) * cost
    np.testing.assert_allclose(cf.report["distance_l1"], np.abs(difference).sum(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cf.report["distance_l2"], np.linalg.norm(difference, axis=1), rtol=1e-4, atol=1e-5)


# -------------------------------------------------------------------------------------------------- law: untouched


@each_search
@each_table
def test_cells_that_are_not_listed_as_changed_are_the_users_own(name: str, search: str) -> None:
    (_, X), cf = rows_of(name), asked(name, search)
    before = take(X, cf.report["row"].to_numpy())
    place = {column: j for j, column in enumerate(cf.feature_names)}
    lines = pd.MultiIndex.from_frame(cf.report[KEYS])
    changes = cf.changes()
    listed = np.zeros(before.shape, dtype=bool)
    listed[lines.get_indexer(pd.MultiIndex.from_frame(changes[KEYS])), changes["feature"].map(place)] = True
    assert listed.any() and not listed.all()
    np.testing.assert_array_equal(same_cells(before, cf.data), ~listed)


@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_awkward_numbers_survive_bit_for_bit(search: str) -> None:
    clf, X, _ = iris()
    odd = X[::5].copy()
    odd[:, 1] += np.linspace(1e-13, 1e-9, len(odd))  # digits that the encoding does not hold
    odd[3, 2] = -0.0
    odd[5, 0] = 1e9  # far outside of what was seen
    cf = clf.counterfactuals(odd, target=1, search=search)
    before = odd[cf.report["row"]]
    already = (cf.report["status"] == Status.ALREADY_TARGET).to_numpy()
    assert already.any() and same_cells(before, cf.data)[already].all()
    # Where the encoded cell is the same, the model asked for no change: the cell is the user's own, digit for digit.
    kept = ~clf._codec.schema.changed(clf._codec.encode(cf.data), clf._codec.encode(before))
    assert same_cells(before, cf.data)[kept].all()
    np.testing.assert_array_equal(cf.report["n_changed"], (~same_cells(before, cf.data)).sum(1))


@each_table
def test_data_has_the_type_of_the_query(name: str) -> None:
    (_, X), cf = rows_of(name), asked(name)
    assert type(cf.data) is type(X)
    if isinstance(X, pd.DataFrame):
        assert list(cf.data.columns) == list(X.columns)
        assert cf.data.dtypes.equals(X.dtypes)
        assert set(cf.data["job"].dropna()) <= {"clerk", "nurse", "pilot"}
        assert (cf.data["fixed"] == 7).all()
    else:
        assert cf.data.dtype == X.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, object])
def test_arrays_of_every_dtype_come_back_in_it(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(scale=20, size=(60, 3))).astype(dtype)
    clf = fitted(X, X[:, 0].astype(float) > 0, **QUICK)
    cf = clf.counterfactuals(X[:10])
    assert cf.data.dtype == X.dtype
    assert cf.report["valid"].all()
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["target"])
    if dtype is not np.float16:  # too few digits to tell whole numbers from others
        np.testing.assert_array_equal(cf.data.astype(float), np.round(cf.data.astype(float)))


def test_missing_cells_stay_missing_unless_they_are_filled() -> None:
    cf = asked("mixed")
    was, now = (table.isna().to_numpy() for table in (cf.original, cf.data))
    assert was.any()
    assert not (now & ~was).any()  # a counterfactual never takes a value away


# ----------------------------------------------------------------------------------------------- law: nothing lost


@each_search
@each_table
def test_every_row_and_other_class_is_answered_in_order(name: str, search: str) -> None:
    (clf, X), cf = rows_of(name), asked(name, search)
    wanted = [(row, label) for row, own in enumerate(clf.predict(X)) for label in clf.classes_ if label != own]
    assert list(zip(cf.report["row"], cf.report["target"], strict=True)) == wanted
    assert len(cf) == len(cf.data) == len(cf.original) == len(wanted)
    assert (cf.report["rank"] == 0).all()
    assert same_cells(cf.original, take(X, cf.report["row"].to_numpy())).all()


def test_rows_that_cannot_be_served_stay_with_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X = rows_of("mixed")
    stuck = np.arange(len(X)) % 3 == 0
    answers_become(monkeypatch, lambda found, query: np.where(stuck[:, None], query, found))
    report = clf.counterfactuals(X).report
    assert list(report["row"]) == list(range(len(X)))
    assert (report["status"][stuck] == Status.NOT_VALID).all() and report["valid"][~stuck].all()
    assert not report["valid"][stuck].any() and (report["n_changed"][stuck] == 0).all()
    assert report.drop(columns="flips_at").notna().all(axis=None)
    assert (report["flips_at"].notna() == report["valid"]).all()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"search": "latent"},
        {"max_changes": 1},
        {"n_counterfactuals": 2, "bounds": {"age": (None, [60.0, None] * 3)}},
    ],
    ids=str,
)
def test_an_answer_does_not_depend_on_the_rows_asked_along_with_it(
    how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, X = rows_of("mixed")
    whole = clf.counterfactuals(X[:6], **how)
    monkeypatch.setattr("hyconex_sklearn._model.hypernetwork._CHUNK_ROWS", 4)  # 4 rows, then 2
    chunked = clf.counterfactuals(X[:6], **how)
    for name, dtype in whole.data.dtypes.items():
        if pd.api.types.is_float_dtype(dtype):  # sums of float32 depend on the batch in their last digits
            np.testing.assert_allclose(whole.data[name], chunked.data[name], rtol=1e-4)
        else:
            assert whole.data[name].equals(chunked.data[name])
    exact = [*KEYS, "prediction", "valid", "plausible", "feasible", "n_changed", "status"]
    assert_frame_equal(whole.report[exact], chunked.report[exact])


@each_search
def test_asking_again_gives_the_same_answer(search: str) -> None:
    clf, X = rows_of("mixed")
    torch.manual_seed(99)  # which has no say
    first, second = (clf.counterfactuals(X[:5], search=search, n_counterfactuals=2) for _ in range(2))
    assert_frame_equal(first.report, second.report, check_exact=True)
    assert same_cells(first.data, second.data).all()


def test_a_seed_gives_the_same_answer_and_an_instance_moves_on() -> None:
    clf, X = rows_of("iris")

    def ask(random_state: Any) -> np.ndarray:
        return clf.counterfactuals(X[:40], search="latent", target=1, random_state=random_state).data

    np.testing.assert_array_equal(ask(5), ask(5))
    instance = np.random.RandomState(5)
    first, second = ask(instance), ask(instance)
    np.testing.assert_array_equal(first, ask(5))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_a_bar_tells_how_many_answers_are_done(search: str, k: int, capsys: pytest.CaptureFixture[str]) -> None:
    clf, X = rows_of("iris")
    query: dict[str, Any] = {"search": search, "n_counterfactuals": k, "target": 1}
    quiet = clf.counterfactuals(X[:9], **query)
    assert capsys.readouterr().err == ""
    watched = copy.copy(clf).set_params(verbose=1).counterfactuals(X[:9], **query)
    assert f"{9 * k}/{9 * k}" in capsys.readouterr().err
    pd.testing.assert_frame_equal(watched.report, quiet.report)
