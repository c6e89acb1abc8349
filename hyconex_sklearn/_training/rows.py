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
    """Encoded rows `x` (n, d), class indices `labels` (n,), what a row counts: `times` (n,), and `weight` (n,).

    `times` are the user's own weights of the rows, with mean 1: one of weight 2 is as good as two rows. `weight` is
    that times the weight of its class, with mean 1, for losses that tell classes apart.
    """

    x: Tensor
    labels: Tensor
    weight: Tensor
    times: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: slice | Tensor) -> Rows:
        return Rows(self.x[at], self.labels[at], self.weight[at], self.times[at])


def split(
    codec: TableCodec,
    X: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    times: np.ndarray,
    fraction: float,
    seed: int,
    device: torch.device,
) -> tuple[Rows, int]:
    """Return the encoded rows, those to train on before those held out, and how many the former are.

    Straight from the table: nothing else holds it encoded. Both parts are shuffled: tables often come sorted by class,
    and some steps take a head.

    Parameters
    ----------
    codec : TableCodec
        Fitted to X.
    X : ndarray or DataFrame of n rows
        The table.
    labels : ndarray of shape (n,)
        Class indices; every class 0..K-1 occurs.
    weight, times : ndarray of shape (n,)
        What rows count, see `Rows`.
    fraction : float
        Share of the rows of each class to hold out.
    """
    rng = np.random.default_rng(seed)
    held_out = draw_held_out(labels, fraction, rng)
    order = rng.permutation(len(labels))
    order = np.concatenate([order[~held_out[order]], order[held_out[order]]])
    place = np.empty(len(labels), dtype=np.intp)  # of each row of the table
    place[order] = np.arange(len(order))
    x = torch.empty(len(order), codec.schema.n_encoded, dtype=torch.float32)
    for part, encoded in codec.encoded_parts(X):
        x.numpy()[place[part]] = encoded
    arrays = (labels, weight.astype(np.float32), times.astype(np.float32))
    return Rows(x.to(device), *(to_tensor(array[order], device) for array in arrays)), int((~held_out).sum())


def draw_held_out(labels: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of held-out rows, the same share of every class; a class of one or two rows gives none."""
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held_out[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    return held_out
