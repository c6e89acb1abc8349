"""Proposals in, the best row found so far for each question out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._model.certificate import Judgement
from .._model.losses import plausibility_loss
from .._model.model import Model
from .query import Query

# What changed columns cost: a row that changes them all costs this much more than its distance.
SPARSITY = 1.0
INVALID = 4.0  # shortfall from which on a row is not classified as its target
_INFEASIBLE = 8.0


class Incumbent:
    """The best row found so far for each query: first by what its certificate lacks, then by its cost.

    Proposals are judged as the row that the user would hold: integers rounded, categories hard, every rule obeyed.
    """

    def __init__(self, model: Model, query: Query, start: Tensor) -> None:
        self.model, self.query = model, query
        self.x, self.shortfall, self.cost = self.judged(query, start)

    @torch.no_grad()
    def judged(self, query: Query, proposal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return settled rows (m, d), what their certificates lack and what they cost, both (m,)."""
        z, feasible = self.settled(query, proposal)
        return z, *self.priced(query, z, feasible, self.model.judge(z, query.target))

    def settled(self, query: Query, proposal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows that the user would hold, (m, d), and which of them obey the rules, (m,)."""
        settled, obeys = query.rules.settle(proposal.detach().cpu().numpy(), query.x.cpu().numpy())
        return torch.from_numpy(settled).to(query.x.device), torch.from_numpy(obeys).to(query.x.device)

    @torch.no_grad()
    def priced(self, query: Query, z: Tensor, feasible: Tensor, judgement: Judgement) -> tuple[Tensor, Tensor]:
        """Return what the certificates of settled rows lack and what the rows cost, both (m,).

        A certified row costs its way, more for each column that changes; any other row costs what it lacks, too: where
        nothing is certified, the best effort counts, not the shortest way.
        """
        demands = query.demands
        shortfall = self.model.shortfall(judgement, query.target, demands) + _INFEASIBLE * (~feasible).to(z.dtype)
        lacking = (demands.confidence - judgement.log_odds).relu()
        lacking = lacking + (demands.committee_confidence - judgement.committee_odds).relu()
        lacking = lacking + 3 * plausibility_loss(judgement.log_density, demands.threshold, z.shape[1])
        crowd = 1 + SPARSITY * self.changed(query.x, z).to(z.dtype).sum(1) / self.model.space.n_columns
        return shortfall, query.distance(z) / z.shape[1] ** 0.5 * crowd + lacking

    def changed(self, x: Tensor, z: Tensor) -> Tensor:
        """Return which table columns differ between encoded rows, as booleans (m, n_columns)."""
        return self.model.space.by_column((x != z).float()) > 0

    def offer(self, proposal: Tensor, rows: Tensor | None = None) -> Tensor:
        """Judge a proposal for each query, or for some `rows`; keep it where it is better. Return where."""
        if rows is not None and len(rows) == 0:
            return torch.zeros(0, dtype=torch.bool, device=rows.device)
        query = self.query if rows is None else self.query[rows]
        return self.keep(rows, *self.judged(query, proposal))

    def beaten(self, at: Tensor | slice, shortfall: Tensor, cost: Tensor) -> Tensor:
        """Return where judged rows are better than the incumbents of some queries."""
        return (shortfall < self.shortfall[at]) | ((shortfall == self.shortfall[at]) & (cost < self.cost[at]))

    def keep(self, rows: Tensor | None, z: Tensor, shortfall: Tensor, cost: Tensor) -> Tensor:
        """Keep judged rows for each query, or for some `rows`, where they are better. Return where."""
        at = slice(None) if rows is None else rows
        better = self.beaten(at, shortfall, cost)
        self.x[at] = torch.where(better[:, None], z, self.x[at])
        self.shortfall[at] = torch.where(better, shortfall, self.shortfall[at])
        self.cost[at] = torch.where(better, cost, self.cost[at])
        return better
