"""Tables of other libraries (polars, Arrow, whatever narwhals reads) in, pandas ones out; and back, cell by cell.

The border of the package: inside, a table is a DataFrame of pandas or an array. Cells that no answer changes are taken
from the user's own table, so that a null stays a null beside a NaN, and a decimal keeps its digits.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from .cells import Array, column_of, objects_of, values_differ

_PYARROW = nw.Implementation.PYARROW
_INTERCHANGE = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")


def is_foreign(X: Any) -> bool:
    """Whether something is a table of another library than pandas and numpy, in memory."""
    return _frame(X) is not None


def read_table(X: Any, name: str = "X") -> Any:
    """A table of another library as a DataFrame of pandas, anything else as it is; refused where it is not in memory.

    Numbers without gaps are not copied; columns of an Arrow table stay Arrow's. Ordered are the categories of a polars
    Enum, and those of an Arrow dictionary that says so.
    """
    frame = _frame(X)
    if frame is None:
        _check_readable(X, name)
        return X
    if frame.implementation.is_pandas_like():  # modin, cuDF
        return frame.to_pandas()
    to_cells = _arrow_cells if frame.implementation is _PYARROW else _cells
    columns = dict(enumerate(_series(to_cells(frame[:, j])) for j in range(frame.shape[1])))
    table = pd.DataFrame(columns, copy=False, index=pd.RangeIndex(len(frame)))
    table.columns = pd.Index(frame.columns)
    return table


def read_column(values: Any) -> Any:
    """A column of another library as a list of plain Python, anything else as it is; a scalar of Arrow as Python's."""
    if isinstance(values, pd.Series | np.ndarray | list | tuple):
        return values
    arrow = sys.modules.get("pyarrow")  # whoever has an array of it has loaded it
    if arrow is not None and isinstance(values, arrow.Array | arrow.Scalar):
        return values.to_pylist() if isinstance(values, arrow.Array) else values.as_py()
    column = nw.from_native(values, series_only=True, pass_through=True)
    return column.to_list() if isinstance(column, nw.Series) else values


def copied(table: Any) -> Any:
    """A copy of a table of any library."""
    frame = _frame(table)
    return table.copy() if frame is None else frame.clone().to_native()


def rows_in(table: Any, rows: Array | slice) -> Any:
    """Some rows of a table of any library, by position, slice or mask."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[rows]
    frame = _frame(table)
    return table[rows] if frame is None else frame[np.arange(len(frame))[rows], :].to_native()


@dataclass(frozen=True)
class Kind:
    """What a table of another library is made of, without its rows; nothing is done to tables of pandas and arrays."""

    empty: Any  # such a table without rows; None: the inside's own kinds
    gaps: frozenset[Any]  # columns with nulls: there a missing number is a null, elsewhere a NaN

    @classmethod
    def of(cls, X: Any) -> Kind:
        frame = _frame(X)
        if frame is None:
            return cls(None, frozenset())
        nulls = [name for j, name in enumerate(frame.columns) if frame[:, j].null_count()]
        return cls(frame[:0].to_native(), frozenset(nulls))

    def written(self, table: Any) -> Any:
        """A table of the inside in this kind: columns that this kind has in their dtypes, if these hold the cells."""
        if self.empty is None or not isinstance(table, pd.DataFrame):
            return table
        model = nw.from_native(self.empty, eager_only=True)
        known = {name: model[:, j] for j, name in enumerate(model.columns)}
        columns = []
        for j, name in enumerate(table.columns):
            column, own = table.iloc[:, j], known.get(name)
            gap = np.nan if own is not None and own.dtype.is_float() and name not in self.gaps else None
            cells = _plain_cells(column, gap)
            columns.append(_made(model, str(name), cells) if own is None else _like(own, cells, column.dtype))
        return _joined(columns)

    def answered(self, data: Any, original: Any, X: Any, rows: Array) -> tuple[Any, Any]:
        """Answers and the rows asked about in this kind: `rows` of the user's table X, and those with changed cells."""
        if self.empty is None:
            return data, original
        own = nw.from_native(rows_in(X, rows), eager_only=True)
        columns = []
        for j in range(own.shape[1]):
            changed = values_differ(column_of(original, j), column_of(data, j))
            columns.append(_changed(own[:, j], changed, data.iloc[:, j]) if changed.any() else own[:, j])
        return _joined(columns), own.to_native()

    def beside(self, left: pd.DataFrame, right: Any) -> Any:
        """A table of pandas and one of this kind as one of this kind."""
        if self.empty is None:
            return pd.concat([left, right], axis=1)
        own = nw.from_native(right, eager_only=True)
        cells = ((str(name), _plain_cells(left.iloc[:, j], None)) for j, name in enumerate(left.columns))
        return _joined([*(_made(own, *cell) for cell in cells), *own.iter_columns()])


def _frame(X: Any) -> nw.DataFrame[Any] | None:
    """What narwhals makes of a table in memory; None for those of pandas, for arrays, and for what is no table."""
    if isinstance(X, pd.DataFrame | np.ndarray | list | tuple | dict | str):
        return None
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:  # of an Arrow table
        raise ValueError(
            f"X has two columns of one name. {error}. Columns are matched by name: rename or drop one."
        ) from None
    return frame if isinstance(frame, nw.DataFrame) else None


