"""The explainer: store, validate, call the stations in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from torch import Tensor

from .._common.parameters import check_number, check_parameters
from .._common.runtime import chunks, plain_torch
from ._attempts import Attempts, diversify, reconstruct
from ._checks import RULES, check_images, check_latents, check_surrogate, check_target, check_target_range
from ._judge import Judge, common_device, evaluating
from ._objective import Objective, Problem
from ._pixels import quantise
from ._result import VisualCounterfactuals, VisualStatus
from ._search import Searcher

_ROUNDING = 1e-5  # a network's values differ by so much between batches of different sizes


class VisualCounterfactualExplainer(BaseEstimator):
    """Counterfactual images for a classifier, searched in the latent space of a generative model.

    The latent of an image is moved until the classifier sees the target in the decoded image. Regions that hardly
    differ are reset to the original, so that only what matters changes. Classifier and generator are used as they are:
    nothing is trained, moved or changed. Modules are in evaluation mode while they are asked; before several threads
    ask, put them into it yourself, with ``.eval()``.

    Parameters
    ----------
    classifier : torch.nn.Module or callable
        The explained model. Takes float32 images (n, c, h, w) in [0, 1], returns (n, K) values, K >= 2.
    generator : object
        Has ``encode(images) -> latents`` and ``decode(latents) -> images``: `ConvAutoencoder`, an adapter of diffusers,
        `PixelSpace`, or your own; nothing need be inherited.
    n_steps : int, default=100
        Most steps of a search.
    learning_rate : float, default=0.2
        Length of a step, in units of the start latent's root mean square, so that it serves any generator.
    objective : {"cross_entropy", "margin"}, default="cross_entropy"
        What draws toward the target: its log-probability, or its lead in logits over the other classes.
    proximity : {"l1", "l2"}, default="l1"
        Which distance to the start latent is pulled at.
    alpha_proximity : float, default=0.1
        Weight of that pull.
    smoothing : {"noise", "surrogate"} or None, default="noise"
        Where the gradient comes from: the classifier, averaged over noisy latents; its smooth `surrogate`, which
        serves classifiers without a gradient, too; or None, the classifier as it is: fewer images to decode and to
        keep in memory, and answers that persuade other classifiers less often.
    n_smooth : int, default=4
        Noisy latents that are averaged over, decoded in one batch. For ``smoothing="noise"``.
    noise_scale : float, default=1.0
        Standard deviation of that noise, in units of the start latent's root mean square. It has to reach the classes
        around the image: a tenth of it changes nothing.
    surrogate : torch.nn.Module or None, default=None
        Smooth imitation of the classifier that returns logits, from `distill_surrogate`. For ``smoothing="surrogate"``.
    mask_threshold : float, default=0.3
        Share of the largest blurred difference below which a pixel is reset to the original; 0 resets none. In [0, 1).
    mask_blur : float, default=0.03
        Width of that blur, as a share of the image's shorter side.
    relaxation : float, default=0.5
        Factor of `alpha_proximity` and `mask_threshold` from one attempt to the next: what is left is harder.
    target_probability : float, default=0.99
        A search stops where the classifier gives the target this probability, in the pixels that are returned. In
        [0, 1). An overconfident classifier wants more, or its answers persuade nobody else.
    classifier_output : {"logits", "probabilities"}, default="logits"
        What the classifier's values are.
    batch_size : int, default=64
        Images that are searched at once; lower it where a large generator fills the memory.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. None gives the same answer every time.

    References
    ----------
    "SCE-LITE-HQ: Smooth visual counterfactual explanations with generative foundation models", arXiv 2603.17048.

    Examples
    --------
    A classifier that sees only whether there is more light on the left of an image, or on the right:

    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from hyconex_sklearn.visual import ConvAutoencoder, VisualCounterfactualExplainer
    >>> images = torch.tensor(load_digits().images[:200, None] / 16, dtype=torch.float32)  # (200, 1, 8, 8)
    >>> def classifier(images):
    ...     left, right = images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))
    ...     return 50 * torch.stack([left - right, right - left], dim=1)
    >>> generator = ConvAutoencoder(image_shape=(1, 8, 8), n_epochs=20, random_state=0).fit(images)
    >>> cf = VisualCounterfactualExplainer(classifier, generator, random_state=0).explain(images[:2])
    >>> cf.report[["image", "prediction_before", "target", "prediction", "valid"]]
       image  prediction_before  target  prediction  valid
    0      0                  0       1           1   True
    1      1                  1       0           0   True
    """

    def __init__(
        self,
        classifier: Any,
        generator: Any,
        *,
        n_steps: int = 100,
        learning_rate: float = 0.2,
        objective: str = "cross_entropy",
        proximity: str = "l1",
        alpha_proximity: float = 0.1,
        smoothing: str | None = "noise",
        n_smooth: int = 4,
        noise_scale: float = 1.0,
        surrogate: Any = None,
        mask_threshold: float = 0.3,
        mask_blur: float = 0.03,
        relaxation: float = 0.5,
        target_probability: float = 0.99,
        classifier_output: str = "logits",
        batch_size: int = 64,
        random_state: Any = None,
    ) -> None:
        self.classifier = classifier
        self.generator = generator
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.objective = objective
        self.proximity = proximity
        self.alpha_proximity = alpha_proximity
        self.smoothing = smoothing
        self.n_smooth = n_smooth
        self.noise_scale = noise_scale
        self.surrogate = surrogate
        self.mask_threshold = mask_threshold
        self.mask_blur = mask_blur
        self.relaxation = relaxation
        self.target_probability = target_probability
        self.classifier_output = classifier_output
        self.batch_size = batch_size
        self.random_state = random_state

    def explain(self, images: Any, target: Any = None, n_counterfactuals: int = 1) -> VisualCounterfactuals:
        """Return counterfactual images.

        Parameters
        ----------
        images : array or tensor of shape (n, c, h, w)
            Floats in [0, 1]; they are rounded to 8 bit, which leaves images that come from a file as they are.
        target : None, int or array of int of shape (n,), default=None
            Class to reach: None takes each image's runner-up.
        n_counterfactuals : int, default=1
            Attempts for each image. Each may change only what earlier ones left alone.

        Returns
        -------
        VisualCounterfactuals
            Of length n * n_counterfactuals: no image is dropped and none raises, ``status`` says what happened.

        Raises
        ------
        ValueError, TypeError
            If a parameter, the images, the target, or what classifier and generator return can't be used.
        """
        check_parameters(self, RULES)
        check_surrogate(self.smoothing, self.surrogate)
        check_number(n_counterfactuals, "It is the number of attempts for each image.")
        pixels = check_images(images)
        wanted = check_target(target, len(pixels))
        device = common_device(pixels, classifier=self.classifier, generator=self.generator, surrogate=self.surrogate)
        seed = 0 if self.random_state is None else int(check_random_state(self.random_state).randint(2**31))
        with plain_torch(), evaluating(self.classifier, self.generator, self.surrogate):
            parts = [
                self._explain_batch(
                    quantise(pixels[rows].to(device)),
                    None if wanted is None else wanted[rows],
                    n_counterfactuals,
                    lambda attempt: torch.Generator().manual_seed(seed + attempt),
                    rows.start,
                )
                for rows in chunks(len(pixels), self.batch_size)
            ]
        return VisualCounterfactuals(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def _explain_batch(
        self,
        originals: Tensor,
        wanted: np.ndarray | None,
        k: int,
        noise: Callable[[int], torch.Generator],
        offset: int,
    ) -> dict[str, np.ndarray]:
        """Return the fields of the result for one batch of quantised images."""
        judge = Judge(self.classifier, self.classifier_output)
        before = judge.probabilities(originals)
        target = _targets(wanted, before)
        with torch.no_grad():
            start = self.generator.encode(originals)
        check_latents(start, originals)
        start = start.detach().float()
        reconstruction, seen = reconstruct(self.generator, start, originals)
        # Not finite: a half-precision decoder that overflows. The class of such an image would be an accident.
        sound = reconstruction.isfinite().flatten(1).all(1) & (judge.probabilities(seen).argmax(1) == before.argmax(1))
        problem = Problem(originals, start, reconstruction, target, torch.ones_like(originals[:, :1], dtype=torch.bool))
        wanting = sound & (before.argmax(1) != target)
        found = diversify(problem, wanting, k, self._searcher(judge), self.relaxation, noise)
        return _fields(judge, problem, found, before, sound, offset, self.target_probability)

    def _searcher(self, judge: Judge) -> Searcher:
        slope = Judge(self.surrogate, "logits") if self.smoothing == "surrogate" else judge
        objective = Objective(
            decode=self.generator.decode,
            logits=slope.logits,
            loss=self.objective,
            pull=self.proximity,
            alpha_proximity=self.alpha_proximity,
            n_copies=self.n_smooth if self.smoothing == "noise" else 0,
            noise_scale=self.noise_scale,
        )
        steps, mask = (self.n_steps, self.learning_rate), (self.mask_threshold, self.mask_blur)
        return Searcher(self.generator, judge, objective, *steps, *mask, self.target_probability)


def _targets(wanted: np.ndarray | None, before: Tensor) -> Tensor:
    """Return the class asked for of each image, (n,): the runner-up where none is named."""
    if not bool(before.isfinite().all()):
        raise ValueError(
            "The classifier returned NaN or infinite values for the images; check its weights and its input scaling."
        )
    if wanted is None:
        return before.topk(2, dim=1).indices[:, 1]
    check_target_range(wanted, before.shape[1])
    return torch.from_numpy(wanted).to(before.device)


def _fields(
    judge: Judge,
    problem: Problem,
    found: Attempts,
    before: Tensor,
    sound: Tensor,
    offset: int,
    enough: float,
) -> dict[str, np.ndarray]:
    """Judge the pixels that the user will hold, and say how each attempt ended."""
    n, k = found.steps.shape
    images = found.images.flatten(0, 1)
    after = judge.probabilities(images, batch_size=n)
    originals, target, before = (part.repeat_interleave(k, 0) for part in (problem.originals, problem.target, before))
    wrong = {
        VisualStatus.ALREADY_TARGET: before.argmax(1) == target,
        VisualStatus.RECONSTRUCTION_FAILED: ~sound.repeat_interleave(k),
        VisualStatus.NOTHING_LEFT: found.nothing_left.flatten(),
        VisualStatus.NOT_VALID: after.argmax(1) != target,
        VisualStatus.UNSURE: after.gather(1, target[:, None]).squeeze(1) < enough - _ROUNDING,
    }
    status = np.select([_array(condition) for condition in wrong.values()], list(wrong), VisualStatus.OK)
    return {
        "images": _array(images),
        "originals": _array(originals),
        "position": offset + np.repeat(np.arange(n), k),
        "target": _array(target),
        "rank": np.tile(np.arange(k), n),
        "probabilities": _array(after),
        "probabilities_before": _array(before),
        "status": status.astype(object),
        "n_steps": _array(found.steps.flatten()),
    }


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy())
