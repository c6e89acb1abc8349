"""The commands as people run them: whole walks in processes of their own, the rest in this one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import FAST, fitted, iris, mixed_table, small

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._command_line import main
from hyconex_sklearn._command_line._arguments import parser
from hyconex_sklearn._command_line._console import warnings_in_one_line
from hyconex_sklearn._command_line._rows import training_table
from hyconex_sklearn._command_line._tables import Table

__all__ = ["short_searches"]  # a fixture

ROOT = Path(__file__).parents[2]
QUICK = ["--set", *(f"{name}={json.dumps(value)}" for name, value in FAST.items() if name != "random_state")]

pytestmark = pytest.mark.usefixtures("short_searches")


def people(n: int = 160, seed: int = 0) -> pd.DataFrame:
    """A table as it comes in files: an identifier, codes, gaps, true and false, and the class."""
    X, y = mixed_table(n, seed)
    rng = np.random.default_rng(seed)
    X = X.drop(columns="fixed").assign(zip=rng.choice(["00123", "10115", "10117"], n), granted=y)
    return X.assign(id=[f"p{i}" for i in range(n)], owner=X["owner"].map({True: "true", False: "false"}))


@cache
def home() -> Path:
    """A folder with the files of a model and the model itself. Shared: only read from it."""
    folder = Path(tempfile.mkdtemp(prefix="hyconex-"))
    people().to_csv(folder / "people.csv", index=False)
    people(50, 1).to_csv(folder / "others.csv", index=False)
    people(6, 2).to_csv(folder / "rows.csv", index=False)
    data, model = str(folder / "people.csv"), str(folder / "model")
    with small():
        code = main(["fit", data, "--target", "granted", "--drop", "id", "--output", model, *QUICK])
    assert code == 0
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An empty working folder with links to the shared files."""
    shared = home()
    capsys.readouterr()
    for file in shared.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a command that fails with code 2, and writes nothing to stdout."""
    try:
        code: Any = main(argv)
    except SystemExit as left:  # where the arguments can't be read
        code = left.code
    out, err = capsys.readouterr()
    assert code == 2
    wrong = [line for line in err.splitlines() if not line.startswith("hyconex-sklearn: note: ")]
    assert out == "" and len(wrong) == 1 and wrong[0].startswith("hyconex-sklearn: error: ")
    return wrong[0]


# ------------------------------------------------------------------------------------------------------ whole walks


def run(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "hyconex_sklearn", *argv], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_a_newcomer_walks_from_a_csv_file_to_alternatives_and_a_judgement(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "people.csv", index=False)
    people(40, 1).to_csv(tmp_path / "others.csv", index=False)
    fit = run(
        *("fit", "people.csv", "--target", "granted", "--output", "model.safetensors", "--drop", "id"),
        *("--test-size", "0.2", *QUICK),
        cwd=tmp_path,
    )
    assert fit.returncode == 0, fit.stderr
    assert (
        "rows         128\n" in fit.stdout
        and "held out     32 rows: accuracy 0." in fit.stdout
        and "Traceback" not in fit.stderr
    )
    assert all(line.startswith("hyconex-sklearn: ") for line in fit.stderr.splitlines())

    explain = run(
        *(
            "explain",
            "model.safetensors",
            "others.csv",
            "--target",
            "yes",
            "--immutable",
            "age",
            "--search",
            "one_shot",
        ),
        *("--output", "cf.csv"),
        cwd=tmp_path,
    )
    assert explain.returncode == 0, explain.stderr
    assert explain.stdout.startswith("40 counterfactuals of 40 rows: ")
    asked, answered = lines_of(tmp_path / "others.csv"), lines_of(tmp_path / "cf.csv")
    assert [line["age"] for line in answered] == [asked[int(line["row"])]["age"] for line in answered]
    assert [line["id"] for line in answered] == [line["id"] for line in asked]

    judged = run(
        "evaluate",
        "model.safetensors",
        "others.csv",
        "--target",
        "granted",
        "--search",
        "one_shot",
        "--json",
        cwd=tmp_path,
    )
    assert judged.returncode == 0, judged.stderr
    told = json.loads(judged.stdout)
    assert told["rows"] == 40 and 0.5 < told["accuracy"] <= 1 and 0 <= told["agreement"] <= 1


def test_a_reader_who_has_seen_enough_makes_no_noise(here: Path) -> None:
    """As `| head -1` does: the pipe is closed while there is more to say."""
    frame = people(400, 3)
    frame["id"] = "x" * 2000
    frame.to_csv("many.csv", index=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hyconex_sklearn", "explain", "model", "many.csv", "--search", "one_shot"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    told = process.stderr.read().decode()
    assert process.wait() == 141
    assert "Traceback" not in told and "BrokenPipe" not in told and "Broken pipe" not in told


def test_an_interruption_says_so_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    people(400).to_csv(tmp_path / "people.csv", index=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    code = (  # tells when the fit has begun
        "import sys; from hyconex_sklearn._command_line import main\n"
        "from hyconex_sklearn._training.loop import Training\n"
        "fit = Training.epochs\n"
        "def told(*a): print('started', flush=True); yield from fit(*a)\n"
        "Training.epochs = told\n"
        "sys.exit(main(['fit', 'people.csv', '--target', 'granted', '--output', 'model', '--drop', 'id']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130
    assert told.decode().split("\n")[-2] == "hyconex-sklearn: interrupted; no file is left half written."
    assert "Traceback" not in told.decode()
    assert [file.name for file in tmp_path.iterdir()] == ["people.csv"]


# -------------------------------------------------------------------------------------------------------------- fit


def test_fit_tells_how_it_read_the_columns_and_saves_a_model_that_loads(here: Path) -> None:
    columns = {c.name: c.kind for c in HyConExClassifier.load("model")._codec.schema.columns}
    assert columns == {
        "age": "integer",
        "income": "numeric",
        "job": "categorical",
        "grade": "categorical",
        "owner": "boolean",
        "children": "integer",
        "zip": "categorical",
    }
    assert HyConExClassifier.load("model").classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        ("a,b\n1,x\n2,y\n", ["--target", "c"], "--target: 'data.csv' has no column 'c'; it has a, b."),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--drop", "z"], "--drop: 'data.csv' has no column 'z'"),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--categorical", "z"], "--categorical: 'data.csv' has no column 'z'"),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--drop", "a"], "no column to learn from beside the target 'b'"),
        ("b\nx\ny\n", ["--target", "b"], "no column to learn from beside the target 'b'"),
        ("a,b\n1,x\n2,x\n", ["--target", "b"], "the target 'b' is 'x' in every row; a classifier needs two classes"),
        (
            "a,b\n1,x\n2,\n3,y\n",
            ["--target", "b"],
            "the target 'b' is missing in 1 rows of 'data.csv', first in line 3",
        ),
        ("a,b\n1,x\n2,y\n3,z\n", ["--target", "b"], "has 3 different values in 3 rows, such as 'x', so these are no"),
        (
            "a,b\n1,1.5\n2,2.5\n3,1.5\n4,2.5\n",
            ["--target", "b"],
            "the target 'b' has 2 different values in 4 rows, such as '1.5', so these are no classes",
        ),
        (
            "a,b\n" + "".join(f"x,{i // 3}\n" for i in range(61)),
            ["--target", "b", "--test-size", "0.2"],
            "the target 'b' has 21 different values in 61 rows, .* cut the values into ranges",
        ),
        (
            "a,b\n" + "".join(f"x,2020-09-{i // 2 + 10}\n" for i in range(41)),
            ["--target", "b"],
            "the target 'b' has 21 different dates in 41 rows, such as '2020-09-10', .* cut the dates into ranges",
        ),
        (
            "a,b\n1,x\n2,y\n3,y\n",
            ["--target", "b", "--test-size", "0.5"],
            "--test-size needs two rows of each class, .* class 'x' has one. Drop its row, or leave out --test-size",
        ),
        ("a;b\n1,5;x\n2;y\n", ["--target", "b", "--separator", ";"], "column 'a' has numbers with commas, .*'1,5'"),
        (
            "a,b\n1,x\n2,y\n",
            ["--target", "b", "--set", 'class_weight={"z":1}'],
            "there is no class 'z'; the model knows 'x', 'y'",
        ),
        (
            "a,b\n1,x\n2,y\n",
            ["--target", "b", "--test-size", "1"],
            "--test-size must be a share between 0 and 1, got 1",
        ),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--set", "alphas=1"], "--set: .*unexpected keyword argument 'alphas'"),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--set", "patience=0"], "patience must be an integer >= 1"),
        ("a,b\n1,x\n2,y\n", ["--target", "b", "--max-time", "-1"], "max_time must be None or a finite number > 0"),
        ("", ["--target", "b"], "'data.csv' is empty"),
    ],
)
def test_what_can_not_be_fitted_is_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], data: str, more: list[str], message: str
) -> None:
    Path("data.csv").write_text(data)
    told = error_of(capsys, "fit", "data.csv", "--output", "new", *more)
    assert re.search(message, told), told
    assert not Path("new").exists()


def test_an_existing_model_is_replaced_by_force_only(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("old").write_text("precious")
    argv = ["fit", "others.csv", "--target", "granted", "--output", "old", "--drop", "id", "--max-time", "0.1", *QUICK]
    assert "'old' exists already; give another name, or --force" in error_of(capsys, *argv)
    assert Path("old").read_text() == "precious"
    with small():
        assert main([*argv, "--force"]) == 0
    assert HyConExClassifier.load("old").n_features_in_ == 7
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith("hyconex-sklearn: warning: max_time=0.1 seconds ran out") for line in told)


def test_a_column_that_names_its_rows_and_numbers_that_are_names_are_seen_to(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(120).assign(plant=np.random.default_rng(0).choice([10, 20, 30], 120), number=range(120))
    frame.to_csv("data.csv", index=False)
    argv = ["fit", "data.csv", "--target", "granted", "--output", "new", "--categorical", "plant", *QUICK]
    with small():
        assert main(argv) == 0
    out, err = capsys.readouterr()
    for name in ("id", "number"):
        assert f"column '{name}' has another value in each row: --drop {name} if it tells who it is" in err
    assert err.count("another value in each row") == 2
    assert "categorical  job, grade, zip, id, plant\n" in out
    plant = HyConExClassifier.load("new")._codec.schema.columns[-2]
    assert plant.kind == "categorical" and set(plant.categories) == {10, 20, 30}
    frame.head(3).to_csv("rows3.csv", index=False)
    assert main(["explain", "new", "rows3.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    assert {line["plant"] for line in lines_of("cf.csv")} <= {"10", "20", "30"}
    assert "not seen at fit" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([f"2020-09-{i % 28 + 1:02}" for i in range(160)], "holds dates, .* give the year or a count of days"),
        ([f"2020-09-25T10:{i % 60:02}:00" for i in range(160)], "holds dates, "),
        ([f"{i % 99} Mar" for i in range(160)], r"has 99 different texts in 160 rows\. Dates\? .* Names\? --drop odd"),
    ],
)
def test_texts_that_are_dates_or_names_are_told(
    cells: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(160).astype(object).fillna("").astype(str).assign(odd=cells).drop(columns="id")
    table = Table("data.csv", frame, range(2, 162), is_text=True)
    training_table(table, "granted", [], [])
    told = [line for line in capsys.readouterr().err.splitlines() if "'odd'" in line]
    assert len(told) == 1 and re.search(words, told[0])
    training_table(table, "granted", [], ["odd"])  # somebody has thought about it
    assert "'odd'" not in capsys.readouterr().err


def test_classes_that_are_numbers_can_be_weighed(here: Path) -> None:
    frame = people(60).assign(granted=np.arange(60) % 2)
    frame.to_csv("numbers.csv", index=False)
    argv = ["fit", "numbers.csv", "--target", "granted", "--output", "new", "--drop", "id", *QUICK]
    with small():
        assert main([*argv, "--set", 'class_weight={"0": 1, "1": 20}']) == 0
        weighed = HyConExClassifier.load("new")
        assert main([*argv, "--force"]) == 0
    X = frame.assign(owner=frame["owner"] == "true")[list(weighed.feature_names_in_)]
    assert weighed.predict_proba(X)[:, 1].mean() > HyConExClassifier.load("new").predict_proba(X)[:, 1].mean() + 0.1


# ---------------------------------------------------------------------------------------------------------- explain


def test_cells_that_do_not_change_are_spelled_as_in_the_file(here: Path) -> None:
    odd = "p1, 38,1e4,,low,TRUE,,00123\np2,60,2000.50,NA,high,FALSE,2,10115\n"
    Path("odd.csv").write_text("id,age,income,job,grade,owner,children,zip\n" + odd)
    names = ["age", "income", "job", "grade", "owner", "children", "zip"]
    argv = ["explain", "model", "odd.csv", "--output", "cf.csv", "--search", "one_shot", "--immutable"]
    assert main([*argv, *(name for name in names if name != "income")]) == 0
    for asked, answered in zip(lines_of("odd.csv"), lines_of("cf.csv"), strict=True):
        same = [name for name in asked if answered[name] == asked[name]]
        assert set(asked) - set(same) <= {"income"}
    assert main([*argv, *(name for name in names if name != "owner"), "--force"]) == 0
    assert {line["owner"] for line in lines_of("cf.csv")} <= {"TRUE", "FALSE"}


def test_the_table_holds_what_python_would_answer(here: Path) -> None:
    clf = HyConExClassifier.load("model")
    assert main(["explain", "model", "rows.csv", "--target", "yes", "--max-changes", "2", "--output", "cf.csv"]) == 0
    X = pd.read_csv("rows.csv", dtype={"zip": str})[list(clf.feature_names_in_)]
    cf = clf.counterfactuals(X, target="yes", max_changes=2)
    table = pd.read_csv("cf.csv", dtype={"zip": str})
    assert table["status"].tolist() == cf.report["status"].astype(str).tolist()
    assert table["probability"].tolist() == pytest.approx(cf.report["probability"].tolist())
    assert table["explanation"].tolist() == cf.explain()
    for name in ("age", "job", "zip", "owner"):
        assert table[name].fillna("?").tolist() == cf.data[name].fillna("?").tolist()


def test_rules_are_obeyed(here: Path) -> None:
    rules = [
        "--bounds",
        "age=:70",
        "income=1000:",
        "--monotonic",
        "children=1",
        "age=-1",
        "--immutable",
        "zip",
        "grade",
    ]
    assert main(["explain", "model", "others.csv", *rules, "--output", "cf.csv"]) == 0
    asked = lines_of("others.csv")
    for line in lines_of("cf.csv"):
        before = asked[int(line["row"])]
        if line["feasible"] != "True":
            continue
        assert (line["zip"], line["grade"]) == (before["zip"], before["grade"])
        assert int(line["age"]) <= min(70, int(before["age"]))
        assert float(line["children"] or 0) >= float(before["children"] or 0)


def test_without_a_file_to_write_there_is_a_sentence_for_each_answer(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "model", "rows.csv", "--search", "one_shot"]) == 0
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == [f"row {i}" for i in range(6)]
    assert "not known to the model, and only copied to the output: granted, id." in err


def test_the_page_is_written_where_it_was_asked_for_and_tells_no_identifier(here: Path) -> None:
    argv = ["explain", "model", "rows.csv", "--search", "one_shot", "--report", "cf.html"]
    assert main(argv) == 0
    text = Path("cf.html").read_text()
    assert "<title>Counterfactuals of rows.csv</title>" in text and text.count("<h2>Row ") == 6
    assert not any(f'"{line["id"]}"' in text or f" {line['id']}<" in text for line in lines_of("rows.csv"))
    assert main(argv) == 2
    assert main([*argv, "--output", "cf.csv", "--force"]) == 0 and Path("cf.csv").exists()


def test_the_page_calls_its_rows_by_the_column_that_was_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv("rows.csv", dtype=str)
    frame.loc[3, "id"] = None
    frame.to_csv("named.csv", index=False)
    argv = ["explain", "model", "named.csv", "--search", "one_shot", "--report", "cf.html", "--force", "--row-names"]
    for column, names in (
        ("id", ["id p0", "id p1", "id p2", "Row 3", "id p4", "id p5"]),  # one that the model does not know
        ("age", [f"age {age}" for age in frame["age"]]),  # and one that it does
    ):
        assert main([*argv, column]) == 0
        assert re.findall("<h2>(.+?)</h2>", Path("cf.html").read_text()) == names
    capsys.readouterr()
    assert "--row-names: 'named.csv' has no column 'idd'; it has age" in error_of(capsys, *argv, "idd")
    argv = ["explain", "model", "named.csv", "--row-names", "id"]
    assert "give --report FILE, too" in error_of(capsys, *argv)


def test_answers_to_many_rows_are_those_of_one_question(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In blocks of ten, since one or two rows at once have other last digits.
    argv = ["explain", "model", "others.csv", "--search", "one_shot", "--output"]
    assert main([*argv, "whole.csv"]) == 0
    monkeypatch.setattr("hyconex_sklearn._command_line._commands._BLOCK", 10)
    assert main([*argv, "blocks.csv"]) == 0
    whole, blocks = lines_of("whole.csv"), lines_of("blocks.csv")
    exact = [name for name in whole[0] if name not in ("probability", "log_density", "distance_l1", "distance_l2")]
    assert [{name: line[name] for name in exact} for line in blocks] == [
        {name: line[name] for name in exact} for line in whole
    ]


def test_whoever_watches_hears_soon_and_a_fast_model_is_asked_for_more_at_a_time(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    answer = HyConExClassifier.counterfactuals

    def counted(self: HyConExClassifier, X: pd.DataFrame, **query: Any) -> Any:
        asked.append(len(X))
        return answer(self, X, **query)

    monkeypatch.setattr(HyConExClassifier, "counterfactuals", counted)
    people(400, 3).to_csv("many.csv", index=False)
    argv = ["explain", "model", "many.csv", "--search", "one_shot", "--output", "cf.csv", "--force"]
    assert main(argv) == 0 and asked == [400]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for patience, blocks in ((60.0, [50, 100, 200, 50]), (0.0, [50] * 8)):
        asked.clear()
        monkeypatch.setattr("hyconex_sklearn._command_line._commands._NEWS", patience)
        assert main(argv) == 0 and asked == blocks
        assert [line["row"] for line in lines_of("cf.csv")] == [str(i) for i in range(400)]


def test_columns_named_like_those_of_the_report_keep_their_names(here: Path) -> None:
    frame = people(6, 2).drop(columns="granted").assign(row="mine", status="single")
    frame.to_csv("named.csv", index=False)
    assert main(["explain", "model", "named.csv", "--search", "one_shot", "--output", "cf.tsv"]) == 0
    with open("cf.tsv", newline="") as stream:
        first = next(csv.DictReader(stream, delimiter="\t"))
    assert (first["row"], first["status"], first["cf_row"]) == ("mine", "single", "0")


def test_compressed_files_go_in_and_out(here: Path) -> None:
    Path("rows.csv.gz").write_bytes(gzip.compress(Path("rows.csv").read_bytes()))
    assert main(["explain", "model", "rows.csv.gz", "--search", "one_shot", "--output", "cf.csv.gz"]) == 0
    assert main(["explain", "model", "rows.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    assert gzip.decompress(Path("cf.csv.gz").read_bytes()) == Path("cf.csv").read_bytes()


def test_parquet_files_go_in_and_out(here: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.read_csv("rows.csv", dtype={"zip": str}).to_parquet("rows.parquet")
    assert main(["explain", "model", "rows.parquet", "--search", "one_shot", "--output", "cf.parquet"]) == 0
    assert main(["explain", "model", "rows.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    typed, text = pd.read_parquet("cf.parquet"), pd.read_csv("cf.csv", dtype={"zip": str})
    assert list(typed.columns) == list(text.columns)
    assert pd.api.types.is_integer_dtype(typed["age"].dtype) and pd.api.types.is_bool_dtype(typed["owner"].dtype)
    for name in ("age", "owner", "zip", "status", "id"):
        assert typed[name].tolist() == text[name].tolist()
    argv = ["fit", "rows.parquet", "--target", "granted", "--output", "new", "--drop", "id", *QUICK]
    with small():
        assert main(argv) == 0
    assert HyConExClassifier.load("new")._codec.schema.columns[-1].kind in ("categorical", "constant")


def test_models_of_python_take_files_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Categories that are numbers, ordered ones, and classes that are booleans."""
    X, y = mixed_table()
    X = X.assign(plant=np.random.default_rng(0).choice([1, 2, 3], len(X)))
    fitted(X, y == "yes", categorical_features=["plant"]).save("python")
    X.head(4).assign(children="").to_csv("few.csv", index=False)
    argv = ["explain", "python", "few.csv", "--search", "one_shot", "--target", "true"]
    assert main([*argv, "--bounds", "grade=mid:high", "--monotonic", "grade=1", "--output", "cf.csv"]) == 0
    assert "not seen at fit" not in capsys.readouterr().err
    lines = lines_of("cf.csv")
    assert {line["target"] for line in lines} == {"True"} and {line["plant"] for line in lines} <= {"1", "2", "3"}


