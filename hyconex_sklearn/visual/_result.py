"""What an explanation gives back: images, their certificate, and how to cut and read them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._common.positions import row_positions


class VisualStatus(StrEnum):
    """Outcome of one attempt; compares equal to its plain text, such as ``"ok"``."""

    OK = "ok"
    ALREADY_TARGET = "already_target"
    UNSURE = "unsure"
    NOT_VALID = "not_valid"
    RECONSTRUCTION_FAILED = "reconstruction_failed"
    NOTHING_LEFT = "nothing_left"

    @property
    def description(self) -> str:
        """One plain sentence: what happened, and what to try."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    VisualStatus.OK: "The image is classified as the target, as surely as was asked for; nothing to do.",
    VisualStatus.ALREADY_TARGET: (
        "The image was classified as the target before any change, so it came back unchanged; ask for another target."
    ),
    VisualStatus.UNSURE: (
        "The image is classified as the target, but target_probability is not reached; try a larger n_steps or "
        "learning_rate, or a lower target_probability."
    ),
    VisualStatus.NOT_VALID: (
        "No image was found that is classified as the target, the best attempt is shown; try a larger n_steps or "
        "learning_rate, a lower mask_threshold or alpha_proximity, or fewer attempts."
    ),
    VisualStatus.RECONSTRUCTION_FAILED: (
        "The generator can't reproduce the image: it changes class when it is only encoded and decoded, so it came "
        "back unchanged; use a generator that knows such images."
    ),
    VisualStatus.NOTHING_LEFT: (
        "Earlier attempts changed all that could be changed, so the image came back unchanged; ask for fewer attempts, "
        "or raise mask_threshold so that each changes less."
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class VisualCounterfactuals:
    """Counterfactual images with their certificate; what ``explain(images)`` returns.

    Has a length, iterates over results of one image, and is cut like an array: by an integer, a slice, a boolean mask
    (``cf[cf.valid]``) or an array of positions. Each image has one entry for each attempt, in the order of the query,
    then of the attempts.

    Parameters
    ----------
    images : float32 ndarray of shape (m, c, h, w)
        The counterfactual images: in [0, 1], rounded to 8 bit. All else is computed from these very pixels.
    originals : float32 ndarray of shape (m, c, h, w)
        The explained images, aligned with `images` and rounded to 8 bit, too. A pixel that did not change is theirs.
    position : int ndarray of shape (m,)
        Position of the explained image in the query.
    target, rank : int ndarrays of shape (m,)
        Class asked for; number of the attempt, from 0.
    probabilities, probabilities_before : float32 ndarrays of shape (m, K)
        Class probabilities of the counterfactual and of the original.
    status : ndarray of shape (m,)
        Outcome of each attempt, as `VisualStatus`.
    n_steps : int ndarray of shape (m,)
        Steps of the search to the image.
    """

    images: np.ndarray
    originals: np.ndarray
    position: np.ndarray
    target: np.ndarray
    rank: np.ndarray
    probabilities: np.ndarray
    probabilities_before: np.ndarray
    status: np.ndarray
    n_steps: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if len(value) != len(self.images):
                raise ValueError(
                    f"{field.name} has {len(value)} entries, but there are {len(self.images)} images; give one each."
                )

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[VisualCounterfactuals]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, key: Any) -> VisualCounterfactuals:
        rows = row_positions(key, len(self))
        return VisualCounterfactuals(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def predictions(self) -> np.ndarray:
        """Class that the classifier sees in each counterfactual, shape (m,)."""
        return self.probabilities.argmax(1)

    @property
    def predictions_before(self) -> np.ndarray:
        """Class that it sees in the original, shape (m,)."""
        return self.probabilities_before.argmax(1)

    @property
    def valid(self) -> np.ndarray:
        """Whether each counterfactual is classified as its target, shape (m,)."""
        return self.predictions == self.target

    @property
    def masks(self) -> np.ndarray:
        """Which pixels changed in any channel, bool of shape (m, h, w)."""
        return (self.images != self.originals).any(1)

    @cached_property
    def report(self) -> pd.DataFrame:
        """One line per counterfactual.

        Columns ``image`` (position in the query), ``target``, ``rank``, ``prediction_before``, ``prediction``,
        ``probability_before``, ``probability`` (both of the target), ``valid``, ``distance_l1`` (mean over the pixels'
        values), ``distance_l2`` (root mean square), ``changed`` (share of the pixels), ``n_steps``, ``status``.
        """
        moved = _flat(self.images.astype(np.float64) - self.originals)
        rows = np.arange(len(self))
        return pd.DataFrame(
            {
                "image": self.position,
                "target": self.target,
                "rank": self.rank,
                "prediction_before": self.predictions_before,
                "prediction": self.predictions,
                "probability_before": self.probabilities_before[rows, self.target],
                "probability": self.probabilities[rows, self.target],
                "valid": self.valid,
                "distance_l1": np.abs(moved).mean(1),
                "distance_l2": np.sqrt(np.square(moved).mean(1)),
                "changed": _flat(self.masks).mean(1),
                "n_steps": self.n_steps,
                "status": self.status,
            }
        )

    def __repr__(self) -> str:
        if not len(self):
            return "VisualCounterfactuals: none"
        counts = ", ".join(f"{count} {status}" for status, count in self.report["status"].value_counts().items())
        size = "x".join(str(side) for side in self.images.shape[1:])
        changed = self.report["changed"][self.valid].mean() if self.valid.any() else 0.0
        noun = "counterfactual" if len(self) == 1 else "counterfactuals"
        return (
            f"VisualCounterfactuals: {len(self)} {noun} of {size} pixels, {self.valid.mean():.0%} valid, "
            f"{changed:.0%} of the pixels changed in these ({counts})"
        )


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), math.prod(array.shape[1:]))  # -1 can't be resolved where there are none
