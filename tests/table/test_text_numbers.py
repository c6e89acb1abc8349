"""Numbers that somebody left as text are told, with column and remedy; codes, and what the user has said, are not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._table.codec import TableCodec

AGES = np.random.default_rng(0).integers(5, 90, 300)


def told(column: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TableCodec.fit(pd.DataFrame({"age": column}), **options)
    return [str(warning.message) for warning in caught if "read as numbers" in str(warning.message)]


@pytest.mark.parametrize(
    ("column", "example", "remedy"),
    [
        (AGES.astype(str), "", "pd.to_numeric(X['age'], errors='coerce')"),
        (pd.array(AGES.astype(str), dtype="string"), "", "pd.to_numeric"),
        ([f"{age}%" for age in AGES], "%'", "X['age'].str.rstrip('%')"),
        ([f"{1000 + 37 * age:,}" for age in AGES], ",", "X['age'].str.replace(',', '')"),
        ([f" {age}.5 " for age in AGES], ".5 '", "pd.to_numeric"),
        (["?" if i % 20 == 0 else age for i, age in enumerate(AGES.tolist())], "'?'", "makes other text missing"),
        ([str(age) if i % 2 else age for i, age in enumerate(AGES.tolist())], "'", "pd.to_numeric"),
        (["n/a" if i % 20 == 0 else str(age) for i, age in enumerate(AGES)], "'n/a'", "pd.to_numeric"),
        ([None if i % 2 else str(age) for i, age in enumerate(AGES)], "'", "pd.to_numeric"),
    ],
)
def test_numbers_as_text_are_told_with_what_to_do(column: Any, example: str, remedy: str) -> None:
    (message,) = told(pd.Series(column))
    assert message.startswith("column 'age' holds text, such as ")
    assert example in message and remedy in message


@pytest.mark.parametrize(
    "column",
    [
        [f"{age:05d}" for age in AGES],  # zip codes with zeros in front
        [str(10_000 + 37 * age) for age in AGES],  # and without
        [str(age % 5) for age in AGES],  # a few groups
        ["?" if i % 3 else str(age) for i, age in enumerate(AGES)],  # mostly something else
        [f"flat {age}" for age in AGES],
        [f"{age}-{age + 9}" for age in AGES],
        AGES,
        AGES.astype(object),
        [bool(age % 2) for age in AGES],
        ["inf" if age % 2 else "nan" for age in AGES],
    ],
)
def test_codes_groups_and_numbers_raise_no_alarm(column: Any) -> None:
    assert told(column) == []


def test_who_says_that_it_is_a_category_is_believed() -> None:
    column = AGES.astype(str)
    assert told(column, categorical_features=["age"]) == told(pd.Categorical(column)) == []


@given(st.lists(st.one_of(st.text(max_size=6), st.integers(), st.floats(), st.booleans(), st.none()), min_size=1))
def test_no_column_of_text_and_numbers_breaks_the_look_at_it(cells: list[Any]) -> None:
    finite = [cell if not isinstance(cell, float) or np.isfinite(cell) else 0.5 for cell in cells]
    told(pd.Series([*finite, *map(str, range(20))], dtype=object))
