"""What can't be used is refused before any work, with what was got, what was expected and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from _models import fast, iris, mixed
from sklearn.exceptions import DataConversionWarning, NotFittedError

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._search import explainer as _explaining

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = np.arange(30) % 2


@pytest.fixture(autouse=True, scope="module")
def models() -> None:
    """The models that queries are put to are fitted before `no_work` forbids it."""
    iris()
    mixed()


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained or searched before the input is found to be good."""

    def work(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("work began although the input is bad")

    monkeypatch.setattr("hyconex_sklearn._training.fit_model.fit_model", work)
    monkeypatch.setattr(_explaining, "answer", work)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], **columns})


def with_cell(value: Any) -> np.ndarray:
    table = X.copy()
    table[3, 1] = value
    return table


def refusal(ask: Callable[[], object]) -> str:
    """The message of the error that a call ends with; only kinds that say "your input" count."""
    with pytest.raises((ValueError, TypeError)) as caught:
        ask()
    return str(caught.value)


TABLES: dict[str, tuple[Any, str]] = {
    "no rows": (X[:0], r"0 sample|0 row"),
    "no rows, frame": (frame().iloc[:0], r"0 sample|0 row"),
    "no columns": (X[:, :0], r"0 feature|0 column"),
    "no columns, frame": (frame()[[]], r"0 feature|0 column"),
    "infinity": (with_cell(np.inf), r"infinity.*'x1'.*Replace"),
    "minus infinity in a frame": (frame(c=[-np.inf] * 30), r"infinity.*'c'.*Replace"),
    "infinity in a nullable column": (frame(c=pd.array([np.inf] + [1.5] * 29, dtype="Float64")), r"infinity.*'c'"),
    "infinity among objects": (with_cell(np.inf).astype(object), r"infinity.*'x1'"),
    "sparse matrix": (sp.csr_matrix(X), r"sparse.*toarray"),
    "sparse array": (sp.coo_array(X), r"sparse.*toarray"),
    "one dimension": (X[:, 0], r"2D array.*1D array"),
    "a series": (pd.Series(X[:, 0]), r"2-dimensional|2D"),
    "three dimensions": (X[:, :, None], r"dim 3"),
    "a scalar": (3.0, r"2D array"),
    "complex": (X + 1j, r"Complex data not supported"),
    "complex column": (frame(c=X[:, 0] + 1j), r"Complex data not supported.*'c'"),
    "dates": (frame(c=pd.date_range("2020", periods=30)), r"'c'.*dates.*Turn them into"),
    "durations": (frame(c=pd.to_timedelta(np.arange(30), unit="h")), r"'c'.*durations"),
    "lists in cells": (frame(c=[[1]] * 30), r"'c'.*list"),
    "duplicated names": (pd.DataFrame(X, columns=["a", "b", "a"]), r"(unique column|more than one column).*'a'"),
    "names of mixed types": (pd.DataFrame(X, columns=["a", 1, 2]), r"all strings|string"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_cannot_be_used(name: str) -> None:
    table, message = TABLES[name]
    labels = Y[: len(table)] if name.startswith("no rows") else Y
    assert re.search(message, refusal(lambda: fast().fit(table, labels)), flags=re.DOTALL)


LABELS: dict[str, tuple[Any, str]] = {
    "one class": (np.zeros(30), r"one class.*Pass rows of another class"),
    "one text class": (["only"] * 30, r"one class.*only"),
    "continuous": (X[:, 0], r"[Uu]nknown label type.*continuous"),
    "too short": (Y[:-1], r"inconsistent numbers of samples.*30.*29"),
    "too long": (np.r_[Y, 1], r"inconsistent numbers of samples.*30.*31"),
    "empty": ([], r"inconsistent|0 sample"),
    "NaN": (np.where(np.arange(30) == 4, np.nan, Y), r"NaN in 1 row.*Drop"),
    "None": (np.array([None, "a", "b"] * 10, dtype=object), r"NaN in 10 rows.*Drop"),
    "nullable missing": (pd.array([None, 0, 1] * 10, dtype="Int64"), r"NaN in 10 rows"),
    "infinite": (np.where(Y > 0, np.inf, 0.0), r"infinity"),
    "two columns": (np.c_[Y, Y], r"1d array.*\(30, 2\)"),
    "mixed types": (np.array([1, "a"] * 15, dtype=object), r"label type"),
    "no labels": (None, r"requires y.*None"),
}


@pytest.mark.parametrize("table", [X, frame()], ids=["array", "frame"])
@pytest.mark.parametrize("name", LABELS)
def test_labels_that_cannot_be_used(name: str, table: Any) -> None:
    labels, message = LABELS[name]
    assert re.search(message, refusal(lambda: fast().fit(table, labels)), flags=re.DOTALL)


PARAMETERS: list[tuple[str, Any]] = [
    ("alpha_validity", -0.1),
    ("alpha_proximity", np.inf),
    ("alpha_plausibility", "much"),
    ("plausibility_quantile", 1.0),
    ("hidden_size", 0),
    ("n_blocks", 1.5),
    ("dropout", 1.0),
    ("flow_transforms", 0),
    ("flow_hidden", ()),
    ("flow_hidden", 64),
    ("flow_epochs", -1),
    ("pretrain_epochs", -1),
    ("joint_epochs", 2.5),
    ("batch_size", 0),
    ("learning_rate", 0.0),
    ("learning_rate", np.nan),
    ("weight_decay", -1e-9),
    ("validation_fraction", 0.0),
    ("validation_fraction", 1.0),
    ("patience", 0),
    ("max_time", 0.0),
    ("max_time", np.inf),
    ("max_time", "a minute"),
    ("class_weight", "heavy"),
    ("n_jobs", 0),
    ("device", 7),
    ("random_state", -1),
    ("verbose", -1),
    ("categorical_features", "a"),
]


@pytest.mark.parametrize(("name", "value"), PARAMETERS)
def test_parameters_out_of_range(name: str, value: Any) -> None:
    message = refusal(lambda: fast(**{name: value}).fit(X, Y))
    assert message.startswith(f"{name} must be") and f"got {value!r}" in message


@pytest.mark.parametrize("device", ["gpu7", "cuda:99", "tpu"])
def test_unknown_devices(device: str) -> None:
    message = refusal(lambda: fast(device=device).fit(X, Y))
    assert f"device={device!r}" in message and "Pass None" in message


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (["c"], r"does not have: 'c'.*'a', 'b'"),
        ([5], r"indices 5.*2 columns"),
        ([True, False, True], r"mask of 3.*2 columns"),
    ],
)
def test_categorical_features_that_do_not_exist(listed: Any, message: str) -> None:
    assert re.search(message, refusal(lambda: fast(categorical_features=listed).fit(frame(), Y)))


