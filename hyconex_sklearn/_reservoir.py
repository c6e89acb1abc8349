"""Certified rows drawn from the density at fit: where a search starts when the one pass fails, and its last resort."""

from __future__ import annotations

import torch
from torch import Tensor

from ._model import Model
from ._query import Incumbent, Query
from ._refine import descend
from ._rules import FeasibleSet
from ._torch_utils import chunks

_DRAWS, _FEW_CERTIFIED = 6, 20  # rows drawn for each row of the reservoir; certified rows that make a class well served
_MENDING_STEPS, _MENDED_AT_ONCE = 60, 2_048  # rows of all the classes together that are too few
_MENDING_WORK = 20_000_000  # rows x classes x steps; of a hundred classes and more, steps are saved
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
        near = _nearest(best.model, best.query[at], k)
        many = at.repeat_interleave(k)
        query = best.query[many]
        proposal = torch.where(query.mask > 0, reservoir[near.flatten()], query.x)
        settled, shortfall, cost = best.judged(query, proposal)
        shortfall, cost = shortfall.view(-1, k), cost.view(-1, k)
        worse = shortfall > shortfall.amin(1, keepdim=True)
        first = cost.masked_fill(worse, torch.inf).argmin(1) + torch.arange(len(at), device=at.device) * k
        best.offer(settled[first], at)


def fill_missing(best: Incumbent, rows: Tensor) -> None:
    """Offer rows whose missing numbers are filled from the nearest reservoir row: better than no answer."""
    model, query = best.model, best.query[rows]
    if len(model.reservoir) == 0 or len(model.space.filled_by) == 0:
        return
    free = (query.mask > 0) | (model.space.missing_cells(query.x) & (query.asked > 0))
    nearest = model.reservoir[_nearest(model, query, 1)[:, 0]]
    best.offer(torch.where(free, nearest, query.x), rows)


def _nearest(model: Model, query: Query, k: int) -> Tensor:
    """Return the positions of the nearest reservoir rows of the target class, (m, k); frozen features don't count.

    Where a class has fewer rows, other classes fill up: no harm, since proposals are judged.
    """
    reservoir, labels = model.reservoir, model.reservoir_labels
    nearest = torch.empty(len(query), k, dtype=torch.long, device=query.x.device)
    for rows in chunks(len(query), max(1, _MAX_CELLS // max(1, len(labels)))):
        counts = query.mask[rows] * query.weight.square()
        x = query.x[rows]
        # sum_j c_j (x_j - r_j)^2, multiplied out so that no (m, r, d) array is needed
        away = (counts * x * x).sum(1, keepdim=True) - 2 * (counts * x) @ reservoir.T + counts @ reservoir.T.square()
        away = away.masked_fill(labels[None] != query.target[rows, None], torch.inf)
        nearest[rows] = away.topk(k, dim=1, largest=False).indices
    return nearest


def fill_reservoir(model: Model, free: FeasibleSet, per_class: int) -> None:
    """Keep certified rows of every class, drawn from the density; where they are few, mended and uncertified ones too.

    `free` is a feasible set of one row without rules. Draws from torch's random state; call it inside `seeded`.
    """
    drawn = [_drawn(model, label, free, per_class) for label in range(model.n_classes)]
    weak = [label for label, (_, shortfall) in enumerate(drawn) if int((shortfall == 0).sum()) < _FEW_CERTIFIED]
    steps = min(_MENDING_STEPS, _MENDING_WORK // max(1, len(weak) * per_class * model.n_classes))
    for some in chunks(len(weak) if steps else 0, max(1, min(_MENDED_AT_ONCE, model.rows_at_once) // per_class)):
        labels = weak[some]
        x = torch.cat([drawn[label][0] for label in labels])
        target = torch.cat([torch.full((len(drawn[label][0]),), label, device=x.device) for label in labels])
        best = _settled(model, x, target, free)
        rows = torch.arange(len(x), device=x.device)
        descend(best, rows, steps)
        for label in labels:
            drawn[label] = best.x[target == label], best.shortfall[target == label]
    kept = [_served_best(x, shortfall) for x, shortfall in drawn]
    counts = torch.tensor([len(rows) for rows in kept], device=kept[0].device)
    model.reservoir = torch.cat(kept)
    model.reservoir_labels = torch.arange(model.n_classes, device=counts.device).repeat_interleave(counts)


def _drawn(model: Model, label: int, free: FeasibleSet, n: int) -> tuple[Tensor, Tensor]:
    """Draw rows of a class, and return the n that lack least, with what they lack."""
    target = torch.full((_DRAWS * n,), label, device=model.space.lower.device)
    x = torch.minimum(torch.maximum(model.density.sample(target), model.space.lower), model.space.upper)
    best = _settled(model, x, target, free)
    order = best.shortfall.argsort(stable=True)[:n]
    return best.x[order], best.shortfall[order]


def _served_best(x: Tensor, shortfall: Tensor) -> Tensor:
    """Return the certified rows of a class, or its best few: never a row of the wrong class, which lacks 4 or more."""
    order = shortfall.argsort(stable=True)
    worst = shortfall[order[:_FEW_CERTIFIED]].max().clamp(max=3.0)
    return x[order[shortfall[order] <= worst]]


def _settled(model: Model, x: Tensor, target: Tensor, free: FeasibleSet) -> Incumbent:
    """Return the snapped rows `x` as queries that are their own answer so far."""
    rules = free.take([0] * len(x))
    z = torch.from_numpy(rules.settle(x.cpu().numpy(), x.cpu().numpy())[0]).to(x.device)
    return Incumbent(model, Query.of(model, z, target, model.demands(target), rules), z)
