"""What can become of a counterfactual that was asked for."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd


class Status(StrEnum):
    """Outcome of one counterfactual; compares equal to its plain text, such as ``"ok"``."""

    OK = "ok"
    ALREADY_TARGET = "already_target"
    NOT_VALID = "not_valid"
    IMPLAUSIBLE = "implausible"
    UNSURE = "unsure"
    INFEASIBLE = "infeasible"
    FEWER = "fewer"

    @property
    def description(self) -> str:
        """One plain sentence: what happened, and what to try."""
        return _DESCRIPTIONS[self]


class Doubt(StrEnum):
    """What a row lacks of being as sure as a certificate asks, the first of these that it does."""

    NONE = ""
    ASKED = "asked"  # its probability is below the one that the user asked for
    PROBABILITY = "probability"  # ... below the one that rows of the class typically reach
    SUPPORT = "support"  # too few second opinions agree
    COMMITTEE = "committee"  # enough agree, but they are less sure than they typically are


#: Answers that meet every demand, and outcomes without an answer.
CERTIFIED = (Status.OK, Status.FEWER)
NO_ANSWER = (Status.NOT_VALID, Status.INFEASIBLE)

#: Outcomes from the best to the worst; the first three lack nothing.
_WORSE = (Status.ALREADY_TARGET, *CERTIFIED, Status.UNSURE, Status.IMPLAUSIBLE, Status.NOT_VALID, Status.INFEASIBLE)


def severity(report: pd.DataFrame) -> np.ndarray:
    """How much each line of a report lacks (m,): 0 where nothing."""
    lacks = {status: max(0, place - len(CERTIFIED)) for place, status in enumerate(_WORSE)}
    return np.array([lacks[Status(status)] for status in report["status"]], dtype=int)


_DESCRIPTIONS = {
    Status.OK: "The row is predicted as the target and meets every demand; nothing to do.",
    Status.ALREADY_TARGET: (
        "The row was predicted as the target before any change, so it came back unchanged; "
        "ask for another target to get a counterfactual."
    ),
    Status.NOT_VALID: (
        "No row was found that is predicted as the target; try search='auto', fewer immutable columns, "
        "wider bounds, or a larger max_changes."
    ),
    Status.IMPLAUSIBLE: (
        "The row is predicted as the target, but it is rarer than the plausibility threshold of that class; "
        "try search='auto', looser rules, or a fit with a larger alpha_plausibility."
    ),
    Status.UNSURE: (
        "The row is predicted as the target and plausible, but less surely than rows of that class usually are, or "
        "than target_probability asked for; try search='auto', looser rules, or a lower target_probability."
    ),
    Status.INFEASIBLE: (
        "No row was found that obeys every rule, so the query row came back, unchanged where it could be; "
        "free some immutable columns, widen the bounds, or allow more changes."
    ),
    Status.FEWER: (
        "The row meets every demand, and is the last of fewer alternatives than n_counterfactuals asked for; "
        "try looser rules, or ask for fewer."
    ),
}
