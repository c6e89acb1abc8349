"""The report page as a file: what is in it, what can't get into it, and how it is written. No browser is needed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import pickle
import re
import tomllib
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import mixed
from _results import HOSTILE, adults, hostile, result
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from hyconex_sklearn import Actionability, Counterfactuals, Status, counterfactuals
from hyconex_sklearn._answer.about import About
from hyconex_sklearn._answer.changes import ComparedColumn
from hyconex_sklearn._answer.page import report_page
from hyconex_sklearn._answer.page.content import page_content, page_table
from hyconex_sklearn._answer.rules_in_words import rules_in_words
from hyconex_sklearn._answer.wording import isolated, plain

ROOT = Path(__file__).parents[2]


class Reader(HTMLParser):
    """The elements of a page, and the text of each style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.parts: list[str] = []  # the text of the style, the content, the script
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("style", "script"):
            self.parts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag in ("style", "script") and self.cdata_elem:
            self.parts[-1] += data

    @property
    def content(self) -> Any:
        return json.loads(self.parts[1])


def read(cf: Counterfactuals, title: str = "Title") -> Reader:
    return Reader(report_page(cf, title).decode())


# ---------------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize("kind", [str, Path])
def test_the_page_is_one_file_whose_path_comes_back(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert adults().to_html(kind(path), title="Your case") == path
    assert os.listdir(tmp_path) == ["page.html"]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "<title>Your case</title>" in text and ">Your case</h1>" in text
    adults().to_html(path)
    assert ">Counterfactuals</h1>" in path.read_text(encoding="utf-8")


def test_the_same_result_gives_the_same_page() -> None:
    assert report_page(adults(), "a") == report_page(adults(), "a")


def test_a_page_that_cannot_be_written_is_told_and_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere.*create it first"):
        adults().to_html(tmp_path / "nowhere" / "page.html")
    with pytest.raises(IsADirectoryError, match="pass the path of a file"):
        adults().to_html(tmp_path)
    old = tmp_path / "page.html"
    old.write_text("old")
    with pytest.raises(ValueError, match="empty"):
        adults()[:0].to_html(old)
    monkeypatch.setattr(os, "fsync", lambda _: exec("raise OSError('No space left on device')"))
    with pytest.raises(OSError, match="No space"):
        adults().to_html(old)
    assert old.read_text() == "old" and os.listdir(tmp_path) == ["page.html"]


def test_the_page_names_no_other_place_and_lets_only_its_own_style_and_script_pass() -> None:
    reader = read(adults())
    (policy,) = (value for name, value in reader.attributes if name == "content" and value and "default-src" in value)
    style, _, _, script = reader.parts
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not {name for name, _ in reader.attributes} & {"src", "style", "onclick", "onload"}
    assert {value for name, value in reader.attributes if name == "href"} == {"data:,", "#sheet"}
    assert not re.search(r"https?://|url\(|@import|eval|innerHTML", report_page(adults(), "a").decode())


def test_the_parts_of_the_page_are_shipped() -> None:
    folder = resources.files("hyconex_sklearn").joinpath("_answer", "page")
    parts = {part.name for part in folder.iterdir() if part.is_file() and not part.name.endswith(".py")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = project["tool"]["setuptools"]["package-data"]["hyconex_sklearn"]
    assert parts == {"page.css", "page.html", "page.js"}
    assert {f"_answer/page/*{Path(part).suffix}" for part in parts} <= set(globs)


# ------------------------------------------------------------------------------------------------------- the content


def test_rows_come_with_their_answers_as_sentences_changes_and_checks() -> None:
    cf = adults()
    cf = dataclasses.replace(cf, ranges=np.array([[20.0, 60.0], [1.0, 5.0], [np.nan, np.nan], [np.nan, np.nan]]))
    content = read(cf).content
    assert [row["name"] for row in content["rows"]] == ["Row 7", "Row 8", "Row 9"]  # by their index
    assert [row["prediction"] for row in content["rows"]] == ["<=50K"] * 3
    assert content["rows"][1]["values"] == ["40", "missing", "HS-grad", "missing"]
    assert content["features"] == [
        {"name": "hours", "range": ["seen in training", "20", "60"]},
        {"name": "wage", "range": ["seen in training", "1", "5"]},
        {"name": "education", "range": None},
        {"name": "member", "range": None},
    ]
    told = [answer["sentence"].replace("→", "->") for row in content["rows"] for answer in row["answers"]]
    assert told == cf.explain()
    (first,) = content["rows"][0]["answers"]
    assert first["changes"] == [
        {"feature": 0, "old": "38", "new": "45", "bar": [0.45, 0.625, 0.0, 1.0]},
        {"feature": 2, "old": "HS-grad", "new": "Bachelors", "bar": None},
    ]
    assert first["probability"] == ["0.31", "0.64"] and first["bar"] == [0.31, 0.64, 0.0, 1.0]
    assert first["checks"] == [True, True, True] and first["support"] == "100%"
    (filled,) = content["rows"][1]["answers"][0]["changes"]
    assert filled == {"feature": 1, "old": "missing", "new": "2.5", "bar": [None, 0.375, 0.0, 1.0]}


def test_rows_may_have_names_of_their_own(tmp_path: Path) -> None:
    cf = adults()[1:]
    path = cf.to_html(tmp_path / "page.html", row_names=["Ann", "Bob & <b>", 7])
    page = path.read_text(encoding="utf-8")
    reader = Reader(page)
    assert [row["name"] for row in reader.content["rows"]] == ["Bob & <b>", "7"]
    assert "b" not in reader.tags
    by_label = pd.Series([7, "Bob & <b>", "Ann"], index=[9, 8, 7])
    assert cf.to_html(path, row_names=by_label).read_text(encoding="utf-8") == page
    with pytest.raises(ValueError, match=r"row_names is matched by row labels and has none of X's 8, 9"):
        cf.to_html(path, row_names=by_label.set_axis(list("xyz")))
    with pytest.raises(ValueError, match="row_names has 2 names, but row 2 is shown"):
        cf.to_html(tmp_path / "other.html", row_names=["Ann", "Bob"])
    with pytest.raises(TypeError, match="row_names is the text 'Ann'; give a list of names"):
        cf.to_html(tmp_path / "other.html", row_names="Ann")


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (["b", "b", "a"], ["Row b", "Row a"]),
        (pd.MultiIndex.from_tuples([("x", 1), ("x", 1), ("y", 2)]), ["Row x, 1", "Row y, 2"]),
        ([5, 5, 3], ["Row 5", "Row 3"]),
        (pd.RangeIndex(3), ["Row 0", "Row 4"]),  # of the answers themselves
    ],
)
def test_rows_are_called_by_their_labels_where_they_have_some(index: Any, names: list[str]) -> None:
    X = pd.DataFrame({"a": [1, 1, 2]}, index=index)
    cf = result(X, X + 1, row=[0, 0, 4])
    assert [row["name"] for row in page_content(cf)["rows"]] == names
    listed = pd.read_csv(io.StringIO(page_table(cf)))["name"].tolist()
    assert listed == [names[0], names[0], names[1]]


