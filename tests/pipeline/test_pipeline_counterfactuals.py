"""Counterfactuals of pipelines: mapped back, untouched cells, certified again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _movers import Mover, add, columns, table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)

from hyconex_sklearn._pipeline.counterfactuals import counterfactuals
from hyconex_sklearn._pipeline.resolution import on_grid, resolution
from hyconex_sklearn._table.grid import Listed, Steps

# ----------------------------------------------------------------------------------------- the way there and back


@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler(), PowerTransformer()], ids=lambda s: type(s).__name__
)
def test_scaled_columns_come_back_in_their_units_and_the_others_bit_for_bit(scaler: Any) -> None:
    X = np.random.default_rng(0).normal(1 / 3, 0.1, (30, 3))
    pipe = make_pipeline(scaler, Mover(add(c1=0.2))).fit(X, (X[:, 0] > 1 / 3).astype(int))
    cf = counterfactuals(pipe, X)
    assert np.array_equal(cf.data[:, [0, 2]], X[:, [0, 2]])
    shifted = pipe[0].transform(X) + np.array([0, 0.2, 0])
    np.testing.assert_allclose(cf.data[:, 1], pipe[0].inverse_transform(shifted)[:, 1])
    assert (cf.report["n_changed"] == 1).all()
    assert cf.feature_names == ["x0", "x1", "x2"]


def test_a_column_transformer_gives_back_names_dtypes_categories_and_index() -> None:
    X, y = table()

    def move(Z: np.ndarray) -> np.ndarray:
        Z[:, 0] += 0.5
        Z[:, 2:5] = [0.1, 0.6, 0.3]
        Z[:, 5] = 1.8
        Z[:, 6] = 0.7
        return Z

    pipe = make_pipeline(columns(), Mover(move)).fit(X, y)
    before = X.copy(deep=True)
    cf = counterfactuals(pipe, X)
    pd.testing.assert_frame_equal(X, before)
    assert list(cf.data.columns) == list(X.columns) and (cf.data.dtypes == X.dtypes).all()
    assert (cf.data.index == X.index).all()
    assert (cf.data["town"] == "Bodø").all() and (cf.data["level"] == "high").all() and cf.data["member"].all()
    expected = X["age"] + 0.5 * X["age"].std(ddof=0)
    assert ((cf.data["age"] - expected).abs() <= 0.5).all() and (cf.data["age"] > X["age"]).all()
    pd.testing.assert_frame_equal(cf.data[["wage", "note"]], X[["wage", "note"]], check_exact=True)
    pd.testing.assert_frame_equal(cf.original, X)


def test_n_changed_counts_the_users_columns_not_the_encoded_ones() -> None:
    X, y = table()
    pipe = make_pipeline(columns(), Mover(lambda Z: np.hstack([Z[:, :2], 1.0 - Z[:, 2:5], Z[:, 5:]]))).fit(X, y)
    assert counterfactuals(pipe, X).report["n_changed"].max() == 1


@pytest.mark.parametrize(
    "select",
    [["age", "wage"], [0, 1], slice(0, 2), slice("age", "wage"), np.arange(6) < 2, make_column_selector("age|wage")],
    ids=["names", "positions", "slice", "name slice", "mask", "callable"],
)
def test_every_way_to_name_columns_leads_back_to_the_same_cells(select: Any) -> None:
    X, y = table()
    pipe = make_pipeline(ColumnTransformer([("scale", StandardScaler(), select)]), Mover(add(c1=1.0))).fit(X, y)
    cf = counterfactuals(pipe, X)
    pd.testing.assert_frame_equal(cf.data.drop(columns="wage"), X.drop(columns="wage"), check_exact=True)
    np.testing.assert_allclose(cf.data["wage"], X["wage"] + X["wage"].std(ddof=0))


@pytest.mark.filterwarnings("ignore:.*The format of the columns of the 'remainder':FutureWarning")  # until 1.7
def test_the_remainder_and_a_new_column_order_are_followed_by_name() -> None:
    X, y = table()
    X = X[["age", "wage", "member"]]
    transformer = make_column_transformer((StandardScaler(), ["wage"]), remainder="passthrough")  # wage, age, member
    pipe = make_pipeline(transformer, Mover(add(c1=3))).fit(X, y)
    cf = counterfactuals(pipe, X)
    assert (cf.data["age"] == X["age"] + 3).all()
    pd.testing.assert_frame_equal(cf.data[["wage", "member"]], X[["wage", "member"]], check_exact=True)
    named = ColumnTransformer([("a", StandardScaler(), ["wage"]), ("b", MinMaxScaler(), ["age"])])
    pipe = make_pipeline(named, Mover(add(c0=1.0))).fit(X, y)
    swapped = X[["member", "age", "wage"]]
    data = counterfactuals(pipe, swapped).data
    assert list(data.columns) == list(swapped.columns) and (data["wage"] > X["wage"]).all()
    assert (data["age"] == X["age"]).all()


def test_pandas_output_between_the_steps_and_nullable_columns() -> None:
    X, y = table()
    X["age"], X["member"] = X["age"].astype("Int64"), X["member"].astype("boolean")
    X.loc[100, ["age", "member"]] = pd.NA

    def move(Z: pd.DataFrame) -> pd.DataFrame:
        return Z.assign(scale__age=Z["scale__age"] + 1, keep__member=Z["keep__member"].fillna(False) ^ True)

    pipe = make_pipeline(columns(), Mover(move)).set_output(transform="pandas").fit(X, y)
    cf = counterfactuals(pipe, X)
    assert (cf.data.dtypes == X.dtypes).all()
    assert cf.data["age"].notna().all() and (cf.data["age"] > X["age"]).iloc[1:].all()
    assert (cf.data["member"].iloc[1:] != X["member"].iloc[1:]).all()
    rest = ["wage", "town", "level", "note"]
    pd.testing.assert_frame_equal(cf.data[rest], X[rest], check_exact=True)


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_a_filled_gap_that_does_not_change_is_a_gap_again() -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = (X[:, 0] > 0).astype(int)
    X[::2, 1], X[:, 2] = np.nan, np.nan  # the last column is empty: the imputer drops it
    pipe = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), Mover(add(c0=1.0))).fit(X, y)
    data = counterfactuals(pipe, X).data
    np.testing.assert_array_equal(data[:, 1:], X[:, 1:])
    np.testing.assert_allclose(data[:, 0], X[:, 0] + X[:, 0].std())
    pipe[-1].move = add(c1=1.0)
    assert not np.isnan(counterfactuals(pipe, X).data[:, 1]).any()


def test_feature_selection_leaves_the_other_columns_alone() -> None:
    X = np.random.default_rng(0).normal(size=(40, 4))
    pipe = make_pipeline(SelectKBest(k=1), Mover(add(c0=1.0))).fit(X, (X[:, 2] > 0).astype(int))
    np.testing.assert_array_equal(counterfactuals(pipe, X).data, X + np.array([0, 0, 1, 0]))


def test_an_unknown_category_keeps_its_own_label_unless_it_changes() -> None:
    X, y = table()
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    rank = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    transformer = ColumnTransformer(
        [("age", "passthrough", ["age"]), ("hot", hot, ["town"]), ("rank", rank, ["level"])]
    )
    pipe = make_pipeline(transformer, Mover(add(c0=1))).fit(X, y)
    new = X.head(2).copy()
    new.loc[100, ["town", "level"]] = ["Tromsø", "never"]
    cf = counterfactuals(pipe, new)
    assert cf.data.loc[100, "town"] == "Tromsø" and cf.data.loc[100, "level"] == "never"
    pipe[-1].move = lambda Z: (
        Z * [1, 0, 0, 0, 0] + [0, 0, 0, 0, 1.7]
    )  # town: all zero; level: nearest to the third code
    cf = counterfactuals(pipe, new)
    assert list(cf.data["town"]) == list(new["town"])
    assert set(cf.data["level"]) == {rank.fit(X[["level"]]).categories_[0][2]}


def test_an_unknown_category_can_change_to_the_first_level() -> None:
    X, y = table()
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    pipe = make_pipeline(encoder, Mover(lambda Z: np.zeros_like(Z))).fit(X[["town"]], y)
    assert counterfactuals(pipe, pd.DataFrame({"town": ["Tromsø"]})).data["town"].item() == "Bergen"


@pytest.mark.parametrize("moved", [{"c0": 0.5}, {"c1": 0.5}, {"c0": 0.5, "c1": 0.5}])
def test_a_column_in_two_blocks_follows_the_first_that_changes(moved: dict[str, float]) -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    twice = ColumnTransformer([("a", StandardScaler(), [0]), ("b", MinMaxScaler(), [0])])
    pipe = make_pipeline(twice, Mover(add(**moved))).fit(X, (X[:, 0] > 0).astype(int))
    span = X[:, 0].std() if "c0" in moved else np.ptp(X[:, 0])
    np.testing.assert_allclose(counterfactuals(pipe, X).data, X + np.array([0.5 * span, 0]))


def test_a_dropped_category_wins_where_the_rest_is_small() -> None:
    X, y = table()
    pipe = make_pipeline(
        ColumnTransformer(
            [("age", "passthrough", ["age"]), ("hot", OneHotEncoder(drop="first", sparse_output=False), ["town"])]
        ),
        Mover(lambda Z: np.column_stack([Z[:, 0], np.full(len(Z), 0.1), np.full(len(Z), 0.3)])),
    ).fit(X, y)
    assert set(counterfactuals(pipe, X).data["town"]) == {"Bergen"}


@pytest.mark.parametrize(
    ("encoder", "group"),
    [(OneHotEncoder(min_frequency=5, sparse_output=False), [0, 0, 1]), (OrdinalEncoder(min_frequency=5), [2])],
    ids=["one-hot", "ordinal"],
)
def test_grouped_rare_categories_come_back_as_a_real_label(encoder: Any, group: list[int]) -> None:
    X, y = table()
    X["town"] = ["Oslo"] * 20 + ["Bergen"] * 17 + ["Bodø", "Voss", "Bodø"]
    pipe = make_pipeline(
        ColumnTransformer([("age", "passthrough", ["age"]), ("code", encoder, ["town"])]),
        Mover(lambda Z: np.column_stack([Z[:, 0], np.tile(group, (len(Z), 1))])),
    ).fit(X, y)
    towns = counterfactuals(pipe, X).data["town"]
    assert list(towns.iloc[-3:]) == ["Bodø", "Voss", "Bodø"] and set(towns.iloc[:-3]) == {"Bodø"}


def test_ordinal_codes_are_rounded_and_kept_inside_the_known_levels() -> None:
    X, y = table()
    pipe = make_pipeline(OrdinalEncoder(), Mover(add(c0=0.9))).fit(X[["level"]], y)
    for step, expected in (
        (0.9, {"low": "mid", "mid": "mid", "high": "low"}),
        (99.0, dict.fromkeys(X["level"], "mid")),
    ):
        pipe[-1].move = add(c0=step)
        cf = counterfactuals(pipe, X[["level"]])  # codes in the order of the alphabet: high, low, mid
        assert list(cf.data["level"]) == [expected[level] for level in X["level"]]
        assert cf.data["level"].dtype == X["level"].dtype


def test_inverse_functions_bins_and_text_arrays() -> None:
    X = np.abs(np.random.default_rng(0).normal(size=(30, 2)))
    y = (X[:, 0] > 0.5).astype(int)
    pipe = make_pipeline(FunctionTransformer(np.log1p, np.expm1), "passthrough", Mover(add(c0=1.0))).fit(X, y)
    np.testing.assert_allclose(counterfactuals(pipe, X).data[:, 0], np.expm1(np.log1p(X[:, 0]) + 1))
    bins = KBinsDiscretizer(4, encode="ordinal", strategy="uniform")
    pipe = make_pipeline(bins, Mover(add(c0=9.9))).fit(X, y)
    assert (pipe[0].transform(counterfactuals(pipe, X).data)[:, 0] == 3).all()
    words = np.array([["a", "x"], ["b", "x"], ["long label", "y"]] * 5)[:-1]
    pipe = make_pipeline(OrdinalEncoder(), Mover(add(c0=1.0))).fit(words, np.arange(14) % 2)
    cf = counterfactuals(pipe, np.array([["a", "x"], ["b", "y"]]))
    assert cf.data.tolist() == [["b", "x"], ["long label", "y"]] and cf.data.dtype.kind == "U"


def test_integer_and_object_arrays_keep_whole_numbers() -> None:
    numbers = np.random.default_rng(0).integers(0, 99, (30, 2))
    y = (numbers[:, 0] > 50).astype(int)
    for X in (
        numbers,
        numbers.astype(np.uint8),
        numbers.astype(object),
        pd.DataFrame(numbers).astype("Int64").add_prefix("c"),
    ):
        pipe = make_pipeline(StandardScaler(), Mover(add(c0=-0.51))).fit(X, y)
        data = counterfactuals(pipe, X).data
        assert (pd.DataFrame(data).dtypes == pd.DataFrame(X).dtypes).all()
        shift = numbers[:, 0] - 0.51 * numbers[:, 0].std()
        expected = np.rint(np.clip(shift, 0, None) if getattr(X, "dtype", None) == np.uint8 else shift)
        assert list(np.asarray(data)[:, 0]) == list(expected)
        assert all(isinstance(v, (int, np.integer)) for v in np.asarray(data, dtype=object).ravel())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_that_the_model_leaves_alone_are_the_users_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = table(12, seed)
    X["wage"] *= 10.0 ** rng.integers(-8, 8)
    y[:2] = [0, 1]
    touched = rng.random((12, 7)) < 0.3
    noise = rng.normal(0, 2, (12, 7))
    pipe = Pipeline(
        [("columns", columns()), ("scale", StandardScaler()), ("clf", Mover(lambda Z: Z + touched * noise))]
    )
    cf = counterfactuals(pipe.fit(X, y), X)
    assert (cf.data.dtypes == X.dtypes).all()
    groups = {"age": [0], "wage": [1], "town": [2, 3, 4], "level": [5], "member": [6], "note": []}
    for name, places in groups.items():
        still = np.flatnonzero(~touched[:, places].any(axis=1))
        pd.testing.assert_series_equal(cf.data[name].iloc[still], X[name].iloc[still], check_exact=True)


# ----------------------------------------------------------------------------------------- the certificate


def test_flags_are_computed_from_the_rounded_rows() -> None:
    X = pd.DataFrame({"age": np.arange(20)})
    y = (X["age"] > 5).astype(int).to_numpy()
    pipe = make_pipeline(StandardScaler(), Mover()).fit(X, y)
    boundary = -pipe[-1].model_.intercept_[0] / pipe[-1].model_.coef_[0, 0]
    pipe[-1].move = lambda Z: np.where(
        pipe[-1].predict(Z)[:, None] == 1, boundary - 1e-6, boundary + 1e-6
    )  # across, but by a hair
    cf = counterfactuals(pipe, X)
    held = pipe.predict(cf.data)
    assert (cf.report["prediction"] == held).all()
    assert (cf.report["valid"] == (held == cf.report["target"])).all()
    assert not cf.report["valid"].all()
    assert len(pipe[-1].certified_) == 1


def test_rows_that_survive_the_way_back_are_not_judged_twice() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    pipe = make_pipeline(StandardScaler(), Mover(add(c0=1.0))).fit(X, (X[:, 0] > 0).astype(int))
    counterfactuals(pipe, X)
    assert pipe[-1].certified_ == []


def test_several_counterfactuals_per_row_stay_with_their_row() -> None:
    X, y = table()
    pipe = make_pipeline(columns(), Mover(add(c0=1.0))).fit(X, y)
    cf = counterfactuals(pipe, X.head(3), twice=True)
    pd.testing.assert_frame_equal(cf.original, X.iloc[[0, 0, 1, 1, 2, 2]])
    assert list(cf.data["note"]) == ["id 0", "id 0", "id 1", "id 1", "id 2", "id 2"]


# ------------------------------------------------------------------------------------------ resolution of columns


def kids(n: int = 40) -> tuple[pd.DataFrame, np.ndarray]:
    """Whole numbers in a column of floats, cents, and a continuous column."""
    rng = np.random.default_rng(0)
    columns = {
        "kids": rng.poisson(2, n).astype(float),
        "wage": rng.normal(1000, 200, n).round(2),
        "rate": rng.normal(size=n),
    }
    return pd.DataFrame(columns), np.arange(n) % 2


@pytest.mark.parametrize("step", [0.31, -0.77, 1.4])
def test_a_column_keeps_its_decimals_behind_a_scaler(step: float) -> None:
    X, y = kids()
    pipe = make_pipeline(StandardScaler(), Mover(add(c0=step, c1=step, c2=step))).fit(X, y)
    cf = counterfactuals(pipe, X)
    assert (cf.data["kids"] % 1 == 0).all() and (cf.data["wage"] == cf.data["wage"].round(2)).all()
    moved = X["rate"] + step * X["rate"].std(ddof=0)
    np.testing.assert_allclose(cf.data["rate"], moved, rtol=1e-12)
    assert ((cf.data["kids"] - X["kids"] - step * X["kids"].std(ddof=0)).abs() <= 1).all()
    np.testing.assert_array_equal(cf.report["prediction"], pipe.predict(cf.data))
    np.testing.assert_array_equal(cf.report["n_changed"], (cf.data != X).sum(axis=1))


def steps(n: int = 300) -> pd.DataFrame:
    """Hundreds, six months and halves."""
    rng = np.random.default_rng(0)
    pay, term, tax = 100.0 * rng.integers(9, 700, n), 6 * rng.integers(1, 13, n), rng.integers(0, 60, n) / 2
    return pd.DataFrame({"pay": pay, "term": term, "tax": tax})


STEPS = {"pay": 100.0, "term": 6.0, "tax": 0.5}


def test_a_column_keeps_its_hundreds_and_six_months_behind_a_scaler() -> None:
    X, shift = steps(), {"pay": 0.31, "term": -0.47, "tax": 0.27}
    pipe = make_pipeline(StandardScaler(), Mover(add(c0=0.31, c1=-0.47, c2=0.27))).fit(X, np.arange(300) % 2)
    data = counterfactuals(pipe, X[:60]).data
    assert data["term"].dtype == X["term"].dtype
    for name, step in STEPS.items():
        goal = X[name][:60] + shift[name] * X[name].std(ddof=0)
        assert (data[name] % step == 0).all() and (data[name] != X[name][:60]).all()
        assert ((data[name] - goal).abs() <= step).all()


def test_the_ends_of_what_fit_has_seen_tell_the_steps_of_a_single_row() -> None:
    X = steps()
    ends, usual = (X.quantile(list(pair), interpolation="nearest").to_numpy().T for pair in ((0, 1), (0.01, 0.99)))
    grids = resolution(X[:1], ends * (1 + 1e-13), usual)  # which have been through the steps
    found = grids[0].from_steps(np.arange(9))
    assert (found % 100 == 0).all() and found[1] > 0
    assert resolution(X[:1])[0].from_steps(1) == 1 and 1 not in resolution(X[:1])  # one number says nothing
    assert resolution(X, ends, usual) == {0: Steps(1.0, 100), 1: Steps(1.0, 6), 2: Steps(10.0, 5)}


def test_numbers_are_rounded_within_the_limits_of_their_column_and_stay_where_these_hold_none() -> None:
    own, new = np.array([[1700.0, 1000.0], [10.0, 10.0]]), np.array([[1150.0, 1430.0], [260.0, np.nan]])
    grids: dict[int, Any] = {0: Steps(1.0, 500), 1: Listed((900.0, 1400.0, 1500.0))}
    limits = {0: (np.array([1100.0, 100]), np.full(2, 1499.0)), 1: (np.array([1420.0, 0]), np.full(2, np.inf))}
    for way in (-1, 0, 1):
        rounded = on_grid(new, own, grids, np.full(2, way), limits)
        assert rounded[0].tolist() == [1700, 1500] and rounded[1, 0] == 500 and np.isnan(rounded[1, 1])
    assert on_grid(new, own, grids, np.zeros(2), {})[0].tolist() == [1000, 1400]


def test_a_rounded_row_that_would_lose_its_target_is_rounded_onward() -> None:
    X = pd.DataFrame({"kids": np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 8)})
    y = (X["kids"] > 1.5).astype(int)
    pipe = make_pipeline(StandardScaler(), Mover(lambda Z: np.full_like(Z, (1.6 - 2) / X["kids"].std(ddof=0)), C=1e6))
    cf = counterfactuals(pipe.fit(X, y), X[:2])  # 1.6 is past the boundary; so is 2, and 1 is not
    assert cf.data["kids"].tolist() == [2.0, 2.0] and cf.report["valid"].all()
    back = make_pipeline(StandardScaler(), Mover(lambda Z: np.full_like(Z, (1.45 - 2) / X["kids"].std(ddof=0)), C=1e6))
    cf = counterfactuals(back.fit(X, y), X[3:5])  # the nearest, 1, has the target, as 1.45 has
    assert cf.data["kids"].tolist() == [1.0, 1.0] and cf.report["valid"].all()


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_numbers_beside_text_reach_the_inverse_of_their_step_as_numbers(output: str) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"income": rng.lognormal(10, 0.5, 40), "job": rng.choice(["clerk", "nurse"], 40)})
    log = FunctionTransformer(np.log1p, np.expm1, feature_names_out="one-to-one")
    steps = make_column_transformer((log, ["income"]), remainder="passthrough", verbose_feature_names_out=False)
    steps.set_output(transform=output)

    def rise(Z: Any) -> Any:
        if isinstance(Z, pd.DataFrame):
            return Z.assign(income=Z["income"] + 0.5)
        Z[:, 0] = Z[:, 0] + 0.5
        return Z

    cf = counterfactuals(make_pipeline(steps, Mover(rise)).fit(X, np.arange(40) % 2), X)
    np.testing.assert_allclose(cf.data["income"], (X["income"] + 1) * np.exp(0.5) - 1)
    assert (cf.data["job"] == X["job"]).all()
