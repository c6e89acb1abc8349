"""What the fitted steps of a pipeline do to each column of a table, found out by trying: :class:`Passage`.

The steps may be anybody's. One column at a time is given other values, and what moves with it is noted, on the way
there and on the way back.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._common.messages import listing
from .._table.cells import Array, Table, cells_differ, names_of, take_rows, values_differ
from .._table.column_io import (
    is_number,
    kind_in,
    labels_in,
    numbers_in,
    own_cells,
    with_columns,
    with_values,
    write_cells,
)

#: Rows on which the steps are tried, and values from which the shape of a column's map is read.
_PROBES = 20
#: Cells of the tables that are sent through the steps at once.
_CELLS = 5_000_000
_SILENCE = threading.RLock()  # held by the thread that has warnings silenced


@dataclass(frozen=True)
class Passage:
    """The way of n rows through fitted steps: d columns become D final columns."""

    X: Table  # before the first step
    Z: Table  # after the last
    forward: Callable[[Table], Table]  # rows before the first step -> rows after the last
    back: Callable[
        [Array, Table], Table
    ]  # row numbers, and those rows of `Z` with other values -> rows like those of X

    @cached_property
    def depends(self) -> Array:
        """Which columns (first axis) and final columns (second axis) move together, on either way: bool (d, D).

        Both ways count: what keeps b in ``(a, b) -> (a, a + b)`` is to keep both final columns.
        """
        random = np.random.default_rng(0)
        rows = np.linspace(0, len(self.X) - 1, _PROBES).astype(int)
        with _silence():
            found = _moved(take_rows(self.X, rows), self.forward, random)
            with suppress(Exception):  # somebody else's inverse may refuse any value: the way there has to do
                shaken = _shaken(take_rows(self.Z, rows), random)
                found |= _moved(shaken, lambda table: self.back(np.resize(rows, len(table)), table), random).T
        return found

    @cached_property
    def names(self) -> list[Any]:
        """The d columns of the user's table."""
        return names_of(self.X)

    @cached_property
    def goals(self) -> list[Any]:
        """The D final columns."""
        return names_of(self.Z)

    @property
    def is_identity(self) -> bool:
        """Whether every column arrives as it is, under its own name."""
        return self.names == self.goals and all(self._arrives(j, j, ()) for j in range(len(self.names)))

    @property
    def glossary(self) -> str:
        """What the final columns are to the user."""
        made = [f"{goal!r} of {_listed(self.names, self.depends[:, k])}" for k, goal in enumerate(self.goals)]
        return f"The classifier speaks of the columns and units after the pipeline's steps: {'; '.join(made)}."

    # ------------------------------------------------------------------------------------------------ which columns

    def own(self, rule: str, j: int) -> list[int]:
        """The final columns that depend on column j; refused if there are none, or they depend on others, too."""
        at = np.flatnonzero(self.depends[j])
        sharing = self.depends[:, at].any(axis=1) & (np.arange(len(self.names)) != j)
        if not at.size:
            raise self.refusal(rule, j, "none of its columns depends on it")
        if sharing.any():
            mixed, goals = _listed(self.names, sharing), _listed(self.goals, self.depends[j])
            raise self.refusal(rule, j, f"it is mixed with {mixed} in {goals}")
        return at.tolist()

    def only(self, rule: str, j: int) -> int:
        """The one final column that depends on column j, and on no other; refused if there is no such column."""
        at = self.own(rule, j)
        if len(at) > 1:
            raise self.refusal(rule, j, f"it becomes {len(at)} columns, {_listed(self.goals, self.depends[j])}")
        return at[0]

    def same(self, rule: str, j: int, labels: Iterable[Any] = ()) -> int:
        """The one final column that is column j, with `labels` as they are; refused if there is no such column."""
        k = self.only(rule, j)
        if not self._arrives(j, k, labels):
            raise self.refusal(rule, j, f"its values become others in {self.goals[k]!r}")
        return k

    def untouched(self, j: int) -> int | None:
        """The one final column that is column j as it is, if there is one."""
        at = np.flatnonzero(self.depends[j])
        alone = len(at) == 1 and self.depends[:, at].sum() == 1
        return int(at[0]) if alone and self._arrives(j, int(at[0]), ()) else None

    # --------------------------------------------------------------------------------------------------- which values

    def line(self, rule: str, j: int, k: int, near: Iterable[float] = ()) -> tuple[Array, Array]:
        """Points of the map from column j to final column k, in order; refused unless it only rises or only falls."""
        grid = self._grid(j, near)
        image = self.image(rule, j, k, grid)
        steps = np.diff(image)
        if not steps.any() or not ((steps >= 0).all() or (steps <= 0).all()):
            raise self.refusal(rule, j, f"{self.goals[k]!r} does not rise or fall with it throughout")
        return grid, image

    def image(self, rule: str, j: int, k: int, values: Array) -> Array:
        """Numbers (m,) of column j as numbers of final column k; refused where the steps cannot take them."""
        try:
            return numbers_in(self._sent(j, values), k)
        except Exception as error:  # somebody else's transformer may raise anything
            raise self.refusal(rule, j, f"the steps refuse one of {values[:5].tolist()} ({error})") from error

    def returned(self, rule: str, j: int, k: int, image: Array) -> Array:
        """Numbers (m,) of final column k as numbers of column j; refused where the steps cannot take them back."""
        own = np.nan_to_num(numbers_in(self.Z, k))
        # From far away: a cell that its own value would do for comes back as it is.
        far = np.where(image > own.mean(), own.argmin(), own.argmax())
        try:
            return numbers_in(self.back(far, with_values(take_rows(self.Z, far), k, image)), j)
        except Exception as error:
            raise self.refusal(rule, j, f"the steps do not bring back {image[:5].tolist()} ({error})") from error

    def refusal(self, rule: str, j: int, why: str) -> ValueError:
        """The error for a rule about column j that cannot be told in final columns."""
        return ValueError(
            f"{rule} is about column {self.names[j]!r}, and cannot be told to the classifier behind the pipeline's "
            f"steps: {why}. Use immutable=[{self.names[j]!r}], or ask in the columns and units after the steps: "
            "pipeline[-1].counterfactuals(pipeline[:-1].transform(X), ...)."
        )

    def _arrives(self, j: int, k: int, labels: Iterable[Any]) -> bool:
        """Whether column j becomes final column k as it is: its own values, numbers between them, and some labels."""
        if is_number(self.X, j) != is_number(self.Z, k):
            return False  # truth values that become 0 and 1 are labels no more
        if values_differ(own_cells(self.X, j), own_cells(self.Z, k)).any():
            return False
        others = self._grid(j) if is_number(self.X, j) else np.array([v for v in labels if v is not None], dtype=object)
        try:
            return not others.size or not values_differ(others, own_cells(self._sent(j, others), k)).any()
        except Exception:  # a step that does not know the label
            return False

    def _sent(self, j: int, values: Array) -> Table:
        """The first row, with each of some values in column j, after the steps."""
        return self.forward(with_values(take_rows(self.X, np.zeros(len(values), dtype=int)), j, values))

    def _grid(self, j: int, near: Iterable[float] = ()) -> Array:
        """Numbers over the range of column j and of the numbers `near`, in order."""
        values = np.concatenate([numbers_in(self.X, j), np.array(list(near), dtype=np.float64)])
        values = values[np.isfinite(values)]
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        grid = np.linspace(low, high if high > low else low + max(1.0, abs(low)), _PROBES)
        return np.unique(np.rint(grid)) if kind_in(self.X, j) == "integer" else grid


