"""The picture of a row's own classifier: what its bars say, and that they add up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import fitted, iris, mixed
from _pictures import bars, texts
from scipy.special import softmax
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from hyconex_sklearn import LocalWeightsDisplay

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


@pytest.mark.parametrize("name", ["iris", "mixed"])
def test_bars_add_up_to_what_is_predicted(name: str) -> None:
    clf, X, _ = iris() if name == "iris" else mixed()
    n_classes = len(clf.classes_)
    for row in (0, 77):
        display = LocalWeightsDisplay.from_estimator(clf, X, row=row)
        total = display.contributions.sum(1) + display.intercept
        expected = clf.predict_proba(X[row : row + 1])[0]
        np.testing.assert_allclose(softmax(total * (n_classes - 1) / n_classes), expected, atol=1e-4)
        if n_classes == 2:  # then it is the log-odds
            assert total[1] == pytest.approx(np.log(expected[1] / expected[0]), abs=1e-2)
        best = clf.predict(X[row : row + 1])[0]
        assert any(text.startswith(f"Row {row}, predicted") and text.endswith(str(best)) for text in texts(display.ax_))


def test_each_bar_is_the_contribution_and_its_sign_needs_no_colour() -> None:
    terms = np.array([[3.0, -1.5, 0.25, 0.5]])
    display = LocalWeightsDisplay(
        np.vstack([terms, -terms]),
        np.array([1.0, -1.0]),
        np.array([0.9, 0.1]),
        classes=["yes", "no"],
        feature_names=["a", "b", "c", "d"],
        values=[1, "x", None, 0.12345678],
        max_features=2,
    ).plot()
    widths = np.array([bar.get_width() for bar in bars(display.ax_)])
    np.testing.assert_allclose(widths / widths[0], np.array([3.0, -1.5, 0.75, 1.0]) / 3.0)
    said = texts(display.ax_)
    assert {"+3.00", "-1.50", "+0.75", "+1.00", "2 other columns", "intercept", "for yes"} <= set(said)
    assert "for no" not in said  # of two classes, the other one says the same
    assert [bool(bar.get_hatch()) for bar in bars(display.ax_)] == [False, True, False, False]


def test_columns_that_have_no_bar_of_their_own_are_one_bar() -> None:
    clf, X, _ = mixed()
    few, all_ = (LocalWeightsDisplay.from_estimator(clf, X, row=1, max_features=most) for most in (2, 7))
    assert "5 other columns" in texts(few.ax_) and not any("other column" in text for text in texts(all_.ax_))
    widths = np.array([bar.get_width() for bar in bars(few.ax_)])
    shown = few.probability.argmax()
    total = few.contributions[shown].sum() + few.intercept[shown]
    assert widths.sum() / widths[-1] == pytest.approx(total / few.intercept[shown])  # the intercept is the last bar
    assert len(bars(few.ax_)) == 4 and len(bars(all_.ax_)) == 8


def test_cells_stand_beside_their_columns() -> None:
    clf, X, _ = mixed()
    row = int(np.flatnonzero(X["income"].isna())[0])
    said = texts(LocalWeightsDisplay.from_estimator(clf, X, row=row).ax_)
    assert {"income", "missing", "job", str(X["job"].iloc[row]), str(X["age"].iloc[row])} <= set(said)


def test_weights_behind_a_pipeline_have_the_names_behind_its_steps() -> None:
    X, y = pd.DataFrame({"n": np.arange(60.0), "t": ["a", "b", "c"] * 20}), np.repeat(["no", "yes"], 30)
    steps = make_column_transformer((StandardScaler(), ["n"]), (OneHotEncoder(sparse_output=False), ["t"]))
    pipe = make_pipeline(steps, fitted(steps.fit_transform(X), y)).fit(X, y)
    names = LocalWeightsDisplay.from_estimator(pipe, X, row=3).feature_names
    assert names == ["standardscaler__n", "onehotencoder__t_a", "onehotencoder__t_b", "onehotencoder__t_c"]
    nameless = make_pipeline(FunctionTransformer(np.asarray, feature_names_out=None), pipe[-1])
    assert LocalWeightsDisplay.from_estimator(nameless, steps.transform(X)).feature_names == ["x0", "x1", "x2", "x3"]
