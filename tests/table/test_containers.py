"""Tables of other libraries: read without loss, written with their own cells and types, refused where they can't be."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from _containers import columns_of, types_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn._table.containers import Kind, _like, copied, is_foreign, read_column, read_table, rows_in

WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def _numbers(dtype: str) -> st.SearchStrategy[Any]:
    if dtype in WHOLE:
        return st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return st.floats(width=32 if dtype == "float32" else 64)


#: Cells of each type of column, without the null that every column may have.
CELLS: dict[str, st.SearchStrategy[Any]] = {
    **{dtype: _numbers(dtype) for dtype in (*WHOLE, "float32", "float64")},
    "bool": st.booleans(),
    "text": st.text(st.characters(codec="utf-8"), max_size=3),
    "category": st.sampled_from(["b", "a", "é"]),
    "ordered": st.sampled_from(["low", "mid", "high"]),
    "decimal": st.decimals(-99, 99, places=2),
    "date": st.dates(),
    "duration": st.timedeltas(-datetime.timedelta(999), datetime.timedelta(999)),
    "null": st.none(),
}
POLARS = {
    **{dtype: getattr(pl, f"Int{dtype[3:]}") for dtype in WHOLE[:4]},
    **{dtype: getattr(pl, f"UInt{dtype[4:]}") for dtype in WHOLE[4:]},
    "float32": pl.Float32,
    "float64": pl.Float64,
    "bool": pl.Boolean,
    "text": pl.String,
    "category": pl.Categorical,
    "ordered": pl.Enum(["low", "mid", "high"]),
    "decimal": pl.Decimal(10, 2),
    "date": pl.Date,
    "duration": pl.Duration("us"),
    "null": pl.Null,
}
ARROW = {
    **{dtype: getattr(pa, dtype)() for dtype in (*WHOLE, "float32", "float64")},
    "bool": pa.bool_(),
    "text": pa.string(),
    "category": pa.dictionary(pa.int8(), pa.string()),
    "ordered": pa.dictionary(pa.int32(), pa.string(), ordered=True),
    "decimal": pa.decimal128(10, 2),
    "date": pa.date32(),
    "duration": pa.duration("us"),
    "null": pa.null(),
}


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """A table of polars or Arrow with a few columns of any types, nulls in all of them, in one piece or two."""
    n, kinds = draw(st.integers(0, 5)), draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = [draw(st.lists(st.none() | CELLS[kind], min_size=n, max_size=n)) for kind in kinds]
    if draw(st.booleans()):
        series = (pl.Series(f"c{j}", cells, dtype=POLARS[kind]) for j, (kind, cells) in _numbered(kinds, columns))
        return pl.DataFrame(list(series))
    arrays = {f"c{j}": pa.array(cells, type=ARROW[kind]) for j, (kind, cells) in _numbered(kinds, columns)}
    table = pa.table(arrays)
    return pa.concat_tables([table[:2], table[2:]]) if draw(st.booleans()) else table


def _numbered(kinds: list[str], columns: list[Any]) -> Any:
    return enumerate(zip(kinds, columns, strict=True))


def same(left: Any, right: Any) -> bool:
    """Whether two tables have the same cells and types; a null is no NaN."""
    cells = (columns_of(left), columns_of(right))
    alike = all(
        _alike(a, b)
        for one, other in zip(*map(dict.values, cells), strict=True)
        for a, b in zip(one, other, strict=True)
    )
    return (
        type(left) is type(right) and list(cells[0]) == list(cells[1]) and types_of(left) == types_of(right) and alike
    )


def _alike(a: Any, b: Any) -> bool:
    return (a is None) == (b is None) and (a == b or (a != a and b != b))


@settings(max_examples=60)
@given(tables())
def test_a_table_is_read_with_all_its_names_and_cells(table: Any) -> None:
    read = read_table(table)
    assert type(read) is pd.DataFrame and list(read.columns) == list(columns_of(table))
    for j, cells in enumerate(columns_of(table).values()):
        ours = read.iloc[:, j].tolist()
        for cell, own in zip(ours, cells, strict=True):
            assert pd.isna(cell) if own is None or own != own else cell == own


@settings(max_examples=60)
@given(tables(), st.data())
def test_what_an_answer_does_not_change_is_the_users_own(table: Any, data: st.DataObject) -> None:
    """Rows in another order and several times, and no cell of them changed, down to a null beside a NaN."""
    n = len(read_table(table))
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=4) if n else st.just([])), dtype=int)
    original = read_table(table).iloc[rows].reset_index(drop=True)
    answer, asked = Kind.of(table).answered(original.copy(), original, table, rows)
    assert same(answer, rows_in(table, rows)) and same(asked, rows_in(table, rows))
    assert same(copied(table), table)


@settings(max_examples=60)
@given(tables())
def test_a_table_is_written_as_it_was_read(table: Any) -> None:
    """All but NaN beside nulls in one column: where steps of a pipeline ask, one of them has to do for both."""
    written = Kind.of(table).written(read_table(table))
    assert types_of(written) == types_of(table)
    for ours, own in zip(columns_of(written).values(), columns_of(table).values(), strict=True):
        gone = [[cell is None or cell != cell for cell in cells] for cells in (ours, own)]
        assert gone[0] == gone[1]
        assert [cell for cell in ours if cell is not None and cell == cell] == [
            cell for cell in own if cell is not None and cell == cell
        ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (pl.Series([1, None], dtype=pl.Int8), 3, pl.Int8),
        (pl.Series([1, None], dtype=pl.Int8), 300, pl.Int64),
        (pl.Series([1, None], dtype=pl.Int8), 1.5, pl.Float64),
        (pl.Series([1.0, None], dtype=pl.Float32), 1e300, pl.Float64),
        (pl.Series(["a", None], dtype=pl.Enum(["a", "b"])), "b", pl.Enum(["a", "b"])),
        (pl.Series(["a", None], dtype=pl.Enum(["a", "b"])), "c", pl.Enum(["a", "b", "c"])),
        (pl.Series(["a", None], dtype=pl.Categorical), "c", pl.Categorical),
        (pa.array([1, None], pa.int8()), 300, pa.int64()),
        (pa.array([1, None], pa.uint8()), -1, pa.int64()),
        (pa.array(["a", None]).dictionary_encode(), "c", pa.dictionary(pa.int32(), pa.string())),
        (pa.array([Decimal("1.10"), None]), Decimal("2.50"), pa.decimal128(3, 2)),
    ],
)
def test_a_new_cell_keeps_the_type_that_holds_it_and_widens_one_that_does_not(
    old: Any, new: Any, expected: Any
) -> None:
    table = pl.DataFrame({"a": old}) if isinstance(old, pl.Series) else pa.table({"a": old})
    original = read_table(table)
    cells = pd.Series([new, None], dtype=object)
    if isinstance(original["a"].dtype, pd.CategoricalDtype):
        known = list(original["a"].cat.categories)
        cells = pd.Series(pd.Categorical(cells, known if new in known else [*known, new], ordered=True))
    changed = pd.DataFrame({"a": cells})
    answer, _ = Kind.of(table).answered(changed, original, table, np.arange(2))
    assert types_of(answer) == [expected] and columns_of(answer) == {"a": [new, None]}


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"a": pl.Series(["low", "high"], dtype=pl.Enum(["low", "mid", "high"]))}),
        pa.table({"a": pa.DictionaryArray.from_arrays([0, 2], ["low", "mid", "high"], ordered=True)}),
    ],
)
def test_levels_keep_their_order_there_and_back(table: Any) -> None:
    original = read_table(table)
    answer, _ = Kind.of(table).answered(original[::-1].reset_index(drop=True), original, table, np.arange(2))
    for read in (original, read_table(answer), read_table(Kind.of(table).written(original[::-1]))):
        assert read["a"].cat.ordered and read["a"].cat.categories.tolist() == ["low", "mid", "high"]


def test_a_null_beside_a_nan_stays_one_where_a_third_cell_changes() -> None:
    table = pl.DataFrame({"a": [1.0, None, math.nan]})
    original = read_table(table)
    answer, _ = Kind.of(table).answered(original.assign(a=[2.0, np.nan, np.nan]), original, table, np.arange(3))
    assert answer["a"][0] == 2.0 and answer["a"][1] is None and math.isnan(answer["a"][2])


def test_numbers_without_gaps_are_not_copied() -> None:
    numbers = np.arange(1000.0)
    for table in (pl.DataFrame({"a": numbers}), pa.table({"a": numbers})):
        read = read_table(table)["a"].array
        lies = read.to_numpy() if isinstance(table, pl.DataFrame) else read._pa_array.chunk(0).to_numpy()
        own = table["a"].to_numpy() if isinstance(table, pl.DataFrame) else table["a"].chunk(0).to_numpy()
        assert np.shares_memory(lies, own)


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (pl.DataFrame({"a": [1]}).lazy(), TypeError, r"X is a polars.LazyFrame; .* \.collect\(\)"),
        (pa.RecordBatch.from_pydict({"a": [1]}), TypeError, r"X is a pyarrow.RecordBatch; .* pyarrow.table"),
        (pl.Series([1]), TypeError, r"X is a polars.Series; expected a table"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), ValueError, "two columns of one name"),
    ],
)
def test_what_would_be_matched_by_position_is_refused(table: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_table(table)


@pytest.mark.filterwarnings("error")
def test_a_table_in_partitions_is_sent_to_where_it_is_asked() -> None:
    dask = pytest.importorskip("dask.dataframe")
    with pytest.raises(TypeError, match=r"X is a dask\.DataFrame; .* \.compute\(\) .* hyconex_sklearn\.dask"):
        read_table(dask.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1))


def test_what_is_no_table_of_another_library_is_left_alone() -> None:
    for thing in (pd.DataFrame({"a": [1]}), np.eye(2), [[1, 2]], {"a": 1}, "a", None, 3.5):
        assert read_table(thing) is thing and not is_foreign(thing)
    assert read_column(pl.Series(["a", None])) == ["a", None] == read_column(pa.chunked_array([["a"], [None]]))
    assert read_column(label := np.array(["a"])) is label


@pytest.mark.parametrize("text", [pl.Series("a", ["x", "y"]), pa.chunked_array([["x", "y"]])], ids=["polars", "Arrow"])
def test_cells_that_no_column_of_a_library_holds_together_are_refused(text: Any) -> None:
    own = nw.from_native(text, series_only=True).alias("a")
    assert _like(own, ["x", "z"], None).to_list() == ["x", "z"] and _like(own, [1, 2], None).to_list() == [1, 2]
    with pytest.raises(TypeError, match="column 'a' of X holds String, but its answer has the types bool, str"):
        _like(own, ["x", True], None)
