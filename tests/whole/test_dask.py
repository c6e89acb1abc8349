"""Predictions and counterfactuals of a Dask DataFrame are those of one table, whoever computes them."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import short_searches
from _models import fast, fitted, iris, mixed, mixed_table
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_index_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import Actionability, HyConExClassifier, counterfactuals

dd = pytest.importorskip("dask.dataframe", reason="pip install 'hyconex-sklearn[dask]' to ask on clusters")
distributed = pytest.importorskip("distributed", reason="pip install 'hyconex-sklearn[dask]' to ask on clusters")

from hyconex_sklearn import dask as on_dask  # noqa: E402

__all__ = ["short_searches"]  # a fixture

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RULES: dict[str, Any] = {"immutable": ["age"], "bounds": {"income": (None, 60_000)}, "max_changes": 3}


def rows(n: int = 60) -> pd.DataFrame:
    """Rows that the shared estimator of the mixed table has not seen, text in the dtype that Dask gives it."""
    X = mixed_table(n, seed=5)[0]
    return X.astype({"job": "string[pyarrow]"})


def flowers() -> pd.DataFrame:
    """Sixty rows of the iris table."""
    return pd.DataFrame(iris()[1][::5][:30].repeat(2, axis=0), columns=list("abcd"))


def cut(X: pd.DataFrame, *sizes: int) -> Any:
    """A Dask DataFrame with partitions of these lengths, and one of what is left."""
    ends = np.minimum(np.cumsum([0, *sizes, len(X)]), len(X)).tolist()
    return dd.from_map(X.__getitem__, [slice(*pair) for pair in itertools.pairwise(ends)], meta=X.iloc[:0])


def computed(lazy: Any) -> pd.DataFrame:
    return lazy.compute(scheduler="sync")


def alone(estimator: Any, X: pd.DataFrame, **asked: Any) -> pd.DataFrame:
    """What one machine answers about the whole table, each line with the index of its row."""
    cf = counterfactuals(estimator, X, **asked)
    return cf.to_frame().set_axis(X.index.take(cf.report["row"].to_numpy()))


def assert_same_answers(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Everything alike; numbers to the last digits, in which batches of different lengths differ."""
    assert_frame_equal(found, expected, rtol=1e-4, atol=1e-4)
    exact = [name for name in expected if not pd.api.types.is_float_dtype(expected[name].dtype)]
    assert_frame_equal(found[exact], expected[exact], check_exact=True)


# ----------------------------------------------------------------------------------------------- the same answers


def test_probabilities_are_those_of_one_table() -> None:
    clf, X = mixed()[0], rows()
    found = on_dask.predict_proba(clf, cut(X, 20, 0, 17))
    expected = pd.DataFrame(clf.predict_proba(X), index=X.index, columns=clf.classes_)
    assert_frame_equal(computed(found), expected, rtol=1e-5)
    assert found.columns.tolist() == ["no", "yes"] and (found.dtypes == np.float32).all()


