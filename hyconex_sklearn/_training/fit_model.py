"""From encoded rows to a fitted `Model`: the three phases, then what is read off held-out rows."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch

from .._model.committee import Committee, fit_committee
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork
from .._model.model import Model
from .._rules.feasible_set import FeasibleSet
from .calibrate import AIMED, ASKED, calibrate, plausible_threshold
from .classifier_phase import linear_start, pretrain_classifier
from .density_phase import fit_density
from .fill_reservoir import fill_reservoir
from .history import History
from .loop import Schedule, n_epochs
from .rows import Rows
from .step_phase import Objective, fit_jointly, pretrain_on_clusters

# Most steps of the first two phases where the user names no epochs; they stop early.
_DENSITY_STEPS, _CLASSIFIER_STEPS = 1_200, 800
_JOINT_ROWS = 76_000  # in all batches of the joint phase together, for few features and classes
_RESERVOIR = 1_000  # rows in all, at least 20 of a class


@dataclass(frozen=True)
class Settings:
    """The constructor parameters that concern training, under their public names."""

    alpha_validity: float
    alpha_proximity: float
    alpha_plausibility: float
    plausibility_quantile: float
    hidden_size: int
    n_blocks: int
    dropout: float
    flow_transforms: int
    flow_hidden: tuple[int, ...]
    flow_epochs: int | None
    pretrain_epochs: int | None
    joint_epochs: int | None
    batch_size: int
    learning_rate: float
    weight_decay: float
    validation_fraction: float
    patience: int


def fit_model(
    train: Rows,
    valid: Rows,
    space: EncodedSpace,
    rules: FeasibleSet,
    settings: Settings,
    seed: int,
    history: History,
) -> Model:
    """Run all phases and return the fitted `Model` on the device of `space`.

    Draws from torch's random state; call it inside `seeded`.

    Parameters
    ----------
    train, valid : Rows
        Of `split`; every class 0..K-1 occurs in `train`.
    rules : FeasibleSet
        Of one row, without any rule.
    """
    device = space.lower.device
    generator = torch.Generator(device).manual_seed(seed)
    schedule = Schedule(
        settings.batch_size, settings.learning_rate, settings.weight_decay, settings.patience, seed, generator
    )
    n_classes = int(train.labels.max()) + 1
    model = Model(
        space,
        HyperNetwork(space.n_features, n_classes, settings.hidden_size, settings.n_blocks, settings.dropout),
        MixedDensity(space, n_classes, settings.flow_transforms, settings.flow_hidden),
        Committee(space.owner, n_classes, generator),
    ).to(device)
    epochs = n_epochs(settings.flow_epochs, len(train), schedule, _DENSITY_STEPS + len(train) // 20)
    fit_density(model.density, space, train, valid, schedule, epochs, history)
    model.density.requires_grad_(False).eval()
    model.threshold = plausible_threshold(model.density, train, valid, settings.plausibility_quantile)
    _fit_committee(model.committee, train, schedule)
    _fit_network(model, train, valid, schedule, settings, history)
    model.requires_grad_(False).eval().zero_grad(set_to_none=True)
    calibrate(model, valid, *AIMED)
    fill_reservoir(
        model, rules, max(20, _RESERVOIR // n_classes), model.demands(torch.arange(n_classes, device=device))
    )
    calibrate(model, valid, *ASKED)
    return model


def _fit_committee(committee: Committee, train: Rows, schedule: Schedule) -> None:
    fit_committee(committee, train.x, train.labels, train.weight, schedule.batch_size, schedule.generator)
    committee.requires_grad_(False)


def _fit_network(
    model: Model, train: Rows, valid: Rows, schedule: Schedule, settings: Settings, history: History
) -> None:
    """Linear start, classifier, prototypes, joint phase; without any alpha it stays a plain classifier."""
    network, space = model.network, model.space
    network.set_linear(*linear_start(train, network.n_classes))
    epochs = n_epochs(settings.pretrain_epochs, len(train), schedule, _CLASSIFIER_STEPS + len(train) // 20)
    pretrain_classifier(network, train, valid, schedule, epochs, history)
    alphas = (settings.alpha_validity, settings.alpha_proximity, settings.alpha_plausibility)
    steps = joint_steps(len(train), schedule.batch_size, space.n_features, network.n_classes)
    joint_epochs = n_epochs(settings.joint_epochs, len(train), schedule, steps)
    if not any(alphas) or joint_epochs == 0:
        return
    teacher = copy.deepcopy(network).requires_grad_(False)
    pretrain_on_clusters(network, space, train, valid, teacher, schedule, max(1, joint_epochs // 4), history)
    calibrate(model, valid, *AIMED)
    objective = Objective(*alphas, model.confidence * model.temperature, model.threshold, model.density)
    fit_jointly(network, space, train, valid, teacher, objective, schedule, joint_epochs, history)


def joint_steps(n_rows: int, batch_size: int, n_features: int, n_classes: int) -> int:
    """Return the steps of the joint phase: more with rows, features and classes, 150 to 600, and one for every 20 rows.

    The larger the batches, the fewer will do: on tables of 2 to 23 features and two classes, half of 600 steps of 256
    rows gave the same one-pass answers; on digits, with 64 features and ten classes, they did not.
    """
    most = _JOINT_ROWS / min(batch_size, n_rows) * (1 + n_features * n_classes / 600)
    return int(np.clip(0.55 * n_rows * n_features**0.75, 150, np.clip(most, 150, 600))) + n_rows // 20
