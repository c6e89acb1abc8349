"""Answers that fall short in, certified rows drawn from the density out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._common.runtime import chunks
from .incumbent import Incumbent, judged
from .query import Query

_MAX_CELLS = 4_000_000  # bound of rows x columns in one distance matrix
_MAX_JUDGED = 16_384  # rows judged at once


@torch.no_grad()
def offer_reservoir(best: Incumbent, rows: Tensor, k: int) -> None:
    """Offer each query the best of the k nearest reservoir rows of its target class, frozen features kept."""
    reservoir = best.model.reservoir
    k = min(k, len(reservoir))
    if k == 0:
        return
    for part in chunks(len(rows), max(1, min(_MAX_JUDGED, 4 * best.model.rows_at_once) // k)):
        at = rows[part]
        near = _nearest(best.query[at], k)
        many = at.repeat_interleave(k)
        query = best.query[many]
        proposal = torch.where(query.movable > 0, reservoir[near.flatten()], query.x)
        settled, shortfall, cost = judged(query, proposal)
        shortfall, cost = shortfall.view(-1, k), cost.view(-1, k)
        worse = shortfall > shortfall.amin(1, keepdim=True)
        first = cost.masked_fill(worse, torch.inf).argmin(1) + torch.arange(len(at), device=at.device) * k
        best.offer(settled[first], at)


def fill_missing(best: Incumbent, rows: Tensor) -> None:
    """Offer rows whose missing numbers are filled from the nearest reservoir row: better than no answer."""
    model, query = best.model, best.query[rows]
    if len(model.reservoir) == 0 or len(model.space.filled_by) == 0:
        return
    movable = (query.movable > 0) | (model.space.missing_cells(query.x) & (query.allowed > 0))
    nearest = model.reservoir[_nearest(query, 1)[:, 0]]
    best.offer(torch.where(movable, nearest, query.x), rows)


def _nearest(query: Query, k: int) -> Tensor:
    """Return the positions of the nearest reservoir rows of the target class, (m, k); frozen features don't count.

    Where a class has fewer rows, other classes fill up: no harm, since proposals are judged.
    """
    reservoir, labels = query.model.reservoir, query.model.reservoir_labels
    nearest = torch.empty(len(query), k, dtype=torch.long, device=query.x.device)
    for rows in chunks(len(query), max(1, _MAX_CELLS // max(1, len(labels)))):
        counts = query.movable[rows] * query.weight.square()
        x = query.x[rows]
        # sum_j c_j (x_j - r_j)^2, multiplied out so that no (m, r, d) array is needed
        away = (counts * x * x).sum(1, keepdim=True) - 2 * (counts * x) @ reservoir.T + counts @ reservoir.T.square()
        away = away.masked_fill(labels[None] != query.target[rows, None], torch.inf)
        nearest[rows] = away.topk(k, dim=1, largest=False).indices
    return nearest
