"""Checks of what a user passes: every message says what it got, what it expected and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._common.parameters import SEED, Rule, integer_rule, real_rule
from ._generators import Generator
from ._objective import OBJECTIVES, PULLS

SMOOTHINGS = (None, "noise", "surrogate")
OUTPUTS = ("logits", "probabilities")


def one_of(*values: Any) -> Rule:
    """Return the rule of a text, or None, out of a few."""
    expected = f"one of {', '.join(repr(value) for value in values)}"
    return Rule(expected, lambda value: value is None or isinstance(value, str), lambda value: value in values)


RULES: dict[str, tuple[Rule, str]] = {
    "classifier": (
        Rule("a torch module or another callable", callable),
        "It takes images (n, c, h, w) and returns one value for each class.",
    ),
    "generator": (
        Rule("an object with the methods encode and decode", lambda value: isinstance(value, Generator)),
        "Use ConvAutoencoder().fit(images), an adapter of diffusers, or your own class.",
    ),
    "n_steps": (integer_rule(1), "It is the most steps of a search."),
    "learning_rate": (real_rule(0, open_low=True), "It is the length of a step in units of the latent; try 0.05."),
    "objective": (one_of(*OBJECTIVES), "It is what draws an image toward its target."),
    "proximity": (one_of(*PULLS), "It is how the distance to the start latent is measured."),
    "alpha_proximity": (real_rule(0), "It weighs how near a latent stays to its start; 0 lets it go."),
    "smoothing": (one_of(*SMOOTHINGS), "None takes the gradient as it is."),
    "n_smooth": (integer_rule(1), "It is the number of noisy latents that a gradient is averaged over."),
    "noise_scale": (real_rule(0), "It is the standard deviation of the noise in units of the latent; try 0.1."),
    "surrogate": (
        Rule("None or a torch module that returns logits", lambda value: value is None or isinstance(value, nn.Module)),
        "Use distill_surrogate(classifier, images).",
    ),
    "mask_threshold": (real_rule(0, 1), "It is a share of the largest change; 0 switches the mask off."),
    "mask_blur": (real_rule(0), "It is a share of the image's shorter side, such as 0.03."),
    "relaxation": (real_rule(0), "It is the factor of the pull from one attempt to the next; 0.5 halves it."),
    "target_probability": (real_rule(0, 1), "It is the certified probability at which a search stops, such as 0.99."),
    "classifier_output": (one_of(*OUTPUTS), "It says what the classifier returns."),
    "batch_size": (integer_rule(1), "It is the number of images that are searched at once."),
    "random_state": (SEED, "Pass an integer for results that can be repeated."),
}


def check_surrogate(smoothing: str | None, surrogate: Any) -> None:
    """Raise if a surrogate is asked for and there is none."""
    if smoothing == "surrogate" and surrogate is None:
        raise ValueError(
            "smoothing='surrogate' needs a surrogate, got None. Pass "
            "surrogate=distill_surrogate(classifier, images), with images like those to be explained."
        )


def check_images(images: Any) -> Tensor:
    """Return images as a float32 tensor (n, c, h, w) where they are, after checking shape, dtype and range."""
    tensor = images.detach() if isinstance(images, Tensor) else torch.tensor(_array(images))
    if tensor.ndim != 4:
        raise ValueError(
            f"images must have shape (n, c, h, w), got {tuple(tensor.shape)}. Add the missing axes, such as "
            "images[None] for a single image or images[:, None] for images without channels."
        )
    if not tensor.is_floating_point():
        raise TypeError(f"images must be floats in [0, 1], got dtype {tensor.dtype}. Divide 8-bit images by 255 first.")
    if 0 in tensor.shape:
        raise ValueError(f"images is empty, got shape {tuple(tensor.shape)}. Pass at least one image.")
    low, high = float(tensor.min()), float(tensor.max())
    if not (low >= 0 and high <= 1):  # NaN, too
        raise ValueError(
            f"images must be in [0, 1] without NaN, got values from {low:g} to {high:g}. Undo the normalisation of "
            "means and standard deviations, and put it into the classifier: torch.nn.Sequential(normalise, network)."
        )
    return tensor.to(torch.float32)


def _array(images: Any) -> np.ndarray:
    array = np.asarray(images)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"images must be a numeric array or tensor, got {type(images).__name__} of dtype {array.dtype}. Stack the "
            "images into one array of shape (n, c, h, w)."
        )
    return np.ascontiguousarray(array)


def check_target(target: Any, n: int) -> np.ndarray | None:
    """Return the classes asked for, int array of shape (n,), or None for each image's runner-up."""
    if target is None:
        return None
    array = np.asarray(target.detach().cpu() if isinstance(target, Tensor) else target)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"target must be a class number, one number for each image, or None for each image's runner-up; got "
            f"{target!r:.80}."
        )
    if array.ndim > 1 or (array.ndim == 1 and len(array) != n):
        raise ValueError(
            f"target has shape {array.shape}, but there are {n} images. Pass one class number for all of them, or an "
            "array with one for each."
        )
    return np.broadcast_to(array, (n,)).astype(np.int64)


def check_target_range(target: np.ndarray, n_classes: int) -> None:
    """Raise if a class is asked for that the classifier does not have."""
    wrong = target[(target < 0) | (target >= n_classes)]
    if len(wrong):
        raise ValueError(
            f"target contains the class {wrong[0]}, but the classifier has {n_classes} classes. Ask for a number from "
            f"0 to {n_classes - 1}."
        )


def check_latents(latents: Any, images: Tensor) -> None:
    """Raise if the generator's latents are no float tensor with one entry for each image, or are elsewhere."""
    n = len(images)
    if not isinstance(latents, Tensor) or latents.ndim < 2 or len(latents) != n or not latents.is_floating_point():
        got = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise ValueError(
            f"generator.encode returned {got} for {n} images; expected a float tensor of shape ({n}, ...), one latent "
            "for each image. Return the latents themselves, not a distribution or an output object."
        )
    if latents.device != images.device:
        raise ValueError(
            f"The generator's latents are on {latents.device}, but the classifier is on {images.device}. Move one of "
            "them with .to(device) before you build the explainer."
        )
