"""Rows in, class logits out: a linear model and a residual network that adds what a linear one can't say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .level_embedding import LevelEmbedding


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


class ResidualNetwork(nn.Module):
    """Stem, residual blocks, norm and head; what comes out is near zero before it is trained."""

    def __init__(self, n_inputs: int, n_outputs: int, hidden_size: int, n_blocks: int, dropout: float) -> None:
        super().__init__()
        self.hidden_size, self.n_blocks = hidden_size, n_blocks
        self.stem = nn.Linear(n_inputs, hidden_size)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden_size, dropout) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, n_outputs)
        nn.init.normal_(self.head.weight, std=0.01 / hidden_size**0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem(x))))  # (n, n_outputs)


class Classifier(nn.Module):
    """Rows in, logits out: l(x) = W x + b + r(x), where r is a residual network that starts near zero.

    Parameters
    ----------
    n_features, n_classes : int
        Encoded width d and number of classes K.
    hidden_size, n_blocks : int
        Width and depth of the residual network.
    dropout : float
        Share of hidden units dropped while training.
    wide : sequence of slices
        Blocks of many levels, which the residual network reads as vectors.

    References
    ----------
    Gorishniy et al., "Revisiting deep learning models for tabular data", NeurIPS 2021 (the residual network).
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden_size: int,
        n_blocks: int,
        dropout: float,
        wide: Sequence[slice] = (),
    ) -> None:
        super().__init__()
        self.n_features, self.n_classes = n_features, n_classes
        self.linear = nn.Linear(n_features, n_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.embedding = LevelEmbedding(n_features, wide)
        self.residual = ResidualNetwork(self.embedding.n_narrow, n_classes, hidden_size, n_blocks, dropout)

    def set_linear(self, weight: Tensor, bias: Tensor) -> None:
        """Start from the linear model with `weight` (K, d) and `bias` (K,)."""
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits (n, K) of rows `x` (n, d)."""
        return self.linear(x) + self.residual(self.embedding(x))
