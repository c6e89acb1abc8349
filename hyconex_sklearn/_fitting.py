"""From encoded rows to a fitted `Model`: the three phases, then what is read off held-out rows."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor, nn

from ._codec import TableCodec
from ._committee import Committee, fit_committee, mean_log_odds
from ._density import MixedDensity
from ._hypernet import HyperNetwork
from ._joint import Objective, fit_jointly, pretrain_on_clusters
from ._losses import log_odds
from ._model import Model
from ._reservoir import fill_reservoir
from ._rules import FeasibleSet
from ._space import EncodedSpace
from ._torch_utils import in_chunks, to_tensor
from ._training import History, Rows, Schedule, fit_density, n_epochs, pretrain_classifier

# Most steps of the first two phases where the user names no epochs; they stop early.
_DENSITY_STEPS, _CLASSIFIER_STEPS = 1_200, 800
_JOINT_ROWS = 76_000  # in all batches of the joint phase together, for few features and classes
_REGULARISATION = (0.01, 0.1, 1.0, 10.0)  # inverse strengths tried for the linear start
_LINEAR_ROWS = 5_000
# Quantile of held-out rows that counts as the typical confidence of a class, the least and the most that is asked, in
# log-odds: what the one pass is trained to reach, and rows of the reservoir have (probability 0.75 to 0.97); and what
# certificates ask (0.73 to 0.95). A search checks what it gives, so it may stop earlier than the one pass, which can't.
_AIMED, _ASKED = (0.35, 1.1, 3.5), (0.25, 1.0, 3.0)
_FEWEST_FOR_QUANTILE = 10
_MOST_FOR_QUANTILE = 10_000_000  # numbers; torch refuses more than 16 million
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
    _calibrate(model, valid, *_AIMED)
    fill_reservoir(model, rules, max(20, _RESERVOIR // n_classes))
    _calibrate(model, valid, *_ASKED)
    return model


def split(
    codec: TableCodec,
    X: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    fraction: float,
    seed: int,
    device: torch.device,
) -> tuple[Rows, Rows]:
    """Return encoded training and held-out rows, straight from the table: nothing else holds it encoded.

    They are shuffled: tables often come sorted by class, and some steps take a head. Where no row can be held out,
    training rows serve for both.

    Parameters
    ----------
    codec : TableCodec
        Fitted to X.
    X : ndarray or DataFrame of n rows
        The table.
    labels : ndarray of shape (n,)
        Class indices; every class 0..K-1 occurs.
    weight : ndarray of shape (n,)
        Row weights with mean 1.
    fraction : float
        Share of the rows of each class to hold out.
    """
    rng = np.random.default_rng(seed)
    held_out = draw_held_out(labels, fraction, rng)
    order = rng.permutation(len(labels))
    parts = [order[~held_out[order]], order[held_out[order]]]
    place = np.empty(len(labels), dtype=np.intp)  # of each row in its part
    for part in parts:
        place[part] = np.arange(len(part))
    x = [torch.empty(len(part), codec.schema.n_encoded, dtype=torch.float32) for part in parts]
    for rows, encoded in codec.encoded_parts(X):
        for out, own in zip(x, (~held_out[rows], held_out[rows]), strict=True):
            out.numpy()[place[rows][own]] = encoded[own]
    arrays = (labels, weight.astype(np.float32))
    train, valid = (
        Rows(own.to(device), *(to_tensor(array[part], device) for array in arrays))
        for own, part in zip(x, parts, strict=True)
    )
    return train, valid if len(valid) else train


def draw_held_out(labels: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of held-out rows, the same share of every class; a class of one or two rows gives none."""
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held_out[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    return held_out


@torch.no_grad()
def plausible_threshold(density: MixedDensity, train: Rows, valid: Rows, quantile: float) -> Tensor:
    """Return the quantile of log p(x | m) over held-out rows of each class m, shape (K,).

    Held-out rows, since a flow that has seen the row overrates it: of 114 rows of wine, thresholds read off the
    training rows let only a third of new rows pass the quartile. Classes with fewer than ten use all their rows.
    """
    thresholds = []
    for label in range(density.n_classes):
        rows = valid.x[valid.labels == label]
        if len(rows) < _FEWEST_FOR_QUANTILE:
            rows = torch.cat([rows, train.x[train.labels == label]])
        own = in_chunks(density.log_prob, rows, torch.full((len(rows),), label, device=rows.device))
        thresholds.append(quantile_of(own, quantile))
    return torch.stack(thresholds)


def quantile_of(values: Tensor, quantile: float) -> Tensor:
    """Return a quantile of n > 0 numbers in no order: where there are more than torch takes, that of the first ones."""
    return values[:_MOST_FOR_QUANTILE].quantile(quantile)


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
    _calibrate(model, valid, *_AIMED)
    objective = Objective(*alphas, model.confidence * model.temperature, model.threshold, model.density)
    fit_jointly(network, space, train, valid, teacher, objective, schedule, joint_epochs, history)


def joint_steps(n_rows: int, batch_size: int, n_features: int, n_classes: int) -> int:
    """Return the steps of the joint phase: more with rows, features and classes, 150 to 600, and one for every 20 rows.

    The larger the batches, the fewer will do: on tables of 2 to 23 features and two classes, half of 600 steps of 256
    rows gave the same one-pass answers; on digits, with 64 features and ten classes, they did not.
    """
    most = _JOINT_ROWS / min(batch_size, n_rows) * (1 + n_features * n_classes / 600)
    return int(np.clip(0.55 * n_rows * n_features**0.75, 150, np.clip(most, 150, 600))) + n_rows // 20


def linear_start(rows: Rows, n_classes: int) -> tuple[Tensor, Tensor]:
    """Return weight (K, d) and bias (K,) of a logistic regression, its strength chosen by cross-validation.

    One strong regularisation where a class has too few rows to be cross-validated.
    """
    x, labels, weight = (part[:_LINEAR_ROWS].cpu().numpy() for part in (rows.x, rows.labels, rows.weight))
    present, counts = np.unique(labels, return_counts=True)
    coef, bias = np.zeros((n_classes, x.shape[1])), np.full(n_classes, -10.0)
    bias[present] = 0.0
    if len(present) > 1:
        fitted = _best_regression(x, labels, counts.min()).fit(x, labels, sample_weight=weight)
        # Two classes share one row of coefficients: half of it with either sign gives the same probabilities.
        signs = np.array([[-0.5], [0.5]]) if len(present) == 2 else 1.0
        coef[present], bias[present] = signs * fitted.coef_, (signs * fitted.intercept_[:, None])[:, 0]
    return rows.x.new_tensor(coef), rows.x.new_tensor(bias)


def _best_regression(x: np.ndarray, labels: np.ndarray, fewest: int) -> LogisticRegression:
    """Return an unfitted regression of the strength with the best cross-validated log-loss."""
    candidates = [LogisticRegression(C=strength, max_iter=200, tol=1e-3) for strength in _REGULARISATION]
    if fewest < 3:
        return candidates[1]
    folds = StratifiedKFold(3)
    losses = [
        log_loss(labels, cross_val_predict(each, x, labels, cv=folds, method="predict_proba")) for each in candidates
    ]
    return candidates[int(np.argmin(losses))]


@torch.no_grad()
def _calibrate(model: Model, valid: Rows, quantile: float, least: float, most: float) -> None:
    """Read temperature and confidence off held-out rows."""
    logits = in_chunks(model.network.logits, valid.x, width=model.network.width)
    model.temperature = logits.new_tensor(fit_temperature(logits, valid.labels, valid.weight))
    logits = logits / model.temperature
    reached = {
        "confidence": log_odds(logits, valid.labels),
        "committee_confidence": in_chunks(
            lambda x, y: mean_log_odds(model.committee(x), y), valid.x, valid.labels, width=model.committee.width
        ),
    }
    right = logits.argmax(1) == valid.labels
    for label in range(model.n_classes):
        own = right & (valid.labels == label)
        rows = own if bool(own.any()) else right
        for name, odds in reached.items():
            typical = quantile_of(odds[rows], quantile) if bool(rows.any()) else odds.new_zeros(())
            getattr(model, name)[label] = typical.clamp(least, most)


def fit_temperature(logits: Tensor, labels: Tensor, weight: Tensor) -> float:
    """Return the temperature that calibrates `logits` (n, K), by smoothed cross-entropy.

    Labels are smoothed by one pseudo-count for each class (as Platt scaling does): where held-out rows are few and
    all right, the plain likelihood would call for unlimited confidence.
    """
    n, n_classes = logits.shape
    goal = (nn.functional.one_hot(labels, n_classes) * n + 1.0) / (n + n_classes)

    def loss(log_temperature: float) -> float:
        terms = -(goal * (logits / math.exp(log_temperature)).log_softmax(1)).sum(1)
        return float((weight * terms).sum())

    return math.exp(minimize_scalar(loss, bounds=(-3.0, 4.0), method="bounded").x)
