"""The certificate of counterfactuals as a table, from plain arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .status import Status


def build_report(
    *,
    rows: np.ndarray,
    target: np.ndarray,
    rank: np.ndarray,
    prediction: np.ndarray,
    classes: np.ndarray,
    probability: np.ndarray,
    support: np.ndarray,
    log_density: np.ndarray,
    plausible: np.ndarray,
    sure: np.ndarray,
    feasible: np.ndarray,
    already: np.ndarray,
    fewer: np.ndarray,
    moved: np.ndarray,
    n_changed: np.ndarray,
) -> pd.DataFrame:
    """Return the report of m counterfactuals, one line each; see `Counterfactuals` for its columns.

    Parameters
    ----------
    rows, target, rank, prediction : int arrays of shape (m,)
        Position in the query table; class numbers asked for and predicted; 0 for the nearest of several alternatives.
    classes : ndarray of shape (K,)
        Class labels.
    probability, support, log_density, plausible : arrays of shape (m,)
        What was judged of the row that the user holds.
    sure : bool array of shape (m,)
        Whether confidence and support are what was asked, or what rows of the target class typically reach.
    feasible : bool array of shape (m,)
        Whether the row obeys every rule of the user.
    already : bool array of shape (m,)
        Whether the query row was predicted as its target before.
    fewer : bool array of shape (m,)
        Whether it is the last of fewer alternatives than asked for.
    moved : ndarray of shape (m, d)
        Encoded counterfactual minus encoded query, times what a change costs.
    n_changed : int array of shape (m,)
        Changed columns of the table.
    """
    valid = prediction == target
    wrong = {
        Status.ALREADY_TARGET: already,
        Status.INFEASIBLE: ~feasible,
        Status.NOT_VALID: ~valid,
        Status.IMPLAUSIBLE: ~plausible,
        Status.UNSURE: ~sure,
        Status.FEWER: fewer,
    }
    status = np.select(list(wrong.values()), list(wrong), Status.OK)
    return pd.DataFrame(
        {
            "row": rows,
            "target": classes[target],
            "rank": rank,
            "prediction": classes[prediction],
            "probability": probability,
            "support": support,
            "valid": valid,
            "plausible": plausible,
            "feasible": feasible,
            "log_density": log_density,
            "distance_l1": np.abs(moved).sum(1),
            "distance_l2": np.linalg.norm(moved, axis=1),
            "n_changed": n_changed,
            "status": status.astype(object),
        }
    )


def example_report(classes: np.ndarray) -> pd.DataFrame:
    """Return a report of counterfactuals without any, in the dtypes that all reports of these classes have."""
    number, zero = np.arange(len(classes)), np.zeros(len(classes))
    # With a line for each class, that is cut off again: dtypes of labels depend on what they are.
    return build_report(
        **dict.fromkeys(("rows", "target", "rank", "prediction", "n_changed"), number),
        **dict.fromkeys(("probability", "support", "log_density"), zero),
        **dict.fromkeys(("plausible", "sure", "feasible", "already", "fewer"), zero > 0),
        classes=classes,
        moved=zero[:, None],
    ).iloc[:0]
