"""From queries to counterfactuals in encoded space: the one pass, and the ladder that mends and shortens it.

Every stage proposes rows; an `Incumbent` keeps, for each query, the cheapest proposal so far as judged on the snapped
row (integers rounded, categories hard), the row that the user will hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._committee import mean_log_odds
from ._losses import log_odds, plausibility_loss
from ._model import Judgement, Model
from ._torch_utils import chunks

Snap = Callable[[np.ndarray, np.ndarray], np.ndarray]

_NEIGHBOURS = 8  # reservoir rows tried for each query
_DRAWS, _FEW_CERTIFIED = 6, 20  # rows drawn for each row of the reservoir; certified rows that make a class well served
_DESCENT_STEPS = 60
_DESCENT_RATE = 0.05  # encoded units
_SNAP_EVERY = 4
_BISECTIONS = 7
_MAX_CELLS = 4_000_000  # bound of rows x columns in one distance matrix
# Slack beyond the certificate's bounds that the descent aims at, so that snapping does not undo it.
_LOG_ODDS_SLACK, _DENSITY_SLACK = 0.1, 0.1


@dataclass(frozen=True)
class Query:
    """Rows `x` (m, d), their target class indices (m,) and the features `mask` (m, d) that may move."""

    x: Tensor
    target: Tensor
    mask: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Query:
        return Query(self.x[rows], self.target[rows], self.mask[rows])

    def __len__(self) -> int:
        return len(self.x)


def encoded_distance(x: Tensor, moved: Tensor) -> Tensor:
    """Return the Euclidean distance in encoded units, shape (m,), the one that searches shorten."""
    return (moved - x).norm(dim=1)


class Incumbent:
    """The best row found so far for each query: first by what its certificate lacks, then by distance."""

    def __init__(self, model: Model, query: Query, snap: Snap, start: Tensor) -> None:
        self.model, self.query, self._snap = model, query, snap
        self.x = self._snapped(start)
        self.shortfall, self.distance = self._price(self.x)

    def _snapped(self, z: Tensor) -> Tensor:
        snapped = self._snap(z.detach().cpu().numpy(), self.query.x.cpu().numpy())
        return torch.from_numpy(snapped).to(z.device)

    def _price(self, z: Tensor) -> tuple[Tensor, Tensor]:
        judgement: Judgement = self.model.judge(z, self.query.target)
        shortfall = self.model.shortfall(judgement, self.query.target)
        return shortfall, encoded_distance(self.query.x, z)

    @torch.no_grad()
    def offer(self, proposal: Tensor) -> Tensor:
        """Snap and judge a proposal (m, d) for every query; keep it where it is cheaper. Return where, shape (m,)."""
        z = self._snapped(proposal)
        shortfall, distance = self._price(z)
        better = (shortfall < self.shortfall) | ((shortfall == self.shortfall) & (distance < self.distance))
        self.x = torch.where(better[:, None], z, self.x)
        self.shortfall = torch.where(better, shortfall, self.shortfall)
        self.distance = torch.where(better, distance, self.distance)
        return better


@torch.no_grad()
def one_shot(model: Model, x: Tensor, wanted: Tensor | None) -> tuple[Tensor, Tensor, Query, Tensor]:
    """Return the counterfactuals of a single pass, x' = x - a * W_m(x), for rows `x` (n, d).

    Parameters
    ----------
    wanted : Tensor of shape (n,), optional
        Target class index of each row; None asks for every class but the predicted one.

    Returns
    -------
    logits : Tensor of shape (n, K)
        Calibrated logits of the rows.
    rows : Tensor of shape (m,)
        Row of `x` that each counterfactual belongs to, ascending.
    query : Query
        The m questions that were asked.
    moved : Tensor of shape (m, d)
        The counterfactuals, in encoded space and not yet snapped. A row already predicted as its target stays.
    """
    local = model.network(x)
    logits = local.logits(x) / model.temperature
    predicted = logits.argmax(1)
    if wanted is None:
        everything = torch.arange(model.n_classes, device=x.device)
        rows, target = (everything != predicted[:, None]).nonzero(as_tuple=True)
    else:
        rows, target = torch.arange(len(x), device=x.device), wanted
    query = Query(x[rows], target, model.space.free_mask(x)[rows])
    moved = model.space.move(query.x, local.weight[rows, target], query.mask)
    return logits, rows, query, torch.where((predicted[rows] == target)[:, None], query.x, moved)


def climb(model: Model, query: Query, start: Tensor, snap: Snap) -> Tensor:
    """Return certified rows near the queries, shape (m, d): the ladder behind ``search="auto"``.

    Starts from the one-shot answers `start` (m, d); tries the nearest certified rows of the reservoir, descends toward
    the query under the certificate's constraints, and bisects what is left of the way.
    """
    found = torch.empty_like(query.x)
    for rows in chunks(len(query), 4096):
        part = query[rows]
        best = Incumbent(model, part, snap, start[rows])
        _try_reservoir(best)
        _bisect(best)
        _descend(best)
        _bisect(best)
        found[rows] = best.x
    return found


def _try_reservoir(best: Incumbent) -> None:
    """Offer the nearest reservoir rows of each query's target class, frozen features kept."""
    query, model = best.query, best.model
    nearest = _nearest_in_reservoir(model, query)
    for row in nearest.T:
        best.offer(torch.where(query.mask > 0, model.reservoir[row], query.x))
    wrong = best.shortfall >= 4
    if len(nearest.T) and bool(wrong.any()):
        # A missing cell that holds a row in its class is filled in, rather than leaving the row without an answer.
        free = (query.mask > 0) | model.space.missing_cells(query.x)
        filled = torch.where(free, model.reservoir[nearest[:, 0]], query.x)
        best.offer(torch.where(wrong[:, None], filled, best.x))


