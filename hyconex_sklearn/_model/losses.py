"""Logits, rows and goals in, the terms of the training objective out: formula and shapes in each docstring."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .encoded_space import EncodedSpace


def classification_loss(logits: Tensor, goal: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean of -sum_k goal_k log softmax(logits)_k over rows that count `weight` (n,), a scalar.

    The goals (n, K) are one-hot labels, or the soft predictions of a teacher.
    """
    loss = -(goal * logits.log_softmax(1)).sum(1)
    return loss.mean() if weight is None else (weight * loss).sum() / weight.sum()


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """Return log p_m / (1 - p_m) = g_m - logsumexp of the other logits, shape (n,), for targets m (n,)."""
    chosen = logits.gather(1, target[:, None]).squeeze(1)
    others = logits.scatter(1, target[:, None], -torch.inf).logsumexp(1)
    return chosen - others


def validity_loss(logits: Tensor, target: Tensor, margin: Tensor) -> Tensor:
    """Return relu(margin - log-odds of the target), shape (n,): how far a counterfactual is from the asked confidence.

    A hinge rather than a cross-entropy: once the confidence is reached, only distance and density pull.
    """
    return (margin - log_odds(logits, target)).relu()


def distance(x: Tensor, moved: Tensor, space: EncodedSpace) -> Tensor:
    """Return the distance between rows, shape (n,), normalised by dimension so that 2 and 200 features alike fit.

    sqrt(mean over numbers of dz^2) + mean over blocks of the mass that left the row's own level, both of (n, d) rows.
    """
    squared = (moved - x)[:, space.numeric].square()
    total = (squared.mean(1) + 1e-6).sqrt() if len(space.numeric) else x.new_zeros(len(x))
    if space.blocks.numel():
        total = total + 0.5 * (moved - x)[:, space.levels].abs().sum(1) / len(space.blocks)
    return total


def plausibility_loss(log_density: Tensor, threshold: Tensor, n_features: int) -> Tensor:
    """Return log(1 + relu(threshold - log p(x' | m)) / sqrt(d)), shape (n,): how far below typical density a row is.

    The logarithm bounds the pull of rows far outside, whose log-densities are minus thousands: without it they drown
    all other terms.
    """
    return ((threshold - log_density).relu() / n_features**0.5).log1p()


def prototype_loss(moved: Tensor, prototype: Tensor) -> Tensor:
    """Return sqrt(mean (x' - mu)^2), shape (n,): the distance of counterfactuals to their prototypes, both (n, d)."""
    return ((moved - prototype).square().mean(1) + 1e-6).sqrt()


def secant_loss(weight: Tensor, x: Tensor, moved: Tensor, gain: Tensor) -> Tensor:
    """Return how far each row's own linear model is off at its counterfactual, shape (m,), in logits, outliers damped.

    mean_k of Huber(W_k . (x - x') - gain_k), both centred over classes: `weight` (m, K, d), what the classifier's
    logits really gain on the way from `x` to `moved` (m, d) is `gain` (m, K).
    """
    told = torch.einsum("mkd,md->mk", weight, x - moved)
    off = (told - told.mean(1, keepdim=True)) - (gain - gain.mean(1, keepdim=True))
    return nn.functional.huber_loss(off, torch.zeros_like(off), reduction="none").mean(1)
