"""Tables that are long beside memory: read where they lie, encoded once, answered as if they were small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import short_searches, state_of
from _models import fitted, mixed, mixed_table
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_wine

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._rules.compile import unruled
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.rows import split

__all__ = ["short_searches"]  # a fixture

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("short_searches")


def answers_are_the_same(one: HyConExClassifier, X: Any, other: HyConExClassifier, Z: Any) -> None:
    """Every answer of one model about X is, bit for bit, that of the other about Z; cells may differ in type."""
    np.testing.assert_array_equal(one.predict(X), other.predict(Z))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(Z))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(Z))
    for search in ("one_shot", "auto"):
        cf, expected = (clf.counterfactuals(table, search=search) for clf, table in ((one, X[:5]), (other, Z[:5])))
        reports = (answer.report.reset_index(drop=True) for answer in (cf, expected))  # labels may be Arrow's own
        assert_frame_equal(*reports, check_exact=True)
        for column in range(X.shape[1]):
            ours, theirs = (pd.DataFrame(part.data).iloc[:, column].astype(object) for part in (cf, expected))
            assert ours.isna().tolist() == theirs.isna().tolist()
            assert ours.dropna().tolist() == theirs.dropna().tolist()


# ------------------------------------------------------------------------------------------------------ memory maps


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_mapped_into_memory_is_a_table_like_every_other(order: Any, tmp_path: Path) -> None:
    X, y = load_wine(return_X_y=True)
    X = X.astype(np.float32)
    mapped = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", X.dtype, X.shape, fortran_order=order == "F")
    mapped[:] = X
    mapped.flush()
    before = (tmp_path / "X.npy").read_bytes()
    table = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(table, np.memmap) and not table.flags.writeable and table.flags.f_contiguous == (order == "F")

    clf, plain = fitted(table, y), fitted(X, y)
    answers_are_the_same(clf, table, plain, X)
    cf = clf.counterfactuals(table[:5])
    assert cf.data.dtype == np.float32 and cf.data.flags.writeable and not isinstance(cf.data, np.memmap)
    assert (tmp_path / "X.npy").read_bytes() == before


# ----------------------------------------------------------------------------------------------------- Arrow's tables


def arrow(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The table as it comes back from a Parquet file, every column in Arrow's own type."""
    pytest.importorskip("pyarrow")
    table.to_parquet(folder / "table.parquet")
    return pd.read_parquet(folder / "table.parquet", dtype_backend="pyarrow")


def test_a_table_of_arrow_columns_is_a_table_like_every_other(tmp_path: Path) -> None:
    X, y = mixed_table()
    X["grade"] = X["grade"].astype(object)  # an order of categories is none of Arrow's matters
    X["score"] = np.float32(1.5) * X["age"].to_numpy(np.float32)
    table = arrow(X, tmp_path)
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in table.dtypes)
    before = table.copy(deep=True)
    clf, plain = fitted(table, y), fitted(X, y)
    answers_are_the_same(clf, table, plain, X)
    cf = clf.counterfactuals(table[:9])
    assert cf.data.dtypes.tolist() == table.dtypes.tolist()
    assert_frame_equal(table, before)


def test_a_model_answers_about_a_table_of_another_make(tmp_path: Path) -> None:
    clf, X, _ = mixed()
    X = X.assign(grade=X["grade"].astype(object))
    table = arrow(X, tmp_path)
    answers_are_the_same(clf, table, clf, X)
    cf = clf.counterfactuals(table[:9], search="one_shot")
    assert cf.data.dtypes.tolist() == table.dtypes.tolist()


def test_labels_may_be_arrows_too() -> None:
    pa = pytest.importorskip("pyarrow")
    X, y = mixed_table(60)
    quick = {"flow_epochs": 2, "pretrain_epochs": 3, "joint_epochs": 1}
    for values, kind in ((y, pa.string()), (y == "yes", pa.bool_())):
        labels = pd.Series(values, dtype=pd.ArrowDtype(kind))
        clf = fitted(X, labels, **quick)
        assert set(clf.predict(X)) <= set(labels.tolist())


# ------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("cells", [1, 300])
def test_a_table_that_is_encoded_in_parts_is_fitted_as_one_that_is_not(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, X, y = mixed()
    monkeypatch.setattr("hyconex_sklearn._table.codec.CELLS_AT_ONCE", cells)
    assert len(list(whole._codec.encoded_parts(X))) > 3
    assert state_of(fitted(X, y)) == state_of(whole)


def test_training_rows_and_held_out_ones_are_the_rows_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyconex_sklearn._table.codec.CELLS_AT_ONCE", 500)
    X, y = mixed_table(400)
    labels, weight = (y == "yes").astype(int), np.arange(400) + 1.0
    codec = TableCodec.fit(X)
    rows, n_train = split(codec, X, labels, weight, np.ones(400), 0.25, 0, torch.device("cpu"))
    assert len(rows) == 400 and abs(n_train - 300) <= 1
    order = rows.weight.long().numpy() - 1
    assert sorted(order) == list(range(400)) and (np.diff(order) < 0).any()
    np.testing.assert_array_equal(rows.x.numpy(), codec.encode(X)[order])
    np.testing.assert_array_equal(rows.labels.numpy(), labels[order])


def test_a_long_table_is_encoded_once_and_beside_nothing_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyconex_sklearn._table.codec.CELLS_AT_ONCE", 200_000)
    X = np.random.default_rng(0).standard_normal((60_000, 100), dtype=np.float32)
    codec, labels = TableCodec.fit(X[:500]), np.arange(len(X)) % 2
    tracemalloc.start()
    try:
        split(codec, X, labels, *np.ones((2, len(X))), 0.2, 0, torch.device("cpu"))  # into torch's memory: not traced
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 0.6 * X.nbytes


def test_a_query_without_rules_takes_nothing_for_each_cell() -> None:
    clf, X, _ = mixed()
    encoded = np.broadcast_to(clf._codec.encode(X[:1]), (500_000, clf._codec.schema.n_encoded))
    tracemalloc.start()
    try:
        unruled(clf._codec.schema, encoded)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2.5 * len(encoded)


@pytest.mark.very_slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_fit_takes_the_encoded_table_and_about_as_much_again() -> None:
    rows, columns = 100_000, 250
    command = [str(ROOT / "examples" / "3_paper" / "memory.py"), "--piece", "large", str(rows), str(columns), "2", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["input"] == 100.0
    assert figures["extra"] < 300  # MB; with the encoded table and a copy of it in two parts it was 420
