"""Columns, names, indices and labels of every kind that a user may have, each made from a random generator."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

Rng = np.random.Generator
Maker = Callable[[Rng, int], Any]

FLOATS = {"float16": np.float16, "float32": np.float32, "float64": np.float64, "longdouble": np.longdouble}
STRINGS = getattr(np.dtypes, "StringDType", None)  # text of variable width, since numpy 2
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TEXTS = [
    *["", " ", "a", "A", "é", "日本", "🦄", "\x00", "a\nb"],
    *["nan", "None", "1", "1.0", "True", "x" * 300, "\ud800", "<b>"],
]
MIXED = [
    *[1, 1.0, 1.5, 10**30, True, np.float32(2), np.int8(3)],
    *["1", "a", "", None, np.nan, pd.NA, pd.NaT, Decimal("2.5")],
]


class _Thing:
    """An object that no table knows; a deep copy of a table holds the same one, as it does of functions."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Thing:
        return self


def choose(pool: list[Any], rng: Rng, n: int) -> np.ndarray:
    """Some cells of a pool, each as the very object that it is."""
    cells = np.empty(n, dtype=object)
    cells[:] = [pool[i] for i in rng.integers(0, len(pool), n)]
    return cells


def _with_gaps(cells: Any, rng: Rng, gap: Any = None) -> Any:
    cells = cells.copy()
    cells[rng.random(len(cells)) < 0.3] = gap
    return cells


def _magnitudes(rng: Rng, n: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-300, 300, n)


