"""What was typed in, an exit code out: where a process of the command line begins and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .arguments import parser
from .console import PROGRAM, UsageError, complain, readable_anywhere, warnings_in_one_line
from .options import in_options

_WRONG, _INTERRUPTED, _PIPE_CLOSED = 2, 130, 141  # the last two as shells count: 128 and the signal's number


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0; 2 where something was wrong, told in one line on stderr; 130 after Ctrl-C.
    """
    readable_anywhere(sys.stdout)
    arguments = None
    try:
        arguments = parser().parse_args(argv)
        with warnings_in_one_line():
            # Loaded now: what has been typed wrong, and help, should not wait for torch.
            import_module(f".{arguments.command}", __package__).run(arguments)
        sys.stdout.flush()
    except (UsageError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):  # somebody downstream, such as head, has read enough
            # Python would flush what is left at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _PIPE_CLOSED
        if arguments is not None and isinstance(error, ValueError | TypeError):
            error = UsageError(in_options(str(error), arguments))
        complain(error)
        return _WRONG
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted; no file is left half written.", file=sys.stderr)
        return _INTERRUPTED
    return 0
