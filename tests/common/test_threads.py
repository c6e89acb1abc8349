"""Threads and processes that share an estimator: the answers of one alone, and nobody's settings changed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers import differ, settings_of_the_user, short_searches, state_of
from _models import fast, iris, mixed, small_parts
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from hyconex_sklearn import counterfactuals
from hyconex_sklearn._common.parameters import SEARCHES
from hyconex_sklearn._pipeline.probe_steps import _silence

__all__ = ["short_searches", "small_parts"]  # fixtures


# What pandas sets for a moment when it reads a nullable column. Where two threads do so at the same time, Python before
# 3.14 may leave it set: nothing that this package could prevent.
OF_PANDAS = ("ignore", None, RuntimeWarning, None, 0)


def settings_in_threads() -> tuple[Any, ...]:
    """The settings of the user, but for what pandas leaves of its own."""
    *others, filters = settings_of_the_user()
    return (*others, [each for each in filters if each != OF_PANDAS])


def calls() -> list[Callable[[], Any]]:
    """Every kind of question, once."""
    clf, X, _ = mixed()
    rules: dict[str, Any] = {"immutable": ["age"], "bounds": {"income": (1e3, 1e5)}, "max_changes": 2}
    pipe = make_pipeline(FunctionTransformer(), clf)
    asked: list[Callable[[], Any]] = [
        lambda: clf.predict(X),
        lambda: clf.predict_proba(X[::2]),
        lambda: clf.score_samples(X[::3]),
        lambda: clf.local_linear(X[1::3]),
        lambda: clf.counterfactuals(X[:5], n_counterfactuals=2, search="one_shot"),
        lambda: counterfactuals(pipe, X[:3], search="one_shot", **rules),
    ]
    for search in SEARCHES:
        asked.append(lambda search=search: clf.counterfactuals(X[:3], search=search))  # type: ignore[misc]
        asked.append(lambda search=search: clf.counterfactuals(X[3:6], search=search, **rules))  # type: ignore[misc]
    return asked


def in_threads(work: Callable[[int], Any], n: int) -> list[Any]:
    """What `work` returns in each of n threads that start together."""
    start = threading.Barrier(n)

    def wait_and_work(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(wait_and_work, range(n)))


@pytest.mark.usefixtures("short_searches")
@pytest.mark.parametrize(("n_threads", "dtype"), [(4, torch.float32), (2, torch.float64)])
def test_threads_get_the_answers_of_one(n_threads: int, dtype: torch.dtype) -> None:
    asked, before = calls(), state_of(mixed()[0])
    expected = [ask() for ask in asked]
    torch.set_default_dtype(dtype)
    try:
        own = settings_in_threads()
        orders = [np.random.default_rng(number).permutation(len(asked)) for number in range(n_threads)]
        answers = in_threads(lambda number: [(place, asked[place]()) for place in orders[number]], n_threads)
        assert settings_in_threads() == own
    finally:
        torch.set_default_dtype(torch.float32)
    for place, answer in (pair for own_answers in answers for pair in own_answers):
        assert not differ(answer, expected[place]), f"question {place}"
    assert state_of(mixed()[0]) == before


@pytest.mark.usefixtures("short_searches")
def test_a_query_leaves_alone_what_belongs_to_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [ask for place, ask in enumerate(calls()) if place != 5]  # the steps of a pipeline are tried in silence

    def touched(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a query changed what other threads see")

    for place in (
        "torch.set_default_dtype",
        "torch.manual_seed",
        "torch.random.fork_rng",
        "torch.use_deterministic_algorithms",
        "numpy.random.seed",
    ):
        monkeypatch.setattr(place, touched)
    for ask in asked:
        ask()


def test_a_thread_that_starts_during_a_query_has_the_users_number_of_torch_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clf, X, _ = iris()
    own, seen = torch.get_num_threads(), []
    logits = type(clf._model).logits

    def watched(*args: Any) -> Any:
        seen.append((torch.get_num_threads(), *in_threads(lambda _: torch.get_num_threads(), 1)))
        return logits(*args)

    monkeypatch.setattr(type(clf._model), "logits", watched)
    torch.set_num_threads(own + 2)
    try:
        clf.predict(X)
        assert seen == [(1, own + 2)]
        assert torch.get_num_threads() == own + 2
    finally:
        torch.set_num_threads(own)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_at_the_same_time_are_the_fits_of_one_after_another() -> None:
    _, X, y = iris()

    def fit_and_predict(_: int) -> np.ndarray:
        return fast(flow_epochs=2, pretrain_epochs=2, joint_epochs=1).fit(X, y).predict_proba(X)

    expected, own = fit_and_predict(0), settings_in_threads()
    for found in in_threads(fit_and_predict, 3):
        np.testing.assert_array_equal(found, expected)
    assert settings_in_threads() == own


def test_silence_in_two_threads_leaves_the_filters_of_warnings() -> None:
    before, inside, left = list(warnings.filters), threading.Event(), threading.Event()

    def other() -> None:
        with _silence():
            inside.set()
            left.wait()  # until the first one to come has gone

    second = threading.Thread(target=other)
    with _silence():
        second.start()
        inside.wait(0.2)  # as long as it takes to come in, if it may
    left.set()
    second.join()
    assert warnings.filters == before


# ------------------------------------------------------------------------------------------------------- processes


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_joblib_gets_the_answers_of_one_process(backend: str) -> None:
    clf, X, _ = mixed()
    parts = [X[start::4] for start in range(4)]
    found = Parallel(n_jobs=2, backend=backend)(
        delayed(each)(part, **asked)
        for part in parts
        for each, asked in ((clf.predict_proba, {}), (clf.counterfactuals, {"search": "one_shot"}))
    )
    for part, probabilities, cf in zip(parts, found[::2], found[1::2], strict=True):
        assert not differ(probabilities, clf.predict_proba(part))
        assert not differ(cf, clf.counterfactuals(part, search="one_shot"))


def test_a_spawned_process_gives_the_same_answers() -> None:
    clf, X, _ = mixed()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        probabilities = pool.apply(clf.predict_proba, (X,))
        cf = pool.apply(clf.counterfactuals, (X[:4],), {"search": "steps"})
    assert not differ(probabilities, clf.predict_proba(X))
    assert not differ(cf, clf.counterfactuals(X[:4], search="steps"))


FORK = """
import faulthandler, multiprocessing, pickle, sys
import numpy as np, torch
from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model import committee
from hyconex_sklearn._training import classifier_phase, ensemble, fit_model

