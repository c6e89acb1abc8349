"""How far the values of answers may go: what an interval promises is held by the certificate itself."""

from __future__ import annotations

import copy
import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _asked import rows_of
from _helpers import differ, short_searches, take
from _models import fitted, iris, mixed, mixed_table

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier
from hyconex_sklearn._answer.status import CERTIFIED, Status
from hyconex_sklearn._search import explainer
from hyconex_sklearn._table.cells import cells_differ, column_of
from hyconex_sklearn._table.column_io import own_cells, with_columns, write_cells

__all__ = ["short_searches"]  # a fixture
pytestmark = pytest.mark.usefixtures("short_searches")
both = pytest.mark.parametrize("kind", ["each", "box"])
RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "bounds": {"bounds": {"age": (25, 61), "income": (3_000.5, 80_000.25), "grade": ("low", "mid")}},
    "directions": {"monotonic_cst": {"age": 1, "income": 1, "children": -1, "grade": 1}},
    "relations": {"actionability": Actionability(relations=[({"age": 1000, "income": -1}, 20_000)])},
    "few": {"max_changes": 2, "immutable": ["owner"]},
}


@cache
def answers(name: str, kind: str, rules: str = "none") -> tuple[HyConExClassifier, Any, Counterfactuals]:
    clf, X = rows_of(name)
    return clf, X, clf.counterfactuals(X, intervals=kind, **RULES[rules])


def with_value(cf: Counterfactuals, values: dict[tuple[int, int], Any]) -> Any:
    """The rows of a result with other values, or labels, in some cells."""
    data = cf.data.copy()
    for (i, j), value in values.items():
        labels = cf.intervals.labels.get(j) if cf.intervals is not None else None
        new = np.array([labels[int(value)]], dtype=object) if labels else np.array([value])
        data = with_columns(data, {j: write_cells(own_cells(data, j), np.array([i]), new)})
    return data


def holds(clf: HyConExClassifier, X: Any, cf: Counterfactuals, data: Any, rules: str = "none") -> np.ndarray:
    """Which rows the report calls certified once they are judged again."""
    report = clf._certify_rows(data, cf.report, X, **RULES[rules])
    return report["status"].isin(CERTIFIED).to_numpy()


def asked_cells(clf: HyConExClassifier, cf: Counterfactuals) -> np.ndarray:
    """The cells that have to have an interval."""
    certified = cf.report["status"].isin(CERTIFIED).to_numpy()
    value = np.array([column.is_value for column in clf._columns])
    return cells_differ(cf.original, cf.data) & certified[:, None] & value


def own_values(cf: Counterfactuals) -> np.ndarray:
    """The answers as numbers, ordered categories as ranks; NaN elsewhere."""
    assert cf.intervals is not None
    told = np.full(cf.intervals.low.shape, np.nan)
    for i, j in zip(*np.nonzero(cf.intervals.checked), strict=True):
        value = column_of(cf.data, j)
        value = value.iloc[i] if isinstance(value, pd.Series) else value[i]
        told[i, j] = cf.intervals.labels[j].index(value) if j in cf.intervals.labels else value
    return told


# --------------------------------------------------------------------------------------------------- what they promise


@both
@pytest.mark.parametrize(("name", "rules"), [("iris", "none"), *(("mixed", rules) for rules in RULES)])
def test_ends_and_values_between_them_are_certified_and_obey(name: str, rules: str, kind: str) -> None:
    clf, X, cf = answers(name, kind, rules)
    found = cf.intervals
    assert found is not None
    expected = asked_cells(clf, cf)
    np.testing.assert_array_equal(found.checked > 0, expected)
    np.testing.assert_array_equal(np.isfinite(found.low), expected)
    assert expected.any()
    own = own_values(cf)
    assert ((found.low <= own) & (own <= found.high))[expected].all()
    certified = cf.report["status"].isin(CERTIFIED).to_numpy()
    cells = list(zip(*np.nonzero(expected), strict=True))
    rng = np.random.default_rng(0)
    for j in range(expected.shape[1]):  # one column at a time, the others as they are
        here = [cell for cell in cells if cell[1] == j]
        for ends in (found.low, found.high):
            good = holds(clf, X, cf, with_value(cf, {cell: ends[cell] for cell in here}), rules)
            assert good[certified].all()
        grid = clf._columns[j]
        if here and grid.is_value:
            inside = {at: rng.uniform(found.low[at], found.high[at]) for at in here}
            inside = {at: float(grid.inverse(grid.forward(value))) for at, value in inside.items()}
            inside = {at: float(np.clip(value, found.low[at], found.high[at])) for at, value in inside.items()}
            assert holds(clf, X, cf, with_value(cf, inside), rules)[certified].all()


