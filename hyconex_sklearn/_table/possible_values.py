"""What fit has learned of a column in, the values that its cells can take between two ends out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from .cells import Array
from .grid import Grid, Steps, nearest
from .schema import Column
from .units import NARROW_FLOATS

#: Steps of a grid by which an end may miss it, by the noise of narrow floats and of ways through other units.
_SLACK = 0.05


@dataclass(frozen=True)
class PossibleValues:
    """The values that a column of numbers, or of ordered categories, can take."""

    lower: float  # ends of what fit has seen; of ordered categories 0 and the last rank
    upper: float
    grid: Grid | None = None  # None: continuous
    narrow: tuple[Any, ...] = ()  # floats of fewer digits, each of which has to hold them
    labels: tuple[Any, ...] = ()  # ordered categories, by rank; values are ranks

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return those of a column of a schema; None where it has none, or a single one."""
        if not column.is_value or not column.lower < column.upper:
            return None
        if column.kind == "ordered":
            return cls(0.0, len(column.categories) - 1.0, Steps(1.0), labels=column.categories)
        return cls(column.lower, column.upper, column.grid).held_in(column.dtype)

    def held_in(self, dtype: Any) -> Self:
        """Return those that a column of a dtype can hold, too."""
        narrow = NARROW_FLOATS.get(str(dtype).lower())
        return self if narrow is None or self.labels else replace(self, narrow=(*self.narrow, narrow))

    def nearest(self, values: Array) -> Array:
        """Return the values that cells hold in the place of any numbers."""
        if self.grid is not None:
            values = nearest(self.grid, values) + 0.0  # never a negative zero
        for dtype in self.narrow:
            values = values.astype(dtype).astype(np.float64)
        return values

    def between(self, low: float, high: float, most: int, spread: int) -> tuple[Array, bool]:
        """Return the values from `low` to `high`, rising: all where they are at most so many, else some, spread evenly.

        And whether these are all. Both ends are among them where they are values of the column.
        """
        if self.grid is None:
            return np.unique(self.nearest(np.linspace(low, high, spread))), False
        first = float(np.ceil(self.grid.to_steps(low) - _SLACK))
        last = float(np.floor(self.grid.to_steps(high) + _SLACK))
        if last - first < most:
            return self.nearest(self.grid.from_steps(np.arange(first, last + 1))), True
        return np.unique(self.nearest(self.grid.from_steps(np.linspace(first, last, spread)))), False
