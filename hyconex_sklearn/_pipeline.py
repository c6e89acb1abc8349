"""Counterfactuals of a pipeline or a search, mapped back to the units of the table that went in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder

from ._cells import Table, cells_differ, take_rows, values_differ
from ._ranges import ranges_before
from ._result import Counterfactuals
from ._translation import Translation, translate

Step = tuple[str, Any]

_IMPUTERS = {"SimpleImputer", "KNNImputer", "IterativeImputer"}  # by name: the last is behind an experimental import
_ROUND_TRIP = 1e-9  # rows that transform back to within this distance are the rows that the classifier certified


def counterfactuals(estimator: Any, X: Any, **kwargs: Any) -> Counterfactuals:
    """Return the counterfactuals of a classifier, a pipeline that ends in one, or a search over either.

    The rows of `X` go through the transformers, the final classifier is asked, and its answer is mapped back through
    the inverse of every transformer. Cells that do not change are copied from `X` itself. Rounding on the way back
    (whole numbers, hard categories) can move a row, so the flags of the report are computed again from the rows that
    are returned.

    Parameters
    ----------
    estimator : fitted classifier, Pipeline, GridSearchCV, RandomizedSearchCV or other search
        Has to end in a classifier with a ``counterfactuals`` method, such as ``HyConExClassifier``.
    X : DataFrame or array-like of shape (n, d)
        The rows to explain, as `estimator` takes them in ``predict``.
    **kwargs
        Passed to the final classifier's ``counterfactuals``. Rules (``immutable``, ``bounds``, ..., ``actionability``)
        speak of the columns of `X`, in its order and units, and are told to the classifier in those behind the steps:

        - ``immutable`` freezes whatever the steps make of a column (a whole one-hot block, say).
        - ``bounds`` and ``monotonic_cst`` need a column that becomes one column of its own, by a map that only rises
          or only falls; ``relations`` one by a straight line.
        - ``allowed_categories``, ``allowed_transitions`` and rules on ordered labels need labels that the steps leave
          as they are.
        - ``feature_weights`` go to all columns made of a column, and of no other; ``max_changes`` needs every column
          to become one column of its own.
        - ``repair`` needs steps that leave the whole table as it is.

        Whether a row is feasible is judged by its own cells, against the rules as they are given here.

    Returns
    -------
    Counterfactuals
        ``data`` and ``original`` in the container, units, dtypes and categories of `X`. ``n_changed`` counts columns
        of `X`; distances are those of the final classifier.

    Raises
    ------
    TypeError
        If there is no classifier with ``counterfactuals`` at the end.
    ValueError
        If a step cannot be inverted; the message names it. If a rule cannot be told to the final classifier; the
        message names rule and column. Raised before any search.

    Examples
    --------
    Small, with few epochs, for a quick look:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from hyconex_sklearn import HyConExClassifier, counterfactuals
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> quick = {"flow_epochs": 20, "pretrain_epochs": 20, "joint_epochs": 20, "hidden_size": 32}
    >>> pipe = make_pipeline(StandardScaler(), HyConExClassifier(**quick, random_state=0)).fit(X, y)
    >>> cf = counterfactuals(pipe, X[:1], target=1, immutable=["sepal width (cm)"])
    >>> cf.data["sepal width (cm)"].tolist(), X["sepal width (cm)"][:1].tolist()
    ([3.5], [3.5])
    >>> cf.report["prediction"].tolist()
    [1]
    """
    steps, final = _unwrap(estimator)
    if not steps:
        return final.counterfactuals(X, **kwargs)
    X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension(s); expected a table of shape (n, d). Give a DataFrame or 2-d array."
        )
    tables = _transform(steps, X)

    def back(rows: np.ndarray, changed: Table) -> Table:
        return _map_back(steps, [take_rows(table, rows) for table in tables], changed)

    back(np.arange(1), tables[-1][:1])  # a step without inverse is reported before the search spends any time
    told = translate(kwargs, X, tables[-1], lambda table: _transform(steps, table)[-1], back)
    found = told.ask(final, tables[-1])
    rows = found.report["row"].to_numpy()
    original = take_rows(X, rows)
    data = told.settled(back(rows, found.data), original, rows)
    ranges = ranges_before(found.ranges, tables[-1], X, back)
    return _certified(steps, final, found, original, data, tables[-1], told, ranges)


def final_classifier(estimator: Any) -> Any:
    """The classifier at the end of a pipeline or search, or the estimator itself."""
    return _unwrap(estimator)[1]


def behind_steps(estimator: Any, X: Table) -> tuple[Any, Table, list[Any]]:
    """The classifier at the end, the rows of `X` as it gets them, and the names of its columns."""
    steps, final = _unwrap(estimator)
    table = _transform(steps, X)[-1]
    if isinstance(table, pd.DataFrame):
        return final, table, list(table.columns)
    names = list(getattr(final, "feature_names_in_", [f"x{j}" for j in range(table.shape[1])]))
    told = X.columns.to_numpy(dtype=object) if isinstance(X, pd.DataFrame) else None
    for _, step in steps:
        if not _is_identity(step):
            try:
                told = step.get_feature_names_out(told)
            except Exception:  # somebody else's transformer may lack it, or raise anything
                return final, table, names
    return final, table, list(told) if told is not None and len(told) == len(names) else names


def _unwrap(estimator: Any) -> tuple[list[Step], Any]:
    """Transformers in order, and the classifier at the end that explains itself."""
    estimator = _thaw(estimator)
    if hasattr(estimator, "best_estimator_"):
        return _unwrap(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        last, final = estimator.steps[-1]
        if final is None or final == "passthrough":
            raise TypeError(f"The pipeline's last step {last!r} is 'passthrough'; expected a classifier.")
        steps, final = _unwrap(final)
        return [*estimator.steps[:-1], *steps], final
    if callable(getattr(estimator, "counterfactuals", None)):
        return [], estimator
    if hasattr(estimator, "refit") and hasattr(estimator, "estimator"):
        raise NotFittedError(f"{_kind(estimator)} has no best_estimator_; call fit first, with refit=True.")
    raise TypeError(_no_counterfactuals(estimator))


def _no_counterfactuals(estimator: Any) -> str:
    got = f"{_kind(estimator)} has no method counterfactuals"
    if hasattr(estimator, "predict") and (hasattr(estimator, "estimator") or hasattr(estimator, "estimators")):
        return (
            f"{got}: it wraps other classifiers and predicts by a rule of its own, so a counterfactual of one of them "
            "need not be one of the whole. Ask the inner classifier itself, or fit a HyConExClassifier without wrapper."
        )
    return f"{got}; expected a fitted HyConExClassifier, a Pipeline that ends in one, or a search such as GridSearchCV."


def _transform(steps: Sequence[Step], X: Table) -> list[Table]:
    """The table before each step, and after the last one: len(steps) + 1 tables of n rows."""
    tables: list[Table] = [X]
    current: Any = X
    for _, step in steps:
        if not (step is None or isinstance(step, str)):  # "passthrough"
            current = step.transform(current)
        tables.append(current.toarray() if hasattr(current, "toarray") else current)
    return tables


def _map_back(steps: Sequence[Step], tables: Sequence[Table], changed: Table) -> Table:
    """The rows `changed` after the last step, in the units of ``tables[0]``; all tables have the rows of `changed`."""
    for (name, step), before, after in zip(reversed(steps), reversed(tables[:-1]), reversed(tables[1:]), strict=True):
        changed = _invert_step(name, step, before, after, changed)
    return changed


def _invert_step(name: str, step: Any, before: Table, after: Table, changed: Table) -> Table:
    """One step back: `before` with the cells replaced whose inverse differs between `after` and `changed`."""
    step = _thaw(step)
    if isinstance(step, ColumnTransformer):
        return _invert_columns(name, step, before, after, changed)
    if isinstance(step, Pipeline):
        return _map_back(_named(name, step.steps), _transform(step.steps, before), changed)
    if any(base.__name__ in _IMPUTERS for base in type(step).__mro__):
        return _invert_imputer(step, before, after, changed)
    width = before.shape[1]
    was, now = _inverse(name, step, after, width), _inverse(name, step, changed, width)
    return _replace(before, np.arange(width), now, _clearly_differ(was, now))


def _invert_columns(name: str, step: ColumnTransformer, before: Table, after: Table, changed: Table) -> Table:
    """A ColumnTransformer back, block by block; dropped columns stay as they are in `before`."""
    result, taken = before, np.zeros(before.shape, dtype=bool)
    for block, transformer, columns in step.transformers_:
        here = step.output_indices_[block]
        if here.start == here.stop:  # "drop", or nothing selected
            continue
        places = _column_positions(columns, before)
        inner = _select(before, places)
        mapped = _invert_step(f"{name}__{block}", transformer, inner, _select(after, here), _select(changed, here))
        fresh = cells_differ(inner, mapped) & ~taken[:, places]  # a column in two blocks: the first change counts
        taken[:, places] |= fresh
        result = _replace(result, places, mapped, fresh)
    return result


def _invert_imputer(step: Any, before: Table, after: Table, changed: Table) -> Table:
    """An imputer back: values pass through; a filled gap that did not change is a gap again."""
    names = list(getattr(step, "feature_names_in_", [f"x{j}" for j in range(before.shape[1])]))
    made = [(names.index(name), k) for k, name in enumerate(step.get_feature_names_out()) if name in names]
    places, kept = np.array([j for j, _ in made], dtype=int), np.array([k for _, k in made], dtype=int)
    values = _select(changed, kept)
    return _replace(before, places, values, cells_differ(_select(after, kept), values))


def _inverse(name: str, step: Any, table: Table, width: int) -> Table:
    """The inverse of one transformer, shape (m, width); a ValueError that names the step where there is none."""
    if _is_identity(step):
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
        result = step.inverse_transform(table.copy())  # some inverses write into what they are given
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
    text = isinstance(table, np.ndarray) and table.dtype.kind == "U"
    result = table.astype(object) if text else table.copy()  # text arrays have a fixed width and would cut new labels
    for k in np.flatnonzero(mask.any(axis=0)):
        j, values = int(places[k]), _select(source, [k])
        column = _write(_series(result, j), mask[:, k], _series(values, 0).to_numpy(dtype=object))
        if isinstance(result, pd.DataFrame):
            result.isetitem(j, column.array)
        else:
            result[:, j] = column.to_numpy()
    return result.astype(str) if text else result


def _write(column: pd.Series, mask: np.ndarray, values: np.ndarray) -> pd.Series:
    """`column` with `values` where `mask` holds, in its own dtype; what that dtype cannot say leaves the cell alone."""
    mask = mask & np.array([value is not None for value in values])
    kind = _value_kind(column)
    if kind in ("boolean", "integer", "floating"):
        numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        mask = mask & np.isfinite(numbers)
        cells = _numbers_as(column.dtype, kind, numbers[mask])
    elif kind == "categorical":
        column, cells = _labels_as(column, values[mask])
    else:
        cells = values[mask]
    result = column.copy()
    result.iloc[np.flatnonzero(mask)] = cells
    return result


def _value_kind(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "categorical"
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if column.dtype != object and pd.api.types.is_float_dtype(column.dtype):
        return "floating"  # an empty or all-missing column infers as nothing
    return "floating" if kind == "mixed-integer-float" else kind


def _numbers_as(dtype: Any, kind: str, numbers: np.ndarray) -> np.ndarray:
    """Finite numbers in the dtype of a column: truth values by 0.5, whole numbers rounded and clipped to the dtype."""
    native = getattr(dtype, "numpy_dtype", dtype)
    if kind == "boolean":
        return (numbers >= 0.5).astype(native)
    if kind == "floating":
        return numbers.astype(native)
    if native.kind == "O":
        return np.array([round(number) for number in numbers], dtype=object)
    limits = np.iinfo(native)
    return np.clip(np.rint(numbers), limits.min, limits.max).astype(native)


def _labels_as(column: pd.Series, labels: np.ndarray) -> tuple[pd.Series, np.ndarray]:
    """Labels for a categorical column: the nearest of numeric categories; unknown text becomes a new category."""
    categories = column.cat.categories
    if pd.api.types.is_numeric_dtype(categories.dtype) and not pd.api.types.is_bool_dtype(categories.dtype):
        known = categories.to_numpy(dtype=float)
        distance = np.abs(labels.astype(float)[:, None] - known)  # (changed cells, categories)
        return column, categories.to_numpy()[distance.argmin(axis=1)]
    missing = [label for label in pd.unique(labels) if not pd.isna(label) and label not in categories]
    return column.cat.add_categories(missing), labels


def _clearly_differ(before: Table, after: Table) -> np.ndarray:
    """Cells that differ by more than the rounding noise of an inverse, shape (m, d)."""
    differ = cells_differ(before, after)
    for j in np.flatnonzero(differ.any(axis=0)).tolist():
        left, right = _series(before, j), _series(after, j)
        if all(pd.api.types.is_float_dtype(column.dtype) for column in (left, right)):
            differ[:, j] &= ~np.isclose(_floats(left), _floats(right), rtol=_ROUND_TRIP, atol=0.0)
    return differ


def _certified(
    steps: Sequence[Step],
    final: Any,
    found: Counterfactuals,
    original: Table,
    data: Table,
    asked: Table,
    told: Translation,
    ranges: np.ndarray | None,
) -> Counterfactuals:
    """The result in the units of the user's table, its flags computed from the rows that are returned."""
    report, again = found.report, _transform(steps, data)[-1]
    if told.rules is not None or _moved(found.data, again):
        report = told.judged(final._certify_rows(again, report, asked, **told.certifying), data, original)
    return Counterfactuals(
        data=data,
        original=original,
        report=report.assign(n_changed=cells_differ(original, data).sum(axis=1)),
        feature_names=list(data.columns) if isinstance(data, pd.DataFrame) else [f"x{j}" for j in range(data.shape[1])],
        probability_before=found.probability_before,
        prediction_before=found.prediction_before,
        ranges=ranges,
    )