def test_a_title_may_be_anything_that_can_be_written(tmp_path: Path) -> None:
    assert "<title>7</title>" in adults().to_html(tmp_path / "page.html", title=7).read_text()  # type: ignore[arg-type]


def test_answers_to_the_same_row_stand_together() -> None:
    X = np.zeros((5, 1))
    report = {"row": [3, 3, 3, 8, 8], "target": ["a", "a", 7, "a", 7], "rank": [0, 1, 0, 0, 0]}
    content = page_content(result(X, X + 1, **report, status=["ok", "fewer", "unsure", "ok", "not_valid"]))
    assert [row["name"] for row in content["rows"]] == ["Row 3", "Row 8"] and content["targets"] == ["a", "7"]
    assert [[answer["target"] for answer in row["answers"]] for row in content["rows"]] == [[0, 0, 1], [0, 1]]
    assert [answer["status"] for answer in content["rows"][0]["answers"]] == ["ok", "fewer", "unsure"]


def test_bars_stay_on_an_axis_that_holds_values_beyond_the_range() -> None:
    cf = dataclasses.replace(result(np.array([[-1.0]]), np.array([[4.0]])), ranges=np.array([[0.0, 1.0]]))
    (change,) = page_content(cf)["rows"][0]["answers"][0]["changes"]
    assert change["bar"] == [0.0, 1.0, 0.2, 0.4]


