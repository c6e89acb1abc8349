"""Coverage, validity, and what judges say that see the training data alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _metrics import NAN, TRAIN, X, assert_flags, assert_floats, nothing_like
from _models import mixed
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors

from hyconex_sklearn.metrics import (
    agreement,
    evaluate_counterfactuals,
    independent_classifier,
    isolation_forest,
    local_outlier_factor,
    log_density,
    near_target,
    plausibility,
    validity,
)


@pytest.mark.parametrize("metric", [validity, agreement])
def test_predict_sees_the_found_rows_once_and_as_they_are(metric: Any) -> None:
    seen = []

    def predict(rows: Any) -> list[str]:
        seen.append(rows)
        return ["yes", "no"]

    frame = X.astype({"age": "Int64", "job": "category", "owner": "boolean", "fixed": "Int8"})
    frame.iloc[1] = None
    assert_flags(metric(frame, ["yes", "yes", "yes"], predict), [True, False, False])
    pd.testing.assert_frame_equal(seen.pop(), frame.iloc[[0, 2]])
    assert not seen
    array = np.array([[1, 2], [3, 4]], dtype=np.int8)
    assert_flags(metric(array, np.array([1, "no"], dtype=object), predict), [False, True])
    assert isinstance(seen[0], np.ndarray) and seen[0].dtype == np.int8


def test_nothing_is_asked_where_nothing_was_found() -> None:
    def never(*_: Any) -> None:
        raise AssertionError

    nothing, y = nothing_like(TRAIN.iloc[:2]), ["a", "a", "b", "b"]
    parts = nothing, ["a", "b"], TRAIN, y
    assert_flags(validity(nothing, ["a", "b"], never), [False, False])
    assert_flags(agreement(nothing, ["a", "b"], never), [False, False])
    assert_flags(near_target(*parts), [False, False])
    assert_flags(plausibility(*parts), [False, False])
    assert_flags(plausibility(*parts, score_samples=never), [False, False])
    for of in ("target", "all"):
        assert np.isnan(local_outlier_factor(*parts, of=of)).all()
        assert np.isnan(isolation_forest(*parts, of=of)).all()
    assert np.isnan(log_density(*parts)).all()
    line = evaluate_counterfactuals(nothing, TRAIN.iloc[:2], TRAIN, y, target=["a", "b"], oracle=never)
    assert line["coverage"] == 0 and line["n"] == 2 and line.drop(["coverage", "n"]).isna().all()


@cache
def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Two round clouds, "low" around (0, 0) and "high" around (10, 10)."""
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(0, 1, (60, 2)), rng.normal(10, 1, (60, 2))]), np.repeat(["low", "high"], 60)


ASKED = np.array([[0.1, 0.1], [0.1, 0.1], [NAN, NAN], [5.0, 5.0], [10.0, 10.0]])
WANTED = np.array(["low", "high", "low", "low", "high"])


def test_the_log_density_of_numbers_is_that_of_gaussian_kernels() -> None:
    table, y = clouds()
    scale = np.ptp(table, axis=0)
    got = log_density(ASKED, WANTED, table, y)
    for label in ("low", "high"):
        rows = (label == WANTED) & ~np.isnan(ASKED[:, 0])
        own = table[y == label] / scale
        candidates = [
            KernelDensity(bandwidth=h).fit(own).score_samples(ASKED[rows] / scale) for h in np.geomspace(1.0, 0.05, 8)
        ]
        assert any(np.allclose(got[rows], scores, rtol=1e-6) for scores in candidates)
    assert np.isnan(got[2]) and got[0] > got[3] > got[1]


def test_kernels_over_categories_sum_to_one() -> None:
    table = pd.DataFrame({"c": ["a", "b", "a", "a", "b", "a"]})
    levels = pd.DataFrame({"c": ["a", "b", "unheard of"]})
    density = log_density(levels, ["y"] * 3, table, ["y"] * 6)
    assert np.exp(density).sum() == pytest.approx(1)
    assert density[0] > density[1] > density[2]


