"""What the fitted parts say of rows and what is asked of them in, what their certificates lack out."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor


class Shortfall(IntEnum):
    """What keeps a row from its certificate, each graver than all the lesser ones together.

    A row's shortfall is their sum, so that any valid row beats any invalid one, and any sure one any plausible one.
    """

    CERTIFIED = 0
    IMPLAUSIBLE = 1
    UNSURE = 2  # too little confidence or support
    INVALID = 4  # not classified as its target
    INFEASIBLE = 8  # breaks a rule


class Demands(NamedTuple):
    """What a certificate asks of counterfactuals; shapes (m,)."""

    confidence: Tensor  # least log-odds, calibrated
    committee_confidence: Tensor  # least log-odds of the committee's mean probability
    support: Tensor  # least share of the committee that agrees
    threshold: Tensor  # least log-density

    def at(self, rows: Tensor | slice) -> Demands:
        """Return the demands on some of the counterfactuals."""
        return Demands(*(part[rows] for part in self))


class Judgement(NamedTuple):
    """What the fitted parts say of encoded rows x, each asked about its own target class; shapes (m,)."""

    prediction: Tensor  # class index
    log_odds: Tensor  # calibrated log p / (1 - p) of the target
    support: Tensor  # share of the committee that says target
    committee_odds: Tensor  # log p / (1 - p) of the target, p the committee's mean probability
    log_density: Tensor  # log p(x | target)

    def met(self, demands: Demands) -> dict[str, Tensor]:
        """Return where each demand on how sure the parts are is met, by its name, (m,)."""
        return {
            "confident": self.log_odds >= demands.confidence,
            "supported": self.support >= demands.support,
            "agreed": self.committee_odds >= demands.committee_confidence,
        }

    def shortfall(self, target: Tensor, demands: Demands) -> Tensor:
        """Return the `Shortfall` of rows toward `target` (m,), rules aside, as integers (m,)."""
        implausible, invalid = self.log_density < demands.threshold, self.prediction != target
        unsure = ~torch.stack(list(self.met(demands).values())).all(0)
        return Shortfall.IMPLAUSIBLE * implausible + Shortfall.UNSURE * unsure + Shortfall.INVALID * invalid


def predicted(logits: Tensor) -> Tensor:
    """Return the class indices (n,) that `predict` gives for calibrated logits (n, K).

    By float32 probabilities: logits that differ in their last bit may be equal there, and the first class wins.
    """
    return logits.softmax(1).argmax(1)