@contextmanager
def _silence() -> Iterator[None]:
    """Run the block without warnings: what a step says of a value that nobody passed is no news.

    Filters belong to the whole process. Threads take turns: restored in another order, the silence would stay.
    """
    with _SILENCE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ------------------------------------------------------------------------------------------------------- what moves


def _moved(table: Table, apply: Callable[[Table], Table], random: np.random.Generator) -> Array:
    """Which columns of the table (first axis) move which columns of ``apply(table)`` (second axis)."""
    before = apply(table)
    moved = np.zeros((table.shape[1], before.shape[1]), dtype=bool)
    changes = [(j, cells) for j in range(table.shape[1]) for cells in _other_cells(table, j, random)]
    at_once = max(1, _CELLS // (table.size + before.size))
    for start in range(0, len(changes), at_once):
        for j, differ in _tried(table, before, changes[start : start + at_once], apply):
            moved[j] |= differ.any(axis=0)
    return moved


def _tried(
    table: Table, before: Table, changes: list[tuple[int, Any]], apply: Callable[[Table], Table]
) -> Iterator[tuple[int, Array]]:
    """Each changed column, and which cells it moves: all changes in one go, or in halves where that fails."""
    changed: list[Any] = [with_columns(table.copy(), {j: cells}) for j, cells in changes]
    try:
        after = apply(pd.concat(changed) if isinstance(table, pd.DataFrame) else np.concatenate(changed))
    except Exception:  # a step refuses a value: it is left out
        half = len(changes) // 2
        for part in (changes[:half], changes[half:]) if half else ():
            yield from _tried(table, before, part, apply)
        return
    differ = cells_differ(take_rows(before, np.resize(np.arange(len(table)), len(after))), after)
    for (j, _), cells in zip(changes, differ.reshape(len(changes), len(table), -1), strict=True):
        yield j, cells


def _other_cells(table: Table, j: int, random: np.random.Generator) -> Iterator[Any]:
    """Other cells for column j: its own in another order, numbers up and down, truth values negated, unknown text."""
    cells, everywhere = own_cells(table, j), np.arange(len(table))
    yield cells[random.permutation(everywhere)]
    if is_number(table, j):
        numbers = np.nan_to_num(numbers_in(table, j))
        for step in (_step(numbers), -_step(numbers)):
            yield write_cells(cells, everywhere, numbers + step)
    elif kind_in(table, j) == "boolean":
        yield write_cells(cells, everywhere, np.array([not label for label in labels_in(table, j)], dtype=object))
    elif pd.api.types.is_string_dtype(cells.dtype) or isinstance(cells.dtype, pd.CategoricalDtype):
        yield write_cells(cells, everywhere, np.full(len(cells), "?", dtype=object))


def _shaken(table: Table, random: np.random.Generator) -> Table:
    """The table with noise on its numbers, so that no code of a one-hot block outweighs the others in every row."""
    for j in range(table.shape[1]):
        if is_number(table, j):
            numbers = np.nan_to_num(numbers_in(table, j))
            table = with_values(table, j, numbers + random.normal(0, _step(numbers), len(numbers)))
    return table


def _step(numbers: Array) -> float:
    """A whole number of about a standard deviation, or of the size of the values if they are all the same."""
    return float(np.ceil(numbers.std() or np.abs(numbers).max(initial=1.0)))


def _listed(names: list[Any], mask: Array) -> str:
    return listing([names[j] for j in np.flatnonzero(mask)], 8) or "nothing"
