"""Answers in, shorter ones out: the nearest points at which the certificate, read as planes where a row stands, holds.

Each demand of a certificate (confidence, the committee's confidence, density) is a function of the numbers of a row.
Its value and slope make a half-space, and the point of all three that is nearest to the query has a closed form. A step
goes there, as far as its radius allows, and looks again; a handful of them does what a hundred steps along the gradient
of a penalty do.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .incumbent import SPARSITY, Incumbent, priced
from .planes import pushes, shortest
from .query import Query

# Beyond the demands, in their units; it grows where settled rows fall short of what planes say.
_SLACK, _MOST_SLACK = 0.02, 1.0
_UNSUPPORTED = 0.2  # slack for members that don't agree although their mean does
_FAR = 10.0  # encoded units: no plane is looked for beyond
_RADIUS, _LEAST_RADIUS = 0.5, 0.05  # of a step: share of the way at first, and encoded units
_WIDER, _NARROWER, _STUCK = 1.5, 0.4, 0.01  # what a good and a bad step make of the radius, and when to give up
_GAIN = 0.005  # share of the cost: a step that saves less is the last
_COUNTS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 64, 128)  # changed numbers that are thought of
_FEWER = 0.6  # share of the changed numbers that is tried next where fewer did
_TINY = 1e-6


class _Look(NamedTuple):
    """What is seen of m settled rows; p numbers."""

    z: Tensor  # (m, d)
    surplus: Tensor  # (m, 3): by how much they exceed the demands
    slope: Tensor  # (m, 3, p): of the surplus
    shortfall: Tensor  # (m,)
    cost: Tensor  # (m,)

    def at(self, rows: Tensor) -> _Look:
        """Return what is seen of some rows."""
        return _Look(*(part[rows] for part in self))

    def where(self, mask: Tensor, other: _Look) -> _Look:
        """Return these where `mask` (m,) is true, else the others."""
        pairs = zip(self, other, strict=True)
        return _Look(*(torch.where(mask.view(-1, *(1,) * (ours.dim() - 1)), ours, theirs) for ours, theirs in pairs))


def shorten(best: Incumbent, rows: Tensor, steps: int, only: Tensor | None = None, start: Tensor | None = None) -> None:
    """Move the numbers of some incumbents to the nearest certified rows, and offer every step; each judges once.

    A step that costs more than the row it started from is tried again from there, shorter. A row is done where a step
    saves hardly anything, or has become too short. `only` (m, p) is True at numbers that may differ from the query's,
    by default all that the rules let move; `start` (m, d) is by default the incumbents.
    """
    numeric = best.model.space.numeric
    if len(rows) == 0 or len(numeric) == 0:
        return
    query, start = best.query[rows], best.x[rows] if start is None else start
    movable = query.movable[:, numeric] if only is None else query.movable[:, numeric] * only
    home = query.x[:, numeric]
    z, feasible = query.settle(start.index_copy(1, numeric, torch.where(movable > 0, start[:, numeric], home)))
    here = seen = _look(query, z, feasible)
    best.keep(rows, z, here.shortfall, here.cost)
    slack = torch.full_like(here.surplus, _SLACK)
    radius = (_RADIUS * query.distance(z)).clamp(min=_LEAST_RADIUS)
    for left in reversed(range(steps)):
        slack = _adapted(slack, seen)
        z, feasible = query.settle(_moved(query, here, slack, movable, radius))
        seen = _look(query, z, feasible, slopes=left > 0)
        best.keep(rows, z, seen.shortfall, seen.cost)
        saved = 1 - seen.cost / here.cost
        radius = torch.where(saved > 0, _WIDER * radius, _NARROWER * radius)
        here = seen.where(saved > 0, here)
        go_on = (((saved > _GAIN) | (saved <= 0)) & (radius > _STUCK)).nonzero().squeeze(1)
        if left == 0 or len(go_on) == 0:
            return
        if len(go_on) < len(rows):
            rows, query, here, seen = rows[go_on], query[go_on], here.at(go_on), seen.at(go_on)
            slack, radius, movable = slack[go_on], radius[go_on], movable[go_on]


def thin(best: Incumbent, rows: Tensor, rounds: int, steps: int) -> None:
    """Search how few changed numbers will do: keep the largest changes, take the rest back, and shorten.

    What the planes say of each count is tried first, then fewer where that did and more where it did not.
    """
    numeric = best.model.space.numeric
    if len(rows) == 0 or len(numeric) == 0:
        return
    query, start = best.query[rows], best.x[rows].clone()
    here = _look(query, start, torch.ones_like(rows, dtype=torch.bool))
    movable, slack = query.movable[:, numeric], torch.full_like(here.surplus, _SLACK)
    normal, offset = _planes(query, here, slack, movable)
    order = shortest(normal, offset).abs().argsort(dim=1, descending=True, stable=True)
    place, kept = order.argsort(1), _count(query, here, normal, offset, order)
    enough = (start != query.x)[:, numeric].sum(1)
    few = torch.zeros_like(enough)
    for _ in range(rounds):
        some = (enough - few > 1).nonzero().squeeze(1)
        kept = torch.maximum(torch.minimum(kept, enough - 1), few + 1)
        only, at = place[some] < kept[some, None], rows[some]
        goal = _goal(query[some], here.at(some), slack[some], movable[some] * only)
        before = best.cost[at]
        shorten(best, at, steps, only, start[some].index_copy(1, numeric, goal))
        better = best.cost[at] < before
        enough[some] = torch.where(better, kept[some], enough[some])
        few[some] = torch.where(better, few[some], kept[some])
        kept = torch.where(few == 0, (_FEWER * enough).long(), (few + enough) // 2)


def _look(query: Query, z: Tensor, feasible: Tensor, slopes: bool = True) -> _Look:
    """Judge settled rows `z` (m, d) that obey the rules where `feasible` (m,), with slopes or (all 0) without."""
    demands = query.demands
    needs = (demands.confidence, demands.committee_confidence, demands.threshold)
    with torch.set_grad_enabled(slopes):
        at = z.detach().requires_grad_(slopes)
        judgement = query.model.judge(at, query.target)
        parts = (judgement.log_odds, judgement.committee_odds, judgement.log_density)
        along = [torch.autograd.grad(part.sum(), at)[0] if slopes else torch.zeros_like(z) for part in parts]
    surplus = torch.stack([part.detach() - need for part, need in zip(parts, needs, strict=True)], 1)
    slope = torch.stack(along, 1)[:, :, query.model.space.numeric]
    return _Look(z, surplus, slope, *priced(query, z, feasible, judgement))


def _adapted(slack: Tensor, seen: _Look) -> Tensor:
    """Return more slack where a row fell short of its demands, and less where it did not, (m, 3)."""
    lacking = (-seen.surplus).relu()
    unsupported = (seen.shortfall > 0) & (lacking == 0).all(1)
    more = slack + lacking + unsupported[:, None] * slack.new_tensor([0.0, _UNSUPPORTED, 0.0])
    return torch.where((seen.shortfall == 0)[:, None], slack / 2, more).clamp(max=_MOST_SLACK)


def _planes(query: Query, here: _Look, slack: Tensor, movable: Tensor) -> tuple[Tensor, Tensor]:
    """Return normals (m, 3, p) and offsets (m, 3) of the demands, for weighted ways from the query."""
    numeric = query.model.space.numeric
    way = ((here.z - query.x) * query.movable)[:, numeric]
    offset = slack - here.surplus + (here.slope * way[:, None]).sum(2)
    normal = here.slope * (movable / query.weight[numeric])[:, None]
    length = normal.norm(dim=2).clamp(min=_TINY)
    return normal / length[:, :, None], (offset / length).clamp(max=_FAR)


def _goal(query: Query, here: _Look, slack: Tensor, movable: Tensor) -> Tensor:
    """Return the nearest numbers (m, p) behind all planes and inside their ranges, the query's where not movable."""
    numeric = query.model.space.numeric
    home, lower, upper = (part[:, numeric] for part in (query.x, query.lower, query.upper))
    weight = query.weight[numeric]
    normal, offset = _planes(query, here, slack, movable)
    goal = home + shortest(normal, offset) / weight
    inside = goal.clamp(lower, upper)
    cut = (inside != goal) & (movable > 0)  # what the range cuts off the other numbers make up for
    fixed = torch.where(cut, (inside - home) * weight, 0.0)
    way = fixed + shortest(normal * ~cut[:, None], offset - (normal * fixed[:, None]).sum(2))
    goal = (home + way / weight).clamp(lower, upper)
    return torch.where(movable > 0, goal, home)


