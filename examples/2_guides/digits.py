"""Counterfactual images: what would have to change in a handwritten digit for a classifier to see another one.

python examples/2_guides/digits.py --output pictures

Trains a classifier, an independent judge, a generator and a smooth surrogate on the digits that ship with scikit-learn,
explains held-out images, three attempts each, prints the figures beside those of other searches, and saves a picture
(matplotlib) and the generator in the folder. Takes a few minutes; `--quick` some seconds, and shows that it works.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from hyconex_sklearn.visual import (
    ConvAutoencoder,
    PixelSpace,
    VisualCounterfactualDisplay,
    VisualCounterfactualExplainer,
    VisualCounterfactuals,
    distill_surrogate,
)
from hyconex_sklearn.visual.metrics import ABLATIONS, ablate, evaluate, flip_rate

ATTEMPTS = 3
# Networks are overconfident: what barely persuades the explained one persuades no other.
TARGET_PROBABILITY = 0.999
VARIANTS = {**ABLATIONS, "pixel space": {"generator": PixelSpace()}}


@dataclass(frozen=True)
class Digits:
    """Images (n, 1, 32, 32) in [0, 1] of all ten digits, to train with and held out, with their labels."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor

    @classmethod
    def load(cls, seed: int) -> Digits:
        """Return the 8x8 images of scikit-learn, four times as large, three quarters of them to train with."""
        small, labels = load_digits(return_X_y=True)
        images = torch.tensor(small / 16, dtype=torch.float32).view(-1, 1, 8, 8)
        images = functional.interpolate(images, size=(32, 32), mode="bilinear")
        parts = train_test_split(images.numpy(), labels, stratify=labels, random_state=seed)
        train, test, train_labels, test_labels = (torch.as_tensor(part) for part in parts)
        return cls(train, train_labels, test, test_labels)


def classifier(seed: int) -> nn.Sequential:
    """Return the network that is explained, untrained: strided convolutions with hard kinks."""
    torch.manual_seed(seed)
    layers = [layer for i, o in ((1, 8), (8, 16), (16, 32)) for layer in (nn.Conv2d(i, o, 4, 2, 1), nn.ReLU())]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def independent_judge(seed: int) -> nn.Sequential:
    """Return another network, untrained: other filters, pooling, dropout, other initial weights."""
    torch.manual_seed(1_000 + seed)
    layers = [
        layer
        for i, o in ((1, 12), (12, 24), (24, 48))
        for layer in (nn.Conv2d(i, o, 3, 1, 1), nn.ELU(), nn.AvgPool2d(2))
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(768, 64), nn.ELU(), nn.Dropout(0.3), nn.Linear(64, 10))


def fit(network: nn.Sequential, digits: Digits, n_epochs: int) -> nn.Sequential:
    """Return the network, trained and in evaluation mode."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(digits.train)).split(64):
            loss = functional.cross_entropy(network(digits.train[rows]), digits.train_labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, digits: Digits) -> float:
    """Return the share of held-out images that are classified rightly."""
    return float((network(digits.test).argmax(1) == digits.test_labels).float().mean())


def prepare(seed: int, quick: bool) -> tuple[Digits, VisualCounterfactualExplainer, nn.Sequential]:
    """Return images, an explainer whose every part is trained on them, and the judge."""
    digits, scale = Digits.load(seed), 10 if quick else 1
    explained = fit(classifier(seed), digits, 15 // scale + 1)
    judge = fit(independent_judge(seed), digits, 15 // scale + 1)
    generator = ConvAutoencoder(n_epochs=60 // scale, random_state=seed).fit(digits.train)
    surrogate = distill_surrogate(explained, digits.train, generator=generator, n_epochs=20 // scale, random_state=seed)
    explainer = VisualCounterfactualExplainer(
        explained, generator, surrogate=surrogate, target_probability=TARGET_PROBABILITY, random_state=seed
    )
    print(f"Held-out accuracy: classifier {accuracy(explained, digits):.3f}, judge {accuracy(judge, digits):.3f}")
    return digits, explainer, judge


@torch.no_grad()
def other_classes(network: nn.Module, images: Tensor, seed: int) -> Tensor:
    """Return a class for each image that the network does not see in it, drawn from the other nine."""
    steps = torch.randint(1, 10, (len(images),), generator=torch.Generator().manual_seed(seed))
    return (network(images).argmax(1) + steps) % 10


def judges(digits: Digits, judge: nn.Sequential) -> dict[str, Any]:
    """Return what `evaluate` judges by: the judge, its last hidden layer as features, real images."""
    return {"judge": judge, "features": judge[:-1], "real": digits.test}


def by_attempt(cf: VisualCounterfactuals, digits: Digits, judge: nn.Sequential) -> pd.DataFrame:
    """Return the figures of each attempt, and of all together."""
    parts = {f"attempt {rank}": cf[cf.rank == rank] for rank in range(ATTEMPTS)} | {"all": cf}
    return pd.DataFrame({name: evaluate(part, **judges(digits, judge)) for name, part in parts.items()}).T


def main() -> None:
    """Print figures and save a picture for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(), help="folder for picture and generator")
    parser.add_argument("--quick", action="store_true", help="hardly any training, few images: does it work?")
    parser.add_argument("--images", type=int, default=100, help="held-out images to explain")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds of the split and of all networks")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        digits, explainer, judge = prepare(seed, options.quick)
        images = digits.test[: 8 if options.quick else options.images]
        target = other_classes(explainer.classifier, images, seed)
        cf = explainer.explain(images, target, n_counterfactuals=ATTEMPTS)
        print(f"\n{cf}\n\nSeed {seed}, {len(images)} images:\n{by_attempt(cf, digits, judge).round(3).to_string()}")
        figures = ablate(explainer, images, target, variants=VARIANTS, **judges(digits, judge))
        print(f"\nOne attempt, one part changed at a time:\n{pd.DataFrame(figures).T.round(3).to_string()}")
        display = VisualCounterfactualDisplay.from_counterfactuals(cf)
        display.figure_.savefig(options.output / f"digits_{seed}.png", dpi=150)
        explainer.generator.save(options.output / f"digits_{seed}.safetensors")
        print(
            f"\n{flip_rate(cf[cf.rank == 0]):.0%} flipped at the first attempt; see {options.output}/digits_{seed}.png"
        )


if __name__ == "__main__":
    main()
