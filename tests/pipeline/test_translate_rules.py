"""Rules through a pipeline: said in the user's columns and units, told to the classifier behind the steps."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches, take
from _models import fast, mixed_table, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from hyconex_sklearn import Actionability, Counterfactuals, Status, counterfactuals

__all__ = ["short_searches"]  # a fixture

# ------------------------------------------------------------------------------------------ a classifier that listens


class Listener(ClassifierMixin, BaseEstimator):
    """Classifier that notes the rules it is told, and answers with its rows plus `shift`, all called feasible."""

    def __init__(self, shift: Any = 0.0) -> None:
        self.shift = shift

    def fit(self, X: Any, y: Any) -> Listener:
        self.classes_ = np.unique(y)
        self.told_: list[Any] = []
        self.certified_: list[Any] = []
        return self

    def counterfactuals(self, X: Any, *, actionability: Any = None, **rest: Any) -> Counterfactuals:
        self.told_.append({"actionability": actionability, **rest})
        report = pd.DataFrame({"row": np.arange(len(X)), "target": 1, "rank": 0, "feasible": True, "status": "ok"})
        moved = X if np.ndim(self.shift) == 0 and self.shift == 0 else X + self.shift
        return Counterfactuals(moved, X, report, list(range(X.shape[1])), np.full(len(X), 0.5), np.zeros(len(X)))

    def _certify_rows(self, data: Any, report: pd.DataFrame, X: Any, **asked: Any) -> pd.DataFrame:
        self.certified_.append(asked)
        return report.assign(feasible=True, status="ok")


def listening(step: Any, X: Any, shift: Any = 0.0) -> Pipeline:
    """A pipeline that ends in a listener, fitted without a warning."""
    return make_pipeline(step, Listener(shift)).fit(X, np.arange(len(X)) % 2)


def told(step: Any, X: Any, rows: Any = None, **rules: Any) -> Actionability:
    """What the classifier behind a step is told, when the rules are said of X or of some other rows."""
    pipe = listening(step, X)
    counterfactuals(pipe, X if rows is None else rows, **rules)
    return pipe[-1].told_[0]["actionability"]


def people(n: int = 30, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": np.exp(rng.normal(10, 1, n)),
            "debt": rng.normal(5000, 2000, n),
            "job": rng.choice(["clerk", "nurse", "pilot"], n),
            "owner": rng.random(n) < 0.5,
        }
    )


def columns() -> ColumnTransformer:
    """Final columns: age, income and debt scaled; one each for clerk, nurse and pilot; owner as it is."""
    hot = OneHotEncoder(sparse_output=False)
    blocks = [("num", StandardScaler(), ["age", "income", "debt"]), ("hot", hot, ["job"])]
    return ColumnTransformer([*blocks, ("keep", "passthrough", ["owner"])], verbose_feature_names_out=False)


def named_columns() -> ColumnTransformer:
    return columns().set_output(transform="pandas")


NUMBERS = people()[["age", "income", "debt"]]

# ------------------------------------------------------------------------------------------------- which columns


def test_an_immutable_column_freezes_its_whole_one_hot_block() -> None:
    X = people()
    assert told(columns(), X, immutable=["job"]).immutable == ("x3", "x4", "x5")
    assert told(named_columns(), X, immutable=["job", 0]).immutable == ("age", "job_clerk", "job_nurse", "job_pilot")
    assert told(columns(), X, immutable=X.columns == "job").immutable == ("x3", "x4", "x5")


def test_a_mask_for_each_row_becomes_a_mask_for_each_row_of_the_final_columns() -> None:
    X = people()
    mask = np.zeros(X.shape, dtype=bool)
    mask[0, 0], mask[1, 3] = True, True
    frozen = np.array(told(columns(), X, immutable=mask).immutable)
    assert np.array_equal(np.argwhere(frozen), [[0, 0], [1, 3], [1, 4], [1, 5]])


def test_rules_speak_of_the_columns_in_the_order_of_the_query() -> None:
    X = people()[["debt", "owner", "job", "income", "age"]]
    rules = told(columns(), people(), rows=X, immutable=X.columns == "debt", monotonic_cst=[0, 0, 0, 1, -1])
    assert rules.immutable == ("x2",) and rules.monotonic_cst == {"x1": 1, "x0": -1}


def test_one_row_is_enough_to_see_what_the_steps_make_of_a_column() -> None:
    X = people()
    for row in range(3):
        asked = X.iloc[[row]]
        assert told(columns(), X, rows=asked, immutable=["job", "owner"]).immutable == ("x3", "x4", "x5", "x6")
        assert told(named_columns(), X, rows=asked, immutable=["age", "owner"]).immutable == ("age", "owner")


def test_text_that_is_handed_on_is_frozen_even_where_all_rows_hold_the_same() -> None:
    X = people()[["job", "age"]]
    keep = ColumnTransformer([("num", MinMaxScaler(), ["age"]), ("keep", "passthrough", ["job"])])
    assert told(keep, X, rows=X[X["job"] == "nurse"], immutable=["job"]).immutable == ("x1",)


def test_whatever_can_move_a_frozen_column_on_the_way_back_is_frozen_too() -> None:
    def there(X: np.ndarray) -> np.ndarray:
        return np.column_stack([X[:, 0], X[:, 0] + X[:, 1], X[:, 2]])

    def back(Z: np.ndarray) -> np.ndarray:
        return np.column_stack([Z[:, 0], Z[:, 1] - Z[:, 0], Z[:, 2]])

    sums = FunctionTransformer(there, back)
    assert told(sums, NUMBERS.to_numpy(), immutable=[1]).immutable == ("x0", "x1")  # b = (a + b) - a
    with pytest.raises(ValueError, match=r"bounds\['x1'\] is about column 'x1'.*mixed with 'x0' in 'x0', 'x1'"):
        told(sums, NUMBERS.to_numpy(), bounds={1: (0, 1)})


def test_a_rotation_freezes_all_components_of_a_frozen_column_and_no_others() -> None:
    X = load_iris().data
    steps = ColumnTransformer([("pca", PCA(), [0, 1]), ("scale", StandardScaler(), [2, 3])])
    assert told(steps, X, immutable=["x1"]).immutable == ("x0", "x1")
    assert told(steps, X, immutable=["x3"]).immutable == ("x3",)


def test_a_column_that_goes_in_twice_is_frozen_twice() -> None:
    blocks = [("a", StandardScaler(), ["debt"]), ("b", MinMaxScaler(), ["debt"]), ("c", OneHotEncoder(), ["age"])]
    twice = ColumnTransformer(blocks, sparse_threshold=0)
    for rows in (NUMBERS, NUMBERS[:1]):  # the encoder refuses most other ages, which says nothing of debts
        assert told(twice, NUMBERS, rows=rows, immutable=["debt"]).immutable == ("x0", "x1")


def test_a_gap_that_an_imputer_marks_freezes_with_its_column() -> None:
    X = NUMBERS.to_numpy().copy()
    X[::3, 1] = np.nan
    assert told(SimpleImputer(add_indicator=True), X, immutable=[1]).immutable == ("x1", "x3")


def test_the_steps_are_probed_with_values_that_they_know() -> None:
    codes = people()[["age", "job"]].assign(age=lambda X: X["age"] // 20)  # whole numbers that an encoder has to know
    steps = ColumnTransformer(
        [("hot", OneHotEncoder(sparse_output=False), ["age"]), ("rank", OrdinalEncoder(), ["job"])]
    )
    wide = codes["age"].nunique()
    assert told(steps, codes, immutable=["job"]).immutable == (f"x{wide}",)
    assert told(steps, codes, immutable=["age"]).immutable == tuple(f"x{k}" for k in range(wide))


# --------------------------------------------------------------------------------------------------- which values


def test_bounds_are_scaled_as_the_values_are() -> None:
    scaler = StandardScaler().fit(NUMBERS)
    low, high = (scaler.transform(NUMBERS.assign(income=value))[0, 1] for value in (9000.0, 30_000.0))
    assert told(scaler, NUMBERS, bounds={"income": (9000, 30_000)}).bounds == {"x1": (low, high)}
    assert told(scaler, NUMBERS, bounds={1: (None, 30_000)}).bounds == {"x1": (None, high)}
    assert told(scaler, NUMBERS.iloc[:], rows=NUMBERS[:1], bounds={"income": (9000, None)}).bounds == {
        "x1": (low, None)
    }


def test_a_bound_for_each_row_stays_with_its_row() -> None:
    scaler, tops = StandardScaler().fit(NUMBERS), NUMBERS["debt"].to_numpy(copy=True) + 100.0
    tops[2] = np.nan
    expected = list(scaler.transform(NUMBERS.assign(debt=tops))[:, 2])
    (low, high) = told(scaler, NUMBERS, bounds={"debt": (None, tops)}).bounds["x2"]
    assert low is None and high[2] is None
    np.testing.assert_allclose(np.delete(np.array(high, dtype=object), 2).astype(float), np.delete(expected, 2))


def test_a_falling_map_swaps_bounds_and_turns_directions() -> None:
    falls = FunctionTransformer(np.negative, np.negative)
    rules = told(
        falls, NUMBERS, bounds={"debt": (1000, None), "income": (1, 9e9)}, monotonic_cst={"age": 1, "debt": -1}
    )
    assert rules.bounds == {"debt": (None, -1000.0), "income": (-9e9, -1.0)}
    assert rules.monotonic_cst == {"age": -1, "debt": 1}


def test_directions_can_be_said_of_all_columns_in_order() -> None:
    assert told(StandardScaler(), NUMBERS, monotonic_cst=[1, 0, -1]).monotonic_cst == {"x0": 1, "x2": -1}


def test_bounds_between_whole_numbers_are_told_as_whole_numbers() -> None:
    scaler = StandardScaler().fit(NUMBERS)
    low, high = (scaler.transform(NUMBERS.assign(age=value))[0, 0] for value in (31, 40))
    assert told(scaler, NUMBERS, bounds={"age": (30.5, 40.5)}).bounds == {"x0": (low, high)}
    with pytest.raises(ValueError, match=r"bounds\['age'\] leave no whole number"):
        told(scaler, NUMBERS, bounds={"age": (30.2, 30.8)})


def test_relations_are_told_in_final_units() -> None:
    scaler = StandardScaler().fit(NUMBERS)
    relation = ({"debt": 1.0, "income": -0.5}, 250.0)
    ((terms, bound),) = told(scaler, NUMBERS, actionability=Actionability(relations=[relation])).relations
    assert list(terms) == ["x2", "x1"]
    Z = pd.DataFrame(scaler.transform(NUMBERS), columns=["x0", "x1", "x2"])
    here = NUMBERS["debt"] - 0.5 * NUMBERS["income"] - 250.0
    np.testing.assert_allclose(sum(factor * Z[name] for name, factor in terms.items()) - bound, here)


def test_rows_on_a_relation_are_on_its_right_side_in_final_units_too() -> None:
    X = np.repeat(np.random.default_rng(0).integers(0, 100, (60, 1)) / 7, 2, axis=1)  # a <= b, all of them equal
    scaler = FrozenEstimator(StandardScaler().fit(X * [1, 3] + [5, 0]))
    ((terms, bound),) = told(scaler, X, actionability=Actionability(relations=[({0: 1, 1: -1}, 0)])).relations
    excess = scaler.transform(X) @ [terms["x0"], terms["x1"]] - bound
    assert (excess <= 0).all() and (excess > -1e-9).all()


def test_weights_go_to_all_columns_that_are_made_of_one() -> None:
    rules = Actionability(feature_weights={"job": 3, "debt": 2.0})
    assert told(columns(), people(), actionability=rules).feature_weights == {"x3": 3, "x4": 3, "x5": 3, "x2": 2.0}


def test_labels_that_arrive_as_they_are_keep_their_rules_under_their_new_name() -> None:
    X = people()
    keep = ColumnTransformer([("num", StandardScaler(), ["age"]), ("keep", "passthrough", ["job"])])
    rules = Actionability(allowed_categories={"job": ["nurse", "pilot"]}, allowed_transitions={"job": {"clerk": []}})
    assert told(keep, X, actionability=rules).allowed_categories == {"x1": ("nurse", "pilot")}
    assert told(keep, X, actionability=rules).allowed_transitions == {"x1": {"clerk": ()}}


def test_ordered_labels_that_arrive_as_they_are_keep_bounds_and_directions() -> None:
    X = people()[["age"]]
    X["grade"] = pd.Categorical(np.resize(["low", "mid", "high"], len(X)), ["low", "mid", "high"], ordered=True)
    keep = ColumnTransformer([("num", StandardScaler(), ["age"]), ("keep", "passthrough", ["grade"])])
    rules = told(
        keep.set_output(transform="pandas"), X, bounds={"grade": ("mid", None)}, monotonic_cst={"grade": 1, "age": 1}
    )
    assert rules.bounds == {"keep__grade": ("mid", None)}
    assert rules.monotonic_cst == {"keep__grade": 1, "num__age": 1}


def test_the_number_of_changes_is_told_where_columns_become_single_columns() -> None:
    assert told(StandardScaler(), NUMBERS, max_changes=2).max_changes == 2


def test_bounds_are_told_of_a_column_that_holds_gaps_only() -> None:
    X = people()[["age", "income"]]
    steps = make_pipeline(SimpleImputer(), StandardScaler()).fit(X)
    low = steps.transform(X.assign(income=5659.373))[0, 1]
    assert told(steps, X, rows=X[:1].assign(income=np.nan), bounds={"income": (5659.373, None)}).bounds == {
        "x1": (low, None)
    }


def test_a_bound_within_a_bin_is_told_where_the_bin_comes_back_inside() -> None:
    X = np.array([[1.1], [0.0], [2.0], [3.0]])  # bins come back as 0.5, 1.5 and 2.5
    bins = KBinsDiscretizer(3, encode="ordinal", strategy="uniform").fit(X)
    assert told(bins, X, bounds={0: (None, 1.6)}).bounds == {"x0": (None, 1.0)}
    with pytest.raises(ValueError, match=r"the steps bring 1\.2 back as 1\.5"):
        told(bins, X, bounds={0: (None, 1.2)})


# ------------------------------------------------------------------------------------------------------- refusals

REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "rotated bounds": (
        PCA(),
        NUMBERS,
        {"bounds": {"debt": (0, 1)}},
        r"bounds\['debt'\].*mixed with 'age', 'income' in",
    ),
    "rotated direction": (PCA(), NUMBERS, {"monotonic_cst": {"age": 1}}, r"monotonic_cst\['age'\].*mixed with"),
    "rotated number of changes": (PCA(), NUMBERS, {"max_changes": 1}, "max_changes is about column 'age'.*mixed with"),
    "one-hot number of changes": (
        columns(),
        people(),
        {"max_changes": 1},
        "column 'job'.*becomes 3 columns, 'x3', 'x4'",
    ),
    "one-hot labels": (
        columns(),
        people(),
        {"allowed_categories": {"job": ["nurse"]}},
        r"allowed_categories\['job'\].*'x5'",
    ),
    "truth values as numbers": (
        columns(),
        people(),
        {"allowed_categories": {"owner": [True]}},
        "become others in 'x6'",
    ),
    "ranked labels": (OrdinalEncoder(), people()[["job"]], {"allowed_transitions": {"job": {"clerk": []}}}, "'x0'"),
    "bent relation": (PowerTransformer(), NUMBERS, {"relations": [({"debt": 1, "income": -1}, 0)]}, "straight line"),
    "rotated weight": (PCA(), NUMBERS, {"feature_weights": {"age": 2}}, r"feature_weights\['age'\].*mixed with"),
    "repair": (StandardScaler(), NUMBERS, {"repair": lambda table: table}, "repair is a function of the user's table"),
    "dropped column": (
        ColumnTransformer([("s", StandardScaler(), ["age"])]),
        NUMBERS,
        {"bounds": {"debt": (0, 1)}},
        "none of its columns depends on it",
    ),
    "selected column": (SelectKBest(k=1), NUMBERS, {"monotonic_cst": [1, 1, 1]}, "none of its columns depends on it"),
    "up and down": (
        FunctionTransformer(lambda X: np.sin(X / 1000), lambda Z: Z, check_inverse=False),
        NUMBERS,
        {"bounds": {"debt": (0, 9000)}},
        "'debt' does not rise or fall with it throughout",
    ),
    "coarse": (
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        NUMBERS,
        {"bounds": {"debt": (None, 4000)}},
        "the steps bring 4000 back as",
    ),
    "out of reach": (
        QuantileTransformer(n_quantiles=10),
        NUMBERS,
        {"bounds": {"debt": (1e9, None)}},
        "the steps bring 1e.09 back as",
    ),
    "not a value of the steps": (
        FunctionTransformer(np.log, np.exp, validate=True),
        NUMBERS[["income"]].to_numpy(),
        {"bounds": {"x0": (-1, None)}},
        "'x0' does not rise or fall with it throughout",
    ),
    "unknown name": (
        StandardScaler(),
        NUMBERS,
        {"bounds": {"x1": (0, 1)}},
        "does not have: 'x1'.*'age', 'income', 'debt'",
    ),
    "unknown index": (PCA(1), NUMBERS, {"immutable": [3]}, "index 3, but X has 3 columns"),
    "mask of the final columns": (columns(), people(), {"immutable": [True] * 7}, "7 values, but X has 5 columns"),
    "bounds of other rows": (StandardScaler(), NUMBERS, {"bounds": {"age": ([1, 2], None)}}, "2 values, but X has 30"),
    "bounds of labels": (columns(), people(), {"bounds": {"job": (0, 1)}}, "labels without an order"),
    "named twice": (StandardScaler(), NUMBERS, {"bounds": {"age": (1, 2), 0: (1, 2)}}, "names column 'age' twice"),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_is_refused_before_any_search(case: str) -> None:
    step, X, rules, message = REFUSED[case]
    pipe = listening(step, X)
    with pytest.raises(ValueError, match=message) as caught:
        counterfactuals(pipe, X, actionability=Actionability(**rules))
    assert pipe[-1].told_ == []
    if "cannot be told" in str(caught.value):
        assert "pipeline[-1].counterfactuals(pipeline[:-1].transform(X), ...)" in str(caught.value)


# --------------------------------------------------------------------------------------- what is left as it is


def test_without_steps_that_change_anything_the_query_is_handed_on() -> None:
    X, repair = people(), lambda table: table
    rules = Actionability(immutable=["job"], max_changes=1, allowed_categories={"job": ["nurse"]}, repair=repair)
    for step in ("passthrough", FunctionTransformer()):
        pipe = listening(step, X)
        counterfactuals(pipe, X, actionability=rules, bounds={"age": (1, 99)}, search="steps")
        (asked,) = pipe[-1].told_
        assert asked == {"actionability": rules, "bounds": {"age": (1, 99)}, "search": "steps"}
    bare = Listener().fit(X, np.arange(len(X)))
    counterfactuals(bare, X, immutable=["job"])
    assert bare.told_ == [{"actionability": None, "immutable": ["job"]}]


def test_without_rules_the_query_is_handed_on() -> None:
    pipe = listening(PCA(), NUMBERS)
    counterfactuals(pipe, NUMBERS, target_probability=0.9, n_counterfactuals=2)
    assert pipe[-1].told_ == [{"actionability": None, "target_probability": 0.9, "n_counterfactuals": 2}]
    assert pipe[-1].certified_ == []


def test_what_is_no_rule_about_columns_reaches_search_and_certificate() -> None:
    pipe = listening(StandardScaler(), NUMBERS)
    counterfactuals(pipe, NUMBERS, immutable=["age"], target_probability=0.9, target=1, search="steps")
    (asked,) = pipe[-1].told_
    assert asked == {
        "target": 1,
        "search": "steps",
        "actionability": Actionability(immutable=["x0"], target_probability=0.9),
    }
    assert pipe[-1].certified_ == [{"actionability": Actionability(target_probability=0.9)}]


def test_a_row_that_scales_to_itself_is_no_sign_that_nothing_changes() -> None:
    X = np.array([[0.0, 0.0], [4.0, 10.0], [2.0, 5.0]])
    rules = told(MinMaxScaler(), X, rows=X[:1], bounds={"x1": (0, 5)})
    assert rules.bounds == {"x1": (0.0, 0.5)}


# --------------------------------------------------------------------------------------------- judged in user units


def test_rows_are_judged_by_the_users_own_rules_whatever_the_classifier_says() -> None:
    X = NUMBERS.to_numpy()
    pipe = listening(StandardScaler(), X, shift=np.array([0.0, 0.0, 1.0]))
    tops = X[:, 2] + np.where(np.arange(len(X)) < 3, 1.0, 1e6)
    report = counterfactuals(pipe, X, bounds={"x2": (None, tops)}).report
    assert not report["feasible"][:3].any() and (report["status"][:3] == Status.INFEASIBLE).all()
    assert report["feasible"][3:].all() and (report["status"][3:] == Status.OK).all()
    for broken in (
        {"monotonic_cst": {"x2": -1}},
        {"actionability": Actionability(relations=[({"x2": 1}, X[:, 2].min())])},
    ):
        assert not counterfactuals(pipe, X, **broken).report["feasible"].any()
    pipe[-1].shift = np.ones(3)
    assert not counterfactuals(pipe, X, max_changes=2).report["feasible"].any()


def test_labels_are_judged_by_the_users_own_rules() -> None:
    X = people()[["age", "job"]]
    keep = ColumnTransformer([("num", StandardScaler(), ["age"]), ("keep", "passthrough", ["job"])])
    pipe = listening(keep.set_output(transform="pandas"), X)
    rules = Actionability(allowed_categories={"job": ["nurse"]})
    report = counterfactuals(pipe, X, actionability=rules).report
    assert report["feasible"].tolist() == (X["job"] == "nurse").tolist()

    def promote(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(keep__job="pilot")

    pipe[-1].counterfactuals = lambda Z, **asked: Counterfactuals(
        promote(Z),
        Z,
        pd.DataFrame({"row": np.arange(len(Z)), "feasible": True, "status": "ok"}),
        [0, 1],
        np.zeros(len(Z)),
        np.zeros(len(Z)),
    )
    rules = Actionability(allowed_transitions={"job": {"clerk": ["nurse"]}})
    report = counterfactuals(pipe, X, actionability=rules).report
    assert report["feasible"].tolist() == (X["job"] != "clerk").tolist()


def test_a_frozen_cell_is_the_users_own_even_if_the_classifier_moved_it() -> None:
    for X in (NUMBERS, NUMBERS.to_numpy(), NUMBERS.convert_dtypes()):
        cf = counterfactuals(listening(StandardScaler(), X, shift=1.0), X, immutable=[0, 2])
        before, after = pd.DataFrame(X), pd.DataFrame(cf.data)
        pd.testing.assert_frame_equal(after.iloc[:, [0, 2]], before.iloc[:, [0, 2]], check_exact=True)
        assert (after.iloc[:, 1] > before.iloc[:, 1]).all() and cf.report["feasible"].all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_noise_at_a_bound_is_clipped_and_more_than_noise_is_told(dtype: Any) -> None:
    X = NUMBERS.to_numpy().astype(dtype)
    for excess, feasible in ((4 * np.finfo(dtype).eps, True), (1e-3, False)):
        high = 20_000.1
        pipe = make_pipeline(FunctionTransformer(), MinMaxScaler(), Listener()).fit(X, np.arange(len(X)) % 2)
        reach = pipe[:-1].transform(np.full((1, 3), high * (1 + excess), dtype=dtype))
        pipe[-1].shift = (reach - pipe[:-1].transform(X)) * np.array([0, 1, 0])
        cf = counterfactuals(pipe, X, bounds={"x1": (None, high)})
        assert cf.data.dtype == dtype
        assert (cf.report["feasible"] == feasible).all()
        assert ((cf.data[:, 1] <= high) == feasible).all()


def test_an_error_of_the_classifier_says_what_its_columns_are_to_the_user() -> None:
    pipe = listening(columns(), people())

    def complain(X: Any, **asked: Any) -> None:
        raise ValueError("x1 is bad")

    pipe[-1].counterfactuals = complain
    with pytest.raises(ValueError, match="x1 is bad") as caught:
        counterfactuals(pipe, people(), immutable=["job"])
    (note,) = caught.value.__notes__
    assert "'x1' of 'income'" in note and "'x4' of 'job'" in note


# ------------------------------------------------------------------------------------------------ with real answers


def fit(step: Any, X: Any, y: Any) -> Any:
    pipe = make_pipeline(step, fast())
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return pipe.fit(X, y)


def skewed() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return np.exp(X), y


@cache
def model(name: str) -> tuple[Any, Any]:
    """A fitted pipeline and its table. Shared: never change them."""
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(X, columns=["sepal", "width", "petal", "span"])
    people, label = mixed_table()
    hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    mixed = [("num", numbers, ["age", "income"]), ("hot", hot, ["job", "grade"]), ("keep", "passthrough", ["owner"])]
    made = {
        "scaled": (StandardScaler(), X, y),
        "named": (StandardScaler().set_output(transform="pandas"), frame, y),
        "powered": (PowerTransformer(), *skewed()),
        "falling": (make_pipeline(FunctionTransformer(np.negative, np.negative), MinMaxScaler()), X, y),
        "mixed": (ColumnTransformer(mixed).set_output(transform="pandas"), people, label),
    }
    step, table, labels = made[name]
    return fit(step, table, labels), table


def names_of(X: Any) -> list[Any]:
    return list(X.columns) if isinstance(X, pd.DataFrame) else [f"x{j}" for j in range(X.shape[1])]


def framed(X: Any) -> pd.DataFrame:
    """The table with the names that rules call its columns by."""
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=names_of(X))


def check(cf: Counterfactuals, X: Any, rules: dict[str, Any]) -> None:
    """No frozen cell changed, and a row is feasible if and only if it obeys the rules, as anyone would check them."""
    before, after, rows = framed(cf.original), framed(cf.data), cf.report["row"].to_numpy()
    changed = ~((before == after) | (before.isna() & after.isna())).to_numpy()
    assert not (changed & np.broadcast_to(rules.get("immutable", False), X.shape)[rows]).any()
    broken = changed.sum(axis=1) > rules.get("max_changes", X.shape[1])
    for name, sides in rules.get("bounds", {}).items():
        low, high = (np.broadcast_to(np.array(side, dtype=float), len(X))[rows] for side in sides)
        broken |= (after[name] < low).to_numpy() | (after[name] > high).to_numpy()
    for name, direction in rules.get("monotonic_cst", {}).items():
        broken |= (direction * (after[name] - before[name]) < 0).to_numpy()
        broken |= (before[name].isna() & after[name].notna()).to_numpy()
    for terms, bound in rules.get("relations", []):
        broken |= (sum(factor * after[name] for name, factor in terms.items()) > bound).to_numpy()
    assert cf.report["feasible"].tolist() == (~broken).tolist()
    asked = (cf.report["status"] != Status.ALREADY_TARGET).to_numpy()
    assert ((cf.report["status"] == Status.INFEASIBLE).to_numpy() == broken)[asked].all()


@pytest.mark.usefixtures("short_searches")
def test_scaled_rows_obey_bounds_in_user_units() -> None:
    pipe, X = model("scaled")
    rules = {"bounds": {"x0": (5.0, 6.5), "x2": (1.5, 5.5)}, "monotonic_cst": {"x3": 1}, "max_changes": 3}
    cf = counterfactuals(pipe, X[::10], **rules)
    check(cf, X[::10], rules)
    assert cf.report["feasible"].mean() > 0.5 and (cf.report["n_changed"] > 0).any()
    assert (cf.data[cf.report["feasible"], 0] >= 5.0).all()


def test_bounds_hold_exactly_through_a_power() -> None:
    pipe, X = model("powered")
    for quantile in (0.3, 0.6):
        top = float(np.quantile(X[:, 2], quantile))
        asked = X[X[:, 2] <= top][::6]
        cf = counterfactuals(pipe, asked, bounds={"x2": (None, top)}, target=2)
        assert (cf.data[:, 2] <= top).all() and cf.report["feasible"].all()
        assert np.isclose(cf.data[:, 2], top).any(), "no row came to lie at the bound, which is what was to be seen"


@pytest.mark.usefixtures("short_searches")
def test_a_falling_map_keeps_directions_as_the_user_sees_them() -> None:
    pipe, X = model("falling")
    rules = {"monotonic_cst": {"x2": 1}, "bounds": {"x3": (None, 2.0)}}
    cf = counterfactuals(pipe, X[:50:7], **rules)
    check(cf, X[:50:7], rules)
    assert (cf.data[:, 2] >= cf.original[:, 2]).all() and (cf.data[:, 2] > cf.original[:, 2]).any()


@pytest.mark.usefixtures("short_searches")
def test_a_search_around_a_pipeline_takes_rules_in_user_units() -> None:
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), fast()),
        {"hyconexclassifier__alpha_validity": [0.8]},
        cv=ShuffleSplit(1, random_state=0),
    )
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    cf = counterfactuals(search, X[::30], bounds={"x0": (5.0, 6.5)}, immutable=["x1"])
    check(cf, X[::30], {"bounds": {"x0": (5.0, 6.5)}, "immutable": [False, True, False, False]})


@pytest.mark.usefixtures("short_searches")
def test_a_frozen_column_of_labels_does_not_change_and_others_do() -> None:
    pipe, X = model("mixed")
    changed = counterfactuals(pipe, X).changes()["feature"]
    assert {"job", "grade"} & set(changed), "labels do not change anyway"
    cf = counterfactuals(pipe, X, immutable=["job", "grade"])
    pd.testing.assert_frame_equal(cf.data[["job", "grade"]], cf.original[["job", "grade"]], check_exact=True)
    assert len(cf.changes()) and cf.report["feasible"].all()
    one = counterfactuals(pipe, X[:1], immutable=["job", "grade", "owner"])
    assert set(one.changes()["feature"]) <= {"age", "income"}


class Question(NamedTuple):
    """Rows of a fitted table, and what is asked about them."""

    model: str
    X: Any
    rules: dict[str, Any]
    search: str


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Rules of many kinds that do not contradict each other."""
    name = draw(st.sampled_from(["scaled", "named", "powered", "falling", "mixed"]))
    table = model(name)[1]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = take(table, rng.integers(0, len(table), rng.integers(1, 6)))
    names = names_of(X)
    numbers = names[:2] if name == "mixed" else names
    frozen = rng.random(X.shape) < 0.3
    frozen[0, 0] = False  # something is left to change
    rules: dict[str, Any] = {"immutable": frozen if draw(st.booleans()) else frozen[0]}
    frozen = framed(np.broadcast_to(rules["immutable"], X.shape)).set_axis(names, axis=1)
    rules["bounds"] = {}
    for column in numbers:
        if rng.random() < 0.4:
            low, high = framed(table)[column].quantile([0.1, 0.9])
            own = framed(X)[column].to_numpy(dtype=float)
            stuck = frozen[column].to_numpy() & ((own < low) | (own > high))  # a bound would contradict immutable
            each = [np.where(stuck, np.nan, side) if stuck.any() else side for side in (low, high)]
            rules["bounds"][column] = (each[0], None) if rng.random() < 0.3 else tuple(each)
    rules["monotonic_cst"] = {column: int(rng.choice([-1, 1])) for column in numbers if rng.random() < 0.3}
    if name != "mixed" and rng.random() < 0.5:
        rules["max_changes"] = int(rng.integers(1, 4))
    if name != "powered" and rng.random() < 0.5:
        first, second = framed(table)[numbers[:2]].median()
        rules["relations"] = [({numbers[0]: 1.0, numbers[1]: -0.5}, float(first - 0.5 * second))]
    return Question(name, X, rules, draw(st.sampled_from(["one_shot", "steps", "auto"])))


@pytest.mark.usefixtures("short_searches")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions())
def test_no_rule_leaks_whatever_is_asked(question: Question) -> None:
    rest = Actionability(relations=question.rules.get("relations", ()))
    keywords = {name: rule for name, rule in question.rules.items() if name != "relations"}
    cf = counterfactuals(model(question.model)[0], question.X, **keywords, actionability=rest, search=question.search)
    check(cf, question.X, question.rules)
