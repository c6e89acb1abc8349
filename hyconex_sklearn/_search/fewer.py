"""Certified answers in, ones with fewer changed columns out: searched anew, no more columns at once than so many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from .._model.certificate import Shortfall
from .fewest import Fewest
from .incumbent import Incumbent
from .one_pass import propose_capped
from .query import Query

_SHARE = 0.7  # of the changed columns is tried first, and after each success


def search_fewer(best: Incumbent, rows: Tensor, rounds: int, search: Callable[[Incumbent], None]) -> None:
    """Ask once more about some certified incumbents, under a cap on changed columns that each round moves.

    What an answer changes keeps what else it changes in place: taking columns back one by one ends where no single one
    can be spared. A search that may not change as many finds other columns.
    """
    rows = rows[best.shortfall[rows] < Shortfall.UNSURE]
    counts = Fewest(best.query.changed(best.x)[rows].sum(1), _SHARE)
    for _ in range(rounds):
        some, cap = counts.guess()
        if len(some) == 0:
            return
        at = rows[some]
        query = capped(best.query[at], cap)
        trial = Incumbent(query, propose_capped(query))
        search(trial)
        paid = best.keep(at, *trial.state)
        counts.learn(some, cap, paid, best.query[at].changed(best.x[at]).sum(1))


def capped(query: Query, counts: Tensor) -> Query:
    """Return the same questions, no more table columns to change than `counts` (m,)."""
    return replace(query, rules=query.rules.at_most(counts.cpu().numpy()))