def _moved(certified: Table, again: Table) -> bool:
    for j in range(certified.shape[1]):
        left, right = _series(certified, j), _series(again, j)
        if all(pd.api.types.is_numeric_dtype(column.dtype) for column in (left, right)):
            if not np.allclose(_floats(left), _floats(right), rtol=_ROUND_TRIP, atol=_ROUND_TRIP, equal_nan=True):
                return True
        elif values_differ(left, right).any():
            return True
    return False


def _thaw(estimator: Any) -> Any:
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def _is_identity(step: Any) -> bool:
    if isinstance(step, FunctionTransformer):
        return step.func is None and step.inverse_func is None
    return step is None or (isinstance(step, str) and step == "passthrough")


def _has_inverse(step: Any) -> bool:
    if isinstance(step, FunctionTransformer):  # without inverse_func its inverse_transform silently changes nothing
        return step.inverse_func is not None
    return hasattr(step, "inverse_transform")


def _no_inverse(name: str, step: Any, why: str) -> str:
    return (
        f"Step {name!r} ({_kind(step)}) cannot be inverted: {why}. Counterfactuals in the units of X need an inverse "
        "of every step. Use a transformer with inverse_transform (for a FunctionTransformer, give inverse_func), or "
        "ask the final classifier about transformed rows: pipeline[-1].counterfactuals(pipeline[:-1].transform(X))."
    )


