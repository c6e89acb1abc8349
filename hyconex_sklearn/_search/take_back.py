"""Certified answers in, shorter ones out: halve the way, and take needless changes back."""

from __future__ import annotations

import torch
from torch import Tensor

from .._common.runtime import chunks
from .incumbent import Incumbent, judged

_BISECTIONS = 4


def bisect(best: Incumbent, rows: Tensor) -> None:
    """Shorten the way: halve the segment from x to the incumbent as long as the certificate holds."""
    x, end = best.query.x[rows], best.x[rows].clone()
    low, high = x.new_zeros(len(rows), 1), x.new_ones(len(rows), 1)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        better = best.offer(x + middle * (end - x), rows)[:, None]
        low, high = torch.where(better, low, middle), torch.where(better, middle, high)


def undo(best: Incumbent, rows: Tensor) -> None:
    """Take changes back as long as the certificate holds.

    Each change is tried alone, all of them in one batch. Of those that can be spared alone, halving tells how many of
    the smallest can be spared together.
    """
    owner, start, x = best.model.space.owner, best.x[rows].clone(), best.query.x[rows]
    size = best.query.sizes(best.x)[rows]  # (m, n_columns)
    order, count = size.argsort(dim=1, descending=True, stable=True), (size > 0).sum(1)
    row, place = (torch.arange(order.shape[1], device=rows.device) < count[:, None]).nonzero(as_tuple=True)
    if len(row) == 0:
        return
    spared = torch.zeros_like(order, dtype=torch.bool)
    for part in chunks(len(row), best.model.rows_at_once):  # as many as rows x columns
        at = row[part]
        alone = torch.where(owner == order[at, place[part]][:, None], x[at], start[at])
        _, shortfall, cost = judged(best.query[rows[at]], alone)
        spared[at, place[part]] = best.beaten(rows[at], shortfall, cost)
    rank = spared.flip(1).cumsum(1).flip(1).masked_fill(~spared, 0)  # 1: the smallest that can be spared
    rank = torch.zeros_like(rank).scatter(1, order, rank)  # by column
    few, many = torch.zeros_like(count), spared.sum(1)
    while bool((few < many).any()):
        some = (few < many).nonzero().squeeze(1)
        half = (few[some] + many[some] + 1) // 2
        back = ((rank[some] > 0) & (rank[some] <= half[:, None]))[:, owner]
        fits = best.offer(torch.where(back, x[some], start[some]), rows[some])
        few[some] = torch.where(fits, half, few[some])
        many[some] = torch.where(fits, many[some], half - 1)
