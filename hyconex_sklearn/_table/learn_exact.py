"""Numbers of a table in, equations between its columns out: copies, multiples and sums that every row obeys.

Copies and multiples are the pairs of columns at no angle. For sums, each column is told by a fingerprint, a random sum
of its rows: fingerprints add up where columns do, so that a sorted list of what two of them make finds sums of up to
four. What a few rows suggest is believed after all have been looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .cells import Array

#: Rows with other values than the most frequent one that each column of a relation needs, and rows that a sum is looked
#: for in at least.
FEWEST_ROWS = 20
#: Bits of evidence beyond those that tell one candidate from all others: of as many tables of unrelated columns one
#: would pass.
BITS = 20.0
#: Share of the largest terms that rounding may take from an equation.
ROUNDING = 1e-11
#: What a column varies by, at least, in units of what rounding may take.
_FINE = 100.0
_ALIGNED = 1e-9  # how far the squared cosine of two columns may be from 1, before all rows are looked at
_SLACK = 4.0  # of fingerprints
_MOST_CANDIDATES = 500  # sums that are looked at on all rows of the sample


@dataclass(frozen=True)
class Equation:
    """``sum(coefficients * numbers[:, slots]) == 0``."""

    slots: tuple[int, ...]
    coefficients: tuple[float, ...]

    def obeyed(self, numbers: Array, allowed: float) -> bool:
        """Whether rows of the numbers in its slots (m, k) obey, but for what is allowed; gaps break nothing."""
        return not bool((np.abs(numbers @ np.array(self.coefficients)) > allowed).any())


#: Whether an equation holds in all rows of the table.
Holds = Callable[[Equation], bool]


@dataclass(frozen=True)
class Sample:
    """Some rows of the columns that relations may be about."""

    numbers: Array  # (m, p), NaN where missing
    size: Array  # (p,), the largest magnitude of each column in the whole table
    rounding: Array  # (p,), the share of a column's size that rounding may take

    def tolerance(self, equation: Equation) -> float:
        """What rounding may take from the equation."""
        slots = list(equation.slots)
        return float(self.rounding[slots].max() * (np.abs(equation.coefficients) * self.size[slots]).sum())

    def suggests(self, equation: Equation, n_candidates: float) -> bool:
        """Whether the equation holds in these rows, and unrelated columns would hardly ever obey it so often."""
        numbers = self.numbers[:, equation.slots]
        there = numbers[~np.isnan(numbers).any(axis=1)]
        allowed = self.tolerance(equation)
        if len(there) < FEWEST_ROWS or not equation.obeyed(there, allowed):
            return False
        fine = np.abs(equation.coefficients) * there.std(axis=0) >= _FINE * allowed
        evidence = [_evidence(column) for column in there.T]
        rows, bits = (min(each) for each in zip(*evidence, strict=True))
        return bool(fine.all() and rows >= FEWEST_ROWS and bits >= BITS + np.log2(n_candidates))


def _evidence(column: Array) -> tuple[int, float]:
    """Rows that differ from a column's most frequent value, and bits: that two draws of all rows are the same."""
    counts = np.unique(column, return_counts=True)[1]
    n = len(column)
    return n - int(counts.max()), -n * float(np.log2(((counts / n) ** 2).sum()))


def find_pairs(sample: Sample, holds: Holds) -> list[Equation]:
    """Copies and multiples: each column as a multiple of the first of its kind, the smallest in size."""
    found: list[Equation] = []
    determined: set[int] = set()
    aligned = _aligned(sample)
    order = sorted(range(len(sample.size)), key=lambda j: (sample.size[j], j))
    for place, root in enumerate(order):
        if root in determined:
            continue
        for other in order[place + 1 :]:
            if other in determined or not aligned[root, other]:
                continue
            equation = _multiple(sample, other, root)
            if sample.suggests(equation, float(len(order) ** 2)) and holds(equation):
                found.append(equation)
                determined.add(other)
    return found


def _aligned(sample: Sample) -> Array:
    """Pairs of columns at no angle, by the rows in which both are there: bool (p, p)."""
    there = ~np.isnan(sample.numbers)
    numbers = np.where(there, sample.numbers, 0.0) / sample.size
    product, square, both = numbers.T @ numbers, (numbers**2).T @ there, there.astype(float)
    n = both.T @ both
    return np.asarray((product**2 >= (1 - _ALIGNED) * square * square.T) & (n >= FEWEST_ROWS))


def _multiple(sample: Sample, column: int, root: int) -> Equation:
    """The column as a multiple of the root, by the largest value of that."""
    pair = sample.numbers[:, [column, root]]
    top = np.nanargmax(np.where(np.isnan(pair[:, 0]), np.nan, np.abs(pair[:, 1])))
    ratio = float(pair[top, 0] / pair[top, 1]) if pair[top, 1] else 0.0
    rounding = float(sample.rounding[[column, root]].max())
    short = float(f"{ratio:.{10 if rounding == ROUNDING else 6}g}")
    written = short if abs(short - ratio) <= rounding * abs(ratio) else ratio  # 1 / 3 has no end
    return Equation((column, root), (1.0, -written))


