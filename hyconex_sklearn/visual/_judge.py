"""The explained classifier behind one face: logits with a gradient where there is one, probabilities without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._common.runtime import chunks

_SMALLEST_PROBABILITY = 1e-6


class Judge:
    """A classifier of images, asked in batches.

    Parameters
    ----------
    classifier : nn.Module or callable
        Takes float32 images (n, c, h, w) in [0, 1]; returns (n, K) values, as a tensor or an array.
    outputs : {"logits", "probabilities"}
        What these values are.
    """

    def __init__(self, classifier: Callable[..., Any], outputs: str) -> None:
        self.classifier, self._outputs = classifier, outputs
        self._dtype = next((p.dtype for p in parameters_of(classifier) if p.is_floating_point()), torch.float32)

    def logits(self, images: Tensor) -> Tensor:
        """Return float32 logits (n, K), connected to the images where the classifier is."""
        raw = self.classifier(images.to(self._dtype))
        values = (raw if isinstance(raw, Tensor) else torch.tensor(np.asarray(raw))).to(images.device).float()
        if values.ndim != 2 or len(values) != len(images) or values.shape[1] < 2:
            raise ValueError(
                f"The classifier returned shape {tuple(values.shape)} for {len(images)} images; expected "
                f"({len(images)}, K), one value for each of two or more classes. Return two logits for a yes or no."
            )
        if self._outputs == "logits":
            return values
        if bool((values.detach() < -1e-4).any()):
            raise ValueError(
                "The classifier returned negative values, which can't be probabilities. Pass "
                "classifier_output='logits' if it returns logits."
            )
        return values.clamp_min(_SMALLEST_PROBABILITY).log()

    @torch.no_grad()
    def probabilities(self, images: Tensor, batch_size: int | None = None) -> Tensor:
        """Return class probabilities (n, K)."""
        parts = [self.logits(images[rows]).softmax(1) for rows in chunks(len(images), batch_size or len(images))]
        return torch.cat(parts)


def parameters_of(part: object) -> Iterator[Tensor]:
    """Return an iterator over the parameters and buffers of a part, where it is or wraps a module."""
    for module in _modules(part):
        yield from module.parameters()
        yield from module.buffers()


def _modules(*parts: object) -> list[nn.Module]:
    """Return the modules among some parts, or that these wrap as `model`."""
    inner = (part if isinstance(part, nn.Module) else getattr(part, "model", None) for part in parts)
    return [module for module in inner if isinstance(module, nn.Module)]


def device_of(part: object) -> torch.device | None:
    """Return the device that a part computes on; None where it does not tell."""
    first = next(parameters_of(part), None)
    return first.device if first is not None else None


def common_device(images: Tensor, **parts: object) -> torch.device:
    """Return the device that all parts, by their names, compute on; that of the images where none tells.

    Raises
    ------
    ValueError
        If two parts are on different devices. Modules are the user's: none is moved.
    """
    told = {name: device for name, part in parts.items() if (device := device_of(part)) is not None}
    if len(set(told.values())) > 1:
        places = ", ".join(f"{name} on {device}" for name, device in told.items())
        raise ValueError(
            f"classifier and generator must be on one device, got {places}. Move them with .to(device) before you "
            "build the explainer; images are moved by themselves."
        )
    return next(iter(told.values()), images.device)


@contextmanager
def evaluating(*parts: object) -> Iterator[None]:
    """Run the block with modules in evaluation mode; each submodule's own mode returns afterwards."""
    with ExitStack() as stack:
        for module in _modules(*parts):
            for child in module.modules():
                stack.callback(setattr, child, "training", child.training)
            module.eval()
        yield