def _check_readable(X: Any, name: str) -> None:
    """Raise for a table with names that nobody here can read: an array of it would be matched by position."""
    if isinstance(X, pd.DataFrame | pd.Series | np.ndarray | list | tuple | dict | str):
        return
    lazy = hasattr(type(X), "columns") and (hasattr(X, "collect") or hasattr(X, "compute"))
    if lazy or any(hasattr(X, protocol) for protocol in _INTERCHANGE) or read_column(X) is not X:
        got = f"{type(X).__module__.split('.')[0]}.{type(X).__name__}"
        how = "Call .collect() or .compute() first" if lazy else "Make a table of it first, with pyarrow.table(...)"
        more = "; for tables in partitions there is hyconex_sklearn.dask." if got.startswith("dask") else "."
        raise TypeError(
            f"{name} is a {got}; expected a table in memory: a DataFrame of pandas or polars, an Arrow table, or an "
            f"array of shape (n, d). {how}{more}"
        )


# ------------------------------------------------------------------------------------------------------------ reading


def _cells(column: nw.Series[Any]) -> Any:
    """A column as an array that pandas holds: nullable where whole numbers or truth values have gaps."""
    dtype = column.dtype
    if isinstance(dtype, nw.Enum):
        return pd.Categorical(column.to_list(), categories=list(dtype.categories), ordered=True)
    if dtype == nw.Categorical:
        return pd.Categorical(column.to_list())
    whole = dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128)  # which numpy lacks
    if dtype.is_float() or ((whole or dtype == nw.Boolean) and not column.null_count()):
        return column.to_numpy()
    if whole or dtype == nw.Boolean:
        array, fill = (pd.arrays.IntegerArray, 0) if whole else (pd.arrays.BooleanArray, False)
        return array(column.fill_null(fill).to_numpy().copy(), column.is_null().to_numpy().copy())
    return _objects(column.to_list())


def _arrow_cells(column: nw.Series[Any]) -> Any:
    """A column of an Arrow table: numbers, truth values and text as they lie, a dictionary as categories."""
    dtype = column.dtype
    if dtype.is_integer() or dtype.is_float() or dtype in (nw.Boolean, nw.String):
        return pd.arrays.ArrowExtensionArray(column.to_native())
    return column.to_native().to_pandas().array if dtype == nw.Categorical else _objects(column.to_list())


def _series(cells: Any) -> pd.Series:
    """A column of these very cells: a bare array of objects would have its dtype inferred anew."""
    return pd.Series(cells, dtype=cells.dtype, copy=False)


def _objects(values: list[Any]) -> Array:
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells


# ------------------------------------------------------------------------------------------------------------ writing


def _plain_cells(column: pd.Series, gap: Any) -> list[Any]:
    """The cells of a column as plain Python, with `gap` for the missing ones."""
    missing = column.isna().to_numpy()
    cells = objects_of(column)
    return [
        gap if lost else cell.item() if isinstance(cell, np.generic) else cell
        for cell, lost in zip(cells, missing, strict=True)
    ]


def _changed(own: nw.Series[Any], changed: Array, new: pd.Series) -> nw.Series[Any]:
    """A column of the user's with the cells written anew that have changed."""
    cells = zip(own.to_list(), _plain_cells(new, None), changed.tolist(), strict=True)
    return _like(own, [after if differs else before for before, after, differs in cells], new.dtype)


def _like(own: nw.Series[Any], values: list[Any], dtype: Any) -> nw.Series[Any]:
    """Cells as a column of the user's dtype; in what the library infers where that does not hold them.

    `dtype` is that of pandas: its categories are the levels, in their order, of a column that has such.
    """
    levels = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else None
    for like in (own.to_native(), None):
        try:
            column = _made(own, own.name, values, like, levels)
        except Exception:  # each library has errors of its own for a cell that does not fit
            continue
        if all(a == b or (a != a and b != b) for a, b in zip(column.to_list(), values, strict=True)):
            return column
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    raise TypeError(
        f"column {own.name!r} of X holds {own.dtype}, but its answer has the types {', '.join(kinds)}, which no column "
        "of that library holds together. Pass the column in the type that it had at fit, or a table of pandas."
    )


def _made(of: Any, name: str, values: list[Any], like: Any = None, levels: list[Any] | None = None) -> nw.Series[Any]:
    """Cells as a column of the library that `of` is of: in the dtype of the library's column `like`, or inferred."""
    native: Any
    if of.implementation is _PYARROW:
        native = _arrow_array(values, like, levels)
    elif of.implementation.is_polars():
        import polars as pl

        dtype = pl.Enum(levels) if like is not None and isinstance(like.dtype, pl.Enum) and levels else None
        try:
            native = pl.Series(name, values, dtype=dtype or getattr(like, "dtype", None), strict=like is not None)
        except OverflowError:  # older versions take whole numbers to be signed ones, too
            if like is not None:
                raise
            native = pl.Series(name, values, dtype=pl.UInt64)
    else:
        dtype = None if like is None else nw.from_native(like, series_only=True).dtype
        return nw.new_series(name, values, dtype, backend=of.implementation)
    return nw.from_native(native, series_only=True).alias(name)


def _arrow_array(values: list[Any], like: Any, levels: list[Any] | None) -> Any:
    import pyarrow as pa

    if like is None or not pa.types.is_dictionary(like.type):
        try:
            return pa.chunked_array([pa.array(values, type=getattr(like, "type", None))])
        except OverflowError:  # Arrow takes whole numbers to be signed ones
            if like is not None:
                raise
            return pa.chunked_array([pa.array(values, type=pa.uint64())])
    known = levels if levels is not None else list(dict.fromkeys(value for value in values if value is not None))
    place = {level: code for code, level in enumerate(known)}
    codes = pa.array([None if value is None else place[value] for value in values], like.type.index_type)
    labels = pa.array(known, like.type.value_type)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, labels, ordered=like.type.ordered)])


def _joined(columns: list[nw.Series[Any]]) -> Any:
    """Columns side by side, as a table of their own library."""
    return columns[0].to_frame().with_columns(*columns[1:]).to_native()
