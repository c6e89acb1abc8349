"""The command that fits: how it reads a file, what it refuses, and what it tells."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from _commands import QUICK, error_of, here, lines_of, people
from _helpers import short_searches
from _models import small

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._command_line.main import main
from hyconex_sklearn._command_line.rows import training_table
from hyconex_sklearn._command_line.tables import Table

__all__ = ["here", "short_searches"]  # fixtures

pytestmark = pytest.mark.usefixtures("short_searches")


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


def test_fit_tells_which_relations_answers_keep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{age},{12 * age},{'yes' if age > 40 else 'no'}" for age in range(20, 60)]
    Path("related.csv").write_text("\n".join(["age,months,label", *rows]))
    with small():
        main(["fit", "related.csv", "--target", "label", "--output", "related", *QUICK])
    assert re.search(r"^kept +months = 12 \u00d7 age$", capsys.readouterr().out, re.MULTILINE)


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
        (
            "a,b\n1,x\n2,y\n",
            ["--target", "b", "--max-time", "-1"],
            "error: --max-time must be None or a finite number > 0",
        ),
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
