"""Cells before and after in, which rows obey their rules out: what each rule means, said once.

Rows that the search settles and rows that come back through a pipeline are judged here, both by the values that a table
holds and to the last bit: the noise of a pipeline's steps is taken off before. A direction is no rule of its own, but a
bound at the own value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .relations import Relation

Array = NDArray[Any]


@dataclass(frozen=True)
class LabelRule:
    """What the labels of one column may become: None stands for a missing one.

    Parameters
    ----------
    allowed : collection of labels, or None
        The only labels that a row may have; None: all.
    moves : dict of label to collection of labels
        Where some labels may go.
    """

    allowed: Collection[Any] | None = None
    moves: Mapping[Any, Collection[Any]] | None = None

    def permits(self, old: Any, new: Any) -> bool:
        """Whether one label may become the other, or stay. A missing one may stay so, but none may go missing."""
        if new is None:
            return old is None
        listed = self.allowed is None or new in self.allowed
        return listed and (old == new or not self.moves or old not in self.moves or new in self.moves[old])


def narrowed(low: Array, high: Array, own: Array, direction: int) -> tuple[Array, Array]:
    """Bounds (n,) of a number that may only rise from its own value (1), only fall (-1), or both (0)."""
    return np.fmax(low, own) if direction > 0 else low, np.fmin(high, own) if direction < 0 else high


def obeyed(
    changed: Array,
    numbers: Array | None,
    movable: Array,
    low: Array,
    high: Array,
    relations: Collection[Relation] = (),
    max_changes: int | None = None,
) -> Array:
    """Which rows obey all rules but those on labels, which `LabelRule` tells: bool (n,).

    Parameters
    ----------
    changed, movable : bool array of shape (n, C)
        Cells that hold another value than before, and those that may.
    numbers : float64 array of shape (n, p) or None
        What the rows hold now, in original units, NaN where missing: such a cell breaks neither a bound nor a
        relation. None: there are no bounds and no relations.
    low, high : float64 arrays of shape (n, p)
        Bounds, those of directions included.
    relations, max_changes
        As of `FeasibleSet`.
    """
    good = ~(changed & ~movable).any(axis=1)
    if max_changes is not None:
        good &= changed.sum(axis=1) <= max_changes
    if numbers is not None:
        good &= ~((numbers < low) | (numbers > high)).any(axis=1)
        for relation in relations:
            good &= ~relation.broken(numbers)
    return np.asarray(good)
