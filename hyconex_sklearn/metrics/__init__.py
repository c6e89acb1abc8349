"""Metrics of counterfactuals, whatever made them: plain tables and functions in, one value for each of them out.

All functions share their words. ``X`` holds the n rows asked about, and ``X_cf`` their counterfactuals: row by row,
with the same columns, in the same units. A row of ``X_cf`` that is all missing says that none was found; it counts as
False, or as NaN. ``target`` holds the class labels asked for, ``X_train`` and ``y_train`` the training data. Numbers
are the numeric columns of ``X_train``, told in min-max units: divided by largest minus smallest training value (a
constant column: by 1). All other columns are categories, booleans too. Two cells are the same where they are equal or
both missing; a missing number is a whole range away from any other.

>>> import numpy as np
>>> X_train = np.array([[0.0, 0.0], [10.0, 4.0]])
>>> l1_distance(np.array([[5.0, 1.0]]), np.array([[6.0, 3.0]]), X_train).tolist()
[0.6]
"""

from ._distances import (
    diversity,
    gower_distance,
    hamming_distance,
    jaccard_distance,
    l1_distance,
    l2_distance,
    n_changed,
    stability,
)
from ._evaluate import coverage, evaluate_counterfactuals, validity
from ._judges import (
    agreement,
    independent_classifier,
    isolation_forest,
    local_outlier_factor,
    log_density,
    near_target,
    plausibility,
)
from ._rules import violations

__all__ = [
    "agreement",
    "coverage",
    "diversity",
    "evaluate_counterfactuals",
    "gower_distance",
    "hamming_distance",
    "independent_classifier",
    "isolation_forest",
    "jaccard_distance",
    "l1_distance",
    "l2_distance",
    "local_outlier_factor",
    "log_density",
    "n_changed",
    "near_target",
    "plausibility",
    "stability",
    "validity",
    "violations",
]
