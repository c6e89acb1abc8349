"""The picture of a classifier of two numbers: class regions, densities, and arrows to counterfactuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._answer.counterfactuals import Counterfactuals
from .._answer.status import CERTIFIED
from .._answer.wording import counted, plain
from .._common.parameters import is_int
from .._common.pyplot import pyplot
from .._table.cells import Table, column_of, hold_numbers, names_of, numbers_of, objects_of
from .._table.containers import Kind, read_table
from ._axes import AxesDisplay
from ._style import COLOURS, HATCHES, LINES, MARKERS, VERBATIM, class_name, shorten_middle

_MARGIN = 0.12  # of the span, around the rows
_INSIDE = (0.9, 0.5)  # shares of a class's rows that its contours enclose
_FEWEST = 10  # rows of a class from which contours are read


@dataclass(eq=False, repr=False)
class DecisionMapDisplay(AxesDisplay):
    """Regions of the classes of a table of two numbers, their densities, rows, and arrows to counterfactuals.

    A region has the colour and hatch of the class that is predicted there; contours, with the class's own line style,
    enclose the densest parts that hold 50 % and 90 % of its rows. Rows are marked by their class, as given or as
    predicted. Black arrows lead to certified counterfactuals, hollow ones to the others.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (r, r)
        The grid, as of ``numpy.meshgrid``.
    probability : ndarray of shape (r, r, K)
        Of each class on the grid.
    classes : sequence of length K
        Class labels.
    feature_names : sequence of length 2
        Names of the columns.
    predicted : ndarray of shape (r, r) or None, default=None
        Class label predicted on the grid; None takes the most probable one.
    log_density : ndarray of shape (r, r, K) or None, default=None
        Natural log p(x | class) on the grid.
    levels : sequence of K sequences of float, default=()
        Log-densities at which each class has contours.
    rows : ndarray of shape (n, 2) or None, default=None
        Rows to mark.
    row_classes : ndarray of shape (n,) or None, default=None
        Class of each row.
    arrows : ndarray of shape (m, 2, 2) or None, default=None
        Start and end of each arrow.
    certified : ndarray of bool of shape (m,) or None, default=None
        Whether each arrow's counterfactual is certified.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> cf = clf.counterfactuals(X_test[:5])  # doctest: +SKIP
    >>> DecisionMapDisplay.from_estimator(clf, X_test, y=y_test, counterfactuals=cf)  # doctest: +SKIP
    """

    xx0: np.ndarray
    xx1: np.ndarray
    probability: np.ndarray
    _: KW_ONLY
    classes: Sequence[Any]
    feature_names: Sequence[Any]
    predicted: np.ndarray | None = None
    log_density: np.ndarray | None = None
    levels: Sequence[Sequence[float]] = ()
    rows: np.ndarray | None = None
    row_classes: np.ndarray | None = None
    arrows: np.ndarray | None = None
    certified: np.ndarray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        y: Any = None,
        counterfactuals: Counterfactuals | None = None,
        grid_resolution: int = 100,
        ax: Any = None,
    ) -> Self:
        """Ask a classifier about a grid around rows, and draw its answers.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline or search
            With ``predict_proba``; contours need ``score_samples`` too, of shape (n, K). In a pipeline these are the
            log-densities behind the steps, as they judge plausibility.
        X : DataFrame or array-like of shape (n, 2)
            Rows to mark, two columns of numbers in the units that `estimator` takes. Rows with gaps are left out.
        y : array-like of shape (n,) or None, default=None
            Class of each row; None takes the predicted ones.
        counterfactuals : Counterfactuals or None, default=None
            Of rows of the same two columns; an arrow each.
        grid_resolution : int, default=100
            Points of the grid in each direction.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        DecisionMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If X, or the table behind `counterfactuals`, is not of two columns of numbers, or these are not the same, if
            `y` has another length or an unknown label, or the estimator has no probabilities or is not fitted.
        """
        kind, X = Kind.of(X), read_table(X)
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        rows = _two_numbers(X, "X")
        kept = np.isfinite(rows).all(1)
        if not kept.any():
            raise ValueError("X has no row without gaps to draw; give at least one.")
        if not is_int(grid_resolution) or grid_resolution < 2:
            raise ValueError(f"grid_resolution must be an integer >= 2, got {grid_resolution!r}. 100 is the default.")
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(f"{type(estimator).__name__} has no predict_proba; expected a fitted classifier that has.")
        arrows, certified = _arrows(counterfactuals, X)
        if not hasattr(estimator, "classes_"):
            check_is_fitted(estimator)
        classes = np.asarray(estimator.classes_)
        shown = kind.written(X[kept])
        labels = np.asarray(estimator.predict(shown)) if y is None else _given(y, kept, classes)
        xx0, xx1 = _grid(np.concatenate([rows[kept], arrows.reshape(-1, 2)]), int(grid_resolution))
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        points = kind.written(pd.DataFrame(grid, columns=X.columns)) if isinstance(X, pd.DataFrame) else grid
        shape = (*xx0.shape, len(classes))
        density, levels = _density(estimator, points, shown, labels, classes)
        probability, predicted = estimator.predict_proba(points), np.asarray(estimator.predict(points))
        most_probable = classes[probability.argmax(1)]
        display = cls(
            xx0,
            xx1,
            probability.reshape(shape),
            predicted=None if (predicted == most_probable).all() else predicted.reshape(xx0.shape),
            classes=classes.tolist(),
            feature_names=names_of(X),
            log_density=None if density is None else density.reshape(shape),
            levels=levels,
            rows=rows[kept],
            row_classes=labels,
            arrows=arrows,
            certified=certified,
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        if ax is None:
            ax = pyplot("DecisionMapDisplay").subplots(figsize=(6.8, 4.6), layout="constrained")[1]
        self.ax_ = ax
        for k in range(len(self.classes)):
            self._draw_class(k)
        self._draw_arrows()
        for name, set_label in zip(self.feature_names, (ax.set_xlabel, ax.set_ylabel), strict=True):
            set_label(shorten_middle(plain(name), 50), **VERBATIM)
        ax.set(xlim=(self.xx0.min(), self.xx0.max()), ylim=(self.xx1.min(), self.xx1.max()))
        self._draw_legend()
        return ax

    def _draw_class(self, k: int) -> None:
        """Region, contours and rows of one class."""
        colour, hatch, line, marker = (signs[k % len(signs)] for signs in (COLOURS, HATCHES, LINES, MARKERS))
        if self.predicted is None:
            lead = self.probability[..., k] - np.delete(self.probability, k, axis=2).max(2)
        else:
            lead = np.where(self.predicted == self.classes[k], 1.0, -1.0)
        if (lead > 0).any():
            region = self.ax_.contourf(
                self.xx0, self.xx1, lead, levels=[0, 2], colors=[_tint(colour)], hatches=[hatch], zorder=0
            )
            region.set_edgecolor(_tint(colour, 0.5))  # of the hatch
            region.set_linewidth(0)
            if (lead < 0).any():
                self.ax_.contour(self.xx0, self.xx1, lead, levels=[0], colors="0.35", linewidths=0.8, zorder=1)
        levels = self._contours(k)
        if self.log_density is not None and levels:
            # What lies far below would only roughen the contours.
            density = np.maximum(self.log_density[..., k], levels[0] - 20.0)
            style = {"colors": [colour], "linestyles": [line], "linewidths": 1.6, "zorder": 2}
            self.ax_.contour(self.xx0, self.xx1, density, levels=levels, **style)
        if self.rows is not None and self.row_classes is not None:
            own = self.rows[np.asarray(self.row_classes) == self.classes[k]]
            style = {"color": colour, "edgecolors": "white", "linewidths": 0.5, "s": 26, "zorder": 3}
            self.ax_.scatter(*own.T, marker=marker, **style)

    def _contours(self, k: int) -> list[float]:
        """The levels of a class that its density crosses on the grid, in order."""
        if self.log_density is None or not self.levels:
            return []
        density = self.log_density[..., k]
        return sorted({level for level in self.levels[k] if density.min() < level < density.max()})

    def _draw_arrows(self) -> None:
        for part, colour, _ in self._kinds_of_arrows():
            (x, y), (dx, dy) = part[:, 0].T, (part[:, 1] - part[:, 0]).T
            style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.0035, "zorder": 4}
            self.ax_.quiver(x, y, dx, dy, fc=colour, ec="black", linewidth=0.7, **style)

    def _kinds_of_arrows(self) -> list[tuple[np.ndarray, str, str]]:
        """Arrows, colour and words of the certified counterfactuals and of the others, where there are any."""
        if self.arrows is None or not len(self.arrows):
            return []
        sure = np.ones(len(self.arrows), dtype=bool) if self.certified is None else self.certified
        kinds = [
            (self.arrows[sure], "black", "counterfactual"),
            (self.arrows[~sure], "white", "counterfactual,\nnot certified"),
        ]
        return [kind for kind in kinds if len(kind[0])]

    def _draw_legend(self) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = []
        for k in range(len(self.classes)):
            colour, hatch, line, marker = (signs[k % len(signs)] for signs in (COLOURS, HATCHES, LINES, MARKERS))
            line = line if self._contours(k) else "none"
            area = Patch(facecolor=_tint(colour), hatch=hatch, edgecolor=_tint(colour, 0.5), linewidth=0)
            handles.append((area, Line2D([], [], color=colour, ls=line, marker=marker, mec="white", mew=0.5)))
        names = [shorten_middle(class_name(label), 24) for label in self.classes]
        ground = Patch(facecolor="0.93", linewidth=0)  # under what is black: the figure may be, too
        if any(self._contours(k) for k in range(len(self.classes))):
            handles.append((ground, Line2D([], [], color="0.3")))
            names.append("around 50 % and\n90 % of its rows")
        for _, colour, words in self._kinds_of_arrows():
            handles.append((ground, Line2D([], [], color="black", marker=">", mfc=colour)))
            names.append(words)
        style = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "fontsize": 8, "frameon": False}
        legend = self.ax_.legend(handles, ["" for _ in names], handlelength=2.8, handleheight=1.4, **style)
        for text, name in zip(legend.get_texts(), names, strict=True):  # a legend leaves out labels that begin with _
            text.set(text=name, **VERBATIM)


def _tint(colour: str, strength: float = 0.25) -> tuple[float, float, float]:
    """The colour thinned with white."""
    red, green, blue = (1 - strength * (1 - int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return red, green, blue


def _two_numbers(table: Table, name: str) -> np.ndarray:
    """The table as float64 of shape (n, 2), NaN for gaps; raise where it has other columns."""
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(
            f"{name} has shape {table.shape}; expected (n, 2): a map has two columns. Fit a classifier on two columns, "
            "or draw with CounterfactualDisplay, which takes any number."
        )
    for j in range(2):
        column = column_of(table, j)
        if not hold_numbers(column):
            labels = isinstance(column.dtype, pd.CategoricalDtype)
            kind = "categorical" if labels else pd.api.types.infer_dtype(objects_of(column), skipna=True)
            told = table.columns[j] if isinstance(table, pd.DataFrame) else j
            raise ValueError(f"Column {told!r} of {name} holds {kind} values; expected two columns of numbers.")
    return np.column_stack([numbers_of(column_of(table, j))[0] for j in range(2)])


def _arrows(cf: Counterfactuals | None, X: Table) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (m, 2, 2) of the changed rows without gaps, and whether each is certified (m,)."""
    if cf is None:
        return np.empty((0, 2, 2)), np.empty(0, dtype=bool)
    if not isinstance(cf, Counterfactuals):
        raise TypeError(f"counterfactuals is a {type(cf).__name__}; expected what clf.counterfactuals(X) returns.")
    tables = cf._tables
    if all(isinstance(table, pd.DataFrame) for table in (X, *tables)) and list(cf.feature_names) != names_of(X):
        raise ValueError(
            f"counterfactuals has the columns {cf.feature_names}, but X has {names_of(X)}; give the same, in order."
        )
    ends = np.stack([_two_numbers(table, "counterfactuals") for table in tables], axis=1)
    drawn = np.isfinite(ends).all((1, 2)) & (ends[:, 0] != ends[:, 1]).any(1)
    return ends[drawn], cf.report["status"].isin(CERTIFIED).to_numpy()[drawn]


