"""Encoded rows in, a fitted `Model` out: the three phases, then what is read off held-out rows."""

from __future__ import annotations

import copy

import numpy as np

from .._model.certificate import Demands
from .._model.committee import Committee, fit_committee
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .calibrate import calibrate, plausible_threshold
from .classifier_phase import linear_start, pretrain_classifier
from .density_phase import fit_density
from .fill_reservoir import fill_reservoir
from .loop import Training
from .step_phase import Objective, fit_jointly, pretrain_on_clusters

# Most steps of the first two phases where the user names no epochs; they stop early.
_DENSITY_STEPS, _CLASSIFIER_STEPS = 1_200, 800
_JOINT_ROWS = 76_000  # in all batches of the joint phase together, for few features and classes
_RESERVOIR = 1_000  # rows in all, at least 20 of a class


def fit_model(space: EncodedSpace, rules: FeasibleSet, training: Training) -> Model:
    """Run all phases and return the fitted `Model` on the device of `space`.

    `rules` is a feasible set of one row without rules; every class 0..K-1 occurs in the training rows. Draws from
    torch's random state; call it inside `seeded`.
    """
    settings, train, valid = training.settings, training.train, training.valid
    n_classes = int(train.labels.max()) + 1
    model = Model(
        space,
        HyperNetwork(space.n_features, n_classes, settings.hidden_size, settings.n_blocks, settings.dropout),
        MixedDensity(space, n_classes, settings.flow_transforms, settings.flow_hidden),
        Committee(space.owner, n_classes, training.generator),
    ).to(space.lower.device)
    epochs = training.n_epochs(settings.flow_epochs, _DENSITY_STEPS + len(train) // 20)
    fit_density(model.density, space, training, epochs)
    model.density.requires_grad_(False).eval()
    model.threshold = plausible_threshold(model.density, train, valid, settings.plausibility_quantile)
    fit_committee(model.committee, train.x, train.labels, train.weight, settings.batch_size, training.generator)
    model.committee.requires_grad_(False)
    _fit_network(model, training)
    model.requires_grad_(False).eval().zero_grad(set_to_none=True)
    model.temperature, aimed, asked = calibrate(model, valid)
    fill_reservoir(model, rules, max(20, _RESERVOIR // n_classes), Demands(*aimed, model.threshold))
    model.confidence, model.committee_confidence = asked
    return model


def _fit_network(model: Model, training: Training) -> None:
    """Linear start, classifier, prototypes, joint phase; without any alpha it stays a plain classifier."""
    network, space, settings, train = model.network, model.space, training.settings, training.train
    network.set_linear(*linear_start(train, network.n_classes))
    epochs = training.n_epochs(settings.pretrain_epochs, _CLASSIFIER_STEPS + len(train) // 20)
    pretrain_classifier(network, training, epochs)
    alphas = (settings.alpha_validity, settings.alpha_proximity, settings.alpha_plausibility)
    steps = joint_steps(len(train), settings.batch_size, space.n_features, network.n_classes)
    epochs = training.n_epochs(settings.joint_epochs, steps)
    if not any(alphas) or epochs == 0:
        return
    teacher = copy.deepcopy(network).requires_grad_(False)
    pretrain_on_clusters(network, space, teacher, training, max(1, epochs // 4))
    temperature, aimed, _ = calibrate(model, training.valid)
    objective = Objective(*alphas, aimed.calibrated * temperature, model.threshold, model.density)
    fit_jointly(network, space, teacher, objective, training, epochs)


def joint_steps(n_rows: int, batch_size: int, n_features: int, n_classes: int) -> int:
    """Return the steps of the joint phase: more with rows, features and classes, 150 to 600, and one for every 20 rows.

    The larger the batches, the fewer will do: on tables of 2 to 23 features and two classes, half of 600 steps of 256
    rows gave the same one-pass answers; on digits, with 64 features and ten classes, they did not.
    """
    most = _JOINT_ROWS / min(batch_size, n_rows) * (1 + n_features * n_classes / 600)
    return int(np.clip(0.55 * n_rows * n_features**0.75, 150, np.clip(most, 150, 600))) + n_rows // 20
