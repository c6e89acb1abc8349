"""The certificate of counterfactuals as a table, from plain arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .status import Doubt, Status


def build_report(
    *,
    rows: np.ndarray,
    target: np.ndarray,
    rank: np.ndarray,
    prediction: np.ndarray,
    classes: np.ndarray,
    probability: np.ndarray,
    least_probability: np.ndarray,
    least_support: np.ndarray,
    asked: bool,
    support: np.ndarray,
    support_before: np.ndarray,
    log_density: np.ndarray,
    plausible: np.ndarray,
    confident: np.ndarray,
    supported: np.ndarray,
    agreed: np.ndarray,
    feasible: np.ndarray,
    already: np.ndarray,
    lacking: np.ndarray,
    flips_at: np.ndarray,
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
    least_probability, least_support : arrays of shape (m,)
        What `probability` and `support` had to reach.
    asked : bool
        Whether the user asked for that probability; else it is what rows of the target class typically reach.
    support_before : ndarray of shape (m,)
        Share of the committee that agrees with the prediction of the query row.
    confident, supported, agreed : bool arrays of shape (m,)
        Whether the probability is reached, enough of the committee agrees, and its mean probability is high enough.
    feasible : bool array of shape (m,)
        Whether the row obeys every rule of the user.
    already : bool array of shape (m,)
        Whether the query row was predicted as its target before.
    lacking : int array of shape (m,)
        How many alternatives were asked for and not found, at the last one that was; 0 at all others.
    flips_at : ndarray of shape (m,)
        Share of the way at which the prediction becomes the target, NaN where it does not.
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
        Status.UNSURE: ~(confident & supported & agreed),
        Status.FEWER: lacking > 0,
    }
    doubts = {
        (Doubt.ASKED if asked else Doubt.PROBABILITY): ~confident,
        Doubt.SUPPORT: ~supported,
        Doubt.COMMITTEE: ~agreed,
    }
    status = np.select(list(wrong.values()), list(wrong), Status.OK)
    return pd.DataFrame(
        {
            "row": rows,
            "target": classes[target],
            "rank": rank,
            "prediction": classes[prediction],
            "probability": probability,
            "least_probability": least_probability,
            "support": support,
            "least_support": least_support,
            "support_before": support_before,
            "doubt": np.select(list(doubts.values()), list(doubts), Doubt.NONE).astype(object),
            "valid": valid,
            "plausible": plausible,
            "feasible": feasible,
            "log_density": log_density,
            "flips_at": flips_at,
            "distance_l1": np.abs(moved).sum(1),
            "distance_l2": np.linalg.norm(moved, axis=1),
            "n_changed": n_changed,
            "n_lacking": lacking,
            "status": status.astype(object),
        }
    )


def example_report(classes: np.ndarray) -> pd.DataFrame:
    """Return a report of counterfactuals without any, in the dtypes that all reports of these classes have."""
    number, zero = np.arange(len(classes)), np.zeros(len(classes))
    # With a line for each class, that is cut off again: dtypes of labels depend on what they are.
    return build_report(
        **dict.fromkeys(("rows", "target", "rank", "prediction", "n_changed", "lacking"), number),
        **dict.fromkeys(("probability", "least_probability", "support", "least_support", "support_before"), zero),
        **dict.fromkeys(("log_density", "flips_at"), zero),
        **dict.fromkeys(("plausible", "confident", "supported", "agreed", "feasible", "already"), zero > 0),
        asked=False,
        classes=classes,
        moved=zero[:, None],
    ).iloc[:0]
