"""Cells that an encoding cannot tell apart: a row is called what its cells are, as an independent judge sees them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _feasible import SIZES, Case, seeds, table
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyconex_sklearn import Actionability
from hyconex_sklearn._rules.table_rules import TableRules
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn.metrics import violations

LEVELS = ["XS", "S", "M", "M+", "L", "XL", "XXL"]


def odd(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A query with levels, labels, constants and gaps that the fit did not see."""
    query = table(rng, n, "rgu")
    query["size"] = pd.Categorical(rng.choice([*LEVELS, None], n), categories=LEVELS, ordered=True)
    query["fixed"] = rng.choice([1.0, 5.0, np.nan], n)
    query["member"] = query["member"].astype(object).where(rng.random(n) < 0.9, None)
    query["height"] = query["height"].where(rng.random(n) < 0.9)
    return query


def case(rules: Actionability, seed: int, n: int = 12) -> Case:
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*breaks a rule")
        return Case(rules, odd(rng, n), table(rng, 200))


@st.composite
def odd_rules(draw: st.DrawFn) -> Actionability:
    """Rules that are about such cells."""
    chosen = {
        "bounds": {
            "size": draw(st.sampled_from([(None, "M"), ("M", "L"), ("S", None), ("XL", None)])),
            "fixed": draw(st.sampled_from([(0, 2), (2, None), (None, 9)])),
            "narrow": (1999.1234567891234, draw(st.sampled_from([None, 2000.9876543219876]))),
        },
        "monotonic_cst": {name: draw(st.sampled_from([-1, 1])) for name in ("size", "member", "fixed", "height")},
        "allowed_categories": {"size": draw(st.permutations(SIZES))[:2], "colour": draw(st.permutations("rgb"))[:2]},
        "allowed_transitions": {"member": {None: [True]}, "colour": {"r": []}, "size": {"M": ["L"]}},
    }
    chosen["resolution"] = {"cents": draw(st.sampled_from([0.05, 2])), "narrow": 0.1, "height": 7, "count": 5}
    chosen["allowed_values"] = {
        "gaps": draw(st.sampled_from([[0], [-0.5, 0.1, 0.7]])),
        "holes": draw(st.sampled_from([[2], [-3, 0, 4]])),
        "narrow": [1999.3, 2000.7],
        "count": [0, 7, 20],
    }
    kept = {rule: {name: said[name] for name in said if draw(st.booleans())} for rule, said in chosen.items()}
    frozen = draw(st.sampled_from([{}, {"immutable": ["size"]}, {"mutable": ["size", "colour", "narrow", "member"]}]))
    return Actionability(**kept, **frozen, max_changes=draw(st.sampled_from([None, 2])))


@settings(max_examples=60, deadline=None)
@example(  # an own number that is allowed, and no multiple, may stay
    Actionability(mutable=("size",), allowed_values={"count": (0, 7, 20)}, resolution={"count": 5}), 231
)
@given(odd_rules(), seeds)
def test_a_row_is_said_to_obey_if_and_only_if_its_cells_do(rules: Actionability, seed: int) -> None:
    found = case(rules, seed)
    rows = np.arange(len(found.query))
    for Z in (found.home, found.proposals(np.random.default_rng(seed))):
        decoded, _, good = found.settle(Z)
        broken = violations(found.query, decoded, rules)
        np.testing.assert_array_equal(found.read.obeyed(decoded, found.query, rows), ~broken)
        assert not broken[good].any() and (broken == ~good).all()


def test_a_level_that_the_fit_did_not_see_moves_to_an_allowed_one_even_to_the_median_level() -> None:
    for rules in (
        Actionability(allowed_categories={"size": ["S", "M"]}),
        Actionability(bounds={"size": (None, "M")}),
        Actionability(allowed_categories={"size": ["L"]}),
    ):
        found = case(rules, 0, 60)
        decoded, _, good = found.settle(found.home)
        unseen = found.query["size"].isin(["XXL"])
        assert good.all() and unseen.any()
        assert set(decoded["size"][unseen]) <= ({"M"} if rules.allowed_categories != {"size": ("L",)} else {"L"})
        assert (decoded["size"].isna() == found.query["size"].isna()).all()


