"""Cells of text in, columns with a dtype out, and back: what a person means by "00123", "True" or nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._answer.wording import is_missing
from .._table.schema import Column
from .._table.units import NARROW_FLOATS
from .arguments import MISSING
from .console import UsageError, note, quoted

_BOOLEANS = {"true": True, "false": False}
# As people write quantities. With a leading zero or plus they are codes: "00123", "+49".
_NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"-?[0-9]+(,[0-9]+)+(\.[0-9]*)?|-?[0-9]{1,3}(\.[0-9]{3})*,[0-9]+")  # 1,5 and 1,000.5 and 1.000,5
_DATE = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ]|$)")
_LONGEST_WHOLE = 18  # digits that 64 bits surely hold
_SMALLEST, _LARGEST = 1e-9, 1e15  # numbers between which no exponent is needed
_MOSTLY = 0.5  # share of numbers from which a column that holds other text, too, deserves a note


def guessed(cells: Sequence[str], name: str) -> pd.Series:
    """Return a column in the dtype that its text suggests: whole numbers, numbers, booleans, or else text.

    These are int64 or Int64, float64, bool or boolean, or object with None for what is missing; text without the
    spaces around it.
    """
    met = _met(cells)
    if met and all(cell.lower() in _BOOLEANS for cell in met):
        return _booleans(cells)
    if all(_NUMBER.fullmatch(cell) for cell in met):
        return _numbers(cells, whole=bool(met) and _all_whole(cells))
    _tell_numbers_among_text(met, name)
    return _texts(cells)


def as_fitted(cells: Sequence[str], column: Column, lines: Sequence[int]) -> pd.Series:
    """Return a column in a dtype like that of fit, whatever these rows alone would suggest.

    Raise where fit has seen numbers or booleans and a cell holds something else; `lines` are those of the cells.
    """
    labels = [label for label in (*column.categories, *column.rare) if label is not None]
    if labels and all(isinstance(label, bool) for label in labels):
        _check(cells, lambda cell: cell.lower() in _BOOLEANS, "true or false", column, lines)
        return _booleans(cells)
    measured = column.kind in ("numeric", "integer") or (column.kind == "constant" and column.decimals is not None)
    if measured or (labels and all(isinstance(label, int | float) for label in labels)):
        _check(cells, lambda cell: _as_number(cell) is not None, "numbers", column, lines)
        return _as_narrow(_numbers(cells, whole=column.kind != "numeric" and _all_whole(cells)), column)
    return _texts(cells)


def label_of(text: str, classes: Sequence[Any]) -> Any:
    """Return the class label that a text means; raise where there is none."""
    text = str(text).strip()
    for same in (lambda label: str(label) == text, lambda label: _as_number(label) == _as_number(text) is not None):
        for label in classes:
            if same(label):
                return label
    folded = [label for label in classes if str(label).lower() == text.lower()]
    if len(folded) == 1:
        return folded[0]
    raise UsageError(f"there is no class {text!r}; the model knows {', '.join(map(repr, map(str, classes)))}.")


def written(value: Any) -> str:
    """Return a cell as text."""
    if is_missing(value):
        return ""
    if isinstance(value, float | np.floating):
        return _positional(float(value))
    return str(value)


def _positional(number: float) -> str:
    """A number as people write it; with an exponent where it would be a row of zeros."""
    if number and not _SMALLEST <= abs(number) < _LARGEST:
        return repr(number)
    return str(np.format_float_positional(number, trim="-"))


def check_no_commas(cells: Sequence[str], name: str) -> None:
    """Raise where a column of numbers would become categories, because they are written with commas.

    That is where all cells are numbers, some of them with a comma, or most of them have one.
    """
    met = _met(cells)
    with_comma = sorted(cell for cell in met if _COMMA.fullmatch(cell))
    others = [cell for cell in met if not _COMMA.fullmatch(cell) and not _NUMBER.fullmatch(cell)]
    if with_comma and (not others or len(with_comma) > _MOSTLY * len(met)):
        raise UsageError(
            f"column {name!r} has numbers with commas, such as {with_comma[0]!r}: write them with a decimal point, and "
            f"nothing between thousands. If these are no numbers, --categorical {name}."
        )


def is_date(cell: str) -> bool:
    """Whether a text is a day, maybe with a time, as computers write it."""
    return _DATE.match(cell.strip()) is not None


def is_missing_text(cell: str) -> bool:
    return cell.strip() in MISSING


# ----------------------------------------------------------------------------------------------------- one of each kind


def _texts(cells: Sequence[str]) -> pd.Series:
    return pd.Series([None if is_missing_text(cell) else cell.strip() for cell in cells], dtype=object)


def _booleans(cells: Sequence[str]) -> pd.Series:
    values = [None if is_missing_text(cell) else _BOOLEANS[cell.strip().lower()] for cell in cells]
    return pd.Series(values, dtype="boolean" if None in values else bool)


def _numbers(cells: Sequence[str], whole: bool) -> pd.Series:
    values = [None if is_missing_text(cell) else (int if whole else float)(cell) for cell in cells]
    return pd.Series(values, dtype=np.float64 if not whole else "Int64" if None in values else np.int64)


def _as_narrow(numbers: pd.Series, column: Column) -> pd.Series:
    """Numbers in the narrow float that fit has seen, if that holds them, so that answers are told in its digits."""
    narrow = NARROW_FLOATS.get(column.dtype.lower())
    if narrow is None:
        return numbers
    with np.errstate(over="ignore"):
        cast = numbers.astype(narrow)
    return numbers if np.isinf(cast).any() else cast


def _all_whole(cells: Sequence[str]) -> bool:
    return all(cell.lstrip("+-").isdecimal() and len(cell) <= _LONGEST_WHOLE for cell in _met(cells))


def _met(cells: Sequence[str]) -> set[str]:
    """The different texts of cells that are not missing."""
    return {cell.strip() for cell in set(cells)} - MISSING


def _as_number(value: Any) -> float | None:
    """The finite number that a text or label stands for."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _check(cells: Sequence[str], fits: Any, expected: str, column: Column, lines: Sequence[int]) -> None:
    wrong = {cell for cell in _met(cells) if not fits(cell)}
    if wrong:
        where = next(i for i, cell in enumerate(cells) if cell.strip() in wrong)
        raise UsageError(
            f"column {column.name!r} held {expected} at fit, but line {lines[where]} holds {quoted(cells[where])}. "
            "Correct it, or leave the cell empty where the value is unknown."
        )


def _tell_numbers_among_text(met: set[str], name: str) -> None:
    """Say why a column that looks like numbers is text."""
    other = sorted(cell for cell in met if not _NUMBER.fullmatch(cell))
    if len(other) < _MOSTLY * len(met) and not any(re.fullmatch(r"0[0-9]+", cell) for cell in other):
        note(f"column {name!r} is read as text: {quoted(other[0])} is no number; leave unknown cells empty.")
    elif all(re.fullmatch(r"[0-9]+", cell) for cell in met):
        note(f"column {name!r} is read as text: {quoted(other[0])} has a leading zero, as codes have.")
