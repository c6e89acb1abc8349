"""Rules against tables: how columns are named and read, and what does not fit a table is told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _feasible import simple

from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.compile import compile_rules
from hyconex_sklearn._rules.conflicts import warn_of_conflicts
from hyconex_sklearn._rules.feasible_set import FeasibleSet
from hyconex_sklearn._rules.table_rules import TableRules
from hyconex_sklearn._table.codec import TableCodec


def compiled(rules: Actionability, codec: TableCodec, table: Any) -> FeasibleSet:
    return compile_rules(TableRules.read(rules, codec, table), table, codec.encode(table, warn_unseen=False))


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
    free = compiled(Actionability(immutable=columns, bounds={1: (0, 1)}), codec, X)
    settled, good = free.settle(Z + 1.0, Z)
    assert good.all() and (settled[:, [0, 2]] == Z[:, [0, 2]]).all() and (settled[:, 1] != Z[:, 1]).any()


def test_integer_names_are_names() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=[1, 0])
    codec = TableCodec.fit(frame)
    free = compiled(Actionability(immutable=[0]), codec, frame)
    assert free.movable_positions[0].tolist() == [True, False]


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
    free = compiled(Actionability(bounds={"a": ([0.1, 0.2, 0.3, 0.7],) * 2}), codec, frame)
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
        ({"bounds": {"hight": (1, 2)}}, ["bounds", "'hight'", "'height'"]),
        ({"bounds": {"height": (np.zeros(3), None)}}, ["bounds['height']", "3 values", "40 rows"]),
        ({"bounds": {"colour": ("a", "b")}}, ["bounds['colour']", "allowed_categories={'colour'"]),
        (
            {"bounds": {"member": (0, 1)}},
            [
                "bounds['member']",
                "truth values",
                "monotonic_cst={'member': 1}",
                "allowed_categories={'member': [True]}",
            ],
        ),
        ({"immutable": pd.Series({"height": True, "hight": False})}, ["immutable", "'hight'", "'height'"]),
        ({"mutable": pd.Series({"hight": False, "height": True})}, ["mutable", "'hight'", "'height'"]),
        ({"monotonic_cst": pd.Series({"height": 1, "hight": 0})}, ["monotonic_cst", "'hight'", "'height'"]),
        ({"bounds": {"height": ("a", "b")}}, ["bounds['height']", "numbers"]),
        ({"bounds": {"size": ("M", "huge")}}, ["bounds['size']", "'huge'", "'S', 'M', 'L', 'XL'"]),
        ({"bounds": {"size": ("L", "S")}}, ["bounds['size']", "low", "'L'", "'S'"]),
        ({"bounds": {"count": (3.2, 3.8)}}, ["bounds['count']", "no value"]),
        ({"bounds": {"height": (1, 2), 0: (1, 2)}}, ["bounds", "'height' twice"]),
        ({"mutable": ["fixed"]}, ["mutable", "nothing to change"]),
        ({"mutable": ["hight"]}, ["mutable", "'hight'"]),
        ({"mutable": [True, False]}, ["mutable", "2 values", "11 columns"]),
        ({"immutable": pd.DataFrame(True, range(40), ["height"])}, ["immutable", "'height'", "under its name"]),
        ({"bounds": {"count": (pd.Series([1, 2]), None)}}, ["bounds['count']", "none of X's 2, 3", "to_numpy"]),
        ({"bounds": {"count": (pd.Series([1] * 41, [0, *range(40)]), 9)}}, ["bounds['count']", "several values", "0"]),
        ({"monotonic_cst": {"colour": 1}}, ["monotonic_cst['colour']", "without an order", "allowed_transitions"]),
        ({"monotonic_cst": [1, 0]}, ["monotonic_cst", "2 values", "11 columns"]),
        ({"allowed_categories": {"height": [1]}}, ["allowed_categories['height']", "numbers", "bounds"]),
        ({"allowed_categories": {"colour": ["pink"]}}, ["allowed_categories['colour']", "'pink'", "'b', 'g', 'r'"]),
        ({"allowed_transitions": {"count": {1: [2]}}}, ["allowed_transitions['count']", "numbers"]),
        ({"allowed_transitions": {"size": {"tiny": ["S"]}}}, ["allowed_transitions['size']", "'tiny'"]),
        ({"allowed_transitions": {"size": {"S": ["tiny"]}}}, ["allowed_transitions['size']['S']", "'tiny'"]),
        ({"allowed_values": {"nix": [1]}}, ["allowed_values", "'nix'"]),
        ({"allowed_values": {"colour": [1]}}, ["allowed_values['colour']", "labels", "allowed_categories={'colour'"]),
        ({"allowed_values": {"size": [1]}}, ["allowed_values['size']", "labels", "allowed_categories={'size'"]),
        ({"allowed_values": {"member": [1]}}, ["allowed_values['member']", "labels", "allowed_categories={'member'"]),
        ({"allowed_values": {"count": [12, 99, -7]}}, ["allowed_values['count']", "-7, 99", "0 to 29"]),
        ({"allowed_values": {"count": [12, 12.5]}}, ["allowed_values['count']", "12.5", "whole numbers"]),
        ({"allowed_values": {"cents": [4, 4.125]}}, ["allowed_values['cents']", "4.125", "at most 2 decimal(s)"]),
        ({"allowed_values": {"fixed": [1, 2]}}, ["allowed_values['fixed']", "2", "1 to 1"]),
        ({"resolution": {"nix": 1}}, ["resolution", "'nix'"]),
        ({"resolution": {"colour": 1}}, ["resolution['colour']", "labels"]),
        ({"resolution": {"size": 1}}, ["resolution['size']", "labels"]),
        ({"resolution": {"count": 0.5}}, ["resolution['count']", "0.5", "whole numbers", "multiple of 1"]),
        (
            {"resolution": {"cents": 0.005}},
            ["resolution['cents']", "0.005", "at most 2 decimal(s)", "multiple of 0.01"],
        ),
        ({"resolution": {"height": 1e-14}}, ["resolution['height']", "1e-14", "not told apart"]),
        ({"resolution": {"narrow": 1e-5}}, ["resolution['narrow']", "1e-05", "not told apart"]),
        ({"resolution": {"height": 5e-324}}, ["resolution['height']", "5e-324", "not told apart"]),
        ({"resolution": {"height": 500}}, ["resolution", "500", "'height'", "no multiple", "range seen at fit"]),
        (
            {"resolution": {"count": 5}, "allowed_values": {"count": [7, 12]}},
            ["allowed_values and resolution", "'count'", "7, 12", "multiple of 5"],
        ),
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


CONFLICTS: dict[str, tuple[dict[str, Any], Any]] = {
    "frozen out of bounds": (
        {"immutable": ["count"], "bounds": {"count": (0, 10)}},
        lambda row: row["count"] > 10,
    ),
    "frozen below a level": ({"immutable": ["size"], "bounds": {"size": ("M", None)}}, lambda row: row["size"] == "S"),
    "frozen at a label": (
        {"immutable": ["colour"], "allowed_categories": {"colour": ["r"]}},
        lambda row: row["colour"] in ("g", "b"),
    ),
    "frozen at a level": (
        {"immutable": ["size"], "allowed_categories": {"size": ["S"]}},
        lambda row: row["size"] in ("M", "L", "XL"),
    ),
    "out of a range that was not seen": (
        {"bounds": {"count": ([100] * 7 + [0] * 33, None)}},
        lambda row: row.name < 7,
    ),
    "low above high": ({"bounds": {"count": ([9] * 4 + [0] * 36, [3] * 4 + [99] * 36)}}, lambda row: row.name < 4),
    "all of them out of the range": ({"bounds": {"height": (500, 600)}}, lambda row: True),
    "frozen at another value": (
        {"immutable": ["count"], "allowed_values": {"count": [3, 12]}},
        lambda row: row["count"] not in (3, 12),
    ),
    "no value within its bounds": (
        {"allowed_values": {"count": [3, 12]}, "bounds": {"count": (None, [2] * 9 + [12] * 31)}},
        lambda row: row.name < 9,
    ),
    "no multiple within its bounds": (
        {"resolution": {"count": 7}, "bounds": {"count": (8, 13)}},
        lambda row: not 8 <= row["count"] <= 13,
    ),
    "no value in its direction": (
        {"allowed_values": {"count": [3, 12]}, "monotonic_cst": {"count": 1}},
        lambda row: row["count"] > 12,
    ),
    "a constant": ({"bounds": {"fixed": (2, 3)}}, lambda row: True),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_row_in_conflict_with_a_rule_is_given_up_with_a_word_and_hinders_no_other(name: str) -> None:
    rules, conflict = CONFLICTS[name]
    case = simple(**rules)
    with pytest.warns(UserWarning, match=r"column '\w+' breaks a rule in row.*'infeasible'.*Let"):
        warn_of_conflicts(case.read.said, case.codec, case.query, case.home, np.flatnonzero(case.feasible.impossible))
    lost = case.query.apply(conflict, axis=1).to_numpy()
    decoded, settled, good = case.settle(case.home + 1.0)
    assert lost.any() and (good == ~lost).all()
    assert (settled[lost] == case.home[lost]).all() and (settled[~lost] != case.home[~lost]).any(axis=1).all()
    assert (case.read.obeyed(decoded, case.query, np.arange(40)) == good).all()


def test_labels_of_constant_columns_are_checked() -> None:
    frame = pd.DataFrame({"only": ["a"] * 9, "x": range(9)})
    codec = TableCodec.fit(frame)
    assert not compiled(Actionability(allowed_categories={"only": ["a"]}), codec, frame).impossible.any()
    column = replace(codec.schema.columns[0], rare=("z",))
    schema = replace(codec.schema, columns=(column, codec.schema.columns[1]))
    with pytest.raises(ValueError, match="too rare"):
        compiled(Actionability(allowed_categories={"only": ["a", "z"]}), TableCodec(schema), frame)
