"""Numbers and what they depend on in, latents and log-slopes out, and back: the arithmetic of a normalizing flow.

zuko brings the networks, and their masks. What they say is computed with here: the objects that zuko makes on the way
cost as much as the arithmetic where rows are few, and torch loads sympy for them, the better part of a second.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from zuko.flows import Flow
from zuko.lazy import LazyTransform

PASSES = 2  # of a coupling flow: its inverse is as cheap as the forward pass
_LOG_SLOPE = math.log(1e-3)  # of a transformation, at least; and
_BOUND = 5.0  # a spline reaches from minus this to this, and is the identity beyond: zuko's own


class _Affine(NamedTuple):
    """y = x exp(scale) + shift, one for each number of each row."""

    shift: Tensor  # (n, d)
    scale: Tensor  # (n, d)

    @staticmethod
    def of(parameters: Tensor) -> _Affine:
        shift, scale = parameters.unbind(2)
        return _Affine(shift, _bounded(scale))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.scale.exp() + self.shift, self.scale

    def inverse(self, y: Tensor) -> Tensor:
        return (y - self.shift) / self.scale.exp()


class _Spline(NamedTuple):
    """Rational-quadratic splines (Durkan et al. 2019), one for each number of each row: its knots, and slopes there."""

    knots: Tensor  # (n, d, 3, bins + 1): x, y and the slope

    @staticmethod
    def of(parameters: Tensor) -> _Spline:
        bins = (parameters.shape[2] + 1) // 3
        sides = _bounded(parameters[:, :, : 2 * bins].unflatten(2, (2, bins)), 2.0).softmax(3)
        slopes = _bounded(parameters[:, :, 2 * bins :])
        corners = _BOUND * (2 * nn.functional.pad(sides, (1, 0)).cumsum(3) - 1)
        return _Spline(torch.cat([corners, nn.functional.pad(slopes, (1, 1)).exp()[:, :, None]], dim=2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inside, x0, x1, y0, y1, d0, d1 = self._bin(x, 0)
        slope, z = (y1 - y0) / (x1 - x0), inside * (x - x0) / (x1 - x0)
        bent = slope + (d0 + d1 - 2 * slope) * z * (1 - z)
        y = y0 + (y1 - y0) * (slope * z**2 + d0 * z * (1 - z)) / bent
        own = slope**2 * (2 * slope * z * (1 - z) + d0 * (1 - z) ** 2 + d1 * z**2) / bent**2
        return torch.where(inside, y, x), inside * own.log()

    def inverse(self, y: Tensor) -> Tensor:
        inside, x0, x1, y0, y1, d0, d1 = self._bin(y, 1)
        slope, above = (y1 - y0) / (x1 - x0), inside * (y - y0)
        bent = above * (d0 + d1 - 2 * slope)
        a, b, c = (y1 - y0) * (slope - d0) + bent, (y1 - y0) * d0 - bent, -slope * above
        z = 2 * c / (-b - (b**2 - 4 * a * c).sqrt())
        return torch.where(inside, x0 + z * (x1 - x0), y)

    def _bin(self, value: Tensor, axis: int) -> tuple[Tensor, ...]:
        """Return whether splines bend at values (n, d) of x (axis 0) or y (1), and x, y, slope on both sides."""
        bins = self.knots.shape[3] - 1
        place = (self.knots[:, :, axis] < value[..., None]).sum(2) - 1
        inside = (place >= 0) & (place < bins)
        left = place.clamp(0, bins - 1)[:, :, None, None].expand(-1, -1, 3, -1)
        ends = self.knots.gather(3, torch.cat([left, left + 1], dim=3))
        return inside, *ends.flatten(2).unbind(2)


def to_latents(flow: Flow, numbers: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Return the latents (n, d) of numbers (n, d) given a context (n, c), and the logarithm of the stretch, (n,)."""
    stretch = numbers.new_zeros(len(numbers))
    for step in flow.transform.transforms:
        numbers, slopes = _transformation(step, numbers, context).forward(numbers)
        stretch = stretch + slopes.sum(1)
    return numbers, stretch


def from_latents(flow: Flow, latents: Tensor, context: Tensor) -> Tensor:
    """Return the numbers (n, d) whose latents (n, d) these are, given a context (n, c)."""
    for step in reversed(flow.transform.transforms):
        numbers = torch.zeros_like(latents)
        for _ in range(min(PASSES, latents.shape[1])):  # each finds the numbers that depend on those found before
            numbers = _transformation(step, numbers, context).inverse(latents)
        latents = numbers
    return latents


def log_prob(flow: Flow, numbers: Tensor, context: Tensor) -> Tensor:
    """Return the log-density of numbers (n, d) given a context (n, c), shape (n,)."""
    latents, stretch = to_latents(flow, numbers, context)
    return stretch - 0.5 * (latents.square() + math.log(2 * math.pi)).sum(1)


def _transformation(step: LazyTransform, numbers: Tensor, context: Tensor) -> _Affine | _Spline:
    """Return what the network of one step says of each number, given those before it and the context."""
    alone = numbers.shape[1] == 1  # zuko's network does not look at a number that stands before no other
    parameters = step.hyper(context if alone else torch.cat([numbers, context], dim=1))
    parameters = parameters.unflatten(1, (numbers.shape[1], -1))
    return (_Affine if parameters.shape[2] == 2 else _Spline).of(parameters)


def _bounded(x: Tensor, factor: float = 1.0) -> Tensor:
    return x / (1 + (factor * x / _LOG_SLOPE).abs())