def test_an_interval_does_not_end_before_it_has_to() -> None:
    clf, X, cf = answers("iris", "each")
    found, data = cf.intervals, []
    assert found is not None
    for i, j in zip(*np.nonzero(found.checked), strict=True):
        column = clf._columns[j]
        for beyond in np.round((found.low[i, j] - 0.1, found.high[i, j] + 0.1), 1):
            if column.lower <= beyond <= column.upper:
                data.append((i, with_value(cf[i : i + 1], {(0, j): beyond})))
    rows, table = np.array([i for i, _ in data]), np.vstack([row for _, row in data])
    judge = clf._certifier(X)
    assert len(rows) > 20
    assert not judge(table, cf.report["row"].to_numpy()[rows], cf.report["target"].to_numpy()[rows]).any()


def test_a_box_lies_within_the_intervals_of_each_value_and_holds_at_random_rows() -> None:
    clf, X, box = answers("mixed", "box")
    each = answers("mixed", "each")[2].intervals
    found = box.intervals
    assert found is not None and each is not None and found.together and not each.together
    there = found.checked > 0
    assert (found.low >= each.low)[there].all() and (found.high <= each.high)[there].all()
    assert set(found.checked[there]) == {128} and not found.complete.any()
    certified = box.report["status"].isin(CERTIFIED).to_numpy()
    cells = list(zip(*np.nonzero(there), strict=True))
    for ends in (found.low, found.high):
        assert holds(clf, X, box, with_value(box, {at: ends[at] for at in cells}))[certified].all()
    rng, shares = np.random.default_rng(1), []
    for _ in range(5):
        values = {}
        for i, j in cells:
            column, value = clf._columns[j], rng.uniform(found.low[i, j], found.high[i, j])
            values[i, j] = float(column.inverse(column.forward(value)))
        shares.append(holds(clf, X, box, with_value(box, values))[certified].mean())
    assert np.mean(shares) > 0.97  # other rows than those that were checked: no proof


def test_an_interval_ends_where_rules_end() -> None:
    cf = answers("mixed", "each", "bounds")[2]
    assert cf.intervals is not None
    ends = {name: cf.intervals.high[:, j] for j, name in enumerate(cf.feature_names)}
    assert np.nanmax(ends["age"]) == 61 and np.nanmax(ends["income"]) == 80_000.25
    cf = answers("mixed", "each", "directions")[2]
    assert cf.intervals is not None
    before = cf.original["income"].to_numpy()
    there = cf.intervals.checked[:, 1] > 0
    assert (cf.intervals.low[there, 1] >= before[there]).all()


@both
def test_the_rows_are_those_of_a_query_without(kind: str) -> None:
    for name in ("iris", "mixed"):
        clf, X, cf = answers(name, kind)
        plain = clf.counterfactuals(X)
        assert plain.intervals is None
        for part in ("data", "original", "report", "probability_before", "prediction_before"):
            assert not differ(getattr(cf, part), getattr(plain, part))


def test_the_same_answers_have_the_same_intervals_alone_and_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X = rows_of("mixed")
    cf, again = (clf.counterfactuals(X[:16], intervals="box") for _ in range(2))
    monkeypatch.setattr(explainer, "_BLOCK_CELLS", 1)
    monkeypatch.setattr(type(clf._model.hypernetwork), "rows_at_once", 7)
    blocks = clf.counterfactuals(X[:16], intervals="box")
    for other, bits in ((again, 0.0), (blocks, 1e-4)):  # answers may differ in a last digit where others stand beside
        assert other.intervals is not None and cf.intervals is not None
        for part in ("low", "high", "checked", "complete"):
            np.testing.assert_allclose(getattr(other.intervals, part), getattr(cf.intervals, part), rtol=bits)
        assert other.intervals.labels == cf.intervals.labels


# ------------------------------------------------------------------------------------------------- whatever the table


def test_rows_that_are_no_certified_answers_have_none() -> None:
    clf, X = rows_of("mixed")
    cf = clf.counterfactuals(X, target="yes", intervals="each", bounds={"age": (30, 40)}, mutable=["age", "income"])
    assert cf.intervals is not None
    other = ~cf.report["status"].isin(CERTIFIED).to_numpy()
    assert {Status.ALREADY_TARGET} < set(cf.report["status"]) and other.any() and not other.all()
    assert not cf.intervals.checked[other].any()


def test_no_row_of_a_result_has_one() -> None:
    clf, X = rows_of("mixed")
    yes = X[clf.predict(X) == "yes"]
    cf = clf.counterfactuals(yes, target="yes", intervals="box")
    assert cf.intervals is not None and not cf.intervals.checked.any()
    assert "(" not in cf.explain()[0]


