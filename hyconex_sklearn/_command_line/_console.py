"""What a command says, and where: results on stdout; notes, warnings and errors on stderr, one line each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

PROGRAM = "hyconex-sklearn"
_SHOWN = 12  # names of a list


class UsageError(Exception):
    """Something that the user can put right; its text is the one line that is shown."""


def say(text: str) -> None:
    """Write a result to stdout."""
    print(text)


def note(text: str) -> None:
    """Tell on stderr what was decided without being asked."""
    _tell("note", text)


def complain(error: BaseException) -> None:
    """Tell on stderr what went wrong."""
    _tell("error", str(error) or type(error).__name__)


def interrupted() -> None:
    print(f"\n{PROGRAM}: interrupted; no file is left half written.", file=sys.stderr)


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings as people read them, without file, line number and source."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        _tell("warning", str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def listed(names: Iterable[Any]) -> str:
    """Names after one another, abbreviated where there are many."""
    texts = [str(name) for name in names]
    return ", ".join(texts) if len(texts) <= _SHOWN else f"{', '.join(texts[:_SHOWN])}, ... ({len(texts)} in all)"


def _tell(kind: str, text: str) -> None:
    print(f"{PROGRAM}: {kind}: {' '.join(text.split())}", file=sys.stderr)
