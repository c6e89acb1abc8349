"""Figures that judge counterfactual images: do they flip, would another judge agree, what changed, how real is it?

Every rate speaks of the *asked* counterfactuals: those of images that were not classified as their target before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._common.runtime import chunks
from ._explainer import VisualCounterfactualExplainer
from ._judge import device_of, evaluating
from ._result import VisualCounterfactuals, VisualStatus

Features = Callable[[Tensor], Any]

_BATCH = 64
_CONFIDENT = 0.51

ABLATIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no smoothing": {"smoothing": None},
    "noise": {"smoothing": "noise"},
    "surrogate": {"smoothing": "surrogate"},
    "no mask": {"mask_threshold": 0.0},
}


def asked(cf: VisualCounterfactuals) -> VisualCounterfactuals:
    """Return the counterfactuals of images that were not classified as their target before.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.

    Returns
    -------
    VisualCounterfactuals
        Part of it.
    """
    return cf[cf.status != VisualStatus.ALREADY_TARGET]


def flip_rate(cf: VisualCounterfactuals, probability: float = _CONFIDENT) -> float:
    """Return the share of the asked counterfactuals that the explained classifier sees as the target.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    probability : float, default=0.51
        Probability of the target from which on it counts as flipped.

    Returns
    -------
    float
        In [0, 1]. Failed reconstructions, and attempts with nothing left to change, count as not flipped. NaN where
        none is asked.
    """
    return _mean(_flipped(asked(cf), probability))


def non_adversarial_rate(
    cf: VisualCounterfactuals, judge: Callable[..., Any], probability: float = _CONFIDENT
) -> float:
    """Return the share of the flipped counterfactuals that an independently trained classifier sees as the target, too.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    judge : torch.nn.Module or callable
        Takes images (n, c, h, w) and returns logits or probabilities (n, K); trained apart from the explained one.
    probability : float, default=0.51
        Probability of the target from which on the explained classifier counts as flipped.

    Returns
    -------
    float
        In [0, 1]; NaN where none is flipped. More is better: what fools a single classifier is no explanation.
    """
    flipped = asked(cf)
    flipped = flipped[_flipped(flipped, probability)]
    if not len(flipped):
        return float("nan")
    return _mean(_apply(judge, flipped.images).argmax(1) == flipped.target)


def changed_share(cf: VisualCounterfactuals) -> float:
    """Return the mean share of changed pixels, over the valid ones that were asked for.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.

    Returns
    -------
    float
        In [0, 1]; NaN where none is valid.
    """
    kept = _asked_and_valid(cf)
    return _mean(kept.masks.mean((1, 2))) if len(kept) else float("nan")


def sparsity(cf: VisualCounterfactuals, features: Features | None = None) -> float:
    """Return how concentrated the changes are: ``1 - mean[(|D|_1 - max|D|) / ((d - 1) max|D|)]``, over valid ones.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    features : torch.nn.Module, callable or None, default=None
        Maps images (n, c, h, w) to features (n, d), D is their change; None takes the pixels themselves.

    Returns
    -------
    float
        1 where a single one of d features changes, 0 where all change alike; NaN where nothing did.
    """
    change = np.abs(_changes(_asked_and_valid(cf), features))
    largest = change.max(1, initial=0.0)
    change, largest = change[largest > 0], largest[largest > 0]
    return 1 - _mean((change.sum(1) - largest) / (max(change.shape[1] - 1, 1) * largest))


def diversity(cf: VisualCounterfactuals, features: Features | None = None) -> float:
    """Return how different several attempts are: mean of ``1 - |cosine|`` of their changes, over valid pairs.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    features : torch.nn.Module, callable or None, default=None
        As of `sparsity`.

    Returns
    -------
    float
        In [0, 1], 0 where attempts change the same; NaN where no image has two valid ones.
    """
    kept = _asked_and_valid(cf)
    change = _changes(kept, features)
    length = np.linalg.norm(change, axis=1, keepdims=True)
    change = np.divide(change, length, out=np.zeros_like(change), where=length > 0)
    pairs = [pair for i in np.unique(kept.position) for pair in combinations(np.flatnonzero(kept.position == i), 2)]
    return _mean(np.array([1 - abs(float(change[i] @ change[j])) for i, j in pairs]))


def frechet_distance(cf: VisualCounterfactuals, real: Any, features: Features) -> float:
    """Return the Frechet distance between the valid counterfactuals and real images, in a space of features.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``, of means and covariances. It wants more images than features.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    real : array or tensor of shape (n, c, h, w)
        Images of the data, none of them explained.
    features : torch.nn.Module or callable
        Maps images to features (n, d).

    Returns
    -------
    float
        Not negative, 0 for the same distribution; NaN where either side has fewer than two images.

    References
    ----------
    Heusel et al. (2017), GANs trained by a two time-scale update rule converge to a local Nash equilibrium.
    """
    made = _features(_asked_and_valid(cf).images, features)
    true = _features(np.asarray(real), features)
    if min(len(made), len(true)) < 2:
        return float("nan")
    first, second = (np.atleast_2d(np.cov(values, rowvar=False)) for values in (made, true))
    # The eigenvalues of a product of two covariances are real and not negative, but for rounding.
    roots = np.sqrt(np.linalg.eigvals(first @ second).real.clip(min=0))
    gap = np.square(made.mean(0) - true.mean(0)).sum()
    return float(gap + np.trace(first) + np.trace(second) - 2 * roots.sum())


def evaluate(
    cf: VisualCounterfactuals,
    *,
    judge: Callable[..., Any] | None = None,
    features: Features | None = None,
    real: Any = None,
    seconds: float | None = None,
) -> dict[str, float]:
    """Return every figure that the arguments allow, by name.

    Parameters
    ----------
    cf : VisualCounterfactuals
        Result of a query.
    judge : torch.nn.Module, callable or None
        Independently trained classifier, for ``non_adversarial_rate``.
    features : torch.nn.Module, callable or None
        Where sparsity and diversity are measured, and with `real` the Frechet distance; None takes pixels.
    real : array or tensor, or None
        Images of the data.
    seconds : float or None
        How long the query took, for ``images_per_second``: counterfactuals for each second.

    Returns
    -------
    dict of str to float
        ``flip_rate``, ``changed_share``, ``sparsity``, ``diversity``, and those that the arguments allow.
    """
    figures = {
        "flip_rate": flip_rate(cf),
        "changed_share": changed_share(cf),
        "sparsity": sparsity(cf, features),
        "diversity": diversity(cf, features),
    }
    if judge is not None:
        figures["non_adversarial_rate"] = non_adversarial_rate(cf, judge)
    if real is not None and features is not None:
        figures["frechet_distance"] = frechet_distance(cf, real, features)
    if seconds is not None:
        figures["images_per_second"] = len(cf) / seconds
    return figures


def ablate(
    explainer: VisualCounterfactualExplainer,
    images: Any,
    target: Any = None,
    *,
    n_counterfactuals: int = 1,
    variants: Iterable[str] | dict[str, dict[str, Any]] = ABLATIONS,
    **judges: Any,
) -> dict[str, dict[str, float]]:
    """Return the figures of a search with one part changed at a time.

    Parameters
    ----------
    explainer : VisualCounterfactualExplainer
        The search; it stays as it is.
    images, target, n_counterfactuals : array, classes, int
        The query, as in ``explain``.
    variants : dict from name to parameters, or names out of `ABLATIONS`
        What to change. Those that change nothing of this explainer are left out, and so is "surrogate" where it has
        none.
    **judges
        `judge`, `features` and `real`, as in `evaluate`.

    Returns
    -------
    dict from name to figures
        Figures as of `evaluate`, with images per second.
    """
    chosen = variants if isinstance(variants, dict) else {name: ABLATIONS[name] for name in variants}
    figures, own = {}, explainer.get_params(deep=False)
    for name, changes in chosen.items():
        settings = {**own, **changes}
        nothing_new = changes and all(own[parameter] == value for parameter, value in changes.items())
        if nothing_new or (settings["smoothing"] == "surrogate" and settings["surrogate"] is None):
            continue
        start = time.perf_counter()
        cf = VisualCounterfactualExplainer(**settings).explain(images, target, n_counterfactuals)
        figures[name] = evaluate(cf, seconds=time.perf_counter() - start, **judges)
    return figures


def _flipped(cf: VisualCounterfactuals, probability: float) -> np.ndarray:
    return cf.valid & (cf.probabilities[np.arange(len(cf)), cf.target] >= probability)


def _asked_and_valid(cf: VisualCounterfactuals) -> VisualCounterfactuals:
    kept = asked(cf)
    return kept[kept.valid]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _changes(cf: VisualCounterfactuals, features: Features | None) -> np.ndarray:
    """Return by how much the features changed, (m, d)."""
    return _features(cf.images, features) - _features(cf.originals, features)


def _features(images: np.ndarray, features: Features | None) -> np.ndarray:
    if features is None or not len(images):
        return images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float64)
    values = _apply(features, images)
    return values.reshape(len(values), -1)


def _apply(network: Callable[[Tensor], Any], images: np.ndarray) -> np.ndarray:
    """Return what a network says of images, asked in batches on its own device and in evaluation mode."""
    tensor = torch.tensor(images, dtype=torch.float32, device=device_of(network) or "cpu")
    with torch.no_grad(), evaluating(network):
        values = [network(tensor[rows]) for rows in chunks(len(tensor), _BATCH)]
    parts = [value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value) for value in values]
    return np.concatenate(parts).astype(np.float64)
