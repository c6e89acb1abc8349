"""Answers that fall short in, better ones out: gradient on their numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from .._model.committee import mean_log_odds
from .._model.losses import log_odds, plausibility_loss
from .adam import Adam
from .incumbent import Incumbent
from .query import Query

_RATE = 0.1  # encoded units
_MOMENTS = (0.7, 0.9)  # short memories: constraints switch on and off along the way
_SNAP_EVERY = 5
# Slack beyond the certificate's bounds that a descent aims at, so that snapping does not undo it.
_LOG_ODDS_SLACK, _DENSITY_SLACK = 0.1, 0.1


def lack(query: Query, z: Tensor) -> Tensor:
    """Return how far rows `z` (m, d) are from their certificates, shape (m,): 0 if certified, differentiable in `z`."""
    model, demands, target = query.model, query.demands, query.target
    sure = log_odds(model.logits(z), target)
    unsure = (demands.confidence + _LOG_ODDS_SLACK - sure).relu()
    agreed = mean_log_odds(model.committee(z), target)
    unsupported = (demands.committee_confidence + _LOG_ODDS_SLACK - agreed).relu()
    density = model.density.log_prob(z, target)
    return unsure + unsupported + 3 * plausibility_loss(density, demands.threshold + _DENSITY_SLACK, z.shape[1])


def objective(query: Query, z: Tensor) -> Tensor:
    """Return the way plus what is lacking at its end, shape (m,), differentiable in `z` (m, d)."""
    way = (((z - query.x) * query.weight).square().mean(1) + 1e-6).sqrt()
    return way + lack(query, z)


def descend(best: Incumbent, rows: Tensor, steps: int) -> None:
    """Move the numbers of some incumbents under the certificate's constraints, and offer what is met on the way.

    By so many steps of Adam, its rate falling to a tenth.
    """
    if len(rows) == 0:
        return
    numeric, query, start = best.model.space.numeric, best.query[rows], best.x[rows].clone()
    movable, lower, upper = (part[:, numeric] for part in (query.movable, query.lower, query.upper))
    point = start[:, numeric].clone().requires_grad_(True)
    adam = Adam(point, _MOMENTS)

    def row() -> Tensor:
        return start.index_copy(1, numeric, torch.where(movable > 0, point, start[:, numeric]))

    for step in range(1, steps + 1) if len(numeric) else ():
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(objective(query, row()).sum(), point)
        with torch.no_grad():
            point.add_(adam.step(slope, _RATE * (1 - 0.9 * step / steps))).clamp_(lower, upper)
            if step % _SNAP_EVERY == 0 and step < steps:
                best.offer(row(), rows)
    with torch.no_grad():
        best.offer(row(), rows)
