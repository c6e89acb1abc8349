"""What fit has seen of a column travels with the answer, in the units and order of the table that was asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fitted, mixed
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PowerTransformer, StandardScaler

from hyconex_sklearn import Counterfactuals, counterfactuals
from hyconex_sklearn._pipeline.ranges import ranges_before


def test_numbers_have_the_range_of_the_fitted_table_and_labels_have_none() -> None:
    clf, X, _ = mixed()
    numbers = ["age", "income", "children"]
    ranges = pd.DataFrame(clf.counterfactuals(X[:2], search="one_shot").ranges, X.columns, ["min", "max"])
    expected = X[numbers].astype(float).describe().T[["min", "max"]]
    np.testing.assert_allclose(ranges.loc[numbers], expected, rtol=1e-6)
    assert ranges.drop(numbers).isna().all(axis=None)


def test_names_and_ranges_follow_the_columns_of_the_query() -> None:
    clf, X, _ = mixed()
    straight = clf.counterfactuals(X[:5], search="one_shot")
    turned = clf.counterfactuals(X[:5][X.columns[::-1]], search="one_shot")
    assert turned.feature_names == list(turned.data.columns) == straight.feature_names[::-1]
    np.testing.assert_array_equal(turned.ranges, straight.ranges[::-1])
    keys = ["row", "target", "rank", "feature"]
    left, right = (cf.changes().sort_values(keys, ignore_index=True) for cf in (straight, turned))
    assert len(left)
    pd.testing.assert_frame_equal(left, right)


def test_a_part_of_a_result_keeps_the_ranges() -> None:
    clf, X, _ = mixed()
    cf = clf.counterfactuals(X[:3], search="one_shot")
    np.testing.assert_array_equal(cf[1:].ranges, cf.ranges)


def test_a_result_of_another_shape_is_refused() -> None:
    table, report = np.zeros((1, 2)), pd.DataFrame({"row": [0]})
    with pytest.raises(ValueError, match=r"ranges has shape \(1, 2\); give shape \(2, 2\)"):
        Counterfactuals(table, table, report, ["a", "b"], np.zeros(1), np.zeros(1), np.zeros((1, 2)))


def numbers_and_text() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(5, 2, 80), "b": rng.integers(0, 9, 80), "c": rng.choice(["x", "y"], 80)})
    return X, np.array(X["a"] > 5)


@pytest.mark.parametrize("scaler", [StandardScaler(), PowerTransformer()], ids=lambda scaler: type(scaler).__name__)
def test_ranges_come_back_through_steps_that_treat_columns_apart(scaler: Any) -> None:
    X, y = numbers_and_text()
    columns = make_column_transformer((OneHotEncoder(), ["c"]), (scaler, ["b", "a"]))
    pipe = make_pipeline(columns, fitted(columns.fit_transform(X), y))
    ranges = counterfactuals(pipe, X[:3], search="one_shot").ranges
    np.testing.assert_allclose(ranges[:2], X[["a", "b"]].agg(["min", "max"]).T, rtol=1e-4, atol=1e-4)
    assert np.isnan(ranges[2]).all()


def test_a_falling_map_does_not_turn_the_range_around() -> None:
    X, y = numbers_and_text()
    minus = FunctionTransformer(np.negative, np.negative)
    pipe = make_pipeline(minus, fitted(-X[["a"]], y))
    low, high = counterfactuals(pipe, X[["a"]][:1], search="one_shot").ranges[0]
    np.testing.assert_allclose([low, high], [X["a"].min(), X["a"].max()], rtol=1e-4)


def test_where_columns_are_mixed_no_range_is_claimed() -> None:
    X, y = numbers_and_text()
    turn = PCA(2).fit(X[["a", "b"]])
    pipe = make_pipeline(turn, fitted(turn.transform(X[["a", "b"]]), y))
    assert np.isnan(counterfactuals(pipe, X[["a", "b"]][:3], search="one_shot").ranges).all()


def test_an_unknown_range_stays_unknown() -> None:
    assert ranges_before(None, np.zeros((1, 1)), np.zeros((1, 1)), lambda rows, table: table) is None
