"""Gradients in, steps of Adam out: those of torch load its compiler first, a second or more of a single question."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-8


class Adam:
    """Moments of the gradients at points of one shape.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.
    """

    def __init__(self, like: Tensor, moments: tuple[float, float] = (0.9, 0.999)) -> None:
        self._moments, self._steps = moments, 0
        self._mean, self._square = torch.zeros_like(like), torch.zeros_like(like)

    def step(self, gradient: Tensor, rate: float) -> Tensor:
        """Return what to add to the points."""
        first, second = self._moments
        self._steps += 1
        self._mean = first * self._mean + (1 - first) * gradient
        self._square = second * self._square + (1 - second) * gradient.square()
        size = (self._square / (1 - second**self._steps)).sqrt() + _TINY
        return -rate / (1 - first**self._steps) * self._mean / size
