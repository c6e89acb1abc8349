"""The command that explains: files in, rows and pages out, and questions that make no sense."""

from __future__ import annotations

import csv
import gzip
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _commands import QUICK, error_of, here, lines_of, people
from _helpers import short_searches
from _models import fitted, iris, mixed_table, small

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._command_line.arguments import parser
from hyconex_sklearn._command_line.main import main

__all__ = ["here", "short_searches"]  # fixtures

pytestmark = pytest.mark.usefixtures("short_searches")


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
    assert table["probability"].tolist() == pytest.approx(cf.report["probability"].tolist(), abs=1e-6)
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
    # Last digits depend on how many rows are asked about at once.
    argv = ["explain", "model", "others.csv", "--search", "one_shot", "--output"]
    assert main([*argv, "whole.csv"]) == 0
    monkeypatch.setattr("hyconex_sklearn._command_line.asking._BLOCK", 10)
    assert main([*argv, "blocks.csv"]) == 0
    whole, blocks = lines_of("whole.csv"), lines_of("blocks.csv")
    assert len(blocks) == len(whole) == 50
    for one, other in zip(blocks, whole, strict=True):
        for name, text in one.items():
            digits, others = (re.findall(r"\d[\d,]*\.?\d*", told) for told in (text, other[name]))
            assert re.sub(r"\d[\d,]*\.?\d*", "#", text) == re.sub(r"\d[\d,]*\.?\d*", "#", other[name])
            numbers, expected = (np.array([float(each.replace(",", "")) for each in told]) for told in (digits, others))
            np.testing.assert_allclose(numbers, expected, rtol=1e-3, atol=1e-3)


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
        monkeypatch.setattr("hyconex_sklearn._command_line.asking._NEWS", patience)
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
        (["--bounds", "age=9:5"], "error: --bounds age has low 9 above high 5. Pass LOW:HIGH, in this order."),
        (["--bounds", "zip=1:2"], "error: --bounds zip is about column 'zip', which holds labels"),
        (["--bounds", "zip=1:2"], "Use allowed_categories in a file of --rules."),
        (["--bounds", "owner=0:1"], "holds truth values. Use --monotonic owner=1 for one that may only become True"),
        (["--bounds", "age=30.2:30.8"], "held integers at fit. Widen the bounds."),
        (["--monotonic", "job=1"], "error: --monotonic job is about column 'job'"),
        (["--mutable", "aeg"], "--mutable: the model has no column 'aeg'; it has age, income"),
        (["--mutable", "age", "--immutable", "job"], "--immutable and --mutable both say of all columns"),
        (["--immutable", *"age income job grade owner children zip".split()], "error: --immutable names every column"),
        (["--immutable", "age", "--rules", "rules.json"], "--immutable is given, but 'rules.json' of --rules says mut"),
        (
            ["--max-changes", "2", "--rules", "rules.json"],
            "--max-changes is given, but 'rules.json' of --rules says max_",
        ),
        (["--bounds", "age=1:2", "--rules", "rules.json"], "error: feature_weights names a column that X does not"),
        (["--target-probability", "1.5"], "error: --target-probability must be a number between 0 and 1"),
        (["--monotonic", "age"], "--monotonic: expected COLUMN=1 (may only rise) or COLUMN=-1 (only fall), got 'age'"),
        (["--monotonic", "age=up"], "--monotonic: expected COLUMN=1"),
        (["--target", "maybe"], "there is no class 'maybe'; the model knows 'no', 'yes'"),
        (["--max-changes", "0"], "error: --max-changes must be an integer >= 1, got 0"),
        (["--max-changes", "few"], "argument --max-changes: invalid int value: 'few' (hyconex-sklearn explain --help"),
        (["--n-counterfactuals", "0"], "--n-counterfactuals must be an integer >= 1"),
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
    Path("rules.json").write_text('{"mutable": ["age"], "max_changes": 3, "feature_weights": {"wage": 2}}')
    assert message in error_of(capsys, "explain", "model", "rows.csv", *more)


def test_what_may_change_can_be_said_from_either_side(here: Path) -> None:
    argv = ["explain", "model", "rows.csv", "--search", "one_shot", "--output"]
    assert main([*argv, "those.csv", "--mutable", "income", "owner", "children", "--mutable", "zip"]) == 0
    assert main([*argv, "same.csv", "--immutable", "age", "job", "grade"]) == 0
    assert lines_of("those.csv") == lines_of("same.csv")


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
