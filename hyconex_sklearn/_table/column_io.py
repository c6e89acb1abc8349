"""One column of a table: read as numbers or as labels, and written with new ones in its own dtype."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .cells import Array, names_of
from .check_input import cell_types, check_dtype, check_finite, text_in_numbers

Cells = Any  # one column of a table: a 1-d ndarray or a pandas extension array

# ------------------------------------------------------------------------------------------------------- reading


def own_cells(X: Any, j: int) -> Cells:
    """Column j of a table as it is: an ndarray, or a pandas extension array."""
    if isinstance(X, np.ndarray):
        return X[:, j]
    column = X.iloc[:, j]
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def dense_cells(X: Any, j: int) -> Cells:
    """Column j of a table as a dense one-dimensional array."""
    cells = own_cells(X, j)
    return cells.to_dense() if isinstance(cells.dtype, pd.SparseDtype) else cells


def missing_cells(cells: Cells) -> Array:
    """Which cells of a column are missing."""
    return np.asarray(pd.isna(cells), dtype=bool)


def kind_of(cells: Cells, name: Any, listed: bool) -> str:
    """How a column is encoded, constants aside.

    Parameters
    ----------
    cells : 1-d array
        The column.
    name : hashable
        Its name, for messages.
    listed : bool
        Whether the user called it categorical.
    """
    dtype = cells.dtype
    check_dtype(dtype, name)
    if isinstance(dtype, pd.CategoricalDtype):
        return "ordered" if dtype.ordered and not listed else "categorical"
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        return _kind_of_objects(cell_types(cells, missing_cells(cells), name), listed)
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if listed or not pd.api.types.is_numeric_dtype(dtype):
        return "categorical"
    return "integer" if pd.api.types.is_integer_dtype(dtype) else "numeric"


def _kind_of_objects(types: set[type], listed: bool) -> str:
    booleans = {found for found in types if issubclass(found, bool | np.bool_)}
    if types and booleans == types:
        return "boolean"
    if listed or booleans or any(issubclass(found, str) for found in types):
        return "categorical"
    return "integer" if types and all(issubclass(found, int | np.integer) for found in types) else "numeric"


def as_float64(numbers: Array) -> Array:
    """A copy of numbers in double precision; infinite where a long double is beyond it."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float64)


def read_numbers(cells: Cells, name: Any) -> Array:
    """Cells of a numeric column as float64, NaN where missing."""
    check_dtype(cells.dtype, name)
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        return as_float64(cells)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        levels = read_numbers(np.asarray(cells.categories, dtype=object), name)
        return np.append(levels, np.nan)[cells.codes]
    if not isinstance(cells, np.ndarray) and pd.api.types.is_numeric_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    missing, objects = missing_cells(cells), np.asarray(cells, dtype=object)
    if any(issubclass(found, str) for found in cell_types(objects, missing, name)):
        raise text_in_numbers(name, next(cell for cell in objects[~missing] if isinstance(cell, str)))
    values = np.full(len(objects), np.nan)
    try:
        values[~missing] = as_float64(objects[~missing])
    except OverflowError:  # a Python integer beyond float64
        values[~missing] = np.inf
    return values


def read_labels(cells: Cells, name: Any) -> tuple[Array, list[Any]]:
    """Code of each cell (-1 where missing) and the label of each code, as Python scalars."""
    check_dtype(cells.dtype, name)
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "O":
        cell_types(cells, missing_cells(cells), name)
    if isinstance(cells, np.ndarray) and not cells.dtype.isnative:  # pandas reads the machine's own byte order only
        cells = cells.astype(cells.dtype.newbyteorder("="))
    coded = isinstance(cells.dtype, pd.CategoricalDtype)
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is told as such
        codes, uniques = (cells.codes, cells.categories) if coded else pd.factorize(cells)
        labels = [_python_scalar(label) for label in uniques]
    floats = np.array([label if isinstance(label, float) else 0.0 for label in labels], dtype=np.float64)
    check_finite(floats[:, None], [name])
    # A nullable float column can hold NaN beside pd.NA: both are missing.
    if np.isnan(floats).any():
        codes = np.where(np.isin(codes, np.flatnonzero(np.isnan(floats))), -1, codes)
    return codes.astype(np.intp, copy=False), labels


def _python_scalar(label: Any) -> Any:
    if isinstance(label, np.longdouble):  # whose item() is itself
        return float(label)
    return label.item() if isinstance(label, np.generic) else label


