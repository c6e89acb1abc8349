"""Metrics of counterfactuals: broken rules, all metrics at once, of any tool and in any container, and wrong input."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _metrics import CF, DISTANCES, NAN, TRAIN, X, assert_flags, nothing_like
from _models import mixed

from hyconex_sklearn import Actionability, Counterfactuals, metrics
from hyconex_sklearn.metrics import (
    diversity,
    evaluate_counterfactuals,
    gower_distance,
    isolation_forest,
    local_outlier_factor,
    log_density,
    n_changed,
    near_target,
    plausibility,
    stability,
    validity,
    violations,
)

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
        ({"allowed_values": {"age": [30, 60]}}, {"age": [30, 60, 50]}, [0, 0, 1]),  # an unchanged cell counts, too
        ({"allowed_values": {"income": [0.7, 2]}}, {"income": [0.7, NAN, NAN]}, [0, 0, 1]),  # a number was lost
        ({"resolution": {"age": 25}}, {"age": [30, 75, 51]}, [0, 0, 1]),
        ({"resolution": {"income": 0.1}}, {"income": [0.7, 0.75, NAN]}, [0, 1, 0]),
        ({"relations": [({"age": 1, "income": -10}, 20)]}, {"age": [30, 99, 51]}, [0, 0, 1]),
        ({"relations": [({"age": 0.1}, 3)]}, {"age": [30, 31, 30]}, [0, 1, 0]),
        ({"feature_weights": {"age": 9}, "repair": lambda table: table}, {"age": [1, 2, 3]}, [0, 0, 0]),
    ],
)
def test_each_rule_is_broken_by_the_rows_that_break_it(rules: dict, changes: dict, expected: list[int]) -> None:
    assert_flags(violations(BEFORE, after(**changes), Actionability(**rules)), [bool(flag) for flag in expected])


def test_fractions_are_judged_as_the_numbers_that_they_are() -> None:
    before = pd.DataFrame({"f": np.array([Fraction(1, 2), Fraction(1, 3)], dtype=object)})
    after = pd.DataFrame({"f": np.array([0.25, Fraction(3, 4)], dtype=object)})
    for rules in ({"monotonic_cst": {"f": 1}}, {"bounds": {"f": (Fraction(1, 3), None)}}):
        assert violations(before, after, Actionability(**rules)).tolist() == [True, False]


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
        ({"allowed_values": {"job": [1]}}, "holds labels.*allowed_categories"),
        ({"resolution": {"grade": 1}}, "holds labels.*allowed_categories"),
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
    line = evaluate_counterfactuals(
        cf, X, table, y, predict=clf.predict, score_samples=clf.score_samples, actionability=rules
    )
    assert line["n"] == len(cf) and line["coverage"] == 1
    assert line["validity"] == pytest.approx(cf.report["valid"].mean())
    assert line["n_changed"] == pytest.approx(cf.report["n_changed"].mean())
    assert line["violations"] == pytest.approx((cf.report["row"] == 7).mean()) and line["violations"] > 0
    last = cf[cf.report["row"].to_numpy() == 7]
    alone = evaluate_counterfactuals(last, X, table, y, oracle=clf.predict, actionability=rules)
    assert alone["violations"] == 1
    before, parts = X.iloc[cf.report["row"]], (cf.data, cf.report["target"], table, y)
    assert line["gower"] == pytest.approx(gower_distance(before, cf.data, table).mean())
    assert line["lof_target"] == pytest.approx(np.median(local_outlier_factor(*parts)))
    assert line["lof_all"] == pytest.approx(np.median(local_outlier_factor(*parts, of="all")))
    assert line["plausibility"] == pytest.approx(plausibility(*parts, score_samples=clf.score_samples).mean())
    assert line["plausibility_independent"] == pytest.approx(plausibility(*parts).mean())
    queries = cf.report["row"].astype(str) + "/" + cf.report["target"].astype(str)
    assert line["diversity"] == pytest.approx(np.nanmean(diversity(before, cf.data, table, queries)))
    assert isinstance(line, pd.Series) and not line.isna().any()


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
    pd.testing.assert_series_equal(same, own.drop("validity"))

    gone = pd.concat([plain.astype(object), nothing_like(plain)])  # of one dtype: which one it becomes will change
    twice = evaluate_counterfactuals(
        gone, X.iloc[[*rows, *rows]], table, y, target=[*target, *target], oracle=lambda rows: target
    )
    assert twice["n"] == 2 * len(rows) and twice["coverage"] == 0.5 and twice["agreement"] == 1
    names = ["l1", "gower", "n_changed", "log_density", "lof_target", "near_target", "isolation_all"]
    pd.testing.assert_series_equal(twice[names], own[names])


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


def test_a_constant_of_text_goes_nowhere() -> None:
    table = pd.DataFrame({"a": ["only"] * 3, "b": [1.0, 2.0, 3.0]})
    rules = Actionability(monotonic_cst={"a": -1, "b": 1})
    assert violations(table, table.assign(b=[2.0, 2.0, 2.0]), rules).tolist() == [False, False, True]
