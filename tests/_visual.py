"""Tiny images, classifiers and generators that the tests of `hyconex_sklearn.visual` share."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hyconex_sklearn.visual import ConvAutoencoder, VisualCounterfactualExplainer

SIDE = 16


@cache
def images(n: int = 48) -> np.ndarray:
    """8-bit images (n, 1, 16, 16): a soft spot, in one of the four quarters in turn, bright or dim."""
    rng = np.random.default_rng(0)
    across = np.arange(SIDE)
    made = []
    for i in range(n):
        y, x = 4 + 8 * np.array([i % 4 // 2, i % 2]) + rng.normal(0, 0.8, 2)
        spot = np.exp(-((across[:, None] - y) ** 2 + (across[None] - x) ** 2) / rng.uniform(5, 9))
        made.append(rng.uniform(0.7, 1.0) * spot)
    array = (np.array(made)[:, None] * 255).round().astype(np.float32) / np.float32(255)
    array.setflags(write=False)
    return array


class Quarters(nn.Module):
    """Classifies by the brightest quarter of the image: what it does can be told from the pixels."""

    def __init__(self, sharpness: float = 40.0) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(sharpness))

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean brightness of each quarter, sharpened, (n, 4)."""
        return self.sharpness * nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 2).flatten(1)


class Halves:
    """A generator whose latents are maps: means of 2x2 pixels, decoded to blocks."""

    def encode(self, x: Tensor) -> Tensor:
        """Return maps (n, c, h / 2, w / 2)."""
        return nn.functional.avg_pool2d(x, 2)

    def decode(self, z: Tensor) -> Tensor:
        """Return blocks."""
        return nn.functional.interpolate(z, scale_factor=2)


@cache
def autoencoder() -> ConvAutoencoder:
    """Return an autoencoder of the spots, fitted once."""
    return ConvAutoencoder(
        image_shape=(1, SIDE, SIDE), latent_size=4, width=8, n_epochs=200, batch_size=16, random_state=0
    ).fit(images())


def explainer(generator: Any = None, classifier: Any = None, **settings: Any) -> VisualCounterfactualExplainer:
    """Return a short search in blocks, or with what is given."""
    settings = {"n_steps": 30, "random_state": 0, **settings}
    return VisualCounterfactualExplainer(
        Quarters() if classifier is None else classifier, Halves() if generator is None else generator, **settings
    )


def labels(x: Any) -> np.ndarray:
    """Return the quarter that `Quarters` sees in images."""
    with torch.no_grad():
        return Quarters()(torch.tensor(np.asarray(x))).argmax(1).numpy()
