"""A module and a loss of rows in; the module trained, and the mean loss of each epoch out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .._common.runtime import minibatches


def train(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    n: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
) -> list[float]:
    """Descend `loss(rows)` of batches out of `n` rows, shuffled by `seed`, in one cycle of the learning rate."""
    size = min(batch_size, n)
    steps = n_epochs * max(1, n // size)
    optimiser = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)
    shuffle = torch.Generator().manual_seed(seed)
    history = []
    for _ in range(n_epochs):
        losses = []
        for rows in minibatches(n, size, 1, shuffle):
            optimiser.zero_grad()
            value = loss(rows)
            value.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(value.detach()))
        history.append(sum(losses) / len(losses))
    return history
