"""Rows and masks in, the weights of a linear classifier for each row out, written by a residual network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .classifier import ResidualNetwork
from .level_embedding import LevelEmbedding, LevelScores

_CHUNK_CELLS = 4_000_000  # numbers that the weights of one chunk of rows may hold
_CHUNK_ROWS = 4_096


def step_work(n_rows: int, n_features: int, n_classes: int, hidden_size: int, n_blocks: int) -> float:
    """Return the work of a training step of `n_rows` rows, in flop."""
    return 6.0 * n_rows * hidden_size * (n_features * n_classes + 2 * n_blocks * hidden_size)


class HyperNetwork(nn.Module):
    """Rows and masks in, the weights W(x, a) of a linear classifier for each row out.

    Row m of W is at once the step toward class m, x' = x - a * W_m(x, a), and minus the normal of the logit of class m
    in the row's own linear classifier, g_k(z) = l_k(x) + W_k(x) . (x - z), which gives exactly the classifier's l(x) at
    the row itself: a step that goes down W_m goes up the logit of m.

    W(x, a) = W0 + dW(x, a), where W0 is one set of weights for all rows (start it with `set_linear`) and dW comes from
    a residual network over [x, a, p(x)], with p the classifier's opinion of the row, and starts near zero.

    Parameters
    ----------
    n_features, n_classes : int
        Encoded width d and number of classes K.
    hidden_size, n_blocks : int
        Width and depth of the residual network.
    dropout : float
        Share of hidden units dropped while training.
    wide : sequence of slices
        Blocks of many levels, which the residual network reads and writes as vectors.

    References
    ----------
    Marszałek et al., "HyConEx", arXiv 2503.12525.
    """

    told: Tensor  # positions whose mask it is told

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
        self.embedding, self.scores = LevelEmbedding(n_features, wide), LevelScores(n_features, wide)
        # A mask is the same for all levels of a block that it frees or freezes: the first one tells.
        outside = torch.cat([self.embedding.plain, torch.tensor([block.start for block in wide], dtype=torch.long)])
        self.register_buffer("told", outside, persistent=False)
        n_inputs = self.embedding.n_narrow + len(outside) + n_classes
        self.residual = ResidualNetwork(n_inputs, n_classes * self.embedding.n_narrow, hidden_size, n_blocks, dropout)
        self.weight0 = nn.Parameter(torch.zeros(n_classes, n_features))

    @property
    def rows_at_once(self) -> int:
        """How many rows to write weights for at once: thousands, and fewer where these are large."""
        return max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // (self.n_classes * self.n_features)))

    def work(self, n_rows: int) -> float:
        """Return the work of a training step of `n_rows` rows, in flop."""
        sizes = self.residual.hidden_size, self.residual.n_blocks
        return step_work(n_rows, self.embedding.n_narrow, self.n_classes, *sizes)

    def set_linear(self, coef: Tensor) -> None:
        """Start from the steps up the logits of a linear model with coefficients `coef` (K, d)."""
        with torch.no_grad():
            self.weight0.copy_(-coef)

    def forward(self, x: Tensor, logits: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the weights (n, K, d) of rows `x` (n, d), whose logits are `logits` (n, K).

        `mask` (n, d) is 1 where a feature may move, None means all.
        """
        mask = torch.ones_like(x) if mask is None else mask
        opinion = logits.log_softmax(1).clamp(min=-5.0)
        out = self.residual(torch.cat([self.embedding(x), mask[:, self.told], opinion], dim=1))
        return self.weight0 + self.scores(out.unflatten(1, (self.n_classes, self.embedding.n_narrow)))
