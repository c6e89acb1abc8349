"""Tables of files in, what the classifier takes out: columns in their dtypes, and the question."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._classifier import HyConExClassifier
from .._rules.actionability import Actionability
from .._table.schema import Column
from .console import UsageError, listed, note
from .tables import Table
from .text import as_fitted, check_no_commas, guessed, is_date, is_missing_text, label_of, written

_FEW_NUMBERS, _FEW_TEXTS = 100, 2  # so few rows may well differ by chance
_MANY_TEXTS = 50  # so many categories, most of them met once, are none
_MANY_CLASSES = 20  # more classes, some of them met once, are none


def training_table(
    table: Table, target: str, drop: list[str], categorical: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the columns to learn from, and the labels; raise where a column is not there, or the target is none."""
    for names, option in (([target], "--target"), (drop, "--drop"), (categorical, "--categorical")):
        _check_there(table, names, option)
    kept = [name for name in table.names if name != target and name not in drop]
    if not kept:
        raise UsageError(f"{table.path!r} has no column to learn from beside the target {target!r}.")
    if table.is_text:
        for name in [target, *kept]:
            if name not in categorical:
                check_no_commas(table.cells[name].tolist(), name)
    labels = _typed(table, target)
    gaps = np.flatnonzero(labels.isna().to_numpy())
    if len(gaps):
        raise UsageError(
            f"the target {target!r} is missing in {len(gaps)} rows of {table.path!r}, first in line "
            f"{table.lines[gaps[0]]}. Drop these rows, or fill in the class."
        )
    _check_classes(labels, target)
    X = pd.DataFrame({name: _typed(table, name) for name in kept})
    for name in kept:
        if name not in categorical:
            _tell_odd_categories(X[name], name)
    return X, _as_array(labels)


