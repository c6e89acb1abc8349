"""What models say of rows that they have not seen in; temperature, confidence and plausibility thresholds out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from .._common.runtime import in_chunks
from .._model.committee import Committee, mean_log_odds, votes
from .._model.density import MixedDensity
from .._model.losses import log_odds
from .rows import Rows


class Scale(NamedTuple):
    """What is asked of a class, from what its unseen rows reach."""

    quantile: float  # of rows that are rightly classified: what counts as typical
    least: float  # that is asked, unless hardly a row of the class reaches it
    most: float
    lowest: float  # that is asked of any class


# In log-odds: what the one pass is trained to reach, and rows of the reservoir have (probability 0.75 to 0.97); and
# what certificates ask (0.73 to 0.95). A search checks what it gives, so it may stop earlier than the one pass can.
AIMED, ASKED = Scale(0.35, 1.1, 3.5, 0.0), Scale(0.25, 1.0, 3.0, 0.0)
SUPPORT = Scale(0.25, 0.8, 0.8, 0.5)  # share of the committee that agrees
# Where fewer than a tenth of a class's rows reach the least, it is what that tenth reaches. Of a rare class all of its
# rows fall short of a probability of 0.73: asking for that certifies no answer at all.
_HARDLY = 0.9
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
    """Of each class: log-odds, calibrated and of the committee's mean probability, and votes; shapes (K,)."""

    calibrated: Tensor
    committee: Tensor
    support: Tensor  # share of the committee


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

    def opinions(x: Tensor, labels: Tensor) -> Tensor:
        members = committee(x)
        return torch.stack([mean_log_odds(members, labels), votes(members, labels)], 1)

    odds, agreeing = in_chunks(opinions, valid.x, valid.labels, width=committee.width).unbind(1)
    right = logits.argmax(1) == rows.labels
    own = log_odds(logits, rows.labels), right, rows, logits.shape[1]
    theirs = right[len(rows) - len(valid) :], valid, logits.shape[1]
    aimed, asked = (
        Confidence(typical(*own, scale), typical(odds, *theirs, scale), typical(agreeing, *theirs, SUPPORT))
        for scale in (AIMED, ASKED)
    )
    return Calibration(temperature, aimed, asked)


def typical(values: Tensor, right: Tensor, rows: Rows, n_classes: int, scale: Scale) -> Tensor:
    """Return what is asked of each class (K,), given the values (n,) of unseen rows, odds or votes.

    Rows that are `right` (n,) count, of a class that has none all of its rows.
    """
    return torch.stack([_asked_of(label, values, right, rows, scale) for label in range(n_classes)])


def _asked_of(label: int, values: Tensor, right: Tensor, rows: Rows, scale: Scale) -> Tensor:
    own = rows.labels == label
    of = next((some for some in (right & own, own, right) if bool(some.any())), None)
    if of is None:
        return values.new_tensor(scale.lowest)
    usual, best = (quantile_of(values[of], share, rows.times[of]) for share in (scale.quantile, _HARDLY))
    return torch.maximum(usual, best.clamp(scale.lowest, scale.least)).clamp(max=scale.most)


def fit_temperature(logits: Tensor, labels: Tensor, weight: Tensor) -> float:
    """Return the temperature from 0.5 to 1 under which `logits` (n, K) of unseen rows make their labels likeliest.

    A mixture is less sure than its members, so that its logits may grow. They never shrink: each row's come from the
    models of one fold, and the classifier learns the mean of all folds, which is less sure than these already.
    """

    def loss(log_temperature: float) -> float:
        terms = nn.functional.cross_entropy(logits / math.exp(log_temperature), labels, reduction="none")
        return float((weight * terms).sum())

    return math.exp(minimize_scalar(loss, bounds=(math.log(0.5), 0.0), method="bounded").x)
