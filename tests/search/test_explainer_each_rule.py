"""One rule at a time, end to end: it holds in every search, and what it makes impossible is told."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import same_cells, short_searches
from _models import iris, mixed

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, Status, metrics

__all__ = ["short_searches"]  # a fixture

SEARCHES = ["one_shot", "steps", "auto", "latent"]
pytestmark = pytest.mark.usefixtures("short_searches")


@cache
def rows() -> tuple[HyConExClassifier, pd.DataFrame]:
    """The shared estimator of mixed columns, and some rows of its table."""
    clf, X, _ = mixed()
    return clf, X[::5]


def free_answer() -> Counterfactuals:
    clf, X = rows()
    return clf.counterfactuals(X)


def moved(cf: Counterfactuals) -> pd.Series:
    """How often each column changed."""
    return cf.changes()["feature"].value_counts().reindex(cf.feature_names, fill_value=0)


@pytest.mark.parametrize("search", SEARCHES)
def test_frozen_columns_stay_and_the_others_do_the_work(search: str) -> None:
    clf, X = rows()
    assert moved(free_answer())[["age", "job"]].all()
    cf = clf.counterfactuals(X, immutable=["age", "job"], search=search)
    assert same_cells(cf.data[["age", "job"]], cf.original[["age", "job"]]).all()
    assert cf.report["feasible"].all() and moved(cf).any()


def test_a_mask_freezes_cells_row_by_row() -> None:
    clf, X = rows()
    frozen = np.random.default_rng(0).random(X.shape) < 0.4
    cf = clf.counterfactuals(X, immutable=frozen)
    assert same_cells(cf.data, X)[frozen].all()
    assert (~same_cells(cf.data, X)).any(axis=0)[[0, 1]].all()  # columns that other rows may change


def test_a_row_with_everything_frozen_comes_back_and_the_others_are_answered() -> None:
    clf, X = rows()
    frozen = np.zeros(X.shape, dtype=bool)
    frozen[2] = True
    cf = clf.counterfactuals(X[:6], immutable=frozen[:6])
    assert same_cells(cf.data, X[:6])[2].all()
    assert cf.report["status"].iloc[2] == Status.NOT_VALID and cf.report["feasible"].all()
    assert cf.report["valid"].drop(index=X.index[2]).all()


def test_bounds_hold_in_the_units_of_the_table() -> None:
    clf, X = rows()
    limit = X["age"].to_numpy() + 3
    cf = clf.counterfactuals(X, bounds={"age": (None, limit), "income": (1_000, None), "grade": ("low", "mid")})
    age, feasible = cf.data["age"].to_numpy(), cf.report["feasible"].to_numpy()
    assert feasible.any() and (age <= limit)[feasible].all()
    assert (cf.data["income"][feasible].dropna() >= 1_000).all()
    assert set(cf.data["grade"][feasible]) == {"low", "mid"}


@pytest.mark.parametrize(("direction", "name"), [(1, "age"), (-1, "age"), (1, "grade"), (-1, "income")])
def test_what_may_only_rise_never_falls(direction: int, name: str) -> None:
    clf, X = rows()
    cf = clf.counterfactuals(X, monotonic_cst={name: direction}, immutable=["job", "owner"])
    before, after = (t[name].cat.codes if name == "grade" else t[name].to_numpy() for t in (cf.original, cf.data))
    step = np.nan_to_num(np.asarray(after, dtype=float) - np.asarray(before, dtype=float))
    assert (direction * step >= 0).all() and step.any() and cf.report["feasible"].all()


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("search", SEARCHES)
def test_no_more_columns_change_than_may(most: int, search: str) -> None:
    clf, X = rows()
    cf = clf.counterfactuals(X, max_changes=most, search=search)
    assert cf.report["n_changed"].max() == most == (~same_cells(cf.original, cf.data)).sum(1).max()
    assert cf.report["feasible"].all()
    assert search != "auto" or cf.report["valid"].mean() > 0.8


def test_labels_go_only_where_they_may() -> None:
    clf, X = rows()
    rules = Actionability(
        allowed_categories={"grade": ["low", "mid"]},
        allowed_transitions={"job": {"clerk": ["nurse"], "nurse": [], None: []}},
    )
    cf = clf.counterfactuals(X, actionability=rules)
    assert set(cf.data.loc[cf.report["feasible"].to_numpy(), "grade"]) <= {"low", "mid"}
    was, now = cf.original["job"], cf.data["job"]
    assert set(now[was == "clerk"]) <= {"clerk", "nurse"} and set(now[was == "nurse"]) == {"nurse"}
    assert now[was.isna()].isna().all() and was.isna().any()


@pytest.mark.parametrize("search", SEARCHES)
def test_new_numbers_are_multiples_of_a_resolution(search: str) -> None:
    clf, X = rows()
    steps = {"income": 500, "age": 5}
    cf = clf.counterfactuals(X, search=search, actionability=Actionability(resolution=steps))
    assert cf.report["feasible"].all() and (moved(cf)[["income", "age"]] > 0).all()
    for name, step in steps.items():
        changed = ~same_cells(cf.original[[name]], cf.data[[name]])[:, 0]
        assert (cf.data[name][changed] % step == 0).all()
    assert search != "auto" or cf.report["valid"].mean() > 0.9


@pytest.mark.parametrize("search", SEARCHES)
def test_only_allowed_values_come_back(search: str) -> None:
    clf, X = rows()
    rules = Actionability(allowed_values={"age": [25, 40, 55.0], "income": [20_000.0, 30_000.5]})
    cf = clf.counterfactuals(X, search=search, actionability=rules)
    asked = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    assert cf.report["feasible"][asked].all()
    ages, incomes = cf.data["age"][asked], cf.data["income"][asked].dropna()
    assert set(ages) <= {25, 40, 55} and set(incomes) <= {20_000.0, 30_000.5}
    assert search != "auto" or cf.report["valid"].mean() > 0.8


def test_rules_on_numbers_hold_after_a_repair() -> None:
    clf, X = rows()
    rules = Actionability(
        resolution={"age": 5, "income": 1000}, repair=lambda table: table.assign(age=table["age"] + 5)
    )
    cf = clf.counterfactuals(X[:8], actionability=rules)
    good = cf.report["feasible"].to_numpy()
    changed = ~same_cells(cf.original[["age"]], cf.data[["age"]])[:, 0]
    assert good.any() and (cf.data["age"][changed & good] % 5 == 0).all() and changed.any()
    assert not good.all() and not metrics.violations(cf.original, cf.data, rules)[good].any()


def test_a_relation_between_columns_holds() -> None:
    clf, X = rows()
    terms, bound = {"age": 1.0, "children": -10.0}, 20.0
    before = X["age"] - 10.0 * X["children"]
    cf = clf.counterfactuals(X, actionability=Actionability(relations=[(terms, bound)]))
    after = cf.data["age"] - 10.0 * cf.data["children"]
    assert (before > bound).any() and cf.report["feasible"].all()
    assert not (after > bound).any()


def test_an_expensive_column_is_changed_less_often() -> None:
    clf, X = rows()
    dear = Actionability(feature_weights={"age": 20.0})
    cheap = Actionability(feature_weights={"age": 0.1})
    counts = {
        name: moved(clf.counterfactuals(X, actionability=rules))["age"]
        for name, rules in (("dear", dear), ("cheap", cheap))
    }
    assert counts["dear"] < moved(free_answer())["age"] < counts["cheap"]


def test_rules_as_keywords_and_as_an_object_are_the_same_rules() -> None:
    clf, X = rows()
    rules: dict[str, Any] = {"immutable": ["job"], "bounds": {"age": (20, 70)}, "monotonic_cst": {"children": 1}}
    rules |= {"max_changes": 3, "target_probability": 0.8}
    answers = [
        clf.counterfactuals(X[:8], **rules),
        clf.counterfactuals(X[:8], actionability=Actionability(**rules)),
        clf.counterfactuals(X[:8], immutable=["job"], actionability=Actionability(**{**rules, "immutable": None})),
        clf.counterfactuals(X[:8], actionability=Actionability.from_json(Actionability(**rules).to_json())),
    ]
    for cf in answers[1:]:
        pd.testing.assert_frame_equal(cf.report, answers[0].report)
        pd.testing.assert_frame_equal(cf.data, answers[0].data)


def test_columns_of_an_array_are_called_by_position_or_name() -> None:
    clf, X, _ = iris()
    by_name = clf.counterfactuals(X[:8], immutable=["x2"], bounds={"x0": (4.5, None)}, target=1)
    by_place = clf.counterfactuals(X[:8], immutable=[2], bounds={0: (4.5, None)}, target=1)
    np.testing.assert_array_equal(by_name.data, by_place.data)
    assert (by_name.data[:, 2] == X[:8, 2]).all() and (by_name.data[by_name.report["feasible"], 0] >= 4.5).all()
    assert (by_name.data != X[:8]).any()


def test_columns_in_another_order_are_told_by_name() -> None:
    clf, X = rows()
    turned = X.iloc[:8, ::-1]
    cf = clf.counterfactuals(turned, immutable=["age"], bounds={"income": (None, 30_000)})
    expected = clf.counterfactuals(X[:8], immutable=["age"], bounds={"income": (None, 30_000)})
    pd.testing.assert_frame_equal(cf.data[X.columns], expected.data)
    for positional in ({"immutable": [0]}, {"immutable": np.zeros(turned.shape, bool)}, {"monotonic_cst": [0] * 7}):
        with pytest.raises(ValueError, match=rf"{next(iter(positional))}.*another order.*'age'"):
            clf.counterfactuals(turned, **positional)


# ----------------------------------------------------------------------------------- what cannot be is told before work


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reaching the search fails the test."""
    rows()

    def work(*args: Any, **how: Any) -> None:
        raise AssertionError("a search began although the rules are bad")

    monkeypatch.setattr("hyconex_sklearn._search.explainer.answer", work)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column": ({"immutable": ["wage"]}, r"immutable.*'wage'.*'age', 'income'"),
    "one column, not in a list": ({"immutable": "age"}, r"immutable must be a list.*'age'"),
    "mask of another width": ({"immutable": [True, False]}, r"immutable.*2 values.*7 columns"),
    "mask of another length": ({"immutable": np.zeros((3, 7), bool)}, r"immutable.*\(3, 7\).*\(32, 7\)"),
    "nothing left to change": ({"immutable": list(range(7))}, r"immutable.*nothing to change"),
    "bounds in the wrong order": ({"bounds": {"age": (70, 20)}}, r"bounds\['age'\].*low 70 above high 20"),
    "bounds between two whole numbers": ({"bounds": {"age": (30.2, 30.8)}}, r"bounds\['age'\] leave no value"),
    "bounds for other rows": ({"bounds": {"age": ([1, 2, 3], None)}}, r"bounds\['age'\] has 3 values.*32 rows"),
    "bounds on text": ({"bounds": {"job": ("a", "b")}}, r"bounds\['job'\].*allowed_categories"),
    "bounds in text": ({"bounds": {"age": ("young", None)}}, r"bounds\['age'\].*numbers"),
    "one rule said both ways": ({"mutable": ["age"], "immutable": ["job"]}, r"immutable and mutable are both given"),
    "direction of text": ({"monotonic_cst": {"job": 1}}, r"monotonic_cst\['job'\].*without an order"),
    "no direction": ({"monotonic_cst": {"age": 2}}, r"monotonic_cst\['age'\] must be -1, 0 or 1, got 2"),
    "no change at all": ({"max_changes": 0}, r"max_changes must be an integer >= 1, got 0"),
    "certainty": ({"target_probability": 1.0}, r"target_probability must be .*, got 1.0"),
    "unknown label": (
        {"actionability": Actionability(allowed_transitions={"job": {"clerk": ["king"]}})},
        r"allowed_transitions\['job'\]\['clerk'\].*'king'.*'clerk', 'nurse', 'pilot'",
    ),
    "sum of text": ({"actionability": Actionability(relations=[({"job": 1}, 2)])}, r"relations\[0\].*'job'.*labels"),
    "weight of nothing": ({"actionability": Actionability(feature_weights={"wage": 2})}, r"feature_weights.*'wage'"),
    "a rule given twice": (
        {"max_changes": 2, "actionability": Actionability(max_changes=2)},
        r"max_changes is given twice",
    ),
    "rules as a dict": (
        {"actionability": {"max_changes": 2}},
        r"actionability must be None or an Actionability, got dict",
    ),
}


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("name", BAD)
def test_rules_that_cannot_be_are_told_before_any_search(name: str) -> None:
    clf, X = rows()
    rules, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message):
        clf.counterfactuals(X, **rules)