def table_for(classifier: HyConExClassifier, table: Table, target: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that the model takes, and the names of those to keep in the output.

    Raise where a column is missing, or a cell is not of the kind that fit has seen.
    """
    columns = classifier._columns
    known = [str(column.name) for column in columns]
    if lacking := [name for name in known if name not in table.names]:
        raise UsageError(f"{table.path!r} lacks columns that the model was fitted to: {listed(lacking)}.")
    X = pd.DataFrame({column.name: _as_at_fit(table, column) for column in columns})
    extra = [name for name in table.names if name not in known and name != target]
    if target is None and extra:
        note(f"not known to the model, and only copied to the output: {listed(extra)}.")
    return X, extra


def row_names(table: Table, column: str) -> list[str]:
    """Return what to call each row: the column and its cell, or the place of a row whose cell is empty."""
    _check_there(table, [column], "--row-names")
    cells = enumerate(map(written, table.cells[column]))
    return [f"Row {i}" if is_missing_text(cell) else f"{column} {cell.strip()}" for i, cell in cells]


def labels_for(classifier: HyConExClassifier, table: Table, target: str) -> np.ndarray:
    """Return the known classes of the rows, as labels of the model.

    Raise where a row has none, or one that the model does not know, or the metrics would lack rows to compare with.
    """
    _check_there(table, [target], "--target")
    cells = table.cells[target]
    gone = np.array([is_missing_text(cell) for cell in cells]) if table.is_text else cells.isna().to_numpy()
    if gone.any():
        line = table.lines[int(np.flatnonzero(gone)[0])]
        raise UsageError(f"column {target!r} is missing in {gone.sum()} rows of {table.path!r}, first in line {line}.")
    classes = classifier.classes_.tolist()
    try:
        meant = {cell: label_of(str(cell), classes) for cell in cells.unique()}
    except UsageError as error:
        raise UsageError(f"column {target!r} of {table.path!r}: {error}") from error
    y = np.array([meant[cell] for cell in cells], dtype=classifier.classes_.dtype)
    for label in classes:
        if (count := int((y == label).sum())) < 2:
            raise UsageError(
                f"{table.path!r} has {count} rows of class {label!r}; two of each class are needed to compare."
            )
    return y


def query_of(arguments: argparse.Namespace, classifier: HyConExClassifier) -> dict[str, Any]:
    """Return what to ask the classifier, which checks what it means; raise where an argument can't be read."""
    columns = {str(column.name): column for column in classifier._columns}

    def column(name: str, option: str) -> Column:
        if name not in columns:
            raise UsageError(f"{option}: the model has no column {name!r}; it has {listed(columns)}.")
        return columns[name]

    bounds, directions = {}, {}
    for text in arguments.bounds:
        name, low, high = _bound(text)
        own = column(name, "--bounds")
        if own.name in bounds:
            raise UsageError(f"--bounds: column {name!r} is given twice; give both sides at once, as {name}=LOW:HIGH.")
        bounds[own.name] = (_side(low, own, text), _side(high, own, text))
    for text in arguments.monotonic:
        name, _, sign = text.rpartition("=")
        if not name or sign not in ("1", "-1", "0", "+1"):
            raise UsageError(f"--monotonic: expected COLUMN=1 (may only rise) or COLUMN=-1 (only fall), got {text!r}.")
        directions[column(name, "--monotonic").name] = int(sign)
    if arguments.immutable and arguments.mutable:
        raise UsageError("--immutable and --mutable both say of all columns whether they may change. Give one of them.")
    target = arguments.target
    if target is not None and target != "second":
        target = label_of(target, classifier.classes_.tolist())
    query = {
        "target": target,
        "immutable": [column(name, "--immutable").name for name in arguments.immutable] or None,
        "mutable": [column(name, "--mutable").name for name in arguments.mutable] or None,
        "bounds": bounds or None,
        "monotonic_cst": directions or None,
        "max_changes": arguments.max_changes,
        "target_probability": arguments.target_probability,
        "n_counterfactuals": arguments.n_counterfactuals,
        "search": arguments.search,
        "sparsity": arguments.sparsity,
        "menu": arguments.menu,
        "intervals": arguments.intervals,
    }
    return query if arguments.rules is None else query | {"actionability": _rules_beside(query, arguments.rules)}


def _rules_beside(query: dict[str, Any], path: str) -> Actionability:
    """Return the rules of a file; raise where options say the same, or of all columns what may change as well."""
    rules = rules_in(path)
    options = {"monotonic_cst": "--monotonic"}
    for rule in ("immutable", "mutable", "bounds", "monotonic_cst", "max_changes", "target_probability"):
        also = {"immutable": ["mutable"], "mutable": ["immutable"]}.get(rule, [])
        said = next((name for name in (rule, *also) if getattr(rules, name) is not None), None)
        if query[rule] is not None and said is not None:
            option = options.get(rule, f"--{rule.replace('_', '-')}")
            raise UsageError(f"{option} is given, but {path!r} of --rules says {said}, too. Say it in one place.")
    return rules


def rules_in(path: str) -> Actionability:
    """Return the rules of a file that holds what `Actionability.to_json` gives; raise where it is none."""
    try:
        rules = Actionability.from_json(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"--rules: there is no file {path!r}.") from None
    except (TypeError, ValueError) as error:  # text that is no JSON, and bytes that are no text, are ValueErrors, too
        advice = "Write them as Actionability.to_json does."
        raise UsageError(f"--rules: {path!r} holds no rules: {str(error).rstrip('.')}. {advice}") from error
    if rules._by_row:
        raise UsageError(
            f"--rules: {rules._by_row[0]} of {path!r} says something else of each row, but rows of a file have no "
            "labels to match. Tell rules that hold for all rows, or ask in Python."
        )
    return rules


# ------------------------------------------------------------------------------------------------------------ together


def _tell_odd_categories(column: pd.Series, name: str) -> None:
    """Tell where a column says who a row is, or when it was, and can't be learned from as it stands."""
    met = column.dropna()
    texts = pd.api.types.infer_dtype(met) == "string"
    if texts and met.map(is_date).all():
        note(
            f"column {name!r} holds dates, which are read as categories without an order: give the year or a count of "
            f"days as a number, or --drop {name}."
        )
    elif _names_each_row(column):
        note(f"column {name!r} has another value in each row: --drop {name} if it tells who it is and not what it is.")
    elif texts and met.nunique() > max(_MANY_TEXTS, len(column) / 2):
        note(
            f"column {name!r} has {met.nunique()} different texts in {len(column)} rows. Dates? Give the year or a "
            f"count of days as a number. Names? --drop {name}."
        )


def _names_each_row(column: pd.Series) -> bool:
    """Whether a column may well be an identifier: texts, or many whole numbers, that are all different."""
    if pd.api.types.is_float_dtype(column.dtype):
        return False
    few = _FEW_NUMBERS if pd.api.types.is_numeric_dtype(column.dtype) else _FEW_TEXTS
    return column.nunique() == len(column) > few


def _check_there(table: Table, names: list[str], option: str) -> None:
    if lacking := [name for name in names if name not in table.names]:
        raise UsageError(
            f"{option}: {table.path!r} has no column {listed(map(repr, lacking))}; it has {listed(table.names)}."
        )


def _check_classes(labels: pd.Series, target: str) -> None:
    n_classes = labels.nunique()
    if n_classes < 2:
        raise UsageError(f"the target {target!r} is {labels.iloc[0]!r} in every row; a classifier needs two classes.")
    rarest = labels.value_counts().min()
    fractions = pd.api.types.is_float_dtype(labels.dtype) and bool((labels % 1 != 0).any())
    if 2 < n_classes > len(labels) / 2 or (n_classes > _MANY_CLASSES and rarest == 1) or fractions:
        kind = "dates" if labels.map(lambda label: is_date(str(label))).all() else "values"
        raise UsageError(
            f"the target {target!r} has {n_classes} different {kind} in {len(labels)} rows, such as "
            f"{str(labels.iloc[0])!r}, so these are no classes. Give another --target, or cut the {kind} into ranges."
        )


def _typed(table: Table, name: str) -> pd.Series:
    return guessed(table.cells[name].tolist(), name) if table.is_text else table.cells[name]


def _as_at_fit(table: Table, column: Column) -> pd.Series:
    cells = table.cells[str(column.name)]
    if table.is_text or pd.api.types.infer_dtype(cells, skipna=True) == "string":
        spelled = ["" if gone else cell for cell, gone in zip(cells.tolist(), cells.isna(), strict=True)]
        return as_fitted(spelled, column, table.lines)
    return cells


def _as_array(labels: pd.Series) -> np.ndarray:
    """Labels as an array of the plainest dtype."""
    if isinstance(labels.dtype, np.dtype) and labels.dtype != object:
        return labels.to_numpy()
    plain = np.array(labels.tolist())
    return plain.astype(str) if plain.dtype == object != labels.dtype else plain


def _bound(text: str) -> tuple[str, str, str]:
    name, _, sides = text.rpartition("=")
    low, colon, high = sides.partition(":")
    if not name or not colon:
        raise UsageError(f"--bounds: expected COLUMN=LOW:HIGH, either of them may be empty, got {text!r}.")
    return name, low.strip(), high.strip()


def _side(text: str, column: Column, whole: str) -> Any:
    """A bound as a number, or as a label of ordered categories."""
    if not text:
        return None
    if column.kind == "ordered":
        return label_of(text, [label for label in column.categories if label is not None])
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--bounds: {text!r} in {whole!r} is no number.") from None
