"""The tables of storms in other containers: polars, Arrow, rows as lists; and how answers in them are looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from hyconex_sklearn._table.containers import read_table
from hyconex_sklearn._table.rows import with_types


def _polars_series(name: Any, column: pd.Series) -> pl.Series:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return pl.Series(name, column.to_numpy())
    dtype = None
    if isinstance(column.dtype, pd.CategoricalDtype):
        dtype = pl.Enum(column.cat.categories) if column.cat.ordered else pl.Categorical
    return pl.Series(name, _cells(column), dtype=dtype, strict=True)


def _arrow_array(column: pd.Series) -> Any:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pa.array(_cells(column))
    codes = [None if code < 0 else code for code in column.cat.codes.tolist()]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int8()), pa.array(list(column.cat.categories)), ordered=column.cat.ordered
    )


def _cells(column: pd.Series) -> list[Any]:
    return [None if pd.isna(cell) is True else cell for cell in column.astype(object).tolist()]


def _in_polars(X: pd.DataFrame) -> Any:
    return pl.DataFrame([_polars_series(name, X.iloc[:, j]) for j, name in enumerate(X.columns)])


def _in_arrow(X: pd.DataFrame) -> Any:
    table = pa.table([_arrow_array(X.iloc[:, j]) for j in range(X.shape[1])], names=list(X.columns))
    return pa.concat_tables([table[:7], table[7:]])  # in two pieces, as those that are read from files


HOLDERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda X: X,
    "polars": _in_polars,
    "Arrow": _in_arrow,
    "rows": lambda X: X.astype(object).to_numpy().tolist(),
}


def held(X: Any, container: str) -> Any:
    """A table of pandas in another container; as it is where that can't hold it, and where it is none of pandas."""
    named = isinstance(X, pd.DataFrame) and X.columns.is_unique and all(type(n) is str for n in X.columns)
    if not isinstance(X, pd.DataFrame) or (container in ("polars", "Arrow") and not named):
        return X
    try:
        table = HOLDERS[container](X)
    # Cells or names that this library refuses; each has errors of its own, and polars one that is no Exception.
    except (Exception, pl.exceptions.PanicException):
        return X
    return table if container == "rows" or list(looked_at(table).columns) == list(X.columns) else X


def looked_at(table: Any) -> Any:
    """A table of any container as one of pandas or an array, as the checks compare them."""
    return np.asarray(with_types(table)) if isinstance(table, list) else read_table(table)


def check_container(answer: Any, X: Any, same_kind: bool) -> None:
    """An answer to a table of polars or Arrow is one, with its columns; with its types where it is as at fit."""
    if isinstance(X, pl.DataFrame | pa.Table):
        assert type(answer) is type(X)
        ours, own = ({f.name: f.type for f in t.schema} if isinstance(t, pa.Table) else t.schema for t in (answer, X))
        assert list(ours) == list(own)
        exact = [name for name, dtype in own.items() if str(dtype).lower().startswith("decimal")]  # of fixed digits
        assert not same_kind or all(ours[name] == own[name] for name in own if name not in exact)
