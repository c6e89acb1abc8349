"""Phase 3: a fitted classifier and density in, a hypernetwork out whose weights lead to rows of other classes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from .._model.encoded_space import EncodedSpace
from .._model.losses import distance, log_odds, plausibility_loss, prototype_loss, secant_loss, validity_loss
from .._model.model import Model
from .loop import EarlyStopping, Training, annealed
from .rows import Rows

_MAX_TARGETS = 3  # counterfactuals per row and step; with more classes they are sampled
_MANY_ROWS = 10_000  # of a class, for its prototypes
_SECANT = 0.1  # weight of the local model being right at its own counterfactuals
_CONVERGED_VALIDITY = 0.9  # share of valid one-shot counterfactuals below which a joint phase that improves is not done
_CLUSTERS, _FEWEST_CLUSTERS = 500, 10  # prototypes of all classes together, and of one
_MAX_VALID = 512  # held-out rows that judge an epoch of the joint phase


def class_prototypes(rows: Rows, n_classes: int, n_clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return k-means centroids of each class, shape (m, d), and their class indices (m,).

    Of classes with many rows the first ones serve: the rows come shuffled.
    """
    x, labels, times = (part.cpu().numpy() for part in (rows.x, rows.labels, rows.times))
    centroids, classes = [], []
    for label in range(n_classes):
        at = np.flatnonzero(labels == label)[:_MANY_ROWS]
        own = x[at]
        if len(own) == 0:
            continue
        k = min(n_clusters, len(np.unique(own, axis=0)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # rows that are all but the same
            kmeans = KMeans(k, n_init=1, random_state=seed).fit(own, sample_weight=times[at])
        centroids.append(kmeans.cluster_centers_)
        classes.append(np.full(k, label))
    device = rows.x.device
    return (
        torch.tensor(np.concatenate(centroids), dtype=rows.x.dtype, device=device),
        torch.tensor(np.concatenate(classes), device=device),
    )


@dataclass(frozen=True)
class Objective:
    """What the step phase minimises.

    Attributes
    ----------
    validity, proximity, plausibility : float
        The user's alphas.
    margin : Tensor of shape (K,)
        Calibrated log-odds that a counterfactual toward class m should reach.
    """

    validity: float
    proximity: float
    plausibility: float
    margin: Tensor


@dataclass(frozen=True)
class Moves:
    """Counterfactuals of one batch: from `x` (m, d) to `moved` (m, d) for `target` (m,), `movable` (m, d) where 1."""

    x: Tensor
    moved: Tensor
    target: Tensor
    movable: Tensor
    logits: Tensor  # (m, K), of x
    weight: Tensor  # (m, K, d), W of x

    @classmethod
    def along(
        cls, weight: Tensor, logits: Tensor, x: Tensor, targets: Tensor, movable: Tensor, space: EncodedSpace
    ) -> Moves:
        """Move rows `x` (n, d) by their weights (n, K, d) toward each of their `targets` (n, T); m = n * T."""
        n_targets = targets.shape[1]
        x, logits, movable, weight = (part.repeat_interleave(n_targets, 0) for part in (x, logits, movable, weight))
        target = targets.flatten()
        step = weight[torch.arange(len(target), device=x.device), target]
        return cls(x, space.move(x, step, movable), target, movable, logits, weight)


def draw_targets(labels: Tensor, n_classes: int, generator: torch.Generator) -> Tensor:
    """Return up to three other classes for each label, shape (n, T): all of them, or a sample without repetition."""
    score = torch.rand(len(labels), n_classes, generator=generator, device=labels.device)
    score.scatter_(1, labels[:, None], -1.0)
    return score.argsort(1, descending=True)[:, : min(n_classes - 1, _MAX_TARGETS)]


def draw_mask(n: int, space: EncodedSpace, generator: torch.Generator) -> Tensor:
    """Return random masks (n, d) over whole table columns: a share of 0.3 to 1 of each row's columns may move."""
    device = space.owner.device
    share = 0.3 + 0.7 * torch.rand(n, 1, generator=generator, device=device)
    movable = torch.rand(n, space.n_columns, generator=generator, device=device) < share
    return movable[:, space.owner].float()


def propose(model: Model, x: Tensor, targets: Tensor, generator: torch.Generator) -> Moves:
    """Return the counterfactuals of rows `x` (n, d) toward `targets` (n, T).

    Random masks in half of the rows teach the network to honour constraints in one pass.
    """
    mask = torch.ones_like(x)
    mask[: len(x) // 2] = draw_mask(len(x) // 2, model.space, generator)
    with torch.no_grad():
        logits = model.logits(x)
    weight = model.hypernetwork(x, logits, mask)
    return Moves.along(weight, logits, x, targets, mask * model.space.movable_in(x), model.space)


def judged(model: Model, moves: Moves) -> tuple[Tensor, Tensor]:
    """Return the classifier's logits (m, K) of the moved rows, and their log-density (m,) under their targets."""
    return model.logits(moves.moved), model.density.log_prob(moves.moved, moves.target)


def counterfactual_terms(judgement: tuple[Tensor, Tensor], moves: Moves, model: Model, objective: Objective) -> Tensor:
    """Return the weighted validity, proximity, plausibility and secant of each counterfactual as `judged`, (m, 4)."""
    logits, density = judgement
    threshold, margin = model.threshold[moves.target], objective.margin[moves.target]
    terms = (
        objective.validity * 2 * validity_loss(logits, moves.target, margin).log1p(),
        objective.proximity * distance(moves.x, moves.moved, model.space),
        objective.plausibility * 5 * plausibility_loss(density, threshold, model.n_features),
        _SECANT * secant_loss(moves.weight, moves.x, moves.moved.detach(), (logits - moves.logits).detach()),
    )
    return torch.stack(terms, 1)


def _nearest_prototype(moves: Moves, centroids: Tensor, classes: Tensor) -> Tensor:
    """Return for each move the nearest centroid of its target class, frozen features kept, shape (m, d)."""
    away = torch.cdist(moves.x, centroids).masked_fill(classes[None] != moves.target[:, None], torch.inf)
    return torch.where(moves.movable > 0, centroids[away.argmin(1)], moves.x)


def pretrain_on_clusters(model: Model, training: Training, n_epochs: int) -> None:
    """Each W_m learns to lead to the nearest k-means centroid of class m: a start for what follows."""
    train, valid, generator = training.train, training.valid[:_MAX_VALID], training.generator
    n_classes = model.n_classes
    n_clusters = int(np.clip(_CLUSTERS // n_classes, _FEWEST_CLUSTERS, _CLUSTERS // 10))
    centroids, classes = class_prototypes(train, n_classes, n_clusters, training.seed)

    def away(moves: Moves, times: Tensor) -> Tensor:
        return _mean(prototype_loss(moves.moved, _nearest_prototype(moves, centroids, classes)), times)

    def loss(rows: Tensor, _: float) -> Tensor:
        targets = draw_targets(train.labels[rows], n_classes, generator)
        return away(propose(model, train.x[rows], targets, generator), train.times[rows])

    targets = draw_targets(valid.labels, n_classes, generator)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {"valid_loss": float(away(_all_free(model, valid.x, targets), valid.times))}

    for _ in training.epochs("clusters", model.hypernetwork, n_epochs, loss, validate, annealed):
        pass


def fit_steps(model: Model, objective: Objective, training: Training, n_epochs: int) -> None:
    """Validity, proximity and plausibility of the counterfactuals, as the frozen classifier and density see them.

    The best epoch is kept: by validity on held-out rows, then plausibility, then distance.
    """
    train, valid, generator = training.train, training.valid[:_MAX_VALID], training.generator

    def loss(rows: Tensor, progress: float) -> Tensor:
        targets = draw_targets(train.labels[rows], model.n_classes, generator)
        moves = propose(model, train.x[rows], targets, generator)
        return _mean(counterfactual_terms(judged(model, moves), moves, model, objective).sum(1), train.times[rows])

    targets = draw_targets(valid.labels, model.n_classes, generator)

    def validate() -> dict[str, float]:
        return _held_out_record(model, valid, targets, objective)

    best = EarlyStopping(model.hypernetwork, training.settings.patience)
    for record in training.epochs("joint", model.hypernetwork, n_epochs, loss, validate, annealed):
        best.update((round(record["valid"], 2), round(record["plausible"], 1), -record["distance"]), record)
    best.finish("joint", training.history, good_enough=best.best[0] >= _CONVERGED_VALIDITY)


def _all_free(model: Model, x: Tensor, targets: Tensor) -> Moves:
    logits = model.logits(x)
    weight = model.hypernetwork(x, logits)
    return Moves.along(weight, logits, x, targets, model.space.movable_in(x), model.space)


@torch.no_grad()
def _held_out_record(model: Model, rows: Rows, targets: Tensor, objective: Objective) -> dict[str, float]:
    """Return losses and quality of the one-shot counterfactuals of held-out rows."""
    moves = _all_free(model, rows.x, targets)
    logits, density = judged(model, moves)
    figures = {
        "valid_loss": counterfactual_terms((logits, density), moves, model, objective).sum(1),
        "valid": (log_odds(logits, moves.target) > 0).float(),
        "plausible": (density >= model.threshold[moves.target]).float(),
        "distance": distance(moves.x, moves.moved, model.space),
    }
    return {name: float(_mean(values, rows.times)) for name, values in figures.items()}


def _mean(values: Tensor, times: Tensor) -> Tensor:
    """Return the mean of what is said of the moves of rows, (m,), where each row counts `times` (n,), m = n * T."""
    times = times.repeat_interleave(len(values) // len(times))
    return (values * times).mean() / times.mean()
