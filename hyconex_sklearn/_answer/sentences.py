"""A result in, one plain sentence for each counterfactual out, in the words that the result carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .changes import ComparedColumn
from .rows import AnsweredRows
from .status import Status
from .wording import format_probability, plain

_DOUBTS = (Status.IMPLAUSIBLE, Status.UNSURE)


def sentences(
    result: AnsweredRows,
    whole: AnsweredRows | None = None,
    quoted: Callable[[str], str] = str,
    arrow: str = "->",
) -> list[str]:
    """Return one sentence per counterfactual, with names, values and labels `quoted` as the reader's medium needs."""
    teller = _Teller(result, quoted, arrow)
    told: list[list[str]] = [[] for _ in range(len(result))]
    for column in ComparedColumn.all_of(result, whole):
        for i in column.rows:
            told[i].append(teller.change(column, i))
    return [teller.sentence(i, changes) for i, changes in enumerate(told)]


@dataclass(frozen=True)
class _Teller:
    """Tells the counterfactuals of a result."""

    result: AnsweredRows
    quoted: Callable[[str], str]
    arrow: str

    def change(self, column: ComparedColumn, i: int) -> str:
        before, after = map(self.quoted, column.texts(i))
        return self._say("change", column=self.quoted(column.label), before=before, after=after)

    def sentence(self, i: int, changes: list[str]) -> str:
        line, words = self.result.report.iloc[i], self.result.words
        target, status = self.quoted(plain(line["target"])), str(line["status"])
        if status == Status.ALREADY_TARGET:
            return self._say("already_target", target=target)
        probability = self._probability(i)
        if status == Status.INFEASIBLE:
            return self._say("infeasible", target=target, probability=probability)
        told = words.join(changes)
        if not line["valid"] or status == Status.NOT_VALID:
            reached, told = self.quoted(plain(line["prediction"])), told or words.say("row_itself")
            return self._say("not_valid", target=target, changes=told, prediction=reached, probability=probability)
        return self._say(
            "answer",
            changes=told or words.say("no_change"),
            prediction=self.quoted(plain(self.result.prediction_before[i])),
            target=target,
            probability=probability,
            doubt=words.say(status) if status in _DOUBTS else "",
        )

    def _probability(self, i: int) -> str:
        before, after = self.result.probability_before[i], self.result.report["probability"].iloc[i]
        return self._say("probability", before=format_probability(before), after=format_probability(after))

    def _say(self, name: str, **fields: str) -> str:
        return self.result.words.say(name, self.arrow, **fields)
