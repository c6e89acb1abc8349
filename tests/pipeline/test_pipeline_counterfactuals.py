"""Counterfactuals of pipelines and searches: mapped back, untouched cells, certified again, clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import same_cells, short_searches
from _models import fast, iris, mixed_table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

from hyconex_sklearn import Actionability, Status
from hyconex_sklearn._answer.counterfactuals import Counterfactuals
from hyconex_sklearn._pipeline.counterfactuals import counterfactuals

__all__ = ["short_searches"]  # a fixture


def keep(Z: Any) -> Any:
    return Z


class Mover(ClassifierMixin, BaseEstimator):
    """Classifier whose counterfactuals are ``move(X)``, and that notes what it was asked to certify."""

    def __init__(self, move: Callable[[Any], Any] = keep, C: float = 1.0) -> None:
        self.move, self.C = move, C

    def fit(self, X: Any, y: Any) -> Mover:
        frame = pd.DataFrame(X).infer_objects()
        self.numeric_ = [j for j in range(frame.shape[1]) if pd.api.types.is_numeric_dtype(frame.iloc[:, j].dtype)]
        self.model_ = LogisticRegression(C=self.C).fit(self._numbers(X), y)
        self.classes_ = self.model_.classes_
        self.asked_: list[Any] = []
        self.certified_: list[Any] = []
        return self

    def _numbers(self, X: Any) -> np.ndarray:
        numbers = pd.DataFrame(X).iloc[:, self.numeric_].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        return np.nan_to_num(numbers).reshape(len(X), -1)

    def predict(self, X: Any) -> np.ndarray:
        return self.model_.predict(self._numbers(X))

    def counterfactuals(self, X: Any, *, twice: bool = False) -> Counterfactuals:
        self.asked_.append(X.copy())
        rows = np.repeat(np.arange(len(X)), 2 if twice else 1)
        original = X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
        data = self.move(original.copy())
        before = self.predict(original)
        report = pd.DataFrame({"row": rows, "target": 1 - before, "rank": 0})
        report = self._certify_rows(data, report, X)
        self.certified_.clear()
        return Counterfactuals(data, original, report, list(range(X.shape[1])), np.full(len(rows), 0.5), before)

    def _certify_rows(self, data: Any, report: pd.DataFrame, X: Any, **asked: Any) -> pd.DataFrame:
        assert len(data) == len(report) and report["row"].max() < len(X)
        self.certified_.append(data)
        prediction = self.predict(data)
        valid = prediction == report["target"].to_numpy()
        flags = {"prediction": prediction, "probability": 0.5, "valid": valid, "plausible": valid, "n_changed": -1}
        return report.assign(**flags, status=np.where(valid, "ok", "not_valid"))


def table(n: int = 40, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "wage": rng.normal(1000.0, 1 / 3, n),
            "town": pd.array(rng.choice(["Oslo", "Bergen", "Bodø"], n), dtype="str"),
            "level": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), ["low", "mid", "high", "never"], ordered=True
            ),
            "member": rng.random(n) < 0.5,
            "note": [f"id {i}" for i in range(n)],
        },
        index=np.arange(n) + 100,
    )
    return X, np.array(X["age"] > 45, dtype=int)


def add(**steps: float) -> Callable[[Any], Any]:
    """A move that adds to columns of an ndarray by position (``c0=1.0``)."""

    def move(Z: Any) -> Any:
        for name, step in steps.items():
            Z[:, int(name[1:])] += step
        return Z

    return move


def columns() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "wage"]),  # 0, 1
            ("hot", OneHotEncoder(categories=[["Bergen", "Bodø", "Oslo"]], sparse_output=False), ["town"]),  # 2-4
            ("rank", OrdinalEncoder(categories=[["low", "mid", "high"]]), ["level"]),  # 5
            ("keep", "passthrough", ["member"]),  # 6
        ]
    )


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


# ----------------------------------------------------------------------------------------- with a model and its rules

QUICK = {"flow_epochs": 2, "pretrain_epochs": 20, "joint_epochs": 2}

short = pytest.mark.usefixtures("short_searches")
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def households() -> tuple[pd.DataFrame, np.ndarray]:
    """Whole numbers, money, text and truth values, without gaps."""
    X, y = mixed_table()
    X = X[["age", "income", "job", "owner"]].dropna()
    return X.reset_index(drop=True), y[(X.index - 11) // 3]


def model_behind_columns() -> Pipeline:
    scale = ("scale", StandardScaler(), ["age", "income"])
    code = ("hot", OneHotEncoder(sparse_output=False), ["job"])
    columns = ColumnTransformer([scale, code, ("keep", "passthrough", ["owner"])])
    return Pipeline([("columns", columns), ("clf", fast(**QUICK))])


@cache
def household_model() -> Pipeline:
    return model_behind_columns().fit(*households())


@short
@unconverged
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-3, 3))], ids=["standard", "minmax"])
def test_rows_of_a_model_come_back_through_a_scaler_as_they_were_judged(scaler: Any) -> None:
    _, X, y = iris()
    pipe = make_pipeline(scaler, fast(**QUICK)).fit(X, y)
    cf = counterfactuals(pipe, X[::8])
    np.testing.assert_array_equal(pipe.predict(cf.data), cf.report["prediction"])
    assert cf.report["valid"].mean() > 0.9
    assert (cf.data >= X.min(0) - 1e-6).all() and (cf.data <= X.max(0) + 1e-6).all()


@short
@unconverged
def test_rows_of_a_model_come_back_through_columns_and_a_search() -> None:
    X, y = households()
    search = GridSearchCV(model_behind_columns(), {"clf__alpha_validity": [0.2]}, cv=2).fit(X, y)
    cf = counterfactuals(search, X[:25])
    assert list(cf.data.columns) == list(X.columns) and cf.data.dtypes.equals(X.dtypes)
    assert set(cf.data["job"]) <= {"clerk", "nurse", "pilot"}
    np.testing.assert_array_equal(search.predict(cf.data), cf.report["prediction"])
    np.testing.assert_array_equal(cf.report["valid"], cf.report["prediction"] == cf.report["target"])
    assert cf.report["valid"].mean() > 0.8


def test_the_bare_estimator_answers_for_itself() -> None:
    clf, X, _ = iris()
    rules: dict[str, Any] = {"immutable": [0], "search": "steps"}
    expected = clf.counterfactuals(X[:9], **rules)
    pd.testing.assert_frame_equal(counterfactuals(clf, X[:9], **rules).report, expected.report)


@short
@unconverged
@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_rules_hold_in_the_columns_of_the_user(search: str) -> None:
    X = households()[0][:30]
    rules: dict[str, Any] = {"immutable": ["owner"], "bounds": {"age": (25, 60)}, "monotonic_cst": {"income": 1}}
    assert counterfactuals(household_model(), X).changes()["feature"].eq("owner").any()
    cf = counterfactuals(household_model(), X, search=search, **rules)
    assert same_cells(cf.data[["owner"]], cf.original[["owner"]]).all() and (cf.report["n_changed"] > 0).any()
    inside, risen = cf.data["age"].between(25, 60), cf.data["income"] >= cf.original["income"]
    np.testing.assert_array_equal(cf.report["feasible"], inside & risen)
    assert cf.report["feasible"].any()
    np.testing.assert_array_equal(cf.report["status"] == Status.INFEASIBLE, ~cf.report["feasible"])


@short
@unconverged
def test_the_search_behind_the_steps_knows_what_is_frozen() -> None:
    X = households()[0][:30]
    cf = counterfactuals(household_model(), X, immutable=["job", "owner"])
    assert same_cells(cf.data[["job", "owner"]], X[["job", "owner"]]).all()
    assert cf.report["valid"].all()  # frozen cells put back afterwards would take the target from some rows


@short
@unconverged
@pytest.mark.parametrize("search", ["auto", "one_shot"])
def test_whether_a_row_is_feasible_is_judged_after_rounding(search: str) -> None:
    X = households()[0][:30]
    terms, bound = {"age": 1.0, "income": 0.001}, 60.0
    rules = Actionability(relations=[(terms, bound)], immutable=["job", "owner"])
    cf = counterfactuals(household_model(), X, actionability=rules, search=search)
    total = cf.data["age"] + 0.001 * cf.data["income"]
    assert (cf.original["age"] + 0.001 * cf.original["income"] > bound).any()
    np.testing.assert_array_equal(cf.report["feasible"], total <= bound)
    assert cf.report["feasible"].any()


@short
def test_a_repair_goes_through_steps_that_change_nothing() -> None:
    clf, X, _ = iris()
    whole = Actionability(repair=lambda table: table.assign(x0=table["x0"].round()))
    cf = counterfactuals(make_pipeline("passthrough", clf), X[::15], actionability=whole, target=1)
    answered = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    assert answered.any() and (cf.data[answered, 0] % 1 == 0).all() and cf.report["feasible"].all()


# ----------------------------------------------------------------------------------------- wrappers and refusals


def test_searches_nested_pipelines_and_frozen_estimators_are_opened() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    inner = make_pipeline(StandardScaler(), Mover(add(c1=1.0)))
    search = GridSearchCV(make_pipeline(MinMaxScaler(), inner), {"pipeline__mover__C": [0.1, 1.0]}, cv=2).fit(X, y)
    expected = X + np.array([0, X[:, 1].std()])
    for estimator in (search, FrozenEstimator(search), search.best_estimator_):
        np.testing.assert_allclose(counterfactuals(estimator, X).data, expected)
    bare = Mover(add(c1=1.0)).fit(X, y)
    np.testing.assert_allclose(counterfactuals(bare, X).data, X + np.array([0, 1]))
    np.testing.assert_allclose(
        counterfactuals(GridSearchCV(bare, {"C": [1.0]}, cv=2).fit(X, y), X).data, X + np.array([0, 1])
    )


def no_way_back() -> dict[str, tuple[Any, str]]:
    return {
        "target": (TargetEncoder(cv=2), "TargetEncoder"),
        "log": (FunctionTransformer(np.log1p), "FunctionTransformer"),
        "block": (ColumnTransformer([("code", TargetEncoder(cv=2), [0])]), "TargetEncoder"),
        "nested": (make_pipeline(StandardScaler(), FunctionTransformer(np.abs)), "FunctionTransformer"),
    }


@pytest.mark.parametrize("name", no_way_back())
def test_a_step_without_inverse_is_named_before_any_search(name: str) -> None:
    X = np.random.default_rng(0).integers(0, 3, (20, 2)).astype(float)
    step, kind = no_way_back()[name]
    pipe = Pipeline([("first", StandardScaler()), (name, step), ("clf", Mover())])
    if name != "nested":
        pipe.steps.pop(0)
    pipe.fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=rf"'{name}(__\w+)?' \({kind}\) cannot be inverted.*inverse_func"):
        counterfactuals(pipe, X)
    assert pipe[-1].asked_ == []


def lost(Z: Any) -> Any:
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("inverse", "message"),
    [
        (lost, "its inverse_transform failed: 'lost'"),
        (lambda Z: Z[:, :1], r"its inverse gave \(1, 1\), not a table of shape \(1, 2\)"),
    ],
)
def test_a_step_whose_inverse_fails_is_named_before_any_search(inverse: Callable[[Any], Any], message: str) -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    step = FunctionTransformer(keep, inverse_func=inverse, check_inverse=False)
    pipe = make_pipeline(step, Mover()).fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=rf"'functiontransformer' \(FunctionTransformer\) cannot be.*{message}"):
        counterfactuals(pipe, X)
    assert pipe[-1].asked_ == []


def test_a_category_that_is_a_number_comes_back_as_the_nearest_one() -> None:
    X = pd.DataFrame({"dose": pd.Categorical([1, 2, 5, 9] * 5), "age": np.arange(20.0)})
    pipe = make_pipeline(FunctionTransformer(np.asarray, inverse_func=keep, check_inverse=False), Mover(add(c0=2.9)))
    cf = counterfactuals(pipe.fit(X, np.arange(20) % 2), X)
    assert cf.data["dose"].dtype == X["dose"].dtype
    assert cf.data["dose"].tolist() == [5, 5, 9, 9] * 5  # of 3.9, 4.9, 7.9 and 11.9


def test_a_rotation_comes_back_through_its_inverse() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    pipe = make_pipeline(PCA(), Mover(add(c0=1.0))).fit(X, (X[:, 0] > 0).astype(int))
    np.testing.assert_allclose(counterfactuals(pipe, X).data, X + pipe[0].components_[0])


def test_estimators_without_counterfactuals_are_refused_with_a_reason() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    with pytest.raises(TypeError, match="LogisticRegression has no method counterfactuals; expected"):
        counterfactuals(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), X)
    with pytest.raises(TypeError, match=r"CalibratedClassifierCV .* wraps other classifiers"):
        counterfactuals(CalibratedClassifierCV(Mover()), X)
    with pytest.raises(NotFittedError, match="call fit first"):
        counterfactuals(GridSearchCV(Mover(), {"C": [1.0]}), X)
    with pytest.raises(TypeError, match="'passthrough'"):
        counterfactuals(Pipeline([("a", StandardScaler()), ("b", "passthrough")]), X)
    with pytest.raises(ValueError, match=r"1 dimension.*\(n, d\)"):
        counterfactuals(make_pipeline(StandardScaler(), Mover()).fit(X, y), X[0])
