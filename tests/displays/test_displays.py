"""Pictures of counterfactuals and of a row's own classifier: what they say, where, and that it can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import fitted, iris, mixed
from _pictures import bars, collisions, interpreted, result, several, texts, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import ContributionsDisplay, CounterfactualDisplay, Counterfactuals, counterfactuals
from hyconex_sklearn.displays._style import labels_of, shorten_middle

pytest.importorskip("matplotlib").use("agg")
import matplotlib.pyplot as plt  # noqa: E402

__all__ = ["short_searches"]  # a fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Glyph .* missing from"),  # matplotlib's own font has no Chinese letters
    pytest.mark.usefixtures("short_searches"),
]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


# ------------------------------------------------------------------------------------------------------------- one row


def test_one_row_tells_every_change_of_the_report_and_nothing_else() -> None:
    cf = several()
    for row in cf.report["row"].unique()[:6]:
        part = cf[(cf.report["row"] == row).to_numpy()]
        display = CounterfactualDisplay.from_counterfactuals(cf, row=row)
        said = texts(display.ax_)
        assert sum(" → " in text and "probability" not in text for text in said) == len(part.changes())
        assert set(part.changes()["feature"]) <= set(said)
        assert f"Row {part.row_names[0]}, predicted {part.prediction_before[0]}" in said
        assert f"to {part.report['target'].iloc[0]}" in said


def test_a_number_moves_on_the_range_that_fit_has_seen() -> None:
    X = np.array([[20.0, 0.0]])
    cf = result(X, np.array([[30.0, -5.0]]), ranges=np.array([[0.0, 100.0], [-10.0, 10.0]]))
    display = CounterfactualDisplay.from_counterfactuals(cf)
    assert {"20 → 30", "0 to 100", "0 → -5", "-10 to 10", "probability 0.20 → 0.80", "certified"} <= set(
        texts(display.ax_)
    )
    marks = {line.get_marker(): line.get_xdata()[0] for line in display.ax_.lines if line.get_marker() in "<>"}
    tracks = [line.get_xdata() for line in display.ax_.lines if line.get_color() == "0.75"]
    shares = {sign: (x - tracks[0][0]) / (tracks[0][1] - tracks[0][0]) for sign, x in marks.items()}
    assert shares == {">": pytest.approx(0.3), "<": pytest.approx(0.25)}  # signs that need no colour


@pytest.mark.parametrize("ranges", [None, np.array([[0.0, 1.0]])])
def test_a_number_outside_the_known_range_stays_in_its_panel(ranges: Any) -> None:
    display = CounterfactualDisplay.from_counterfactuals(result(np.array([[7.0]]), np.array([[-3.0]]), ranges=ranges))
    places = [x for line in display.ax_.lines for x in line.get_xdata()]
    assert min(places) >= 0 and max(places) <= 1
    said = texts(display.ax_)
    if ranges is None:
        assert "-3 to 7" in said and not any("fit has seen" in text for text in said)
        return
    assert {"0 to 1", "thick line: what fit has seen"} <= set(said)
    assert any(text.endswith("on the range that fit has seen") for text in said)
    thin, thick = (line.get_xdata() for line in display.ax_.lines if line.get_color() == "0.75")
    width = thin[1] - thin[0]
    assert [(x - thin[0]) / width for x in thick] == pytest.approx([0.3, 0.4])  # of -3 to 7


def test_a_range_is_said_to_be_of_the_training_data_only_where_it_is_known() -> None:
    X, data = np.array([[0.5, 1.0]]), np.array([[2.5, 3.0]])
    some = texts(CounterfactualDisplay(result(X, data, ranges=np.array([[0, 9], [np.nan, np.nan]]))).plot().ax_)
    assert {"0 to 9", "cells: 1 to 3", "thick line: what fit has seen"} <= set(some)
    assert any(text.endswith("fit has seen, or else these cells span") for text in some)
    none = texts(CounterfactualDisplay(result(X, data, ranges=np.full((2, 2), np.nan))).plot().ax_)
    assert {"0.5 to 2.5", "1 to 3"} <= set(none) and any(text.endswith("these cells span") for text in none)
    assert not any("fit has seen" in text for text in none)


@pytest.mark.filterwarnings("error:constrained_layout not applied")  # for numbers with 300 digits
@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        ([2**53], [2**53 + 1], "up"),  # the same float64
        ([10**310, 1], [1, 10**310], "both"),
        ([1, 1.7e308], [2, -1.7e308], "both"),
        ([np.float32(1), 1], [10**300, -(2**70)], "both"),
        ([True, 1.5], [False, 2.5], "other"),
    ],
)
def test_directions_are_those_of_the_cells_however_large(before: list[Any], after: list[Any], way: str) -> None:
    cf = result(*(pd.DataFrame({"a": pd.Series(cells, dtype=object)}) for cells in (before, after)))
    line = CounterfactualDisplay(replace(cf, report=cf.report.assign(row=range(len(cf)))), row=None).plot()
    if len(cf) == 1:
        assert [mark.get_marker() for mark in line.ax_.lines if mark.get_marker() in "<>"] == [">"]
        return
    expected = {"both": [0.5, 0.5, 0.0], "other": [0.0, 0.0, 1.0]}[way]
    assert line.shares_[["up", "down", "other"]].iloc[0].tolist() == expected
    CounterfactualDisplay(cf, row=0).plot()


def test_spans_beyond_float64_are_told_in_words() -> None:
    X, ranges = np.array([[1.0]]), np.array([[-1.7e308, 1.7e308]])
    said = texts(CounterfactualDisplay(result(X, X + 1, ranges=ranges)).plot().ax_)
    assert "1 → 2" in said and "1 to 2" in said


def test_cells_that_are_no_numbers_or_missing_are_told_in_words() -> None:
    original = pd.DataFrame({"job": ["clerk"], "home": [None], "income": [np.nan], "code": [1], "same": ["stays"]})
    data = pd.DataFrame({"job": ["nurse"], "home": ["owns"], "income": [12.5], "code": [3], "same": ["stays"]})
    ranges = np.array([[np.nan, np.nan]] * 2 + [[0.0, 50.0]] + [[np.nan, np.nan]] * 2)  # not told for numbers, too
    display = CounterfactualDisplay.from_counterfactuals(result(original, data, ranges=ranges))
    said = set(texts(display.ax_))
    assert {"clerk → nurse", "missing → owns", "missing → 12.5", "1 → 3", "0 to 50"} <= said
    assert "same" not in said and "stays" not in said


def test_all_targets_and_ranks_of_a_row_stand_side_by_side() -> None:
    X = np.zeros((3, 2))
    data = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    cf = result(X, data, row=5, target=["a", "b", "b"], rank=[0, 0, 1], prediction=["a", "b", "b"])
    display = CounterfactualDisplay.from_counterfactuals(cf)
    heads = {text.get_text(): text.get_position()[0] for text in display.ax_.texts}
    assert heads["to a"] < heads["to b, alternative 1"] < heads["to b, alternative 2"]
    assert display.ax_.get_xlim() == (0, 3)


@pytest.mark.parametrize(
    ("status", "words", "line"),
    [
        ("ok", "certified", "-"),
        ("fewer", "certified, and the last that was found", "-"),
        ("unsure", "not certified: less sure than it should be", ":"),
        ("implausible", "not certified: such rows are rare", ":"),
        ("not_valid", "no answer: predicted refused", ":"),
        ("infeasible", "no answer obeys the rules", ":"),
    ],
)
def test_an_answer_that_is_not_certified_is_dotted_and_says_so(status: str, words: str, line: str) -> None:
    cf = result(np.zeros((1, 1)), np.ones((1, 1)), status=status, prediction="refused")
    display = CounterfactualDisplay.from_counterfactuals(cf)
    said = texts(display.ax_)
    assert words in said and ("dotted: not certified" in said) == (line == ":")
    assert [drawn.get_linestyle() for drawn in display.ax_.lines if drawn.get_linewidth() == 2.2] == [line]


def test_a_row_without_changes_says_so() -> None:
    X = np.zeros((1, 2))
    display = CounterfactualDisplay.from_counterfactuals(result(X, X, status="already_target"))
    assert {"predicted so already", "No column changes."} <= set(texts(display.ax_))
    many = CounterfactualDisplay.from_counterfactuals(
        result(np.zeros((2, 2)), np.zeros((2, 2)), status="already_target")
    )
    assert "No column changes." in texts(many.ax_) and many.shares_.empty


def test_columns_beyond_max_features_are_counted() -> None:
    X = np.zeros((1, 9))
    data = np.arange(9.0)[None]  # the first does not change, the last changes most
    display = CounterfactualDisplay.from_counterfactuals(
        result(X, data, ranges=np.array([[0.0, 10.0]] * 9)), max_features=3
    )
    said = texts(display.ax_)
    assert {"x8", "x7", "x6", "and 5 more columns change"} <= set(said) and "x5" not in said


def test_only_the_row_that_is_asked_for_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X, _ = mixed()
    asked = []

    def ask(estimator: Any, rows: Any, **query: Any) -> Counterfactuals:
        asked.append(len(rows))
        return counterfactuals(estimator, rows, **query)

    monkeypatch.setattr("hyconex_sklearn.displays._counterfactual.ask", ask)
    display = CounterfactualDisplay.from_estimator(clf, X, row=-150, immutable=["age"])
    cf = display.counterfactuals
    assert asked == [1] and display.row == 10 and cf.report["row"].tolist() == [10]
    assert "age" not in cf.changes()["feature"].tolist()
    assert f"Row {X.index[10]}, predicted {clf.predict(X[10:11])[0]}" in texts(display.ax_)


def test_a_pipeline_is_drawn_in_the_units_of_its_table() -> None:
    _, X, y = iris()
    frame = pd.DataFrame(X, columns=["sepal length", "sepal width", "petal length", "petal width"])
    pipe = make_pipeline(StandardScaler(), fitted(StandardScaler().fit_transform(X), y)).fit(frame, y)
    display = CounterfactualDisplay.from_estimator(pipe, frame, row=0, target=1)
    change = display.counterfactuals.changes().iloc[0]
    low, high = frame[change["feature"]].agg(["min", "max"])
    said = texts(display.ax_)
    assert change["feature"] in said and f"{low:g} to {high:g}" in said and f"to class {1}" in said


# ----------------------------------------------------------------------------------------------------------- many rows


def test_shares_of_many_rows_are_those_of_the_changes() -> None:
    original = pd.DataFrame({"age": [30, 40, 50, 60], "job": ["a", "b", "a", "b"], "same": 1.0})
    data = original.assign(age=[35, 45, 40, 60], job=["b", "b", "a", "b"])
    display = CounterfactualDisplay.from_counterfactuals(result(original, data))
    table = display.shares_.set_index("feature")
    assert table.index.tolist() == ["age", "job"]  # the most often changed first
    assert table.loc["age", ["n", "up", "down", "other"]].tolist() == [4, 0.5, 0.25, 0.0]
    assert table.loc["job", ["n", "up", "down", "other"]].tolist() == [4, 0.0, 0.0, 0.25]
    assert table["exchange"].replace("", np.nan).dropna().index.tolist() == ["job"]
    assert {"75%", "25%", "rises", "falls", "4 counterfactuals", "all certified"} <= set(texts(display.ax_))
    room = max(bar.get_width() for bar in bars(display.ax_)) / 0.5
    assert sorted(bar.get_width() / room for bar in bars(display.ax_)) == pytest.approx([0.25, 0.25, 0.5])


def test_an_ordered_category_rises_and_falls() -> None:
    grades = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    original = pd.DataFrame({"grade": pd.Categorical(["low", "high", None], dtype=grades)})
    data = pd.DataFrame({"grade": pd.Categorical(["mid", "low", "low"], dtype=grades)})
    line = CounterfactualDisplay.from_counterfactuals(result(original, data)).shares_.iloc[0]
    assert line[["up", "down", "other"]].tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("ranges", [None, np.full((1, 2), np.nan)])
def test_numbers_rise_and_fall_without_a_known_range_and_codes_of_categories_do_not(ranges: Any) -> None:
    X, data = pd.DataFrame({"a": [1, 1, 3]}), pd.DataFrame({"a": [3, 3, 1]})
    for dtype, expected in (("int64", [2 / 3, 1 / 3, 0]), ("category", [0, 0, 1]), ("object", [2 / 3, 1 / 3, 0])):
        table = CounterfactualDisplay(result(X.astype(dtype), data.astype(dtype), ranges=ranges)).plot().shares_
        assert table[["up", "down", "other"]].iloc[0].tolist() == pytest.approx(expected)


def test_what_is_no_answer_does_not_count_and_is_told() -> None:
    X = np.zeros((6, 2))
    data = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1], [0, 0], [1, 0]])
    status = ["ok", "not_valid", "infeasible", "not_valid", "already_target", "unsure"]
    display = CounterfactualDisplay.from_counterfactuals(result(X, data, status=status))
    assert display.shares_[["feature", "n", "up"]].to_numpy().tolist() == [["x0", 2, 1.0]]
    said = texts(display.ax_)
    assert {"2 counterfactuals", "of them 1 not certified", "3 rows without an answer"} <= set(said)
    assert "1 row predicted so already" in said and "x1" not in said


def test_rows_without_an_answer_are_counted_once_and_only_where_nothing_was_found() -> None:
    report = {"row": [0, 0, 1, 1, 2], "rank": [0, 1, 0, 1, 0], "status": ["infeasible"] * 2 + ["ok", "not_valid", "ok"]}
    said = texts(CounterfactualDisplay(result(np.zeros((5, 1)), np.ones((5, 1)), **report)).plot().ax_)
    assert "1 row without an answer" in said and "2 counterfactuals" in said


def test_each_target_has_its_own_panel_and_shares() -> None:
    cf = result(np.zeros((4, 1)), np.array([[1.0], [-1], [-1], [0]]), target=["b", "a", "a", "b"])
    table = CounterfactualDisplay.from_counterfactuals(cf).shares_.set_index("target")
    assert table.loc["a", ["up", "down"]].tolist() == [0.0, 1.0]
    assert table.loc["b", ["up", "down"]].tolist() == [0.5, 0.0]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_shares_add_up_to_the_share_of_changed_cells(data: st.DataObject) -> None:
    m = data.draw(st.integers(2, 12))
    cells = st.lists(st.sampled_from([0.0, 1.0, -2.0, np.nan]), min_size=2 * m, max_size=2 * m)
    before, after = (np.reshape(data.draw(cells), (m, 2)) for _ in range(2))
    cf = result(before, after, target=data.draw(st.lists(st.sampled_from("abc"), min_size=m, max_size=m)))
    display = CounterfactualDisplay(cf).plot()
    plt.close(display.figure_)
    changes = cf.changes().groupby(["target", "feature"]).size()
    for line in display.shares_.to_dict("records"):
        total = line["up"] + line["down"] + line["other"]
        assert total * line["n"] == pytest.approx(changes.get((line["target"], line["feature"]), 0))


# ------------------------------------------------------------------------------------------------ what both must bear


def one_of(cf: Counterfactuals) -> Counterfactuals:
    return replace(cf, report=cf.report.assign(row=0))


PICTURES: dict[str, Any] = {
    "one row": lambda ax, most: CounterfactualDisplay(one_of(wide()), max_features=most).plot(ax),
    "many rows": lambda ax, most: CounterfactualDisplay(wide(), max_features=most).plot(ax),
    "contributions": lambda ax, most: ContributionsDisplay(
        np.random.default_rng(0).normal(size=(10, 30)) * np.logspace(-3, 2, 30),
        np.arange(10.0),
        np.full(10, 0.1),
        classes=[*wide().report["target"], True],
        feature_names=wide().feature_names,
        values=wide().data.iloc[0].tolist(),
        max_features=most,
    ).plot(ax),
}


@pytest.mark.parametrize("name", PICTURES)
def test_labels_do_not_overlap_whatever_they_are(name: str) -> None:
    display = PICTURES[name](None, 30)
    assert not collisions(display.figure_) and not interpreted(display.figure_)
    said = texts(display.ax_)
    assert {"$x_1$", "100 % of_it", "_hidden", "a name on two lines", "{brace}^\\alpha"} <= set(said)


@pytest.mark.parametrize("name", PICTURES)
def test_axes_that_are_given_are_used_and_their_text_fits(name: str) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(18, 12), layout="constrained")
    display = PICTURES[name](axes[1], 12)
    assert display.ax_ is axes[1] and display.figure_ is figure
    assert len(plt.get_fignums()) == 1 and not axes[0].texts
    assert not collisions(figure)


def test_pictures_of_one_column_are_pictures() -> None:
    for m in (1, 2, 3):  # the third rises, so that there is all of a legend
        for name in ("x", "income of the last year"):
            before, after = (pd.DataFrame({name: cells[:m]}) for cells in ([0.0, 0, 0], [-1.0, np.nan, 1]))
            assert not collisions(CounterfactualDisplay(result(before, after)).plot().figure_)


def test_directions_are_hatched_differently() -> None:
    cf = result(np.array([[0.0], [0.0], [np.nan]]), np.array([[1.0], [-1.0], [1.0]]))
    drawn = bars(CounterfactualDisplay.from_counterfactuals(cf).ax_)
    assert len({bar.get_hatch() for bar in drawn}) == len(drawn) == 3


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=90), st.integers(1, 60))
def test_a_shortened_text_keeps_its_ends(text: str, longest: int) -> None:
    short = shorten_middle(text, longest)
    assert short == text if len(text) <= longest else "…" in short
    if longest > 2:
        assert len(short) <= longest and short[:1] == text[:1] and short[-1:] == text[-1:]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab_ $", min_size=30, max_size=90), unique_by=lambda text: " ".join(text.split())))
def test_labels_tell_columns_apart(names: list[str]) -> None:
    labels = labels_of(names)
    assert len({" ".join(label.split()).replace(" ", "") for label in labels}) >= len(
        {name.replace(" ", "") for name in names}
    )
    assert all(len(line) <= 40 and label.count("\n") <= 1 for label in labels for line in label.split("\n"))


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("cf", "options", "error", "message"),
    [
        ("a result", {}, TypeError, r"counterfactuals is a str; .*from_estimator"),
        (result(np.zeros((2, 1)), np.zeros((2, 1)))[:0], {}, ValueError, "no counterfactual to draw"),
        (result(np.zeros((2, 1)), np.zeros((2, 1))), {"row": 7}, ValueError, r"no counterfactual of row 7.*rows 0, 1"),
        (result(np.zeros((2, 1)), np.zeros((2, 1))), {"row": True}, ValueError, r"no counterfactual of row True"),
        (result(np.zeros((2, 1)), np.zeros((2, 1))), {"max_features": 0}, ValueError, "max_features must be"),
        (result(np.zeros((2, 1)), np.zeros((2, 1))), {"max_features": True}, ValueError, "max_features must be"),
    ],
)
def test_what_cannot_be_drawn_is_told(cf: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CounterfactualDisplay.from_counterfactuals(cf, **options)


@pytest.mark.parametrize("display", [CounterfactualDisplay, ContributionsDisplay])
@pytest.mark.parametrize("row", [160, -161, "first", 0.5, True])
def test_a_row_that_is_not_there_is_told_before_any_work(display: Any, row: Any) -> None:
    clf, X, _ = mixed()
    with pytest.raises(ValueError, match=r"row is .*, but X has 160 rows; give a position from 0 to 159"):
        display.from_estimator(clf, X, row=row)


def test_contributions_of_what_has_none_are_refused() -> None:
    X, y = np.zeros((4, 2)), [0, 1, 0, 1]
    with pytest.raises(TypeError, match="LogisticRegression has no method counterfactuals"):
        ContributionsDisplay.from_estimator(LogisticRegression().fit(X, y), X)
    with pytest.raises(ValueError, match="max_features must be an integer >= 1, got 0"):
        ContributionsDisplay.from_estimator(iris()[0], iris()[1], max_features=0)
    display = ContributionsDisplay.from_estimator(iris()[0], iris()[1])
    display.max_features = -1
    with pytest.raises(ValueError, match="max_features must be an integer >= 1, got -1"):
        display.plot()
    with pytest.raises(ValueError, match="X has 1 dimension"):
        ContributionsDisplay.from_estimator(iris()[0], iris()[1][0])


@pytest.mark.parametrize("name", ["ContributionsDisplay", "CounterfactualDisplay"])
def test_without_matplotlib_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    displays = {
        "ContributionsDisplay": ContributionsDisplay.from_estimator(*iris()[:2]),
        "CounterfactualDisplay": CounterfactualDisplay(result(np.zeros((1, 1)), np.ones((1, 1)))),
    }
    display = displays[name]
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{name} needs matplotlib.*pip install 'hyconex-sklearn\[plot\]'"):
        display.plot()


def test_what_is_exchanged_is_told_and_how_often() -> None:
    homes = [("rents", "owns")] * 3 + [("rents", "parents"), ("owns", "owns")]
    original, data = (pd.DataFrame({"home": home, "age": 1}) for home in zip(*homes, strict=True))
    display = CounterfactualDisplay.from_counterfactuals(result(original, data.assign(age=2)))
    table = display.shares_.set_index("feature")
    assert table["exchange"].to_dict() == {"age": "", "home": "rents → owns (75%)"}
    assert {"rents → owns (75%)", "is exchanged"} <= set(texts(display.ax_))
    one = CounterfactualDisplay.from_counterfactuals(result(original[:3], data[:3]))
    assert one.shares_["exchange"].tolist() == ["rents → owns"] and "rents → owns" in texts(one.ax_)
