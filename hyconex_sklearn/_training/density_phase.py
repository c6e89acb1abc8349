"""Phase 1: rows in, a density of the rows of each class out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._common.runtime import in_chunks
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .history import History
from .loop import EarlyStopping, Schedule, epoch_batches, finish_phase, make_optimiser, mean_loss, take_step
from .rows import Rows

_DENSITY_RATE = 2.0  # how much faster than the others the density learns: as good in two thirds of the steps
_NOISE = 0.1  # least noise of a number while the density trains, in standard deviations


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
    optimiser = make_optimiser(density, schedule, _DENSITY_RATE)
    scale = (0.3 * space.step).clamp(min=_NOISE)

    def noisy(x: Tensor) -> Tensor:
        noise = torch.randn(len(x), len(scale), generator=schedule.generator, device=x.device)
        return x.index_add(1, space.numeric, noise * scale)

    best = EarlyStopping(density, schedule.patience)
    x_valid = noisy(valid.x)
    for epoch in history.epochs("density", epochs):
        losses = [
            take_step(-density.log_prob(noisy(train.x[rows]), train.labels[rows]).mean(), density, optimiser)
            for rows in history.steps(epoch_batches(len(train), schedule))
        ]
        with torch.no_grad():
            valid_loss = float(-in_chunks(density.log_prob, x_valid, valid.labels).mean())
        history.add("density", epoch, mean_loss(losses), valid_loss)
        if best.update((-valid_loss,), epoch):
            break
    finish_phase(best, "density", history)
