"""The picture of a row's own linear classifier: what each column adds to each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from .._answer.wording import counted, decimals_for, format_probability, format_value
from .._pipeline.counterfactuals import behind_steps
from .._table.cells import column_of, objects_of
from ._axes import AxesDisplay
from ._grid import MOST_PANELS, Cell, PanelGrid
from ._rows import check_max_features, one_row
from ._style import BLUE, QUIET, VERMILLION, and_more, class_name, labels_of, shorten_middle


@dataclass(eq=False, repr=False)
class LocalWeightsDisplay(AxesDisplay):
    """What each column of a row adds to each class, in the row's own linear classifier.

    A panel for each class (of two classes, for the predicted one), the most probable first; a bar for each column, to
    the right where it speaks for the class and to the left, hatched, where it speaks against it. What weighs most for
    or against the predicted class comes first; the rest is one bar, the intercept another: the bars of a panel add up.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    contributions : ndarray of shape (K, d)
        What each column adds to the calibrated logit of each class, minus the mean of what it adds to the other ones:
        of two classes, to the log-odds.
    intercept : ndarray of shape (K,)
        The same of the intercept.
    probability : ndarray of shape (K,)
        Calibrated probability of each class.
    classes : sequence of length K
        Class labels.
    feature_names : sequence of length d
        Names of the columns.
    values : sequence of length d
        The row's own cells.
    row : int, default=0
        Position of the row, for the title.
    max_features : int, default=10
        Most columns with a bar of their own.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Notes
    -----
    The weights are those that the network writes for this very row. They tell how it comes to its prediction, not what
    would have to change (that is what counterfactuals tell), and not what causes what. The intercept is the row's own,
    too: where it outweighs all bars, the prediction rests on the row as a whole, and single columns tell little. A
    number adds by its distance from the column's usual value, since columns are standardised; a gap adds through the
    indicator of missing cells.

    Examples
    --------
    >>> LocalWeightsDisplay.from_estimator(clf, X_test, row=3)  # doctest: +SKIP
    """

    contributions: np.ndarray
    intercept: np.ndarray
    probability: np.ndarray
    _: KW_ONLY
    classes: Sequence[Any]
    feature_names: Sequence[Any]
    values: Sequence[Any]
    row: int = 0
    max_features: int = 10

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, row: int = 0, max_features: int = 10, ax: Any = None) -> Self:
        """Compute what the columns of a row add, and draw it.

        Parameters
        ----------
        estimator : fitted HyConExClassifier, Pipeline or search that ends in one
            Behind the steps of a pipeline, columns and cells are those that the classifier gets.
        X : DataFrame or array-like of shape (n, d)
            A table, as `estimator` takes it.
        row : int, default=0
            Position of the row in X.
        max_features : int, default=10
            Most columns with a bar of their own.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure of the size that the picture needs.

        Returns
        -------
        LocalWeightsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If there is no HyConExClassifier at the end of `estimator`.
        ValueError
            If X has no such row, or `max_features` is less than 1.
        """
        check_max_features(max_features)
        one, row = one_row(X, row)
        final, table, names = behind_steps(estimator, one)
        if not hasattr(final, "_contributions"):
            raise TypeError(
                f"{type(final).__name__} has no local linear classifiers; expected a fitted HyConExClassifier, or a "
                "Pipeline or search that ends in one."
            )
        terms, intercept = (part[0].astype(float) for part in final._contributions(table))
        display = cls(
            _against_others(terms),
            _against_others(intercept),
            final.predict_proba(table)[0],
            classes=final.classes_.tolist(),
            feature_names=names,
            values=[objects_of(column_of(table, j))[0] for j in range(table.shape[1])],
            row=row,
            max_features=max_features,
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        check_max_features(self.max_features)
        shown = np.argsort(-self.probability, kind="stable")[: 1 if len(self.classes) == 2 else MOST_PANELS]
        order = np.argsort(-np.abs(self.contributions[shown[0]]), kind="stable")
        own, rest = order[: self.max_features], order[self.max_features :]
        bars = np.column_stack([self.contributions[:, own], self.contributions[:, rest].sum(1), self.intercept])
        rows = [*self._labels(own), (counted(len(rest), "other column"), ""), ("intercept", "this row's own")]
        if not len(rest):
            bars, rows = np.delete(bars, len(own), axis=1), [*rows[:-2], rows[-1]]
        title = f"Row {self.row}, predicted {shorten_middle(class_name(self.classes[shown[0]]), 30)}"
        headers = [self._header(k, bars[k].sum()) for k in shown]
        grid = PanelGrid(ax, title, rows, headers, 0.46, self._notes(shown), "LocalWeightsDisplay")
        largest = float(np.abs(bars[shown]).max()) or 1.0
        for panel, k in enumerate(shown):
            for place, value in enumerate(bars[k]):
                _draw_bar(grid, grid.cell(panel, place), float(value), largest)
        return grid.finish()

    def _labels(self, columns: np.ndarray) -> list[tuple[str, str]]:
        labels = labels_of([self.feature_names[j] for j in columns])
        values = [self.values[j] for j in columns]
        told = [shorten_middle(format_value(value, decimals_for(0.0, value)), 30) for value in values]
        return [(label, value) for label, value in zip(labels, told, strict=True)]

    def _header(self, k: int, total: float) -> list[str]:
        probability = format_probability(float(self.probability[k]))
        return [f"for {class_name(self.classes[k])}", f"probability {probability}, sum {_signed(total)}"]

    def _notes(self, shown: np.ndarray) -> list[str]:
        if len(self.classes) == 2:
            first, other = (shorten_middle(class_name(self.classes[k]), 20) for k in (shown[0], 1 - shown[0]))
            return [f"The bars add up to the log-odds of {first} against {other}."]
        notes = ["The bars add up to the logit, less the mean of the other classes' logits."]
        return notes + and_more(len(self.classes) - len(shown), "class, less probable", "classes, less probable")


def _against_others(logits: np.ndarray) -> np.ndarray:
    """Values (K, ...) minus the mean of the other classes' values."""
    n_classes = len(logits)
    return (logits - logits.mean(0)) * (n_classes / (n_classes - 1))


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
    side = "left" if value >= 0 else "right"
    shift = 0.02 if value >= 0 else -0.02
    tone: dict[str, Any] = {"color": QUIET} if _signed(value) == "0.00" else {}
    grid.text(middle + reach + shift, cell.y, _signed(value), size=8, ha=side, va="center", **tone)
