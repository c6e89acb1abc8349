"""A schema in, its encoded space as tensors out: which positions are what, and where a step leads that stays inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._table.schema import TableSchema
from .level_embedding import wide_among

# Sharpness of the soft choice behind a hard category: 1 / temperature of the softmax over x - W.
_SHARPNESS = 3.0


class _InwardClip(torch.autograd.Function):
    """Clip whose gradient survives outside the range only where a descent step leads back inside.

    Without it a step that can't reach its goal (most features frozen, say) grows without bound behind the clip.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        clipped = torch.minimum(torch.maximum(value, lower), upper)
        ctx.save_for_backward(value - clipped)
        return clipped

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (overshoot,) = ctx.saved_tensors
        return gradients[0] * (overshoot * gradients[0] >= 0), None, None


class EncodedSpace(nn.Module):
    """Positions and bounds of the encoded columns (width d), as buffers that follow the model to its device."""

    numeric: Tensor  # (d_num,), positions of scaled numbers (integers and ordered categories among them)
    discrete: Tensor  # (d_cat,), positions of one-hot levels and missing indicators
    blocks: Tensor  # (n_blocks, widest), positions of each one-hot block's levels, padded with 0
    present: Tensor  # (n_blocks, widest), where that is not padding
    # (n_levels,), positions of all one-hot levels, and their places in the flattened rectangle: numbers, since a device
    # has to count what a mask chooses, and training waits for it
    levels: Tensor
    level_slots: Tensor
    lower: Tensor  # (d,), range seen at fit
    upper: Tensor
    step: Tensor  # (d_num,), encoded size of one rounding step of each number, 0 where continuous
    missing_level: Tensor  # (d,), True at one-hot levels that stand for "missing", which are never newly chosen
    filled_by: Tensor  # (n_missing, 2), positions of a missing indicator and of the number it belongs to
    movable: Tensor  # (d,), False at constants and missing indicators
    owner: Tensor  # (d,), table column of each position

    def __init__(self, schema: TableSchema) -> None:
        super().__init__()
        start, stop = np.array([(b.start, b.stop) for b in schema.blocks], dtype=np.int64).reshape(-1, 2).T[:, :, None]
        blocks = start + np.arange((stop - start).max(initial=0))
        present = blocks < stop
        missing_level = np.zeros(schema.n_encoded, dtype=bool)
        missing_level[[c.stop - 1 for c in schema.columns if c.has_missing_level]] = True
        filled_by = np.array([(c.missing, c.start) for c in schema.columns if c.missing is not None], dtype=np.int64)
        arrays = {
            "numeric": schema.numeric_index.astype(np.int64),
            "discrete": np.sort(np.concatenate([blocks[present], schema.missing_index])).astype(np.int64),
            "blocks": blocks * present,
            "present": present,
            "levels": blocks[present],
            "level_slots": np.flatnonzero(present),
            "lower": schema.lower,
            "upper": schema.upper,
            "step": schema.resolution[schema.numeric_index].astype(np.float32),
            "missing_level": missing_level,
            "filled_by": filled_by.reshape(-1, 2),
            "movable": schema.movable,
            "owner": schema.owner.astype(np.int64),
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(array), persistent=False)
        self.n_columns = len(schema.columns)
        self.wide = wide_among(schema.blocks)

    @property
    def n_features(self) -> int:
        """Encoded width d."""
        return len(self.lower)

    def movable_in(self, x: Tensor) -> Tensor:
        """Return which features of rows `x` (n, d) can move at all, as 0/1 floats.

        Constants and missing indicators never move, and a missing number stays missing.
        """
        movable = self.movable.to(x.dtype).expand_as(x)
        if len(self.filled_by) == 0:
            return movable
        movable = movable.clone()
        movable[:, self.filled_by[:, 1]] *= 1 - x[:, self.filled_by[:, 0]]
        return movable

    def by_column(self, values: Tensor) -> Tensor:
        """Return the sum of `values` (m, d) over the positions of each table column, shape (m, n_columns)."""
        total = values.new_zeros(len(values), self.n_columns)
        return total.index_add_(1, self.owner, values)

    def missing_cells(self, x: Tensor) -> Tensor:
        """Return where rows `x` (n, d) hold a missing number: its value and its indicator, as booleans (n, d)."""
        cells = torch.zeros_like(x, dtype=torch.bool)
        for positions in self.filled_by.T:
            cells[:, positions] = x[:, self.filled_by[:, 0]] > 0.5
        return cells

    def move(self, x: Tensor, step: Tensor, movable: Tensor, choices: Tensor | None = None) -> Tensor:
        """Return the encoded rows reached from `x` by `-step` where features are `movable`, all of shape (n, d).

        `choices` (n, d) is True where a one-hot level may be chosen; None means all.

        Numbers are clipped to the range seen at fit (widened to the row itself), blocks become hard one-hot codes.
        Gradients pass through a choice as if it were a soft one, and through a clip where they lead back inside.
        """
        moved = x - movable * step
        lower, upper = torch.minimum(self.lower, x), torch.maximum(self.upper, x)
        if torch.is_grad_enabled():
            moved = _InwardClip.apply(moved, lower, upper)
        else:
            moved = torch.minimum(torch.maximum(moved, lower), upper)
        return self._choose(moved, x, movable, choices) if self.blocks.numel() else moved

    def _choose(self, moved: Tensor, x: Tensor, movable: Tensor, choices: Tensor | None) -> Tensor:
        """Replace the one-hot blocks of `moved` by hard choices with soft gradients; frozen blocks keep x's."""
        home = self._by_block(x)  # (n, B, W)
        forbidden = ~self.present | (self.missing_level[self.blocks] & (home < 0.5))
        if choices is not None:
            forbidden = forbidden | ~self._by_block(choices)
        scores = (_SHARPNESS * self._by_block(moved)).masked_fill(forbidden, -torch.inf)
        scores = torch.where(forbidden.all(-1, keepdim=True), torch.zeros_like(scores), scores)
        choice = torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
        if torch.is_grad_enabled():
            soft = scores.softmax(-1)
            choice = choice + soft - soft.detach()
        choice = torch.where(self._by_block(movable) > 0.5, choice, home)
        return moved.index_copy(1, self.levels, choice.flatten(1).index_select(1, self.level_slots))

    def _by_block(self, values: Tensor) -> Tensor:
        """Return `values` (n, d) at the levels of each one-hot block, (n, n_blocks, widest).

        As `values[:, self.blocks]`, whose gradient takes several times as long.
        """
        return values.index_select(1, self.blocks.flatten()).unflatten(1, self.blocks.shape)
