"""Tables and labels on their way in: what passes comes out as it is used. What is refused: test_bad_input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from hyconex_sklearn._table.check_input import check_labels, check_table


class Anyone(BaseEstimator):
    """An estimator that has seen nothing yet."""


FRAME = pd.DataFrame(
    {"a": [1.0, np.nan], "b": pd.Categorical(["x", "y"]), "c": pd.array([True, None], dtype="boolean")}
)


# --------------------------------------------------------------------------------------------------------- tables


def test_a_frame_passes_as_it_is_and_its_names_are_kept() -> None:
    estimator = Anyone()
    assert check_table(estimator, FRAME, reset=True) is FRAME
    assert estimator.n_features_in_ == 3
    np.testing.assert_array_equal(estimator.feature_names_in_, ["a", "b", "c"])


def test_a_frame_at_a_query_leaves_the_estimator_alone() -> None:
    estimator = Anyone()
    check_table(estimator, FRAME, reset=True)
    before = dict(vars(estimator))
    turned = FRAME[["c", "a"]]  # matched by name later on
    assert check_table(estimator, turned, reset=False) is turned
    assert vars(estimator).keys() == before.keys()


@pytest.mark.parametrize("reset", [True, False])
def test_an_array_keeps_its_dtype_and_its_gaps(reset: bool) -> None:
    for table in (np.array([[1, 2]], dtype=np.int8), np.array([["a", None]], dtype=object), np.array([[np.nan, 1.0]])):
        estimator = Anyone()
        check_table(estimator, table, reset=True)
        checked = check_table(estimator, table, reset=reset)
        assert checked.dtype == table.dtype and not hasattr(estimator, "feature_names_in_")
        assert all(a is b or a == b or (a != a and b != b) for a, b in zip(checked.flat, table.flat, strict=True))


def test_lists_become_arrays() -> None:
    checked = check_table(Anyone(), [[1, 2.5], [3, 4.5]], reset=True)
    assert isinstance(checked, np.ndarray) and checked.tolist() == [[1, 2.5], [3, 4.5]]


def test_an_array_of_another_width_is_told_at_a_query() -> None:
    estimator = Anyone()
    check_table(estimator, np.zeros((2, 3)), reset=True)
    with pytest.raises(ValueError, match=r"2 features.*3 features"):
        check_table(estimator, np.zeros((2, 2)), reset=False)


# --------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["no", "yes", "no"], ["no", "yes"]),
        (np.array([2.0, 0.0, 2.0]), [0.0, 2.0]),
        (pd.Series([True, False, True], index=[7, 8, 9]), [False, True]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (np.array(["z", "a", "z"], dtype=object), ["a", "z"]),
        ([3, 1, 2], [1, 2, 3]),
    ],
)
def test_classes_are_sorted_and_rows_know_theirs(y: Any, classes: list[Any]) -> None:
    found, labels, weight = check_labels(y, 3, None)
    assert found.tolist() == classes
    np.testing.assert_array_equal(found[labels], np.asarray(y))
    np.testing.assert_array_equal(weight, 1.0)


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        (None, [1, 1, 1, 1]),
        ("balanced", [2 / 3] * 3 + [2]),
        ({"a": 1, "b": 3}, [2 / 3] * 3 + [2]),
        ({"b": 0}, [4 / 3] * 3 + [0]),
    ],
    ids=["equal", "balanced", "by label", "one class without weight"],
)
def test_weights_of_rows_have_a_mean_of_one(class_weight: Any, expected: list[float]) -> None:
    _, _, weight = check_labels(["a", "a", "a", "b"], 4, class_weight)
    np.testing.assert_allclose(weight, expected)
