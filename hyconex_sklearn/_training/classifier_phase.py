"""Phase 2: rows in, a classifier out that is no worse on held-out rows than its linear start."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .._common.runtime import in_chunks
from .._model.hypernetwork import HyperNetwork
from .._model.losses import classification_loss
from .loop import EarlyStopping, Training
from .rows import Rows

_REGULARISATION = (0.01, 0.1, 1.0, 10.0)  # inverse strengths tried for the linear start
_LINEAR_ROWS = 5_000
_AVERAGED = 50  # steps that the running average of the classifier's weights looks back, a tenth of all at most


def linear_start(rows: Rows, n_classes: int) -> tuple[Tensor, Tensor]:
    """Return weight (K, d) and bias (K,) of a logistic regression, its strength chosen by cross-validation.

    One strong regularisation where a class has too few rows to be cross-validated.
    """
    x, labels, weight = (part[:_LINEAR_ROWS].cpu().numpy() for part in (rows.x, rows.labels, rows.weight))
    present, counts = np.unique(labels, return_counts=True)
    coef, bias = np.zeros((n_classes, x.shape[1])), np.full(n_classes, -10.0)
    bias[present] = 0.0
    if len(present) > 1:
        fitted = _best_regression(x, labels, counts.min()).fit(x, labels, sample_weight=weight)
        # Two classes share one row of coefficients: half of it with either sign gives the same probabilities.
        signs = np.array([[-0.5], [0.5]]) if len(present) == 2 else 1.0
        coef[present], bias[present] = signs * fitted.coef_, (signs * fitted.intercept_[:, None])[:, 0]
    return rows.x.new_tensor(coef), rows.x.new_tensor(bias)


def _best_regression(x: np.ndarray, labels: np.ndarray, fewest: int) -> LogisticRegression:
    """Return an unfitted regression of the strength with the best cross-validated log-loss."""
    candidates = [LogisticRegression(C=strength, max_iter=200, tol=1e-3) for strength in _REGULARISATION]
    if fewest < 3:
        return candidates[1]
    folds = StratifiedKFold(3)
    losses = [
        log_loss(labels, cross_val_predict(each, x, labels, cv=folds, method="predict_proba")) for each in candidates
    ]
    return candidates[int(np.argmin(losses))]


@torch.no_grad()
def held_out_loss(network: HyperNetwork, rows: Rows) -> float:
    """Return the weighted cross-entropy of the labels of held-out rows."""

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network.logits(x), labels, reduction="none")

    losses = in_chunks(loss, rows.x, rows.labels, width=network.width)
    return float((rows.weight * losses).sum() / rows.weight.sum())


def pretrain_classifier(network: HyperNetwork, training: Training, n_epochs: int) -> None:
    """Phase 2a: cross-entropy with the labels, best epoch by held-out cross-entropy.

    Judged and kept is the running average of the weights: on tables of a few hundred rows the best single epoch is
    chosen by luck as much as by merit.
    """
    train = training.train
    looks_back = max(1.0, min(_AVERAGED, n_epochs * training.steps_of_epoch / 10))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(1 - 1 / looks_back)).eval()
    averaged = cast(HyperNetwork, average.module)

    def loss(rows: Tensor, _: float) -> Tensor:
        goal = nn.functional.one_hot(train.labels[rows], network.n_classes).float()
        return classification_loss(network.logits(train.x[rows]), goal, train.weight[rows])

    def take_in() -> None:
        average.update_parameters(network)

    def validate() -> dict[str, float]:
        return {"valid_loss": held_out_loss(averaged, training.valid)}

    best = EarlyStopping(averaged, training.settings.patience)
    best.update((-validate()["valid_loss"],))  # never worse on held-out rows than the linear model it starts from
    for record in training.epochs("classifier", network, n_epochs, loss, validate, after_step=take_in):
        if best.update((-record["valid_loss"],), record):
            break
    best.finish("classifier", training.history)
    network.load_state_dict(averaged.state_dict())
    network.eval()
