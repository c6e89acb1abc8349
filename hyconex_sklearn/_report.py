"""The certificate of counterfactuals as a table, from plain arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._result import Status


def build_report(
    *,
    rows: np.ndarray,
    target: np.ndarray,
    prediction: np.ndarray,
    classes: np.ndarray,
    probability: np.ndarray,
    support: np.ndarray,
    log_density: np.ndarray,
    plausible: np.ndarray,
    certified: np.ndarray,
    already: np.ndarray,
    moved: np.ndarray,
    n_changed: np.ndarray,
) -> pd.DataFrame:
    """Return the report of m counterfactuals, one line each; see `Counterfactuals` for its columns.

    Parameters
    ----------
    rows, target, prediction : int arrays of shape (m,)
        Position in the query table; class numbers asked for and predicted.
    classes : ndarray of shape (K,)
        Class labels.
    probability, support, log_density, plausible : arrays of shape (m,)
        What was judged of the row that the user holds.
    certified : bool array of shape (m,)
        Whether confidence, support and density are what rows of the target class typically reach.
    already : bool array of shape (m,)
        Whether the query row was predicted as its target before.
    moved : ndarray of shape (m, d)
        Encoded counterfactual minus encoded query.
    n_changed : int array of shape (m,)
        Changed columns of the table.
    """
    valid = prediction == target
    status = np.select(
        [already, ~valid, ~certified], [Status.ALREADY_TARGET, Status.NOT_VALID, Status.IMPLAUSIBLE], Status.OK
    )
    return pd.DataFrame(
        {
            "row": rows,
            "target": classes[target],
            "rank": np.zeros(len(rows), dtype=np.int64),
            "prediction": classes[prediction],
            "probability": probability,
            "support": support,
            "valid": valid,
            "plausible": plausible,
            "feasible": np.ones(len(rows), dtype=bool),
            "log_density": log_density,
            "distance_l1": np.abs(moved).sum(1),
            "distance_l2": np.linalg.norm(moved, axis=1),
            "n_changed": n_changed,
            "status": status.astype(object),
        }
    )
