"""Values as people read them: as many digits as their column deserves."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pandas as pd

_TURNING = {"R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_MARKS = dict.fromkeys((*range(8234, 8239), *range(8294, 8298)))
_MISSING = "missing"
_LONGEST = 200  # characters of a sentence in a short listing


def shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def isolated(text: str) -> str:
    """The text between marks that keep its direction to itself; text that is written from left to right stays bare."""
    if not any(unicodedata.bidirectional(character) in _TURNING for character in text):
        return text
    return f"\u2068{text.translate(_MARKS)}\u2069"


def is_missing(value: Any) -> bool:
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    return value is None or value is pd.NA or value is pd.NaT


def is_number(value: Any) -> bool:
    """Whether a value is a number that is there: no gap, no truth value, no text."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and not is_missing(value)


def decimals_for(spread: float, *values: Any) -> int:
    """Decimals that show about four digits of `spread`, or of the largest value where all values are the same."""
    if not 0 < spread < math.inf:
        numbers = [abs(float(v)) for v in values if isinstance(v, (float, np.floating))]
        spread = max(filter(math.isfinite, numbers), default=1.0) or 1.0
    return min(max(3 - math.floor(math.log10(spread)), 0), 17)


def format_pair(before: Any, after: Any, spread: float) -> tuple[str, str]:
    """Both values as text, rounded to the spread of their column, with more digits where they would look alike."""
    first = decimals_for(spread, before, after)
    for decimals in range(first, 18):
        old, new = format_value(before, decimals), format_value(after, decimals)
        if old != new:
            return old, new
    texts = isinstance(before, str) or isinstance(after, str)
    if not texts and str(before) != str(after):  # neighbouring floats
        return str(before), str(after)
    if repr(before) != repr(after):  # 1 and "1", or a space and a line's end
        return repr(before), repr(after)
    return format_value(before, first), format_value(after, first)


def format_within(before: Any, after: Any, low: Any, high: Any, spread: float) -> tuple[str, str, str, str]:
    """A change and the ends between which the new value may lie as text: as `format_pair`, the ends rounded inward.

    With more digits where the new value, as it is told, would lie outside of the ends as they are told.
    """
    for decimals in range(decimals_for(spread, before, after), 18):
        old, new = format_value(before, decimals), format_value(after, decimals)
        lowest, highest = _inward(low, decimals, ROUND_CEILING), _inward(high, decimals, ROUND_FLOOR)
        told = _rounded(after, decimals)
        if old != new and (not is_number(told) or lowest <= told <= highest):
            return old, new, format_value(lowest, decimals), format_value(highest, decimals)
    return (*format_pair(before, after, spread), str(low), str(high))


def _rounded(value: Any, decimals: int) -> Any:
    """A value as `format_value` tells it."""
    return float(format_value(value, decimals)) if isinstance(value, float) and math.isfinite(value) else value


def _inward(value: Any, decimals: int, way: str) -> Any:
    """A value rounded one way to the digits that `format_value` tells."""
    if not isinstance(value, float) or not math.isfinite(value) or not value:
        return value
    exact = Decimal(repr(value))
    significant = decimals > 8 or abs(value) >= 1e15
    last = exact.adjusted() - max(decimals - 4, 4) + 1 if significant else -decimals
    return float(exact.quantize(Decimal(1).scaleb(last), rounding=way))


def format_probability(probability: float) -> str:
    """Two decimals, and never a certainty that is none."""
    if probability != probability:
        return "unknown"
    if 0 < probability < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= probability < 1 else f"{probability:.2f}"


def tell_apart(lower: float, higher: float) -> tuple[str, str]:
    """Two probabilities, the lower first, in as many decimals as it takes to tell them apart."""
    for decimals in range(2, 8):
        told = f"{lower:.{decimals}f}", f"{higher:.{decimals}f}"
        if told[0] != told[1]:
            break
    return told


def format_share(share: float) -> str:
    """Whole percent, and neither none nor all what is only nearly so."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 - 1e-9 else f"{share:.0%}"


def plain(value: Any) -> str:
    """Text on one line, in quotes where its ends could not be seen otherwise."""
    text = re.sub(r"\s+", " ", str(value))
    return text if text and text == text.strip() else f"'{text}'"


def row_name(label: Any) -> str:
    """The label of a row as text on one line."""
    return ", ".join(map(row_name, label)) if isinstance(label, tuple) else plain(label)


def format_value(value: Any, decimals: int) -> str:
    if is_missing(value):
        return _MISSING
    if isinstance(value, np.floating):
        value = float(value)
    if not isinstance(value, float) or not math.isfinite(value):
        text = plain(value)
        return f"'{text}'" if text == _MISSING else text
    if decimals > 8 or abs(value) >= 1e15:  # fixed point would be a row of zeros
        return f"{value:.{max(decimals - 4, 4)}g}"
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
