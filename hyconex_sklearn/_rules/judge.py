"""Cells before and after in, which rows obey their rules out: what each rule means, said once.

Rows that the search settles and rows that come back through a pipeline are judged here, both by the values that a table
holds. Nothing is forgiven: a number that is beyond its bound by a bit breaks it, and a sum by `relations.TOLERANCE`,
which is 0. The noise of a pipeline's steps is taken off before its rows are judged. A direction is no rule of its own,
but a bound at the own value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._table.cells import Array
from .._table.grid import Grid, nearest
from .relations import Relation


@dataclass(frozen=True)
class LabelRule:
    """What the labels of one column may become; None stands for a missing one."""

    allowed: Collection[Any] | None  # the only labels that a row may have; None: all
    moves: Mapping[Any, Collection[Any]]  # where some labels may go
    direction: int = 0  # of truth values: 1 if False may become True, but not True False; -1 the other way round

    def permits(self, old: Any, new: Any) -> bool:
        """Whether one label may become the other, or stay. A missing one may stay so, but none may go missing."""
        if new is None:
            return old is None
        listed = self.allowed is None or new in self.allowed
        return listed and (old == new or (self._rises(old, new) and (old not in self.moves or new in self.moves[old])))

    def _rises(self, old: Any, new: Any) -> bool:
        """Whether a change goes in the direction, if there is one; what is no truth value has no way to go."""
        return not self.direction or (old in (False, True) and self.direction * (int(new) - int(old)) > 0)


@dataclass(frozen=True)
class NumberRule:
    """What the numbers of one column may become."""

    grid: Grid  # the new ones
    listed: bool  # whether these are the only ones that a row may have, or its own one may stay, too
    own: Grid | None = None  # where they are: those of the list that are no multiples, but may stay

    def permits(self, old: Array, new: Array, held: Callable[[Array], Array]) -> Array:
        """Whether numbers (n,) may become others, or stay; `held` is what a column makes of numbers of the grid.

        A missing one may stay so, but where numbers are listed, none may go missing.
        """
        missing = np.isnan(new)
        unchanged = (missing & np.isnan(old)) if self.listed else (missing | (new == old))
        if self.own is not None:
            unchanged |= (new == old) & (held(nearest(self.own, new)) == new)
        return np.asarray(unchanged | (held(nearest(self.grid, new)) == new))


def narrowed(low: Array, high: Array, own: Array, direction: int) -> tuple[Array, Array]:
    """Bounds (n,) of a number that may only rise from its own value (1), only fall (-1), or both (0)."""
    return np.fmax(low, own) if direction > 0 else low, np.fmin(high, own) if direction < 0 else high


def obeyed(
    changed: Array,
    numbers: Array | None,
    movable: Array,
    low: Array,
    high: Array,
    relations: Collection[Relation],
    max_changes: Array,
) -> Array:
    """Which of n rows obey all rules but those on labels and values, for which there are `LabelRule` and `NumberRule`.

    `changed` and `movable` (n, C) are the cells that hold another value than before, and those that may. `numbers` are
    what the rows hold now, in original units, and `low` and `high` their bounds, those of directions included, all
    (n, p); a missing number breaks neither a bound nor a relation. None: there are no bounds and no relations.
    """
    good = ~(changed & ~movable).any(axis=1) & (changed.sum(axis=1) <= max_changes)
    if numbers is not None:
        good &= ~((numbers < low) | (numbers > high)).any(axis=1)
        for relation in relations:
            good &= ~relation.broken(numbers)
    return np.asarray(good)
