"""Pictures in scikit-learn's manner: what counterfactuals change, what a row's classifier weighs, maps, training."""

from ._counterfactual import CounterfactualDisplay
from ._history import HistoryDisplay
from ._map import DecisionMapDisplay
from ._weights import LocalWeightsDisplay

__all__ = ["CounterfactualDisplay", "DecisionMapDisplay", "HistoryDisplay", "LocalWeightsDisplay"]
