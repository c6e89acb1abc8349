"""Words and places for messages: lists cut to a readable length, and the user's own line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

_PACKAGE = __name__.split(".")[0]
_LARGEST = 1e30  # that single precision surely holds
_LENGTHENED = 5  # digits more than that are none that somebody wrote


def listing(items: Sequence[Any], limit: int = 20) -> str:
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items)} in all)"


def number_text(value: Any) -> str:
    """A number as people write it: 0.1 where single precision has made 0.10000000149 of it."""
    return repr(shortest(value)).removesuffix(".0")


def shortest(value: Any) -> Any:
    """A number that single precision has lengthened in the digits that it had; anything else as it is."""
    if not isinstance(value, float) or not abs(value) < _LARGEST or value.is_integer():
        return value
    narrow = np.float32(value)
    lengthened = float(narrow) == value and len(repr(value)) > len(str(narrow)) + _LENGTHENED
    return float(str(narrow)) if lengthened else value


def user_stacklevel() -> int:
    """Level at which a warning points at the user's own line, however deep in the package it arises."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in (_PACKAGE, "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
