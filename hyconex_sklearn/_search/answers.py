"""A request in, the answers to it out: in order, as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._common.runtime import chunks, in_chunks
from .._model.committee import votes
from .._model.model import Model
from .alternatives import Answered, alternatives
from .incumbent import Incumbent
from .ladder import SEARCHES, Search, solve
from .menu import menu
from .one_pass import OnePass, one_pass
from .query import Query, Request

_CLIMB_ROWS = 1_024  # queries searched at once


class Answers(NamedTuple):
    """Counterfactuals in encoded space, ordered by row, target and rank; arrays of length m."""

    row: np.ndarray  # position in the table
    target: np.ndarray  # class index
    rank: np.ndarray  # 0 is the nearest; of a menu, the one of the fewest changed columns
    lacking: np.ndarray  # how many alternatives were asked for and not found; told at the last one that was
    before: np.ndarray  # probability of the target for the query row
    predicted: np.ndarray  # class index of the query row
    support: np.ndarray  # share of the committee that agrees with that
    z: np.ndarray  # (m, d), settled

    @property
    def already(self) -> np.ndarray:
        """Whether the query row is predicted as its target."""
        return self.predicted == self.target

    @staticmethod
    def joined(parts: list[Answers]) -> Answers:
        """Return the answers of several chunks as one."""
        return Answers(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def answer(model: Model, request: Request, offset: int, told: Callable[[int], None] = lambda number: None) -> Answers:
    """Search the answers to a request about some rows of a table, of which the first is row number `offset`.

    `told` is how many are done, each time that some are: k for each question in the end, found or not.
    """
    asked = one_pass(model, request)
    query, search = asked.query, request.search
    open_ = (~asked.already).nonzero().squeeze(1)
    if request.k == 1 and not request.menu and SEARCHES[search] == Search():
        open_ = open_[:0]  # the one pass is all that is asked for
    settled = torch.where(asked.already[:, None], query.x, query.settle(asked.moved)[0])  # x whatever the rules say
    done = torch.ones_like(asked.already).index_fill(0, open_, False).nonzero().squeeze(1)
    found = [(done, settled[done], *_keys(request, query[done], settled[done], torch.zeros_like(done)))]
    told(len(done) * request.k)
    for part in chunks(len(open_), min(_CLIMB_ROWS, model.rows_at_once)):
        rows, generator = open_[part], torch.Generator().manual_seed(request.seed)
        first = solve(query[rows], asked.moved[rows], search, generator)
        left = request.k
        for at, best in _answers(first, request, generator):
            found.append((rows[at], best.x, *_keys(request, best.query, best.x, best.shortfall)))
            left -= 1
            told(len(rows))
        told(len(rows) * left)
    support = votes(in_chunks(model.committee, request.x, size=model.rows_at_once), asked.predicted)
    return _ordered(asked, support, found, 0 if request.menu else request.k, offset)


def _answers(first: Incumbent, request: Request, generator: torch.Generator) -> Iterator[Answered]:
    """Yield answers to some of the queries each, `first` among them."""
    if request.menu:
        return menu(first, request.search, generator)
    return alternatives(first, request.k, request.search, generator)


def _keys(request: Request, query: Query, z: Tensor, shortfall: Tensor) -> tuple[Tensor, Tensor]:
    """Return what answers `z` (m, d) come in the order of, both (m,): the first decides."""
    if request.menu:
        return query.changed(z).sum(1), shortfall
    return shortfall, query.distance(z)


def _ordered(asked: OnePass, support: Tensor, found: Sequence[tuple[Tensor, ...]], k: int, offset: int) -> Answers:
    """Return rows, answers and their two keys in order; k is how many were asked for, 0 where nobody said."""
    of, z, first, then = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
    order = np.lexsort((then, first, of))
    of, z = of[order], z[order]
    count = np.bincount(of, minlength=len(asked.rows))
    rank = np.arange(len(of)) - (np.cumsum(count) - count)[of]
    row, goal, before = (part.cpu().numpy() for part in (asked.rows[of], asked.query.target[of], asked.predicted))
    probability = asked.logits.double().softmax(1).cpu().numpy()
    lacking = np.where((rank == count[of] - 1) & (k > 0), k - count[of], 0)
    agreeing = support.double().cpu().numpy()
    return Answers(row + offset, goal, rank, lacking, probability[row, goal], before[row], agreeing[row], z)
