"""Mend an answer by gradient on its numbers, shorten it by halving, and take needless changes back."""

from __future__ import annotations

import torch
from torch import Tensor

from ._committee import mean_log_odds
from ._losses import log_odds, plausibility_loss
from ._model import Model
from ._query import Incumbent, Query
from ._torch_utils import chunks

_RATE = 0.1  # encoded units
_MOMENTS = (0.7, 0.9)  # short memories: constraints switch on and off along the way
_SNAP_EVERY = 5
_BISECTIONS = 4
# Slack beyond the certificate's bounds that a descent aims at, so that snapping does not undo it.
_LOG_ODDS_SLACK, _DENSITY_SLACK = 0.1, 0.1


def lack(model: Model, query: Query, z: Tensor) -> Tensor:
    """Return how far rows `z` (m, d) are from their certificates, shape (m,): 0 if certified, differentiable in `z`."""
    demands, target = query.demands, query.target
    sure = log_odds(model.network.logits(z) / model.temperature, target)
    unsure = (demands.confidence + _LOG_ODDS_SLACK - sure).relu()
    agreed = mean_log_odds(model.committee(z), target)
    unsupported = (demands.committee_confidence + _LOG_ODDS_SLACK - agreed).relu()
    density = model.density.log_prob(z, target)
    return unsure + unsupported + 3 * plausibility_loss(density, demands.threshold + _DENSITY_SLACK, z.shape[1])


def objective(model: Model, query: Query, z: Tensor) -> Tensor:
    """Return the way plus what is lacking at its end, shape (m,), differentiable in `z` (m, d)."""
    way = (((z - query.x) * query.weight).square().mean(1) + 1e-6).sqrt()
    return way + lack(model, query, z)


def descend(best: Incumbent, rows: Tensor, steps: int) -> None:
    """Move the numbers of incumbents under the certificate's constraints, and offer what is met on the way.

    Parameters
    ----------
    rows : Tensor of shape (m,)
        The queries concerned.
    steps : int
        Steps of Adam, its rate falling to a tenth.
    """
    if len(rows) == 0:
        return
    model, numeric = best.model, best.model.space.numeric
    query, start = best.query[rows], best.x[rows].clone()
    free, lower, upper = (part[:, numeric] for part in (query.mask, query.lower, query.upper))
    point = start[:, numeric].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([point], lr=_RATE, betas=_MOMENTS)

    def row() -> Tensor:
        return start.index_copy(1, numeric, torch.where(free > 0, point, start[:, numeric]))

    for step in range(1, steps + 1) if len(numeric) else ():
        optimiser.param_groups[0]["lr"] = _RATE * (1 - 0.9 * step / steps)
        with torch.enable_grad():
            (point.grad,) = torch.autograd.grad(objective(model, query, row()).sum(), point)
        optimiser.step()
        with torch.no_grad():
            point.copy_(torch.minimum(torch.maximum(point, lower), upper))
            if step % _SNAP_EVERY == 0 and step < steps:
                best.offer(row(), rows)
    with torch.no_grad():
        best.offer(row(), rows)


def unchanged(best: Incumbent, rows: Tensor) -> Tensor:
    """Return the table columns that some incumbents leave as they were, (m, n_columns)."""
    return ~best.changed(best.query.x[rows], best.x[rows])


def bisect(best: Incumbent, rows: Tensor) -> None:
    """Shorten the way: halve the segment from x to the incumbent as long as the certificate holds."""
    x, end = best.query.x[rows], best.x[rows].clone()
    low, high = x.new_zeros(len(rows), 1), x.new_ones(len(rows), 1)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        better = best.offer(x + middle * (end - x), rows)[:, None]
        low, high = torch.where(better, low, middle), torch.where(better, middle, high)


def undo(best: Incumbent, rows: Tensor) -> None:
    """Take changes back as long as the certificate holds.

    Each change is tried alone, all of them in one batch. Of those that can be spared alone, halving tells how many of
    the smallest can be spared together.
    """
    order, count = _by_size(best, rows)
    owner, start, x = best.model.space.owner, best.x[rows].clone(), best.query.x[rows]
    row, place = (torch.arange(order.shape[1], device=rows.device) < count[:, None]).nonzero(as_tuple=True)
    if len(row) == 0:
        return
    spared = torch.zeros_like(order, dtype=torch.bool)
    for part in chunks(len(row), best.model.rows_at_once):  # as many as rows x columns
        at = row[part]
        alone = torch.where(owner == order[at, place[part]][:, None], x[at], start[at])
        _, shortfall, cost = best.judged(best.query[rows[at]], alone)
        spared[at, place[part]] = best.beaten(rows[at], shortfall, cost)
    rank = spared.flip(1).cumsum(1).flip(1).masked_fill(~spared, 0)  # 1: the smallest that can be spared
    rank = torch.zeros_like(rank).scatter(1, order, rank)  # by column
    few, many = torch.zeros_like(count), spared.sum(1)
    while bool((few < many).any()):
        some = (few < many).nonzero().squeeze(1)
        half = (few[some] + many[some] + 1) // 2
        back = ((rank[some] > 0) & (rank[some] <= half[:, None]))[:, owner]
        fits = best.offer(torch.where(back, x[some], start[some]), rows[some])
        few[some] = torch.where(fits, half, few[some])
        many[some] = torch.where(fits, many[some], half - 1)


def _by_size(best: Incumbent, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the columns of some incumbents, largest weighted change first, and how many of them changed.

    Shapes (m, n_columns) and (m,).
    """
    query = best.query[rows]
    size = best.model.space.by_column(((best.x[rows] - query.x) * query.weight).abs())
    return size.argsort(dim=1, descending=True, stable=True), (size > 0).sum(1)