def test_a_model_of_an_array_calls_its_columns_x0_and_so_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clf, X, _ = iris()
    clf.save("array")
    Path("rows4.csv").write_text("x3,x2,x1,x0\n" + "".join(f"{d},{c},{b},{a}\n" for a, b, c, d in X[:3]))
    assert main(["explain", "array", "rows4.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    expected = clf.counterfactuals(X[:3], search="one_shot")
    told = [[float(line[f"x{j}"]) for j in range(4)] for line in lines_of("cf.csv")]
    np.testing.assert_allclose(told, expected.data)
    capsys.readouterr()
    assert "fitted to: x0, x1, x2, x3." in error_of(capsys, "explain", "array", "rows.csv")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("fit data.csv --target y --output m", "--drop a b"),
        ("fit data.csv --target y --output m", "--categorical a b"),
        ("fit data.csv --target y --output m", "--set a=1 b=2"),
        ("explain model rows.csv", "--immutable a b"),
        ("explain model rows.csv", "--bounds a=1: b=:2"),
        ("explain model rows.csv", "--monotonic a=1 b=-1"),
    ],
)
def test_an_option_that_is_given_twice_adds_up(command: str, option: str) -> None:
    name, first, second = option.split()
    once = parser().parse_args([*command.split(), name, first, second])
    twice = parser().parse_args([*command.split(), name, first, name, second])
    assert once == twice
    assert parser().parse_args(command.split()) != once  # nothing is left of the earlier ones


