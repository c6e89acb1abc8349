"""Rows before and after in, the share of the way between them at which the prediction becomes the target out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from .._table.cells import Array
from .._table.schema import TableSchema

_LOOKS = 3  # at points of the way, at most: the log-odds are nearly straight there, and a look costs a prediction
_NEAR = 0.02  # share of what the log-odds gain on the way; a look at less than that is the last
_EDGE = 0.05  # share of what is left of the way that a look keeps off its ends
_TINY, _CERTAIN = 1e-6, 50.0  # of log-odds


@dataclass(frozen=True)
class Ways:
    """The ways of m rows to their counterfactuals: numbers move evenly, all else is exchanged at the start.

    Every point of a way is a row that a table could hold, but for whole numbers, which are not rounded on the way.
    """

    schema: TableSchema
    before: Array  # (m, p), values of the table's value columns
    after: Array
    start: Array  # (m, d), encoded
    end: Array

    def __getitem__(self, rows: Array) -> Ways:
        parts = (self.before, self.after, self.start, self.end)
        return Ways(self.schema, *(part[rows] for part in parts))

    @property
    def moving(self) -> Array:
        """Which values move evenly: numbers that were there before and after, (m, p)."""
        columns = [self.schema.columns[j] for j in self.schema.value_columns]
        numbers = np.array([column.kind != "ordered" for column in columns], dtype=bool)
        return np.isfinite(self.after) & np.isfinite(self.before) & numbers

    @property
    def exchanging(self) -> Array:
        """Which rows exchange anything at the start, (m,)."""
        differ = self.start != self.end
        differ[:, self.schema.numeric_index] &= ~self.moving
        return differ.any(1)

    def at(self, share: Array) -> Array:
        """Return the encoded rows at shares (m,) of their ways, (m, d)."""
        places = self.schema.numeric_index
        share = share[:, None]
        between = (1 - share) * self.before + share * self.after  # whose difference may be too large for a float
        here = self.end.copy()
        here[:, places] = np.where(self.moving, self.schema.numeric_map.forward(between), here[:, places])
        return here


def flips_at(margin: Callable[[Array, Array], Array], ways: Ways, before: Array, after: Array) -> Array:
    """Return the share of each way at which the prediction becomes the target (m,); it does so at the end of each.

    Where it changes more than once, one of these places.

    Parameters
    ----------
    margin : callable
        Takes ways (by number) and an encoded row on each, returns by how much the target's logit exceeds all others.
    before, after : ndarray of shape (m,)
        Probabilities of the targets at both ends, from where false position starts; NaN where that before is unknown.
    """
    low, high = np.zeros(len(after)), np.ones(len(after))
    outside, inside = np.minimum(_log_odds(before), -_TINY), np.maximum(_log_odds(after), _TINY)
    unknown = (ways.exchanging | np.isnan(before)).nonzero()[0]
    if len(unknown):
        outside[unknown] = margin(unknown, ways[unknown].at(low[unknown]))
    done, enough = outside >= 0, _NEAR * (inside - outside)
    rows = np.flatnonzero(~done)
    for _ in range(_LOOKS):
        if not len(rows):
            break
        share = (low + (high - low) * np.clip(_crossing(outside, inside), _EDGE, 1 - _EDGE))[rows]
        here = margin(rows, ways[rows].at(share))
        reached = here >= 0
        high[rows[reached]], inside[rows[reached]] = share[reached], here[reached]
        low[rows[~reached]], outside[rows[~reached]] = share[~reached], here[~reached]
        rows = rows[np.abs(here) > enough[rows]]
    return np.where(done, 0.0, low + (high - low) * _crossing(outside, inside))


def _crossing(outside: Array, inside: Array) -> Array:
    """Return the share of the way between two points at which a straight line between their margins is zero."""
    return np.clip(outside / np.minimum(outside - inside, -_TINY), 0.0, 1.0)


def _log_odds(probability: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.clip(logit(probability), -_CERTAIN, _CERTAIN)
