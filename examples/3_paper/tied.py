"""The published form of the method, for the ablation: one network whose weights both classify and move.

g(x) = W(x, 1) . x + b(x, 1) and x' = x - a * W_m(x, a). It learns to classify from labels, and then both at once: what
it predicts is held, on rows and on their counterfactuals, while W_m learns to lead to class m, as judged by the network
itself, through which no gradient reaches its own weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hyconex_sklearn._common.runtime import in_chunks
from hyconex_sklearn._model.classifier import Classifier, ResidualNetwork
from hyconex_sklearn._model.committee import Committee
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.losses import classification_loss, prototype_loss
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._training.calibrate import Calibration, Confidence, calibrate
from hyconex_sklearn._training.ensemble import linear_member
from hyconex_sklearn._training.fit_model import joint_steps
from hyconex_sklearn._training.loop import EarlyStopping, Training, annealed
from hyconex_sklearn._training.rows import Rows
from hyconex_sklearn._training.step_phase import (
    _CLUSTERS,
    _FEWEST_CLUSTERS,
    _MAX_VALID,
    Moves,
    Objective,
    _held_out_record,
    _nearest_prototype,
    class_prototypes,
    counterfactual_terms,
    draw_targets,
    propose,
)

_HELD = 4.0  # weight of holding what is predicted, beside the terms of one target
_MOVED = 3.0  # weight of the terms of one target

# ------------------------------------------------------------------------------------------------------- of labels only


def fit_on_labels(classifier: Classifier, density: Any, space: Any, training: Training, n_epochs: int) -> Tensor:
    """Stand for `fit_classifier`: cross-entropy with the labels, the best epoch by held-out rows; return its logits."""
    train, valid = training.train, training.valid
    classifier.set_linear(*linear_member(replace(training, rows=train), classifier.n_classes)[1])

    def cross_entropy(rows: Rows) -> Tensor:
        goal = nn.functional.one_hot(rows.labels, classifier.n_classes)
        return classification_loss(classifier(rows.x), goal, rows.weight)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {"valid_loss": float(cross_entropy(valid))}

    best = EarlyStopping(classifier, training.settings.patience)
    best.update((-validate()["valid_loss"],))
    for record in training.epochs("classifier", classifier, n_epochs, lambda at, _: cross_entropy(train[at]), validate):
        if best.update((-record["valid_loss"],), record):
            break
    best.finish("classifier", training.history)
    with torch.no_grad():
        return in_chunks(classifier, training.rows.x)


def calibrate_on_held_out(logits: Tensor, committee: Committee, rows: Rows, valid: Rows) -> Calibration:
    """Stand for `calibrate` where the logits of all other rows are of a classifier that has seen them."""
    return calibrate(logits[-len(valid) :], committee, valid, valid)


# ---------------------------------------------------------------------------------------------------------- the network


class TiedClassifier(Classifier):
    """One network that writes W(x, a) and b(x, a): g(x) = W . x + b, of the logits and of the steps x - W_m."""

    sign = 1.0  # of W in the logits

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden_size: int,
        n_blocks: int,
        dropout: float,
        wide: Sequence[slice] = (),
    ) -> None:
        super().__init__(n_features, n_classes, hidden_size, n_blocks, dropout, wide)
        n_outputs = n_classes * (n_features + 1)
        self.residual = ResidualNetwork(2 * n_features, n_outputs, hidden_size, n_blocks, dropout)

    def set_linear(self, weight: Tensor, bias: Tensor) -> None:
        super().set_linear(self.sign * weight, bias)

    def written(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return W (n, K, d) and b (n, K) of rows `x` (n, d)."""
        mask = torch.ones_like(x) if mask is None else mask
        out = self.residual(torch.cat([x, mask], 1)).unflatten(1, (self.n_classes, self.n_features + 1))
        return self.linear.weight + out[..., :-1], self.linear.bias + out[..., -1]

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.written(x)
        return bias + self.sign * torch.einsum("nkd,nd->nk", weight, x)


class AlignedClassifier(TiedClassifier):
    """The same with g(x) = b - W . x, so that a step goes where the logit of its class grows."""

    sign = -1.0


