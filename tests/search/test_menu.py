"""Menus: the best rows with one changed column, with two, and so on, up to the first that is certified."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from _models import mixed, mixed_table
from _queries import plane

from hyconex_sklearn import Counterfactuals, Status
from hyconex_sklearn._search.ladder import solve
from hyconex_sklearn._search.menu import menu
from hyconex_sklearn._search.one_pass import propose

CERTIFIED = (Status.OK, Status.ALREADY_TARGET)


def ordered(target: str | None = "second", n: int = 25, **how: object) -> Counterfactuals:
    clf, _, _ = mixed()
    return clf.counterfactuals(mixed_table()[0][:n], target=target, menu=True, **how)


def test_each_row_changes_more_columns_than_the_one_before_and_is_worth_more() -> None:
    report = ordered().report
    assert report["row"].nunique() == 25 and report["rank"].max() > 0
    for _, dishes in report.groupby("row"):
        changed, certified = dishes["n_changed"].tolist(), dishes["status"].isin(CERTIFIED).tolist()
        assert dishes["rank"].tolist() == list(range(len(dishes)))
        assert changed == sorted(set(changed)) and not any(certified[:-1])
    assert (report["n_lacking"] == 0).all()


def test_a_menu_ends_with_a_certified_row_wherever_there_is_one() -> None:
    clf, _, _ = mixed()
    plain = clf.counterfactuals(mixed_table()[0][:25], target="second").report.set_index("row")
    last = ordered().report.groupby("row").last()
    assert (last["status"].isin(CERTIFIED) >= plain["status"].isin(CERTIFIED)).all()
    both = last["status"].isin(CERTIFIED) & plain["status"].isin(CERTIFIED)
    assert (last["n_changed"] <= plain["n_changed"])[both].all()


@pytest.mark.parametrize("most", [1, 2])
def test_max_changes_ends_it_earlier(most: int) -> None:
    report = ordered(max_changes=most).report
    assert report["n_changed"].max() == most and report["row"].nunique() == 25


def test_a_row_that_its_rules_leave_no_way_comes_once() -> None:
    X = mixed_table()[0]
    with pytest.raises(ValueError, match="leaves nothing to change"):
        ordered(immutable=list(X.columns))
    report = ordered(n=3, immutable=np.ones((3, X.shape[1]), dtype=bool)).report
    assert report["row"].tolist() == [0, 1, 2] and (report["n_changed"] == 0).all()


def test_rows_that_cost_no_less_than_one_with_fewer_changes_are_left_out() -> None:
    asked = plane({0: 1.0, 1: 0.2, 2: 0.2}, [[-1.0, 0.0, 0.0]])
    query = asked.query()
    first = solve(query, propose(query), "auto", None)
    assert [answer.x.tolist() == first.x.tolist() for _, answer in menu(first, "auto", None)] == [True]


def test_it_is_read_side_by_side() -> None:
    cf = ordered()
    row = int(cf.report["row"][cf.report["rank"] > 0].iloc[0])
    table = cf.compare(row)
    assert isinstance(table, pd.DataFrame) and list(table.columns[:3]) == ["now", "1", "2"]