@torch.no_grad()
def _nearest_in_reservoir(model: Model, query: Query) -> Tensor:
    """Return the positions of the nearest reservoir rows of the target class, shape (m, at most 8).

    Where a class has fewer rows, other classes fill up: no harm, since proposals are judged.
    """
    labels = model.reservoir_labels
    k = min(_NEIGHBOURS, len(labels))
    nearest = torch.empty(len(query), k, dtype=torch.long, device=query.x.device)
    for rows in chunks(len(query), max(1, _MAX_CELLS // max(1, len(labels)))):
        away = torch.cdist(query.x[rows], model.reservoir)
        away = away.masked_fill(labels[None] != query.target[rows, None], torch.inf)
        nearest[rows] = away.topk(k, dim=1, largest=False).indices
    return nearest


def _bisect(best: Incumbent) -> None:
    """Shorten the way: halve the segment from x to the incumbent as long as the certificate holds."""
    x, end = best.query.x, best.x
    low, high = torch.zeros(len(x), 1, device=x.device), torch.ones(len(x), 1, device=x.device)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        better = best.offer(x + middle * (end - x))[:, None]
        low, high = torch.where(better, low, middle), torch.where(better, middle, high)


def _descend(best: Incumbent) -> None:
    """Shorten or mend the way by gradient: move the numbers of each incumbent under the certificate's constraints."""
    query, model = best.query, best.model
    numeric = model.space.numeric
    if len(numeric) == 0:
        return
    x, free = query.x[:, numeric], query.mask[:, numeric]
    lower = torch.minimum(model.space.lower[numeric], x)
    upper = torch.maximum(model.space.upper[numeric], x)
    point = best.x[:, numeric].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([point], lr=_DESCENT_RATE)
    for step in range(1, _DESCENT_STEPS + 1):
        with torch.enable_grad():
            z = best.x.index_copy(1, numeric, torch.where(free > 0, point, best.x[:, numeric]))
            (point.grad,) = torch.autograd.grad(_objective(model, query, z).sum(), point)
        optimiser.step()
        with torch.no_grad():
            point.copy_(torch.minimum(torch.maximum(point, lower), upper))
        if step % _SNAP_EVERY == 0:
            best.offer(best.x.index_copy(1, numeric, torch.where(free > 0, point.detach(), best.x[:, numeric])))


def _objective(model: Model, query: Query, z: Tensor) -> Tensor:
    """Return distance plus what each constraint of the certificate lacks, shape (m,)."""
    target = query.target
    sure = model.confidence[target] + _LOG_ODDS_SLACK
    unsure = (sure - log_odds(model.network.logits(z) / model.temperature, target)).relu()
    members = model.committee(z)  # (m, members, K)
    agreed = model.committee_confidence[target] + _LOG_ODDS_SLACK
    unsupported = (agreed - mean_log_odds(members, target)).relu()
    density = model.density.log_prob(z, target)
    implausible = plausibility_loss(density, model.threshold[target] + _DENSITY_SLACK, z.shape[1])
    way = ((z - query.x).square().mean(1) + 1e-6).sqrt()
    return way + unsure + unsupported + 3 * implausible


def fill_reservoir(model: Model, snap: Snap, per_class: int) -> None:
    """Keep certified rows of every class, drawn from the density; where they are few, mended and uncertified ones too.

    Draws from torch's random state; call it inside `seeded`.
    """
    kept = []
    for label in range(model.n_classes):
        target = torch.full((_DRAWS * per_class,), label, device=model.space.lower.device)
        drawn = model.density.sample(target)
        drawn = torch.minimum(torch.maximum(drawn, model.space.lower), model.space.upper)
        best = _settled(model, drawn, target, snap)
        order = best.shortfall.argsort(stable=True)[:per_class]
        if int((best.shortfall == 0).sum()) < _FEW_CERTIFIED:
            best = _settled(model, best.x[order], target[order], snap)
            _descend(best)
            order = best.shortfall.argsort(stable=True)
        # Never a row of the wrong class, which lacks 4 or more.
        worst = best.shortfall[order[:_FEW_CERTIFIED]].max().clamp(max=3.0)
        kept.append(best.x[order[best.shortfall[order] <= worst]])
    counts = torch.tensor([len(rows) for rows in kept], device=kept[0].device)
    model.reservoir = torch.cat(kept)
    model.reservoir_labels = torch.arange(model.n_classes, device=counts.device).repeat_interleave(counts)


def _settled(model: Model, x: Tensor, target: Tensor, snap: Snap) -> Incumbent:
    """Return the snapped rows `x` as queries that are their own answer so far."""
    z = torch.from_numpy(snap(x.cpu().numpy(), x.cpu().numpy())).to(x.device)
    return Incumbent(model, Query(z, target, model.space.movable.float().expand_as(z)), snap, z)