@pytest.mark.parametrize(
    "weight", [{0: np.nan, 1: 1.0}, {0: 0.0, 1: 0.0}, {0: -1.0, 1: 1.0}, {0: np.inf, 1: 1.0}, {0: 1.0, 7: 2.0}]
)
def test_class_weights_that_make_no_sense(weight: dict[int, float]) -> None:
    assert "class_weight" in refusal(lambda: fast(class_weight=weight).fit(X, Y))


def test_a_column_of_labels_is_taken_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DataConversionWarning, match="column-vector"), pytest.raises(AssertionError, match="began"):
        fast().fit(X, Y[:, None])


def test_a_refused_fit_leaves_the_estimator_unfitted() -> None:
    clf = fast()
    for table, labels in [(X, np.zeros(30)), (with_cell(np.inf), Y), (frame(), Y[:-1])]:
        refusal(lambda table=table, labels=labels: clf.fit(table, labels))
        with pytest.raises(NotFittedError):
            clf.predict(X)
        assert not hasattr(clf, "classes_") and not hasattr(clf, "n_features_in_")


# -------------------------------------------------------------------------------------------------------- queries


METHODS = ["predict", "predict_proba", "local_linear", "score_samples", "counterfactuals"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="job"), r"now missing:\n- job"),
        (lambda table: table.assign(surplus=1), r"unseen at fit time:\n- surplus"),
        (lambda table: table.rename(columns={"job": "Job"}), r"unseen at fit time:\n- Job.*missing:\n- job"),
        (lambda table: table.iloc[:, :3].to_numpy(), r"3 features.*7"),
        (lambda table: table.assign(income=np.inf), r"infinity.*'income'"),
        (lambda table: table.assign(income="much"), r"'income'.*text.*'much'"),
        (lambda table: table.assign(age=1j), r"Complex.*'age'"),
        (lambda table: table.iloc[:0], r"0 sample|0 row"),
        (lambda table: table["age"], r"2-dimensional|2D"),
        (lambda table: sp.csr_matrix(np.ones((3, 7))), r"sparse.*toarray"),
    ],
    ids=["missing", "extra", "renamed", "too few", "infinity", "text", "complex", "no rows", "series", "sparse"],
)
def test_tables_that_do_not_fit_the_model(method: str, change: Callable[[Any], Any], message: str) -> None:
    clf, table, _ = mixed()
    bad = change(table[:3])
    assert re.search(message, refusal(lambda: getattr(clf, method)(bad)), flags=re.DOTALL)


