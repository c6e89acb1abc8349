"""The fitted parts in, the one judgement of encoded rows out that certificates and searches share."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from .._common.runtime import chunks, placed
from .certificate import Demands, Judgement, Shortfall, predicted
from .classifier import Classifier
from .committee import N_MEMBERS, Committee, mean_log_odds, votes
from .density import MixedDensity
from .encoded_space import EncodedSpace
from .hypernetwork import HyperNetwork
from .losses import log_odds

_CHUNK_ROWS = 4_096
_CHUNK_CELLS = 8_000_000  # numbers that the weights and votes of one chunk of rows may hold


class Model(nn.Module):
    """Classifier, hypernetwork, density and committee of one fit, with what was read off held-out rows."""

    temperature: Tensor  # scalar that divides the logits, so that probabilities are calibrated
    threshold: Tensor  # (K,), log-density from which on a row of class m counts as plausible
    # (K,), log-odds, calibrated and of the committee's mean probability, and share of the committee, that held-out rows
    # of class m typically reach: where searches stop
    confidence: Tensor
    committee_confidence: Tensor
    support: Tensor
    typical: (
        Tensor  # (d,), median of each number and most frequent level of each category: what contributions start from
    )
    # (r, d) and (r,), certified rows drawn from the density, the last resort of a search; no training rows
    reservoir: Tensor
    reservoir_labels: Tensor

    def __init__(
        self,
        space: EncodedSpace,
        classifier: Classifier,
        hypernetwork: HyperNetwork,
        density: MixedDensity,
        committee: Committee,
    ) -> None:
        super().__init__()
        self.space, self.classifier, self.hypernetwork = space, classifier, hypernetwork
        self.density, self.committee = density, committee
        self.register_buffer("temperature", torch.ones(()))
        for name in ("threshold", "confidence", "committee_confidence", "support"):
            self.register_buffer(name, torch.zeros(self.n_classes))
        self.register_buffer("typical", torch.zeros(self.n_features))
        self.register_buffer("reservoir", torch.zeros(0, self.n_features))
        self.register_buffer("reservoir_labels", torch.zeros(0, dtype=torch.long))

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return self.classifier.n_classes

    @property
    def n_features(self) -> int:
        """Encoded width d."""
        return self.classifier.n_features

    @property
    def rows_at_once(self) -> int:
        """How many rows to judge at once: thousands, and fewer where the classes are many."""
        width = self.n_classes * (self.n_features + N_MEMBERS)
        return max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // width))

    def logits(self, x: Tensor) -> Tensor:
        """Return the calibrated logits (n, K) of rows `x` (n, d)."""
        return self.classifier(x) / self.temperature

    def weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return W(x, a), (n, K, d), of rows `x` under masks a (n, d): minus the way up the logit of each class."""
        return self.hypernetwork(x, self.logits(x), mask)

    def judge(self, x: Tensor, target: Tensor) -> Judgement:
        """Return the `Judgement` of rows `x` (m, d) about their targets (m,)."""
        logits = self.logits(x)
        members = self.committee(x)
        return Judgement(
            predicted(logits),
            log_odds(logits, target),
            votes(members, target),
            mean_log_odds(members, target),
            self.density.log_prob(x, target),
        )

    def demands(self, target: Tensor, probability: float | None = None) -> Demands:
        """Return what certificates toward `target` (m,) ask.

        By default what held-out rows of the class typically reach. A `probability` replaces the calibrated one; the
        committee is asked for as much, yet never for more than rows of the class typically reach with it.
        """
        confidence, committee = self.confidence[target], self.committee_confidence[target]
        if probability is not None:
            confidence = torch.full_like(confidence, math.log(probability / (1 - probability)))
            committee = torch.minimum(committee, confidence)
        return Demands(confidence, committee, self.support[target], self.threshold[target])

    def certified(self, x: Tensor, target: Tensor, probability: float | None) -> np.ndarray:
        """Return which of m > 0 rows `x` (m, d) lack nothing of their certificates toward `target` (m,), as bools."""
        demands = self.demands(target, probability)

        def lacks(rows: slice) -> Tensor:
            return self.judge(x[rows], target[rows]).shortfall(target[rows], demands.at(rows))

        parts = [lacks(rows) == Shortfall.CERTIFIED for rows in chunks(len(x), self.rows_at_once)]
        return torch.cat(parts).cpu().numpy()

    def certificate(self, x: Tensor, target: Tensor, probability: float | None) -> dict[str, np.ndarray]:
        """Return what the report says of rows `x` (m, d) toward `target` (m,), as arrays (m,)."""
        parts = chunks(max(1, len(x)), self.rows_at_once)
        judged = Judgement(*placed(len(x), ((rows, self.judge(x[rows], target[rows])) for rows in parts)))
        demands = self.demands(target, probability)
        said = {
            "prediction": judged.prediction,
            "probability": judged.log_odds.double(),
            "support": judged.support.double(),
            "log_density": judged.log_density.double(),
            "plausible": judged.log_density >= demands.threshold,
            "least_probability": demands.confidence.double(),
            "least_support": demands.support.double(),
            **judged.met(demands),
        }
        arrays = {name: values.cpu().numpy() for name, values in said.items()}
        # Torch's sigmoid differs in the last bit between places in a tensor, so that a batch's length would tell.
        return arrays | {name: expit(arrays[name]) for name in ("probability", "least_probability")}
