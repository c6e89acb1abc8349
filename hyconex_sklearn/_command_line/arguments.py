"""Words of a command line in, a command and its arguments out; and a help that teaches."""

from __future__ import annotations

import argparse
import json
from typing import Any, NoReturn

from .._common.parameters import INTERVALS, SEARCHES, SPARSITY
from .._version import __version__
from .console import PROGRAM, complain

_ABOUT = """\
A classifier for tables that explains itself with counterfactuals: rows like yours that it would classify otherwise.

What a counterfactual is: the answer to "what would this row look like, had the model decided otherwise?", changed
as little as possible, and still a row as they occur. It is checked as it is written: the model does predict the
target for it, and no rule of yours is broken.
What it is not: advice that is known to work. It speaks of this model, not of the world. Correlations are not causes,
and changing a number in a form need not change what the number stands for.
"""

_STORY = f"""\
a first walk:
  {PROGRAM} fit loans.csv --target granted --output loans.safetensors --test-size 0.2
  {PROGRAM} explain loans.safetensors refused.csv --target yes --immutable age --output alternatives.csv
  {PROGRAM} evaluate loans.safetensors others.csv --target granted

Tables are .csv or .tsv (UTF-8, names in the first line; .gz too) or .parquet. Each command has its own --help.
"""

#: What stands for a missing cell in a file.
MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"})
#: How `explain` lays its table out, the default first; `layouts` does it.
LAYOUT_NAMES = ("wide", "changes", "compare")
_MISSING = ", ".join(sorted(MISSING - {""}, key=lambda word: (word.strip("#<>").lower(), word)))

_FIT = f"""\
Fit a classifier to the rows of a file, and save it to one file that is safe to load. Takes a minute or so.

Columns are read by what they hold: numbers; true and false; else text, which makes categories. Whole numbers with a
leading zero, such as 00123, are codes and stay text. Dates are text, too: give the year, or days as a number.
Missing, which the classifier can take, are empty cells and {_MISSING}.
Leave out what identifies a row (--drop), and what would not be known when the model is asked.
"""

_FIT_STORY = f"""\
examples:
  {PROGRAM} fit data.csv --target income --output model.safetensors
  {PROGRAM} fit data.csv --target income --output model.safetensors --drop id --categorical zip --test-size 0.2
      without the column id, zip codes as categories, and a fifth of the rows held out to test by: drawn at random,
      the same share of each class
"""

_EXPLAIN = """\
For each row of a file, find the nearest plausible rows that the model would classify otherwise.

Columns that the model does not know, such as an identifier, are kept in the output; nothing else is needed of them.
Rules are never broken by an answer that is reported as feasible. A row that can't be served stays in the output, and
its status says why: ok; unsure (less confidence than asked for); implausible (a rare row); not_valid (none was found,
the best attempt is shown); infeasible (a rule can't be obeyed); fewer; already_target.
"""

_EXPLAIN_STORY = f"""\
examples:
  {PROGRAM} explain model.safetensors rows.csv
      one sentence for each row and other class
  {PROGRAM} explain model.safetensors rows.csv --immutable age race --bounds hours=0:60 --monotonic education=1 \\
      --max-changes 3 --target yes --n-counterfactuals 2 --output alternatives.csv --report alternatives.html
      what a person can't change, what only so far, what only upwards; as a table, and as a page to read

--target is a class here; in fit and evaluate it is a column.

A line of the table: your own columns that the model does not use; row (place in the file, from 0), target, rank,
what the counterfactual is worth (prediction, probability, ..., status), a sentence; its cells, in your columns, and
the cells as they were. --layout changes has a line for each changed cell: column, from, to, contribution (what it adds
to the log-odds of the target), and with --intervals lowest, highest, checked (by how many values or rows). --layout
compare has the columns of each row as lines: now, 1, 2, ...
"""

_EVALUATE = """\
Judge a model by rows that it was not fitted to: how often it is right, and what its counterfactuals are worth.

The file holds rows that you kept apart before fit: by those that a model has learned from, any looks good. (What fit
--test-size holds out is judged by fit alone, and is not written.) Judges that learn from the file itself, a random
forest and kernel densities, tell whether others would agree: give a hundred rows or more. Each line says what it means.
"""


_EVALUATE_STORY = f"""\
example:
  {PROGRAM} evaluate model.safetensors test.csv --target income
      --target is the column with the known classes here, as in fit; in explain it is the class that is wanted
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        complain(ValueError(f"{message} ({self.prog} --help tells more)"))
        self.exit(2)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it parses has the name of the command as `command`."""
    layout = argparse.RawDescriptionHelpFormatter
    root = _Parser(PROGRAM, description=_ABOUT, epilog=_STORY, formatter_class=layout)
    root.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, arguments, about, story in (
        ("fit", _fit_arguments, _FIT, _FIT_STORY),
        ("explain", _explain_arguments, _EXPLAIN, _EXPLAIN_STORY),
        ("evaluate", _evaluate_arguments, _EVALUATE, _EVALUATE_STORY),
    ):
        summary = about.split(".")[0]
        one = commands.add_parser(name, help=summary, description=about, epilog=story, formatter_class=layout)
        one.set_defaults(command=name)
        arguments(one)
    return root


