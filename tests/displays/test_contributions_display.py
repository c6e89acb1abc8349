"""The picture of what a prediction rests on: what its bars say, that they add up, and whom it compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from _models import fitted, iris, mixed
from _pictures import bars, collisions, texts
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from hyconex_sklearn import ContributionsDisplay, HyConExClassifier

pytest.importorskip("matplotlib").use("agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Glyph .* missing from"),  # matplotlib's own font has no Chinese letters
]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def by_hand(**options: Any) -> ContributionsDisplay:
    """Three classes, of which the first is predicted and the last comes next, and four columns."""
    return ContributionsDisplay(
        np.array([[2.0, -1.0, 0.25, 0.5], [9.0, 9.0, 9.0, 9.0], [-1.0, 0.5, 0.0, 0.0]]),
        np.array([1.0, 5.0, 2.0]),
        np.array([0.7, 0.1, 0.2]),
        classes=["yes", "perhaps", "no"],
        feature_names=["a", "b", "c", "d"],
        values=[1, "x", None, 0.12345678],
        **options,
    )


@pytest.mark.parametrize("name", ["iris", "mixed"])
def test_bars_add_up_to_the_log_odds_of_the_row(name: str) -> None:
    clf, X, _ = iris() if name == "iris" else mixed()
    for row in (0, 77):
        probability = clf.predict_proba(X[row : row + 1])[0]
        first, *others = np.argsort(-probability)
        for other in others:
            display = ContributionsDisplay.from_estimator(clf, X, row=row, against=clf.classes_[other])
            logits = display.contributions.sum(1) + display.baseline
            log_odds = np.log(probability[first] / probability[other])
            told = logits[first] - logits[other]
            assert told == pytest.approx(log_odds, abs=1e-2)
            said = texts(display.ax_)
            assert any(text.endswith(f"log-odds {told:+.2f}") for text in said)
            label = row if name == "iris" else X.index[row]
            assert any(text.startswith(f"Row {label}, predicted") for text in said)
            widths = np.array([bar.get_width() for bar in bars(display.ax_)])
            start = display.baseline[first] - display.baseline[other]
            assert widths.sum() / widths[-1] == pytest.approx(log_odds / start, rel=1e-2)  # the start is the last bar


def test_each_bar_is_a_difference_of_two_classes_and_its_sign_needs_no_colour() -> None:
    display = by_hand(max_features=2).plot()
    widths = np.array([bar.get_width() for bar in bars(display.ax_)])
    np.testing.assert_allclose(widths / widths[0], np.array([3.0, -1.5, 0.75, -1.0]) / 3.0)
    said = texts(display.ax_)
    assert {"+3.00", "-1.50", "+0.75", "-1.00", "2 other columns", "the start", "yes against no"} <= set(said)
    assert "probability 0.70 against 0.20: log-odds +1.25" in said
    assert [bool(bar.get_hatch()) for bar in bars(display.ax_)] == [False, True, False, True]


def test_the_other_class_is_the_second_most_probable_one_or_the_one_asked_for() -> None:
    assert "yes against no" in texts(by_hand().plot().ax_)
    display = by_hand(against="perhaps").plot()
    assert "yes against perhaps" in texts(display.ax_)
    assert bars(display.ax_)[-1].get_width() < 0  # of the typical row, perhaps is more probable
    display.against = "no"
    assert "yes against no" in texts(display.plot().ax_)


def test_the_note_tells_what_a_bar_means() -> None:
    note = " ".join(texts(by_hand().plot().ax_))
    for told in (
        "adds to the log-odds of yes against no",
        "the median of each number and the most frequent level of each category",
        "all bars add up to +1.25",
        "not what would have to change, and not what causes what",
    ):
        assert told in note


def test_columns_that_have_no_bar_of_their_own_are_one_bar() -> None:
    clf, X, _ = mixed()
    few, all_ = (ContributionsDisplay.from_estimator(clf, X, row=1, max_features=most) for most in (2, 7))
    assert "5 other columns" in texts(few.ax_) and not any("other column" in text for text in texts(all_.ax_))
    assert len(bars(few.ax_)) == 4 and len(bars(all_.ax_)) == 8
    sums = [sum(bar.get_width() for bar in bars(each.ax_)) / bars(each.ax_)[-1].get_width() for each in (few, all_)]
    assert sums[0] == pytest.approx(sums[1])


def test_cells_stand_beside_their_columns() -> None:
    clf, X, _ = mixed()
    row = int(np.flatnonzero(X["income"].isna())[0])
    display = ContributionsDisplay.from_estimator(clf, X, row=row)
    assert {"income", "missing", "job", str(X["job"].iloc[row]), str(X["age"].iloc[row])} <= set(texts(display.ax_))
    assert not collisions(display.figure_)


@pytest.mark.parametrize(
    ("against", "message"),
    [
        ("virginica", r"against is 'virginica', which is no class; the classes are 0, 1, 2"),
        (["a", "list"], r"against is \['a', 'list'\], which is no class"),
        (np.int64(0), r"against is 0, which is the predicted class of row 3; expected one of the others, 1, 2"),
        (0, r"leave it out|Leave it out"),
    ],
)
def test_a_class_that_is_not_there_or_predicted_is_told_before_the_work(against: Any, message: str) -> None:
    clf, X, _ = iris()
    with patch.object(HyConExClassifier, "contributions") as work, pytest.raises(ValueError, match=message):
        ContributionsDisplay.from_estimator(clf, X, row=3, against=against)
    work.assert_not_called()


def test_columns_behind_a_pipeline_have_the_names_behind_its_steps() -> None:
    X, y = pd.DataFrame({"n": np.arange(60.0), "t": ["a", "b", "c"] * 20}), np.repeat(["no", "yes"], 30)
    steps = make_column_transformer((StandardScaler(), ["n"]), (OneHotEncoder(sparse_output=False), ["t"]))
    pipe = make_pipeline(steps, fitted(steps.fit_transform(X), y)).fit(X, y)
    names = ContributionsDisplay.from_estimator(pipe, X, row=3).feature_names
    assert names == ["standardscaler__n", "onehotencoder__t_a", "onehotencoder__t_b", "onehotencoder__t_c"]
    nameless = make_pipeline(FunctionTransformer(np.asarray, feature_names_out=None), pipe[-1])
    assert ContributionsDisplay.from_estimator(nameless, steps.transform(X)).feature_names == ["x0", "x1", "x2", "x3"]
