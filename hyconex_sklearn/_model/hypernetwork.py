"""Rows and masks in, a linear classifier for each row out, written by a residual network over the row."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._common.runtime import chunks, placed

_CHUNK_CELLS = 4_000_000  # numbers that the weights of one chunk of rows may hold
_CHUNK_ROWS = 4_096


def step_work(n_rows: int, n_features: int, n_classes: int, hidden_size: int, n_blocks: int) -> float:
    """Return the work of a training step of `n_rows` rows, in flop."""
    return 6.0 * n_rows * hidden_size * (n_features * n_classes + 2 * n_blocks * hidden_size)


class LocalLinear(NamedTuple):
    """Linear classifiers, one for each row.

    Row m of `weight` is at once the normal of class m's logit and the step toward its counterfactual, x' = x - W_m.
    """

    weight: Tensor  # (n, K, d)
    bias: Tensor  # (n, K)

    def logits(self, x: Tensor) -> Tensor:
        """Return W x + b, shape (n, K), for rows x of shape (n, d)."""
        return torch.einsum("nkd,nd->nk", self.weight, x) + self.bias


class ResidualBlock(nn.Module):
    """x + Linear(dropout(gelu(Linear(norm(x))))), the TabResNet block with layer norm.

    Layer norm, since the statistics of a batch norm would be polluted by batches of counterfactuals. The last linear
    map starts at zero, so that a deep network starts as a shallow one.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.expand = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(size, size)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.contract(self.dropout(nn.functional.gelu(self.expand(self.norm(h)))))  # (n, size)


class HyperNetwork(nn.Module):
    """Rows and masks in, a `LocalLinear` classifier for each row out.

    W(x, a) = W0 + dW(x, a) and b(x, a) = b0 + db(x, a), where W0, b0 is one linear model for all rows (start it with
    `set_linear`) and dW, db come from residual blocks over [x, a] and start near zero.

    Parameters
    ----------
    n_features, n_classes : int
        Encoded width d and number of classes K.
    hidden_size, n_blocks : int
        Width and depth of the residual network.
    dropout : float
        Share of hidden units dropped while training.

    References
    ----------
    Marszałek et al., "HyConEx", arXiv 2503.12525; Gorishniy et al., "Revisiting deep learning models for tabular
    data", NeurIPS 2021 (the residual network).
    """

    def __init__(self, n_features: int, n_classes: int, hidden_size: int, n_blocks: int, dropout: float) -> None:
        super().__init__()
        self.n_features, self.n_classes = n_features, n_classes
        self.stem = nn.Linear(2 * n_features, hidden_size)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden_size, dropout) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, n_classes * (n_features + 1))
        nn.init.normal_(self.head.weight, std=0.01 / hidden_size**0.5)
        nn.init.zeros_(self.head.bias)
        self.weight0 = nn.Parameter(torch.zeros(n_classes, n_features))
        self.bias0 = nn.Parameter(torch.zeros(n_classes))

    @property
    def width(self) -> int:
        """Numbers that are computed of a row, in the widest place."""
        return self.n_classes * (self.n_features + 1)

    @property
    def rows_at_once(self) -> int:
        """How many rows to write classifiers for at once: thousands, and fewer where these are large."""
        return max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // (self.n_classes * self.n_features)))

    def work(self, n_rows: int) -> float:
        """Return the work of a training step of `n_rows` rows, in flop."""
        return step_work(n_rows, self.n_features, self.n_classes, self.stem.out_features, len(self.blocks))

    def set_linear(self, weight: Tensor, bias: Tensor) -> None:
        """Start from the linear model with `weight` (K, d) and `bias` (K,)."""
        with torch.no_grad():
            self.weight0.copy_(weight)
            self.bias0.copy_(bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> LocalLinear:
        """Return the classifiers of rows `x` (n, d); `mask` (n, d) is 1 where a feature may move, None means all."""
        mask = torch.ones_like(x) if mask is None else mask
        hidden = self.norm(self.blocks(self.stem(torch.cat([x, mask], dim=1))))  # (n, hidden)
        out = self.head(hidden).unflatten(1, (self.n_classes, self.n_features + 1))  # (n, K, d + 1)
        return LocalLinear(self.weight0 + out[..., :-1], self.bias0 + out[..., -1])

    def in_chunks(self, x: Tensor) -> LocalLinear:
        """Return the classifiers of rows `x` (n, d), every feature free to move, `rows_at_once` at a time."""
        return LocalLinear(*placed(len(x), ((rows, self(x[rows])) for rows in chunks(len(x), self.rows_at_once))))

    def logits(self, x: Tensor) -> Tensor:
        """Return class logits (n, K) of rows `x` (n, d), every feature free to move."""
        return self(x).logits(x)
