"""Counterfactuals of fitted models behind steps: judged in the units of the user, under rules of the user."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import same_cells, short_searches
from _models import fast, iris, mixed_table
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

from hyconex_sklearn import Actionability, Status
from hyconex_sklearn._pipeline.counterfactuals import counterfactuals

__all__ = ["short_searches"]  # a fixture


QUICK = {"flow_epochs": 2, "pretrain_epochs": 20, "joint_epochs": 2}

short = pytest.mark.usefixtures("short_searches")
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_a_query_through_steps_warns_of_nothing() -> None:
    X, y = iris()[1:]
    pipe = make_pipeline(StandardScaler(), fast(**QUICK))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipe.fit(X, y)
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # torch tells most of its warnings once in a process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            counterfactuals(pipe, X[:3])
            counterfactuals(pipe, X[:3].round(), bounds={0: (0, 9)})
    finally:
        torch.set_warn_always(before)


def households() -> tuple[pd.DataFrame, np.ndarray]:
    """Whole numbers, money, text and truth values, without gaps."""
    X, y = mixed_table()
    X = X[["age", "income", "job", "owner"]].dropna()
    return X.reset_index(drop=True), y[(X.index - 11) // 3]


def model_behind_columns() -> Pipeline:
    scale = ("scale", StandardScaler(), ["age", "income"])
    code = ("hot", OneHotEncoder(sparse_output=False), ["job"])
    columns = ColumnTransformer([scale, code, ("keep", "passthrough", ["owner"])])
    return Pipeline([("columns", columns), ("clf", fast(**QUICK))])


@cache
def household_model() -> Pipeline:
    return model_behind_columns().fit(*households())


@short
@unconverged
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-3, 3))], ids=["standard", "minmax"])
def test_rows_of_a_model_come_back_through_a_scaler_as_they_were_judged(scaler: Any) -> None:
    _, X, y = iris()
    pipe = make_pipeline(scaler, fast(**QUICK)).fit(X, y)
    cf = counterfactuals(pipe, X[::8])
    np.testing.assert_array_equal(pipe.predict(cf.data), cf.report["prediction"])
    assert cf.report["valid"].mean() > 0.9
    assert (cf.data >= X.min(0) - 1e-6).all() and (cf.data <= X.max(0) + 1e-6).all()


@short
@unconverged
def test_rows_of_a_model_come_back_through_columns_and_a_search() -> None:
    X, y = households()
    search = GridSearchCV(model_behind_columns(), {"clf__alpha_validity": [0.2]}, cv=2).fit(X, y)
    cf = counterfactuals(search, X[:25])
    assert list(cf.data.columns) == list(X.columns) and cf.data.dtypes.equals(X.dtypes)
    assert set(cf.data["job"]) <= {"clerk", "nurse", "pilot"}
    np.testing.assert_array_equal(search.predict(cf.data), cf.report["prediction"])
    np.testing.assert_array_equal(cf.report["valid"], cf.report["prediction"] == cf.report["target"])
    assert cf.report["valid"].mean() > 0.8


def test_the_bare_estimator_answers_for_itself() -> None:
    clf, X, _ = iris()
    rules: dict[str, Any] = {"immutable": [0], "search": "steps"}
    expected = clf.counterfactuals(X[:9], **rules)
    pd.testing.assert_frame_equal(counterfactuals(clf, X[:9], **rules).report, expected.report)


@short
@unconverged
@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_rules_hold_in_the_columns_of_the_user(search: str) -> None:
    X = households()[0][:30]
    rules: dict[str, Any] = {"immutable": ["owner"], "bounds": {"age": (25, 60)}, "monotonic_cst": {"income": 1}}
    assert counterfactuals(household_model(), X).changes()["feature"].eq("owner").any()
    cf = counterfactuals(household_model(), X, search=search, **rules)
    assert same_cells(cf.data[["owner"]], cf.original[["owner"]]).all() and (cf.report["n_changed"] > 0).any()
    inside, risen = cf.data["age"].between(25, 60), cf.data["income"] >= cf.original["income"]
    np.testing.assert_array_equal(cf.report["feasible"], inside & risen)
    assert cf.report["feasible"].any()
    np.testing.assert_array_equal(cf.report["status"] == Status.INFEASIBLE, ~cf.report["feasible"])


@short
@unconverged
def test_the_search_behind_the_steps_knows_what_is_frozen() -> None:
    X = households()[0][:30]
    cf = counterfactuals(household_model(), X, immutable=["job", "owner"])
    assert same_cells(cf.data[["job", "owner"]], X[["job", "owner"]]).all()
    assert cf.report["valid"].all()  # frozen cells put back afterwards would take the target from some rows


@short
@unconverged
@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_whether_a_row_is_feasible_is_judged_after_rounding(search: str) -> None:
    X = households()[0][:30]
    terms, bound = {"age": 1.0, "income": 0.001}, 60.0
    rules = Actionability(relations=[(terms, bound)], immutable=["job", "owner"])
    cf = counterfactuals(household_model(), X, actionability=rules, search=search)
    total = cf.data["age"] + 0.001 * cf.data["income"]
    assert (cf.original["age"] + 0.001 * cf.original["income"] > bound).any()
    np.testing.assert_array_equal(cf.report["feasible"], total <= bound)
    assert cf.report["feasible"].any()


@short
def test_a_repair_goes_through_steps_that_change_nothing() -> None:
    clf, X, _ = iris()
    whole = Actionability(repair=lambda table: table.assign(x0=table["x0"].round()))
    cf = counterfactuals(make_pipeline("passthrough", clf), X[::15], actionability=whole, target=1)
    answered = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    assert answered.any() and (cf.data[answered, 0] % 1 == 0).all() and cf.report["feasible"].all()
