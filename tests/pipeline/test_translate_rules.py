"""Rules through a pipeline: said in the user's columns and units, told to the classifier behind the steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _listener import NUMBERS, Listener, columns, listening, named_columns, people, told
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
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

from hyconex_sklearn import Actionability, counterfactuals

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


def test_allowed_values_are_mapped_one_by_one_and_steps_told_where_a_column_stays_as_it_is() -> None:
    values = [9000.5, 30_000.0]
    scaler = StandardScaler().fit(NUMBERS)
    image = [scaler.transform(NUMBERS.assign(income=value))[0, 1] for value in values]
    rules = Actionability(allowed_values={"income": values}, resolution={"debt": 50})
    found = told(scaler, NUMBERS, actionability=rules)
    assert found.allowed_values == {"x1": tuple(image)} and found.resolution is None
    turned = FunctionTransformer(np.negative, np.negative)
    assert told(turned, NUMBERS, actionability=rules).allowed_values == {"income": (-9000.5, -30_000.0)}
    keep = ColumnTransformer([("num", MinMaxScaler(), ["age"]), ("keep", "passthrough", ["income", "debt"])])
    found = told(keep, NUMBERS, actionability=rules)
    assert found.resolution == {"x2": 50} and found.allowed_values == {"x1": tuple(values)}
    both = Actionability(allowed_values={"debt": [4000, 4025, 5000]}, resolution={"debt": 50})
    found = told(keep, NUMBERS, actionability=both)
    assert found.resolution is None and found.allowed_values == {"x2": (4000.0, 5000.0)}


def test_bounds_between_whole_numbers_are_told_as_whole_numbers() -> None:
    scaler = StandardScaler().fit(NUMBERS)
    low, high = (scaler.transform(NUMBERS.assign(age=value))[0, 0] for value in (31, 40))
    assert told(scaler, NUMBERS, bounds={"age": (30.5, 40.5)}).bounds == {"x0": (low, high)}
    with pytest.raises(ValueError, match=r"bounds\['age'\] leave no value.*no whole number"):
        told(scaler, NUMBERS, bounds={"age": (30.2, 30.8)})


def test_rules_on_a_single_row_are_no_mistake_where_those_on_many_are_none() -> None:
    scaler, row = StandardScaler().fit(NUMBERS), NUMBERS[:1]
    low, high = told(scaler, row, bounds={"age": ([30.2], [30.8])}).bounds["x0"]
    assert len(low) == len(high) == 1 and low > high
    assert told(scaler, row, immutable=np.ones((1, 3), dtype=bool)).immutable == ((True, True, True),)


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
    "one-hot numbers": (
        ColumnTransformer([("bin", KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"), ["debt"])]),
        people(),
        {"allowed_values": {"debt": [4000]}},
        r"allowed_values\['debt'\].*becomes 3 columns",
    ),
    "coarse values": (
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        NUMBERS,
        {"allowed_values": {"debt": [4000]}},
        "the steps do not bring back 4000",
    ),
    "no multiple of a whole number": (
        StandardScaler(),
        NUMBERS,
        {"resolution": {"age": 0.5}},
        r"resolution\['age'\] is 0.5, but column 'age' held whole numbers",
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
    numbers = Actionability(resolution={"income": 30}, allowed_values={1: [60]})
    hundreds = NUMBERS.assign(income=100.0 * np.arange(len(NUMBERS)), debt=50.0)
    pipe = listening(FunctionTransformer(), hundreds, shift=[0, 60, 0])
    assert (counterfactuals(pipe, hundreds, actionability=numbers).data["income"] % 100 == 60).all()
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
