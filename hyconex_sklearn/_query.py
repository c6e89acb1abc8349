"""What is asked of each row, and the best answer found so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ._losses import plausibility_loss
from ._model import Demands, Judgement, Model
from ._rules import FeasibleSet

# What changed columns cost: a row that changes them all costs this much more than its distance.
SPARSITY = 1.0
INVALID = 4.0  # shortfall from which on a row is not classified as its target
_INFEASIBLE = 8.0


@dataclass(frozen=True)
class Query:
    """Questions about m rows: toward which class, how sure, and under which rules.

    Attributes
    ----------
    x : Tensor of shape (m, d)
        The encoded rows.
    target : Tensor of shape (m,)
        Class indices.
    demands : Demands
        What the certificate asks.
    rules : FeasibleSet
        The user's rules about each row.
    asked, mask : Tensor of shape (m, d)
        1 where the user lets a feature move, as the network is told; and where it can move at all: no constants, no
        missing numbers.
    lower, upper : Tensor of shape (m, d)
        Range of each feature: what was seen at fit, widened to the row itself, cut by the rules.
    choices : Tensor of shape (m, d)
        True where a one-hot level may be chosen.
    weight : Tensor of shape (d,)
        What a change costs, 1 by default.
    """

    x: Tensor
    target: Tensor
    demands: Demands
    rules: FeasibleSet
    asked: Tensor
    mask: Tensor
    lower: Tensor
    upper: Tensor
    choices: Tensor
    weight: Tensor

    @classmethod
    def of(cls, model: Model, x: Tensor, target: Tensor, demands: Demands, rules: FeasibleSet) -> Query:
        """Ask about rows `x` (m, d) under `rules` for m rows."""
        space = model.space

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(array)).to(x.device)

        asked = tensor(rules.free).to(x.dtype)
        return cls(
            x,
            target,
            demands,
            rules,
            asked,
            asked * space.free_mask(x),
            torch.maximum(torch.minimum(space.lower, x), tensor(rules.lower)),
            torch.minimum(torch.maximum(space.upper, x), tensor(rules.upper)),
            tensor(rules.choices),
            tensor(rules.weights),
        )

    def __getitem__(self, rows: Tensor | slice) -> Query:
        where = rows if isinstance(rows, slice) else rows.cpu().numpy()
        per_row = ("x", "target", "asked", "mask", "lower", "upper", "choices")
        parts = {name: getattr(self, name)[rows] for name in per_row}
        return replace(self, demands=self.demands.at(rows), rules=self.rules.take(where), **parts)

    def __len__(self) -> int:
        return len(self.x)

    def without(self, columns: Tensor, owner: Tensor) -> Query:
        """Return the same questions with some table columns frozen too: `columns` (m, n_columns), True where frozen."""
        keep = (~columns[:, owner]).to(self.x.dtype)
        rules = self.rules.exclude(columns.cpu().numpy())
        return replace(self, rules=rules, asked=self.asked * keep, mask=self.mask * keep)

    def distance(self, z: Tensor) -> Tensor:
        """Return the weighted Euclidean distance of rows `z` (m, d) to the queries in encoded units, shape (m,)."""
        return ((z - self.x) * self.weight).norm(dim=1)


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
