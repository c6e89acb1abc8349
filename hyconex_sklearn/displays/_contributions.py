"""The picture of what a prediction rests on: what each column adds to it, from the typical row on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import KW_ONLY, dataclass
from textwrap import wrap
from typing import Any, Self

import numpy as np
import pandas as pd

from .._answer.wording import counted, decimals_for, format_probability, format_value, row_name
from .._common.messages import listing
from .._pipeline.counterfactuals import behind_steps
from .._table.cells import column_of, objects_of
from ._axes import AxesDisplay
from ._grid import Cell, PanelGrid
from ._rows import check_max_features, one_row
from ._style import BLUE, QUIET, VERMILLION, class_name, labels_of, shorten_middle

_NOTE = 76  # characters of a line of the note


@dataclass(eq=False, repr=False)
class ContributionsDisplay(AxesDisplay):
    """What each column of a row adds to its prediction: to the log-odds of the predicted class against another one.

    A bar for each column, to the right where its value speaks for the predicted class and to the left, hatched, where
    it speaks for the other one, compared with the value of the typical row. The largest come first; the rest is one
    bar. The start, the typical row's own log-odds, is the last one: all bars add up to the row's log-odds.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    contributions : ndarray of shape (K, d)
        What each column adds to the calibrated logit of each class, as of :meth:`HyConExClassifier.contributions`.
    baseline : ndarray of shape (K,)
        Calibrated logits of the typical row.
    probability : ndarray of shape (K,)
        Calibrated probability of each class for the row.
    classes : sequence of length K
        Class labels.
    feature_names : sequence of length d
        Names of the columns.
    values : sequence of length d
        The row's own cells.
    row : label, default=0
        What to call the row in the title.
    against : label, default=None
        The class to compare the predicted one with; None takes the second most probable one.
    max_features : int, default=10
        Most columns with a bar of their own.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Notes
    -----
    The typical row has the median of each number and the most frequent level of each category. Bars tell what the
    prediction rests on, not what would have to change (that is what counterfactuals tell), and not what causes what. A
    column that is as in the typical row adds nothing, however important it is for other rows.

    Examples
    --------
    >>> ContributionsDisplay.from_estimator(clf, X_test, row=3)  # doctest: +SKIP
    """

    contributions: np.ndarray
    baseline: np.ndarray
    probability: np.ndarray
    _: KW_ONLY
    classes: Sequence[Any]
    feature_names: Sequence[Any]
    values: Sequence[Any]
    row: Any = 0
    against: Any = None
    max_features: int = 10

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, row: int = 0, against: Any = None, max_features: int = 10, ax: Any = None
    ) -> Self:
        """Compute what the columns of a row add, and draw it.

        Parameters
        ----------
        estimator : fitted HyConExClassifier, Pipeline or search that ends in one
            Behind the steps of a pipeline, columns and cells are those that the classifier gets.
        X : DataFrame or array-like of shape (n, d)
            A table, as `estimator` takes it.
        row : int, default=0
            Position of the row in X.
        against : label, default=None
            The class to compare the predicted one with; None takes the second most probable one.
        max_features : int, default=10
            Most columns with a bar of their own.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure of the size that the picture needs.

        Returns
        -------
        ContributionsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If there is no HyConExClassifier at the end of `estimator`.
        ValueError
            If X has no such row, `against` is no class or the predicted one, or `max_features` is less than 1.
        """
        check_max_features(max_features)
        one, row = one_row(X, row)
        final, table, names = behind_steps(estimator, one)
        if not hasattr(final, "contributions"):
            raise TypeError(
                f"{type(final).__name__} has no method contributions; expected a fitted HyConExClassifier, or a "
                "Pipeline or search that ends in one."
            )
        probability = final.predict_proba(table)[0]
        _compared(probability, final.classes_.tolist(), against, row)  # raises before the longer work
        contributions, baseline = final.contributions(table)
        display = cls(
            contributions[0].astype(float),
            baseline.astype(float),
            probability,
            classes=final.classes_.tolist(),
            feature_names=names,
            values=[objects_of(column_of(table, j))[0] for j in range(table.shape[1])],
            row=one.index[0] if isinstance(one, pd.DataFrame) else row,
            against=against,
            max_features=max_features,
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        check_max_features(self.max_features)
        first, other = pair = _compared(self.probability, self.classes, self.against, self.row)
        added, start = (logits[first] - logits[other] for logits in (self.contributions, self.baseline))
        order = np.argsort(-np.abs(added), kind="stable")
        own, rest = order[: self.max_features], order[self.max_features :]
        bars, rows = added[own].tolist(), self._labels(own)
        if len(rest):
            bars, rows = [*bars, float(added[rest].sum())], [*rows, (counted(len(rest), "other column"), "together")]
        bars, rows = [*bars, float(start)], [*rows, ("the start", "the typical row")]
        names = [shorten_middle(class_name(self.classes[k]), 24) for k in pair]
        headers, notes = [self._header(pair, names, sum(bars))], _notes(names, sum(bars))
        name = shorten_middle(row_name(self.row), 30)
        title = f"Row {name}, predicted {shorten_middle(class_name(self.classes[first]), 30)}"
        grid = PanelGrid(ax, title, rows, headers, 0.46, notes, "ContributionsDisplay")
        largest = max(map(abs, bars)) or 1.0
        for place, value in enumerate(bars):
            _draw_bar(grid, grid.cell(0, place), value, largest)
        return grid.finish()

    def _labels(self, columns: np.ndarray) -> list[tuple[str, str]]:
        labels = labels_of([self.feature_names[j] for j in columns])
        values = [self.values[j] for j in columns]
        told = [shorten_middle(format_value(value, decimals_for(0.0, value)), 30) for value in values]
        return [(label, value) for label, value in zip(labels, told, strict=True)]

    def _header(self, pair: tuple[int, int], names: list[str], total: float) -> list[str]:
        own, others = (format_probability(float(self.probability[k])) for k in pair)
        return [f"{names[0]} against {names[1]}", f"probability {own} against {others}: log-odds {_signed(total)}"]


def _compared(probability: np.ndarray, classes: Sequence[Any], against: Any, row: Any) -> tuple[int, int]:
    """Return the numbers of the predicted class and of the one to compare it with; raise where there is none."""
    ranked = np.argsort(-np.asarray(probability), kind="stable").tolist()
    if against is None:
        return ranked[0], ranked[1]
    label = against.item() if isinstance(against, np.generic) else against
    known = {name: k for k, name in enumerate(classes)}
    number = known.get(label) if isinstance(label, Hashable) else None
    if number is None:
        raise ValueError(
            f"against is {label!r}, which is no class; the classes are {listing(list(classes))}. Give one of these, or "
            "leave it out for the second most probable one."
        )
    if number == ranked[0]:
        raise ValueError(
            f"against is {label!r}, which is the predicted class of row {row}; expected one of the others, "
            f"{listing([classes[k] for k in ranked[1:]])}. Leave it out for the second most probable one."
        )
    return ranked[0], number


def _notes(names: Sequence[str], total: float) -> list[str]:
    first, other = names
    meaning = (
        f"A bar tells how much the row's own value of a column, in place of the typical row's, adds to the log-odds of "
        f"{first} against {other}. The typical row has the median of each number and the most frequent level of each "
        f"category. Its log-odds are the start; all bars add up to {_signed(total)}, those of this row."
    )
    limits = "They tell what the prediction rests on, not what would have to change, and not what causes what."
    return [*wrap(meaning, _NOTE), *wrap(limits, _NOTE)]


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _draw_bar(grid: PanelGrid, cell: Cell, value: float, largest: float) -> None:
    """A bar from the middle, and its value behind its end."""
    middle = (cell.left + cell.right) / 2
    reach = 0.32 * (cell.right - cell.left) * value / largest  # the rest of either half is for the number
    colour, hatch = (BLUE, "") if value >= 0 else (VERMILLION, "////")
    grid.ax.plot([middle, middle], [cell.y - 0.18, cell.y + 0.18], color=QUIET, lw=0.8, zorder=3)
    grid.ax.barh(cell.y, reach, 0.2, left=middle, color=colour, hatch=hatch, ec="white", lw=0, zorder=2)
    told = _signed(value)
    side, shift = ("right", -0.02) if told.startswith("-") else ("left", 0.02)
    tone: dict[str, Any] = {"color": QUIET} if told == "0.00" else {}
    grid.text(middle + reach + shift, cell.y, told, size=8, ha=side, va="center", **tone)
