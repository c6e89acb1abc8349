"""Parameters and keywords of a query in, nothing out: an error tells what was got, expected, and what to do."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .messages import listing

#: Names of the searches that a query may ask for, the default first; what each of them does is told in the search room.
SEARCHES = ("auto", "latent", "steps", "one_shot")
#: How far the values of an answer may go: each by itself, or all at the same time.
INTERVALS = ("each", "box")
#: What changed columns cost by default: a row that changes them all costs this many times its distance more.
SPARSITY = 2.0


class Rule(NamedTuple):
    """What a parameter must be: in words, by its type, and by its value where the type is right."""

    expected: str
    has_type: Callable[[Any], bool]
    has_value: Callable[[Any], bool] = lambda value: True

    def check(self, name: str, value: Any, advice: str = "") -> None:
        """Raise a TypeError or ValueError if the value is not what it must be."""
        right = self.has_type(value)  # asked once: what can be gone through once would be empty then
        if not right or not self.has_value(value):
            problem = ValueError if right else TypeError
            raise problem(f"{name} must be {self.expected}, got {value!r}. {advice}".rstrip())

    def or_none(self) -> Rule:
        """Return the rule that lets None pass, too."""
        return Rule(
            f"None or {self.expected}",
            lambda value: value is None or self.has_type(value),
            lambda value: value is None or self.has_value(value),
        )


def is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a Python integer beyond float64
        return False


def _is_int_sequence(value: Any) -> bool:
    unordered_or_text = isinstance(value, str | bytes | dict | set)
    return not unordered_or_text and isinstance(value, Iterable) and all(is_int(item) for item in value)


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
    return Rule(f"an integer >= {low} (of 64 bits)", is_int, lambda value: bool(low <= value < 2**63))


_EPOCHS = Rule("an integer >= 0", is_int, lambda value: value >= 0).or_none()
SEED = Rule(
    "None, an integer >= 0 or a numpy RandomState",
    lambda value: value is None or is_int(value) or isinstance(value, np.random.RandomState),
    lambda value: not is_int(value) or 0 <= value < 2**32,
)
_LISTS = list | tuple | set | frozenset | range | np.ndarray | pd.Index | pd.Series
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
        real_rule(0, open_low=True).or_none(),
        "It is the number of seconds that training may take; None sets no limit.",
    ),
    "categorical_features": (
        Rule(
            "'from_dtype', None, or a mask, indices or names of columns",
            lambda value: value is None or isinstance(value, str | _LISTS),
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
        Rule("an integer other than 0", is_int, bool).or_none(),
        "Use -1 for all processors, None to leave the number of threads to the estimator.",
    ),
    "device": (
        Rule(
            "None, text such as 'cpu' or 'cuda:0', or a torch.device",
            lambda value: value is None or isinstance(value, str) or hasattr(value, "type"),
        ),
        "Use None for the CPU.",
    ),
    "random_state": (SEED, "Pass an integer for results that can be repeated."),
    "verbose": (
        Rule(
            "an integer >= 0 or a bool",
            lambda value: is_int(value) or isinstance(value, bool | np.bool_),
            lambda value: int(value) >= 0,
        ),
        "Use 1 for progress bars, 0 for silence.",
    ),
}


def check_parameters(estimator: Any, rules: Mapping[str, tuple[Rule, str]] = _RULES) -> None:
    """Check every constructor parameter of an estimator; those without a rule, by default the classifier's, are let be.

    Raises
    ------
    TypeError
        A parameter has the wrong type.
    ValueError
        A parameter has the right type and a value out of range.
    """
    for name, value in estimator.get_params(deep=False).items():
        if name in rules:
            rule, advice = rules[name]
            rule.check(name, value, advice)


def check_query(
    search: Any = SEARCHES[0],
    n_counterfactuals: Any = 1,
    sparsity: Any = SPARSITY,
    menu: Any = False,
    intervals: Any = None,
) -> None:
    """Raise if a query names no search, no number of alternatives, no price of a change, or no intervals.

    A menu has as many rows as there are, so that a number of alternatives beside it would say nothing.
    """
    if not isinstance(search, str) or search not in SEARCHES:
        raise ValueError(f"search must be one of {listing(SEARCHES)}, got {search!r}. 'auto' is the default.")
    check_number(n_counterfactuals, "It is the number of alternatives for each row and target.")
    real_rule(0).check("sparsity", sparsity, "0 gives the nearest row, more gives rows with fewer changed columns.")
    either = Rule("True or False", lambda value: isinstance(value, bool | np.bool_))
    either.check("menu", menu, "True gives the best rows with one changed column, with two, and so on.")
    if menu and n_counterfactuals != 1:
        raise ValueError(
            f"menu is True and n_counterfactuals is {n_counterfactuals!r}: a menu has a row for each number of changed "
            "columns, up to the first that is certified. Leave one of them out; max_changes ends a menu earlier."
        )
    if intervals is not None and not (isinstance(intervals, str) and intervals in INTERVALS):
        raise ValueError(
            f"intervals must be None, 'each' or 'box', got {intervals!r}. 'each' tells how far each changed value may "
            "go while the others stay, 'box' how far all of them may go at the same time."
        )


def check_number(n_counterfactuals: Any, advice: str) -> None:
    """Raise if a query asks for no positive number of alternatives."""
    Rule("an integer >= 1", is_int, lambda value: value >= 1).check("n_counterfactuals", n_counterfactuals, advice)
