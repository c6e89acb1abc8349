"""A table with every kind of column, feasible sets of rules on it, and a judge of what they settle in plain Python."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.compile import compile_rules
from hyconex_sklearn._rules.feasible_set import FeasibleSet
from hyconex_sklearn._rules.table_rules import TableRules
from hyconex_sklearn._table.codec import TableCodec

seeds = st.integers(0, 2**32 - 1)
Generator = np.random.Generator
SIZES = ["S", "M", "L", "XL"]


def table(rng: Generator, n: int, colours: str = "rgb") -> pd.DataFrame:
    """Every kind of column that a rule can be about."""
    gap = rng.random((n, 3)) < 0.25
    return pd.DataFrame(
        {
            "height": rng.normal(170, 10, n),
            "gaps": np.where(gap[:, 0], np.nan, rng.normal(0, 1, n)),
            "income": np.exp(2 * rng.normal(size=n) + 8),
            "cents": np.round(rng.normal(9, 3, n), 2),
            "narrow": rng.normal(2000, 1, n).astype(np.float32),
            "count": rng.integers(0, 30, n),
            "holes": pd.array(np.where(gap[:, 1], None, rng.integers(-5, 5, n)), dtype="Int64"),
            "member": rng.random(n) < 0.5,
            "colour": np.where(gap[:, 2], None, rng.choice(list(colours), n)).astype(object),
            "size": pd.Categorical(rng.choice([*SIZES, None], n), categories=SIZES, ordered=True),
            "fixed": np.ones(n),
        }
    )


NUMBERS = ["height", "gaps", "income", "cents", "narrow", "count", "holes"]
STEPS = {  # finer and coarser than the columns are
    "height": [5, 0.3, 12.5],
    "gaps": [0.25, 0.7],
    "income": [500, 1000.0, 0.01],
    "cents": [0.05, 0.01, 2],
    "narrow": [0.1, 0.05, 1],
    "count": [1, 5, 7],
    "holes": [2, 1],
}
LABELS = {"member": [False, True], "colour": list("rgb"), "size": SIZES}


class Case:
    """A fitted codec, a query table and the feasible set of some rules on it."""

    def __init__(self, rules: Actionability, query: pd.DataFrame, fitted: pd.DataFrame | TableCodec) -> None:
        self.rules, self.query = rules, query
        self.codec = fitted if isinstance(fitted, TableCodec) else TableCodec.fit(fitted)
        self.home = self.codec.encode(query, warn_unseen=False)
        self.read = TableRules.read(rules, self.codec, query)
        self.feasible = compile_rules(self.read, query, self.home)

    def settle(self, Z: np.ndarray, feasible: FeasibleSet | None = None) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """The decoded table, the encoded rows, and which are said to obey."""
        settled, good = (feasible or self.feasible).settle(Z, self.home)
        assert settled.dtype == np.float32 and settled.shape == self.home.shape and good.dtype == bool
        return self.read.codec.decode(settled, self.query, reference=self.home), settled, good

    def proposals(self, rng: Generator) -> np.ndarray:
        """Soft rows: near the query or far from it, some columns untouched."""
        noise = rng.normal(size=self.home.shape) * rng.choice([1e-4, 0.5, 3.0], size=(len(self.home), 1))
        keep = rng.random((len(self.home), len(self.codec.schema.columns))) < rng.choice([0.0, 0.5, 0.9])
        return self.home + np.where(keep[:, self.codec.schema.owner], 0.0, noise)


def simple(rules: Actionability | None = None, n: int = 40, **keywords: Any) -> Case:
    """A case on a table that stays the same."""
    rng = np.random.default_rng(0)
    return Case(rules or Actionability(**keywords), table(rng, n), table(rng, 300))


def quantiles(column: pd.Series, rng: Generator) -> list[float]:
    """A few of the numbers that a column has, or, where it has any, of those between them."""
    values = column.dropna().astype(float).quantile(rng.uniform(0.1, 0.9, rng.integers(1, 5)))
    return values.round({"cents": 2, "count": 0, "holes": 0}.get(str(column.name), 9)).tolist()


def same(a: Any, b: Any) -> bool:
    return bool((pd.isna(a) and pd.isna(b)) or (not pd.isna(a) and not pd.isna(b) and a == b))


# ------------------------------------------------------------------------------------------- the judge, in plain Python


def changed_columns(before: pd.Series, after: pd.Series) -> list[str]:
    return [name for name in before.index if not same(before[name], after[name])]


def steady_breaches(rules: Actionability, before: pd.Series, after: pd.Series) -> list[str]:
    """What no row may do, whether it is said to obey or not."""
    found = []
    changed = changed_columns(before, after)
    found += [f"immutable {name}" for name in rules.immutable or () if name in changed]
    if rules.max_changes is not None and len(changed) > rules.max_changes:
        found.append("max_changes")
    for name, moves in (rules.allowed_transitions or {}).items():
        start = None if pd.isna(before[name]) else before[name]
        if name in changed and start in moves and after[name] not in moves[start]:
            found.append(f"transition {name}")
    return found


def breaches(rules: Actionability, before: pd.Series, after: pd.Series, row: int) -> list[str]:
    """Every rule that a row breaks."""
    found = steady_breaches(rules, before, after)
    for name, sides in (rules.bounds or {}).items():
        low, high = (side[row] if isinstance(side, tuple) else side for side in sides)
        value = after[name]
        if pd.isna(value):
            continue
        if name == "narrow":  # compared as the column is, whether or not numpy compares a single number so, too
            low, high = (side if side is None else np.float32(side) for side in (low, high))
        if name == "size":
            value, low, high = SIZES.index(value), low and SIZES.index(low), high and SIZES.index(high)
        found += [f"bounds {name}"] if (low is not None and value < low) or (high is not None and value > high) else []
    for name, direction in (rules.monotonic_cst or {}).items():
        old, new = before[name], after[name]
        if direction and not pd.isna(new):
            old, new = (SIZES.index(v) if name == "size" and not pd.isna(v) else v for v in (old, new))
            found += [f"monotonic {name}"] if pd.isna(old) or direction * (new - old) < 0 else []
    for name, labels in (rules.allowed_categories or {}).items():
        if not pd.isna(after[name]) and after[name] not in labels:
            found.append(f"allowed {name}")
    for name, step in (rules.resolution or {}).items():
        if name in changed_columns(before, after) and not pd.isna(after[name]):
            found += [] if is_multiple(after[name], step) else [f"resolution {name}"]
    for name, values in (rules.allowed_values or {}).items():
        if not pd.isna(after[name]) and not any(type(after[name])(value) == after[name] for value in values):
            found.append(f"values {name}")
    for terms, bound in rules.relations:
        if not pd.isna([after[name] for name in terms]).any():
            found += ["relation"] if sum(a * float(after[name]) for name, a in terms.items()) > bound else []
    return found


def is_multiple(cell: Any, step: float) -> bool:
    """Whether a cell is the number next to a multiple of a step as it is written, in the cell's own precision."""
    exact = Fraction(str(step))
    return bool(type(cell)(float(round(float(cell) / exact) * exact)) == cell)


