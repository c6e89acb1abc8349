"""A result told in plain sentences: which values, in how many digits, and what became of the question."""

from __future__ import annotations

import dataclasses
import math
import re
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _results import adults, result
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn._answer.sentences import OPINIONS
from hyconex_sklearn._answer.status import Status
from hyconex_sklearn._model.committee import N_MEMBERS


def test_a_counterfactual_is_told_in_one_sentence() -> None:
    first, second, third = adults().explain()
    assert first == (
        "hours 38 -> 45 and education HS-grad -> Bachelors would change the prediction from <=50K to >50K "
        "(probability 0.31 -> 0.64)."
    )
    assert second.startswith("wage missing -> 2.5 would") and third.startswith("member False -> True would")


def test_three_changes_are_listed_with_commas() -> None:
    sentence = result(np.zeros((1, 3)), np.ones((1, 3))).explain()[0]
    assert sentence.startswith("x0 0 -> 1, x1 0 -> 1 and x2 0 -> 1 would")


CHANGE = "x0 0 -> 1 would change the prediction from <=50K to >50K (probability 0.31 -> 0.64)"
OUTCOMES = {
    Status.OK: f"{CHANGE}.",
    Status.FEWER: f"{CHANGE}.",
    Status.UNSURE: f"{CHANGE}, but less surely than a certificate asks.",
    Status.IMPLAUSIBLE: f"{CHANGE}, but rows like the changed one are rare.",
    Status.ALREADY_TARGET: "Already predicted as >50K; nothing to change.",
    Status.INFEASIBLE: "No row was found that obeys the rules and is predicted as >50K (probability 0.31 -> 0.64).",
    Status.NOT_VALID: (
        "No change was found that makes the prediction >50K; the closest attempt, x0 0 -> 1, is predicted as <=50K "
        "(probability 0.31 -> 0.64)."
    ),
}


@pytest.mark.parametrize(
    ("said", "clause"),
    [
        ({"doubt": "support", "support": 0.6875}, "but only 11 of 16 second opinions agree"),
        (
            {"doubt": "probability", "probability": 0.78, "least_probability": 0.84},
            "but 0.78 is below the 0.84 that rows of this class usually reach",
        ),
        (
            {"doubt": "probability", "probability": 0.8441, "least_probability": 0.8443},
            "but 0.8441 is below the 0.8443 that rows of this class usually reach",
        ),
        (
            {"doubt": "asked", "probability": 0.78, "least_probability": 0.9},
            "but 0.78 is below the 0.90 that was asked for",
        ),
        ({"doubt": "committee"}, "but second opinions are less sure of it than they usually are of this class"),
        ({"doubt": ""}, "but less surely than a certificate asks"),
    ],
)
def test_a_row_that_is_not_sure_says_why(said: dict[str, Any], clause: str) -> None:
    (told,) = result(np.zeros((1, 1)), np.ones((1, 1)), status="unsure", **said).explain()
    assert told.endswith(f"), {clause}.")


def moved(before: Any, after: Any, flips_at: float, **report: Any) -> str:
    """What follows the outcome, where one cell changes."""
    cf = result(pd.DataFrame({"a": before}), pd.DataFrame({"a": after}), flips_at=flips_at, **report)
    return re.search(r"(?:The prediction tips.*)?$", cf.explain()[0])[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("before", "after", "flips_at", "tip", "end"),
    [
        ([30_123.0], [50_333.0], 0.5741, "41,700", "50,333"),
        ([50_333.0], [30_123.0], 0.4259, "41,700", "30,123"),
        ([1.25], [2.5], 0.5, "1.88", "2.5"),
        ([0.00123], [0.00234], 0.37, "0.00164", "0.00234"),
        # Of whole numbers the first that lies beyond.
        ([38], [45], 0.43, "42", "45"),
        ([45], [38], 0.43, "41", "38"),
        ([38], [45], 3 / 7, "41", "45"),
        ([1_000], [2_000], 0.503, "1510", "2000"),
    ],
)
def test_the_place_where_the_prediction_tips_is_told(
    before: Any, after: Any, flips_at: float, tip: str, end: str
) -> None:
    assert moved(before, after, flips_at) == f"The prediction tips at about {tip}; {end} is comfortably inside."
    # Inside, but not comfortably so: there is something to be said against the row.
    assert moved(before, after, flips_at, status="implausible") == f"The prediction tips at about {tip}."


