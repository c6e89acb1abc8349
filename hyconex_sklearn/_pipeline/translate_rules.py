"""Rules about a table in, rules about what a pipeline makes of it out, for the classifier behind the steps.

A rule that cannot be told in the classifier's columns is refused before any search. The rows that come back are judged
by the rules as the user said them, cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from .._answer.status import Status
from .._rules.actionability import EVERYDAY, Actionability
from .._rules.judge import narrowed
from .._rules.read import by_column, read_directions
from .._rules.relations import Relation
from .._rules.table_rules import TableRules
from .._table.cells import Array, Table, cells_differ, names_of
from .._table.codec import TableCodec
from .._table.column_io import is_number, kind_in, numbers_in, own_cells, with_columns, with_values
from .._table.grid import Grid, Listed
from .._table.row_labels import in_order
from .._table.schema import Column, TableSchema
from .probe_steps import Passage

#: What the way through the steps and back may add to a number, relative to the largest of its column.
_NOISE = 1e-9
#: By how much, in the same unit, the bound of a sum is widened: rows of the user that lie on it shall obey it still.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Translation:
    """A query as the classifier is asked it, and the user's own rules that its answer is judged by."""

    keywords: dict[str, Any]  # what the classifier's ``counterfactuals`` is called with
    certifying: dict[str, Any]  # what a certificate depends on, apart from whether a row is feasible
    rules: UserRules | None = None  # None: nothing had to be translated, and the classifier's judgement stands
    glossary: str = ""  # what the classifier's columns are to the user
    as_they_are: tuple[int, ...] = ()  # columns on whose numbers the classifier obeys a rule of the user's by itself

    def ask(self, final: Any, table: Table) -> Any:
        """The classifier's answer; an error that speaks of its columns says what they are to the user."""
        try:
            return final.counterfactuals(table, **self.keywords)
        except (TypeError, ValueError) as error:
            if self.glossary:
                error.add_note(self.glossary)
            raise

    def grids(self, learnt: Mapping[int, Grid]) -> dict[int, Grid]:
        """What cells that came back are rounded to, by column: to what rules say, or else to what was `learnt`."""
        said = {} if self.rules is None else {j: rule.grid for j, rule in self.rules.grids.items()}
        return {j: grid for j, grid in learnt.items() if j not in self.as_they_are} | said

    def limits(self, original: Table, rows: Array, ranges: Array | None) -> dict[int, tuple[Array, Array]]:
        """Between which numbers they are rounded: bounds, directions, and what fit has seen in columns with a rule."""
        return {} if self.rules is None else self.rules.limits(original, rows, ranges)

    def settled(self, data: Table, original: Table, rows: Array) -> Table:
        """The rows that came back, without the noise of the way."""
        return data if self.rules is None else self.rules.settled(data, original, rows)

    def judged(self, report: pd.DataFrame, data: Table, original: Table) -> pd.DataFrame:
        """The report with ``feasible`` and ``status`` by the user's own rules."""
        if self.rules is None:
            return report
        feasible = self.rules.obeyed(data, original, report["row"].to_numpy())
        broken = ~feasible & (report["status"] != Status.ALREADY_TARGET)
        return report.assign(feasible=feasible, status=report["status"].mask(broken, Status.INFEASIBLE))


def by_position(asked: dict[str, Any], X: Table) -> dict[str, Any]:
    """A query in which all that is said of each row of X stands in its order: labels of rows may not pass the steps."""
    rules = Actionability._in_query(asked)
    placed = rules._placed(X, names_of(X))
    if placed is not rules:
        asked = {name: value for name, value in asked.items() if name not in EVERYDAY} | {"actionability": placed}
    return asked | {"target": in_order(asked["target"], X, "target")} if "target" in asked else asked


