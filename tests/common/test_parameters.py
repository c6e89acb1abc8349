"""Parameter, target and column checks: what is wrong is refused, with a message that helps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hyconex_sklearn._common.parameters import check_parameters, check_query
from hyconex_sklearn._table.check_input import match_columns, resolve_categorical
from hyconex_sklearn._table.check_labels import target_numbers

DEFAULTS: dict[str, Any] = {
    "alpha_validity": 0.8,
    "alpha_proximity": 0.1,
    "alpha_plausibility": 0.1,
    "plausibility_quantile": 0.25,
    "hidden_size": 128,
    "n_blocks": 3,
    "dropout": 0.2,
    "flow_transforms": 4,
    "flow_hidden": (64, 64),
    "flow_epochs": 100,
    "pretrain_epochs": 100,
    "joint_epochs": 100,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "validation_fraction": 0.2,
    "patience": 10,
    "max_time": None,
    "categorical_features": "from_dtype",
    "class_weight": None,
    "n_jobs": None,
    "device": None,
    "random_state": None,
    "verbose": 0,
}


class Estimator:
    def __init__(self, **changes: Any) -> None:
        self.parameters = DEFAULTS | changes

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return self.parameters


class FakeDevice:
    type = "cuda"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alpha_validity": 0, "alpha_proximity": np.float32(2), "plausibility_quantile": 0},
        {"hidden_size": np.int64(1), "dropout": 0, "flow_hidden": [8], "joint_epochs": 0},
        {"flow_hidden": np.array([4, 4]), "class_weight": {"a": 1.0}, "n_jobs": -1, "verbose": True, "max_time": 0.5},
        {"categorical_features": None, "class_weight": "balanced", "device": "cpu", "random_state": 7},
        {"categorical_features": ["a"], "device": FakeDevice(), "random_state": np.random.RandomState(0)},
        {"a parameter of a subclass": object()},
    ],
)
def test_good_parameters_pass(changes: dict[str, Any]) -> None:
    check_parameters(Estimator(**changes))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("alpha_validity", -0.1, ValueError),
        ("alpha_proximity", np.inf, ValueError),
        ("alpha_plausibility", np.nan, ValueError),
        ("alpha_validity", 10**400, ValueError),
        ("hidden_size", 10**400, ValueError),
        ("alpha_validity", "high", TypeError),
        ("alpha_validity", True, TypeError),
        ("plausibility_quantile", 1.0, ValueError),
        ("hidden_size", 0, ValueError),
        ("hidden_size", 12.0, TypeError),
        ("n_blocks", True, TypeError),
        ("n_blocks", 0, ValueError),
        ("dropout", 1, ValueError),
        ("flow_transforms", 0, ValueError),
        ("flow_hidden", (), ValueError),
        ("flow_hidden", (64, 0), ValueError),
        ("flow_hidden", (64, 0.5), TypeError),
        ("flow_hidden", 64, TypeError),
        ("flow_epochs", -1, ValueError),
        ("pretrain_epochs", "many", TypeError),
        ("joint_epochs", 1.5, TypeError),
        ("batch_size", 0, ValueError),
        ("learning_rate", 0, ValueError),
        ("weight_decay", -1e-9, ValueError),
        ("validation_fraction", 0, ValueError),
        ("validation_fraction", 1, ValueError),
        ("patience", 0, ValueError),
        ("categorical_features", "age", ValueError),
        ("categorical_features", 3, TypeError),
        ("class_weight", "heavy", ValueError),
        ("class_weight", 1.0, TypeError),
        ("n_jobs", 0, ValueError),
        ("n_jobs", 1.5, TypeError),
        ("device", 0, TypeError),
        ("random_state", "seed", TypeError),
        ("random_state", -1, ValueError),
        ("verbose", -1, ValueError),
        ("verbose", "loud", TypeError),
    ],
)
def test_bad_parameters_are_named_with_what_was_got_and_expected(name: str, value: Any, error: type) -> None:
    with pytest.raises(error) as caught:
        check_parameters(Estimator(**{name: value}))
    message = str(caught.value)
    assert message.startswith(f"{name} must be ") and f", got {value!r}. " in message


def test_what_can_be_gone_through_once_is_judged_as_it_is() -> None:
    with pytest.raises(TypeError, match=r"^flow_hidden must be"):
        check_parameters(Estimator(flow_hidden=(width for width in ["wide"])))


def test_no_parameter_goes_unchecked() -> None:
    for name in DEFAULTS:
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
            check_parameters(Estimator(**{name: object()}))


# ------------------------------------------------------------------------------------------------------- queries


@pytest.mark.parametrize("n_counterfactuals", [1, 7, np.int64(3)])
def test_good_queries_pass(n_counterfactuals: Any) -> None:
    check_query("latent", n_counterfactuals)


@pytest.mark.parametrize("search", ["best", "Auto", "", None, 1, ["auto"], np.array(["auto", "latent"])])
def test_an_unknown_search_is_told_with_the_known_ones(search: Any) -> None:
    with pytest.raises(ValueError, match="search must be one of 'auto', 'latent', 'steps', 'one_shot', got ") as caught:
        check_query(search, 1)
    assert repr(search) in str(caught.value)


@pytest.mark.parametrize(
    ("n_counterfactuals", "error"),
    [(0, ValueError), (-1, ValueError), (True, TypeError), (1.0, TypeError), ("two", TypeError), (None, TypeError)],
)
def test_a_number_of_alternatives_that_is_none_is_told(n_counterfactuals: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"n_counterfactuals must be an integer >= 1, got {n_counterfactuals!r}\. It is"):
        check_query("auto", n_counterfactuals)


# ------------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("b", [1, 1, 1]),
        (np.str_("a"), [0, 0, 0]),
        (["a", "b", "b"], [0, 1, 1]),
        (pd.Series(["b", "a", "a"], index=[7, 8, 9]), [1, 0, 0]),
        (np.array(["b", "b", "a"], dtype=object), [1, 1, 0]),
    ],
)
def test_a_label_or_one_label_per_row(target: Any, expected: list[int]) -> None:
    assert target_numbers(target, 3, np.array(["a", "b"])).tolist() == expected


@pytest.mark.parametrize("classes", [np.array([-1, 1]), np.array([-1.0, 1.0])])
def test_numeric_labels(classes: np.ndarray) -> None:
    assert target_numbers(1, 2, classes).tolist() == [1, 1]
    assert target_numbers(np.int64(-1), 2, classes).tolist() == [0, 0]
    assert target_numbers(np.array([1]), 1, classes).tolist() == [1]


def test_unknown_labels_and_wrong_lengths_are_errors() -> None:
    classes = np.array(["no", "yes"])
    with pytest.raises(ValueError, match="unknown label 'maybe'; the classes are 'no', 'yes'"):
        target_numbers("maybe", 2, classes)
    with pytest.raises(ValueError, match="unknown label 1"):
        target_numbers(["yes", 1], 2, classes)
    with pytest.raises(ValueError, match="unknown label"):
        target_numbers([["yes"], ["no"]], 2, classes)
    with pytest.raises(ValueError, match="target has 3 labels, but X has 2 rows"):
        target_numbers(["yes"] * 3, 2, classes)


# ------------------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize("listed", ["from_dtype", None, [], np.array([], dtype=int)])
def test_nothing_listed(listed: Any) -> None:
    assert resolve_categorical(listed, 3, ["a", "b", "c"]) is None


@pytest.mark.parametrize("listed", [[False, True, True], np.array([False, True, True]), [2, 1], {1, 2}, ("c", "b")])
def test_masks_indices_and_names_mean_the_same(listed: Any) -> None:
    mask = resolve_categorical(listed, 3, ["a", "b", "c"])
    assert mask is not None and mask.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("listed", "names", "error", "message"),
    [
        ([True, False], "abc", ValueError, "mask of 2 values, but X has 3 columns"),
        ([0, 3], "abc", ValueError, "indices 3, but X has 3 columns: indices go from 0 to 2"),
        ([-1], "abc", ValueError, "indices -1"),
        (["a", "z"], "abc", ValueError, "does not have: 'z'. The columns of X are 'a', 'b', 'c'"),
        (["a"], "", ValueError, "an array without names"),
        ("a", "abc", ValueError, "put it into a list"),
        (["a", 1], "abc", TypeError, "only text"),
        ([0.5], "abc", TypeError, "got 0.5"),
    ],
)
def test_wrong_lists_say_what_is_wrong(listed: Any, names: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        resolve_categorical(listed, 3, list(names))


def test_columns_are_found_in_any_order() -> None:
    assert match_columns(["c", "a", "b"], ["a", "b", "c"]).tolist() == [1, 2, 0]
    with pytest.raises(ValueError) as caught:
        match_columns(["a", "B"], ["a", "b"])
    assert "unseen at fit time:\n- B\n" in str(caught.value)
    assert "seen at fit time, yet now missing:\n- b\n" in str(caught.value)
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- more\nPass the columns"):
        match_columns(["a", "more"], ["a"])
    with pytest.raises(ValueError, match="and 5 more"):
        match_columns([], [f"f{i}" for i in range(15)])
