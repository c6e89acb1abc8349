"""Counterfactual tables and the user's own function in, repaired tables out; the function becomes part of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from .._table.cells import Array
from .._table.codec import rows_of
from .feasible_set import FeasibleSet
from .table_rules import TableRules

Repair = Callable[[pd.DataFrame], pd.DataFrame]


def apply_repair(repair: Repair, table: Any, names: list[Any]) -> Any:
    """Return the repaired table, of the same container, columns and rows; dtypes are kept where values allow it.

    The function gets rows 0, 1, ..., and what it returns is matched by these labels. Anything but a DataFrame of the
    same columns and rows is a TypeError or ValueError.
    """
    given = table.reset_index(drop=True) if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    given.columns = table.columns if isinstance(table, pd.DataFrame) else pd.Index(names)
    repaired = _matched(repair(given.copy()), given)
    if not isinstance(table, pd.DataFrame):
        array = repaired.to_numpy(dtype=object if table.dtype.kind in "OU" else None)
        if table.dtype.kind == "U" and all(isinstance(cell, str) for cell in array.flat):
            return array.astype(np.result_type(array.astype(str), table))  # a dtype that cuts no new label
        return _as_before(pd.Series(array.ravel()), table.dtype).to_numpy().reshape(table.shape)
    for j, dtype in enumerate(table.dtypes):
        if repaired.dtypes.iloc[j] != dtype:
            repaired.isetitem(j, _as_before(repaired.iloc[:, j], dtype).array)
    return repaired.set_axis(table.index)


def _matched(repaired: Any, given: pd.DataFrame) -> pd.DataFrame:
    """What the function returned, its rows and columns in the order in which they were given."""
    if not isinstance(repaired, pd.DataFrame):
        raise TypeError(
            f"repair must return a DataFrame, got {type(repaired).__name__}. Return the table that it was given, with "
            "some cells changed."
        )
    if len(repaired) != len(given) or list(repaired.columns) != list(given.columns):
        raise ValueError(
            f"repair must keep rows and columns: it was given {len(given)} rows of {list(given.columns)}, and returned "
            f"{len(repaired)} rows of {list(repaired.columns)}. Change cells only."
        )
    place = repaired.index.get_indexer(given.index) if repaired.index.is_unique else np.array([-1])
    if (place < 0).any():
        raise ValueError(
            f"repair must keep the labels of the rows, by which they are matched: it was given {_ends(given.index)}, "
            f"and returned {_ends(repaired.index)}. Leave the index as it is; the order of the rows is free."
        )
    return repaired.iloc[place].copy()


def _ends(index: pd.Index) -> str:
    return f"{index[0]!r} to {index[-1]!r}"


def _as_before(column: pd.Series, dtype: Any) -> pd.Series:
    """The column in its old dtype, if that can hold its values."""
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError):
        return column
    same = (cast == column) | (cast.isna() & column.isna())
    return cast if bool(same.all()) else column


@dataclass(frozen=True)
class RepairedSet(FeasibleSet):
    """A `FeasibleSet` whose rows also go through the user's function, before they are judged."""

    PER_ROW = (*FeasibleSet.PER_ROW, "rows")

    read: TableRules
    table: Any  # the query table, a DataFrame or an array
    rows: Array  # row of the table that each query row is (n,)

    @classmethod
    def of(cls, rules: FeasibleSet, read: TableRules, table: Any) -> RepairedSet:
        """Add the function to the rules for all rows of a table; raise where it returns no such table."""
        parts = {part.name: getattr(rules, part.name) for part in fields(FeasibleSet)} | {"trivial": False}
        made = cls(**parts, read=read, table=table, rows=np.arange(len(table)))
        made._applied(table)
        return made

    def settle(self, Z: Array, reference: Array) -> tuple[Array, Array]:
        """As `FeasibleSet.settle`, then repaired and encoded again; rows whose repair breaks another rule disobey."""
        settled, _ = super().settle(Z, reference)
        _, again, good = self.repaired(self.read.codec.decode(settled, self.table, self.rows, reference), reference)
        return np.where(good[:, None], again, settled), good

    def repaired(self, table: Any, reference: Array) -> tuple[Any, Array, Array]:
        """The repaired rows of a table, encoded again, and which of them obey the other rules, to the last bit."""
        repaired = self._applied(table)
        again = self.read.codec.encode(repaired, warn_unseen=False)
        good = self.obeyed(again, reference, self.read.codec.numbers(repaired))
        return repaired, again, good & self.read.obeyed(repaired, rows_of(self.table, self.rows), self.rows)

    def _applied(self, table: Any) -> Any:
        repair: Any = self.read.said.repair
        return apply_repair(repair, table, list(self.schema.feature_names))


def repaired_where(asked: Array, data: Any, original: Any, rules: RepairedSet, reference: Array) -> tuple[Any, Array]:
    """The repaired rows of a table, and where the function broke another rule: bool (m,).

    There, and where it was not `asked` (m,), stands the query row.
    """
    repaired, _, good = rules.repaired(data, reference)
    good &= asked
    if not isinstance(original, pd.DataFrame):
        return np.where(good[:, None], repaired, original), asked & ~good
    for j in range(repaired.shape[1]):
        before, after = (table.iloc[:, j].reset_index(drop=True) for table in (original, repaired))
        repaired.isetitem(j, after.where(good, before).array)
    return repaired, asked & ~good
