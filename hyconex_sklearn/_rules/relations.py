"""Rows of numbers and linear relations between them in, rows that obey out, all in original units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._table.cells import Array
from .._table.grid import onward
from .._table.units import NumericMap

#: By how much a sum may exceed its bound: not at all, so that whoever adds up the terms finds the relation obeyed.
TOLERANCE = 0.0
#: Rounds over all relations; one relation alone is met in as many rounds as it has columns that run into a bound.
SWEEPS = 30
#: How far inside a relation a continuous value comes to lie, in units of its spread: float32 rounding is smaller.
SLACK = 1e-5


@dataclass(frozen=True)
class Relation:
    """``sum(coefficients * numbers[slots]) <= bound`` for numbers in original units."""

    slots: tuple[int, ...]
    coefficients: tuple[float, ...]
    bound: float

    def excess(self, numbers: Array) -> Array:
        """By how much the sum of each row of numbers (m, p) exceeds the bound; NaN where a number is missing."""
        # Term by term, as anyone would check it: another order could round to the other side of the bound.
        total = np.zeros(len(numbers))
        for slot, coefficient in zip(self.slots, self.coefficients, strict=True):
            total = total + coefficient * numbers[:, slot]
        return total - self.bound

    def broken(self, numbers: Array) -> Array:
        """Which rows of numbers (m, p) break the relation: bool (m,). A missing number compares with nothing."""
        return self.excess(numbers) > TOLERANCE


@dataclass(frozen=True)
class Room:
    """Where m rows of p numbers may go; all arrays have shape (m, p)."""

    movable: Array  # which numbers may move
    low: Array  # where to, in original units
    high: Array
    reach: Array  # how far a number moves in proportion to the others, per unit of its coefficient


def spread(scales: NumericMap, numbers: Array) -> Array:
    """Original units per encoded unit at each number (m, p); without rounding. 1 where missing."""
    bend = np.where(np.isnan(scales.power), 1.0, scales.power)
    with np.errstate(over="ignore"):
        slope = (1 + np.abs(numbers) / scales.unit) ** (np.where(numbers < 0, -1, 1) * (1 - bend))
        return np.nan_to_num(scales.scale * scales.unit * slope, nan=1.0)


def project(relations: Sequence[Relation], numbers: Array, room: Room, scales: NumericMap) -> Array:
    """Rows of numbers (m, p) moved into all relations by cyclic projections, where there is room for that.

    Numbers on a grid of decimals, which `scales` holds, are rounded onward in the direction of their move.
    """
    reached = _sweep(relations, numbers, room, scales)
    if not scales.discrete.size:
        return reached
    rounded = _round_onward(reached, numbers, scales)
    movable = room.movable.copy()
    movable[:, scales.discrete] = False  # the others make up for the rounding
    return _sweep(relations, rounded, replace(room, movable=movable), scales)


def _sweep(relations: Sequence[Relation], numbers: Array, room: Room, scales: NumericMap) -> Array:
    """Rows of numbers moved into one relation after the other, until none is broken or nothing can move."""
    moved, slack = numbers.copy(), _slack(scales, numbers)
    for _ in range(SWEEPS):
        steps = [_step(relation, moved, room, slack) for relation in relations]
        if not any(steps):
            break
    return moved


def _step(relation: Relation, moved: Array, room: Room, slack: Array) -> bool:
    """Move the rows that break a relation to just inside of it, the shortest way in units of reach.

    Returns whether any row could move.
    """
    rows = np.flatnonzero(relation.broken(moved))
    part = np.ix_(rows, np.array(relation.slots))
    coefficients = np.array(relation.coefficients)
    x, least, most, reach = moved[part], room.low[part], room.high[part], room.reach[part]
    pull = -coefficients * reach
    able = room.movable[part] & np.where(pull < 0, x > least, (pull > 0) & (x < most))
    pull = np.where(able, pull, 0.0)
    largest = np.abs(pull).max(axis=1, keepdims=True)
    pull /= np.where(largest > 0, largest, 1.0)  # no square may overflow
    gain = -(coefficients * reach * pull).sum(axis=1, keepdims=True)
    excess = relation.excess(moved[rows])[:, None]
    needed = excess + (np.abs(coefficients) * slack[part] * able).sum(axis=1, keepdims=True)
    step = np.divide(needed, gain, out=np.zeros_like(needed), where=gain > 0)
    moved[part] = np.where(able, np.clip(x + step * pull * reach, least, most), x)
    return bool(able.any())


def _slack(scales: NumericMap, numbers: Array) -> Array:
    """What rounding to float32, and to a narrow float, may take from a number; 0 on a grid of decimals."""
    slack = SLACK * spread(scales, numbers)
    for slot, dtype in scales.single:
        slack[:, slot] += 2 * float(np.finfo(dtype).eps) * np.nan_to_num(np.abs(numbers[:, slot]))
    slack[:, scales.discrete] = 0.0
    return slack


def _round_onward(moved: Array, numbers: Array, scales: NumericMap) -> Array:
    """Numbers on a grid of decimals, if moved: to the next grid value in the direction of the move."""
    rounded = moved.copy()
    for slot, grid in scales.grids:
        x, home = moved[:, slot], numbers[:, slot]
        rounded[:, slot] = np.where(x == home, x, onward(grid, x, np.where(x < home, -1, 1)))
    return rounded