committee._EPOCHS, fit_model._RESERVOIR = 2, 60
ensemble._TREES = ensemble._LEAST_TREES = ensemble._FOREST_TREES = 2
classifier_phase._FEWEST_DRAWN, classifier_phase._KEPT_BACK = 600, 100
rng = np.random.default_rng(0)
X, y = rng.normal(size=(4000, 40)), rng.integers(0, 8, 4000)
epochs = dict(flow_epochs=1, pretrain_epochs=1, joint_epochs=1)
clf = HyConExClassifier(n_jobs=1, random_state=0, n_blocks=1, flow_transforms=1, flow_hidden=(8,), **epochs)
expected = clf.fit(X[:400], y[:400]).predict_proba(X)
clf.set_params(n_jobs=2)
torch.set_num_threads(2)
clf.predict_proba(X)  # wakes threads that no child inherits

def child(pickled):
    faulthandler.dump_traceback_later(100, exit=True)
    for own in (clf, pickle.loads(pickled)):
        assert (own.predict_proba(X) == expected).all()
    assert torch.get_num_threads() == 2
    assert (clf.fit(X[:400], y[:400]).predict_proba(X) == expected).all()

process = multiprocessing.get_context("fork").Process(target=child, args=(pickle.dumps(clf),))
process.start()
process.join()
sys.exit(process.exitcode)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system can't fork")
def test_a_forked_process_gives_the_same_answers_although_its_parents_torch_threads_are_gone() -> None:
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": root}
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


class Nobody(ThreadingBackend):
    """Workers that all wait for the fit that asks them."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        return 2

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a fit gave work to others, who may be waiting for it")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_waits_for_none_of_the_workers_that_joblib_was_told_to_use() -> None:
    clf, X, y = iris()
    register_parallel_backend("nobody", Nobody)
    with parallel_config("nobody"):
        with pytest.raises(AssertionError, match="gave work to others"):
            Parallel()(delayed(len)("") for _ in range(2))
        again = fast().fit(X, y)
    assert state_of(again) == state_of(clf)
