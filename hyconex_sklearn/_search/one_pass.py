"""A request in, one question for each row and target with the row that a single pass of the network proposes out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._model.certificate import predicted
from .._model.model import Model
from .query import Query, Request


class OnePass(NamedTuple):
    """What a single pass says of n rows and proposes for the m questions about them."""

    logits: Tensor  # (n, K), calibrated
    predicted: Tensor  # (n,), class indices
    rows: Tensor  # (m,), the row that each question is about, ascending
    query: Query
    already: Tensor  # (m,), whether the row is predicted as its target before any change
    moved: Tensor  # (m, d), proposals, not yet settled; a row already predicted as its target stays


@torch.no_grad()
def one_pass(model: Model, request: Request) -> OnePass:
    """Ask for the counterfactuals of a single pass, x' = x - a * W_m(x, a)."""
    x, rules = request.x, request.rules
    logits = model.logits(x)
    before = predicted(logits)
    rows, target = _targets(logits, before, request.wanted)
    demands = model.demands(target, request.probability)
    query = Query.of(model, x[rows], target, demands, rules.take(rows.cpu().numpy()), request.sparsity)
    moved = move(query, model.hypernetwork(x, logits)[rows, target]) if rules.trivial else propose(query)
    if rules.counted:
        moved = _all_in_the_kept(query, moved)
    already = before[rows] == target
    return OnePass(logits, before, rows, query, already, torch.where(already[:, None], query.x, moved))


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


def step_of(query: Query, x: Tensor) -> Tensor:
    """Return the steps W_m(x, a) that the network writes at rows `x` (m, d) under the masks of the queries, (m, d)."""
    weight = query.model.weights(x, query.allowed)  # (m, K, d)
    return weight[torch.arange(len(query), device=weight.device), query.target]


def move(query: Query, step: Tensor) -> Tensor:
    """Return x - a * step with hard categories that the rules allow, shape (m, d)."""
    return query.model.space.move(query.x, step, query.movable, query.choices)


def propose(query: Query) -> Tensor:
    """Return the rows of one pass, x - a * W_m(x, a), not yet settled, shape (m, d)."""
    return move(query, step_of(query, query.x))


def propose_capped(query: Query) -> Tensor:
    """Return the rows of one pass, under rules that say how many columns may change, not yet settled, shape (m, d)."""
    return _all_in_the_kept(query, propose(query))


def _all_in_the_kept(query: Query, moved: Tensor) -> Tensor:
    """Return the pass anew, with all columns frozen but those that the cap keeps: they have to do all the work."""
    return propose(query.without(~query.changed(query.settle(moved)[0])))
