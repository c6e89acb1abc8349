"""What all phases of training share, and the first two as plain loops: density, classification."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from ._density import MixedDensity
from ._hypernet import HyperNetwork
from ._losses import classification_loss
from ._space import EncodedSpace
from ._torch_utils import copy_state, in_chunks, minibatches

_MIN_STEPS = 4  # steps of an epoch, however small the table
_DENSITY_RATE = 2.0  # how much faster than the others the density learns: as good in two thirds of the steps
_NOISE = 0.1  # least noise of a number while the density trains, in standard deviations
# Share of the time left that a phase may take; the rest is for those that follow, and for the reservoir.
_SHARES = {"density": 0.4, "classifier": 0.4, "clusters": 0.1, "joint": 0.9}
_AVERAGED = 50  # steps that the running average of the classifier's weights looks back, a tenth of all at most


@dataclass(frozen=True)
class Rows:
    """Encoded rows `x` (n, d), class indices `labels` (n,) and row weights `weight` (n,)."""

    x: Tensor
    labels: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Schedule:
    """How to train: sizes, rates and the source of randomness that all three phases share."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    generator: torch.Generator


class History:
    """Every epoch of every phase as a record, with a progress bar where asked, and the clock where time is limited.

    A phase may take its share of the time that is left when it begins; it takes one step at least.
    """

    def __init__(self, verbose: int, max_time: float | None = None) -> None:
        self.records: list[dict[str, object]] = []
        self.unconverged: list[str] = []
        self.stopped: list[str] = []  # phases that time cut short
        self._verbose = verbose
        self._end = self._until = math.inf if max_time is None else monotonic() + max_time
        self._cut = False

    def epochs(self, phase: str, n_epochs: int) -> Iterator[int]:
        """Yield epoch numbers under a progress bar named after the phase, as long as it has time."""
        if self._end < math.inf:
            now = monotonic()
            self._until = now + _SHARES[phase] * (self._end - now)
        self._cut = False
        with tqdm(total=n_epochs, desc=phase, disable=not self._verbose, unit="epoch") as self._bar:
            for epoch in range(n_epochs):
                yield epoch
                self._bar.update()
                if self._cut or (epoch + 1 < n_epochs and self._out_of_time()):
                    self.records[-1]["stopped"] = "max_time"
                    self.stopped.append(phase)
                    break

    def steps(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the batches of an epoch, one at least, as long as the phase has time."""
        for number, rows in enumerate(batches):
            self._cut = number > 0 and self._out_of_time()
            if self._cut:
                break
            yield rows

    def _out_of_time(self) -> bool:
        return self._until < math.inf and monotonic() >= self._until

    def count(self, phase: str) -> int:
        """Return how many epochs of the phase were recorded."""
        return sum(record["phase"] == phase for record in self.records)

    def keep(self, phase: str, epoch: int | None) -> None:
        """Mark the record of the epoch whose state the phase keeps; None for a state that no epoch left."""
        for record in self.records:
            if epoch is not None and (record["phase"], record["epoch"]) == (phase, epoch):
                record["kept"] = True

    def add(self, phase: str, epoch: int, train_loss: float, valid_loss: float, **more: float) -> None:
        """Record an epoch.

        Raises
        ------
        ValueError
            If a loss is not finite: training has diverged.
        """
        self.records.append(
            {"phase": phase, "epoch": epoch, "train_loss": train_loss, "valid_loss": valid_loss, **more}
        )
        if not (math.isfinite(train_loss) and math.isfinite(valid_loss)):
            raise ValueError(
                f"Training diverged in epoch {epoch} of the {phase} phase: train loss {train_loss}, held-out loss "
                f"{valid_loss}. Lower learning_rate (or a large alpha or weight_decay), or scale down extreme values "
                "in X."
            )
        self._bar.set_postfix(train=f"{train_loss:.3g}", valid=f"{valid_loss:.3g}", refresh=False)


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
    return max(5, steps // _steps_of_epoch(n_rows, schedule))


def _steps_of_epoch(n_rows: int, schedule: Schedule) -> int:
    return max(n_rows // min(schedule.batch_size, n_rows), _MIN_STEPS)


def _batches(n_rows: int, schedule: Schedule) -> Iterator[Tensor]:
    return minibatches(n_rows, schedule.batch_size, _MIN_STEPS, schedule.generator)


def _optimiser(module: nn.Module, schedule: Schedule, faster: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        module.parameters(), lr=faster * schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )


def _descend(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
    """Take one optimiser step down the loss, gradients clipped; return the loss, for which nothing has to wait yet."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 5.0)
    optimiser.step()
    return loss.detach()


def _mean(losses: list[Tensor]) -> float:
    return float(torch.stack(losses).double().mean())


def fit_density(
    density: MixedDensity,
    space: EncodedSpace,
    train: Rows,
    valid: Rows,
    schedule: Schedule,
    epochs: int,
    history: History,
) -> None:
    """Phase 1: maximum likelihood of log p(x | y) with early stopping on held-out rows.

    Numbers are dequantised: noise of the column's own resolution and of 0.1 standard deviations at least. Ties and
    point masses would otherwise give needle-sharp densities that no gradient can find.
    """
    if not any(True for _ in density.parameters()):
        return  # every column is constant
    optimiser = _optimiser(density, schedule, _DENSITY_RATE)
    scale = (0.3 * space.step).clamp(min=_NOISE)

    def noisy(x: Tensor) -> Tensor:
        noise = torch.randn(len(x), len(scale), generator=schedule.generator, device=x.device)
        return x.index_add(1, space.numeric, noise * scale)

    best = EarlyStopping(density, schedule.patience)
    x_valid = noisy(valid.x)
    for epoch in history.epochs("density", epochs):
        losses = [
            _descend(-density.log_prob(noisy(train.x[rows]), train.labels[rows]).mean(), density, optimiser)
            for rows in history.steps(_batches(len(train), schedule))
        ]
        with torch.no_grad():
            valid_loss = float(-in_chunks(density.log_prob, x_valid, valid.labels).mean())
        history.add("density", epoch, _mean(losses), valid_loss)
        if best.update((-valid_loss,), epoch):
            break
    _finish(best, "density", history)


def _finish(best: EarlyStopping, phase: str, history: History) -> None:
    """Restore the best epoch and note a phase that was still improving when its epochs ran out."""
    if best.still_improving and phase not in history.stopped and history.count(phase):
        history.unconverged.append(phase)
    history.keep(phase, best.kept)
    best.restore()


@torch.no_grad()
def held_out_loss(network: HyperNetwork, rows: Rows) -> float:
    """Return the weighted cross-entropy of the labels of held-out rows."""

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network.logits(x), labels, reduction="none")

    losses = in_chunks(loss, rows.x, rows.labels, width=network.width)
    return float((rows.weight * losses).sum() / rows.weight.sum())


