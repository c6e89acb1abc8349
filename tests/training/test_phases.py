"""History, early stopping and the pieces of the three loops; exact numbers of a training are nobody's contract."""

from __future__ import annotations

import copy
import io
import math
from contextlib import redirect_stderr
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.classifier_phase import pretrain_classifier
from hyconex_sklearn._training.density_phase import fit_density
from hyconex_sklearn._training.history import History
from hyconex_sklearn._training.loop import EarlyStopping, Training
from hyconex_sklearn._training.rows import Rows
from hyconex_sklearn._training.step_phase import (
    Moves,
    Objective,
    class_prototypes,
    counterfactual_terms,
    draw_mask,
    draw_targets,
    fit_jointly,
    judge_detached,
    judged,
    pretrain_on_clusters,
    propose,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Parts:
    """Iris with an extra text column, and untrained modules for it."""

    def __init__(self) -> None:
        X, y = load_iris(return_X_y=True)
        table = pd.DataFrame(X).rename(columns=str).assign(c=np.where(X[:, 2] > 3, "long", "short"))
        codec = TableCodec.fit(table)
        self.space = EncodedSpace(codec.schema)
        rows = Rows(torch.from_numpy(codec.encode(table)), torch.from_numpy(y), torch.ones(len(y)))
        odd = torch.arange(len(y)) % 3 == 0
        self.train, self.valid = (Rows(rows.x[at], rows.labels[at], rows.weight[at]) for at in (~odd, odd))
        settings = HyConExClassifier(batch_size=32, learning_rate=5e-3, weight_decay=1e-4, patience=20)
        self.training = Training(settings, self.train, self.valid, 0, seeded())
        self.history = self.training.history
        torch.manual_seed(0)
        self.network = HyperNetwork(self.space.n_features, 3, 16, 1, 0.1).eval()
        self.density = MixedDensity(self.space, 3, 2, (16,))

    def objective(self, validity: float = 1.0, proximity: float = 0.1, plausibility: float = 0.1) -> Objective:
        self.density.requires_grad_(False).eval()
        return Objective(validity, proximity, plausibility, torch.full((3,), 1.0), torch.full((3,), -5.0), self.density)

    def terms(self, moves: Moves, objective: Objective) -> torch.Tensor:
        return counterfactual_terms(judged(self.network, moves, objective), moves, self.space, objective)


@pytest.fixture
def parts() -> Parts:
    return Parts()


# ------------------------------------------------------------------------------------- history and early stopping


def epochs(parts: Parts, phase: str, n_epochs: int, train_loss: float, valid_loss: float, **more: float) -> Any:
    """The records of a training that does nothing."""
    record, module = {"valid_loss": valid_loss, **more}, torch.nn.Linear(1, 1)

    def loss(rows: torch.Tensor, progress: float) -> torch.Tensor:
        return train_loss + 0 * module.weight.sum()

    return parts.training.epochs(phase, module, n_epochs, loss, lambda: record)


def test_history_records_and_numbers_the_epochs(parts: Parts) -> None:
    told = list(epochs(parts, "density", 3, 1.0, 2.0, extra=0.5))
    assert parts.history.records == told and [record["epoch"] for record in told] == [0, 1, 2]
    assert told[0] == {"phase": "density", "epoch": 0, "train_loss": 1.0, "valid_loss": 2.0, "extra": 0.5}


@pytest.mark.parametrize("losses", [(math.nan, 1.0), (1.0, math.inf), (-math.inf, 0.0)])
def test_a_loss_that_is_no_number_stops_everything_and_says_what_to_do(
    losses: tuple[float, float], parts: Parts
) -> None:
    with pytest.raises(ValueError, match=r"diverged in epoch 0 of the joint phase.*Lower learning_rate"):
        list(epochs(parts, "joint", 3, *losses))
    assert len(parts.history.records) == 1


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_bar_for_each_phase_if_asked(verbose: int, parts: Parts) -> None:
    stream = io.StringIO()
    parts.training.settings.verbose = verbose
    with redirect_stderr(stream):
        list(epochs(parts, "density", 2, 1.25, 1.5))
    assert ("density" in stream.getvalue() and "2/2" in stream.getvalue()) == bool(verbose)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 5))
def test_early_stopping_keeps_the_best_and_waits_for_its_patience(scores: list[float], patience: int) -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    stopping = EarlyStopping(module, patience)
    seen: list[float] = []
    for epoch, score in enumerate(scores):
        with torch.no_grad():
            module.weight.fill_(float(epoch))
        seen.append(score)
        best = seen.index(max(seen))
        stop = stopping.update((score,))
        assert stop == (epoch - best >= patience)
        assert stopping.still_improving == (best == epoch)
        if stop:
            break
    stopping.finish("classifier", History())
    assert module.weight.item() == seen.index(max(seen))
    assert stopping.best == (max(seen),)