def _moved(query: Query, here: _Look, slack: Tensor, movable: Tensor, radius: Tensor) -> Tensor:
    """Return rows (m, d) on the way to the goal, no farther than the radius (m,)."""
    numeric = query.model.space.numeric
    start = here.z[:, numeric]
    step = _goal(query, here, slack, movable) - start
    length = (step * query.weight[numeric]).norm(dim=1).clamp(min=_TINY)
    return here.z.index_copy(1, numeric, start + step * (radius / length).clamp(max=1)[:, None])


def _count(query: Query, here: _Look, normal: Tensor, offset: Tensor, order: Tensor) -> Tensor:
    """Return how many numbers, first in `order` (m, p), should change for the least cost by the planes, (m,)."""
    space = query.model.space
    ordered = normal.gather(2, order[:, None].expand_as(normal))  # (m, 3, p)
    counts = torch.tensor([k for k in _COUNTS if k < order.shape[1]] + [order.shape[1]], device=order.device)
    gram = (ordered[:, :, None] * ordered[:, None]).cumsum(3)[..., counts - 1].permute(0, 3, 1, 2)  # (m, k, 3, 3)
    push, miss = pushes(gram, offset[:, None].expand(-1, len(counts), -1))
    square = ((gram @ push[..., None])[..., 0] * push).sum(-1).clamp(min=0)  # (m, k): of the way
    labels = ((here.z - query.x) * query.weight).index_fill(1, space.numeric, 0.0).square().sum(1, keepdim=True)
    others = query.changed(here.z).index_fill(1, space.owner[space.numeric], False).sum(1, keepdim=True)
    cost = (square + labels).sqrt() * (1 + SPARSITY * (counts + others) / space.n_columns)
    return counts[cost.masked_fill(miss > 1e-3, torch.inf).argmin(1)]