def _limits(dtype: str) -> Maker:
    """Numbers at the very ends of a dtype, and around zero."""

    def make(rng: Rng, n: int) -> np.ndarray:
        if dtype in FLOATS:
            of = np.finfo(dtype)
            pool = [of.max, of.min, of.tiny, -of.tiny, of.smallest_subnormal, of.eps, 0.0, -0.0, 1.0]
        else:
            of = np.iinfo(dtype)
            pool = [of.max, of.max - 1, of.max // 2, of.min, of.min + 1, 0, 1]
        if dtype == "longdouble":  # beyond float64 there is a refusal of its own
            pool = [np.finfo("float64").max, np.finfo("float64").tiny, 0.0, 1.0, np.longdouble(1) / 3]
        return np.array([pool[i] for i in rng.integers(0, len(pool), n)], dtype=FLOATS.get(dtype, dtype))

    return make


def _categories(pool: list[Any], ordered: bool, unused: int, missing: bool) -> Maker:
    def make(rng: Rng, n: int) -> Any:
        levels = [pool[i] for i in rng.permutation(len(pool))]
        codes = rng.integers(-1 if missing else 0, max(1, len(levels) - unused), n)
        return pd.Categorical.from_codes(codes, categories=pd.Index(levels), ordered=ordered)

    return make


def _nullable(dtype: str) -> Maker:
    limits = _limits(dtype.lower())

    def make(rng: Rng, n: int) -> Any:
        return _with_gaps(pd.array(limits(rng, n), dtype=dtype), rng, pd.NA)

    return make


def _text(dtype: str) -> Maker:
    return lambda rng, n: pd.array(choose([*TEXTS[:-2], None], rng, n), dtype=dtype)


def _sparse(rng: Rng, n: int) -> Any:
    return pd.arrays.SparseArray(np.where(rng.random(n) < 0.7, 0.0, rng.normal(size=n)))


#: Columns that can be learned from: a fit has to take them.
GOOD: dict[str, Maker] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "gaps": lambda rng, n: _with_gaps(rng.normal(size=n), rng, np.nan),
    "huge": lambda rng, n: rng.normal(size=n) * 1e300,
    "minute": lambda rng, n: rng.normal(size=n) * 1e-300,
    "any magnitude": _magnitudes,
    "any positive magnitude": lambda rng, n: np.abs(_magnitudes(rng, n)),
    "constant level": lambda rng, n: pd.Categorical(["mid"] * n, ["low", "mid", "high"], ordered=True),
    "far from zero": lambda rng, n: 1e15 + rng.integers(0, 5, n).astype(float),
    "decimals": lambda rng, n: rng.normal(size=n).round(int(rng.integers(0, 7))),
    "point mass": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(0, 5, n)),
    "one missing": lambda rng, n: np.where(np.arange(n) == 0, np.nan, 3.0),
    **{f"limits of {dtype}": _limits(dtype) for dtype in (*FLOATS, *INTEGERS)},
    **{f"small {dtype}": lambda rng, n, dtype=dtype: rng.normal(size=n).astype(dtype) for dtype in FLOATS},
    "digits": lambda rng, n: rng.integers(0, 4, n),
    "boolean": lambda rng, n: rng.random(n) < 0.5,
    **{f"nullable {dtype}": _nullable(dtype) for dtype in ("Int8", "Int64", "UInt64", "Float32", "Float64")},
    "nullable boolean": lambda rng, n: _with_gaps(pd.array(rng.random(n) < 0.5, dtype="boolean"), rng, pd.NA),
    "string": _text("string"),
    "str": _text("str"),
    "text": lambda rng, n: choose(TEXTS, rng, n),
    "text and gaps": lambda rng, n: choose(["a", "b", None, np.nan, pd.NA, pd.NaT], rng, n),
    "mixed objects": lambda rng, n: choose(MIXED, rng, n),
    "numbers as objects": lambda rng, n: choose([1, 2.5, np.float32(3), None, np.nan, pd.NA, True, 1e300], rng, n),
    "integers as objects": lambda rng, n: choose([1, -(10**18), 2**63, np.uint64(7), None], rng, n),
    "exact numbers": lambda rng, n: choose([Decimal("0.1"), Decimal("1E+20"), Decimal("-3"), None], rng, n),
    "fractions": lambda rng, n: choose([Fraction(1, 3), Fraction(2), 1, 0.5], rng, n),
    "booleans as objects": lambda rng, n: choose([True, False, None], rng, n),
    "identifiers": lambda rng, n: choose([f"id {i}" for i in range(n)], rng, n),
    "many texts": lambda rng, n: np.array([f"{value:.9f}" for value in rng.normal(size=n)], dtype=object),
    "categories": _categories(["a", "b", "", "é"], ordered=False, unused=1, missing=True),
    "ordered": _categories(["low", "mid", "high", "top"], ordered=True, unused=1, missing=True),
    "ordered numbers": _categories([3, 1, 2], ordered=True, unused=0, missing=False),
    "categories of numbers": _categories([0.5, 2.0, -1.0], ordered=False, unused=0, missing=True),
    "categories of booleans": _categories([True, False], ordered=False, unused=0, missing=False),
    "categories of anything": _categories([1, "1", 2.5, "é"], ordered=False, unused=0, missing=False),
    "a single category": _categories(["only", "unused"], ordered=False, unused=1, missing=False),
    "constant": lambda rng, n: np.full(n, rng.choice([0.0, -1e300, 1e-300, 7.0])),
    "constant text": lambda rng, n: np.full(n, "same", dtype=object),
    "missing": lambda rng, n: np.full(n, np.nan),
    "missing objects": lambda rng, n: choose([None, np.nan, pd.NA, pd.NaT], rng, n),
    "sparse": _sparse,
}