def test_scores_are_compared_item_by_item() -> None:
    stopping = EarlyStopping(torch.nn.Linear(1, 1), 3)
    stopping.update((True, 0.9, -3.0))
    stopping.update((False, 1.0, 0.0))
    assert stopping.best == (True, 0.9, -3.0)
    stopping.update((True, 0.9, -2.0))
    assert stopping.best == (True, 0.9, -2.0)


# --------------------------------------------------------------------------------------------------- draws


@given(st.integers(2, 9), st.integers(0, 50))
def test_targets_are_other_classes_without_repetition(k: int, seed: int) -> None:
    labels = torch.arange(40) % k
    targets = draw_targets(labels, k, seeded(seed))
    assert targets.shape[0] == 40 and 1 <= targets.shape[1] <= k - 1
    assert (targets != labels[:, None]).all() and (targets >= 0).all() and (targets < k).all()
    assert all(len(set(row)) == len(row) for row in targets.tolist())


def test_with_many_classes_every_other_one_gets_its_turn() -> None:
    targets = draw_targets(torch.zeros(500, dtype=torch.long), 9, seeded())
    assert set(targets.unique().tolist()) == set(range(1, 9))


def test_masks_hold_whole_columns_and_vary(parts: Parts) -> None:
    mask = draw_mask(300, parts.space, seeded())
    block = parts.space.blocks[0, :2]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(mask[:, block[0]], mask[:, block[1]])
    assert len(mask.unique(dim=0)) > 10
    assert 0.3 < mask.mean() < 0.95


def test_prototypes_are_of_every_class_and_no_more_than_there_are_rows(parts: Parts) -> None:
    centroids, classes = class_prototypes(parts.train, 3, 4, 0)
    assert torch.bincount(classes).tolist() == [4, 4, 4]
    for label in range(3):
        own = parts.train.x[parts.train.labels == label]
        found = centroids[classes == label]
        assert (found >= own.min(0).values - 1e-5).all() and (found <= own.max(0).values + 1e-5).all()
    few = Rows(parts.train.x[[0, 0, 0]], torch.tensor([0, 0, 2]), torch.ones(3))
    assert class_prototypes(few, 3, 4, 0)[1].tolist() == [0, 2]


# ----------------------------------------------------------------------------------------------------- the judge


def test_the_judge_says_what_the_network_says_without_dropout(parts: Parts) -> None:
    expected = parts.network.logits(parts.train.x)
    for mode in (True, False):
        parts.network.train(mode)
        torch.testing.assert_close(judge_detached(parts.network, parts.train.x), expected)
        assert parts.network.training is mode
        assert all(module.training is mode for module in parts.network.modules())


def test_the_judge_does_not_learn_but_lets_the_row_learn(parts: Parts) -> None:
    x = parts.train.x.clone().requires_grad_(True)
    judge_detached(parts.network, x).square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in parts.network.parameters())


def test_counterfactual_terms_teach_the_steps_alone(parts: Parts) -> None:
    targets = draw_targets(parts.train.labels, 3, seeded())
    _, moves = propose(parts.network, parts.space, parts.train.x, targets, seeded())
    terms = parts.terms(moves, parts.objective())
    assert terms.shape == (len(moves.x), 3) and (terms >= 0).all() and torch.isfinite(terms).all()
    terms.sum().backward()
    assert parts.network.head.weight.grad is not None
    assert parts.network.bias0.grad is None or not parts.network.bias0.grad.abs().sum()  # no step depends on it
    assert all(parameter.grad is None for parameter in parts.density.parameters())


@pytest.mark.parametrize("term", [0, 1, 2])
def test_every_alpha_weighs_its_own_term(parts: Parts, term: int) -> None:
    targets = draw_targets(parts.train.labels, 3, seeded())
    _, moves = propose(parts.network, parts.space, parts.train.x, targets, seeded())
    one, three = [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]
    three[term] = 3.0
    terms = [parts.terms(moves, parts.objective(*alpha)) for alpha in (one, three)]
    factor = torch.ones(3)
    factor[term] = 3.0
    torch.testing.assert_close(terms[1], terms[0] * factor)
    assert terms[0][:, term].sum() > 0


def test_half_of_the_proposals_are_under_a_mask_and_respect_it(parts: Parts) -> None:
    targets = draw_targets(parts.train.labels, 3, seeded())
    logits, moves = propose(parts.network, parts.space, parts.train.x, targets, seeded())
    torch.testing.assert_close(logits, parts.network.logits(parts.train.x))
    assert torch.equal(moves.target, targets.flatten())
    assert torch.equal(moves.moved[moves.movable == 0], moves.x[moves.movable == 0])
    masked = (moves.movable == 0).any(1)
    half = len(moves.x) // 2
    assert masked[:half].float().mean() > 0.5 and not masked[half:].any()


