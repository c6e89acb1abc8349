"""Rows in, a teacher out: a mixture of classifiers of several kinds, weighted by what they say of unseen rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from .._common.runtime import chunks, in_chunks
from .._model.committee import Committee, fit_committee
from .._model.encoded_space import EncodedSpace
from .loop import Training
from .rows import Rows

_FOLDS = 5
# Rows that members learn from, the first ones: they come shuffled.
_MOST_ROWS, _FOREST_ROWS, _LINEAR_ROWS = 20_000, 5_000, 10_000
_REGULARISATION = (0.01, 0.1, 1.0, 10.0)  # inverse strengths tried for the linear model
_HIDDEN = 64  # units of each fold's network
_TREES, _LEAST_TREES, _ALL_TREES = 150, 40, 500  # boosting rounds: the most, the least, and the trees of all classes
_FOREST_TREES = 40  # of each fold
_MOST_LEVELS = 255  # of a category that boosting splits as one
_ROWS_AT_ONCE = 50_000  # that members are asked about
_ROUNDS = 200  # of expectation and maximisation
_LEAST = 1e-6  # probability


class Member(NamedTuple):
    """One kind of classifier, fitted once without each fold."""

    unseen: np.ndarray  # (n, K), probabilities of each row by the one that lacks its fold
    predict_proba: Callable[[Tensor], np.ndarray]  # mean of all of them, for encoded rows (m, d)


class Ensemble(NamedTuple):
    """A mixture of members, sum_j w_j p_j(x)."""

    weights: np.ndarray  # (J,)
    members: list[Member]

    @property
    def unseen(self) -> np.ndarray:
        """Probabilities of the rows that it was fitted to, each by models that have not seen it, (n, K)."""
        return self._mix([member.unseen for member in self.members])

    def predict_proba(self, x: Tensor) -> np.ndarray:
        """Return probabilities (m, K) of m > 0 encoded rows `x` (m, d)."""
        parts = [x[rows] for rows in chunks(len(x), _ROWS_AT_ONCE)]
        return np.concatenate([self._mix([member.predict_proba(part) for member in self.members]) for part in parts])

    def _mix(self, parts: list[np.ndarray]) -> np.ndarray:
        return sum((weight * part for weight, part in zip(self.weights, parts, strict=True)), np.zeros(()))


def fit_ensemble(training: Training, space: EncodedSpace, n_classes: int, linear: Member) -> Ensemble:
    """Fit the other members, as long as there is time, and weigh all of them.

    Where rows are many, members learn from the first ones, so that the cost stays bounded: the trees of 5,000, the
    linear model of 10,000, the others of 20,000.
    """
    rows = training.rows[:_MOST_ROWS]
    folds = folds_of(rows.labels.cpu().numpy(), training.seed)
    members = [linear]
    training.clock.start("ensemble")
    for fit in (_networks, _boosting, _forest):
        member = None if training.clock.rings() else fit(training, rows, folds, space, n_classes)
        if member is None:
            training.history.stopped.append("ensemble")
            break
        members.append(member)
    return Ensemble(mixture([member.unseen for member in members], rows), members)


def folds_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a fold for each row, (n,): of every class as many rows in each as can be.

    The only row of a class is in no fold, -1: without it nothing would be learnt of the class.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), dtype=np.intp)
    folds[order] = np.arange(len(labels)) % _FOLDS
    return np.where(np.bincount(labels)[labels] > 1, folds, -1)


def mixture(parts: list[np.ndarray], rows: Rows) -> np.ndarray:
    """Return the weights of a mixture of probabilities (n, K) with the best likelihood of labels, by EM: (J,)."""
    labels, weight = (part[: len(parts[0])].cpu().numpy() for part in (rows.labels, rows.weight))
    own = np.stack([part[np.arange(len(labels)), labels] for part in parts], axis=1) + _LEAST  # (n, J)
    weights = np.full(len(parts), 1 / len(parts))
    for _ in range(_ROUNDS):
        share = weights * own
        weights = np.average(share / share.sum(1, keepdims=True), axis=0, weights=weight)
    return weights


# -------------------------------------------------------------------------------------------------------- the members


def linear_member(training: Training, n_classes: int) -> tuple[Member, tuple[Tensor, Tensor]]:
    """Return the linear member, and weight (K, d) and bias (K,) of a logistic regression of the same strength.

    The strength is chosen by its loss on unseen rows.
    """
    rows = training.rows[:_LINEAR_ROWS]
    data = _arrays(rows)
    folds = folds_of(data[1], training.seed)
    best, best_loss = None, np.inf
    for strength in _REGULARISATION:
        make = partial(LogisticRegression, C=strength, max_iter=200, tol=1e-3)
        models = _fit_folds(make, data, folds)
        unseen = _unseen(models, data[0], folds, n_classes)
        own = unseen[np.arange(len(unseen)), data[1]]
        loss = -np.average(np.log(own + _LEAST), weights=data[2])
        if loss < best_loss:
            best, best_loss = (make, models, unseen), loss
    assert best is not None
    make, models, unseen = best
    member = _member(models, unseen, training.rows[:_MOST_ROWS], _encoded, n_classes)
    weight, bias = _coefficients(_fitted(make, data), n_classes)
    return member, (rows.x.new_tensor(weight), rows.x.new_tensor(bias))


def _coefficients(model: Any, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (K, d) and bias (K,) of a regression that may have seen some of the classes only."""
    weight, bias = np.zeros((n_classes, model.n_features_in_)), np.full(n_classes, -10.0)
    bias[model.classes_] = 0.0
    if len(model.classes_) > 1:
        # Two classes share one row of coefficients: half of it with either sign gives the same probabilities.
        signs = np.array([[-0.5], [0.5]]) if len(model.classes_) == 2 else 1.0
        weight[model.classes_] = signs * model.coef_
        bias[model.classes_] = (signs * model.intercept_[:, None])[:, 0]
    return weight, bias


