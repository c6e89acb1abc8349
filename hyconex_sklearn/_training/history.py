"""Epochs of all phases in, their records out, with the clock where time is limited."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from time import monotonic

from torch import Tensor
from tqdm.auto import tqdm

# Share of the time left that a phase may take; the rest is for those that follow, and for the reservoir.
_SHARES = {"density": 0.4, "classifier": 0.4, "clusters": 0.1, "joint": 0.9}


class History:
    """Every epoch of every phase as a record, with a progress bar where asked, and the clock where time is limited.

    A phase may take its share of the time that is left when it begins; it takes one step at least.
    """

    def __init__(self, verbose: int, max_time: float | None = None) -> None:
        self.records: list[dict[str, object]] = []
        self.unconverged: list[str] = []
        self.stopped: list[str] = []  # phases that time cut short
        self._verbose = verbose
        self._end = self._until = math.inf if max_time is None else monotonic() + max_time
        self._cut = False

    def epochs(self, phase: str, n_epochs: int) -> Iterator[int]:
        """Yield epoch numbers under a progress bar named after the phase, as long as it has time."""
        if self._end < math.inf:
            now = monotonic()
            self._until = now + _SHARES[phase] * (self._end - now)
        self._cut = False
        with tqdm(total=n_epochs, desc=phase, disable=not self._verbose, unit="epoch") as self._bar:
            for epoch in range(n_epochs):
                yield epoch
                self._bar.update()
                if self._cut or (epoch + 1 < n_epochs and self._out_of_time()):
                    self.records[-1]["stopped"] = "max_time"
                    self.stopped.append(phase)
                    break

    def steps(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the batches of an epoch, one at least, as long as the phase has time."""
        for number, rows in enumerate(batches):
            self._cut = number > 0 and self._out_of_time()
            if self._cut:
                break
            yield rows

    def _out_of_time(self) -> bool:
        return self._until < math.inf and monotonic() >= self._until

    def count(self, phase: str) -> int:
        """Return how many epochs of the phase were recorded."""
        return sum(record["phase"] == phase for record in self.records)

    def keep(self, phase: str, epoch: int | None) -> None:
        """Mark the record of the epoch whose state the phase keeps; None for a state that no epoch left."""
        for record in self.records:
            if epoch is not None and (record["phase"], record["epoch"]) == (phase, epoch):
                record["kept"] = True

    def add(self, phase: str, epoch: int, train_loss: float, valid_loss: float, **more: float) -> None:
        """Record an epoch.

        Raises
        ------
        ValueError
            If a loss is not finite: training has diverged.
        """
        self.records.append(
            {"phase": phase, "epoch": epoch, "train_loss": train_loss, "valid_loss": valid_loss, **more}
        )
        if not (math.isfinite(train_loss) and math.isfinite(valid_loss)):
            raise ValueError(
                f"Training diverged in epoch {epoch} of the {phase} phase: train loss {train_loss}, held-out loss "
                f"{valid_loss}. Lower learning_rate (or a large alpha or weight_decay), or scale down extreme values "
                "in X."
            )
        self._bar.set_postfix(train=f"{train_loss:.3g}", valid=f"{valid_loss:.3g}", refresh=False)
