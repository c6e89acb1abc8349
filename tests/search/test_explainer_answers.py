"""The answers to a query: how good and how sure they are, how many come, toward which target, and what is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _asked import KEYS, QUICK, asked, each_table, rows_of
from _helpers import same_cells, short_searches, take
from _models import fitted, iris, mixed, mixed_table, real_table
from pandas.testing import assert_frame_equal
from sklearn.datasets import make_classification

from hyconex_sklearn import Actionability, Status

__all__ = ["short_searches"]  # a fixture
pytestmark = pytest.mark.usefixtures("short_searches")


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
    weak = fitted(X, y, joint_epochs=0)
    weak._model.hypernetwork.weight0.data.zero_()  # a network that never learned to move
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


@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_new_numbers_lie_on_the_grid_of_their_column_and_bounds_are_met_on_it(search: str) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"income": rng.integers(90, 600, 200) * 100, "months": rng.choice([6, 12, 24, 36], 200)})
    clf = fitted(X, (X["income"] / 1_000 - X["months"] / 2 + rng.normal(size=200) > 22).astype(int))
    rows = pd.concat([X[:20], X[:5] + np.array([37, 1])], ignore_index=True)  # some off the grid
    bounds = {"income": (11_050, 49_950)}
    cf = clf.counterfactuals(rows, search=search, bounds=bounds)
    changed = (cf.data != cf.original) & cf.report["feasible"].to_numpy()[:, None]
    assert changed["income"].any() and changed["months"].any()
    assert (cf.data["income"][changed["income"]] % 100 == 0).all()
    assert (cf.data["months"][changed["months"]] % 6 == 0).all()
    assert cf.data["income"][changed["income"]].between(*bounds["income"]).all()


def test_a_higher_sparsity_changes_fewer_columns_and_none_at_all_gives_the_nearest_rows() -> None:
    (clf, _), queries = rows_of("mixed"), mixed_table()[0][:40]
    found = [clf.counterfactuals(queries, sparsity=sparsity).report for sparsity in (0, 2.0, 20)]
    sure = np.logical_and.reduce([report["status"] == Status.OK for report in found])
    columns, ways = ([float(report[name][sure].mean()) for report in found] for name in ("n_changed", "distance_l2"))
    assert sure.mean() > 0.3 and columns[0] > columns[1] > columns[2] and ways[0] < ways[1] < ways[2]
    default = clf.counterfactuals(queries).report
    assert_frame_equal(default, found[1])


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


@pytest.mark.parametrize("probability", [0.55, 0.9, 0.999999])
@each_table
def test_a_target_probability_is_reached_or_the_row_says_that_it_is_not(name: str, probability: float) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X[:12], target_probability=probability).report
    reached = report["probability"] >= probability - 1e-6
    assert reached[report["status"] == Status.OK].all()
    short = report[~reached]
    assert short["status"].isin([Status.UNSURE, Status.IMPLAUSIBLE, Status.NOT_VALID]).all()
    assert (short.loc[short["valid"] & short["plausible"], "status"] == Status.UNSURE).all()
    assert reached.any() or probability == 0.999999
    assert (report["status"] == Status.UNSURE).any() or probability < 0.999999


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
    cells = pd.DataFrame(cf.data).reset_index(drop=True).astype(object).map(repr)
    for _, lines in cf.report.reset_index(drop=True).groupby(["row", "target"], sort=False):
        assert list(lines["rank"]) == list(range(len(lines))) and len(lines) <= 3
        assert not cells.loc[lines.index].duplicated().any()
        # Where alternatives are missing, the last one has a status that tells of it, or of something worse.
        assert (lines["status"].iloc[-1] != Status.OK) or len(lines) == 3
        assert not (lines["status"].iloc[:-1] == Status.FEWER).any()
        assert (lines["status"].iloc[-1] != Status.FEWER) or len(lines) < 3
    assert (cf.report["rank"] == 2).any()
    single = clf.counterfactuals(X[:6]).report
    first = cf.report.loc[cf.report["rank"] == 0, KEYS]
    assert_frame_equal(first.reset_index(drop=True), single[KEYS].reset_index(drop=True))
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
    assert report["n_lacking"].tolist() == [3] * 10


@each_table
def test_what_is_lacking_is_told_once_for_each_query_whatever_became_of_it(name: str) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X[:6], target=clf.classes_[0], n_counterfactuals=9).report
    for _, lines in report.groupby(["row", "target"]):
        already = (lines["status"] == Status.ALREADY_TARGET).all()
        assert lines["n_lacking"].tolist() == [0] * (len(lines) - 1) + [0 if already else 9 - len(lines)]


@each_table
def test_the_row_itself_has_second_opinions_about_its_own_prediction(name: str) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X, search="one_shot").report
    rows = report["row"].to_numpy()
    with torch.no_grad():
        said = clf._model.committee(torch.from_numpy(clf._codec.encode(X))).argmax(2).numpy()
    predicted = np.searchsorted(clf.classes_, clf.predict(X))
    np.testing.assert_allclose(report["support_before"], (said == predicted[:, None]).mean(1)[rows])
    assert report["support_before"].nunique() > 2
    # Toward its own prediction a row comes back unchanged, with as much support.
    own = clf.counterfactuals(X, target=clf.predict(X)).report
    np.testing.assert_allclose(own["support"], own["support_before"])


@each_table
def test_a_row_that_is_not_sure_says_what_it_lacks(name: str) -> None:
    clf, X = rows_of(name)
    report = clf.counterfactuals(X, search="steps").report
    short = report["probability"] < report["least_probability"]
    assert (report["doubt"][short] == "probability").all() and short.any()
    assert (report["doubt"][~short & (report["support"] >= 0.8)].isin(["", "committee"])).all()
    assert (report["doubt"][~short & (report["support"] < 0.8)] == "support").all()
    unsure = report[report["status"] == Status.UNSURE]
    assert len(unsure) and (unsure["doubt"] != "").all()
    asked = clf.counterfactuals(X, search="steps", target_probability=0.999).report
    np.testing.assert_allclose(asked["least_probability"], 0.999, rtol=1e-6)
    assert (asked["doubt"][asked["probability"] < 0.999] == "asked").all() and (asked["doubt"] == "asked").any()


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
    kinds = {"row": "i", "target": label, "rank": "i", "prediction": label, "probability": "f"}
    kinds |= {"least_probability": "f", "support": "f", "least_support": "f", "support_before": "f"}
    kinds |= {"doubt": "O", "valid": "b"}
    kinds |= {"plausible": "b", "feasible": "b", "log_density": "f", "flips_at": "f", "distance_l1": "f"}
    kinds |= {"distance_l2": "f", "n_changed": "i", "n_lacking": "i", "status": "O"}
    assert {column: report[column].dtype.kind for column in report.columns} == kinds
    assert list(report.columns) == list(kinds)
    data = asked(name).data
    assert report.index.equals(data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data)))
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
