"""History, early stopping and the pieces of the three loops; exact numbers of a training are nobody's contract."""

from __future__ import annotations

import io
import math
from contextlib import redirect_stderr
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import small_parts
from _trainings import encoded, rows_of, training_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from hyconex_sklearn._model.classifier import Classifier
from hyconex_sklearn._model.committee import Committee
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._training.classifier_phase import Lesson, distil, draw_rows, fit_classifier, lesson_of
from hyconex_sklearn._training.density_phase import fit_density
from hyconex_sklearn._training.ensemble import Ensemble, Member
from hyconex_sklearn._training.history import History
from hyconex_sklearn._training.loop import EarlyStopping, annealed
from hyconex_sklearn._training.step_phase import (
    Moves,
    Objective,
    class_prototypes,
    counterfactual_terms,
    draw_mask,
    draw_targets,
    fit_steps,
    judged,
    pretrain_on_clusters,
    propose,
)

__all__ = ["small_parts"]  # a fixture

pytestmark = pytest.mark.usefixtures("small_parts")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Parts:
    """Iris with an extra text column, and an untrained model of it."""

    def __init__(self) -> None:
        X, y = load_iris(return_X_y=True)
        table = pd.DataFrame(X).rename(columns=str).assign(c=np.where(X[:, 2] > 3, "long", "short"))
        self.space, x = encoded(table)
        order = np.argsort(np.arange(150) % 3 == 0, kind="stable")  # those held out at the end
        self.training = training_of(rows_of(x[order], y[order]), 100, weight_decay=1e-4)
        self.train, self.valid, self.history = self.training.train, self.training.valid, self.training.history
        sizes = self.space.n_features, 3, 16, 1, 0.1
        self.density = MixedDensity(self.space, 3, 2, (16,))
        committee = Committee(self.space.owner, 3, seeded())
        self.model = Model(self.space, Classifier(*sizes), HyperNetwork(*sizes), self.density, committee).eval()
        self.model.threshold.fill_(-5.0)
        self.classifier, self.hypernetwork = self.model.classifier, self.model.hypernetwork

    def objective(self, validity: float = 1.0, proximity: float = 0.1, plausibility: float = 0.1) -> Objective:
        return Objective(validity, proximity, plausibility, torch.full((3,), 1.0))

    def moves(self, n: int = 100) -> Moves:
        targets = draw_targets(self.train.labels[:n], 3, seeded())
        return propose(self.model, self.train.x[:n], targets, seeded())

    def terms(self, moves: Moves, objective: Objective) -> torch.Tensor:
        return counterfactual_terms(judged(self.model, moves), moves, self.model, objective)

    def freeze(self) -> None:
        """What is fitted before the hypernetwork learns no more."""
        for part in (self.density, self.classifier):
            part.requires_grad_(False).eval()


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


def test_the_learning_rate_falls_from_all_to_nearly_nothing() -> None:
    rates = [annealed(progress) for progress in np.linspace(0, 1, 21)]
    assert rates[0] == pytest.approx(1.0) and 0 < rates[-1] < 0.05 and (np.diff(rates) < 0).all()


def test_the_rate_of_an_epoch_is_the_one_that_its_steps_take(parts: Parts) -> None:
    module, moved = torch.nn.Linear(1, 1, bias=False), []

    def validate() -> dict[str, float]:
        moved.append(module.weight.item())
        return {"valid_loss": 0.0}

    start = module.weight.item()
    run = parts.training.epochs(
        "joint", module, 2, lambda _, __: module.weight.sum(), validate, lambda progress: 1.0 if progress == 0 else 0.1
    )
    list(run)
    assert (moved[0] - start) == pytest.approx(10 * (moved[1] - moved[0]), rel=0.05)


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
    few = rows_of(parts.train.x[[0, 0, 0]], [0, 0, 2])
    assert class_prototypes(few, 3, 4, 0)[1].tolist() == [0, 2]


def test_prototypes_lie_where_rows_count_most() -> None:
    x = np.array([[0.0], [1.0], [10.0]])
    plain, heavy = (class_prototypes(rows_of(x, [0, 0, 0], times=t), 1, 1, 0)[0] for t in ([1, 1, 1], [0.1, 0.1, 2.8]))
    assert float(plain) == pytest.approx(11 / 3, rel=1e-4) and float(heavy) == pytest.approx(28.1 / 3, rel=1e-4)