def _networks(training: Training, rows: Rows, folds: np.ndarray, space: EncodedSpace, n_classes: int) -> Member:
    """A small network for each fold, all of them trained at once, each stopped by the rows of its fold."""
    device = rows.x.device
    networks = Committee(space.owner, n_classes, training.generator, _FOLDS, _HIDDEN, 1.0, space.wide)
    networks = networks.to(device)
    fold = torch.tensor(folds, device=device)
    counts = (fold[:, None] != torch.arange(_FOLDS, device=device)).byte()
    batch_size, rings = training.settings.batch_size, training.clock.rings
    fit_committee(networks, rows.x, rows.labels, rows.weight, counts, batch_size, training.generator, rings)
    networks.requires_grad_(False)

    def probabilities(x: Tensor) -> Tensor:
        return networks(x).softmax(2)  # (n, folds, K)

    def unseen(x: Tensor, fold: Tensor) -> Tensor:
        said = probabilities(x)
        own = said[torch.arange(len(x), device=device), fold]
        return torch.where(fold[:, None] < 0, said.mean(1), own)

    def predict_proba(x: Tensor) -> np.ndarray:
        return in_chunks(lambda some: probabilities(some).mean(1), x, width=networks.width).double().cpu().numpy()

    said = in_chunks(unseen, rows.x, fold, width=networks.width)
    return Member(said.double().cpu().numpy(), predict_proba)


def _boosting(training: Training, rows: Rows, folds: np.ndarray, space: EncodedSpace, n_classes: int) -> Member | None:
    """Histogram gradient boosting on the columns of the table: gaps as gaps, categories whole."""
    levels = space.present.sum(1).cpu().numpy()
    categorical = np.concatenate([(levels > 2) & (levels <= _MOST_LEVELS), np.zeros(len(space.numeric), dtype=bool)])
    n_trees = _ALL_TREES // n_classes if n_classes > 2 else _TREES
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.05 if n_classes == 2 else 0.1,
        max_iter=int(np.clip(n_trees, _LEAST_TREES, _TREES)),
        max_leaf_nodes=15,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        categorical_features=categorical if categorical.any() else None,
        random_state=training.seed,
    )
    return _trees(boosting, training, rows, folds, space, n_classes)


def _forest(training: Training, rows: Rows, folds: np.ndarray, space: EncodedSpace, n_classes: int) -> Member | None:
    """Extremely randomised trees on the columns of the table."""
    forest = ExtraTreesClassifier(_FOREST_TREES, min_samples_leaf=3, max_features=0.5, random_state=training.seed)
    return _trees(forest, training, rows, folds[:_FOREST_ROWS], space, n_classes)


