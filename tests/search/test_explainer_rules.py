"""Rules end to end: whatever is asked, no returned row breaks a rule that it is said to obey."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from _helpers import same_cells, short_searches, take
from _models import fitted
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
    for name, step in (rules.resolution or {}).items():
        if name in changed_columns(before, after) and not is_near(after[name] / step, round(after[name] / step)):
            found.append(f"resolution {name}")
    for name, values in (rules.allowed_values or {}).items():
        if not pd.isna(after[name]) and not any(is_near(after[name], value) for value in values):
            found.append(f"values {name}")
    for terms, bound in rules.relations:
        if not any(pd.isna(after[name]) for name in terms):
            found += ["relation"] if sum(a * float(after[name]) for name, a in terms.items()) > bound else []
    return found


def is_near(number: Any, other: float) -> bool:
    """Whether two numbers are the same but for the digits that a narrow column has not."""
    return bool(np.isclose(float(number), other, rtol=1e-6, atol=0))


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
    steps: dict[str, float] = {"x1": 2, "x2": 0.25, "age": 5, "income": 100, "children": 2}
    steps |= {"x0": 2} if name == "cards" else {}
    rules["resolution"] = {column: steps.get(column, 0.1) for column in some(kind.numbers)}
    listed = some([column for column in kind.numbers if loose[column].all() and column not in rules["resolution"]])
    rules["allowed_values"] = {
        column: rng.choice(train[column].dropna().to_numpy(dtype=float), rng.integers(1, 5)).tolist()
        for column in listed
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


@pytest.mark.filterwarnings("ignore:.*not seen at fit:UserWarning", "ignore:.*breaks a rule:UserWarning")
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
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