def translate(
    asked: dict[str, Any],
    X: Table,
    Z: Table,
    forward: Callable[[Table], Table],
    back: Callable[[Array, Table], Table],
) -> Translation:
    """Read the rules of a query against the user's table, and tell them in the columns that the steps make of it.

    `asked` are the keywords of the query, whose rules speak of the columns of `X`, in its units; the rest is as of
    `Passage`. A rule that does not fit `X`, or cannot be told in the columns of `Z`, is a TypeError or ValueError.
    """
    rules = Actionability._in_query(asked)
    passage = Passage(X, Z, forward, back)
    if replace(rules, target_probability=None, keep_relations=True).is_trivial or passage.is_identity:
        on_numbers = ("allowed_values", "resolution")
        ruled = [j for name in on_numbers for _, j, _ in by_column(getattr(rules, name), _schema_of(X), name)]
        return Translation(asked, asked, as_they_are=tuple(ruled))
    read = UserRules.of(rules, X)
    told = _Teller(read, passage).rules()
    others = {name: value for name, value in asked.items() if name not in (*EVERYDAY, "actionability")}
    lasting = Actionability(target_probability=told.target_probability, feature_weights=told.feature_weights)
    return Translation(others | {"actionability": told}, {"actionability": lasting}, read, passage.glossary)


# ----------------------------------------------------------------------------------------------- the user's own rules


@dataclass(frozen=True)
class UserRules(TableRules):
    """What the user said, read against the user's table, and the noise that steps make there."""

    noise: Array  # (d,): rounding noise in a column of floats, 0 in others; it is taken off before a row is judged

    @classmethod
    def of(cls, rules: Actionability, X: Table) -> UserRules:
        """Raise where a rule does not fit the columns or rows of X."""
        read = TableRules.read(rules, TableCodec(_schema_of(X)), X)
        bounds = {j: _on_whole_numbers(read.codec.schema.columns[j], *sides) for j, sides in read.bounds.items()}
        parts = {field.name: getattr(read, field.name) for field in fields(read)} | {"bounds": bounds}
        return cls(**parts, noise=np.array([_noise_in(X, j, bounds.get(j, ())) for j in range(X.shape[1])]))

    def named(self, rule: str) -> dict[int, Any]:
        """What a rule that is a dict says of each column."""
        return {j: said for _, j, said in by_column(getattr(self.said, rule), self.codec.schema, rule)}

    def listed(self, j: int) -> Array:
        """The numbers that are allowed in a column (k,)."""
        grid = self.grids[j].grid
        return np.array(grid.values if isinstance(grid, Listed) else ())

    def limits(self, original: Table, rows: Array, ranges: Array | None) -> dict[int, tuple[Array, Array]]:
        """Low and high (m,) of cells, by column: bounds and directions, and what fit has seen of ruled numbers."""
        found, free = {}, (np.full(len(self.movable), -np.inf), np.full(len(self.movable), np.inf))
        for j in {*self.bounds, *self.directions, *self.grids}:
            low, high = (side[rows] for side in self.bounds.get(j, free))
            low, high = narrowed(low, high, self.values(original, j), self.directions.get(j, 0))
            if j in self.grids and ranges is not None:
                least, most = ranges[j] + _NOISE * np.abs(ranges[j]) * [-1, 1]
                low, high = np.fmax(low, least), np.fmin(high, most)
            found[j] = low, high
        return found

    def settled(self, data: Table, original: Table, rows: Array) -> Table:
        """Frozen cells are the user's own, whatever the steps did; noise at a bound is clipped."""
        data = _restored(data, original, ~self.movable[rows] & cells_differ(original, data))
        for j, (low, high) in self.bounds.items():
            values = self.values(data, j)
            clipped = np.clip(values, low[rows], high[rows])
            at = np.flatnonzero((clipped != values) & (np.abs(clipped - values) <= self.noise[j]))
            data = with_values(data, j, clipped[at], at) if at.size else data
        return data


def _schema_of(X: Table) -> TableSchema:
    """The columns of a table as rules see them: by kind, whatever these few rows hold. Nothing is encoded with it."""
    columns = []
    for j, name in enumerate(names_of(X)):
        kind, cells = kind_in(X, j), own_cells(X, j)
        labels = tuple(cells.categories.tolist()) if kind == "ordered" else ()
        column = Column(name, kind, str(cells.dtype), j, j + 1, categories=labels, fill=np.nan)
        columns.append(replace(column, lower=-np.inf, upper=np.inf))  # what fit has seen is not known here
    container = "dataframe" if isinstance(X, pd.DataFrame) else "ndarray"
    return TableSchema(tuple(columns), container, "", tuple(names_of(X)))


