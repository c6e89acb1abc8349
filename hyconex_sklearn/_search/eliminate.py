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
_TOGETHER = 64  # so few rows take hardly longer than a single one: tries that could be spared are made together
_MISSED = 10.0  # what a plane that is missed costs, in ways


def eliminate(best: Incumbent, rows: Tensor, steps: int) -> None:
    """Take changed columns back, first those that the planes spare at least cost, and shorten what is left.

    Several of many go at once; where that does not pay, half as many; a single one that does not is kept for good.
    """
    if len(rows) == 0 or len(best.model.space.numeric) == 0:
        return
    changed = best.query.changed(best.x)[rows]  # (m, n_columns)
    kept, at_once = torch.zeros_like(changed), (changed.sum(1) // _AT_ONCE).clamp(min=1)
    here, price = _seen(best, rows)
    while True:
        open_ = best.query[rows].changed(best.x[rows]) & ~kept & (price < best.cost[rows, None])
        go_on = open_.any(1).nonzero().squeeze(1)
        if len(go_on) == 0:
            return
        rows, kept, at_once, open_ = rows[go_on], kept[go_on], at_once[go_on], open_[go_on]
        here, price = here.at(go_on), price[go_on]
        rank = price.masked_fill(~open_, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
        low, high = _tries(torch.minimum(at_once, open_.sum(1)), max(1, _TOGETHER // len(rows)))
        back = (rank[:, None] >= low[:, :, None]) & (rank[:, None] < high[:, :, None]) & open_[:, None]
        first = _first_that_pays(best, rows, here, back, steps)
        failed = torch.arange(low.shape[1], device=rows.device) < first[:, None]
        kept |= (back & (failed & (high - low == 1))[:, :, None]).any(1)
        size = (high - low).gather(1, first.clamp(max=low.shape[1] - 1)[:, None])[:, 0]
        paid = (first < low.shape[1]).nonzero().squeeze(1)
        at_once = (size // 2).index_copy(0, paid, size[paid]).clamp(min=1)
        if len(paid):  # the others are as they were
            fresh, prices = _seen(best, rows[paid])
            here, price = here.with_rows(paid, fresh), price.index_copy(0, paid, prices)


def _seen(best: Incumbent, rows: Tensor) -> tuple[Look, Tensor]:
    """Look at the incumbents of some queries, and price what each changed column would cost, (m, n_columns)."""
    query = best.query[rows]
    here = look(query, best.x[rows], torch.ones_like(rows, dtype=torch.bool))
    return here, _price(query, here)


def _tries(at_once: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the first n tries of rows, one after another as long as none pays: from which rank to which, (m, n).

    So many at once, half as many, and so on; then each alone.
    """
    place = torch.arange(n, device=at_once.device)
    size = at_once[:, None] >> place
    single = place - (size > 1).sum(1, keepdim=True)
    return torch.where(size > 1, 0, single), torch.where(size > 1, size, single + 1)


def _first_that_pays(best: Incumbent, rows: Tensor, here: Look, back: Tensor, steps: int) -> Tensor:
    """Try to take columns `back` (m, n, n_columns) back; keep the first try that pays, and return which, n if none."""
    place, which = back.any(2).nonzero(as_tuple=True)
    trial = best.copies(rows[place])
    _shorten_without(trial, here.at(place), back[place, which], steps)
    pays = torch.zeros(back.shape[:2], dtype=torch.bool, device=rows.device)
    pays[place, which] = trial.cost < best.cost[rows[place]]
    first = torch.where(pays.any(1), pays.int().argmax(1), back.shape[1])
    taken = which == first[place]
    best.keep(rows[place[taken]], trial.x[taken], trial.shortfall[taken], trial.cost[taken])
    return first


def _shorten_without(trial: Incumbent, here: Look, back: Tensor, steps: int) -> None:
    """Take the columns `back` (m, n_columns) back, move the other changed numbers to where the planes say, and on."""
    query, space = trial.query, trial.model.space
    start = torch.where(back[:, space.owner], query.x, here.z)
    only = (query.changed(here.z) & ~back)[:, space.owner[space.numeric]]
    told = here._replace(z=start, surplus=here.surplus + (here.slope * (start - here.z)[:, None]).sum(2))
    slack = torch.full_like(here.surplus, SLACK)
    goal = nearest(query, told, slack, query.movable[:, space.numeric] * only)
    rows = torch.arange(len(query), device=start.device)
    shorten(trial, rows, steps, only, start.index_copy(1, space.numeric, goal))


def _price(query: Query, here: Look) -> Tensor:
    """Return what the planes say that a row costs if each changed column alone is taken back, (m, n_columns).

    Infinite where there is none, and where it is the only one.
    """
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
    way = (numbers + sizes.sum(1, keepdim=True) - sizes).sqrt() / here.z.shape[1] ** 0.5 + _MISSED * miss
    count = query.changed(here.z).sum(1, keepdim=True)
    cost = way * (1 + query.sparsity * (count - 1) / space.n_columns)
    return cost.masked_fill(~query.changed(here.z) | (count == 1), torch.inf)