def _named(prefix: str, steps: Sequence[Step]) -> list[Step]:
    return [(f"{prefix}__{name}", step) for name, step in steps]


def _column_positions(columns: Any, table: Table) -> np.ndarray:
    """Positions of a ColumnTransformer's columns, given as one or many names or positions, a slice or a mask."""
    names = table.columns if isinstance(table, pd.DataFrame) else None
    positions = pd.Series(np.arange(table.shape[1]), index=names)
    if isinstance(columns, slice):
        named = isinstance(columns.start, str) or isinstance(columns.stop, str)
        return (positions.loc[columns] if named else positions.iloc[columns]).to_numpy()
    keys = np.atleast_1d(np.asarray(columns)).tolist()
    return (positions.loc[keys] if keys and isinstance(keys[0], str) else positions.iloc[keys]).to_numpy()


def _select(table: Table, columns: Any) -> Table:
    return table.iloc[:, columns] if isinstance(table, pd.DataFrame) else table[:, columns]


def _series(table: Table, j: int) -> pd.Series:
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, j]
    return pd.Series(table[:, j], dtype=object if table.dtype.kind in "OU" else table.dtype)


def _floats(table: Table | pd.Series) -> np.ndarray:
    if isinstance(table, np.ndarray):
        return table.astype(float)
    return table.to_numpy(dtype=float, na_value=np.nan)


def _equals(column: np.ndarray, code: float) -> np.ndarray:
    return np.isnan(column) if pd.isna(code) else column == code


def _kind(estimator: Any) -> str:
    return type(estimator).__name__
