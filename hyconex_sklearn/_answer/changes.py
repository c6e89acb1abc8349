"""A result in, its columns before and after out: what changed, as values and as texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from .._common.messages import shortest
from .._table.cells import Column, cells_differ, column_of, numbers_of
from .._table.units import NARROW_FLOATS, as_written
from .rows import AnsweredRows
from .wording import decimals_for, format_pair, format_value, format_within, is_missing, is_number

_STEPS = 50  # into which a way is cut at least, where a place on it is told
_ROUNDING = 1e-6  # of a step


@dataclass(frozen=True, eq=False)
class ComparedColumn:
    """One column of a result, before and after.

    Parameters
    ----------
    result : AnsweredRows
        Of m counterfactuals.
    position : int
        Of the column.
    changed : bool ndarray of shape (m,)
        Which cells differ.
    whole : AnsweredRows
        What the result is a part of, or itself. Texts are rounded as those of the whole are, so that a cell reads the
        same wherever it stands.
    """

    result: AnsweredRows
    position: int
    changed: np.ndarray
    whole: AnsweredRows

    @classmethod
    def all_of(cls, result: AnsweredRows, whole: AnsweredRows | None = None) -> list[Self]:
        """Return the columns of a result, in the order of the table."""
        changed = cells_differ(*result._tables)
        return [cls(result, j, changed[:, j], whole or result) for j in range(changed.shape[1])]

    @property
    def name(self) -> Any:
        return self.result.feature_names[self.position]

    @property
    def rows(self) -> list[int]:
        """Positions of the counterfactuals that change it."""
        return np.flatnonzero(self.changed).tolist()

    @property
    def cells(self) -> tuple[Column, Column]:
        """Its cells before and after, as they stand in the tables."""
        before, after = self.result._tables
        return column_of(before, self.position), column_of(after, self.position)

    @cached_property
    def before(self) -> np.ndarray:
        """Its cells before, as plain Python objects, numbers of single precision in the digits that they have."""
        return as_written(self.cells[0])

    @cached_property
    def after(self) -> np.ndarray:
        return as_written(self.cells[1])

    @cached_property
    def numbers(self) -> list[np.ndarray]:
        """Its cells before and after as float64, NaN where they are none."""
        return numbers_of(*self.cells)

    @property
    def met(self) -> tuple[float, float] | None:
        """Smallest and largest finite number among its cells; None where there is none."""
        numbers = np.concatenate(self.numbers)
        numbers = numbers[np.isfinite(numbers)]
        return (float(numbers.min()), float(numbers.max())) if numbers.size else None

    @property
    def seen(self) -> tuple[float, float] | None:
        """Smallest and largest number that fit has seen; None where that is not known."""
        low, high = self._range
        return (low, high) if math.isfinite(high - low) else None

    @property
    def usual(self) -> tuple[float, float] | None:
        """Between what all but the outliers lay at fit; None where that is not known."""
        low, high = self._ends(self.result.usual)
        return (low, high) if math.isfinite(high - low) else None

    @property
    def _range(self) -> tuple[float, float]:
        return self._ends(self.result.ranges)

    def _ends(self, of: np.ndarray | None) -> tuple[float, float]:
        return (math.nan, math.nan) if of is None else tuple(of[self.position].tolist())

    @cached_property
    def spread(self) -> float:
        """How far it spreads: in the rows that fit has seen where that is known, else in the whole result."""
        low, high = self._range
        if not high > low:
            low, high = replace(self, result=self.whole).met or (0.0, 0.0)
        return high - low

    @property
    def label(self) -> str:
        """What the column is called."""
        return self.result.words.label(self.name)

    @cached_property
    def _largest(self) -> float:
        """The largest size of a number that fit has seen, or that the whole result holds."""
        ends = (*(self.seen or ()), *(replace(self, result=self.whole).met or ()))
        return max(map(abs, ends), default=0.0)

    def check_unit(self, units: Mapping[Any, str]) -> None:
        """Raise where a unit is given for a column of text or truth values, which would never show it."""
        if self.name not in units:
            return
        met = [value for value in (*self.before, *self.after) if not is_missing(value)]
        if met and not any(map(is_number, met)):
            raise ValueError(
                f"units[{self.name!r}] is {units[self.name]!r}, but that column holds no numbers: {met[0]!r:.80}. A "
                "unit stands behind numbers alone; leave it out, or say it in labels."
            )

    def text(self, value: Any, unit: bool = True) -> str:
        """Return a value of the column as text, rounded to its spread, with its unit unless told otherwise."""
        return self._told(value, format_value(value, decimals_for(self.spread, value)), unit)

    def exactly(self, value: Any) -> str:
        """Return a value of the column as text, not rounded."""
        return self._told(value, f"{shortest(value):.15g}" if isinstance(value, float) else format_value(value, 0))

    def ends_told(self, low: float, high: float) -> tuple[str, str]:
        """Return the ends of a range of the column as text; a unit stands behind the last one."""
        first, last = format_pair(low, high, high - low)
        return self._told(low, first, unit=False), self._told(high, last)

    def texts(self, i: int) -> tuple[str, str]:
        """Return the old and the new cell of counterfactual i as text, with more digits where they would look alike.

        A unit stands behind the new one, where that is a number.
        """
        before, after = self.before[i], self.after[i]
        ends = self.interval(i)
        if ends is None:
            old, new = format_pair(before, after, self.spread)
        else:
            old, new, *_ = format_within(before, after, *ends, self.spread)
        return self._told(before, old, not is_number(after)), self._told(after, new)

    def interval(self, i: int) -> tuple[Any, Any] | None:
        """Return the ends between which the new cell of counterfactual i may lie, as its column has such values.

        None where that was not asked.
        """
        found = self.result.intervals
        if found is None or not found.checked[i, self.position]:
            return None
        low, high = (float(ends[i, self.position]) for ends in (found.low, found.high))
        labels = found.labels.get(self.position)
        if labels:
            return labels[int(low)], labels[int(high)]
        return self._as_cell(low, self.after[i]), self._as_cell(high, self.after[i])

    def _as_cell(self, value: float, like: Any) -> Any:
        """A number of the column as it tells its own: whole, or in the digits of a narrow float."""
        if isinstance(like, (int, np.integer)) and value.is_integer():
            return int(value)
        narrow = NARROW_FLOATS.get(str(self.cells[1].dtype).lower())
        return value if narrow is None else float(str(narrow(value)))

    def interval_told(self, i: int, arrow: str = "->", quoted: Callable[[str], str] = str) -> str:
        """Return the same as words in parentheses; nothing where that was not asked."""
        ends = self.interval(i)
        if ends is None:
            return ""
        told = format_within(self.before[i], self.after[i], *ends, self.spread)[2:]
        (lowest, bare), (highest, _) = (
            [quoted(self._told(end, text, unit)) for unit in (True, False)]
            for end, text in zip(ends, told, strict=True)
        )
        say = partial(self.result.words.say, arrow=arrow)
        if ends[0] == ends[1]:
            return say("interval_only", value=quoted(self.texts(i)[1]))
        from_first, to_last = self._reach_what_was_seen(i)
        if from_first == to_last:
            return say("interval", lowest=bare, highest=highest)
        return say("interval_to", highest=highest) if from_first else say("interval_from", lowest=lowest)

    def _reach_what_was_seen(self, i: int) -> tuple[bool, bool]:
        """Whether an interval begins at the first, and ends at the last value that fit has seen."""
        found: Any = self.result.intervals
        low, high = (float(ends[i, self.position]) for ends in (found.low, found.high))
        labels = found.labels.get(self.position)
        first, last = (0.0, len(labels) - 1.0) if labels else self._range
        noise = _ROUNDING * _ROUNDING * (last - first)  # of ranges that came back through a pipeline
        return low <= first + noise, high >= last - noise

    def checked(self, i: int) -> str | None:
        """Return how the interval of counterfactual i was checked; None where there is none."""
        return None if self.result.intervals is None else self.result.intervals.how(i, self.position)

    def between(self, i: int, share: float) -> str | None:
        """Return about where a share of the way of counterfactual i is, as text; None where that can't be told.

        Whole numbers are rounded toward the new one: the first that lies beyond.
        """
        old, new = (float(numbers[i]) for numbers in self.numbers)
        way = new - old
        if not math.isfinite(way) or not way or not is_number(self.after[i]):
            return None
        here: float
        place = math.floor(math.log10(abs(way) / _STEPS))
        if isinstance(self.after[i], (int, np.integer)):
            place = max(place, 0)
            steps = math.ceil(share * abs(way) / 10.0**place - _ROUNDING)
            here = int(old) + int(math.copysign(steps * 10**place, way))
            told = str(here)
        else:
            here = round(old + share * way, -place)
            told = format_value(here, max(-place, 0))
        return self._told(here, told, unit=False) if min(old, new) < here < max(old, new) else None

    def _told(self, value: Any, text: str, unit: bool = True) -> str:
        """Return the text of a value in the words of the result: gaps, separators, units."""
        words = self.result.words
        gap = words.say("missing")
        if is_missing(value):
            return gap
        if not is_number(value):
            return f"'{text}'" if text == gap else text
        return words.grouped(text, self._largest) + (words.unit(self.name) if unit else "")
