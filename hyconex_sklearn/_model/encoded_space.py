"""The encoded space as tensors: which positions are numeric, which form one-hot blocks, and how to stay inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._table.schema import TableSchema

# Sharpness of the soft choice behind a hard category: 1 / temperature of the softmax over x - W.
_SHARPNESS = 3.0


class _InwardClip(torch.autograd.Function):
    """Clip whose gradient survives outside the range only where a descent step leads back inside.

    Without it a step that can't reach its goal (most features frozen, say) grows without bound behind the clip, and
    the weights W, which also classify, with it.
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
    """Positions and bounds of the encoded columns (width d), as buffers that follow the model to its device.

    Attributes
    ----------
    numeric : Tensor of shape (d_num,)
        Positions of scaled numbers (integers and ordered categories among them).
    discrete : Tensor of shape (d_cat,)
        Positions of one-hot levels and missing indicators.
    blocks, present : Tensor of shape (n_blocks, widest)
        Positions of each one-hot block's levels, padded with 0, and where that padding is not.
    levels, level_slots : Tensor of shape (n_levels,)
        Positions of all one-hot levels, and their places in the flattened rectangle: numbers, since a device has to
        count what a mask chooses, and training waits for it.
    lower, upper : Tensor of shape (d,)
        Range seen at fit.
    step : Tensor of shape (d_num,)
        Encoded size of one rounding step of each number, 0 where continuous.
    missing_level : Tensor of shape (d,)
        True at one-hot levels that stand for "missing": a counterfactual never newly chooses them.
    filled_by : Tensor of shape (n_missing, 2)
        Position of a missing indicator and of the number it belongs to.
    movable : Tensor of shape (d,)
        False at constants and missing indicators.
    owner : Tensor of shape (d,)
        Table column of each position.
    n_columns : int
        Number of table columns.
    """

    numeric: Tensor
    discrete: Tensor
    blocks: Tensor
    present: Tensor
    levels: Tensor
    level_slots: Tensor
    lower: Tensor
    upper: Tensor
    step: Tensor
    missing_level: Tensor
    filled_by: Tensor
    movable: Tensor
    owner: Tensor

    def __init__(self, schema: TableSchema) -> None:
        super().__init__()
        blocks, present = _padded_blocks(schema)
        missing_level = np.zeros(schema.n_encoded, dtype=bool)
        missing_level[[c.stop - 1 for c in schema.columns if c.has_missing_level]] = True
        filled_by = np.array([(c.missing, c.start) for c in schema.columns if c.missing is not None], dtype=np.int64)
        arrays = {
            "numeric": schema.numeric_index.astype(np.int64),
            "discrete": np.sort(np.concatenate([blocks[present], schema.missing_index])).astype(np.int64),
            "blocks": blocks,
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

    @property
    def n_features(self) -> int:
        """Encoded width d."""
        return len(self.lower)

    def free_mask(self, x: Tensor) -> Tensor:
        """Return which features of rows `x` (n, d) may move by default, as 0/1 floats.

        Constants and missing indicators never move, and a missing number stays missing.
        """
        mask = self.movable.to(x.dtype).expand_as(x)
        if len(self.filled_by) == 0:
            return mask
        mask = mask.clone()
        mask[:, self.filled_by[:, 1]] *= 1 - x[:, self.filled_by[:, 0]]
        return mask

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

    def move(self, x: Tensor, step: Tensor, mask: Tensor, choices: Tensor | None = None) -> Tensor:
        """Return the encoded rows reached from `x` by `-step` on the features that `mask` frees, all of shape (n, d).

        `choices` (n, d) is True where a one-hot level may be chosen; None means all.

        Numbers are clipped to the range seen at fit (widened to the row itself), blocks become hard one-hot codes.
        Gradients pass through a choice as if it were a soft one, and through a clip where they lead back inside.
        """
        moved = x - mask * step
        lower, upper = torch.minimum(self.lower, x), torch.maximum(self.upper, x)
        if torch.is_grad_enabled():
            moved = _InwardClip.apply(moved, lower, upper)
        else:
            moved = torch.minimum(torch.maximum(moved, lower), upper)
        return self._choose(moved, x, mask, choices) if self.blocks.numel() else moved

    def _choose(self, moved: Tensor, x: Tensor, mask: Tensor, choices: Tensor | None) -> Tensor:
        """Replace the one-hot blocks of `moved` by hard choices with soft gradients; frozen blocks keep x's."""
        forbidden = ~self.present | (self.missing_level[self.blocks] & (x[:, self.blocks] < 0.5))  # (n, B, W)
        if choices is not None:
            forbidden = forbidden | ~choices[:, self.blocks]
        scores = (_SHARPNESS * moved[:, self.blocks]).masked_fill(forbidden, -torch.inf)
        scores = torch.where(forbidden.all(-1, keepdim=True), torch.zeros_like(scores), scores)
        choice = torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
        if torch.is_grad_enabled():
            soft = scores.softmax(-1)
            choice = choice + soft - soft.detach()
        free = mask[:, self.blocks] > 0.5
        choice = torch.where(free, choice, x[:, self.blocks])
        out = moved.clone()
        out[:, self.levels] = choice.flatten(1)[:, self.level_slots]
        return out


def _padded_blocks(schema: TableSchema) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of each one-hot block in a rectangle padded with 0, and where it is not padding."""
    widest = max((block.stop - block.start for block in schema.blocks), default=0)
    blocks = np.zeros((len(schema.blocks), widest), dtype=np.int64)
    present = np.zeros(blocks.shape, dtype=bool)
    for row, block in enumerate(schema.blocks):
        width = block.stop - block.start
        blocks[row, :width] = np.arange(block.start, block.stop)
        present[row, :width] = True
    return blocks, present
