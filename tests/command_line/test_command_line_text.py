"""Text of files as columns with a dtype: what a person meant, and what fit has seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _results import result
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._command_line.console import UsageError
from hyconex_sklearn._command_line.layouts import LAYOUTS
from hyconex_sklearn._command_line.tables import Table
from hyconex_sklearn._command_line.text import as_fitted, check_no_commas, guessed, label_of, written
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.schema import Column


def column_of(series: pd.Series, listed: bool = False) -> Column:
    """What a fit learns of a column."""
    X = pd.DataFrame({"c": series})
    return TableCodec.fit(X, ["c"] if listed else "from_dtype").schema.columns[0]


def read_as(column: Column, cells: list[str]) -> pd.Series:
    return as_fitted(cells, column, range(2, len(cells) + 2))


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-20", "0"], "int64", [1, -20, 0]),
        (["1", "", "3"], "Int64", [1, None, 3]),
        (["1", "2.5", "1e3", ".5"], "float64", [1, 2.5, 1000, 0.5]),
        ([" 1", "2 ", "NA"], "Int64", [1, 2, None]),
        (["True", "false", "TRUE"], "bool", [True, False, True]),
        (["true", "", "false"], "boolean", [True, None, False]),
        (["00123", "10115", ""], "object", ["00123", "10115", None]),
        (["+49", "33"], "object", ["+49", "33"]),
        (["yes", "no", "NULL"], "object", ["yes", "no", None]),
        ([" >50K", "<=50K ", "  "], "object", [">50K", "<=50K", None]),
        (["1", "two"], "object", ["1", "two"]),
        (["inf", "1"], "object", ["inf", "1"]),
        (["12345678901234567890", "1"], "float64", [12345678901234567890.0, 1.0]),
        (["", "NA"], "float64", [None, None]),
        (["2024-01-02", "2024-01-03"], "object", ["2024-01-02", "2024-01-03"]),
        (["١٢", "٣"], "object", ["١٢", "٣"]),
    ],
)
def test_cells_get_the_dtype_that_a_person_would_give_them(cells: list[str], dtype: str, values: list[Any]) -> None:
    series = guessed(cells, "c")
    assert str(series.dtype) == dtype
    assert [None if pd.isna(value) else value for value in series.tolist()] == values


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["00123", "10115"], "'00123' has a leading zero"),
        (["1", "2", "3", "unknown"], "'unknown' is no number; leave unknown cells empty"),
    ],
)
def test_numbers_that_are_read_as_text_are_told(
    cells: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    guessed(cells, "zip")
    assert f"note: column 'zip' is read as text: {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "is_wrong"),
    [
        (["1,5", "2", ""], True),
        (["1,000", "2,500.5"], True),
        (["1.000,5", "7"], True),
        (["1,5", "2,5", "unknown"], True),
        (["1,5", "two", "three"], False),  # texts
        (["1.5", "2", "x"], False),
        (["NA", ""], False),
        (["0,1", "a", "b"], False),
    ],
)
def test_numbers_with_commas_are_refused_and_texts_are_not(cells: list[str], is_wrong: bool) -> None:
    if is_wrong:
        with pytest.raises(UsageError, match="column 'c' has numbers with commas, such as '1"):
            check_no_commas(cells, "c")
    else:
        check_no_commas(cells, "c")


def test_plain_columns_need_no_note(capsys: pytest.CaptureFixture[str]) -> None:
    for cells in (["1", ""], ["a", "b"], ["true"], ["a", "1"], ["", ""]):
        guessed(cells, "c")
    assert capsys.readouterr().err == ""


WHOLE = st.integers(-(10**17), 10**17).map(str)
FLOAT = st.floats(allow_nan=False, allow_infinity=False).map(repr)
BOOLEAN = st.sampled_from(["True", "False", "true", "false"])
CODE = st.from_regex(r"\A0[0-9]{1,6}\Z") | st.from_regex(r"\A[1-9][0-9]{1,6}\Z")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
GAP = st.sampled_from(["", "NA", "null"])


@given(data=st.data(), kind=st.sampled_from([WHOLE, FLOAT, BOOLEAN, CODE, TEXT]), gaps=st.booleans())
def test_any_rows_of_a_file_are_read_as_the_whole_file_was(data: st.DataObject, kind: Any, gaps: bool) -> None:
    """A part may hold whole numbers only, no leading zero, or nothing at all: the model has seen the whole."""
    cells = data.draw(st.lists(kind | GAP if gaps else kind, min_size=1, max_size=8))
    whole = guessed(cells, "c")
    column = column_of(whole)
    chosen = data.draw(st.lists(st.integers(0, len(cells) - 1), min_size=1, max_size=4))
    part = read_as(column, [cells[i] for i in chosen])
    expected = whole.iloc[chosen].reset_index(drop=True)
    for value, known in zip(part.tolist(), expected.tolist(), strict=True):
        assert (pd.isna(value) and pd.isna(known)) or value == known
        if not pd.isna(value):
            assert isinstance(value, str) == isinstance(known, str)
            assert isinstance(value, bool) == isinstance(known, bool)
    if column.kind in ("integer", "numeric", "boolean"):
        assert pd.api.types.is_bool_dtype(part.dtype) == pd.api.types.is_bool_dtype(whole.dtype)
        assert pd.api.types.is_float_dtype(part.dtype) == pd.api.types.is_float_dtype(whole.dtype)


@given(st.lists(WHOLE | FLOAT | BOOLEAN | CODE | TEXT | GAP, min_size=1, max_size=8))
def test_what_is_written_is_read_as_the_same_values(cells: list[str]) -> None:
    once = guessed(cells, "c")
    again = guessed([written(value) for value in once.tolist()], "c")
    for value, known in zip(again.tolist(), once.tolist(), strict=True):
        assert (pd.isna(value) and pd.isna(known)) or value == known


@pytest.mark.parametrize(
    ("series", "cells", "message"),
    [
        (pd.Series([1, 2]), ["3", "x"], r"column 'c' held numbers at fit, but line 3 holds 'x'"),
        (pd.Series([1.5, 2.0]), ["", "inf"], r"held numbers at fit, but line 3 holds 'inf'"),
        (pd.Series([True, False]), ["yes"], r"held true or false at fit, but line 2 holds 'yes'"),
    ],
)
def test_a_cell_of_another_kind_is_told_with_its_line(series: pd.Series, cells: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_as(column_of(series), cells)


def test_codes_stay_text_and_numbered_categories_stay_numbers() -> None:
    codes = column_of(pd.Series(["00123", "10115"], dtype=object))
    assert read_as(codes, ["10115", ""]).tolist() == ["10115", None]
    numbered = column_of(pd.Series([1, 2, 3]), listed=True)
    assert numbered.kind == "categorical" and read_as(numbered, ["3", "1"]).tolist() == [3, 1]


def test_whole_numbers_at_fit_may_have_gaps_and_fractions_later() -> None:
    column = column_of(pd.Series([1, 2, 3]))
    assert str(read_as(column, ["1", "2"]).dtype) == "int64"
    assert str(read_as(column, ["1", ""]).dtype) == "Int64"
    assert read_as(column, ["1", "2.5"]).tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("text", "classes", "label"),
    [
        ("yes", ["no", "yes"], "yes"),
        (" Yes ", ["no", "yes"], "yes"),
        ("1", [0, 1], 1),
        ("1.0", [0, 1], 1),
        ("1", [0.0, 1.0], 1.0),
        ("true", [False, True], True),
        ("a", ["a", "A"], "a"),
    ],
)
def test_a_class_is_found_by_its_text(text: str, classes: list[Any], label: Any) -> None:
    found = label_of(text, classes)
    assert found == label and type(found) is type(label)


@pytest.mark.parametrize(("text", "classes"), [("maybe", ["no", "yes"]), ("2", [0, 1]), ("ab", ["aB", "Ab"])])
def test_a_class_that_is_not_there_is_told_with_those_that_are(text: str, classes: list[Any]) -> None:
    with pytest.raises(UsageError, match=f"there is no class '{text}'; the model knows '{classes[0]}', '{classes[1]}'"):
        label_of(text, classes)


def test_numbers_are_written_without_needless_digits() -> None:
    values = [45.0, np.float64(2.5), 7, None, np.nan, pd.NA, True, "x"]
    assert [written(value) for value in values] == ["45", "2.5", "7", "", "", "", "True", "x"]


@pytest.mark.parametrize(
    ("cells", "owner"),
    [
        (["true", "false"], ["false", "true"]),
        (["TRUE", "NA"], ["FALSE", "TRUE"]),
        (["True", "false"], ["False", "True"]),  # neither: as Python writes them
        (["", ""], ["False", "True"]),
    ],
)
def test_only_true_and_false_take_the_case_of_the_file(cells: list[str], owner: list[str]) -> None:
    """A column of texts may well hold nothing in the rows that are asked about, or nothing but the word true."""
    original = pd.DataFrame({"owner": guessed(cells, "owner").astype(object), "city": [None, "true"], "age": [1, 2]})
    data = original.assign(owner=[word.lower() == "true" for word in owner], city="Łódź", age=[3, 4])
    asked = pd.DataFrame({"owner": cells, "city": ["", "true"], "age": ["1", "2"]}, dtype=object)
    text, _ = LAYOUTS["wide"](result(original, data), Table("rows.csv", asked, [2, 3], is_text=True), [])
    assert text["city"].tolist() == ["Łódź", "Łódź"]
    assert text["owner"].tolist() == owner
    assert text["age"].tolist() == ["3", "4"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numbers_of_single_precision_are_read_and_written_in_their_digits(dtype: str) -> None:
    column = column_of(pd.Series([0.1, 0.7, 0.3], dtype=dtype))
    read = read_as(column, ["0.1", "", "7"])
    assert read.dtype == dtype and read_as(column, ["0.1", "1e300"]).dtype == float
    original = pd.DataFrame({"c": read})
    cf = result(original, original.assign(c=pd.Series([0.3, 0.2, 7], dtype=dtype)))
    for is_text in (True, False):
        cells = pd.DataFrame({"c": ["0.1", "", "7"]}, dtype=object) if is_text else original
        text, _ = LAYOUTS["changes"](cf, Table("rows", cells, [2, 3, 4], is_text=is_text), [])
        assert text["from"].tolist()[:2] == ["0.1", ""] and text["to"].tolist()[:2] == ["0.3", "0.2"]
