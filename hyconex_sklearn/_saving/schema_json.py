"""A table's schema in, JSON out, and back: every field of every column, and of the relations between them, checked.

A schema says how much memory a model takes and where its numbers lie, so that a file can't be trusted with it: widths
have to follow from the labels that are listed, positions from widths, and what is a range has to be one.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from .._table.found_relation import KINDS, ORDER, SUM, FoundRelation
from .._table.learn_column import MAX_LEVELS, POWERS
from .._table.schema import ONE_HOT_KINDS, VALUE_KINDS, Column, TableSchema
from .json_values import check_hashable, decode, encode, items, members, real, text, whole, wrong

_KINDS = (*VALUE_KINDS, *ONE_HOT_KINDS, "constant")
_FIELDS = [field.name for field in fields(Column)]
_MOST_DECIMALS = 6
_TINY = 5e-324
# The range of each field that is a number in every column.
_REALS = {"center": (), "scale": (_TINY,), "unit": (_TINY,), "lower": (), "upper": (), "fill": ()}


def describe(schema: TableSchema) -> dict[str, Any]:
    """Return a schema in JSON.

    Raises
    ------
    TypeError
        If a column's name or label is nothing that JSON can say; the message tells what to convert.
    """
    columns = [_described(column) for column in schema.columns]
    relations = [_told(relation, schema) for relation in schema.relations]
    return {"container": schema.container, "dtype": schema.dtype, "columns": columns, "relations": relations}


def _told(relation: FoundRelation, schema: TableSchema) -> dict[str, Any]:
    columns = [schema.feature_names.index(name) for name in relation.terms]
    return {**asdict(relation), "terms": [list(pair) for pair in zip(columns, relation.terms.values(), strict=True)]}


def _described(column: Column) -> dict[str, Any]:
    for label in (*column.categories, *column.rare):
        if label is not None and type(label) not in (str, int, float, bool):
            raise TypeError(
                f"column {column.name!r} has a label of type {type(label).__name__} ({label!r}); a description in "
                "JSON can hold text, numbers and booleans only. Convert the labels to text before fit, with "
                "X[column].astype(str) for instance."
            )
    name = encode(column.name, f"the name of column {column.name!r}")
    lists = {"categories": column.categories, "rare": column.rare} | ({"usual": column.usual} if column.usual else {})
    return {**asdict(column), "name": name, **{field: list(values) for field, values in lists.items()}}


def schema_from(described: Any) -> TableSchema:
    """Return the schema that `describe` wrote.

    Raises
    ------
    ValueError
        If a field has the wrong type, is out of range, or contradicts another one.
    """
    without: dict[str, Any] = {"relations": []}  # of files that were written before any were looked for
    parts = members(without | members(described, "schema"), "schema", ("container", "dtype", "columns", "relations"))
    if parts["container"] not in ("ndarray", "dataframe"):
        raise wrong("container", parts["container"], "'ndarray' or 'dataframe'")
    columns: list[Column] = []
    for number, coded in enumerate(items(parts["columns"], "columns", fewest=1)):
        start = columns[-1].positions.stop if columns else 0
        columns.append(_column(members(coded, f"column {number}", _FIELDS), f"column {number}", start))
    names = tuple(column.name for column in columns)
    if len(set(names)) < len(names):
        raise wrong("columns", names, "different names")
    relations = _relations(parts["relations"], columns)
    return TableSchema(tuple(columns), parts["container"], text(parts["dtype"], "dtype"), names, relations)


def _relations(coded: Any, columns: list[Column]) -> tuple[FoundRelation, ...]:
    """Return relations of which each exact one determines a column that none before it speaks of."""
    relations: list[FoundRelation] = []
    spoken: set[Any] = set()
    for number, each in enumerate(items(coded, "relations")):
        what = f"relation {number}"
        relation = _relation(members(each, what, ("kind", "terms", "bound", "n_rows")), columns, what)
        if relation.exact:
            first = next(iter(relation.terms))
            if first in spoken:
                raise wrong(f"the first column of {what}", first, "one that no relation before it speaks of")
            spoken |= relation.terms.keys()
        relations.append(relation)
    return tuple(relations)


def _relation(coded: dict[str, Any], columns: list[Column], what: str) -> FoundRelation:
    kind = coded["kind"]
    if kind not in KINDS:
        raise wrong(f"the kind of {what}", kind, f"one of {', '.join(KINDS)}")
    fewest, most = (3, 4) if kind == SUM else (2, 2)
    terms: dict[Any, float] = {}
    for pair in items(coded["terms"], f"terms of {what}", fewest, most):
        place, coefficient = items(pair, f"a term of {what}", 2, 2)
        column = columns[whole(place, f"a column of {what}", 0, len(columns) - 1)]
        if column.kind not in ("numeric", "integer") or column.name in terms:
            raise wrong(f"a column of {what}", place, "that of a column of numbers, each once")
        terms[column.name] = real(coefficient, f"a coefficient of {what}")
    first = next(iter(terms.values()))
    if first != 1 or 0 in terms.values():
        raise wrong(f"coefficients of {what}", [*terms.values()], "1, and others that are not 0")
    bound = real(coded["bound"], f"bound of {what}", *(() if kind == ORDER else (0.0, 0.0)))
    return FoundRelation(kind, terms, bound, whole(coded["n_rows"], f"n_rows of {what}", 0, 2**53))


def _column(coded: dict[str, Any], what: str, start: int) -> Column:
    name = decode(coded["name"], f"the name of {what}")
    check_hashable(name, f"the name of {what}")
    kind = coded["kind"]
    if kind not in _KINDS:
        raise wrong(f"the kind of {what}", kind, f"one of {', '.join(_KINDS)}")
    categories, rare = _labels(coded, kind, what)
    stop = start + (len(categories) if kind in ONE_HOT_KINDS else 1)
    if (coded["start"], coded["stop"]) != (start, stop) or bool in map(type, (coded["start"], coded["stop"])):
        raise wrong(f"the place of {what}", (coded["start"], coded["stop"]), f"{start} to {stop}")
    if coded["missing"] is not None:
        whole(coded["missing"], f"missing of {what}", stop, stop)
        if kind not in VALUE_KINDS:
            raise wrong(f"missing of {what}", coded["missing"], f"None in a column of kind {kind}")
    text(coded["dtype"], f"dtype of {what}")
    for field, bounds in _REALS.items():
        real(coded[field], f"{field} of {what}", *bounds)
    if coded["power"] is not None:
        real(coded["power"], f"power of {what}", *POWERS)
    if coded["usual"] is not None:
        low, high = items(coded["usual"], f"usual of {what}", 2, 2)
        real(low, f"usual of {what}", coded["lower"], real(high, f"usual of {what}", coded["lower"], coded["upper"]))
        coded = coded | {"usual": (low, high)}
    if coded["decimals"] is not None:
        whole(coded["decimals"], f"decimals of {what}", 0, _MOST_DECIMALS)
    whole(coded["multiple"], f"multiple of {what}", 1, 2**50)
    column = Column(**{**coded, "name": name, "categories": categories, "rare": rare})
    _check_kind(column, what)
    return column


def _labels(coded: dict[str, Any], kind: str, what: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the labels with a level and the rare ones: different, and None only where a level stands for missing."""
    one_hot = kind in ONE_HOT_KINDS
    fewest, most = (2, MAX_LEVELS) if one_hot else {"constant": (0, 1), "ordered": (1, 2**31)}.get(kind, (0, 0))
    categories = items(coded["categories"], f"categories of {what}", fewest, most)
    rare = items(coded["rare"], f"rare of {what}", 0, 2**31 if one_hot else 0)
    known = categories[:-1] if one_hot and categories[-1] is None else categories
    for label in (*known, *rare):
        if type(label) not in (str, int, float, bool):
            raise wrong(f"a label of {what}", label, "text, a number or a boolean")
    if len({*known, *rare}) < len(known) + len(rare):
        raise wrong(f"categories of {what}", categories, "different labels")
    return tuple(categories), tuple(rare)


def _check_kind(column: Column, what: str) -> None:
    """Raise if numbers contradict each other or the kind."""
    if column.is_value and not column.lower <= column.fill <= column.upper:
        raise wrong(f"fill of {what}", column.fill, f"a value from {column.lower} to {column.upper}")
    if column.kind == "ordered":  # ranks find their labels by position
        real(column.lower, f"lower of {what}", 0.0, len(column.categories) - 1.0)
        real(column.upper, f"upper of {what}", 0.0, len(column.categories) - 1.0)
    if column.kind in ("ordered", "integer") and column.decimals != 0:
        raise wrong(f"decimals of {what}", column.decimals, f"0 in a column of kind {column.kind}")
    if column.kind == "ordered" and not (column.fill.is_integer() and column.lower.is_integer()):
        raise wrong(f"fill of {what}", column.fill, "a rank")
