"""A scikit-learn classifier that explains itself with counterfactual rows."""

__version__ = "0.1.0"  # first, since model files and pickles name it

from ._actionability import Actionability
from ._classifier import HyConExClassifier
from ._pipeline import counterfactuals
from ._result import Counterfactuals
from ._scoring import make_counterfactual_scorer
from ._status import Status
from .displays import CounterfactualDisplay, DecisionMapDisplay, HistoryDisplay, LocalWeightsDisplay

__all__ = [
    "Actionability",
    "CounterfactualDisplay",
    "Counterfactuals",
    "DecisionMapDisplay",
    "HistoryDisplay",
    "HyConExClassifier",
    "LocalWeightsDisplay",
    "Status",
    "counterfactuals",
    "make_counterfactual_scorer",
]
