"""What every training row obeyed, as plain data that reads as text: :class:`FoundRelation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._common.messages import shortest

#: Kinds that hold exactly; of two columns, or of three and more.
PAIRS, SUM, ORDER = ("copy", "multiple"), "sum", "order"
KINDS = (*PAIRS, SUM, ORDER)


@dataclass(frozen=True)
class FoundRelation:
    """A relation between columns that every row of the training table obeyed, where none of its cells was missing.

    Parameters
    ----------
    kind : {"copy", "multiple", "sum", "order"}
        The first three hold exactly; an order says that one column is at most another one, or less by a gap.
    terms : dict of column to coefficient
        With `bound`, as ``Actionability(relations=...)`` takes them: ``sum(coefficient * column)`` is the bound, or, in
        an order, at most that. Of an exact relation the first column is the one that the others determine.
    bound : float
        See `terms`; 0 in an exact relation.
    n_rows : int
        The rows that are evidence: those without a gap in these columns.
    """

    kind: str
    terms: dict[Any, float]
    bound: float
    n_rows: int

    @property
    def exact(self) -> bool:
        """Whether it is an equation."""
        return self.kind != ORDER

    def __str__(self) -> str:
        """As "total = net + tax"."""
        return self.told()

    def told(self, names: Callable[[Any], str] = str) -> str:
        """As text; `names` tells what each column is called."""
        (first, _), *others = self.terms.items()
        parts = sorted((_term(-coefficient, names(column)) for column, coefficient in others), key=_falls)
        parts += [_signed(self.bound, _digits(self.bound))] if self.bound else []
        sign = "=" if self.exact else "<="
        return f"{names(first)} {sign} {' '.join(parts).removeprefix('+ ')}"


def _falls(part: str) -> bool:
    return part.startswith("-")


def _signed(value: float, size: str) -> str:
    return f"{'-' if value < 0 else '+'} {size}"


def _digits(value: float) -> str:
    return f"{shortest(abs(value)):.10g}"


def _term(coefficient: float, name: str) -> str:
    """A signed summand: a column, as often as its coefficient says, or the part of it that it says."""
    size, parts = _digits(coefficient), _digits(1 / coefficient)
    if "." in size and parts.isdigit():
        return _signed(coefficient, f"{name} / {parts}")
    return _signed(coefficient, name if size == "1" else f"{size} \u00d7 {name}")
