"""What the report page holds, as plain values: rows, their alternatives, and each change as text and as a bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._cells import column_of, objects_of
from .._sentences import Change, sentences, told_changes
from .._status import Status
from .._wording import decimals_for, format_pair, format_probability, format_value, is_missing, isolated, spread_of

if TYPE_CHECKING:
    from .._result import Counterfactuals

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
    """One column of the query rows, how far it spreads, and the smallest and largest value of its axis."""

    values: np.ndarray  # (m,) objects
    spread: float
    ends: tuple[float, float] | None


def page_content(result: Counterfactuals, row_names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return all that the page shows of a result, as values that JSON knows; `row_names` are those of all rows of X.

    Returns
    -------
    dict
        ``features``: name and range as text, one for each column; ``seen``: whether the ranges are those of the
        training data; ``outcomes``: mark, label and meaning of each status; ``targets``: their names; ``rows``: name,
        prediction, values as text and ``answers``. Rows come in the order in which they first appear.
    """
    columns = [_column(result, j) for j in range(len(result.feature_names))]
    targets = [str(target) for target in result.report["target"]]
    rows: dict[Any, dict[str, Any]] = {}
    for position, (row, answer) in enumerate(zip(result.report["row"], _answers(result, columns), strict=True)):
        if row not in rows:
            name = f"Row {row}" if row_names is None else row_names[row]
            rows[row] = _row(result, columns, position, name)
        rows[row]["answers"].append(answer)
    return {
        "features": [_feature(name, column) for name, column in zip(result.feature_names, columns, strict=True)],
        "seen": result.ranges is not None,
        "targets": list(dict.fromkeys(targets)),
        "outcomes": {status: told for status, told in _OUTCOMES.items() if (result.report["status"] == status).any()},
        "rows": list(rows.values()),
    }


# -------------------------------------------------------------------------------------------------------------- columns


def _column(result: Counterfactuals, j: int) -> _Column:
    before, after = column_of(result.original, j), column_of(result.data, j)
    old, new = objects_of(before), objects_of(after)
    if result.ranges is not None:
        low, high = result.ranges[j].tolist()
        ends = (low, high) if math.isfinite(low) and math.isfinite(high) else None
    else:
        numbers = [_number(value) for value in (*old, *new) if not is_missing(value)]
        finite = [number for number in numbers if number is not None]
        ends = (min(finite), max(finite)) if finite and len(finite) == len(numbers) else None
    return _Column(old, spread_of(before, after), ends)


def _number(value: Any) -> float | None:
    """The value as a finite float; None for what is no number, or none that a bar can show."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _feature(name: Any, column: _Column) -> dict[str, Any]:
    if column.ends is None:
        return {"name": str(name), "range": None}
    low, high = column.ends
    return {"name": str(name), "range": list(format_pair(low, high, high - low))}


# -------------------------------------------------------------------------------------------------------- rows, answers


def _row(result: Counterfactuals, columns: list[_Column], position: int, name: str) -> dict[str, Any]:
    values = [format_value(c.values[position], decimals_for(c.spread, c.values[position])) for c in columns]
    return {"name": name, "prediction": str(result.prediction_before[position]), "values": values, "answers": []}


def _answers(result: Counterfactuals, columns: list[_Column]) -> Iterator[dict[str, Any]]:
    changes = told_changes(result)
    numbers = {target: number for number, target in enumerate(dict.fromkeys(str(t) for t in result.report["target"]))}
    told = zip(result.report.to_dict("records"), result.probability_before, changes, strict=True)
    for sentence, (line, before, changed) in zip(sentences(result, changes, isolated, "→"), told, strict=True):
        yield {
            "target": numbers[str(line["target"])],
            "rank": int(line["rank"]),
            "status": str(line["status"]),
            "sentence": sentence,
            "changes": [_change(change, columns[change.column].ends) for change in changed],
            "probability": [format_probability(before), format_probability(line["probability"])],
            "bar": _bar(before, line["probability"], (0.0, 1.0)),
            "checks": [bool(line[flag]) for flag in ("valid", "plausible", "feasible")],
            "support": f"{line['support']:.0%}" if math.isfinite(line["support"]) else "unknown",
        }


def _change(change: Change, ends: tuple[float, float] | None) -> dict[str, Any]:
    bar = _bar(change.before, change.after, ends) if ends else None
    return {"feature": change.column, "old": change.old, "new": change.new, "bar": bar}


def _bar(before: Any, after: Any, ends: tuple[float, float]) -> list[float | None] | None:
    """Places of old and new value and of both ends of the range, as shares of an axis that holds them all."""
    old, new = _number(before), _number(after)
    known = [number for number in (old, new, *ends) if number is not None]
    low, width = min(known), max(known) - min(known)
    if len(known) == len(ends) or not 0 < width < math.inf:
        return None
    return [None if number is None else round((number - low) / width, 4) for number in (old, new, *ends)]
