"""Storms: whole sessions with tables, labels and questions of every kind, described by a few words and a seed.

A `Storm` is plain data, so that a failing one can be pasted into a test; what it stands for is made by its methods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from _storm_columns import ARRAYS, BAD, GOOD, INDICES, LABELS, LAYOUTS, NAMES, choose
from _storm_containers import HOLDERS
from hypothesis import strategies as st

from hyconex_sklearn._common.parameters import SEARCHES

_LIKELY_LABELS = ["integers", "text", "booleans", "texts as objects"]
#: Parameters of a fit, with the ends of what each may be.
SETTINGS: dict[str, list[Any]] = {
    "alpha_plausibility": [0.0, 100.0],
    "alpha_validity": [0.0],
    "batch_size": [2, 7],
    "class_weight": ["balanced"],
    "dropout": [0.0, 0.9],
    "flow_epochs": [0, 5],
    "flow_transforms": [3],
    "joint_epochs": [0, 4],
    "learning_rate": [1e-9, 0.05],
    "max_time": [1e-6],
    "plausibility_quantile": [0.0, 0.99],
    "pretrain_epochs": [0, 10],
    "validation_fraction": [0.001, 0.6, 0.999],
}
#: What is done to the fitted table before it is asked about.
CHANGES = (
    "as fitted",
    "one row",
    "other rows",
    "other order",
    "all missing",
    "far outside",
    "as objects",
    "as text",
    "as array",
    "as float32",
    "new categories",
    "new levels",
    "one odd row",
    "infinity",
)
#: How rules that speak of rows or columns are said: plainly, or with labels in another order.
SAYINGS = ("plain", "labelled", "arrays")


@dataclass(frozen=True)
class Storm:
    """A session: fit a table, predict, ask.

    Parameters
    ----------
    kinds : tuple of str
        Kinds of columns of a DataFrame, or the one kind of an array.
    names, index : str
        Kind of column names and row labels of a DataFrame.
    layout : str
        How an array lies in memory; "" for a DataFrame.
    n, width, n_classes : int
        Rows; columns of an array; classes.
    labels, spread : str
        Kind of labels, and how many rows the classes have.
    container, asked_in : str
        What a DataFrame is turned into before the fit, and before it is asked about.
    change : str
        What is done to the table before it is asked about.
    said : str
        How what is said of each row or column is said.
    fit, ask : dict
        Parameters of the estimator, and how counterfactuals are asked for.
    seed : int
        Of all cells.
    """

    kinds: tuple[str, ...]
    names: str = "plain"
    index: str = "default"
    layout: str = ""
    n: int = 20
    width: int = 0
    n_classes: int = 2
    labels: str = "integers"
    spread: str = "random"
    container: str = "pandas"
    asked_in: str = "pandas"
    change: str = "as fitted"
    said: str = "plain"
    fit: dict[str, Any] = field(default_factory=dict)
    ask: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def table(self, other: int = 0) -> Any:
        """The table; with another number, other rows of the same kind."""
        rng = np.random.default_rng([self.seed, other])
        if self.layout:
            return LAYOUTS[self.layout](ARRAYS[self.kinds[0]](rng, (self.n, self.width)))
        index = INDICES[self.index](rng, self.n)
        columns = [_series((BAD | GOOD)[kind](rng, self.n), index) for kind in self.kinds]
        table = pd.concat(columns, axis=1)
        table.columns = pd.Index(NAMES[self.names](len(columns)), tupleize_cols=self.names == "tuples")
        return table

    def classes(self) -> Any:
        """The label of each row."""
        rng = np.random.default_rng([self.seed, 99])
        numbers = {
            "random": rng.integers(0, self.n_classes, self.n),
            "in turn": np.arange(self.n) % self.n_classes,
            "one rare": np.where(np.arange(self.n) == 0, self.n_classes - 1, 0),
            "sorted": np.sort(np.arange(self.n) % self.n_classes),
        }[self.spread]
        return LABELS[self.labels](numbers)

    def query(self, X: Any) -> Any:
        """The table that is asked about: the fitted one, changed."""
        rng = np.random.default_rng([self.seed, 7])
        return _changed(X, self.change, self, rng)


def _series(cells: Any, index: Any) -> pd.Series:
    """The cells as a column; text that Arrow can't hold stays objects, and numbers that older versions can't read."""
    try:
        return pd.Series(cells, index=index, copy=True)
    except (UnicodeEncodeError, OverflowError):
        return pd.Series(cells, index=index, copy=True, dtype=object)


def _changed(X: Any, change: str, storm: Storm, rng: np.random.Generator) -> Any:
    if change == "other rows":
        return storm.table(other=1)
    if not isinstance(X, pd.DataFrame):
        return _changed_array(X, change)
    if change == "one row":
        return X.iloc[[0]]
    if change == "other order":
        return X.iloc[::-1, rng.permutation(X.shape[1])]
    if change == "all missing":
        gap = choose([None, np.nan, pd.NA, pd.NaT], rng, 1)[0]
        gone = pd.DataFrame({j: [gap] * len(X) for j in range(X.shape[1])}, X.index, dtype=object)
        return gone.set_axis(X.columns, axis=1)
    if change == "as array":
        return X.to_numpy()
    if change == "new levels":
        other = X.copy()
        for name in X if X.columns.is_unique else ():
            if _coded(X[name]):
                other[name] = _other_level(X[name], rng)
        return other
    if change == "one odd row":  # beyond what the fit saw, where a number can be
        odd = X.copy()
        for j in range(X.shape[1]):
            if isinstance(X.dtypes.iloc[j], np.dtype) and X.dtypes.iloc[j].kind == "f":
                odd.isetitem(j, X.iloc[:, j].where(np.arange(len(X)) != len(X) // 2, 1e4))
        return odd
    if change in ("far outside", "new categories", "infinity"):
        cells = {"far outside": [1e308, -1e308, 5e-324], "new categories": ["new", "", 7], "infinity": [np.inf, 1.0]}
        chosen = X.copy()
        for j in range(X.shape[1]):
            if pd.api.types.is_numeric_dtype(X.dtypes.iloc[j]) != (change == "new categories"):
                chosen.isetitem(j, pd.Series(choose(cells[change], rng, len(X)), index=X.index).infer_objects())
        return chosen
    types = {"as objects": object, "as text": str, "as float32": "float32"}
    return _cast(X, types[change]) if change in types else X


def _coded(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def _other_level(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    """Categories with a level more somewhere in their order, which some cells have."""
    levels = list(column.dtype.categories)
    kind = type(levels[0]) if levels else str
    new = "new" if kind is str else 99
    levels.insert(int(rng.integers(0, len(levels) + 1)), new)
    wider = column.cat.set_categories(levels)
    return wider.where(rng.random(len(wider)) < 0.6, new)


def _changed_array(X: Any, change: str) -> Any:
    if change == "one row":
        return X[:1]
    if isinstance(X, list) or X.dtype.kind not in "fiu":
        return X
    if change == "all missing":
        return np.full(X.shape, np.nan)
    if change in ("far outside", "infinity"):
        return np.where(np.arange(X.shape[1]) % 2, 1e308 if change == "far outside" else np.inf, X.astype(float))
    types = {"as objects": object, "as text": str, "as float32": "float32"}
    return _cast(X, types[change]) if change in types else X


def _cast(X: Any, dtype: Any) -> Any:
    """The table in another dtype; as it is where that can't be."""
    try:
        with np.errstate(over="ignore"):
            return X.astype(dtype)
    except (TypeError, ValueError):
        return X


