"""What all phases of training share: epochs, batches, steps, and the best epoch kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._common.runtime import copy_state, minibatches
from .._model.hypernetwork import HyperNetwork
from .history import History

_MIN_STEPS = 4  # steps of an epoch, however small the table


@dataclass(frozen=True)
class Schedule:
    """How to train: sizes, rates and the source of randomness that all three phases share."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    generator: torch.Generator


class EarlyStopping:
    """Keeps the state of the best epoch and says when `patience` epochs brought nothing better."""

    def __init__(self, module: nn.Module, patience: int) -> None:
        self._module, self._patience = module, patience
        self._since = 1  # the state before training is not an improvement
        self.best: tuple[float, ...] = (-math.inf,)
        self.kept: int | None = None  # epoch of the best state; None: that before the first one
        self._state = copy_state(module)

    def update(self, score: tuple[float, ...], epoch: int | None = None) -> bool:
        """Note the epoch's score (larger is better, compared item by item); return whether to stop."""
        if score > self.best:
            self.best, self._since, self._state, self.kept = score, 0, copy_state(self._module), epoch
        else:
            self._since += 1
        return self._since >= self._patience

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best one: training ended before it converged."""
        return self._since == 0

    def restore(self) -> None:
        """Put the best epoch's state back."""
        self._module.load_state_dict(self._state)


def n_epochs(asked: int | None, n_rows: int, schedule: Schedule, steps: int) -> int:
    """Return the epochs of a phase: as asked, else as many as make about `steps` steps, 5 at least."""
    if asked is not None:
        return asked
    return max(5, steps // steps_of_epoch(n_rows, schedule))


def steps_of_epoch(n_rows: int, schedule: Schedule) -> int:
    return max(n_rows // min(schedule.batch_size, n_rows), _MIN_STEPS)


def epoch_batches(n_rows: int, schedule: Schedule) -> Iterator[Tensor]:
    return minibatches(n_rows, schedule.batch_size, _MIN_STEPS, schedule.generator)


def make_optimiser(module: nn.Module, schedule: Schedule, faster: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        module.parameters(), lr=faster * schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )


def take_step(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
    """Take one optimiser step down the loss, gradients clipped; return the loss, for which nothing has to wait yet."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 5.0)
    optimiser.step()
    return loss.detach()


def mean_loss(losses: list[Tensor]) -> float:
    return float(torch.stack(losses).double().mean())


def finish_phase(best: EarlyStopping, phase: str, history: History) -> None:
    """Restore the best epoch and note a phase that was still improving when its epochs ran out."""
    if best.still_improving and phase not in history.stopped and history.count(phase):
        history.unconverged.append(phase)
    history.keep(phase, best.kept)
    best.restore()


def annealed(
    network: HyperNetwork,
    loss: Callable[[Tensor, float], Tensor],
    n_rows: int,
    schedule: Schedule,
    phase: str,
    epochs: int,
    history: History,
    validate: Callable[[], dict[str, float]],
) -> Iterator[dict[str, float]]:
    """Descend `loss(rows, progress)` for some epochs under a cosine learning rate, yielding each epoch's record."""
    optimiser = make_optimiser(network, schedule)
    for epoch in history.epochs(phase, epochs):
        network.train()
        losses = []
        for rows in history.steps(epoch_batches(n_rows, schedule)):
            progress = epoch / epochs
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * (0.51 + 0.49 * math.cos(math.pi * progress))
            losses.append(take_step(loss(rows, progress), network, optimiser))
        network.eval()
        record = validate()
        history.add(phase, epoch, mean_loss(losses), **record)
        yield record
