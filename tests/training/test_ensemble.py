"""The teacher: several kinds of classifiers, each heard only about rows that it has not seen."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import mixed_table, small_parts
from _trainings import encoded, rows_of, training_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hyconex_sklearn._training import ensemble
from hyconex_sklearn._training.ensemble import Ensemble, columns_of, fit_ensemble, folds_of, linear_member, mixture
from hyconex_sklearn._training.history import Clock

__all__ = ["small_parts"]  # a fixture

pytestmark = pytest.mark.usefixtures("small_parts")


def teacher_of(table: Any, labels: Any, weight: Any = None, **settings: Any) -> tuple[Ensemble, torch.Tensor]:
    """A teacher of all rows of a table, and the encoded rows; a warning on the way is an error."""
    space, x = encoded(table)
    training = training_of(rows_of(x, labels, weight), **settings)
    n_classes = int(np.max(labels)) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear, _ = linear_member(training, n_classes)
        return fit_ensemble(training, space, n_classes, linear), training.rows.x


def likelihood(probability: np.ndarray, labels: np.ndarray) -> float:
    """Mean log-likelihood of the labels."""
    return float(np.log(probability[np.arange(len(labels)), labels] + 1e-6).mean())


def check_whole(teacher: Ensemble, x: torch.Tensor, n_classes: int) -> None:
    """It has something to say of every row and of each class, as probabilities."""
    for said in (teacher.unseen, teacher.predict_proba(x), teacher.predict_proba(x[:1])):
        assert said.shape[1] == n_classes and (said >= 0).all()
        np.testing.assert_allclose(said.sum(1), 1.0, atol=1e-5)
    assert len(teacher.unseen) == len(x)
    assert (teacher.weights >= 0).all() and teacher.weights.sum() == pytest.approx(1.0)


# -------------------------------------------------------------------------------------------------------------- folds


@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), st.integers(0, 9))
def test_folds_keep_classes_spread(labels: list[int], seed: int) -> None:
    y = np.array(labels)
    folds = folds_of(y, seed)
    assert folds.shape == y.shape and np.array_equal(folds, folds_of(y, seed))
    for label in np.unique(y):
        own = folds[y == label]
        if len(own) == 1:
            assert own == -1  # without it nothing would be learnt of the class
        else:
            assert np.ptp(np.bincount(own, minlength=5)) <= 1


def test_folds_follow_the_seed() -> None:
    y = np.arange(100) % 3
    assert (folds_of(y, 0) != folds_of(y, 1)).any()


# ------------------------------------------------------------------------------------------------------- unseen rows


def test_labels_of_pure_noise_are_not_predicted() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    teacher, x = teacher_of(rng.normal(size=(300, 6)), labels)
    for member in teacher.members:
        assert likelihood(member.unseen, labels) < -0.68  # that of even odds is -0.69
        assert abs((member.unseen.argmax(1) == labels).mean() - 0.5) < 0.1
    assert likelihood(teacher.unseen, labels) < -0.68
    # Four of five models of each kind have seen the row: these could tell its label by heart.
    assert (teacher.predict_proba(x).argmax(1) == labels).mean() > 0.65


def test_a_row_has_no_say_in_what_is_told_of_it() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    labels = (X[:, 0] > 0).astype(int)
    space, x = encoded(X)
    fold = np.flatnonzero(folds_of(labels, 0) == 0)
    lying = labels.copy()
    lying[fold[:3]] = 1 - lying[fold[:3]]  # a row that lies in the fold that is told
    told = []
    for given_labels in (labels, lying):
        training = training_of(rows_of(x, given_labels))
        folds = folds_of(labels, 0)  # of the honest labels, so that they are the same
        told.append([fit(training, training.rows, folds, space, 2).unseen[fold] for fit in TREES])
    for honest, other in zip(*told, strict=True):
        np.testing.assert_array_equal(honest, other)


TREES: list[Any] = [ensemble._boosting, ensemble._forest]


def test_what_there_is_to_learn_is_learned_by_every_kind() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    labels = np.digitize(X[:, 0] + 0.3 * rng.normal(size=300), [-0.5, 0.5])
    teacher, x = teacher_of(X, labels)
    assert len(teacher.members) == len(teacher.weights) == 4
    for member in teacher.members:
        assert (member.unseen.argmax(1) == labels).mean() > 0.7
    best = max(likelihood(member.unseen, labels) for member in teacher.members)
    assert likelihood(teacher.unseen, labels) >= best - 0.01
    check_whole(teacher, x, 3)


def test_where_no_line_helps_the_others_are_heard() -> None:
    X = np.random.default_rng(0).normal(size=(400, 2))
    labels = (X[:, 0] * X[:, 1] > 0).astype(int)
    teacher, _ = teacher_of(X, labels)
    assert teacher.weights[0] < 0.2 and (teacher.unseen.argmax(1) == labels).mean() > 0.85


def test_one_seed_one_teacher() -> None:
    X, y = mixed_table(80)
    first, again, other = (teacher_of(X, (y == "yes").astype(int), seed=seed)[0].unseen for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


# ----------------------------------------------------------------------------------------------------------- mixtures


def parts_of(seed: int, n: int = 60, k: int = 3, n_parts: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.ones(k), n) for _ in range(n_parts)], rng.integers(0, k, n)


@given(st.integers(0, 99), st.integers(1, 4))
def test_a_mixture_is_at_least_as_likely_as_any_part(seed: int, n_parts: int) -> None:
    parts, labels = parts_of(seed, n_parts=n_parts)
    weights = mixture(parts, rows_of(np.zeros((60, 1)), labels))
    assert weights.shape == (n_parts,) and (weights >= 0).all() and weights.sum() == pytest.approx(1.0)
    mixed = likelihood(sum(w * part for w, part in zip(weights, parts, strict=True)), labels)
    assert mixed >= max(likelihood(part, labels) for part in parts) - 1e-3


@given(st.integers(0, 99), st.floats(0.55, 0.95))
def test_the_better_part_weighs_more(seed: int, sure: float) -> None:
    parts, labels = parts_of(seed, n_parts=1)
    better = (1 - sure) * parts[0] + sure * np.eye(3)[labels]
    weights = mixture([parts[0], better], rows_of(np.zeros((60, 1)), labels))
    assert weights[1] > 0.9


def test_rows_count_as_they_weigh_and_a_part_may_be_wrong_about_all() -> None:
    labels = np.array([0, 1] * 30)
    first, second = np.tile([0.9, 0.1], (60, 1)), np.tile([0.1, 0.9], (60, 1))  # each right about one class
    weights = mixture([first, second], rows_of(np.zeros((60, 1)), labels, np.where(labels == 0, 1.8, 0.2)))
    assert weights[0] > 0.9
    never = np.eye(2)[1 - labels]
    assert mixture([never, first], rows_of(np.zeros((60, 1)), labels))[1] > 0.9
    assert mixture([never, never], rows_of(np.zeros((60, 1)), labels)).tolist() == [0.5, 0.5]


# ------------------------------------------------------------------------------------------------------- odd tables

RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(60, 3))
SIDE = (CLOUD[:, 0] > 0).astype(int)
LEVELS = np.array([f"level {i % 40}" for i in range(60)])
ODD: dict[str, tuple[Any, Any]] = {
    "a class of one row": (CLOUD, np.where(np.arange(60) == 7, 2, SIDE)),
    "classes of one row": (CLOUD[:12], np.arange(12)),
    "ten rows": (CLOUD[:10], np.arange(10) % 2),
    "three rows": (CLOUD[:3], [0, 1, 1]),
    "two rows": (CLOUD[:2], [0, 1]),
    "two equal rows": (np.ones((2, 2)), [0, 1]),
    "one column": (CLOUD[:, :1], SIDE),
    "one column of text": (pd.DataFrame({"c": RNG.choice(list("uvw"), 60)}), SIDE),
    "constant columns": (np.c_[np.ones((60, 2)), CLOUD[:, 0]], SIDE),
    "constant columns alone": (np.ones((60, 2)), SIDE),
    "a column that is all gaps": (pd.DataFrame({"a": CLOUD[:, 0], "b": np.nan}), SIDE),
    "a column that is nearly all gaps": (np.c_[CLOUD, np.where(np.arange(60) == 3, 1.5, np.nan)], SIDE),
    "one gap": (np.where(np.arange(180).reshape(60, 3) == 31, np.nan, CLOUD), SIDE),
    "every column has gaps": (np.where(RNG.random((60, 3)) < 0.4, np.nan, CLOUD), SIDE),
    "many levels": (pd.DataFrame({"a": CLOUD[:, 0], "c": LEVELS}), SIDE),
    "many levels and three classes": (
        pd.DataFrame({"a": CLOUD[:, 0], "c": LEVELS, "d": RNG.choice(list("uvw"), 60)}),
        np.where(CLOUD[:, 1] > 1, 2, SIDE),
    ),
    "many levels and a class of one row": (
        pd.DataFrame({"c": LEVELS, "d": RNG.choice(list("uvw"), 60)}),
        np.where(np.arange(60) == 7, 2, SIDE),
    ),
    "many levels and many small classes": (pd.DataFrame({"a": CLOUD[:, 0], "c": LEVELS}), np.arange(60) % 20),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_have_a_teacher_too(name: str) -> None:
    table, labels = ODD[name]
    teacher, x = teacher_of(table, labels)
    check_whole(teacher, x, int(np.max(labels)) + 1)


def test_a_class_that_no_member_predicts_keeps_its_place() -> None:
    labels = np.where(np.arange(60) < 2, 1, 2 * SIDE)  # the class in the middle looks like the others
    teacher, x = teacher_of(CLOUD, labels)
    check_whole(teacher, x, 3)
    assert not (teacher.predict_proba(x).argmax(1) == 1).all()
    assert (teacher.unseen.argmax(1) == labels)[2:].mean() > 0.8


def test_a_class_without_weight_does_no_harm() -> None:
    teacher, x = teacher_of(CLOUD, SIDE, np.where(SIDE == 0, 2.0, 0.0))
    check_whole(teacher, x, 2)
    assert (teacher.unseen.argmax(1) == 0).mean() > 0.9


@pytest.mark.parametrize(
    ("names", "limited"),
    [
        (["_MOST_ROWS", "_LINEAR_ROWS"], [True, True, True, True]),
        (["_FOREST_ROWS"], [False, False, False, True]),
        (["_LINEAR_ROWS"], [True, False, False, False]),
    ],
)
def test_of_many_rows_the_first_ones_are_learned_from(
    names: list[str], limited: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        monkeypatch.setattr(ensemble, name, 100)
    X = np.random.default_rng(0).normal(size=(400, 3))
    honest = (X[:, 0] > 0).astype(int)
    teacher, x = teacher_of(X, np.where(np.arange(400) < 100, honest, 1 - honest))
    assert len(teacher.unseen) == (100 if "_MOST_ROWS" in names else 400)
    assert all(len(member.unseen) == len(teacher.unseen) for member in teacher.members)
    right = [(member.predict_proba(x)[100:].argmax(1) == honest[100:]).mean() for member in teacher.members]
    assert [share > 0.5 for share in right] == limited  # the later rows lie


def test_a_head_of_a_table_that_lacks_a_class_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MOST_ROWS", "_FOREST_ROWS", "_LINEAR_ROWS"):
        monkeypatch.setattr(ensemble, name, 20)
    for labels in (np.repeat([0, 1], 30), np.repeat([0, 2, 1], 20), np.r_[np.arange(40) % 2, np.full(20, 2)]):
        space, x = encoded(CLOUD)
        training = training_of(rows_of(x, labels))
        n_classes = int(labels.max()) + 1
        linear, (weight, bias) = linear_member(training, n_classes)
        said = fit_ensemble(training, space, n_classes, linear).predict_proba(training.rows.x)
        assert said.shape == (60, n_classes) and np.isfinite(said).all()
        likely = (training.rows.x @ weight.T + bias).softmax(1)
        unseen = np.setdiff1d(np.arange(n_classes), labels[:20])
        assert (likely[:, unseen] < 0.01).all() and len(unseen)


def test_a_clock_that_has_run_out_leaves_the_linear_member() -> None:
    space, x = encoded(CLOUD)
    training = training_of(rows_of(x, SIDE), clock=Clock(0.0))
    linear, _ = linear_member(training, 2)
    teacher = fit_ensemble(training, space, 2, linear)
    assert teacher.members == [linear] and teacher.weights.tolist() == [1.0]
    assert training.history.stopped == ["ensemble"]


# ----------------------------------------------------------------------------------------------------- as trees read it


def test_trees_see_gaps_as_gaps_and_categories_as_numbers_of_levels() -> None:
    table = pd.DataFrame(
        {
            "a": [0.5, np.nan, 2.25, 3.75],
            "c": ["u", "v", "w", "u"],
            "b": [True, False, True, True],
            "k": [1.5, 2.5, 0.0, 9.0],
        }
    )
    space, x = encoded(table)
    x = torch.tensor(x)
    blind = x.clone()
    blind[3, space.owner == 1] = 0.0  # a label that the fit has not seen
    read = columns_of(blind, space)
    assert read.shape == (4, 4)
    levels, numbers = read[:, : len(space.blocks)], read[:, len(space.blocks) :]
    np.testing.assert_array_equal(np.isnan(numbers), [[False, False], [True, False], [False, False], [False, False]])
    given_numbers = x[:, space.numeric].numpy()
    np.testing.assert_array_equal(numbers[~np.isnan(numbers)], given_numbers[~np.isnan(numbers)])
    assert np.isnan(levels[3]).sum() == 1
    seen = levels[:3]
    assert {tuple(sorted(set(column))) for column in seen.T.tolist()} == {(0.0, 1.0), (0.0, 1.0, 2.0)}


def test_trees_read_numbers_alone_as_they_are() -> None:
    space, x = encoded(CLOUD)
    np.testing.assert_array_equal(columns_of(torch.tensor(x), space), x)


# --------------------------------------------------------------------------------------------------- the linear member


def start_of(x: np.ndarray, labels: np.ndarray, weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the linear start, and weights; a warning on the way is an error."""
    training = training_of(rows_of(x, labels, weight))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, (weights, bias) = linear_member(training, int(labels.max()) + 1)
    return (training.rows.x @ weights.T + bias).softmax(1).numpy(), weights.numpy()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_linear_start_is_a_logistic_regression(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    labels = np.digitize(x[:, 0] - x[:, 1] + 0.5 * rng.normal(size=300), np.linspace(-1, 1, n_classes + 1)[1:-1])
    found, weight = start_of(x, labels)
    assert weight.shape == (n_classes, 4)
    reference = LogisticRegression(C=1.0).fit(x, labels).predict_proba(x)
    assert np.abs(found - reference).mean() < 0.05
    assert (found.argmax(1) == labels).mean() > 0.75


def test_the_linear_start_heeds_weights() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    labels = (x[:, 0] + rng.normal(size=200) > 1.0).astype(int)
    shares = [start_of(x, labels, weight)[0].argmax(1).mean() for weight in (None, np.where(labels == 1, 20.0, 1.0))]
    assert shares[1] > shares[0] + 0.2


@pytest.mark.parametrize("counts", [[50, 1], [50, 2], [1, 1], [40, 1, 2, 5]])
def test_rare_classes_have_a_linear_start_too(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).normal(size=(len(labels), 3)) + 5 * labels[:, None]
    found, weight = start_of(x, labels)
    assert np.isfinite(weight).all() and (found.argmax(1) == labels).mean() > 0.8


def test_a_strong_model_where_labels_are_clear_and_a_weak_one_where_they_are_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 10))
    clear, noise = (start_of(x, labels)[1] for labels in ((x[:, 0] > 0).astype(int), rng.integers(0, 2, 200)))
    assert np.abs(clear).max() > 10 * np.abs(noise).max()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("power", [1, 3, 9])
def test_a_linear_start_does_not_complain_about_itself(power: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 30))
    labels = np.digitize(X @ rng.normal(size=30), [-1, 1])
    assert start_of(encoded(X**power)[1], labels)[0].shape == (500, 3)
