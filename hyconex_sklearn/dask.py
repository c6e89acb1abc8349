"""Predictions and counterfactuals of a Dask DataFrame, partition by partition, on as many machines as Dask has.

Each partition is asked about by itself, on one torch thread: Dask runs as many at a time as it has workers. The model
is one task of its own, so that it travels to each worker once.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._answer.counterfactuals import Counterfactuals
from ._answer.report import build_report
from ._common.parameters import SEARCHES, check_query
from ._common.runtime import thread_limit
from ._pipeline.counterfactuals import counterfactuals as ask
from ._pipeline.counterfactuals import final_classifier
from ._rules.actionability import EVERYDAY, Actionability
from ._rules.compile import compile_rules
from ._table.cells import free_name, values_differ
from ._table.check_input import target_numbers
from ._table.column_io import own_cells, write_cells
from ._table.schema import Column

__all__ = ["counterfactuals", "predict_proba"]


def predict_proba(estimator: Any, ddf: Any) -> Any:
    """Return calibrated class probabilities of the rows of a Dask DataFrame.

    Parameters
    ----------
    estimator : fitted HyConExClassifier, Pipeline, GridSearchCV or other search
        What `hyconex_sklearn.counterfactuals` takes.
    ddf : dask.dataframe.DataFrame
        Rows to classify, with the columns that `estimator` was fitted to. Partitions may be empty.

    Returns
    -------
    dask.dataframe.DataFrame
        Lazy. One float32 column for each class, named by `classes_`; index, partitions and divisions of `ddf`.

    Raises
    ------
    ImportError
        If dask is not installed (extra ``dask``).
    NotFittedError, TypeError, ValueError
        Before anything is computed: if `estimator` can't be asked, `ddf` is none, or it has other columns. What only
        its cells can tell is raised where they are computed.
    """
    _check(estimator, ddf)
    promised = pd.DataFrame(columns=pd.Index(estimator.classes_), index=ddf._meta.index[:0], dtype=np.float32)
    return _mapped(ddf, _probabilities, _Question(estimator, promised))


def counterfactuals(estimator: Any, ddf: Any, **kwargs: Any) -> Any:
    """Return the counterfactuals of the rows of a Dask DataFrame.

    Each row gets the answer that it gets from `hyconex_sklearn.counterfactuals` in one table.

    Parameters
    ----------
    estimator : fitted HyConExClassifier, Pipeline, GridSearchCV or other search
        What `hyconex_sklearn.counterfactuals` takes.
    ddf : dask.dataframe.DataFrame
        Rows to explain, with the columns that `estimator` was fitted to. Columns of categories have to be known
        (``ddf.categorize()``); partitions may be empty.
    **kwargs
        Passed to `estimator`'s ``counterfactuals``: rules, `target`, `search`, ..., each the same for all rows. A
        function for `repair` gets the rows of one partition at a time.

    Returns
    -------
    dask.dataframe.DataFrame
        Lazy. The columns of ``Counterfactuals.to_frame()``, report and counterfactual rows side by side, in the order
        of `ddf`. The index tells the value of the explained row in the index of `ddf`, and ``row`` its position in the
        whole of it. Partitions and divisions are those of `ddf`, and so are the dtypes; only a column that can't hold
        all that an answer may say (a float in a column of integers, a category that it lacks) is widened, everywhere.

    Raises
    ------
    ImportError
        If dask is not installed (extra ``dask``).
    NotFittedError, TypeError, ValueError
        Before anything is computed: if `estimator` can't be asked, `ddf` is none, has other columns or unknown
        categories, a rule is malformed or speaks of each row by itself. Rules for a pipeline are read against its
        steps, and rules on the range of a column against each row, where partitions are computed.

    Notes
    -----
    To number the rows, the lengths of all partitions before it are needed for each: of a single partition of the
    answer, those are read, too.
    """
    _check(estimator, ddf)
    _check_rules(estimator, ddf._meta, kwargs)
    _check_categories(ddf)
    promised = _promised(estimator, ddf)
    answers = _mapped(ddf, _answers, _Question(estimator, promised, kwargs))
    lengths = ddf.map_partitions(_length, meta=pd.Series([0]), enforce_metadata=False, clear_divisions=True)
    first = lengths.cumsum() - lengths
    name = free_name("row", set(ddf.columns))
    return answers.map_partitions(_numbered, first, name, meta=promised, align_dataframes=False)


# ------------------------------------------------------------------------------------------------ before the work


def _check(estimator: Any, ddf: Any) -> None:
    """Raise where rows of `ddf` can't be what `estimator` was fitted to."""
    try:
        from dask.dataframe import DataFrame
    except ImportError as error:
        raise ImportError(
            f"hyconex_sklearn.dask needs {error.name}, which is not installed. Install what it takes with "
            "pip install 'hyconex-sklearn[dask]'."
        ) from error
    if not isinstance(ddf, DataFrame):
        raise TypeError(
            f"ddf is of type {type(ddf).__name__}; expected a Dask DataFrame. Make one of a table in memory with "
            "dask.dataframe.from_pandas(X, npartitions=8), or ask about it without Dask."
        )
    final = final_classifier(estimator)
    check_is_fitted(final)
    if final is estimator:
        final._codec.encode(ddf._meta)  # no rows, but all columns