@pytest.mark.parametrize("method", METHODS)
def test_arrays_of_another_width(method: str) -> None:
    clf, table, _ = iris()
    assert re.search("3 features.*4", refusal(lambda: getattr(clf, method)(table[:, :3])))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (7, r"unknown label 7; the classes are 0, 1, 2"),
        ("setosa", r"unknown label 'setosa'; the classes are 0, 1, 2"),
        ("third", r"unknown label 'third'"),
        (["second"] * 5, r"unknown label 'second'"),
        ([0, 1], r"2 labels.*5 rows"),
        ([0, 1, 2, 3, 0], r"unknown label 3"),
        (np.nan, r"unknown label nan"),
        ([0, 1, 2, None, 0], r"unknown label None"),
        (np.zeros((5, 1), dtype=int), r"label"),
    ],
)
def test_unknown_targets(target: Any, message: str) -> None:
    clf, table, _ = iris()
    assert re.search(message, refusal(lambda: clf.counterfactuals(table[:5], target=target)))


def test_labels_of_log_densities() -> None:
    clf, table, _ = iris()
    assert "unknown label 9" in refusal(lambda: clf.score_samples(table[:2], [0, 9]))
    assert re.search("1 label.*2 rows", refusal(lambda: clf.score_samples(table[:2], [0])))


QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"search": "best"}, r"search must be one of 'auto', 'latent', 'steps', 'one_shot', got 'best'"),
    ({"search": None}, r"search must be one of .*, got None"),
    ({"n_counterfactuals": 0}, r"n_counterfactuals must be an integer >= 1, got 0"),
    ({"sparsity": -1}, r"sparsity must be a finite number >= 0, got -1\. 0 gives the nearest row"),
    ({"sparsity": "few"}, r"sparsity must be a finite number >= 0, got 'few'"),
    ({"sparsity": float("nan")}, r"sparsity must be a finite number >= 0, got nan"),
    ({"menu": 3}, r"menu must be True or False, got 3"),
    ({"menu": True, "n_counterfactuals": 3}, r"menu is True and n_counterfactuals is 3: .* Leave one of them out"),
    ({"n_counterfactuals": 2.0}, r"n_counterfactuals must be an integer >= 1, got 2.0"),
    ({"target_probability": "high"}, r"target_probability must be a number .*, got 'high'"),
    ({"target_probability": 0}, r"target_probability must be .*, got 0"),
    ({"max_changes": 1.5}, r"max_changes must be an integer >= 1, got 1.5"),
    ({"actionability": ["x0"]}, r"actionability must be None or an Actionability, got list"),
    ({"random_state": "seed"}, r"'seed' cannot be used to seed"),
    ({"bounds": {"sepal": (0, 1)}}, r"bounds names a column that X does not have: 'sepal'"),
    ({"immutable": [9]}, r"immutable has the index 9, but X has 4 columns"),
]


@pytest.mark.parametrize(("query", "message"), QUERIES, ids=[str(query) for query, _ in QUERIES])
def test_queries_that_cannot_be_answered(query: dict[str, Any], message: str) -> None:
    clf, table, _ = iris()
    assert re.search(message, refusal(lambda: clf.counterfactuals(table[:5], **query)))


def test_counterfactuals_take_keywords_only() -> None:
    clf, table, _ = iris()
    with pytest.raises(TypeError, match="positional"):
        clf.counterfactuals(table[:5], 1)
    with pytest.raises(TypeError, match="positional"):
        HyConExClassifier(0.5)  # type: ignore[misc]


def test_a_refusal_leaves_torch_as_it_was() -> None:
    clf, table, _ = iris()
    refusal(lambda: clf.counterfactuals(table[:5], target=7))
    refusal(lambda: fast().fit(with_cell(np.inf), Y))
    assert torch.is_grad_enabled()
