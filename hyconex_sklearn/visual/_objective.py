"""What a step of the search descends: toward the target, near the start, on a slope that may be smoothed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ._pixels import compose

OBJECTIVES = ("cross_entropy", "margin")
PULLS = ("l1", "l2")


@dataclass(frozen=True)
class Problem:
    """Images on their way to targets; all tensors have one entry for each of n images.

    Parameters
    ----------
    originals : Tensor of shape (n, c, h, w)
        Quantised images.
    start : Tensor of shape (n, ...)
        Their latents.
    reconstruction : Tensor of shape (n, c, h, w)
        What the generator makes of these.
    target : int Tensor of shape (n,)
        Class asked for.
    allowed : bool Tensor of shape (n, 1, h, w)
        Pixels that may change.
    """

    originals: Tensor
    start: Tensor
    reconstruction: Tensor
    target: Tensor
    allowed: Tensor

    def take(self, rows: Tensor) -> Problem:
        """Return the problem of some images, by positions or by a mask."""
        return Problem(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def scale(self) -> Tensor:
        """Root mean square of each start latent, to be broadcast: the unit of steps and noise, whatever the generator.

        Of each image alone, so that an image is explained in the same way in every batch.
        """
        return _rms(self.start).clamp_min(1e-6)


@dataclass(frozen=True)
class Objective:
    """Loss of latents, and its gradient.

    Parameters
    ----------
    decode : callable
        Latents to images.
    logits : callable
        Images to logits that have a gradient: the explained classifier's, or those of its smooth surrogate.
    loss : {"cross_entropy", "margin"}
        Toward the target: its negative log-probability, or how far the other classes' logits are above its own.
    pull : {"l1", "l2"}
        Distance to the start latent.
    alpha_proximity : float
        Weight of the pull.
    n_copies : int
        Noisy copies of each latent over which the gradient is averaged; 0 takes the latent itself.
    noise_scale : float
        Standard deviation of the noise, in units of the start latent's root mean square.
    """

    decode: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor], Tensor]
    loss: str
    pull: str
    alpha_proximity: float
    n_copies: int = 0
    noise_scale: float = 0.0

    def gradient(self, latents: Tensor, mask: Tensor, problem: Problem, generator: torch.Generator) -> Tensor:
        """Return the gradient of the loss at `latents` (n, ...), for images that change inside `mask` only."""
        latents = latents.detach().requires_grad_()
        copies = self._copies(latents, problem.scale, generator)  # (copies * n, ...)
        times = len(copies) // len(latents)
        images = compose(self.decode(copies), _repeat(problem.originals, times), _repeat(mask, times))
        logits = self.logits(images)
        if not logits.requires_grad:
            raise ValueError(
                "No gradient comes from the classifier: its output does not depend on the images through torch "
                "operations. Pass smoothing='surrogate' and surrogate=distill_surrogate(classifier, images)."
            )
        toward = self._toward(logits, problem.target.repeat(times)).sum() / times
        total = toward + self.alpha_proximity * self._distance((latents - problem.start) / problem.scale).sum()
        (gradient,) = torch.autograd.grad(total, latents)
        return gradient

    def _copies(self, latents: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        if not self.n_copies:
            return latents
        # Every image sees the same noise, so that its answer does not depend on what else is in the batch.
        shape = (self.n_copies, 1, *latents.shape[1:])
        noise = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").to(latents)
        return (latents + self.noise_scale * scale * noise).flatten(0, 1)

    def _toward(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.loss == "cross_entropy":
            return functional.cross_entropy(logits, target, reduction="none")
        own = logits.gather(1, target[:, None])
        others = logits.scatter(1, target[:, None], -torch.inf)
        return (others.logsumexp(1, keepdim=True) - own).squeeze(1)

    def _distance(self, moved: Tensor) -> Tensor:
        moved = moved.flatten(1)
        return moved.abs().mean(1) if self.pull == "l1" else moved.square().mean(1)


def descend(latents: Tensor, gradient: Tensor, problem: Problem, learning_rate: float) -> Tensor:
    """Return latents after one step of fixed length.

    The length is `learning_rate` in units of the start latent's root mean square: a confident classifier's gradient
    all but vanishes, and one step size has to serve every image.
    """
    direction = torch.nan_to_num(gradient)
    return latents - learning_rate * problem.scale * direction / _rms(direction).clamp_min(1e-20)


def _rms(latents: Tensor) -> Tensor:
    mean = latents.flatten(1).square().mean(1).sqrt()
    return mean.view(-1, *(1,) * (latents.ndim - 1))


def _repeat(tensor: Tensor, times: int) -> Tensor:
    return tensor.repeat(times, *(1,) * (tensor.ndim - 1))
