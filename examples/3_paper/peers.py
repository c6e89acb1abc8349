"""The methods that counterfactuals are compared with, behind one function each: `METHODS[name]`.

    METHODS[name](clf, X_train, y_train, X, target, seed) -> DataFrame

takes a fitted `HyConExClassifier`, its training rows, the rows to explain and the class wanted for each. The answer
has one row for each row of `X`, in the same columns and units; a row that is all missing says that none was found. An
error of DiCE or NICE on one row counts as none found, too. DiCE and NICE are in `METHODS` only where they can be
imported (`peers_environment.py` makes a place for them); `LEFT_OUT` says why not.

What is fair, and what is not. All explain one and the same classifier, are asked for the same rows and classes, have
their default settings, and are judged on the rows that the user would hold. But they don't know the same:

- DiCE and NICE see nothing of the classifier but predicted probabilities, and both use the training rows.
- Wachter's search uses the classifier's gradient and the spread of the training rows; PPCEF the gradients of classifier
  and density, so that its answers are plausible by the very density that judges "plausibility". Both are written anew
  from their papers (`gradient_peers.py`).
- HyConEx was trained to answer. That costs fit time, which the others don't need, and its search knows classifier,
  density and committee. It gives its best attempt where it fails, so that none of its answers counts as not found.
- The others stop where the class changes, at a probability of .5; HyConEx asks for a probability that rows of the class
  typically have, and for the committee's support, which an independent judge rewards. "hyconex_auto_50" asks for a
  probability of .5 only (plausible and supported as ever).
- DiCE and NICE can't hold missing cells: they are given medians and a category of their own; a missing cell that they
  leave alone is put back, and the row judged so. Constant columns, which break DiCE, are kept from both.
- The time of a method includes what it prepares from the training rows for a batch of queries. HyConEx and PPCEF take
  batches, the others answer row by row.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from gradient_peers import ppcef, wachter

from hyconex_sklearn import HyConExClassifier

LEFT_OUT: dict[str, str] = {}
try:
    import dice_ml
except ImportError as error:  # an optional peer
    LEFT_OUT["dice_random"] = LEFT_OUT["dice_genetic"] = str(error)
try:
    from nice import NICE
except ImportError as error:  # an optional peer
    LEFT_OUT["nice"] = str(error)

Method = Callable[[HyConExClassifier, Any, Any, Any, Any, int], pd.DataFrame]

# ------------------------------------------------------------------------------------------------------------ HyConEx


def _hyconex(**asked: Any) -> Method:
    def method(clf: HyConExClassifier, X_train: Any, y_train: Any, X: Any, target: Any, seed: int) -> pd.DataFrame:
        return pd.DataFrame(clf.counterfactuals(X, target=target, **asked).data)

    return method


# ------------------------------------------------------------------------------------------- tables for DiCE and NICE

_MISSING = "(missing)"


class PlainTables:
    """Training and query rows as DiCE and NICE can hold them, and the way back to the user's columns and dtypes.

    Plain rows have columns c0, c1, ... of numbers and text, without missing cells and without constant columns.

    Attributes
    ----------
    train, queries : DataFrame
        Plain rows.
    numbers : list of str
        Names of the plain columns that hold numbers.
    """

    def __init__(self, clf: HyConExClassifier, X_train: Any, X: Any) -> None:
        self._clf, self._from_array = clf, isinstance(X_train, np.ndarray)
        self._like, self._asked = (pd.DataFrame(table).reset_index(drop=True) for table in (X_train, X))
        self._own_name = {f"c{j}": name for j, name in enumerate(self._like.columns)}
        self._labels: dict[str, dict[str, Any]] = {}  # of text columns: from plain to the user's
        both = pd.concat([self._like, self._asked], ignore_index=True)
        plain = pd.DataFrame({name: self._plain(name, both[own]) for name, own in self._own_name.items()})
        n = len(self._like)
        kept = plain.columns[plain[:n].nunique() > 1]
        self.train, self.queries = plain[kept][:n], plain[kept][n:].reset_index(drop=True)
        self.numbers = [name for name in kept if name not in self._labels]

    def _plain(self, name: str, column: pd.Series) -> pd.Series:
        """Return a column of numbers, missing ones filled, or of text."""
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            if column.notna().all():
                return column.astype("int64" if pd.api.types.is_integer_dtype(column) else float)
            return column.astype(float).fillna(column[: len(self._like)].median()).fillna(0.0)
        self._labels[name] = {str(label): label for label in column.dropna().unique()}
        return column.map(str).astype(object).where(column.notna(), _MISSING)

    def restored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return plain rows in the user's columns and dtypes; constant columns are those of the training rows."""
        columns = {}
        for name, own in self._own_name.items():
            dtype = self._like[own].dtype
            if name not in rows:
                cells = pd.Series(self._like[own].iloc[0], index=rows.index)
            elif name in self._labels:
                cells = rows[name].astype(object).map(self._labels[name])
            else:
                cells = rows[name].astype(float)
                cells = cells.round() if pd.api.types.is_integer_dtype(dtype) else cells
            columns[own] = cells.astype(dtype)
        return pd.DataFrame(columns, index=rows.index)

    def probabilities(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the classifier's probabilities (m, K) of plain rows."""
        rows = self.restored(rows)
        return self._clf.predict_proba(rows.to_numpy() if self._from_array else rows).astype(float)

    def answers(self, found: dict[int, pd.DataFrame]) -> pd.DataFrame:
        """Return plain rows, under the numbers of their queries, as a table with a gap for each of the others.

        A cell that is the query's comes back as the user's own: missing ones, too.
        """
        everything = range(len(self._asked))
        if not found:
            return self._asked[:0].reindex(everything)
        rows = pd.concat(list(found.values())).set_axis(list(found))
        before, after, asked = self.queries.loc[rows.index], self.restored(rows), self._asked.loc[rows.index]
        for name, own in self._own_name.items():
            if name in self.numbers:  # nearly: DiCE computes in single precision
                same = np.isclose(rows[name].astype(float), before[name], rtol=1e-6, atol=0)
            else:
                same = (rows[name].astype(str) == before[name]).to_numpy() if name in rows else np.full(len(rows), True)
            after[own] = after[own].where(~same, asked[own])
        return after.reindex(everything)


def _row_by_row(tables: PlainTables, target: np.ndarray, ask: Callable[[pd.DataFrame, int], Any]) -> pd.DataFrame:
    """Call `ask` with each query and the number of its target class, and put the plain rows found together."""
    found = {}
    for i, wanted in enumerate(target):
        try:
            # DiCE draws progress bars and prints.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                found[i] = ask(tables.queries.iloc[[i]].copy(), int(wanted))
        except Exception:  # whatever goes wrong in a peer: it found none
            continue
    return tables.answers(found)


# --------------------------------------------------------------------------------------------------------------- DiCE

_OUTCOME = "outcome"
# The genetic search draws rows until ten are valid: for ever if none is. A search that ends asks about 1,000 times.
_MOST_GENETIC_CALLS = 5_000


class _Asked:
    """The classifier as DiCE asks it: plain rows in, probabilities and class numbers out, for a while."""

    def __init__(self, tables: PlainTables, most_calls: float) -> None:
        self.tables, self.most_calls, self.calls = tables, most_calls, 0

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        self.calls += 1
        if self.calls > self.most_calls:
            raise RuntimeError(f"asked {self.most_calls} times for one row")
        return self.tables.probabilities(rows)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.predict_proba(rows).argmax(1)


def _dice(algorithm: str, most_calls: float) -> Method:
    def method(clf: HyConExClassifier, X_train: Any, y_train: Any, X: Any, target: Any, seed: int) -> pd.DataFrame:
        tables = PlainTables(clf, X_train, X)
        train = tables.train.assign(**{_OUTCOME: np.searchsorted(clf.classes_, y_train)})
        data = dice_ml.Data(dataframe=train, continuous_features=tables.numbers, outcome_name=_OUTCOME)
        asked = _Asked(tables, most_calls)
        explainer = dice_ml.Dice(data, dice_ml.Model(model=asked, backend="sklearn"), method=algorithm)
        # Not its `random_seed`, which draws the same numbers for each column.
        random.seed(seed)
        np.random.seed(seed)

        def ask(row: pd.DataFrame, wanted: int) -> pd.DataFrame:
            asked.calls = 0
            answer = explainer.generate_counterfactuals(row, total_CFs=1, desired_class=wanted)
            return answer.cf_examples_list[0].final_cfs_df_sparse[tables.queries.columns].iloc[:1]

        return _row_by_row(tables, np.searchsorted(clf.classes_, target), ask)

    return method


# --------------------------------------------------------------------------------------------------------------- NICE


def _nice(clf: HyConExClassifier, X_train: Any, y_train: Any, X: Any, target: Any, seed: int) -> pd.DataFrame:
    """Return the counterfactuals of NICE with its default reward, sparsity: toward the nearest training row."""
    tables = PlainTables(clf, X_train, X)
    names = tables.queries.columns
    explainer = NICE(
        predict_fn=lambda rows: tables.probabilities(pd.DataFrame(rows, columns=names)),
        X_train=_matrix(tables.train),
        y_train=np.searchsorted(clf.classes_, y_train),
        cat_feat=[j for j, name in enumerate(names) if name not in tables.numbers],
        optimization="sparsity",
    )

    def ask(row: pd.DataFrame, wanted: int) -> pd.DataFrame:
        return pd.DataFrame(explainer.explain(_matrix(row), target_class=[wanted]), columns=names)

    return _row_by_row(tables, np.searchsorted(clf.classes_, target), ask)


def _matrix(rows: pd.DataFrame) -> np.ndarray:
    """Return plain rows as an array that NICE may write to: of floats, or of objects where a column is text."""
    numbers = rows.astype({name: float for name in rows if rows[name].dtype != object})
    return numbers.to_numpy(copy=True)


METHODS: dict[str, Method] = {
    "hyconex_one_shot": _hyconex(search="one_shot"),
    "hyconex_auto": _hyconex(),
    "hyconex_auto_50": _hyconex(target_probability=0.5),
    "wachter": wachter,
    "ppcef": ppcef,
    "dice_random": _dice("random", np.inf),
    "dice_genetic": _dice("genetic", _MOST_GENETIC_CALLS),
    "nice": _nice,
}
METHODS = {name: method for name, method in METHODS.items() if name not in LEFT_OUT}