def _fit_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("data", metavar="DATA", help="table to learn from: .csv, .tsv or .parquet")
    one.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict: two classes or more")
    one.add_argument("--output", required=True, metavar="FILE", help="model file to write, such as model.safetensors")
    _several(one, "--drop", "COLUMN", "columns to leave out")
    _several(one, "--categorical", "COLUMN", "columns whose numbers are names, such as zip codes")
    one.add_argument("--test-size", type=float, metavar="SHARE", help="share of the rows to hold out and to test by")
    one.add_argument("--random-state", type=int, default=0, metavar="SEED", help="seed of split and fit (default: 0)")
    one.add_argument("--max-time", type=float, metavar="SECONDS", help="end the training after about so many seconds")
    told = "parameters of HyConExClassifier, such as alpha_plausibility=0.5 or pretrain_epochs=200"
    _several(one, "--set", "NAME=VALUE", told, type=_parameter)
    _common(one, writes=True)


def _explain_arguments(one: argparse.ArgumentParser) -> None:
    _model(one, "ROWS", "table with the rows to explain")
    one.add_argument("--target", metavar="CLASS", help="the class wanted, or 'second' (default: every other class)")
    _several(one, "--immutable", "COLUMN", "columns that must not change")
    _several(one, "--mutable", "COLUMN", "columns that may change, in place of --immutable; nothing else does")
    _several(one, "--bounds", "COLUMN=LOW:HIGH", "smallest and largest value; may be empty")
    _several(one, "--monotonic", "COLUMN=1|-1", "columns that may only rise (1) or fall (-1)")
    one.add_argument("--max-changes", type=int, metavar="N", help="how many columns may change")
    told = "all rules as JSON, as Actionability.to_json gives them: allowed values and steps of numbers, too"
    one.add_argument("--rules", metavar="FILE", help=told)
    one.add_argument("--target-probability", type=float, metavar="P", help="probability of the target to reach")
    one.add_argument("--n-counterfactuals", type=int, default=1, metavar="N", help="alternatives for each (default: 1)")
    _search(one)
    told = f"what changed columns cost: 0 gives the nearest row (default: {SPARSITY:g})"
    one.add_argument("--sparsity", type=float, default=SPARSITY, metavar="S", help=told)
    told = "the best rows with one changed column, with two, ... up to the first that is certified"
    one.add_argument("--menu", action="store_true", help=told)
    told = "tell how far changed numbers may go: each by itself, or all at once, as a box; checked at rows, not proved"
    one.add_argument("--intervals", choices=INTERVALS, help=told)
    one.add_argument("--output", metavar="FILE", help="table to write (default: sentences on stdout)")
    told = "of the table: wide, a line for each answer (default); changes, for each changed cell; compare, side by side"
    one.add_argument("--layout", choices=LAYOUT_NAMES, help=told)
    one.add_argument("--report", metavar="FILE", help="page to write, to be opened in a browser")
    one.add_argument("--row-names", metavar="COLUMN", help="what the page calls each row (default: Row 0, Row 1, ...)")
    _common(one, writes=True)


def _evaluate_arguments(one: argparse.ArgumentParser) -> None:
    _model(one, "DATA", "table with rows and their known classes")
    one.add_argument("--target", required=True, metavar="COLUMN", help="the column with the known classes")
    one.add_argument("--json", action="store_true", help="write JSON instead of a table")
    _search(one)
    _common(one, writes=False)


def _model(one: argparse.ArgumentParser, metavar: str, text: str) -> None:
    one.add_argument("model", metavar="MODEL", help="model file that fit wrote")
    one.add_argument("data", metavar=metavar, help=f"{text}: .csv, .tsv or .parquet")


def _several(one: argparse.ArgumentParser, option: str, metavar: str, help: str, **more: Any) -> None:
    """Add an option that takes several values, and more of them each time that it is given."""
    one.add_argument(option, nargs="+", action="extend", default=[], metavar=metavar, help=help, **more)


def _search(one: argparse.ArgumentParser) -> None:
    told = "auto (default), or one_shot: much faster, and less sure"
    one.add_argument("--search", default="auto", choices=SEARCHES, help=told)


def _common(one: argparse.ArgumentParser, writes: bool) -> None:
    told = "between the cells of a .csv file, read or written, such as ';'"
    one.add_argument("--separator", type=_separator, metavar="CHAR", help=told)
    if writes:
        one.add_argument("--force", action="store_true", help="replace files that exist already")


def _separator(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1:
        raise argparse.ArgumentTypeError(f"expected one character or 'tab', got {text!r}")
    return text


def _parameter(text: str) -> tuple[str, Any]:
    """A parameter's name, and its value as in JSON; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
