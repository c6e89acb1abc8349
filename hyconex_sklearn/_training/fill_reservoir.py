"""A fitted model in, certified rows drawn from its density out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._common.runtime import chunks
from .._model.certificate import Demands
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .._search.descend import descend
from .._search.incumbent import Incumbent
from .._search.query import Query

_DRAWS, _FEW_CERTIFIED = 6, 20  # rows drawn for each row of the reservoir; certified rows that make a class well served
_MENDING_STEPS, _MENDED_AT_ONCE = 60, 2_048  # rows of all the classes together that are too few
_MENDING_WORK = 20_000_000  # rows x classes x steps; of a hundred classes and more, steps are saved


def fill_reservoir(model: Model, free: FeasibleSet, per_class: int, demands: Demands) -> None:
    """Keep certified rows of every class, drawn from the density; where they are few, mended and uncertified ones too.

    `free` is a feasible set of one row without rules, `demands` (K,) what certificates toward each class ask. Draws
    from torch's random state; call it inside `seeded`.
    """
    drawn = [_drawn(model, label, free, per_class, demands) for label in range(model.n_classes)]
    weak = [label for label, (_, shortfall) in enumerate(drawn) if int((shortfall == 0).sum()) < _FEW_CERTIFIED]
    steps = min(_MENDING_STEPS, _MENDING_WORK // max(1, len(weak) * per_class * model.n_classes))
    for some in chunks(len(weak) if steps else 0, max(1, min(_MENDED_AT_ONCE, model.rows_at_once) // per_class)):
        labels = weak[some]
        x = torch.cat([drawn[label][0] for label in labels])
        target = torch.cat([torch.full((len(drawn[label][0]),), label, device=x.device) for label in labels])
        best = _settled(model, x, target, free, demands)
        rows = torch.arange(len(x), device=x.device)
        descend(best, rows, steps)
        for label in labels:
            drawn[label] = best.x[target == label], best.shortfall[target == label]
    kept = [_served_best(x, shortfall) for x, shortfall in drawn]
    counts = torch.tensor([len(rows) for rows in kept], device=kept[0].device)
    model.reservoir = torch.cat(kept)
    model.reservoir_labels = torch.arange(model.n_classes, device=counts.device).repeat_interleave(counts)


def _drawn(model: Model, label: int, free: FeasibleSet, n: int, demands: Demands) -> tuple[Tensor, Tensor]:
    """Draw rows of a class, and return the n that lack least, with what they lack."""
    target = torch.full((_DRAWS * n,), label, device=model.space.lower.device)
    x = torch.minimum(torch.maximum(model.density.sample(target), model.space.lower), model.space.upper)
    best = _settled(model, x, target, free, demands)
    order = best.shortfall.argsort(stable=True)[:n]
    return best.x[order], best.shortfall[order]


def _served_best(x: Tensor, shortfall: Tensor) -> Tensor:
    """Return the certified rows of a class, or its best few: never a row of the wrong class, which lacks 4 or more."""
    order = shortfall.argsort(stable=True)
    worst = shortfall[order[:_FEW_CERTIFIED]].max().clamp(max=3.0)
    return x[order[shortfall[order] <= worst]]


def _settled(model: Model, x: Tensor, target: Tensor, free: FeasibleSet, demands: Demands) -> Incumbent:
    """Return the snapped rows `x` as queries that are their own answer so far."""
    rules = free.take([0] * len(x))
    z = torch.from_numpy(rules.settle(x.cpu().numpy(), x.cpu().numpy())[0]).to(x.device)
    return Incumbent(model, Query.of(model, z, target, demands.at(target), rules), z)