def _check_rules(estimator: Any, meta: pd.DataFrame, asked: dict[str, Any]) -> None:
    """Raise where a question is wrong whatever the rows."""
    final = final_classifier(estimator)
    inspect.signature(final.counterfactuals).bind(meta, **asked)
    check_query(asked.get("search", SEARCHES[0]), asked.get("n_counterfactuals", 1))
    rules = Actionability.merged(asked.get("actionability"), **{name: asked.get(name) for name in EVERYDAY})
    target = asked.get("target")
    _refuse_row_by_row(rules, target)
    if target is not None and target != "second":
        target_numbers(target, 1, final.classes_)
    if final is estimator:
        compile_rules(rules, final._codec.schema, final._codec.numbers(meta), final._codec.encode(meta))


def _refuse_row_by_row(rules: Actionability, target: Any) -> None:
    by_row = {
        "target": np.ndim(target) > 0,
        "immutable": rules.immutable_kind == "cells",
        "bounds": any(isinstance(side, tuple) for ends in (rules.bounds or {}).values() for side in ends),
    }
    named = [name for name, found in by_row.items() if found]
    if named:
        raise ValueError(
            f"{', '.join(named)} says something else of each row, but the rows of a Dask DataFrame are not counted "
            "before they are computed. Say one thing for all rows, and ask about groups of rows by themselves: "
            "ddf[ddf[column] == value]."
        )


def _check_categories(ddf: Any) -> None:
    unknown = [
        name for name, dtype in ddf.dtypes.items() if isinstance(dtype, pd.CategoricalDtype) and not ddf[name].cat.known
    ]
    if unknown:
        raise ValueError(
            f"The categories of {unknown!r} are not known before the partitions are computed, so that the answers' "
            f"are not. Use ddf.categorize(columns={unknown!r}), or ddf.astype() with a CategoricalDtype or 'string'."
        )


def _promised(estimator: Any, ddf: Any) -> pd.DataFrame:
    """Return the empty frame whose columns, dtypes and index those of every partition of the answer are."""
    final, meta = final_classifier(estimator), ddf._meta.iloc[:0]
    if final is estimator:
        meta = meta.astype(_roomy_dtypes(final._codec, ddf._meta_nonempty))
    none = np.empty(0)
    found = Counterfactuals(
        data=meta,
        original=meta,
        report=_example_report(final.classes_).iloc[:0],
        feature_names=list(meta.columns),
        probability_before=none,
        prediction_before=none,
    )
    return found.to_frame().set_index(meta.index)