@pytest.mark.parametrize(
    ("before", "after", "flips_at"),
    [
        ([1.0], [2.0], math.nan),
        ([1.0], [2.0], 0.0),
        ([1.0], [2.0], 1.0),
        ([1], [2], 0.5),
        ([1], [4], 0.999),  # the first number beyond is the last one
        ([np.nan], [2.0], 0.5),
        ([2.0], [np.nan], 0.5),
        (["a"], ["b"], 0.5),
        ([True], [False], 0.5),
    ],
)
def test_nothing_is_told_of_a_tip_that_is_no_place_in_between(before: Any, after: Any, flips_at: float) -> None:
    assert moved(before, after, flips_at) == ""


def test_where_two_cells_change_no_place_is_told() -> None:
    assert "tips" not in result(np.zeros((1, 2)), np.ones((1, 2)), flips_at=0.5).explain()[0]


@settings(max_examples=100, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.floats(0, 1))
def test_the_place_lies_between_the_numbers(before: int, after: int, flips_at: float) -> None:
    for kind in (int, float):
        told = re.search(r"about (\S+);", moved([kind(before)], [kind(after)], flips_at))
        if told:
            place = float(told[1].replace(",", ""))
            assert min(before, after) < place < max(before, after)
            assert abs(place - (before + flips_at * (after - before))) <= max(1, abs(after - before) / 50)


def test_a_row_that_second_opinions_would_decide_otherwise_is_told_once() -> None:
    cf = result(np.zeros((3, 1)), np.ones((3, 1)), support_before=[0.4375, 0.4375, 0.5], rank=[0, 1, 0])
    told = [sentence.partition("). ")[2] for sentence in cf.explain()]
    assert told == ["Of the row as it is, only 7 of 16 second opinions say <=50K, too.", "", ""]
    assert OPINIONS == N_MEMBERS


@pytest.mark.parametrize("status", ["ok", "fewer", "unsure", "implausible", "not_valid", "infeasible"])
def test_alternatives_that_were_not_found_are_told_at_the_last_one(status: str) -> None:
    cf = result(np.zeros((2, 1)), np.ones((2, 1)), rank=[0, 1], n_lacking=[0, 3], status=["ok", status])
    first, last = cf.explain()
    assert "alternative" not in first and last.endswith("It is the last alternative that was found: 2 of 5.")
    assert "fewer alternatives than asked for in 1 query" in cf._repr_html_()


@pytest.mark.parametrize("status", list(Status))
def test_every_outcome_is_told_in_a_sentence_of_its_own(status: Status) -> None:
    valid = status != Status.NOT_VALID
    prediction = ">50K" if valid else "<=50K"
    cf = result(np.zeros((1, 1)), np.ones((1, 1)), status=status, valid=valid, prediction=prediction)
    assert cf.explain() == [OUTCOMES[status]]


