"""Answers in, certified ones out: gradient in the flow's latent space, smoothed over noisy copies of the latents."""

from __future__ import annotations

import torch
from torch import Tensor

from .adam import Adam
from .descend import objective
from .incumbent import Incumbent
from .query import Query

_NOISE = 0.1  # standard deviation of the noise, in latent units
_STEPS = 40
_RATE = 0.1
_RANGE = 5.0  # where the flow was trained; spline flows are the identity beyond
_SNAP_EVERY = 4


def search_latent(best: Incumbent, rows: Tensor, copies: int, generator: torch.Generator) -> None:
    """Optimise the latents of some incumbents toward certified rows near the queries, and offer what is met on the way.

    The gradient is the mean over noisy copies of the latents: the copies of all rows share their noise, so that an
    answer does not depend on the rows that are asked along with it. The flow's latents are not aligned with columns:
    what may not move is put back in the space of rows after every step. Categories stay as they are.

    References
    ----------
    The smoothed gradient and the search in latent space are those of SCE-LITE-HQ (arXiv 2603.17048), made for images.
    """
    model, query = best.model, best.query[rows]
    if model.density.flow is None or len(rows) == 0:
        return
    numeric, start = model.space.numeric, best.x[rows].clone()
    latent = model.density.to_latent(start, query.target).clamp(-_RANGE, _RANGE).requires_grad_(True)
    adam = Adam(latent)
    repeated = torch.arange(len(query), device=start.device).repeat(copies)
    many, starts = query[repeated], start[repeated]
    for step in range(1, _STEPS + 1):
        noise = torch.randn(copies, 1, len(numeric), generator=generator, dtype=start.dtype).to(start.device)
        with torch.enable_grad():
            noisy = (latent + _NOISE * noise).flatten(0, 1)  # (copies * m, d_num)
            smoothed = objective(many, _row(many, starts, noisy)).view(copies, -1).mean(0)
            (slope,) = torch.autograd.grad(smoothed.sum(), latent)
        with torch.no_grad():
            latent.add_(adam.step(slope, _RATE))
            z = _row(query, start, latent)
            latent.copy_(model.density.to_latent(z, query.target).clamp(-_RANGE, _RANGE))
        if step % _SNAP_EVERY == 0:
            best.offer(z, rows)


def _row(query: Query, start: Tensor, latent: Tensor) -> Tensor:
    """Return the encoded rows of latents, what is frozen put back and the rest inside its range, shape (m, d)."""
    model, numeric = query.model, query.model.space.numeric
    movable, lower, upper, x = (part[:, numeric] for part in (query.movable, query.lower, query.upper, query.x))
    numbers = model.density.from_latent(latent, start, query.target)
    numbers = torch.minimum(torch.maximum(numbers, lower), upper)
    return start.index_copy(1, numeric, torch.where(movable > 0, numbers, x))
