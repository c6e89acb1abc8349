"""Rows in, the counterfactuals of a single pass of the network out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .._model.certificate import predicted
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .query import Query


@dataclass(frozen=True)
class Asked:
    """Queries with the answer of the one pass.

    Attributes
    ----------
    logits : Tensor of shape (n, K)
        Calibrated logits of the rows.
    rows : Tensor of shape (m,)
        Row that each query is about, ascending.
    query : Query
        The m questions.
    moved : Tensor of shape (m, d)
        The counterfactuals of the one pass, not yet settled. A row already predicted as its target stays.
    predicted : Tensor of shape (n,)
        Class indices of the rows.
    """

    logits: Tensor
    rows: Tensor
    query: Query
    moved: Tensor
    predicted: Tensor

    @cached_property
    def already(self) -> Tensor:
        """Whether a row is predicted as its target before any change, shape (m,)."""
        return self.predicted[self.rows] == self.query.target


@torch.no_grad()
def one_shot(
    model: Model, x: Tensor, wanted: Tensor | str | None, rules: FeasibleSet, probability: float | None
) -> Asked:
    """Ask for the counterfactuals of a single pass, x' = x - a * W_m(x, a), for rows `x` (n, d).

    Parameters
    ----------
    wanted : Tensor of shape (n,), "second" or None
        Target class index of each row; "second" asks for the runner-up, None for every class but the predicted one.
    rules : FeasibleSet
        Of the n rows.
    probability : float, optional
        Calibrated probability that the certificate asks; by default what the class typically reaches.
    """
    local = model.network(x)
    logits = local.logits(x) / model.temperature
    before = predicted(logits)
    rows, target = _targets(logits, before, wanted)
    query = Query.of(model, x[rows], target, model.demands(target, probability), rules.take(rows.cpu().numpy()))
    weight = local.weight[rows, target] if rules.trivial else step_of(model, query)
    moved = move(model, query, weight)
    if rules.max_changes is not None:
        moved = _within_budget(model, query, moved)
    stays = (before[rows] == target)[:, None]
    return Asked(logits, rows, query, torch.where(stays, query.x, moved), before)


def _targets(logits: Tensor, before: Tensor, wanted: Tensor | str | None) -> tuple[Tensor, Tensor]:
    """Return the rows asked about and the target class of each, both (m,)."""
    every = torch.arange(len(logits), device=logits.device)
    if isinstance(wanted, Tensor):
        return every, wanted
    if wanted == "second":
        return every, logits.scatter(1, before[:, None], -torch.inf).argmax(1)
    classes = torch.arange(logits.shape[1], device=logits.device)
    rows, target = (classes != before[:, None]).nonzero(as_tuple=True)
    return rows, target


def _within_budget(model: Model, query: Query, moved: Tensor) -> Tensor:
    """Ask once more with all columns frozen but those that the budget keeps: their change has to do all the work."""
    settled = query.rules.settle(moved.cpu().numpy(), query.x.cpu().numpy())[0]
    kept = model.space.by_column((torch.from_numpy(settled).to(moved.device) != query.x).float()) > 0
    part = query.without(~kept, model.space.owner)
    return move(model, part, step_of(model, part))


def step_of(model: Model, query: Query) -> Tensor:
    """Return the step W_m(x, a) that the network writes for each query under its mask, shape (m, d)."""
    return step_at(model, query, query.x)


def step_at(model: Model, query: Query, x: Tensor) -> Tensor:
    weight = model.network(x, query.asked).weight  # (m, K, d)
    return weight[torch.arange(len(query), device=weight.device), query.target]


def move(model: Model, query: Query, step: Tensor) -> Tensor:
    """Return x - a * step with hard categories that the rules allow, shape (m, d)."""
    return model.space.move(query.x, step, query.mask, query.choices)
