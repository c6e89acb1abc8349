"""Rows and rules in, questions out: toward which class, how sure, and what may move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .._model.certificate import Demands
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet


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
