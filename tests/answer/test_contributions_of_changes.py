"""What each changed cell adds to the log-odds of the target: sums, shares, tables of every kind, and what is kept."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import fitted, iris, mixed, mixed_table
from _results import result
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.special import log_expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from hyconex_sklearn import Actionability, Counterfactuals, counterfactuals
from hyconex_sklearn._answer import contributions as module
from hyconex_sklearn._answer.contributions import LogProba
from hyconex_sklearn._table.cells import Table

__all__ = ["short_searches"]  # a fixture

KEYS = ["row", "target", "rank"]

short = pytest.mark.usefixtures("short_searches")
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def judged(original: Table, data: Table, log_odds: Callable[[Table], np.ndarray], **report: Any) -> Counterfactuals:
    """A result of a classifier of "no" and "yes" whose log-odds of "yes" are known."""

    def log_proba(table: Table) -> np.ndarray:
        assert type(table) is type(data) and table.shape[1] == data.shape[1]
        odds = log_odds(table)
        return np.column_stack([log_expit(-odds), log_expit(odds)])

    report = {"target": ["yes"] * len(data)} | report
    return result(original, data, **report)._judged_by(LogProba(log_proba, np.array(["no", "yes"])))


def linear(*weights: float) -> Callable[[Table], np.ndarray]:
    return lambda table: np.asarray(table, dtype=float) @ np.array(weights)


def sums(cf: Counterfactuals) -> np.ndarray:
    """The sum of the contributions of each counterfactual."""
    changes = cf.changes()
    assert changes["contribution"].notna().all()
    of = cf.report[KEYS].apply(tuple, axis=1)
    return changes.groupby(KEYS)["contribution"].sum().reindex(pd.MultiIndex.from_tuples(of), fill_value=0.0).to_numpy()


def assert_sums(cf: Counterfactuals) -> None:
    gained = logit(cf.report["probability"].to_numpy()) - logit(cf.probability_before)
    np.testing.assert_allclose(sums(cf), gained, atol=1e-3)


# ------------------------------------------------------------------------------------------------------- the values


def test_a_linear_classifier_gives_each_cell_its_own_term() -> None:
    before, after = np.zeros((2, 9)), np.arange(18.0).reshape(2, 9) / 9
    after[1, :7] = 0.0
    weights = np.arange(9.0) - 4
    changes = judged(before, after, linear(*weights)).changes()
    expected = (after * weights)[np.nonzero(after)]
    np.testing.assert_allclose(changes["contribution"], expected, atol=1e-9)
    turned = judged(before, after, linear(*weights), target=["yes", "no"]).changes()
    np.testing.assert_allclose(turned["contribution"], np.where(turned["row"] == 1, -expected, expected), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 120), st.integers(0, 2**31))
def test_contributions_sum_to_the_gain_whatever_the_classifier(d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after, w = rng.normal(size=(3, d)), rng.normal(size=(3, d)), rng.normal(size=d)

    def odds(table: Table) -> np.ndarray:
        return np.sin(table @ w) * 4 + np.asarray(table).max(1)

    cf = judged(before, after, odds)
    np.testing.assert_allclose(sums(cf), odds(after) - odds(before), atol=1e-9)
    np.testing.assert_array_equal(cf.changes()["contribution"], judged(before, after, odds).changes()["contribution"])


def test_what_two_columns_do_together_only_is_shared() -> None:
    both = judged(np.zeros((1, 3)), np.array([[1.0, 1.0, 0.0]]), lambda table: 6.0 * table[:, 0] * table[:, 1])
    assert both.changes()["contribution"].tolist() == pytest.approx([3.0, 3.0])
    all_six = judged(np.zeros((1, 6)), np.ones((1, 6)), lambda table: 6.0 * table.all(1))
    assert all_six.changes()["contribution"].tolist() == pytest.approx([1.0] * 6)


def test_a_column_that_does_not_count_adds_nothing() -> None:
    before, after = np.zeros((1, 12)), np.ones((1, 12))
    added = judged(before, after, lambda table: 3 * np.tanh(table[:, :11].sum(1))).changes()["contribution"]
    assert added[11] == 0.0 and (added[:11] > 0).all()


def test_the_rows_between_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    before, after = (pd.DataFrame(rng.normal(size=(20, 8))).add_prefix("x") for _ in range(2))
    after = after.mask(rng.random((20, 8)) < 0.3, before)
    asked: list[int] = []

    def odds(table: Table) -> np.ndarray:
        asked.append(len(table))
        return np.asarray(table).prod(1)

    whole = judged(before, after, odds).changes()
    assert max(asked) > 100
    asked.clear()
    monkeypatch.setattr(module, "_CELLS", 80)
    assert_frame_equal(judged(before, after, odds).changes(), whole)
    assert max(asked) == 10


# ------------------------------------------------------------------------------------------------------- the tables

ARRAYS: list[tuple[Any, Any]] = [
    (np.array([[1, 2], [3, 4]], np.int8), np.array([[1, 5], [9, 9]], np.int8)),
    (np.array([[1, 2], [3, 4]]), np.array([[1.5, 2], [np.nan, 4]])),
    (np.array([[True, False]]), np.array([[False, False]])),
    (np.array([["a", "b"]]), np.array([["a", "longer"]])),
    (np.array([["a", None]], object), np.array([[None, 2.5]], object)),
]


@pytest.mark.parametrize(("before", "after"), ARRAYS)
def test_rows_between_have_the_cells_of_both_arrays(before: np.ndarray, after: np.ndarray) -> None:
    known = {str(cell) for cell in [*before.astype(object).ravel(), *after.astype(object).ravel()]}

    def odds(table: Table) -> np.ndarray:
        assert table.dtype == np.result_type(before, after)
        assert {str(cell) for cell in table.astype(object).ravel()} <= known | {f"{cell}.0" for cell in known}
        return np.ones(len(table))

    assert (judged(before, after, odds).changes()["contribution"] == 0).all()


COLUMNS: list[tuple[Any, Any, Any]] = [
    (pd.array([1, 2], "int8"), pd.array([1, 3], "int8"), "int8"),
    (pd.array([1, 2], "int64"), pd.array([1.0, 2.5], "float64"), "float64"),
    (pd.array([1, None], "Int64"), pd.array([4, 7], "Int64"), "Int64"),
    (pd.array([True, False], "bool"), pd.array([None, False], "object"), "object"),
    (pd.array(["a", None], "string"), pd.array(["b", "c"], "string"), "string"),
    (pd.array(["a", None], "object"), pd.array(["b", "c"], "object"), "object"),
    (pd.Categorical(["a", None], ["a"]), pd.Categorical(["b", "a"], ["a", "b"]), "category"),
    (pd.Categorical(["a", "b"], ["a", "b"]), pd.Categorical(["b", "b"], ["b"]), "object"),  # that can't hold both
    (pd.array(["a", "b"], "object"), pd.array([1.0, 2.0], "float64"), "object"),
]


@pytest.mark.parametrize(("before", "after", "dtype"), COLUMNS)
def test_rows_between_have_the_wider_dtype_and_the_names(before: Any, after: Any, dtype: str) -> None:
    index = [5, 5]  # a duplicated one
    original = pd.DataFrame({"a": pd.Series(before, index, before.dtype), 7: [0.0, 1.0]})
    data = pd.DataFrame({"a": pd.Series(after, index, after.dtype), 7: [2.0, 1.0]})

    def odds(table: Table) -> np.ndarray:
        assert list(table.columns) == ["a", 7] and table.index.equals(pd.RangeIndex(len(table)))
        assert table["a"].dtype == dtype or (table[7] == 2.0).all()
        return table[7].to_numpy() + pd.isna(table["a"]).to_numpy()

    changes = judged(original, data, odds).changes()
    assert changes.loc[changes["feature"] == 7, "contribution"].tolist() == pytest.approx([2.0])
    gaps = np.subtract(pd.isna(after), pd.isna(before), dtype=float)[changes[changes["feature"] == "a"]["row"]]
    np.testing.assert_allclose(changes.loc[changes["feature"] == "a", "contribution"], gaps, atol=1e-12)


def test_a_target_that_is_no_class_has_unknown_contributions() -> None:
    cf = judged(np.zeros((2, 1)), np.ones((2, 1)), linear(2.0), target=["yes", "renamed"])
    assert cf.changes()["contribution"].round(6).tolist()[0] == 2.0 and np.isnan(cf.changes()["contribution"][1])
    assert len(judged(np.zeros((2, 1)), np.zeros((2, 1)), linear(2.0)).changes()) == 0
    assert len(judged(np.zeros((0, 1)), np.zeros((0, 1)), linear(2.0), target=[]).changes()) == 0


# ------------------------------------------------------------------------------------------------- what a result keeps


def test_contributions_are_computed_once_and_when_they_are_asked_for() -> None:
    calls: list[int] = []

    def odds(table: Table) -> np.ndarray:
        calls.append(len(table))
        return np.asarray(table).sum(1)

    cf = judged(np.zeros((3, 2)), np.ones((3, 2)), odds)
    assert cf.explain() and repr(cf) and cf._repr_html_() and len(cf.to_frame()) and len(cf[1:]) == 2
    assert not calls
    assert "contribution" in cf.to_json()
    first = len(calls)
    assert first and len(cf.changes()) == len(cf[:].changes()) == 6 and len(calls) == first


@pytest.mark.parametrize("when", ["before", "after"])
def test_parts_and_copies_keep_contributions_and_pickles_drop_the_classifier(when: str) -> None:
    before, after = np.zeros((3, 2)), np.arange(6.0).reshape(3, 2)
    cf = judged(before, after, linear(1.0, -2.0))
    if when == "after":
        cf.changes()
    parts = [cf[[2, 0]], pickle.loads(pickle.dumps(cf))[[2, 0]], copy.deepcopy(cf)[[2, 0]]]
    parts.append(pickle.loads(pickle.dumps(cf[[2, 0]])))
    for part in parts:
        assert part.changes()["contribution"].tolist() == pytest.approx([4.0, -10.0, -2.0])
    assert all(part._log_proba is None for part in parts[1:]) and cf._log_proba is not None
    by_hand = pickle.loads(pickle.dumps(result(before, after)))
    assert by_hand.changes()["contribution"].isna().all() and "_contributions" not in vars(result(before, after))


# ------------------------------------------------------------------------------------------------------- real models


@short
@pytest.mark.parametrize("search", ["auto", "one_shot"])
@pytest.mark.parametrize("name", ["iris", "mixed"])
def test_contributions_of_real_answers_sum_to_what_the_log_odds_gain(name: str, search: str) -> None:
    clf, X, _ = iris() if name == "iris" else mixed()
    X = X[::4].reset_index(drop=True).set_axis([0] * len(X[::4])) if name == "mixed" else X[::4]
    cf = clf.counterfactuals(X, search=search)
    assert_sums(cf)
    assert_sums(cf[::2])
    assert_sums(pickle.loads(pickle.dumps(cf)))
    assert len(pickle.dumps(cf)) < 100_000  # no model is in it


@short
@unconverged
def test_the_column_that_decides_adds_most() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["noise", "decides", "more noise"])
    clf = fitted(X, X["decides"] > 0)
    changes = clf.counterfactuals(X[:40], search="one_shot").changes()
    size = changes.groupby("feature")["contribution"].mean()
    assert size["decides"] > 1.0 and size["decides"] > 5 * size.drop("decides").abs().max()


@short
def test_unseen_categories_and_repaired_rows_have_contributions() -> None:
    clf, X, _ = mixed()
    rows = X[:6].assign(job="astronaut")
    with pytest.warns(UserWarning, match="not seen at fit"):
        assert_sums(clf.counterfactuals(rows))

    def repair(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(income=table["income"].round(-2) + 0.25)

    assert_sums(clf.counterfactuals(X[:6], actionability=Actionability(repair=repair)))


@short
@unconverged
def test_a_result_tells_of_the_classifier_that_gave_it_whatever_is_fitted_later() -> None:
    X, y = mixed_table(n=80)
    clf = fitted(X, y)
    early, late = clf.counterfactuals(X[:10]), clf.counterfactuals(X[:10])
    expected = early.changes()
    clf.fit(X.iloc[::-1], np.where(X["age"] > 50, "yes", "no"))
    assert_frame_equal(late.changes(), expected)


def piped() -> tuple[Pipeline, pd.DataFrame, np.ndarray]:
    X, y = mixed_table()
    X = X[["age", "income", "job", "owner"]].dropna()
    y = y[(X.index - 11) // 3]
    scale = ("scale", make_pipeline(StandardScaler(), MinMaxScaler()), ["age", "income"])
    columns = ColumnTransformer(
        [scale, ("hot", OneHotEncoder(sparse_output=False), ["job"]), ("keep", "passthrough", ["owner"])]
    )
    inner = make_pipeline(columns, make_pipeline(MinMaxScaler(), StandardScaler()))
    return make_pipeline(inner, fitted(inner.fit_transform(X), y)), X, y


@short
@unconverged
def test_contributions_through_steps_are_those_of_the_users_columns() -> None:
    pipe, X, _ = piped()
    cf = counterfactuals(pipe, X[:20])
    assert set(cf.changes()["feature"]) <= set(X.columns) and {"job", "age"} & set(cf.changes()["feature"])
    assert_sums(cf)
    assert_sums(pickle.loads(pickle.dumps(cf))[3:9])


@short
@unconverged
def test_a_pipeline_may_be_fitted_again() -> None:
    pipe, X, y = piped()
    early, late = counterfactuals(pipe, X[:10]), counterfactuals(pipe, X[:10])
    expected = early.changes()
    pipe.set_params(hyconexclassifier__pretrain_epochs=1)
    pipe.fit(X[::-1].assign(age=lambda table: table["age"] * 100), y)  # each step, in its place
    assert_frame_equal(late.changes(), expected)