@settings(max_examples=12)
@given(sizes=st.lists(st.integers(0, 25), max_size=6))
def test_answers_do_not_depend_on_how_the_table_is_cut(sizes: list[int]) -> None:
    clf, X = mixed()[0], rows(40)
    assert_same_answers(
        computed(on_dask.counterfactuals(clf, cut(X, *sizes), search="one_shot", **RULES)),
        alone(clf, X, search="one_shot", **RULES),
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"search": "auto"},
        {"search": "latent", "random_state": 3},
        {"search": "steps", "target": "second"},
        {"search": "one_shot", "n_counterfactuals": 2, "target": "yes", "target_probability": 0.7},
        {"search": "one_shot", "actionability": Actionability(allowed_categories={"job": ["nurse", "pilot"]})},
        {
            "search": "one_shot",
            "actionability": Actionability(resolution={"income": 500}, allowed_values={"age": [30]}),
        },
    ],
    ids=str,
)
@pytest.mark.usefixtures("short_searches")
def test_each_partition_is_answered_bit_for_bit_as_on_one_machine(asked: dict[str, Any]) -> None:
    clf, X = mixed()[0], rows(12)
    found = computed(on_dask.counterfactuals(clf, cut(X, 3, 5), **asked))
    parts = [alone(clf, X[start:stop], **asked).assign(start=start) for start, stop in ((0, 3), (3, 8), (8, 12))]
    expected = pd.concat(parts)
    expected["row"] += expected.pop("start")
    assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(100, 160, name="number"),
        pd.Index([f"customer {i}" for i in range(60)], name="who"),
        pd.Index(np.arange(60) // 7),
        pd.Index(np.tile(np.arange(15), 4)),  # as of files that each count from 0
        pd.date_range("2025-01-01", periods=60, freq="D", name="day"),
    ],
    ids=["range", "text", "repeated", "of files", "days"],
)
def test_each_answer_has_the_index_and_the_number_of_its_row(index: pd.Index) -> None:
    clf, X = iris()[0], flowers().set_axis(index)
    ddf = cut(X, 15, 15, 15)
    found = computed(on_dask.counterfactuals(clf, ddf, search="one_shot"))
    assert found["row"].tolist() == np.repeat(np.arange(60), 2).tolist()  # toward each of the other two classes
    assert_index_equal(found.index, computed(ddf).index.take(found["row"].to_numpy()))
    assert_index_equal(computed(on_dask.predict_proba(clf, ddf)).index, computed(ddf).index)


def test_one_partition_of_the_answer_is_numbered_as_in_the_whole() -> None:
    answers = on_dask.counterfactuals(mixed()[0], cut(rows(), 20, 20), search="one_shot")
    assert computed(answers.partitions[1])["row"].unique().tolist() == list(range(20, 40))


def test_divisions_are_kept_so_that_answers_can_be_joined_with_their_rows() -> None:
    X = rows()
    ddf = dd.from_pandas(X, npartitions=3)
    answers = on_dask.counterfactuals(mixed()[0], ddf, search="one_shot")
    assert answers.divisions == ddf.divisions == on_dask.predict_proba(mixed()[0], ddf).divisions
    assert computed(answers.loc[X.index[5] : X.index[6]])["row"].unique().tolist() == [5, 6]


@cache
def pipeline() -> Any:
    X, y = load_iris(return_X_y=True, as_frame=True)
    return make_pipeline(StandardScaler().set_output(transform="pandas"), fitted(X, y)).fit(X, y)


def test_a_pipeline_answers_in_the_units_of_the_table() -> None:
    X = load_iris(as_frame=True).data
    asked = {"search": "one_shot", "immutable": ["petal width (cm)"], "target": 1}
    found = computed(on_dask.counterfactuals(pipeline(), cut(X, 50, 0, 60), **asked))
    assert_same_answers(found, alone(pipeline(), X, **asked))
    probability = computed(on_dask.predict_proba(pipeline(), cut(X, 50)))
    assert probability.columns.tolist() == [0, 1, 2]
    np.testing.assert_allclose(probability, pipeline().predict_proba(X), rtol=1e-4, atol=1e-6)


def test_a_column_that_is_called_as_one_of_the_report_keeps_its_name() -> None:
    X, y = mixed_table(120)
    X = X[["age", "income"]].rename(columns={"age": "row", "income": "valid"})
    clf = fitted(X, y, joint_epochs=0)
    found = computed(on_dask.counterfactuals(clf, cut(X, 100), search="one_shot"))
    assert found["cf_row"].unique().tolist() == list(range(120)) and set(found["row"]) <= set(range(18, 81))


# ----------------------------------------------------------------------------------------------- what is promised


def assert_kept_promise(lazy: Any) -> None:
    """Every partition has the columns, dtypes and categories that are told before it is computed."""
    for part in lazy.partitions:
        found = computed(part)
        assert_frame_equal(found.iloc[:0], lazy._meta.iloc[:0], check_index_type=False, check_exact=True)
        assert found.index.dtype == lazy._meta.index.dtype


