"""What all metrics share: tables of any origin side by side, in units of the training data, and checked first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._common.messages import listing
from .._table.cells import Array, cells_differ, framed, objects_of
from .._table.containers import read_table, rows_in

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")  # in the words of pandas' infer_dtype

# ------------------------------------------------------------------------------------------------------------ tables


def as_frame(table: Any, name: str) -> pd.DataFrame:
    """A table of any library as one of pandas, with rows 0, 1, ...; objects that are all numbers get their dtype."""
    table = read_table(table, name)
    if not isinstance(table, pd.DataFrame | np.ndarray) or table.ndim != 2:
        got = f"an array of shape {table.shape}" if isinstance(table, np.ndarray) else type(table).__name__
        raise TypeError(
            f"{name} must be a DataFrame or an array of shape (n, d), got {got}. Pass such a table, of pandas, polars "
            "or Arrow."
        )
    frame = framed(table).reset_index(drop=True)
    for j in range(frame.shape[1]):
        column = frame.iloc[:, j]
        if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in _NUMBERS:
            try:
                frame.isetitem(j, pd.to_numeric(column, errors="coerce").array)
            except OverflowError:  # whole numbers beyond float64, which can be labels only
                continue
    return frame


def aligned(**tables: Any) -> list[pd.DataFrame]:
    """Tables as frames, checked to have the same columns; all but ``X_train`` have the same number of rows, too."""
    frames = {name: as_frame(table, name) for name, table in tables.items()}
    (first, expected), *others = frames.items()
    for name, frame in others:
        check_columns(name, frame.columns, expected.columns, first)
        if name != "X_train":
            check_length(name, len(frame), len(expected), first)
    if "X_train" in frames and frames["X_train"].empty:
        raise ValueError("X_train has no rows or no columns. Pass the table that the classifier was fitted on.")
    return list(frames.values())


def check_columns(name: str, got: Iterable[Any], expected: Iterable[Any], other: str) -> None:
    """Raise where two tables don't have the same columns."""
    if list(got) != list(expected):
        raise ValueError(
            f"{name} has the columns {_listed(got)}, but {other} has {_listed(expected)}. Pass the same columns in the "
            "same order; those of an array are called 0, 1, ..."
        )


def check_length(name: str, got: int, expected: int, other: str) -> None:
    """Raise where something does not have one entry for each row."""
    if got != expected:
        raise ValueError(f"{name} has {got} rows, but {other} has {expected}. Pass one for each row of {other}.")


def labels_1d(values: Any, name: str, n: int, other: str) -> Array:
    """Labels as an array (n,)."""
    labels = np.asarray(values)
    if labels.ndim != 1:
        raise ValueError(f"{name} has shape {labels.shape}; expected one label for each row of {other}, shape ({n},).")
    check_length(name, len(labels), n, other)
    return labels


def check_option(name: str, value: Any, known: Iterable[str]) -> None:
    if value not in (known := list(known)):
        raise ValueError(f"{name} must be one of {_listed(known)}, got {value!r}. Choose one of them.")


def check_quantile(quantile: Any) -> None:
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must be a number in [0, 1], got {quantile!r}. Pass 0.25, for instance.")


def found_in(frame: pd.DataFrame) -> Array:
    """Rows (n,) that hold anything at all."""
    return np.asarray(frame.notna().any(axis=1), dtype=bool)


def placed(found: Array, values: Any, missing: Any = np.nan) -> Array:
    """Values of the rows that were found at their places among all n, ``missing`` at the others."""
    answer = np.full(len(found), missing, dtype=type(missing))
    answer[found] = values
    return answer


def same_labels(left: Array, right: Any) -> Array:
    """Entry by entry, whatever the dtypes: text never equals a number, and numpy is not asked to compare them."""
    return np.asarray(left.astype(object) == np.asarray(right, dtype=object), dtype=bool)


def predictions_of(predict: Callable[[Any], Any], X_cf: Any, found: Array) -> Array:
    """Predicted labels of the rows that were found; one call, and none where nothing was found."""
    predicted = np.asarray(predict(rows_in(X_cf, found)))
    if predicted.shape not in ((found.sum(),), (found.sum(), 1)):  # some libraries answer in a column
        raise ValueError(
            f"predict returned shape {predicted.shape} for {found.sum()} rows; expected ({found.sum()},). Pass a "
            "function that returns one class label for each row."
        )
    return predicted.ravel()


# ----------------------------------------------------------------------------------------------------- numbers, units


def number_columns(frame: pd.DataFrame) -> Array:
    """Which columns (d,) hold numbers; booleans don't."""
    is_bool, is_numeric = pd.api.types.is_bool_dtype, pd.api.types.is_numeric_dtype
    return np.array([is_numeric(dtype) and not is_bool(dtype) for dtype in frame.dtypes], dtype=bool)