@pytest.mark.parametrize(
    ("before", "after"),
    [([1.0], ["a"]), ([True], [False]), ([-1.6e308], [1.6e308]), ([1.0], [np.inf]), ([10**400], [1]), (["3"], ["4"])],
)
def test_what_no_bar_can_show_is_told_in_words_only(before: list[Any], after: list[Any]) -> None:
    cf = result(*(pd.DataFrame({"a": pd.Series(cells, dtype=object)}) for cells in (before, after)))
    (change,) = page_content(cf)["rows"][0]["answers"][0]["changes"]
    assert change["bar"] is None and change["old"] != change["new"]


def test_without_a_known_range_the_bars_span_the_result() -> None:
    cf = result(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[3.0, 5.0], [2.0, 0.0]]))
    for ranges in (None, np.array([[np.nan, np.nan], [0.0, 10.0]]), np.array([[-1.7e308, 1.7e308], [0.0, 10.0]])):
        content = page_content(dataclasses.replace(cf, ranges=ranges))
        assert content["features"][0] == {"name": "x0", "range": ["in this report", "1", "3"]}
        bars = [change["bar"] for change in content["rows"][0]["answers"][0]["changes"]]
        assert bars[0] == [0.0, 1.0, 0.0, 1.0]
        if ranges is not None:
            assert content["features"][1] == {"name": "x1", "range": ["seen in training", "0", "10"]}
            assert bars[1] == [0.0, 0.5, 0.0, 1.0]


def test_an_outlier_of_the_training_rows_squeezes_no_axis() -> None:
    cf = result(np.array([[1.0, 3.0]]), np.array([[3.0, 4.0]]))
    cf = dataclasses.replace(cf, ranges=np.array([[0.0, 1e6], [0.0, 10.0]]), usual=np.array([[1.0, 5.0], [2.0, 2.0]]))
    content = page_content(cf)
    assert content["features"][0]["range"] == ["98% of training rows", "1", "5"]
    assert content["features"][1]["range"] == ["seen in training", "0", "10"]  # nearly all rows have one value
    assert [change["bar"] for change in content["rows"][0]["answers"][0]["changes"]] == [
        [0.0, 0.5, 0.0, 1.0],
        [0.3, 0.4, 0.0, 1.0],
    ]


def test_labels_of_categories_have_no_bar_though_they_are_numbers() -> None:
    before, after = (pd.DataFrame({"a": pd.Categorical([code], categories=[1, 3])}) for code in (1, 3))
    (change,) = page_content(result(before, after))["rows"][0]["answers"][0]["changes"]
    assert (change["old"], change["new"], change["bar"]) == ("1", "3", None)


@pytest.mark.parametrize(("share", "told"), [(0.999, ">99%"), (0.001, "<1%"), (1.0, "100%"), (0.5, "50%")])
def test_support_is_never_told_as_more_than_it_is(share: float, told: str) -> None:
    X = np.zeros((1, 1))
    assert page_content(result(X, X + 1, support=share))["rows"][0]["answers"][0]["support"] == told


def test_every_outcome_has_a_mark_and_words_of_its_own() -> None:
    statuses = list(Status)
    X = np.zeros((len(statuses), 1))
    content = page_content(result(X, X, status=statuses, probability=np.nan, support=np.nan))
    assert content["outcomes"].keys() == set(statuses)
    assert len({label for _, label, _ in content["outcomes"].values()}) == len(statuses)
    assert all(mark and meaning for mark, _, meaning in content["outcomes"].values())
    assert content["rows"][0]["answers"][0]["support"] == "unknown"
    assert list(page_content(adults())["outcomes"]) == ["ok"]


# ------------------------------------------------------------------------------------------------- model and rules


