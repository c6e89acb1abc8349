"""Questions and the rows of the one pass in, the best answer of a search out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._model.model import Model
from .descend import descend
from .greedy import build
from .incumbent import INVALID, Incumbent
from .latent import COPIES, search_latent
from .one_pass import step_at
from .query import Query
from .reservoir import fill_missing, offer_reservoir
from .shorten import shorten, thin
from .take_back import bisect, unchanged, undo

_NEIGHBOURS = 8  # reservoir rows tried for each query that the one pass fails
_MENDING_STEPS = 40
_SHORTENING_STEPS, _THINNING_ROUNDS, _THINNING_STEPS, _POLISHING_STEPS = 6, 4, 3, 2
_FEW_NUMBERS = 2  # in a table with categories so few numbers are polished only
_STEP, _STEPS = 0.1, 30  # the multi-step variant: share of W_m taken at once, most steps


def solve(model: Model, query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries by one of `SEARCHES`, starting from the rows `moved` (m, d) of the one pass."""
    best = found(model, query, moved, search, generator)
    if search == "auto":
        _last_resorts(best, generator)
    tighten(best, search)
    return best


def found(model: Model, query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries as `solve` does, without last resorts and before any answer is shortened."""
    best = Incumbent(model, query, walk(model, query) if search == "steps" else moved)
    if search == "latent":
        search_latent(best, _open(best, 0.0), COPIES, generator)
    elif search == "auto":
        offer_reservoir(best, _open(best, 0.0), 1)
        offer_reservoir(best, _open(best, 1.0), _NEIGHBOURS)
        rows = _open(best, 1.0)
        descend(best, rows, _MENDING_STEPS)
        build(best, _open(best, 1.0))
    return best


@torch.no_grad()
def walk(model: Model, query: Query) -> Tensor:
    """Repeat small steps x <- x - eps * W_m(x, a) to the first crossing, judged on settled rows; soft rows (m, d)."""
    point = query.x.clone()
    rows = torch.arange(len(query), device=point.device)
    for _ in range(_STEPS):
        part = query[rows]
        step = step_at(model, part, point[rows])
        point[rows] = torch.minimum(torch.maximum(point[rows] - _STEP * part.mask * step, part.lower), part.upper)
        short = Incumbent(model, part, point[rows]).shortfall
        rows = rows[short >= INVALID]
        if len(rows) == 0:
            break
    return point


def _open(best: Incumbent, least: float) -> Tensor:
    """Return the queries whose incumbents lack `least` or more."""
    return (best.shortfall >= least).nonzero().squeeze(1)


def _last_resorts(best: Incumbent, generator: torch.Generator) -> None:
    """Climb on for the rows whose certificate still fails, as far as to all rows of the reservoir."""
    search_latent(best, _open(best, 1.0), 1, generator)
    rows = _open(best, INVALID)
    if len(rows):
        best.offer(walk(best.model, best.query[rows]), rows)
    offer_reservoir(best, _open(best, 1.0), len(best.model.reservoir))
    fill_missing(best, _open(best, INVALID))


def tighten(best: Incumbent, search: str) -> None:
    """Shorten all answers, in length and in the number of columns that change, if the search is one that does."""
    if search not in ("auto", "latent"):
        return
    rows, space = _open(best, 0.0), best.model.space
    if space.blocks.numel():
        build(best, rows)
        undo(best, rows)
    if len(space.numeric) > _FEW_NUMBERS or not space.blocks.numel():
        shorten(best, rows, _SHORTENING_STEPS)
        thin(best, rows, _THINNING_ROUNDS, _THINNING_STEPS)
        undo(best, rows)
    shorten(best, rows, _POLISHING_STEPS, ~unchanged(best, rows)[:, space.owner[space.numeric]])
    bisect(best, rows)  # rounded numbers have no slopes to follow for the last step
