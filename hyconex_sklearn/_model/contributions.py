"""Pairs of rows in, what each column adds to the logits on the way from one to the other out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .._common.runtime import chunks, in_chunks
from .encoded_space import EncodedSpace

_CELLS = 16_000_000  # of hybrid rows at a time
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

    def walked(rank: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Return the logits (n, steps, K) from start to end, some steps at a time: tables may be wide."""
        parts = []
        for steps in chunks(n_columns + 1, max(1, _CELLS // start.numel())):
            step = torch.arange(steps.start, steps.stop, device=start.device)
            rows = torch.where((step[:, None] > rank)[:, space.owner], end[:, None], start[:, None])  # (n, steps, d)
            parts.append(logits(rows.flatten(0, 1)).unflatten(0, rows.shape[:2]))
        return torch.cat(parts, 1)

    def added(start: Tensor, end: Tensor) -> Tensor:
        total = start.new_zeros(())
        for rank in ranks:
            total = total + walked(rank, start, end).diff(dim=1)[:, rank]  # (n, columns, K)
        changed = (
            space.by_column((start != end).to(total.dtype)) > 0
        )  # what is the same in both adds no rounding either
        return (total / len(ranks) * changed[:, :, None]).transpose(1, 2)

    return in_chunks(added, start, end, width=(n_columns + 1) * max(space.n_features, 128))


def _ranks(n_columns: int) -> np.ndarray:
    """Return the place of each column in each order, the same ones every time: (2 * _ORDERS, n_columns)."""
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(n_columns) for _ in range(_ORDERS)])
    return np.concatenate([orders, n_columns - 1 - orders])
