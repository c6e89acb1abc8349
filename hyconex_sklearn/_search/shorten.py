"""Answers in, shorter ones out: the nearest points at which the certificate, read as planes where a row stands, holds.

A step goes to the point of all planes that is nearest to the query, as far as its radius allows, and looks again; a
handful of them does what a hundred steps along the gradient of a penalty do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .demand_planes import SLACK, Look, look, nearest, planes
from .fewest import Fewest
from .incumbent import Incumbent
from .planes import pushes
from .query import Query

_MOST_SLACK = 1.0  # slack grows where settled rows fall short of what planes say
_UNSUPPORTED = 0.2  # slack for members that don't agree although their mean does
_RADIUS, _LEAST_RADIUS = 0.5, 0.05  # of a step: share of the way at first, and encoded units
_WIDER, _NARROWER, _STUCK = 1.5, 0.4, 0.01  # what a good and a bad step make of the radius, and when to give up
_GAIN = 0.005  # share of the cost: a step that saves less is the last
_COUNTS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 64, 128)  # changed numbers that are thought of
_FEWER = 0.6  # share of the changed numbers that is tried next where fewer did
_TINY = 1e-6


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
    here = seen = look(query, z, feasible)
    best.keep(rows, z, here.shortfall, here.cost)
    slack = torch.full_like(here.surplus, SLACK)
    radius = (_RADIUS * query.distance(z)).clamp(min=_LEAST_RADIUS)
    for left in reversed(range(steps)):
        slack = _adapted(slack, seen)
        z, feasible = query.settle(_moved(query, here, slack, movable, radius))
        seen = look(query, z, feasible, slopes=left > 0)
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
    """Search how few changed numbers will do: keep those that raise the odds most, take the rest back, and shorten.

    What the planes say of each count is tried first, then fewer where that did and more where it did not. The numbers
    that have the largest changes are not those to keep: many of them move to keep others company in the density.
    """
    numeric = best.model.space.numeric
    if len(rows) == 0 or len(numeric) == 0:
        return
    query, start = best.query[rows], best.x[rows].clone()
    here = look(query, start, torch.ones_like(rows, dtype=torch.bool))
    movable, slack = query.movable[:, numeric], torch.full_like(here.surplus, SLACK)
    normal, offset, _ = planes(query, here, slack, movable)
    order = normal[:, :2].sum(1).abs().argsort(dim=1, descending=True, stable=True)  # of both confidences
    place, first = order.argsort(1), _count(query, here, normal, offset, order)
    counts = Fewest((start != query.x)[:, numeric].sum(1), _FEWER, first)
    for _ in range(rounds):
        some, kept = counts.guess()
        only, at = place[some] < kept[:, None], rows[some]
        goal = nearest(query[some], here.at(some), slack[some], movable[some] * only)
        before = best.cost[at]
        shorten(best, at, steps, only, start[some].index_copy(1, numeric, goal))
        counts.learn(some, kept, best.cost[at] < before)


def _adapted(slack: Tensor, seen: Look) -> Tensor:
    """Return more slack where a row fell short of its demands, and less where it did not, (m, 3)."""
    lacking = (-seen.surplus).relu()
    unsupported = (seen.shortfall > 0) & (lacking == 0).all(1)
    more = slack + lacking + unsupported[:, None] * slack.new_tensor([0.0, _UNSUPPORTED, 0.0])
    return torch.where((seen.shortfall == 0)[:, None], slack / 2, more).clamp(max=_MOST_SLACK)


def _moved(query: Query, here: Look, slack: Tensor, movable: Tensor, radius: Tensor) -> Tensor:
    """Return rows (m, d) on the way to the goal, no farther than the radius (m,)."""
    numeric = query.model.space.numeric
    start = here.z[:, numeric]
    step = nearest(query, here, slack, movable) - start
    length = (step * query.weight[numeric]).norm(dim=1).clamp(min=_TINY)
    return here.z.index_copy(1, numeric, start + step * (radius / length).clamp(max=1)[:, None])


def _count(query: Query, here: Look, normal: Tensor, offset: Tensor, order: Tensor) -> Tensor:
    """Return how many numbers, first in `order` (m, p), should change for the least cost by the planes, (m,)."""
    space = query.model.space
    ordered = normal.gather(2, order[:, None].expand_as(normal))  # (m, 3, p)
    counts = torch.tensor([k for k in _COUNTS if k < order.shape[1]] + [order.shape[1]], device=order.device)
    gram = (ordered[:, :, None] * ordered[:, None]).cumsum(3)[..., counts - 1].permute(0, 3, 1, 2)  # (m, k, 3, 3)
    push, miss = pushes(gram, offset[:, None].expand(-1, len(counts), -1))
    square = ((gram @ push[..., None])[..., 0] * push).sum(-1).clamp(min=0)  # (m, k): of the way
    labels = ((here.z - query.x) * query.weight).index_fill(1, space.numeric, 0.0).square().sum(1, keepdim=True)
    others = query.changed(here.z).index_fill(1, space.owner[space.numeric], False).sum(1, keepdim=True)
    cost = (square + labels).sqrt() * (1 + query.sparsity * (counts + others) / space.n_columns)
    return counts[cost.masked_fill(miss > 1e-3, torch.inf).argmin(1)]
