"""Metrics of counterfactuals: values worked out by hand on tiny tables, from any tool and in any container."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors

from hyconex_sklearn import Actionability, Counterfactuals, metrics
from hyconex_sklearn.metrics import (
    agreement,
    coverage,
    diversity,
    evaluate_counterfactuals,
    gower_distance,
    hamming_distance,
    independent_classifier,
    isolation_forest,
    jaccard_distance,
    l1_distance,
    l2_distance,
    local_outlier_factor,
    log_density,
    n_changed,
    near_target,
    plausibility,
    stability,
    validity,
    violations,
)

NAN = np.nan
DISTANCES = [l1_distance, l2_distance, hamming_distance, jaccard_distance, gower_distance]

TRAIN = pd.DataFrame(
    {
        "age": [20, 30, 40, 60],
        "income": [0.0, 50.0, NAN, 100.0],
        "job": ["clerk", "nurse", "clerk", None],
        "owner": [True, False, True, False],
        "fixed": [3, 3, 3, 3],
    }
)
X = TRAIN.iloc[[0, 3, 1]].reset_index(drop=True)
CF = pd.DataFrame(
    {
        "age": [40, 60, None],
        "income": [NAN, 100.0, NAN],
        "job": ["nurse", None, None],
        "owner": [True, False, None],
        "fixed": [5, 3, None],
    }
)  # the first row changes, the second does not, for the third none was found


def nothing_like(table: pd.DataFrame) -> pd.DataFrame:
    """No answer to any row."""
    return pd.DataFrame(None, index=table.index, columns=table.columns, dtype=object)


def assert_floats(got: np.ndarray, expected: list[float]) -> None:
    assert got.dtype == float and got.shape == (len(expected),)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def assert_flags(got: np.ndarray, expected: list[bool]) -> None:
    assert got.dtype == bool
    assert got.tolist() == expected


# ---------------------------------------------------------------------------------------------------------- distances


@pytest.mark.parametrize("container", ["frame", "array"])
@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (l1_distance, 0.5 + 1 + 2),
        (l2_distance, np.sqrt(0.25 + 1 + 4)),
        (hamming_distance, 1 / 2),
        (jaccard_distance, 1 - 1 / 3),
        (gower_distance, (0.5 + 1 + 1 + 0 + 1) / 5),
    ],
)
def test_distances_are_those_worked_out_by_hand(distance: Any, expected: float, container: str) -> None:
    tables = (X, CF, TRAIN)
    if container == "array":
        tables = tuple(table.astype(object).to_numpy() for table in tables)
    assert_floats(distance(*tables), [expected, 0, NAN])


def test_changed_columns_are_counted() -> None:
    assert_floats(n_changed(X, CF), [4, 0, NAN])
    assert_floats(n_changed(np.array([[1.0, NAN]]), np.array([[1.0, NAN]])), [0])


def test_a_table_of_one_kind_has_no_distance_in_the_other() -> None:
    numbers, text = np.array([[1.0], [3.0]]), np.array([["a"], ["b"]])
    for distance in (hamming_distance, jaccard_distance):
        assert_floats(distance(numbers, numbers[::-1], numbers), [0, 0])
    for distance in (l1_distance, l2_distance):
        assert_floats(distance(text, text[::-1], text), [0, 0])
    assert_floats(gower_distance(text, text[::-1], text), [1, 1])


def test_nullable_and_categorical_columns_are_read_alike() -> None:
    plain = pd.DataFrame({"k": [0, 4, 2], "c": ["a", "b", None]})
    rich = pd.DataFrame({"k": pd.array([0, 4, 2], dtype="Int64"), "c": pd.Categorical(["a", "b", None])})
    assert_floats(gower_distance(rich, plain.iloc[[1, 1, 2]], rich), [1, 0, 0])
    holed = rich.assign(k=pd.array([pd.NA, 2, 2], dtype="Int64"))
    assert_floats(l1_distance(rich, holed, rich), [1, 0.5, 0])


def test_coverage_tells_rows_that_hold_anything() -> None:
    assert_flags(coverage(CF), [True, True, False])
    assert_flags(coverage(np.array([[NAN, 1.0], [NAN, NAN]])), [True, False])


CELLS = st.tuples(
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.sampled_from("ab")),
    st.one_of(st.none(), st.booleans()),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_distances_are_zero_for_the_same_rows_only_and_symmetric(pairs: list[Any]) -> None:
    pairs = [pair for pair in pairs if all(any(cell is not None for cell in row) for row in pair)]
    left, right = (
        pd.DataFrame([pair[side] for pair in pairs], columns=["k", "c", "b"]).astype({"k": float, "c": object})
        for side in (0, 1)
    )
    train = pd.DataFrame({"k": [0.0, 4.0], "c": ["a", "b"], "b": [True, False]})
    gower = gower_distance(left, right, train)
    assert ((gower >= 0) & (gower <= 1)).all()
    assert (gower == 0).tolist() == [one == other for one, other in pairs]
    for distance in DISTANCES:
        assert_floats(distance(left, right, train), distance(right, left, train).tolist())
        assert not distance(left, left, train).any()


# ------------------------------------------------------------------------------------------------ several, and noise


def test_diversity_is_the_mean_over_the_pairs_of_a_query() -> None:
    train = pd.DataFrame({"a": [0.0, 10.0], "b": [0.0, 10.0]})
    before = pd.DataFrame({"a": [0.0] * 6, "b": [0.0] * 6})
    after = pd.DataFrame({"a": [4.0, 0.0, 4.0, 1.0, 1.0, NAN], "b": [0.0, 2.0, 2.0, 0.0, 1.0, NAN]})
    query = ["p", "p", "p", "q", "r", "r"]  # q has one, r has one that was found
    values = np.mean([(0.4 + 0.2) / 2, 0.2 / 2, 0.4 / 2])
    assert_floats(diversity(before, after, train, query), [values] * 3 + [NAN] * 3)
    columns = np.mean([1, 1 / 2, 1 / 2])
    assert_floats(diversity(before, after, train, query, of="columns"), [columns] * 3 + [NAN] * 3)
    same = diversity(before, before, train, [0, 0, 1, 1, 2, 2], of="columns")
    assert_floats(same, [0] * 6)  # none changes anything


def test_stability_compares_the_answers_to_disturbed_rows() -> None:
    seen: list[pd.DataFrame] = []

    def generate(rows: pd.DataFrame) -> pd.DataFrame:
        seen.append(rows)
        return rows.assign(job="nurse")

    table = pd.concat([TRAIN] * 50).assign(small=np.arange(200, dtype="uint8") % 3)
    got = stability(generate, table, table, noise=0.5)
    first, second = seen
    pd.testing.assert_frame_equal(first, table)
    pd.testing.assert_frame_equal(first.dtypes.to_frame(), second.dtypes.to_frame())
    pd.testing.assert_frame_equal(first[["job", "owner", "fixed"]], second[["job", "owner", "fixed"]])
    assert (second["income"].isna() == first["income"].isna()).all()
    moved = (second["age"] - first["age"]).std() / (0.5 * TRAIN["age"].std(ddof=0))
    assert 0.8 < moved < 1.2
    assert second["small"].max() < 10  # no wrapping around below zero
    assert_floats(got, gower_distance(generate(first), generate(second), table).tolist())
    assert not stability(generate, table, table, noise=0).any()


def test_stability_of_arrays_and_of_rows_without_an_answer() -> None:
    rows = np.array([[0.5, 2.0], [1.5, 4.0], [2.5, 7.0]])
    seen: list[np.ndarray] = []

    def generate(asked: np.ndarray) -> np.ndarray:
        seen.append(asked)
        answer = asked.copy()
        answer[len(seen) - 1] = NAN
        return answer

    got = stability(generate, rows, rows, noise=0.1, random_state=3)
    assert np.isnan(got[:2]).all() and got[2] > 0
    assert (seen[1][:, 1] % 1 == 0).all() and (seen[1][:, 0] != rows[:, 0]).all()  # whole numbers stay whole


# ----------------------------------------------------------------------------------------------- predict, and judges


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
    line = evaluate_counterfactuals(nothing, TRAIN.iloc[:2], TRAIN, y, target=["a", "b"], oracle=never).iloc[0]
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


# ------------------------------------------------------------------------------------------------------------- rules

BEFORE = pd.DataFrame(
    {
        "age": [30, 40, 50],
        "income": np.array([1.0, NAN, 3.0], dtype=np.float32),
        "job": ["clerk", None, "nurse"],
        "grade": pd.Categorical(["low", "mid", "high"], categories=["low", "mid", "high"], ordered=True),
        "owner": [True, False, True],
    }
)


def after(**columns: Any) -> pd.DataFrame:
    return BEFORE.assign(**{name: pd.Series(cells, dtype=BEFORE[name].dtype) for name, cells in columns.items()})


@pytest.mark.parametrize(
    ("rules", "changes", "expected"),
    [
        ({"immutable": ["age", 2]}, {"age": [30, 41, 50], "job": ["clerk", None, None]}, [0, 1, 1]),
        ({"immutable": [False, True, False, False, False]}, {"income": [1, 2, 3], "age": [1, 2, 3]}, [0, 1, 0]),
        ({"immutable": np.eye(3, 5, dtype=bool)}, {"age": [31, 41, 51], "job": ["nurse", None, "nurse"]}, [1, 0, 0]),
        ({"bounds": {"age": (35, 45)}}, {"age": [30, 45, 46]}, [1, 0, 1]),  # an unchanged cell counts, too
        ({"bounds": {"age": (None, [31, None, 40])}}, {"age": [31, 99, 41]}, [0, 0, 1]),
        ({"bounds": {"income": (0.7, None)}}, {"income": [0.7, NAN, 0.6]}, [0, 0, 1]),  # 0.7 in 32 bits is less
        ({"bounds": {"grade": ("mid", "mid")}}, {"grade": ["mid", "low", "high"]}, [0, 1, 1]),
        ({"monotonic_cst": {"age": 1, "grade": -1}}, {"age": [31, 39, 50], "grade": ["low", "mid", "high"]}, [0, 1, 0]),
        ({"monotonic_cst": [0, 1, 0, -1, 0]}, {"grade": ["mid", "low", "high"], "income": [1, 5, 2]}, [1, 1, 1]),
        ({"monotonic_cst": {"income": -1}}, {"income": [NAN, NAN, 3]}, [0, 0, 0]),
        ({"max_changes": 1}, {"age": [31, 41, 51], "owner": [True, True, True]}, [0, 1, 0]),
        ({"allowed_categories": {"job": ["clerk"]}}, {"job": [None, None, "clerk"]}, [1, 0, 0]),
        ({"allowed_categories": {"owner": [True]}}, {}, [0, 1, 0]),
        ({"allowed_transitions": {"job": {"clerk": ["nurse"], "nurse": []}}}, {"job": ["nurse", "x", None]}, [0, 0, 1]),
        ({"allowed_transitions": {"job": {None: ["nurse"]}}}, {"job": ["x", "clerk", "nurse"]}, [0, 1, 0]),
        ({"relations": [({"age": 1, "income": -10}, 20)]}, {"age": [30, 99, 51]}, [0, 0, 1]),
        ({"relations": [({"age": 0.1}, 3)]}, {"age": [30, 31, 30]}, [0, 1, 0]),
        ({"feature_weights": {"age": 9}, "repair": lambda table: table}, {"age": [1, 2, 3]}, [0, 0, 0]),
    ],
)
def test_each_rule_is_broken_by_the_rows_that_break_it(rules: dict, changes: dict, expected: list[int]) -> None:
    assert_flags(violations(BEFORE, after(**changes), Actionability(**rules)), [bool(flag) for flag in expected])


def test_rules_of_arrays_go_by_position_and_spare_rows_that_were_not_found() -> None:
    before, answer = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.5, 2.0], [NAN, NAN]])
    for column in (0, "x0"):
        assert_flags(violations(before, answer, Actionability(immutable=[column])), [True, False])
    assert_flags(violations(before, answer, Actionability(bounds={1: (None, 1)})), [True, False])
    assert_flags(violations(before, answer, Actionability()), [False, False])


def test_columns_whose_names_are_tuples_can_be_frozen() -> None:
    before = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    answer = before.add(np.eye(2))
    assert_flags(violations(before, answer, Actionability(immutable=[("a", 1)])), [True, False])


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"immutable": ["agee"]}, "agee"),
        ({"immutable": [True]}, r"shape \(1,\)"),
        ({"immutable": np.ones((2, 5), dtype=bool)}, r"shape \(2, 5\)"),
        ({"bounds": {"age": ([1, 2], None)}}, "2 rows"),
        ({"bounds": {"job": (1, 2)}}, "without an order"),
        ({"bounds": {"owner": (0, 0)}}, "without an order"),
        ({"bounds": {"grade": ("top", None)}}, "top"),
        ({"monotonic_cst": [1, 1]}, "2 rows"),
        ({"monotonic_cst": {"job": 1}}, "without an order"),
        ({"relations": [({"job": 1}, 0)]}, "without an order"),
    ],
)
def test_a_rule_that_does_not_fit_the_table_is_an_error(rules: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        violations(BEFORE, BEFORE, Actionability(**rules))


# ---------------------------------------------------------------------------------------------------------- all at once


@cache
def asked() -> tuple[pd.DataFrame, Counterfactuals]:
    clf, table, _ = mixed()
    X = table.iloc[10:18]
    return X, clf.counterfactuals(X, n_counterfactuals=2)


def test_all_metrics_of_the_package_s_own_answers() -> None:
    clf, table, y = mixed()
    X, cf = asked()
    rules = Actionability(bounds={"age": (None, [200] * 7 + [0])})  # the last row asked breaks it
    (line,) = evaluate_counterfactuals(
        cf, X, table, y, predict=clf.predict, score_samples=clf.score_samples, actionability=rules
    ).to_dict("records")
    assert line["n"] == len(cf) and line["coverage"] == 1
    assert line["validity"] == pytest.approx(cf.report["valid"].mean())
    assert line["n_changed"] == pytest.approx(cf.report["n_changed"].mean())
    assert line["violations"] == pytest.approx((cf.report["row"] == 7).mean()) and line["violations"] > 0
    last = cf[cf.report["row"].to_numpy() == 7]
    alone = evaluate_counterfactuals(last, X, table, y, oracle=clf.predict, actionability=rules)
    assert alone.loc[0, "violations"] == 1
    before, parts = X.iloc[cf.report["row"]], (cf.data, cf.report["target"], table, y)
    assert line["gower"] == pytest.approx(gower_distance(before, cf.data, table).mean())
    assert line["lof_target"] == pytest.approx(np.median(local_outlier_factor(*parts)))
    assert line["lof_all"] == pytest.approx(np.median(local_outlier_factor(*parts, of="all")))
    assert line["plausibility"] == pytest.approx(plausibility(*parts, score_samples=clf.score_samples).mean())
    assert line["plausibility_independent"] == pytest.approx(plausibility(*parts).mean())
    queries = cf.report["row"].astype(str) + "/" + cf.report["target"].astype(str)
    assert line["diversity"] == pytest.approx(np.nanmean(diversity(before, cf.data, table, queries)))
    assert not np.isnan(list(line.values())).any()


def test_metrics_of_a_plain_table_are_means_over_what_was_found() -> None:
    clf, table, y = mixed()
    X, cf = asked()
    first = cf[cf.report["rank"].to_numpy() == 0]
    own = evaluate_counterfactuals(first, X, table, y, oracle=clf.predict)
    assert "diversity" not in own and "violations" not in own and "plausibility" not in own
    rows = first.report["row"].to_numpy()
    assert len(rows) == len(X)
    plain, target = first.data.set_index(X.index[rows]), first.report["target"].to_numpy()
    same = evaluate_counterfactuals(plain, X.iloc[rows], table, y, target=target, oracle=clf.predict)
    assert "validity" not in same
    pd.testing.assert_frame_equal(same, own.drop(columns="validity"))

    gone = pd.concat([plain.astype(object), nothing_like(plain)])  # of one dtype: which one it becomes will change
    twice = evaluate_counterfactuals(
        gone, X.iloc[[*rows, *rows]], table, y, target=[*target, *target], oracle=lambda rows: target
    )
    assert twice.loc[0, "n"] == 2 * len(rows) and twice.loc[0, "coverage"] == 0.5 and twice.loc[0, "agreement"] == 1
    names = ["l1", "gower", "n_changed", "log_density", "lof_target", "near_target", "isolation_all"]
    pd.testing.assert_frame_equal(twice[names], own[names])


# ---------------------------------------------------------------------------------------------------------- wrong input

Y = ["a", "a", "b", "b"]
TARGET = ["a", "b", "a"]


@pytest.mark.parametrize("metric", [*DISTANCES, lambda *tables: n_changed(*tables[:2])])
def test_tables_that_do_not_belong_together_are_an_error(metric: Any) -> None:
    with pytest.raises(ValueError, match="X_cf has 2 rows, but X has 3"):
        metric(X, CF.head(2), TRAIN)
    with pytest.raises(ValueError, match=r"X_cf has the columns .*'sex'.*, but X has"):
        metric(X, CF.rename(columns={"age": "sex"}), TRAIN)
    with pytest.raises(ValueError, match="same order"):
        metric(X, CF[CF.columns[::-1]], TRAIN)
    with pytest.raises(TypeError, match="X_cf must be a DataFrame or an array"):
        metric(X, [[1, 2]], TRAIN)


@pytest.mark.parametrize(
    "metric", [log_density, plausibility, near_target, local_outlier_factor, isolation_forest], ids=lambda f: f.__name__
)
def test_judges_refuse_what_does_not_fit_the_training_data(metric: Any) -> None:
    with pytest.raises(ValueError, match="target has 2 rows, but X_cf has 3"):
        metric(CF, TARGET[:2], TRAIN, Y)
    with pytest.raises(ValueError, match="y_train has 3 rows, but X_train has 4"):
        metric(CF, TARGET, TRAIN, Y[:3])
    with pytest.raises(ValueError, match="label 'c', which y_train holds 0 times"):
        metric(CF, ["a", "b", "c"], TRAIN, Y)
    with pytest.raises(ValueError, match="holds 1 times; expected twice"):
        metric(CF, TARGET, TRAIN, ["a", "a", "a", "b"])
    with pytest.raises(ValueError, match="'old', but numbers in X_train"):
        metric(CF.assign(age=["old", 1, 2]), TARGET, TRAIN, Y)


def test_unknown_options_are_an_error() -> None:
    for metric in (local_outlier_factor, isolation_forest):
        with pytest.raises(ValueError, match="of must be one of 'target', 'all', got 'both'"):
            metric(CF, TARGET, TRAIN, Y, of="both")
    with pytest.raises(ValueError, match="of must be one of 'values', 'columns'"):
        diversity(X, CF, TRAIN, [0, 0, 0], of="rows")
    with pytest.raises(ValueError, match="query has 2 rows"):
        diversity(X, CF, TRAIN, [0, 0])
    for metric in (plausibility, near_target):
        for quantile in (-0.1, 25, NAN):
            with pytest.raises(ValueError, match=r"quantile must be a number in \[0, 1\]"):
                metric(CF, TARGET, TRAIN, Y, quantile=quantile)
    with pytest.raises(ValueError, match="n_neighbors must be"):
        near_target(CF, TARGET, TRAIN, Y, n_neighbors=0)
    with pytest.raises(ValueError, match="noise must be"):
        stability(lambda rows: rows, X, TRAIN, noise=-1)
    with pytest.raises(ValueError, match=r"generate\(X\) has 2 rows"):
        stability(lambda rows: rows.head(2), X, TRAIN)
    with pytest.raises(ValueError, match="predict returned shape"):
        validity(CF, TARGET, lambda rows: np.zeros((len(rows), 2)))
    with pytest.raises(TypeError, match="actionability must be an Actionability"):
        violations(X, CF, {"immutable": ["age"]})  # type: ignore[arg-type]


def test_evaluation_refuses_what_was_not_asked() -> None:
    _, table, y = mixed()
    X, cf = asked()
    with pytest.raises(ValueError, match="target is None"):
        evaluate_counterfactuals(X, X, table, y)
    with pytest.raises(ValueError, match="brings its own"):
        evaluate_counterfactuals(cf, X, table, y, target=cf.report["target"])
    with pytest.raises(ValueError, match="but X has 3 rows"):
        evaluate_counterfactuals(cf, X.head(3), table, y)
    with pytest.raises(ValueError, match="X holds other cells"):
        evaluate_counterfactuals(cf, X.iloc[::-1], table, y)
    with pytest.raises(ValueError, match="y_train has 1 rows"):
        evaluate_counterfactuals(cf, X, table, y[:1])


def test_every_public_name_is_documented_in_full() -> None:
    assert len(set(metrics.__all__)) == len(metrics.__all__)
    for name in metrics.__all__:
        doc = getattr(metrics, name).__doc__
        for part in ("Parameters", "Returns", "Raises", "References"):
            assert f"    {part}\n    ---" in doc, f"{name} does not tell its {part}."


def test_noise_does_not_wrap_small_integers_around() -> None:
    X = np.array([[127, -128], [-128, 127], [0, 0]], dtype=np.int8)
    moved: list[np.ndarray] = []
    metrics.stability(lambda rows: moved.append(rows) or rows, X, X, noise=0.1)
    assert np.abs(moved[1].astype(int) - X).max() < 128


def test_text_is_no_number_even_if_it_looks_like_one() -> None:
    numbers, text = pd.DataFrame({"a": [3.0, 4.0]}), pd.DataFrame({"a": ["3", "4"]})
    with pytest.raises(ValueError, match="'3'"):
        metrics.l1_distance(numbers, text, numbers)