# --------------------------------------------------------------------------------------------------------- strategies


@st.composite
def _frames(draw: st.DrawFn) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from(sorted(GOOD)), min_size=1, max_size=12))
    if draw(st.sampled_from(range(20))) == 0:
        kinds.insert(0, draw(st.sampled_from(sorted(BAD))))
    if len(kinds) > 1 and draw(st.sampled_from(range(4))) == 0:
        kinds[-1] = kinds[0]
    names = draw(st.sampled_from(["plain", "odd"] * 14 + sorted(NAMES)))
    index = draw(st.sampled_from(sorted(INDICES)))
    return {"kinds": tuple(kinds[:12]), "names": names, "index": index, **draw(_containers())}


@st.composite
def _containers(draw: st.DrawFn) -> dict[str, str]:
    """Mostly one for both, and mostly that of pandas."""
    container = draw(st.sampled_from(["pandas"] * 3 + sorted(HOLDERS)))
    return {"container": container, "asked_in": draw(st.sampled_from([container] * 3 + sorted(HOLDERS)))}


@st.composite
def _arrays(draw: st.DrawFn) -> dict[str, Any]:
    kind, layout = draw(st.sampled_from(sorted(ARRAYS))), draw(st.sampled_from(sorted(LAYOUTS)))
    return {"kinds": (kind,), "layout": layout, "width": draw(st.integers(1, 12))}


