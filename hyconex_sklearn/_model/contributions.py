"""Pairs of rows in, what each column adds to the logits on the way from one to the other out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .._common.runtime import in_chunks
from .encoded_space import EncodedSpace

_ORDERS = 4  # random ones; each is also walked backwards, so that no column always comes first


def contributions(logits: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, space: EncodedSpace) -> Tensor:
    """Return what each table column adds to each logit on the way from `start` to `end` (n, d): (n, K, n_columns).

    Shapley values by sampled orders: columns are exchanged one after the other, and what a column adds is the gain at
    its exchange, averaged over orders. Whatever the orders, these sum to logits(end) - logits(start), and a column
    that is the same in both rows adds nothing. Categories are exchanged whole, gaps with their indicator.

    References
    ----------
    Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling", Computers & Operations
    Research 36 (2009).
    """
    n_columns = space.n_columns
    ranks = torch.tensor(_ranks(n_columns), device=start.device)  # (orders, n_columns)
    exchanged = (
        torch.arange(n_columns + 1, device=start.device)[:, None] > ranks[:, None, :]
    )  # (orders, steps, columns)
    exchanged = exchanged[:, :, space.owner]

    def added(start: Tensor, end: Tensor) -> Tensor:
        total = start.new_zeros(())
        for rank, own in zip(ranks, exchanged, strict=True):
            rows = torch.where(own, end[:, None], start[:, None])  # (n, steps, d)
            gains = logits(rows.flatten(0, 1)).unflatten(0, rows.shape[:2]).diff(dim=1)  # (n, columns in order, K)
            total = total + gains[:, rank]
        return (total / len(ranks)).transpose(1, 2)

    return in_chunks(added, start, end, width=(n_columns + 1) * max(space.n_features, 128))


def _ranks(n_columns: int) -> np.ndarray:
    """Return the place of each column in each order, the same ones every time: (2 * _ORDERS, n_columns)."""
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(n_columns) for _ in range(_ORDERS)])
    return np.concatenate([orders, n_columns - 1 - orders])
