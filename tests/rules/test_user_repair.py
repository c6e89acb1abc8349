"""The user's own function on counterfactual tables: its rows are what comes back, and what it cannot do is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import same_cells, short_searches
from _models import fitted, mixed
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, Status
from hyconex_sklearn._rules.user_repair import apply_repair

__all__ = ["short_searches"]  # a fixture

pytestmark = pytest.mark.usefixtures("short_searches")

Repair = Callable[[pd.DataFrame], Any]
SEARCHES = ["auto", "latent", "steps", "one_shot"]


def bills(n: int = 160, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Parts, and a total that is their sum."""
    rng = np.random.default_rng(seed)
    net, tax = rng.integers(10, 90, n), np.round(rng.uniform(1, 40, n), 2)
    kind = pd.Categorical(rng.choice(["food", "rent"], n))
    X = pd.DataFrame({"net": net, "tax": tax, "total": net + tax, "kind": kind}, index=np.arange(n) + 5)
    return X, np.where(X["total"] + 20 * (X["kind"] == "rent") > 80, "high", "low")


def add_up(table: pd.DataFrame) -> pd.DataFrame:
    """total = net + tax, to the last bit."""
    return table.assign(total=table["net"] + table["tax"])


@cache
def model(container: str = "frame") -> tuple[HyConExClassifier, Any]:
    """A fitted estimator, and some rows of its table."""
    X, y = bills()
    if container == "frame":
        return fitted(X, y), X[:24]
    numbers = X[["net", "tax", "total"]].to_numpy()
    return fitted(numbers, y), numbers[:24]


def ask(repair: Repair, container: str = "frame", **how: Any) -> Counterfactuals:
    clf, X = model(container)
    return clf.counterfactuals(X, actionability=Actionability(repair=repair), **how)


def sums(cf: Counterfactuals) -> np.ndarray:
    """Which rows have a total that is exactly the sum of its parts."""
    data = cf.data if isinstance(cf.data, pd.DataFrame) else pd.DataFrame(cf.data, columns=["net", "tax", "total"])
    return (data["total"] == data["net"] + data["tax"]).to_numpy()


def add_up_array(table: pd.DataFrame) -> pd.DataFrame:
    """The same for the table of an array, whose columns are called by position."""
    return table.assign(x2=table["x0"] + table["x1"])


# ------------------------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize("search", SEARCHES)
def test_rows_come_back_repaired_and_judged_as_repaired(search: str) -> None:
    clf, X = model()
    assert not sums(clf.counterfactuals(X, search=search)).all()  # without the function, totals are off
    cf = ask(add_up, search=search)
    assert sums(cf).all() and cf.report["feasible"].all() and (cf.report["n_changed"] > 1).any()
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    np.testing.assert_array_equal(cf.report["valid"], cf.report["prediction"] == cf.report["target"])
    assert search != "auto" or cf.report["valid"].all()


def test_alternatives_are_repaired_too() -> None:
    cf = ask(add_up, n_counterfactuals=3)
    assert (cf.report["rank"] > 0).any() and sums(cf).all()


def test_rows_of_an_array_come_back_repaired_as_an_array() -> None:
    clf, X = model("array")
    cf = ask(add_up_array, "array")
    assert isinstance(cf.data, np.ndarray) and cf.data.dtype == X.dtype
    assert sums(cf).all() and cf.report["feasible"].all() and cf.report["valid"].all()
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])


