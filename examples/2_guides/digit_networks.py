"""What the guide to counterfactual digits and the measurements share: images, and the networks trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from hyconex_sklearn.visual import ConvAutoencoder, VisualCounterfactualExplainer, distill_surrogate

# Networks are overconfident: what barely persuades the explained one persuades no other.
TARGET_PROBABILITY = 0.999


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
    return digits, explainer, judge


@torch.no_grad()
def other_classes(network: nn.Module, images: Tensor, seed: int) -> Tensor:
    """Return a class for each image that the network does not see in it, drawn from the other nine."""
    steps = torch.randint(1, 10, (len(images),), generator=torch.Generator().manual_seed(seed))
    return (network(images).argmax(1) + steps) % 10


def judges(digits: Digits, judge: nn.Sequential) -> dict[str, Any]:
    """Return what `evaluate` judges by: the judge, its last hidden layer as features, real images."""
    return {"judge": judge, "features": judge[:-1], "real": digits.test}
