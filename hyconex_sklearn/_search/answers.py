"""The answers to a chunk of rows, in order, as plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .alternatives import alternatives
from .incumbent import Incumbent
from .ladder import solve
from .one_pass import Asked, one_shot

_CLIMB_ROWS = 4_096  # queries searched at once


class Answers(NamedTuple):
    """Counterfactuals in encoded space, ordered by row, target and rank; arrays of length m."""

    row: np.ndarray  # position in the table
    target: np.ndarray  # class index
    rank: np.ndarray  # 0 is the nearest
    fewer: np.ndarray  # whether fewer alternatives than asked for were found
    before: np.ndarray  # probability of the target for the query row
    predicted: np.ndarray  # class index of the query row
    z: np.ndarray  # (m, d), settled

    @property
    def already(self) -> np.ndarray:
        """Whether the query row is predicted as its target."""
        return self.predicted == self.target

    @staticmethod
    def joined(parts: list[Answers]) -> Answers:
        """Return the answers of several chunks as one."""
        return Answers(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def answer(
    model: Model,
    x: Tensor,
    wanted: Tensor | str | None,
    rules: FeasibleSet,
    *,
    probability: float | None,
    search: str,
    k: int,
    seed: int,
    offset: int,
) -> Answers:
    """Ask about rows `x` (n, d) under `rules` for n rows, and search k alternatives for each query.

    `offset` is the position of the first row in the table; the other arguments are those of `one_shot` and `solve`.
    """
    asked = one_shot(model, x, wanted, rules, probability)
    already, query = asked.already, asked.query
    settled = query.rules.settle(asked.moved.cpu().numpy(), query.x.cpu().numpy())[0]
    settled[already.cpu().numpy()] = query.x[already].cpu().numpy()  # whatever the rules say of it
    lines = [_Line(np.arange(len(query)), settled, np.zeros(len(query)))]
    open_ = (~already).nonzero().squeeze(1)
    if len(open_) and (search != "one_shot" or k > 1):
        lines[0] = lines[0].at(already.cpu().numpy())
        for rows in open_.split(min(_CLIMB_ROWS, model.rows_at_once)):
            lines += _searched(model, asked, rows, search, k, torch.Generator().manual_seed(seed))
    return _ordered(asked, lines, k, offset)


class _Line(NamedTuple):
    """Some queries with one answer each: the query numbers, the rows (m, d), and what orders alternatives, (m,)."""

    query: np.ndarray
    z: np.ndarray
    price: np.ndarray

    def at(self, rows: np.ndarray) -> _Line:
        return _Line(*(part[rows] for part in self))


def _searched(model: Model, asked: Asked, rows: Tensor, search: str, k: int, generator: torch.Generator) -> list[_Line]:
    """Return the answers to some of the queries, one line for each round of alternatives."""
    first = solve(model, asked.query[rows], asked.moved[rows], search, generator)
    found = [(torch.arange(len(rows), device=rows.device), first), *alternatives(first, k, search, generator)]
    return [_Line(*(part.cpu().numpy() for part in (rows[at], best.x, _price(best)))) for at, best in found]


def _price(best: Incumbent) -> Tensor:
    """Return what orders alternatives, (m,): first what certificates lack, then the distance."""
    return best.shortfall.cpu().double() * 1e6 + best.query.distance(best.x).cpu()


def _ordered(asked: Asked, lines: list[_Line], k: int, offset: int) -> Answers:
    joined = _Line(*(np.concatenate(part) for part in zip(*lines, strict=True)))
    line = joined.at(np.lexsort((joined.price, joined.query)))
    count = np.bincount(line.query, minlength=len(asked.query))
    rank = np.arange(len(line.query)) - (np.cumsum(count) - count)[line.query]
    target, row = asked.query.target.cpu().numpy(), asked.rows.cpu().numpy()
    before, probability = asked.predicted.cpu().numpy(), asked.logits.double().softmax(1).cpu().numpy()
    at, goal = row[line.query], target[line.query]
    fewer = (count < k)[line.query] & (rank == count[line.query] - 1)
    return Answers(at + offset, goal, rank, fewer, probability[at, goal], before[at], line.z)
