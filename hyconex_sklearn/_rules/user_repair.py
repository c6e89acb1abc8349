"""Counterfactual tables and the user's own function in, repaired tables out; the function becomes part of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from .._table.cells import Array
from .._table.codec import TableCodec
from .feasible_set import FeasibleSet

Repair = Callable[[pd.DataFrame], pd.DataFrame]


def apply_repair(repair: Repair, table: Any, names: list[Any]) -> Any:
    """Return the repaired table, of the same container, columns and length; dtypes are kept where values allow it.

    A function that returns anything but a DataFrame of the same columns and length is a TypeError or ValueError.
    """
    given = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table, columns=pd.Index(names))
    repaired = repair(given.copy())
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
    if not isinstance(table, pd.DataFrame):
        array = repaired.to_numpy(dtype=object if table.dtype.kind in "OU" else None)
        if table.dtype.kind == "U" and all(isinstance(cell, str) for cell in array.flat):
            return array.astype(np.result_type(array.astype(str), table))  # a dtype that cuts no new label
        return _as_before(pd.Series(array.ravel()), table.dtype).to_numpy().reshape(table.shape)
    repaired = repaired.reset_index(drop=True)
    for j, dtype in enumerate(table.dtypes):
        if repaired.dtypes.iloc[j] != dtype:
            repaired.isetitem(j, _as_before(repaired.iloc[:, j], dtype).array)
    return repaired


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

    codec: TableCodec
    table: Any  # the query table, a DataFrame or an array
    rows: Array  # row of the table that each query row is (n,)
    repair: Repair

    @classmethod
    def of(cls, rules: FeasibleSet, codec: TableCodec, table: Any, repair: Repair) -> RepairedSet:
        """Add the function to the rules for all rows of a table; raise where it returns no such table."""
        apply_repair(repair, table, list(codec.schema.feature_names))
        parts = {part.name: getattr(rules, part.name) for part in fields(FeasibleSet)} | {"trivial": False}
        return cls(**parts, codec=codec, table=table, rows=np.arange(len(table)), repair=repair)

    def settle(self, Z: Array, reference: Array) -> tuple[Array, Array]:
        """As `FeasibleSet.settle`, then repaired and encoded again; rows whose repair breaks another rule disobey."""
        settled, _ = super().settle(Z, reference)
        _, again, good = self.repaired(self.codec.decode(settled, self.table, self.rows, reference), reference)
        return np.where(good[:, None], again, settled), good

    def repaired(self, table: Any, reference: Array) -> tuple[Any, Array, Array]:
        """The repaired rows of a table, encoded again, and which of them obey the other rules."""
        repaired = apply_repair(self.repair, table, list(self.schema.feature_names))
        again = self.codec.encode(repaired, warn_unseen=False)
        return repaired, again, self.obeyed(again, reference, self.codec.numbers(repaired))


def repaired_where(asked: Array, data: Any, original: Any, rules: RepairedSet, reference: Array) -> tuple[Any, Array]:
    """The repaired rows of a table, and where the function broke another rule: bool (m,).

    There, and where it was not `asked` (m,), stands the query row.
    """
    repaired, _, good = rules.repaired(data, reference)
    good &= asked & ~_rounded(repaired, original, rules)
    if not isinstance(original, pd.DataFrame):
        return np.where(good[:, None], repaired, original), asked & ~good
    for j in range(repaired.shape[1]):
        repaired.isetitem(j, repaired.iloc[:, j].where(good, original.iloc[:, j]).array)
    return repaired, asked & ~good


def _rounded(repaired: Any, original: Any, rules: RepairedSet) -> Array:
    """Rows (m,) with a frozen number that the function computed anew and hit but for its last bits.

    In encoded units it is the same number; in the user's hands it would be a frozen cell that changed.
    """
    before, after = (rules.codec.numbers(table) for table in (original, repaired))
    frozen = ~rules.movable[:, rules.schema.value_columns]
    return np.asarray((frozen & (before != after) & np.isclose(before, after, rtol=1e-9, atol=0.0)).any(axis=1))