def kind_in(table: Any, j: int) -> str:
    """Kind of column j, as a codec would have it; what a codec cannot hold counts as labels."""
    try:
        return kind_of(dense_cells(table, j), j, False)
    except (TypeError, ValueError):
        return "categorical"


def is_number(table: Any, j: int) -> bool:
    """Whether column j holds numbers."""
    return kind_in(table, j) in ("integer", "numeric")


def numbers_in(table: Any, j: int) -> Array:
    """Column j as float64, NaN where missing."""
    return read_numbers(dense_cells(table, j), names_of(table)[j])


def labels_in(table: Any, j: int) -> list[Any]:
    """Column j as plain Python, None where missing."""
    return labels_of(dense_cells(table, j), names_of(table)[j])


def labels_of(cells: Cells, name: Any) -> list[Any]:
    """The cells of a column as plain Python, None where missing."""
    codes, labels = read_labels(cells, name)
    return [None if code < 0 else labels[code] for code in codes]


# ------------------------------------------------------------------------------------------------------- writing


def as_held(cells: Cells, numbers: Array) -> Array:
    """Numbers as a column can hold them: truth values by 0.5, whole numbers rounded and clipped to its dtype."""
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if kind == "boolean":
        return (numbers >= 0.5).astype(object)
    if kind != "integer" and not pd.api.types.is_integer_dtype(cells.dtype):
        return numbers
    native = getattr(cells.dtype, "numpy_dtype", cells.dtype)
    whole = np.rint(numbers)
    return whole if native.kind == "O" else np.clip(whole, np.iinfo(native).min, np.iinfo(native).max)


def with_values(table: Any, j: int, values: Array, at: Array | None = None) -> Any:
    """A copy of a table with other numbers or labels in column j, in all rows or at some."""
    at = np.arange(len(table)) if at is None else at
    return with_columns(table.copy(), {j: write_cells(own_cells(table, j), at, values)})


def write_cells(cells: Cells, at: Array, new: Array, order: tuple[Any, ...] = ()) -> Cells:
    """A copy of a column with new numbers (NaN: missing) or labels (None: missing) at some rows.

    The column keeps its dtype if the new cells fit in, else it becomes the nearest dtype that holds them.

    Parameters
    ----------
    cells : 1-d array
        The column.
    at : int array of shape (k,)
        Rows to write.
    new : array of shape (k,)
        float64 numbers, or labels in an object array.
    order : tuple
        Labels in their order, where it matters: a label that an ordered dtype lacks is inserted in its place.
    """
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return _write_categories(cells, at, new, order)
    if isinstance(cells.dtype, pd.SparseDtype):
        dense = _write_numpy(np.asarray(cells.to_dense()), at, new)
        return pd.arrays.SparseArray(dense, fill_value=cells.fill_value)
    return _write_numpy(cells, at, new) if isinstance(cells, np.ndarray) else _write_extension(cells, at, new)


def with_columns(table: Any, columns: dict[int, Cells]) -> Any:
    """A table, which is lost, with some columns replaced; an array in the narrowest dtype that holds all of them."""
    if isinstance(table, pd.DataFrame):
        for j, cells in columns.items():
            # A Series keeps the dtype; a bare array of objects would have its dtype inferred anew.
            table.isetitem(j, pd.Series(cells, dtype=cells.dtype, index=table.index, copy=False))
        return table
    dtypes = {cells.dtype for cells in columns.values()} | {table.dtype}
    if len(dtypes) > 1:
        numeric = all(dtype.kind in "fiub" for dtype in dtypes)
        text = all(dtype.kind in "UT" for dtype in dtypes)
        table = table.astype(np.result_type(*dtypes) if numeric or text else object)
    for j, cells in columns.items():
        table[:, j] = cells
    return table


def _write_numpy(cells: Array, at: Array, new: Array) -> Array:
    if cells.dtype.kind == "O":
        return _put(cells, at, _in_own_type(cells, new), np.dtype(object))
    if cells.dtype.kind in "UT":
        if not _all_text(new):
            return _put(cells, at, new, np.dtype(object))
        text = new.astype(cells.dtype if cells.dtype.kind == "T" else str)
        return _put(cells, at, text, np.promote_types(cells.dtype, text.dtype))
    if cells.dtype.kind == "b" and missing_cells(new).any():
        return _put(cells, at, new, np.dtype(object))
    cast_to, last = (_exactly, object) if new.dtype == object else (_cast, np.float64)
    for dtype in (cells.dtype, np.dtype(np.int64), np.dtype(np.float64)):
        cast = cast_to(new, dtype)
        if cast is not None and np.can_cast(cells.dtype, dtype, "safe"):
            return _put(cells, at, cast, dtype)
    return _put(cells, at, new, np.dtype(last))


