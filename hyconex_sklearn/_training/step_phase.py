"""Phases 2b and 3: a trained classifier in, a network out whose weights also lead to rows of other classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from .._common.runtime import in_chunks
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork, LocalLinear
from .._model.losses import classification_loss, distance, log_odds, plausibility_loss, prototype_loss, validity_loss
from .classifier_phase import held_out_loss
from .loop import EarlyStopping, Training
from .rows import Rows

_MAX_TARGETS = 3  # counterfactuals per row and step; with more classes they are sampled
_MANY_ROWS = 10_000  # of a class, for its prototypes
# Weight of holding the classifier where it was, on rows and on their counterfactuals, beside the terms of one target.
_HELD = 4.0
_CONVERGED_VALIDITY = 0.9  # share of valid one-shot counterfactuals below which a joint phase that improves is not done
_CLUSTERS, _FEWEST_CLUSTERS = 500, 10  # prototypes of all classes together, and of one
_MAX_VALID = 512  # held-out rows that judge an epoch of the joint phase


def class_prototypes(rows: Rows, n_classes: int, n_clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return k-means centroids of each class, shape (m, d), and their class indices (m,).

    Of classes with many rows the first ones serve: the rows come shuffled.
    """
    x, labels = rows.x.cpu().numpy(), rows.labels.cpu().numpy()
    centroids, classes = [], []
    for label in range(n_classes):
        own = x[np.flatnonzero(labels == label)[:_MANY_ROWS]]
        if len(own) == 0:
            continue
        k = min(n_clusters, len(np.unique(own, axis=0)))
        centroids.append(KMeans(k, n_init=1, random_state=seed).fit(own).cluster_centers_)
        classes.append(np.full(k, label))
    device = rows.x.device
    return (
        torch.tensor(np.concatenate(centroids), dtype=rows.x.dtype, device=device),
        torch.tensor(np.concatenate(classes), device=device),
    )


@dataclass(frozen=True)
class Objective:
    """What the joint phase minimises beside classification, and the fitted parts that judge it.

    Attributes
    ----------
    validity, proximity, plausibility : float
        The user's alphas.
    margin : Tensor of shape (K,)
        Log-odds (uncalibrated) that a counterfactual toward class m should reach.
    threshold : Tensor of shape (K,)
        Log-density that it should reach.
    density : MixedDensity
        Fitted and frozen.
    """

    validity: float
    proximity: float
    plausibility: float
    margin: Tensor
    threshold: Tensor
    density: MixedDensity


@dataclass(frozen=True)
class Moves:
    """Counterfactuals of one batch: from `x` (m, d) to `moved` (m, d) for `target` (m,), `movable` (m, d) where 1."""

    x: Tensor
    moved: Tensor
    target: Tensor
    movable: Tensor

    @classmethod
    def along(cls, weight: Tensor, x: Tensor, targets: Tensor, movable: Tensor, space: EncodedSpace) -> Moves:
        """Move rows `x` (n, d) by their weights (n, K, d) toward each of their `targets` (n, T); m = n * T."""
        steps = weight.gather(1, targets[:, :, None].expand(-1, -1, x.shape[1])).flatten(0, 1)
        rows, movables = (part.repeat_interleave(targets.shape[1], 0) for part in (x, movable))
        return cls(rows, space.move(rows, steps, movables), targets.flatten(), movables)


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


def propose(
    network: HyperNetwork, space: EncodedSpace, x: Tensor, targets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Moves]:
    """Return logits (n, K) of rows `x` (n, d), and their counterfactuals toward `targets` (n, T).

    Random masks in half of the rows teach the network to honour constraints in one pass.
    """
    n = len(x)
    half = n // 2
    mask = draw_mask(half, space, generator)
    local = network(torch.cat([x, x[:half]]), torch.cat([torch.ones_like(x), mask]))
    movable = space.movable_in(x).clone()
    movable[:half] *= mask
    logits = LocalLinear(local.weight[:n], local.bias[:n]).logits(x)
    weight = torch.cat([local.weight[n:], local.weight[half:n]])
    return logits, Moves.along(weight, x, targets, movable, space)


def judge_detached(network: HyperNetwork, x: Tensor) -> Tensor:
    """Return logits (n, K) through which gradients reach `x` only, dropout off.

    A judge that learns from the counterfactuals it judges bends its boundary around each of them: they become valid
    without becoming honest.
    """
    was_training = network.training
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval().requires_grad_(False)
    logits = network.logits(x)
    network.train(was_training)
    for parameter in learning:
        parameter.requires_grad_(True)
    return logits