def _on_whole_numbers(column: Column, low: Array, high: Array) -> tuple[Array, Array]:
    """Bounds of integers on integers, so that no value is rounded across."""
    if column.kind != "integer":
        return low, high
    return np.ceil(low), np.floor(high)


def _noise_in(X: Table, j: int, bounds: Iterable[Array]) -> float:
    """Rounding noise of a column of floats, by the largest of its values and bounds; 0 for any other column."""
    if kind_in(X, j) != "numeric":
        return 0.0
    values, dtype = np.concatenate([numbers_in(X, j), *bounds]), own_cells(X, j).dtype
    digits = float(np.finfo(dtype).eps) if isinstance(dtype, np.dtype) and dtype.kind == "f" else 0.0
    return max(_NOISE, 100 * digits) * float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _restored(table: Any, original: Any, mask: Array) -> Any:
    """The table with the cells of the original where the mask (m, d) holds."""
    if isinstance(table, np.ndarray):
        return np.where(mask, original, table) if mask.any() else table
    for j in np.flatnonzero(mask.any(axis=0)).tolist():
        column = table.iloc[:, j].copy()
        column.iloc[mask[:, j]] = original.iloc[:, j].array[mask[:, j]]
        table = with_columns(table.copy(), {j: column.array})
    return table


# ---------------------------------------------------------------------------------------- rules in the final columns


