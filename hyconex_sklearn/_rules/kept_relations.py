"""Rows of numbers and the equations that all training rows obeyed in, rows that obey them out, all in original units.

An equation is asked of the rows whose query row obeys it; no other is held to it. Its first column is computed from the
others; where that one can't take the value, the next one makes up for the rest, and where none can, all stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._table.cells import Array
from .._table.codec import TableCodec
from .._table.found_relation import FoundRelation
from .._table.grid import nearest
from .._table.learn_relations import sizes
from .._table.schema import TableSchema
from .._table.units import NARROW_FLOATS, NumericMap
from .relations import Relation, Room, spread

#: Rounds over all equations, of which one may move what another one needs.
SWEEPS = 4
#: What float32 may add to a number without a grid, in units of its spread.
NOISE = 1e-6
TINY = 1e-3  # share of what rounding may take that is not worth writing a number anew


@dataclass(frozen=True)
class KeptRelation:
    """``sum(coefficients * numbers[slots])`` is 0, but for rounding; the first column is the one that is computed."""

    found: FoundRelation
    slots: tuple[int, ...]
    coefficients: tuple[float, ...]
    tolerance: float

    def residual(self, numbers: Array) -> Array:
        """The sum for each row of numbers (m, p); NaN where one is missing."""
        return numbers[:, self.slots] @ np.array(self.coefficients)

    def asked(self, own: Array) -> Array:
        """Which query rows (m, p) obey it, so that it is asked of their answers: bool (m,)."""
        return np.abs(self.residual(own)) <= self.tolerance

    def broken(self, numbers: Array, noise: Array | None = None) -> Array:
        """Which rows (m, p) break it by more than rounding, and `noise` (m, p) of numbers: bool (m,)."""
        return np.abs(self.residual(numbers)) > self.tolerance + (0.0 if noise is None else self.weighed(noise))

    def weighed(self, sizes: Array) -> Array:
        """What sizes of numbers (m, p) add up to in the sum, (m,)."""
        return np.asarray(sizes[:, self.slots] @ np.abs(self.coefficients))


def read_kept(codec: TableCodec, X: Any) -> tuple[KeptRelation, ...]:
    """The equations that a fit has found, for a table that may hold narrower floats than that of the fit."""
    schema = codec.schema
    found = [relation for relation in schema.relations if relation.exact]
    if not found:
        return ()
    size, rounding = sizes([schema.columns[j] for j in schema.value_columns])
    for slot, j in enumerate(schema.value_columns.tolist()):
        narrow = NARROW_FLOATS.get(str(codec.cells(X, j).dtype).lower())
        if narrow is not None:
            rounding[slot] = max(rounding[slot], 4 * float(np.finfo(narrow).eps))
    kept = []
    for relation in found:
        slots = tuple(schema.slot(schema.feature_names.index(name)) for name in relation.terms)
        share = np.abs([*relation.terms.values()]) * size[list(slots)]
        tolerance = float(rounding[list(slots)].max() * share.sum())
        kept.append(KeptRelation(relation, slots, tuple(relation.terms.values()), tolerance))
    return tuple(kept)


def groups(kept: Sequence[KeptRelation]) -> list[tuple[list[int], list[int]]]:
    """Equations that share columns, by number, and all their slots."""
    found: list[tuple[list[int], set[int]]] = []
    for number, relation in enumerate(kept):
        joined = [group for group in found if group[1] & {*relation.slots}]
        found = [group for group in found if group not in joined]
        numbers = [one for group in joined for one in group[0]]
        found.append(([*numbers, number], {*relation.slots}.union(*(group[1] for group in joined))))
    return [(numbers, sorted(slots)) for numbers, slots in found]


def followers(kept: Sequence[KeptRelation], schema: TableSchema) -> Array:
    """Which table columns change when one does that no equation determines: bool (C, C), itself included."""
    follows = np.eye(len(schema.columns), dtype=bool)
    for relation in kept:  # each stands behind those that determine its other columns
        first, *others = (int(schema.value_columns[slot]) for slot in relation.slots)
        follows[:, first] |= follows[:, others].any(axis=1)
    return follows


def affordable(size: Array, kept: Sequence[KeptRelation], schema: TableSchema, most: Array) -> Array:
    """Columns (m, C), those of the largest size first, of which no more than `most` (m,) change, with all that follow.

    What is determined has no say, unless it has to change: its size is infinite.
    """
    follows, size, taken = followers(kept, schema), size.copy(), np.zeros(size.shape, dtype=bool)
    for relation in kept:
        first = schema.value_columns[relation.slots[0]]
        size[:, first] = np.where(np.isinf(size[:, first]), np.inf, -1.0)
    for column in np.argsort(-size, axis=1, kind="stable").T[: int((size > 0).sum(axis=1).max(initial=0))]:
        more = taken | follows[column]
        fits = (size[np.arange(len(size)), column] > 0) & (more.sum(axis=1) <= most)
        taken = np.where(fits[:, None], more, taken)
    return taken


def without_tied(kept: Sequence[KeptRelation], asked: Array, movable: Array, value_columns: Array) -> Array:
    """Columns that may change (m, C), without those that are the last of their equation: they can't change alone."""
    movable = movable.copy()
    for _ in kept:
        before = movable.copy()
        for number, relation in enumerate(kept):
            columns = value_columns[list(relation.slots)]
            alone = asked[:, number] & (movable[:, columns].sum(axis=1) == 1)
            movable[np.ix_(alone, columns)] = False
        if (before == movable).all():
            break
    return movable


