"""Settings and rows in, epochs out: batches, steps, records, and the best epoch kept, as all phases share them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .._common.progress import progress
from .._common.runtime import copy_state, minibatches
from .history import Clock, History, check_finite_losses
from .rows import Rows

_MIN_STEPS = 4  # steps of an epoch, however small the table


class Settings(Protocol):
    """The constructor parameters that concern training, under their public names: the estimator itself has them."""

    alpha_validity: float
    alpha_proximity: float
    alpha_plausibility: float
    plausibility_quantile: float
    hidden_size: int
    n_blocks: int
    dropout: float
    flow_transforms: int
    flow_hidden: tuple[int, ...]
    flow_epochs: int | None
    pretrain_epochs: int | None
    joint_epochs: int | None
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    verbose: int


@dataclass(frozen=True)
class Training:
    """One training: its settings and rows, and the source of randomness, clock and history that its phases share."""

    settings: Settings
    rows: Rows  # all of them, those held out at the end
    n_train: int
    seed: int
    generator: torch.Generator
    clock: Clock = field(default_factory=Clock)
    history: History = field(default_factory=History)

    @property
    def train(self) -> Rows:
        """The rows that are not held out."""
        return self.rows[: self.n_train]

    @property
    def valid(self) -> Rows:
        """The held-out rows; where no row can be held out, those of training serve for both."""
        return self.rows[self.n_train :] if self.n_train < len(self.rows) else self.rows

    @property
    def steps_of_epoch(self) -> int:
        n = self.n_train
        return max(n // min(self.settings.batch_size, n), _MIN_STEPS)

    def n_epochs(self, wanted: int | None, steps: int) -> int:
        """Return the epochs of a phase: as wanted, else as many as make about `steps` steps, 5 at least."""
        return max(5, steps // self.steps_of_epoch) if wanted is None else wanted

    def epochs(
        self,
        phase: str,
        module: nn.Module,
        n_epochs: int,
        loss: Callable[[Tensor, float], Tensor],
        validate: Callable[[], dict[str, float]],
        rate: Callable[[float], float] = lambda progress: 1.0,
    ) -> Iterator[dict[str, Any]]:
        """Train a module under a progress bar named after the phase, as long as it has time; yield each epoch's record.

        Parameters
        ----------
        loss : callable
            Takes the rows of a batch and the share of the epochs that are over.
        validate : callable
            Returns the held-out loss, "valid_loss", and what else belongs into the record, of the module without
            dropout.
        rate : callable
            Takes the share of the epochs that are over, returns the factor of the learning rate.
        """
        decay, learning_rate = self.settings.weight_decay, self.settings.learning_rate
        optimiser = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=decay, fused=True)
        self.clock.start(phase)
        with progress(n_epochs, phase, "epoch", bool(self.settings.verbose)) as bar:
            for epoch in range(n_epochs):
                share, losses = epoch / n_epochs, []
                optimiser.param_groups[0]["lr"] = rate(share) * learning_rate
                module.train()
                for rows in self._batches():
                    losses.append(_take_step(loss(rows, share), module, optimiser))
                module.eval()
                train_loss = float(torch.stack(losses).double().mean())
                record = {"phase": phase, "epoch": epoch, "train_loss": train_loss, **validate()}
                self.history.records.append(record)
                check_finite_losses(record)
                bar.set_postfix(train=f"{train_loss:.3g}", valid=f"{record['valid_loss']:.3g}", refresh=False)
                bar.update()
                yield record
                if self.clock.has_rung or (epoch + 1 < n_epochs and self.clock.rings()):
                    self.history.stop(phase)
                    break

    def _batches(self) -> Iterator[Tensor]:
        """Yield the rows of each step of an epoch, of one at least, as long as the phase has time."""
        batches = minibatches(self.n_train, self.settings.batch_size, _MIN_STEPS, self.generator)
        for number, rows in enumerate(batches):
            if number > 0 and self.clock.rings():
                break
            yield rows


class EarlyStopping:
    """Keeps the state of the best epoch and says when `patience` epochs brought nothing better."""

    def __init__(self, module: nn.Module, patience: int) -> None:
        self._module, self._patience = module, patience
        self._since = 1  # the state before training is not an improvement
        self.best: tuple[float, ...] = (-math.inf,)
        self._record: dict[str, Any] = {}  # of the epoch of the best state; that before the first one has none
        self._state = copy_state(module)

    def update(self, score: tuple[float, ...], record: dict[str, Any] | None = None) -> bool:
        """Note the score of an epoch (larger is better, compared item by item); return whether to stop."""
        if score > self.best:
            self.best, self._since, self._state, self._record = score, 0, copy_state(self._module), record or {}
        else:
            self._since += 1
        return self._since >= self._patience

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best one: training ended before it converged."""
        return self._since == 0

    def finish(self, phase: str, history: History, good_enough: bool = False) -> None:
        """Put the best epoch's state back, and note a phase that was still improving when its epochs ran out."""
        if self.still_improving and not good_enough and phase not in history.stopped and self._record:
            history.unconverged.append(phase)
        self._record["kept"] = True
        self._module.load_state_dict(self._state)


def annealed(progress: float) -> float:
    """Return the factor of the learning rate: a cosine from 1 to nearly 0."""
    return 0.51 + 0.49 * math.cos(math.pi * progress)


def _take_step(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
    """Take one optimiser step down the loss, gradients clipped; return the loss, for which nothing has to wait yet."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 5.0)
    optimiser.step()
    return loss.detach()
