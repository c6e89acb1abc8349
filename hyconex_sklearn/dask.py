"""Predictions and counterfactuals of a Dask DataFrame, partition by partition, on as many machines as Dask has.

Each partition is asked about by itself, on one torch thread: Dask runs as many at a time as it has workers. The model
is one task of its own, so that it travels to each worker once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._common.runtime import thread_limit
from ._pipeline.counterfactuals import counterfactuals as ask
from ._pipeline.counterfactuals import final_classifier
from ._pipeline.explains_itself import explaining, promised_report
from ._pipeline.intervals import promised_intervals
from ._rules.actionability import Actionability
from ._table.cells import free_name, values_differ

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
    _check(estimator, ddf, {})
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
        Passed to `estimator`'s ``counterfactuals``: rules, `target`, `search`, `intervals`, ..., each the same for all
        rows. A function for `repair` gets the rows of one partition at a time.

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
    _check(estimator, ddf, kwargs)
    _check_categories(ddf)
    promised = _promised(estimator, ddf, kwargs.get("intervals") is not None)
    answers = _mapped(ddf, _answers, _Question(estimator, promised, kwargs))
    lengths = ddf.map_partitions(_length, meta=pd.Series([0]), enforce_metadata=False, clear_divisions=True)
    first = lengths.cumsum() - lengths
    name = free_name("row", set(ddf.columns))
    return answers.map_partitions(_numbered, first, name, meta=promised, align_dataframes=False)


# ------------------------------------------------------------------------------------------------ before the work


def _check(estimator: Any, ddf: Any, query: dict[str, Any]) -> None:
    """Raise where rows of `ddf` can't be what `estimator` was fitted to, or a query is wrong whatever the rows."""
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
    if final is estimator:
        explaining(final, "_check_query", "which checks a question before any partition is computed")
    check_is_fitted(final)
    _refuse_row_by_row(query)
    if hasattr(final, "_check_query"):  # behind steps, another classifier raises where it is asked
        final._check_query(query, ddf._meta if final is estimator else None)  # no rows, but all columns


def _refuse_row_by_row(query: dict[str, Any]) -> None:
    named = ["target"] if np.ndim(query.get("target", 0)) > 0 else []
    named += Actionability._in_query(query)._by_row
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


def _promised(estimator: Any, ddf: Any, intervals: bool) -> pd.DataFrame:
    """Return the empty frame whose columns, dtypes and index those of every partition of the answer are."""
    final, data = final_classifier(estimator), ddf._meta.iloc[:0]
    if final is estimator:
        data = data.astype(final._answer_dtypes(ddf._meta_nonempty))
    taken = set(data.columns)
    report = promised_report(final).rename(columns=lambda name: free_name(name, taken))
    if intervals:
        report = report.assign(**promised_intervals(final, final is estimator, ddf._meta_nonempty, taken))
    return pd.concat([report.set_axis(data.index), data], axis=1)


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
