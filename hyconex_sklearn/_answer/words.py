"""What names, units and sentences a reader wants in, checked; the words in which columns and outcomes are told out.

A result carries its `Words` (``result.words``; set by ``Counterfactuals.with_words``), and all that show it take them
from there: `ComparedColumn.label` is what a column is called, `ComparedColumn.text` and `texts` are its cells with
separators and unit, `sentences` are told in the templates. What shows a result by these needs to know no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from string import Formatter
from typing import Any

from .._common.messages import listing
from .wording import plain

#: Every sentence and part of one, by name. Other wordings may hold the fields that stand in braces here, and no others.
TEMPLATES: dict[str, str] = {
    "change": "{column} {before} -> {after}",
    "interval": "({lowest} to {highest})",
    "interval_from": "(at least {lowest})",
    "interval_to": "({highest} or less)",
    "interval_only": "(exactly {value})",
    "list": "{first} and {last}",
    "no_change": "No change",
    "missing": "missing",
    "probability": "(probability {before} -> {after})",
    "answer": "{changes} would change the prediction from {prediction} to {target} {probability}{doubt}.",
    "implausible": ", but rows like the changed one are rare",
    "unsure": ", but less surely than a certificate asks",
    "unsure_asked": ", but {probability} is below the {least} that was asked for",
    "unsure_probability": ", but {probability} is below the {least} that rows of this class usually reach",
    "unsure_support": ", but only {agreeing} of {opinions} second opinions agree",
    "unsure_committee": ", but second opinions are less sure of it than they usually are of this class",
    "already_target": "Already predicted as {target}; nothing to change.",
    "infeasible": "No row was found that obeys the rules and is predicted as {target} {probability}.",
    "not_valid": (
        "No change was found that makes the prediction {target}; the closest attempt, {changes}, is predicted as "
        "{prediction} {probability}."
    ),
    "row_itself": "the row itself",
    # Sentences that may follow.
    "tips": "The prediction tips at about {tip}.",
    "tips_inside": "The prediction tips at about {tip}; {after} is comfortably inside.",
    "disputed": "Of the row as it is, only {agreeing} of {opinions} second opinions say {prediction}, too.",
    "fewer": "It is the last alternative that was found: {found} of {asked}.",
}
_SEPARATORS = ("", ",", " ", "\u00a0", "\u2009", "\u202f", "'", "\u2019", "_")
_GROUPED = 10_000  # columns that hold numbers of this size are told with separators: years are not
_FIXED_POINT = re.compile(r"(-?)(\d{4,})(\.\d+)?")


@dataclass(frozen=True)
class Words:
    """How a result is told.

    Parameters
    ----------
    labels, units : dict of column to str
        What a column is called, and what stands behind its numbers.
    thousands : str
        What separates groups of three digits.
    sentences : dict of str to str
        Templates that stand in for those of the same name in `TEMPLATES`.
    """

    labels: Mapping[Any, str] = field(default_factory=dict)
    units: Mapping[Any, str] = field(default_factory=dict)
    thousands: str = ","
    sentences: Mapping[str, str] = field(default_factory=dict)

    def with_changes(
        self,
        columns: Sequence[Any],
        labels: Any = None,
        units: Any = None,
        thousands: Any = None,
        sentences: Any = None,
    ) -> Words:
        """Return these words with some replaced, of a result of these columns; raise where they don't fit it."""
        given: dict[str, Any] = {}
        for name, texts in (("labels", labels), ("units", units)):
            if texts is not None:
                _check_texts(name, texts)
                _check_known(name, texts, columns, "columns")
                given[name] = dict(texts)
        if thousands is not None:
            if not isinstance(thousands, str) or thousands not in _SEPARATORS:
                raise ValueError(f"thousands must be one of {listing(_SEPARATORS)}, got {thousands!r}.")
            given["thousands"] = thousands
        if sentences is not None:
            _check_texts("sentences", sentences)
            _check_known("sentences", sentences, list(TEMPLATES), "sentences")
            for name, template in sentences.items():
                _check_fields(name, template)
            given["sentences"] = {**self.sentences, **sentences}
        return replace(self, **given)

    def label(self, column: Any) -> str:
        """Return what a column is called."""
        return self.labels.get(column, plain(column))

    def unit(self, column: Any) -> str:
        """Return what stands behind a number of a column: a space and its unit, or nothing."""
        return f" {self.units[column]}" if column in self.units else ""

    def grouped(self, text: str, largest: float) -> str:
        """Return a number as text, its digits in groups where its column holds numbers of five digits."""
        found = _FIXED_POINT.fullmatch(text)
        if found is None or largest < _GROUPED:
            return text
        sign, whole, decimals = found.groups(default="")
        return f"{sign}{int(whole):,}".replace(",", self.thousands) + decimals

    def say(self, name: str, arrow: str = "->", **fields: Any) -> str:
        """Return a sentence, or a part of one, with its fields filled in."""
        template = self.sentences.get(name, TEMPLATES[name])
        return template.replace("->", arrow).format(**fields)

    def join(self, parts: Sequence[str]) -> str:
        """Return parts as a list in words."""
        return self.say("list", first=", ".join(parts[:-1]), last=parts[-1]) if len(parts) > 1 else "".join(parts)


#: What nobody asked otherwise.
PLAIN_WORDS = Words()


def _check_texts(name: str, texts: Any) -> None:
    if not isinstance(texts, Mapping):
        raise TypeError(f"{name} must be a dict of names to text, got {texts!r:.80}.")
    for key, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"{name}[{key!r}] must be text, got {text!r:.80}.")
        if name != "sentences" and not text.strip():
            raise ValueError(f"{name}[{key!r}] is {text!r}, which nobody can read. Give some text, or leave it out.")


def _check_known(name: str, keys: Mapping[Any, str], known: Sequence[Any], what: str) -> None:
    unknown = [key for key in keys if key not in known]
    if unknown:
        near = get_close_matches(str(unknown[0]), list(map(str, known)), 1)
        advice = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} names {listing(unknown)}; its {what} are {listing(known, 40)}.{advice}")


def _fields(template: str) -> list[str]:
    """The fields of a template as they stand in braces, whatever is done to them there."""
    parts = Formatter().parse(template)
    return [
        f"{name}{'!' + turned if turned else ''}{':' + shape if shape else ''}"
        for _, name, shape, turned in parts
        if name is not None
    ]


def _check_fields(name: str, template: str) -> None:
    known = list(dict.fromkeys(_fields(TEMPLATES[name])))
    try:
        unknown = [found for found in _fields(template) if found not in known]
    except ValueError as error:
        raise ValueError(f"sentences[{name!r}] is no template: {error}. A brace itself is written twice.") from error
    if unknown:
        fields = listing(known) if known else "none"
        raise ValueError(f"sentences[{name!r}] has the field {unknown[0]!r}; those it may have are {fields}.")