#: Pairs of bounds: numbers of the user's, some between two floats of a narrow column, or a share of the cells.
_BOUNDS = [
    (None, 1.0),
    (-1.0, None),
    (0, 1e300),
    (1e-9, None),
    (0.1, 0.7),
    (-0.46522919442951055, 1 / 3),
    "middle",
    "own",
]


@st.composite
def _rules(draw: st.DrawFn, width: int) -> dict[str, Any]:
    columns = st.integers(0, width - 1)
    rules: dict[str, Any] = {}
    if draw(st.booleans()):
        return rules
    if draw(st.booleans()):
        rules[draw(st.sampled_from(["immutable", "immutable", "mutable"]))] = draw(
            st.lists(columns, min_size=1, max_size=2, unique=True)
        )
    if draw(st.booleans()):
        rules["bounds"] = {draw(columns): draw(st.sampled_from(_BOUNDS))}
    if draw(st.booleans()):
        rules["monotonic_cst"] = {draw(columns): draw(st.sampled_from([-1, 0, 1]))}
    if draw(st.sampled_from(range(3))) == 0:
        rules["allowed"] = draw(columns)
    if draw(st.sampled_from(range(3))) == 0:
        rules["numbers"] = draw(columns), draw(st.sampled_from(["some", 1, 7, 500, 0.25, 1e-3]))
    if draw(st.booleans()):
        rules["max_changes"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        rules["target_probability"] = draw(st.sampled_from([1e-6, 0.3, 0.9, 1 - 1e-9]))
    return rules


@st.composite
def storms(draw: st.DrawFn) -> Storm:
    """Sessions with tables of 1 to 60 rows and 1 to 12 columns."""
    table = draw(_frames() if draw(st.sampled_from(range(5))) else _arrays())
    width = table.get("width") or len(table["kinds"])
    ask = {"search": draw(st.sampled_from(SEARCHES)), "n_counterfactuals": draw(st.sampled_from([1, 1, 2, 3]))}
    ask["target"] = draw(st.sampled_from(["every", "every", "every", "second", "a label", "a label for each"]))
    chosen = draw(st.lists(st.sampled_from(sorted(SETTINGS)), max_size=2, unique=True))
    fit = {name: draw(st.sampled_from(SETTINGS[name])) for name in chosen}
    if draw(st.sampled_from(range(4))) == 0:
        listed = draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=3, unique=True))
        fit["categorical_features"] = listed
    return Storm(
        **table,
        n=draw(st.sampled_from([20, *range(1, 61)])),  # the first is what it prefers
        n_classes=draw(st.sampled_from([2] * 10 + [3] * 6 + [4, 5, 6, 1])),
        labels=draw(st.sampled_from(_LIKELY_LABELS * 20 + sorted(LABELS))),
        spread=draw(st.sampled_from(["random", "in turn", "in turn", "one rare", "sorted"])),
        change=draw(st.sampled_from(["as fitted", *CHANGES])),
        said=draw(st.sampled_from(SAYINGS)),
        fit=fit,
        ask={**ask, **draw(_rules(width))},
        seed=draw(st.integers(0, 999)),
    )
