"""Rules on the numbers that columns may become in, and a codec that decodes to nothing else out.

`resolution` and `allowed_values` take the place of the grid that a column was seen to have at fit: rounding, bounds and
sums of numbers follow the schema, as if the column had always been like that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from .._common.messages import number_text
from .._table.cells import Table
from .._table.codec import TableCodec
from .._table.grid import Grid, Listed, Steps, nearest, onward, written
from .._table.schema import Column, TableSchema
from .._table.units import NARROW_FLOATS
from .actionability import Actionability
from .judge import NumberRule
from .read import by_column

#: By how much a value may be off the range or the decimals of its column, relative to the largest one: by rounding.
_ROUNDING = 1e-9
_MOST_DECIMALS = 300


@dataclass(frozen=True)
class RuledColumn(Column):
    """A column whose new numbers a rule says, and not what the fit has seen."""

    ruled: Grid = field(kw_only=True)

    @property
    def grid(self) -> Grid:
        """The numbers that decoded values are rounded to."""
        return self.ruled

    @classmethod
    def of(cls, column: Column, grid: Grid, dtype: str) -> RuledColumn:
        """A column on a grid, in the part of its range where that has numbers, as a table of a dtype holds them."""
        lower, upper = (grid.values[0], grid.values[-1]) if isinstance(grid, Listed) else _ends(grid, column)
        parts = {part.name: getattr(column, part.name) for part in fields(Column)}
        return cls(**parts | {"dtype": dtype, "lower": lower, "upper": upper}, ruled=grid)


def ruled(codec: TableCodec, rules: Mapping[int, NumberRule], X: Table) -> TableCodec:
    """The codec, for rows of the table X whose numbers have to obey rules."""
    columns = list(codec.schema.columns)
    for j, rule in rules.items():
        if columns[j].is_value:
            columns[j] = RuledColumn.of(columns[j], rule.grid, str(codec.cells(X, j).dtype))
    return TableCodec(replace(codec.schema, columns=tuple(columns))) if rules else codec


def read_grids(rules: Actionability, schema: TableSchema) -> dict[int, NumberRule]:
    """What numbers may become, by number of the columns about which there is such a rule."""
    steps = {j: _steps(rule, step, schema.columns[j]) for rule, j, step in _said(rules, "resolution", schema)}
    listed = {j: _listed(rule, said, schema.columns[j]) for rule, j, said in _said(rules, "allowed_values", schema)}
    found = {j: NumberRule(Listed(values), listed=True) for j, values in listed.items()}
    for j, grid in steps.items():
        if j in listed:
            both = _multiples(listed[j], grid, schema.columns[j])
            found[j] = NumberRule(Listed(both), listed=True, own=Listed(listed[j]))
        else:
            _check_some(grid, schema.columns[j])
            found[j] = NumberRule(grid, listed=False)
    return found


# --------------------------------------------------------------------------------------------- one rule on one column


def _said(rules: Actionability, name: str, schema: TableSchema) -> Iterator[tuple[str, int, Any]]:
    """Of each column that a rule names: the rule in words, its number, what is said; raise where it holds labels."""
    for key, j, said in by_column(getattr(rules, name), schema, name):
        column, rule = schema.columns[j], f"{name}[{key!r}]"
        if column.categories or not (column.is_value or column.kind == "constant"):
            raise ValueError(
                f"{rule} is about column {column.name!r}, which holds labels. Use "
                f"allowed_categories={{{column.name!r}: [...]}}."
            )
        yield rule, j, said


def _steps(rule: str, step: float, column: Column) -> Steps:
    """The multiples of a step; raise where it is finer than what the column can hold."""
    decimals, most = written(step)[1], _decimals(column)
    if most is not None and decimals > most:
        raise ValueError(
            f"{rule} is {number_text(step)}, but column {column.name!r} held {_kind(most)} at fit. Use a multiple of "
            f"{number_text(10.0**-most)}."
        )
    precision = np.finfo(NARROW_FLOATS.get(column.dtype.lower(), np.float64)).eps
    largest = max(abs(column.lower), abs(column.upper))
    if decimals > _MOST_DECIMALS or (np.isfinite(largest) and step < precision * largest):
        raise ValueError(
            f"{rule} is {number_text(step)}, but numbers as large as those of column {column.name!r}, "
            f"{_range(column)}, are not told apart so finely. Use a larger one."
        )
    return Steps.of(step)


def _listed(rule: str, said: tuple[float, ...], column: Column) -> tuple[float, ...]:
    """Listed numbers in rising order; raise where the column can not hold them."""
    values = np.unique(np.array(said, dtype=np.float64))
    precision = _ROUNDING + np.finfo(NARROW_FLOATS.get(column.dtype.lower(), np.float64)).eps
    with np.errstate(invalid="ignore"):
        room = np.nan_to_num(precision * np.abs([column.lower, column.upper]).max(), posinf=0.0)
    outside = values[(values < column.lower - room) | (values > column.upper + room)]
    if outside.size and (column.is_value or column.decimals is not None):
        raise ValueError(
            f"{rule} names values outside of the range seen at fit: {_told(outside)}. Column {column.name!r} held "
            f"{_range(column)}; name values in between."
        )
    most = _decimals(column)
    rounded = values if most is None else nearest(Steps(10.0**most), values)
    off = values[np.abs(rounded - values) > _ROUNDING * np.abs(values)]
    if off.size:
        raise ValueError(
            f"{rule} names {_told(off)}, but column {column.name!r} held {_kind(most)} at fit. Name numbers as those."
        )
    return tuple(np.unique(rounded).tolist())


def _multiples(values: tuple[float, ...], steps: Steps, column: Column) -> tuple[float, ...]:
    """The listed numbers that are multiples of a step; raise where none is."""
    found = np.array(values)[nearest(steps, np.array(values)) == values]
    if not found.size:
        raise ValueError(
            f"allowed_values and resolution contradict each other in column {column.name!r}: none of {_told(values)} "
            f"is a multiple of {number_text(steps.multiple / steps.factor)}. Leave one of the two out."
        )
    return tuple(found.tolist())


def _check_some(steps: Steps, column: Column) -> None:
    """Raise where no multiple of a step lies in the range of a column."""
    first, last = _ends(steps, column)
    if first > last and column.is_value:
        raise ValueError(
            f"resolution is {number_text(steps.multiple / steps.factor)} in column {column.name!r}, of which no "
            f"multiple lies in the range seen at fit, {_range(column)}. Use a smaller one, or "
            f"immutable=[{column.name!r}]."
        )


def _ends(grid: Grid, column: Column) -> tuple[float, float]:
    """The smallest and the largest number of a grid in the range of a column; crossed where there is none."""
    return float(onward(grid, column.lower, +1, column.held)), float(onward(grid, column.upper, -1, column.held))


def _decimals(column: Column) -> int | None:
    """How many decimals the numbers of a column have at most; None: any."""
    return 0 if column.kind == "integer" else column.decimals if column.is_value else None


def _kind(decimals: int | None) -> str:
    return f"numbers of at most {decimals} decimal(s)" if decimals else "whole numbers"


def _range(column: Column) -> str:
    return f"{number_text(column.lower)} to {number_text(column.upper)}"


def _told(values: Iterable[float]) -> str:
    return ", ".join(number_text(float(value)) for value in values)
