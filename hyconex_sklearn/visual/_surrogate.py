"""A smooth stand-in for a classifier, trained to imitate it: its gradient points where the classifier's jitters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional

from .._common.parameters import SEED, Rule, integer_rule, is_int, real_rule
from .._common.runtime import chunks, plain_torch, seeded
from ._checks import OUTPUTS, check_images, one_of
from ._generators import Generator
from ._judge import Judge, common_device, evaluating
from ._pixels import quantise
from ._train import train

_HALVINGS = 3  # of height and width
_GRID = 4  # cells that remain on each side, whatever the size of the images
_SMOOTHING = 0.02  # of the labels: certainty would need logits without bound, and a gradient that says nothing
_ENCODED_AT_ONCE = 64
_RULES = {
    "classifier_output": one_of(*OUTPUTS),
    "width": Rule("a positive multiple of 4", is_int, lambda value: value > 0 and value % 4 == 0),
    "n_epochs": integer_rule(1),
    "batch_size": integer_rule(1),
    "learning_rate": real_rule(0, open_low=True),
    "noise": real_rule(0),
    "random_state": SEED,
}


class SmoothSurrogate(nn.Module):
    """Small convolutional network with soft activations; returns logits.

    Parameters
    ----------
    n_channels : int
        Channels of the images.
    n_classes : int
        Classes of the classifier.
    width : int, default=16
        Channels of the first layer; doubled with each halving of the image.
    """

    def __init__(self, n_channels: int, n_classes: int, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(_HALVINGS)]
        layers: list[nn.Module] = []
        for before, after in zip([n_channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(4, after), nn.SiLU()]
        self._body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(_GRID), nn.Flatten())
        self._head = nn.Linear(widths[-1] * _GRID**2, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, K) of images (n, c, h, w)."""
        return self._head(self._body(images - 0.5))


def distill_surrogate(
    classifier: Callable[..., Any],
    images: Any,
    *,
    generator: Generator | None = None,
    classifier_output: str = "logits",
    width: int = 16,
    n_epochs: int = 30,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    noise: float = 0.3,
    random_state: Any = None,
) -> SmoothSurrogate:
    """Return a smooth network that imitates a classifier; it needs no gradient from it, and no labels.

    It sees what a search will ask about: between two images, and near them. With a generator, these are decoded from
    mixed and noisy latents; without one, mixed and noisy pixels.

    Parameters
    ----------
    classifier : torch.nn.Module or callable
        As in `VisualCounterfactualExplainer`.
    images : array or tensor of shape (n, c, h, w)
        Floats in [0, 1], like those to be explained; some hundred at least.
    generator : object or None, default=None
        That of the search.
    classifier_output : {"logits", "probabilities"}, default="logits"
        What the classifier's values are.
    width : int, default=16
        Channels of the first layer, a multiple of 4.
    n_epochs : int, default=30
        Passes over the images.
    batch_size : int, default=64
        Images of an optimiser step; the classifier sees as many again, mixed.
    learning_rate : float, default=4e-3
        Largest step size of AdamW.
    noise : float, default=0.3
        Standard deviation of the noise, as a share of the latents' root mean square.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches, mixtures and noise.

    Returns
    -------
    SmoothSurrogate
        In evaluation mode, on the classifier's device.
    """
    schedule: dict[str, Any] = {"n_epochs": n_epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    others = {"classifier_output": classifier_output, "width": width, "noise": noise, "random_state": random_state}
    for name, value in {**others, **schedule}.items():
        _RULES[name].check(name, value)
    pixels = check_images(images)
    device = common_device(pixels, classifier=classifier, generator=generator)
    pixels = quantise(pixels.to(device))
    judge, seed = Judge(classifier, classifier_output), int(check_random_state(random_state).randint(2**31))
    with plain_torch(), evaluating(classifier, generator), seeded(seed, device):
        n_classes = judge.probabilities(pixels[:1]).shape[1]
        surrogate = SmoothSurrogate(pixels.shape[1], n_classes, width).to(device)
        shown = _Shown(pixels, generator, noise)

        def loss(rows: Tensor) -> Tensor:
            batch = shown.batch(rows.to(device))
            return functional.cross_entropy(surrogate(batch), judge.probabilities(batch), label_smoothing=_SMOOTHING)

        train(surrogate, loss, len(pixels), **schedule, weight_decay=1e-3, seed=seed)
    return surrogate.eval()


class _Shown:
    """What the surrogate is shown: images, and others between and near them."""

    def __init__(self, images: Tensor, generator: Generator | None, noise: float) -> None:
        self.images, self._generator, self._noise = images, generator, noise
        with torch.no_grad():
            parts = [images[rows] for rows in chunks(len(images), _ENCODED_AT_ONCE)]
            self._points = torch.cat([part if generator is None else generator.encode(part) for part in parts])

    @torch.no_grad()
    def batch(self, rows: Tensor) -> Tensor:
        """Return the images at `rows`, and as many mixtures of each with another one of the batch."""
        points = self._points[rows]
        share = torch.rand((len(rows),) + (1,) * (points.ndim - 1), device=points.device)
        mixed = torch.lerp(points, points[torch.randperm(len(rows), device=points.device)], share)
        # Each at its own level: the search starts where there is no noise and may go far.
        level = self._noise * points.square().mean().sqrt() * torch.rand_like(share)
        mixed = mixed + level * torch.randn_like(mixed)
        decoded = mixed if self._generator is None else self._generator.decode(mixed)
        return torch.cat([self.images[rows], quantise(decoded)])
