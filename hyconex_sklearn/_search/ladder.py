"""Questions and the rows of the one pass in, the best answer of a search out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .._model.certificate import Shortfall
from .descend import descend
from .eliminate import eliminate
from .fewer import search_fewer
from .greedy import build
from .incumbent import Incumbent, judged
from .latent import search_latent
from .one_pass import step_of
from .query import Query
from .reservoir import fill_missing, offer_reservoir
from .shorten import shorten, thin
from .take_back import bisect, undo

_NEIGHBOURS = 64  # reservoir rows tried for each query that the one pass fails
_MENDING_STEPS = 40
_COPIES = 16  # of each latent, where the search in latent space is all there is
_SHORTENING_STEPS, _THINNING_ROUNDS, _THINNING_STEPS, _ELIMINATING_STEPS, _POLISHING_STEPS = 6, 2, 2, 3, 2
_CAPPED_ROUNDS, _CAPPED_STEPS = 2, 20
_FEW_NUMBERS = 2  # in a table with categories so few numbers are polished only
_STEP, _STEPS = 0.1, 30  # the multi-step variant: share of W_m taken at once, most steps


def solve(query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries by one of `SEARCHES`, starting from the rows `moved` (m, d) of the one pass."""
    best = found(query, moved, search, generator)
    SEARCHES[search].last_resorts(best, generator)
    SEARCHES[search].shorten(best)
    SEARCHES[search].search_again(best)
    SEARCHES[search].spare(best)
    return best


def tighten(best: Incumbent, search: str) -> None:
    """Make answers shorter as `solve` does, without searching again."""
    SEARCHES[search].shorten(best)
    SEARCHES[search].spare(best)


def found(query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries as `solve` does, without last resorts and before any answer is shortened."""
    best = Incumbent(query, SEARCHES[search].start(query, moved))
    SEARCHES[search].climb(best, generator)
    return best


@torch.no_grad()
def walk(query: Query) -> Tensor:
    """Repeat small steps x <- x - eps * W_m(x, a) to the first crossing, judged on settled rows; soft rows (m, d)."""
    point = query.x.clone()
    rows = torch.arange(len(query), device=point.device)
    for _ in range(_STEPS):
        part = query[rows]
        step = step_of(part, point[rows])
        point[rows] = (point[rows] - _STEP * part.movable * step).clamp(part.lower, part.upper)
        _, shortfall, _ = judged(part, point[rows])
        rows = rows[shortfall >= Shortfall.INVALID]
        if len(rows) == 0:
            break
    return point


def _climb(best: Incumbent, generator: torch.Generator) -> None:
    """Offer the reservoir's nearest rows, and mend and rebuild what still falls short."""
    offer_reservoir(best, best.lacking(Shortfall.CERTIFIED), 1)
    offer_reservoir(best, best.lacking(Shortfall.IMPLAUSIBLE), _NEIGHBOURS)
    _mend(best, _MENDING_STEPS)
    build(best, best.lacking(Shortfall.IMPLAUSIBLE))


def _mend(best: Incumbent, steps: int) -> None:
    """Move rows that fall short toward their certificates."""
    descend(best, best.lacking(Shortfall.IMPLAUSIBLE), steps)
    if best.query.rules.counted:
        # A descent does not see what settling takes back of too many changes: once more, with what it left.
        rows = best.lacking(Shortfall.IMPLAUSIBLE)
        if len(rows) == 0:
            return
        query = best.query[rows]
        kept = Incumbent(query.without(~query.changed(best.x[rows])), best.x[rows])
        descend(kept, kept.lacking(Shortfall.IMPLAUSIBLE), steps)
        best.keep(rows, *kept.state)


def _climb_in_latent_space(best: Incumbent, generator: torch.Generator) -> None:
    search_latent(best, best.lacking(Shortfall.CERTIFIED), _COPIES, generator)


def _last_resorts(best: Incumbent, generator: torch.Generator) -> None:
    """Climb on for the rows whose certificate still fails, as far as to all rows of the reservoir."""
    search_latent(best, best.lacking(Shortfall.IMPLAUSIBLE), 1, generator)
    rows = best.lacking(Shortfall.INVALID)
    if len(rows):
        best.offer(walk(best.query[rows]), rows)
    offer_reservoir(best, best.lacking(Shortfall.IMPLAUSIBLE), len(best.model.reservoir))
    fill_missing(best, best.lacking(Shortfall.INVALID))


def _shorten(best: Incumbent) -> None:
    """Shorten all answers, those of many changed numbers to few of them."""
    rows, space = best.lacking(Shortfall.CERTIFIED), best.model.space
    if space.blocks.numel():
        build(best, rows)
        undo(best, rows)
    if len(space.numeric) > _FEW_NUMBERS or not space.blocks.numel():
        shorten(best, rows, _SHORTENING_STEPS)
        thin(best, rows, _THINNING_ROUNDS, _THINNING_STEPS)
        undo(best, rows)


def _search_again(best: Incumbent) -> None:
    """Look for answers that change fewer columns."""
    search_fewer(best, best.lacking(Shortfall.CERTIFIED), _CAPPED_ROUNDS, _search_under_cap)


def _search_under_cap(best: Incumbent) -> None:
    _mend(best, _CAPPED_STEPS)
    rows = (best.shortfall == Shortfall.CERTIFIED).nonzero().squeeze(1)
    shorten(best, rows, _SHORTENING_STEPS)
    undo(best, rows)


def _spare(best: Incumbent) -> None:
    """Take back the columns that all answers can do without, and move the others on."""
    rows, space = best.lacking(Shortfall.CERTIFIED), best.model.space
    eliminate(best, rows, _ELIMINATING_STEPS)
    shorten(best, rows, _POLISHING_STEPS, best.query.changed(best.x)[:, space.owner[space.numeric]])
    bisect(best, rows)  # rounded numbers have no slopes to follow for the last step


def _as_it_is(best: Incumbent, generator: torch.Generator | None = None) -> None:
    """Leave the answers alone."""


class Search(NamedTuple):
    """What a search does, stage by stage; if nothing, the settled rows of the one pass are its answers."""

    start: Callable[[Query, Tensor], Tensor] = lambda query, moved: moved
    climb: Callable[[Incumbent, torch.Generator], None] = _as_it_is  # toward certified rows
    last_resorts: Callable[[Incumbent, torch.Generator], None] = _as_it_is  # for the first answers alone
    shorten: Callable[[Incumbent], None] = _as_it_is
    search_again: Callable[[Incumbent], None] = _as_it_is  # for the first answers alone, too
    spare: Callable[[Incumbent], None] = _as_it_is


SEARCHES = {
    "auto": Search(
        climb=_climb, last_resorts=_last_resorts, shorten=_shorten, search_again=_search_again, spare=_spare
    ),
    "latent": Search(climb=_climb_in_latent_space, shorten=_shorten, spare=_spare),
    "steps": Search(start=lambda query, moved: walk(query)),
    "one_shot": Search(),
}