# ----------------------------------------------------------------------------------------------------- the judge


def test_the_judge_hears_the_calibrated_classifier_and_the_density_of_the_target(parts: Parts) -> None:
    parts.model.temperature.fill_(2.0)
    moves = parts.moves()
    logits, density = judged(parts.model, moves)
    torch.testing.assert_close(logits, parts.classifier(moves.moved) / 2.0)
    torch.testing.assert_close(density, parts.density.log_prob(moves.moved, moves.target))


def test_counterfactual_terms_teach_the_hypernetwork_alone(parts: Parts) -> None:
    parts.freeze()
    terms = parts.terms(parts.moves(), parts.objective())
    assert terms.shape == (200, 4) and (terms >= 0).all() and torch.isfinite(terms).all()
    terms.sum().backward()
    assert all(parameter.grad is not None for parameter in parts.hypernetwork.parameters())
    others = [*parts.classifier.parameters(), *parts.density.parameters()]
    assert all(parameter.grad is None for parameter in others)


@pytest.mark.parametrize("term", [0, 1, 2])
def test_every_alpha_weighs_its_own_term(parts: Parts, term: int) -> None:
    moves = parts.moves()
    one, three = [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]
    three[term] = 3.0
    terms = [parts.terms(moves, parts.objective(*alpha)) for alpha in (one, three)]
    factor = torch.ones(4)
    factor[term] = 3.0
    torch.testing.assert_close(terms[1], terms[0] * factor)
    assert terms[0][:, term].sum() > 0


def test_the_local_model_learns_from_where_a_row_went_without_moving_it(parts: Parts) -> None:
    parts.freeze()
    parts.classifier.set_linear(
        torch.ones(3, parts.space.n_features) * torch.tensor([[1.0], [0.0], [-1.0]]), torch.zeros(3)
    )
    moves = parts.moves()
    secant = parts.terms(moves, parts.objective(0.0, 0.0, 0.0))
    assert (secant[:, :3] == 0).all() and (secant[:, 3] > 0).any()
    told = Moves(moves.x, moves.moved.detach(), moves.target, moves.movable, moves.logits, moves.weight)
    parameter = parts.hypernetwork.weight0
    whole, through_weights = (
        torch.autograd.grad(parts.terms(each, parts.objective(0.0, 0.0, 0.0)).sum(), parameter, retain_graph=True)[0]
        for each in (moves, told)
    )
    torch.testing.assert_close(whole, through_weights)


def test_half_of_the_proposals_are_under_a_mask_and_respect_it(parts: Parts) -> None:
    targets = draw_targets(parts.train.labels, 3, seeded())
    moves = propose(parts.model, parts.train.x, targets, seeded())
    torch.testing.assert_close(moves.logits, parts.model.logits(parts.train.x).repeat_interleave(2, 0))
    assert torch.equal(moves.target, targets.flatten())
    assert torch.equal(moves.moved[moves.movable == 0], moves.x[moves.movable == 0])
    masked = (moves.movable == 0).any(1)
    half = len(moves.x) // 2
    assert masked[:half].float().mean() > 0.5 and not masked[half:].any()


def test_a_row_moves_along_the_weights_of_each_target(parts: Parts) -> None:
    x, space = parts.train.x[:20], parts.space
    targets = draw_targets(parts.train.labels[:20], 3, seeded())
    weight = torch.randn(20, 3, space.n_features, generator=seeded())
    moves = Moves.along(weight, parts.model.logits(x), x, targets, space.movable_in(x), space)
    assert moves.weight.shape == (40, 3, space.n_features) and moves.logits.shape == (40, 3)
    for i in range(20):
        for t, target in enumerate(targets[i].tolist()):
            expected = space.move(x[i : i + 1], weight[i : i + 1, target], space.movable_in(x[i : i + 1]))
            torch.testing.assert_close(moves.moved[2 * i + t], expected[0])


@pytest.mark.parametrize("n", [1, 2])
def test_proposals_for_a_row_or_two(parts: Parts, n: int) -> None:
    moves = parts.moves(n)
    assert len(moves.moved) == 2 * n and torch.isfinite(moves.moved).all()


# ---------------------------------------------------------------------------------------------------- the phases


def cross_entropy(parts: Parts) -> float:
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(parts.classifier(parts.valid.x), parts.valid.labels))


