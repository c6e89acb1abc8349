"""Pixels: 8-bit values, blurred differences, masks of what changed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS = 255.0


def quantise(images: Tensor) -> Tensor:
    """Return images (n, c, h, w) clamped to [0, 1] and rounded to the 256 values that a file can hold."""
    return (images.clamp(0.0, 1.0) * _LEVELS).round() / _LEVELS


def quantise_through(images: Tensor) -> Tensor:
    """Return quantised images with the gradient of the unquantised ones, which would be zero almost everywhere."""
    return images + (quantise(images) - images).detach()


def compose(decoded: Tensor, originals: Tensor, mask: Tensor) -> Tensor:
    """Return the image that the user would hold: quantised where the mask (n, 1, h, w) is set, original elsewhere.

    Selected, not blended: an untouched pixel is the original's own, bit for bit.
    """
    return torch.where(mask, quantise_through(decoded), originals)


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Return maps (n, 1, h, w) smoothed by a Gaussian of `sigma` pixels; 0 leaves them as they are."""
    if sigma <= 0:
        return maps
    radius = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(maps, (radius, radius, radius, radius), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def change_mask(decoded: Tensor, reference: Tensor, allowed: Tensor, threshold: float, sigma: float) -> Tensor:
    """Return where an image differs from its reference enough to matter, bool (n, 1, h, w).

    Parameters
    ----------
    decoded, reference : Tensor of shape (n, c, h, w)
        The image of the latent now, and of the latent at the start: a generator's error is no change.
    allowed : bool Tensor of shape (n, 1, h, w)
        Pixels that may change at all.
    threshold : float
        Share of the largest blurred difference from which on a pixel counts; 0 takes all allowed ones.
    sigma : float
        Width of the blur in pixels, so that a mask is a region and not a scatter of points.
    """
    difference = blur((decoded - reference).abs().mean(1, keepdim=True) * allowed, sigma) * allowed
    largest = difference.amax((1, 2, 3), keepdim=True)
    return (difference >= threshold * largest) & allowed  # all allowed ones, too, where nothing differs yet


def allowed_latents(allowed: Tensor, latents: Tensor) -> Tensor:
    """Return which latents may move, bool, to be broadcast over `latents`.

    Latents that are maps follow the pixels that they stand for: a cell may move where at least half of its pixels may.
    Latents without places may always move; only the pixels are held then.
    """
    if latents.ndim != 4:
        return torch.ones((len(latents),) + (1,) * (latents.ndim - 1), dtype=torch.bool, device=latents.device)
    return functional.interpolate(allowed.float(), size=latents.shape[-2:], mode="area") >= 0.5
