"""The answers to a query: what flags promise holds for the returned rows, nothing is lost, nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import same_cells, short_searches, take
from _models import fitted, iris, mixed, mixed_table, real_table
from pandas.testing import assert_frame_equal
from sklearn.datasets import make_classification

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, Status
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._search import explainer as explaining
from hyconex_sklearn._search.answers import Answers

__all__ = ["short_searches"]  # a fixture

SEARCHES = ["auto", "latent", "steps", "one_shot"]
QUICK = {"flow_epochs": 2, "pretrain_epochs": 10, "joint_epochs": 1}
KEYS = ["row", "target", "rank"]

pytestmark = pytest.mark.usefixtures("short_searches")
each_table = pytest.mark.parametrize("name", ["iris", "mixed"])
each_search = pytest.mark.parametrize("search", SEARCHES)


@cache
def rows_of(name: str) -> tuple[HyConExClassifier, Any]:
    """A shared estimator, and some rows of its table."""
    clf, X, _ = iris() if name == "iris" else mixed()
    return clf, X[:: len(X) // 30]


@cache
def asked(name: str, search: str = "auto", **how: Any) -> Counterfactuals:
    """What a shared estimator answers about `rows_of`. Shared: never change it."""
    clf, X = rows_of(name)
    return clf.counterfactuals(X, search=search, **how)


def answers_become(monkeypatch: pytest.MonkeyPatch, moved: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Let every search claim to have found ``moved(found, query)``, encoded rows (m, d) both."""
    real = explaining.answer

    def answer(model: Model, x: torch.Tensor, *args: Any, **how: Any) -> Answers:
        found = real(model, x, *args, **how)
        return found._replace(z=moved(found.z, x.numpy()[found.row]))

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
    assert report.notna().all(axis=None)


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
    monkeypatch.setattr("hyconex_sklearn._classifier._CHUNK_ROWS", 4)  # 4 rows, then 2
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


