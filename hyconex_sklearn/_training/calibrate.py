"""A trained model and held-out rows in; temperature, confidence and plausibility thresholds out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from .._common.runtime import in_chunks
from .._model.committee import mean_log_odds
from .._model.density import MixedDensity
from .._model.losses import log_odds
from .._model.model import Model
from .rows import Rows

# Quantile of held-out rows that counts as the typical confidence of a class, the least and the most that is asked, in
# log-odds: what the one pass is trained to reach, and rows of the reservoir have (probability 0.75 to 0.97); and what
# certificates ask (0.73 to 0.95). A search checks what it gives, so it may stop earlier than the one pass, which can't.
AIMED, ASKED = (0.35, 1.1, 3.5), (0.25, 1.0, 3.0)
_FEWEST_FOR_QUANTILE = 10
_MOST_FOR_QUANTILE = 10_000_000  # numbers; torch refuses more than 16 million


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


class Confidence(NamedTuple):
    """Log-odds of each class: calibrated ones, and of the committee's mean probability; shapes (K,)."""

    calibrated: Tensor
    committee: Tensor


class Calibration(NamedTuple):
    """What held-out rows say of a model, whose network and committee are trained."""

    temperature: Tensor  # scalar
    aimed: Confidence  # what the one pass is trained to reach, and rows of the reservoir have
    asked: Confidence  # what certificates ask


@torch.no_grad()
def calibrate(model: Model, valid: Rows) -> Calibration:
    """Read temperature and confidence off held-out rows; the model stays as it is."""
    logits = in_chunks(model.network.logits, valid.x, width=model.network.width)
    temperature = logits.new_tensor(fit_temperature(logits, valid.labels, valid.weight))
    logits = logits / temperature
    right = logits.argmax(1) == valid.labels

    def committee_odds(x: Tensor, labels: Tensor) -> Tensor:
        return mean_log_odds(model.committee(x), labels)

    reached = (
        log_odds(logits, valid.labels),
        in_chunks(committee_odds, valid.x, valid.labels, width=model.committee.width),
    )
    rows = [right & (valid.labels == label) for label in range(model.n_classes)]
    rows = [own if bool(own.any()) else right for own in rows]
    aimed, asked = (Confidence(*(typical(odds, rows, *what) for odds in reached)) for what in (AIMED, ASKED))
    return Calibration(temperature, aimed, asked)


def typical(odds: Tensor, rows_of_classes: list[Tensor], quantile: float, least: float, most: float) -> Tensor:
    """Return the quantile of the log-odds (n,) over the rows, bool (n,), of each class, within limits; shape (K,)."""
    quantiles = (
        quantile_of(odds[rows], quantile) if bool(rows.any()) else odds.new_zeros(()) for rows in rows_of_classes
    )
    return torch.stack([each.clamp(least, most) for each in quantiles])


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
