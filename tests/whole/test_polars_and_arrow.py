"""Tables of polars and Arrow all the way: matched by name, answered in their kind, judged and drawn as others are."""

from __future__ import annotations

import datetime
import json
import pickle
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from _containers import CONTAINERS, columns_of, polars_of, types_of
from _helpers import short_searches
from _models import fast, fitted, iris, mixed, small
from matplotlib.figure import Figure
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from hyconex_sklearn import Actionability, HyConExClassifier, counterfactuals, metrics
from hyconex_sklearn.displays import ContributionsDisplay, CounterfactualDisplay, DecisionMapDisplay

__all__ = ["short_searches"]  # a fixture

pytestmark = pytest.mark.usefixtures("short_searches")

BOTH = pytest.mark.parametrize("kind", sorted(CONTAINERS))


@cache
def numbers_table(n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(50, 9, n).round(1), "b": rng.lognormal(3, 1, n).round(2)})
    return X, (X["a"] + 5 * np.log(X["b"]) > 65).to_numpy().astype(int)


@cache
def named() -> tuple[HyConExClassifier, pd.DataFrame, np.ndarray]:
    """A classifier of two columns of numbers. Shared, as all below: never change them."""
    X, y = numbers_table()
    return fitted(X, y), X, y


@cache
def scaled() -> Pipeline:
    """The same behind a step that gives tables of polars."""
    return piped(StandardScaler().set_output(transform="polars"), *numbers_table())


def piped(step: Any, X: Any, y: Any) -> Pipeline:
    with warnings.catch_warnings(), small():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(step, fast()).fit(X, y)


def alike(answer: Any, X: Any) -> None:
    """An answer's table is of the kind of X, with its columns and types."""
    assert type(answer) is type(X)
    assert list(columns_of(answer)) == list(columns_of(X)) and types_of(answer) == types_of(X)


def same_rows(table: Any, expected: pd.DataFrame) -> None:
    """A table holds the cells of one of pandas, whatever a gap looks like."""
    for name, cells in columns_of(table).items():
        own = [None if pd.isna(cell) else cell for cell in expected[name].tolist()]
        assert cells == own


