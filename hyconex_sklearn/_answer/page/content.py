"""What the report page holds, as plain values: rows, their alternatives, and each change as text and as a bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ..changes import ComparedColumn
from ..rows import AnsweredRows
from ..sentences import sentences
from ..status import Status
from ..wording import format_pair, format_probability, format_share, isolated, plain

# For people who do not program: a mark, a label, and what it means for them. `Status.description` tells what to try.
_OUTCOMES: dict[str, tuple[str, str, str]] = {
    Status.OK: ("✓", "Meets every check", "The model would predict this, and such values are not rare."),
    Status.FEWER: (
        "✓",
        "Meets every check, the last",
        "The model would predict this; no more alternatives were found.",
    ),
    Status.UNSURE: (
        "!",
        "Less sure",
        "The model would predict this, but with less certainty than it usually has, or than was asked for.",
    ),
    Status.IMPLAUSIBLE: ("!", "Unusual values", "The model would predict this, but it has rarely seen such values."),
    Status.NOT_VALID: ("✕", "Not found", "Nothing was found that leads to this prediction; this is the best attempt."),
    Status.INFEASIBLE: ("✕", "Against the rules", "Nothing was found that the rules about changes allow."),
    Status.ALREADY_TARGET: ("=", "Already so", "The model predicts this as it is; nothing has to change."),
}


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
    columns = ComparedColumn.all_of(result)
    targets = [_name(target) for target in result.report["target"]]
    rows: dict[Any, dict[str, Any]] = {}
    for position, (row, answer) in enumerate(zip(result.report["row"], _answers(result, columns), strict=True)):
        if row not in rows:
            name = f"Row {row}" if row_names is None else row_names[row]
            rows[row] = _row(result, columns, position, name)
        rows[row]["answers"].append(answer)
    return {
        "features": [_feature(column) for column in columns],
        "targets": list(dict.fromkeys(targets)),
        "outcomes": {status: told for status, told in _OUTCOMES.items() if (result.report["status"] == status).any()},
        "rows": list(rows.values()),
    }


def _ends(column: ComparedColumn) -> tuple[float, float] | None:
    """Smallest and largest value of a column's range: that of the training data where it is known."""
    low, high = column.seen or column.met or (math.nan, math.nan)
    return (low, high) if math.isfinite(high - low) else None


def _feature(column: ComparedColumn) -> dict[str, Any]:
    told, ends = {"name": _name(column.name), "range": None, "seen": False}, _ends(column)
    if ends is None:
        return told
    low, high = ends
    return told | {"range": list(format_pair(low, high, high - low)), "seen": column.seen is not None}


def _name(value: Any) -> str:
    return isolated(plain(value))


def _row(result: AnsweredRows, columns: list[ComparedColumn], position: int, name: str) -> dict[str, Any]:
    return {
        "name": _name(name),
        "prediction": _name(result.prediction_before[position]),
        "values": [column.text(column.before[position]) for column in columns],
        "answers": [],
    }


def _answers(result: AnsweredRows, columns: list[ComparedColumn]) -> Iterator[dict[str, Any]]:
    ends = [_ends(column) for column in columns]
    numbers = {target: number for number, target in enumerate(dict.fromkeys(map(_name, result.report["target"])))}
    told = zip(result.report.to_dict("records"), result.probability_before, strict=True)
    lines = zip(sentences(result, None, isolated, "→"), told, strict=True)
    for position, (sentence, (line, before)) in enumerate(lines):
        yield {
            "target": numbers[_name(line["target"])],
            "status": str(line["status"]),
            "sentence": sentence,
            "changes": [_change(c, position, ends[c.position]) for c in columns if c.changed[position]],
            "probability": [format_probability(before), format_probability(line["probability"])],
            "bar": _bar(before, line["probability"], (0.0, 1.0)),
            "checks": [bool(line[flag]) for flag in ("valid", "plausible", "feasible")],
            "support": format_share(line["support"]) if math.isfinite(line["support"]) else "unknown",
        }


def _change(column: ComparedColumn, position: int, ends: tuple[float, float] | None) -> dict[str, Any]:
    old, new = column.texts(position)
    start, end = (float(numbers[position]) for numbers in column.numbers)
    return {"feature": column.position, "old": old, "new": new, "bar": _bar(start, end, ends) if ends else None}


def _bar(before: float, after: float, ends: tuple[float, float]) -> list[float | None] | None:
    """Places of old and new value and of both ends of the range, as shares of an axis that holds them all."""
    numbers = (before, after, *ends)
    known = [number for number in numbers if math.isfinite(number)]
    low, width = min(known), max(known) - min(known)
    if len(known) == len(ends) or not 0 < width < math.inf:
        return None
    return [round((number - low) / width, 4) if math.isfinite(number) else None for number in numbers]