def judged(network: HyperNetwork, moves: Moves, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return the judge's logits (m, K) of the moved rows, and their log-density (m,) under their targets."""
    return judge_detached(network, moves.moved), objective.density.log_prob(moves.moved, moves.target)


def counterfactual_terms(
    judgement: tuple[Tensor, Tensor], moves: Moves, space: EncodedSpace, objective: Objective
) -> Tensor:
    """Return the weighted validity, proximity and plausibility of each counterfactual as `judged`, shape (m, 3)."""
    logits, density = judgement
    terms = (
        objective.validity * 2 * validity_loss(logits, moves.target, objective.margin[moves.target]).log1p(),
        objective.proximity * distance(moves.x, moves.moved, space),
        objective.plausibility * 5 * plausibility_loss(density, objective.threshold[moves.target], space.n_features),
    )
    return torch.stack(terms, 1)


def lessons(teacher: HyperNetwork, x: Tensor) -> Tensor:
    """Return the teacher's own predictions for rows `x` (n, d), which the network is held to: probabilities (n, K)."""
    with torch.no_grad():
        return in_chunks(lambda rows: teacher.logits(rows).softmax(1), x, width=teacher.width)


def held_on_moves(
    network: HyperNetwork, teacher: HyperNetwork, moves: Moves, n: int, generator: torch.Generator
) -> Tensor:
    """Return the loss of holding the classifier on `n` of the moved rows, as they are: no gradient reaches the move.

    Held on training rows alone, the classifier drifts everywhere else, and counterfactuals chase a judge that keeps
    moving; in a trial on digits (one seed) a third of them fell short. Held here, too, it stays, and they reach it.
    """
    some = torch.randperm(len(moves.moved), generator=generator, device=moves.moved.device)[:n]
    moved = moves.moved.detach()[some]
    return classification_loss(network.logits(moved), lessons(teacher, moved))


def _nearest_prototype(moves: Moves, centroids: Tensor, classes: Tensor) -> Tensor:
    """Return for each move the nearest centroid of its target class, frozen features kept, shape (m, d)."""
    away = torch.cdist(moves.x, centroids).masked_fill(classes[None] != moves.target[:, None], torch.inf)
    return torch.where(moves.movable > 0, centroids[away.argmin(1)], moves.x)


def _annealed(progress: float) -> float:
    """Return the factor of the learning rate: a cosine from 1 to nearly 0."""
    return 0.51 + 0.49 * math.cos(math.pi * progress)


def pretrain_on_clusters(
    network: HyperNetwork, space: EncodedSpace, teacher: HyperNetwork, training: Training, n_epochs: int
) -> None:
    """Phase 2b: each W_m learns to lead to the nearest k-means centroid of class m, predictions held where they are.

    `teacher` is the classifier as phase 2a left it, frozen.
    """
    train, n_classes = training.train, network.n_classes
    n_clusters = int(np.clip(_CLUSTERS // n_classes, _FEWEST_CLUSTERS, _CLUSTERS // 10))
    centroids, classes = class_prototypes(train, n_classes, n_clusters, training.seed)
    lesson = lessons(teacher, train.x)

    def loss(rows: Tensor, _: float) -> Tensor:
        targets = draw_targets(train.labels[rows], n_classes, training.generator)
        logits, moves = propose(network, space, train.x[rows], targets, training.generator)
        prototype = _nearest_prototype(moves, centroids, classes)
        return classification_loss(logits, lesson[rows]) + prototype_loss(moves.moved, prototype).mean()

    def validate() -> dict[str, float]:
        return {"valid_loss": held_out_loss(network, training.valid)}

    for _ in training.epochs("clusters", network, n_epochs, loss, validate, _annealed):
        pass


def fit_jointly(
    network: HyperNetwork,
    space: EncodedSpace,
    teacher: HyperNetwork,
    objective: Objective,
    training: Training,
    n_epochs: int,
) -> None:
    """Phase 3: validity, proximity and plausibility of the counterfactuals, the classifier held; see `Objective`.

    The best epoch is kept: by validity on held-out rows, then plausibility, then distance, among those whose
    classification did not get worse, if there is one; else among all.
    """
    train, valid, generator = training.train, training.valid, training.generator
    lesson = lessons(teacher, train.x)

    def loss(rows: Tensor, progress: float) -> Tensor:
        targets = draw_targets(train.labels[rows], network.n_classes, generator)
        logits, moves = propose(network, space, train.x[rows], targets, generator)
        kept = classification_loss(logits, lesson[rows])
        kept = kept + held_on_moves(network, teacher, moves, len(rows), generator)
        terms = counterfactual_terms(judged(network, moves, objective), moves, space, objective).sum(1)
        ramp = min(1.0, (progress + 0.02) / 0.1)
        weight = 3.0 * targets.shape[1] * ramp
        return _HELD * kept + weight * terms.mean()

    sample = Rows(*(part[:_MAX_VALID] for part in (valid.x, valid.labels, valid.weight)))
    targets = draw_targets(sample.labels, network.n_classes, generator)
    validate = partial(_held_out_record, network, space, sample, targets, objective)
    before = validate()["cross_entropy"]
    best = EarlyStopping(network, training.settings.patience)
    for record in training.epochs("joint", network, n_epochs, loss, validate, _annealed):
        honest = record["cross_entropy"] <= before + max(0.02, 0.05 * before)
        score = (honest, round(record["valid"], 2), round(record["plausible"], 1), -record["distance"])
        best.update(score, record)
    best.finish("joint", training.history, good_enough=best.best[1] >= _CONVERGED_VALIDITY)


@torch.no_grad()
def _held_out_record(
    network: HyperNetwork, space: EncodedSpace, rows: Rows, targets: Tensor, objective: Objective
) -> dict[str, float]:
    """Return losses and quality of the one-shot counterfactuals of held-out rows."""
    local = network(rows.x)
    goal = nn.functional.one_hot(rows.labels, network.n_classes).float()
    cross_entropy = float(classification_loss(local.logits(rows.x), goal, rows.weight))
    moves = Moves.along(local.weight, rows.x, targets, space.movable_in(rows.x), space)
    logits, density = judged(network, moves, objective)
    terms = counterfactual_terms((logits, density), moves, space, objective)
    return {
        "valid_loss": cross_entropy + float(terms.sum(1).mean()),
        "cross_entropy": cross_entropy,
        "valid": float((log_odds(logits, moves.target) > 0).float().mean()),
        "plausible": float((density >= objective.threshold[moves.target]).float().mean()),
        "distance": float(distance(moves.x, moves.moved, space).mean()),
    }
