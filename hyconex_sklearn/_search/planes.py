"""Three half-spaces normal . u >= offset in, the shortest way into all of them out, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6
_FIRST, _SECOND = [1, 2, 0], [2, 0, 1]  # the pairs of planes; pair k leaves out plane k


def shortest(normal: Tensor, offset: Tensor) -> Tensor:
    """Return the shortest ways u, (m, p), with normal . u >= offset, for normals (m, 3, p) of length 1 at most."""
    push, _ = pushes(normal @ normal.transpose(1, 2), offset)
    return (push[:, :, None] * normal).sum(1)


def pushes(gram: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the shortest way goes along each normal, (..., 3), and by how much it misses, (...).

    Any of the planes may bind: none, each alone, each pair, all three. Of these eight ways the one that fits is taken.
    `gram` (..., 3, 3) are the products of the normals, `offset` is (..., 3).
    """
    eye = torch.eye(3, dtype=gram.dtype, device=gram.device)
    size, cross = gram.diagonal(dim1=-2, dim2=-1) + _TINY, gram[..., _FIRST, _SECOND]
    left, right, one, other = size[..., _FIRST], size[..., _SECOND], offset[..., _FIRST], offset[..., _SECOND]
    determinant = (left * right - cross.square()).clamp(min=_TINY)
    first, second = (one * right - other * cross) / determinant, (other * left - one * cross) / determinant
    ways = [
        torch.zeros_like(offset)[..., None, :],
        (offset / size)[..., None] * eye,
        first[..., None] * eye[_FIRST] + second[..., None] * eye[_SECOND],
        _all_three(gram + _TINY * eye, offset)[..., None, :],
    ]
    push = torch.cat(ways, -2)  # (..., 8, 3)
    miss = (offset[..., None, :] - push @ gram).relu().amax(-1) + (-push).relu().amax(-1)
    fits = miss.argmin(-1, keepdim=True)
    return push.gather(-2, fits[..., None].expand(*fits.shape, 3))[..., 0, :].relu(), miss.gather(-1, fits)[..., 0]


def _all_three(gram: Tensor, offset: Tensor) -> Tensor:
    """Return the solution of gram . push = offset, (..., 3), by Cramer's rule."""
    a, b, c = gram.unbind(-2)
    adjugate = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -2)
    determinant = (a * adjugate[..., 0, :]).sum(-1, keepdim=True).clamp(min=_TINY**2)
    return (adjugate @ offset[..., None])[..., 0] / determinant