class TiedSteps(HyperNetwork):
    """The steps of a tied classifier in the hypernetwork's place."""

    def __init__(self, classifier: TiedClassifier) -> None:
        nn.Module.__init__(self)
        self.n_features, self.n_classes = classifier.n_features, classifier.n_classes
        self.classifier, self.residual = classifier, classifier.residual
        self.embedding = classifier.embedding

    def forward(self, x: Tensor, logits: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.classifier.written(x, mask)[0]


def tied_coefficients(model: Model, x: Tensor) -> Tensor:
    """Return the coefficients (n, K, d) by which the network itself classifies."""
    return model.classifier.sign * in_chunks(model.weights, x) / model.temperature


# ------------------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Jointly:
    """Epochs of moves and of what is held of the classifier, as it was before."""

    model: Model
    training: Training
    held: Classifier

    def epochs(
        self, phase: str, n_epochs: int, of_moves: Callable[[Moves], Tensor], validate: Callable[[], dict[str, float]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the record of each epoch that minimises `of_moves` beside what is held."""
        model, train, generator = self.model, self.training.train, self.training.generator

        def loss(rows: Tensor, _: float) -> Tensor:
            targets = draw_targets(train.labels[rows], model.n_classes, generator)
            moves = propose(model, train.x[rows], targets, generator)
            return of_moves(moves) + self.kept(train.x[rows]) + self.kept(moves.moved.detach())

        return self.training.epochs(phase, model.hypernetwork, n_epochs, loss, validate, annealed)

    def kept(self, x: Tensor) -> Tensor:
        """Return the cross-entropy of the classifier with itself as it was."""
        return classification_loss(self.model.classifier(x), self.held(x).softmax(1))

    def off(self, rows: Rows) -> float:
        """Return the cross-entropy of the classifier with labels."""
        goal = nn.functional.one_hot(rows.labels, self.model.n_classes)
        with torch.no_grad():
            return float(classification_loss(self.model.classifier(rows.x), goal, rows.weight))


def fit_tied(model: Model, aimed: Confidence, training: Training) -> None:
    """Stand for the step phase: the classifier learns to move, too, by prototypes first, and then by the objective."""
    settings = training.settings
    steps = joint_steps(training.n_train, settings.batch_size, model.n_features, model.n_classes)
    n_epochs = training.n_epochs(settings.joint_epochs, steps)
    jointly = Jointly(model, training, copy.deepcopy(model.classifier))
    model.hypernetwork = TiedSteps(model.classifier)
    if n_epochs:
        model.hypernetwork.requires_grad_(True)
        _to_prototypes(jointly, max(1, n_epochs // 4))
        alphas = settings.alpha_validity, settings.alpha_proximity, settings.alpha_plausibility
        _to_classes(jointly, Objective(*alphas, aimed.calibrated), n_epochs)


def _to_prototypes(jointly: Jointly, n_epochs: int) -> None:
    model, training = jointly.model, jointly.training
    n_clusters = int(np.clip(_CLUSTERS // model.n_classes, _FEWEST_CLUSTERS, _CLUSTERS // 10))
    centroids, classes = class_prototypes(training.train, model.n_classes, n_clusters, training.seed)

    def of_moves(moves: Moves) -> Tensor:
        return prototype_loss(moves.moved, _nearest_prototype(moves, centroids, classes)).mean()

    for _ in jointly.epochs("clusters", n_epochs, of_moves, lambda: {"valid_loss": jointly.off(training.valid)}):
        pass


def _to_classes(jointly: Jointly, objective: Objective, n_epochs: int) -> None:
    """Keep the best epoch among those whose classification of held-out rows did not get worse, if there is one."""
    model, training = jointly.model, jointly.training
    valid, n_targets = training.valid[:_MAX_VALID], min(model.n_classes - 1, 3)
    targets = draw_targets(valid.labels, model.n_classes, training.generator)

    def of_moves(moves: Moves) -> Tensor:
        terms = counterfactual_terms(_judged(model, moves), moves, model, objective)[:, :3]  # the fourth is the secant
        return _MOVED * n_targets / _HELD * terms.sum(1).mean()

    def validate() -> dict[str, float]:
        return _held_out_record(model, valid, targets, objective) | {"cross_entropy": jointly.off(valid)}

    before = jointly.off(valid)
    best = EarlyStopping(model.hypernetwork, training.settings.patience)
    for record in jointly.epochs("joint", n_epochs, of_moves, validate):
        honest = record["cross_entropy"] <= before + max(0.02, 0.05 * before)
        best.update((honest, round(record["valid"], 2), round(record["plausible"], 1), -record["distance"]), record)
    best.finish("joint", training.history, good_enough=True)


def _judged(model: Model, moves: Moves) -> tuple[Tensor, Tensor]:
    """Return logits and log-density of the moved rows; gradients reach these only, and dropout is off."""
    fixed = {name: tensor.detach() for name, tensor in model.classifier.named_parameters()}
    model.classifier.eval()
    logits = functional_call(model.classifier, fixed, (moves.moved,)) / model.temperature
    model.classifier.train()
    return logits, model.density.log_prob(moves.moved, moves.target)
