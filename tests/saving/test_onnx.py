"""The graph for other runtimes, and the description beside it: what they say is what the estimator says."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fast, fitted, iris, mixed

from hyconex_sklearn._saving import onnx as _onnx
from hyconex_sklearn._table.cells import cells_differ

onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'hyconex-sklearn[onnx]'")
pytest.importorskip("onnxscript", reason="needs pip install 'hyconex-sklearn[onnx]'")

SERVE = Path(__file__).parents[2] / "examples" / "4_serve" / "serve.py"
TABLES = {"iris": iris, "mixed": mixed}
each_table = pytest.mark.parametrize("name", TABLES)


@cache
def written(name: str) -> Path:
    """The graph of a shared estimator."""
    path = Path(mkdtemp()) / "model.onnx"
    TABLES[name]()[0].to_onnx(path)
    return path


@cache
def serving() -> ModuleType:
    """The example as a module."""
    module = ModuleType("serve")
    exec(compile(SERVE.read_text(encoding="utf-8"), str(SERVE), "exec"), module.__dict__)
    return module


def run(name: str, rows: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(written(name), providers=["CPUExecutionProvider"])
    return session.run(None, {"rows": rows, "mask": np.ones_like(rows) if mask is None else mask})


def records(X: Any) -> list[dict[str, Any]]:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return json.loads(frame.to_json(orient="records"))


@each_table
@pytest.mark.parametrize("n", [1, 2, 100])
def test_any_number_of_rows_has_the_estimators_probabilities(name: str, n: int) -> None:
    clf, X, _ = TABLES[name]()
    X = X[:n]
    probabilities, counterfactuals = run(name, clf._codec.encode(X))
    np.testing.assert_allclose(probabilities, clf.predict_proba(X), atol=1e-5)
    assert counterfactuals.shape == (len(X), len(clf.classes_), clf._codec.schema.n_encoded)


@each_table
def test_what_the_example_decodes_is_what_the_estimator_proposes(name: str) -> None:
    clf, X, _ = TABLES[name]()
    X, serve = X[::5], serving()
    told = json.loads(written(name).with_suffix(".json").read_text())
    columns = told["schema"]["columns"]
    cf = clf.counterfactuals(X, search="one_shot")
    encoded = clf._codec.encode(X)
    rows = records(X)
    ours = np.array([[z for c in columns for z in serve.encode(c, row[c["name"]])] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(ours, encoded, rtol=1e-5, atol=1e-5)
    proposals = run(name, ours)[1]
    numbers = cf.report["target"].map({label: k for k, label in enumerate(told["classes"])})
    expected = records(cf.data)
    for i, (row, k) in enumerate(zip(cf.report["row"], numbers, strict=True)):
        for c in columns:
            at = slice(c["start"], c["stop"])
            cell = serve.decode(c, rows[row][c["name"]], encoded[row, at], proposals[row, k, at])
            wanted = expected[i][c["name"]]
            assert cell == (pytest.approx(wanted, rel=1e-4, abs=1e-6) if type(cell) in (int, float) else wanted)


def test_a_masked_column_stays_and_the_proposal_is_that_of_the_rule() -> None:
    clf, X, _ = mixed()
    encoded = clf._codec.encode(X)
    owner = clf._codec.schema.owner
    mask = np.ones_like(encoded)
    frozen = [list(X.columns).index(name) for name in ("age", "job")]
    mask[:, np.isin(owner, frozen)] = 0
    proposals = run("mixed", encoded, mask)[1]
    assert (proposals[:, :, mask[0] == 0] == encoded[:, None, mask[0] == 0]).all()
    cf = clf.counterfactuals(X, search="one_shot", immutable=["age", "job"])
    rows, target = cf.report["row"].to_numpy(), pd.Index(clf.classes_).get_indexer(cf.report["target"])
    data = clf._codec.decode(proposals[rows, target], X, rows, encoded[rows])
    assert cells_differ(cf.data, data).mean() < 0.01  # a number halfway between two may round the other way


def test_the_example_needs_numpy_and_onnxruntime_alone() -> None:
    clf, X, _ = mixed()
    absent = ["torch", "sklearn", "pandas", "scipy", "hyconex_sklearn"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); sys.argv = sys.argv[1:];"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    row = json.dumps(records(X[:1])[0])
    command = [sys.executable, "-c", code, str(SERVE), str(written("mixed")), row, "age"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    probability = clf.predict_proba(X[:1]).max()
    assert first == f"{clf.predict(X[:1])[0]} (probability {probability:.3f})"
    assert "valid): {" in second and "'age'" not in second


def test_the_description_says_what_the_graph_takes_and_gives() -> None:
    path = written("mixed")
    told = json.loads(path.with_suffix(".json").read_text())
    session = onnxruntime.InferenceSession(path)
    for kind, parts in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert {part.name: [None, *part.shape[1:]] for part in parts} == told[kind]
    assert told["format"] == "hyconex_sklearn rows" and told["version"] == 1
    assert told["graph_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["classes"] == mixed()[0].classes_.tolist()


def test_labels_names_and_an_array_without_names_are_told(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2 == 0
    beside = fitted(X, y).to_onnx(tmp_path / "model.onnx")
    told = json.loads(beside.read_text())
    assert beside == tmp_path / "model.json"
    assert told["classes"] == [False, True]
    assert [column["name"] for column in told["schema"]["columns"]] == ["x0", "x1"]


def test_the_estimator_stays_what_it_was_and_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    clf, X, _ = iris()
    before = clf.predict_proba(X)
    clf.to_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf._model.classifier.training is False
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_nothing_is_written_where_the_runtime_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(_onnx.OnePass):
        def forward(self, rows: Any, mask: Any) -> Any:
            probabilities, proposals = super().forward(rows, mask)
            return probabilities, proposals + 1e-4

    right = _onnx.check_same
    monkeypatch.setattr(_onnx, "check_same", lambda graph, data, model: right(Wrong(model), data, model))
    with pytest.raises(RuntimeError, match="differ in the counterfactuals by up to"):
        iris()[0].to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_the_way_to_get_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}, which is not installed.*\[onnx\]"):
        iris()[0].to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_wrong_places_and_unfitted_estimators_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fitted"):
        fast().to_onnx(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"give one such as 'model\.onnx'"):
        iris()[0].to_onnx(tmp_path / "model.json")
    with pytest.raises(OSError, match="nowhere"):
        iris()[0].to_onnx(tmp_path / "nowhere" / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("row", "frozen", "told"),
    [
        ('{"agee": 1}', [], "no columns ['agee']; there are ['age', 'income'"),
        ('{"age": 30}', ["jobb"], "no columns ['jobb']"),
    ],
)
def test_the_example_refuses_names_that_it_does_not_know(row: str, frozen: list[str], told: str) -> None:
    with pytest.raises(SystemExit) as error:
        serving().main(str(written("mixed")), json.loads(row), frozen)
    assert told in str(error.value)


def test_the_example_refuses_a_graph_of_another_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(written("iris").read_bytes())
    (tmp_path / "model.json").write_bytes(written("mixed").with_suffix(".json").read_bytes())
    with pytest.raises(SystemExit) as error:
        serving().main(str(tmp_path / "model.onnx"), {}, [])
    assert "not the graph" in str(error.value)


def test_the_example_takes_gaps_and_unknown_labels(capsys: pytest.CaptureFixture[str]) -> None:
    clf, X, _ = mixed()
    row = X[:1].assign(job="astronaut", income=np.nan)
    serving().main(str(written("mixed")), {**records(row)[0], "grade": "unheard of"}, [])
    with pytest.warns(UserWarning, match="not seen at fit"):
        expected = clf.predict_proba(row.assign(grade="unheard of"))
    assert capsys.readouterr().out.startswith(f"{clf.classes_[expected.argmax()]} (probability {expected.max():.3f})")