# ---------------------------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "mixed"])
def test_without_rules_every_counterfactual_is_valid(name: str) -> None:
    X, y = real_table(name)
    clf = {"iris": iris, "mixed": mixed}[name]()[0] if name in ("iris", "mixed") else fitted(X, y)
    cf = clf.counterfactuals(X[:: max(1, len(X) // 20)])
    assert cf.report["valid"].all()
    assert (clf.predict(cf.data) == cf.report["target"]).all()


def test_the_search_serves_what_the_single_pass_does_not() -> None:
    X, y = mixed_table()
    weak = fitted(X, y, pretrain_epochs=1, joint_epochs=0)  # a network that never learned to move
    single, searched = (weak.counterfactuals(X[:60], search=search).report for search in ("one_shot", "auto"))
    assert single["valid"].mean() < 0.9
    assert searched["valid"].all()
    assert (searched["status"] == Status.OK).mean() > (single["status"] == Status.OK).mean()


@pytest.mark.parametrize("search", ["auto", "latent"])
def test_a_search_prefers_a_certified_row_and_then_a_near_one(search: str) -> None:
    single, searched = asked("iris", "one_shot").report, asked("iris", search).report
    order = [Status.NOT_VALID, Status.IMPLAUSIBLE, Status.UNSURE, Status.OK]
    rank, better = (report["status"].map(order.index).to_numpy() for report in (single, searched))
    assert (better >= rank).all() and (better > rank).any()
    same = (better == rank) & (rank == len(order) - 1)
    assert (searched["distance_l2"][same] <= single["distance_l2"][same] + 1e-5).all()


def test_searches_stop_at_a_confidence_and_not_on_the_bare_boundary() -> None:
    report = asked("iris").report
    sure = report[report["status"] == Status.OK]
    assert len(sure)
    assert (sure["probability"] > 0.5).all() and (sure["support"] >= 0.8).all()


def test_the_default_search_is_auto() -> None:
    clf, X = rows_of("mixed")
    assert_frame_equal(clf.counterfactuals(X).report, asked("mixed", "auto").report)


def test_a_row_of_gaps_is_served() -> None:
    clf, X = rows_of("mixed")
    empty = X[:2].copy()
    empty[["income", "job", "children"]] = None
    assert clf.counterfactuals(empty.astype(X.dtypes.to_dict())).report["valid"].all()


def test_an_unseen_category_is_explained_with_a_single_warning() -> None:
    clf, X = rows_of("mixed")
    rows = X[:10].copy()
    rows["job"] = "astronaut"
    with pytest.warns(UserWarning, match="'astronaut'") as caught:
        cf = clf.counterfactuals(rows)
    assert len(caught) == 1
    assert cf.report["valid"].all()
    assert set(cf.data["job"]) <= {"astronaut", "clerk", "nurse", "pilot"}


# ------------------------------------------------------------------------------------- how sure, and how many of them


@pytest.mark.parametrize("probability", [0.55, 0.9, 0.9999])
@each_table
def test_a_target_probability_is_reached_or_the_row_says_that_it_is_not(name: str, probability: float) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X[:12], target_probability=probability).report
    reached = report["probability"] >= probability - 1e-6
    assert reached[report["status"] == Status.OK].all()
    short = report[~reached]
    assert short["status"].isin([Status.UNSURE, Status.IMPLAUSIBLE, Status.NOT_VALID]).all()
    assert (short.loc[short["valid"] & short["plausible"], "status"] == Status.UNSURE).all()
    assert reached.any() or probability == 0.9999
    assert (report["status"] == Status.UNSURE).any() or probability < 0.9999


def test_more_certainty_takes_a_longer_way() -> None:
    clf, X = rows_of("mixed")
    reports = [clf.counterfactuals(X[:12], target_probability=p).report for p in (0.6, 0.95)]
    assert all((report["status"] == Status.OK).all() for report in reports)
    assert reports[0]["distance_l2"].mean() < reports[1]["distance_l2"].mean()
    again = clf.counterfactuals(X[:12], actionability=Actionability(target_probability=0.95)).report
    assert_frame_equal(again, reports[1])


@each_table
def test_alternatives_are_ranked_and_never_come_twice(name: str) -> None:
    clf, X = rows_of(name)
    cf = clf.counterfactuals(X[:6], n_counterfactuals=3)
    cells = pd.DataFrame(cf.data).astype(object).map(repr)
    for _, lines in cf.report.groupby(["row", "target"], sort=False):
        assert list(lines["rank"]) == list(range(len(lines))) and len(lines) <= 3
        assert not cells.loc[lines.index].duplicated().any()
        # Where alternatives are missing, the last one has a status that tells of it, or of something worse.
        assert (lines["status"].iloc[-1] != Status.OK) or len(lines) == 3
        assert not (lines["status"].iloc[:-1] == Status.FEWER).any()
        assert (lines["status"].iloc[-1] != Status.FEWER) or len(lines) < 3
    assert (cf.report["rank"] == 2).any()
    single = clf.counterfactuals(X[:6]).report
    assert_frame_equal(cf.report.loc[cf.report["rank"] == 0, KEYS].reset_index(drop=True), single[KEYS])
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


def test_the_certified_alternatives_come_first_and_the_nearest_of_them_before_the_others() -> None:
    clf, X = rows_of("mixed")
    report = clf.counterfactuals(X[:12], n_counterfactuals=3).report
    certified = report["status"].isin([Status.OK, Status.FEWER])
    assert (~certified).any() and certified.groupby(report["row"]).apply(lambda c: c.is_monotonic_decreasing).all()
    near = report[certified].groupby("row")["distance_l2"]
    assert near.size().max() > 1 and near.apply(lambda d: d.is_monotonic_increasing).all()


def test_fewer_alternatives_than_asked_for_are_told() -> None:
    X = pd.DataFrame({"switch": np.arange(80) % 2 == 0, "noise": np.random.default_rng(0).normal(size=80)})
    clf = fitted(X, X["switch"].to_numpy(), **QUICK)
    report = clf.counterfactuals(X[:10], n_counterfactuals=4, immutable=["noise"]).report
    assert list(report["row"]) == list(range(10)) and report["valid"].all()  # there is one other value of the switch
    assert report["status"].isin([Status.FEWER, Status.UNSURE, Status.IMPLAUSIBLE]).all()
    assert (report["status"] == Status.FEWER).any()


# -------------------------------------------------------------------------------------------------------- targets


def test_one_target_for_all_rows() -> None:
    clf, X = rows_of("iris")
    cf = clf.counterfactuals(X, target=2, search="one_shot")
    np.testing.assert_array_equal(cf.report["row"], np.arange(len(X)))
    assert (cf.report["target"] == 2).all()


@pytest.mark.parametrize("container", [list, np.array, pd.Series, tuple])
def test_one_target_for_each_row(container: Any) -> None:
    clf, X = rows_of("iris")
    wanted = [int(label) for label in (clf.predict(X) + 1) % 3]
    cf = clf.counterfactuals(X, target=container(wanted), search="one_shot")
    np.testing.assert_array_equal(cf.report["row"], np.arange(len(X)))
    np.testing.assert_array_equal(cf.report["target"], wanted)


@each_table
def test_the_second_target_is_the_runner_up_of_each_row(name: str) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X, target="second", search="one_shot").report
    np.testing.assert_array_equal(report["row"], np.arange(len(X)))
    np.testing.assert_array_equal(report["target"], clf.classes_[clf.predict_proba(X).argsort(1)[:, -2]])


def test_a_class_that_is_called_second_is_a_label() -> None:
    X, y = mixed_table(80)
    clf = fitted(X, np.where(y == "yes", "second", "first"), **QUICK)
    report = clf.counterfactuals(X, target="second", search="one_shot").report
    assert (report["target"] == "second").all()
    already = clf.predict(X) == "second"
    np.testing.assert_array_equal(report["status"] == Status.ALREADY_TARGET, already)
    assert already.any() and not already.all()


@pytest.mark.parametrize("search", ["auto", "one_shot"])
@each_table
def test_a_row_that_already_is_its_target_comes_back_unchanged(name: str, search: str) -> None:
    clf, X = rows_of(name)
    label = clf.classes_[1]
    cf = clf.counterfactuals(X, target=label, search=search, n_counterfactuals=2 if search == "one_shot" else 1)
    already = (cf.report["status"] == Status.ALREADY_TARGET).to_numpy()
    assert 0 < already.sum() < len(cf)
    assert list(cf.report["row"][already]) == np.flatnonzero(clf.predict(X) == label).tolist()
    assert same_cells(take(X, cf.report["row"].to_numpy())[already], cf.data[already]).all()
    assert (cf.report.loc[already, ["n_changed", "distance_l1", "distance_l2", "rank"]] == 0).all(axis=None)
    assert cf.report["valid"][already].all()


def test_asking_for_a_target_gives_the_rows_that_asking_for_all_gives() -> None:
    clf, X = rows_of("iris")
    everything = asked("iris")
    chosen = everything[(everything.report["target"] == 0).to_numpy()]
    cf = clf.counterfactuals(X, target=0)
    cf = cf[(cf.report["status"] != Status.ALREADY_TARGET).to_numpy()]
    np.testing.assert_array_equal(chosen.report["row"], cf.report["row"])
    np.testing.assert_allclose(chosen.data, cf.data, rtol=1e-4)


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
    clf = fitted(X, y, **QUICK)
    np.testing.assert_array_equal(clf.classes_, labels)
    assert clf.predict(X).dtype == y.dtype and set(clf.predict(X)) <= set(labels)
    cf = clf.counterfactuals(X[:9], target=labels[1], search="one_shot")
    assert list(cf.report["target"]) == [labels[1]] * 9
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    assert len(clf.counterfactuals(X[:9], target=y[:9], search="one_shot")) == 9


# --------------------------------------------------------------------------------------------------------- report


@each_table
def test_columns_and_dtypes_of_the_report(name: str) -> None:
    report = asked(name).report
    label = pd.Series(rows_of(name)[0].classes_).dtype.kind
    kinds = {"row": "i", "target": label, "rank": "i", "prediction": label, "probability": "f", "support": "f"}
    kinds |= {"valid": "b", "plausible": "b", "feasible": "b", "log_density": "f", "distance_l1": "f"}
    kinds |= {"distance_l2": "f", "n_changed": "i", "status": "O"}
    assert {column: report[column].dtype.kind for column in report.columns} == kinds
    assert list(report.columns) == list(kinds)
    assert isinstance(report.index, pd.RangeIndex)
    assert set(report["status"]) <= set(Status)


def test_results_are_cut_like_arrays() -> None:
    (clf, _), cf = rows_of("mixed"), asked("mixed")
    far = cf.report["distance_l2"] > cf.report["distance_l2"].median()
    part = cf[far.to_numpy()]
    assert 0 < len(part) < len(cf)
    assert part.report["distance_l2"].tolist() == cf.report["distance_l2"][far].tolist()
    np.testing.assert_array_equal(clf.predict(part.data), part.report["prediction"])


@each_table
def test_every_way_to_read_a_result_works(name: str) -> None:
    cf = asked(name)[:8]
    assert len(cf.explain()) == len(cf) == len(cf.to_frame())
    assert cf.to_json().startswith("[{") and "<table>" in cf._repr_html_() and "counterfactual" in repr(cf)


def test_what_was_before_is_told_of_the_query() -> None:
    (clf, X), cf = rows_of("iris"), asked("iris")
    rows, column = cf.report["row"].to_numpy(), cf.report["target"].to_numpy()
    np.testing.assert_array_equal(cf.prediction_before, clf.predict(X)[rows])
    np.testing.assert_allclose(cf.probability_before, clf.predict_proba(X)[rows, column], atol=1e-6)
