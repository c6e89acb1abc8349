"""Queries in, rows that are built one column at a time out: the few changes that do most."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .descend import lack
from .incumbent import Incumbent
from .query import Query

_CHANGES = 4  # columns changed at most
_LEVELS, _NUMBERS = 4, 1  # category changes and numbers tried for every column that is added
_LENGTHS = (0.7, 2.0)  # encoded units by which a number is tried
_PER_UNIT = 0.1  # what way costs against what is lacking


def build(best: Incumbent, rows: Tensor) -> None:
    """Add one change after another to the queries, each time the one that does most, and offer every step.

    The gradient of what the certificate lacks names the candidates (a change of category by the difference of two
    levels' entries); what they really lack chooses among them. A row is done once nothing is lacking.
    """
    z = best.query.x[rows].clone()
    for _ in range(_CHANGES):
        if len(rows) == 0:
            return
        query = best.query[rows]
        candidates = torch.stack(list(_candidates(query, z)), 1)  # (m, c, d)
        m, c, d = candidates.shape
        many, flat = query[torch.arange(m, device=z.device).repeat_interleave(c)], candidates.view(-1, d)
        with torch.no_grad():
            lacking, way = lack(many, flat).view(m, c), many.distance(flat).view(m, c) / d**0.5
        chosen = (lacking + _PER_UNIT * way).argmin(1)
        z = candidates[torch.arange(m, device=z.device), chosen]
        best.offer(z, rows)
        open_ = lacking.gather(1, chosen[:, None])[:, 0] > 0
        rows, z = rows[open_], z[open_]


def _candidates(query: Query, z: Tensor) -> Iterator[Tensor]:
    """Yield rows one change away from `z`, each of shape (m, d); some of them are `z` itself."""
    space = query.model.space
    with torch.enable_grad():
        at = z.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(lack(query, at).sum(), at)
    yield z
    if space.blocks.numel():
        # To the first order, what a block lacks less when it moves to a level.
        gain = slope - space.by_column(slope * z)[:, space.owner]
        able = (query.movable > 0.5) & query.choices & ~space.missing_level & (z < 0.5)
        gain = torch.where(able.index_fill(1, space.numeric, False), gain, torch.inf)
        for level in gain.topk(min(_LEVELS, gain.shape[1]), dim=1, largest=False).indices.T:
            block = space.owner[None] == space.owner[level][:, None]
            moved = torch.where(block, 0.0, z).scatter(1, level[:, None], 1.0)
            yield torch.where(torch.isfinite(gain.gather(1, level[:, None])), moved, z)
    steep = (slope * query.movable)[:, space.numeric].abs()
    for number in steep.topk(min(_NUMBERS, steep.shape[1]), dim=1).indices.T:
        at = space.numeric[number][:, None]
        movable, value, downhill, low, high = (
            part.gather(1, at) for part in (query.movable, z, -slope.sign(), query.lower, query.upper)
        )
        for length in _LENGTHS:
            moved = (value + length * downhill).clamp(low, high)
            yield z.scatter(1, at, torch.where(movable > 0, moved, value))
