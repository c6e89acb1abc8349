"""The picture of training: losses of each phase, and what became of the counterfactuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._common.pyplot import pyplot
from .._pipeline.counterfactuals import final_classifier
from ._style import BLUE, GREEN, QUIET, VERMILLION

_TITLES = {
    "density": "density",
    "classifier": "classifier",
    "clusters": "first steps to prototypes",
    "joint": "classifier and counterfactuals",
}
_MARKED = 15  # epochs at most whose points are marked one by one
_ACROSS = 3


class HistoryDisplay:
    """Losses of each phase of training, then validity, plausibility and distance of the joint phase's counterfactuals.

    A small picture each, epochs from left to right. A star marks the epoch whose state the phase kept. In the third and
    fourth phase the loss of training rows has terms that hold the classifier where it was, which that of held-out rows
    lacks: compare their course, not their height.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    history : list of dict
        As ``clf.history_``: ``phase``, ``epoch``, ``train_loss``, ``valid_loss``, and ``valid``, ``plausible``,
        ``distance`` of the joint phase.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, one for each picture
    figure_ : matplotlib Figure

    Examples
    --------
    >>> HistoryDisplay.from_estimator(clf).figure_.savefig("training.png")  # doctest: +SKIP
    """

    axes_: np.ndarray
    figure_: Any

    def __init__(self, history: Sequence[dict[str, Any]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : fitted HyConExClassifier, Pipeline or search that ends in one
            Whose ``history_`` is drawn.
        ax : array-like of matplotlib Axes or None, default=None
            As in :meth:`plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If the estimator holds no history, or `ax` is of another number.
        """
        final = final_classifier(estimator)
        check_is_fitted(final)
        if not hasattr(final, "history_"):
            raise TypeError(
                f"{type(final).__name__} has no history_; expected a fitted HyConExClassifier, or a Pipeline or search "
                "that ends in one."
            )
        return cls(final.history_).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            One for each phase, and two more if there is a joint phase; None makes a figure.

        Returns
        -------
        HistoryDisplay
            This display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no epoch to draw, or `ax` is of another number.
        """
        phases: dict[str, list[dict[str, Any]]] = {}
        for record in self.history:
            phases.setdefault(record["phase"], []).append(record)
        if not phases:
            raise ValueError("There is no epoch to draw: history is empty. Fit with some epochs.")
        joint = [record for record in phases.get("joint", []) if "valid" in record]
        self.axes_ = _axes(ax, len(phases) + 2 * bool(joint))
        for number, (axis, (phase, records)) in enumerate(zip(self.axes_, phases.items(), strict=False)):
            _draw_losses(axis, f"{number + 1}. {_TITLES.get(phase, phase)}", records)
        if joint:
            _draw_shares(self.axes_[-2], joint)
            _draw_distance(self.axes_[-1], joint)
        self.axes_[0].legend(fontsize=8, frameon=False)
        self.figure_ = self.axes_[0].figure
        return self


def _axes(ax: Any, n: int) -> np.ndarray:
    if ax is not None:
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(axes) != n:
            raise ValueError(f"ax holds {len(axes)} axes; expected {n}, one for each picture. Pass None to make them.")
        return axes
    across, down = min(n, _ACROSS), -(-n // _ACROSS)
    size = (3.1 * across, 2.3 * down)
    axes = pyplot("HistoryDisplay").subplots(down, across, squeeze=False, figsize=size, layout="constrained")[1]
    for unused in axes.ravel()[n:]:
        unused.remove()
    return axes.ravel()[:n]


def _draw_losses(axis: Any, title: str, records: list[dict[str, Any]]) -> None:
    epochs = _line(axis, records, "train_loss", "training rows", color=BLUE, ls="-", marker="o")
    _line(axis, records, "valid_loss", "held-out rows", color=VERMILLION, ls="--", marker="s")
    _mark_kept(axis, records, "valid_loss", "kept")
    stopped = records[-1].get("stopped")
    _finish(axis, title, f"loss{f' (stopped: {stopped})' if stopped else ''}", epochs)


def _draw_shares(axis: Any, records: list[dict[str, Any]]) -> None:
    epochs = _line(axis, records, "valid", "valid", color=BLUE, ls="-", marker="o")
    _line(axis, records, "plausible", "plausible", color=GREEN, ls="--", marker="s")
    for name in ("valid", "plausible"):
        _mark_kept(axis, records, name)
    _finish(axis, "one-pass counterfactuals, held-out rows", "share", epochs)
    axis.set_ylim(-0.04, 1.04)
    axis.legend(fontsize=8, frameon=False)


def _draw_distance(axis: Any, records: list[dict[str, Any]]) -> None:
    epochs = _line(axis, records, "distance", "distance", color=BLUE, ls="-", marker="o")
    _mark_kept(axis, records, "distance")
    _finish(axis, "their distance from their rows", "distance (encoded units)", epochs)
    axis.set_ylim(bottom=0)


def _line(axis: Any, records: list[dict[str, Any]], name: str, label: str, **style: Any) -> list[int]:
    epochs = [record["epoch"] for record in records]
    if len(records) > _MARKED:
        style["marker"] = ""
    axis.plot(epochs, [record[name] for record in records], label=label, lw=1.5, ms=3.5, **style)
    return epochs


def _mark_kept(axis: Any, records: list[dict[str, Any]], name: str, label: str | None = None) -> None:
    for record in records:
        if record.get("kept"):
            axis.axvline(record["epoch"], color=QUIET, lw=0.8, ls=":", zorder=0)
            style = {"marker": "*", "ms": 10, "mfc": "white", "mec": "black", "ls": "none", "zorder": 4}
            axis.plot([record["epoch"]], [record[name]], label=label, **style)


def _finish(axis: Any, title: str, what: str, epochs: list[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(title, fontsize=9)
    axis.set_xlabel("epoch", fontsize=8)
    axis.set_ylabel(what, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    if len(epochs) == 1:
        axis.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axis.spines[["top", "right"]].set_visible(False)
