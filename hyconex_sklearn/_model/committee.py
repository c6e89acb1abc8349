"""Rows in, a second opinion out: many small networks, each on its own rows and columns, as one batched module.

The committee never sees a counterfactual in training, so that no counterfactual can bend it. It stands for the models
that a retrained system might be. The same module, each member without the rows of one fold, is one of the teachers of
the classifier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .._common.runtime import copy_state, minibatches, summed
from .level_embedding import positions_outside

N_MEMBERS = 16
_ROWS_AT_ONCE = 1_024  # so that all hidden units of the members fit into the cache: three times as fast
_EPOCHS, _MAX_STEPS, _PATIENCE = 100, 1_000, 15
_LEARNING_RATE = 2e-2
_VECTOR = 4  # numbers that a member learns of each level of a wide block


class Committee(nn.Module):
    """One-hidden-layer networks, evaluated together.

    Parameters
    ----------
    owner : Tensor of shape (d,)
        Table column of each encoded position; a member sees whole columns or nothing of them.
    n_classes : int
        Number of classes K.
    generator : torch.Generator
        Draws each member's columns.
    n_members, hidden_size : int
        How many networks, and how wide.
    column_share : float
        Share of the columns that a member sees.
    wide : sequence of slices
        Blocks of many levels, which a member reads as short vectors.
    """

    seen: Tensor
    plain: Tensor  # positions outside the wide blocks

    def __init__(
        self,
        owner: Tensor,
        n_classes: int,
        generator: torch.Generator,
        n_members: int = N_MEMBERS,
        hidden_size: int = 32,
        column_share: float = 0.6,
        wide: Sequence[slice] = (),
    ) -> None:
        super().__init__()
        self.n_members, self.hidden_size = n_members, hidden_size
        n_columns = int(owner.max()) + 1
        rank = torch.rand(n_members, n_columns, generator=generator, device=owner.device).argsort(1)
        seen = rank < math.ceil(column_share * n_columns)  # (members, columns)
        self.wide = tuple(wide)
        self.register_buffer("plain", positions_outside(len(owner), wide), persistent=False)
        starts = owner.new_tensor([block.start for block in wide]).repeat_interleave(_VECTOR)
        inputs = owner[torch.cat([self.plain.to(owner.device), starts])]  # table column of each
        self.register_buffer("seen", seen[:, inputs].float())  # (members, inputs)
        self.vectors = nn.ParameterList(torch.randn(n_members, b.stop - b.start, _VECTOR) for b in wide)
        self.weight1 = nn.Parameter(torch.randn(n_members, hidden_size, len(inputs)) / len(inputs) ** 0.5)
        self.bias1 = nn.Parameter(torch.randn(n_members, hidden_size))
        self.weight2 = nn.Parameter(torch.randn(n_members, n_classes, hidden_size) / hidden_size**0.5)
        self.bias2 = nn.Parameter(torch.zeros(n_members, n_classes))

    @property
    def width(self) -> int:
        """Numbers that are computed of a row."""
        return self.n_members * (self.hidden_size + self.bias2.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the members' logits, shape (n, members, K), for rows `x` (n, d)."""
        weight1 = self.weight1 * self.seen[:, None]
        parts = [self._logits(rows, weight1) for rows in x.split(_ROWS_AT_ONCE)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _logits(self, x: Tensor, weight1: Tensor) -> Tensor:
        hidden = nn.functional.silu(self._hidden(x, weight1))  # (n, members, hidden)
        return torch.einsum("nmh,mkh->nmk", hidden, self.weight2) + self.bias2

    def _hidden(self, x: Tensor, weight1: Tensor) -> Tensor:
        n_plain, n_rows, n_members = len(self.plain), len(x), self.n_members
        plain = x[:, self.plain] if self.wide else x
        hidden = nn.functional.linear(plain, weight1[..., :n_plain].flatten(0, 1), self.bias1.flatten())
        hidden = hidden.view(n_rows, n_members, self.hidden_size)
        for number, (block, vectors) in enumerate(zip(self.wide, self.vectors, strict=True)):
            inputs = slice(n_plain + number * _VECTOR, n_plain + (number + 1) * _VECTOR)
            vector = (x[:, block] @ vectors.transpose(0, 1).flatten(1)).view(n_rows, n_members, _VECTOR)
            hidden = hidden + torch.einsum("nmr,mhr->nmh", vector, weight1[..., inputs])
        return hidden


def votes(members: Tensor, target: Tensor) -> Tensor:
    """Return the share of members (n, members, K) whose largest logit is the target's (n,), shape (n,)."""
    return (members.argmax(2) == target[:, None]).float().mean(1)


def mean_log_odds(members: Tensor, target: Tensor) -> Tensor:
    """Return log p / (1 - p) of the members' mean probability of the target, shape (n,)."""
    members = members.transpose(1, 2).contiguous()  # softmax is slow where few classes lie side by side in memory
    by_class = members.log_softmax(1).logsumexp(2)  # (n, K)
    others = by_class.scatter(1, target[:, None], -torch.inf).logsumexp(1)
    return by_class.gather(1, target[:, None]).squeeze(1) - others


def fit_committee(
    committee: Committee,
    x: Tensor,
    labels: Tensor,
    weight: Tensor,
    counts: Tensor,
    batch_size: int,
    generator: torch.Generator,
    rings: Callable[[], bool] = lambda: False,
) -> None:
    """Train all members at once on rows `x` (n, d), which count `weight` (n,), each member on rows of its own.

    `counts` (n, members) says how often a member is given each row, see `bootstrap`. Rows that it is not given are its
    held-out rows: each member keeps the state that served them best. Training ends after the epoch in which `rings()`.
    """
    n = len(x)
    data = (x, labels, weight, counts)
    # In chunks: torch would make eight bytes of each truth value before it counts them.
    held_out = summed(lambda drawn: (drawn == 0).sum(0), counts).clamp(min=1)
    optimiser = torch.optim.AdamW(committee.parameters(), lr=_LEARNING_RATE, weight_decay=1e-2, fused=True)
    best = torch.full((committee.n_members,), torch.inf, device=x.device)
    state = copy_state(committee)
    steps = since = 0
    for _ in range(_EPOCHS):
        for rows in minibatches(n, batch_size, 4, generator):
            optimiser.zero_grad()
            (_member_losses(committee, x[rows], labels[rows], weight[rows]) * counts[rows]).mean(0).sum().backward()
            optimiser.step()
            steps += 1
        before, best = best, _keep_best_members(committee, data, held_out, best, state)
        since = 0 if bool((best < before).any()) else since + 1
        if since >= _PATIENCE or steps >= _MAX_STEPS or rings():
            break
    committee.load_state_dict(state)


def bootstrap(n: int, generator: torch.Generator) -> Tensor:
    """Return how often each member draws each row, (n, members), in a byte each: tables may be long."""
    draws = (torch.randint(n, (n,), generator=generator, device=generator.device) for _ in range(N_MEMBERS))
    return torch.stack([torch.bincount(drawn, minlength=n).clamp(max=255).byte() for drawn in draws], 1)


def _member_losses(committee: Committee, x: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """Return each member's weighted cross-entropy on each row, shape (n, members)."""
    own = labels[:, None, None].expand(-1, committee.n_members, 1)
    return -weight[:, None] * committee(x).log_softmax(2).gather(2, own).squeeze(2)


@torch.no_grad()
def _keep_best_members(
    committee: Committee, data: tuple[Tensor, ...], held_out: Tensor, best: Tensor, state: dict[str, Tensor]
) -> Tensor:
    """Copy into `state` the members whose loss on their held-out rows improved; return the best losses so far.

    `held_out` (members,) is how many rows these are.
    """

    def losses_of(x: Tensor, labels: Tensor, weight: Tensor, counts: Tensor) -> Tensor:
        return (_member_losses(committee, x, labels, weight) * (counts == 0)).sum(0)

    losses = summed(losses_of, *data, width=committee.width) / held_out
    better = losses < best
    for name, parameter in committee.named_parameters():
        state[name][better] = parameter.detach()[better]
    return torch.where(better, losses, best)
