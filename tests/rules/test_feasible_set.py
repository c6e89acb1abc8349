"""Rules against tables: what settles obeys, what contradicts is told, and no row is lost or leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.compile import compile_rules
from hyconex_sklearn._rules.feasible_set import FeasibleSet
from hyconex_sklearn._table.codec import TableCodec

Generator = np.random.Generator
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZES = ["S", "M", "L", "XL"]
seeds = st.integers(0, 2**32 - 1)


def table(rng: Generator, n: int, colours: str = "rgb") -> pd.DataFrame:
    """Every kind of column that a rule can be about."""
    gap = rng.random((n, 3)) < 0.25
    return pd.DataFrame(
        {
            "height": rng.normal(170, 10, n),
            "gaps": np.where(gap[:, 0], np.nan, rng.normal(0, 1, n)),
            "income": np.exp(2 * rng.normal(size=n) + 8),
            "cents": np.round(rng.normal(9, 3, n), 2),
            "narrow": rng.normal(2000, 1, n).astype(np.float32),
            "count": rng.integers(0, 30, n),
            "holes": pd.array(np.where(gap[:, 1], None, rng.integers(-5, 5, n)), dtype="Int64"),
            "member": rng.random(n) < 0.5,
            "colour": np.where(gap[:, 2], None, rng.choice(list(colours), n)).astype(object),
            "size": pd.Categorical(rng.choice([*SIZES, None], n), categories=SIZES, ordered=True),
            "fixed": np.ones(n),
        }
    )


NUMBERS = ["height", "gaps", "income", "cents", "narrow", "count", "holes"]
LABELS = {"member": [False, True], "colour": list("rgb"), "size": SIZES}


class Case:
    """A fitted codec, a query table and the feasible set of some rules on it."""

    def __init__(self, rules: Actionability, query: pd.DataFrame, fitted: pd.DataFrame) -> None:
        self.rules, self.query, self.codec = rules, query, TableCodec.fit(fitted)
        self.home = self.codec.encode(query, warn_unseen=False)
        self.feasible = compile_rules(rules, self.codec.schema, self.codec.numbers(query), self.home)

    def settle(self, Z: np.ndarray, feasible: FeasibleSet | None = None) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """The decoded table, the encoded rows, and which are said to obey."""
        settled, good = (feasible or self.feasible).settle(Z, self.home)
        assert settled.dtype == np.float32 and settled.shape == self.home.shape and good.dtype == bool
        return self.codec.decode(settled, self.query, reference=self.home), settled, good

    def proposals(self, rng: Generator) -> np.ndarray:
        """Soft rows: near the query or far from it, some columns untouched."""
        noise = rng.normal(size=self.home.shape) * rng.choice([1e-4, 0.5, 3.0], size=(len(self.home), 1))
        keep = rng.random((len(self.home), len(self.codec.schema.columns))) < rng.choice([0.0, 0.5, 0.9])
        return self.home + np.where(keep[:, self.codec.schema.owner], 0.0, noise)


def simple(rules: Actionability | None = None, n: int = 40, **keywords: Any) -> Case:
    """A case on a table that stays the same."""
    rng = np.random.default_rng(0)
    return Case(rules or Actionability(**keywords), table(rng, n), table(rng, 300))


def same(a: Any, b: Any) -> bool:
    return bool((pd.isna(a) and pd.isna(b)) or (not pd.isna(a) and not pd.isna(b) and a == b))


# ------------------------------------------------------------------------------------------- the judge, in plain Python


def changed_columns(before: pd.Series, after: pd.Series) -> list[str]:
    return [name for name in before.index if not same(before[name], after[name])]


def steady_breaches(rules: Actionability, before: pd.Series, after: pd.Series) -> list[str]:
    """What no row may do, whether it is said to obey or not."""
    found = []
    changed = changed_columns(before, after)
    found += [f"immutable {name}" for name in rules.immutable or () if name in changed]
    if rules.max_changes is not None and len(changed) > rules.max_changes:
        found.append("max_changes")
    for name, moves in (rules.allowed_transitions or {}).items():
        start = None if pd.isna(before[name]) else before[name]
        if name in changed and start in moves and after[name] not in moves[start]:
            found.append(f"transition {name}")
    return found


def breaches(rules: Actionability, before: pd.Series, after: pd.Series, row: int) -> list[str]:
    """Every rule that a row breaks."""
    found = steady_breaches(rules, before, after)
    for name, sides in (rules.bounds or {}).items():
        low, high = (side[row] if isinstance(side, tuple) else side for side in sides)
        value = after[name]
        if pd.isna(value):
            continue
        if name == "narrow":  # compared as the column is, whether or not numpy compares a single number so, too
            low, high = (side if side is None else np.float32(side) for side in (low, high))
        if name == "size":
            value, low, high = SIZES.index(value), low and SIZES.index(low), high and SIZES.index(high)
        found += [f"bounds {name}"] if (low is not None and value < low) or (high is not None and value > high) else []
    for name, direction in (rules.monotonic_cst or {}).items():
        old, new = before[name], after[name]
        if direction and not pd.isna(new):
            old, new = (SIZES.index(v) if name == "size" and not pd.isna(v) else v for v in (old, new))
            found += [f"monotonic {name}"] if pd.isna(old) or direction * (new - old) < 0 else []
    for name, labels in (rules.allowed_categories or {}).items():
        if not pd.isna(after[name]) and after[name] not in labels:
            found.append(f"allowed {name}")
    for terms, bound in rules.relations:
        if not pd.isna([after[name] for name in terms]).any():
            found += ["relation"] if sum(a * float(after[name]) for name, a in terms.items()) > bound else []
    return found


@st.composite
def rule_sets(draw: st.DrawFn) -> Actionability:
    """Rules on the columns of `table` that do not contradict each other."""
    rng = np.random.default_rng(draw(seeds))
    sample = table(rng, 200)
    frozen = draw(st.lists(st.sampled_from([*NUMBERS, *LABELS]), max_size=3, unique=True))
    loose = [name for name in NUMBERS if name not in frozen]
    pick = lambda names: draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else []  # noqa: E731

    def quantile(name: str, low: float, high: float) -> float:
        return float(sample[name].astype(float).quantile(rng.uniform(low, high)))

    bounds: dict[str, Any] = {name: (quantile(name, 0.1, 0.4), quantile(name, 0.6, 0.9)) for name in pick(loose)}
    bounds |= {name: (None, quantile(name, 0.4, 0.6)) for name in pick([n for n in loose if n not in bounds])}
    labels = {name: known for name, known in LABELS.items() if name not in frozen}
    allowed = {name: rng.permutation(labels[name])[: rng.integers(1, 4)].tolist() for name in pick(sorted(labels))}
    moves = {
        name: {start: rng.permutation(LABELS[name])[: rng.integers(0, 3)].tolist() for start in LABELS[name][:2]}
        for name in pick(sorted(LABELS))
    }
    relations = [
        ({name: float(rng.choice([-2, -1, 1, 0.5])) for name in names}, 0.0) for names in [pick(NUMBERS)] if names
    ]
    relations = [(t, float(sum(a * sample[n].astype(float).median() for n, a in t.items()))) for t, _ in relations]
    return Actionability(
        immutable=frozen,
        bounds=bounds,
        monotonic_cst={name: int(rng.choice([-1, 1])) for name in pick([*NUMBERS, "size"])},
        max_changes=draw(st.none() | st.integers(1, 4)),
        allowed_categories=allowed,
        allowed_transitions=moves,
        relations=relations,
        feature_weights={name: float(rng.uniform(0.1, 9)) for name in pick(NUMBERS)},
    )


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
    free = compile_rules(Actionability(), case.codec.schema, None, case.home)
    Z = case.proposals(np.random.default_rng(1))
    settled, good = free.settle(Z, case.home)
    assert free.trivial and good.all() and (settled == case.codec.schema.snap(Z, case.home)).all()
    assert free.lower.strides[0] == 0 and free.take([1, 2]).free.strides[0] == 0  # no memory for what is not said


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


# ------------------------------------------------------------------------------------------------ relations


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


def test_the_numbers_of_the_decoded_row_are_what_counts() -> None:
    case = simple(bounds={"height": (100, 190)}, relations=[({"count": 1}, 40)])
    numbers = case.codec.numbers(case.query)
    numbers[0, 0], numbers[1, 5] = 190.5, 41
    assert np.flatnonzero(~case.feasible.obeyed(case.home, case.home, numbers)).tolist() == [0, 1]


# ------------------------------------------------------------------------------------------------ tables and columns


def test_numbers_are_read_in_original_units() -> None:
    case = simple()
    numbers = case.codec.numbers(case.query)
    assert numbers.dtype == np.float64 and numbers.shape == (40, 8)
    np.testing.assert_array_equal(numbers[:, 0], case.query["height"])
    np.testing.assert_array_equal(numbers[:, 6], case.query["holes"].to_numpy(float, na_value=np.nan))
    codes = case.query["size"].cat.codes
    np.testing.assert_array_equal(numbers[:, 7], np.where(codes < 0, np.nan, codes))


@pytest.mark.parametrize("columns", [[0, 2], ["x0", "x2"], [True, False, True]])
def test_columns_of_an_array_go_by_position_name_or_mask(columns: Any) -> None:
    X = np.random.default_rng(0).normal(size=(50, 3))
    codec = TableCodec.fit(X)
    Z = codec.encode(X)
    free = compile_rules(Actionability(immutable=columns, bounds={1: (0, 1)}), codec.schema, codec.numbers(X), Z)
    settled, good = free.settle(Z + 1.0, Z)
    assert good.all() and (settled[:, [0, 2]] == Z[:, [0, 2]]).all() and (settled[:, 1] != Z[:, 1]).any()


def test_integer_names_are_names() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=[1, 0])
    codec = TableCodec.fit(frame)
    free = compile_rules(Actionability(immutable=[0]), codec.schema, None, codec.encode(frame))
    assert free.free[0].tolist() == [True, False]


def test_what_is_said_of_a_constant_column_does_no_harm() -> None:
    case = simple(
        immutable=["fixed"], bounds={"fixed": (0, 2)}, monotonic_cst={"fixed": 1}, feature_weights={"fixed": 3}
    )
    _, settled, good = case.settle(case.home + 1.0)
    assert good.all() and (settled[:, 0] != case.home[:, 0]).any()


def test_a_bound_on_a_narrow_column_is_read_as_the_column_compares() -> None:
    frame = pd.DataFrame({"a": np.array([0.1, 0.2, 0.3, 0.7], dtype=np.float32)})
    codec = TableCodec.fit(frame)
    Z = codec.encode(frame)
    free = compile_rules(
        Actionability(bounds={"a": ([0.1, 0.2, 0.3, 0.7],) * 2}), codec.schema, codec.numbers(frame), Z
    )
    assert free.settle(Z, Z)[1].all() and not free.broken.any()


# ------------------------------------------------------------------------------------------------ what is told at once


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"immutable": ["hight"]}, ["immutable", "'hight'", "'height', 'gaps'"]),
        ({"immutable": [11]}, ["immutable", "11", "0 to 10"]),
        ({"immutable": [-1]}, ["immutable", "-1", "0 to 10"]),
        ({"immutable": [True, False]}, ["immutable", "2 values", "11 columns"]),
        ({"immutable": np.zeros((3, 11), bool)}, ["immutable", "(3, 11)", "(40, 11)"]),
        ({"immutable": list(range(11))}, ["immutable", "nothing to change"]),
        ({"immutable": np.ones((40, 11), bool)}, ["immutable", "nothing to change"]),
        ({"bounds": {"hight": (1, 2)}}, ["bounds", "'hight'", "'height'"]),
        ({"bounds": {"height": (np.zeros(3), None)}}, ["bounds['height']", "3 values", "40 rows"]),
        ({"bounds": {"colour": ("a", "b")}}, ["bounds['colour']", "allowed_categories={'colour'"]),
        ({"bounds": {"member": (0, 1)}}, ["bounds['member']", "allowed_categories={'member'"]),
        ({"bounds": {"height": ("a", "b")}}, ["bounds['height']", "numbers"]),
        ({"bounds": {"size": ("M", "huge")}}, ["bounds['size']", "'huge'", "'S', 'M', 'L', 'XL'"]),
        ({"bounds": {"size": ("L", "S")}}, ["bounds['size']", "low", "rows 0, 1, 2"]),
        ({"bounds": {"fixed": (2, 3)}}, ["bounds['fixed']", "excludes 1.0"]),
        ({"bounds": {"height": (500, 600)}}, ["bounds['height']", "seen at fit", "(500.0, 600.0)", "40 rows in all"]),
        ({"bounds": {"count": (3.2, 3.8)}}, ["bounds['count']", "no value"]),
        ({"bounds": {"height": (1, 2), 0: (1, 2)}}, ["bounds", "'height' twice"]),
        ({"immutable": ["count"], "bounds": {"count": (0, 10)}}, ["immutable", "'count'", "bounds", "in rows"]),
        ({"immutable": ["size"], "bounds": {"size": ("M", None)}}, ["immutable", "'size'", "'S'", "bounds"]),
        (
            {"immutable": ["colour"], "allowed_categories": {"colour": ["r"]}},
            ["immutable", "'colour'", "allowed_categories", "in rows"],
        ),
        (
            {"immutable": ["size"], "allowed_categories": {"size": ["S"]}},
            ["immutable", "'size'", "allowed_categories", "in rows"],
        ),
        ({"monotonic_cst": {"colour": 1}}, ["monotonic_cst['colour']", "without an order", "allowed_transitions"]),
        ({"monotonic_cst": [1, 0]}, ["monotonic_cst", "2 values", "11 columns"]),
        ({"allowed_categories": {"height": [1]}}, ["allowed_categories['height']", "numbers", "bounds"]),
        ({"allowed_categories": {"colour": ["pink"]}}, ["allowed_categories['colour']", "'pink'", "'b', 'g', 'r'"]),
        ({"allowed_transitions": {"count": {1: [2]}}}, ["allowed_transitions['count']", "numbers"]),
        ({"allowed_transitions": {"size": {"tiny": ["S"]}}}, ["allowed_transitions['size']", "'tiny'"]),
        ({"allowed_transitions": {"size": {"S": ["tiny"]}}}, ["allowed_transitions['size']['S']", "'tiny'"]),
        ({"relations": [({"colour": 1}, 2)]}, ["relations[0]", "'colour'", "labels"]),
        ({"relations": [({"height": 1}, 2), ({"size": 1}, 2)]}, ["relations[1]", "'size'", "labels"]),
        ({"relations": [({"fixed": 1}, 2)]}, ["relations[0]", "'fixed'", "single value"]),
        ({"relations": [({"nix": 1}, 2)]}, ["relations[0]", "'nix'"]),
        ({"feature_weights": {"nix": 1}}, ["feature_weights", "'nix'"]),
    ],
)
def test_what_does_not_fit_the_table_is_told(rules: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        simple(**rules)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_labels_of_constant_columns_are_checked() -> None:
    frame = pd.DataFrame({"only": ["a"] * 9, "x": range(9)})
    codec = TableCodec.fit(frame)
    arguments = codec.schema, codec.numbers(frame), codec.encode(frame)
    assert not compile_rules(Actionability(allowed_categories={"only": ["a"]}), *arguments).impossible.any()
    with pytest.raises(ValueError, match="never changes"):
        compile_rules(Actionability(allowed_categories={"only": [None]}), *arguments)
    column = replace(codec.schema.columns[0], rare=("z",))
    schema = replace(codec.schema, columns=(column, codec.schema.columns[1]))
    with pytest.raises(ValueError, match="too rare"):
        compile_rules(Actionability(allowed_categories={"only": ["a", "z"]}), schema, *arguments[1:])
