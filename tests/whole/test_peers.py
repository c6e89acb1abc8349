"""The searches that examples/3_paper compares with: written from their papers, so tested here."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fitted, mixed_table
from sklearn.datasets import load_iris

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "3_paper"))

from peers import METHODS, PlainTables

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def flowers() -> tuple[Any, pd.DataFrame, np.ndarray]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    clf = copy.deepcopy(fitted(X, y.to_numpy(), pretrain_epochs=60))
    clf._model.temperature *= 4  # of a classifier that is all but certain a search by its gradient learns little
    return clf, X, y.to_numpy()


@pytest.fixture(scope="module")
def people() -> tuple[Any, pd.DataFrame, np.ndarray]:
    X, y = mixed_table()
    return fitted(X, y), X, y


def other_class(clf: Any, X: pd.DataFrame) -> np.ndarray:
    return clf.classes_[clf.predict_proba(X).argsort(1)[:, -2]]


def ask(
    method: str, clf: Any, X: pd.DataFrame, y: np.ndarray, queries: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    target = other_class(clf, queries)
    return METHODS[method](clf, X, y, queries, target, 0), target


@pytest.mark.parametrize("method", ["wachter", "ppcef"])
def test_answers_are_predicted_as_asked_and_leave_the_model_alone(method: str, flowers: Any) -> None:
    clf, X, y = flowers
    queries = X[::25].reset_index(drop=True)
    before = clf.predict_proba(X)
    answers, target = ask(method, clf, X, y, queries)
    found = answers.notna().any(axis=1)
    assert found.mean() > 0.8
    assert (clf.predict(answers[found]) == target[found]).mean() > 0.8
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert all(parameter.grad is None for parameter in clf._model.parameters())


def test_the_nearest_valid_row_is_nearer_and_rarer_than_the_plausible_one(flowers: Any) -> None:
    clf, X, y = flowers
    queries = X[::5].reset_index(drop=True)
    near, target = ask("wachter", clf, X, y, queries)
    usual, _ = ask("ppcef", clf, X, y, queries)
    found = near.notna().any(axis=1).to_numpy()
    way = [np.abs(table - queries).sum(axis=1)[found] for table in (near, usual)]
    density = [clf.score_samples(table[found], target[found]) for table in (near, usual)]
    # Row by row: medians of lengths in steps of .1 may tie, or cross.
    assert (way[0] < way[1]).mean() > 0.6 and (density[0] < density[1]).mean() > 0.8


@pytest.mark.parametrize("method", ["wachter", "ppcef", "hyconex_one_shot"])
def test_answers_come_in_the_columns_and_dtypes_of_the_table(method: str, people: Any) -> None:
    clf, X, y = people
    queries = X[:6].reset_index(drop=True)
    answers, _ = ask(method, clf, X, y, queries)
    assert list(answers.columns) == list(X.columns) and len(answers) == 6
    complete = answers.dropna(how="all")
    assert set(complete["job"].dropna()) <= set(X["job"].dropna())
    filled = complete[queries.loc[complete.index].notna()].notna() == queries.loc[complete.index].notna()
    assert filled.all(axis=None)  # no cell that was there is gone


def test_plain_tables_give_back_what_they_were_given(people: Any) -> None:
    clf, X, _ = people
    queries = X[:20].reset_index(drop=True)
    tables = PlainTables(clf, X, queries)
    assert not tables.queries.isna().any(axis=None) and tables.train.nunique().min() > 1
    same = tables.answers({i: tables.queries.iloc[[i]] for i in range(0, 20, 2)})
    pd.testing.assert_frame_equal(same[::2], queries[::2], check_dtype=False)
    assert same[1::2].isna().all(axis=None)
