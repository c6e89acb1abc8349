"""The commands as people run them: whole walks in processes of their own, and the manner of all of them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _commands import QUICK, error_of, here, lines_of, people
from _helpers import short_searches
from _models import fitted, mixed_table

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._command_line.console import warnings_in_one_line
from hyconex_sklearn._command_line.main import main

__all__ = ["here", "short_searches"]  # fixtures

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("short_searches")


# ------------------------------------------------------------------------------------------------------ whole walks


def run(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "hyconex_sklearn", *argv], cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow  # five processes that import torch first
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
        "import sys; from hyconex_sklearn._command_line.main import main\n"
        "from hyconex_sklearn._training.loop import Training\n"
        "fit = Training.epochs\n"
        "def told(*a, **k): print('started', flush=True); yield from fit(*a, **k)\n"
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
    lines = written.getvalue().splitlines()
    assert len(lines) == 3 and all(rb"za\u017c\xf3\u0142\u0107" in line for line in lines)


def test_a_warning_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_in_one_line():
        for text in ("one", "two", "one"):
            warnings.showwarning(UserWarning(text), UserWarning, "file.py", 1)
    assert capsys.readouterr().err.splitlines() == [f"hyconex-sklearn: warning: {text}" for text in ("one", "two")]


def test_what_is_new_in_a_column_is_told_once_for_all_rows(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(6, 2).assign(job=list("uvwxyz")).to_csv("odd.csv", index=False)
    monkeypatch.setattr("hyconex_sklearn._command_line.asking._BLOCK", 2)
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