def test_every_rule_holds_that_was_given_in_an_option_of_its_own(here: Path) -> None:
    names = ["age", "income", "job", "grade", "owner", "children"]
    rules = [part for name in names for part in ("--immutable", name)]
    assert main(["explain", "model", "rows.csv", "--search", "one_shot", *rules, "--output", "cf.csv"]) == 0
    for asked, answered in zip(lines_of("rows.csv"), lines_of("cf.csv"), strict=True):
        assert [answered[name] for name in names] == [asked[name] for name in names]


def test_a_column_that_the_model_does_not_know_is_kept_whatever_it_holds(here: Path) -> None:
    frame = pd.read_csv("rows.csv", dtype=str).assign(newsletter=["yes", "no"] * 3)
    frame.to_csv("letters.csv", index=False)
    assert main(["explain", "model", "letters.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    lines = lines_of("cf.csv")
    assert [line["newsletter"] for line in lines] == ["yes", "no"] * 3
    assert [line["granted"] for line in lines] == frame["granted"].tolist()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--immutable", "aeg"], "--immutable: the model has no column 'aeg'; it has age, income"),
        (["--bounds", "aeg=1:2"], "--bounds: the model has no column 'aeg'"),
        (["--bounds", "age=5"], "--bounds: expected COLUMN=LOW:HIGH, either of them may be empty, got 'age=5'"),
        (["--bounds", "age=20:", "--bounds", "age=:70"], "column 'age' is given twice; give both sides at once"),
        (["--bounds", "age=a:b"], "--bounds: 'a' in 'age=a:b' is no number"),
        (["--bounds", "age=9:5"], "bounds['age'] has low 9.0 above high 5.0"),
        (["--monotonic", "age"], "--monotonic: expected COLUMN=1 (may only rise) or COLUMN=-1 (only fall), got 'age'"),
        (["--monotonic", "age=up"], "--monotonic: expected COLUMN=1"),
        (["--target", "maybe"], "there is no class 'maybe'; the model knows 'no', 'yes'"),
        (["--max-changes", "0"], "max_changes"),
        (["--max-changes", "few"], "argument --max-changes: invalid int value: 'few' (hyconex-sklearn explain --help"),
        (["--n-counterfactuals", "0"], "n_counterfactuals must be an integer >= 1"),
        (["--output", "cf.xlsx"], "'cf.xlsx' is no kind of table that is known"),
        (["--output", "others.csv"], "'others.csv' exists already"),
        (["--output", "rows.csv"], "ROWS and --output are the same file, 'rows.csv'"),
        (["--report", "./model", "--force"], "MODEL and --report are the same file, './model'"),
        (["--output", "a.csv", "--report", "a.csv"], "--output and --report are the same file, 'a.csv'"),
        (["--output", "./a.csv", "--report", "a.csv"], "--output and --report are the same file, 'a.csv'"),
        (["--separator", ";;"], "argument --separator: expected one character or 'tab', got ';;'"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert message in error_of(capsys, "explain", "model", "rows.csv", *more)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("id,age,job\n1,2,x\n", "lacks columns that the model was fitted to: income, grade, owner, children, zip."),
        ("id,granted\n1,yes\n", "lacks columns that the model was fitted to: age, income"),
        (
            "age,income,job,grade,owner,children,zip\n38,1,clerk,low,true,1,1\nold,1,clerk,low,true,1,1\n",
            "column 'age' held numbers at fit, but line 3 holds 'old'. Correct it, or leave the cell empty",
        ),
    ],
)
def test_rows_that_do_not_fit_the_model_are_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], data: str, message: str
) -> None:
    Path("data.csv").write_text(data)
    assert message in error_of(capsys, "explain", "model", "data.csv")