#: Rules that leave the first row no way, and what the warning says of it.
NO_WAY: dict[str, tuple[dict[str, Any], str]] = {
    "frozen out of bounds": ({"immutable": ["age"], "bounds": {"age": (-5, 17)}}, "and may not change"),
    "bounds beyond what fit saw": (
        {"bounds": {"age": (np.float32(200.25), 300)}},
        r"held nothing within its bounds \(low 200.25, high 300 in row 11\) at fit, only 18 to 79",
    ),
    "high bound below what fit saw": ({"bounds": {"age": (None, np.float32(1.1))}}, r"\(high 1.1 in row 11\)"),
    "low above high": (
        {"bounds": {"age": (pd.Series([50.1], [11], dtype="float32"), np.float32(40.1))}},
        r"and has a low bound above the high one \(low 50.1, high 40.1 in row 11\)",
    ),
    "against its direction": ({"bounds": {"age": (None, 18)}, "monotonic_cst": {"age": 1}}, "nothing that it may"),
}


@pytest.mark.parametrize("name", NO_WAY)
def test_a_row_without_a_way_is_infeasible_alone_as_it_is_among_others(name: str) -> None:
    clf, X = rows()
    rules, told = NO_WAY[name]
    one, several = X[:1], X[:5]
    assert one["age"].item() > 18
    with pytest.warns(UserWarning, match=rf"'age' breaks a rule in row 11.*{told}"):
        alone = clf.counterfactuals(one, search="one_shot", **rules)
    if name == "low above high":
        rules = {"bounds": {"age": (pd.Series([50.1, 0, 0, 0, 0], several.index, dtype="float32"), np.float32(40.1))}}
    with pytest.warns(UserWarning, match="'age' breaks a rule in row"):
        among = clf.counterfactuals(several, search="one_shot", **rules)
    for cf in (alone, among):
        assert cf.report["status"].iloc[0] == Status.INFEASIBLE and same_cells(cf.data[:1], one).all()
    frozen = np.arange(len(several))[:, None] == np.zeros(X.shape[1])  # all of the first row
    whole, part = (clf.counterfactuals(X[:n], search="one_shot", immutable=frozen[:n]) for n in (5, 1))
    assert whole.report["status"].iloc[0] == part.report["status"].iloc[0] == Status.NOT_VALID