def pretrain_classifier(
    network: HyperNetwork, train: Rows, valid: Rows, schedule: Schedule, epochs: int, history: History
) -> None:
    """Phase 2a: cross-entropy with the labels, best epoch by held-out cross-entropy.

    Judged and kept is the running average of the weights: on tables of a few hundred rows the best single epoch is
    chosen by luck as much as by merit.
    """
    optimiser = _optimiser(network, schedule)
    looks_back = max(1.0, min(_AVERAGED, epochs * _steps_of_epoch(len(train), schedule) / 10))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(1 - 1 / looks_back)).eval()
    averaged = cast(HyperNetwork, average.module)
    best = EarlyStopping(averaged, schedule.patience)

    best.update((-held_out_loss(averaged, valid),))  # never worse on held-out rows than the linear model it starts from
    network.train()
    for epoch in history.epochs("classifier", epochs):
        losses = []
        for rows in history.steps(_batches(len(train), schedule)):
            goal = nn.functional.one_hot(train.labels[rows], network.n_classes).float()
            loss = classification_loss(network.logits(train.x[rows]), goal, train.weight[rows])
            losses.append(_descend(loss, network, optimiser))
            average.update_parameters(network)
        valid_loss = held_out_loss(averaged, valid)
        history.add("classifier", epoch, _mean(losses), valid_loss)
        if best.update((-valid_loss,), epoch):
            break
    _finish(best, "classifier", history)
    network.load_state_dict(averaged.state_dict())
    network.eval()


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
    optimiser = _optimiser(network, schedule)
    for epoch in history.epochs(phase, epochs):
        network.train()
        losses = []
        for rows in history.steps(_batches(n_rows, schedule)):
            progress = epoch / epochs
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * (0.51 + 0.49 * math.cos(math.pi * progress))
            losses.append(_descend(loss(rows, progress), network, optimiser))
        network.eval()
        record = validate()
        history.add(phase, epoch, _mean(losses), **record)
        yield record
