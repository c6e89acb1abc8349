"""What held between columns of the training rows holds on in what settles, whatever else is asked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _feasible import Case, breaches, changed_columns, rule_sets, seeds, steady_breaches, table
from hypothesis import HealthCheck, given, settings

from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.user_repair import RepairedSet
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.learn_relations import learn_relations
from hyconex_sklearn._table.schema import NOTICEABLE

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# "narrow again" in single precision, of which a rule may round the one and not the other by less than that tells apart.
TOLERANCE = {"dozen": 0.0, "pence": 0.0, "whole": 1e-7, "narrow again": 1e-3, "thrice": 1e-4}


def related(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Columns of every kind, and some that follow from others."""
    X = table(rng, n)
    return X.assign(
        **{
            "dozen": 12 * X["count"],
            "pence": (100 * X["cents"]).round().astype(int),
            "whole": X["height"] - X["gaps"] + X["count"],
            "narrow again": X["narrow"],
            "thrice": 3 * X["income"],
        }
    )


def misses(X: pd.DataFrame) -> pd.DataFrame:
    """By how much rows miss what their columns should be."""
    return pd.DataFrame(
        {
            "dozen": X["dozen"] - 12 * X["count"],
            "pence": X["pence"] - (100 * X["cents"]).round(),
            "whole": X["whole"] - (X["height"] - X["gaps"] + X["count"]),
            "narrow again": X["narrow again"].astype(float) - X["narrow"].astype(float),
            "thrice": X["thrice"] - 3 * X["income"],
        }
    ).abs()


def obeyed(X: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: column <= TOLERANCE[name] for name, column in misses(X).items()})


@cache
def codec() -> TableCodec:
    """Fitted, as an estimator does it."""
    fitted = related(np.random.default_rng(7), 200)
    made = TableCodec.fit(fitted)
    return TableCodec(replace(made.schema, relations=learn_relations(made, fitted)))


def case(rules: Actionability | None = None, seed: int = 0, n: int = 12, **said: Any) -> Case:
    return Case(rules or Actionability(**said), related(np.random.default_rng(seed), n), codec())


