"""Sums of columns with a bound: what settles obeys them, moves no more than it has to, and stays within other rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
from _feasible import changed_columns, simple


def test_a_relation_is_met_by_moving_what_may_move() -> None:
    relation = [({"count": 2, "holes": -1, "height": 0.1}, 30)]
    case = simple(immutable=["height"], relations=relation)
    decoded, _, good = case.settle(case.home)
    total = 2 * decoded["count"] - decoded["holes"].astype(float) + 0.1 * decoded["height"]
    before = 2 * case.query["count"] - case.query["holes"].astype(float) + 0.1 * case.query["height"]
    assert good.all() and (before > 30).any()
    assert not (total > 30).any()
    fine = ~(before > 30)
    pd.testing.assert_frame_equal(decoded[fine], case.query[fine], check_exact=True)  # nobody else moves


def test_several_relations_and_bounds_are_met_together_where_they_can_be() -> None:
    case = simple(
        bounds={"height": (165, None), "income": (None, 20_000)},
        relations=[
            ({"height": 1, "cents": 2}, 185),
            ({"cents": -1, "gaps": -2}, -4),
            ({"income": 0.001, "narrow": 1}, 2003),
        ],
    )
    rng = np.random.default_rng(3)
    for _ in range(5):
        decoded, _, good = case.settle(case.proposals(rng))
        assert good.all()
        assert not (decoded["height"] + 2 * decoded["cents"] > 185).any()


def test_a_relation_is_met_by_what_a_narrow_column_can_hold() -> None:
    case = simple(relations=[({"narrow": 1.0}, 2000.0001)])  # the next float32 are 2000 and 2000.00012
    decoded, _, good = case.settle(case.home)
    assert good.all() and (decoded["narrow"].astype(float) <= 2000.0001).all()
    assert decoded["narrow"].dtype == np.float32


def test_a_relation_stays_within_the_number_of_changes() -> None:
    case = simple(max_changes=1, relations=[({"count": 1, "height": 1}, 180)])
    decoded, _, good = case.settle(case.home + 1.0)
    changed = [
        len(changed_columns(a, b)) for (_, a), (_, b) in zip(case.query.iterrows(), decoded.iterrows(), strict=True)
    ]
    assert good.all() and max(changed) == 1
    assert not (decoded["count"] + decoded["height"] > 180).any()


def test_a_relation_with_a_missing_value_binds_nothing() -> None:
    case = simple(relations=[({"gaps": 1.0, "height": 1.0}, 0.0)], immutable=["height"])
    missing = case.query["gaps"].isna().to_numpy()
    _, _, good = case.settle(case.home)
    assert (good == missing).all()


def test_a_proposal_that_cannot_be_mended_falls_back_to_a_query_row_that_obeys() -> None:
    case = simple(relations=[({"gaps": 1e6, "holes": -1e6}, 2e6)], monotonic_cst={"gaps": 1, "holes": -1})
    obeys = case.feasible.settle(case.home, case.home)[1]
    _, _, good = case.settle(case.home + 3.0)
    assert (good >= obeys).all() and obeys.any() and not obeys.all()
