"""Keywords of a query in, an error that says what they are called here where another tool has the name out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

_Called = TypeVar("_Called", bound=Callable[..., Any])

_RULE = "actionability=Actionability({}=...)"
#: What a keyword of DiCE, alibi, CARLA and others is called here, and fields of `Actionability` that are no keywords.
OUR_NAMES = {
    "features_to_vary": "mutable=[columns that may change]; leave it out where all may",
    "permitted_range": "bounds={column: (low, high)} for numbers, and allowed_categories={column: [labels]} in an "
    "Actionability",
    "feature_range": "bounds={column: (low, high)}",
    "immutable_features": "immutable=[columns]",
    "features_to_fix": "immutable=[columns]",
    "desired_class": "target=label; leave it out for every class but the predicted one",
    "target_class": "target=label; leave it out for every class but the predicted one",
    "target_proba": "target_probability=p",
    "stopping_threshold": "target_probability=p",
    "total_CFs": "n_counterfactuals=k",
    "total_cfs": "n_counterfactuals=k",
    "num_cfs": "n_counterfactuals=k",
    "n_cfs": "n_counterfactuals=k",
    "sparsity_weight": "sparsity=s",
    "query_instances": "X, the first argument",
    "feature_costs": _RULE.format("feature_weights"),
    **{
        rule: _RULE.format(rule)
        for rule in (
            "allowed_categories",
            "allowed_transitions",
            "allowed_values",
            "resolution",
            "relations",
            "feature_weights",
            "repair",
        )
    },
    "keep_relations": _RULE.replace("...", "False").format("keep_relations"),
}


def refuse_other_names(given: Iterable[str]) -> None:
    """Raise where a keyword is what another tool calls something."""
    for name in given:
        if name in OUR_NAMES:
            raise TypeError(f"got an unexpected keyword argument {name!r}. Here it is {OUR_NAMES[name]}.")


def with_our_names(function: _Called) -> _Called:
    """The function, which tells what a keyword that it does not have is called here."""

    @wraps(function)
    def told(*arguments: Any, **keywords: Any) -> Any:
        refuse_other_names(keywords)
        return function(*arguments, **keywords)

    return told  # type: ignore[return-value]