def _trees(
    model: Any, training: Training, rows: Rows, folds: np.ndarray, space: EncodedSpace, n_classes: int
) -> Member | None:
    """Fit a model for each fold, on the columns of as many rows as there are `folds`; None where time runs out."""
    view, some = partial(columns_of, space=space), rows[: len(folds)]
    data = view(some.x), *_arrays(some)[1:]
    models = _fit_folds(partial(clone, model), data, folds, training.clock.rings)
    if not models:
        return None
    return _member(models, _unseen(models, data[0], folds, n_classes), rows, view, n_classes)


def columns_of(x: Tensor, space: EncodedSpace) -> np.ndarray:
    """Return encoded rows (n, d) as trees read them: level numbers of each category, then a column for each number.

    NaN where a cell is missing, or its category was not seen at fit.
    """
    numbers = torch.where(space.missing_cells(x), torch.nan, x)[:, space.numeric]
    if space.blocks.numel() == 0:
        return numbers.cpu().numpy()
    highest, level = torch.where(space.present, x[:, space.blocks], -1.0).max(2)
    return torch.cat([torch.where(highest > 0, level.to(x.dtype), torch.nan), numbers], 1).cpu().numpy()


# ------------------------------------------------------------------------------------------------------------- by fold

_Data = tuple[np.ndarray, ...]  # rows, labels, weights


def _encoded(x: Tensor) -> np.ndarray:
    return x.cpu().numpy()


def _arrays(rows: Rows) -> _Data:
    x, labels, weight = (part.cpu().numpy() for part in (rows.x, rows.labels, rows.weight))
    return x, labels, weight


def _fit_folds(
    make: Callable[[], Any], data: _Data, folds: np.ndarray, rings: Callable[[], bool] = lambda: False
) -> list[Any]:
    """Return a model for each fold, fitted without its rows; none where `rings()` before all of them are there."""
    models: list[Any] = []
    for fold in range(min(_FOLDS, len(folds))):
        if rings():
            return []
        models.append(_fitted(make, tuple(part[folds != fold] for part in data)))
    return models


def _fitted(make: Callable[[], Any], data: _Data) -> Any:
    """Return a fitted model; of rows of one class or without columns, one that always says the same."""
    x, labels, weight = data
    x = np.where(np.isnan(x).all(0), 0.0, x)  # of columns without any value trees can't find thresholds
    model = make() if x.shape[1] and len(np.unique(labels)) > 1 else DummyClassifier()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")  # of few rows, whose labels are no numbers
        warnings.simplefilter("ignore", ConvergenceWarning)  # a member that is worse for it counts less
        return model.fit(x, labels, sample_weight=weight)


def _unseen(models: list[Any], x: np.ndarray, folds: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what each row is said to be by the model that lacks its fold; where it is in none, by all models."""
    unseen = np.empty((len(x), n_classes))
    for fold, model in enumerate(models):
        at = np.flatnonzero(folds == fold)
        if len(at):
            unseen[at] = _proba(model, x[at], n_classes)
    alone = np.flatnonzero(folds < 0)
    if len(alone):
        unseen[alone] = np.mean([_proba(model, x[alone], n_classes) for model in models], axis=0)
    return unseen


def _member(
    models: list[Any], unseen: np.ndarray, rows: Rows, view: Callable[[Tensor], np.ndarray], n_classes: int
) -> Member:
    """Return the member of models that were fitted to the head of `rows`: the rest is unseen by all of them."""

    def predict_proba(x: Tensor) -> np.ndarray:
        viewed = view(x)
        return np.mean([_proba(model, viewed, n_classes) for model in models], axis=0)

    rest = rows.x[len(unseen) :]
    return Member(np.concatenate([unseen, predict_proba(rest)]) if len(rest) else unseen, predict_proba)


def _proba(model: Any, x: np.ndarray, n_classes: int) -> np.ndarray:
    """Return probabilities (n, K), 0 of classes that the model has not seen."""
    proba = np.zeros((len(x), n_classes))
    proba[:, model.classes_] = model.predict_proba(x)
    return proba / proba.sum(1, keepdims=True)  # of numbers in single precision they do not quite add up