def _put(cells: Array, at: Array, new: Array, dtype: np.dtype[Any]) -> Array:
    out = np.array(cells, dtype=dtype)
    out[at] = new
    return out


def _exactly(labels: Array, dtype: np.dtype[Any]) -> Array | None:
    """Labels in a numeric dtype; None if they do not fit: a label that is rounded is another one."""
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if any(isinstance(label, int) and not low <= label <= high for label in labels):
            return None
    try:
        with np.errstate(all="ignore"):
            cast = labels.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return None
    return cast if ((cast.astype(object) == labels) | missing_cells(labels)).all() else None


def _cast(numbers: Array, dtype: np.dtype[Any]) -> Array | None:
    """Numbers in another dtype; None if they do not fit. Narrower floats may round, but not overflow."""
    numbers = _below_top(numbers, dtype)
    with np.errstate(all="ignore"):
        cast = numbers.astype(dtype)
    fits = np.isinf(cast) == np.isinf(numbers) if dtype.kind == "f" else cast == numbers
    return cast if fits.all() else None


def _below_top(numbers: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers for an integer dtype: the top of 64-bit integers is no float64, its neighbour below has to do."""
    top = np.iinfo(dtype).max if dtype.kind in "iu" else 0
    if float(top) == top:
        return numbers
    return np.where(numbers == float(top), np.nextafter(float(top), 0.0), numbers)


def _in_own_type(cells: Array, new: Array) -> Array:
    """New cells of an object column: labels as they are, numbers in the type of number that the column holds."""
    if new.dtype == object:
        return new
    types = set(map(type, cells[~missing_cells(cells)]))
    out = new.astype(object)
    if types and all(issubclass(found, Decimal) for found in types):
        out[:] = [Decimal(repr(float(number))) for number in new]
    elif types and all(issubclass(found, int | np.integer) for found in types):
        out[:] = [int(number) if float(number).is_integer() else float(number) for number in new]
    return out


def _all_text(labels: Array) -> bool:
    return all(issubclass(found, str) for found in set(map(type, labels)))


def _write_extension(cells: Any, at: Array, new: Array) -> Any:
    """Nullable, string and Arrow columns."""
    missing = missing_cells(new)
    is_text = not (pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_bool_dtype(cells.dtype))
    fits = missing.all() or is_text == _all_text(new[~missing])
    wider = () if is_text or not fits else ("Int64", "Float64")
    fresh = new.astype(object)
    fresh[missing] = None
    for dtype in (*((cells.dtype,) if fits else ()), *map(pd.api.types.pandas_dtype, wider)):
        if new.dtype != object and pd.api.types.is_integer_dtype(dtype):
            fresh[~missing] = _below_top(new, dtype.numpy_dtype)[~missing]
        try:
            with np.errstate(over="ignore"):
                out, values = cells.astype(dtype, copy=True), pd.array(fresh, dtype=dtype)
        except (TypeError, ValueError, OverflowError):
            continue
        if new.dtype == object and (values.astype(object)[~missing] != fresh[~missing]).any():
            continue  # a narrow float rounds, and a rounded label is another one
        out[at] = values
        if is_text or not np.isinf(out[at].to_numpy(dtype=np.float64, na_value=np.nan)).any():
            return out
    return _put(cells.astype(object), at, fresh, np.dtype(object))


def _write_categories(cells: Any, at: Array, new: Array, order: tuple[Any, ...]) -> Any:
    """Categories that the column's dtype lacks are added to it: at the end, or in their place if ordered."""
    lacking = [label for label in dict.fromkeys(new[~missing_cells(new)]) if label not in cells.categories]
    out = cells.set_categories(widened(cells.dtype, lacking, order)) if lacking else cells.copy()
    out[at] = new
    return out


def widened(dtype: pd.CategoricalDtype, lacking: Iterable[Any], order: tuple[Any, ...]) -> list[Any]:
    """Categories of a dtype with those that it lacks: at the end, or in their place of `order` if it is ordered."""
    categories = list(dtype.categories)
    for label in lacking:
        place = len(categories)
        if dtype.ordered:
            below = [known for known in order[: order.index(label)] if known in categories] if label in order else []
            place = categories.index(below[-1]) + 1 if below else 0
        categories.insert(place, label)
    return categories
