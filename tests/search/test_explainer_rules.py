"""Rules end to end: whatever is asked, no returned row breaks a rule that it is said to obey."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from _helpers import same_cells, short_searches, take
from _models import fitted, iris, mixed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, Status

__all__ = ["short_searches"]  # a fixture

Generator = np.random.Generator
Table = pd.DataFrame | np.ndarray
SEARCHES = ["one_shot", "steps", "auto", "latent"]
pytestmark = pytest.mark.usefixtures("short_searches")
EVERYDAY = ["immutable", "bounds", "monotonic_cst", "max_changes", "target_probability"]


# --------------------------------------------------------------------------------------------- tables of every kind


def people(rng: Generator, n: int, jobs: str = "cnp") -> pd.DataFrame:
    """Every kind of column that a DataFrame can have."""
    gap = rng.random((n, 5)) < 0.15
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": np.where(gap[:, 0], np.nan, np.round(np.exp(rng.normal(10, 1, n)), 2)),
            "height": rng.normal(170, 10, n),
            "narrow": rng.normal(5, 1, n).astype(np.float32),
            "children": pd.array(np.where(gap[:, 1], None, rng.integers(0, 6, n)), dtype="Int64"),
            "owner": rng.random(n) < 0.5,
            "smoker": pd.array(np.where(gap[:, 2], None, rng.random(n) < 0.4), dtype="boolean"),
            "job": np.where(gap[:, 3], None, rng.choice(list(jobs), n)).astype(object),
            "grade": pd.Categorical(
                np.where(gap[:, 4], None, rng.choice(["low", "mid", "high"], n)), ["low", "mid", "high"], ordered=True
            ),
            "fixed": 7,
        }
    )


def readings(rng: Generator, n: int) -> np.ndarray:
    """Floats: plain, whole, with two decimals, skewed, with gaps."""
    columns = [rng.normal(size=n), rng.integers(-4, 5, n), rng.normal(size=n).round(2), np.exp(2 * rng.normal(size=n))]
    return np.column_stack([*columns, np.where(rng.random(n) < 0.15, np.nan, rng.normal(size=n))])


def cards(rng: Generator, n: int) -> np.ndarray:
    """Objects: whole numbers, text, truth values, text with gaps."""
    table = np.empty((n, 4), dtype=object)
    table[:, 0], table[:, 1] = rng.integers(0, 20, n), rng.choice(list("uvw"), n)
    table[:, 2], table[:, 3] = rng.random(n) < 0.5, np.where(rng.random(n) < 0.15, None, rng.choice(list("pq"), n))
    return table


class Kind(NamedTuple):
    """A way to draw tables, and what rules can say of their columns."""

    draw: Callable[..., Table]
    label: Callable[[pd.DataFrame], Any]
    numbers: list[str]
    labels: dict[str, list[Any]]
    ordered: dict[str, list[str]]


KINDS = {
    "people": Kind(
        people,
        lambda X: X["age"] / 20 + X["owner"] + (X["job"] == "p") + (X["grade"] == "high") > 4.5,
        ["age", "income", "height", "narrow", "children"],
        {"owner": [False, True], "smoker": [False, True], "job": list("cnp"), "grade": ["low", "mid", "high"]},
        {"grade": ["low", "mid", "high"]},
    ),
    "readings": Kind(
        readings, lambda X: (X["x0"] + X["x1"] / 3 > 0) + 1 * (X["x2"] > 0), ["x0", "x1", "x2", "x3", "x4"], {}, {}
    ),
    "cards": Kind(
        cards,
        lambda X: X["x0"].astype(int) + 10 * (X["x1"] == "u") + 5 * X["x2"].astype(int) > 15,
        ["x0"],
        {"x1": list("uvw"), "x2": [False, True], "x3": list("pq")},
        {},
    ),
}


def framed(table: Table) -> pd.DataFrame:
    """The table with the names that rules call its columns by, every cell as it is."""
    if isinstance(table, pd.DataFrame):
        return table
    return pd.DataFrame(table, columns=[f"x{j}" for j in range(table.shape[1])])


@cache
def model(kind: str) -> tuple[HyConExClassifier, pd.DataFrame]:
    """A fitted estimator of a kind of table, and the table that it was fitted to."""
    X = KINDS[kind].draw(np.random.default_rng(0), 160)
    return fitted(X, np.asarray(KINDS[kind].label(framed(X)))), framed(X)


# ------------------------------------------------------------------------------------------ the judge, in plain Python


def same(before: Any, after: Any) -> bool:
    """Whether two cells hold the same value of the same type, to the last bit; missing marks count as equal."""
    return bool(pd.isna(before) and pd.isna(after)) or (type(before) is type(after) and repr(before) == repr(after))


def changed_columns(before: pd.Series, after: pd.Series) -> list[str]:
    return [name for name in before.index if not same(before[name], after[name])]


def steady_breaches(rules: Actionability, before: pd.Series, after: pd.Series, row: int) -> list[str]:
    """What no returned row may do, whatever its flags say."""
    changed = changed_columns(before, after)
    frozen = rules.immutable or ()
    if frozen and isinstance(frozen[0], tuple):  # a mask for each row
        frozen = [name for name, is_frozen in zip(before.index, frozen[row], strict=True) if is_frozen]
    found = [f"immutable {name}" for name in frozen if name in changed]
    if rules.max_changes is not None and len(changed) > rules.max_changes:
        found.append("max_changes")
    for name, moves in (rules.allowed_transitions or {}).items():
        start = None if pd.isna(before[name]) else before[name]
        if name in changed and start in moves and after[name] not in moves[start]:
            found.append(f"transition {name}")
    return found + [f"taken away {name}" for name in changed if pd.isna(after[name])]


def breaches(rules: Actionability, before: pd.Series, after: pd.Series, row: int, kind: Kind) -> list[str]:
    """Every rule that a returned row breaks."""
    found = steady_breaches(rules, before, after, row)

    def rank(name: str, value: Any) -> Any:
        return kind.ordered[name].index(value) if name in kind.ordered and isinstance(value, str) else value

    for name, sides in (rules.bounds or {}).items():
        low, high = (rank(name, side[row] if isinstance(side, tuple) else side) for side in sides)
        value = rank(name, after[name])
        if not pd.isna(value) and ((low is not None and value < low) or (high is not None and value > high)):
            found.append(f"bounds {name}")
    for name, direction in (rules.monotonic_cst or {}).items():
        old, new = rank(name, before[name]), rank(name, after[name])
        if direction and not pd.isna(new) and (pd.isna(old) or direction * (new - old) < 0):
            found.append(f"monotonic {name}")
    for name, labels in (rules.allowed_categories or {}).items():
        if not pd.isna(after[name]) and after[name] not in labels:
            found.append(f"allowed {name}")
    for terms, bound in rules.relations:
        if not any(pd.isna(after[name]) for name in terms):
            found += ["relation"] if sum(a * float(after[name]) for name, a in terms.items()) > bound else []
    return found


def check_answer(cf: Counterfactuals, X: Table, rules: Actionability, kind: Kind) -> None:
    """No rule leaks, the flags say so, and report and rows speak of the same counterfactuals."""
    assert type(cf.data) is type(X) and len(cf.data) == len(cf.report) and cf.data.shape[1] == X.shape[1]
    assert same_cells(cf.original, take(X, cf.report["row"].to_numpy())).all()
    assert cf.report["row"].is_monotonic_increasing and set(cf.report["row"]) == set(range(len(X)))
    assert not cf.report.duplicated(["row", "target", "rank"]).any()
    query, rows = framed(X), framed(cf.data)
    for at, line in enumerate(cf.report.to_dict("records")):
        before, after = query.iloc[line["row"]], rows.iloc[at]
        assert not steady_breaches(rules, before, after, line["row"])
        assert line["feasible"] == (not breaches(rules, before, after, line["row"], kind)), line
        if line["status"] == Status.ALREADY_TARGET:
            assert not changed_columns(before, after)
        else:
            assert (line["status"] == Status.INFEASIBLE) == (not line["feasible"])


# ----------------------------------------------------------------------------------------- rules of every combination


class Question(NamedTuple):
    """A table with rules on it, and how it is asked about."""

    kind: str
    table: Table
    rules: dict[str, Any]
    as_keywords: bool
    how: dict[str, Any]


def bounds_on(name: str, kind: Kind, train: pd.DataFrame, rng: Generator, loose: np.ndarray) -> tuple[Any, Any]:
    """Bounds around the middle of a column: two-sided, one-sided, or for each row, none in rows that are not loose."""
    if name in kind.ordered:
        low, high = sorted(rng.integers(0, 3, 2))
        sides = [kind.ordered[name][low], kind.ordered[name][high]]
    else:
        values = np.sort(train[name].dropna().to_numpy(dtype=float))
        sides = [float(values[int(rng.uniform(*part) * len(values))]) for part in [(0.05, 0.4), (0.6, 0.95)]]
    form = rng.integers(4)
    if form == 3 or not loose.all():
        return tuple([side if free else None for free in loose] if rng.random() < 0.8 else None for side in sides)
    return (None if form == 1 else sides[0], None if form == 2 else sides[1])


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Rules of every kind and combination that do not contradict each other, about rows like and unlike the fit's."""
    name = draw(st.sampled_from(sorted(KINDS)))
    kind, train = KINDS[name], model(name)[1]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = kind.draw(rng, 4, **({"jobs": "cnpu"} if name == "people" else {}))
    if name == "people":  # a gap and a value that the fit did not see
        table.loc[0, "height"], table.loc[1, "height"] = np.nan, 400.0
    columns = list(train.columns)

    def some(names: Any, most: int = 3) -> list[str]:
        names = sorted(names)
        return draw(st.lists(st.sampled_from(names), max_size=most, unique=True)) if names else []

    rules: dict[str, Any] = {}
    frozen = np.zeros((len(table), len(columns)), dtype=bool)
    form = draw(st.sampled_from(["free", "names", "mask", "rows"]))
    if form == "rows":
        frozen = rng.random(frozen.shape) < 0.3
        rules["immutable"] = frozen
    elif form != "free":
        names = some(columns, len(columns) // 2)
        frozen[:, [columns.index(column) for column in names]] = True
        rules["immutable"] = names if form == "names" else [column in names for column in columns]
    loose = {column: ~frozen[:, j] for j, column in enumerate(columns)}
    bounded = some([column for column in [*kind.numbers, *kind.ordered] if loose[column].any()])
    rules["bounds"] = {column: bounds_on(column, kind, train, rng, loose[column]) for column in bounded}
    rules["monotonic_cst"] = {column: int(rng.choice([-1, 0, 1])) for column in some([*kind.numbers, *kind.ordered])}
    rules["max_changes"] = draw(st.none() | st.integers(1, 3))
    rules["target_probability"] = draw(st.none() | st.floats(0.05, 0.95))
    rules["allowed_categories"] = {
        column: rng.permutation(kind.labels[column])[: rng.integers(1, 3)].tolist()
        for column in some([column for column in kind.labels if loose[column].all()])
    }
    rules["allowed_transitions"] = {
        column: {start: rng.permutation(labels)[: rng.integers(0, 3)].tolist() for start in labels[:2]}
        for column, labels in ((column, kind.labels[column]) for column in some(kind.labels))
    }
    summed = some(kind.numbers)
    terms = {column: float(rng.choice([-2.0, -1.0, 0.5, 1.0])) for column in summed}
    middle = sum(a * float(train[column].astype(float).median()) for column, a in terms.items())
    rules["relations"] = [(terms, middle)] if terms else []
    rules["feature_weights"] = {column: float(rng.uniform(0.1, 9)) for column in some(columns)}
    how = {
        "search": draw(st.sampled_from(SEARCHES)),
        "n_counterfactuals": draw(st.integers(1, 3)),
        "target": draw(st.sampled_from([None, "second", model(name)[0].classes_[0]])),
    }
    return Question(name, table, rules, draw(st.booleans()), how)


def named(question: Question) -> dict[str, Any]:
    """The rules with a mask of columns written as names, as the judge reads them."""
    rules = dict(question.rules)
    mask = rules.get("immutable")
    if isinstance(mask, list) and any(isinstance(item, bool) for item in mask):
        rules["immutable"] = [
            name for name, is_frozen in zip(framed(question.table).columns, mask, strict=True) if is_frozen
        ]
    return rules


@pytest.mark.filterwarnings("ignore:.*not seen at fit:UserWarning")
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(questions())
def test_no_rule_leaks_whatever_is_asked(question: Question) -> None:
    kind, table = KINDS[question.kind], question.table
    clf, _ = model(question.kind)
    keywords = (
        {name: question.rules[name] for name in EVERYDAY if name in question.rules} if question.as_keywords else {}
    )
    rest = Actionability(**{name: rule for name, rule in question.rules.items() if name not in keywords})
    cf = clf.counterfactuals(table, **keywords, actionability=rest, **question.how)
    check_answer(cf, table, Actionability(**named(question)), kind)


# --------------------------------------------------------------------------------------------------- one rule alone


@cache
def rows() -> tuple[HyConExClassifier, pd.DataFrame]:
    """The shared estimator of mixed columns, and some rows of its table."""
    clf, X, _ = mixed()
    return clf, X[::5]


def free_answer() -> Counterfactuals:
    clf, X = rows()
    return clf.counterfactuals(X)


def moved(cf: Counterfactuals) -> pd.Series:
    """How often each column changed."""
    return cf.changes()["feature"].value_counts().reindex(cf.feature_names, fill_value=0)


@pytest.mark.parametrize("search", SEARCHES)
def test_frozen_columns_stay_and_the_others_do_the_work(search: str) -> None:
    clf, X = rows()
    assert moved(free_answer())[["age", "job"]].all()
    cf = clf.counterfactuals(X, immutable=["age", "job"], search=search)
    assert same_cells(cf.data[["age", "job"]], cf.original[["age", "job"]]).all()
    assert cf.report["feasible"].all() and moved(cf).any()


def test_a_mask_freezes_cells_row_by_row() -> None:
    clf, X = rows()
    frozen = np.random.default_rng(0).random(X.shape) < 0.4
    cf = clf.counterfactuals(X, immutable=frozen)
    assert same_cells(cf.data, X)[frozen].all()
    assert (~same_cells(cf.data, X)).any(axis=0)[[0, 1]].all()  # columns that other rows may change


def test_a_row_with_everything_frozen_comes_back_and_the_others_are_answered() -> None:
    clf, X = rows()
    frozen = np.zeros(X.shape, dtype=bool)
    frozen[2] = True
    cf = clf.counterfactuals(X[:6], immutable=frozen[:6])
    assert same_cells(cf.data, X[:6])[2].all()
    assert cf.report["status"][2] == Status.NOT_VALID and cf.report["feasible"].all()
    assert cf.report["valid"].drop(index=2).all()


def test_bounds_hold_in_the_units_of_the_table() -> None:
    clf, X = rows()
    limit = X["age"].to_numpy() + 3
    cf = clf.counterfactuals(X, bounds={"age": (None, limit), "income": (1_000, None), "grade": ("low", "mid")})
    age, feasible = cf.data["age"].to_numpy(), cf.report["feasible"].to_numpy()
    assert feasible.any() and (age <= limit)[feasible].all()
    assert (cf.data["income"].dropna() >= 1_000)[cf.report["feasible"]].all()
    assert set(cf.data["grade"][feasible]) == {"low", "mid"}


@pytest.mark.parametrize(("direction", "name"), [(1, "age"), (-1, "age"), (1, "grade"), (-1, "income")])
def test_what_may_only_rise_never_falls(direction: int, name: str) -> None:
    clf, X = rows()
    cf = clf.counterfactuals(X, monotonic_cst={name: direction}, immutable=["job", "owner"])
    before, after = (t[name].cat.codes if name == "grade" else t[name].to_numpy() for t in (cf.original, cf.data))
    step = np.nan_to_num(np.asarray(after, dtype=float) - np.asarray(before, dtype=float))
    assert (direction * step >= 0).all() and step.any() and cf.report["feasible"].all()


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("search", SEARCHES)
def test_no_more_columns_change_than_may(most: int, search: str) -> None:
    clf, X = rows()
    cf = clf.counterfactuals(X, max_changes=most, search=search)
    assert cf.report["n_changed"].max() == most == (~same_cells(cf.original, cf.data)).sum(1).max()
    assert cf.report["feasible"].all()
    assert search != "auto" or cf.report["valid"].mean() > 0.8


def test_labels_go_only_where_they_may() -> None:
    clf, X = rows()
    rules = Actionability(
        allowed_categories={"grade": ["low", "mid"]},
        allowed_transitions={"job": {"clerk": ["nurse"], "nurse": [], None: []}},
    )
    cf = clf.counterfactuals(X, actionability=rules)
    assert set(cf.data.loc[cf.report["feasible"], "grade"]) <= {"low", "mid"}
    was, now = cf.original["job"], cf.data["job"]
    assert set(now[was == "clerk"]) <= {"clerk", "nurse"} and set(now[was == "nurse"]) == {"nurse"}
    assert now[was.isna()].isna().all() and was.isna().any()


def test_a_relation_between_columns_holds() -> None:
    clf, X = rows()
    terms, bound = {"age": 1.0, "children": -10.0}, 20.0
    before = X["age"] - 10.0 * X["children"]
    cf = clf.counterfactuals(X, actionability=Actionability(relations=[(terms, bound)]))
    after = cf.data["age"] - 10.0 * cf.data["children"]
    assert (before > bound).any() and cf.report["feasible"].all()
    assert not (after > bound).any()


def test_an_expensive_column_is_changed_less_often() -> None:
    clf, X = rows()
    dear = Actionability(feature_weights={"age": 20.0})
    cheap = Actionability(feature_weights={"age": 0.1})
    counts = {
        name: moved(clf.counterfactuals(X, actionability=rules))["age"]
        for name, rules in (("dear", dear), ("cheap", cheap))
    }
    assert counts["dear"] < moved(free_answer())["age"] < counts["cheap"]


def test_rules_as_keywords_and_as_an_object_are_the_same_rules() -> None:
    clf, X = rows()
    rules: dict[str, Any] = {"immutable": ["job"], "bounds": {"age": (20, 70)}, "monotonic_cst": {"children": 1}}
    rules |= {"max_changes": 3, "target_probability": 0.8}
    answers = [
        clf.counterfactuals(X[:8], **rules),
        clf.counterfactuals(X[:8], actionability=Actionability(**rules)),
        clf.counterfactuals(X[:8], immutable=["job"], actionability=Actionability(**{**rules, "immutable": None})),
        clf.counterfactuals(X[:8], actionability=Actionability.from_json(Actionability(**rules).to_json())),
    ]
    for cf in answers[1:]:
        pd.testing.assert_frame_equal(cf.report, answers[0].report)
        pd.testing.assert_frame_equal(cf.data, answers[0].data)


def test_columns_of_an_array_are_called_by_position_or_name() -> None:
    clf, X, _ = iris()
    by_name = clf.counterfactuals(X[:8], immutable=["x2"], bounds={"x0": (4.5, None)}, target=1)
    by_place = clf.counterfactuals(X[:8], immutable=[2], bounds={0: (4.5, None)}, target=1)
    np.testing.assert_array_equal(by_name.data, by_place.data)
    assert (by_name.data[:, 2] == X[:8, 2]).all() and (by_name.data[by_name.report["feasible"], 0] >= 4.5).all()
    assert (by_name.data != X[:8]).any()


def test_columns_in_another_order_are_told_by_name() -> None:
    clf, X = rows()
    turned = X.iloc[:8, ::-1]
    cf = clf.counterfactuals(turned, immutable=["age"], bounds={"income": (None, 30_000)})
    expected = clf.counterfactuals(X[:8], immutable=["age"], bounds={"income": (None, 30_000)})
    pd.testing.assert_frame_equal(cf.data[X.columns], expected.data)
    for positional in ({"immutable": [0]}, {"immutable": np.zeros(turned.shape, bool)}, {"monotonic_cst": [0] * 7}):
        with pytest.raises(ValueError, match=rf"{next(iter(positional))}.*another order.*'age'"):
            clf.counterfactuals(turned, **positional)


# ----------------------------------------------------------------------------------- what cannot be is told before work


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reaching the search fails the test."""
    rows()

    def work(*args: Any, **how: Any) -> None:
        raise AssertionError("a search began although the rules are bad")

    monkeypatch.setattr("hyconex_sklearn._search.explainer.answer", work)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column": ({"immutable": ["wage"]}, r"immutable.*'wage'.*'age', 'income'"),
    "one column, not in a list": ({"immutable": "age"}, r"immutable must be a list.*'age'"),
    "mask of another width": ({"immutable": [True, False]}, r"immutable.*2 values.*7 columns"),
    "mask of another length": ({"immutable": np.zeros((3, 7), bool)}, r"immutable.*\(3, 7\).*\(32, 7\)"),
    "nothing left to change": ({"immutable": list(range(7))}, r"immutable.*nothing to change"),
    "bounds in the wrong order": ({"bounds": {"age": (70, 20)}}, r"bounds\['age'\].*low 70 above high 20"),
    "bounds that no value meets": ({"bounds": {"age": (200, 300)}}, r"bounds\['age'\].*seen at fit.*18"),
    "bounds between two whole numbers": ({"bounds": {"age": (30.2, 30.8)}}, r"bounds\['age'\] leave no value"),
    "bounds for other rows": ({"bounds": {"age": ([1, 2, 3], None)}}, r"bounds\['age'\] has 3 values.*32 rows"),
    "bounds on text": ({"bounds": {"job": ("a", "b")}}, r"bounds\['job'\].*allowed_categories"),
    "bounds in text": ({"bounds": {"age": ("young", None)}}, r"bounds\['age'\].*numbers"),
    "frozen out of bounds": (
        {"immutable": ["age"], "bounds": {"age": (None, 40)}},
        r"immutable freezes column 'age'.*bounds excludes.*rows",
    ),
    "frozen at another label": (
        {"immutable": ["job"], "actionability": Actionability(allowed_categories={"job": ["pilot"]})},
        r"immutable freezes column 'job'.*allowed_categories excludes",
    ),
    "direction of text": ({"monotonic_cst": {"job": 1}}, r"monotonic_cst\['job'\].*without an order"),
    "no direction": ({"monotonic_cst": {"age": 2}}, r"monotonic_cst\['age'\] must be -1, 0 or 1, got 2"),
    "no change at all": ({"max_changes": 0}, r"max_changes must be an integer >= 1, got 0"),
    "certainty": ({"target_probability": 1.0}, r"target_probability must be .*, got 1.0"),
    "unknown label": (
        {"actionability": Actionability(allowed_transitions={"job": {"clerk": ["king"]}})},
        r"allowed_transitions\['job'\]\['clerk'\].*'king'.*'clerk', 'nurse', 'pilot'",
    ),
    "sum of text": ({"actionability": Actionability(relations=[({"job": 1}, 2)])}, r"relations\[0\].*'job'.*labels"),
    "weight of nothing": ({"actionability": Actionability(feature_weights={"wage": 2})}, r"feature_weights.*'wage'"),
    "a rule given twice": (
        {"max_changes": 2, "actionability": Actionability(max_changes=2)},
        r"max_changes is given twice",
    ),
    "rules as a dict": (
        {"actionability": {"max_changes": 2}},
        r"actionability must be None or an Actionability, got dict",
    ),
}


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("name", BAD)
def test_rules_that_cannot_be_are_told_before_any_search(name: str) -> None:
    clf, X = rows()
    rules, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message):
        clf.counterfactuals(X, **rules)


def test_a_row_that_its_rules_leave_no_way_hinders_no_other() -> None:
    clf, X = rows()
    age = X["age"].to_numpy()
    cf = clf.counterfactuals(X, bounds={"age": (None, 50)}, monotonic_cst={"age": 1})
    stuck = age > 50
    assert stuck.any() and not stuck.all()
    np.testing.assert_array_equal(cf.report["status"] == Status.INFEASIBLE, stuck)
    np.testing.assert_array_equal(~cf.report["feasible"], stuck)
    assert same_cells(cf.data, X)[stuck].all()
    assert cf.report["valid"][~stuck].mean() > 0.8
    text = cf[int(np.flatnonzero(stuck)[0])].explain()[0]
    assert text.startswith("No row was found that obeys the rules and is predicted as ")