def test_a_file_that_is_no_model_is_told_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no model file 'none'" in error_of(capsys, "explain", "none", "rows.csv")
    assert "'rows.csv' is a table and no model file; did you swap the two?" in error_of(
        capsys, "explain", "rows.csv", "model"
    )
    Path("broken").write_text("no model")
    assert "'broken' can't be loaded" in error_of(capsys, "explain", "broken", "rows.csv")


# --------------------------------------------------------------------------------------------------------- evaluate


def test_evaluate_tells_a_table_or_json_of_the_same_numbers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", "model", "others.csv", "--target", "granted", "--search", "one_shot"]
    assert main(argv) == 0
    table = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert main([*argv, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert {name: f"{float(value):.3f}" for name, value in table.items()} == {
        name: f"{value:.3f}" for name, value in numbers.items()
    }
    clf, frame = HyConExClassifier.load("model"), pd.read_csv("others.csv", dtype={"zip": str})
    X = frame[list(clf.feature_names_in_)]
    assert numbers["accuracy"] == pytest.approx(clf.score(X, frame["granted"]))
    report = clf.counterfactuals(X, search="one_shot").report
    assert numbers["validity"] == pytest.approx(report["valid"].mean())
    assert numbers["plausible"] == pytest.approx(report["plausible"].mean())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"granted": "yes"}, "'data.csv' has 0 rows of class 'no'; two of each class are needed"),
        ({"granted": "perhaps"}, "column 'granted' of 'data.csv': there is no class 'perhaps'; the model knows"),
        ({"granted": ""}, "column 'granted' is missing in 50 rows of 'data.csv', first in line 2"),
    ],
)
def test_classes_that_can_not_be_compared_are_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    pd.read_csv("others.csv", dtype=str).assign(**change).to_csv("data.csv", index=False)
    assert message in error_of(capsys, "evaluate", "model", "data.csv", "--target", "granted")
    assert "has no column 'income2'" in error_of(capsys, "evaluate", "model", "data.csv", "--target", "income2")