def test_a_level_that_the_fit_did_not_see_rises_and_falls_from_its_own_place() -> None:
    found = case(Actionability(monotonic_cst={"size": -1}), 0, 60)
    between = (found.query["size"] == "M+").to_numpy()
    below = (found.query["size"] == "XS").to_numpy()
    start = found.codec.schema.columns[list(found.query).index("size")].start
    for shift in (-9.0, 9.0):
        Z = found.home.copy()
        Z[:, start] += shift
        decoded, _, good = found.settle(Z)
        assert good.all() and (decoded["size"][below] == "XS").all()
        assert set(decoded["size"][between]) <= {"M+", "S", "M"}
    assert set(decoded["size"][between]) == {"M+"}


def test_where_the_table_has_no_order_an_unseen_level_is_in_no_bounds_and_has_no_way() -> None:
    rng = np.random.default_rng(0)
    query = odd(rng, 30).astype({"size": object})
    found = Case(Actionability(bounds={"size": ("M", None)}), query, table(rng, 200))
    decoded, _, good = found.settle(found.home)
    assert good.all() and set(decoded["size"].dropna()) <= {"M", "L", "XL"}
    pinned = Case(Actionability(monotonic_cst={"size": 1}), query, table(rng, 200))
    decoded, _, good = pinned.settle(pinned.home + 9.0)
    unseen = ~query["size"].isin(SIZES)
    assert good.all() and (decoded["size"].fillna("-")[unseen] == query["size"].fillna("-")[unseen]).all()


def test_levels_in_another_order_than_at_fit_are_refused_where_a_rule_is_about_order() -> None:
    rng = np.random.default_rng(0)
    fitted, query = table(rng, 200), table(rng, 9)
    query["size"] = pd.Categorical(query["size"].tolist(), SIZES[::-1], ordered=True)
    codec = TableCodec.fit(fitted)
    for rules in (Actionability(bounds={"size": ("S", None)}), Actionability(monotonic_cst={"size": 1})):
        with pytest.raises(ValueError, match=r"'size' orders its labels as \['XL'.*at fit.*'S', 'M'"):
            TableRules.read(rules, codec, query)
    TableRules.read(Actionability(allowed_categories={"size": ["S"]}), codec, query)


@pytest.mark.parametrize("kind", [object, "float64", "float32", "Float32"])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_between_two_narrow_floats_are_rounded_inward(kind: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fitted = pd.DataFrame({"a": rng.normal(size=200).astype(np.float32)})
    low, high = sorted(rng.uniform(-1, 1, 2).tolist())
    query = fitted[:40].astype(kind)
    found = Case(Actionability(bounds={"a": (low, high)}), query, fitted)
    for shift in (-9.0, 0.0, 9.0):
        decoded, _, good = found.settle(found.home + np.float32(shift))
        cells = decoded["a"].astype("float64")
        assert good.all() and (cells >= low).all() and (cells <= high).all()


def test_truth_values_have_a_direction() -> None:
    rising, falling = (case(Actionability(monotonic_cst={"member": way}), 1, 40) for way in (1, -1))
    for found, kept in ((rising, True), (falling, False)):
        was = found.query["member"]
        block = found.codec.schema.blocks[0]
        seen = set()
        for choice in ([1, 0], [0, 1]):
            Z = found.home.copy()
            Z[:, block] = choice
            decoded, _, good = found.settle(Z)
            assert good.all() and decoded["member"][was.isna()].isna().all()
            assert (decoded["member"][was == kept] == kept).all()
            seen |= set(decoded["member"][was == (not kept)])
        assert seen == {True, False}
