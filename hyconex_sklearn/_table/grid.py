"""Any numbers in, numbers that a column can hold out: multiples of a step, or the values of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from .cells import Array


class Grid(Protocol):
    """Numbers in order, and the place of any other number among them, counted in steps."""

    def to_steps(self, values: Any) -> Array:
        """Numbers in steps, whole for those of the grid but for rounding; infinite ones stay beyond all of it."""

    def from_steps(self, steps: Any) -> Array:
        """The numbers of the grid at whole steps; infinite where it has none."""


@dataclass(frozen=True)
class Steps:
    """All multiples of ``multiple / factor``. Both are whole, so that 0.15 is told as 3 * 5 / 100, which is exact."""

    factor: float
    multiple: float = 1.0

    @classmethod
    def of(cls, step: float) -> Steps:
        """The multiples of a number, as it is written: 0.05 is five hundredths."""
        multiple, decimals = written(step)
        return cls(10.0**decimals, float(multiple))

    def to_steps(self, values: Any) -> Array:
        return np.asarray(values * self.factor / self.multiple)

    def from_steps(self, steps: Any) -> Array:
        return np.asarray(steps * self.multiple / self.factor)


@dataclass(frozen=True)
class Listed:
    """Some numbers, in rising order; a number between two of them lies at a part of the step."""

    values: tuple[float, ...]

    def to_steps(self, values: Any) -> Array:
        return np.interp(values, self.values, np.arange(len(self.values)))

    def from_steps(self, steps: Any) -> Array:
        found = np.array([-np.inf, *self.values, np.inf])
        place = np.clip(np.nan_to_num(steps, nan=0.0), -1, len(self.values)).astype(np.intp)
        return np.where(np.isnan(steps), np.nan, found[place + 1])


def written(number: float) -> tuple[int, int]:
    """A number as a whole number of units of its last decimal, and how many decimals it is written with."""
    told = Decimal(repr(number))
    decimals = max(0, -int(told.normalize().as_tuple().exponent))
    return int(told.scaleb(decimals)), decimals


def nearest(grid: Grid, values: Any) -> Array:
    """The nearest numbers of the grid."""
    return grid.from_steps(np.rint(grid.to_steps(values)))


def onward(grid: Grid, values: Any, side: Any, held: Callable[[Array], Array] = np.asarray) -> Array:
    """The nearest numbers of the grid that are not below (`side` 1), or not above (-1); infinite where none is.

    They are compared as a column holds them: `held` is what it makes of numbers.
    """
    steps = np.rint(grid.to_steps(values))
    return grid.from_steps(np.where(side * held(grid.from_steps(steps)) < side * values, steps + side, steps))