#: Columns that no table of numbers and labels holds: a fit has to refuse them.
BAD: dict[str, Maker] = {
    "infinity": lambda rng, n: np.where(np.arange(n) == 0, -np.inf, rng.normal(size=n)),
    "beyond float64": lambda rng, n: np.full(n, np.longdouble("1e4000")) * rng.normal(size=n),
    "integers beyond float64": lambda rng, n: choose([10**400, 1, -(10**400)], rng, n),
    "infinity among labels": lambda rng, n: choose([np.inf, "a"], rng, n),
    "dates": lambda rng, n: pd.to_datetime(rng.integers(0, 10**9, n), unit="s"),
    "dates with a zone": lambda rng, n: pd.to_datetime(rng.integers(0, 10**9, n), unit="s", utc=True).tz_convert(
        "Asia/Kolkata"
    ),
    "durations": lambda rng, n: pd.to_timedelta(rng.integers(0, 1000, n), unit="h"),
    "periods": lambda rng, n: pd.PeriodIndex(choose(["1999-12", "2000-01", "2026-11"], rng, n), freq="M"),
    "intervals": lambda rng, n: pd.arrays.IntervalArray.from_breaks(np.arange(n + 1.0)),
    "dates as objects": lambda rng, n: choose([datetime.date(2020, 1, 1), pd.Timestamp("2020-02-02"), None], rng, n),
    "numpy dates as objects": lambda rng, n: choose([np.datetime64("2020-01-01"), np.timedelta64(3, "D"), 1], rng, n),
    "lists": lambda rng, n: choose([[1], [1, 2], []], rng, n),
    "arrays": lambda rng, n: choose([np.arange(3), np.zeros(0)], rng, n),
    "dicts and sets": lambda rng, n: choose([{"a": 1}, {2}], rng, n),
    "tuples": lambda rng, n: choose([(1, 2), (1,)], rng, n),
    "bytes": lambda rng, n: choose([b"a", b""], rng, n),
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
    "complex among objects": lambda rng, n: choose([1j, 1.0], rng, n),
    "types and functions": lambda rng, n: choose([int, len, _Thing()], rng, n),
    "categories of dates": lambda rng, n: pd.Categorical(pd.to_datetime(rng.integers(0, 3, n), unit="D")),
    "categories of intervals": lambda rng, n: pd.cut(np.arange(n, dtype=float), 2),
    "categories of tuples": lambda rng, n: pd.Categorical(choose([(1, 2), (3, 4)], rng, n)),
}

#: Names of d columns.
NAMES: dict[str, Callable[[int], list[Any]]] = {
    "plain": lambda d: [f"c{j}" for j in range(d)],
    "odd": lambda d: ["", " ", "é", "日本", "row", "target", "x1", "cf_row", "🦄", "a\nb", "\x00", "1"][:d],
    "numbers": lambda d: list(range(d, 0, -1)),
    "floats": lambda d: [j + 0.5 for j in range(d)],
    "tuples": lambda d: [("a", j) for j in range(d)],
    "dates": lambda d: list(pd.date_range("2020", periods=d)),
    "text and numbers": lambda d: ["a", *range(1, d)],
    "missing": lambda d: [None, *[f"c{j}" for j in range(1, d)]],
    "twice": lambda d: ["c", "c", *[f"c{j}" for j in range(2, d)]][:d],
}

#: Row labels of n rows.
INDICES: dict[str, Callable[[Rng, int], Any]] = {
    "default": lambda rng, n: pd.RangeIndex(n),
    "shuffled": lambda rng, n: pd.Index(rng.permutation(n) * 7 - 3),
    "duplicate": lambda rng, n: pd.Index(np.zeros(n, dtype=int), name="c0"),
    "text": lambda rng, n: pd.Index([f"r{i % 3}" for i in range(n)]),
    "several levels": lambda rng, n: pd.MultiIndex.from_arrays([np.arange(n) % 2, np.arange(n)], names=["row", None]),
    "dates": lambda rng, n: pd.date_range("2020", periods=n, tz="UTC"),
    "missing": lambda rng, n: pd.Index([np.nan] * n),
}

