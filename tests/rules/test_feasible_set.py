"""What settles obeys its rules, no row is lost and none leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _feasible import (
    NUMBERS,
    SIZES,
    Case,
    breaches,
    changed_columns,
    rule_sets,
    seeds,
    simple,
    steady_breaches,
    table,
)
from hypothesis import HealthCheck, given, settings

from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.compile import unruled

MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ------------------------------------------------------------------------------------------------------ no leaks


@MANY
@given(rule_sets(), seeds)
def test_a_row_that_is_said_to_obey_obeys_as_the_user_reads_it(rules: Actionability, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = Case(rules, table(rng, 12, "rgbu"), table(rng, 150))
    decoded, _, good = case.settle(case.proposals(rng))
    for row in range(len(decoded)):
        before, after = case.query.iloc[row], decoded.iloc[row]
        assert not steady_breaches(rules, before, after)
        if good[row]:
            assert not breaches(rules, before, after, row)
    frozen = list(rules.immutable or ())
    pd.testing.assert_frame_equal(decoded[frozen], case.query[frozen], check_exact=True)
    again = case.codec.encode(decoded, warn_unseen=False)
    assert (case.feasible.obeyed(again, case.home, case.codec.numbers(decoded)) >= good).all()


@MANY
@given(seeds)
def test_bounds_at_the_own_values_leave_every_bit_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fitted, query = table(rng, 100), table(rng, 15)
    query["height"] += rng.choice([0, 300], 15)  # out of the seen range, too
    query["count"] = query["count"] + 0.3  # off the column's grid
    own = {name: query[name].astype(float).to_numpy() for name in NUMBERS}
    case = Case(Actionability(bounds={name: (v, v) for name, v in own.items()}), query, fitted)
    inside = case.feasible.lower <= case.home, case.home <= case.feasible.upper
    assert inside[0].all() and inside[1].all() and not case.feasible.impossible.any()
    decoded, _, good = case.settle(case.proposals(rng))
    known = [name for name in NUMBERS if name not in ("gaps", "holes")]
    pd.testing.assert_frame_equal(decoded[known], query[known], check_exact=True)
    present = query["gaps"].notna().to_numpy()
    assert decoded["gaps"][present].tolist() == query["gaps"][present].tolist()
    assert good.all()


@MANY
@given(rule_sets(), seeds)
def test_the_rows_of_a_taken_set_settle_as_in_the_whole(rules: Actionability, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = Case(rules, table(rng, 8), table(rng, 100))
    Z, rows = case.proposals(rng), rng.integers(0, 8, 20)
    whole, obeyed = case.feasible.settle(Z, case.home)
    part, also = case.feasible.take(rows).settle(Z[rows], case.home[rows])
    assert len(case.feasible.take(rows)) == 20 and len(case.feasible.take(slice(2, 5))) == 3
    assert (part.view(np.uint32) == whole[rows].view(np.uint32)).all() and (also == obeyed[rows]).all()


# ------------------------------------------------------------------------------------------------ rule by rule


def test_no_rule_is_no_more_than_rounding() -> None:
    case = simple()
    free = unruled(case.codec.schema, case.home)
    Z = case.proposals(np.random.default_rng(1))
    settled, good = free.settle(Z, case.home)
    assert free.trivial and good.all() and (settled == case.codec.schema.snap(Z, case.home)).all()
    assert (
        free.lower.strides[0] == 0 and free.take([1, 2]).movable_positions.strides[0] == 0
    )  # no memory for what is not said


def test_rules_that_concern_no_row_are_trivial_here() -> None:
    assert simple(target_probability=0.9, repair=lambda frame: frame).feasible.trivial
    assert not simple(feature_weights={"height": 2}).feasible.trivial


def test_each_row_can_have_its_own_frozen_columns() -> None:
    mask = np.zeros((40, 11), dtype=bool)
    mask[:20, 0] = mask[20:, 5] = True
    case = simple(immutable=mask)
    decoded, _, good = case.settle(case.home + 2.0)
    moved = decoded[["height", "count"]] != case.query[["height", "count"]]
    assert good.all()
    assert not moved["height"][:20].any() and moved["height"][20:].any()
    assert not moved["count"][20:].any() and moved["count"][:20].any()


def test_each_row_can_have_its_own_bounds() -> None:
    high = np.where(np.arange(40) < 20, 10.0, np.nan)
    case = simple(bounds={"count": (None, high)})
    decoded, _, good = case.settle(case.home + 10.0)
    assert good.all() and decoded["count"][:20].max() == 10 and decoded["count"][20:].min() == 29


def test_own_values_out_of_bounds_are_brought_in_at_once() -> None:
    case = simple(bounds={"height": (169, 171), "size": ("M", "L")})
    decoded, _, good = case.settle(case.home)
    assert good.all() and decoded["height"].between(169, 171).all()
    outside = ~case.query["height"].between(169, 171)
    assert (decoded["height"][~outside] == case.query["height"][~outside]).all() and outside.any()
    assert set(decoded["size"].dropna()) == {"M", "L"} and (decoded["size"].isna() == case.query["size"].isna()).all()


@pytest.mark.parametrize("hair", [1e-3, 1e-9, 1e-13])
def test_a_value_that_is_out_of_bounds_by_a_hair_is_brought_in(hair: float) -> None:
    rng = np.random.default_rng(0)
    query = table(rng, 4)
    query["height"] = [170 - hair, 170 + hair, 170.0, 180.0]
    case = Case(Actionability(bounds={"height": (170, 180 - hair)}), query, table(rng, 300))
    decoded, _, good = case.settle(case.home)
    assert good.all() and decoded["height"].between(170, 180 - hair).all()
    assert decoded["height"][1:3].tolist() == query["height"][1:3].tolist()


def test_bounds_between_two_grid_values_are_met_on_the_grid() -> None:
    case = simple(bounds={"count": (10.2, 12.7), "cents": (0.07, None)})
    decoded, _, good = case.settle(case.home - 9.0)
    assert good.all() and set(decoded["count"]) == {11} and decoded["cents"].min() >= 0.07
    assert case.codec.schema.columns[3].decimals == 2


def test_a_missing_number_is_filled_only_by_a_proposal_and_within_bounds() -> None:
    case = simple(bounds={"gaps": (0.5, 1.0)})
    start = case.codec.schema.columns[1].start
    missing = case.query["gaps"].isna()
    still, _, good = case.settle(case.home)
    assert good.all() and (still["gaps"].isna() == missing).all() and missing.any()
    Z = case.home.copy()
    Z[:, start] += 1.5
    filled, _, good = case.settle(Z)
    assert good.all() and filled["gaps"].between(0.5, 1.0).all()


def test_a_missing_number_with_a_direction_stays_missing() -> None:
    case = simple(monotonic_cst={"gaps": 1, "holes": -1})
    decoded, _, good = case.settle(case.home + 2.0)
    assert good.all()
    for name in ("gaps", "holes"):
        assert (decoded[name].isna() == case.query[name].isna()).all()


def test_a_direction_above_the_bound_makes_the_row_impossible_and_no_other() -> None:
    case = simple(monotonic_cst={"count": 1}, bounds={"count": (None, 15)})
    above = (case.query["count"] > 15).to_numpy()
    decoded, settled, good = case.settle(case.home + 1.0)
    assert above.any() and not above.all()
    assert (case.feasible.impossible == above).all() and (good == ~above).all()
    assert (settled[above].view(np.uint32) == case.home[above].view(np.uint32)).all()
    assert (decoded["count"][~above] >= case.query["count"][~above]).all()


def test_an_excluded_label_goes_to_the_permitted_one_that_scores_highest() -> None:
    case = simple(allowed_categories={"colour": ["g", "b"]})
    block = case.codec.schema.blocks[1]
    assert case.codec.schema.columns[case.codec.schema.owner[block.start]].categories == ("b", "g", "r", None)
    Z = case.home.copy()
    Z[:, block] = [0.2, 0.3, 0.9, 0.8]  # towards "r", then missing
    decoded, _, good = case.settle(Z)
    own = case.query["colour"]
    assert good.all()
    assert (decoded["colour"][own == "r"] == "g").all()  # has to change
    assert (decoded["colour"][own == "b"] == "b").all()  # may stay, and "r" is excluded
    assert decoded["colour"][own.isna()].isna().all()  # staying missing is no choice
    assert not case.feasible.choices[(own == "r").to_numpy(), block.stop - 1].any()


def test_an_unseen_label_may_stay_unless_labels_are_listed() -> None:
    rng = np.random.default_rng(0)
    fitted, query = table(rng, 200), table(rng, 30, "u")
    unseen = (query["colour"] == "u").to_numpy()
    for rules, kept in [
        (Actionability(allowed_transitions={"colour": {"r": []}}), True),
        (Actionability(allowed_categories={"colour": ["b"]}), False),
    ]:
        case = Case(rules, query, fitted)
        decoded, _, good = case.settle(case.home)
        assert good.all() and unseen.any()
        assert set(decoded["colour"][unseen]) == ({"u"} if kept else {"b"})


def test_transitions_bind_the_labels_they_name_and_no_others() -> None:
    case = simple(allowed_transitions={"colour": {"r": ["g"]}, "size": {"L": ["XL"], None: []}})
    rng = np.random.default_rng(2)
    seen: dict[str, set[Any]] = {"r": set(), "L": set(), "S": set()}
    for _ in range(30):
        decoded, _, good = case.settle(case.proposals(rng))
        assert good.all()
        for name, start in [("colour", "r"), ("size", "L"), ("size", "S")]:
            seen[start] |= set(decoded[name][case.query[name] == start])
        assert decoded["size"][case.query["size"].isna()].isna().all()
    assert seen["r"] == {"r", "g"} and seen["L"] == {"L", "XL"} and seen["S"] == set(SIZES)


def test_an_ordered_column_jumps_over_the_labels_that_are_not_allowed() -> None:
    case = simple(allowed_categories={"size": ["S", "XL"]}, monotonic_cst={"size": 1})
    decoded, _, good = case.settle(case.home)
    assert good.all() and set(decoded["size"].dropna()) == {"S", "XL"}
    assert (decoded["size"][case.query["size"] == "M"] == "XL").all()  # the nearer "S" is behind it


def test_the_largest_changes_are_kept_and_costly_ones_count_less() -> None:
    rng = np.random.default_rng(0)
    query = table(rng, 10)
    fitted = table(rng, 300)
    for weights, kept in [(None, "height"), ({"height": 10.0}, "cents")]:
        case = Case(Actionability(max_changes=1, feature_weights=weights), query, fitted)
        columns = case.codec.schema.columns
        Z = case.home.copy()
        Z[:, columns[0].start] -= np.sign(Z[:, columns[0].start]) * 1.0
        Z[:, columns[3].start] -= np.sign(Z[:, columns[3].start]) * 0.7
        decoded, _, good = case.settle(Z)
        assert good.all()
        assert {n for i in range(10) for n in changed_columns(query.iloc[i], decoded.iloc[i])} == {kept}


def test_a_column_that_has_to_change_is_kept_before_larger_changes() -> None:
    case = simple(max_changes=1, bounds={"count": (None, 24)})
    has_to = (case.query["count"] > 24).to_numpy()
    column = case.codec.schema.columns[5]
    Z = case.home + 2.0
    Z[:, column.start] = column.forward(23.0)
    decoded, _, good = case.settle(Z)
    assert good.all() and has_to.any()
    assert (decoded["count"][has_to] == 23).all()  # what was proposed, not the bound
    assert (decoded["height"][has_to] == case.query["height"][has_to]).all()


def test_too_many_columns_that_have_to_change_make_a_row_impossible() -> None:
    case = simple(max_changes=1, bounds={"count": (0, 10)}, allowed_categories={"member": [True]})
    both = ((case.query["count"] > 10) & ~case.query["member"]).to_numpy()
    assert both.any() and (case.feasible.impossible == both).all()


# ------------------------------------------------------------------------------------------------ more freezing


def test_excluded_columns_are_frozen_too() -> None:
    case = simple(bounds={"count": (None, 20)})
    columns = np.zeros((40, 11), dtype=bool)
    columns[:, [0, 5]] = True
    more = case.feasible.exclude(columns)
    decoded, _, good = case.settle(case.home + 1.0, more)
    pd.testing.assert_frame_equal(decoded[["height", "count"]], case.query[["height", "count"]], check_exact=True)
    assert (good == (case.query["count"] <= 20)).all()
    assert (decoded["cents"] != case.query["cents"]).any()


def test_thawed_cells_are_seen() -> None:
    case = simple(immutable=["height"])
    moved = case.home.copy()
    moved[3, 0] += 0.5
    obeyed = case.feasible.obeyed(moved, case.home, case.codec.numbers(case.query))
    assert not obeyed[3] and obeyed.sum() == 39


def test_more_changes_than_may_be_are_seen() -> None:
    case = simple(max_changes=1)
    moved = case.home.copy()
    moved[2:4, 0] += 0.5
    moved[3, case.codec.schema.columns[3].start] += 0.5
    assert np.flatnonzero(~case.feasible.obeyed(moved, case.home, case.codec.numbers(case.query))).tolist() == [3]


def test_the_numbers_of_the_decoded_row_are_what_counts() -> None:
    case = simple(bounds={"height": (100, 190)}, relations=[({"count": 1}, 40)])
    numbers = case.codec.numbers(case.query)
    numbers[:3, 0] = [190.5, np.nextafter(190, 200), 190]
    numbers[3:6, 5] = [41, np.nextafter(40, 50), 40]  # nothing is forgiven, not a bit
    assert np.flatnonzero(~case.feasible.obeyed(case.home, case.home, numbers)).tolist() == [0, 1, 3, 4]
    rises, numbers = simple(monotonic_cst={"height": 1}), case.codec.numbers(case.query)
    numbers[2:4, 0] = np.nextafter(numbers[2:4, 0], [0, 999])
    assert np.flatnonzero(~rises.feasible.obeyed(case.home, case.home, numbers)).tolist() == [2]


# ------------------------------------------------------------------------------------------------ numbers on a grid


def test_new_numbers_are_multiples_and_own_ones_stay() -> None:
    case = simple(resolution={"income": 500, "cents": 0.25, "count": 7, "holes": 2, "height": 12.5})
    rng, seen = np.random.default_rng(3), dict.fromkeys(case.rules.resolution, 0)
    for _ in range(5):
        decoded, _, good = case.settle(case.proposals(rng))
        assert good.all()
        for name, step in case.rules.resolution.items():
            changed = (decoded[name] != case.query[name]).fillna(False).to_numpy(bool)
            assert (decoded[name][changed].astype(float) % step == 0).all()
            seen[name] += changed.sum()
    assert min(seen.values()) > 10


def test_a_number_may_go_to_the_multiple_on_either_side_of_it() -> None:
    case = simple(resolution={"height": 50})
    start = case.codec.schema.columns[0]
    Z, own = case.home.copy(), case.query["height"].to_numpy()
    near = (own > 151) & (own < 174)
    for goal in (150.0, 152.0, 0.6 * 150 + 0.4 * own):
        Z[:, 0] = start.forward(np.broadcast_to(goal, own.shape))
        decoded, _, good = case.settle(Z)
        assert good.all() and near.any() and (decoded["height"][near & (own - goal > goal - 150)] == 150).all()
    Z[:, 0] = start.forward(0.4 * 150 + 0.6 * own)
    assert (case.settle(Z)[0]["height"][near] == own[near]).all()


def test_multiples_are_met_within_bounds_and_directions() -> None:
    rules = {"resolution": {"count": 7, "height": 5}, "bounds": {"count": (8, 27), "height": (161, None)}}
    case = simple(**rules, monotonic_cst={"height": -1})
    for shift in (-9.0, -0.5, 0.5, 9.0):
        decoded, _, good = case.settle(case.home + shift)
        own = case.query["height"]
        assert (good == (own >= 161)).all()
        count = decoded["count"][good]
        assert count.between(8, 27).all() and ((count % 7 == 0) | (count == case.query["count"][good])).all()
        height = decoded["height"][good]
        assert (
            (height >= 161).all() and (height <= own[good]).all() and ((height % 5 == 0) | (height == own[good])).all()
        )


def test_the_steps_of_a_rule_take_the_place_of_those_seen_at_fit() -> None:
    rng = np.random.default_rng(0)
    fitted = pd.DataFrame({"pay": 100.0 * rng.integers(10, 90, 300), "other": rng.normal(size=300)})
    query = fitted[:30].add([33.0, 0.0])
    for step in (25, 250):
        case = Case(Actionability(resolution={"pay": step}), query, fitted)
        assert case.codec.schema.columns[0].multiple == 100
        decoded, _, good = case.settle(case.home + rng.normal(size=case.home.shape).astype(np.float32))
        new = decoded["pay"][decoded["pay"] != query["pay"]]
        assert good.all() and (new % step == 0).all() and (new % 100 != 0).any()


def test_only_listed_numbers_come_back_and_gaps_may_stay() -> None:
    case = simple(allowed_values={"count": [3, 12.0, 24], "gaps": [0.1, -0.5]})
    missing = case.query["gaps"].isna()
    for shift in (-9.0, 0.0, 9.0):
        decoded, _, good = case.settle(case.home + np.float32(shift))
        assert good.all() and set(decoded["count"]) <= {3, 12, 24} and set(decoded["gaps"].dropna()) <= {0.1, -0.5}
        assert not shift or not decoded["gaps"].isna().any()
    still, _, _ = case.settle(case.home)
    assert (still["gaps"].isna() == missing).all() and missing.any()
    near = (still["count"] - case.query["count"]).abs()
    assert (near == [min(abs(own - value) for value in (3, 12, 24)) for own in case.query["count"]]).all()


def test_a_narrow_column_holds_multiples_and_values_in_its_own_precision() -> None:
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(0)
        query, fitted = table(rng, 40).astype({"narrow": dtype}), table(rng, 300)
        for rules in ({"resolution": {"narrow": 0.1}}, {"allowed_values": {"narrow": [1999.1, 2000.7]}}):
            case = Case(Actionability(**rules, bounds={"narrow": (1999.1, 2000.7)}), query, fitted)
            decoded, _, good = case.settle(case.proposals(rng))
            changed = decoded["narrow"] != query["narrow"]
            cells = decoded["narrow"][changed].astype(dtype)
            assert good.all() and changed.any() and (cells == cells.astype(float).round(1).astype(dtype)).all()
            ends = [set(case.settle(case.home + np.float32(shift))[0]["narrow"].astype(dtype)) for shift in (-9, 9)]
            assert ends == [{np.dtype(dtype).type(end)} for end in (1999.1, 2000.7)]


def test_a_listed_number_that_the_own_one_is_next_to_is_taken() -> None:
    rng = np.random.default_rng(0)
    query = table(rng, 3)
    query["height"] = [170 + 1e-9, 170.0, 170 - 1e-12]
    case = Case(Actionability(allowed_values={"height": [150, 170]}), query, table(rng, 300))
    decoded, _, good = case.settle(case.home)
    assert good.all() and (decoded["height"] == 170).all()


def test_a_row_that_stays_at_a_number_that_is_not_listed_is_seen() -> None:
    case = simple(allowed_values={"count": [3, 12]})
    listed = case.query["count"].isin([3, 12])
    assert (case.feasible.obeyed(case.home, case.home) == listed).all() and listed.any()


def test_sums_are_met_by_multiples() -> None:
    case = simple(resolution={"count": 5, "height": 10}, relations=[({"count": 2, "height": 1}, 190)])
    decoded, _, good = case.settle(case.home)
    total = 2 * case.query["count"] + case.query["height"]
    assert good.all() and (total > 190).any() and (2 * decoded["count"] + decoded["height"] <= 190).all()
    for name, step in case.rules.resolution.items():
        assert ((decoded[name] % step == 0) | (decoded[name] == case.query[name])).all()


def test_numbers_of_no_rule_settle_as_without_one() -> None:
    case, free = simple(resolution={"count": 7}), simple(immutable=["fixed"])
    Z = case.proposals(np.random.default_rng(0))
    others = [name for name in case.query if name != "count"]
    pd.testing.assert_frame_equal(case.settle(Z)[0][others], free.settle(Z)[0][others], check_exact=True)
