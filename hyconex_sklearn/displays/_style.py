"""How all pictures write and colour: text as it is, never taken for mathematics, and signs that need no colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .._answer.wording import plain

# Okabe and Ito's colours, which the colour-blind tell apart; each comes with a sign of its own.
BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, YELLOW = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#56B4E9",
    "#CC79A7",
    "#F0E442",
)
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "|||", "---", "ooo", "+++", "**", "OO")
LINES = ("-", "--", ":", "-.")
QUIET = "0.45"  # grey of what matters less

#: A column named "$x_1$" is written as it is named, whatever the user's settings say about mathematics and LaTeX.
VERBATIM: dict[str, Any] = {"parse_math": False, "usetex": False}

_LINE = 28  # characters of a line of a column's label


def class_name(label: Any) -> str:
    """A class label in a sentence: text as it is, others as `class 1`."""
    return plain(label) if isinstance(label, str) else f"class {plain(label)}"


def shorten_middle(text: str, longest: int) -> str:
    """Text of at most `longest` characters, an ellipsis for what its middle loses."""
    if len(text) <= longest:
        return text
    head = max(longest - 1, 1)
    return f"{text[: head - head // 2]}…{text[len(text) - head // 2 :]}"


def labels_of(names: Sequence[Any]) -> list[str]:
    """A label of one line or two for each column; columns whose names look alike when shortened get their number."""
    texts = [plain(name) for name in names]
    short = [shorten_middle(text, 2 * _LINE - 8) for text in texts]
    twice = Counter(short)
    numbered = [text if twice[text] == 1 else f"{text} #{j}" for j, text in enumerate(short)]
    return [_two_lines(text) for text in numbered]


def _two_lines(text: str) -> str:
    """The text, broken near its middle if it is long, behind a sign that words end with where there is one."""
    if len(text) <= _LINE:
        return text
    half = len(text) // 2
    ends = [i + 1 for i, sign in enumerate(text) if sign in " _-./" and abs(i + 1 - half) <= _LINE // 3]
    cut = min(ends, key=lambda end: abs(end - half), default=half)
    return f"{text[:cut].rstrip()}\n{text[cut:].lstrip()}"


def and_more(number: int, one: str, many: str) -> list[str]:
    """A note on what is not drawn; none where nothing is left."""
    return [f"and {number:,} more {one if number == 1 else many}"] if number > 0 else []