def test_the_page_tells_model_and_rules_without_scripts_too() -> None:
    about = About(("no", "<b>"), {"immutable": ("hours",), "max_changes": 1}, "2026-03-01", 0.996)
    text = report_page(dataclasses.replace(adults(), about=about), "a").decode()
    assert "<dt>It predicts</dt><dd>no or &lt;b&gt;</dd>" in text and "<dd>2026-03-01</dd>" in text
    assert "<dd>&gt;99% of the training rows" in text
    assert "<dt>Rules</dt><dd>hours must not change</dd><dd>at most 1 column may change</dd>" in text
    free = dataclasses.replace(about, rules={}, accuracy=None, fitted_on=None)
    text = report_page(dataclasses.replace(adults(), about=free), "a").decode()
    assert "<dd>none: every value may change</dd>" in text and "How often right" not in text and "Model of" not in text
    assert "<dt>" not in report_page(adults(), "a").decode()  # made by hand


def test_a_fitted_model_tells_day_accuracy_and_rules_whatever_the_way_to_it(tmp_path: Path) -> None:
    clf, X, _ = mixed()
    accuracy = next(record["accuracy"] for record in reversed(clf.history_) if "accuracy" in record)
    assert 0.5 < accuracy < 1 and date.fromisoformat(clf.fitted_on_) <= datetime.now(UTC).date()
    clf.save(tmp_path / "model.safetensors")
    for model in (clf, type(clf).load(tmp_path / "model.safetensors"), make_pipeline("passthrough", clf)):
        cf = counterfactuals(model, X[:2], immutable=["age"], actionability=Actionability(repair=lambda rows: rows))
        rules = {"immutable": ("age",), "repair": "<lambda>"}
        assert cf[:1].about == About(("no", "yes"), rules, clf.fitted_on_, accuracy)
    assert pickle.loads(pickle.dumps(cf)).about == cf.about  # without the function


def test_all_but_the_outliers_are_those_between_the_quantiles() -> None:
    clf, X, _ = mixed()
    income = X["income"].dropna().to_numpy()
    low, high = clf.counterfactuals(X[:1]).usual[list(X.columns).index("income")]
    assert (income < low).mean() <= 0.01 and (income > high).mean() <= 0.01
    assert np.isin([low, high], income).all() and low < high < income.max()


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"immutable": ["age", "job"]}, ["age and job must not change"]),
        ({"immutable": [1]}, ["age must not change"]),
        ({"immutable": [True, False, False]}, ["job must not change"]),
        ({"immutable": [[True, False, False]] * 2}, ["what must not change is told of each row"]),
        (
            {"immutable": pd.DataFrame({"age": [True], "pay": [False], "job": [False]}, ["x"])},
            ["what must not change is told of each row"],
        ),
        ({"mutable": ["age"]}, ["only age may change"]),
        ({"mutable": [False, False, False]}, ["nothing may change"]),
        ({"mutable": [[True, False, False]] * 2}, ["what may change is told of each row"]),
        ({"bounds": {"age": (pd.Series([20], ["x"]), None)}}, ["age has bounds of its own in each row"]),
        ({"bounds": {"age": (20, None), 2: (None, 9000.5)}}, ["age at least 20", "pay at most 9000.5"]),
        ({"bounds": {"age": (20, 60.0), "pay": (None, None)}}, ["age from 20 to 60"]),
        ({"bounds": {"pay": (np.float32(0.1), np.float32(1 / 3))}}, ["pay from 0.1 to 0.33333334"]),
        ({"bounds": {"pay": (0.1234130859375, 1 / 3)}}, ["pay from 0.1234130859375 to 0.333333333333333"]),
        ({"bounds": {"age": ([20, 30], None)}}, ["age has bounds of its own in each row"]),
        ({"monotonic_cst": {"age": 1, "pay": -1, "job": 0}}, ["age may only rise", "pay may only fall"]),
        ({"monotonic_cst": [0, 1, 1]}, ["age and pay may only rise"]),
        ({"max_changes": 3}, ["at most 3 columns may change"]),
        ({"target_probability": 0.9}, ["the probability of the target is 0.9 or more"]),
        ({"allowed_categories": {"job": ["clerk", None]}}, ["job only clerk or missing"]),
        (
            {"allowed_transitions": {"job": {"clerk": ["nurse", "pilot"], "pilot": []}}},
            ["job clerk may become nurse or pilot", "job pilot must stay"],
        ),
        ({"allowed_values": {"age": [20, 30.5], "pay": [9000]}}, ["age only 20 or 30.5", "pay only 9000"]),
        ({"resolution": {"pay": 0.05}}, ["a new pay is a multiple of 0.05"]),
        ({"relations": [({"pay": 1, "age": -100.5}, 0)]}, ["1 \u00d7 pay + -100.5 \u00d7 age is at most 0"]),
        ({"feature_weights": {"pay": np.float32(0.7)}}, ["a change of pay counts 0.7 times"]),
        ({"feature_weights": {"pay": 2}}, ["a change of pay counts 2 times"]),
        ({"repair": pd.DataFrame}, ["each row went through a function of the one who asked"]),
        ({}, []),
    ],
    ids=str,
)
def test_every_rule_is_told_in_words(rules: dict[str, Any], told: list[str]) -> None:
    X = pd.DataFrame({"job": ["clerk"], "age": [40], "pay": [2000.0]})
    columns = ComparedColumn.all_of(result(X, X))
    assert rules_in_words(Actionability(**rules)._plain(), columns) == told


