"""The rules of a query and the columns that they are about in, a line of text for each rule out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._common.messages import shortest
from .._table.found_relation import FoundRelation
from .._table.labelled import Labelled
from .changes import ComparedColumn
from .wording import counted

_DIRECTIONS = {1: "may only rise", -1: "may only fall"}


def rules_in_words(
    rules: Mapping[str, Any], columns: Sequence[ComparedColumn], quoted: Callable[[str], str] = str
) -> list[str]:
    """Return a line for each rule, in the order of the fields of `Actionability`, in the words of the result.

    Parameters
    ----------
    rules : mapping
        Fields that are set, as plain values.
    columns : list of ComparedColumn
        Of the table that the rules are about.
    quoted : callable
        Makes names and labels fit for the reader's medium.
    """
    named = _Columns(columns, quoted)
    return [line for rule, said in rules.items() for line in _TELLERS[rule](said, named)]


def kept_in_words(
    kept: Iterable[FoundRelation], columns: Sequence[ComparedColumn], quoted: Callable[[str], str] = str
) -> list[str]:
    """Return a line for each relation that answers keep, in the words of the result; the rest is as of the above."""
    named = _Columns(columns, quoted)
    return [f"{relation.told(named.name)} holds on, where it did" for relation in kept]


def join(parts: Iterable[str], last: str = "and") -> str:
    """Return parts as a list in words."""
    *first, end = parts
    return f"{', '.join(first)} {last} {end}" if first else end


class _Columns:
    """The columns of a table by name, or by place where names are no numbers themselves."""

    def __init__(self, columns: Sequence[ComparedColumn], quoted: Callable[[str], str]) -> None:
        self.names = [column.name for column in columns]
        self._columns, self._quoted = columns, quoted

    def _at(self, key: Any) -> ComparedColumn:
        return self._columns[self.names.index(key) if key in self.names else key]

    def name(self, key: Any) -> str:
        return self._quoted(self._at(key).label)

    def listed(self, keys: Iterable[Any]) -> str:
        return join(map(self.name, keys))

    def value(self, key: Any, value: Any) -> str:
        return self._quoted(self._at(key).exactly(value))

    def one_of(self, key: Any, values: Iterable[Any]) -> str:
        return join((self.value(key, value) for value in values), "or")


def _immutable(said: Any, columns: _Columns) -> Iterator[str]:
    chosen = _chosen(said, columns)
    if chosen is None:
        yield "what must not change is told of each row"
    elif chosen:
        yield f"{columns.listed(chosen)} must not change"


def _mutable(said: Any, columns: _Columns) -> Iterator[str]:
    chosen = _chosen(said, columns)
    if chosen is None:
        yield "what may change is told of each row"
    else:
        yield f"only {columns.listed(chosen)} may change" if chosen else "nothing may change"


def _chosen(said: Any, columns: _Columns) -> tuple[Any, ...] | None:
    """The columns that a list or a mask chooses; None where each row has a mask of its own."""
    if isinstance(said, Labelled):
        return None
    if all(isinstance(item, tuple) for item in said) and not set(said) <= set(columns.names):
        return None
    if all(isinstance(item, bool) for item in said):
        return tuple(name for name, chosen in zip(columns.names, said, strict=True) if chosen)
    return tuple(said)


def _bounds(said: Mapping[Any, Any], columns: _Columns) -> Iterator[str]:
    for key, (low, high) in said.items():
        if isinstance(low, tuple | Labelled) or isinstance(high, tuple | Labelled):
            yield f"{columns.name(key)} has bounds of its own in each row"
        elif low is not None and high is not None:
            yield f"{columns.name(key)} from {columns.value(key, low)} to {columns.value(key, high)}"
        elif low is not None or high is not None:
            side, end = ("at most", high) if low is None else ("at least", low)
            yield f"{columns.name(key)} {side} {columns.value(key, end)}"


def _directions(said: Any, columns: _Columns) -> Iterator[str]:
    given = said if isinstance(said, Mapping) else dict(zip(columns.names, said, strict=True))
    for sign, text in _DIRECTIONS.items():
        if keys := [key for key, direction in given.items() if direction == sign]:
            yield f"{columns.listed(keys)} {text}"


def _categories(said: Mapping[Any, Any], columns: _Columns) -> Iterator[str]:
    for key, labels in said.items():
        yield f"{columns.name(key)} only {columns.one_of(key, labels)}"


def _resolution(said: Mapping[Any, Any], columns: _Columns) -> Iterator[str]:
    for key, step in said.items():
        yield f"a new {columns.name(key)} is a multiple of {columns.value(key, step)}"


def _transitions(said: Mapping[Any, Any], columns: _Columns) -> Iterator[str]:
    for key, moves in said.items():
        for start, goals in moves.items():
            way = f"may become {columns.one_of(key, goals)}" if goals else "must stay"
            yield f"{columns.name(key)} {columns.value(key, start)} {way}"


def _relations(said: Sequence[Any], columns: _Columns) -> Iterator[str]:
    for terms, bound in said:
        parts = [f"{shortest(coefficient):.15g} \u00d7 {columns.name(key)}" for key, coefficient in terms.items()]
        yield f"{' + '.join(parts)} is at most {shortest(bound):.15g}"


def _weights(said: Mapping[Any, float], columns: _Columns) -> Iterator[str]:
    for key, weight in said.items():
        yield f"a change of {columns.name(key)} counts {shortest(weight):.15g} times"


_TELLERS: dict[str, Callable[[Any, _Columns], Iterable[str]]] = {
    "immutable": _immutable,
    "mutable": _mutable,
    "bounds": _bounds,
    "monotonic_cst": _directions,
    "max_changes": lambda said, _: [f"at most {counted(said, 'column')} may change"],
    "target_probability": lambda said, _: [f"the probability of the target is {shortest(said):.15g} or more"],
    "allowed_categories": _categories,
    "allowed_transitions": _transitions,
    "allowed_values": _categories,
    "resolution": _resolution,
    "relations": _relations,
    "feature_weights": _weights,
    "repair": lambda _, __: ["each row went through a function of the one who asked"],
    "keep_relations": lambda _, __: ["what held between columns of the training rows need not hold"],
}
