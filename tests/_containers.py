"""The tables of the tests in the containers that users have: polars and Arrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa


def polars_of(X: pd.DataFrame) -> pl.DataFrame:
    """The table in polars: gaps are nulls, ordered categories an Enum."""
    return pl.DataFrame([_series(X.iloc[:, j]) for j in range(X.shape[1])])


def _series(column: pd.Series) -> pl.Series:
    dtype = pl.Enum(list(column.cat.categories)) if isinstance(column.dtype, pd.CategoricalDtype) else None
    return pl.Series(str(column.name), _cells(column), dtype=dtype)


def arrow_of(X: pd.DataFrame) -> pa.Table:
    """The table in Arrow: gaps are nulls, ordered categories a dictionary that says so."""
    return pa.table({str(X.columns[j]): _array(X.iloc[:, j]) for j in range(X.shape[1])})


def _array(column: pd.Series) -> Any:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pa.array(_cells(column))
    codes = [None if code < 0 else code for code in column.cat.codes.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), list(column.cat.categories), ordered=True)


def _cells(column: pd.Series) -> list[Any]:
    return [None if pd.isna(cell) else cell for cell in column.tolist()]


CONTAINERS: dict[str, Callable[[pd.DataFrame], Any]] = {"polars": polars_of, "arrow": arrow_of}


def columns_of(table: Any) -> dict[str, list[Any]]:
    """The cells of a table of either, as plain Python, by column."""
    return table.to_pydict() if isinstance(table, pa.Table) else table.to_dict(as_series=False)


def types_of(table: Any) -> list[Any]:
    """The type of each column."""
    return list(table.schema.types) if isinstance(table, pa.Table) else list(table.dtypes)