@dataclass(frozen=True)
class _Teller:
    """The user's rules, told in the columns and units after the steps."""

    read: UserRules
    passage: Passage

    def rules(self) -> Actionability:
        said, passage = self.read.said, self.passage
        if said.repair is not None:
            raise ValueError(
                "repair is a function of the user's table, but the classifier searches behind the pipeline's steps. "
                "Ask it there, with a function of its own columns: "
                "pipeline[-1].counterfactuals(pipeline[:-1].transform(X), ...)."
            )
        for j in np.flatnonzero(passage.depends.any(axis=1)).tolist() if said.max_changes is not None else ():
            passage.only("max_changes", j)  # what changes there is what changes here, column by column
        return Actionability(
            immutable=self._immutable(),
            bounds=self._by_goal(self._bounds()),
            monotonic_cst=self._by_goal(self._directions()),
            max_changes=said.max_changes,
            target_probability=said.target_probability,
            allowed_categories=self._by_goal(self._labels("allowed_categories")),
            allowed_transitions=self._by_goal(self._labels("allowed_transitions")),
            allowed_values=self._by_goal(self._values()),
            resolution=self._by_goal(self._resolutions()),
            relations=[self._relation(f"relations[{i}]", relation) for i, relation in enumerate(self.read.relations)],
            feature_weights=self._by_goal(self._weights()),
            keep_relations=said.keep_relations,
        )

    def _by_goal(self, told: Iterable[tuple[int, Any]]) -> dict[Any, Any]:
        """What is said of each final column, by name instead of number."""
        return {self.passage.goals[k]: said for k, said in told}

    def _named(self, rule: str) -> Iterator[tuple[str, int, Any]]:
        """Of each column that a rule names: the rule on it in words, the column's number, and what is said of it."""
        for j, said in self.read.named(rule).items():
            yield f"{rule}[{self.passage.names[j]!r}]", j, said

    def _immutable(self) -> Any:
        """Final columns that depend on a frozen one, or a mask of them for each row."""
        frozen = ~self.read.movable @ self.passage.depends
        nothing_left = frozen.all() and self.read.said._immutable_kind == "cells"  # is no mistake if said of rows
        if (frozen == frozen[:1]).all() and not nothing_left:
            return [goal for goal, is_frozen in zip(self.passage.goals, frozen[0], strict=True) if is_frozen]
        return frozen

    def _bounds(self) -> Iterator[tuple[int, Any]]:
        for rule, j, pair in self._named("bounds"):
            if not is_number(self.passage.X, j):
                labels = [label for side in pair for label in (side if isinstance(side, tuple) else (side,))]
                yield self.passage.same(rule, j, labels), pair
                continue
            k = self.passage.only(rule, j)
            low, high = self.read.bounds[j]
            crossed = bool((low > high).any())  # which is no mistake if said of rows, be it a single one
            if not crossed:
                low, high = (side[:1] if (side == side[0]).all() else side for side in (low, high))
            _, image = self.passage.line(rule, j, k, [*low, *high])
            sides = self._side(rule, j, k, low, +1, crossed), self._side(rule, j, k, high, -1, crossed)
            yield k, sides if image[-1] > image[0] else sides[::-1]

    def _side(self, rule: str, j: int, k: int, side: Array, sense: int, by_row: bool) -> Any:
        """One side of a bound after the steps: None, a number, or one per row; `sense` is 1 for the low side."""
        at = np.isfinite(side)
        if not at.any():
            return None
        told = np.full(len(side), None)
        image = self.passage.image(rule, j, k, side[at])
        back = self.passage.returned(rule, j, k, image)
        lost = ~(sense * (back - side[at]) >= -self.read.noise[j])
        if lost.any():
            first = int(lost.argmax())
            raise self.passage.refusal(rule, j, f"the steps bring {side[at][first]:g} back as {back[first]:g}")
        told[at] = image
        return tuple(told) if by_row or len(told) > 1 else told[0]

    def _directions(self) -> Iterator[tuple[int, int]]:
        for j, direction in read_directions(self.read.said.monotonic_cst, self.read.codec.schema).items():
            rule = f"monotonic_cst[{self.passage.names[j]!r}]"
            if not is_number(self.passage.X, j):
                yield self.passage.same(rule, j), direction
                continue
            k = self.passage.only(rule, j)
            _, image = self.passage.line(rule, j, k)
            yield k, direction if image[-1] > image[0] else -direction

    def _labels(self, rule: str) -> Iterator[tuple[int, Any]]:
        for told, j, said in self._named(rule):
            labels = [*said, *(to for goals in said.values() for to in goals)] if isinstance(said, dict) else said
            yield self.passage.same(told, j, labels), said

    def _values(self) -> Iterator[tuple[int, Any]]:
        for rule, j, _ in self._named("allowed_values"):
            k, values = self.passage.only(rule, j), self.read.listed(j)
            self.passage.line(rule, j, k, values)
            image = self.passage.image(rule, j, k, values)
            lost = np.abs(self.passage.returned(rule, j, k, image) - values)
            if not (lost <= self.read.noise[j]).all():
                raise self.passage.refusal(rule, j, f"the steps do not bring back {values[lost.argmax()]:g}")
            yield k, image

    def _resolutions(self) -> Iterator[tuple[int, float]]:
        """Steps in columns that the classifier has as they are; in others, rows are rounded on the way back."""
        for _, j, step in self._named("resolution"):
            k = self.passage.untouched(j)
            if k is not None and not self.read.grids[j].listed:
                yield k, step

    def _relation(self, rule: str, relation: Relation) -> tuple[dict[Any, float], float]:
        """The same sum of final columns: each has to be a straight line of the column that it is made of."""
        terms, bound = {}, relation.bound
        for slot, coefficient in zip(relation.slots, relation.coefficients, strict=True):
            j = int(self.read.codec.schema.value_columns[slot])
            k = self.passage.only(rule, j)
            grid, image = self.passage.line(rule, j, k)
            slope = (image[-1] - image[0]) / (grid[-1] - grid[0])
            noise = abs(slope) * max(self.read.noise[j], _NOISE * np.ptp(grid))
            if not np.allclose(image, image[0] + slope * (grid - grid[0]), rtol=0.0, atol=noise):
                raise self.passage.refusal(rule, j, f"{self.passage.goals[k]!r} is no straight line of it")
            terms[self.passage.goals[k]] = float(coefficient / slope)
            bound += float(coefficient * (image[0] / slope - grid[0]))
            bound += _ROUNDING * abs(coefficient) * float(np.abs(grid).max())
        return terms, bound

    def _weights(self) -> Iterator[tuple[int, float]]:
        for rule, j, weight in self._named("feature_weights"):
            for k in self.passage.own(rule, j):
                yield k, weight
