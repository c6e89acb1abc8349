"""A count that will do for each row in, the smallest that will do out: looked for by halving."""

from __future__ import annotations

import torch
from torch import Tensor


class Fewest:
    """The smallest count that will do, looked for by each of m rows: `enough` will, `few` will not, (m,)."""

    def __init__(self, enough: Tensor, share: float, first: Tensor | None = None) -> None:
        self.few, self.enough, self._share = torch.zeros_like(enough), enough.clone(), share
        self._next = self._smaller() if first is None else first

    def guess(self) -> tuple[Tensor, Tensor]:
        """Return the rows that may do with less, and the count that each should try."""
        rows = (self.enough - self.few > 1).nonzero().squeeze(1)
        return rows, self._next[rows].clamp(self.few[rows] + 1, self.enough[rows] - 1)

    def learn(self, rows: Tensor, count: Tensor, will: Tensor, done: Tensor | None = None) -> None:
        """Tell which rows did with their count, and with how many of it."""
        done = count if done is None else torch.minimum(count, done)
        self.enough[rows] = torch.where(will, done, self.enough[rows])
        self.few[rows] = torch.where(will, self.few[rows], count)
        self._next = torch.where(self.few == 0, self._smaller(), (self.few + self.enough) // 2)

    def _smaller(self) -> Tensor:
        return (self._share * self.enough).ceil().long()
