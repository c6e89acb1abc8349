"""Phase 1: rows in, a density of the rows of each class out."""

from __future__ import annotations

import torch
from torch import Tensor

from .._common.runtime import in_chunks
from .._model.density import MixedDensity
from .._model.encoded_space import EncodedSpace
from .loop import EarlyStopping, Training

_DENSITY_RATE = 2.0  # how much faster than the others the density learns: as good in two thirds of the steps
_NOISE = 0.1  # least noise of a number while the density trains, in standard deviations


def fit_density(density: MixedDensity, space: EncodedSpace, training: Training, n_epochs: int) -> None:
    """Phase 1: maximum likelihood of log p(x | y) with early stopping on held-out rows.

    Numbers are dequantised: noise of the column's own resolution and of 0.1 standard deviations at least. Ties and
    point masses would otherwise give needle-sharp densities that no gradient can find.
    """
    if not any(True for _ in density.parameters()):
        return  # every column is constant
    train, valid = training.train, training.valid
    scale = (0.3 * space.step).clamp(min=_NOISE)

    def noisy(x: Tensor) -> Tensor:
        noise = torch.randn(len(x), len(scale), generator=training.generator, device=x.device)
        return x.index_add(1, space.numeric, noise * scale)

    def loss(rows: Tensor, _: float) -> Tensor:
        return -(train.times[rows] * density.log_prob(noisy(train.x[rows]), train.labels[rows])).mean()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        log_density = in_chunks(density.log_prob, x_valid, valid.labels)
        return {"valid_loss": float(-(valid.times * log_density).sum() / valid.times.sum())}

    best = EarlyStopping(density, training.settings.patience)
    x_valid = noisy(valid.x)
    for record in training.epochs("density", density, n_epochs, loss, validate, rate=lambda _: _DENSITY_RATE):
        if best.update((-record["valid_loss"],), record):
            break
    best.finish("density", training.history)
