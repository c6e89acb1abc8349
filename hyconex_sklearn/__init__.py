"""A scikit-learn classifier that explains itself with counterfactual rows."""

from ._answer.counterfactuals import Counterfactuals
from ._answer.status import Status
from ._classifier import HyConExClassifier
from ._pipeline.counterfactuals import counterfactuals
from ._rules.actionability import Actionability
from ._version import __version__ as __version__
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
