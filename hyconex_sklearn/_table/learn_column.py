"""What a codec learns of one column: kind, labels, unit, power, decimals and seen range."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .._common.messages import user_stacklevel
from .cells import Array
from .check_input import check_finite
from .column_io import Cells, kind_of, read_labels, read_numbers
from .schema import Column
from .text_numbers import warn_of_numbers
from .units import NARROW_FLOATS, inverse_yeo_johnson, yeo_johnson

#: One-hot levels that a column keeps; rarer labels encode to an all-zero block.
MAX_LEVELS = 1_000
#: So many different labels, in at least half of the cells, are told as likely identifiers.
MANY_LABELS = 50
#: A column is called heavily skewed, and considered for a power, from this skewness on.
SKEWED = 2.0
#: Exponents beyond these, which few distinct values can provoke, would squeeze all but the smallest values into one.
POWERS = (-1.0, 3.0)
#: Of a grid: the largest value, in its units, that is told exactly; bits of evidence; times that each value is seen.
_EXACT, _BITS, _TIMES = 2.0**50, 10.0, 20
#: Rows from which the power of a skewed column is estimated, evenly spaced in rank.
POWER_SAMPLE = 10_000


def fit_column(cells: Cells, name: Any, start: int, listed: bool) -> Column:
    """Learn one column.

    Parameters
    ----------
    cells : 1-d array
        The column.
    name : hashable
        Its name.
    start : int
        Its first encoded position.
    listed : bool
        Whether the user called it categorical.
    """
    kind = kind_of(cells, name, listed)
    column = Column(name, kind, str(cells.dtype), start, start + 1)
    if kind in ("numeric", "integer"):
        return _fit_numbers(read_numbers(cells, name), column)
    codes, labels = read_labels(cells, name)
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    seen = [code for code in range(len(labels)) if counts[code]]
    any_missing = bool((codes < 0).any())
    if not seen or (len(seen) == 1 and not any_missing):
        return replace(column, kind="constant", categories=tuple(labels[code] for code in seen))
    if kind == "ordered":
        return _fit_ordered(codes, seen, labels, column)
    _warn_of_identifiers(name, len(seen), int(counts.sum()))
    if not listed and not isinstance(cells.dtype, pd.CategoricalDtype):
        warn_of_numbers(name, [labels[code] for code in seen], counts[seen])
    kept, rare = _keep_frequent(seen, counts, MAX_LEVELS - any_missing)
    if not isinstance(cells.dtype, pd.CategoricalDtype):
        kept.sort(key=lambda code: _sort_key(labels[code]))
    categories = tuple(labels[code] for code in kept) + ((None,) if any_missing else ())
    rare_labels = tuple(labels[code] for code in rare)
    return replace(column, stop=start + len(categories), categories=categories, rare=rare_labels, upper=1.0)


def _warn_of_identifiers(name: Any, n_labels: int, n_cells: int) -> None:
    if n_labels > max(MANY_LABELS, n_cells // 2):
        warnings.warn(
            f"column {name!r} has {n_labels} different labels in {n_cells} cells, as names, numbers of persons and "
            "dates as text have. It would be learnt by heart, and answers would exchange one for another: drop it, or "
            "turn it into numbers or a few groups.",
            UserWarning,
            stacklevel=user_stacklevel(),
        )


def _keep_frequent(seen: list[int], counts: Array, limit: int) -> tuple[list[int], list[int]]:
    """Codes that get a level, in their order, and the rarer ones; ties go to the label met first."""
    if len(seen) <= limit:
        return seen, []
    by_count = sorted(seen, key=lambda code: -counts[code])
    return sorted(by_count[:limit]), sorted(by_count[limit:])


def _sort_key(label: Any) -> tuple[str, Any]:
    """An order for labels of mixed types: numbers first, then text."""
    return ("text", label) if isinstance(label, str) else ("number", label)


def _fit_ordered(codes: Array, seen: list[int], labels: list[Any], column: Column) -> Column:
    rank = np.full(len(labels) + 1, np.nan)
    rank[seen] = np.arange(len(seen))
    named = replace(column, categories=tuple(labels[code] for code in seen))
    return _scaled(rank[codes], named, decimals=0, power=None)


def _fit_numbers(values: Array, column: Column) -> Column:
    check_finite(values[:, None], [column.name])
    seen = values[~np.isnan(values)]
    if not len(seen):
        return replace(column, kind="constant")
    low, high = float(seen.min()), float(seen.max())
    if low == high and len(seen) == len(values):
        return replace(column, kind="constant", decimals=0, lower=low, upper=low, fill=low)
    decimals = 0 if column.kind == "integer" else _decimals(seen, column.dtype)
    column = replace(column, multiple=1 if decimals is None else multiple_of(seen, decimals))
    first, last = (float(end) for end in np.quantile(seen, (0.01, 0.99), method="nearest"))  # seen values themselves
    return replace(_scaled(values, column, decimals=decimals, power=_power(seen)), usual=(first, last))


def _scaled(values: Array, column: Column, decimals: int | None, power: tuple[float, float] | None) -> Column:
    """The column with center, scale and range of its values (NaN: missing)."""
    seen = np.sort(values[~np.isnan(values)])
    exponent, unit = power if power is not None else (None, 1.0)
    center, scale = _moments(seen if exponent is None else yeo_johnson(seen / unit, exponent))
    return replace(
        column,
        missing=column.stop if len(seen) < len(values) else None,
        center=center,
        scale=scale,
        power=exponent,
        unit=unit,
        decimals=decimals,
        lower=float(seen[0]),
        upper=float(seen[-1]),
        # The lower median is itself a seen value: on the column's grid, and safe from overflow.
        fill=float(seen[(len(seen) - 1) // 2]),
    )


def _moments(u: Array) -> tuple[float, float]:
    """Mean and standard deviation, whatever the magnitude; the latter is never 0."""
    largest = np.abs(u).max()
    if largest == 0.0 or u[0] == u[-1]:
        return float(u[0]), 1.0
    with np.errstate(over="ignore"):  # numpy 1.26 warns of subnormal numbers, and divides them well
        shares = u / largest  # squares of very large or very small numbers leave the range of float64
    spread = shares.std() or np.ptp(shares)
    return float(shares.mean() * largest), max(float(spread * largest), float(np.finfo(np.float64).tiny))


def _skewness(u: Array) -> float:
    center, scale = _moments(np.sort(u))
    return float(np.mean(((u - center) / scale) ** 3))


def _power(seen: Array) -> tuple[float, float] | None:
    """Yeo-Johnson exponent and unit for a heavily skewed column; None where plain scaling serves as well."""
    with np.errstate(all="ignore"):
        before = abs(_skewness(seen))
        if not before > SKEWED:
            return None
        from sklearn.preprocessing import PowerTransformer  # at fit alone

        unit = float(np.median(np.abs(seen[seen != 0])))
        ranked = np.sort(seen)[:: max(1, len(seen) // POWER_SAMPLE)] / unit
        try:
            exponent = float(PowerTransformer(standardize=False).fit(ranked[:, None]).lambdas_[0])
            exponent = min(max(exponent, POWERS[0]), POWERS[1])
        except (ValueError, FloatingPointError, RuntimeError):
            return None
        return (exponent, unit) if _power_helps(seen, exponent, unit, before) else None


def _power_helps(seen: Array, exponent: float, unit: float, before: float) -> bool:
    """Whether a power clearly lowers the skewness, stays finite, and can be inverted."""
    u = yeo_johnson(seen / unit, exponent)
    if not (np.isfinite(exponent) and np.isfinite(u).all() and np.ptp(u) > 0):
        return False
    center, scale = _moments(np.sort(u))
    tolerance = np.abs(seen) + unit
    exact = np.abs(inverse_yeo_johnson(u, exponent) * unit - seen) <= 1e-6 * tolerance
    # A power that saturates may squeeze the largest values together in float32, but not the bulk of them.
    single = ((u - center) / scale).astype(np.float32).astype(np.float64) * scale + center
    close = np.abs(inverse_yeo_johnson(single, exponent) * unit - seen) <= 1e-2 * tolerance
    return bool(exact.all() and close.mean() >= 0.95 and abs(_skewness(u)) < 0.9 * before)


def _decimals(seen: Array, dtype: str) -> int | None:
    return decimals_of(seen, 4 * float(np.finfo(NARROW_FLOATS.get(dtype.lower(), np.float64)).eps))


def decimals_of(seen: Array, epsilon: float) -> int | None:
    """The fewest decimals (0 to 6) that write every value to a relative `epsilon`; None for a continuous column."""
    largest = float(np.abs(seen).max())
    for decimals in range(7):
        # Once rounding errors come near half a step, any number looks like a rounded one.
        if epsilon * largest * 10.0**decimals > 0.05:
            return None
        if all(_are_rounded(part, 10.0**decimals, epsilon) for part in (seen[:200], seen)):
            return decimals
    return None


def multiple_of(seen: Array, decimals: int) -> int:
    """The largest whole number of which all values are multiples, in units of the last decimal; 1 without evidence.

    Ten ages may all be even by chance. What so many different values, or so many rows of few values, say is believed.
    """
    units = np.rint(np.abs(seen[seen != 0]) * 10.0**decimals)
    if not len(units) or units.max() > _EXACT:
        return 1
    found, n_different = int(np.gcd.reduce(units.astype(np.int64))), len(np.unique(units))
    chance = (n_different - 1) * np.log2(found)  # bits: that other values would be multiples, too
    return found if chance >= _BITS or len(units) >= _TIMES * n_different > _TIMES else 1


def _are_rounded(values: Array, factor: float, epsilon: float) -> bool:
    scaled = values * factor
    return bool((np.abs(scaled - np.rint(scaled)) <= epsilon * np.abs(scaled)).all())