@BOTH
def test_a_fit_on_such_a_table_is_that_on_the_same_table_of_pandas(kind: str) -> None:
    clf, X, y = mixed()
    labels = pl.Series(y) if kind == "polars" else pa.chunked_array([y[:9].tolist(), y[9:].tolist()])
    ours = fitted(CONTAINERS[kind](X), labels)
    assert ours.feature_names_in_.tolist() == X.columns.tolist()
    np.testing.assert_array_equal(ours.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(ours.score_samples(X, labels), clf.score_samples(X, y))


@BOTH
def test_columns_are_matched_by_name(kind: str) -> None:
    clf, X, _ = mixed()
    shuffled = CONTAINERS[kind](X[X.columns[::-1]])
    np.testing.assert_array_equal(clf.predict_proba(shuffled), clf.predict_proba(X))
    added, _ = clf.contributions(shuffled)
    np.testing.assert_array_equal(added[:, :, ::-1], clf.contributions(X)[0])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- years"):
        clf.predict(CONTAINERS[kind](X.rename(columns={"age": "years"})))


@BOTH
def test_an_answer_is_that_to_the_same_table_of_pandas_and_of_the_kind_of_the_question(
    kind: str, tmp_path: Path
) -> None:
    clf, X, _ = mixed()
    X = X.iloc[:8].reset_index(drop=True)  # only pandas tells rows by labels
    table = CONTAINERS[kind](X)
    rules: dict[str, Any] = {"immutable": ["job"], "bounds": {"age": (20, None)}, "monotonic_cst": {"grade": 1}}
    cf, expected = clf.counterfactuals(table, **rules), clf.counterfactuals(X, **rules)
    assert_frame_equal(cf.report.reset_index(drop=True), expected.report.reset_index(drop=True))
    assert cf.explain() == expected.explain() and repr(cf) == repr(expected)
    assert json.loads(cf.to_json()) == json.loads(expected.to_json())
    assert cf._repr_html_() == expected._repr_html_()
    assert_frame_equal(cf.changes(), expected.changes().reset_index(drop=True))
    assert_frame_equal(cf.compare(0), expected.compare(0))
    pages = [result.to_html(tmp_path / "page.html").read_text() for result in (cf, expected)]
    assert pages[0] == pages[1]
    for answer, other in ((cf.data, expected.data), (cf.original, expected.original)):
        alike(answer, table)
        same_rows(answer, other)
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


@BOTH
def test_a_result_is_cut_framed_copied_and_pickled_in_its_own_kind(kind: str) -> None:
    clf, X, _ = mixed()
    cf = clf.counterfactuals(CONTAINERS[kind](X.iloc[:6]))
    changes = cf.changes()
    part, back = cf[cf.report["n_changed"] > 0][:2], pickle.loads(pickle.dumps(cf))
    alike(part.data, cf.data)
    assert len(part) == len(part.data) == 2
    assert_frame_equal(back.changes(), changes)
    assert columns_of(back.data) == columns_of(cf.data)
    frame = cf.to_frame()
    assert type(frame) is type(cf.data)
    assert list(columns_of(frame)) == [*cf.report.columns, *X.columns]
    assert columns_of(frame)["target"] == cf.report["target"].tolist()
    assert {name: columns_of(frame)[name] for name in X.columns} == columns_of(cf.data)


def test_what_is_told_of_rows_and_classes_comes_in_any_library_too() -> None:
    clf, X, _ = mixed()
    X = X.iloc[:4]
    table, goals = polars_of(X), ["yes", "no", "yes", "no"]
    expected = clf.counterfactuals(X, target=goals, bounds={"age": ([20, 30, 20, 30], None)})
    kinds: list[Any] = [pl.Series, pa.array, lambda values: pa.chunked_array([values])]
    for of in (*kinds, lambda values: pa.array(values).dictionary_encode()):
        cf = clf.counterfactuals(table, target=of(goals), bounds={"age": (of([20, 30, 20, 30]), None)})
        assert_frame_equal(cf.report.reset_index(drop=True), expected.report.reset_index(drop=True))
    for of in kinds:
        named, pair = ["age", "job"], {"age": of([20, 30])}
        assert Actionability(immutable=of(named)).immutable == Actionability(mutable=of(named)).mutable == (*named,)
        assert Actionability(immutable=of([True, False])).immutable == (True, False)
        assert Actionability(bounds=pair, monotonic_cst=of([1, 0])) == Actionability(
            bounds={"age": (20, 30)}, monotonic_cst=[1, 0]
        )
        assert Actionability(allowed_categories={"job": of(["clerk"])}).allowed_categories == {"job": ("clerk",)}
    assert Actionability(bounds={"age": (pa.scalar(20), None)}) == Actionability(bounds={"age": (20, None)})


@BOTH
def test_a_repair_gets_and_gives_tables_of_the_users_kind(kind: str) -> None:
    clf, X, _ = mixed()
    table, seen = CONTAINERS[kind](X.iloc[:4]), []

    def repair(rows: Any) -> Any:
        seen.append(type(rows))
        if kind == "arrow":
            at = rows.column_names.index("children")
            return rows.set_column(at, "children", pa.array([2] * len(rows)))
        return rows.with_columns(children=pl.lit(2))

    cf = clf.counterfactuals(table, actionability=Actionability(repair=repair))
    assert set(seen) == {type(table)}
    moved = (cf.report["status"] != "already_target").to_numpy() & cf.report["feasible"].to_numpy()
    assert moved.any() and {np.array(columns_of(cf.data)["children"])[i] for i in np.flatnonzero(moved)} == {2}


@pytest.mark.parametrize("moment", ["date", "datetime", "duration", "time"])
@BOTH
def test_dates_are_refused_as_in_pandas(kind: str, moment: str) -> None:
    cells: Any = {
        "date": datetime.date(2020, 1, 1),
        "datetime": datetime.datetime(2020, 1, 1),
        "duration": datetime.timedelta(1),
        "time": datetime.time(1),
    }[moment]
    columns = {"a": [1.0, 2.0, 3.0], "t": [cells, None, cells]}
    with pytest.raises(TypeError, match="column 't' holds dates or durations"):
        fast().fit(pl.DataFrame(columns) if kind == "polars" else pa.table(columns), [0, 1, 0])


# ------------------------------------------------------------------------------------------------- metrics and displays


@BOTH
def test_metrics_are_those_of_the_same_tables_of_pandas(kind: str) -> None:
    clf, X, y = mixed()
    to = CONTAINERS[kind]
    rules = Actionability(immutable=["age"])
    cf, expected = clf.counterfactuals(to(X.iloc[:10])), clf.counterfactuals(X.iloc[:10])
    told, other = (
        metrics.evaluate_counterfactuals(
            answer,
            table,
            train,
            y,
            predict=clf.predict,
            oracle=clf.predict,
            score_samples=clf.score_samples,
            actionability=rules,
        )
        for answer, table, train in ((cf, to(X.iloc[:10]), to(X)), (expected, X.iloc[:10], X))
    )
    assert_series_equal(told, other)
    np.testing.assert_array_equal(
        metrics.violations(cf.original, cf.data, rules), metrics.violations(expected.original, expected.data, rules)
    )
    assert metrics.n_changed(to(X.iloc[:3]), X.iloc[:3]).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="same order"):
        metrics.n_changed(to(X.iloc[:3]), to(X.iloc[:3, ::-1]))