def test_rules_and_ranges_are_told_in_the_words_of_the_result() -> None:
    X = pd.DataFrame({"job": ["clerk"], "pay": [20000.0]})
    cf = dataclasses.replace(result(X, X.assign(pay=30000.0)), ranges=np.array([[np.nan, np.nan], [0.0, 90000.0]]))
    about = About(("no", "yes"), {"immutable": ("job",), "bounds": {"pay": (None, 75000.5)}})
    cf = dataclasses.replace(cf, about=about).with_words(labels={"pay": "Salary"}, units={"pay": "EUR"})
    content = page_content(cf)
    assert content["about"][-1] == ("Rules", ["job must not change", "Salary at most 75,000.5 EUR"])
    assert content["features"][1] == {"name": "Salary", "range": ["seen in training", "0", "90,000 EUR"]}
    assert content["rows"][0]["values"] == ["clerk", "20,000 EUR"]


# ----------------------------------------------------------------------------------------------------- hostile text

PIECES = st.sampled_from([*"<>&\"'\\/!-$`", "script", "style", "noscript", "\u2028", "\ud800", "\x00", "\r"])
TEXT = st.lists(PIECES | st.characters(categories=None), max_size=12).map("".join)


def test_no_text_of_the_table_becomes_markup() -> None:
    expected = read(hostile(["a", "b", *map(str, range(10))])).tags
    reader = read(hostile(HOSTILE), title=HOSTILE[1])
    assert reader.tags == expected
    assert [feature["name"] for feature in reader.content["features"]] == [isolated(plain(name)) for name in HOSTILE]


@given(st.lists(TEXT, min_size=2, max_size=4, unique=True))
def test_whatever_a_name_is_it_comes_back_on_one_line(names: list[str]) -> None:
    reader = read(hostile(names), title=names[1])
    assert reader.tags.count("script") == 3 and reader.tags.count("style") == 1
    content = reader.content
    told = [isolated(plain(name)) for name in names]
    assert [feature["name"] for feature in content["features"]] == told
    assert content["targets"] == [told[0]] and content["rows"][0]["prediction"] == told[0]
    assert content["rows"][0]["values"] == [plain(name) for name in names]


@pytest.mark.parametrize("text", ["wage", "", "größer 10 %", "収入", "🦊"])
def test_text_from_left_to_right_stays_bare(text: str) -> None:
    assert isolated(text) == text


@pytest.mark.parametrize(
    ("text", "inside"), [("הכנסה", "הכנסה"), ("دخل", "دخل"), ("a\u202eb", "ab"), ("\u2069a\u2067", "a")]
)
def test_text_keeps_its_direction_to_itself(text: str, inside: str) -> None:
    assert isolated(text) == f"\u2068{inside}\u2069"
    sentence = result(pd.DataFrame({text: [1]}), pd.DataFrame({text: [2]}))
    assert page_content(sentence)["rows"][0]["answers"][0]["sentence"].startswith(f"\u2068{inside}\u2069 1 → 2 would")
