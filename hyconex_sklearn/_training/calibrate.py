"""What models say of rows that they have not seen in; temperature, confidence and plausibility thresholds out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from .._common.runtime import in_chunks
from .._model.committee import Committee, mean_log_odds
from .._model.density import MixedDensity
from .._model.losses import log_odds
from .rows import Rows

# Quantile of unseen rows that counts as the typical confidence of a class, the least and the most that is asked, in
# log-odds: what the one pass is trained to reach, and rows of the reservoir have (probability 0.75 to 0.97); and what
# certificates ask (0.73 to 0.95). A search checks what it gives, so it may stop earlier than the one pass, which can't.
AIMED, ASKED = (0.35, 1.1, 3.5), (0.25, 1.0, 3.0)
_FEWEST_FOR_QUANTILE = 10


@torch.no_grad()
def plausible_threshold(density: MixedDensity, train: Rows, valid: Rows, quantile: float) -> Tensor:
    """Return the quantile of log p(x | m) over held-out rows of each class m, shape (K,).

    Held-out rows, since a flow that has seen the row overrates it: of 114 rows of wine, thresholds read off the
    training rows let only a third of new rows pass the quartile. Classes with fewer than ten use all their rows.
    """
    thresholds = []
    for label in range(density.n_classes):
        own = [valid[valid.labels == label]]
        if len(own[0]) < _FEWEST_FOR_QUANTILE:
            own.append(train[train.labels == label])
        x, times = (torch.cat(parts) for parts in zip(*((rows.x, rows.times) for rows in own), strict=True))
        densities = in_chunks(density.log_prob, x, torch.full((len(x),), label, device=x.device))
        thresholds.append(quantile_of(densities, quantile, times))
    return torch.stack(thresholds)


def quantile_of(values: Tensor, quantile: float, times: Tensor) -> Tensor:
    """Return the least of n > 0 numbers up to which a share `quantile` of all lies, where each counts `times` (n,)."""
    order = values.argsort()
    reached = times[order].double().cumsum(0)
    place = torch.searchsorted(reached, quantile * reached[-1:])
    return values[order[place.clamp(max=len(values) - 1)]].squeeze(0)


class Confidence(NamedTuple):
    """Log-odds of each class: calibrated ones, and of the committee's mean probability; shapes (K,)."""

    calibrated: Tensor
    committee: Tensor


class Calibration(NamedTuple):
    """What unseen rows say of a classifier and a committee."""

    temperature: Tensor  # scalar
    aimed: Confidence  # what the one pass is trained to reach, and rows of the reservoir have
    asked: Confidence  # what certificates ask


@torch.no_grad()
def calibrate(unseen: Tensor, committee: Committee, rows: Rows, valid: Rows) -> Calibration:
    """Read temperature and confidence off what is said of rows that the speaker has not seen.

    `unseen` (n, K) are logits of all `rows`; the committee is asked about those held out from it.
    """
    temperature = unseen.new_tensor(fit_temperature(unseen, rows.labels, rows.weight))
    logits = unseen / temperature

    def committee_odds(x: Tensor, labels: Tensor) -> Tensor:
        return mean_log_odds(committee(x), labels)

    own = log_odds(logits, rows.labels), logits.argmax(1) == rows.labels, rows
    theirs = (
        in_chunks(committee_odds, valid.x, valid.labels, width=committee.width),
        own[1][len(rows) - len(valid) :],
        valid,
    )
    aimed, asked = (
        Confidence(*(typical(*each, logits.shape[1], *what) for each in (own, theirs))) for what in (AIMED, ASKED)
    )
    return Calibration(temperature, aimed, asked)


def typical(
    odds: Tensor, right: Tensor, rows: Rows, n_classes: int, quantile: float, least: float, most: float
) -> Tensor:
    """Return the quantile of the log-odds (n,) over the rightly classified rows of each class, within limits, (K,)."""
    quantiles = []
    for label in range(n_classes):
        own = right & (rows.labels == label)
        own = own if bool(own.any()) else right
        quantiles.append(quantile_of(odds[own], quantile, rows.times[own]) if bool(own.any()) else odds.new_zeros(()))
    return torch.stack([each.clamp(least, most) for each in quantiles])


def fit_temperature(logits: Tensor, labels: Tensor, weight: Tensor) -> float:
    """Return the temperature from 0.5 to 1 under which `logits` (n, K) of unseen rows make their labels likeliest.

    A mixture is less sure than its members, so that its logits may grow. They never shrink: each row's come from the
    models of one fold, and the classifier learns the mean of all folds, which is less sure than these already.
    """

    def loss(log_temperature: float) -> float:
        terms = nn.functional.cross_entropy(logits / math.exp(log_temperature), labels, reduction="none")
        return float((weight * terms).sum())

    return math.exp(minimize_scalar(loss, bounds=(math.log(0.5), 0.0), method="bounded").x)
