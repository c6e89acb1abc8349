"""Encoded rows in, narrower ones out, in which each category of many levels is a short learnt vector; and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Levels from which on a category is wide: what is learnt of it takes a vector for each level, not a weight for each
#: level and unit.
WIDE = 65
SIZE = 16  # numbers of such a vector


class LevelEmbedding(nn.Module):
    """Puts learnt vectors in the place of the one-hot codes of wide blocks: (..., d) to (..., n_narrow).

    What is no wide block stays as it is and comes first; without any, rows pass through.

    Parameters
    ----------
    width : int
        Encoded width d.
    wide : sequence of slices
        Positions of the wide blocks, in order.

    References
    ----------
    Guo and Berkhahn, "Entity embeddings of categorical variables", arXiv 1604.06737.
    """

    plain: Tensor  # positions outside the wide blocks

    def __init__(self, width: int, wide: Sequence[slice] = ()) -> None:
        super().__init__()
        self.wide = tuple(wide)
        self.register_buffer("plain", positions_outside(width, wide), persistent=False)
        self.vectors = nn.ParameterList(torch.randn(block.stop - block.start, SIZE) for block in wide)

    @property
    def n_narrow(self) -> int:
        """Width of what comes out."""
        return len(self.plain) + SIZE * len(self.wide)

    def forward(self, x: Tensor) -> Tensor:
        if not self.wide:
            return x
        embedded = [x[..., block] @ vectors for block, vectors in zip(self.wide, self.vectors, strict=True)]
        return torch.cat([x[..., self.plain], *embedded], -1)


class LevelScores(nn.Module):
    """The way back: a number for each level of a wide block, of a vector that stands for the block: (..., d).

    Parameters
    ----------
    width, wide
        As of `LevelEmbedding`.
    """

    order: Tensor  # where each encoded position is among what is put together

    def __init__(self, width: int, wide: Sequence[slice] = ()) -> None:
        super().__init__()
        plain = positions_outside(width, wide)
        blocks = [torch.arange(block.start, block.stop) for block in wide]
        self.register_buffer("order", torch.cat([plain, *blocks]).argsort(), persistent=False)
        self.n_plain = len(plain)
        linears = [nn.Linear(SIZE, len(block)) for block in blocks]
        for linear in linears:
            nn.init.zeros_(linear.bias)
        self.levels = nn.ModuleList(linears)

    def parts(self, h: Tensor) -> list[Tensor]:
        """Return the numbers outside wide blocks, and those of the levels of each wide block."""
        plain, *vectors = h.split([self.n_plain] + [SIZE] * len(self.levels), -1)
        return [plain, *(linear(vector) for linear, vector in zip(self.levels, vectors, strict=True))]

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat(self.parts(h), -1).index_select(-1, self.order) if self.levels else h


def wide_among(blocks: Sequence[slice]) -> tuple[slice, ...]:
    """Return the one-hot blocks that are wide."""
    return tuple(block for block in blocks if block.stop - block.start >= WIDE)


def narrow_width(width: int, wide: Sequence[slice]) -> int:
    """Return the width of `width` encoded positions with a vector in the place of each wide block."""
    return width - sum(block.stop - block.start - SIZE for block in wide)


def positions_outside(width: int, wide: Sequence[slice]) -> Tensor:
    """Return the positions 0..width-1 that no wide block holds."""
    outside = torch.ones(width, dtype=torch.bool)
    for block in wide:
        outside[block] = False
    return outside.nonzero().squeeze(1)