def _given(y: Any, kept: np.ndarray, classes: np.ndarray) -> np.ndarray:
    labels = np.asarray(y)
    if labels.shape != kept.shape:
        raise ValueError(f"y has shape {labels.shape}, but X has {counted(len(kept), 'row')}; give a label for each.")
    unknown = set(labels.tolist()) - set(classes.tolist())
    if unknown:
        raise ValueError(f"y holds {unknown.pop()!r}, which is none of the classes {classes.tolist()}.")
    return labels[kept]


def _grid(points: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = points.min(0), points.max(0)
    margin = np.where(high > low, _MARGIN * (high - low), 1.0)
    axes = [np.linspace(low[j] - margin[j], high[j] + margin[j], resolution) for j in range(2)]
    xx0, xx1 = np.meshgrid(*axes)
    return xx0, xx1


def _density(
    estimator: Any, points: Table, X: Table, labels: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray | None, list[list[float]]]:
    """log p(x | class) of points (r * r, K), and the levels that enclose `_INSIDE` of each class's rows."""
    if not hasattr(estimator, "score_samples"):
        return None, []
    own = np.asarray(estimator.score_samples(X))
    if own.shape != (len(X), len(classes)):
        return None, []  # another kind of score
    parts = [own[labels == label, k] for k, label in enumerate(classes.tolist())]
    outside = [1 - share for share in _INSIDE]
    levels = [np.quantile(part, outside).tolist() if len(part) >= _FEWEST else [] for part in parts]
    return np.asarray(estimator.score_samples(points), dtype=float), levels
