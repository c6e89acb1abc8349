"""Two published searches by gradient, on the classifier and the density of a fitted `HyConExClassifier`.

Both are written from their papers, which treat numbers only. Categories are one-hot codes here, and hard at the end:
Wachter's search relaxes them to the box [0, 1] and raises lambda until the hard row passes; PPCEF, which has no such
loop, sees hard codes all along and moves them by straight-through gradients. What neither may do: invent missing
cells, or leave the range seen at fit. Distances are in encoded units, in which numbers have unit variance (heavily
skewed ones after a power).

`clf._model` and `clf._codec` are private to the package; a search by gradient needs them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._common.runtime import thread_limit


class Query:
    """Query rows of a fitted classifier in its encoded space, the box they may move in, and the way back."""

    def __init__(self, clf: HyConExClassifier, X: Any, target: Any) -> None:
        self.model, self.codec, self.table = clf._model, clf._codec, X
        device = self.model.threshold.device
        self.x = torch.from_numpy(self.codec.encode(X, warn_unseen=False)).to(device)  # (n, d)
        self.target = torch.from_numpy(np.searchsorted(clf.classes_, target)).to(device)  # (n,)
        space = self.model.space
        self.free = space.movable_in(self.x)  # 1 where a number or a level may change
        self.lower = torch.where(self.free > 0, torch.minimum(space.lower, self.x), self.x)
        self.upper = torch.where(self.free > 0, torch.maximum(space.upper, self.x), self.x)

    def probabilities(self, z: Tensor) -> Tensor:
        """Return the calibrated class probabilities (m, K) of encoded rows (m, d)."""
        return self.model.logits(z).softmax(1)

    def hardened(self, z: Tensor) -> Tensor:
        """Return all queries' encoded rows (n, d) with hard categories, whose gradients are those of a soft choice."""
        return self.model.space.move(self.x, self.x - z, self.free)

    def boxed(self, z: Tensor, rows: slice) -> Tensor:
        """Return encoded rows, that belong to some of the queries, clipped to what those may be."""
        return torch.minimum(torch.maximum(z, self.lower[rows]), self.upper[rows])

    def snapped(self, z: Tensor, rows: slice) -> Tensor:
        """Return the rows that the user would hold: integers rounded, categories hard."""
        hard = self.codec.schema.snap(z.cpu().numpy(), self.x[rows].cpu().numpy())
        return torch.from_numpy(hard).to(z.device)

    def answers(self, z: Tensor, found: np.ndarray) -> pd.DataFrame:
        """Return snapped rows (n, d) as a table in the user's units; rows that are not `found` (n,) are all missing."""
        rows = np.flatnonzero(found)
        data = pd.DataFrame(self.codec.decode(z.cpu().numpy()[rows], self.table, rows))
        return data.set_index(rows).reindex(range(len(found)))


# -------------------------------------------------------------------------------------------------------- Wachter 2017

_GOAL = 1.0  # the probability of the target that the squared loss pulls to
_ENOUGH = 0.5  # the probability at which lambda is large enough
_LAMBDAS = 0.1 * 3.0 ** np.arange(15)  # the paper says to raise lambda, not how: 0.1 to 478,297
_WACHTER_STEPS = 100  # of Adam, for each lambda
# Falls linearly to nothing: with a constant one no column ever comes to rest at its old value, where the L1 norm pulls.
_WACHTER_RATE = 0.05


def wachter(clf: HyConExClassifier, X_train: Any, y_train: Any, X: Any, target: Any, seed: int) -> pd.DataFrame:
    """Return the counterfactuals of Wachter et al.: one row after the other, lambda raised until the class changes.

    Each row minimises lambda (p(target) - 1)^2 + sum_j |x'_j - x_j| / MAD_j, MAD_j over the training rows. Other
    arguments and the result are those of the methods in `peers.py`; the seed is not needed.

    References
    ----------
    Wachter, Mittelstadt & Russell, "Counterfactual explanations without opening the black box", arXiv 1711.00399.
    """
    query = Query(clf, X, target)
    train = clf._codec.encode(X_train, warn_unseen=False)
    mad = np.median(np.abs(train - np.median(train, axis=0)), axis=0)
    mad[mad == 0] = 1.0  # most rows have the same value, as in one-hot codes; what DiCE does, too
    weight = torch.from_numpy(1 / mad).to(query.x)
    with thread_limit(1):  # steps this small are slower on more, and HyConEx takes no more for them
        answers = [_wachter_row(query, slice(i, i + 1), weight) for i in range(len(query.x))]
    found = np.array([answer is not None for answer in answers])
    rows = [query.x[i : i + 1] if answer is None else answer for i, answer in enumerate(answers)]
    return query.answers(torch.cat(rows), found)


