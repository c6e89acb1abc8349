"""Checks of parameters, columns and targets: every message says what it got, what it expected and what to do."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]

_PACKAGE = __name__.split(".")[0]

# ---------------------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class Rule:
    """One constructor parameter: which types and which values are fine, in words and as functions."""

    expected: str
    has_type: Callable[[Any], bool]
    has_value: Callable[[Any], bool] = lambda value: True


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a Python integer beyond float64
        return False


def _is_int_sequence(value: Any) -> bool:
    if isinstance(value, str | bytes | dict | set) or not isinstance(value, Iterable):
        return False
    return all(_is_int(item) for item in value)


def _is_array_like(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | range | np.ndarray | pd.Index | pd.Series)


def _is_device(value: Any) -> bool:
    return value is None or isinstance(value, str) or hasattr(value, "type")


def _is_random_state(value: Any) -> bool:
    return value is None or _is_int(value) or isinstance(value, np.random.RandomState)


def real_rule(low: float, high: float = np.inf, *, open_low: bool = False) -> Rule:
    """Return the rule of a finite number in [low, high), or (low, high) with ``open_low``."""
    if high < np.inf:
        expected = f"a number in {'(' if open_low else '['}{low:g}, {high:g})"
    else:
        expected = f"a finite number {'>' if open_low else '>='} {low:g}"

    def inside(value: Any) -> bool:
        return _is_finite(value) and bool((value > low if open_low else value >= low) and value < high)

    return Rule(expected, _is_real, inside)


def integer_rule(low: int) -> Rule:
    """Return the rule of an integer of at least `low`."""
    return Rule(f"an integer >= {low} (of 64 bits)", _is_int, lambda value: bool(low <= value < 2**63))


_EPOCHS = Rule(
    "None or an integer >= 0",
    lambda value: value is None or _is_int(value),
    lambda value: value is None or value >= 0,
)

SEED = Rule(
    "None, an integer >= 0 or a numpy RandomState",
    _is_random_state,
    lambda value: not _is_int(value) or 0 <= value < 2**32,
)

_RULES: dict[str, tuple[Rule, str]] = {
    "alpha_validity": (
        real_rule(0),
        "It weighs how surely a counterfactual is classified as asked; 0.8 is the default.",
    ),
    "alpha_proximity": (real_rule(0), "It weighs how near a counterfactual stays to its row; 0.1 is the default."),
    "alpha_plausibility": (real_rule(0), "It weighs how likely a counterfactual is; 0.1 is the default."),
    "plausibility_quantile": (
        real_rule(0, 1),
        "It is the share of training rows that count as implausible, such as 0.25.",
    ),
    "hidden_size": (integer_rule(1), "It is the width of the hypernetwork; 128 is the default."),
    "n_blocks": (integer_rule(1), "It is the number of residual blocks; 3 is the default."),
    "dropout": (real_rule(0, 1), "0 switches dropout off; 0.2 is the default."),
    "flow_transforms": (integer_rule(1), "It is the number of flow layers; 4 is the default."),
    "flow_hidden": (
        Rule(
            "a non-empty sequence of integers >= 1",
            _is_int_sequence,
            lambda value: len(list(value)) > 0 and all(item >= 1 for item in value),
        ),
        "It gives the widths of the flow's hidden layers, such as (64, 64).",
    ),
    "flow_epochs": (_EPOCHS, "0 skips the training of the density, None chooses by the size of the table."),
    "pretrain_epochs": (_EPOCHS, "0 skips the pretraining, None chooses by the size of the table."),
    "joint_epochs": (_EPOCHS, "0 skips the joint training, None chooses by the size of the table."),
    "batch_size": (integer_rule(1), "It is the number of rows per training step; 256 is the default."),
    "learning_rate": (real_rule(0, open_low=True), "Values around 0.001 usually serve."),
    "weight_decay": (real_rule(0), "0 switches weight decay off."),
    "validation_fraction": (
        real_rule(0, 1, open_low=True),
        "It is the share of rows that are held out to select the model; 0.2 is the default.",
    ),
    "patience": (integer_rule(1), "It is the number of epochs without progress before training stops."),
    "max_time": (
        Rule(
            "None or a finite number > 0",
            lambda value: value is None or _is_real(value),
            lambda value: value is None or (_is_finite(value) and value > 0),
        ),
        "It is the number of seconds that training may take; None sets no limit.",
    ),
    "categorical_features": (
        Rule(
            "'from_dtype', None, or a mask, indices or names of columns",
            lambda value: value is None or isinstance(value, str) or _is_array_like(value),
            lambda value: not isinstance(value, str) or value == "from_dtype",
        ),
        "To name a single column, put it into a list.",
    ),
    "class_weight": (
        Rule(
            "None, 'balanced' or a dict from class label to weight",
            lambda value: value is None or isinstance(value, str | dict),
            lambda value: not isinstance(value, str) or value == "balanced",
        ),
        "Use 'balanced' where rare classes shall count as much as frequent ones.",
    ),
    "n_jobs": (
        Rule(
            "None or an integer other than 0",
            lambda value: value is None or _is_int(value),
            lambda value: value is None or value != 0,
        ),
        "Use -1 for all processors, None to leave the number of threads to the estimator.",
    ),
    "device": (Rule("None, text such as 'cpu' or 'cuda:0', or a torch.device", _is_device), "Use None for the CPU."),
    "random_state": (SEED, "Pass an integer for results that can be repeated."),
    "verbose": (
        Rule(
            "an integer >= 0 or a bool",
            lambda value: _is_int(value) or isinstance(value, bool | np.bool_),
            lambda value: int(value) >= 0,
        ),
        "Use 1 for progress bars, 0 for silence.",
    ),
}


def check_parameters(estimator: Any, rules: Mapping[str, tuple[Rule, str]] | None = None) -> None:
    """Check every constructor parameter of an estimator.

    Parameters
    ----------
    estimator : object with ``get_params``
        Parameters without a rule are left alone.
    rules : mapping from name to rule and advice, or None
        None takes those of the classifier.

    Raises
    ------
    TypeError
        A parameter has the wrong type.
    ValueError
        A parameter has the right type and a value out of range.
    """
    rules = _RULES if rules is None else rules
    for name, value in estimator.get_params(deep=False).items():
        if name not in rules:
            continue
        rule, advice = rules[name]
        problem: type[Exception] | None = None
        if not rule.has_type(value):
            problem = TypeError
        elif not rule.has_value(value):
            problem = ValueError
        if problem is not None:
            raise problem(f"{name} must be {rule.expected}, got {value!r}. {advice}")


def check_query(search: Any, searches: Sequence[str], n_counterfactuals: Any) -> None:
    """Raise if a query names no search, or no positive number of alternatives."""
    if not isinstance(search, str) or search not in searches:
        raise ValueError(f"search must be one of {_listed(searches)}, got {search!r}. 'auto' is the default.")
    check_number(n_counterfactuals, "It is the number of alternatives for each row and target.")


def check_number(n_counterfactuals: Any, advice: str) -> None:
    """Raise if a query asks for no positive number of alternatives."""
    if not _is_int(n_counterfactuals) or n_counterfactuals < 1:
        problem = ValueError if _is_int(n_counterfactuals) else TypeError
        raise problem(f"n_counterfactuals must be an integer >= 1, got {n_counterfactuals!r}. {advice}")


# ------------------------------------------------------------------------------------------------------- targets


def target_numbers(target: Any, n: int, classes: Any) -> Array:
    """Return the class numbers (positions in ``classes``) that are asked for, int array of shape (n,).

    Parameters
    ----------
    target : a label, or array-like of shape (n,)
        A label: that class for all rows; an array: one label per row.
    n : int
        Number of rows.
    classes : array of shape (K,)
        The class labels.
    """
    classes = np.asarray(classes)
    if _is_label(target):
        return np.full(n, _class_numbers([target], classes)[0], dtype=np.intp)
    labels = target.tolist() if isinstance(target, np.ndarray | pd.Series | pd.Index) else list(target)
    if len(labels) != n:
        raise ValueError(
            f"target has {len(labels)} labels, but X has {n} rows. Pass one label for all rows, one label per row, "
            "or None for every class but the predicted one."
        )
    return _class_numbers(labels, classes)


def _is_label(target: Any) -> bool:
    return isinstance(target, str | bytes) or np.ndim(target) == 0


def _class_numbers(labels: Sequence[Any], classes: Array) -> Array:
    known = {label: k for k, label in enumerate(classes.tolist())}
    numbers_ = np.empty(len(labels), dtype=np.intp)
    for i, label in enumerate(labels):
        label = label.item() if isinstance(label, np.generic) else label
        if not isinstance(label, Hashable) or label not in known:
            raise ValueError(
                f"target contains the unknown label {label!r}; the classes are {_listed(classes.tolist())}. "
                "Ask for one of these."
            )
        numbers_[i] = known[label]
    return numbers_


# ------------------------------------------------------------------------------------------------------- columns


def resolve_categorical(categorical_features: Any, n_features: int, feature_names: Sequence[Any]) -> Array | None:
    """Mask of the columns that are listed as categorical; None where none is listed ("from_dtype" or None).

    Parameters
    ----------
    categorical_features : "from_dtype", None, bool mask (n_features,), int indices or names
        The convention of scikit-learn's ``HistGradientBoostingClassifier``.
    n_features : int
        Number of columns of the table.
    feature_names : sequence
        Column names of the table; empty for an array.
    """
    if categorical_features is None or (isinstance(categorical_features, str) and categorical_features == "from_dtype"):
        return None
    listed = _as_list(categorical_features)
    if not listed:
        return None
    if all(isinstance(item, bool | np.bool_) for item in listed):
        if len(listed) != n_features:
            raise ValueError(
                f"categorical_features is a mask of {len(listed)} values, but X has {n_features} columns. "
                "Pass one True or False per column, or indices or names."
            )
        return np.array(listed, dtype=bool)
    mask = np.zeros(n_features, dtype=bool)
    if all(_is_int(item) for item in listed):
        mask[_checked_positions(listed, n_features)] = True
    elif all(isinstance(item, str) for item in listed):
        mask[_named_positions(listed, feature_names)] = True
    else:
        raise TypeError(
            "categorical_features must hold only bools (a mask), only integers (indices) or only text (names), "
            f"got {_listed(listed)}."
        )
    return mask


def _as_list(categorical_features: Any) -> list[Any]:
    if isinstance(categorical_features, str) or not isinstance(categorical_features, Iterable):
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or a mask, indices or names of columns, "
            f"got {categorical_features!r}. To name a single column, put it into a list."
        )
    return list(categorical_features)


def _checked_positions(listed: list[Any], n_features: int) -> Array:
    positions = np.array(listed, dtype=np.intp)
    wrong = positions[(positions < 0) | (positions >= n_features)]
    if wrong.size:
        raise ValueError(
            f"categorical_features has the indices {_listed(wrong.tolist())}, but X has {n_features} columns: "
            f"indices go from 0 to {n_features - 1}."
        )
    return positions


def _named_positions(listed: list[Any], feature_names: Sequence[Any]) -> list[int]:
    if not len(feature_names):
        raise ValueError(
            "categorical_features gives column names, but X is an array without names. Pass a DataFrame, or a mask "
            "or indices."
        )
    known = {name: j for j, name in enumerate(feature_names)}
    unknown = [name for name in listed if name not in known]
    if unknown:
        raise ValueError(
            f"categorical_features names columns that X does not have: {_listed(unknown)}. "
            f"The columns of X are {_listed(list(feature_names))}."
        )
    return [known[name] for name in listed]


def check_unique_names(names: Sequence[Any]) -> None:
    """Raise if a column name occurs twice."""
    if all(type(name) is str for name in names) and len(set(names)) == len(names):
        return
    index = pd.Index(names, dtype=object, tupleize_cols=False)  # text that Arrow would refuse, too
    if not index.is_unique:
        twice = list(dict.fromkeys(index[index.duplicated()].tolist()))
        raise ValueError(
            f"X has more than one column of the name {_listed(twice)}. Columns are matched by name: rename or drop one."
        )


def match_columns(names: Sequence[Any], fitted: Sequence[Any]) -> Array:
    """Where each column of the fit is in a table with the columns ``names``: int array, or a message that names both.

    The order of the columns is free.
    """
    if len(names) == len(fitted) and all(type(name) is str for name in names) and tuple(names) == tuple(fitted):
        return np.arange(len(fitted))
    check_unique_names(names)
    where = {name: j for j, name in enumerate(names)}
    missing = [name for name in fitted if name not in where]
    known = set(fitted)
    extra = [name for name in names if name not in known]
    if missing or extra:
        raise ValueError(_mismatch(extra, missing))
    return np.array([where[name] for name in fitted], dtype=np.intp)


def _mismatch(extra: Sequence[Any], missing: Sequence[Any]) -> str:
    def bullets(names: Sequence[Any]) -> str:
        shown = "".join(f"- {name}\n" for name in names[:10])
        return shown if len(names) <= 10 else f"{shown}- ... and {len(names) - 10} more\n"

    message = "The feature names should match those that were passed during fit.\n"
    if extra:
        message += f"Feature names unseen at fit time:\n{bullets(extra)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{bullets(missing)}"
    return message + "Pass the columns of the fit, in any order: drop the unseen ones and supply the missing ones."


def check_n_columns(n_columns: int, fitted: int) -> None:
    """Raise if a table without usable names has another number of columns than the fit."""
    if n_columns != fitted:
        raise ValueError(
            f"X has {n_columns} features, but the table at fit had {fitted}. Pass the same columns, in the same order."
        )


def check_dtype(dtype: Any, name: Any) -> None:
    """Raise if columns of this dtype cannot be encoded."""
    kind = getattr(dtype, "kind", "O")
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: column {name!r} has dtype {dtype}. Pass its real and imaginary parts as two "
            "columns."
        )
    if kind in "mM" or isinstance(dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        raise TypeError(
            f"column {name!r} holds dates or durations (dtype {dtype}), which have no meaning as plain numbers. "
            "Turn them into numbers or categories first, with .dt.year, .dt.dayofweek or .dt.total_seconds() for "
            "instance."
        )
    nested = isinstance(dtype, pd.ArrowDtype) and dtype.type in (list, dict, bytes)
    if isinstance(dtype, pd.IntervalDtype) or kind in "SV" or nested:
        raise TypeError(f"column {name!r} has dtype {dtype}; expected numbers, text, booleans or categories.")


def check_finite(values: Array, names: Sequence[Any]) -> None:
    """Raise if a float matrix (n, p) holds infinities; NaN is fine."""
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        culprits = [names[j] for j in np.flatnonzero(infinite).tolist()]
        raise ValueError(
            f"Input X contains infinity or a value too large for float64, in {_columns(culprits)}. Replace infinities "
            "by the largest value that makes sense, or by NaN where the value is unknown."
        )


def cell_types(cells: Array, missing: Array, name: Any) -> set[type]:
    """The types of the cells of an object column that are not missing; raise if one of them is no label or number."""
    types = set(map(type, cells[~missing]))
    for found in types:
        if not issubclass(found, str | numbers.Number | np.number | np.bool_ | Decimal):
            raise TypeError(
                f"column {name!r} holds a cell of type {found.__name__}, but a cell's argument must be a string or a "
                "number (or a bool, or missing). Convert the column first."
            )
        if issubclass(found, complex | np.complexfloating):
            raise ValueError(
                f"Complex data not supported: column {name!r} holds complex numbers. Pass real and imaginary parts as "
                "two columns."
            )
    return types


def text_in_numbers(name: Any, example: Any) -> ValueError:
    """The error for text in a column that held numbers at fit."""
    return ValueError(
        f"column {name!r} held numbers at fit, but now holds text such as {example!r}: could not convert string to "
        "float. Convert the column to numbers, or fit on text."
    )


def _columns(names: Sequence[Any]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(items: Sequence[Any], limit: int = 20) -> str:
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items)} in all)"


def user_stacklevel() -> int:
    """Level at which a warning points at the user's own line, however deep in the package it arises."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in (_PACKAGE, "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
