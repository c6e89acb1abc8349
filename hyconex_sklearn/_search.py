"""From rows to counterfactuals in encoded space: the one pass, and the ladder that mends and shortens it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ._greedy import build
from ._latent import COPIES, search_latent
from ._model import Model, predicted
from ._query import INVALID, Incumbent, Query
from ._refine import bisect, descend, unchanged, undo
from ._reservoir import fill_missing, offer_reservoir
from ._rules import FeasibleSet
from ._shorten import shorten, thin

SEARCHES = ("auto", "latent", "steps", "one_shot")

_NEIGHBOURS = 8  # reservoir rows tried for each query that the one pass fails
_MENDING_STEPS = 40
_SHORTENING_STEPS, _THINNING_ROUNDS, _THINNING_STEPS, _POLISHING_STEPS = 6, 4, 3, 2
_FEW_NUMBERS = 2  # in a table with categories so few numbers are polished only
_STEP, _STEPS = 0.1, 30  # the multi-step variant: share of W_m taken at once, most steps


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
    return _step_at(model, query, query.x)


def _step_at(model: Model, query: Query, x: Tensor) -> Tensor:
    weight = model.network(x, query.asked).weight  # (m, K, d)
    return weight[torch.arange(len(query), device=weight.device), query.target]


def move(model: Model, query: Query, step: Tensor) -> Tensor:
    """Return x - a * step with hard categories that the rules allow, shape (m, d)."""
    return model.space.move(query.x, step, query.mask, query.choices)


def solve(model: Model, query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries by one of `SEARCHES`, starting from the rows `moved` (m, d) of the one pass."""
    best = found(model, query, moved, search, generator)
    if search == "auto":
        _last_resorts(best, generator)
    tighten(best, search)
    return best


def found(model: Model, query: Query, moved: Tensor, search: str, generator: torch.Generator) -> Incumbent:
    """Answer queries as `solve` does, without last resorts and before any answer is shortened."""
    best = Incumbent(model, query, walk(model, query) if search == "steps" else moved)
    if search == "latent":
        search_latent(best, _open(best, 0.0), COPIES, generator)
    elif search == "auto":
        offer_reservoir(best, _open(best, 0.0), 1)
        offer_reservoir(best, _open(best, 1.0), _NEIGHBOURS)
        rows = _open(best, 1.0)
        descend(best, rows, _MENDING_STEPS)
        build(best, _open(best, 1.0))
    return best


@torch.no_grad()
def walk(model: Model, query: Query) -> Tensor:
    """Repeat small steps x <- x - eps * W_m(x, a) to the first crossing, judged on settled rows; soft rows (m, d)."""
    point = query.x.clone()
    rows = torch.arange(len(query), device=point.device)
    for _ in range(_STEPS):
        part = query[rows]
        step = _step_at(model, part, point[rows])
        point[rows] = torch.minimum(torch.maximum(point[rows] - _STEP * part.mask * step, part.lower), part.upper)
        short = Incumbent(model, part, point[rows]).shortfall
        rows = rows[short >= INVALID]
        if len(rows) == 0:
            break
    return point


def _open(best: Incumbent, least: float) -> Tensor:
    """Return the queries whose incumbents lack `least` or more."""
    return (best.shortfall >= least).nonzero().squeeze(1)


def _last_resorts(best: Incumbent, generator: torch.Generator) -> None:
    """Climb on for the rows whose certificate still fails, as far as to all rows of the reservoir."""
    search_latent(best, _open(best, 1.0), 1, generator)
    rows = _open(best, INVALID)
    if len(rows):
        best.offer(walk(best.model, best.query[rows]), rows)
    offer_reservoir(best, _open(best, 1.0), len(best.model.reservoir))
    fill_missing(best, _open(best, INVALID))


def tighten(best: Incumbent, search: str) -> None:
    """Shorten all answers, in length and in the number of columns that change, if the search is one that does."""
    if search not in ("auto", "latent"):
        return
    rows, space = _open(best, 0.0), best.model.space
    if space.blocks.numel():
        build(best, rows)
        undo(best, rows)
    if len(space.numeric) > _FEW_NUMBERS or not space.blocks.numel():
        shorten(best, rows, _SHORTENING_STEPS)
        thin(best, rows, _THINNING_ROUNDS, _THINNING_STEPS)
        undo(best, rows)
    shorten(best, rows, _POLISHING_STEPS, ~unchanged(best, rows)[:, space.owner[space.numeric]])
    bisect(best, rows)  # rounded numbers have no slopes to follow for the last step
