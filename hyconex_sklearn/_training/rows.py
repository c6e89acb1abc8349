"""A table in, encoded training and held-out rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._common.runtime import to_tensor
from .._table.codec import TableCodec


@dataclass(frozen=True)
class Rows:
    """Encoded rows `x` (n, d), class indices `labels` (n,) and row weights `weight` (n,)."""

    x: Tensor
    labels: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.x)


def split(
    codec: TableCodec,
    X: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    fraction: float,
    seed: int,
    device: torch.device,
) -> tuple[Rows, Rows]:
    """Return encoded training and held-out rows, straight from the table: nothing else holds it encoded.

    They are shuffled: tables often come sorted by class, and some steps take a head. Where no row can be held out,
    training rows serve for both.

    Parameters
    ----------
    codec : TableCodec
        Fitted to X.
    X : ndarray or DataFrame of n rows
        The table.
    labels : ndarray of shape (n,)
        Class indices; every class 0..K-1 occurs.
    weight : ndarray of shape (n,)
        Row weights with mean 1.
    fraction : float
        Share of the rows of each class to hold out.
    """
    rng = np.random.default_rng(seed)
    held_out = draw_held_out(labels, fraction, rng)
    order = rng.permutation(len(labels))
    parts = [order[~held_out[order]], order[held_out[order]]]
    place = np.empty(len(labels), dtype=np.intp)  # of each row in its part
    for part in parts:
        place[part] = np.arange(len(part))
    x = [torch.empty(len(part), codec.schema.n_encoded, dtype=torch.float32) for part in parts]
    for rows, encoded in codec.encoded_parts(X):
        for out, own in zip(x, (~held_out[rows], held_out[rows]), strict=True):
            out.numpy()[place[rows][own]] = encoded[own]
    arrays = (labels, weight.astype(np.float32))
    train, valid = (
        Rows(own.to(device), *(to_tensor(array[part], device) for array in arrays))
        for own, part in zip(x, parts, strict=True)
    )
    return train, valid if len(valid) else train


def draw_held_out(labels: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of held-out rows, the same share of every class; a class of one or two rows gives none."""
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held_out[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    return held_out
