"""A model and the rules of a query in, what readers of the answer want to know of both out: plain values, and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .wording import counted, format_value, plain

_DIRECTIONS = {1: "may only rise", -1: "may only fall"}


@dataclass(frozen=True)
class About:
    """Where answers come from: the model that was asked, and the rules that it was asked under.

    Parameters
    ----------
    classes : tuple
        Labels that the model knows.
    rules : mapping of str to object
        The fields of `Actionability` that were set, as plain values.
    fitted_on : str or None
        Day of the fit, in UTC; None where it is not known.
    accuracy : float or None
        Share of the training rows that were classified right by models that had not seen them; None where it is not
        known.
    """

    classes: tuple[Any, ...]
    rules: Mapping[str, Any]
    fitted_on: str | None = None
    accuracy: float | None = None


class RuleInWords(NamedTuple):
    """What is said of some columns, none where it is about the row as a whole."""

    columns: tuple[Any, ...]
    text: str


def rules_in_words(rules: Mapping[str, Any], names: Sequence[Any]) -> list[RuleInWords]:
    """Return a line for each rule, in the order of the fields of `Actionability`; `names` are those of the columns."""
    return [line for rule, said in rules.items() for line in _TELLERS[rule](said, names)]


def join(parts: Sequence[str], last: str = "and") -> str:
    """Return parts as a list in words."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _name(column: Any, names: Sequence[Any]) -> Any:
    """The name of a column that may be told by its place."""
    return names[column] if isinstance(column, int) and column not in names else column


def _immutable(said: tuple[Any, ...], names: Sequence[Any]) -> Iterator[RuleInWords]:
    if all(isinstance(item, tuple) for item in said) and not set(said) <= set(names):
        yield RuleInWords((), "what must not change is told of each row")
        return
    if all(isinstance(item, bool) for item in said):
        said = tuple(name for name, frozen in zip(names, said, strict=True) if frozen)
    if said:
        yield RuleInWords(tuple(_name(column, names) for column in said), "must not change")


def _bounds(said: Mapping[Any, Any], names: Sequence[Any]) -> Iterator[RuleInWords]:
    for column, (low, high) in said.items():
        if isinstance(low, tuple) or isinstance(high, tuple):
            text = "has bounds of its own in each row"
        elif low is None or high is None:
            if low is high:
                continue
            text = f"at most {_value(high)}" if low is None else f"at least {_value(low)}"
        else:
            text = f"from {_value(low)} to {_value(high)}"
        yield RuleInWords((_name(column, names),), text)


def _directions(said: Any, names: Sequence[Any]) -> Iterator[RuleInWords]:
    given = said if isinstance(said, Mapping) else dict(zip(names, said, strict=True))
    for sign, text in _DIRECTIONS.items():
        columns = tuple(_name(column, names) for column, cst in given.items() if cst == sign)
        if columns:
            yield RuleInWords(columns, text)


def _categories(said: Mapping[Any, Any], names: Sequence[Any]) -> Iterator[RuleInWords]:
    for column, labels in said.items():
        yield RuleInWords((_name(column, names),), f"only {join([_value(label) for label in labels], 'or')}")


def _transitions(said: Mapping[Any, Any], names: Sequence[Any]) -> Iterator[RuleInWords]:
    for column, moves in said.items():
        for start, goals in moves.items():
            to = f"may become {join([_value(goal) for goal in goals], 'or')}" if goals else "must stay"
            yield RuleInWords((_name(column, names),), f"{_value(start)} {to}")


def _relations(said: Sequence[Any], names: Sequence[Any]) -> Iterator[RuleInWords]:
    for terms, bound in said:
        parts = [f"{_value(float(c))} \u00d7 {plain(_name(column, names))}" for column, c in terms.items()]
        yield RuleInWords((), f"{' + '.join(parts)} is at most {_value(bound)}")


def _weights(said: Mapping[Any, float], names: Sequence[Any]) -> Iterator[RuleInWords]:
    for column, weight in said.items():
        yield RuleInWords((_name(column, names),), f"a change counts {_value(weight)} times")


def _value(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else format_value(value, 0)  # as it was said, not rounded


_TELLERS: dict[str, Any] = {
    "immutable": _immutable,
    "bounds": _bounds,
    "monotonic_cst": _directions,
    "max_changes": lambda said, _: [RuleInWords((), f"at most {counted(said, 'column')} may change")],
    "target_probability": lambda said, _: [RuleInWords((), f"the probability of the target is {said:g} or more")],
    "allowed_categories": _categories,
    "allowed_transitions": _transitions,
    "relations": _relations,
    "feature_weights": _weights,
    "repair": lambda _, __: [RuleInWords((), "each row went through a function of the one who asked")],
}
