"""What all displays of one picture share: they are drawn, or drawn again, in axes of their own or the user's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self


class AxesDisplay(ABC):
    """A picture in one matplotlib Axes."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self
            This display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If there is nothing to draw, or what is asked for can't be drawn.
        """
        self.ax_ = self._draw(ax)
        self.figure_ = self.ax_.figure
        return self

    @abstractmethod
    def _draw(self, ax: Any) -> Any:
        """Draw; return the axes."""