def test_functions_that_judge_get_the_users_own_kind() -> None:
    clf, X, y = mixed()
    table, seen = polars_of(X.iloc[:4]), []

    def predict(rows: Any) -> Any:
        seen.append(type(rows))
        return clf.predict(rows)

    metrics.validity(table, y[:4], predict)
    metrics.stability(lambda rows: predict(rows) is not None and rows, table, polars_of(X))
    assert set(seen) == {pl.DataFrame}


@BOTH
def test_pictures_are_drawn_of_them(kind: str) -> None:
    clf, X, _ = mixed()
    table = CONTAINERS[kind](X)
    shown = CounterfactualDisplay.from_estimator(clf, table, row=1, ax=Figure().subplots())
    assert [line["target"] for line in shown.counterfactuals.report.to_dict("records")]
    drawn = ContributionsDisplay.from_estimator(clf, table, row=2)
    assert [None if pd.isna(v) else v for v in drawn.values] == [None if pd.isna(v) else v for v in X.iloc[2].tolist()]
    clf, X, _ = named()
    mapped = DecisionMapDisplay.from_estimator(clf, CONTAINERS[kind](X[["a", "b"]]), grid_resolution=5)
    assert list(mapped.feature_names) == ["a", "b"] and len(mapped.rows) == len(X)


# ----------------------------------------------------------------------------------------------------------- pipelines


def test_steps_that_return_polars_are_asked_in_polars_and_answer_in_the_units_of_the_table() -> None:
    pipe, (X, _) = scaled(), numbers_table()
    plain = Pipeline([("scale", StandardScaler().set_output(transform="pandas").fit(X)), pipe.steps[-1]])
    cf, expected = (counterfactuals(p, X[:6], bounds={"a": (40, 60)}) for p in (pipe, plain))
    assert isinstance(cf.data, pd.DataFrame)
    assert_frame_equal(cf.report.reset_index(drop=True), expected.report.reset_index(drop=True))
    assert_frame_equal(cf.data, expected.data)


def test_steps_written_for_polars_get_polars_on_every_way() -> None:
    X, y = numbers_table()
    table = polars_of(X)
    logarithm = FunctionTransformer(
        lambda rows: rows.with_columns(pl.col("b").log()),
        inverse_func=lambda rows: rows.with_columns(pl.col("b").exp()),
        check_inverse=False,  # which scikit-learn does for dtypes of numpy only
    )
    pipe = piped(logarithm, table, y)
    cf = counterfactuals(pipe, table[:4], bounds={"b": (1, 60)}, monotonic_cst={"a": 1})
    alike(cf.data, table)
    np.testing.assert_array_equal(pipe.predict(cf.data), cf.report["prediction"])
    held = cf.report["feasible"].to_numpy() & (cf.report["status"] != "already_target").to_numpy()
    assert held.any() and (cf.data["b"].to_numpy()[held] <= 60).all()
    assert not (cf.data["a"] < cf.original["a"]).to_numpy()[held].any()
    gained = cf.changes()["contribution"]
    assert len(gained) and np.isfinite(gained).all()


def test_a_column_transformer_takes_them_by_name_and_brings_them_back() -> None:
    X, y = numbers_table()
    X = X.assign(job=np.resize(["clerk", "nurse", "pilot"], len(X)))
    split = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["job"]))
    pipe, table = piped(split, X, y), polars_of(X[:4])
    cf, expected = counterfactuals(pipe, table, immutable=["job"]), counterfactuals(pipe, X[:4], immutable=["job"])
    alike(cf.data, table)
    assert_frame_equal(cf.report.reset_index(drop=True), expected.report.reset_index(drop=True))
    same_rows(cf.data, expected.data)
    assert len(ContributionsDisplay.from_estimator(pipe, table, row=0).values) == 5


# ------------------------------------------------------------------------------------------- arrays, lists, single rows


