"""Rules from a file, and how the table of `explain` is laid out: as rows, as changes, side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _commands import error_of, here, lines_of
from _helpers import short_searches

from hyconex_sklearn import Actionability
from hyconex_sklearn._command_line.main import main

__all__ = ["here", "short_searches"]  # fixtures

COLUMNS = ("age", "income", "job", "grade", "owner", "children", "zip")


def test_rules_of_a_file_are_obeyed_beside_those_of_options(here: Path) -> None:
    rules = Actionability(immutable=["age"], allowed_categories={"job": ["clerk"]}, bounds={"income": (0, 1e5)})
    Path("rules.json").write_text(rules.to_json())
    argv = ["explain", "model", "others.csv", "--search", "one_shot", "--rules", "rules.json", "--output", "cf.csv"]
    assert main([*argv, "--immutable", "zip"]) == 2  # told twice
    assert main([*argv, "--max-changes", "3"]) == 0
    asked = lines_of("others.csv")
    feasible = [line for line in lines_of("cf.csv") if line["feasible"] == "True"]
    assert len(feasible) > 10
    for line in feasible:
        before = asked[int(line["row"])]
        assert line["age"] == before["age"] and line["job"] in ("clerk", "", before["job"])
        assert line["job"] == "clerk" or before["job"] == line["job"]
        assert int(line["n_changed"]) <= 3


def test_steps_and_values_of_a_file_are_obeyed_and_told_by_their_names(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = {"resolution": {"income": 500}, "allowed_values": {"age": [30, 45, 60]}}
    Path("rules.json").write_text(json.dumps(rules))
    argv = ["explain", "model", "others.csv", "--search", "one_shot", "--rules", "rules.json", "--output", "cf.csv"]
    assert main(argv) == 0
    asked = lines_of("others.csv")
    feasible = [line for line in lines_of("cf.csv") if line["feasible"] == "True"]
    assert len(feasible) > 10
    for line in feasible:
        assert line["income"] in ("", asked[int(line["row"])]["income"]) or float(line["income"]) % 500 == 0
        assert float(line["age"]) in (30, 45, 60)
    Path("rules.json").write_text(json.dumps(rules | {"allowed_values": {"age": [30, 450]}}))
    assert main([*argv, "--force"]) == 2
    assert re.search(r"allowed_values\['age'\].*450.*held \d+ to \d+", capsys.readouterr().err)


def test_rules_of_a_file_that_differ_by_row_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = Actionability(bounds={"age": (pd.Series([20, 30], index=["a", "b"]), None)})
    Path("rules.json").write_text(rules.to_json())
    assert main(["explain", "model", "others.csv", "--rules", "rules.json", "--output", "cf.csv"]) == 2
    assert "says something else of each row" in capsys.readouterr().err


def test_a_wide_table_holds_each_row_as_it_was_too(here: Path) -> None:
    assert main(["explain", "model", "rows.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    asked = lines_of("rows.csv")
    for line in lines_of("cf.csv"):
        assert [line[f"original_{name}"] for name in COLUMNS] == [asked[int(line["row"])][name] for name in COLUMNS]


def test_a_table_of_changes_has_a_line_for_each_changed_cell_and_loses_no_answer(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyconex_sklearn._command_line.asking._BLOCK", 4)  # several blocks, joined
    argv = ["explain", "model", "rows.csv", "--target", "yes", "--output"]
    assert main([*argv, "wide.csv"]) == 0 and main([*argv, "changes.csv", "--layout", "changes"]) == 0
    wide, changes = lines_of("wide.csv"), lines_of("changes.csv")
    keys = ["granted", "id", "row", "target", "rank", "status"]
    assert list(changes[0]) == [*keys, "column", "from", "to", "contribution"]
    assert "already_target" in {line["status"] for line in changes}
    for answer in wide:
        own = [line for line in changes if line["row"] == answer["row"]]
        assert {line["id"] for line in own} == {answer["id"]}
        moved = [name for name in COLUMNS if answer[name] != answer[f"original_{name}"]]
        assert len(moved) == int(answer["n_changed"])
        told = {line["column"]: (line["from"], line["to"]) for line in own if line["column"]}
        assert told == {name: (answer[f"original_{name}"], answer[name]) for name in moved}
        assert len(own) == max(1, len(moved))
        if moved:  # toward the target in all
            assert sum(float(line["contribution"]) for line in own) > 0


@pytest.mark.parametrize("kind", ["each", "box"])
def test_a_table_of_changes_tells_how_far_values_may_go(
    here: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hyconex_sklearn._command_line.asking._BLOCK", 4)  # several blocks, joined
    argv = ["explain", "model", "rows.csv", "--target", "yes", "--intervals", kind]
    assert main([*argv, "--output", "changes.csv", "--layout", "changes"]) == 0
    changes = lines_of("changes.csv")
    assert list(changes[0])[-4:] == ["contribution", "lowest", "highest", "checked"]
    ended = [line for line in changes if line["checked"]]
    assert ended and {line["column"] for line in ended} <= {"age", "income", "children"}
    for line in ended:
        assert float(line["lowest"]) <= float(line["to"]) <= float(line["highest"])
        assert "values" in line["checked"] if kind == "each" else line["checked"] == "128 rows"
    capsys.readouterr()
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert re.search(r"(age|income|children) \S+ -> \S+ \((at least|exactly|\S+ to|\S+ or less)", out)


def test_alternatives_stand_beside_the_row_as_it_is(here: Path) -> None:
    argv = ["explain", "model", "rows.csv", "--target", "yes", "--n-counterfactuals", "2", "--output"]
    assert main([*argv, "wide.csv"]) == 0 and main([*argv, "cf.csv", "--layout", "compare"]) == 0
    wide, lines = lines_of("wide.csv"), lines_of("cf.csv")
    assert list(lines[0]) == ["granted", "id", "row", "column", "now", "1", "2"]
    for row in dict.fromkeys(answer["row"] for answer in wide):
        answers = [answer for answer in wide if answer["row"] == row]
        told = {line["column"]: line for line in lines if line["row"] == row}
        assert list(told)[:3] == ["target", "probability", "status"]
        for number, answer in enumerate(answers, 1):
            assert told["status"][str(number)] == answer["status"]
            for name in list(told)[3:]:
                assert told[name][str(number)] == answer[name] and told[name]["now"] == answer[f"original_{name}"]


def test_numbers_of_a_column_have_one_format(here: Path) -> None:
    frame = pd.read_csv("others.csv", dtype=str)
    frame["income"] = [f"{float(cell):.4f}" for cell in frame["income"].fillna("1000")]
    frame.to_csv("money.csv", index=False)
    assert main(["explain", "model", "money.csv", "--search", "one_shot", "--output", "cf.csv"]) == 0
    lines = lines_of("cf.csv")
    assert any(line["income"] != line["original_income"] for line in lines)
    assert all(re.fullmatch(r"\d+\.\d{4}", line["income"]) for line in lines)
    for name in ("probability", "support", "log_density", "distance_l1", "distance_l2"):
        assert all(re.fullmatch(r"-?\d+\.\d{6}", line[name]) for line in lines)


def test_parquet_files_hold_every_layout(here: Path) -> None:
    pytest.importorskip("pyarrow")
    for layout in ("wide", "changes", "compare"):
        argv = ["explain", "model", "rows.csv", "--search", "one_shot", "--layout", layout, "--output"]
        assert main([*argv, f"{layout}.parquet"]) == 0 and main([*argv, f"{layout}.csv"]) == 0
        typed = pd.read_parquet(f"{layout}.parquet")
        assert list(typed.columns) == list(lines_of(f"{layout}.csv")[0])
        assert len(typed) == len(lines_of(f"{layout}.csv"))
    assert np.issubdtype(pd.read_parquet("wide.parquet")["original_income"].dtype, np.floating)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rules", "none.json"], "--rules: there is no file 'none.json'"),
        (["--rules", "rows.csv"], "--rules: 'rows.csv' holds no rules: Expecting value"),
        (["--rules", "model"], "--rules: 'model' holds no rules"),
        (["--rules", "list.json"], "--rules: 'list.json' holds no rules: rules are described by a dict, got list"),
        (["--rules", "odd.json"], "fields 'imutable', which Actionability does not know"),
        (["--rules", "aeg.json"], "immutable names a column that X does not have: 'aeg'"),
        (["--rules", "odd.json", "--output", "odd.json", "--force"], "--rules and --output are the same file"),
        (["--layout", "compare"], "--layout tells how the table is written; give --output FILE, too"),
        (["--layout", "long"], "argument --layout: invalid choice: 'long'"),
    ],
)
def test_rules_and_layouts_that_make_no_sense_are_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    Path("list.json").write_text("[]")
    Path("odd.json").write_text('{"imutable": ["age"]}')
    Path("aeg.json").write_text('{"immutable": ["aeg"]}')
    assert message in error_of(capsys, "explain", "model", "rows.csv", *more)
