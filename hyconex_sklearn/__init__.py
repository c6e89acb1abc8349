"""A scikit-learn classifier that explains itself with counterfactual rows."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from ._answer.counterfactuals import Counterfactuals
    from ._answer.status import Status
    from ._classifier import HyConExClassifier
    from ._pipeline.counterfactuals import counterfactuals
    from ._rules.actionability import Actionability
    from .displays import ContributionsDisplay, CounterfactualDisplay, DecisionMapDisplay, HistoryDisplay
    from .metrics._scorer import make_counterfactual_scorer

__all__ = [
    "Actionability",
    "ContributionsDisplay",
    "CounterfactualDisplay",
    "Counterfactuals",
    "DecisionMapDisplay",
    "HistoryDisplay",
    "HyConExClassifier",
    "Status",
    "counterfactuals",
    "make_counterfactual_scorer",
]

# Each is loaded when it is first asked for: torch and scikit-learn take seconds, which a help text should not.
_HOMES = {
    "Actionability": "_rules.actionability",
    "ContributionsDisplay": "displays",
    "CounterfactualDisplay": "displays",
    "Counterfactuals": "_answer.counterfactuals",
    "DecisionMapDisplay": "displays",
    "HistoryDisplay": "displays",
    "HyConExClassifier": "_classifier",
    "Status": "_answer.status",
    "counterfactuals": "_pipeline.counterfactuals",
    "make_counterfactual_scorer": "metrics._scorer",
}
_ROOMS = ("displays", "metrics")  # public modules that are there without being imported by name


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
