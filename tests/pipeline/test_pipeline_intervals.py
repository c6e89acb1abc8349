"""How far values of answers may go, in the units of the table before the steps."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import differ, short_searches
from _listener import listening, people
from _models import fast, mixed, mixed_table, small
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from hyconex_sklearn import Actionability, Counterfactuals
from hyconex_sklearn._answer.status import CERTIFIED
from hyconex_sklearn._pipeline.counterfactuals import counterfactuals
from hyconex_sklearn._table.cells import cells_differ

__all__ = ["short_searches"]  # a fixture
pytestmark = pytest.mark.usefixtures("short_searches")
VALUES = ["age", "income", "grade"]
RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "said": {"bounds": {"age": (25, 61)}, "monotonic_cst": {"income": 1}, "target_probability": 0.6},
}


@cache
def piped() -> tuple[Pipeline, pd.DataFrame]:
    """A pipeline that scales numbers, spreads text and leaves an order as it is, and rows for it."""
    X, y = mixed_table()
    X = X[["age", "income", "job", "grade", "owner"]]
    kept = X.notna().all(axis=1).to_numpy()
    steps = make_column_transformer(
        (StandardScaler(), ["age", "income"]),
        (OneHotEncoder(sparse_output=False), ["job"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore")
        pipe = make_pipeline(steps, fast()).fit(X[kept], y[kept])
    return pipe, X[kept][::6]


@cache
def answers(kind: str, rules: str = "none") -> Counterfactuals:
    pipe, X = piped()
    return counterfactuals(pipe, X, intervals=kind, **RULES[rules])


@pytest.mark.parametrize("kind", ["each", "box"])
@pytest.mark.parametrize("rules", RULES)
def test_values_between_the_ends_are_certified_behind_the_steps(kind: str, rules: str) -> None:
    (pipe, X), cf = piped(), answers(kind, rules)
    found, rng = cf.intervals, np.random.default_rng(0)
    assert found is not None
    certified = cf.report["status"].isin(CERTIFIED).to_numpy()
    expected = cells_differ(cf.original, cf.data) & certified[:, None] & np.isin(cf.feature_names, VALUES)
    np.testing.assert_array_equal(found.checked > 0, expected)
    assert expected[:, [0, 1, 3]].any(0).all()
    judge = pipe[-1]._certifier(pipe[:-1].transform(X), target_probability=RULES[rules].get("target_probability"))
    for draw in (None, 0.0, 1.0):  # inside, and both ends
        for j, name in enumerate(cf.feature_names):
            data = cf.data.copy()
            at = np.flatnonzero(found.checked[:, j])
            share = rng.random(len(at)) if draw is None else draw
            values = found.low[at, j] + share * (found.high[at, j] - found.low[at, j])
            values = np.round(values, {"income": 2}.get(str(name), 0)).clip(found.low[at, j], found.high[at, j])
            new = np.array(["low", "mid", "high"], dtype=object)[values.astype(int)] if name == "grade" else values
            data.iloc[at, j] = new
            good = judge(pipe[:-1].transform(data), cf.report["row"].to_numpy(), cf.report["target"].to_numpy())
            assert good[certified].all()


def test_they_are_in_the_users_units_and_on_the_grid_of_the_users_column() -> None:
    cf = answers("each", "said")
    assert cf.intervals is not None
    low, high = cf.intervals.low, cf.intervals.high
    age, income = (cf.intervals.checked[:, j] > 0 for j in (0, 1))
    assert (low[age, 0] >= 25).all() and high[age, 0].max() == 61 and (low[age, 0] % 1 == 0).all()
    assert (low[income, 1] >= cf.original["income"].to_numpy()[income]).all()
    np.testing.assert_array_equal(low[income, 1].round(2), low[income, 1])
    told = cf.changes()
    assert {type(value) for value in told["lowest"][(told["feature"] == "age") & told["checked"].notna()]} == {int}
    assert any("(at least " in sentence for sentence in cf.explain())


def test_the_rows_are_those_of_a_query_without() -> None:
    pipe, X = piped()
    plain, cf = counterfactuals(pipe, X), answers("box")
    assert plain.intervals is None
    assert not differ(plain.data, cf.data) and not differ(plain.report, cf.report)
    np.testing.assert_array_equal(cf._contributions, plain._contributions)


def test_without_steps_and_through_steps_that_do_nothing_they_are_the_classifiers_own() -> None:
    clf, X, _ = mixed()
    rules: dict[str, Any] = {"bounds": {"income": (None, 60_000.5)}, "intervals": "each"}
    own = clf.counterfactuals(X[:12], **rules)
    assert own.intervals is not None
    for pipe in (Pipeline([("model", clf)]), Pipeline([("nothing", FunctionTransformer()), ("model", clf)])):
        through = counterfactuals(pipe, X[:12], **rules)
        assert through.intervals is not None
        for part in ("low", "high", "checked"):
            np.testing.assert_array_equal(getattr(through.intervals, part), getattr(own.intervals, part))


def test_columns_of_unknown_range_have_none() -> None:
    X, y = mixed_table()
    X = X[["age", "children"]].fillna(0).astype(float)
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore")
        pipe = make_pipeline(PCA(), fast(joint_epochs=1)).fit(X, y)
    cf = counterfactuals(pipe, X[:4], intervals="each")
    assert cf.intervals is not None and not cf.intervals.checked.any()


def test_what_is_asked_is_checked_before_any_work() -> None:
    pipe = listening(FunctionTransformer(), people()[["age"]])
    with pytest.raises(ValueError, match="intervals must be None, 'each' or 'box', got 'both'"):
        counterfactuals(pipe, people()[["age"]], intervals="both")
    with pytest.raises(TypeError, match=r"Listener has .* none called _certifier, which judges how far values may go"):
        counterfactuals(pipe, people()[["age"]], intervals="each")
    assert not pipe[-1].told_


def test_relations_of_the_user_end_an_interval() -> None:
    pipe, X = piped()
    rules = Actionability(relations=[({"age": 1000, "income": -1}, 30_000)])  # age no more than so many thousands
    cf = counterfactuals(pipe, X, actionability=rules, intervals="box")
    assert cf.intervals is not None
    for ends in (cf.intervals.low, cf.intervals.high):
        cells = np.where(cf.intervals.checked > 0, ends, np.nan)[:, :2]
        age, income = np.where(np.isnan(cells), cf.data[["age", "income"]].to_numpy(float), cells).T
        feasible = cf.report["feasible"].to_numpy()
        assert (1000 * age - income <= 30_000 + 1e-6)[feasible].all()