# -------------------------------------------------------------------------------------------------------- the manner


@pytest.mark.parametrize("command", [[], ["fit"], ["explain"], ["evaluate"]])
def test_the_help_teaches_by_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and f"  hyconex-sklearn {command[0] if command else 'fit'} " in out
    if not command:
        assert "What it is not: advice that is known to work." in out
    assert all(len(line) <= 120 for line in out.splitlines())


@pytest.mark.parametrize("argv", [[], ["guess"], ["fit"], ["fit", "a.csv", "--output", "b"], ["explain", "m"]])
def test_arguments_that_are_missing_are_told_in_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    out, err = capsys.readouterr()
    assert left.value.code == 2 and out == "" and len(err.splitlines()) == 1 and "--help tells more" in err


def test_the_data_that_were_learned_from_are_not_replaced_by_the_model(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["fit", "people.csv", "--target", "granted", "--output", "people.csv", "--force"]
    assert "DATA and --output are the same file, 'people.csv'" in error_of(capsys, *argv)


def test_a_file_with_semicolons_is_answered_with_semicolons(here: Path) -> None:
    pd.read_csv("rows.csv", dtype=str).to_csv("rows2.csv", index=False, sep=";")
    argv = ["explain", "model", "rows2.csv", "--search", "one_shot", "--separator", ";", "--output", "cf.csv"]
    assert main(argv) == 0
    assert pd.read_csv("cf.csv", sep=";")["id"].tolist() == [f"p{i}" for i in range(6)]


def test_cells_neither_end_a_line_nor_command_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X, y = mixed_table()
    fitted(X, np.where(y == "yes", "a\nb\x1b[2J", "other")).save("odd")
    X.head(3).assign(**{"x\x1b[2J": 1}).to_csv("few.csv", index=False)
    assert main(["explain", "odd", "few.csv", "--search", "one_shot"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 and r"a b\x1b[2J" in out
    assert "\x1b" not in out + err and r"only copied to the output: x\x1b[2J" in err


def test_letters_that_stdout_does_not_have_are_told_in_ascii(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = mixed_table()
    fitted(X, np.where(y == "yes", "zażółć", "nie")).save("polish")
    X.head(3).to_csv("few.csv", index=False)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", errors="strict"))
    assert main(["explain", "polish", "few.csv", "--search", "one_shot"]) == 0
    assert written.getvalue().count(rb"za\u017c\xf3\u0142\u0107") == 3


def test_a_warning_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_in_one_line():
        for text in ("one", "two", "one"):
            warnings.showwarning(UserWarning(text), UserWarning, "file.py", 1)
    assert capsys.readouterr().err.splitlines() == [f"hyconex-sklearn: warning: {text}" for text in ("one", "two")]


def test_what_is_new_in_a_column_is_told_once_for_all_rows(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(6, 2).assign(job=list("uvwxyz")).to_csv("odd.csv", index=False)
    monkeypatch.setattr("hyconex_sklearn._command_line._commands._BLOCK", 2)
    assert main(["explain", "model", "odd.csv", "--search", "one_shot"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "not seen at fit" in line]
    assert len(told) == 1 and "'u', 'v', 'w' and 3 more" in told[0]


def test_warnings_take_one_line_and_other_peoples_stay_as_they_were(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(6, 2).assign(job="astronaut")
    frame.to_csv("odd.csv", index=False)
    before = warnings.showwarning
    assert main(["explain", "model", "odd.csv", "--search", "one_shot"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert warnings.showwarning is before and len(told) == 1
    assert told[0].startswith(
        "hyconex-sklearn: warning: column 'job' holds categories that were not seen at fit: 'astro"
    )