#: Arrays of shape (n, d), by their dtype.
ARRAYS: dict[str, Callable[[Rng, tuple[int, int]], Any]] = {
    **{f"small {dtype}": lambda rng, shape, dtype=dtype: rng.normal(size=shape).astype(dtype) for dtype in FLOATS},
    **{
        f"limits of {dtype}": lambda rng, shape, dtype=dtype: _limits(dtype)(rng, shape[0] * shape[1]).reshape(shape)
        for dtype in (*FLOATS, *INTEGERS)
    },
    "any magnitude": lambda rng, shape: _magnitudes(rng, shape[0] * shape[1]).reshape(shape),
    "other byte order": lambda rng, shape: rng.normal(size=shape).astype(">f8"),
    "boolean": lambda rng, shape: rng.random(shape) < 0.5,
    "gaps": lambda rng, shape: np.where(rng.random(shape) < 0.3, np.nan, rng.normal(size=shape)),
    "text": lambda rng, shape: rng.choice(["a", "bb", "", "é"], shape),
    **(
        {"new strings": lambda rng, shape: rng.choice(["a", "bb", "", "é"], shape).astype(STRINGS())} if STRINGS else {}
    ),
    "objects": lambda rng, shape: choose(["a", "b", None], rng, shape[0] * shape[1]).reshape(shape),
    "mixed objects": lambda rng, shape: choose(MIXED, rng, shape[0] * shape[1]).reshape(shape),
    "bytes": lambda rng, shape: rng.choice([b"a", b"bb"], shape),
    "dates": lambda rng, shape: rng.integers(0, 99, shape).astype("M8[D]"),
    "complex": lambda rng, shape: rng.normal(size=shape) + 1j,
    "masked": lambda rng, shape: np.ma.masked_array(rng.normal(size=shape), rng.random(shape) < 0.2),
    "infinity": lambda rng, shape: np.full(shape, np.inf),
}

#: How an array lies in memory.
LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "C": lambda table: table,
    "Fortran": lambda table: np.asfortranarray(table),
    "read-only": lambda table: _frozen(table),
    "strided": lambda table: np.repeat(np.repeat(table, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda table: table[::-1, ::-1],
    "lists": lambda table: table.tolist(),
}


def _frozen(table: np.ndarray) -> np.ndarray:
    table = table.copy()
    table.flags.writeable = False
    return table


#: Labels of n rows from class numbers (n,).
LABELS: dict[str, Callable[[np.ndarray], Any]] = {
    "integers": lambda k: k,
    "negative integers": lambda k: -3 * k + 1,
    "narrow integers": lambda k: k.astype(np.int8),
    "unsigned": lambda k: k.astype(np.uint64) + np.uint64(2**64 - 7),
    "whole floats": lambda k: k.astype(float) - 2.0,
    "half floats": lambda k: k.astype(np.float16),
    "booleans": lambda k: k > 0,
    "text": lambda k: np.array(["", "no", "é", "日本", "second", "NaN"])[k],
    "texts as objects": lambda k: np.array(["", "no", "é", "日本", "second", "x" * 99], dtype=object)[k],
    **({"new strings": lambda k: np.array(["", "no", "é", "second", "x", "y"], dtype=STRINGS())[k]} if STRINGS else {}),
    "a list": lambda k: [f"class {label}" for label in k.tolist()],
    "a series": lambda k: pd.Series(k, index=np.arange(len(k)) + 100, name="label"),
    "a string series": lambda k: pd.Series([f"class {label}" for label in k.tolist()], dtype="string"),
    "nullable": lambda k: pd.array(k, dtype="Int64"),
    "nullable booleans": lambda k: pd.Series(k > 0, dtype="boolean"),
    "categories": lambda k: pd.Categorical.from_codes(k, categories=list("zyxwvu")),
    "a column": lambda k: k[:, None],
    "a frame": lambda k: pd.DataFrame({"y": k}),
    # What no classifier takes.
    "continuous": lambda k: k + 0.5 + np.arange(len(k)) / 7,
    "with gaps": lambda k: np.where(k == 0, np.nan, k),
    "of two types": lambda k: np.array([1, "a"], dtype=object)[k % 2],
    "dates": lambda k: k.astype("M8[D]"),
    "too few": lambda k: k[:-1],
    "objects": lambda k: choose([(1,), (1, 2)], np.random.default_rng(0), len(k)),
    "bytes": lambda k: np.array([b"a", b"b", b"c", b"d", b"e", b"f"])[k],
}