def solved(relation: Relation, kept: Sequence[KeptRelation], n_numbers: int) -> Relation:
    """A relation told by columns that no equation determines, so that moving these is moving what it is about."""
    terms = np.zeros(n_numbers)
    terms[list(relation.slots)] = relation.coefficients
    for each in reversed(kept):
        first, *others = each.slots
        terms[others] -= terms[first] * np.array(each.coefficients[1:]) / each.coefficients[0]
        terms[first] = 0.0
    slots = np.flatnonzero(terms)
    return replace(relation, slots=tuple(slots.tolist()), coefficients=tuple(terms[slots].tolist()))


def margins(kept: Sequence[KeptRelation], spreads: Array) -> Array:
    """How far inside its bounds each number (m, p) stays to have room for what float32 takes from its equations."""
    margin = np.zeros(spreads.shape)
    for relation in kept:
        noise = 4 * NOISE * relation.weighed(spreads)
        for slot, coefficient in zip(relation.slots, relation.coefficients, strict=True):
            margin[:, slot] = np.maximum(margin[:, slot], noise / abs(coefficient))
    return margin


def keep(
    kept: Sequence[KeptRelation], asked: Array, numbers: Array, own: Array, room: Room, scales: NumericMap
) -> Array:
    """Rows of numbers (m, p) that obey the equations that are `asked` (m, R), where there is room for that.

    `own` (m, p) are the numbers of the query rows.
    """
    moved = numbers.copy()
    for _ in range(SWEEPS):
        steps = [_mend(relation, asked[:, k], moved, own, room, scales) for k, relation in enumerate(kept)]
        if not any(steps):
            break
    return moved


def _mend(relation: KeptRelation, asked: Array, moved: Array, own: Array, room: Room, scales: NumericMap) -> bool:
    """Move the columns of an equation, one after the other, until its rows obey; return whether any had to."""
    some, grids = False, dict(scales.grids)
    for slot, coefficient in zip(relation.slots, relation.coefficients, strict=True):
        noise = NOISE * room.reach * (moved != own)
        noise[:, scales.discrete] = 0.0
        rows = np.flatnonzero(asked & relation.broken(moved, noise))
        if not rows.size:
            break
        some = True
        rows = rows[room.movable[rows, slot]]
        value = moved[rows, slot] - relation.residual(moved[rows]) / coefficient
        value = np.clip(value, room.low[rows, slot], room.high[rows, slot])
        if slot in grids:
            value = nearest(grids[slot], value) + 0.0  # never a negative zero
        home = own[rows, slot]
        near = np.abs(value - home) * abs(coefficient) <= relation.tolerance
        moved[rows, slot] = np.where(near, home, value)
    return some


def exactly(kept: Sequence[KeptRelation], numbers: Array, own: Array, scales: NumericMap) -> Array:
    """Rows of numbers (m, p) without what float32 has taken from their equations.

    A changed number without a grid makes up for it: the one that is computed, or else the one that varies most.
    """
    able, exact = numbers != own, numbers.copy()
    able[:, scales.discrete] = False
    noise = NOISE * spread(scales, numbers) * able
    for _ in range(SWEEPS):
        for relation in kept:
            slots, coefficients = np.array(relation.slots), np.array(relation.coefficients)
            off = np.abs(relation.residual(exact)) > TINY * relation.tolerance
            near = off & relation.asked(own) & ~relation.broken(exact, 3 * noise)
            rows = np.flatnonzero(near & able[:, slots].any(axis=1))
            weight = noise[np.ix_(rows, slots)] * np.abs(coefficients)
            weight[:, 0] = np.where(able[rows, slots[0]], np.inf, 0.0)
            place = weight.argmax(axis=1)
            exact[rows, slots[place]] -= relation.residual(exact[rows]) / coefficients[place]
    return exact
