"""Rows behind the steps of a pipeline in, rows in the units of the table before them out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder

from .._table.cells import (
    Table,
    cells_differ,
    column_of,
    columns_at,
    hold_numbers,
    objects_of,
    take_rows,
    values_differ,
)
from .._table.column_io import as_held, numbers_in, own_cells, with_columns, write_cells
from .._table.containers import Kind, read_table

Step = tuple[str, Any]

_NUMBERS = ("boolean", "integer", "floating", "mixed-integer-float")  # in the words of pandas' infer_dtype
_IMPUTERS = {"SimpleImputer", "KNNImputer", "IterativeImputer"}  # by name: the last is behind an experimental import
_ROUND_TRIP = 1e-9  # rows that transform back to within this distance are the rows that the classifier certified


class Stage(NamedTuple):
    """A table before or after a step: as it is read here, and what it is made of for the steps."""

    table: Table
    kind: Kind

    def rows(self, rows: np.ndarray) -> Stage:
        """Some of its rows, by position."""
        return Stage(take_rows(self.table, rows), self.kind)

    def columns(self, places: Any) -> Stage:
        """Some of its columns, by position or by a slice of positions."""
        return Stage(columns_at(self.table, places), self.kind)


def transform_through(steps: Sequence[Step], X: Table, kind: Kind) -> list[Stage]:
    """The table before each step, and after the last one: len(steps) + 1 stages of n rows.

    The first step gets tables of the `kind` that the user has, each other one what the step before it gives.
    """
    stages = [Stage(X, kind)]
    current: Any = kind.written(X)
    for _, step in steps:
        if not is_skipped(step):
            current = step.transform(current)
        dense = current.toarray() if hasattr(current, "toarray") else current
        stages.append(Stage(read_table(dense, "what a step gives"), Kind.of(dense)))
    return stages


def as_they_are(steps: Sequence[Step]) -> list[Step]:
    """Shallow copies of fitted steps, for later: the steps themselves may be fitted again."""
    kept = [(name, copy.copy(step)) for name, step in steps]
    for _, step in kept:
        if isinstance(step, Pipeline):  # the only one here that fits its own parts where they are
            step.steps = as_they_are(step.steps)
    return kept


def map_back(steps: Sequence[Step], stages: Sequence[Stage], changed: Table) -> Table:
    """The rows `changed` after the last step, in the units of ``stages[0]``; all stages have the rows of `changed`."""
    for (name, step), before, after in zip(reversed(steps), reversed(stages[:-1]), reversed(stages[1:]), strict=True):
        changed = _invert_step(name, step, before, after, changed)
    return changed


def _invert_step(name: str, step: Any, before: Stage, after: Stage, changed: Table) -> Table:
    """One step back: `before` with the cells replaced whose inverse differs between `after` and `changed`."""
    step = thawed(step)
    if isinstance(step, ColumnTransformer):
        return _invert_columns(name, step, before, after, changed)
    if isinstance(step, Pipeline):
        inner = [(f"{name}__{own}", inside) for own, inside in step.steps]
        return map_back(inner, transform_through(inner, *before), changed)
    if any(base.__name__ in _IMPUTERS for base in type(step).__mro__):
        return _invert_imputer(step, before.table, after.table, changed)
    width = before.table.shape[1]
    was, now = _inverse(name, step, after, width), _inverse(name, step, after._replace(table=changed), width)
    return _replace(before.table, np.arange(width), now, _clearly_differ(was, now))


def _invert_columns(name: str, step: ColumnTransformer, before: Stage, after: Stage, changed: Table) -> Table:
    """A ColumnTransformer back, block by block; dropped columns stay as they are in `before`."""
    result, taken = before.table, np.zeros(before.table.shape, dtype=bool)
    for block, transformer, columns in step.transformers_:
        here = step.output_indices_[block]
        if here.start == here.stop:  # "drop", or nothing selected
            continue
        places = _column_positions(columns, before.table)
        inner = before.columns(places)
        mapped = _invert_step(f"{name}__{block}", transformer, inner, after.columns(here), columns_at(changed, here))
        fresh = cells_differ(inner.table, mapped) & ~taken[:, places]  # a column in two blocks: the first change counts
        taken[:, places] |= fresh
        result = _replace(result, places, mapped, fresh)
    return result


def _typed(block: Table) -> Table:
    """A block in the dtypes that it had beside no other: text in the same array makes objects of its numbers."""
    if isinstance(block, pd.DataFrame):
        return block.infer_objects()
    numbers = block.dtype == object and all(hold_numbers(column_of(block, k)) for k in range(block.shape[1]))
    return block.astype(np.float64) if numbers else block


def _invert_imputer(step: Any, before: Table, after: Table, changed: Table) -> Table:
    """An imputer back: values pass through; a filled gap that did not change is a gap again."""
    names = list(getattr(step, "feature_names_in_", [f"x{j}" for j in range(before.shape[1])]))
    made = [(names.index(name), k) for k, name in enumerate(step.get_feature_names_out()) if name in names]
    places, kept = np.array([j for j, _ in made], dtype=int), np.array([k for _, k in made], dtype=int)
    values = columns_at(changed, kept)
    return _replace(before, places, values, cells_differ(columns_at(after, kept), values))


def _inverse(name: str, step: Any, after: Stage, width: int) -> Table:
    """The inverse of one transformer, shape (m, width); a ValueError that names the step where there is none."""
    table = after.table
    if is_identity(step):
        return table
    if isinstance(step, OneHotEncoder):
        return _decode_one_hot(step, _floats(table))
    if isinstance(step, OrdinalEncoder):
        return _decode_ordinal(step, _floats(table))
    if not _has_inverse(step):
        raise ValueError(_no_inverse(name, step, "it has no inverse"))
    if isinstance(step, KBinsDiscretizer) and step.encode == "ordinal":
        table = np.clip(np.rint(_floats(table)), 0, step.n_bins_ - 1)  # the inverse would cut 1.9 down to bin 1
    try:
        # A copy: some inverses write into what they are given.
        result = read_table(step.inverse_transform(after.kind.written(_typed(table).copy())), "what an inverse gives")
    except Exception as error:  # somebody else's transformer may raise anything
        raise ValueError(_no_inverse(name, step, f"its inverse_transform failed: {error}")) from error
    if getattr(result, "shape", None) != (len(table), width):
        got = getattr(result, "shape", type(result).__name__)
        raise ValueError(_no_inverse(name, step, f"its inverse gave {got}, not a table of shape {(len(table), width)}"))
    return result.toarray() if hasattr(result, "toarray") else result


def _decode_one_hot(step: OneHotEncoder, codes: np.ndarray) -> np.ndarray:
    """Largest entry of every block, the dropped category counting as one minus the rest; None for an all-zero block."""
    decoded = np.empty((len(codes), len(step.categories_)), dtype=object)
    start = 0
    for j in range(decoded.shape[1]):
        labels, dropped = _encoded_labels(step, j)
        stop = start + len(labels) - (dropped is not None)
        block = codes[:, start:stop]
        if dropped is not None:
            block = np.insert(block, dropped, 1 - block.sum(axis=1), axis=1)
        decoded[:, j] = labels[block.argmax(axis=1)]
        decoded[~(block > 0).any(axis=1), j] = None
        start = stop
    return decoded


def _decode_ordinal(step: OrdinalEncoder, codes: np.ndarray) -> np.ndarray:
    """The category of the nearest code; None for the code of unknown categories."""
    decoded = np.empty(codes.shape, dtype=object)
    for j in range(codes.shape[1]):
        labels, _ = _encoded_labels(step, j)
        column, missing = codes[:, j], pd.isna(labels)
        nearest = np.clip(np.rint(np.nan_to_num(column)), 0, len(labels[~missing]) - 1).astype(int)
        decoded[:, j] = labels[~missing][nearest] if not missing.all() else None
        if missing.any():
            decoded[_equals(column, step.encoded_missing_value), j] = labels[missing][0]
        if step.handle_unknown == "use_encoded_value":
            decoded[_equals(column, step.unknown_value), j] = None
    return decoded


def _encoded_labels(step: OneHotEncoder | OrdinalEncoder, j: int) -> tuple[np.ndarray, int | None]:
    """Category that each code of column j stands for, and the position of the one that one-hot encoding drops.

    Rare categories share one code, the last; the first of them speaks for all.
    """
    labels = step.categories_[j].astype(object)
    grouped = getattr(step, "infrequent_categories_", None)
    seldom = [] if grouped is None or grouped[j] is None else list(grouped[j])
    rare = pd.Series(labels, dtype=object).isin(seldom).to_numpy()
    drop = getattr(step, "drop_idx_", None)
    position = None if drop is None or drop[j] is None else int(drop[j])
    if position is not None:
        position = int((~rare).sum()) if rare[position] else int((~rare[:position]).sum())
    return np.concatenate([labels[~rare], labels[rare][:1]]), position


def _replace(table: Table, places: np.ndarray, source: Table, mask: np.ndarray) -> Table:
    """A copy of `table` with ``source[:, k]`` written into column ``places[k]`` where ``mask[:, k]`` holds."""
    columns: dict[int, Any] = {}
    for k in np.flatnonzero(mask.any(axis=0)).tolist():
        j = int(places[k])
        columns[j] = _written(columns.get(j, own_cells(table, j)), mask[:, k], objects_of(column_of(source, k)))
    return with_columns(table.copy(), columns)


def _written(cells: Any, mask: np.ndarray, values: np.ndarray) -> Any:
    """A column with `values` (objects) where `mask` holds; what its dtype cannot say leaves the cell alone.

    Answers of the codec fit a column, or widen its dtype. What an inverse gives is some noise beside such a value: it
    is rounded and clipped to what a dtype of whole numbers holds, which is not widened for it.
    """
    fits = mask & np.array([value is not None for value in values])
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        labels = _nearest_labels(cells.categories, values[fits])
        # Labels that an ordered dtype lacks come behind its own.
        return write_cells(cells, np.flatnonzero(fits), labels, (*cells.categories, *pd.unique(labels)))
    if cells.dtype.kind in "mM" or isinstance(cells.dtype, pd.PeriodDtype | pd.IntervalDtype):  # `write_cells` can't
        column = pd.Series(cells, dtype=cells.dtype, copy=True)
        column.iloc[np.flatnonzero(fits)] = values[fits]
        return own_cells(column.to_frame(), 0)
    if kind in _NUMBERS or (cells.dtype != object and pd.api.types.is_float_dtype(cells.dtype)):
        numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        fits &= np.isfinite(numbers)
        values = as_held(cells, numbers)
    return write_cells(cells, np.flatnonzero(fits), values[fits])


def _nearest_labels(categories: pd.Index, labels: np.ndarray) -> np.ndarray:
    """Labels for a categorical column: the nearest of numeric categories, others as they are."""
    if not pd.api.types.is_numeric_dtype(categories.dtype) or pd.api.types.is_bool_dtype(categories.dtype):
        return labels
    distance = np.abs(labels.astype(float)[:, None] - categories.to_numpy(dtype=float))  # (changed cells, categories)
    return categories.to_numpy(dtype=object)[distance.argmin(axis=1)]


def _clearly_differ(before: Table, after: Table) -> np.ndarray:
    """Cells that differ by more than the rounding noise of an inverse, shape (m, d)."""
    differ = cells_differ(before, after)
    for j in np.flatnonzero(differ.any(axis=0)).tolist():
        if all(pd.api.types.is_float_dtype(column_of(table, j).dtype) for table in (before, after)):
            left, right = numbers_in(before, j), numbers_in(after, j)
            differ[:, j] &= ~np.isclose(left, right, rtol=_ROUND_TRIP, atol=0.0)
    return differ


def have_moved(certified: Table, again: Table) -> bool:
    for j in range(certified.shape[1]):
        left, right = column_of(certified, j), column_of(again, j)
        if all(pd.api.types.is_numeric_dtype(column.dtype) for column in (left, right)):
            before, after = numbers_in(certified, j), numbers_in(again, j)
            if not np.allclose(before, after, rtol=_ROUND_TRIP, atol=_ROUND_TRIP, equal_nan=True):
                return True
        elif values_differ(left, right).any():
            return True
    return False


def thawed(estimator: Any) -> Any:
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def is_identity(step: Any) -> bool:
    if isinstance(step, FunctionTransformer):
        return step.func is None and step.inverse_func is None
    return is_skipped(step)


def is_skipped(step: Any) -> bool:
    """Whether a pipeline leaves a step out when it predicts: "passthrough", and samplers, which are for `fit` only."""
    return step is None or isinstance(step, str) or hasattr(step, "fit_resample")


def _has_inverse(step: Any) -> bool:
    if isinstance(step, FunctionTransformer):  # without inverse_func its inverse_transform silently changes nothing
        return step.inverse_func is not None
    return hasattr(step, "inverse_transform")


def _no_inverse(name: str, step: Any, why: str) -> str:
    return (
        f"Step {name!r} ({type_name(step)}) cannot be inverted: {why}. Counterfactuals in the units of X need an "
        "inverse of every step. Use a transformer with inverse_transform (for a FunctionTransformer, give "
        "inverse_func), or ask the final classifier about transformed rows: "
        "pipeline[-1].counterfactuals(pipeline[:-1].transform(X))."
    )


def _column_positions(columns: Any, table: Table) -> np.ndarray:
    """Positions of a ColumnTransformer's columns, given as one or many names or positions, a slice or a mask."""
    names = table.columns if isinstance(table, pd.DataFrame) else None
    positions = pd.Series(np.arange(table.shape[1]), index=names)
    if isinstance(columns, slice):
        named = isinstance(columns.start, str) or isinstance(columns.stop, str)
        return (positions.loc[columns] if named else positions.iloc[columns]).to_numpy()
    keys = np.atleast_1d(np.asarray(columns)).tolist()
    return (positions.loc[keys] if keys and isinstance(keys[0], str) else positions.iloc[keys]).to_numpy()


def _floats(table: Table) -> np.ndarray:
    return table.to_numpy(dtype=float, na_value=np.nan) if isinstance(table, pd.DataFrame) else table.astype(float)


def _equals(column: np.ndarray, code: float) -> np.ndarray:
    return np.isnan(column) if pd.isna(code) else column == code


def type_name(estimator: Any) -> str:
    return type(estimator).__name__
