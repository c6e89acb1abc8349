"""One attempt: descend from the start latent, judge every step as pixels, keep the best, stop where it is enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._generators import Generator
from ._judge import Judge
from ._objective import Objective, Problem, descend
from ._pixels import allowed_latents, change_mask, compose


@dataclass(frozen=True)
class Best:
    """The best image so far for each of n: valid before not valid, then the more probable.

    Parameters
    ----------
    images : Tensor of shape (n, c, h, w)
        As the user would hold them.
    masks : bool Tensor of shape (n, 1, h, w)
        The region that was given free; outside it nothing changed.
    score : Tensor of shape (n,)
        Probability of the target, plus 1 where the image is valid.
    steps : int Tensor of shape (n,)
        Steps that it took.
    """

    images: Tensor
    masks: Tensor
    score: Tensor
    steps: Tensor

    def update(self, rows: Tensor, images: Tensor, masks: Tensor, score: Tensor, step: int) -> None:
        """Take over what is better, for the images at positions `rows`."""
        better = score > self.score[rows]
        at = rows[better]
        self.images[at], self.masks[at], self.score[at] = images[better], masks[better], score[better]
        self.steps[at] = step


@dataclass(frozen=True)
class Searcher:
    """A search: what generates, what judges, what to descend, and how.

    Parameters
    ----------
    generator : Generator
    judge : Judge
    objective : Objective
    n_steps : int
        Most steps of descent.
    learning_rate : float
        Length of a step, in units of the start latent's root mean square.
    threshold : float
        Share of the largest difference from which on a pixel counts as changed; 0 takes all.
    blur_share : float
        Width of the blur, as a share of the image's shorter side.
    probability : float
        Certified probability of the target at which an image stops.
    """

    generator: Generator
    judge: Judge
    objective: Objective
    n_steps: int
    learning_rate: float
    threshold: float
    blur_share: float
    probability: float

    def relaxed(self, factor: float) -> Searcher:
        """Return the search with its pull to the start and its mask threshold multiplied by `factor`."""
        return replace(
            self,
            objective=replace(self.objective, alpha_proximity=self.objective.alpha_proximity * factor),
            threshold=self.threshold * factor,
        )

    def search(self, problem: Problem, noise: torch.Generator) -> Best:
        """Return the best image found for each image of a problem; `noise` is the source of randomness."""
        rows = torch.arange(len(problem.start), device=problem.start.device)
        unjudged = torch.full(rows.shape, -torch.inf, dtype=torch.float32, device=rows.device)
        best = Best(problem.originals.clone(), torch.zeros_like(problem.allowed), unjudged, torch.zeros_like(rows))
        latents, masks = problem.start, problem.allowed
        free = allowed_latents(problem.allowed, problem.start)
        for step in range(1, self.n_steps + 1):
            gradient = self.objective.gradient(latents, masks, problem, noise)
            latents = descend(latents, gradient * free, problem, self.learning_rate)
            images, masks = self._candidates(latents, problem)
            score, enough = certify(self.judge, images, problem.target, self.probability)
            best.update(rows, images, masks, score, step)
            going = ~enough
            if not bool(going.any()):
                break
            rows, latents, masks, free = (part[going] for part in (rows, latents, masks, free))
            problem = problem.take(going)
        return best

    @torch.no_grad()
    def _candidates(self, latents: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
        """Return the images that these latents stand for, untouched regions reset, and the regions that were not."""
        decoded = self.generator.decode(latents)
        sigma = self.blur_share * min(problem.originals.shape[-2:])
        masks = change_mask(decoded, problem.reconstruction, problem.allowed, self.threshold, sigma)
        return compose(decoded, problem.originals, masks), masks


def certify(judge: Judge, images: Tensor, target: Tensor, enough: float) -> tuple[Tensor, Tensor]:
    """Return score (n,) and whether it is enough (n,), of the images themselves."""
    probabilities = judge.probabilities(images)
    toward = probabilities.gather(1, target[:, None]).squeeze(1)
    valid = probabilities.argmax(1) == target
    return toward + valid, valid & (toward >= enough)
