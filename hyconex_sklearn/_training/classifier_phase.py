"""Phase 2: rows and a teacher in, a classifier out that has learnt what the teacher says, from the linear start on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._model.classifier import Classifier
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .._model.losses import classification_loss
from .ensemble import Ensemble, fit_ensemble, linear_member
from .loop import Training, annealed
from .rows import Rows

_DRAWN_SHARE = 0.75  # of the rows of a step, where labels are not trusted; two thirds of it where they are
_FEWEST_DRAWN, _MOST_DRAWN = 5_000, 50_000
_KEPT_BACK = 500  # drawn rows that are not learnt from
# Kullback-Leibler divergence from the teacher, in nats, from which on the classifier has not learnt enough.
_UNLIKE = 0.1
_LEAST = 1e-6  # probability


def fit_classifier(
    classifier: Classifier, density: MixedDensity, space: EncodedSpace, training: Training, n_epochs: int
) -> Tensor:
    """Fit linear start, teacher and classifier; return logits (n, K) of all rows by teachers that have not seen them.

    The teacher is the linear start alone where no epoch is wanted.
    """
    linear, start = linear_member(training, classifier.n_classes)
    classifier.set_linear(*start)
    teacher = Ensemble(np.ones(1), [linear])
    if n_epochs:
        teacher = fit_ensemble(training, space, classifier.n_classes, linear)
    rows, x = training.rows, training.rows.x
    fitted = x.new_tensor(teacher.predict_proba(x))
    unseen = fitted.clone()  # beyond the rows that it was fitted to it is unseen anyway
    unseen[: len(teacher.unseen)] = x.new_tensor(teacher.unseen)
    if n_epochs:
        lesson = lesson_of(fitted, unseen, rows)
        distil(classifier, teacher, lesson, draw_rows(density, space, training), training, n_epochs)
    return unseen.clamp(min=_LEAST).log()


class Lesson(NamedTuple):
    """What rows of the table teach."""

    goal: Tensor  # (n, K), probabilities
    share: float  # of the rows of a step


def lesson_of(fitted: Tensor, unseen: Tensor, rows: Rows) -> Lesson:
    """Return the mean of what teachers say that have and have not seen a row, (n, K) each, and of labels if trusted.

    Labels make as much of it as the square of the share of their entropy that teachers explain who have not seen
    them. Where that is nearly all, labels are all but free of noise, and say what the mean of many teachers blurs;
    where it is little, the classifier would learn the noise by heart.
    """
    labels = torch.nn.functional.one_hot(rows.labels, unseen.shape[1]).to(unseen.dtype)
    frequency = (rows.weight @ labels / rows.weight.sum()).expand_as(labels)
    said, known = (classification_loss(p.clamp(min=_LEAST).log(), labels, rows.weight) for p in (unseen, frequency))
    trust = float((1 - said / known).clamp(min=0.0)) ** 2
    goal = (1 - trust) * (unseen + fitted) / 2 + trust * labels
    return Lesson(goal, 1 - _DRAWN_SHARE * (1 - trust / 3))


def accuracy(logits: Tensor, rows: Rows) -> float:
    """Return the share of rows, each as often as it counts, whose label is the one of the largest logit (n, K)."""
    right = (logits.argmax(1) == rows.labels).to(rows.times.dtype)
    return float((right * rows.times).sum() / rows.times.sum())


@torch.no_grad()
def draw_rows(density: MixedDensity, space: EncodedSpace, training: Training) -> Tensor:
    """Return rows drawn from the density (m, d): of classes as frequent as their rows weigh, with gaps as there."""
    rows, generator = training.rows, training.generator
    n = int(np.clip(2 * len(rows), _FEWEST_DRAWN, _MOST_DRAWN))
    share = torch.rand(n, generator=generator, device=rows.x.device)
    like = torch.searchsorted(rows.weight.cumsum(0), rows.weight.sum() * share).clamp(max=len(rows) - 1)
    drawn = density.sample(rows.labels[like]).clamp(space.lower, space.upper)
    return torch.where(space.missing_cells(rows.x[like]), rows.x[like], drawn)


def distil(
    classifier: Classifier, teacher: Ensemble, lesson: Lesson, drawn: Tensor, training: Training, n_epochs: int
) -> None:
    """Phase 2: the classifier learns a lesson of rows of the table, and what the teacher says of `drawn` ones (m, d).

    Without drawn rows it would be told little of the places between rows, where counterfactuals are.
    """
    rows, generator = training.rows, training.generator
    said = drawn.new_tensor(teacher.predict_proba(drawn))
    n_drawn = len(drawn) - _KEPT_BACK
    size = min(training.settings.batch_size, n_drawn)
    n_own = max(1, round(lesson.share * size))

    def some(n: int, most: int) -> Tensor:
        return torch.randint(most, (n,), generator=generator, device=drawn.device)

    def loss(_: Tensor, __: float) -> Tensor:
        own, others = some(n_own, len(rows)), some(size - n_own, n_drawn)
        goal = torch.cat([lesson.goal[own], said[others]])
        weight = torch.cat([rows.weight[own], torch.ones_like(others, dtype=drawn.dtype)])
        return classification_loss(classifier(torch.cat([rows.x[own], drawn[others]])), goal, weight)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {"valid_loss": float(classification_loss(classifier(drawn[n_drawn:]), said[n_drawn:]))}

    for record in training.epochs("classifier", classifier, n_epochs, loss, validate, annealed):
        reached = record["valid_loss"]
    least = float(classification_loss(said[n_drawn:].clamp(min=1e-9).log(), said[n_drawn:]))  # the teacher's own
    if reached - least > _UNLIKE and "classifier" not in training.history.stopped:
        training.history.unconverged.append("classifier")
