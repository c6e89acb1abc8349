"""What a command says, and where: results on stdout; notes, warnings and errors on stderr, one line each."""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

PROGRAM = "hyconex-sklearn"
_SHOWN = 12  # names of a list
_COMMANDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # control characters and ends of lines
_LONGEST = 60  # characters of a cell or name


class UsageError(Exception):
    """Something that the user can put right; its text is the one line that is shown."""


def say(text: str) -> None:
    """Write a line of a result to stdout."""
    print(_tame(text))


def note(text: str) -> None:
    """Tell on stderr what was decided without being asked."""
    _tell("note", text)


def complain(error: BaseException) -> None:
    """Tell on stderr what went wrong."""
    _tell("error", str(error) or type(error).__name__)


def readable_anywhere(stream: TextIO) -> None:
    r"""Let a stream write \xe9 where it has no é, as stderr does: a result must not end in the midst of a line."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings as people read them: once, without file, line number and source."""
    told = set()

    def show(message: Any, *_: Any, **__: Any) -> None:
        if str(message) not in told:
            told.add(str(message))
            _tell("warning", str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def listed(names: Iterable[Any]) -> str:
    """Names after one another, abbreviated where there are many."""
    texts = [str(name) for name in names]
    return ", ".join(texts) if len(texts) <= _SHOWN else f"{', '.join(texts[:_SHOWN])}, ... ({len(texts)} in all)"


def quoted(text: str) -> str:
    """The text between quotes, cut where it is long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _tell(kind: str, text: str) -> None:
    print(_tame(f"{PROGRAM}: {kind}: {' '.join(text.split())}"), file=sys.stderr)


def _tame(text: str) -> str:
    """Cells come from anywhere: none may end the line or command the terminal."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
