"""Input that can't be used is refused, with what was got, what was expected, and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _visual import Halves, Quarters, autoencoder, explainer, images
from torch import Tensor, nn

from hyconex_sklearn.visual import ConvAutoencoder, distill_surrogate

X = images()[:3]


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (X * 255, ValueError, r"in \[0, 1\] without NaN, got values from 0 to .*Undo the normalisation"),
        (X - 0.5, ValueError, "got values from -0.5"),
        (np.where(X > 0.5, np.nan, X), ValueError, "without NaN"),
        ((X * 255).astype(np.uint8), TypeError, "must be floats.*uint8.*Divide 8-bit images by 255"),
        (torch.zeros(3, 1, 16, 16, dtype=torch.int64), TypeError, "must be floats.*int64"),
        (X[0], ValueError, r"shape \(n, c, h, w\), got \(1, 16, 16\).*images\[None\]"),
        (X[:, 0], ValueError, r"got \(3, 16, 16\)"),
        (X[:0], ValueError, r"empty, got shape \(0, 1, 16, 16\)"),
        ("a photo", TypeError, "numeric array or tensor, got str"),
        ([[["a"]]], TypeError, "numeric array or tensor, got list"),
    ],
)
def test_images(bad: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explainer().explain(bad)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (4, ValueError, "class 4, but the classifier has 4 classes.*from 0 to 3"),
        (-1, ValueError, "class -1"),
        ([0, 1, 9], ValueError, "class 9"),
        ([0, 1], ValueError, r"shape \(2,\), but there are 3 images"),
        ([[0], [1], [2]], ValueError, r"shape \(3, 1\)"),
        (1.0, TypeError, "must be a class number.*got 1.0"),
        ("cat", TypeError, "must be a class number.*got 'cat'"),
        (True, TypeError, "must be a class number"),
    ],
)
def test_targets(target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explainer().explain(X, target)


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_the_number_of_attempts(k: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"n_counterfactuals must be an integer >= 1, got {k}"):
        explainer().explain(X, n_counterfactuals=k)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("n_steps", 0, ValueError),
        ("n_steps", 2.5, TypeError),
        ("learning_rate", 0.0, ValueError),
        ("objective", "hinge", ValueError),
        ("proximity", "l3", ValueError),
        ("alpha_proximity", -1.0, ValueError),
        ("smoothing", "blur", ValueError),
        ("smoothing", True, TypeError),
        ("n_smooth", 0, ValueError),
        ("noise_scale", float("nan"), ValueError),
        ("mask_threshold", 1.0, ValueError),
        ("mask_blur", "2", TypeError),
        ("relaxation", -0.5, ValueError),
        ("target_probability", 1.0, ValueError),
        ("classifier_output", "labels", ValueError),
        ("batch_size", 0, ValueError),
        ("random_state", "0", TypeError),
        ("surrogate", lambda x: x, TypeError),
        ("generator", object(), TypeError),
        ("classifier", None, TypeError),
    ],
)
def test_parameters(name: str, value: Any, error: type[Exception]) -> None:
    search = explainer().set_params(**{name: value})  # setting checks nothing, as everywhere in scikit-learn
    with pytest.raises(error, match=f"{name} must be .*, got "):
        search.explain(X)


def test_a_surrogate_that_is_asked_for_and_missing() -> None:
    with pytest.raises(ValueError, match=r"needs a surrogate, got None.*distill_surrogate"):
        explainer(smoothing="surrogate").explain(X)


def test_classifier_and_generator_on_different_devices() -> None:
    elsewhere = ConvAutoencoder(image_shape=(1, 16, 16)).to("meta")
    with pytest.raises(ValueError, match=r"one device, got classifier on cpu, generator on meta\. Move them"):
        explainer(elsewhere).explain(X)


def test_latents_that_turn_up_on_another_device() -> None:
    class Elsewhere(Halves):
        def encode(self, x: Tensor) -> Tensor:
            return super().encode(x).to("meta")

    with pytest.raises(ValueError, match="latents are on meta, but the classifier is on cpu"):
        explainer(Elsewhere()).explain(X)


@pytest.mark.parametrize(
    ("classifier", "message"),
    [
        (lambda x: x.mean((1, 2, 3))[:, None], r"returned shape \(3, 1\) for 3 images; expected \(3, K\)"),
        (lambda x: torch.zeros(4), r"returned shape \(4,\)"),
        (lambda x: x.flatten(1) * torch.nan, "returned NaN or infinite values"),
    ],
)
def test_what_a_classifier_returns(classifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explainer(classifier=classifier).explain(X)


def test_logits_that_are_called_probabilities() -> None:
    with pytest.raises(ValueError, match="negative values, which can't be probabilities"):
        explainer(classifier=nn.Sequential(Quarters(-9.0)), classifier_output="probabilities").explain(X)


def test_what_a_generator_returns() -> None:
    class Cropping(Halves):
        def decode(self, z: Tensor) -> Tensor:
            return super().decode(z)[..., :8, :8]

    class Wrapping(Halves):
        def encode(self, x: Tensor) -> Any:
            return {"latents": x}

    with pytest.raises(ValueError, match=r"shape \(3, 1, 16, 16\) to shape \(3, 1, 8, 8\).*Resize"):
        explainer(Cropping()).explain(X)
    with pytest.raises(
        ValueError, match=r"encode returned dict for 3 images; expected a float tensor of shape \(3, ...\)"
    ):
        explainer(Wrapping()).explain(X)


def test_images_of_another_shape_than_the_autoencoder_was_built_for() -> None:
    with pytest.raises(ValueError, match=r"built for images of shape \(n, 1, 16, 16\), got \(3, 1, 32, 32\)"):
        explainer(autoencoder()).explain(np.zeros((3, 1, 32, 32), dtype=np.float32))


@pytest.mark.parametrize(
    "settings", [{"image_shape": (1, 30, 32)}, {"latent_size": 0}, {"noise": -1.0}, {"batch_size": 1}], ids=str
)
def test_settings_of_the_autoencoder(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be "):
        ConvAutoencoder(**settings)


def test_settings_of_the_distillation() -> None:
    for settings in ({"width": 6}, {"n_epochs": 0}, {"classifier_output": "labels"}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} must be "):
            distill_surrogate(Quarters(), X, **settings)