def _wachter_row(query: Query, row: slice, weight: Tensor) -> Tensor | None:
    """Return the first snapped answer (1, d) of one query that passes, each lambda started from the one before."""
    z, wanted = query.x[row].clone(), query.target[row.start]
    for strength in _LAMBDAS:
        z = _wachter_descent(query, row, z, weight, float(strength))
        hard = query.snapped(z, row)  # what the user would hold is what has to pass
        if query.probabilities(hard)[0, wanted] > _ENOUGH:
            return hard
    return None


def _wachter_descent(query: Query, row: slice, start: Tensor, weight: Tensor, strength: float) -> Tensor:
    z, x, wanted = start.clone().requires_grad_(), query.x[row], query.target[row.start]
    optimizer = torch.optim.Adam([z], lr=_WACHTER_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1.0 / _WACHTER_STEPS, _WACHTER_STEPS)
    for _ in range(_WACHTER_STEPS):
        missed = (query.probabilities(z)[0, wanted] - _GOAL) ** 2
        loss = strength * missed + ((z - x).abs() * weight).sum()
        (z.grad,) = torch.autograd.grad(loss, z)  # not backward(), which would leave gradients in the user's model
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            z.copy_(query.boxed(z, row))
    return z.detach()


# ---------------------------------------------------------------------------------------------------------- PPCEF 2024

_EPSILON = 0.02  # the authors' margin between the target's probability and the next
_PENALTY = 100.0  # lambda: large, so that valid and plausible come before near
_PPCEF_STEPS, _PATIENCE = 5_000, 200  # of Adam, and without an improvement of the mean loss
_PPCEF_RATE = 0.01
_PROGRESS = 1e-4  # what counts as an improvement


def ppcef(clf: HyConExClassifier, X_train: Any, y_train: Any, X: Any, target: Any, seed: int) -> pd.DataFrame:
    """Return the counterfactuals of PPCEF: all rows at once, near ones that are valid and plausible.

    Each row minimises ||x' - x||_2 + lambda [relu(max_{k != m} p_k + eps - p_m) + relu(delta_m - log p(x' | m))] for
    its target m; delta_m is the median log-density of the training rows of class m. Of the iterates of a row, the one
    of the lowest loss is returned. Other arguments and the result are those of the methods in `peers.py`; the seed is
    not needed.

    References
    ----------
    Wielopolski et al., "Probabilistically plausible counterfactual explanations with normalizing flows", arXiv
    2405.17640.
    """
    query = Query(clf, X, target)
    density = clf.score_samples(X_train, y_train)
    median = np.array([np.median(density[np.asarray(y_train) == label]) for label in clf.classes_])
    delta = torch.from_numpy(median).to(query.x)[query.target]
    with thread_limit(1):
        best = _ppcef_descent(query, delta)
    return query.answers(query.snapped(best, slice(None)), np.ones(len(best), dtype=bool))


def _ppcef_descent(query: Query, delta: Tensor) -> Tensor:
    """Return the best iterate of each query, shape (n, d)."""
    z = query.x.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=_PPCEF_RATE)
    best, best_loss = query.x.clone(), torch.full((len(z),), torch.inf, device=z.device)
    lowest, waited = np.inf, 0
    for _ in range(_PPCEF_STEPS):
        row = query.hardened(z)
        loss = _ppcef_loss(query, row, delta)
        (z.grad,) = torch.autograd.grad(loss.mean(), z)
        with torch.no_grad():
            better = loss < best_loss
            best[better], best_loss[better] = row[better], loss[better]
        mean = loss.mean().item()
        lowest, waited = (mean, 0) if mean < lowest - _PROGRESS else (lowest, waited + 1)
        if waited > _PATIENCE:
            break
        optimizer.step()
        with torch.no_grad():
            z.copy_(query.boxed(z, slice(None)))
    return best


def _ppcef_loss(query: Query, row: Tensor, delta: Tensor) -> Tensor:
    """Return the loss of each query at its encoded row, shape (n,)."""
    # The gradient of a norm is undefined at the start, where it is zero.
    distance = ((row - query.x).square().sum(1) + 1e-12).sqrt()
    probabilities = query.probabilities(row)
    wanted = probabilities.gather(1, query.target[:, None])[:, 0]
    others = probabilities.scatter(1, query.target[:, None], -torch.inf).amax(1)
    invalid = (others + _EPSILON - wanted).relu()
    implausible = (delta - query.model.density.log_prob(row, query.target)).relu()
    return distance + _PENALTY * (invalid + implausible)