def test_a_row_that_could_not_be_moved_is_its_own_closest_attempt() -> None:
    cf = result(np.zeros((1, 1)), np.zeros((1, 1)), status="not_valid", valid=False, prediction="<=50K")
    assert "the closest attempt, the row itself, is predicted as <=50K" in cf.explain()[0]
    # An infeasible row is told as such, valid or not.
    cf = result(np.zeros((1, 1)), np.zeros((1, 1)), status="infeasible", valid=False, prediction="<=50K")
    assert cf.explain() == [OUTCOMES[Status.INFEASIBLE]]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0.00"),
        (1e-12, "<0.01"),
        (0.004, "<0.01"),
        (0.006, "0.01"),
        (0.5, "0.50"),
        (0.994, "0.99"),
        (0.996, ">0.99"),
        (0.999999, ">0.99"),
        (1.0, "1.00"),
    ],
)
def test_a_probability_is_never_told_as_a_certainty_that_it_is_not(probability: float, text: str) -> None:
    cf = result(np.zeros((1, 1)), np.ones((1, 1)), probability=probability)
    assert cf.explain()[0].endswith(f"(probability 0.31 -> {text}).")
    cf = dataclasses.replace(cf, probability_before=np.array([probability]))
    assert cf.explain()[0].endswith(f"(probability {text} -> {text}).")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ([1000.123456, 0.0], [2000.654321, 0.0], "1000 -> 2001"),
        ([0.00123456, 0.001], [0.00234567, 0.001], "0.001235 -> 0.002346"),
        ([12345.678, 0.0], [12345.679, 0.0], "12,345.678 -> 12,345.679"),
        ([1.0, 1.0], [2.5, 1.0], "1 -> 2.5"),
        ([1e-12, 0.0], [2e-12, 0.0], "1e-12 -> 2e-12"),
        ([1e20, 0.0], [2e20, 0.0], "1e+20 -> 2e+20"),
        ([np.nan, np.nan], [0.123456, np.nan], "missing -> 0.1235"),
        ([10**17, 0], [10**17 + 1, 0], "100,000,000,000,000,000 -> 100,000,000,000,000,001"),
        ([True, False], [False, False], "True -> False"),
        # The digits follow how far the column spreads, not how large its numbers are.
        ([2000.123456, 2000.3], [2000.234567, 2000.3], "2000.1235 -> 2000.2346"),
        ([1.23456e20, 0.0], [2.34567e20, 0.0], "1.235e+20 -> 2.346e+20"),
        ([-1.6e308, 0.0], [1.6e308, 0.0], "-1.6e+308 -> 1.6e+308"),
        # Neighbouring numbers are told in full.
        ([1e20, 0.0], [math.nextafter(1e20, math.inf), 0.0], "1e+20 -> 1.0000000000000002e+20"),
        (pd.Series([1, 0], dtype=object), pd.Series(["1", 0], dtype=object), "1 -> '1'"),
        # Text that could be taken for something else stands in quotes, and on one line.
        (["missing", "a"], [None, "a"], "'missing' -> missing"),
        ([None, "a"], ["missing", "a"], "missing -> 'missing'"),
        (["a", "a"], ["", "a"], "a -> ''"),
        (["a", "a"], [" a", "a"], "a -> ' a'"),
        (["a", "a"], ["b\nrow 7: fake", "a"], "a -> b row 7: fake"),
        (["a b", "a"], ["a\nb", "a"], "'a b' -> 'a\\nb'"),
        (np.float32([0.00123456, 0.001]), np.float32([0.00234567, 0.001]), "0.001235 -> 0.002346"),
        (pd.Categorical([0.00012, 5.0]), pd.Categorical([0.00034, 5.0]), "0.00012 -> 0.00034"),
    ],
)
def test_numbers_are_rounded_to_their_column(before: Any, after: Any, text: str) -> None:
    cf = result(pd.DataFrame({"a": before}), pd.DataFrame({"a": after}))
    assert cf.explain()[0].startswith(f"a {text} would")
    assert escape(text).replace("-&gt;", "&rarr;") in cf._repr_html_()


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(-1e6, 1e6))
def test_different_numbers_never_look_alike(before: float, after: float, other: float) -> None:
    cf = result(np.array([[before], [other]]), np.array([[after], [other]]))
    found = re.match(r"x0 (\S+) -> (\S+) would", cf.explain()[0])
    assert (found is not None) == (before != after)
    if found:
        assert found[1] != found[2]


def test_names_and_labels_stand_on_one_line() -> None:
    table = pd.DataFrame({"a\nb ": ["x"]})
    (sentence,) = result(table, table + "y", target="yes\nno", prediction="").explain()
    assert sentence.startswith("'a b ' x -> xy would change the prediction from <=50K to yes no (")


def test_narrow_numbers_of_one_size_keep_their_digits() -> None:
    cf = result(np.array([[np.float32(0.00012346)]], dtype=object), np.array([[None]], dtype=object))
    assert cf.explain()[0].startswith("x0 0.0001235 -> missing would")