def test_nothing_is_said_of_a_row_in_conflict_that_already_is_its_target() -> None:
    clf, X = rows()
    X = X[clf.predict(X) == "no"][:4]
    rules: dict[str, Any] = {"immutable": ["age"], "bounds": {"age": (-5, 17)}, "search": "one_shot"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cf = clf.counterfactuals(X, target="no", **rules)
    assert (cf.report["status"] == Status.ALREADY_TARGET).all() and not cf.report["feasible"].any()
    targets = np.array(["no", "no", "yes", "no"])
    with pytest.warns(UserWarning, match=rf"'age' breaks a rule in row {X.index[2]}, and"):
        clf.counterfactuals(X, target=targets, **rules)


def test_a_row_that_its_rules_leave_no_way_hinders_no_other() -> None:
    clf, X = rows()
    age = X["age"].to_numpy()
    cf = clf.counterfactuals(X, bounds={"age": (None, 50)}, monotonic_cst={"age": 1})
    stuck = age > 50
    assert stuck.any() and not stuck.all()
    np.testing.assert_array_equal(cf.report["status"] == Status.INFEASIBLE, stuck)
    np.testing.assert_array_equal(~cf.report["feasible"], stuck)
    assert same_cells(cf.data, X)[stuck].all()
    assert cf.report["valid"][~stuck].mean() > 0.8
    text = cf[int(np.flatnonzero(stuck)[0])].explain()[0]
    assert text.startswith("No row was found that obeys the rules and is predicted as ")