def test_the_density_learns(parts: Parts) -> None:
    def held_out() -> float:
        with torch.no_grad():
            return float(parts.density.log_prob(parts.valid.x, parts.valid.labels).mean())

    before = held_out()
    fit_density(parts.density, parts.space, parts.training, 4)
    assert held_out() > before + 0.5
    assert parts.history.unconverged == ["density"]


def test_the_density_learns_most_of_rows_that_count_most(parts: Parts) -> None:
    own = torch.arange(150) % 2 == 0
    times = np.where(own, 1.9, 0.1)
    rows = parts.training.rows
    shares = []
    for weights in (np.ones(150), times):
        training = training_of(rows_of(rows.x, rows.labels, times=weights), 100)
        density = MixedDensity(parts.space, 3, 2, (16,))
        fit_density(density, parts.space, training, 15)
        with torch.no_grad():
            log_density = density.log_prob(rows.x, rows.labels)
        shares.append(float(log_density[own].mean() - log_density[~own].mean()))
    assert shares[1] > shares[0]


def fit_the_classifier(parts: Parts, n_epochs: int = 40) -> torch.Tensor:
    return fit_classifier(parts.classifier, parts.density, parts.space, parts.training, n_epochs)


def test_the_classifier_learns_what_the_teacher_says(parts: Parts) -> None:
    before = cross_entropy(parts)
    unseen = fit_the_classifier(parts)
    assert unseen.shape == (150, 3) and (unseen.argmax(1) == parts.training.rows.labels).float().mean() > 0.85
    torch.testing.assert_close(unseen.exp().sum(1), torch.ones(150), atol=1e-4, rtol=0)
    assert cross_entropy(parts) < before - 0.3
    losses = [record["valid_loss"] for record in parts.history.records]
    assert len(losses) == 40 and losses[-1] < losses[0]
    assert [record["phase"] for record in parts.history.records] == ["classifier"] * 40
    assert not parts.classifier.training and not parts.history.unconverged


def test_what_is_said_of_a_row_does_not_follow_from_its_own_label(parts: Parts) -> None:
    rows = parts.training.rows
    shuffled = rows.labels[torch.randperm(150, generator=seeded())].numpy()
    parts.training = training_of(rows_of(rows.x, shuffled), 100)
    unseen = fit_the_classifier(parts, 2)
    assert (unseen.argmax(1).numpy() == shuffled).mean() < 0.45


def test_without_epochs_the_classifier_is_the_linear_start(parts: Parts) -> None:
    unseen = fit_the_classifier(parts, 0)
    x = parts.training.rows.x
    with torch.no_grad():
        linear = parts.classifier.linear(x)
        torch.testing.assert_close(parts.classifier(x), linear, atol=0.1, rtol=0)
    assert (linear.argmax(1) == parts.training.rows.labels).float().mean() > 0.9
    assert unseen.shape == (150, 3) and not parts.history.records


def constant_teacher(probability: list[float], n: int) -> Ensemble:
    """A teacher that says the same of every row."""
    row = np.array(probability)
    return Ensemble(np.ones(1), [Member(np.tile(row, (n, 1)), lambda x: np.tile(row, (len(x), 1)))])


def surely(labels: torch.Tensor, sure: float = 0.8) -> Lesson:
    """What a teacher that knows the labels says, as sure as asked."""
    return Lesson(sure * torch.nn.functional.one_hot(labels, 3) + (1 - sure) / 3, 0.25)


def test_of_the_table_the_lesson_is_learned_and_of_drawn_rows_what_the_teacher_says(parts: Parts) -> None:
    teacher, rows = constant_teacher([0.2, 0.3, 0.5], 150), parts.training.rows
    apart = rows.x + 5.0  # so far away that the classifier can tell drawn rows from those of the table
    lesson = surely(rows.labels)
    distil(parts.classifier, teacher, lesson, apart.repeat(8, 1), parts.training, 100)
    with torch.no_grad():
        own, drawn = (parts.classifier(x).softmax(1) for x in (rows.x, apart))
    torch.testing.assert_close(drawn.mean(0), torch.tensor([0.2, 0.3, 0.5]), atol=0.05, rtol=0)
    assert (own - lesson.goal).abs().mean() < 0.1
    assert (own.argmax(1) == rows.labels).float().mean() > 0.85