def numbers_in(frame: pd.DataFrame, columns: Array) -> Array:
    """Some columns as float64 (n, p), NaN where missing."""
    values = [_numbers(frame.iloc[:, j]) for j in np.flatnonzero(columns).tolist()]
    return np.column_stack(values) if values else np.zeros((len(frame), 0))


def _numbers(column: pd.Series) -> Array:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=float, na_value=np.nan)
    cells = column.astype(object)
    cells = cells.where(~cells.map(lambda cell: isinstance(cell, str)))  # "3" is not 3, as everywhere in the package
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    lost = np.isnan(values) & column.notna().to_numpy()
    if lost.any():
        raise ValueError(
            f"column {column.name!r} holds {column[lost].iloc[0]!r}, but numbers in X_train. Pass numbers there."
        )
    return values


@dataclass(frozen=True)
class Units:
    """The columns of the training data: which are numbers, and over what range."""

    numbers: Array  # bool (d,)
    low: Array  # float (p,)
    span: Array  # float (p,), 1 for a constant column

    @classmethod
    def of(cls, train: pd.DataFrame) -> Units:
        numbers = number_columns(train)
        values = numbers_in(train, numbers)
        finite = np.isfinite(values)
        low = values.min(axis=0, where=finite, initial=np.inf)
        span = values.max(axis=0, where=finite, initial=-np.inf) - low
        return cls(numbers, np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(span) & (span > 0), span, 1.0))

    def differences(self, left: pd.DataFrame, right: pd.DataFrame) -> Array:
        """How far each cell is from its partner (n, d): numbers in min-max units, other cells 0 or 1."""
        differ = cells_differ(left, right)
        result = differ.astype(float)
        with np.errstate(invalid="ignore"):  # of infinite numbers
            apart = np.abs(numbers_in(left, self.numbers) - numbers_in(right, self.numbers)) / self.span
        # A missing number has no distance to a present one: it counts as a whole range.
        result[:, self.numbers] = np.where(differ[:, self.numbers], np.where(np.isnan(apart), 1.0, apart), 0.0)
        return result


# --------------------------------------------------------------------------------------------------- tables as arrays


class TableEncoder(TransformerMixin, BaseEstimator):
    """Numbers scaled to [0, 1] by the training data, everything else one-hot.

    A missing number takes the training mean; a missing category is a level of its own. All levels that the training
    data do not hold share one more position, so that such a cell is as far from every known level as these are from
    one another.

    Parameters
    ----------
    one_hot : float, default=1.0
        What stands for "yes". With sqrt(1/2), two different levels are at distance 1, as the ends of a range are.
    """

    def __init__(self, one_hot: float = 1.0) -> None:
        self.one_hot = one_hot

    def fit(self, X: Any, y: Any = None) -> Self:
        frame = as_frame(X, "X_train")
        self.columns_ = list(frame.columns)
        self.units_ = Units.of(frame)
        scaled = self._scaled(frame)
        here = np.isfinite(scaled)
        self.means_ = np.divide(scaled.sum(axis=0, where=here), np.maximum(here.sum(axis=0), 1))
        self.levels_ = [
            list(dict.fromkeys(labels_in(frame.iloc[:, j]))) for j in np.flatnonzero(~self.units_.numbers).tolist()
        ]
        return self

    def transform(self, X: Any) -> Array:
        check_is_fitted(self)
        frame = as_frame(X, "X")
        check_columns("X", frame.columns, self.columns_, "X_train")
        scaled = self._scaled(frame)
        blocks = [np.where(np.isfinite(scaled), scaled, self.means_)]
        for j, levels in zip(np.flatnonzero(~self.units_.numbers).tolist(), self.levels_, strict=True):
            place = {level: position for position, level in enumerate(levels)}
            codes = [place.get(label, len(levels)) for label in labels_in(frame.iloc[:, j])]
            blocks.append(self.one_hot * np.eye(len(levels) + 1)[codes])
        return np.hstack(blocks)

    def _scaled(self, frame: pd.DataFrame) -> Array:
        return (numbers_in(frame, self.units_.numbers) - self.units_.low) / self.units_.span


def labels_in(column: Any) -> list[Hashable]:
    """The cells of a column as plain Python, None where missing."""
    cells = zip(objects_of(column), column.isna().to_numpy(), strict=True)
    return [None if lost else _plain(cell) for cell, lost in cells]


def _plain(cell: Any) -> Hashable:
    return cell.item() if isinstance(cell, np.generic) else cell


def _listed(items: Iterable[Any]) -> str:
    return listing([_plain(item) for item in items], 12)
