"""What the report page holds, as plain values: rows, their alternatives, and each change as text and as a bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..._table.cells import free_name
from ..changes import ComparedColumn
from ..rows import AnsweredRows
from ..rules_in_words import join, kept_in_words, rules_in_words
from ..sentences import sentences
from ..status import Status
from ..wording import format_probability, format_share, isolated, plain, row_name

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

_UNSEEN = "the training rows, told by models that had not seen them"


def page_content(result: AnsweredRows, row_names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return all that the page shows of a result, as values that JSON knows; `row_names` are those of its rows.

    Returns
    -------
    dict
        ``features``: of each column the name and the range as text: what lies in it, and its ends;
        ``about``: pairs of a term and the lines that tell it;
        ``outcomes``: mark, label and meaning of each status; ``targets``: their names; ``intervals``: what these mean,
        None where they were not asked for; ``rows``: name, prediction, values as text and ``answers``. Rows come in the
        order in which they first appear. Names are one line of text that keeps its direction to itself.
    """
    columns = ComparedColumn.all_of(result)
    targets = [_name(target) for target in result.report["target"]]
    names = _row_names(result, row_names)
    rows: dict[Any, dict[str, Any]] = {}
    for position, (row, answer) in enumerate(zip(result.report["row"], _answers(result, columns), strict=True)):
        if row not in rows:
            rows[row] = _row(result, columns, position, names[position])
        rows[row]["answers"].append(answer)
    return {
        "features": [_feature(column) for column in columns],
        "about": _about(result, columns),
        "targets": list(dict.fromkeys(targets)),
        "intervals": None if result.intervals is None else result.intervals.note(),
        "outcomes": {status: told for status, told in _OUTCOMES.items() if (result.report["status"] == status).any()},
        "rows": list(rows.values()),
    }


def page_table(result: AnsweredRows, row_names: Sequence[str] | None = None) -> str:
    """Return report and counterfactual rows as CSV, for spreadsheets: a line each, values as they are."""
    columns = ComparedColumn.all_of(result)
    table = result.report.assign(status=result.report["status"].astype(str))
    table.insert(0, "name", _row_names(result, row_names))
    taken = set(map(str, result.feature_names))
    names = [free_name(name, taken) for name in table.columns] + [column.name for column in columns]
    cells = pd.DataFrame({column.position: column.after for column in columns}, table.index, dtype=object)
    return pd.concat([table, cells], axis=1).to_csv(index=False, header=list(map(str, names)))


def _row_names(result: AnsweredRows, given: Sequence[str] | None) -> list[str]:
    """What to call the row of each counterfactual: as was said, by its label, or by its place where it has none."""
    rows = result.report["row"].tolist()
    if given is not None:
        return list(given)
    index = getattr(result.data, "index", None)
    counted = isinstance(index, pd.RangeIndex) and index.start == 0  # of the answers: those of several tables joined
    return [f"Row {row_name(label)}" for label in (rows if counted else result.row_names)]


def _axis(column: ComparedColumn) -> tuple[str, tuple[float, float]] | None:
    """Where the axis of a column ends, and what lies between: an outlier shall not squeeze all others together."""
    usual, seen = column.usual, column.seen
    if usual is not None and usual[0] < usual[1]:
        return "98% of training rows", usual
    ends = seen or column.met or (math.nan, math.nan)
    return ("seen in training" if seen else "in this report", ends) if math.isfinite(ends[1] - ends[0]) else None


def _feature(column: ComparedColumn) -> dict[str, Any]:
    axis = _axis(column)
    return {"name": _name(column.label), "range": axis and [axis[0], *column.ends_told(*axis[1])]}


def _about(result: AnsweredRows, columns: list[ComparedColumn]) -> list[tuple[str, list[str]]]:
    """Terms about model and rules, and the lines that tell them."""
    about = result.about
    if about is None:
        return []
    told = [("Model of", [about.fitted_on])] if about.fitted_on else []
    told.append(("It predicts", [join([_name(label) for label in about.classes], "or")]))
    if about.accuracy is not None:
        told.append(("How often right", [f"{format_share(about.accuracy)} of {_UNSEEN}"]))
    rules = rules_in_words(about.rules, columns, isolated) + kept_in_words(about.kept, columns, isolated)
    return [*told, ("Rules", rules or ["none: every value may change"])]


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
    axes = [_axis(column) for column in columns]
    numbers = {target: number for number, target in enumerate(dict.fromkeys(map(_name, result.report["target"])))}
    told = zip(result.report.to_dict("records"), result.probability_before, strict=True)
    lines = zip(sentences(result, None, isolated, "→"), told, strict=True)
    for position, (sentence, (line, before)) in enumerate(lines):
        yield {
            "target": numbers[_name(line["target"])],
            "status": str(line["status"]),
            "sentence": sentence,
            "changes": [_change(c, position, axes[c.position]) for c in columns if c.changed[position]],
            "probability": [format_probability(before), format_probability(line["probability"])],
            "bar": _bar(before, line["probability"], (0.0, 1.0)),
            "checks": [bool(line[flag]) for flag in ("valid", "plausible", "feasible")],
            "support": format_share(line["support"]) if math.isfinite(line["support"]) else "unknown",
        }


def _change(column: ComparedColumn, position: int, axis: tuple[str, tuple[float, float]] | None) -> dict[str, Any]:
    old, new = column.texts(position)
    start, end = (float(numbers[position]) for numbers in column.numbers)
    told = {"feature": column.position, "old": old, "new": new, "bar": _bar(start, end, axis[1]) if axis else None}
    if within := column.interval_told(position, "→", isolated):
        told["within"] = [within, f"{column.checked(position)} checked"]
    return told


def _bar(before: float, after: float, ends: tuple[float, float]) -> list[float | None] | None:
    """Places of old and new value and of both ends of the range, as shares of an axis that holds them all."""
    numbers = (before, after, *ends)
    known = [number for number in numbers if math.isfinite(number)]
    low, width = min(known), max(known) - min(known)
    if len(known) == len(ends) or not 0 < width < math.inf:
        return None
    return [round((number - low) / width, 4) if math.isfinite(number) else None for number in numbers]
