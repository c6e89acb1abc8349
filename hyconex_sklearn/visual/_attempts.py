"""Several attempts for each image, each where the earlier ones changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._generators import Generator
from ._objective import Problem
from ._pixels import allowed_latents, compose
from ._search import Searcher


@dataclass(frozen=True)
class Attempts:
    """What k attempts made of n images, before the final certificate.

    Parameters
    ----------
    images : Tensor of shape (n, k, c, h, w)
        The best image of each attempt; the original where none was made.
    steps : int Tensor of shape (n, k)
        Steps to it.
    nothing_left : bool Tensor of shape (n, k)
        Whether earlier attempts had left nothing to change.
    """

    images: Tensor
    steps: Tensor
    nothing_left: Tensor


def diversify(
    problem: Problem,
    asked: Tensor,
    k: int,
    searcher: Searcher,
    relaxation: float,
    noise: Callable[[int], torch.Generator],
) -> Attempts:
    """Return k attempts for the images that are asked for, bool (n,).

    Attempt r may change neither pixels nor latents that attempts 0 to r-1 changed, whether or not they succeeded. Its
    pull to the start and its mask threshold are lower by `relaxation` each time, since what is left is the harder part.
    `noise` gives the source of randomness of each attempt.
    """
    none = torch.zeros(len(asked), k, dtype=torch.long, device=asked.device)
    found = Attempts(problem.originals[:, None].repeat(1, k, 1, 1, 1), steps=none, nothing_left=none.bool())
    allowed = problem.allowed.clone()
    for attempt in range(k):
        left = allowed.flatten(1).any(1) & allowed_latents(allowed, problem.start).flatten(1).any(1)
        found.nothing_left[:, attempt] = asked & ~left
        rows = torch.nonzero(asked & left).squeeze(1)
        if not len(rows):
            continue
        now = replace(problem, allowed=allowed).take(rows)
        best = searcher.relaxed(relaxation**attempt).search(now, noise(attempt))
        found.images[rows, attempt], found.steps[rows, attempt] = best.images, best.steps
        allowed[rows] &= ~best.masks
    return found


def reconstruct(generator: Generator, start: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
    """Return the decoded start latents (n, c, h, w), and as the images that a user would hold."""
    with torch.no_grad():
        decoded = generator.decode(start)
    if decoded.shape != originals.shape:
        raise ValueError(
            f"The generator decodes images of shape {tuple(originals.shape)} to shape {tuple(decoded.shape)}; expected "
            "the same. Resize or crop the images to a size that it can return, often a multiple of 8 or 16, and give "
            "them as many channels as it has."
        )
    everywhere = torch.ones_like(originals[:, :1], dtype=torch.bool)
    return decoded, compose(decoded, originals, everywhere)
