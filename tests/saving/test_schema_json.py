"""A schema as JSON: every kind of column comes back, and no altered field gets through to do harm."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import mixed_table
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._saving.schema_json import describe, schema_from
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.learn_relations import learn_relations
from hyconex_sklearn._table.schema import TableSchema

X = mixed_table(60)[0]
CODEC = TableCodec.fit(X)
DESCRIBED = describe(CODEC.schema)
FIELDS = [(number, name) for number, column in enumerate(DESCRIBED["columns"]) for name in column]
HOSTILE = st.sampled_from(
    [
        *(None, True, -1, 0, 1, 2**31, 10**30, 0.0, -0.5, 1.5, 1e300, -1e300, 5e-324),
        *("", "numeric", "constant", "\ud800", {}, {"float": "nan"}, {"tuple": [[]]}),
        *([], [1], ["a", "a"], [None, None], [[]], [1, True], ["a"] * 300),
    ]
)


def there_and_back(schema: Any) -> Any:
    return schema_from(json.loads(json.dumps(describe(schema), allow_nan=False)))


ODD = {
    "dates in categories as text": pd.DataFrame({"a": pd.Categorical(["2020", "2021", None] * 5)}),
    "ordered numbers": pd.DataFrame({"a": pd.Categorical([3, 1, 2] * 5, categories=[1, 2, 3], ordered=True)}),
    "mixed labels": np.array([[1, "a"], [True, 2.5], ["1", None]] * 5, dtype=object),
    "more labels than levels": pd.DataFrame({"a": [f"id {i}" for i in range(1_400)]}),
    "nothing but gaps": pd.DataFrame({"a": [None] * 9, "b": [np.nan] * 9, "c": 1.5}),
    "names of every kind": pd.DataFrame(np.eye(6), columns=[0, 1.5, True, None, ("a", 2), np.str_("s")]),
    "levels of columns": pd.DataFrame(np.eye(4), columns=pd.MultiIndex.from_product([["a", "b"], [1, 2]])),
    "nullable": pd.DataFrame(
        {"a": pd.array([True, None, False] * 5, "boolean"), "b": pd.array([1, None, 3] * 5, "Int8")}
    ),
    "narrow floats": np.linspace(0, 1, 50, dtype=np.float16)[:, None],
    "extremes": np.array([[1e300, 5e-324], [-1e300, 1e-310], [0.0, 0.0]] * 5),
    "skewed": np.exp(np.linspace(0, 20, 200))[:, None],
    "whole numbers beyond 2**53": np.array([[2**62], [-(2**62)], [7]] * 5),
    "empty and unicode labels": pd.DataFrame({"": ["", "ä", "\ud800", "\x00"] * 4}, dtype=object),
}


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_column_comes_back(name: str) -> None:
    schema = TableCodec.fit(ODD[name]).schema
    twin = there_and_back(schema)
    assert twin == schema and repr(twin) == repr(schema)  # repr tells 1 from True and 1.0


@pytest.mark.parametrize(
    "label", [pd.Interval(0, 1), pd.Timestamp("2020-01-01"), Decimal(1)], ids=lambda label: type(label).__name__
)
def test_labels_and_names_that_json_cannot_tell_are_named(label: Any) -> None:
    table = pd.DataFrame({"a": pd.Categorical([label, None] * 5)})
    with pytest.raises(TypeError, match=r"column 'a' has a label of type .* Convert the labels to text before fit"):
        describe(TableCodec.fit(table).schema)
    with pytest.raises(TypeError, match=r"the name of column .* can't keep"):
        describe(TableCodec.fit(pd.DataFrame({label: [1.0, 2.0]})).schema)


@given(st.sampled_from(FIELDS), HOSTILE)
def test_an_altered_field_is_refused_or_harmless(at: tuple[int, str], value: Any) -> None:
    number, name = at
    altered = copy.deepcopy(DESCRIBED)
    altered["columns"][number][name] = value
    try:
        schema = schema_from(altered)
    except ValueError:
        return
    assert schema.n_encoded == CODEC.schema.n_encoded
    table = X.set_axis(pd.Index(schema.feature_names, dtype=object, tupleize_cols=False), axis=1)
    encoded = TableCodec(schema).encode(table, warn_unseen=False)
    assert np.isfinite(encoded).all()
    assert TableCodec(schema).decode(1.0 - encoded, table).shape == X.shape


@pytest.mark.parametrize("change", ["drop", "add", "twice", "none", "reversed"])
def test_columns_must_fit_together(change: str) -> None:
    altered = copy.deepcopy(DESCRIBED)
    columns = altered["columns"]
    if change == "drop":
        del columns[2]
    elif change == "add":
        columns[0]["more"] = 1
    elif change == "twice":
        columns.append({**columns[-1], "start": columns[-1]["stop"], "stop": columns[-1]["stop"] + 1})
    elif change == "none":
        columns.clear()
    else:
        columns.reverse()
    with pytest.raises(ValueError):
        schema_from(altered)


AGE, INCOME, JOB, GRADE, OWNER, CHILDREN, FIXED = range(7)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (GRADE, {"upper": 9.0}),  # a rank without a label
        (GRADE, {"lower": -1.0}),
        (GRADE, {"lower": 0.5}),
        (GRADE, {"decimals": None}),
        (GRADE, {"categories": []}),
        (GRADE, {"rare": ["top"]}),
        (AGE, {"fill": 1_000.0}),
        (AGE, {"lower": 90.0}),
        (AGE, {"decimals": 2}),
        (AGE, {"scale": 0.0}),
        (AGE, {"scale": -1.0}),
        (AGE, {"center": 50}),
        (AGE, {"missing": 1}),  # where income is
        (AGE, {"categories": ["a"]}),
        (AGE, {"kind": "categorical"}),
        (AGE, {"start": False}),
        (INCOME, {"power": 99.0}),
        (INCOME, {"unit": 0.0}),
        (INCOME, {"decimals": 7}),
        (INCOME, {"missing": None}),  # the columns behind it would move
        (JOB, {"missing": 7}),
        (JOB, {"rare": ["clerk"]}),
        (JOB, {"rare": [None]}),
        (JOB, {"categories": ["clerk", None, "nurse", "pilot"]}),
        (OWNER, {"categories": [True, 1]}),
        (FIXED, {"categories": ["a", "b"]}),
        (FIXED, {"categories": [None]}),
        (FIXED, {"name": "age"}),
        (FIXED, {"dtype": "x" * 1_000}),
    ],
    ids=str,
)
def test_fields_that_contradict_each_other_are_refused(number: int, change: dict[str, Any]) -> None:
    altered = copy.deepcopy(DESCRIBED)
    altered["columns"][number].update(change)
    with pytest.raises(ValueError, match=r" is .*, expected "):
        schema_from(altered)


def test_no_description_asks_for_a_wide_rectangle_of_levels() -> None:
    altered = copy.deepcopy(DESCRIBED)
    job = altered["columns"][2]
    job.update(categories=[str(i) for i in range(1_200)], stop=job["start"] + 1_200)
    with pytest.raises(ValueError, match="categories of column 2 is a list of 1200, expected a list of 2 to 1000"):
        schema_from(altered)


# ----------------------------------------------------------------------------------------------------------- relations


def related() -> TableSchema:
    """Columns of which some follow from others."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 50, (200, 3)), columns=["a", ("b", 1), 7])
    table["s"], table["n"], table["job"] = table["a"] + table[7], 12 * table[("b", 1)], "x"
    table["more"] = table["a"] + rng.integers(0, 9, 200)
    codec = TableCodec.fit(table)
    return replace(codec.schema, relations=learn_relations(codec, table))