def test_the_density_of_one_class_ignores_the_other_and_a_row_does_not_count_itself() -> None:
    table = np.array([[0.0], [1.0], [2.0], [3.0], [100.0], [101.0], [102.0]])
    y = ["low"] * 5 + ["high"] * 2  # 100 is alone in its class, whatever the other holds there
    rows, target = np.array([[1.5], [100.0], [55.0]]), ["low"] * 3
    assert_flags(plausibility(rows, target, table, y), [True, False, False])
    # Seen from the other four, the row at 100 is rarer than the gap is: as its own neighbour, it would not be.
    assert_flags(plausibility(rows, target, table, y, quantile=0), [True, True, True])
    assert_flags(plausibility(rows, target, table, y, quantile=1), [True, False, False])


def test_plausibility_asks_the_given_density() -> None:
    def score(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.where(labels == "low", -rows[:, 0], rows[:, 0])

    table, y = np.arange(10.0)[:, None], np.repeat(["low", "high"], 5)
    rows, target = np.array([[3.0], [3.1], [6.0], [5.9], [NAN]]), ["low", "low", "high", "high", "high"]
    got = plausibility(rows, target, table, y, score_samples=score)  # quarters: 3 of 0..4 from above, 6 of 5..9
    assert_flags(got, [True, False, True, False, False])
    got = plausibility(rows, target, table, y, score_samples=score, quantile=0)
    assert_flags(got, [True, True, True, True, False])


def test_near_is_within_the_reach_of_the_class() -> None:
    table, y = clouds()
    assert_flags(near_target(ASKED, WANTED, table, y), [True, False, False, False, True])
    line = np.array([[0.0], [1.0], [2.0], [4.0], [9.0]])
    rows = np.array([[5.9], [6.1], [-3.9], [11.5]])
    # Distances to the nearest other row are 1, 1, 1, 2 and 5: the median is 1, the largest 5.
    parts = rows, ["x"] * 4, line, ["x"] * 5
    assert_flags(near_target(*parts, n_neighbors=1, quantile=1), [True] * 4)
    assert_flags(near_target(*parts, n_neighbors=1, quantile=0.75), [True, False, False, False])
    # More neighbours than there are: the fourth of four, at 9, 8, 7, 5 and 9.
    reach = NearestNeighbors(n_neighbors=4).fit(line).kneighbors(rows)[0][:, -1]
    assert_flags(near_target(*parts, quantile=0), (reach <= 5).tolist())


def test_outlier_scores_tell_the_target_class_from_all_rows() -> None:
    table, y = clouds()
    factor = local_outlier_factor(ASKED, WANTED, table, y)
    scale = np.ptp(table, axis=0)
    own = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(table[y == "low"] / scale)
    assert_floats(factor[[0, 3]], (-own.score_samples(ASKED[[0, 3]] / scale)).tolist())
    assert factor[0] < 1.3 and factor[4] < 1.3 and factor[3] > 3 and factor[1] > 5 and np.isnan(factor[2])
    everywhere = local_outlier_factor(ASKED, WANTED, table, y, of="all")
    assert everywhere[0] == everywhere[1] < 1.3 and np.isnan(everywhere[2])

    anomaly = isolation_forest(ASKED, WANTED, table, y)
    assert np.isnan(anomaly[2]) and ((anomaly > 0) & (anomaly <= 1))[[0, 1, 3, 4]].all()
    assert anomaly[0] < 0.5 < anomaly[1] and anomaly[4] < 0.5 < anomaly[3]
    everywhere = isolation_forest(ASKED, WANTED, table, y, of="all")
    assert everywhere[0] == everywhere[1] < 0.55
    assert_floats(anomaly, isolation_forest(ASKED, WANTED, table, y).tolist())
    assert (anomaly != isolation_forest(ASKED, WANTED, table, y, random_state=1))[0]


def test_the_independent_classifier_reads_every_kind_of_column() -> None:
    _, table, y = mixed()
    clf = independent_classifier(table, y)
    assert (clf.predict(table) == y).mean() > 0.95
    strange = table.astype({"job": object, "owner": object}).assign(job="astronaut", income=NAN)
    strange.iloc[0] = None
    assert set(clf.predict(strange)) <= {"yes", "no"}
    assert agreement(table, y, clf.predict).mean() > 0.95
    assert independent_classifier(*clouds()).predict(ASKED[[0, 4]]).tolist() == ["low", "high"]
