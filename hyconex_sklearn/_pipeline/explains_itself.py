"""What pipelines, Dask, pictures and the command line ask of a classifier beside its public methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._answer.report import example_report
from .._table.cells import Table
from .._table.schema import Column


class ExplainsItself(Protocol):
    """A fitted classifier that explains itself, as ``HyConExClassifier`` does; each caller needs some of it only."""

    def counterfactuals(self, X: Any, **query: Any) -> Counterfactuals:
        """Return the counterfactuals of a table."""

    def contributions(self, X: Table) -> tuple[np.ndarray, np.ndarray]:
        """Return what each column of X adds to the logit of each class (n, K, d), and the typical row's logits (K,)."""

    def _certify_rows(self, data: Table, report: pd.DataFrame, X: Table, **query: Any) -> pd.DataFrame:
        """Return `report` anew for rows `data` that came back changed; `X` and `query` are what was asked."""

    def _certifier(self, X: Table, **query: Any) -> Callable[[Table, np.ndarray, np.ndarray], np.ndarray]:
        """Return what tells of a table, numbers of rows of X and targets which of its rows are certified answers."""

    def _check_query(self, query: dict[str, Any], X: pd.DataFrame | None = None) -> None:
        """Raise where a query is wrong whatever the rows; given `X`, where its columns or the rules on them are."""

    def _answer_dtypes(self, X: pd.DataFrame) -> dict[Any, Any]:
        """Return the dtype of each column of X, widened where an answer may say what it can't hold."""

    @property
    def _columns(self) -> tuple[Column, ...]:
        """What fit has learned of each column."""


def explaining(final: Any, needed: str, why: str) -> ExplainsItself:
    """Return the classifier; raise where it has counterfactuals, but not the method that is needed of it."""
    if not callable(getattr(final, needed, None)):
        raise TypeError(
            f"{type(final).__name__} has a method counterfactuals, but none called {needed}, {why}. Use a "
            "HyConExClassifier, or ask the classifier itself about the rows as it takes them."
        )
    return cast(ExplainsItself, final)


def promised_report(final: Any) -> pd.DataFrame:
    """Return a report without lines, in the dtypes that all reports of a classifier have."""
    return example_report(final.classes_)