@pytest.mark.parametrize("fit_in", ["float32", "float64"])
def test_single_precision_is_told_in_its_own_digits(fit_in: str) -> None:
    X = iris()[1].astype("float32")
    clf = fitted(X, iris()[2]) if fit_in == "float32" else iris()[0]
    for asked in (X[:4], X[:4].astype("float64"), pd.DataFrame(X[:4])):
        cf = clf.counterfactuals(asked, intervals="each")
        assert cf.intervals is not None and cf.intervals.checked.any()
        narrow = np.asarray(cf.data).dtype == np.float32
        if narrow:
            told = cf.changes()
            assert max(len(str(value)) for value in (*told["lowest"], *told["highest"])) <= 3  # 0.1, not 0.10000000149
        if narrow or fit_in == "float32":
            low = cf.intervals.low[cf.intervals.checked > 0]
            np.testing.assert_array_equal(low, low.astype(np.float32).astype(float))


def test_a_table_of_whole_numbers_has_whole_ends() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 40, (120, 3))
    clf = fitted(X, (X.sum(1) > 60).astype(int))
    cf = clf.counterfactuals(X[:10], intervals="box")
    told = cf.changes()
    assert {type(value) for value in (*told["lowest"], *told["highest"])} == {int}


def test_a_repair_function_has_its_say() -> None:
    clf, X, _ = mixed()

    def repair(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(age=table["age"].where(table["age"] % 2 == 0, table["age"] + 1))  # even ages alone

    rules = Actionability(repair=repair)
    cf = clf.counterfactuals(X[:12], actionability=rules, intervals="each", mutable=["age", "income"])
    assert cf.intervals is not None
    age = cf.intervals.checked[:, 0] > 0
    assert age.any()
    np.testing.assert_array_equal(cf.intervals.low[age, 0], cf.data["age"].to_numpy()[age])
    np.testing.assert_array_equal(cf.intervals.high[age, 0], cf.data["age"].to_numpy()[age])


def test_columns_in_another_order_are_told_apart() -> None:
    clf, X, cf = answers("mixed", "each")
    turned = clf.counterfactuals(X[list(X.columns[::-1])], intervals="each")
    assert turned.intervals is not None and cf.intervals is not None
    np.testing.assert_array_equal(turned.intervals.low[:, ::-1], cf.intervals.low)
    place = X.columns[::-1].tolist().index("grade")
    assert turned.intervals.labels == {place: ("low", "mid", "high")}


def test_what_is_asked_is_checked_before_any_work() -> None:
    with pytest.raises(ValueError, match=r"intervals must be None, 'each' or 'box', got 'all'\. 'each' tells"):
        fitted_to_nothing().counterfactuals(None, intervals="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="intervals must be None, 'each' or 'box', got True"):
        iris()[0].counterfactuals(iris()[1][:1], intervals=True)  # type: ignore[arg-type]


def fitted_to_nothing() -> HyConExClassifier:
    return HyConExClassifier()


# -------------------------------------------------------------------------------------------------- where they are kept


def test_they_stay_with_their_rows() -> None:
    cf = answers("mixed", "each")[2]
    assert cf.intervals is not None
    odd = np.arange(len(cf)) % 2 == 1
    for part, at in ((cf[odd], odd), (cf[1:3], slice(1, 3)), (pickle.loads(pickle.dumps(cf)), slice(None))):
        assert part.intervals is not None
        np.testing.assert_array_equal(part.intervals.low, cf.intervals.low[at])
        assert part.intervals.labels == cf.intervals.labels
    told = copy.deepcopy(cf.with_words(labels={"age": "Age"}))
    assert told.intervals is not None
    np.testing.assert_array_equal(told.intervals.high, cf.intervals.high)
    assert [one.intervals.low.shape for one in cf] == [(1, 7)] * len(cf)  # type: ignore[union-attr]


def test_tables_of_polars_have_them_too() -> None:
    pl = pytest.importorskip("polars")
    clf, X, cf = answers("mixed", "each")
    kinds = pl.Enum(["low", "mid", "high"])
    foreign = pl.DataFrame({name: X[name].astype(object).where(X[name].notna(), None).tolist() for name in X})
    found = clf.counterfactuals(foreign.with_columns(pl.col("grade").cast(kinds)), intervals="each")
    assert found.intervals is not None and cf.intervals is not None
    np.testing.assert_array_equal(found.intervals.low, cf.intervals.low)
    assert found.explain() == cf.explain()


def test_a_table_with_gaps_in_whole_numbers() -> None:
    X, _ = mixed_table()
    clf = mixed()[0]
    gone = X[X["children"].isna() | X["income"].isna()][:10]
    cf = clf.counterfactuals(gone, intervals="each")
    assert cf.intervals is not None
    np.testing.assert_array_equal(cf.intervals.checked > 0, asked_cells(clf, cf))
    assert take(cf.data, [0]).shape == (1, 7)
