"""Encoded rows in, a fitted `Model` out: the three phases, then what is read off unseen rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .._model.certificate import Demands
from .._model.classifier import Classifier
from .._model.committee import Committee, bootstrap, fit_committee
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .calibrate import Confidence, calibrate, plausible_threshold, quantile_of
from .classifier_phase import accuracy, fit_classifier
from .density_phase import fit_density
from .fill_reservoir import fill_reservoir
from .loop import Training
from .rows import Rows
from .step_phase import Objective, fit_steps, pretrain_on_clusters

# Most steps of the density, which stops early, and steps of the classifier, where the user names no epochs.
_DENSITY_STEPS, _CLASSIFIER_STEPS = 1_200, 700
_JOINT_ROWS = 50_000  # in all batches of the step phase together, for few features and classes
_RESERVOIR = 1_000  # rows in all, at least 20 of a class


def fit_model(space: EncodedSpace, rules: FeasibleSet, training: Training) -> Model:
    """Run all phases and return the fitted `Model` on the device of `space`.

    `rules` is a feasible set of one row without rules; every class 0..K-1 occurs in the training rows. Draws from
    torch's random state; call it inside `seeded`.
    """
    settings, train, valid = training.settings, training.train, training.valid
    n_classes = int(train.labels.max()) + 1
    sizes = space.n_features, n_classes, settings.hidden_size, settings.n_blocks, settings.dropout, space.wide
    model = Model(
        space,
        Classifier(*sizes),
        HyperNetwork(*sizes),
        MixedDensity(space, n_classes, settings.flow_transforms, settings.flow_hidden),
        Committee(space.owner, n_classes, training.generator, wide=space.wide),
    ).to(space.lower.device)
    model.typical = typical_row(training.rows, space)
    epochs = training.n_epochs(settings.flow_epochs, _DENSITY_STEPS + len(train) // 20)
    fit_density(model.density, space, training, epochs)
    _frozen(model.density)
    model.threshold = plausible_threshold(model.density, train, valid, settings.plausibility_quantile)
    counts = bootstrap(len(train), training.generator)
    batches = settings.batch_size, training.generator
    fit_committee(model.committee, train.x, train.labels, train.weight, counts, *batches)
    _frozen(model.committee)
    epochs = training.n_epochs(settings.pretrain_epochs, _CLASSIFIER_STEPS + len(train) // 20)
    unseen = fit_classifier(model.classifier, model.density, space, training, epochs)
    if epochs:
        training.history.records[-1]["accuracy"] = accuracy(unseen, training.rows)
    _frozen(model.classifier)
    model.temperature, aimed, asked = calibrate(unseen, model.committee, training.rows, valid)
    _fit_hypernetwork(model, aimed, training)
    _frozen(model.hypernetwork)
    fill_reservoir(model, rules, max(20, _RESERVOIR // n_classes), Demands(*aimed, model.threshold))
    model.confidence, model.committee_confidence, model.support = asked
    return model.eval()


def _frozen(module: nn.Module) -> None:
    module.requires_grad_(False).eval().zero_grad(set_to_none=True)


def typical_row(rows: Rows, space: EncodedSpace) -> Tensor:
    """Return what contributions start from, (d,): median of each number, most frequent level of each category."""
    typical = torch.zeros(space.n_features, device=rows.x.device)
    for place in space.numeric:
        typical[place] = quantile_of(rows.x[:, place], 0.5, rows.times)
    if space.blocks.numel():
        counts = torch.where(space.present, (rows.times @ rows.x)[space.blocks], -1.0)
        typical[space.blocks.gather(1, counts.argmax(1, keepdim=True)).flatten()] = 1.0
    return typical


def _fit_hypernetwork(model: Model, aimed: Confidence, training: Training) -> None:
    """Linear start, prototypes, then the counterfactuals' own objective; without any alpha the start is all."""
    settings, n_train = training.settings, training.n_train
    model.hypernetwork.set_linear(model.classifier.linear.weight / model.temperature)
    alphas = (settings.alpha_validity, settings.alpha_proximity, settings.alpha_plausibility)
    steps = joint_steps(n_train, settings.batch_size, model.hypernetwork.embedding.n_narrow, model.n_classes)
    epochs = training.n_epochs(settings.joint_epochs, steps)
    if any(alphas) and epochs:
        pretrain_on_clusters(model, training, max(1, epochs // 4))
        fit_steps(model, Objective(*alphas, aimed.calibrated), training, epochs)


def joint_steps(n_rows: int, batch_size: int, n_features: int, n_classes: int) -> int:
    """Return the steps of the joint phase: more with rows, features and classes, 150 to 600, and one for every 20 rows.

    The larger the batches, the fewer will do: on tables of 2 to 23 features and two classes, a third of 600 steps of
    256 rows gave the same one-pass answers.
    """
    most = _JOINT_ROWS / min(batch_size, n_rows) * (1 + n_features * n_classes / 400)
    return int(np.clip(0.55 * n_rows * n_features**0.75, 150, np.clip(most, 150, 600))) + n_rows // 20
