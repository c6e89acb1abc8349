"""Numbers in original units in, encoded units out, and back: the one map of all columns that are numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import boxcox1p, inv_boxcox1p

from .cells import Array, Column, objects_of
from .grid import Grid, nearest

#: Encoded values are cut off here, so that one absurd cell cannot overflow float32 arithmetic downstream.
ENCODED_LIMIT = 1e6
#: Floats that hold fewer digits than the float64 in which the maps are computed, by lower-case dtype name.
NARROW_FLOATS: dict[str, Any] = {
    "float32": np.float32,
    "float[pyarrow]": np.float32,
    "float16": np.float16,
    "halffloat[pyarrow]": np.float16,
}


def as_written(column: Column) -> Array:
    """A column as plain Python objects, (m,), narrow floats in the digits that they have: 0.1, not 0.10000000149."""
    objects, narrow = objects_of(column), NARROW_FLOATS.get(str(column.dtype).lower())
    if narrow is not None:
        there = ~np.asarray(pd.isna(objects))
        with np.errstate(over="ignore"):
            objects[there] = [float(str(narrow(value))) for value in objects[there]]
    return objects


def held_in(values: Array, dtype: Any) -> Array:
    """Numbers as a column of a dtype holds them, and compares them: in its own precision, as float64."""
    narrow = NARROW_FLOATS.get(str(dtype).lower())
    if narrow is None:
        return values
    with np.errstate(over="ignore"):
        return values.astype(narrow).astype(np.float64)


@dataclass(frozen=True)
class NumericMap:
    """The invertible map between original and encoded units of ``p`` numeric columns at once.

    ``u = YJ(x / unit; power)`` or ``u = x``, then ``z = (u - center) / scale``, all in float64. ``YJ`` is the
    Yeo-Johnson power: ``boxcox1p(x, power)`` for x >= 0 and ``-boxcox1p(-x, 2 - power)`` for x < 0.

    Parameters
    ----------
    center, scale, power, unit, lower, upper : ndarray of shape (p,)
        As in :class:`Column`; power is NaN without a power.
    grids : tuple of (int, Grid)
        Columns that are rounded, and to what.
    single : tuple of (int, dtype)
        Columns whose values live in a float narrower than 64 bits.
    """

    center: Array
    scale: Array
    power: Array
    unit: Array
    lower: Array
    upper: Array
    grids: tuple[tuple[int, Grid], ...] = ()
    single: tuple[tuple[int, Any], ...] = ()

    @classmethod
    def of(cls, columns: Sequence[Any]) -> NumericMap:
        """The map of some columns of a schema, in their order."""

        def floats(values: Iterable[float | None]) -> Array:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

        same = ("center", "scale", "power", "unit", "lower", "upper")
        return cls(
            **{name: floats(getattr(c, name) for c in columns) for name in same},
            grids=tuple((j, c.grid) for j, c in enumerate(columns) if c.grid is not None),
            single=tuple(
                (j, NARROW_FLOATS[c.dtype.lower()]) for j, c in enumerate(columns) if c.dtype.lower() in NARROW_FLOATS
            ),
        )

    @cached_property
    def powered(self) -> Array:
        """Numbers of the columns that have a power."""
        return np.flatnonzero(~np.isnan(self.power))

    @cached_property
    def discrete(self) -> Array:
        """Numbers of the columns that are rounded."""
        return np.array([j for j, _ in self.grids], dtype=np.intp)

    @cached_property
    def gridded(self) -> Array:
        """Numbers of the columns that cannot hold every float64: rounded ones and narrow floats."""
        return np.union1d(self.discrete, np.array([j for j, _ in self.single], dtype=np.intp)).astype(np.intp)

    @cached_property
    def range(self) -> tuple[Array, Array]:
        """Encoded seen range, two float64 arrays of shape (p,)."""
        return self.forward(self.lower[None])[0], self.forward(self.upper[None])[0]

    @cached_property
    def _on_grid(self) -> NumericMap:
        """The map of the gridded columns alone."""
        kept = {int(j): i for i, j in enumerate(self.gridded)}
        paired = ("grids", "single")
        alone = [f.name for f in fields(self) if f.name not in paired]
        arrays: dict[str, Any] = {name: getattr(self, name)[self.gridded] for name in alone}
        pairs: dict[str, Any] = {name: tuple((kept[j], what) for j, what in getattr(self, name)) for name in paired}
        return NumericMap(**arrays, **pairs)

    def forward(self, values: Array) -> Array:
        """Original units (n, p) -> encoded units (n, p), cut off at ``ENCODED_LIMIT``."""
        u = np.array(values, dtype=np.float64)
        # Far outside the seen range the arithmetic may overflow; the cut-off turns that into a plain large value.
        with np.errstate(over="ignore", invalid="ignore"):
            for j in self.powered:
                u[:, j] = yeo_johnson(u[:, j] / self.unit[j], self.power[j])
            u -= self.center
            u /= self.scale
        return np.clip(u, -ENCODED_LIMIT, ENCODED_LIMIT, out=u)

    def inverse(self, encoded: Array) -> Array:
        """Encoded units (n, p) -> original units (n, p), rounded and within the seen range."""
        low, high = self.range
        z = np.clip(encoded, low, high, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            values = z * self.scale + self.center
            for j in self.powered:
                values[:, j] = inverse_yeo_johnson(values[:, j], self.power[j]) * self.unit[j]
                # At the very end of a power that saturates, the inverse may step over its pole.
                lost = np.isnan(values[:, j])
                values[lost, j] = np.where(z[lost, j] > 0, self.upper[j], self.lower[j])
        for j, grid in self.grids:
            values[:, j] = nearest(grid, values[:, j]) + 0.0  # never a negative zero
        np.clip(values, self.lower, self.upper, out=values)
        for j, dtype in self.single:
            values[:, j] = values[:, j].astype(dtype)
        return values

    def snap(self, encoded: Array) -> Array:
        """The encoded values (n, p) float32 that remain after a trip to original units and back."""
        snapped = np.clip(encoded, *self.range, dtype=np.float64)
        if self.gridded.size:
            part = self._on_grid
            snapped[:, self.gridded] = part.forward(part.inverse(snapped[:, self.gridded]))
        return snapped.astype(np.float32)


def yeo_johnson(x: Array, power: float) -> Array:
    """Yeo-Johnson power of x, elementwise."""
    positive, negative = _exponents(power)
    return np.where(x >= 0, boxcox1p(np.maximum(x, 0.0), positive), -boxcox1p(np.maximum(-x, 0.0), negative))


def inverse_yeo_johnson(u: Array, power: float) -> Array:
    """Inverse of :func:`yeo_johnson`, elementwise."""
    positive, negative = _exponents(power)
    return np.where(u >= 0, inv_boxcox1p(np.maximum(u, 0.0), positive), -inv_boxcox1p(np.maximum(-u, 0.0), negative))


def _exponents(power: float) -> tuple[float, float]:
    """Box-Cox exponents of the two branches; rounded, since the inverse goes wrong for exponents like 1e-200."""
    return round(float(power), 12), round(2.0 - float(power), 12)
