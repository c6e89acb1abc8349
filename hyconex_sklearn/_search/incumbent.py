"""Proposals in, the best row found so far for each question out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._model.certificate import Judgement, Shortfall
from .._model.losses import plausibility_loss
from .query import Query


class Incumbent:
    """The best row found so far for each query: first by its `Shortfall`, then by its cost.

    Proposals are judged as the row that the user would hold: integers rounded, categories hard, every rule obeyed.
    """

    def __init__(self, query: Query, start: Tensor) -> None:
        self.model, self.query = query.model, query
        self.x, self.shortfall, self.cost = judged(query, start)

    def copies(self, rows: Tensor) -> Incumbent:
        """Return the same, as judged, for some queries, of which some may come several times."""
        other = object.__new__(Incumbent)
        other.model, other.query = self.model, self.query[rows]
        other.x, other.shortfall, other.cost = self.x[rows], self.shortfall[rows], self.cost[rows]
        return other

    @property
    def state(self) -> tuple[Tensor, Tensor, Tensor]:
        """The rows (m, d), their shortfalls and their costs, both (m,)."""
        return self.x, self.shortfall, self.cost

    def lacking(self, least: Shortfall) -> Tensor:
        """Return the queries whose incumbents lack `least` or more."""
        return (self.shortfall >= least).nonzero().squeeze(1)

    def offer(self, proposal: Tensor, rows: Tensor) -> Tensor:
        """Judge a proposal for each of some queries; keep it where it is better. Return where."""
        if len(rows) == 0:
            return torch.zeros(0, dtype=torch.bool, device=rows.device)
        return self.keep(rows, *judged(self.query[rows], proposal))

    def beaten(self, rows: Tensor, shortfall: Tensor, cost: Tensor) -> Tensor:
        """Return where judged rows are better than the incumbents of some queries."""
        ours, paid = self.shortfall[rows], self.cost[rows]
        return (shortfall < ours) | ((shortfall == ours) & (cost < paid))

    def keep(self, rows: Tensor, z: Tensor, shortfall: Tensor, cost: Tensor) -> Tensor:
        """Keep judged rows for some queries where they are better. Return where."""
        better = self.beaten(rows, shortfall, cost)
        at = rows[better]
        self.x[at], self.shortfall[at], self.cost[at] = z[better], shortfall[better], cost[better]
        return better


@torch.no_grad()
def judged(query: Query, proposal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return settled rows (m, d), their `Shortfall` and their cost, both (m,)."""
    z, feasible = query.settle(proposal)
    return z, *priced(query, z, feasible, query.model.judge(z, query.target))


@torch.no_grad()
def priced(query: Query, z: Tensor, feasible: Tensor, judgement: Judgement) -> tuple[Tensor, Tensor]:
    """Return the `Shortfall` and the cost of settled rows, both (m,).

    A certified row costs its way, more for each column that changes; any other row costs what it lacks, too: where
    nothing is certified, the best effort counts, not the shortest way.
    """
    demands = query.demands
    shortfall = judgement.shortfall(query.target, demands) + Shortfall.INFEASIBLE * ~feasible
    lacking = (demands.confidence - judgement.log_odds).relu()
    lacking = lacking + (demands.committee_confidence - judgement.committee_odds).relu()
    lacking = lacking + 3 * plausibility_loss(judgement.log_density, demands.threshold, z.shape[1])
    crowd = 1 + query.sparsity * query.changed(z).to(z.dtype).sum(1) / query.model.space.n_columns
    return shortfall, query.distance(z) / z.shape[1] ** 0.5 * crowd + lacking