def test_relations_come_back() -> None:
    schema = related()
    assert sorted(relation.kind for relation in schema.relations) == ["multiple", "order", "sum"]
    twin = there_and_back(schema)
    assert twin == schema and repr(twin) == repr(schema)


def test_a_description_without_relations_knows_none() -> None:
    described = describe(related())
    del described["relations"]
    assert schema_from(described).relations == ()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "product"},
        {"kind": None},
        {"kind": "sum"},  # of two columns
        {"terms": [[0, 1.0]]},
        {"terms": [[0, 1.0], [0, -1.0]]},
        {"terms": [[0, 1.0], [99, -1.0]]},
        {"terms": [[0, 1.0], [True, -1.0]]},
        {"terms": [[0, 1.0], [5, -1.0]]},  # text
        {"terms": [[0, 2.0], [1, -1.0]]},
        {"terms": [[0, 1.0], [1, 0.0]]},
        {"terms": [[0, 1.0], [1, "-1"]]},
        {"terms": {"a": 1.0}},
        {"bound": 3.0},
        {"bound": "0"},
        {"n_rows": -1},
        {"n_rows": 2.5},
        {"more": 1},
    ],
)
def test_a_relation_that_can_not_be_is_refused(change: dict[str, Any]) -> None:
    described = describe(related())
    at = next(i for i, relation in enumerate(described["relations"]) if relation["kind"] == "multiple")
    described["relations"][at].update(change)
    with pytest.raises(ValueError, match=r"relation \d|expected"):
        schema_from(described)


def test_relations_that_determine_each_other_are_refused() -> None:
    described = describe(related())
    one = {"kind": "copy", "terms": [[0, 1.0], [1, -1.0]], "bound": 0.0, "n_rows": 9}
    described["relations"] = [one, {**one, "terms": [[1, 1.0], [0, -1.0]]}]
    with pytest.raises(ValueError, match="no relation before it speaks of"):
        schema_from(described)