@pytest.mark.parametrize("search", ["one_shot", "auto"])
@pytest.mark.usefixtures("short_searches")
def test_partitions_are_what_was_promised_even_the_empty_ones(search: str) -> None:
    X = rows(12)
    for clf, table in ((mixed()[0], X), (iris()[0], flowers()[::8])):
        assert_kept_promise(on_dask.counterfactuals(clf, cut(table, 0, 4, 0), search=search))
        assert_kept_promise(on_dask.predict_proba(clf, cut(table, 0, 4, 0)))


@pytest.mark.usefixtures("short_searches")
def test_both_ends_of_intervals_stand_beside_the_answers() -> None:
    X = rows(12)
    scaled = make_pipeline(StandardScaler(), fast(flow_epochs=2, pretrain_epochs=10, joint_epochs=1))
    scaled.fit(flowers(), np.arange(60) % 2)
    for estimator, table, column in (
        (mixed()[0], X, "age"),
        (mixed()[0], X[X.columns[::-1]], "grade"),
        (iris()[0], flowers()[::8], "c"),
        (scaled, flowers()[::8], "c"),
    ):
        lazy = on_dask.counterfactuals(estimator, cut(table, 0, 4, 0), intervals="each")
        assert f"lowest_{column}" in lazy.columns
        assert_kept_promise(lazy)
        assert_same_answers(computed(lazy), alone(estimator, table, intervals="each"))


def test_a_column_that_cannot_hold_the_answers_is_widened_in_every_partition() -> None:
    X = rows()
    narrow = X[X["grade"].isin(["low", "mid"]) & X["job"].isin(["clerk", "nurse"])].fillna({"income": 9e3})
    narrow = narrow.astype(
        {
            "age": "int8",
            "income": "int64",
            "job": pd.CategoricalDtype(["nurse", "clerk"]),
            "grade": pd.CategoricalDtype(["low", "mid"], ordered=True),
        }
    )
    answers = on_dask.counterfactuals(mixed()[0], cut(narrow, 0, 9), search="one_shot")
    assert answers.dtypes["age"] == np.int8 and answers.dtypes["income"] == np.float64
    assert answers.dtypes["job"].categories.tolist() == ["nurse", "clerk", "pilot"]
    assert answers.dtypes["grade"].categories.tolist() == ["low", "mid", "high"] and answers.dtypes["grade"].ordered
    assert_kept_promise(answers)
    found, expected = computed(answers), alone(mixed()[0], narrow, search="one_shot")
    assert {"pilot", "high"} & {*found["job"], *found["grade"]}  # or nothing was widened
    assert_same_answers(found.astype(object).infer_objects(), expected.astype(object).infer_objects())


def test_a_promise_that_would_lose_a_value_is_not_kept_in_silence() -> None:
    X = rows(12)
    ddf = dd.from_map(lambda part: part, [X.assign(age=X["age"] + 0.5)], meta=X.iloc[:0])
    with pytest.raises(ValueError, match=r"'age'.*float64.*int64.*astype"):
        computed(on_dask.counterfactuals(mixed()[0], ddf, search="one_shot", immutable=["age"]))


def test_the_model_is_in_one_task_however_many_partitions_there_are() -> None:
    clf, ddf = mixed()[0], cut(rows(50), *[1] * 49)
    for lazy in (on_dask.counterfactuals(clf, ddf), on_dask.predict_proba(clf, ddf)):
        tasks = dict(lazy.optimize().__dask_graph__()).values()
        assert len(tasks) > 50
        assert sum(b"HyConExClassifier" in pickle.dumps(task) for task in tasks) == 1


