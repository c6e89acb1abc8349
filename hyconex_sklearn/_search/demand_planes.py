"""Settled rows in, what their certificates have to spare and how that changes with each number out: as planes.

Each demand of a certificate (confidence, the committee's confidence, density) is a function of the numbers of a row.
Its value and slope where a row stands make a half-space.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .incumbent import priced
from .planes import shortest
from .query import Query

SLACK = 0.02  # in units of the demands: how far beyond them planes lie
_FAR = 10.0  # encoded units: no plane is looked for beyond
_TINY = 1e-6


class Look(NamedTuple):
    """What is seen of m settled rows."""

    z: Tensor  # (m, d)
    surplus: Tensor  # (m, 3): by how much they exceed the demands
    slope: Tensor  # (m, 3, d): of the surplus
    shortfall: Tensor  # (m,)
    cost: Tensor  # (m,)

    def at(self, rows: Tensor) -> Look:
        """Return what is seen of some rows."""
        return Look(*(part[rows] for part in self))

    def with_rows(self, rows: Tensor, other: Look) -> Look:
        """Return these with some rows as they are in another look."""
        return Look(*(ours.index_copy(0, rows, theirs) for ours, theirs in zip(self, other, strict=True)))

    def where(self, mask: Tensor, other: Look) -> Look:
        """Return these where `mask` (m,) is true, else the others."""
        pairs = zip(self, other, strict=True)
        return Look(*(torch.where(mask.view(-1, *(1,) * (ours.dim() - 1)), ours, theirs) for ours, theirs in pairs))


def look(query: Query, z: Tensor, feasible: Tensor, slopes: bool = True) -> Look:
    """Judge settled rows `z` (m, d) that obey the rules where `feasible` (m,), with slopes or (all 0) without."""
    demands = query.demands
    needs = (demands.confidence, demands.committee_confidence, demands.threshold)
    with torch.set_grad_enabled(slopes):
        at = z.detach().requires_grad_(slopes)
        judgement = query.model.judge(at, query.target)
        parts = (judgement.log_odds, judgement.committee_odds, judgement.log_density)
        along = [torch.autograd.grad(part.sum(), at)[0] if slopes else torch.zeros_like(z) for part in parts]
    surplus = torch.stack([part.detach() - need for part, need in zip(parts, needs, strict=True)], 1)
    return Look(z, surplus, torch.stack(along, 1), *priced(query, z, feasible, judgement))


class Planes(NamedTuple):
    """Half-spaces normal . u >= offset of weighted ways u from m queries; p numbers."""

    normal: Tensor  # (m, 3, p), of length 1
    offset: Tensor  # (m, 3)
    length: Tensor  # (m, 3), of the slopes: what offsets were divided by

    @property
    def gram(self) -> Tensor:
        """The products of the normals, (m, 3, 3)."""
        return self.normal @ self.normal.transpose(1, 2)


def planes(query: Query, here: Look, slack: Tensor, movable: Tensor) -> Planes:
    """Return the planes of the demands, `slack` (m, 3) beyond them, for the numbers that are `movable` (m, p)."""
    numeric = query.model.space.numeric
    slope, way = here.slope[:, :, numeric], ((here.z - query.x) * query.movable)[:, numeric]
    offset = slack - here.surplus + (slope * way[:, None]).sum(2)
    normal = slope * (movable / query.weight[numeric])[:, None]
    length = normal.norm(dim=2).clamp(min=_TINY)
    return Planes(normal / length[:, :, None], (offset / length).clamp(max=_FAR), length)


def nearest(query: Query, here: Look, slack: Tensor, movable: Tensor) -> Tensor:
    """Return the nearest numbers (m, p) behind all planes and inside their ranges, the query's where not movable."""
    numeric = query.model.space.numeric
    home, lower, upper = (part[:, numeric] for part in (query.x, query.lower, query.upper))
    weight = query.weight[numeric]
    normal, offset, _ = planes(query, here, slack, movable)
    goal = home + shortest(normal, offset) / weight
    inside = goal.clamp(lower, upper)
    cut = (inside != goal) & (movable > 0)  # what the range cuts off the other numbers make up for
    fixed = torch.where(cut, (inside - home) * weight, 0.0)
    way = fixed + shortest(normal * ~cut[:, None], offset - (normal * fixed[:, None]).sum(2))
    goal = (home + way / weight).clamp(lower, upper)
    return torch.where(movable > 0, goal, home)
