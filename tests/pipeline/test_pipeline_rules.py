"""Rules through a pipeline hold in the user's own columns and units, and rows are judged by them there."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches, take
from _listener import NUMBERS, Listener, columns, listening, people
from _models import fast, mixed_table, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, PowerTransformer, StandardScaler

from hyconex_sklearn import Actionability, Counterfactuals, Status, counterfactuals

__all__ = ["short_searches"]  # a fixture

# --------------------------------------------------------------------------------------------- judged in user units


def test_rows_are_judged_by_the_users_own_rules_whatever_the_classifier_says() -> None:
    X = NUMBERS.to_numpy()
    pipe = listening(StandardScaler(), X, shift=np.array([0.0, 0.0, 1.0]))
    tops = X[:, 2] + np.where(np.arange(len(X)) < 3, 1.0, 1e6)
    report = counterfactuals(pipe, X, bounds={"x2": (None, tops)}).report
    assert not report["feasible"][:3].any() and (report["status"][:3] == Status.INFEASIBLE).all()
    assert report["feasible"][3:].all() and (report["status"][3:] == Status.OK).all()
    for broken in (
        {"monotonic_cst": {"x2": -1}},
        {"actionability": Actionability(relations=[({"x2": 1}, X[:, 2].min())])},
    ):
        assert not counterfactuals(pipe, X, **broken).report["feasible"].any()
    pipe[-1].shift = np.ones(3)
    assert not counterfactuals(pipe, X, max_changes=2).report["feasible"].any()


def test_labels_are_judged_by_the_users_own_rules() -> None:
    X = people()[["age", "job"]]
    keep = ColumnTransformer([("num", StandardScaler(), ["age"]), ("keep", "passthrough", ["job"])])
    pipe = listening(keep.set_output(transform="pandas"), X)
    rules = Actionability(allowed_categories={"job": ["nurse"]})
    report = counterfactuals(pipe, X, actionability=rules).report
    assert report["feasible"].tolist() == (X["job"] == "nurse").tolist()

    def feasible(job: str, **rules: Any) -> list[bool]:
        """Where the rules are obeyed if every row gets the same job."""
        pipe[-1].counterfactuals = lambda Z, **asked: Counterfactuals(
            Z.assign(keep__job=job),
            Z,
            pd.DataFrame({"row": np.arange(len(Z)), "feasible": True, "status": "ok"}),
            [0, 1],
            np.zeros(len(Z)),
            np.zeros(len(Z)),
        )
        return counterfactuals(pipe, X, actionability=Actionability(**rules)).report["feasible"].tolist()

    moves = {"job": {"clerk": ["nurse"]}}
    assert feasible("pilot", allowed_transitions=moves) == (X["job"] != "clerk").tolist()
    assert feasible("clerk", allowed_transitions=moves) == [True] * len(X)
    both = {"allowed_categories": {"job": ["pilot", "nurse"]}, "allowed_transitions": moves}
    assert feasible("pilot", **both) == (X["job"] != "clerk").tolist()


def test_a_frozen_cell_is_the_users_own_even_if_the_classifier_moved_it() -> None:
    for X in (NUMBERS, NUMBERS.to_numpy(), NUMBERS.convert_dtypes()):
        cf = counterfactuals(listening(StandardScaler(), X, shift=1.0), X, immutable=[0, 2])
        before, after = pd.DataFrame(X), pd.DataFrame(cf.data)
        pd.testing.assert_frame_equal(after.iloc[:, [0, 2]], before.iloc[:, [0, 2]], check_exact=True)
        assert (after.iloc[:, 1] > before.iloc[:, 1]).all() and cf.report["feasible"].all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_noise_at_a_bound_is_clipped_and_more_than_noise_is_told(dtype: Any) -> None:
    X = NUMBERS.to_numpy().astype(dtype)
    for excess, feasible in ((4 * np.finfo(dtype).eps, True), (1e-3, False)):
        high = 20_000.1
        pipe = make_pipeline(FunctionTransformer(), MinMaxScaler(), Listener()).fit(X, np.arange(len(X)) % 2)
        reach = pipe[:-1].transform(np.full((1, 3), high * (1 + excess), dtype=dtype))
        pipe[-1].shift = (reach - pipe[:-1].transform(X)) * np.array([0, 1, 0])
        cf = counterfactuals(pipe, X, bounds={"x1": (None, high)})
        assert cf.data.dtype == dtype
        assert (cf.report["feasible"] == feasible).all()
        assert ((cf.data[:, 1] <= high) == feasible).all()


def test_an_error_of_the_classifier_says_what_its_columns_are_to_the_user() -> None:
    pipe = listening(columns(), people())

    def complain(X: Any, **asked: Any) -> None:
        raise ValueError("x1 is bad")

    pipe[-1].counterfactuals = complain
    with pytest.raises(ValueError, match="x1 is bad") as caught:
        counterfactuals(pipe, people(), immutable=["job"])
    (note,) = caught.value.__notes__
    assert "'x1' of 'income'" in note and "'x4' of 'job'" in note


# ------------------------------------------------------------------------------------------------ with real answers


def fit(step: Any, X: Any, y: Any) -> Any:
    pipe = make_pipeline(step, fast())
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return pipe.fit(X, y)


def skewed() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return np.exp(X), y


@cache
def model(name: str) -> tuple[Any, Any]:
    """A fitted pipeline and its table. Shared: never change them."""
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(X, columns=["sepal", "width", "petal", "span"])
    people, label = mixed_table()
    hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    mixed = [("num", numbers, ["age", "income"]), ("hot", hot, ["job", "grade"]), ("keep", "passthrough", ["owner"])]
    made = {
        "scaled": (StandardScaler(), X, y),
        "named": (StandardScaler().set_output(transform="pandas"), frame, y),
        "powered": (PowerTransformer(), *skewed()),
        "falling": (make_pipeline(FunctionTransformer(np.negative, np.negative), MinMaxScaler()), X, y),
        "mixed": (ColumnTransformer(mixed).set_output(transform="pandas"), people, label),
    }
    step, table, labels = made[name]
    return fit(step, table, labels), table


def names_of(X: Any) -> list[Any]:
    return list(X.columns) if isinstance(X, pd.DataFrame) else [f"x{j}" for j in range(X.shape[1])]


def framed(X: Any) -> pd.DataFrame:
    """The table with the names that rules call its columns by."""
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=names_of(X))


def check(cf: Counterfactuals, X: Any, rules: dict[str, Any]) -> None:
    """No frozen cell changed, and a row is feasible if and only if it obeys the rules, as anyone would check them."""
    before, after, rows = framed(cf.original), framed(cf.data), cf.report["row"].to_numpy()
    changed = ~((before == after) | (before.isna() & after.isna())).to_numpy()
    assert not (changed & np.broadcast_to(rules.get("immutable", False), X.shape)[rows]).any()
    broken = changed.sum(axis=1) > rules.get("max_changes", X.shape[1])
    for name, sides in rules.get("bounds", {}).items():
        low, high = (np.broadcast_to(np.array(side, dtype=float), len(X))[rows] for side in sides)
        broken |= (after[name] < low).to_numpy() | (after[name] > high).to_numpy()
    for name, direction in rules.get("monotonic_cst", {}).items():
        broken |= (direction * (after[name] - before[name]) < 0).to_numpy()
        broken |= (before[name].isna() & after[name].notna()).to_numpy()
    for name, step in rules.get("resolution", {}).items():
        off = np.abs(after[name] / step - np.rint(after[name] / step)) > 1e-12 * np.abs(after[name] / step)
        broken |= (off & (before[name] != after[name]) & after[name].notna()).to_numpy()
    for name, values in rules.get("allowed_values", {}).items():
        broken |= ~(after[name].isin(values) | (before[name].isna() & after[name].isna())).to_numpy()
    for terms, bound in rules.get("relations", []):
        broken |= (sum(factor * after[name] for name, factor in terms.items()) > bound).to_numpy()
    assert cf.report["feasible"].tolist() == (~broken).tolist()
    asked = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    assert ((cf.report["status"] == Status.INFEASIBLE).to_numpy() == broken)[asked].all()


@pytest.mark.usefixtures("short_searches")
def test_scaled_rows_obey_bounds_in_user_units() -> None:
    pipe, X = model("scaled")
    rules = {"bounds": {"x0": (5.0, 6.5), "x2": (1.5, 5.5)}, "monotonic_cst": {"x3": 1}, "max_changes": 3}
    cf = counterfactuals(pipe, X[::10], **rules)
    check(cf, X[::10], rules)
    assert cf.report["feasible"].mean() > 0.5 and (cf.report["n_changed"] > 0).any()
    assert (cf.data[cf.report["feasible"], 0] >= 5.0).all()


def test_bounds_hold_exactly_through_a_power() -> None:
    pipe, X = model("powered")
    for quantile in (0.3, 0.6):
        top = float(np.quantile(X[:, 2], quantile))
        asked = X[X[:, 2] <= top][::6]
        cf = counterfactuals(pipe, asked, bounds={"x2": (None, top)}, target=2)
        assert (cf.data[:, 2] <= top).all() and cf.report["feasible"].all()
        assert np.isclose(cf.data[:, 2], top).any(), "no row came to lie at the bound, which is what was to be seen"


@pytest.mark.usefixtures("short_searches")
@pytest.mark.parametrize("name", ["scaled", "powered", "falling"])
def test_new_numbers_are_multiples_and_listed_ones_in_user_units(name: str) -> None:
    pipe, X = model(name)
    kinds = X[[0, 60, 120], 2].tolist()
    rules = {"resolution": {"x0": 0.5, "x3": 0.25}, "allowed_values": {"x2": kinds}, "bounds": {"x0": (5.2, None)}}
    cf = counterfactuals(pipe, X[::10], bounds=rules["bounds"], actionability=Actionability(**rules | {"bounds": None}))
    asked = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    check(cf, X[::10], rules)
    assert cf.report["feasible"][asked].all() and set(cf.data[asked, 2]) == set(kinds)
    assert (cf.data[:, [0, 3]] != cf.original[:, [0, 3]]).any(axis=0).all()
    assert cf.report["valid"].mean() > 0.5


@pytest.mark.usefixtures("short_searches")
def test_a_falling_map_keeps_directions_as_the_user_sees_them() -> None:
    pipe, X = model("falling")
    rules = {"monotonic_cst": {"x2": 1}, "bounds": {"x3": (None, 2.0)}}
    cf = counterfactuals(pipe, X[:50:7], **rules)
    check(cf, X[:50:7], rules)
    assert (cf.data[:, 2] >= cf.original[:, 2]).all() and (cf.data[:, 2] > cf.original[:, 2]).any()


@pytest.mark.usefixtures("short_searches")
def test_a_search_around_a_pipeline_takes_rules_in_user_units() -> None:
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), fast()),
        {"hyconexclassifier__alpha_validity": [0.8]},
        cv=ShuffleSplit(1, random_state=0),
    )
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    cf = counterfactuals(search, X[::30], bounds={"x0": (5.0, 6.5)}, immutable=["x1"])
    check(cf, X[::30], {"bounds": {"x0": (5.0, 6.5)}, "immutable": [False, True, False, False]})


@pytest.mark.usefixtures("short_searches")
def test_a_frozen_column_of_labels_does_not_change_and_others_do() -> None:
    pipe, X = model("mixed")
    changed = counterfactuals(pipe, X).changes()["feature"]
    assert {"job", "grade"} & set(changed), "labels do not change anyway"
    cf = counterfactuals(pipe, X, immutable=["job", "grade"])
    pd.testing.assert_frame_equal(cf.data[["job", "grade"]], cf.original[["job", "grade"]], check_exact=True)
    assert len(cf.changes()) and cf.report["feasible"].all()
    one = counterfactuals(pipe, X[:1], immutable=["job", "grade", "owner"])
    assert set(one.changes()["feature"]) <= {"age", "income"}


class Question(NamedTuple):
    """Rows of a fitted table, and what is asked about them."""

    model: str
    X: Any
    rules: dict[str, Any]
    search: str


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Rules of many kinds that do not contradict each other."""
    name = draw(st.sampled_from(["scaled", "named", "powered", "falling", "mixed"]))
    table = model(name)[1]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = take(table, rng.integers(0, len(table), rng.integers(1, 6)))
    names = names_of(X)
    numbers = names[:2] if name == "mixed" else names
    frozen = rng.random(X.shape) < 0.3
    frozen[0, 0] = False  # something is left to change
    rules: dict[str, Any] = {"immutable": frozen if draw(st.booleans()) else frozen[0]}
    frozen = framed(np.broadcast_to(rules["immutable"], X.shape)).set_axis(names, axis=1)
    rules["bounds"] = {}
    for column in numbers:
        if rng.random() < 0.4:
            low, high = framed(table)[column].quantile([0.1, 0.9])
            own = framed(X)[column].to_numpy(dtype=float)
            stuck = frozen[column].to_numpy() & ((own < low) | (own > high))  # a bound would contradict immutable
            each = [np.where(stuck, np.nan, side) if stuck.any() else side for side in (low, high)]
            rules["bounds"][column] = (each[0], None) if rng.random() < 0.3 else tuple(each)
    rules["monotonic_cst"] = {column: int(rng.choice([-1, 1])) for column in numbers if rng.random() < 0.3}
    if name != "mixed" and rng.random() < 0.5:
        rules["max_changes"] = int(rng.integers(1, 4))
    rules["resolution"] = {column: float(rng.choice([0.25, 0.5, 2])) for column in numbers if rng.random() < 0.3}
    rules["resolution"] |= {"age": 5} if "age" in rules["resolution"] else {}
    listed = [column for column in numbers if column not in rules["resolution"] and rng.random() < 0.2]
    rules["allowed_values"] = {
        column: rng.choice(framed(table)[column].dropna(), rng.integers(1, 4)).tolist() for column in listed
    }
    if name != "powered" and rng.random() < 0.5:
        first, second = framed(table)[numbers[:2]].median()
        rules["relations"] = [({numbers[0]: 1.0, numbers[1]: -0.5}, float(first - 0.5 * second))]
    return Question(name, X, rules, draw(st.sampled_from(["one_shot", "steps", "auto"])))


@pytest.mark.filterwarnings("ignore:.*breaks a rule:UserWarning")
@pytest.mark.usefixtures("short_searches")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions())
def test_no_rule_leaks_whatever_is_asked(question: Question) -> None:
    rarer = ("relations", "resolution", "allowed_values")
    rest = Actionability(**{name: question.rules[name] for name in rarer if name in question.rules})
    keywords = {name: rule for name, rule in question.rules.items() if name not in rarer}
    cf = counterfactuals(model(question.model)[0], question.X, **keywords, actionability=rest, search=question.search)
    check(cf, question.X, question.rules)
