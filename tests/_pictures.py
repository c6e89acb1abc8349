"""Made-up results for pictures, and a look at what a picture shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import _results
import numpy as np
import pandas as pd
from _models import mixed

from hyconex_sklearn import Counterfactuals

ODD_NAMES = [
    "$x_1$",
    "100 % of_it",
    "_hidden",
    "收入",
    "a\nname on\ttwo lines",
    "the_share_of_all_payments_that_were_made_late_in_the_last_two_years",
    "the_share_of_all_payments_that_were_made_late_in_the_very_last_years",
    "Pneumonoultramicroscopicsilicovolcanoconiosisdiagnosisprobability",
    "{brace}^\\alpha",
    "",
]


@cache
def several() -> Counterfactuals:
    """Answers to twenty rows of the mixed table. Shared: never change them."""
    clf, X, _ = mixed()
    return clf.counterfactuals(X[:20])


def bars(ax: Any) -> list[Any]:
    """The bars of an axes, whatever container they are in."""
    return [bar for container in ax.containers for bar in container]


def result(original: Any, data: Any, ranges: Any = None, **report: Any) -> Counterfactuals:
    """A result of these tables, with report columns that can be overridden: certified answers of different rows."""
    m, told = len(original), {"target": "granted", "prediction": "granted", "probability": 0.8}
    before = {"probability_before": np.full(m, 0.2), "prediction_before": np.full(m, "refused", dtype=object)}
    return replace(_results.result(original, data, **(told | report)), ranges=ranges, **before)


def wide(n_columns: int = 30, m: int = 9, seed: int = 0) -> Counterfactuals:
    """Nine targets of one row with many columns of odd names, numbers of all sizes, long categories and gaps."""
    rng = np.random.default_rng(seed)
    names = [ODD_NAMES[j] if j < len(ODD_NAMES) else f"column {j} of the table" for j in range(n_columns)]
    original, data = {}, {}
    for j, name in enumerate(names):
        if j % 5 == 4:
            labels = np.array(["rents", "owns", "lives with $relatives$ in a flat of theirs", "", None], dtype=object)
            original[name], data[name] = labels[rng.integers(0, 5, m)], labels[rng.integers(0, 4, m)]
        else:
            scale = 10.0 ** rng.integers(-6, 9)
            original[name] = np.full(m, rng.normal() * scale)
            data[name] = np.where(rng.random(m) < 0.5, rng.normal(size=m) * scale, original[name])
        if j % 7 == 6:
            original[name] = np.full(m, np.nan)
    frames = pd.DataFrame(original), pd.DataFrame(data)
    targets = [f"class {k} with a name that takes more room than there is" if k % 2 else f"$c_{k}$" for k in range(m)]
    return result(*frames, target=targets, prediction=targets)


def texts(axes: Any) -> list[str]:
    """All text in some axes, title and legend included."""
    from matplotlib.text import Text

    return [text.get_text() for text in axes.findobj(Text) if text.get_visible() and text.get_text().strip()]


def interpreted(figure: Any) -> list[str]:
    """Texts with a dollar sign that matplotlib would take for mathematics, or all of its text for LaTeX."""
    from matplotlib.text import Text

    found = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert found
    return [text.get_text() for text in found if text.get_parse_math() or text.get_usetex()]


def collisions(figure: Any) -> list[tuple[str, ...]]:
    """Pairs of texts that overlap by more than a pixel, and texts that leave the figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    found: list[tuple[str, ...]] = []
    unseen = _beyond_the_axes(figure)
    boxes = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in unseen:
            boxes.append((text.get_text(), text.get_window_extent()))
    width, height = figure.bbox.size
    for text, box in boxes:
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            found.append((text,))
    for (one, a), (other, b) in combinations(boxes, 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1:
            found.append((one, other))
    return found


def _beyond_the_axes(figure: Any) -> set[int]:
    """Labels of ticks that matplotlib keeps outside the view and does not draw."""
    unseen = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                unseen |= {id(tick.label1), id(tick.label2)}
    return unseen
