"""Counterfactual tables and the user's own function in, repaired tables out; the function becomes part of the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._table.cells import Array, cells_differ, framed, objects_of, values_differ
from .._table.codec import TableCodec, rows_of
from .._table.column_io import missing_cells, read_labels, read_numbers, widened
from .._table.containers import read_table
from .feasible_set import FeasibleSet
from .table_rules import TableRules

Repair = Callable[[pd.DataFrame], pd.DataFrame]
_NO_ORDERS: Mapping[int, tuple[Any, ...]] = {}


def apply_repair(
    repair: Repair, table: Any, names: list[Any], orders: Mapping[int, tuple[Any, ...]] = _NO_ORDERS
) -> Any:
    """Return the repaired table, of the same container, columns and rows; dtypes are kept where values allow it.

    `orders` are the labels of columns, by position, in their order. The function gets rows 0, 1, ..., and what it
    returns is matched by these labels. Anything but a DataFrame of the same columns and rows is a TypeError or
    ValueError.
    """
    given = table.reset_index(drop=True) if isinstance(table, pd.DataFrame) else framed(table)
    given.columns = table.columns if isinstance(table, pd.DataFrame) else pd.Index(names)
    repaired = _matched(read_table(repair(given.copy()), "what repair returned"), given)
    if not isinstance(table, pd.DataFrame):
        array = repaired.to_numpy(dtype=object if table.dtype.kind in "OU" else None)
        if table.dtype.kind == "U" and all(isinstance(cell, str) for cell in array.flat):
            return array.astype(np.result_type(array.astype(str), table))  # a dtype that cuts no new label
        return _as_before(pd.Series(array.ravel()), table.dtype).to_numpy().reshape(table.shape)
    for j, dtype in enumerate(table.dtypes):
        if repaired.dtypes.iloc[j] != dtype:
            repaired.isetitem(j, _as_before(repaired.iloc[:, j], dtype, orders.get(j, ())).array)
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


def _as_before(column: pd.Series, dtype: Any, order: tuple[Any, ...] = ()) -> pd.Series:
    """The column in its old dtype, if that can hold its values; labels that old categories lack are added to them."""
    if isinstance(dtype, pd.CategoricalDtype):
        labels = objects_of(column)
        met = dict.fromkeys(labels[~missing_cells(labels)].tolist())
        lacking = [label for label in met if label not in dtype.categories]
        wider = pd.CategoricalDtype(widened(dtype, lacking, order), dtype.ordered) if lacking else dtype
        return pd.Series(pd.Categorical(labels, dtype=wider), index=column.index)
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError):
        return column
    return column if values_differ(cast, column).any() else cast


def _known(codec: TableCodec, j: int, table: Any) -> Array:
    """Which cells of column j hold what the fit can have seen there, bool (m,): the model knows nothing of others.

    That is a label, or the one value, that it saw, a whole number where all were, and a gap where there was one.
    """
    column, cells = codec.schema.columns[j], codec.cells(table, j)
    if column.categories:
        codes, labels = read_labels(cells, column.name)
        seen = {*column.categories, *column.rare}
        gaps = column.has_missing_level or column.missing is not None
        return np.array([*(label in seen for label in labels), gaps])[codes]
    if column.kind == "constant" and column.decimals is None:  # nothing but gaps
        return missing_cells(cells)
    numbers = read_numbers(cells, column.name)
    gone = np.isnan(numbers)
    if column.kind == "constant":
        return numbers == column.lower
    whole = column.kind != "integer" or numbers == np.rint(numbers)
    return np.where(gone, column.missing is not None, whole)


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

    @cached_property
    def orders(self) -> dict[int, tuple[Any, ...]]:
        """The labels of each column of the table, by position, in the order of the fit."""
        place = self.read.codec.match(self.table)
        return {int(at): column.categories for at, column in zip(place, self.schema.columns, strict=True)}

    def settle(self, Z: Array, reference: Array) -> tuple[Array, Array]:
        """As `FeasibleSet.settle`, then repaired and encoded again; rows whose repair breaks another rule disobey."""
        settled, _ = super().settle(Z, reference)
        decoded = self.read.codec.decode(settled, self.table, self.rows, reference)
        _, again, good = self.repaired(self.read.exactly(decoded, rows_of(self.table, self.rows)), reference)
        return np.where(good[:, None], again, settled), good

    def repaired(self, table: Any, reference: Array) -> tuple[Any, Array, Array]:
        """The repaired rows of a table, encoded again, and which of them obey the other rules, to the last bit."""
        repaired, codec, original = self._applied(table), self.read.codec, rows_of(self.table, self.rows)
        again = codec.encode(repaired, warn_unseen=False)
        good = self.obeyed(again, reference, codec.numbers(repaired)) & self.read.obeyed(repaired, original, self.rows)
        changed = cells_differ(original, repaired)[:, codec.match(repaired)]
        for j in np.flatnonzero(changed.any(axis=0)).tolist():
            good &= ~changed[:, j] | _known(codec, j, repaired)
        return repaired, again, good

    def untouched(self, table: Any) -> Array:
        """Which rows of a table the function leaves as they are, bool (m,)."""
        return ~np.any(cells_differ(table, self._applied(table)), axis=1)

    def _applied(self, table: Any) -> Any:
        repair: Any = self.read.said.repair
        return apply_repair(repair, table, list(self.schema.feature_names), self.orders)


def repaired_where(asked: Array, data: Any, original: Any, rules: RepairedSet, reference: Array) -> tuple[Any, Array]:
    """The repaired rows of a table, and where the function broke another rule: bool (m,).

    There, and where it was not `asked` (m,), stands the query row.
    """
    repaired, _, good = rules.repaired(data, reference)
    good &= asked
    if not isinstance(original, pd.DataFrame):
        return np.where(good[:, None], repaired, original), asked & ~good
    for j, dtype in enumerate(original.dtypes):
        before, after = (table.iloc[:, j].reset_index(drop=True) for table in (original, repaired))
        if after.dtype == dtype:
            repaired.isetitem(j, after.where(good, before).array)
        elif (~good).any():  # what made it another dtype may be gone
            cells = np.where(good, objects_of(after), objects_of(before))
            written = _as_before(pd.Series(cells, dtype=object), after.dtype, rules.orders[j])
            repaired.isetitem(j, _as_before(written, dtype, rules.orders[j]).array)
    return repaired, asked & ~good