def test_each_partition_is_computed_on_one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, predict = [], HyConExClassifier.predict_proba

    def watched(self: HyConExClassifier, X: Any) -> np.ndarray:
        seen.append(torch.get_num_threads())
        return predict(self, X)

    monkeypatch.setattr(HyConExClassifier, "predict_proba", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        computed(on_dask.predict_proba(mixed()[0], cut(rows(), 30)))
        assert seen == [1, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------------------------------------------- wrong input


def never(_: int) -> pd.DataFrame:
    raise AssertionError("a partition was computed")


def unread(meta: pd.DataFrame | None = None) -> Any:
    """A Dask DataFrame of the mixed table that cannot be computed."""
    return dd.from_map(never, [0, 1], meta=rows().iloc[:0] if meta is None else meta)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"search": "fast"}, ValueError, "search must be one of"),
    ({"serach": "auto"}, TypeError, "serach"),
    ({"n_counterfactuals": 0}, ValueError, "n_counterfactuals"),
    ({"target": "maybe"}, ValueError, "unknown label 'maybe'"),
    ({"immutable": ["colour"]}, ValueError, "colour"),
    ({"bounds": {"job": (0, 1)}}, ValueError, "without an order"),
    ({"bounds": {"age": (9, 1)}}, ValueError, "low 9 above high 1"),
    ({"target": ["yes"] * 60}, ValueError, "target says something else of each row"),
    ({"bounds": {"age": (None, np.arange(60))}}, ValueError, "bounds says something else of each row"),
    ({"immutable": np.zeros((60, 7), dtype=bool)}, ValueError, "immutable says something else of each row"),
    ({"actionability": Actionability(bounds={"age": ([1, 2], 9)})}, ValueError, r"ddf\[ddf"),
]


@pytest.mark.parametrize(("asked", "error", "words"), WRONG, ids=[str(asked)[:40] for asked, *_ in WRONG])
def test_a_wrong_question_is_told_before_any_row_is_read(
    asked: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        on_dask.counterfactuals(mixed()[0], unread(), **asked)


class Answering(BaseEstimator):
    """Has a method counterfactuals, and nothing else that Dask asks."""

    def counterfactuals(self, X: Any) -> Any:
        raise NotImplementedError


class Wrapped(Answering):
    """Somebody else's classifier: it answers, and has none of what Dask asks of ours."""

    def __init__(self) -> None:
        self.classes_ = mixed()[0].classes_

    def fit(self, X: Any, y: Any) -> Wrapped:
        return self

    def predict_proba(self, X: Any) -> Any:
        return mixed()[0].predict_proba(X)

    def counterfactuals(self, X: Any, **asked: Any) -> Any:
        return mixed()[0].counterfactuals(X, **asked)


def test_another_classifier_behind_steps_is_asked_as_it_is() -> None:
    X, pipe = rows(20), make_pipeline("passthrough", Wrapped())
    found, expected = computed(on_dask.predict_proba(pipe, cut(X, 10, 10))), mixed()[0].predict_proba(X)
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-6)
    asked = {"target": "yes", "search": "one_shot"}
    answers = computed(on_dask.counterfactuals(pipe, cut(X, 10, 10), **asked))
    assert_same_answers(answers, alone(mixed()[0], X, **asked))


@pytest.mark.parametrize("ask", [on_dask.counterfactuals, on_dask.predict_proba])
def test_a_wrong_table_or_estimator_is_told_before_any_row_is_read(ask: Callable[..., Any]) -> None:
    clf, X = mixed()[0], rows()
    with pytest.raises(TypeError, match=r"DataFrame; expected a Dask DataFrame.*from_pandas"):
        ask(clf, X)
    with pytest.raises(ValueError, match="income"):
        ask(clf, unread(X.drop(columns="income").iloc[:0]))
    with pytest.raises(NotFittedError):
        ask(fast(), unread())
    with pytest.raises(TypeError, match="StandardScaler"):
        ask(StandardScaler(), unread())
    with pytest.raises(TypeError, match=r"Answering has .*, but none called _check_query, which checks a question"):
        ask(Answering(), unread())


