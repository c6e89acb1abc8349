"""Pictures in scikit-learn's manner: what counterfactuals change, what a prediction rests on, maps, training."""

from ._contributions import ContributionsDisplay
from ._counterfactual import CounterfactualDisplay
from ._history import HistoryDisplay
from ._map import DecisionMapDisplay

__all__ = ["ContributionsDisplay", "CounterfactualDisplay", "DecisionMapDisplay", "HistoryDisplay"]