@st.composite
def rule_sets(draw: st.DrawFn) -> Actionability:
    """Rules on the columns of `table` that do not contradict each other."""
    rng = np.random.default_rng(draw(seeds))
    sample = table(rng, 200)
    frozen = draw(st.lists(st.sampled_from([*NUMBERS, *LABELS]), max_size=3, unique=True))
    loose = [name for name in NUMBERS if name not in frozen]
    pick = lambda names: draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else []  # noqa: E731

    def quantile(name: str, low: float, high: float) -> float:
        return float(sample[name].astype(float).quantile(rng.uniform(low, high)))

    bounds: dict[str, Any] = {name: (quantile(name, 0.1, 0.4), quantile(name, 0.6, 0.9)) for name in pick(loose)}
    bounds |= {name: (None, quantile(name, 0.4, 0.6)) for name in pick([n for n in loose if n not in bounds])}
    labels = {name: known for name, known in LABELS.items() if name not in frozen}
    allowed = {name: rng.permutation(labels[name])[: rng.integers(1, 4)].tolist() for name in pick(sorted(labels))}
    moves = {
        name: {start: rng.permutation(LABELS[name])[: rng.integers(0, 3)].tolist() for start in LABELS[name][:2]}
        for name in pick(sorted(LABELS))
    }
    relations = [
        ({name: float(rng.choice([-2, -1, 1, 0.5])) for name in names}, 0.0) for names in [pick(NUMBERS)] if names
    ]
    relations = [(t, float(sum(a * sample[n].astype(float).median() for n, a in t.items()))) for t, _ in relations]
    steps = {name: draw(st.sampled_from(STEPS[name])) for name in pick(NUMBERS)}
    listed = {name: quantiles(sample[name], rng) for name in pick([n for n in loose if n not in steps])}
    return Actionability(
        immutable=frozen,
        resolution=steps,
        allowed_values=listed,
        bounds=bounds,
        monotonic_cst={name: int(rng.choice([-1, 1])) for name in pick([*NUMBERS, "size"])},
        max_changes=draw(st.none() | st.integers(1, 4)),
        allowed_categories=allowed,
        allowed_transitions=moves,
        relations=relations,
        feature_weights={name: float(rng.uniform(0.1, 9)) for name in pick(NUMBERS)},
    )
