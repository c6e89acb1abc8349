"""A small convolutional autoencoder: the generator that needs nothing but images like those to be explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional

from .._common.parameters import SEED, Rule, integer_rule, real_rule
from .._common.runtime import plain_torch, seeded
from ._checks import check_images
from ._pixels import quantise
from ._train import train

_KIND = "hyconex_sklearn.visual.ConvAutoencoder"
_HALVINGS = 3  # of height and width
_RULES = {
    "image_shape": Rule(
        "three integers >= 1, height and width multiples of 8",
        lambda value: len(value) == 3 and all(isinstance(side, int) for side in value),
        lambda value: min(value) >= 1 and value[1] % 8 == 0 and value[2] % 8 == 0,
    ),
    "latent_size": integer_rule(1),
    "width": integer_rule(1),
    "n_epochs": integer_rule(1),
    "batch_size": integer_rule(2),
    "learning_rate": real_rule(0, open_low=True),
    "noise": real_rule(0),
    "random_state": SEED,
}


class ConvAutoencoder(nn.Module):
    """Convolutional autoencoder with a narrow latent vector; a generator for `VisualCounterfactualExplainer`.

    Trained on the images alone, without labels. Latents are on a unit scale, and noise is added to them while training:
    near one another in the latent space, near one another in looks.

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 32, 32)
        Channels, height and width; height and width multiples of 8.
    latent_size : int, default=32
        Length of the latent vector. Short ones stay among images like those in training, long ones reproduce better.
    width : int, default=16
        Channels of the first layer; doubled with each halving of the image.
    n_epochs : int, default=60
        Passes over the images.
    batch_size : int, default=64
        Images of an optimiser step.
    learning_rate : float, default=4e-3
        Largest step size of AdamW.
    noise : float, default=0.1
        Standard deviation of the noise on the latents while training.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and noise.

    Attributes
    ----------
    history_ : list of float
        Mean squared error of each epoch, with the noise on.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 32, 32),
        latent_size: int = 32,
        width: int = 16,
        n_epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        noise: float = 0.1,
        random_state: Any = None,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "image_shape": tuple(image_shape),
            "latent_size": latent_size,
            "width": width,
            "n_epochs": n_epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "noise": noise,
        }
        for name, rule in _RULES.items():
            rule.check(name, random_state if name == "random_state" else self.settings[name])
        self.random_state = random_state
        self.history_: list[float] = []
        self._seed = int(check_random_state(random_state).randint(2**31))
        with plain_torch(), seeded(self._seed, torch.device("cpu")):
            self._build()

    def _build(self) -> None:
        channels, height, breadth = self.settings["image_shape"]
        widths = [self.settings["width"] * 2**i for i in range(_HALVINGS)]
        grid = (widths[-1], height // 2**_HALVINGS, breadth // 2**_HALVINGS)
        size, latent = grid[0] * grid[1] * grid[2], self.settings["latent_size"]
        down = [layer for i, o in zip([channels, *widths], widths, strict=False) for layer in (_halve(i, o), nn.SiLU())]
        up = [layer for i, o in zip(widths[::-1], widths[-2::-1], strict=False) for layer in (_double(i, o), nn.SiLU())]
        self._encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(size, latent))
        # Without a scale of its own: it puts the latents on a unit scale, whatever the images.
        self._unit = nn.BatchNorm1d(latent, affine=False)
        self._decoder = nn.Sequential(
            nn.Linear(latent, size), nn.Unflatten(1, grid), nn.SiLU(), *up, _double(widths[0], channels)
        )

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents (n, latent_size) of images (n, c, h, w)."""
        expected = self.settings["image_shape"]
        if tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"The autoencoder was built for images of shape (n, {', '.join(map(str, expected))}), got "
                f"{tuple(images.shape)}. Resize the images, or build one with image_shape={tuple(images.shape[1:])}."
            )
        return self._unit(self._encoder(images - 0.5))

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (n, c, h, w) in [0, 1] of latents (n, latent_size)."""
        return self._decoder(latents).sigmoid()

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstruction of images (n, c, h, w)."""
        return self.decode(self.encode(images))

    def fit(self, images: Any) -> Self:
        """Train on images.

        Parameters
        ----------
        images : array or tensor of shape (n, c, h, w)
            Floats in [0, 1], at least two.

        Returns
        -------
        ConvAutoencoder
            This autoencoder, trained and in evaluation mode.

        Raises
        ------
        TypeError, ValueError
            If the images can't be used.
        """
        device = next(self.parameters()).device
        pixels = quantise(check_images(images).to(device))
        if len(pixels) < 2:
            raise ValueError(f"images has {len(pixels)} entry; a fit needs at least 2, and some hundred to be of use.")
        with plain_torch(), seeded(self._seed + 1, device):
            self.train()
            try:
                self._train(pixels)
            finally:
                self.eval()
        return self

    def _train(self, pixels: Tensor) -> None:
        noise = self.settings["noise"]

        def loss(rows: Tensor) -> Tensor:
            batch = pixels[rows]
            latents = self.encode(batch)
            return functional.mse_loss(self.decode(latents + noise * torch.randn_like(latents)), batch)

        schedule = {name: self.settings[name] for name in ("n_epochs", "batch_size", "learning_rate")}
        self.history_ = train(self, loss, len(pixels), **schedule, weight_decay=1e-4, seed=self._seed + 2)

    def save(self, path: str | Path) -> None:
        """Write weights and settings to one safetensors file.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(state, str(path), metadata={"kind": _KIND, "settings": json.dumps(self.settings)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the autoencoder that `save` wrote; no code of the file is run.

        Parameters
        ----------
        path : str or Path
            File that `save` wrote.

        Returns
        -------
        ConvAutoencoder
            On the CPU and ready to use.

        Raises
        ------
        ValueError
            If the file is another one.
        """
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            if about.get("kind") != _KIND:
                raise ValueError(
                    f"{path} was not written by ConvAutoencoder.save: it says kind={about.get('kind')!r}, expected "
                    f"{_KIND!r}. Pass a file that was."
                )
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        settings = json.loads(about["settings"])
        loaded = cls(**{**settings, "image_shape": tuple(settings["image_shape"])})
        loaded.load_state_dict(state)
        return loaded.eval()


def _halve(channels: int, out: int) -> nn.Module:
    return nn.Conv2d(channels, out, 4, stride=2, padding=1)


def _double(channels: int, out: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1)
