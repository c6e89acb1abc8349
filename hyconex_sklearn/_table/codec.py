"""Mixed tables <-> float32 matrices: :class:`TableCodec`.

``encode`` turns a table into the matrix that the networks see, ``TableSchema.snap`` rounds a soft matrix to rows that a
user can hold, ``decode`` writes such rows in the table's own container, columns, dtypes, units and labels. A cell that
did not change is copied from the table itself, bit for bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .._common.messages import user_stacklevel
from .cells import Array, names_of, take_rows
from .check_input import check_finite, check_n_columns, check_unique_names, match_columns, resolve_categorical
from .column_io import Cells, as_float64, dense_cells, own_cells, read_labels, read_numbers, with_columns, write_cells
from .learn_column import fit_column
from .schema import Column, TableSchema
from .units import NumericMap

#: Cells that are held in double precision at a time while a table is encoded.
CELLS_AT_ONCE = 2_000_000
_MOST_PARTS = 12  # in which a table is encoded for a fit

#: Levels of cells that are missing, and of those whose label has none: places from the end of a list of all labels.
MISSING, UNSEEN = -1, -2
_FLOAT64 = np.dtype(np.float64)


class TableCodec:
    """Encoder and decoder of one kind of table; holds the schema and no training row.

    Labels are told apart as Python does: ``1``, ``1.0`` and ``True`` in one column are the same category, spelled as
    the first one met at fit. Columns listed in ``categorical_features`` are categorical; all others follow their
    dtype, since text, booleans and categories cannot be read as numbers anyway.

    Parameters
    ----------
    schema : TableSchema
        Columns, encoded positions and units; made by :meth:`fit`.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema

    @classmethod
    def fit(cls, X: Any, categorical_features: Any = "from_dtype") -> TableCodec:
        """Learn columns, labels, units and seen ranges of a table.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n, n_columns)
            Numbers, booleans, text, categories, nullable dtypes; NaN, None, ``pd.NA`` and ``NaT`` are missing.
        categorical_features : "from_dtype", None, or mask, indices or names
            Columns that are categorical whatever their dtype.
        """
        is_frame, names = isinstance(X, pd.DataFrame), names_of(X)
        check_unique_names(names)
        listed = resolve_categorical(categorical_features, X.shape[1], names if is_frame else ())
        columns: list[Column] = []
        start = 0
        for j, name in enumerate(names):
            columns.append(fit_column(dense_cells(X, j), name, start, listed is not None and bool(listed[j])))
            start = columns[-1].positions.stop
        container = "dataframe" if is_frame else "ndarray"
        return cls(TableSchema(tuple(columns), container, "" if is_frame else str(X.dtype), tuple(names)))

    # -------------------------------------------------------------------------------------------------- encoding

    def encode(self, X: Any, *, warn_unseen: bool = True) -> Array:
        """Encoded rows, a fresh C-contiguous float32 array of shape (n, d).

        Columns of a DataFrame are matched by name, in any order, if the fit saw a DataFrame, else by position.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n, n_columns)
            The table.
        warn_unseen : bool
            Whether categories that the fit did not see are told, one ``UserWarning`` per column.
        """
        order = self.match(X)
        Z = np.zeros((X.shape[0], self.schema.n_encoded), dtype=np.float32)
        self._encode_values(X, order, warn_unseen, Z)
        for column, j in zip(self.schema.columns, order, strict=True):
            if column.one_hot or (column.kind == "constant" and column.categories):
                level = _level_numbers(dense_cells(X, j), column, warn_unseen)
                if column.has_missing_level:
                    level[level == MISSING] = len(column.categories) - 1
                rows = np.flatnonzero(level >= 0)
                if column.one_hot:
                    Z[rows, column.start + level[rows]] = 1.0
            elif column.kind == "constant" and column.decimals is not None:
                check_finite(read_numbers(dense_cells(X, j), column.name)[:, None], [column.name])
        return Z

    def encoded_parts(self, X: Any) -> Iterator[tuple[slice, Array]]:
        """Slices of rows of a table, each with its encoded rows; categories that the fit did not see are not told.

        A dozen parts at most: each goes through all labels of a column anew.
        """
        n = X.shape[0]
        size = max(1, CELLS_AT_ONCE // X.shape[1], -(-n // _MOST_PARTS))
        for start in range(0, n, size):
            rows = slice(start, min(start + size, n))
            yield rows, self.encode(take_rows(X, rows), warn_unseen=False)

    def _encode_values(self, X: Any, order: Array, warn_unseen: bool, Z: Array) -> None:
        """Write numbers and missing indicators of all rows, some columns at a time: float64 takes room."""
        step = max(1, CELLS_AT_ONCE // max(1, len(Z)))
        for start in range(0, len(self.schema.value_columns), step):
            self._encode_slots(X, order, warn_unseen, np.s_[start : start + step], Z)

    def _encode_slots(self, X: Any, order: Array, warn_unseen: bool, slots: slice, Z: Array) -> None:
        schema, chosen = self.schema, self.schema.value_columns[slots]
        columns = [schema.columns[j] for j in chosen]
        values = self._read_values(X, order[chosen], columns, partial(_codes_of, warn_unseen=warn_unseen))
        check_finite(values, [column.name for column in columns])
        missing = np.isnan(values)
        if missing.any():
            np.copyto(values, np.array([column.fill for column in columns]), where=missing)
            for slot, column in enumerate(columns):
                if column.missing is not None:
                    Z[:, column.missing] = missing[:, slot]
        whole = len(columns) == len(schema.value_columns)
        units = schema.numeric_map if whole else NumericMap.of(columns)
        Z[:, schema.numeric_index[slots]] = units.forward(values)

    def _read_values(
        self, X: Any, order: Array, columns: list[Column], ranks: Callable[[Cells, Column], Array]
    ) -> Array:
        """Numbers (n, p) float64 in original units; `ranks` of ordered columns; NaN where missing."""
        dtypes = [X.dtype] * X.shape[1] if isinstance(X, np.ndarray) else X.dtypes.tolist()
        plain = [
            isinstance(dtypes[j], np.dtype) and dtypes[j].kind in "fiub" and column.kind != "ordered"
            for j, column in zip(order, columns, strict=True)
        ]
        if all(plain) and isinstance(X, np.ndarray):
            return as_float64(X[:, order])
        values = np.empty((X.shape[0], len(columns)), dtype=np.float64)
        if any(plain):
            source = order[plain]
            with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is told as such
                block = X[:, source] if isinstance(X, np.ndarray) else X.iloc[:, source].to_numpy(dtype=np.float64)
                values[:, plain] = block
        for slot, column in enumerate(columns):
            if plain[slot]:
                continue
            cells = dense_cells(X, order[slot])
            ordered = column.kind == "ordered"
            values[:, slot] = ranks(cells, column) if ordered else read_numbers(cells, column.name)
        return values

    def numbers(self, X: Any, slots: Any = np.s_[:]) -> Array:
        """Values of ``schema.value_columns``, float64 (n, p): original units, `ranks_of` if ordered, NaN if missing."""
        chosen = self.schema.value_columns[slots]
        return self._read_values(X, self.match(X)[chosen], [self.schema.columns[j] for j in chosen], ranks_of)

    def cells(self, X: Any, j: int) -> Cells:
        """The cells of column j of the schema in a table, dense."""
        return dense_cells(X, int(self.match(X)[j]))

    def levels(self, X: Any, j: int) -> Array:
        """Level number of each cell of column j of the schema; `MISSING` and `UNSEEN` are negative."""
        return _level_numbers(self.cells(X, j), self.schema.columns[j], warn_unseen=False)

    def match(self, X: Any) -> Array:
        """Where each column of the schema is in X."""
        if isinstance(X, pd.DataFrame) and self.schema.container == "dataframe":
            return match_columns(X.columns.tolist(), self.schema.feature_names)
        check_n_columns(X.shape[1], len(self.schema.columns))
        return np.arange(X.shape[1])

    # -------------------------------------------------------------------------------------------------- decoding

    def decode(self, Z: Array, X: Any, rows: Any = None, reference: Array | None = None) -> Any:
        """Encoded rows as a table of X's own kind; cells equal to the reference's are copied from X, bit for bit.

        Parameters
        ----------
        Z : array of shape (m, d)
            Encoded rows, usually snapped.
        X : ndarray or DataFrame
            The query table; never modified.
        rows : int array of shape (m,) or None
            Row of X that each encoded row is based on; None: row i of Z on row i of X.
        reference : array of shape (m, d) or None
            ``encode(X)[rows]``, if at hand.

        Returns
        -------
        ndarray or DataFrame with m rows
            Columns, column order, dtypes and row labels of X. Where a new value does not
            fit into a column's dtype, that column is widened.
        """
        rows = np.arange(len(Z)) if rows is None else rows
        if reference is None:
            reference = self.encode(X, warn_unseen=False)[rows]
        return self.rewrite(np.asarray(Z, dtype=np.float32), rows_of(X, rows), reference)

    def rewrite(self, Z: Array, taken: Any, reference: Array) -> Any:
        """Write what encoded rows `Z` (m, d) change of the `reference` (m, d) into a table of m rows, which is lost.

        Returns
        -------
        ndarray or DataFrame with m rows
            As of `decode`.
        """
        order, mask = self.match(taken), self.schema.changed(Z, reference)
        if isinstance(taken, np.ndarray) and taken.dtype.kind == "f" and self.schema.all_numbers:
            return self._decode_floats(Z, taken, mask, order)
        if type(taken) is pd.DataFrame and self.schema.all_numbers and set(taken.dtypes.tolist()) == {_FLOAT64}:
            values = self._decode_floats(Z, taken.to_numpy(copy=True), mask, order)
            table = pd.DataFrame(values, index=taken.index, columns=taken.columns, copy=False)
            table.attrs.update(taken.attrs)
            return table
        replaced = {
            int(order[j]): write_cells(own_cells(taken, order[j]), at, new, self.schema.columns[j].categories)
            for j, at, new in self._new_cells(Z, mask)
        }
        return with_columns(taken, replaced)

    def answer_dtypes(self, example: pd.DataFrame) -> dict[Any, Any]:
        """The dtypes of a table's columns, widened where decoded rows may say what they can't hold."""
        dtypes = {}
        for column, j in zip(self.schema.columns, self.match(example), strict=True):
            said = _sayings(column)
            cells = own_cells(example.iloc[np.zeros(len(said), dtype=int)], j)
            cells = write_cells(cells, np.arange(len(said)), said, column.categories) if len(said) else cells
            dtypes[example.columns[j]] = cells.dtype
        return dtypes

    def _decode_floats(self, Z: Array, taken: Array, mask: Array, order: Array) -> Array:
        """All columns at once, where all are numbers in a float array."""
        values, lost = self._values(Z)
        values[lost] = np.nan
        mask, at = mask[:, self.schema.value_columns], order[self.schema.value_columns]
        with np.errstate(over="ignore"):
            cast = values.astype(taken.dtype)
        if np.isinf(cast[mask]).any():  # a narrow float that the seen range exceeds
            taken, cast = taken.astype(np.float64), values
        taken[:, at] = np.where(mask, cast, taken[:, at])
        return taken

    def _values(self, Z: Array) -> tuple[Array, Array]:
        """Numbers (m, p) in original units, and where they are missing."""
        values = self.schema.numeric_map.inverse(Z[:, self.schema.numeric_index])
        lost = np.zeros(values.shape, dtype=bool)
        lost[:, self.schema.missing_slots] = Z[:, self.schema.missing_index] > 0.5
        return values, lost

    def _new_cells(self, Z: Array, mask: Array) -> Iterator[tuple[int, Array, Array]]:
        """For each table column that changes: its number, the changed rows, their new numbers or labels."""
        values, lost = self._values(Z)
        slots = {int(j): slot for slot, j in enumerate(self.schema.value_columns)}
        for j in np.flatnonzero(mask.any(axis=0)):
            column, at = self.schema.columns[j], np.flatnonzero(mask[:, j])
            if column.one_hot:
                block = Z[at, column.start : column.stop]
                level = np.where(block.any(axis=1), block.argmax(axis=1), MISSING)
                yield int(j), at, _labels_of(column, level)
            elif column.is_value:
                new, gone = values[at, slots[int(j)]], lost[at, slots[int(j)]]
                if column.kind == "ordered":
                    yield int(j), at, _labels_of(column, np.where(gone, MISSING, new.astype(np.intp)))
                else:
                    yield int(j), at, np.where(gone, np.nan, new)


def _sayings(column: Column) -> Array:
    """What decoded rows may say in a column: all labels, or numbers that need as much room as any of them."""
    if column.kind == "constant":
        return np.empty(0)
    if column.categories:
        return np.array([*column.categories[: -1 if column.has_missing_level else None]], dtype=object)
    whole = column.decimals is not None and column.decimals <= 0
    return np.array([column.lower, column.upper] + ([] if whole else [np.floor(column.lower) + 0.5]))


def rows_of(X: Any, rows: Array) -> Any:
    """A fresh table of some rows of X, (m,), by position; those of a DataFrame keep their labels."""
    return X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].copy()


# ---------------------------------------------------------------------------------------- labels and level numbers


def _level_numbers(cells: Cells, column: Column, warn_unseen: bool) -> Array:
    """Level number of each cell; -1 where missing, -2 where the label has no level."""
    codes, labels = read_labels(cells, column.name)
    known = {label: level for level, label in enumerate(column.categories) if label is not None}
    known.update(dict.fromkeys(column.rare, UNSEEN))
    level_of = [known.get(label) for label in labels]
    unseen = [code for code, level in enumerate(level_of) if level is None]
    if unseen and warn_unseen:
        met = np.bincount(codes[codes >= 0], minlength=len(labels))
        _warn_unseen(column, [labels[code] for code in unseen if met[code]])
    lookup = np.array([UNSEEN if level is None else level for level in level_of] + [MISSING], dtype=np.intp)
    return lookup[codes]


def _codes_of(cells: Cells, column: Column, warn_unseen: bool) -> Array:
    """What the cells of an ordered column are encoded as: ranks, NaN where missing."""
    level = _level_numbers(cells, column, warn_unseen)
    return np.where(level == UNSEEN, column.off_level, np.where(level == MISSING, np.nan, level))


def ranks_of(cells: Cells, column: Column) -> Array:
    """Rank of each cell of an ordered column (n,) among the labels of the fit; NaN where there is none.

    A label that the fit did not see is half a rank above the one that it follows in the order of the cells' own dtype;
    where that has no order, it has no rank.
    """
    codes, labels = read_labels(cells, column.name)
    known = {label: float(level) for level, label in enumerate(column.categories)}
    ranks = [known.get(label, np.nan) for label in labels]
    if getattr(cells.dtype, "ordered", False):
        below = -1.0
        for place, rank in enumerate(ranks):
            below = rank if rank == rank else below
            ranks[place] = rank if rank == rank else below + 0.5
    return np.array([*ranks, np.nan])[codes]


def _warn_unseen(column: Column, labels: list[Any]) -> None:
    if not labels:
        return
    shown = ", ".join(map(repr, labels[:3]))
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    effect = "as the median level" if column.kind == "ordered" else "as none of the known categories"
    warnings.warn(
        f"column {column.name!r} holds categories that were not seen at fit: {shown}{more}. They are treated {effect}; "
        "fit again if they matter.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


def _labels_of(column: Column, level: Array) -> Array:
    """Labels (object array) of level numbers; None where missing."""
    table = np.empty(len(column.categories) + 1, dtype=object)
    table[: len(column.categories)] = column.categories
    return table[level]  # -1 is the empty last place
