"""Certified rows and a judge of rows in, how far each of their changed values may go out.

Nothing is proved: values are written into the row that the user holds, the rows so made are judged as any answer is,
and an interval ends where the judge first says no, on the way from the answer outward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._common.runtime import chunks
from .._table.cells import Array, Table, cells_differ, take_rows
from .._table.column_io import labels_in, numbers_in, own_cells, with_columns, write_cells
from .._table.possible_values import PossibleValues
from .intervals import Intervals

_ALL = 256  # values of a column that are all checked
_SPREAD = 128  # ... of one that has more
_FINER = 64  # values between the last that holds and the first that does not
_ROWS = 128  # drawn in a box
_HALVINGS = 6  # of the share of its way that a box may go
_SEED = 0

#: Which rows of a table (k,) are certified and obey the rules as answers number `at` (k,).
Judge = Callable[[Array, Table], Array]
#: Least and most that the rules allow the column of each answer, (m,) both; by column.
Limits = Mapping[int, tuple[Array, Array]]


class _Trial(NamedTuple):
    """Rows to judge: an answer with other values in some columns, all of one length."""

    answer: int
    values: dict[int, Array]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


class _Cell(NamedTuple):
    """A changed cell."""

    answer: int
    column: int
    own: float  # value of the answer


class _Run(NamedTuple):
    """Values of a cell that hold, and the nearest checked ones on either side that do not; NaN where the range ends."""

    below: float
    low: float
    high: float
    above: float
    number: int
    complete: bool


def reach(
    data: Table,
    original: Table,
    certified: Array,
    grids: Mapping[int, PossibleValues],
    limits: Limits,
    judge: Judge,
    size: int,
    together: bool = False,
) -> Intervals:
    """Return how far the changed values of answers may go.

    Parameters
    ----------
    data, original : tables of shape (m, d)
        Answers, and the rows asked about.
    certified : bool ndarray of shape (m,)
        Which answers to ask about.
    grids : dict of int to PossibleValues
        What each column can hold, by position; columns that are not named have no intervals.
    limits : dict of int to two ndarrays of shape (m,)
        Least and most that bounds and directions allow; what else the rules say, the judge knows.
    judge : callable
        Tells of numbers of answers (k,) and a table of k rows which rows hold.
    size : int
        Rows that are judged at once, about.
    together : bool
        Whether all values of an answer may lie in their intervals at the same time.
    """
    grids = {j: grid.held_in(own_cells(data, j).dtype) for j, grid in grids.items()}
    labels = {j: grid.labels for j, grid in grids.items() if grid.labels}
    found = Intervals.none(*data.shape, together=together, labels=labels, numbers=tuple(sorted(grids)))
    prober = _Prober(data, grids, judge, max(size, _ALL))
    changed = cells_differ(original, data) & certified[:, None]
    for answers in chunks(len(data), max(1, size // _ALL)):  # so that values to try take no more room than rows
        cells = list(_changed(data, changed, grids, answers))
        for cell, run in zip(cells, prober.each(cells, limits), strict=True):
            at = cell[:2]
            found.low[at], found.high[at] = run.low, run.high
            found.checked[at], found.complete[at] = run.number, run.complete
        if together:
            prober.shrink(cells, found)
    return found


def _changed(data: Table, changed: Array, grids: Mapping[int, PossibleValues], answers: slice) -> Iterator[_Cell]:
    """The changed cells of some answers that hold a value of their grid."""
    for j, grid in grids.items():
        at = answers.start + np.flatnonzero(changed[answers, j])
        if not len(at):
            continue
        rows = take_rows(data, at)
        if grid.labels:
            place = {label: float(rank) for rank, label in enumerate(grid.labels)}
            own = np.array([place.get(label, np.nan) for label in labels_in(rows, j)])
        else:
            own = numbers_in(rows, j)
        yield from (_Cell(i, j, v) for i, v in zip(at.tolist(), own.tolist(), strict=True) if np.isfinite(v))


@dataclass(frozen=True)
class _Prober:
    """Writes values into answers, and asks the judge which of the rows hold."""

    data: Table
    grids: Mapping[int, PossibleValues]
    judge: Judge
    size: int

    # -------------------------------------------------------------------------------------------------- each cell

    def each(self, cells: Sequence[_Cell], limits: Limits) -> list[_Run]:
        """The run of values around each cell, all others as they are."""
        first = [self._values(cell, limits) for cell in cells]
        trials = [_Trial(cell.answer, {cell.column: values}) for cell, (values, _) in zip(cells, first, strict=True)]
        told = zip(cells, first, self._judged(trials), strict=True)
        runs = [_run_around(cell.own, values, good, complete) for cell, (values, complete), good in told]
        return self._finer(cells, runs)

    def _values(self, cell: _Cell, limits: Limits) -> tuple[Array, bool]:
        """What to check of a cell, its own value included, and whether that is all that it can hold."""
        grid = self.grids[cell.column]
        low, high = grid.lower, grid.upper
        if cell.column in limits:
            least, most = (float(side[cell.answer]) for side in limits[cell.column])
            low, high = max(low, least), min(high, most)
        values, complete = grid.between(min(low, cell.own), max(high, cell.own), _ALL, _SPREAD)
        return np.union1d(values, [cell.own]), complete

    def _finer(self, cells: Sequence[_Cell], runs: list[_Run]) -> list[_Run]:
        """The runs with their ends moved outward, between what holds and what does not."""
        sides = [(at, side) for at, run in enumerate(runs) for side in (-1, 1) if _has_border(run, side)]
        trials, complete = [], []
        for at, side in sides:
            cell, run = cells[at], runs[at]
            ends = (run.below, run.low) if side < 0 else (run.high, run.above)
            values, every = self.grids[cell.column].between(*ends, _FINER, _FINER + 2)
            values = values[(values > ends[0]) & (values < ends[1])][::side]  # from the answer outward
            trials.append(_Trial(cell.answer, {cell.column: values}))
            complete.append(every)
        for (at, side), trial, good, every in zip(sides, trials, self._judged(trials), complete, strict=True):
            # The last that holds is left out, since there rounding alone may decide; not where these are all values.
            held = int(np.append(good, False).argmin()) - (not every)
            if held > 0:
                end = float(trial.values[cells[at].column][held - 1])
                runs[at] = runs[at]._replace(low=end) if side < 0 else runs[at]._replace(high=end)
        return runs

    # -------------------------------------------------------------------------------------------- all of an answer

    def shrink(self, cells: Sequence[_Cell], found: Intervals) -> None:
        """Shrink the intervals of cells toward their answers until all of an answer may lie anywhere in theirs at once.

        All by one share of their way, which is found by halving.
        """
        of: dict[int, list[_Cell]] = {}
        for cell in cells:
            of.setdefault(cell.answer, []).append(cell)
        drawn = np.random.default_rng(_SEED).random((_ROWS, self.data.shape[1]))
        drawn = np.vstack([drawn, np.zeros_like(drawn[:1]), np.ones_like(drawn[:1])])  # and both corners
        holds = dict.fromkeys(of, 0.0)  # share at which all rows held
        breaks = dict.fromkeys(of, 2.0)  # ... at which one did not; all of the way is tried first
        for _ in range(1 + _HALVINGS):
            open_ = [answer for answer in of if holds[answer] < 1.0]
            tried = {answer: (holds[answer] + breaks[answer]) / 2 for answer in open_}
            trials = [_Trial(answer, self._inside(of[answer], found, tried[answer], drawn)) for answer in open_]
            for answer, good in zip(open_, self._judged(trials), strict=True):
                (holds if good.all() else breaks)[answer] = tried[answer]
        for cell in cells:
            at = cell[:2]
            found.low[at], found.high[at] = self._ends(cell, found, holds[cell.answer])
            found.checked[at], found.complete[at] = _ROWS, False

    def _ends(self, cell: _Cell, each: Intervals, share: float) -> tuple[float, float]:
        """The ends of a cell's interval after a share of the way from the answer, as the column can hold them."""
        low, high = each.low[cell[:2]], each.high[cell[:2]]
        ends = np.array([low, high])
        if share < 1.0:
            ends = self.grids[cell.column].nearest(cell.own + share * (ends - cell.own))
        return float(np.clip(ends[0], low, cell.own)), float(np.clip(ends[1], cell.own, high))

    def _inside(self, cells: list[_Cell], each: Intervals, share: float, drawn: Array) -> dict[int, Array]:
        """Values of an answer's cells in its box, at places that are `drawn` (rows, d) between 0 and 1."""
        values = {}
        for cell in cells:
            low, high = self._ends(cell, each, share)
            place = drawn[:, cell.column]
            inside = self.grids[cell.column].nearest(low + place * (high - low))
            values[cell.column] = np.select([place == 0, place == 1], [low, high], np.clip(inside, low, high))
        return values

    # --------------------------------------------------------------------------------------------------- the judge

    def _judged(self, trials: Sequence[_Trial]) -> Iterator[Array]:
        """Which rows of each trial hold; as many trials at once as there is room for."""
        start = 0
        while start < len(trials):
            stop, rows = start, 0
            while stop < len(trials) and (stop == start or rows + len(trials[stop]) <= self.size):
                rows += len(trials[stop])
                stop += 1
            some = trials[start:stop]
            at = np.repeat([trial.answer for trial in some], [len(trial) for trial in some])
            good = self.judge(at, self._written(at, some)) if rows else np.zeros(0, dtype=bool)
            yield from np.split(good, np.cumsum([len(trial) for trial in some])[:-1])
            start = stop

    def _written(self, at: Array, trials: Sequence[_Trial]) -> Table:
        """The rows that a user would hold: answers `at`, with the values of the trials in their cells."""
        table = take_rows(self.data, at)
        places: dict[int, list[Array]] = {}
        values: dict[int, list[Array]] = {}
        first = 0
        for trial in trials:
            for j, new in trial.values.items():
                places.setdefault(j, []).append(np.arange(first, first + len(new)))
                values.setdefault(j, []).append(new)
            first += len(trial)
        return with_columns(
            table,
            {
                j: write_cells(own_cells(table, j), np.concatenate(places[j]), self._cells(j, np.concatenate(new)))
                for j, new in values.items()
            },
        )

    def _cells(self, j: int, values: Array) -> Array:
        """Values as a column's cells: numbers, or the labels of ranks."""
        labels = np.array([*self.grids[j].labels, None], dtype=object)[:-1]
        return labels[values.astype(np.intp)] if len(labels) else values


def _run_around(own: float, values: Array, good: Array, complete: bool) -> _Run:
    """The values next to each other that hold, around the answer's own one, which holds as it is."""
    at = int(np.searchsorted(values, own))
    bad = np.flatnonzero(~good)
    first = int(bad[bad < at].max(initial=-1)) + 1
    last = int(bad[bad > at].min(initial=len(values))) - 1
    below = float(values[first - 1]) if first else np.nan
    above = float(values[last + 1]) if last + 1 < len(values) else np.nan
    number = len(values) if complete else min(len(values), _SPREAD)
    return _Run(below, float(values[first]), float(values[last]), above, number, complete)


def _has_border(run: _Run, side: int) -> bool:
    """Whether there are values yet to be checked between what holds and what does not."""
    return not run.complete and np.isfinite(run.below if side < 0 else run.above)