@pytest.mark.parametrize("n", [1, 2])
def test_proposals_for_a_row_or_two(parts: Parts, n: int) -> None:
    targets = draw_targets(parts.train.labels[:n], 3, seeded())
    _, moves = propose(parts.network, parts.space, parts.train.x[:n], targets, seeded())
    assert len(moves.moved) == 2 * n and torch.isfinite(moves.moved).all()


# ---------------------------------------------------------------------------------------------------- the phases


def cross_entropy(parts: Parts) -> float:
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(parts.network.logits(parts.valid.x), parts.valid.labels))


def test_the_density_learns(parts: Parts) -> None:
    def held_out() -> float:
        with torch.no_grad():
            return float(parts.density.log_prob(parts.valid.x, parts.valid.labels).mean())

    before = held_out()
    fit_density(parts.density, parts.space, parts.training, 8)
    assert held_out() > before + 1.0
    assert parts.history.unconverged == ["density"]


def test_the_classifier_learns_and_keeps_its_best_epoch(parts: Parts) -> None:
    before = cross_entropy(parts)
    pretrain_classifier(parts.network, parts.training, 40)
    assert cross_entropy(parts) < before - 0.3
    losses = [record["valid_loss"] for record in parts.history.records]
    assert cross_entropy(parts) == pytest.approx(min(losses), abs=1e-5)
    assert [record.get("kept", False) for record in parts.history.records] == [loss == min(losses) for loss in losses]
    assert not parts.network.training


def test_no_epoch_is_kept_where_none_beats_the_start(parts: Parts) -> None:
    best = EarlyStopping(parts.network, 5)
    best.update((0.0,))
    for record in epochs(parts, "classifier", 2, 1.0, 1.0):
        best.update((-1.0,), record)
    best.finish("classifier", parts.history)
    assert not any("kept" in record for record in parts.history.records)


def test_phases_of_no_epochs_change_nothing_and_do_not_complain(parts: Parts) -> None:
    before = {name: tensor.clone() for name, tensor in parts.network.state_dict().items()}
    fit_density(parts.density, parts.space, parts.training, 0)
    pretrain_classifier(parts.network, parts.training, 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.network.state_dict().items())
    assert not parts.history.records and not parts.history.unconverged


def one_shot_quality(parts: Parts, objective: Objective) -> dict[str, float]:
    targets = (parts.valid.labels[:, None] + 1) % 3
    with torch.no_grad():
        local = parts.network(parts.valid.x)
        step = local.weight[torch.arange(len(targets)), targets[:, 0]]
        moved = parts.space.move(parts.valid.x, step, parts.space.movable_in(parts.valid.x))
        return {
            "valid": float((parts.network.logits(moved).argmax(1) == targets[:, 0]).float().mean()),
            "density": float(objective.density.log_prob(moved, targets[:, 0]).mean()),
            "distance": float((moved - parts.valid.x).norm(dim=1).mean()),
        }


def trained_jointly(parts: Parts, n_epochs: int = 25, **alphas: float) -> dict[str, float]:
    fit_density(parts.density, parts.space, parts.training, 8)
    pretrain_classifier(parts.network, parts.training, 40)
    parts.teacher = teacher = copy.deepcopy(parts.network).requires_grad_(False)
    pretrain_on_clusters(parts.network, parts.space, teacher, parts.training, 5)
    objective = parts.objective(**alphas)
    fit_jointly(parts.network, parts.space, teacher, objective, parts.training, n_epochs)
    return one_shot_quality(parts, objective)


def test_the_joint_phase_makes_the_weights_lead_to_other_classes(parts: Parts) -> None:
    before = one_shot_quality(parts, parts.objective())
    parts.density.requires_grad_(True)
    after = trained_jointly(parts)
    assert after["valid"] > max(0.8, before["valid"])
    assert cross_entropy(parts) < 0.4  # and it still classifies
    phases = [record["phase"] for record in parts.history.records]
    assert list(dict.fromkeys(phases)) == ["density", "classifier", "clusters", "joint"]
    assert {"valid", "plausible", "distance"} <= set(parts.history.records[-1])


def test_the_joint_phase_leaves_the_classifier_where_it_was_even_on_counterfactuals(parts: Parts) -> None:
    trained_jointly(parts, n_epochs=40)
    targets = draw_targets(parts.train.labels, 3, seeded())
    with torch.no_grad():
        _, moves = propose(parts.network, parts.space, parts.train.x, targets, seeded())
        before, after = (net.logits(moves.moved).softmax(1) for net in (parts.teacher, parts.network))
    away = 0.5 * (before - after).abs().sum(1).mean()
    assert float(away) < 0.045


def test_proximity_brings_counterfactuals_nearer() -> None:
    far, near = (trained_jointly(Parts(), proximity=proximity) for proximity in (0.0, 3.0))
    assert near["distance"] < far["distance"]


def test_the_same_generator_gives_the_same_network() -> None:
    states: list[dict[str, Any]] = []
    for _ in range(2):
        parts = Parts()
        torch.manual_seed(0)
        trained_jointly(parts, n_epochs=2)
        states.append(parts.network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
