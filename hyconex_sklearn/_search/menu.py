"""First answers in, a menu out: the best row with one changed column, with two, ... up to the first certified one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .._model.certificate import Shortfall
from .alternatives import Answered
from .fewer import capped
from .incumbent import Incumbent
from .ladder import found, tighten
from .one_pass import propose_capped


def menu(first: Incumbent, search: str, generator: torch.Generator) -> Iterator[Answered]:
    """Yield some of the queries, by number, and one answer to each; those of a query change ever more columns.

    Each number of columns is asked about by a search of its own, under a cap; `first`, answers without one, end the
    menus of the queries that no cap serves. A row is left out that is not classified as its target, or is worth no more
    than one with as many changed columns or fewer; the row of `first` stays where nothing else would.
    """
    dishes = list(_dishes(first, search, generator))
    shortfall, cost, columns = (torch.stack([getattr(dish, name) for dish in dishes]) for name in _Dish._fields[1:])
    good, place = shortfall < Shortfall.INVALID, torch.arange(len(dishes), device=cost.device)
    dearer = (cost[:, None] < cost) | ((cost[:, None] == cost) & (place[:, None] < place)[:, :, None])
    worse = (shortfall[:, None] < shortfall) | ((shortfall[:, None] == shortfall) & dearer)  # [i, j, m]: j than i
    good &= ~(worse & (columns[:, None] <= columns)).any(0)
    good[-1] |= ~good.any(0)
    for dish, served in zip(dishes, good, strict=True):
        rows = served.nonzero().squeeze(1)
        if len(rows):
            yield rows, Incumbent(first.query[rows], dish.x[rows])


class _Dish(NamedTuple):
    """A row for each of m queries; where none was asked for, its shortfall is infinite."""

    x: Tensor  # (m, d)
    shortfall: Tensor  # (m,)
    cost: Tensor
    columns: Tensor  # how many are changed


def _dishes(first: Incumbent, search: str, generator: torch.Generator) -> Iterator[_Dish]:
    """Yield answers under a cap of one column, of two, ... until all queries have a certified one; and `first`."""
    query, counts = first.query, first.query.changed(first.x).sum(1)
    open_ = torch.ones_like(counts, dtype=torch.bool)
    for cap in range(1, int(counts.max()) if len(counts) else 0):
        rows = (open_ & (counts > cap)).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        part = capped(query[rows], torch.full_like(rows, cap))
        answer = found(part, propose_capped(part), search, generator)
        tighten(answer, search)
        dish = _Dish(query.x.clone(), torch.full_like(first.cost, torch.inf), first.cost.clone(), counts.clone())
        for own, told in zip(dish, (*answer.state, part.changed(answer.x).sum(1)), strict=True):
            own[rows] = told.to(own.dtype)
        yield dish
        open_ &= dish.shortfall > Shortfall.CERTIFIED
    x, shortfall, cost = first.state
    yield _Dish(x, torch.where(open_, shortfall.to(cost.dtype), torch.inf), cost, counts)
