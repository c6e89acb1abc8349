"""Words and places for messages: lists cut to a readable length, and the user's own line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

_PACKAGE = __name__.split(".")[0]
_LARGEST = 1e30  # that single precision holds


def listing(items: Sequence[Any], limit: int = 20) -> str:
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items)} in all)"


def number_text(value: Any) -> str:
    """A number as people write it: 0.1 where single precision has made 0.10000000149 of it."""
    if not isinstance(value, float):
        return repr(value)
    narrow = np.float32(value) if abs(value) < _LARGEST else np.float32(0)
    written = str(narrow) if float(narrow) == value and not value.is_integer() else repr(value)
    return written.removesuffix(".0")


def user_stacklevel() -> int:
    """Level at which a warning points at the user's own line, however deep in the package it arises."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in (_PACKAGE, "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
