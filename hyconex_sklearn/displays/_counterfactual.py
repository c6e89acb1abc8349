"""Pictures of counterfactuals: one row and its alternatives, or many rows and what they have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._common.parameters import is_int
from .._pipeline.counterfactuals import counterfactuals as ask
from ._axes import AxesDisplay
from ._changes import shares
from ._many_rows import draw_shares
from ._one_row import draw_row
from ._rows import check_max_features, one_row


class CounterfactualDisplay(AxesDisplay):
    """What counterfactuals change: of one row in detail, of many rows in summary.

    One row: a panel for each counterfactual, side by side; a line for each column that one of them changes. A number
    moves on the range that fit has seen, from a circle to a triangle that points the way; other cells are told as old
    -> new. Dotted where the answer is not certified. Many rows: for each target, the share of the counterfactuals that
    change each column, by direction, and what is exchanged most often; the most often changed columns come first.

    Build it with :meth:`from_counterfactuals` or :meth:`from_estimator`.

    Parameters
    ----------
    counterfactuals : Counterfactuals
        What is drawn.
    row : int or None, default=None
        The row to draw, a value of ``report["row"]``; None draws all rows in summary, or the only one there is.
    max_features : int, default=15
        Most columns to draw; the rest is counted in a note.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    shares_ : DataFrame
        What a summary draws: columns ``target``, ``n`` (counterfactuals that count), ``feature``, ``up``, ``down``,
        ``other`` (shares of n), ``exchange`` (the most frequent of the other changes), the drawn ones first. Rows for
        which no answer was found, or which already are their target, do not count. Only where many rows are drawn.

    Notes
    -----
    Letters that matplotlib's font lacks (Chinese ones, say) show as boxes; name a font that has them in
    ``matplotlib.rcParams["font.family"]``.

    Examples
    --------
    >>> cf = clf.counterfactuals(X_test)  # doctest: +SKIP
    >>> CounterfactualDisplay.from_counterfactuals(cf, row=0)  # doctest: +SKIP
    >>> CounterfactualDisplay.from_counterfactuals(cf).figure_.savefig("all.png")  # doctest: +SKIP
    """

    shares_: pd.DataFrame

    def __init__(self, counterfactuals: Counterfactuals, *, row: int | None = None, max_features: int = 15) -> None:
        self.counterfactuals, self.row, self.max_features = counterfactuals, row, max_features

    @classmethod
    def from_counterfactuals(
        cls, counterfactuals: Counterfactuals, *, row: int | None = None, max_features: int = 15, ax: Any = None
    ) -> Self:
        """Draw a result.

        Parameters
        ----------
        counterfactuals : Counterfactuals
            Of :meth:`HyConExClassifier.counterfactuals` or :func:`counterfactuals`. Cut it first to draw a part:
            ``cf[cf.report["rank"] == 0]``.
        row : int or None, default=None
            The row to draw, a value of ``report["row"]``; None draws all rows in summary, or the only one there is.
        max_features : int, default=15
            Most columns to draw.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure of the size that the picture needs.

        Returns
        -------
        CounterfactualDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If there is nothing to draw, or no such row.
        """
        return cls(counterfactuals, row=row, max_features=max_features).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, row: int | None = None, max_features: int = 15, ax: Any = None, **query: Any
    ) -> Self:
        """Ask for counterfactuals and draw them.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline or search
            As :func:`counterfactuals` takes it.
        X : DataFrame or array-like of shape (n, d)
            The rows to explain.
        row : int or None, default=None
            Position of a row in X: only that one is asked about and drawn. None asks about all.
        max_features, ax : int, matplotlib Axes
            As in :meth:`from_counterfactuals`.
        **query
            Passed on, such as ``target`` or ``immutable``. With `row`, what is told for each row (an array of targets,
            say) has to be told for that row alone.

        Returns
        -------
        CounterfactualDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If the question can't be asked, or X has no such row.
        """
        if row is None:
            return cls.from_counterfactuals(ask(estimator, X, **query), max_features=max_features, ax=ax)
        one, row = one_row(X, row)
        cf = ask(estimator, one, **query)
        cf = replace(cf, report=cf.report.assign(row=row))._judged_by(cf._log_proba)
        return cls.from_counterfactuals(cf, row=row, max_features=max_features, ax=ax)

    def _draw(self, ax: Any) -> Any:
        cf = self._drawn()
        if self.row is not None or cf.report["row"].nunique() == 1:
            return draw_row(cf, self.max_features, ax)
        self.shares_ = shares(cf)
        return draw_shares(cf, self.shares_, self.max_features, ax)

    def _drawn(self) -> Counterfactuals:
        cf = self.counterfactuals
        if not isinstance(cf, Counterfactuals):
            raise TypeError(
                f"counterfactuals is a {type(cf).__name__}; expected what clf.counterfactuals(X) returns. To draw from "
                "an estimator and a table, use CounterfactualDisplay.from_estimator."
            )
        check_max_features(self.max_features)
        if not len(cf):
            raise ValueError("There is no counterfactual to draw; pass a result of at least one.")
        if self.row is None:
            return cf
        found = cf[(cf.report["row"] == self.row).to_numpy()]
        if not len(found) or not is_int(self.row):
            rows = cf.report["row"].unique().tolist()
            shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
            raise ValueError(f"There is no counterfactual of row {self.row!r}; the result has those of rows {shown}.")
        return found