def _example_report(classes: np.ndarray) -> pd.DataFrame:
    """Return a report with a line for each class: dtypes of labels depend on what they are."""
    number, zero = np.arange(len(classes)), np.zeros(len(classes))
    no = zero.astype(bool)
    names = ("probability", "support", "log_density")
    flags = ("plausible", "sure", "feasible", "already", "fewer")
    return build_report(
        rows=number,
        target=number,
        rank=number,
        prediction=number,
        classes=classes,
        moved=zero[:, None],
        n_changed=number,
        **dict.fromkeys(names, zero),
        **dict.fromkeys(flags, no),
    )


def _roomy_dtypes(codec: Any, example: pd.DataFrame) -> dict[Any, Any]:
    """Return the dtypes of a table's columns, widened where an answer may say what they can't hold."""
    places = zip(codec.schema.columns, codec.match(example), strict=True)
    return {example.columns[j]: _roomy_dtype(column, example, j) for column, j in places}


def _roomy_dtype(column: Column, example: pd.DataFrame, j: int) -> Any:
    said = _range_of(column)
    cells = own_cells(example.iloc[np.zeros(len(said), dtype=int)], j)
    return write_cells(cells, np.arange(len(said)), said, column.categories).dtype if len(said) else cells.dtype


def _range_of(column: Column) -> np.ndarray:
    """Return what answers may say in a column: all labels, or numbers that need as much room as any of them."""
    if column.kind == "constant":
        return np.empty(0)
    if column.categories:
        labels = [label for label in column.categories if label is not None]
        said = np.empty(len(labels), dtype=object)
        said[:] = labels
        return said
    whole = column.decimals is not None and column.decimals <= 0
    return np.array([column.lower, column.upper] + ([] if whole else [np.floor(column.lower) + 0.5]))


# ------------------------------------------------------------------------------------------------------ on workers


@dataclass(frozen=True)
class _Question:
    """All that a worker is told beside the rows; it travels as one."""

    estimator: Any
    promised: pd.DataFrame  # no rows: what the answer looks like
    asked: dict[str, Any] | None = None


def _mapped(ddf: Any, function: Any, question: _Question) -> Any:
    """Return `function` of each partition and the question, lazily."""
    from dask.delayed import delayed

    return ddf.map_partitions(function, delayed(question, traverse=False), meta=question.promised)


def _probabilities(part: pd.DataFrame, question: _Question) -> pd.DataFrame:
    if not len(part):
        return question.promised.set_axis(part.index)
    with thread_limit(1):
        probability = question.estimator.predict_proba(part)
    return pd.DataFrame(probability, index=part.index, columns=question.promised.columns, dtype=np.float32)


def _answers(part: pd.DataFrame, question: _Question) -> pd.DataFrame:
    """Return the answers to one partition; rows are counted from its first one."""
    if not len(part):
        return question.promised.set_axis(part.index)
    with thread_limit(1):
        found = ask(question.estimator, part, **(question.asked or {}))
    frame = found.to_frame().set_axis(part.index.take(found.report["row"].to_numpy()))
    return _as_promised(frame, question.promised)


def _as_promised(frame: pd.DataFrame, promised: pd.DataFrame) -> pd.DataFrame:
    """Return the frame in the promised dtypes; raise where a cell would be lost."""
    cast = frame.astype(promised.dtypes.to_dict())
    for name in frame:
        before, after = frame[name], cast[name]
        if before.dtype != after.dtype and values_differ(before, after).any():
            raise ValueError(
                f"Column {name!r} of an answer has dtype {before.dtype}, which would lose values as the {after.dtype} "
                "that the Dask DataFrame promises. Give ddf the dtypes that its partitions have: ddf.astype(...)."
            )
    return cast


def _length(part: pd.DataFrame) -> pd.Series:
    return pd.Series([len(part)])


def _numbered(answers: pd.DataFrame, first: pd.Series, name: str) -> pd.DataFrame:
    """Count the rows from the first one of all."""
    return answers.assign(**{name: answers[name] + int(first.iloc[0])})
