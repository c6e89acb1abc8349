"""What the fitted parts say of a row, and what a certificate asks of it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

SUPPORT = 0.8  # share of the committee that has to agree with a certified row


class Judgement(NamedTuple):
    """What the fitted parts say of encoded rows x, each asked about its own target class; shapes (m,)."""

    prediction: Tensor  # class index
    log_odds: Tensor  # calibrated log p / (1 - p) of the target
    support: Tensor  # share of the committee that says target
    committee_odds: Tensor  # log p / (1 - p) of the target, p the committee's mean probability
    log_density: Tensor  # log p(x | target)


class Demands(NamedTuple):
    """What a certificate asks of counterfactuals; shapes (m,)."""

    confidence: Tensor  # least log-odds, calibrated
    committee_confidence: Tensor  # least log-odds of the committee's mean probability
    threshold: Tensor  # least log-density

    def at(self, rows: Tensor | slice) -> Demands:
        """Return the demands on some of the counterfactuals."""
        return Demands(*(part[rows] for part in self))


def predicted(logits: Tensor) -> Tensor:
    """Return the class indices (n,) that `predict` gives for calibrated logits (n, K).

    By float32 probabilities: logits that differ in their last bit may be equal there, and the first class wins.
    """
    return logits.softmax(1).argmax(1)
