"""Pictures of two-column classifiers and of training: what the estimator says, in signs that need no colour."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import FAST, fitted, iris, mixed
from _pictures import collisions, interpreted, result, texts
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import DecisionMapDisplay, HistoryDisplay, HyConExClassifier, counterfactuals

pytest.importorskip("matplotlib").use("agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.collections import PathCollection  # noqa: E402
from matplotlib.contour import ContourSet  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.quiver import Quiver  # noqa: E402

__all__ = ["short_searches"]  # a fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("short_searches"),
]
NAMES = ["_petal $length$", "petal_width in % of what was expected of a petal of such a length"]
LABELS = np.array(["$setosa$", "_versicolor", "virginica"])


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@cache
def petals() -> tuple[HyConExClassifier, pd.DataFrame, np.ndarray]:
    """Estimator, table and labels of two columns of iris, under names that look like mathematics."""
    X, y = load_iris(return_X_y=True)
    X, y = pd.DataFrame(X[:, 2:], columns=pd.Index(NAMES)), LABELS[y]
    return fitted(X, y), X, y


def drawn(ax: Any, kind: type) -> list[Any]:
    return [artist for artist in ax.collections if isinstance(artist, kind)]


# ------------------------------------------------------------------------------------------------------------ the map


def test_regions_are_those_of_the_predictions() -> None:
    clf, X, y = petals()
    display = DecisionMapDisplay.from_estimator(clf, X, y=y, grid_resolution=15)
    assert display.probability.shape == (15, 15, 3)
    grid = pd.DataFrame({NAMES[0]: display.xx0.ravel(), NAMES[1]: display.xx1.ravel()})
    np.testing.assert_array_equal(np.array(display.classes)[display.probability.argmax(2).ravel()], clf.predict(grid))
    assert display.xx0.min() < X[NAMES[0]].min() and display.xx1.max() > X[NAMES[1]].max()
    filled = [shape for shape in drawn(display.ax_, ContourSet) if shape.filled]
    assert len({shape.hatches[0] for shape in filled}) == len(filled) == len(np.unique(clf.predict(grid)))


@pytest.mark.parametrize("labels", ["given", "predicted"])
def test_rows_are_marked_by_their_class(labels: str) -> None:
    clf, X, y = petals()
    given = y[::-1] if labels == "given" else None  # wrong ones, so that it shows whose they are
    display = DecisionMapDisplay.from_estimator(clf, X, y=given, grid_resolution=10)
    own = clf.predict(X) if given is None else given
    marks = drawn(display.ax_, PathCollection)
    for label, points in zip(LABELS, marks, strict=True):
        np.testing.assert_array_equal(points.get_offsets(), X[own == label])
    assert len({points.get_paths()[0].vertices.tobytes() for points in marks}) == 3  # markers differ


def test_contours_enclose_the_rows_of_their_class() -> None:
    clf, X, y = petals()
    display = DecisionMapDisplay.from_estimator(clf, X, y=y, grid_resolution=40)
    assert display.log_density is not None
    for k, label in enumerate(LABELS):
        own = clf.score_samples(X)[y == label, k]
        inside = [(own >= level).mean() for level in display.levels[k]]
        assert inside == pytest.approx([0.9, 0.5], abs=0.05)  # some rows lie on one another
    lines = [shape for shape in drawn(display.ax_, ContourSet) if not shape.filled and len(shape.levels) == 2]
    assert len({str(shape.get_linestyle()) for shape in lines}) == len(lines) == 3


def test_arrows_lead_from_rows_to_counterfactuals_and_are_hollow_where_not_certified() -> None:
    clf, X, y = petals()
    before, after = X[:4].reset_index(drop=True), X[50:54].reset_index(drop=True)
    after.iloc[3] = before.iloc[3]  # nothing to draw
    cf = result(before, after, status=["ok", "unsure", "ok", "already_target"])
    display = DecisionMapDisplay.from_estimator(clf, X, y=y, counterfactuals=cf, grid_resolution=10)
    sure, unsure = drawn(display.ax_, Quiver)
    for arrows, rows in ((sure, [0, 2]), (unsure, [1])):
        np.testing.assert_allclose(arrows.get_offsets(), before.to_numpy()[rows])
        moves = (after - before).to_numpy()[rows]
        np.testing.assert_allclose(np.column_stack([arrows.U, arrows.V]), moves)
    assert sure.get_facecolor()[0].tolist() == [0, 0, 0, 1] and unsure.get_facecolor()[0].tolist() == [1, 1, 1, 1]
    assert {"counterfactual", "counterfactual,\nnot certified"} <= set(texts(display.ax_))


def test_what_is_predicted_need_not_be_the_most_probable() -> None:
    X = np.random.default_rng(0).normal(size=(80, 2))
    clf = FixedThresholdClassifier(LogisticRegression(), threshold=0.95).fit(X, X[:, 0] > 0)
    display = DecisionMapDisplay.from_estimator(clf, X, grid_resolution=20)
    region = [shape for shape in drawn(display.ax_, ContourSet) if shape.filled][1]  # of True
    left = min(path.vertices[:, 0].min() for path in region.get_paths())
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert left == pytest.approx(grid[clf.predict(grid), 0].min(), abs=np.diff(display.xx0[0])[0])
    marks = drawn(display.ax_, PathCollection)
    assert [len(points.get_offsets()) for points in marks] == [(~clf.predict(X)).sum(), clf.predict(X).sum()]


def test_the_legend_tells_of_contours_only_where_there_are_any() -> None:
    clf, X, y = petals()
    few = DecisionMapDisplay.from_estimator(clf, X[::20], y=y[::20], grid_resolution=10)
    assert few.log_density is not None and not any("90 %" in text for text in texts(few.ax_))
    some = DecisionMapDisplay.from_estimator(clf, X[:55], y=y[:55], grid_resolution=10)
    lines = [handle.get_linestyle() for handle in some.ax_.get_legend().findobj(Line2D)]
    assert any("90 %" in text for text in texts(some.ax_)) and lines[1:3] == ["None", "None"]


def test_counterfactuals_beyond_the_rows_are_on_the_map() -> None:
    clf, X, _ = petals()
    far = pd.DataFrame([[30.0, -20.0]], columns=pd.Index(NAMES))
    display = DecisionMapDisplay.from_estimator(clf, X, counterfactuals=result(X[:1], far), grid_resolution=5)
    assert display.ax_.get_xlim()[1] > 30 and display.ax_.get_ylim()[0] < -20


def test_a_pipeline_is_asked_in_the_units_of_its_table() -> None:
    _, X, y = petals()
    scaler = StandardScaler().fit(X)
    pipe = make_pipeline(scaler, fitted(scaler.transform(X), y))
    cf = counterfactuals(pipe, X[:3])
    display = DecisionMapDisplay.from_estimator(pipe, X, counterfactuals=cf, grid_resolution=12)
    assert display.log_density is not None and len(drawn(display.ax_, Quiver)) >= 1
    grid = pd.DataFrame({NAMES[0]: display.xx0.ravel(), NAMES[1]: display.xx1.ravel()})
    np.testing.assert_array_equal(display.probability.reshape(-1, 3), pipe.predict_proba(grid))


def test_a_classifier_without_densities_has_no_contours() -> None:
    _, X, y = petals()
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, y)
    display = DecisionMapDisplay.from_estimator(search, X, grid_resolution=10)
    assert display.log_density is None
    assert not any("90 %" in text for text in texts(display.ax_))


def test_names_and_labels_are_written_as_they_are_and_do_not_overlap() -> None:
    clf, X, y = petals()
    display = DecisionMapDisplay.from_estimator(clf, X, y=y, grid_resolution=10)
    said = texts(display.ax_)
    assert {"_petal $length$", *LABELS} <= set(said)
    assert any("…" in text for text in said)  # of the long name
    assert not collisions(display.figure_) and not interpreted(display.figure_)


def test_ten_classes_have_ten_signs() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), np.arange(200) % 10
    clf = LogisticRegression().fit(X + 9 * y[:, None] % 7, y)
    display = DecisionMapDisplay.from_estimator(clf, X, y=y, grid_resolution=9)
    marks = drawn(display.ax_, PathCollection)
    assert len({(m.get_paths()[0].vertices.tobytes(), m.get_facecolor().tobytes()) for m in marks}) == 10
    assert not collisions(display.figure_)
    assert [f"class {k}" for k in range(10)] == [text for text in texts(display.ax_) if text.startswith("class")]


def test_rows_with_gaps_are_left_out_and_whole_numbers_are_fine() -> None:
    X = pd.DataFrame({"a": pd.array([*range(38), None, 5], dtype="Int64"), "b": np.arange(40.0)})
    clf = fitted(X, np.arange(40) % 2)
    display = DecisionMapDisplay.from_estimator(clf, X, y=np.arange(40) % 2, grid_resolution=5)
    assert sum(len(points.get_offsets()) for points in drawn(display.ax_, PathCollection)) == 39


def test_the_axes_that_are_given_are_drawn_on() -> None:
    clf, X, _ = petals()
    figure, axes = plt.subplots(1, 2)
    display = DecisionMapDisplay.from_estimator(clf, X, grid_resolution=5, ax=axes[1])
    assert display.ax_ is axes[1] and display.figure_ is figure and not axes[0].collections


class Unasked(BaseEstimator):
    """A classifier that nobody may ask."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> Any:
        raise AssertionError("asked")

    def predict_proba(self, X: Any) -> Any:
        raise AssertionError("asked")


