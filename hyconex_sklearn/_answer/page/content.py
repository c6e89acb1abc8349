"""What the report page holds, as plain values: rows, their alternatives, and each change as text and as a bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..._table.cells import column_of, numbers_of, objects_of
from ..changes import sentences, spread, told_changes
from ..rows import AnsweredRows
from ..status import Status
from ..wording import decimals_for, format_pair, format_probability, format_share, format_value, isolated, plain

# For people who do not program: a mark, a label, and what it means for them. `Status.description` tells what to try.
_OUTCOMES: dict[str, tuple[str, str, str]] = {
    Status.OK: ("✓", "Meets every check", "The model would predict this, and such values are not rare."),
    Status.FEWER: (
        "✓",
        "Meets every check, the last",
        "The model would predict this; no more alternatives were found.",
    ),
    Status.UNSURE: ("!", "Less sure", "The model would predict this, but with less certainty than was asked for."),
    Status.IMPLAUSIBLE: ("!", "Unusual values", "The model would predict this, but it has rarely seen such values."),
    Status.NOT_VALID: ("✕", "Not found", "Nothing was found that leads to this prediction; this is the best attempt."),
    Status.INFEASIBLE: ("✕", "Against the rules", "Nothing was found that the rules about changes allow."),
    Status.ALREADY_TARGET: ("=", "Already so", "The model predicts this as it is; nothing has to change."),
}


class _Column(NamedTuple):
    """One column: cells of the query rows, and what its bars need."""

    values: np.ndarray  # (m,) objects
    spread: float
    start: np.ndarray  # (m,) before, as numbers
    end: np.ndarray  # (m,) after
    ends: tuple[float, float] | None  # smallest and largest value of its range
    seen: bool  # whether that is the range of the training data


def page_content(result: AnsweredRows, row_names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return all that the page shows of a result, as values that JSON knows; `row_names` are those of all rows of X.

    Returns
    -------
    dict
        ``features``: of each column the name, the range as text, and whether it is that of the training data;
        ``outcomes``: mark, label and meaning of each status; ``targets``: their names; ``rows``: name, prediction,
        values as text and ``answers``. Rows come in the order in which they first appear. Names are one line of text
        that keeps its direction to itself.
    """
    columns = [_column(result, j) for j in range(len(result.feature_names))]
    targets = [_name(target) for target in result.report["target"]]
    rows: dict[Any, dict[str, Any]] = {}
    for position, (row, answer) in enumerate(zip(result.report["row"], _answers(result, columns), strict=True)):
        if row not in rows:
            name = f"Row {row}" if row_names is None else row_names[row]
            rows[row] = _row(result, columns, position, name)
        rows[row]["answers"].append(answer)
    return {
        "features": [_feature(name, column) for name, column in zip(result.feature_names, columns, strict=True)],
        "targets": list(dict.fromkeys(targets)),
        "outcomes": {status: told for status, told in _OUTCOMES.items() if (result.report["status"] == status).any()},
        "rows": list(rows.values()),
    }


# -------------------------------------------------------------------------------------------------------------- columns


def _column(result: AnsweredRows, j: int) -> _Column:
    before, after = column_of(result.original, j), column_of(result.data, j)
    start, end = numbers_of(before, after)
    low, high = (math.nan, math.nan) if result.ranges is None else result.ranges[j].tolist()
    seen = math.isfinite(high - low)
    if not seen:
        numbers = np.concatenate([start, end])
        numbers = numbers[np.isfinite(numbers)]
        low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (math.nan, math.nan)
    ends = (low, high) if math.isfinite(high - low) else None
    return _Column(objects_of(before), spread(result, j), start, end, ends, seen)


def _feature(name: Any, column: _Column) -> dict[str, Any]:
    if column.ends is None:
        return {"name": _name(name), "range": None, "seen": False}
    low, high = column.ends
    return {"name": _name(name), "range": list(format_pair(low, high, high - low)), "seen": column.seen}


def _name(value: Any) -> str:
    return isolated(plain(value))


# -------------------------------------------------------------------------------------------------------- rows, answers


def _row(result: AnsweredRows, columns: list[_Column], position: int, name: str) -> dict[str, Any]:
    values = [format_value(c.values[position], decimals_for(c.spread, c.values[position])) for c in columns]
    return {
        "name": _name(name),
        "prediction": _name(result.prediction_before[position]),
        "values": values,
        "answers": [],
    }


def _answers(result: AnsweredRows, columns: list[_Column]) -> Iterator[dict[str, Any]]:
    changes = told_changes(result)
    numbers = {target: number for number, target in enumerate(dict.fromkeys(map(_name, result.report["target"])))}
    told = zip(result.report.to_dict("records"), result.probability_before, changes, strict=True)
    lines = zip(sentences(result, changes, isolated, "→"), told, strict=True)
    for position, (sentence, (line, before, changed)) in enumerate(lines):
        yield {
            "target": numbers[_name(line["target"])],
            "status": str(line["status"]),
            "sentence": sentence,
            "changes": [
                {"feature": c.column, "old": c.old, "new": c.new, "bar": _bar_of(columns[c.column], position)}
                for c in changed
            ],
            "probability": [format_probability(before), format_probability(line["probability"])],
            "bar": _bar(before, line["probability"], (0.0, 1.0)),
            "checks": [bool(line[flag]) for flag in ("valid", "plausible", "feasible")],
            "support": format_share(line["support"]) if math.isfinite(line["support"]) else "unknown",
        }


def _bar_of(column: _Column, position: int) -> list[float | None] | None:
    return _bar(float(column.start[position]), float(column.end[position]), column.ends) if column.ends else None


def _bar(before: float, after: float, ends: tuple[float, float]) -> list[float | None] | None:
    """Places of old and new value and of both ends of the range, as shares of an axis that holds them all."""
    numbers = (before, after, *ends)
    known = [number for number in numbers if math.isfinite(number)]
    low, width = min(known), max(known) - min(known)
    if len(known) == len(ends) or not 0 < width < math.inf:
        return None
    return [round((number - low) / width, 4) if math.isfinite(number) else None for number in numbers]
