"""Rows and rules in, questions out: toward which class, how sure, and what may move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .._common.parameters import SPARSITY
from .._model.certificate import Demands
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet


@dataclass(frozen=True)
class Request:
    """What a user asks about the n rows of a table."""

    x: Tensor  # (n, d), encoded
    wanted: Tensor | str | None  # class index for each row, "second" for the runner-up, None for all but the predicted
    rules: FeasibleSet  # about each row
    probability: float | None = None  # calibrated, that certificates ask; by default what the class typically reaches
    search: str = "auto"
    k: int = 1  # alternatives for each question, at most
    menu: bool = False  # whether they are the best rows with one changed column, with two, ...
    seed: int = 0
    sparsity: float = SPARSITY  # what changed columns cost: all of them so many times the distance

    def at(self, rows: slice) -> Request:
        """Return what is asked about some of the rows."""
        wanted = self.wanted[rows] if isinstance(self.wanted, Tensor) else self.wanted
        return replace(self, x=self.x[rows], wanted=wanted, rules=self.rules.take(rows))


@dataclass(frozen=True)
class Query:
    """Questions to a model about m rows: toward which class, how sure, and under which rules."""

    model: Model
    x: Tensor  # (m, d), the encoded rows
    target: Tensor  # (m,), class indices
    demands: Demands  # of the certificates
    rules: FeasibleSet  # the user's, about each row
    allowed: Tensor  # (m, d), 1 where the user lets a feature move, as the network is told
    movable: Tensor  # (m, d), 1 where it can move, too: no constants, no missing numbers
    lower: Tensor  # (m, d), range of each feature: what was seen at fit, widened to the row itself, cut by the rules
    upper: Tensor
    choices: Tensor  # (m, d), True where a one-hot level may be chosen
    weight: Tensor  # (d,), what a change costs, 1 by default
    sparsity: float = SPARSITY

    @classmethod
    def of(
        cls,
        model: Model,
        x: Tensor,
        target: Tensor,
        demands: Demands,
        rules: FeasibleSet,
        sparsity: float = SPARSITY,
    ) -> Query:
        """Ask about rows `x` (m, d) under `rules` for m rows."""
        allowed, lower, upper, choices, weight = (
            torch.from_numpy(np.array(array)).to(x.device)
            for array in (rules.movable_positions, rules.lower, rules.upper, rules.choices, rules.weights)
        )
        space, allowed = model.space, allowed.to(x.dtype)
        lower = torch.maximum(torch.minimum(space.lower, x), lower)
        upper = torch.minimum(torch.maximum(space.upper, x), upper)
        movable = allowed * space.movable_in(x)
        return cls(model, x, target, demands, rules, allowed, movable, lower, upper, choices, weight, sparsity)

    def __getitem__(self, rows: Tensor | slice) -> Query:
        where = rows if isinstance(rows, slice) else rows.cpu().numpy()
        per_row = ("x", "target", "allowed", "movable", "lower", "upper", "choices")
        parts = {name: getattr(self, name)[rows] for name in per_row}
        return replace(self, demands=self.demands.at(rows), rules=self.rules.take(where), **parts)

    def __len__(self) -> int:
        return len(self.x)

    def without(self, columns: Tensor) -> Query:
        """Return the same questions with some table columns frozen too: `columns` (m, n_columns), True where frozen."""
        keep = (~columns[:, self.model.space.owner]).to(self.x.dtype)
        rules = self.rules.exclude(columns.cpu().numpy())
        return replace(self, rules=rules, allowed=self.allowed * keep, movable=self.movable * keep)

    def settle(self, proposal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows that the user would hold, (m, d), and which of them obey the rules, (m,).

        The one place where tensors become arrays and return: numbers are rounded in float64, by powers that torch
        lacks, and the user's own function takes tables.
        """
        settled, obeys = self.rules.settle(proposal.detach().cpu().numpy(), self.x.cpu().numpy())
        return torch.from_numpy(settled).to(self.x.device), torch.from_numpy(obeys).to(self.x.device)

    def changed(self, z: Tensor) -> Tensor:
        """Return in which table columns rows `z` (m, d) differ from the queries, as booleans (m, n_columns)."""
        return self.model.space.by_column((z != self.x).float()) > 0

    def sizes(self, z: Tensor) -> Tensor:
        """Return what each table column of rows `z` (m, d) was changed by, weighted, (m, n_columns)."""
        return self.model.space.by_column(((z - self.x) * self.weight).abs())

    def distance(self, z: Tensor) -> Tensor:
        """Return the weighted Euclidean distance of rows `z` (m, d) to the queries in encoded units, shape (m,)."""
        return ((z - self.x) * self.weight).norm(dim=1)