def test_unknown_categories_are_told_and_categorize_is_the_cure() -> None:
    X = rows(20)
    unknown = cut(X, 10).astype({"job": "category"})
    with pytest.raises(ValueError, match=r"\['job'\] are not known.*ddf\.categorize\(columns=\['job'\]\)"):
        on_dask.counterfactuals(mixed()[0], unknown)
    known = unknown.categorize(columns=["job"], scheduler="sync")
    expected = alone(mixed()[0], computed(known), search="one_shot")
    found = computed(on_dask.counterfactuals(mixed()[0], known, search="one_shot"))
    assert_same_answers(found, expected.astype({"job": found.dtypes["job"]}))
    assert len(computed(on_dask.predict_proba(mixed()[0], unknown))) == 20


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.dataframe", None)
    with pytest.raises(ImportError, match=r"hyconex-sklearn\[dask\]"):
        on_dask.predict_proba(mixed()[0], rows())


# ------------------------------------------------------------------------------------------------------- a cluster


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # the scheduler listens for HTTP anyway: at a port that is free
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


class Watched(HyConExClassifier):
    """Notes in a folder who begins with a partition; all but the first of them wait until a file "go" is there."""

    folder: Path
    at_once: int

    def counterfactuals(self, X: Any, **asked: Any) -> Any:
        number = len(pids(self.folder))
        (self.folder / f"{number}-{os.getpid()}.pid").touch()
        while number >= self.at_once and not (self.folder / "go").exists():
            time.sleep(0.02)
        return super().counterfactuals(X, **asked)


def watched(folder: Path, at_once: int) -> Watched:
    clf = Watched()
    vars(clf).update(vars(mixed()[0]), folder=folder, at_once=at_once)
    return clf


def pids(folder: Path) -> list[int]:
    """Who has begun with a partition, in order."""
    notes = sorted((int(number), int(pid)) for number, pid in (p.stem.split("-") for p in folder.glob("*.pid")))
    return [pid for _, pid in notes]


def wait_for(event: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not event():
        assert time.monotonic() < deadline, "the workers never got there"
        time.sleep(0.02)


def test_two_workers_share_the_work_and_give_the_answers_of_one_machine(client: Any, tmp_path: Path) -> None:
    X = rows(40)
    lazy = on_dask.counterfactuals(watched(tmp_path, at_once=0), cut(X, 10, 10, 0, 10), search="one_shot")
    answers = client.compute(lazy)
    wait_for(lambda: len(set(pids(tmp_path))) == 2)
    (tmp_path / "go").touch()
    assert_same_answers(answers.result(timeout=60), alone(mixed()[0], X, search="one_shot"))
    assert len(pids(tmp_path)) == 4 and os.getpid() not in pids(tmp_path)


def test_a_worker_that_is_killed_at_work_changes_nothing(client: Any, tmp_path: Path) -> None:
    X = rows(60)
    lazy = on_dask.counterfactuals(watched(tmp_path, at_once=4), cut(X, *[6] * 9), search="one_shot")
    answers = client.compute(lazy)
    wait_for(lambda: len(pids(tmp_path)) >= 5)
    victim = pids(tmp_path)[4]  # in the middle of a partition, after others
    os.kill(victim, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert_same_answers(answers.result(timeout=60), alone(mixed()[0], X, search="one_shot"))
    assert len(pids(tmp_path)) > 10  # of the ten partitions, what the victim held was asked again


@pytest.mark.slow  # workers import torch first
def test_a_grid_search_on_workers_finds_what_it_finds_here(client: Any) -> None:
    X, y = (part[::3] for part in load_iris(return_X_y=True))
    unfitted = fast(flow_epochs=2, pretrain_epochs=10, joint_epochs=0)
    grid = {"learning_rate": [1e-3, 1e-2]}
    here = GridSearchCV(unfitted, grid, cv=2, scoring="neg_log_loss").fit(X, y)
    with client.as_current(), joblib.parallel_config("dask"):
        there = GridSearchCV(unfitted, grid, cv=2, scoring="neg_log_loss").fit(X, y)
    assert there.best_params_ == here.best_params_
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        np.testing.assert_array_equal(there.cv_results_[name], here.cv_results_[name])
    np.testing.assert_array_equal(there.predict_proba(X), here.predict_proba(X))
