"""What each part of the method contributes: fits that lack it, or have another in its place, on the same rows.

    python examples/3_paper/ablation.py --data ../shared/data --output results

writes one record for each table, seed and variant, and `plausibility.png`, the share of plausible rows over
alpha_plausibility. Counterfactuals are those of the single pass, since a search would make up for what training
lacks; all are judged by the same density (the default one, fitted with the same seed), forest and neighbours. What
explanations say is judged as in `attribution.py`. Variants are composed from the package's functions, some replaced for
the length of a fit: none is a choice of the estimator's. "tied" is the published form, see `tied.py`; it learns from
labels, so that "labels only" is what it has to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from accuracy import auroc
from attribution import Coefficients, coefficients, explained, masked_validity
from runs import QUICK_FIT, Records, Stopwatch, command_line
from sklearn.metrics import log_loss
from tables import Split, load
from tied import (
    AlignedClassifier,
    TiedClassifier,
    calibrate_on_held_out,
    fit_on_labels,
    fit_tied,
    tied_coefficients,
)
from torch import Tensor, nn
from zuko.flows import MAF, NSF, Flow

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.classifier import Classifier, ResidualNetwork
from hyconex_sklearn._model.density import _SPLINE_NUMBERS, MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.losses import log_odds
from hyconex_sklearn._training.density_phase import fit_density
from hyconex_sklearn._training.ensemble import Ensemble, Member, linear_member
from hyconex_sklearn._training.loop import Training
from hyconex_sklearn.metrics import evaluate_counterfactuals, independent_classifier

TABLES = ("moons", "wine", "law", "audit", "adult", "cancer")
ADULT_ROWS = 2_000
QUERIES = 300
ALPHAS = (0.0, 0.1, 0.3, 1.0)
QUICK = ("full", "tied, aligned", "labels only", "batch norm", "other flow family")


# ----------------------------------------------------------------------------------------------------- what is replaced


def no_linear_start(training: Training, n_classes: int) -> tuple[Member, tuple[Tensor, Tensor]]:
    """Start from the zero map; the linear member still teaches."""
    member, (weight, bias) = linear_member(training, n_classes)
    return member, (torch.zeros_like(weight), torch.zeros_like(bias))


def linear_teacher(training: Training, space: EncodedSpace, n_classes: int, linear: Member) -> Ensemble:
    """Let the linear member teach alone."""
    return Ensemble(np.ones(1), [linear])


def no_masks(n: int, space: EncodedSpace, generator: torch.Generator) -> Tensor:
    """Let every feature move in training."""
    return torch.ones(n, space.n_features, device=space.owner.device)


def cross_entropy(logits: Tensor, target: Tensor, margin: Tensor) -> Tensor:
    """Return exp(-log-odds): its log1p, which the objective takes, is the cross-entropy toward the target."""
    return (-log_odds(logits, target)).exp()


def nothing(*_: Any) -> None:
    """Leave a step out."""


def batch_normed(network: ResidualNetwork) -> None:
    """Put batch norm, as published, where layer norm stands."""
    for module in (network, *network.blocks):
        module.norm = nn.BatchNorm1d(network.hidden_size)


class BatchNormClassifier(Classifier):
    """The classifier with batch norm."""

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        batch_normed(self.residual)


class BatchNormNetwork(HyperNetwork):
    """The hypernetwork with batch norm."""

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        batch_normed(self.residual)


class NoisyOneHotDensity(MixedDensity):
    """The published density of categories: one flow over numbers and one-hot codes, with noise in training."""

    noise = 0.1  # standard deviation

    def __init__(self, space: EncodedSpace, n_classes: int, transforms: int, hidden: tuple[int, ...]) -> None:
        super().__init__(space, n_classes, transforms, hidden)
        self.categories, self.space = None, space
        self.flow = MAF(
            space.n_features, n_classes, transforms=transforms, passes=2, hidden_features=hidden, activation=nn.SiLU
        )

    def log_prob(self, x: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            x = x.index_add(1, self.discrete, self.noise * torch.randn(len(x), len(self.discrete)))
        return self.flow(self.one_hot(labels).to(x.dtype)).log_prob(x)

    @torch.no_grad()
    def sample(self, labels: Tensor) -> Tensor:
        """Draw rows (n, d) with hard categories."""
        x = self.flow(self.one_hot(labels)).sample()
        return self.space.move(x, torch.zeros_like(x), torch.ones_like(x))


def other_flow(n_numbers: int, n_context: int, transforms: int, hidden: tuple[int, ...]) -> Flow:
    """Return affine couplings where the default are splines, and splines where it is affine."""
    affine = n_numbers <= _SPLINE_NUMBERS
    kind, transforms = (MAF, transforms) if affine else (NSF, max(1, transforms // 2))
    return kind(
        n_numbers,
        n_context,
        transforms=transforms,
        randperm=True,
        passes=2,
        hidden_features=hidden,
        activation=nn.SiLU,
    )


# ------------------------------------------------------------------------------------------------------------- variants


class Densities:
    """Stands for `fit_density`: fits once, then gives the same density and leaves the same random states behind.

    The density comes first and depends on nothing that the variants change, so each may go on from the same.
    """

    def __init__(self) -> None:
        self._fitted: tuple[Any, ...] | None = None

    def __call__(self, density: MixedDensity, space: EncodedSpace, training: Training, n_epochs: int) -> None:
        if self._fitted is None:
            fit_density(density, space, training, n_epochs)
            self._fitted = density.state_dict(), training.generator.get_state(), torch.get_rng_state()
        state, generator, torch_state = self._fitted
        density.load_state_dict(state)
        training.generator.set_state(generator)
        torch.set_rng_state(torch_state)


@dataclass(frozen=True)
class Variant:
    """Parameters of the estimator, and what of the package (by module and name) is replaced while it is fitted."""

    parameters: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, Any] = field(default_factory=dict)
    coefficients: Coefficients = coefficients  # of each row's own linear classifier

    @contextmanager
    def in_place(self, densities: Densities) -> Iterator[None]:
        """Replace the functions for the length of a `with` block; no reservoir is drawn, the single pass needs none."""
        replaced = {"_training.fit_model.fill_reservoir": nothing, **self.replaced}
        if not self.replaced.keys() & {"_model.density._flow", "_training.fit_model.MixedDensity"}:
            replaced["_training.fit_model.fit_density"] = densities
        with ExitStack() as stack:
            for name, replacement in replaced.items():
                stack.enter_context(patch(f"hyconex_sklearn.{name}", replacement))
            yield


def _alphas(validity: float, proximity: float, plausibility: float) -> dict[str, float]:
    return {"alpha_validity": validity, "alpha_proximity": proximity, "alpha_plausibility": plausibility}


_ON_LABELS = {
    "_training.fit_model.fit_classifier": fit_on_labels,
    "_training.fit_model.calibrate": calibrate_on_held_out,
}


def _tied(classifier: type[TiedClassifier]) -> Variant:
    replaced = {"_training.fit_model.Classifier": classifier, "_training.fit_model._fit_hypernetwork": fit_tied}
    return Variant(replaced=_ON_LABELS | replaced, coefficients=tied_coefficients)


VARIANTS = {
    "full": Variant(),
    "tied": _tied(TiedClassifier),
    "tied, aligned": _tied(AlignedClassifier),
    "labels only": Variant(replaced=_ON_LABELS),
    "no drawn rows": Variant(replaced={"_training.classifier_phase._DRAWN_SHARE": 0.0}),
    "linear teacher": Variant(replaced={"_training.classifier_phase.fit_ensemble": linear_teacher}),
    "no linear start": Variant(replaced={"_training.classifier_phase.linear_member": no_linear_start}),
    "no secant": Variant(replaced={"_training.step_phase._SECANT": 0.0}),
    "secant 0.5": Variant(replaced={"_training.step_phase._SECANT": 0.5}),
    "base": Variant(_alphas(0, 0, 0)),
    "base+ce": Variant(_alphas(0.8, 0, 0)),
    "base+ce+flow": Variant(_alphas(0.8, 0, 0.1)),
    "base+ce+dist": Variant(_alphas(0.8, 0.1, 0)),
    "batch norm": Variant(
        replaced={
            "_training.fit_model.Classifier": BatchNormClassifier,
            "_training.fit_model.HyperNetwork": BatchNormNetwork,
        }
    ),
    "no masks": Variant(replaced={"_training.step_phase.draw_mask": no_masks}),
    "cross-entropy": Variant(replaced={"_training.step_phase.validity_loss": cross_entropy}),
    "noisy one-hot": Variant(replaced={"_training.fit_model.MixedDensity": NoisyOneHotDensity}),
    "other flow family": Variant(replaced={"_model.density._flow": other_flow}),
} | {f"alpha_plausibility={alpha:g}": Variant({"alpha_plausibility": alpha}) for alpha in ALPHAS if alpha != 0.1}


# ------------------------------------------------------------------------------------------------------------ measuring


@cache
def split_of(name: str, folder: Path | None, quick: bool) -> Split:
    """Read and split a table; adult is cut to its first rows."""
    split = load(name, folder)
    most = 80 if quick else ADULT_ROWS
    return Split(*(part[:most] for part in vars(split).values()))


def has_categories(name: str, folder: Path | None, quick: bool) -> bool:
    """Tell whether a table has other columns than numbers."""
    return split_of(name, folder, quick).X_train.select_dtypes(exclude="number").shape[1] > 0


@cache
def oracle_of(name: str, folder: Path | None, quick: bool) -> Callable[..., np.ndarray]:
    """Return the `predict` of a forest on the training rows."""
    split = split_of(name, folder, quick)
    return independent_classifier(split.X_train, split.y_train).predict


@cache
def densities_of(name: str, seed: int) -> Densities:
    """Return the density that fits of one table and seed share."""
    return Densities()


@cache
def reference_of(name: str, folder: Path | None, quick: bool, seed: int) -> Callable[..., np.ndarray]:
    """Return the default density of this table and seed: the same judge for all variants."""
    split = split_of(name, folder, quick)
    epochs = (QUICK_FIT if quick else {}) | {"pretrain_epochs": 0, "joint_epochs": 0}
    clf = HyConExClassifier(random_state=seed, **epochs)
    with Variant().in_place(densities_of(name, seed)):
        return clf.fit(split.rows_to_fit, split.labels_to_fit).score_samples


def measure(table: str, seed: int, variant: Variant, folder: Path | None, quick: bool) -> dict[str, float]:
    """Fit one variant, and judge its predictions and its single pass on test rows."""
    split = split_of(table, folder, quick)
    parameters = variant.parameters | (QUICK_FIT if quick else {})
    density = reference_of(table, folder, quick, seed)
    with variant.in_place(densities_of(table, seed)), Stopwatch() as fit:
        clf = HyConExClassifier(random_state=seed, **parameters).fit(split.rows_to_fit, split.labels_to_fit)
    proba = clf.predict_proba(split.X_test).astype(float)
    proba /= proba.sum(1, keepdims=True)
    X = split.X_test[:QUERIES]
    cf = clf.counterfactuals(X, search="one_shot")
    oracle = oracle_of(table, folder, quick)
    judged = evaluate_counterfactuals(
        cf, X, split.X_train, split.y_train, predict=clf.predict, oracle=oracle, score_samples=density
    )
    return {
        "auroc": auroc(split.y_test, proba),
        "log_loss": log_loss(split.y_test, proba, labels=clf.classes_),
        **judged.to_dict(),
        "support": cf.report["support"].mean(),
        "masked_validity": masked_validity(clf, X, seed),
        **explained(clf, X, variant.coefficients),
        "fit_seconds": fit.seconds,
    }


def plot(frame: pd.DataFrame, path: Path) -> None:
    """Draw plausibility over alpha_plausibility, mean and spread over the seeds, one line per table."""
    import matplotlib.pyplot as plt

    names = {0.1: "full"} | {alpha: f"alpha_plausibility={alpha:g}" for alpha in ALPHAS if alpha != 0.1}
    sweep = [(alpha, names[alpha]) for alpha in ALPHAS if names[alpha] in set(frame["variant"])]
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), sharex=True, layout="constrained")
    for panel, column in zip(axes, ("plausibility", "l2"), strict=True):
        for table, rows in frame.groupby("table", sort=False):
            means = [rows.loc[rows["variant"] == name, column].mean() for _, name in sweep]
            spread = [rows.loc[rows["variant"] == name, column].std() for _, name in sweep]
            panel.errorbar([str(alpha) for alpha, _ in sweep], means, spread, marker="o", capsize=2, label=table)
        panel.set_xlabel("alpha_plausibility")
        panel.set_ylabel({"plausibility": "share of plausible rows", "l2": "L2, min-max units"}[column])
        panel.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), help="only these")
    arguments = parser.parse_args()
    quick, folder = arguments.quick, arguments.data
    tables = arguments.tables or (TABLES if folder else ("cancer",))
    seeds = arguments.seeds or ([0] if quick else range(3))
    variants = arguments.variants or (QUICK if quick else VARIANTS)
    records = Records(arguments.output, "ablation", quick)
    for key in records.missing(table=tables, seed=seeds, variant=variants):
        variant = VARIANTS[key["variant"]]
        if key["variant"] == "noisy one-hot" and not has_categories(key["table"], folder, quick):
            continue  # the variant is about categories
        records.add(key, measure(key["table"], key["seed"], variant, folder, quick))
    plot(records.frame(), arguments.output / "plausibility.png")


if __name__ == "__main__":
    main()