def test_dtypes_and_columns_are_kept_where_values_allow_it() -> None:
    def loosen(table: pd.DataFrame) -> pd.DataFrame:
        table["net"], table["kind"] = table["net"].astype(float), table["kind"].astype(object)
        return add_up(table)[::-1]

    _, X = model()
    cf = ask(loosen)
    assert cf.data.dtypes.equals(X.dtypes) and list(cf.data.columns) == list(X.columns)
    assert cf.data.index.equals(X.index) and sums(cf).all()
    counts = pd.DataFrame({"count": [1, 2]})
    assert apply_repair(lambda table: table + 0.5, counts, ["count"])["count"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("container", ["frame", "array"])
def test_rows_that_come_back_in_another_order_are_matched_by_their_labels(container: str) -> None:
    tidy = add_up if container == "frame" else add_up_array
    expected = ask(tidy, container, n_counterfactuals=2)
    turned = ask(lambda table: tidy(table).sort_values(table.columns[0]), container, n_counterfactuals=2)
    assert same_cells(turned.data, expected.data).all()
    pd.testing.assert_frame_equal(turned.report, expected.report)


def test_the_function_gets_tables_like_the_query_and_may_write_into_them() -> None:
    clf, X = model()
    before, seen = X.copy(deep=True), []

    def scribble(table: pd.DataFrame) -> pd.DataFrame:
        seen.append((list(table.columns), table.dtypes.to_dict(), len(table)))
        table["total"] = table["net"] + table["tax"]
        return table

    cf = ask(scribble)
    pd.testing.assert_frame_equal(X, before)
    assert sums(cf).all() and not sums(clf.counterfactuals(X)).all()  # the estimator has not learned it
    assert all(columns == list(X.columns) and dtypes == X.dtypes.to_dict() for columns, dtypes, _ in seen)


def test_a_row_that_already_is_its_target_is_not_repaired() -> None:
    clf, X = model()
    off = X.copy()
    off["total"] += 0.25
    cf = clf.counterfactuals(off, target="high", actionability=Actionability(repair=add_up))
    already = (cf.report["status"] == Status.ALREADY_TARGET).to_numpy()
    assert already.any() and not already.all()
    assert same_cells(cf.data, cf.original)[already].all()
    assert sums(cf)[~already].all()


# -------------------------------------------------------------------------------------------- against other rules


def test_a_row_that_the_function_would_bring_out_of_the_rules_stays_the_query_row() -> None:
    def raise_totals(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(total=table["total"] + 1.0)

    for search in SEARCHES:
        cf = ask(raise_totals, search=search, immutable=["total"])
        assert not cf.report["feasible"].any() and (cf.report["status"] == Status.INFEASIBLE).all()
        assert same_cells(cf.data, cf.original).all() and (cf.report["n_changed"] == 0).all()
        assert cf.explain()[0].startswith("No row was found that obeys the rules")


def test_only_the_rows_that_the_function_spoils_stay() -> None:
    def tax_food(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(tax=table["tax"].where(table["kind"] != "food", 77.0))

    cf = ask(tax_food, immutable=["tax", "kind"])
    food = (cf.original["kind"] == "food").to_numpy()
    assert food.any() and not food.all()
    np.testing.assert_array_equal(cf.report["feasible"], ~food)
    assert same_cells(cf.data, cf.original)[food].all()
    assert (cf.report["n_changed"][~food] > 0).any() and (cf.data["tax"] == cf.original["tax"]).all()


@pytest.mark.parametrize(
    "rules",
    [{"bounds": {"total": (None, 60.0)}}, {"monotonic_cst": {"total": -1}}, {"max_changes": 2}],
    ids=["bounds", "direction", "number of changes"],
)
def test_a_repaired_row_obeys_the_other_rules_or_is_flagged(rules: dict[str, Any]) -> None:
    cf = ask(add_up, **rules)
    good = cf.report["feasible"].to_numpy()
    assert good.any()
    assert sums(cf)[good].all()
    broken = {
        "bounds": cf.data["total"] > 60.0,
        "monotonic_cst": cf.data["total"] > cf.original["total"],
        "max_changes": (~same_cells(cf.data, cf.original)).sum(1) > 2,
    }[next(iter(rules))]
    assert not broken[good].any()


STRANGE: dict[str, Repair] = {
    "a label": lambda table: table.assign(job="smith"),
    "an ordered label": lambda table: table.assign(
        grade=pd.Categorical(["top"] * len(table), ["low", "top"], ordered=True)
    ),
    "an ordered label as text": lambda table: table.assign(grade="top"),
    "no truth value": lambda table: table.assign(owner="maybe"),
    "a fraction among integers": lambda table: table.assign(age=table["age"] + 0.5),
    "a fraction among nullable integers": lambda table: table.assign(children=2.5),
    "another value of a constant": lambda table: table.assign(fixed=8),
    "a gap among integers": lambda table: table.assign(age=np.nan),
    "a gap among labels": lambda table: table.assign(grade=None),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_row_into_which_the_function_writes_what_fit_never_saw_is_infeasible(name: str) -> None:
    clf, X, _ = mixed()
    every, some = X[:6], X[:6].reset_index(drop=True)
    cf = clf.counterfactuals(every, search="one_shot", actionability=Actionability(repair=STRANGE[name]))
    assert (cf.report["status"] == Status.INFEASIBLE).all() and not cf.report["feasible"].any()
    pd.testing.assert_frame_equal(cf.data, every)

    def half(table: pd.DataFrame) -> pd.DataFrame:
        strange = STRANGE[name](table).astype(object)
        return strange.where(pd.Series(table.index % 2 == 0, table.index), table.astype(object))

    cf = clf.counterfactuals(some, search="one_shot", actionability=Actionability(repair=half))
    np.testing.assert_array_equal(cf.report["feasible"], np.arange(6) % 2 == 1)
    assert cf.data.dtypes.equals(some.dtypes) and same_cells(cf.data, cf.original)[::2].all()


def test_the_function_may_write_what_fit_saw_and_leave_what_it_never_saw() -> None:
    def tidy(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(grade="high", job=None, income=1234.5678, children=pd.NA)

    clf, X, _ = mixed()
    odd = X[:6].assign(job="smith", fixed=9)
    odd["grade"] = odd["grade"].cat.set_categories(["low", "mid", "top"]).fillna("top")
    odd["age"] = odd["age"] + 0.25
    with pytest.warns(UserWarning, match="not seen at fit"):
        cf = clf.counterfactuals(odd, search="one_shot", actionability=Actionability(repair=tidy, immutable=["age"]))
    assert cf.report["feasible"].all() and (cf.data["age"] == odd["age"]).all() and (cf.data["fixed"] == 9).all()
    assert (cf.data["grade"] == "high").all() and list(cf.data["grade"].cat.categories) == ["low", "mid", "high", "top"]


FORMS: dict[str, Callable[[pd.Series], Any]] = {
    "text": lambda column: column.astype(str),
    "objects": lambda column: column.astype(object),
    "another order": lambda column: column.cat.reorder_categories(["high", "low", "mid"]),
    "no order": lambda column: pd.Categorical(column.astype(object)),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_ordered_categories_are_matched_whatever_their_dtype(form: str) -> None:
    clf, X, _ = mixed()
    rules: dict[str, Any] = {"monotonic_cst": {"grade": 1}, "search": "one_shot"}
    plain, loose = (
        clf.counterfactuals(X[:9], actionability=Actionability(repair=repair), **rules)
        for repair in (lambda table: table, lambda table: table.assign(grade=FORMS[form](table["grade"])))
    )
    pd.testing.assert_frame_equal(loose.data, plain.data)
    pd.testing.assert_frame_equal(loose.report, plain.report)


@pytest.mark.parametrize("form", ["String", "Categorical"])
def test_a_table_of_polars_is_taken_for_one_of_pandas(form: str) -> None:
    pl = pytest.importorskip("polars")
    clf, X, _ = mixed()

    def turned(table: pd.DataFrame) -> Any:
        columns = {name: [None if pd.isna(cell) else cell for cell in table[name]] for name in table}
        return pl.DataFrame(columns).with_columns(pl.col("grade").cast(getattr(pl, form)))

    plain, loose = (
        clf.counterfactuals(X[:9], search="one_shot", actionability=Actionability(repair=repair))
        for repair in (lambda table: table, turned)
    )
    pd.testing.assert_frame_equal(loose.data, plain.data)


@settings(max_examples=15, deadline=None)
@given(
    unit=st.sampled_from([1, 5, 20]),
    label=st.sampled_from([None, "food"]),
    frozen=st.lists(st.sampled_from(["net", "tax", "total", "kind"]), max_size=3, unique=True),
    most=st.none() | st.integers(1, 4),
    search=st.sampled_from(["auto", "one_shot"]),
)
def test_no_rule_leaks_through_a_repair(
    unit: int, label: str | None, frozen: list[str], most: int | None, search: str
) -> None:
    def tidy(table: pd.DataFrame) -> pd.DataFrame:
        table = add_up(table.assign(net=table["net"] // unit * unit))
        return table if label is None else table.assign(kind=pd.Categorical([label] * len(table), ["food", "rent"]))

    cf = ask(tidy, immutable=frozen, max_changes=most, search=search)
    same = pd.DataFrame(same_cells(cf.data, cf.original), columns=cf.data.columns)
    assert same[frozen].all(axis=None)
    assert most is None or (~same).sum(axis=1).max() <= most
    repaired = pd.Series(same_cells(tidy(cf.data.copy()).astype(cf.data.dtypes), cf.data).all(1))
    feasible = cf.report["feasible"].to_numpy()
    assert repaired[feasible].all()
    assert same[~feasible].all(axis=None)


# ----------------------------------------------------------------------------------------- functions that do not serve


def complain(table: pd.DataFrame) -> pd.DataFrame:
    raise LookupError("no such thing")


UNFIT: dict[str, tuple[Repair, type[Exception], str]] = {
    "nothing": (lambda table: None, TypeError, "must return a DataFrame, got NoneType"),
    "an array": (lambda table: table.to_numpy(), TypeError, "must return a DataFrame, got ndarray"),
    "other columns": (lambda table: table.drop(columns="tax"), ValueError, r"24 rows of \['net', 'tax'.*'kind'\], and"),
    "renamed columns": (lambda table: table.rename(columns=str.upper), ValueError, "returned 24 rows of .*'NET'"),
    "turned columns": (lambda table: table.iloc[:, ::-1], ValueError, "must keep rows and columns"),
    "fewer rows": (lambda table: table[1:], ValueError, "returned 23 rows"),
    "more rows": (lambda table: pd.concat([table, table]), ValueError, "returned 48 rows"),
    "rows of another name": (lambda table: table.set_index(table.index + 1), ValueError, "labels of the rows.*0 to 23"),
    "rows of one name": (lambda table: table.set_index(table.index * 0), ValueError, "labels of the rows"),
    "an error": (complain, LookupError, "no such thing"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_function_that_does_not_serve_is_refused_before_any_search(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, X = model()
    given_tables: list[pd.DataFrame] = []
    repair, problem, message = UNFIT[name]

    def work(*args: Any, **how: Any) -> None:
        raise AssertionError("a search began")

    def watched(table: pd.DataFrame) -> Any:
        given_tables.append(table.copy())
        return repair(table)

    monkeypatch.setattr("hyconex_sklearn._search.explainer.answer", work)
    with pytest.raises(problem, match=message):
        ask(watched)
    assert len(given_tables) == 1  # the query table itself is what it is tried on
    pd.testing.assert_frame_equal(given_tables[0], X.reset_index(drop=True))


def test_what_is_no_function_is_refused_when_it_is_named() -> None:
    with pytest.raises(TypeError, match="repair must be a function from DataFrame to DataFrame, got 'add_up'"):
        Actionability(repair="add_up")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float64, np.int32, "U4", object])
def test_a_table_that_is_returned_as_given_is_the_same_in_every_bit(dtype: Any) -> None:
    table = np.array([[1, 2], [3, 4]]).astype(dtype)
    again = apply_repair(lambda frame: frame, table, ["a", "b"])
    assert again.dtype == table.dtype and same_cells(again, table).all()


def test_a_longer_label_is_not_cut_to_the_width_of_a_text_array() -> None:
    table = np.array([["ab", "c"], ["d", "ef"]])
    again = apply_repair(lambda frame: frame.replace("c", "long label"), table, ["a", "b"])
    assert again.tolist() == [["ab", "long label"], ["d", "ef"]] and again.dtype.kind == "U"


def test_gaps_and_labels_survive_a_function_that_looks_elsewhere() -> None:
    table = pd.DataFrame(
        {
            "gaps": [1.5, np.nan],
            "count": pd.array([None, 3], dtype="Int64"),
            "label": pd.Categorical(["a", None], ["a", "b"], ordered=True),
            "text": pd.Series(["x", None], dtype=object),
        }
    )
    again = apply_repair(lambda frame: frame.astype({"count": "Float64", "label": object}), table, list(table))
    pd.testing.assert_frame_equal(again, table)