def test_a_classifier_that_has_not_learnt_the_lesson_is_told(parts: Parts) -> None:
    rows = parts.training.rows
    teacher = constant_teacher([0.98, 0.01, 0.01], 150)
    distil(parts.classifier, teacher, surely(rows.labels), rows.x.repeat(8, 1), parts.training, 1)
    assert parts.history.unconverged == ["classifier"]
    learned = Parts()
    distil(learned.classifier, teacher, surely(0 * rows.labels, 0.97), rows.x.repeat(8, 1), learned.training, 40)
    assert not learned.history.unconverged


@pytest.mark.parametrize(("sure", "least", "most"), [(1 / 3, 0.0, 0.0), (0.6, 0.2, 0.4), (0.999, 0.97, 1.0)])
def test_labels_are_trusted_as_far_as_they_can_be_foreseen(
    parts: Parts, sure: float, least: float, most: float
) -> None:
    rows = parts.training.rows
    unseen = surely(rows.labels, 1.5 * sure - 0.5).goal
    fitted = torch.full_like(unseen, 1 / 3)
    lesson = lesson_of(fitted, unseen, rows)
    own = torch.arange(len(rows)), rows.labels
    trust = (lesson.goal - (unseen + fitted) / 2)[own] / (1 - (unseen + fitted) / 2)[own]
    assert ((trust >= least - 1e-5) & (trust <= most + 1e-5)).all()
    assert lesson.share == pytest.approx(0.25 + 0.25 * float(trust[0]), abs=1e-3)
    torch.testing.assert_close(lesson.goal.sum(1), torch.ones(len(rows)))


def test_rows_without_weight_are_no_lesson(parts: Parts) -> None:
    rows = parts.training.rows
    teacher, right = constant_teacher([0.4, 0.3, 0.3], 150), []
    for weight in (np.ones(150), np.where(rows.labels == 0, 3.0, 0.0)):
        classifier = Parts().classifier
        training = training_of(rows_of(rows.x, rows.labels, weight), 100)
        distil(classifier, teacher, surely(rows.labels), rows.x.repeat(8, 1) + 5.0, training, 60)
        with torch.no_grad():
            right.append(float((classifier(rows.x).argmax(1) == rows.labels)[rows.labels > 0].float().mean()))
    assert right[0] > 0.8 and right[1] < 0.6


# ------------------------------------------------------------------------------------------------ rows drawn to teach


def test_drawn_rows_are_of_classes_as_frequent_as_in_the_table_and_within_its_range(parts: Parts) -> None:
    rows, space = parts.training.rows, parts.space
    asked: list[torch.Tensor] = []
    sample = parts.density.sample

    def watched(labels: torch.Tensor) -> torch.Tensor:
        asked.append(labels)
        return sample(labels)

    parts.density.sample = watched  # type: ignore[method-assign]
    weight = torch.tensor([2.0, 1.0, 0.0])[rows.labels]
    for weights, share in ((None, [1 / 3, 1 / 3, 1 / 3]), (weight, [2 / 3, 1 / 3, 0.0])):
        drawn = draw_rows(parts.density, space, training_of(rows_of(rows.x, rows.labels, weights), 100))
        assert drawn.shape == (600, space.n_features)
        assert (drawn >= space.lower - 1e-6).all() and (drawn <= space.upper + 1e-6).all()
        found = torch.bincount(asked.pop(), minlength=3) / 600
        torch.testing.assert_close(found, torch.tensor(share), atol=0.07, rtol=0)


def test_drawn_rows_have_gaps_as_the_table_has() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"a": rng.normal(size=200), "b": np.where(rng.random(200) < 0.3, np.nan, rng.normal(size=200))}
    )
    space, x = encoded(table)
    training = training_of(rows_of(x, np.arange(200) % 2))
    drawn = draw_rows(MixedDensity(space, 2, 2, (8,)), space, training)
    gaps = space.missing_cells(drawn)
    known = {tuple(row) for row in training.rows.x[space.missing_cells(training.rows.x).any(1)][:, 1:].tolist()}
    assert gaps.any(1).float().mean() == pytest.approx(table["b"].isna().mean(), abs=0.07)
    assert {tuple(row) for row in drawn[gaps.any(1)][:, 1:].tolist()} == known


# ------------------------------------------------------------------------------------------------ phases of the steps