TWO = np.zeros((5, 2))


@pytest.mark.parametrize(
    ("X", "options", "error", "message"),
    [
        (np.zeros((5, 3)), {}, ValueError, r"X has shape \(5, 3\); expected \(n, 2\)"),
        (np.zeros(5), {}, ValueError, r"X has shape \(5,\); expected \(n, 2\)"),
        (pd.DataFrame({"a": [1.0], "job": ["x"]}), {}, ValueError, "Column 'job' of X holds string values"),
        (pd.DataFrame({"a": [1.0], "b": [True]}), {}, ValueError, "Column 'b' of X holds boolean values"),
        (TWO, {"counterfactuals": result(np.zeros((1, 3)), np.ones((1, 3)))}, ValueError, "counterfactuals has shape"),
        (
            pd.DataFrame(TWO, columns=["a", "b"]),
            {"counterfactuals": result(*[pd.DataFrame(TWO, columns=["b", "a"])] * 2)},
            ValueError,
            r"counterfactuals has the columns \['b', 'a'\], but X has \['a', 'b'\]",
        ),
        (TWO, {"counterfactuals": "these"}, TypeError, "counterfactuals is a str"),
        (TWO, {"y": [0, 1]}, ValueError, r"y has shape \(2,\), but X has 5 rows"),
        (TWO, {"y": [0, 1, 0, 1, 7]}, ValueError, "y holds 7, which is none of the classes"),
        (TWO, {"grid_resolution": 1}, ValueError, "grid_resolution must be an integer >= 2, got 1"),
        (TWO, {"grid_resolution": True}, ValueError, "grid_resolution must be"),
        (TWO, {"grid_resolution": 9.5}, ValueError, "grid_resolution must be"),
        (TWO * np.nan, {}, ValueError, "X has no row without gaps"),
        (TWO[:0], {}, ValueError, "X has no row without gaps"),
    ],
)
def test_what_cannot_be_mapped_is_told_before_any_work(X: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        DecisionMapDisplay.from_estimator(Unasked(), X, **options)


def test_a_classifier_that_is_not_fitted_is_told() -> None:
    for estimator in (HyConExClassifier(), LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        with pytest.raises(NotFittedError):
            DecisionMapDisplay.from_estimator(estimator, TWO)


def test_a_classifier_without_probabilities_is_refused() -> None:
    with pytest.raises(TypeError, match="Perceptron has no predict_proba"):
        DecisionMapDisplay.from_estimator(Perceptron(), TWO)


# --------------------------------------------------------------------------------------------------------- training


def line(axis: Any, label: str) -> list[float]:
    return next(drawn.get_ydata().tolist() for drawn in axis.lines if drawn.get_label() == label)


def test_each_phase_has_its_losses_and_the_joint_phase_its_counterfactuals() -> None:
    clf, *_ = iris()
    display = HistoryDisplay.from_estimator(clf)
    phases = list(dict.fromkeys(record["phase"] for record in clf.history_))
    assert len(display.axes_) == len(phases) + 2 == 6
    for number, (axis, phase) in enumerate(zip(display.axes_[:-2], phases, strict=True)):
        own = [record for record in clf.history_ if record["phase"] == phase]
        assert axis.get_title().startswith(f"{number + 1}. ")
        assert line(axis, "training rows") == [record["train_loss"] for record in own]
        assert line(axis, "held-out rows") == [record["valid_loss"] for record in own]
    joint = [record for record in clf.history_ if record["phase"] == "joint"]
    for name, axis in (("valid", display.axes_[-2]), ("plausible", display.axes_[-2]), ("distance", display.axes_[-1])):
        assert line(axis, name) == [record[name] for record in joint]
    styles = [drawn.get_linestyle() for drawn in display.axes_[0].lines[:2]]
    assert styles == ["-", "--"]
    assert not collisions(display.figure_)


def test_the_kept_epoch_is_marked_where_it_is_known() -> None:
    clf, *_ = iris()
    display = HistoryDisplay.from_estimator(make_pipeline(StandardScaler(), clf))
    kept = next(record for record in clf.history_ if record["phase"] == "density" and record.get("kept"))
    star = next(drawn for drawn in display.axes_[0].lines if drawn.get_marker() == "*")
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (kept["epoch"], kept["valid_loss"])
    forgotten = [{name: value for name, value in record.items() if name != "kept"} for record in clf.history_]
    plain = HistoryDisplay(forgotten).plot()
    assert not any(drawn.get_marker() == "*" for axis in plain.axes_ for drawn in axis.lines)


def test_a_plain_classifier_has_two_pictures() -> None:
    _, X, y = iris()
    nothing = {"alpha_validity": 0, "alpha_proximity": 0, "alpha_plausibility": 0}
    display = HistoryDisplay.from_estimator(fitted(X, y, **nothing))
    assert [axis.get_title() for axis in display.axes_] == ["1. density", "2. classifier"]
    assert len(display.figure_.axes) == 2


def test_a_phase_that_time_cut_short_says_so() -> None:
    record = {"phase": "density", "epoch": 0, "train_loss": 1.0, "valid_loss": 2.0, "stopped": "max_time"}
    axis = HistoryDisplay([record]).plot().axes_[0]
    assert axis.get_ylabel() == "loss (stopped: max_time)" and line(axis, "training rows") == [1.0]


def test_the_axes_that_are_given_hold_the_history() -> None:
    clf, *_ = iris()
    figure, axes = plt.subplots(2, 3)
    display = HistoryDisplay.from_estimator(clf, ax=axes)
    assert display.figure_ is figure and display.axes_.tolist() == axes.ravel().tolist()
    with pytest.raises(ValueError, match="ax holds 4 axes; expected 6"):
        HistoryDisplay.from_estimator(clf, ax=axes[:, :2])


def test_a_history_that_cannot_be_drawn_is_told() -> None:
    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(HyConExClassifier(**FAST))
    with pytest.raises(TypeError, match="LogisticRegression has no method counterfactuals"):
        HistoryDisplay.from_estimator(LogisticRegression())
    with pytest.raises(ValueError, match="no epoch to draw"):
        HistoryDisplay([]).plot()


@pytest.mark.parametrize("name", ["DecisionMapDisplay", "HistoryDisplay"])
def test_without_matplotlib_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    display: Any = HistoryDisplay.from_estimator(mixed()[0])
    if name == "DecisionMapDisplay":
        clf, X, _ = petals()
        display = DecisionMapDisplay.from_estimator(clf, X, grid_resolution=5)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{name} needs matplotlib.*pip install 'hyconex-sklearn\[plot\]'"):
        display.plot()


@pytest.mark.very_slow
def test_the_guide_to_pictures_runs(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "2_guides" / "pictures.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2]), "MPLBACKEND": "agg"}
    command = [sys.executable, str(script), "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.png"))) == 6
