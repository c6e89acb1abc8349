"""A table and its columns in, the relations between them that all its rows obey out: :func:`learn_relations`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from .cells import Array, take_rows
from .codec import CELLS_AT_ONCE, TableCodec
from .found_relation import ORDER, PAIRS, SUM, FoundRelation
from .learn_exact import ROUNDING, Equation, Sample, find_pairs, find_sums, solved, tied
from .learn_orders import Order, find_orders
from .schema import Column, TableSchema
from .units import NARROW_FLOATS

#: The most columns that are looked at, rows that relations are looked for in, orders that are tried, and that are told.
MOST_COLUMNS, _MOST_ROWS, _MOST_TRIED, _MOST_ORDERS = 100, 5_000, 100, 20


def learn_relations(codec: TableCodec, X: Any) -> tuple[FoundRelation, ...]:
    """Return what all rows of the table that a codec was fitted to obey: equations first, each behind those it needs.

    Numbers are looked at in their own units, rows with a gap in a relation's columns left aside. An equation is a copy,
    a multiple, or a sum or difference of two or three columns with coefficients of 1 and -1. It is believed where 20
    rows at least hold it, in each of its columns 20 with another value than the most frequent one, and where columns
    that have nothing to do with each other would obey it in one of a million tables at most, whatever the number of
    equations that were looked at. An order needs 100 rows; columns that overlap, so that a twentieth of the rows and
    more would break it if they had nothing to do with each other; five different values in each; the same odds against
    chance; and, to be told with a gap, whole numbers of which ten rows lie at the gap.

    Work is bounded: relations are looked for between the first 100 columns of numbers, in 5,000 rows, and then tried on
    all rows, some at a time: of sums of two and of three columns 500 each, and of orders the 100 with most evidence, of
    which 20 are told.
    """
    chosen = _numbers_in(codec.schema)[:MOST_COLUMNS]
    if len(chosen) < 2:
        return ()
    columns = [codec.schema.columns[codec.schema.value_columns[slot]] for slot in chosen]
    n = X.shape[0]
    rows = np.arange(n) if n <= _MOST_ROWS else np.linspace(0, n - 1, _MOST_ROWS).round().astype(int)
    size, rounding = sizes(columns)
    sample = Sample(codec.numbers(take_rows(X, rows), chosen), size, rounding)
    table = _Table(codec, X, chosen)

    def holds(equation: Equation) -> bool:
        allowed = sample.tolerance(equation)
        return table.hold(equation.slots, lambda numbers: equation.obeyed(numbers, allowed))

    with np.errstate(all="ignore"):  # what leaves the range of float64 obeys nothing
        pairs = find_pairs(sample, holds)
        equations = solved([*pairs, *find_sums(sample, pairs, holds)], size)
        whole = np.array([column.kind == "integer" for column in columns])
        repeated = {equation.slots[0] for equation in pairs}
        tried = find_orders(sample.numbers, whole, repeated, tied(equations))[:_MOST_TRIED]
        orders = [*islice((order for order in tried if table.hold(order.slots, order.obeyed)), _MOST_ORDERS)]
    names = [column.name for column in columns]
    told = [_told(equation, names, table.n_complete(equation.slots)) for equation in equations]
    return (*told, *(_order(order, names, table) for order in orders))


def sizes(columns: list[Column]) -> tuple[Array, Array]:
    """The largest magnitude that the fit saw in each column, and what share of it rounding may take, both (p,)."""
    size = np.array([max(abs(column.lower), abs(column.upper)) for column in columns])
    narrow = [NARROW_FLOATS.get(column.dtype.lower()) for column in columns]
    return size, np.array([ROUNDING if each is None else 4 * float(np.finfo(each).eps) for each in narrow])


def _numbers_in(schema: TableSchema) -> list[int]:
    """Places in ``value_columns`` of numbers that have more than one value."""
    columns = [schema.columns[j] for j in schema.value_columns]
    return [i for i, c in enumerate(columns) if c.kind in ("numeric", "integer") and c.lower < c.upper]


class _Table:
    """All rows of a table, some at a time, as numbers of the chosen columns."""

    def __init__(self, codec: TableCodec, X: Any, chosen: list[int]) -> None:
        self._codec, self._x, self._chosen = codec, X, chosen

    def _parts(self, slots: tuple[int, ...]) -> Iterator[Array]:
        n, size, chosen = self._x.shape[0], CELLS_AT_ONCE // len(slots), [self._chosen[slot] for slot in slots]
        for start in range(0, n, size):
            yield self._codec.numbers(take_rows(self._x, slice(start, min(start + size, n))), chosen)

    def hold(self, slots: tuple[int, ...], obeyed: Callable[[Array], bool]) -> bool:
        """Whether all rows of the numbers in some slots obey."""
        return all(map(obeyed, self._parts(slots)))

    def n_complete(self, slots: tuple[int, ...]) -> int:
        """Rows without a gap in these columns."""
        return sum(int((~np.isnan(part).any(axis=1)).sum()) for part in self._parts(slots))


def _told(equation: Equation, names: list[Any], n_rows: int) -> FoundRelation:
    terms = dict(zip((names[slot] for slot in equation.slots), equation.coefficients, strict=True))
    copy, multiple = PAIRS
    kind = SUM if len(terms) > 2 else copy if equation.coefficients[1] == -1 else multiple
    return FoundRelation(kind, terms, 0.0, n_rows)


def _order(order: Order, names: list[Any], table: _Table) -> FoundRelation:
    low, high = order.slots
    return FoundRelation(ORDER, {names[low]: 1.0, names[high]: -1.0}, 0.0 - order.gap, table.n_complete(order.slots))
