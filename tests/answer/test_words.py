"""A result in the words of its reader: what columns, units and sentences are called, wherever the result is shown."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _pictures import texts
from _results import adults, result
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn import CounterfactualDisplay, Counterfactuals, Status
from hyconex_sklearn._answer.words import TEMPLATES

GERMAN = {
    "change": "{column}: {after} statt {before}",
    "list": "{first} und {last}",
    "missing": "keine Angabe",
    "probability": "(Wahrscheinlichkeit {before} -> {after})",
    "answer": "{changes} ergäbe {target} statt {prediction} {probability}{doubt}.",
}


def loan() -> Counterfactuals:
    original = pd.DataFrame({"loan_amount": [50333, 9500], "age": [41.5, np.nan], "year": [1998, 2004], "zip": [7, 7]})
    data = original.assign(loan_amount=[41700, 9500], age=[41.5, 30.0], year=[2001, 2004])
    return result(original, data, target="granted")


def test_columns_and_units_are_told_as_they_are_called() -> None:
    cf = loan().with_words(labels={"loan_amount": "Loan amount"}, units={"loan_amount": "EUR", "age": "years"})
    first, second = cf.explain()
    assert first.startswith("Loan amount 50,333 -> 41,700 EUR and year 1998 -> 2001 would change")
    assert second.startswith("age missing -> 30 years would change")
    assert "Loan amount 50,333 -> 41,700 EUR" in repr(cf)
    page = cf._repr_html_()
    assert ">Loan amount</th>" in page and "<b>50,333 &rarr; 41,700 EUR</b>" in page and ">41.5 years</td>" in page


def test_a_unit_stands_behind_the_old_number_where_a_gap_takes_its_place() -> None:
    cf = result(pd.DataFrame({"a": [3.0]}), pd.DataFrame({"a": [np.nan]})).with_words(units={"a": "m"})
    assert cf.explain()[0].startswith("a 3 m -> missing would")


def test_text_and_truth_values_have_no_unit() -> None:
    for column, value in {"education": "'HS-grad'", "member": "True"}.items():
        with pytest.raises(ValueError, match=rf"units\['{column}'\] is 'm', but that column holds no numbers: {value}"):
            adults().with_words(units={"wage": "EUR", column: "m"})
    gaps = pd.DataFrame({"a": [np.nan]})
    result(gaps, gaps).with_words(units={"a": "m"})  # nobody can tell what it holds
    adults()[:0].with_words(units={"education": "m"})


def test_pictures_and_pages_take_the_same_words(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    cf = loan().with_words(labels={"loan_amount": "Loan amount"}, units={"loan_amount": "EUR"})
    one = texts(CounterfactualDisplay.from_counterfactuals(cf, row=0).ax_)
    assert "Loan amount" in one and "50,333 → 41,700 EUR" in one and "41,700 to 50,333 EUR" in one
    assert "Loan amount" in texts(CounterfactualDisplay.from_counterfactuals(cf).ax_)
    page = cf.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Loan amount 50,333 \\u2192 41,700 EUR" in page


def test_values_stay_what_they_are() -> None:
    cf = loan()
    told = cf.with_words(labels={"loan_amount": "Loan amount"}, thousands=" ", sentences=GERMAN)
    pd.testing.assert_frame_equal(told.changes(), cf.changes())
    assert told.to_json() == cf.to_json() and json.loads(told.to_json())[0]["changes"]["loan_amount"]["to"] == 41700


@pytest.mark.parametrize("separator", ["", ",", " ", "'", "_", "\u202f"])
def test_groups_of_digits_are_separated_as_wished(separator: str) -> None:
    cf = loan().with_words(thousands=separator)
    assert cf.explain()[0].startswith(f"loan_amount 50{separator}333 -> 41{separator}700 and year 1998 -> 2001 would")
    small = result(np.array([[9999.25]]), np.array([[10_000.5]])).with_words(thousands=separator)
    assert small.explain()[0].startswith(f"x0 9{separator}999.25 -> 10{separator}000.5 would")


@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_separators_leave_a_number_what_it_is(before: int, after: int) -> None:
    cf = result(np.array([[before]]), np.array([[after]]))
    told = cf.explain()[0].split(" would")[0].removeprefix("x0 ")
    expected = "No change" if before == after else f"{before} -> {after}"
    assert told.replace(",", "") == expected


def test_labels_of_categories_are_no_amounts() -> None:
    cf = result(pd.DataFrame({"zip": pd.Categorical([10115])}), pd.DataFrame({"zip": pd.Categorical([80331])}))
    assert cf.explain()[0].startswith("zip 10115 -> 80331 would")


def test_sentences_can_be_told_in_another_language() -> None:
    cf = loan().with_words(sentences=GERMAN)
    assert cf.explain() == [
        "loan_amount: 41,700 statt 50,333 und year: 2001 statt 1998 ergäbe granted statt <=50K "
        "(Wahrscheinlichkeit 0.31 -> 0.64).",
        "age: 30 statt keine Angabe ergäbe granted statt <=50K (Wahrscheinlichkeit 0.31 -> 0.64).",
    ]


def test_every_template_can_be_replaced_and_may_hold_all_of_its_fields() -> None:
    assert Counterfactuals.sentence_templates() == TEMPLATES
    shouted = {name: f"<{name}> {template}" for name, template in TEMPLATES.items()}
    for status in Status:
        cf = result(np.zeros((1, 2)), np.ones((1, 2)), status=status, valid=status != Status.NOT_VALID)
        (told,) = cf.with_words(sentences=shouted).explain()
        assert told.startswith("<")
    assert set(loan().with_words(sentences={}).explain()) == set(loan().explain())


def test_what_is_left_out_stays_as_it_was() -> None:
    cf = loan().with_words(labels={"age": "Age"}).with_words(units={"age": "years"}, sentences={"list": "{last}!"})
    assert cf.with_words(thousands="").explain()[1].startswith("Age missing -> 30 years would")
    parts = (cf[1], cf[[1]], next(iter(cf[1:])), pickle.loads(pickle.dumps(cf))[1])
    assert {part.explain()[0] for part in parts} == {cf.explain()[1]}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"labels": {"loan_amout": "x"}}, ValueError, "labels names 'loan_amout'.*Did you mean 'loan_amount'"),
        ({"units": {"Age": "x"}}, ValueError, "units names 'Age'; its columns are 'loan_amount', 'age', 'year'"),
        ({"labels": ["Loan amount"]}, TypeError, "labels must be a dict"),
        ({"units": {"age": 3}}, TypeError, r"units\['age'\] must be text, got 3"),
        ({"units": {"age": " "}}, ValueError, r"units\['age'\] is ' ', which nobody can read"),
        ({"labels": {"age": ""}}, ValueError, r"labels\['age'\] is '', which nobody can read"),
        ({"thousands": "."}, ValueError, "thousands must be one of"),
        ({"sentences": {"anser": "{changes}"}}, ValueError, "sentences names 'anser'.*Did you mean 'answer'"),
        ({"sentences": {"answer": "{change}"}}, ValueError, "has the field 'change'; those it may have are 'changes'"),
        ({"sentences": {"answer": "{}"}}, ValueError, "has the field ''"),
        ({"sentences": {"answer": "{target.__class__}"}}, ValueError, "has the field 'target.__class__'"),
        ({"sentences": {"answer": "{target:>9}"}}, ValueError, "has the field 'target:>9'"),
        ({"sentences": {"answer": "{target"}}, ValueError, "is no template: .* A brace itself is written twice"),
        ({"sentences": {"missing": "{target}"}}, ValueError, "those it may have are none"),
        ({"sentences": {"missing": None}}, TypeError, "must be text"),
    ],
)
def test_words_that_fit_nothing_are_refused(words: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        loan().with_words(**words)
