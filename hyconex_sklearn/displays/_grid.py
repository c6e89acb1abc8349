"""Panels side by side in one axes, with a row for each column of the table: the frame that three pictures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from .._common.pyplot import pyplot
from ._style import QUIET, VERBATIM, shorten_middle

MOST_PANELS = 12  # that are drawn; what is left is told in a note
_PER_BAND = 4  # panels side by side; more go below
_PANEL = 2.3  # inches, as all lengths here: of a picture of its own
_LINE = 0.19  # a line of a header or of notes
_PAD = 0.12
_LETTER = 0.075  # width, on average
_SMALLEST = 3.0  # points of a font


class Cell(NamedTuple):
    """Where a panel crosses a row: its left and right end, and its middle."""

    left: float
    right: float
    y: float


@dataclass
class PanelGrid:
    """Draws names, headers and stripes, and says where the cells are.

    The vertical unit of the axes is an inch of a picture of its own; in axes that the user gives, whatever fits.

    Parameters
    ----------
    ax : matplotlib Axes or None
        None makes a figure.
    title : str
    rows : sequence of (label, detail)
        Name of each row, and what is told in small letters below it.
    headers : sequence of sequences of str
        Lines over each panel, the first one in bold.
    row_height : float
    notes : sequence of str
        Lines below everything.
    wanted_by : str
        Class that draws, named where matplotlib is missing.
    """

    ax: Any
    title: str
    rows: Sequence[tuple[str, str]]
    headers: Sequence[Sequence[str]]
    row_height: float
    notes: Sequence[str]
    wanted_by: str

    def __post_init__(self) -> None:
        self._across = min(len(self.headers), _PER_BAND)
        self._n_bands = ceil(len(self.headers) / _PER_BAND)
        self._lines = max(len(lines) for lines in self.headers)
        self._fits: list[tuple[Any, float, Callable[[int], str]]] = []
        if self.ax is None:
            self.ax = self._new_axes()
        self.ax.set(xlim=(0, self._across), ylim=(self._height, 0), xticks=[], yticks=[])
        self.ax.set_axis_off()
        self.ax.set_title(self.title, loc="left", fontsize=10, **VERBATIM)
        self._scale = self._font_scale()
        for band in range(self._n_bands):
            self._draw_band(band)
        for k, note in enumerate(self.notes):
            y = self._height - (len(self.notes) - k - 0.5) * _LINE
            self.text(0.0, y, note, size=8, color=QUIET, va="center")

    def _new_axes(self) -> Any:
        letters = max((len(line) for row in self.rows for line in "\n".join(row).split("\n")), default=0)
        longest = max(len(line) for line in [self.title, *self.notes])
        width = max(_PANEL * self._across, _LETTER * longest) + _LETTER * letters + 0.3
        size = (max(width, 3.5), self._height + 0.5)
        return pyplot(self.wanted_by).subplots(figsize=size, layout="constrained")[1]

    @property
    def _header(self) -> float:
        return self._lines * _LINE + _PAD

    @property
    def _band(self) -> float:
        return self._header + len(self.rows) * self.row_height + _PAD

    @property
    def _height(self) -> float:
        return self._n_bands * self._band + len(self.notes) * _LINE + _PAD

    def _font_scale(self) -> float:
        box = self.ax.get_window_extent()
        return min(1.0, box.height / self.ax.figure.dpi / self._height)

    def _draw_band(self, band: int) -> None:
        top = band * self._band + self._header
        headers = self.headers[band * _PER_BAND : (band + 1) * _PER_BAND]
        stripe = {"xmax": len(headers) / self._across, "color": "0.5", "alpha": 0.09, "lw": 0, "zorder": 0}
        for row, (label, detail) in enumerate(self.rows):
            y = top + row * self.row_height
            if row % 2 == 0:
                self.ax.axhspan(y, y + self.row_height, **stripe)
            self._name(y + self.row_height / 2, label, detail)
        for k, lines in enumerate(headers):
            for i, line in enumerate(lines):
                y = top - _PAD / 2 - (self._lines - i - 0.5) * _LINE
                weight = "bold" if i == 0 else "normal"
                self.text(k + 0.05, y, line, width=0.9, size=9 if i == 0 else 8, weight=weight, va="center")

    def _name(self, y: float, label: str, detail: str) -> None:
        shift = 0.08 if detail else 0.0
        shift = shift + 0.02 if detail and "\n" in label else shift
        style: dict[str, Any] = {"ha": "right", "va": "center", "linespacing": 1.0}
        self.text(-0.03, y - shift, label, size=8 if "\n" in label else 9, **style)
        if detail:
            low = 0.16 if "\n" in label else 0.1
            self.text(-0.03, y + low, detail, size=7, color=QUIET, **style)

    def cell(self, panel: int, row: int) -> Cell:
        """Return where the panel crosses the row."""
        band, place = divmod(panel, _PER_BAND)
        y = band * self._band + self._header + (row + 0.5) * self.row_height
        return Cell(place + 0.05, place + 0.93, y)

    def text(
        self, x: float, y: float, text: str | Callable[[int], str], *, width: float = 0.0, size: float, **style: Any
    ) -> Any:
        """Write; text that is wider than `width` panels is shortened by `finish`.

        A function writes with at most so many characters of each of its parts.
        """
        write = text if callable(text) else lambda most: shorten_middle(text, most)
        size = max(_SMALLEST, size * self._scale)
        artist = self.ax.text(x, y, write(10_000), fontsize=size, **VERBATIM, **style)
        if width:
            artist.set_in_layout(False)  # or a long text, not yet shortened, would leave the axes no room
            self._fits.append((artist, width, write))
        return artist

    def finish(self) -> Any:
        """Shorten what is too long for its place, now that the layout is known; return the axes."""
        figure = self.ax.figure
        if hasattr(figure, "draw_without_rendering"):
            figure.draw_without_rendering()
        panel = self.ax.get_window_extent().width / self._across
        for artist, width, write in self._fits:
            most = len(artist.get_text())
            while most > 3 and artist.get_window_extent().width > width * panel:
                most = min(most - 1, int(most * width * panel / artist.get_window_extent().width) + 1)
                artist.set_text(write(most))
        return self.ax
