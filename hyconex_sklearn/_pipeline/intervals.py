"""Answers in the user's units in, how far each of their values may go there out: judged behind the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from .._answer.counterfactuals import Counterfactuals
from .._answer.intervals import Intervals
from .._answer.reach import Limits, reach
from .._answer.status import CERTIFIED
from .._rules.actionability import Actionability
from .._table.cells import Array, Table, names_of, take_rows
from .._table.column_io import kind_in
from .._table.grid import Steps
from .._table.possible_values import PossibleValues
from .._table.schema import Column
from .explains_itself import ExplainsItself
from .resolution import resolution
from .translate_rules import Translation, UserRules

_CELLS = 500_000  # of the rows behind the steps that are judged at once


@dataclass(frozen=True)
class IntervalsBefore:
    """What finds intervals of answers to the rows of X, before the steps; made before the search, which it may spare.

    Parameters
    ----------
    kind : str
        "each" or "box".
    X, asked : tables of n rows
        What was asked about, before the steps and behind them.
    there : callable
        Sends rows like those of X through the steps.
    told : Translation
        The query, told behind the steps.
    final : ExplainsItself
        The classifier there.
    query : dict
        As the user said it.

    Raises
    ------
    TypeError, ValueError
        If its bounds or directions don't fit X.
    """

    kind: str
    X: Table
    asked: Table
    there: Callable[[Table], Table]
    told: Translation
    final: ExplainsItself
    query: InitVar[dict[str, Any]]
    rules: UserRules = field(init=False)  # bounds and directions, read against X

    def __post_init__(self, query: dict[str, Any]) -> None:
        rules = Actionability._in_query(query)
        said = Actionability(bounds=rules.bounds, monotonic_cst=rules.monotonic_cst)
        object.__setattr__(self, "rules", UserRules.of(said, self.X))

    def found(self, answered: Counterfactuals) -> Intervals:
        """Return how far the values of certified answers may go, on the grid of the user's own columns.

        Columns of which it is not known what fit has seen have none.
        """
        rows, targets = (answered.report[name].to_numpy() for name in ("row", "target"))
        original, rules = answered.original, self.told.rules
        holds = self.final._certifier(self.asked, **self.told.certifying)

        def judge(at: Array, table: Table) -> Array:
            good = holds(self.there(table), rows[at], targets[at])
            return good if rules is None else good & rules.obeyed(table, take_rows(original, at), rows[at])

        certified = answered.report["status"].isin(CERTIFIED).to_numpy()
        grids, size = self._grids(answered.ranges), _CELLS // max(1, self.asked.shape[1])
        limits = self._limits(original, rows, grids)
        found = reach(answered.data, original, certified, grids, limits, judge, size, self.kind == "box")
        return replace(found, numbers=tuple(columns_with_intervals(self.X, self.final)))

    def _grids(self, ranges: np.ndarray | None) -> dict[int, PossibleValues]:
        """What the columns of X can hold, as far as that is known."""
        learnt, grids = self.told.grids(resolution(self.X, ranges)), {}
        for j, ordered in columns_with_intervals(self.X, self.final).items():
            if ordered is not None and (grid := PossibleValues.of(ordered)):
                grids[j] = grid
            elif ordered is None and ranges is not None and np.isfinite(ranges[j]).all():
                low, high = ranges[j].tolist()
                whole = Steps(1.0) if kind_in(self.X, j) == "integer" else None
                grids[j] = PossibleValues(low, high, learnt.get(j, whole))
        return grids

    def _limits(self, original: Table, rows: Array, grids: dict[int, PossibleValues]) -> Limits:
        named = {*self.rules.exact, *self.rules.directions}
        return {j: self.rules.ends_of(j, original, rows) for j in grids if j in named}


def columns_with_intervals(X: Table, final: ExplainsItself) -> dict[int, Column | None]:
    """Return the positions of columns before the steps that can have intervals.

    With None of numbers, and of labels what fit has learned of them, where the classifier behind the steps orders them.
    """
    ordered = {column.name: column for column in final._columns if column.kind == "ordered"}
    kinds = {j: kind_in(X, j) for j in range(X.shape[1])}
    return {
        j: ordered.get(name) if kinds[j] == "ordered" else None
        for j, name in enumerate(names_of(X))
        if kinds[j] in ("integer", "numeric") or (kinds[j] == "ordered" and name in ordered)
    }


def promised_intervals(
    final: ExplainsItself, asked_itself: bool, X: pd.DataFrame, taken: set[Any]
) -> dict[str, pd.Series]:
    """Return what ``to_frame`` has of intervals beside report and rows like X, without lines.

    `asked_itself` says that there are no steps before the classifier.
    """
    columns = columns_with_intervals(X, final)
    if asked_itself:
        known = {column.name: column for column in final._columns}
        own = [known.get(name, column) for name, column in zip(X.columns, final._columns, strict=True)]
        columns = {j: column for j, column in enumerate(own) if PossibleValues.of(column)}
    labels = {j: () for j, column in columns.items() if column is not None and column.kind == "ordered"}
    empty = Intervals.none(0, X.shape[1], labels=labels, numbers=tuple(columns))
    return empty.beside(list(X.columns), taken, pd.RangeIndex(0))