def own_warning(clf: HyConExClassifier, X: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.predict(X)
    return [str(warning.message) for warning in caught]


def test_names_at_one_end_only_are_warned_of_in_the_words_of_scikit_learn() -> None:
    clf, X, _ = named()
    bare, rows, _ = iris()
    four = pd.DataFrame(rows[:5], columns=list("abcd"))
    without = ["X has feature names, but HyConExClassifier was fitted without feature names"]
    assert own_warning(bare, four) == own_warning(bare, polars_of(four)) == without
    missing = ["X does not have valid feature names, but HyConExClassifier was fitted with feature names"]
    assert own_warning(clf, X.to_numpy()) == missing
    assert own_warning(clf, X) == own_warning(bare, rows) == own_warning(clf, polars_of(X)) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.counterfactuals(X[:3], bounds={"a": (0, None)}).changes()
        bare.counterfactuals(rows[:3]).changes()


def test_rows_as_lists_keep_the_type_of_each_cell() -> None:
    rng = np.random.default_rng(0)
    rows = [
        [int(a), float(b), bool(c), str(d)]
        for a, b, c, d in zip(
            rng.integers(18, 75, 90), rng.normal(size=90), rng.random(90) < 0.5, rng.choice(["x", "y"], 90), strict=True
        )
    ]
    y = [int(row[1] > 0) for row in rows]
    clf = fitted(rows, y)
    assert [column.kind for column in clf._columns] == ["integer", "numeric", "boolean", "categorical"]
    cf = clf.counterfactuals(rows[:4])
    for row in cf.data.tolist():
        assert [type(cell) for cell in row] == [int, float, bool, str]
    framed, X, _ = mixed()
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert framed.predict(X.astype(object).to_numpy().tolist()).tolist() == framed.predict(X).tolist()
    bare, numbers, _ = iris()
    assert bare.counterfactuals(numbers[:2].tolist()).data.dtype == float


def test_a_row_by_label_is_one_row_and_a_list_of_them_a_table() -> None:
    clf, X, _ = mixed()
    row = X.iloc[3]
    told = dict(reversed(list(row.to_dict().items())))
    expected = clf.counterfactuals(X.iloc[[3]])
    for one in (told, row, [told], polars_of(X).row(3, named=True)):
        cf = clf.counterfactuals(one)
        assert isinstance(cf.data, pd.DataFrame) and list(cf.data.columns) == X.columns.tolist()
        assert_frame_equal(cf.report.reset_index(drop=True), expected.report.reset_index(drop=True))
        np.testing.assert_array_equal(clf.predict(one), clf.predict(X.iloc[[3]]))
    rows = X.iloc[:3].to_dict("records")
    np.testing.assert_array_equal(clf.predict_proba(rows), clf.predict_proba(X.iloc[:3]))


def test_a_pipeline_takes_a_row_by_label_too() -> None:
    pipe, (X, _) = scaled(), numbers_table()
    expected = counterfactuals(pipe, X.iloc[[2]])
    for one in (X.iloc[2].to_dict(), X.iloc[2][::-1], [X.iloc[2].to_dict()]):
        assert_frame_equal(
            counterfactuals(pipe, one).report.reset_index(drop=True), expected.report.reset_index(drop=True)
        )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"age": 30}, "It lacks 'income', 'job'.* pd.DataFrame"),
        ({"years": 30}, "It has 'years', which the fit had not"),
        (pd.Series([30, 40, 50], name="age"), r"X.to_frame\(\) of a single column"),
        (
            {**dict.fromkeys(["income", "job", "grade", "owner", "children", "fixed"], 1), "age": [1, 2]},
            "several values",
        ),
        ("rows.csv", r"X is the text 'rows.csv'; .* pd.read_csv"),
    ],
)
def test_what_could_be_several_things_is_told_what_to_write(query: Any, words: str) -> None:
    clf, _, _ = mixed()
    with pytest.raises((TypeError, ValueError), match=words):
        clf.counterfactuals(query)


def test_labels_of_cells_need_a_fit_with_names_and_a_fit_needs_a_table() -> None:
    X, y = numbers_table()
    with pytest.raises(TypeError, match=r"X is a dict of cells by label, .* Pass rows as at fit"):
        iris()[0].predict(X.iloc[0].to_dict())
    for table in (X.to_dict("list"), X.to_dict("records")):
        with pytest.raises(TypeError, match=r"cells by label; expected a table\. Pass pd\.DataFrame\(X\)"):
            fast().fit(table, y)


@BOTH
def test_a_mask_without_row_labels_stands_in_the_order_of_the_rows(kind: str) -> None:
    clf, X, _ = mixed()
    X = X[:6].set_axis([3, 1, 0, 2, 5, 4])
    mask = np.zeros(X.shape, dtype=bool)
    mask[0], mask[3, :4] = True, True
    frame = pd.DataFrame(mask, columns=X.columns)[X.columns[::-1]]
    rules = Actionability(immutable=CONTAINERS[kind](frame))
    expected = clf.counterfactuals(X, immutable=mask)
    for asked in (rules, Actionability.from_json(rules.to_json())):
        assert_frame_equal(clf.counterfactuals(X, actionability=asked).data, expected.data)
    with pytest.raises(ValueError, match="immutable has 6 rows, but X has 5"):
        clf.counterfactuals(X[:5], actionability=rules)
