"""Generators: the protocol, the small autoencoder, the adapters of diffusers through their real loading path."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch
from _visual import Halves, autoencoder, images, labels
from safetensors.torch import save_file
from torch import nn

from hyconex_sklearn.visual import (
    AutoencoderKLGenerator,
    AutoencoderTinyGenerator,
    ConvAutoencoder,
    Generator,
    PixelSpace,
    VisualCounterfactualExplainer,
)

X = torch.tensor(images())


@pytest.mark.parametrize("generator", [PixelSpace(), Halves(), autoencoder()], ids=lambda g: type(g).__name__)
def test_two_methods_make_a_generator(generator: Any) -> None:
    assert isinstance(generator, Generator)
    assert generator.decode(generator.encode(X)).shape == X.shape


def test_pixel_space_is_the_identity() -> None:
    assert PixelSpace().decode(PixelSpace().encode(X)) is X


# ----------------------------------------------------------------------------------------------- the autoencoder


@torch.no_grad()
def test_the_autoencoder_learns_to_reproduce_images() -> None:
    again = autoencoder()(X)
    assert (again - X).square().mean() < 0.2 * (X - X.mean(0)).square().mean()
    assert (labels(again) == labels(X)).mean() > 0.9
    history = autoencoder().history_
    assert len(history) == 200 and history[-1] < 0.3 * history[0]


@torch.no_grad()
def test_latents_are_on_a_unit_scale() -> None:
    z = autoencoder().encode(X)
    assert z.shape == (len(X), 4) and 0.5 < float(z.std()) < 2


def test_the_same_seed_gives_the_same_autoencoder_and_leaves_torch_as_it_was() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        ConvAutoencoder(image_shape=(1, 16, 16), latent_size=2, width=4, n_epochs=1, random_state=seed).fit(X).encode(X)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_a_saved_autoencoder_comes_back_the_same(tmp_path: Path) -> None:
    autoencoder().save(tmp_path / "small.safetensors")
    loaded = ConvAutoencoder.load(tmp_path / "small.safetensors")
    assert loaded.settings == autoencoder().settings and not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(X), autoencoder()(X))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"was not written by ConvAutoencoder.save.*kind=None"):
        ConvAutoencoder.load(tmp_path / "other.safetensors")


def test_a_single_image_is_too_few_to_fit() -> None:
    with pytest.raises(ValueError, match="1 entry; a fit needs at least 2"):
        ConvAutoencoder(image_shape=(1, 16, 16)).fit(X[:1])


# -------------------------------------------------------------------------------------------------- diffusers


def test_without_diffusers_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name.split(".")[0] == "diffusers":
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"AutoencoderKLGenerator needs .* pip install 'hyconex-sklearn\[visual\]'"):
        AutoencoderKLGenerator.from_pretrained("some/model")


# What sets the four families apart: latent channels, scale, shift, and the 1x1 convolutions around the latents.
FAMILIES: dict[str, dict[str, Any]] = {
    "sd15": {"latent_channels": 4, "scaling_factor": 0.18215},
    "sdxl": {"latent_channels": 4, "scaling_factor": 0.13025},
    "sd3": {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609, "use_quant_conv": False},
    "flux": {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": False},
}
RGB = X[:2].repeat(1, 3, 1, 1)


def loaded_kl(folder: Path, family: str) -> AutoencoderKLGenerator:
    """A tiny model with random weights in a family's configuration, written to disk and loaded from there."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    settings = dict(FAMILIES[family])
    settings["use_post_quant_conv"] = settings.get("use_quant_conv", True)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    model = diffusers.AutoencoderKL(block_out_channels=(8, 16), norm_num_groups=4, **blocks, **settings)
    model.save_pretrained(folder)
    return AutoencoderKLGenerator.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_scale_and_shift_of_the_configuration_are_honoured(tmp_path: Path, family: str) -> None:
    generator = loaded_kl(tmp_path, family)
    scale, shift = FAMILIES[family]["scaling_factor"], FAMILIES[family].get("shift_factor", 0.0)
    raw = generator.model.encode(RGB * 2 - 1).latent_dist.mode()
    z = generator.encode(RGB)
    assert z.shape == (2, FAMILIES[family]["latent_channels"], 8, 8)
    torch.testing.assert_close(z, (raw - shift) * scale)
    expected = generator.model.decode(raw).sample / 2 + 0.5
    torch.testing.assert_close(generator.decode(z), expected, rtol=1e-4, atol=1e-5)
    assert not generator.model.training
    assert isinstance(generator, Generator) and repr(generator).startswith("AutoencoderKLGenerator(")


def loaded_tiny(folder: Path) -> AutoencoderTinyGenerator:
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    model.save_pretrained(folder)
    return AutoencoderTinyGenerator.from_pretrained(folder, local_files_only=True)


def test_the_tiny_autoencoder_passes_a_gradient_and_does_not_round(tmp_path: Path) -> None:
    generator = loaded_tiny(tmp_path)
    with torch.no_grad():
        z = generator.encode(RGB)
        torch.testing.assert_close(z, generator.model.encode(RGB * 2 - 1).latents)
        torch.testing.assert_close(generator.decode(z), generator.model.decode(z).sample / 2 + 0.5)
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(generator.decode(z).sum(), z)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("load", [lambda folder: loaded_kl(folder, "sd3"), loaded_tiny], ids=["kl", "tiny"])
def test_a_search_runs_through_a_loaded_model_and_leaves_it_as_it_was(tmp_path: Path, load: Any) -> None:
    generator = load(tmp_path)
    generator.model.train()
    torch.manual_seed(0)
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    weights = [weight.clone() for weight in generator.model.parameters()]
    cf = VisualCounterfactualExplainer(classifier, generator, n_steps=3, random_state=0).explain(
        RGB, n_counterfactuals=2
    )
    assert len(cf) == 4 and set(cf.status) <= {"ok", "unsure", "not_valid", "nothing_left", "reconstruction_failed"}
    assert all(torch.equal(old, new) for old, new in zip(weights, generator.model.parameters(), strict=True))
    assert generator.model.training and all(weight.grad is None for weight in generator.model.parameters())


def test_half_precision_models_take_and_return_float32(tmp_path: Path) -> None:
    generator = loaded_tiny(tmp_path)
    generator.model.to(torch.bfloat16)
    with torch.no_grad():
        z = generator.encode(RGB)
        assert z.dtype == torch.float32 and generator.decode(z).dtype == torch.float32


def test_gray_images_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"takes images of 3 channels, got 1.*repeat\(1, 3, 1, 1\)"):
        loaded_tiny(tmp_path).encode(X)
