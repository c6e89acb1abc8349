"""The scorer that counts explanations beside predictions, in searches and alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_fits, short_searches
from _models import fast, iris, mixed, small_parts
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hyconex_sklearn import Counterfactuals, make_counterfactual_scorer
from hyconex_sklearn.metrics._scorer import _closeness, _explained

__all__ = ["short_fits", "short_searches", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_fits", "short_searches"),
]

TERMS = ["validity", "plausibility", "proximity", "accuracy"]


def only(*names: str, **more: Any) -> Any:
    return make_counterfactual_scorer(**{name: float(name in names) for name in TERMS}, **more)


def two_groups(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Two well separated groups on a line and a column that says nothing; classes 0 and 1."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.r_[rng.uniform(0, 1, n), rng.uniform(9, 10, n)], rng.uniform(0, 1, 2 * n)])
    return X, np.repeat([0, 1], n)


def answers(X: np.ndarray, data: np.ndarray, target: Any, valid: Any = True) -> Counterfactuals:
    """A result as a classifier would give it, of rows that the test chooses."""
    m = len(X)
    report = pd.DataFrame({"row": np.arange(m), "target": target, "rank": 0, "valid": valid, "status": "ok"})
    nothing = np.zeros(m)
    return Counterfactuals(
        data=data,
        original=X,
        report=report,
        feature_names=list(range(X.shape[1])),
        probability_before=nothing,
        prediction_before=nothing,
    )


# ------------------------------------------------------------------------------------------------- what terms mean


def test_a_move_as_long_as_that_to_a_real_row_has_proximity_one_half() -> None:
    X, y = np.array([[0.0], [0.0], [10.0], [10.0]]), np.array([0, 0, 1, 1])
    for way, expected in ((0.0, 1.0), (10.0, 0.5), (30.0, 0.25)):
        cf = answers(X[:2], X[:2] + way, target=[1, 1])
        assert _explained(cf, X, y, ["proximity"]) == {"proximity": pytest.approx(expected)}


def test_a_category_that_changes_counts_as_much_as_the_whole_range_of_a_number() -> None:
    X = np.array([[0.0, "a"], [0.0, "a"], [1.0, "b"], [1.0, "b"]], dtype=object)
    y = np.array([0, 0, 1, 1])
    number, label = X[:2].copy(), X[:2].copy()
    number[:, 0], label[:, 1] = 1.0, "b"
    scores = [_explained(answers(X[:2], data, [1, 1]), X, y, ["proximity"])["proximity"] for data in (number, label)]
    assert scores == pytest.approx([2 / 3, 2 / 3])


def test_proximity_does_not_depend_on_the_units_of_a_column() -> None:
    X, y = two_groups()
    cf = answers(X[:30], X[:30] + 4.0, target=[1] * 30)
    scaled = answers(X[:30] * 1000, (X[:30] + 4.0) * 1000, target=[1] * 30)
    one, other = _explained(cf, X, y, TERMS), _explained(scaled, X * 1000, y, TERMS)
    assert one == pytest.approx(other)


def test_rows_among_their_target_class_are_plausible_and_rows_between_the_classes_are_not() -> None:
    X, y = two_groups()
    among, between = X[30:], np.column_stack([np.full(30, 5.0), X[:30, 1]])
    assert _explained(answers(X[:30], among, [1] * 30), X, y, ["plausibility"])["plausibility"] > 0.7
    assert _explained(answers(X[:30], between, [1] * 30), X, y, ["plausibility"])["plausibility"] == 0


def test_an_answer_that_is_not_valid_counts_as_nothing_however_close() -> None:
    X, y = two_groups()
    unmoved = answers(X, X, target=1 - y, valid=False)
    assert _explained(unmoved, X, y, TERMS) == {"validity": 0, "plausibility": 0, "proximity": 0}
    usual = answers(X, X[::-1], target=1 - y, valid=False)  # among the rows of their target class
    assert _explained(usual, X, y, TERMS) == {"validity": 0, "plausibility": 0, "proximity": 0}
    half = answers(X, X, target=1 - y, valid=np.arange(60) % 2 == 0)
    assert _explained(half, X, y, ["validity", "proximity"]) == {"validity": 0.5, "proximity": 0.5}


def test_classes_that_are_missing_or_met_once_are_left_out_of_the_comparison() -> None:
    X, y = two_groups()
    target = np.r_[np.repeat(["one", "rare", "never"], 10), np.repeat("zero", 30)]
    labels = np.where(y == 0, "zero", "one")
    labels[5] = "rare"
    data = np.vstack([X[30:40], X[:20] + 1e6, X[:30]])
    only_comparable = np.r_[0:10, 30:60]
    told = _explained(answers(X, data, target), X, labels, TERMS)
    kept = answers(X[only_comparable], data[only_comparable], target[only_comparable])
    kept.report["row"] = only_comparable
    assert told == _explained(kept, X, labels, TERMS)


@pytest.mark.parametrize("labels", [["a"] * 60, ["a"] * 59 + ["b"]])
def test_where_nothing_can_be_compared_the_message_says_what_is_missing(labels: list[str]) -> None:
    X, _ = two_groups()
    cf = answers(X, X, target=["b"] * 60)
    with pytest.raises(ValueError, match=r"aim at \['b'\].*labels of the held-out rows.*'a'.*stratified"):
        _explained(cf, X, np.array(labels), ["plausibility"])
    assert _explained(cf, X, np.array(labels), ["validity"]) == {"validity": 1}


def test_identical_rows_of_both_classes_give_no_division_by_zero() -> None:
    X, y = np.ones((8, 2)), np.arange(8) % 2
    assert _explained(answers(X, X, 1 - y), X, y, ["proximity"]) == {"proximity": 1}
    assert _explained(answers(X, X + 1, 1 - y), X, y, ["proximity"]) == {"proximity": 0}


# ------------------------------------------------------------------------------------------------- the whole scorer


@pytest.mark.parametrize("model", ["iris", "mixed"])
def test_the_score_is_the_weighted_mean_of_terms_in_the_unit_interval(model: str) -> None:
    clf, X, y = iris() if model == "iris" else mixed()
    scorer = make_counterfactual_scorer(validity=1, plausibility=2, proximity=0.5, accuracy=4)
    terms = scorer.terms(clf, X[::3], y[::3])
    assert list(terms) == TERMS
    assert all(0 <= term <= 1 for term in terms.values())
    expected = np.average(list(terms.values()), weights=[1, 2, 0.5, 4])
    assert scorer(clf, X[::3], y[::3]) == pytest.approx(expected)
    assert terms["accuracy"] == clf.score(X[::3], y[::3])
    assert terms["validity"] == clf.counterfactuals(X[::3], search="one_shot").report["valid"].mean()


@given(weights=st.lists(st.floats(0, 1e6), min_size=4, max_size=4).filter(any))
def test_any_weights_give_a_score_between_the_worst_and_the_best_term(weights: list[float]) -> None:
    clf, X, y = iris()
    terms = iris_terms()
    scorer = make_counterfactual_scorer(**dict(zip(TERMS, weights, strict=True)))
    chosen = [terms[name] for name, weight in zip(TERMS, weights, strict=True) if weight]
    assert min(chosen) - 1e-9 <= scorer(clf, X[::10], y[::10]) <= max(chosen) + 1e-9


@cache
def iris_terms() -> dict[str, float]:
    clf, X, y = iris()
    return make_counterfactual_scorer().terms(clf, X[::10], y[::10])


def test_a_term_without_weight_costs_nothing_and_needs_no_counterfactuals() -> None:
    X, y = two_groups()
    clf = LogisticRegression().fit(X, y)
    assert only("accuracy")(clf, X, y) == clf.score(X, y)
    assert only("accuracy").terms(clf, X, y) == {"accuracy": clf.score(X, y)}


def test_a_classifier_without_counterfactuals_is_told_what_is_expected() -> None:
    X, y = two_groups()
    with pytest.raises(TypeError, match="LogisticRegression has no method counterfactuals; expected a fitted HyConEx"):
        make_counterfactual_scorer()(LogisticRegression().fit(X, y), X, y)


def test_the_search_that_is_named_is_the_one_that_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X, y = iris()
    seen = []
    ask = type(clf).counterfactuals
    monkeypatch.setattr(type(clf), "counterfactuals", lambda self, X, **said: seen.append(said) or ask(self, X, **said))
    only("validity")(clf, X[:5], y[:5])
    only("validity", search="auto")(clf, X[:5], y[:5])
    assert seen == [{"search": "one_shot"}, {"search": "auto"}]


@pytest.mark.parametrize("kind", ["list", "frame"])
def test_tables_and_labels_come_in_any_container(kind: str) -> None:
    clf, X, y = iris()
    scorer = only("plausibility", "proximity", "accuracy")
    table: Any = X[::5].tolist() if kind == "list" else pd.DataFrame(X[::5])
    assert scorer(clf, table, pd.Series(y[::5])) == scorer(clf, X[::5], y[::5])


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({"validity": -1}, ValueError, "validity must be finite and >= 0, got -1"),
        ({"proximity": np.nan}, ValueError, "proximity must be finite"),
        ({"accuracy": np.inf}, ValueError, "accuracy must be finite"),
        ({"plausibility": "much"}, TypeError, "plausibility must be a number, got 'much'"),
        ({"plausibility": True}, TypeError, "plausibility must be a number, got True"),
        (dict.fromkeys(TERMS, 0), ValueError, "are all 0"),
        ({"search": "fast"}, ValueError, "search must be one of .*'one_shot'.* got 'fast'"),
    ],
)
def test_weights_that_say_nothing_are_refused_at_once(weights: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make_counterfactual_scorer(**weights)


def test_the_scorer_can_be_read_copied_and_sent_to_another_process() -> None:
    scorer = make_counterfactual_scorer(plausibility=2.5)
    assert repr(scorer) == (
        "make_counterfactual_scorer(validity=1, plausibility=2.5, proximity=1, accuracy=3, search='one_shot')"
    )
    again = eval(repr(scorer), {"make_counterfactual_scorer": make_counterfactual_scorer})
    assert again == scorer == pickle.loads(pickle.dumps(scorer))
    assert clone(GridSearchCV(fast(), {}, scoring=scorer)).scoring == scorer


# ------------------------------------------------------------------------------------------------------- searches


def test_a_grid_search_over_a_pipeline_chooses_what_the_scorer_prefers() -> None:
    _, X, y = iris()
    pipe = make_pipeline(StandardScaler(), fast(pretrain_epochs=10))
    grid = {"hyconexclassifier__joint_epochs": [0, 8]}
    scoring = {"all": make_counterfactual_scorer(), "accuracy": only("accuracy")}
    search = GridSearchCV(pipe, grid, scoring=scoring, refit="all", cv=2, n_jobs=1).fit(X[::2], y[::2])
    means = search.cv_results_["mean_test_all"]
    assert ((means >= 0) & (means <= 1)).all()
    # Without a joint phase the single pass is never trained to move a row where it should go.
    assert search.best_params_ == {"hyconexclassifier__joint_epochs": 8} and means[1] > means[0]
    assert scoring["all"](search, X, y) == scoring["all"](search.best_estimator_, X, y)


@pytest.mark.slow  # other processes import torch first
def test_cross_validation_in_other_processes_gives_scores() -> None:
    _, X, y = iris()
    pipe = make_pipeline(FunctionTransformer(), fast(pretrain_epochs=3, joint_epochs=1, flow_epochs=2))
    scoring = make_counterfactual_scorer()
    scores = cross_validate(pipe, X[::5], y[::5], cv=2, scoring=scoring, n_jobs=2, error_score="raise")["test_score"]
    assert scores.shape == (2,) and ((scores > 0) & (scores < 1)).all()


def test_a_fold_that_can_not_be_judged_has_the_error_score_of_the_search() -> None:
    _, X, y = iris()
    folds = [(np.arange(100), np.arange(100, 150))]  # trained on two classes, and held out is the third alone
    search = GridSearchCV(fast(), {"patience": [5]}, scoring=only("proximity"), cv=folds, error_score=-1.0, refit=False)
    with pytest.warns(UserWarning, match=r"(?s)Scoring failed.*No counterfactual can be judged"):
        results = search.fit(X, y).cv_results_
    assert results["mean_test_score"].tolist() == [-1.0]


@pytest.mark.very_slow
def test_the_guide_to_tuning_runs() -> None:
    root = Path(__file__).parents[2]
    script = root / "examples" / "2_guides" / "tuning.py"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best by the scorer") == 2


def test_filling_a_gap_is_a_whole_range_away() -> None:
    X = np.array([[0.0, 1.0], [np.nan, 1.0], [1.0, 3.0], [0.9, 3.0]])
    y = np.array([0, 0, 1, 1])
    filled, moved = np.array([[0.6, 1.0]]), np.array([[np.nan, 3.0]])
    near = [_closeness(data, np.array([1]), np.array([1]), X, y)[0] for data in (filled, moved)]
    assert near[0] <= near[1] < 1.0
