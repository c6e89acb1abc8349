"""Pictures of counterfactuals: the original, and for each attempt the image and where it differs."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._common.pyplot import pyplot
from ._result import VisualCounterfactuals

_INCHES = 1.4  # of one picture


class VisualCounterfactualDisplay:
    """A row for each explained image: the original, then each attempt with its differences.

    Parameters
    ----------
    counterfactuals : VisualCounterfactuals
        What is drawn.
    class_names : sequence of str or None, default=None
        Names of the classes; None takes their numbers.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, one row for each image
    """

    def __init__(self, counterfactuals: VisualCounterfactuals, class_names: Any = None) -> None:
        self.counterfactuals, self.class_names = counterfactuals, class_names

    @classmethod
    def from_counterfactuals(
        cls, counterfactuals: VisualCounterfactuals, *, class_names: Any = None, max_images: int = 8
    ) -> Self:
        """Draw the first explained images of a result, with all their attempts.

        Parameters
        ----------
        counterfactuals : VisualCounterfactuals
            What is drawn.
        class_names : sequence of str or None, default=None
            Names of the classes; None takes their numbers.
        max_images : int, default=8
            How many explained images are drawn, at most.

        Returns
        -------
        VisualCounterfactualDisplay
            With `figure_` and `axes_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw.
        """
        shown = np.unique(counterfactuals.position)[:max_images]
        kept = counterfactuals[np.isin(counterfactuals.position, shown)]
        return cls(kept, class_names).plot()

    def plot(self, axes: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        axes : array of matplotlib Axes or None, default=None
            One row for each image and 1 + 2 * attempts columns; None makes a figure.

        Returns
        -------
        VisualCounterfactualDisplay
            This display, with `figure_` and `axes_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw, or `axes` has another shape.
        """
        cf = self.counterfactuals
        if not len(cf):
            raise ValueError("There is no counterfactual to draw; pass a result of at least one.")
        positions = np.unique(cf.position)
        shape = (len(positions), 1 + 2 * (int(cf.rank.max()) + 1))
        if axes is None:
            axes = _new_axes(*shape)
        axes = np.asarray(axes)
        if axes.shape != shape:
            raise ValueError(
                f"axes has shape {axes.shape}; expected {shape}, a row for each image. Pass None to make it."
            )
        for row, position in zip(axes, positions, strict=True):
            self._draw(row, cf[cf.position == position])
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        return self

    def _draw(self, row: np.ndarray, attempts: VisualCounterfactuals) -> None:
        for axis in row:
            axis.set_axis_off()
        _show(row[0], attempts.originals[0])
        row[0].set_title(self._name(attempts.predictions_before[0]), fontsize=8)
        differences = (attempts.images - attempts.originals).mean(1)
        largest = max(float(np.abs(differences).max()), 1e-6)  # one scale for all attempts of an image
        lines = attempts.report
        for i, rank in enumerate(attempts.rank):
            image, heat = row[1 + 2 * rank], row[2 + 2 * rank]
            _show(image, attempts.images[i])
            status = "" if lines["status"][i] == "ok" else f"\n{lines['status'][i]}"
            image.set_title(
                f"{self._name(attempts.predictions[i])} ({lines['probability'][i]:.2f}){status}", fontsize=8
            )
            heat.imshow(differences[i], cmap="RdBu_r", vmin=-largest, vmax=largest)

    def _name(self, number: int) -> str:
        return str(number) if self.class_names is None else str(self.class_names[number])


def _show(axis: Any, image: np.ndarray) -> None:
    if len(image) == 3:
        axis.imshow(image.transpose(1, 2, 0))
    else:
        axis.imshow(image.mean(0), cmap="gray", vmin=0, vmax=1)


def _new_axes(n_rows: int, n_columns: int) -> Any:
    size = (_INCHES * n_columns, 1.25 * _INCHES * n_rows)
    plt = pyplot("VisualCounterfactualDisplay")
    return plt.subplots(n_rows, n_columns, squeeze=False, figsize=size, layout="constrained")[1]
