"""Actionability: rules are plain data, checked when they are made, equal after a trip through JSON."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn._rules.actionability import Actionability

names = st.text(max_size=5) | st.integers(0, 99) | st.tuples(st.text(max_size=3), st.integers(0, 9))
labels = (
    st.none()
    | st.text(max_size=5)
    | st.integers(-9, 9)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12)
low, high = (
    st.none() | st.floats(a, b) | st.lists(st.none() | st.floats(a, b), min_size=4, max_size=4)
    for a, b in [(-1e9, 0.0), (0.0, 1e9)]
)
nonzero = finite.filter(bool)

RULES = st.fixed_dictionaries(
    {},
    optional={
        "immutable": st.lists(names, max_size=3)
        | st.lists(st.booleans(), max_size=3)
        | st.lists(st.lists(st.booleans(), min_size=2, max_size=2), max_size=3),
        "bounds": st.dictionaries(names, st.tuples(low, high), max_size=3),
        "monotonic_cst": st.dictionaries(names, st.sampled_from([-1, 0, 1]), max_size=3)
        | st.lists(st.sampled_from([-1, 0, 1]), max_size=4),
        "max_changes": st.integers(1, 99),
        "target_probability": st.floats(0.01, 0.99),
        "allowed_categories": st.dictionaries(names, st.lists(labels, min_size=1, max_size=3), max_size=3),
        "allowed_transitions": st.dictionaries(
            names, st.dictionaries(labels, st.lists(labels, max_size=3), max_size=3), max_size=2
        ),
        "allowed_values": st.dictionaries(names, st.lists(finite, min_size=1, max_size=3), max_size=3),
        "resolution": st.dictionaries(names, st.floats(1e-9, 1e9) | st.integers(1, 10**12), max_size=3),
        "relations": st.lists(st.tuples(st.dictionaries(names, nonzero, min_size=1, max_size=3), finite), max_size=2),
        "feature_weights": st.dictionaries(names, st.floats(0.01, 1e6), max_size=3),
        "keep_relations": st.booleans(),
    },
)


def types(value: Any) -> Any:
    """The types of everything inside: 1, 1.0 and True are equal, but not the same."""
    if isinstance(value, dict):
        return {key: (type(key), types(item)) for key, item in value.items()}
    return [types(item) for item in value] if isinstance(value, tuple) else type(value)


# ------------------------------------------------------------------------------------------------------------ JSON


@settings(max_examples=200, deadline=None)
@given(RULES)
def test_rules_survive_json(keywords: dict[str, Any]) -> None:
    rules = Actionability(**keywords)
    text = rules.to_json()
    again = Actionability.from_json(text)
    assert again == rules and repr(again) == repr(rules)
    assert types(vars(again)) == types(vars(rules))
    assert Actionability.from_json(rules.to_json(indent=2)) == rules
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    for other in (copy.deepcopy(rules), pickle.loads(pickle.dumps(rules)), Actionability(**vars(rules))):
        assert other == rules


def test_labels_and_names_keep_their_types_in_json() -> None:
    rules = Actionability(
        allowed_transitions={("a", 1): {1: [2], None: ["x"]}}, bounds={3: (0, None)}, allowed_categories={"b": [True]}
    )
    again = Actionability.from_json(rules.to_json())
    assert again.allowed_transitions == {("a", 1): {1: (2,), None: ("x",)}}
    assert again.bounds == {3: (0, None)} and again.allowed_categories["b"][0] is True
    assert '"größe"' in Actionability(immutable=["größe"]).to_json()  # for people to read


def test_rules_can_be_written_by_hand() -> None:
    text = '{"immutable": ["age"], "bounds": {"income": [0, 9]}, "relations": [[{"a": 1, "b": -1}, 0]]}'
    expected = Actionability(immutable=["age"], bounds={"income": (0, 9)}, relations=[({"a": 1, "b": -1}, 0)])
    assert Actionability.from_json(text) == expected
    assert Actionability.from_dict({}) == Actionability()


def test_a_function_is_not_written() -> None:
    rules = Actionability(max_changes=2, repair=lambda frame: frame)
    with pytest.raises(ValueError, match=r"dataclasses.replace\(rules, repair=None\)"):
        rules.to_json()
    assert json.loads(replace(rules, repair=None).to_json()) == {"max_changes": 2}


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"imutable": ["a"]}, ["'imutable'", "immutable"]),
        ({"bounds": 5}, ["bounds", "pairs", "5"]),
        ({"monotonic_cst": 5}, ["monotonic_cst", "pairs", "5"]),
        ({"allowed_transitions": 5}, ["allowed_transitions", "pairs", "5"]),
        ({"feature_weights": ["ab", 3]}, ["feature_weights", "pairs"]),
        ({"max_changes": 0}, ["max_changes"]),
        (["immutable"], ["dict", "list"]),
    ],
)
def test_a_wrong_description_is_told(described: Any, words: list[str]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Actionability.from_dict(described)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_label_that_json_cannot_hold_is_told() -> None:
    day = pd.Timestamp("2020-01-01")
    rules = Actionability(allowed_categories={"when": [day]})
    with pytest.raises(TypeError, match=r"allowed_categories.*Timestamp.*text"):
        rules.to_json()
    with pytest.raises(TypeError, match=r"allowed_transitions.*Timestamp.*text"):
        Actionability(allowed_transitions={"when": {day: ["a"]}}).to_json()


# ------------------------------------------------------------------------------------------------------- plain data


def test_what_is_passed_is_copied() -> None:
    frozen, bounds, highs = np.array([True, False]), {"a": [0, 1]}, np.array([1.0, np.nan])
    rules = Actionability(immutable=frozen, bounds=bounds, allowed_categories={"c": highs.tolist()[:1]})
    per_row = Actionability(bounds={"a": (None, highs)})
    frozen[:], highs[:] = False, 7.0
    bounds["a"][1], bounds["b"] = 9, (0, 1)
    assert rules.immutable == (True, False) and rules.bounds == {"a": (0, 1)}
    assert per_row.bounds == {"a": (None, (1.0, None))}


@pytest.mark.parametrize(
    "make", [list, tuple, set, frozenset, np.array, pd.Series, pd.Index, lambda v: pd.array(v, dtype="Int64")]
)
def test_every_kind_of_list_is_the_same(make: Any) -> None:
    given_, plain = make([1, 2]), [1, 2]
    rules = Actionability(immutable=given_, bounds={"a": given_}, allowed_categories={"c": given_})
    assert rules == Actionability(immutable=plain, bounds={"a": plain}, allowed_categories={"c": plain})
    assert repr(rules) == "Actionability(immutable=(1, 2), bounds={'a': (1, 2)}, allowed_categories={'c': (1, 2)})"


def test_what_carries_labels_is_kept_with_them() -> None:
    mask = pd.DataFrame({"b": [True, False], "a": [False, False]}, index=["r", "s"])
    rules = Actionability(immutable=mask, bounds={"a": (pd.Series([1, None], ["s", "r"]), 9)})
    mask.loc["s", "a"] = True  # later edits change nothing
    assert Actionability.from_json(rules.to_json()) == rules != Actionability(immutable=mask)
    table = pd.DataFrame({"a": [0, 0], "b": [0, 0]}, index=["s", "r"])
    told = rules._placed(table, ["a", "b"])
    assert told.immutable == ((False, False), (False, True)) and told.bounds == {"a": ((1, None), 9)}


def test_a_mask_or_directions_by_name_are_the_same_in_any_order() -> None:
    assert Actionability(immutable=pd.Series({"b": True, "a": False})) == Actionability(immutable=["b"])
    assert Actionability(mutable=pd.Series({"b": True, "a": False})) == Actionability(mutable=["b"])
    assert Actionability(monotonic_cst=pd.Series({"b": 1, "a": 0})) == Actionability(monotonic_cst={"b": 1, "a": 0})


def test_scalars_of_numpy_become_plain() -> None:
    rules = Actionability(
        bounds={np.int64(2): (np.float32(0.5), np.int8(3))},
        monotonic_cst=np.array([1, -1]),
        max_changes=np.int64(2),
        target_probability=np.float64(0.5),
        relations=[({"a": np.float64(2)}, np.int64(1))],
    )
    assert "np." not in repr(rules)
    assert type(rules.max_changes) is int and rules.monotonic_cst == (1, -1)


def test_missing_and_infinite_say_nothing() -> None:
    rules = Actionability(
        bounds={"a": (-np.inf, np.inf), "b": ([np.nan, 1.0], None)},
        allowed_categories={"c": [np.nan], "d": [pd.NA, "x"], "e": [pd.NaT, None]},
    )
    assert rules.bounds == {"a": (None, None), "b": ((None, 1.0), None)}
    assert rules.allowed_categories == {"c": (None,), "d": (None, "x"), "e": (None, None)}


@pytest.mark.parametrize(
    "empty",
    [
        {},
        {"immutable": []},
        {"bounds": {}},
        {"relations": []},
        {"relations": None},
        {"keep_relations": None},
        {"keep_relations": True},
    ],
)
def test_no_rule_at_all_is_trivial(empty: dict[str, Any]) -> None:
    rules = Actionability(**empty)
    assert rules.is_trivial and rules == Actionability() and repr(rules) == "Actionability()"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"immutable": ["a"], "bounds": {("b", 1): (0, 1)}, "monotonic_cst": {"a": 1}}, []),
        ({"immutable": [0]}, ["immutable"]),
        ({"immutable": [True, False, False]}, ["immutable"]),
        ({"immutable": np.eye(3, dtype=bool)}, ["immutable"]),
        ({"monotonic_cst": [0, 0, 0]}, ["monotonic_cst"]),
        ({"bounds": {1: (0, 1)}, "feature_weights": {"a": 2}}, ["bounds"]),
        ({"allowed_categories": {"a": ["x"]}, "relations": [({"a": 1, 2: -1}, 0)]}, ["relations"]),
        ({"allowed_transitions": {2: {}}, "feature_weights": {0: 2}}, ["allowed_transitions", "feature_weights"]),
        ({"allowed_values": {2: [1]}, "resolution": {0: 2}}, ["allowed_values", "resolution"]),
    ],
)
def test_rules_know_which_of_them_go_by_position(rules: dict[str, Any], told: list[str]) -> None:
    assert Actionability(**rules)._by_position(["a", ("b", 1), "c"]) == told


def test_integers_may_be_names_but_masks_and_lists_go_by_position_all_the_same() -> None:
    names = [0, 1, 2]
    assert Actionability(immutable=[2], bounds={0: (1, 2)})._by_position(names) == []
    assert Actionability(immutable=[True, False, False])._by_position(names) == ["immutable"]
    assert Actionability(monotonic_cst=[1, 0, 0])._by_position(names) == ["monotonic_cst"]


@pytest.mark.parametrize(
    ("immutable", "kind"),
    [
        (["a", 2], "columns"),
        ([("a", True), ("b", False)], "columns"),
        ([()], "columns"),
        (None, "columns"),
        ([True, False], "mask"),
        (np.eye(2, dtype=bool), "cells"),
    ],
)
def test_rules_know_whether_columns_are_named_or_masked(immutable: Any, kind: str) -> None:
    rules = Actionability(immutable=immutable)
    assert rules._immutable_kind == Actionability.from_json(rules.to_json())._immutable_kind == kind


def test_rules_cannot_be_assigned() -> None:
    with pytest.raises(AttributeError):
        Actionability().max_changes = 3  # type: ignore[misc]


# ---------------------------------------------------------------------------------------------------------- merging


def test_keywords_and_rules_are_merged() -> None:
    named = Actionability(immutable=["age"])
    merged = Actionability.merged(named, immutable=None, bounds={"a": (0, 1)}, max_changes=None)
    assert merged == Actionability(immutable=["age"], bounds={"a": (0, 1)})
    assert named == Actionability(immutable=["age"])
    assert Actionability.merged(None, max_changes=2) == Actionability(max_changes=2)
    assert Actionability.merged(None).is_trivial


def test_a_rule_given_both_ways_is_told() -> None:
    with pytest.raises(ValueError, match=r"immutable is given twice.*actionability"):
        Actionability.merged(Actionability(immutable=["age"]), immutable=["age"], max_changes=2)


def test_rules_of_another_type_are_told() -> None:
    with pytest.raises(TypeError, match=r"actionability must be .* got dict"):
        Actionability.merged({"immutable": ["age"]})  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- wrong from the start


@pytest.mark.parametrize(
    ("keywords", "problem", "words"),
    [
        ({"immutable": "age"}, TypeError, ["immutable", "'age'", "list"]),
        ({"immutable": 3}, TypeError, ["immutable", "3", "list"]),
        ({"immutable": {"age": True}}, TypeError, ["immutable"]),
        ({"immutable": pd.DataFrame({"a": [1]})}, TypeError, ["immutable", "no mask"]),
        ({"immutable": pd.DataFrame({"a": [True, None]})}, TypeError, ["immutable", "no mask"]),
        ({"immutable": pd.Series([True, None], ["a", "b"])}, TypeError, ["immutable['b'] must be a bool", "got None"]),
        ({"mutable": pd.Series([True, None], ["a", "b"], dtype="boolean")}, TypeError, ["mutable['b']", "got <NA>"]),
        (
            {"monotonic_cst": pd.Series({"a": 1, "b": np.nan})},
            TypeError,
            ["monotonic_cst['b']", "nan", "missing value"],
        ),
        ({"monotonic_cst": {"a": 1, "b": None}}, TypeError, ["monotonic_cst['b']", "None", "Leave the column out"]),
        ({"feature_weights": pd.Series({"a": 1, "b": np.nan})}, TypeError, ["feature_weights['b']", "missing value"]),
        ({"bounds": {"a": (False, True)}}, TypeError, ["bounds['a']", "monotonic_cst={column: 1}"]),
        ({"immutable": pd.Series([True, True], ["a", "a"])}, ValueError, ["immutable", "twice", "'a'"]),
        ({"mutable": []}, ValueError, ["mutable", "nothing to change"]),
        ({"mutable": "age"}, TypeError, ["mutable", "list"]),
        ({"mutable": ["a"], "immutable": ["b"]}, ValueError, ["immutable and mutable", "Say one"]),
        ({"immutable": [True, "a"]}, TypeError, ["immutable", "mix"]),
        ({"immutable": [None]}, TypeError, ["immutable", "name or a position"]),
        ({"immutable": [[True], [True, False]]}, ValueError, ["immutable", "lengths"]),
        ({"bounds": [(0, 1)]}, TypeError, ["bounds", "dict"]),
        ({"bounds": {True: (0, 1)}}, TypeError, ["bounds", "True"]),
        ({"bounds": {"a": 3}}, TypeError, ["bounds['a']", "pair", "3"]),
        ({"bounds": {"a": (1, 2, 3)}}, ValueError, ["bounds['a']", "pair"]),
        ({"bounds": {"a": (2, 1)}}, ValueError, ["bounds['a']", "low 2 above high 1"]),
        ({"bounds": {"a": pd.Series([1, 2], ["high", "low"])}}, TypeError, ["bounds['a']", "labels"]),
        ({"bounds": {"a": (pd.DataFrame({"low": [1]}), None)}}, TypeError, ["bounds['a']", "Series"]),
        ({"monotonic_cst": pd.Series([1, 1], ["a", "a"])}, ValueError, ["monotonic_cst", "twice"]),
        ({"bounds": {"a": ([0, 5], [1, 6, 7])}}, ValueError, ["bounds['a']", "2 low and 3 high"]),
        ({"bounds": {"a": (np.nan, 3)}}, ValueError, ["bounds['a']", "finite", "nan"]),
        ({"bounds": {"a": (np.inf, None)}}, ValueError, ["bounds['a']", "finite", "inf"]),
        ({"bounds": {"a": (False, True)}}, TypeError, ["bounds['a']", "False"]),
        ({"bounds": {"a": ([], 3)}}, ValueError, ["bounds['a']", "empty"]),
        ({"monotonic_cst": "up"}, TypeError, ["monotonic_cst", "'up'"]),
        ({"monotonic_cst": {"a": 2}}, ValueError, ["monotonic_cst['a']", "2", "1: may only rise"]),
        ({"monotonic_cst": {"a": True}}, TypeError, ["monotonic_cst['a']", "True"]),
        ({"monotonic_cst": [0, 0.5]}, TypeError, ["monotonic_cst[1]", "0.5"]),
        ({"max_changes": 0}, ValueError, ["max_changes", ">= 1", "0"]),
        ({"max_changes": 1.5}, TypeError, ["max_changes", "1.5"]),
        ({"max_changes": True}, TypeError, ["max_changes", "True"]),
        ({"target_probability": 1}, ValueError, ["target_probability", "1"]),
        ({"target_probability": np.nan}, ValueError, ["target_probability", "nan"]),
        ({"target_probability": "high"}, TypeError, ["target_probability", "'high'"]),
        ({"allowed_categories": ["red"]}, TypeError, ["allowed_categories", "column to a list of labels", "'red'"]),
        ({"allowed_categories": {"a": "red"}}, TypeError, ["allowed_categories['a']", "'red'", "list"]),
        ({"allowed_categories": {"a": []}}, ValueError, ["allowed_categories['a']", "empty", "immutable"]),
        ({"allowed_categories": {"a": [np.inf]}}, ValueError, ["allowed_categories['a']", "finite", "inf"]),
        ({"allowed_categories": {"a": [{}]}}, TypeError, ["allowed_categories['a']", "{}"]),
        ({"allowed_values": [12, 24]}, TypeError, ["allowed_values", "column to a list of numbers", "[12, 24]"]),
        ({"allowed_values": {"a": 12}}, TypeError, ["allowed_values['a']", "12", "single number into a list"]),
        ({"allowed_values": {"a": []}}, ValueError, ["allowed_values['a']", "empty", "immutable"]),
        ({"allowed_values": {"a": [12, "24"]}}, TypeError, ["allowed_values['a']", "number", "'24'"]),
        ({"allowed_values": {"a": [True]}}, TypeError, ["allowed_values['a']", "number", "True"]),
        ({"allowed_values": {"a": [None]}}, TypeError, ["allowed_values['a']", "number", "None"]),
        ({"allowed_values": {"a": [np.nan]}}, ValueError, ["allowed_values['a']", "finite", "nan"]),
        ({"allowed_values": {"a": [10**400]}}, ValueError, ["allowed_values['a']", "finite"]),
        ({"resolution": 500}, TypeError, ["resolution", "dict of column to step", "500"]),
        ({"resolution": {"a": "500"}}, TypeError, ["resolution['a']", "number > 0", "'500'"]),
        ({"resolution": {"a": None}}, TypeError, ["resolution['a']", "number > 0", "None"]),
        ({"resolution": {"a": 0}}, ValueError, ["resolution['a']", "finite number > 0", "0"]),
        ({"resolution": {"a": -0.5}}, ValueError, ["resolution['a']", "finite number > 0", "-0.5"]),
        ({"resolution": {"a": np.inf}}, ValueError, ["resolution['a']", "finite number > 0", "inf"]),
        ({"resolution": {"a": True}}, TypeError, ["resolution['a']", "number > 0", "True"]),
        ({"allowed_transitions": ["a"]}, TypeError, ["allowed_transitions", "column to a dict", "['a']"]),
        ({"allowed_transitions": {"a": ["b"]}}, TypeError, ["allowed_transitions['a']", "dict", "['b']"]),
        ({"allowed_transitions": {"a": {"b": "c"}}}, TypeError, ["allowed_transitions['a']['b']", "'c'"]),
        ({"relations": ({"a": 1}, 2)}, TypeError, ["relations", "list"]),
        ({"relations": {"a": 1}}, TypeError, ["relations", "list"]),
        ({"relations": 5}, TypeError, ["relations", "list", "5"]),
        ({"relations": [({"a": 1}, 2, 3)]}, TypeError, ["relations", "({'a': 1}, 2, 3)"]),
        ({"relations": [({}, 2)]}, ValueError, ["relations[0]", "one column at least"]),
        ({"relations": [({"a": "b"}, 2)]}, TypeError, ["relations[0]", "'a'", "'b'"]),
        ({"relations": [({"a": 1}, 2), ({"a": 1}, np.inf)]}, ValueError, ["relations[1]", "bound", "inf"]),
        ({"feature_weights": ["a"]}, TypeError, ["feature_weights", "dict of column to weight", "['a']"]),
        ({"feature_weights": {"a": 0}}, ValueError, ["feature_weights['a']", "0", "immutable"]),
        ({"feature_weights": {"a": np.inf}}, ValueError, ["feature_weights['a']", "inf"]),
        ({"feature_weights": {"a": "heavy"}}, TypeError, ["feature_weights['a']", "'heavy'"]),
        ({"repair": "fix"}, TypeError, ["repair", "'fix'"]),
        ({"keep_relations": "no"}, TypeError, ["keep_relations", "True or False", "'no'"]),
    ],
)
def test_a_wrong_rule_is_told_when_it_is_made(keywords: Any, problem: type[Exception], words: list[str]) -> None:
    with pytest.raises(problem) as caught:
        Actionability(**keywords)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert re.search(rf"\b{next(iter(keywords))}\b", message), message
    # Every part says something: what was expected, what was got, what to do.
    assert not re.search(r"must be None|got None|None$" if "None" not in repr(keywords) else "None$", message), message
