"""The three phases of training as plain loops: density, classification and prototypes, counterfactuals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from torch import Tensor, nn
from torch.func import functional_call
from tqdm.auto import tqdm

from ._density import MixedDensity
from ._hypernet import HyperNetwork, LocalLinear
from ._losses import (
    classification_loss,
    distance,
    log_odds,
    plausibility_loss,
    prototype_loss,
    validity_loss,
)
from ._space import EncodedSpace
from ._torch_utils import copy_state, minibatches

_MIN_STEPS = 4  # steps of an epoch, however small the table
_MAX_TARGETS = 3  # counterfactuals per row and step; with more classes they are sampled
_NOISE = 0.1  # least noise of a number while the density trains, in standard deviations
_MANY_ROWS = 10_000
_CONVERGED_VALIDITY = 0.9  # share of valid one-shot counterfactuals below which a joint phase that improves is not done
_MAX_VALID = 512  # held-out rows that judge an epoch of the joint phase


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
    """Every epoch of every phase as a record, with a progress bar where asked."""

    def __init__(self, verbose: int) -> None:
        self.records: list[dict[str, object]] = []
        self.unconverged: list[str] = []
        self._verbose = verbose

    def epochs(self, phase: str, n_epochs: int) -> Iterator[int]:
        """Yield epoch numbers under a progress bar named after the phase."""
        with tqdm(total=n_epochs, desc=phase, disable=not self._verbose, unit="epoch") as self._bar:
            for epoch in range(n_epochs):
                yield epoch
                self._bar.update()

    def count(self, phase: str) -> int:
        """Return how many epochs of the phase were recorded."""
        return sum(record["phase"] == phase for record in self.records)

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
        self._state = copy_state(module)

    def update(self, score: tuple[float, ...]) -> bool:
        """Note the epoch's score (larger is better, compared item by item); return whether to stop."""
        if score > self.best:
            self.best, self._since, self._state = score, 0, copy_state(self._module)
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
    per_epoch = max(n_rows // min(schedule.batch_size, n_rows), _MIN_STEPS)
    return max(5, steps // per_epoch)


def _optimiser(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )


def _descend(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> float:
    """Take one optimiser step down the loss, gradients clipped; return the loss."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


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
    optimiser = _optimiser(density, schedule)
    scale = (0.3 * space.step).clamp(min=_NOISE)

    def noisy(x: Tensor) -> Tensor:
        noise = torch.randn(len(x), len(scale), generator=schedule.generator).to(x.device)
        return x.index_add(1, space.numeric, noise * scale)

    best = EarlyStopping(density, schedule.patience)
    x_valid = noisy(valid.x)
    for epoch in history.epochs("density", epochs):
        losses = [
            _descend(-density.log_prob(noisy(train.x[rows]), train.labels[rows]).mean(), density, optimiser)
            for rows in minibatches(len(train), schedule.batch_size, _MIN_STEPS, schedule.generator)
        ]
        with torch.no_grad():
            valid_loss = float(-density.log_prob(x_valid, valid.labels).mean())
        history.add("density", epoch, float(np.mean(losses)), valid_loss)
        if best.update((-valid_loss,)):
            break
    _finish(best, "density", epochs, history)


def _finish(best: EarlyStopping, phase: str, epochs: int, history: History) -> None:
    """Restore the best epoch and note a phase that was still improving when its epochs ran out."""
    if epochs and best.still_improving:
        history.unconverged.append(phase)
    best.restore()


def pretrain_classifier(
    network: HyperNetwork, train: Rows, valid: Rows, schedule: Schedule, epochs: int, history: History
) -> None:
    """Phase 2a: cross-entropy with the labels, best epoch by held-out cross-entropy."""
    optimiser = _optimiser(network, schedule)
    goal, goal_valid = (nn.functional.one_hot(rows.labels, network.n_classes).float() for rows in (train, valid))
    best = EarlyStopping(network, schedule.patience)
    with torch.no_grad():  # never worse on held-out rows than the linear model it starts from
        best.update((-float(classification_loss(network.eval().logits(valid.x), goal_valid, valid.weight)),))
    for epoch in history.epochs("classifier", epochs):
        network.train()
        losses = [
            _descend(
                classification_loss(network.logits(train.x[rows]), goal[rows], train.weight[rows]), network, optimiser
            )
            for rows in minibatches(len(train), schedule.batch_size, _MIN_STEPS, schedule.generator)
        ]
        network.eval()
        with torch.no_grad():
            valid_loss = float(classification_loss(network.logits(valid.x), goal_valid, valid.weight))
        history.add("classifier", epoch, float(np.mean(losses)), valid_loss)
        if best.update((-valid_loss,)):
            break
    _finish(best, "classifier", epochs, history)


def class_prototypes(rows: Rows, n_classes: int, n_clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return k-means centroids of each class, shape (m, d), and their class indices (m,)."""
    x, labels = rows.x.cpu().numpy(), rows.labels.cpu().numpy()
    centroids, classes = [], []
    for label in range(n_classes):
        own = x[labels == label]
        if len(own) == 0:
            continue
        k_means = MiniBatchKMeans if len(own) > _MANY_ROWS else KMeans
        k = min(n_clusters, len(np.unique(own, axis=0)))
        centroids.append(k_means(k, n_init=1, random_state=seed).fit(own).cluster_centers_)
        classes.append(np.full(k, label))
    device = rows.x.device
    return (
        torch.tensor(np.concatenate(centroids), dtype=rows.x.dtype, device=device),
        torch.tensor(np.concatenate(classes), device=device),
    )


@dataclass(frozen=True)
class Objective:
    """What the joint phase minimises beside classification, and the fitted parts that judge it.

    Attributes
    ----------
    validity, proximity, plausibility : float
        The user's alphas.
    margin : Tensor of shape (K,)
        Log-odds (uncalibrated) that a counterfactual toward class m should reach.
    threshold : Tensor of shape (K,)
        Log-density that it should reach.
    density : MixedDensity
        Fitted and frozen.
    """

    validity: float
    proximity: float
    plausibility: float
    margin: Tensor
    threshold: Tensor
    density: MixedDensity


@dataclass(frozen=True)
class Moves:
    """Counterfactuals of one batch: from `x` (m, d) to `moved` (m, d) for `target` (m,), where `free` (m, d) is 1."""

    x: Tensor
    moved: Tensor
    target: Tensor
    free: Tensor


def draw_targets(labels: Tensor, n_classes: int, generator: torch.Generator) -> Tensor:
    """Return up to three other classes for each label, shape (n, T): all of them, or a sample without repetition."""
    score = torch.rand(len(labels), n_classes, generator=generator).to(labels.device)
    score.scatter_(1, labels[:, None], -1.0)
    return score.argsort(1, descending=True)[:, : min(n_classes - 1, _MAX_TARGETS)]


def draw_mask(n: int, space: EncodedSpace, generator: torch.Generator) -> Tensor:
    """Return random masks (n, d) over whole table columns: a share of 0.3 to 1 of each row's columns may move."""
    share = 0.3 + 0.7 * torch.rand(n, 1, generator=generator)
    free = torch.rand(n, int(space.owner.max()) + 1, generator=generator) < share
    return free.to(space.owner.device)[:, space.owner].float()


def propose(
    network: HyperNetwork, space: EncodedSpace, x: Tensor, targets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Moves]:
    """Return logits (n, K) of rows `x` (n, d), and their counterfactuals toward `targets` (n, T).

    Random masks in half of the rows teach the network to honour constraints in one pass.
    """
    n, n_targets = targets.shape
    half = n // 2
    mask = draw_mask(half, space, generator)
    local = network(torch.cat([x, x[:half]]), torch.cat([torch.ones_like(x), mask]))
    weight = torch.cat([local.weight[n:], local.weight[half:n]])
    weight = weight.gather(1, targets[:, :, None].expand(-1, -1, x.shape[1])).flatten(0, 1)  # (n * T, d)
    free = space.free_mask(x).clone()
    free[:half] *= mask
    rows, frees = x.repeat_interleave(n_targets, 0), free.repeat_interleave(n_targets, 0)
    logits = LocalLinear(local.weight[:n], local.bias[:n]).logits(x)
    return logits, Moves(rows, space.move(rows, weight, frees), targets.flatten(), frees)


def judge_detached(network: HyperNetwork, x: Tensor) -> Tensor:
    """Return logits (n, K) through which gradients reach `x` only, dropout off.

    A judge that learns from the counterfactuals it judges bends its boundary around each of them: they become valid
    without becoming honest.
    """
    detached = {name: parameter.detach() for name, parameter in network.named_parameters()}
    was_training = network.training
    network.eval()
    logits = functional_call(network, detached, (x,)).logits(x)
    network.train(was_training)
    return logits


def counterfactual_terms(network: HyperNetwork, space: EncodedSpace, moves: Moves, objective: Objective) -> Tensor:
    """Return the weighted validity, proximity and plausibility of each counterfactual, shape (m, 3)."""
    logits = judge_detached(network, moves.moved)
    density = objective.density.log_prob(moves.moved, moves.target)
    terms = (
        objective.validity * 2 * validity_loss(logits, moves.target, objective.margin[moves.target]).log1p(),
        objective.proximity * distance(moves.x, moves.moved, space),
        objective.plausibility * 5 * plausibility_loss(density, objective.threshold[moves.target], space.n_features),
    )
    return torch.stack(terms, 1)


def _nearest_prototype(moves: Moves, centroids: Tensor, classes: Tensor) -> Tensor:
    """Return for each move the nearest centroid of its target class, frozen features kept, shape (m, d)."""
    away = torch.cdist(moves.x, centroids).masked_fill(classes[None] != moves.target[:, None], torch.inf)
    return torch.where(moves.free > 0, centroids[away.argmin(1)], moves.x)


def pretrain_on_clusters(
    network: HyperNetwork,
    space: EncodedSpace,
    train: Rows,
    valid: Rows,
    teacher: Tensor,
    schedule: Schedule,
    epochs: int,
    history: History,
) -> None:
    """Phase 2b: each W_m learns to lead to the nearest k-means centroid of class m, predictions held where they are.

    Parameters
    ----------
    teacher : Tensor of shape (n, K)
        The classifier's own soft predictions on the training rows.
    """
    centroids, classes = class_prototypes(train, network.n_classes, 10, schedule.seed)

    def loss(rows: Tensor, _: float) -> Tensor:
        targets = draw_targets(train.labels[rows], network.n_classes, schedule.generator)
        logits, moves = propose(network, space, train.x[rows], targets, schedule.generator)
        prototype = _nearest_prototype(moves, centroids, classes)
        return classification_loss(logits, teacher[rows]) + prototype_loss(moves.moved, prototype).mean()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        goal = nn.functional.one_hot(valid.labels, network.n_classes).float()
        return {"valid_loss": float(classification_loss(network.logits(valid.x), goal, valid.weight))}

    for _ in _annealed(network, loss, len(train), schedule, "clusters", epochs, history, validate):
        pass


def _annealed(
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
        for rows in minibatches(n_rows, schedule.batch_size, _MIN_STEPS, schedule.generator):
            progress = epoch / epochs
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * (0.51 + 0.49 * math.cos(math.pi * progress))
            losses.append(_descend(loss(rows, progress), network, optimiser))
        network.eval()
        record = validate()
        history.add(phase, epoch, float(np.mean(losses)), **record)
        yield record


def fit_jointly(
    network: HyperNetwork,
    space: EncodedSpace,
    train: Rows,
    valid: Rows,
    teacher: Tensor,
    objective: Objective,
    schedule: Schedule,
    epochs: int,
    history: History,
) -> None:
    """Phase 3: classification plus validity, proximity and plausibility of the counterfactuals; see `Objective`.

    The best epoch is kept: by validity on held-out rows, then plausibility, then distance, among those whose
    classification did not get worse.
    """

    def loss(rows: Tensor, progress: float) -> Tensor:
        targets = draw_targets(train.labels[rows], network.n_classes, schedule.generator)
        logits, moves = propose(network, space, train.x[rows], targets, schedule.generator)
        terms = counterfactual_terms(network, space, moves, objective).sum(1)
        ramp = min(1.0, (progress + 0.02) / 0.1)
        weight = 3.0 * targets.shape[1] * ramp
        return classification_loss(logits, teacher[rows]) + weight * terms.mean()

    sample = Rows(valid.x[:_MAX_VALID], valid.labels[:_MAX_VALID], valid.weight[:_MAX_VALID])
    targets = draw_targets(sample.labels, network.n_classes, schedule.generator)
    validate = partial(_held_out_record, network, space, sample, targets, objective)
    before = validate()["cross_entropy"]
    best = EarlyStopping(network, schedule.patience)
    for record in _annealed(network, loss, len(train), schedule, "joint", epochs, history, validate):
        honest = record["cross_entropy"] <= before + max(0.02, 0.05 * before)
        score = (honest, round(record["valid"], 2), round(record["plausible"], 1), -record["distance"])
        best.update(score)
    if best.still_improving and best.best[1] < _CONVERGED_VALIDITY:
        history.unconverged.append("joint")
    best.restore()


@torch.no_grad()
def _held_out_record(
    network: HyperNetwork, space: EncodedSpace, rows: Rows, targets: Tensor, objective: Objective
) -> dict[str, float]:
    """Return losses and quality of the one-shot counterfactuals of held-out rows."""
    local = network(rows.x)
    goal = nn.functional.one_hot(rows.labels, network.n_classes).float()
    cross_entropy = float(classification_loss(local.logits(rows.x), goal, rows.weight))
    n_targets = targets.shape[1]
    weight = local.weight.gather(1, targets[:, :, None].expand(-1, -1, rows.x.shape[1])).flatten(0, 1)
    x = rows.x.repeat_interleave(n_targets, 0)
    free = space.free_mask(x)
    moves = Moves(x, space.move(x, weight, free), targets.flatten(), free)
    terms = counterfactual_terms(network, space, moves, objective)
    density = objective.density.log_prob(moves.moved, moves.target)
    odds = log_odds(network.logits(moves.moved), moves.target)
    return {
        "valid_loss": cross_entropy + float(terms.sum(1).mean()),
        "cross_entropy": cross_entropy,
        "valid": float((odds > 0).float().mean()),
        "plausible": float((density >= objective.threshold[moves.target]).float().mean()),
        "distance": float(distance(moves.x, moves.moved, space).mean()),
    }
