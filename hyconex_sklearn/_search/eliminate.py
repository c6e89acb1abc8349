"""Certified answers in, ones with fewer changed columns out: taken back one after another, the others moved anew."""

from __future__ import annotations

import torch
from torch import Tensor

from .demand_planes import SLACK, Look, look, nearest, planes
from .incumbent import Incumbent
from .planes import pushes
from .query import Query
from .shorten import shorten

_AT_ONCE = 3  # of so many changed columns one more is taken back at once
_MISSED = 10.0  # what a plane that is missed costs, in squared ways


def eliminate(best: Incumbent, rows: Tensor, steps: int) -> None:
    """Take changed columns back, first those that the planes spare at least cost, and shorten what is left.

    Several of many go at once; where that does not pay, half as many; a single one that does not is kept for good.
    """
    if len(rows) == 0 or len(best.model.space.numeric) == 0:
        return
    changed = best.query.changed(best.x)[rows]  # (m, n_columns)
    kept, at_once = torch.zeros_like(changed), (changed.sum(1) // _AT_ONCE).clamp(min=1)
    while True:
        open_ = best.query[rows].changed(best.x[rows]) & ~kept
        go_on = ((open_ | kept).sum(1) > 1) & open_.any(1)
        if not bool(go_on.any()):
            return
        rows, kept, at_once, open_ = rows[go_on], kept[go_on], at_once[go_on], open_[go_on]
        query = best.query[rows]
        here = look(query, best.x[rows], torch.ones_like(go_on[go_on]))
        rank = _price(query, here).masked_fill(~open_, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
        back = (rank < at_once[:, None]) & open_
        paid = best.cost[rows]
        _shorten_without(best, rows, here, back, steps)
        pays = best.cost[rows] < paid
        kept |= back & (~pays & (back.sum(1) == 1))[:, None]
        at_once = torch.where(pays, at_once, at_once // 2).clamp(min=1)


def _shorten_without(best: Incumbent, rows: Tensor, here: Look, back: Tensor, steps: int) -> None:
    """Take the columns `back` (m, n_columns) back, move the other changed numbers to where the planes say, and on."""
    query, space = best.query[rows], best.model.space
    start = torch.where(back[:, space.owner], query.x, here.z)
    only = (query.changed(here.z) & ~back)[:, space.owner[space.numeric]]
    told = here._replace(z=start, surplus=here.surplus + (here.slope * (start - here.z)[:, None]).sum(2))
    slack = torch.full_like(here.surplus, SLACK)
    goal = nearest(query, told, slack, query.movable[:, space.numeric] * only)
    shorten(best, rows, steps, only, start.index_copy(1, space.numeric, goal))


def _price(query: Query, here: Look) -> Tensor:
    """Return what the planes say of the squared way if each changed column alone is taken back, (m, n_columns)."""
    space = query.model.space
    numeric, shape = space.numeric, (len(here.z), space.n_columns)
    changed = query.changed(here.z)[:, space.owner[numeric]]
    slack = torch.full_like(here.surplus, SLACK)
    found = planes(query, here, slack, query.movable[:, numeric] * changed)
    products = (found.normal[:, :, None] * found.normal[:, None]).permute(0, 3, 1, 2)  # (m, p, 3, 3)
    own = products.new_zeros(*shape, 3, 3).index_add_(1, space.owner[numeric], products)
    # What a category that is taken back changes, the numbers have to make up for.
    labels = here.slope * (query.x - here.z).index_fill(1, numeric, 0.0)[:, None]
    shift = labels.new_zeros(shape[0], 3, shape[1]).index_add_(2, space.owner, labels) / found.length[:, :, None]
    gram = found.gram[:, None] - own
    push, miss = pushes(gram, found.offset[:, None] - shift.transpose(1, 2))
    numbers = ((gram @ push[..., None])[..., 0] * push).sum(-1).clamp(min=0)
    sizes = query.sizes(here.z).index_fill(1, space.owner[numeric], 0.0).square()
    return numbers + sizes.sum(1, keepdim=True) - sizes + _MISSED * miss