def find_sums(sample: Sample, pairs: list[Equation], holds: Holds) -> list[Equation]:
    """Sums and differences of two columns, then of three, that do not follow from what is known."""
    found = list(pairs)
    copies = {equation.slots[0] for equation in pairs if abs(equation.coefficients[1]) == 1}
    pool = [j for j in range(len(sample.size)) if j not in copies]
    prints = _fingerprints(sample, pool)
    for n_columns in (3, 4):
        tried = 0
        for equation in _candidates(*prints, n_columns):
            if not _independent(equation, found, len(sample.size)):
                continue
            tried += 1
            if tried > _MOST_CANDIDATES:
                break
            if sample.suggests(equation, float((2 * len(pool)) ** n_columns)) and holds(equation):
                found.append(equation)
    return found[len(pairs) :]


def _fingerprints(sample: Sample, pool: list[int]) -> tuple[list[int], Array, Array]:
    """Columns, two fingerprints of each, and how exact these are (2, q), by rows without a gap.

    The columns with most gaps are left out where too few such rows would remain.
    """
    gaps = np.isnan(sample.numbers[:, pool])
    order = np.argsort(gaps.sum(axis=0), kind="stable")
    complete = (~np.logical_or.accumulate(gaps[:, order], axis=1)).sum(axis=0) >= FEWEST_ROWS
    kept = sorted(pool[place] for place in order[complete])
    numbers = sample.numbers[:, kept]
    numbers = numbers[~np.isnan(numbers).any(axis=1)]
    weights = np.random.default_rng(0).normal(size=(2, len(numbers)))
    return kept, weights @ numbers, sample.rounding[kept] * (np.abs(weights) @ np.abs(numbers))


def _candidates(columns: list[int], prints: Array, exact: Array, n_columns: int) -> Iterator[Equation]:
    """Equations of so many columns, with coefficients 1 and -1, that both fingerprints obey."""
    if len(columns) < n_columns:
        return
    pairs = np.stack(np.triu_indices(len(columns), 1), 1)
    pairs, signs = np.tile(pairs, (2, 1)), np.repeat([1.0, -1.0], len(pairs))
    singles = np.arange(len(columns))[:, None]
    ours, own_signs = (singles, np.zeros(0)) if n_columns == 3 else (pairs, signs)
    value, goal = (_added(prints[0], part, sign) for part, sign in ((pairs, signs), (ours, own_signs)))
    width = _SLACK * exact[0][ours].sum(axis=1)
    order = np.argsort(np.abs(value), kind="stable")
    ranked = np.abs(value)[order]
    low, high = (np.searchsorted(ranked, np.abs(goal) + side * width) for side in (-1, 1))
    for one in np.flatnonzero(high > low).tolist():
        for other in order[low[one] : high[one]].tolist():
            if n_columns == 4 and other <= one:
                continue
            slots = [*ours[one].tolist(), *pairs[other].tolist()]
            flip = -1.0 if goal[one] * value[other] > 0 else 1.0
            coefficients = np.array([1.0, *own_signs[one : one + 1], flip, flip * signs[other]])
            total = np.abs(prints[:, slots] @ coefficients)
            if len({*slots}) == n_columns and (total <= _SLACK * exact[:, slots].sum(axis=1)).all():
                yield Equation(tuple(columns[slot] for slot in slots), tuple(coefficients.tolist()))


def _added(prints: Array, slots: Array, signs: Array) -> Array:
    """Fingerprints of single columns, or of pairs of which the second has a sign."""
    return prints[slots[:, 0]] + signs * prints[slots[:, 1]] if slots.shape[1] == 2 else prints[slots[:, 0]]


def _independent(equation: Equation, known: list[Equation], n_columns: int) -> bool:
    """Whether an equation does not follow from the known ones."""
    rows = np.zeros((len(known) + 1, n_columns))
    for row, each in zip(rows, [*known, equation], strict=True):
        row[list(each.slots)] = each.coefficients
    return bool(np.linalg.matrix_rank(rows) == len(rows))


def _behind(slot: int, determined: dict[int, tuple[int, ...]]) -> set[int]:
    """The columns that determine a column, and those that determine these."""
    behind, todo = set(), [slot]
    while todo:
        for other in determined.get(todo.pop(), ()):
            if other not in behind:
                behind.add(other)
                todo.append(other)
    return behind


def solved(equations: list[Equation], size: Array) -> list[Equation]:
    """Each equation for a column that no other determines, behind those that determine its other columns.

    That is the largest (p,) that does not determine itself by way of others: a sum, rather than a part of one. Where
    the order in which columns are given away leaves none for some equation, that one is lost.
    """
    sums_first = sorted(equations, key=lambda equation: -len(equation.slots))
    found = max((_given_away(order, size) for order in (sums_first, equations)), key=len)
    ordered: list[Equation] = []
    while found:
        open_ = {equation.slots[0] for equation in found}
        ordered += [equation for equation in found if not open_ & {*equation.slots[1:]}]
        found = [equation for equation in found if equation not in ordered]
    return ordered


def _given_away(equations: list[Equation], size: Array) -> list[Equation]:
    """Equations, each solved for a column of its own."""
    determined: dict[int, tuple[int, ...]] = {}
    found = []
    for equation in equations:
        terms = dict(zip(equation.slots, equation.coefficients, strict=True))
        for slot in sorted(terms, key=lambda slot: (-size[slot], -slot)):
            others = tuple(sorted(terms.keys() - {slot}))
            if slot not in determined and not any(slot in _behind(other, determined) for other in others):
                determined[slot] = others
                found.append(Equation((slot, *others), (1.0, *(terms[other] / terms[slot] for other in others))))
                break
    return found


def tied(equations: list[Equation]) -> set[frozenset[int]]:
    """Pairs of columns that stand in one equation."""
    return {frozenset(pair) for equation in equations for pair in combinations(equation.slots, 2)}