def settled(each: Case, Z: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that a user gets, and which are said to obey."""
    decoded, _, good = each.settle(Z)
    return each.read.exactly(decoded, each.query), good


def test_the_fit_has_found_them() -> None:
    names = {next(iter(relation.terms)) for relation in case().codec.schema.relations if relation.exact}
    assert names == {"dozen", "pence", "whole", "narrow again", "thrice"}


@MANY
@given(rule_sets(), seeds)
def test_they_hold_in_every_row_whatever_the_rules(rules: Actionability, seed: int) -> None:
    rng = np.random.default_rng(seed)
    each = case(rules, seed)
    rows, good = settled(each, each.proposals(rng))
    was = obeyed(each.query)
    assert (obeyed(rows) >= was).all(axis=None)
    assert was.drop(columns="whole").all(axis=None)  # which has gaps
    for row in range(len(rows)):
        assert not steady_breaches(rules, each.query.iloc[row], rows.iloc[row])
        if good[row]:
            assert not breaches(rules, each.query.iloc[row], rows.iloc[row], row)
    # What is not said to obey breaks a rule of the user's: kept relations give no reason of their own.
    said = each.read.obeyed(rows, each.query, np.arange(len(rows)))
    assert (said == good).all()
    alone = replace(each.read, kept=())
    assert (alone.obeyed(rows, each.query, np.arange(len(rows))) >= said).all()


@MANY
@given(seeds)
def test_a_relation_that_the_query_row_breaks_is_not_asked_of_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query = related(rng, 12)
    wrong = rng.random((12, 3)) < 0.5
    for name, at in zip(["dozen", "pence", "thrice"], wrong.T, strict=True):
        query.loc[at, name] = query.loc[at, name] + 3
    each = Case(Actionability(), query, codec())
    rows, good = settled(each, each.proposals(rng))
    assert good.all() and (obeyed(rows) >= obeyed(query)).all(axis=None)
    assert each.feasible.asked.sum() < each.feasible.asked.size


def test_without_any_rule_a_row_may_move_as_it_likes_where_it_obeys_none() -> None:
    rng = np.random.default_rng(0)
    query = related(rng, 12)
    query["dozen"] += 1
    query["pence"] += 1
    query["whole"] += 1
    query["narrow again"] += np.float32(1)
    query["thrice"] += 1
    each = Case(Actionability(), query, codec())
    assert each.feasible.trivial and not each.feasible.kept


def test_what_determines_moves_and_what_is_determined_follows() -> None:
    each = case()
    at = {column.name: column.start for column in each.codec.schema.columns}
    Z = each.home.copy()
    Z[:, at["count"]] += 0.5
    Z[:, at["thrice"]] += 0.5  # which is for its third to say
    rows, good = settled(each, Z)
    assert good.all()
    for row in range(len(rows)):
        changed = changed_columns(each.query.iloc[row], rows.iloc[row])
        # Where the sum would leave its range, its other parts make up for that.
        assert {*changed} - {"height", "gaps", "whole"} in ({*()}, {"count", "dozen"})
        assert pd.isna(each.query["gaps"].iloc[row]) or ("count" in changed) == ("whole" in changed)
    assert (rows["count"] != each.query["count"]).any()


def test_where_one_is_immutable_the_others_make_up_for_it() -> None:
    each = case(immutable=["whole", "pence"])
    rng = np.random.default_rng(1)
    rows, good = settled(each, each.home + rng.normal(size=each.home.shape))
    full = each.query["gaps"].notna().to_numpy()
    assert (
        good.all()
        and (rows[["whole", "pence", "cents"]] == each.query[["whole", "pence", "cents"]]).to_numpy()[full].all()
    )
    assert (rows["height"] != each.query["height"])[full].any()
    assert (obeyed(rows) >= obeyed(each.query)).all(axis=None)


def test_bounds_on_what_is_determined_move_what_determines_it() -> None:
    limit = np.full(12, 150)
    each = case(bounds={"dozen": (None, limit), "thrice": (20_000, None)})
    rows, good = settled(each, each.home)
    assert good.all() and (rows["dozen"] <= 150).all() and (rows["thrice"] >= 20_000).all()
    assert (each.query["dozen"] > 150).any() and (each.query["thrice"] < 20_000).any()
    assert (obeyed(rows) >= obeyed(each.query)).all(axis=None)


def test_the_users_relations_on_what_is_determined_are_met() -> None:
    each = case(relations=[({"dozen": 1, "pence": 0.5}, 300), ({"thrice": -1}, -9_000)])
    rows, good = settled(each, each.home)
    before = each.query
    assert good.all() and (rows["dozen"] + 0.5 * rows["pence"] <= 300).all() and (rows["thrice"] >= 9_000).all()
    assert (before["dozen"] + 0.5 * before["pence"] > 300).any() and (before["thrice"] < 9_000).any()
    assert (obeyed(rows) >= obeyed(each.query)).all(axis=None)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_follows_counts_as_changed(most: int) -> None:
    each = case(max_changes=most, n=30)
    rng = np.random.default_rng(2)
    rows, good = settled(each, each.home + rng.normal(size=each.home.shape))
    changed = [changed_columns(a, b) for (_, a), (_, b) in zip(each.query.iterrows(), rows.iterrows(), strict=True)]
    assert good.all() and max(map(len, changed)) == most
    assert (obeyed(rows) >= obeyed(each.query)).all(axis=None)
    assert most == 1 or any({"cents", "pence"} <= {*names} for names in changed)


def test_a_column_that_may_not_change_alone_is_known_to_be_frozen() -> None:
    each = case(immutable=["cents"])
    pence = each.codec.schema.feature_names.index("pence")
    assert not each.feasible.movable[:, pence].any() and each.read.movable[:, pence].all()
    again = case().feasible.exclude(np.array([name == "cents" for name in each.codec.schema.feature_names]))
    assert not again.movable[:, pence].any()


def test_settling_what_has_settled_changes_nothing_worth_telling() -> None:
    each, rng = case(), np.random.default_rng(3)
    for _ in range(5):
        once, _ = each.feasible.settle(each.proposals(rng), each.home)
        np.testing.assert_allclose(each.feasible.settle(once, each.home)[0], once, atol=NOTICEABLE / 100)


def test_they_can_be_let_go() -> None:
    each, rng = case(keep_relations=False), np.random.default_rng(1)
    rows, good = settled(each, each.home + rng.normal(size=each.home.shape))
    assert each.feasible.trivial and good.all() and not obeyed(rows)["dozen"].all()


def test_a_repair_that_breaks_one_makes_the_row_infeasible() -> None:
    def repair(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(dozen=rows["dozen"].where(rows.index % 2 == 0, rows["dozen"] + 12))

    each = case(repair=repair)
    rules = RepairedSet.of(each.feasible, each.read, each.query)
    good = rules.settle(each.home + 0.5, each.home)[1]
    assert good.tolist() == [True, False] * 6


def test_rows_that_somebody_else_has_made_are_judged_by_them() -> None:
    each = case()
    made = each.query.assign(dozen=each.query["dozen"] + 12 * (each.query.index < 5))
    again = each.codec.encode(made, warn_unseen=False)
    wrong = np.arange(12) < 5
    assert (each.feasible.obeyed(again, each.home) == ~wrong).all()
    assert (each.read.obeyed(made, each.query, np.arange(12)) == ~wrong).all()
