"""A result in, what is said of each counterfactual out: one plain sentence or a few, in the words that it carries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .changes import ComparedColumn
from .rows import AnsweredRows
from .status import CERTIFIED, Doubt, Status
from .wording import format_probability, plain, tell_apart

OPINIONS = 16  # how many networks of a committee give a second opinion
_DISPUTED = 0.5  # share of them that agrees with the prediction of a row, below which that is worth knowing


def sentences(
    result: AnsweredRows,
    whole: AnsweredRows | None = None,
    quoted: Callable[[str], str] = str,
    arrow: str = "->",
) -> list[str]:
    """Return what is said of each counterfactual; names, values and labels `quoted` as the reader's medium needs."""
    teller = _Teller(result, quoted, arrow)
    changed: list[list[ComparedColumn]] = [[] for _ in range(len(result))]
    for column in ComparedColumn.all_of(result, whole):
        for i in column.rows:
            changed[i].append(column)
    lines: list[Any] = result.report.to_dict("records")
    return [" ".join(filter(None, teller.told(i, *told))) for i, told in enumerate(zip(lines, changed, strict=True))]


def doubt_of(result: AnsweredRows, line: dict[str, Any], arrow: str = "->") -> str:
    """Return what a certificate has to say against the row of a line of the report, as a clause; or nothing."""
    status, doubt = Status(line["status"]), Doubt(line.get("doubt", Doubt.NONE))
    if status != Status.UNSURE or doubt == Doubt.NONE:
        return result.words.say(status, arrow) if status in (Status.IMPLAUSIBLE, Status.UNSURE) else ""
    told: dict[str, str] = {}
    if doubt in (Doubt.ASKED, Doubt.PROBABILITY):
        told["probability"], told["least"] = tell_apart(line["probability"], line["least_probability"])
    elif doubt == Doubt.SUPPORT:
        told = _opinions(line["support"])
    return result.words.say(f"unsure_{doubt}", arrow, **told)


def is_disputed(line: dict[str, Any]) -> bool:
    """Whether most second opinions would decide otherwise of the row as it is."""
    return bool(line.get("support_before", 1.0) < _DISPUTED)


def _opinions(share: float) -> dict[str, str]:
    return {"agreeing": str(round(share * OPINIONS)), "opinions": str(OPINIONS)}


@dataclass(frozen=True)
class _Teller:
    """Tells the counterfactuals of a result."""

    result: AnsweredRows
    quoted: Callable[[str], str]
    arrow: str

    def told(self, i: int, line: dict[str, Any], changed: list[ComparedColumn]) -> list[str]:
        """Return the sentences about counterfactual i."""
        return [self._outcome(i, line, changed), self._tip(i, line, changed), *self._notes(i, line)]

    def _outcome(self, i: int, line: dict[str, Any], changed: list[ComparedColumn]) -> str:
        target, status, words = self.quoted(plain(line["target"])), str(line["status"]), self.result.words
        if status == Status.ALREADY_TARGET:
            return self._say("already_target", target=target)
        before, after = (format_probability(p) for p in (self.result.probability_before[i], line["probability"]))
        probability = self._say("probability", before=before, after=after)
        if status == Status.INFEASIBLE:
            return self._say("infeasible", target=target, probability=probability)
        changes = words.join([self._change(column, i) for column in changed])
        if not line["valid"] or status == Status.NOT_VALID:
            reached, changes = self.quoted(plain(line["prediction"])), changes or words.say("row_itself")
            return self._say("not_valid", target=target, changes=changes, prediction=reached, probability=probability)
        return self._say(
            "answer",
            changes=changes or words.say("no_change"),
            prediction=self.quoted(plain(self.result.prediction_before[i])),
            target=target,
            probability=probability,
            doubt=doubt_of(self.result, line, self.arrow),
        )

    def _change(self, column: ComparedColumn, i: int) -> str:
        before, after = map(self.quoted, column.texts(i))
        told = self._say("change", column=self.quoted(column.label), before=before, after=after)
        return f"{told} {column.interval_told(i, self.arrow, self.quoted)}".rstrip()

    def _tip(self, i: int, line: dict[str, Any], changed: list[ComparedColumn]) -> str:
        """Say where the prediction changes on the way, where one number is all that does."""
        share = line.get("flips_at", math.nan)
        tip = changed[0].between(i, share) if len(changed) == 1 and share > 0 else None
        if tip is None:
            return ""
        if line["status"] not in CERTIFIED:
            return self._say("tips", tip=self.quoted(tip))
        return self._say("tips_inside", tip=self.quoted(tip), after=self.quoted(changed[0].texts(i)[1]))

    def _notes(self, i: int, line: dict[str, Any]) -> list[str]:
        """Say what is to be known of the row itself, and of alternatives that were not found."""
        told = []
        if is_disputed(line) and line["rank"] == 0:  # once for all alternatives
            prediction = self.quoted(plain(self.result.prediction_before[i]))
            told.append(self._say("disputed", prediction=prediction, **_opinions(line["support_before"])))
        if line.get("n_lacking", 0):
            found = line["rank"] + 1
            told.append(self._say("fewer", found=str(found), asked=str(found + line["n_lacking"])))
        return told

    def _say(self, name: str, **fields: str) -> str:
        return self.result.words.say(name, self.arrow, **fields)
