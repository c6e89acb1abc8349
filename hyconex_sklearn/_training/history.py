"""Losses of each epoch in, records and the warnings about them out; beside them the clock where time is limited."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from time import monotonic
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from .._common.messages import user_stacklevel

# Share of the time left that a phase may take; the rest is for those that follow, and for the reservoir.
_SHARES = {"density": 0.4, "ensemble": 0.3, "classifier": 0.4, "clusters": 0.1, "joint": 0.9}
_RAISED = {"density": "flow_epochs", "classifier": "pretrain_epochs, hidden_size", "joint": "joint_epochs"}
_LACKING = {"classifier": "still differed from its teacher"}


class Clock:
    """Tells whether a phase has used up its share of the time that was left when it began."""

    def __init__(self, max_time: float | None = None) -> None:
        self._end = self._until = math.inf if max_time is None else monotonic() + max_time
        self.has_rung = False

    def start(self, phase: str) -> None:
        if self._end < math.inf:
            now = monotonic()
            self._until = now + _SHARES[phase] * (self._end - now)
        self.has_rung = False

    def rings(self) -> bool:
        """Return, and remember, whether the time of the phase is up."""
        self.has_rung = self._until < math.inf and monotonic() >= self._until
        return self.has_rung


class History:
    """Every epoch of every phase as a record, and which phases were cut short."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.unconverged: list[str] = []  # phases that were still improving when their epochs ran out
        self.stopped: list[str] = []  # phases that time cut short

    def stop(self, phase: str) -> None:
        """Note that time has cut the phase short."""
        self.records[-1]["stopped"] = "max_time"
        self.stopped.append(phase)

    def warn(self, max_time: float | None) -> None:
        """Warn of phases that were cut short, by their epochs or by `max_time`."""
        n_epochs = Counter(record["phase"] for record in self.records)
        messages = [
            f"The {phase} {_LACKING.get(phase, 'phase was still improving')} when its {n_epochs[phase]} epoch(s) ran "
            f"out. Raise {_RAISED[phase]}, or learning_rate."
            for phase in self.unconverged
        ]
        if self.stopped:
            messages.append(
                f"max_time={max_time} seconds ran out in phases {', '.join(self.stopped)}: the best models so far are "
                "kept. Raise max_time, or ask for fewer epochs."
            )
        for message in messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=user_stacklevel())


def check_finite_losses(record: dict[str, Any]) -> None:
    """Raise a ValueError if a loss of an epoch is not finite: training has diverged."""
    train_loss, valid_loss = record["train_loss"], record["valid_loss"]
    if not (math.isfinite(train_loss) and math.isfinite(valid_loss)):
        raise ValueError(
            f"Training diverged in epoch {record['epoch']} of the {record['phase']} phase: train loss {train_loss}, "
            f"held-out loss {valid_loss}. Lower learning_rate (or a large alpha or weight_decay), or scale down "
            "extreme values in X."
        )