def test_no_epoch_is_kept_where_none_beats_the_start(parts: Parts) -> None:
    best = EarlyStopping(parts.classifier, 5)
    best.update((0.0,))
    for record in epochs(parts, "density", 2, 1.0, 1.0):
        best.update((-1.0,), record)
    best.finish("density", parts.history)
    assert not any("kept" in record for record in parts.history.records)


def test_phases_of_no_epochs_change_nothing_and_do_not_complain(parts: Parts) -> None:
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    fit_density(parts.density, parts.space, parts.training, 0)
    pretrain_on_clusters(parts.model, parts.training, 0)
    fit_steps(parts.model, parts.objective(), parts.training, 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.model.state_dict().items())
    assert not parts.history.records and not parts.history.unconverged


def one_shot_quality(parts: Parts) -> dict[str, float]:
    targets = (parts.valid.labels[:, None] + 1) % 3
    x, model = parts.valid.x, parts.model
    with torch.no_grad():
        moves = Moves.along(model.weights(x), model.logits(x), x, targets, parts.space.movable_in(x), parts.space)
        logits, density = judged(model, moves)
        told = torch.einsum("mkd,md->mk", moves.weight, moves.x - moves.moved)
        gain = logits - moves.logits
        return {
            "valid": float((logits.argmax(1) == targets[:, 0]).float().mean()),
            "density": float(density.mean()),
            "distance": float((moves.moved - x).norm(dim=1).mean()),
            "off": float(((told - told.mean(1, keepdim=True)) - (gain - gain.mean(1, keepdim=True))).abs().mean()),
        }


def fitted_before_steps() -> Parts:
    """Density and classifier fitted, and the start of the hypernetwork."""
    parts = Parts()
    fit_density(parts.density, parts.space, parts.training, 8)
    fit_the_classifier(parts)
    parts.freeze()
    parts.hypernetwork.set_linear(parts.classifier.linear.weight)
    return parts


def with_steps(n_epochs: int = 25, **alphas: float) -> Parts:
    parts = fitted_before_steps()
    pretrain_on_clusters(parts.model, parts.training, 5)
    fit_steps(parts.model, parts.objective(**alphas), parts.training, n_epochs)
    return parts


def test_prototypes_are_a_start(parts: Parts) -> None:
    parts.freeze()
    pretrain_on_clusters(parts.model, parts.training, 20)
    losses = [record["valid_loss"] for record in parts.history.records]
    assert [record["phase"] for record in parts.history.records] == ["clusters"] * 20
    assert losses[-1] < 0.8 * losses[0]


def test_the_joint_phase_makes_the_weights_lead_to_other_classes() -> None:
    before, trained = one_shot_quality(Parts()), with_steps()
    after = one_shot_quality(trained)
    assert after["valid"] > max(0.8, before["valid"])
    phases = [record["phase"] for record in trained.history.records]
    assert list(dict.fromkeys(phases)) == ["density", "classifier", "clusters", "joint"]
    assert {"valid", "plausible", "distance"} <= set(trained.history.records[-1])


def test_the_epoch_with_most_valid_answers_is_kept() -> None:
    parts = with_steps(12)
    records = [record for record in parts.history.records if record["phase"] == "joint"]
    score = [(round(r["valid"], 2), round(r["plausible"], 1), -r["distance"]) for r in records]
    assert [record.get("kept", False) for record in records] == [each == max(score) for each in score]
    assert not parts.hypernetwork.training


def test_steps_leave_the_classifier_and_the_density_as_they_are() -> None:
    before, after = fitted_before_steps(), with_steps()
    for left, right in ((before.classifier, after.classifier), (before.density, after.density)):
        for one, other in zip(left.state_dict().values(), right.state_dict().values(), strict=True):
            assert torch.equal(one, other)


def test_the_local_model_is_about_right_where_its_steps_lead() -> None:
    parts = with_steps(40)
    quality = one_shot_quality(parts)
    with torch.no_grad():
        spread = parts.model.logits(parts.valid.x).std(1).mean()
    assert quality["off"] < 0.5 * float(spread)


def test_proximity_brings_counterfactuals_nearer() -> None:
    far, near = (one_shot_quality(with_steps(proximity=proximity)) for proximity in (0.0, 3.0))
    assert near["distance"] < far["distance"]


def test_the_same_generator_gives_the_same_network() -> None:
    first, again = (with_steps(n_epochs=2).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
