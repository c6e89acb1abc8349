"""From encoded rows to a fitted model: what is held out, calibration, thresholds, and the typical row."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import state_of
from _models import fitted, iris
from _trainings import rows_of, training_of
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._model.committee import mean_log_odds
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.losses import log_odds
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.calibrate import (
    SUPPORT,
    Calibration,
    Scale,
    calibrate,
    fit_temperature,
    plausible_threshold,
    quantile_of,
    typical,
)
from hyconex_sklearn._training.fit_model import joint_steps, typical_row
from hyconex_sklearn._training.rows import Rows, draw_held_out, split


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.floats(0.01, 0.99), st.integers(0, 9))
def test_every_class_keeps_a_row_and_gives_its_share(labels: list[int], fraction: float, seed: int) -> None:
    y = np.array(labels)
    held_out = draw_held_out(y, fraction, np.random.default_rng(seed))
    for label in np.unique(y):
        n, given_away = (y == label).sum(), held_out[y == label].sum()
        assert given_away < n
        assert abs(given_away - fraction * n) <= 1 or given_away == n - 1


def test_held_out_rows_follow_the_seed_and_are_not_the_first_ones() -> None:
    y = np.arange(100) % 2
    draws = [draw_held_out(y, 0.2, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any() and draws[0].sum() == 20 and draws[0][40:].any()


@pytest.mark.parametrize(("factor", "found"), [(0.2, 0.5), (0.7, 0.7), (1.0, 1.0), (4.0, 1.0)])
def test_the_temperature_undoes_a_scale_that_is_too_small(factor: float, found: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(5_000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(logits * factor, labels, torch.ones(5_000)) == pytest.approx(found, rel=0.1)


def test_a_few_rows_that_are_all_right_make_it_twice_as_sure_at_most() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, torch.tensor([0, 1]), torch.ones(2)) == pytest.approx(0.5, rel=1e-3)


def test_weights_count_in_the_temperature() -> None:
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).repeat(50, 1)
    labels = torch.tensor([0, 1]).repeat(50)
    trusting = fit_temperature(logits, labels, torch.tensor([1.0, 0.01]).repeat(50))
    wary = fit_temperature(logits, labels, torch.tensor([1.0, 0.8]).repeat(50))
    assert trusting < wary


def test_the_threshold_is_a_quantile_of_each_class() -> None:
    clf, X, y = iris()
    rows = rows_of(clf._codec.encode(X), y)
    density = clf._model.density
    for quantile in (0.0, 0.25, 0.9):
        threshold = plausible_threshold(density, rows, rows, quantile)
        own = density.log_prob(rows.x, rows.labels)
        shares = torch.stack([(own[rows.labels == k] < threshold[k]).float().mean() for k in range(3)])
        torch.testing.assert_close(shares, torch.full((3,), quantile), atol=0.03, rtol=0)


def test_more_held_out_rows_than_torch_takes_have_a_quantile_too() -> None:
    values = torch.rand(17_000_000, generator=torch.Generator().manual_seed(0))
    assert float(quantile_of(values, 0.25, torch.ones(()).expand(len(values)))) == pytest.approx(0.25, abs=1e-3)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=1, max_size=40), st.integers(0, 8))
def test_a_number_that_counts_twice_is_in_a_quantile_twice(pairs: list[tuple[int, int]], eighths: int) -> None:
    values, times = (np.array(part) for part in zip(*pairs, strict=True))
    found = quantile_of(torch.tensor(values).float(), eighths / 8, torch.tensor(times).float())
    assert float(found) == np.quantile(np.repeat(values, times), eighths / 8, method="inverted_cdf")


def test_weights_reach_the_thresholds() -> None:
    clf, X, y = iris()
    x, density = clf._codec.encode(X), clf._model.density
    own = density.log_prob(*(torch.tensor(part) for part in (x, y))).numpy()
    likely = own > np.array([np.median(own[y == label]) for label in range(3)])[y]
    rows = rows_of(x, y), rows_of(x, y, times=np.where(likely, 9.0, 1.0))
    plain, weighted = (plausible_threshold(density, each, each, 0.25) for each in rows)
    assert (weighted > plain).all()
    few = rows_of(x[:5], y[:5])  # too few to hold out: the rows of training serve, too
    torch.testing.assert_close(plausible_threshold(density, rows[1], few, 0.25)[1:], weighted[1:])


def test_a_higher_quantile_asks_more_of_a_counterfactual() -> None:
    _, X, y = iris()
    strict = fitted(X, y, plausibility_quantile=0.6)
    assert (strict._model.threshold > iris()[0]._model.threshold).all()


# --------------------------------------------------------------------------------------------------- asked confidence


def calibrated(
    quantile: float, least: float, most: float = 3.5, labels: np.ndarray | None = None, times: np.ndarray | None = None
) -> tuple[Calibration, Model, Rows]:
    """What all rows say of the model of iris, with these limits; the labels may be wrong on purpose."""
    clf, X, y = iris()
    model, rows = clf._model, rows_of(clf._codec.encode(X), y if labels is None else labels, np.ones(len(X)), times)
    limits = Scale(quantile, least, most, 0.0)
    with patch.multiple("hyconex_sklearn._training.calibrate", AIMED=limits, ASKED=limits):
        found = calibrate(model.classifier(rows.x), model.committee, rows, rows)
    assert all(torch.equal(*pair) for pair in zip(found.aimed, found.asked, strict=True))
    return found, model, rows


def lowest(odds: torch.Tensor, quantile: float) -> float:
    """The least of the numbers up to which that share of them lies."""
    return float(np.quantile(odds.numpy(), quantile, method="inverted_cdf"))


@pytest.mark.parametrize("quantile", [0.1, 0.25, 0.5])
def test_the_confidence_is_what_rows_of_the_class_that_are_told_right_typically_reach(quantile: float) -> None:
    found, model, rows = calibrated(quantile, 0.1)
    logits = model.classifier(rows.x) / found.temperature
    reached = log_odds(logits, rows.labels), mean_log_odds(model.committee(rows.x), rows.labels)
    for odds, confidence in zip(reached, found.asked[:2], strict=True):
        for label in range(3):
            own = odds[(rows.labels == label) & (logits.argmax(1) == label)]
            assert float(confidence[label]) == pytest.approx(np.clip(lowest(own, quantile), 0.1, 3.5), abs=1e-4)


def test_the_confidence_has_a_floor_and_a_ceiling() -> None:
    floor = calibrated(0.0, 1.0)[0].asked.calibrated
    assert (floor >= 1.0).all() and (floor == 1.0).any()
    for most in (2.0, 3.5):
        ceiling = calibrated(1.0, 1.0, most)[0].asked
        assert (ceiling.calibrated <= most).all() and (ceiling.committee == most).any()


@pytest.mark.parametrize(("few", "asked"), [(0.9, 0.9), (0.3, 0.3), (-2.0, 0.0)])
def test_of_a_class_whose_rows_hardly_reach_the_least_what_its_best_reach_is_asked(few: float, asked: float) -> None:
    rows = rows_of(np.zeros((40, 1)), np.repeat([0, 1], 20))
    for best, expected in ((few, asked), (3.0, 1.0)):  # of three of twenty rows
        odds = torch.tensor([few, best, 3.0]).repeat_interleave(torch.tensor([17, 3, 20]))
        found = typical(odds, torch.ones(40, dtype=torch.bool), rows, 2, Scale(0.25, 1.0, 3.0, 0.0))
        assert found.tolist() == pytest.approx([expected, 3.0])


def test_support_is_asked_as_rows_of_the_class_have_it() -> None:
    votes = torch.tensor([1.0, 0.7, 0.2]).repeat_interleave(20)
    rows = rows_of(np.zeros((60, 1)), np.repeat([0, 1, 2], 20))
    found = typical(votes, torch.ones(60, dtype=torch.bool), rows, 3, SUPPORT)
    assert found.tolist() == pytest.approx([0.8, 0.7, 0.5])


def test_a_class_that_is_never_told_right_asks_what_the_others_reach() -> None:
    _, _, y = iris()
    found, model, rows = calibrated(0.5, 0.0, labels=np.where(y == 2, 0, y))  # no row is labelled 2
    logits = model.classifier(rows.x) / found.temperature
    right = logits.argmax(1) == rows.labels
    typical = np.clip(lowest(log_odds(logits, rows.labels)[right], 0.5), 0.0, 3.5)
    assert float(found.asked.calibrated[2]) == pytest.approx(typical, abs=1e-4)


def test_a_model_that_is_always_wrong_asks_the_lowest() -> None:
    clf, X, _ = iris()
    found, *_ = calibrated(0.25, 1.0, labels=(clf.predict(X) + 1) % 3)
    assert found.asked.calibrated.tolist() == found.asked.committee.tolist() == [0.0, 0.0, 0.0]
    assert found.asked.support.tolist() == [0.5, 0.5, 0.5]


def test_rows_that_count_more_say_more_of_the_confidence() -> None:
    clf, X, _ = iris()
    sure = clf.predict_proba(X).max(1)
    heavy = np.where(sure > np.median(sure), 9.0, 1.0)
    plain, weighted = (calibrated(0.25, 0.0, 99.0, times=times)[0].asked for times in (None, heavy))
    assert (weighted.calibrated >= plain.calibrated).all() and (weighted.calibrated > plain.calibrated).any()


def test_the_committee_is_asked_about_rows_that_it_has_not_seen_and_the_classifier_about_all() -> None:
    clf, X, y = iris()
    model, rows = clf._model, rows_of(clf._codec.encode(X), y)
    said = model.classifier(rows.x)
    whole = calibrate(said, model.committee, rows, rows)
    held_out = calibrate(said, model.committee, rows, rows[100:])  # of the last class alone
    assert torch.equal(held_out.temperature, whole.temperature)
    assert torch.equal(held_out.asked.calibrated, whole.asked.calibrated)
    assert len(held_out.asked.committee.unique()) == 1
    assert torch.equal(held_out.asked.committee[2], whole.asked.committee[2])


def test_a_search_may_stop_earlier_than_the_one_pass_is_trained_to_go() -> None:
    clf, X, y = iris()
    rows = rows_of(clf._codec.encode(X), y)
    _, aimed, asked = calibrate(clf._model.classifier(rows.x), clf._model.committee, rows, rows)
    assert (asked.calibrated <= aimed.calibrated).all() and (asked.calibrated < aimed.calibrated).any()


def test_calibration_leaves_the_model_as_it_is() -> None:
    clf, X, y = iris()
    before = state_of(clf)
    rows = rows_of(clf._codec.encode(X[::2]), y[::2])
    calibrate(clf._model.classifier(rows.x), clf._model.committee, rows, rows)
    assert state_of(clf) == before


# ------------------------------------------------------------------------------------------------------------- rows


@given(st.integers(0, 9), st.sampled_from([0.1, 0.3, 0.5]))
def test_rows_are_shuffled_and_each_keeps_what_belongs_to_it(seed: int, fraction: float) -> None:
    X, labels = np.arange(60.0)[:, None], np.repeat([0, 1, 2], 20)
    codec = TableCodec.fit(X)
    times, weight = 1 + np.arange(60) / 100, 2 + np.arange(60) / 100
    rows, n_train = split(codec, X, labels, weight, times, fraction, seed, torch.device("cpu"))
    told = np.round(codec.decode(rows.x.numpy(), X)[:, 0]).astype(int)
    assert sorted(told) == list(range(60)) and n_train == 60 - 3 * round(fraction * 20)
    np.testing.assert_array_equal(rows.labels, labels[told])
    np.testing.assert_allclose(rows.times, times[told], rtol=1e-6)
    np.testing.assert_allclose(rows.weight, weight[told], rtol=1e-6)
    assert torch.bincount(rows.labels[n_train:]).tolist() == [round(fraction * 20)] * 3
    for head in (rows[:n_train], rows[n_train:]):  # some steps take the first rows
        assert len(head[:6].labels.unique()) > 1


def test_where_no_row_can_be_held_out_those_of_training_serve_for_both() -> None:
    rows = rows_of(np.zeros((4, 1)), [0, 1, 0, 1])
    assert len(training_of(rows).valid) == len(training_of(rows).train) == 4
    some = training_of(rows, 3)
    assert len(some.train) == 3 and len(some.valid) == 1 and len(some.rows[torch.tensor([0, 2])]) == 2


# ------------------------------------------------------------------------------------------------------ the typical row


def test_the_typical_row_has_the_median_of_each_number_and_the_most_frequent_label() -> None:
    table = pd.DataFrame({"a": [1.5, 2.25, 9.5, 0.25, 2.75], "c": ["u", "v", "v", "w", "v"], "k": 7})
    codec = TableCodec.fit(table)
    space, x = EncodedSpace(codec.schema), codec.encode(table)

    def row(times: list[float]) -> list[Any]:
        typical = typical_row(rows_of(x, np.zeros(5, dtype=int), times=times), space)
        return codec.decode(typical[None].numpy(), table[:1]).iloc[0].tolist()

    assert row([1, 1, 1, 1, 1]) == [2.25, "v", 7]
    assert row([1, 1, 8, 1, 1]) == [9.5, "v", 7]
    assert row([9, 1, 1, 1, 1]) == [1.5, "u", 7]


def test_the_typical_row_is_complete_although_most_rows_have_gaps() -> None:
    table = pd.DataFrame({"a": [1.5, np.nan, np.nan, np.nan, 2.75], "c": [None, None, None, "u", "v"]})
    codec = TableCodec.fit(table)
    space = EncodedSpace(codec.schema)
    typical = typical_row(rows_of(codec.encode(table), np.zeros(5, dtype=int)), space)
    assert not space.missing_cells(typical[None]).any()
    assert 1.5 <= codec.decode(typical[None].numpy(), table[:1])["a"].iloc[0] <= 2.75


# ------------------------------------------------------------------------------------------------------------- lengths


@given(st.integers(256, 100_000), st.integers(1, 200), st.integers(2, 20))
def test_more_rows_features_and_classes_never_take_fewer_steps(n: int, d: int, k: int) -> None:
    steps = joint_steps(n, 256, d, k)
    assert 150 <= steps - n // 20 <= 600
    assert steps <= joint_steps(n + 500, 256, d, k)
    assert steps <= joint_steps(n, 256, d + 5, k) and steps <= joint_steps(n, 256, d, k + 5)
