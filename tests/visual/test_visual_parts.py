"""The parts of a search on images: pixels and masks, the objective, the surrogate, the picture, the scripts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from _visual import Halves, Quarters, explainer, images, labels
from torch import Tensor

from hyconex_sklearn.visual import VisualCounterfactualDisplay, distill_surrogate
from hyconex_sklearn.visual._judge import Judge, evaluating
from hyconex_sklearn.visual._objective import Objective, Problem, descend
from hyconex_sklearn.visual._pixels import allowed_latents, blur, change_mask, compose, quantise, quantise_through

X = torch.tensor(images()[:4])
EVERYWHERE = torch.ones(4, 1, 16, 16, dtype=torch.bool)

# -------------------------------------------------------------------------------------------------------- pixels


def test_quantising_is_done_once_and_for_all() -> None:
    noisy = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 - 1
    once = quantise(noisy)
    assert torch.equal(quantise(once), once) and once.min() == 0 and once.max() == 1
    assert torch.equal(quantise(X), X)


def test_the_gradient_passes_through_rounding_and_clamping() -> None:
    x = torch.tensor([[[[-0.2, 0.3004, 1.4]]]], requires_grad=True)
    quantise_through(x).sum().backward()
    assert x.grad is not None and (x.grad == 1).all()


def test_a_composition_takes_each_pixel_from_one_side() -> None:
    mask = EVERYWHERE.clone()
    mask[..., :8] = False
    made = compose(X + 0.1234, X, mask)
    assert torch.equal(made[..., :8], X[..., :8])
    assert torch.equal(made[..., 8:], quantise(X + 0.1234)[..., 8:])


def test_a_blur_keeps_constants_and_spreads_points() -> None:
    flat = torch.full((1, 1, 9, 9), 0.7)
    torch.testing.assert_close(blur(flat, 1.5), flat)
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    spread = blur(point, 1.0)
    assert spread.sum() == pytest.approx(1, abs=1e-3) and spread[0, 0, 4, 4] == spread.max() < 0.2
    assert torch.equal(blur(point, 0.0), point)


def test_a_mask_is_the_region_of_the_large_changes_within_what_is_allowed() -> None:
    changed = X.clone()
    changed[:, :, 2:5, 2:5] += 0.5
    changed[:, :, 12, 12] += 0.01
    mask = change_mask(changed, X, EVERYWHERE, 0.3, 0.5)
    assert mask[:, 0, 2:5, 2:5].all() and not mask[:, 0, 10:, 10:].any()
    allowed = EVERYWHERE.clone()
    allowed[:, :, :8] = False
    beyond = change_mask(changed, X, allowed, 0.3, 0.5)
    assert beyond[:, 0, 12, 12].all() and not beyond[:, :, :8].any(), (
        "what is left is measured by its own largest change"
    )


def test_where_nothing_differs_yet_all_is_open() -> None:
    assert change_mask(X, X, EVERYWHERE, 0.3, 1.0).all()


def test_latents_may_move_where_half_of_their_pixels_may() -> None:
    allowed = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    allowed[0, 0, :2, :2] = allowed[0, 0, :2, 2] = allowed[0, 0, 2, 0] = True
    assert allowed_latents(allowed, torch.zeros(1, 7, 2, 2)).tolist() == [[[[True, True], [False, False]]]]
    assert allowed_latents(allowed, torch.zeros(1, 7)).all()


# ----------------------------------------------------------------------------------------------------- objective


def problem() -> Problem:
    z = Halves().encode(X)
    target = torch.tensor((labels(X) + 1) % 4)
    return Problem(X, z, Halves().decode(z), target, EVERYWHERE)


def objective(**settings: object) -> Objective:
    return Objective(
        **{
            "decode": Halves().decode,
            "logits": Judge(Quarters(), "logits").logits,
            "loss": "cross_entropy",
            "pull": "l1",
            "alpha_proximity": 0.0,
            **settings,
        }  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("n_copies", [0, 8])
def test_a_step_goes_toward_the_target(loss: str, n_copies: int) -> None:
    asked, noise = problem(), torch.Generator().manual_seed(0)
    gradient = objective(loss=loss, n_copies=n_copies, noise_scale=0.05).gradient(asked.start, EVERYWHERE, asked, noise)
    with torch.no_grad():
        before, after = (
            Quarters()(Halves().decode(z)).softmax(1)[range(4), asked.target]
            for z in (asked.start, descend(asked.start, gradient, asked, 0.3))
        )
    assert (after > before).all()


def test_steps_have_the_same_length_whatever_the_gradient() -> None:
    asked = problem()
    gradient = torch.randn(asked.start.shape, generator=torch.Generator().manual_seed(0))
    for factor in (1e-9, 1.0, 1e9):
        moved = descend(asked.start, factor * gradient, asked, 0.1) - asked.start
        length = moved.square().mean((1, 2, 3)).sqrt() / asked.start.square().mean((1, 2, 3)).sqrt()
        torch.testing.assert_close(length, torch.full((4,), 0.1), rtol=1e-4, atol=1e-6)
    for useless in (0.0, torch.nan):
        assert torch.equal(descend(asked.start, useless * gradient, asked, 0.1), asked.start)


def test_nothing_outside_the_mask_has_a_gradient() -> None:
    mask = EVERYWHERE.clone()
    mask[..., :8, :] = False
    asked = problem()
    gradient = objective().gradient(asked.start, mask, asked, torch.Generator())
    assert (gradient[:, :, :4] == 0).all() and gradient[:, :, 4:].abs().sum() > 0


def test_averaging_over_noise_smooths_a_jagged_classifier() -> None:
    def jagged(x: Tensor) -> Tensor:
        quarters = Quarters()(x)
        return quarters + torch.sin(4 * quarters)  # the same slope at large, a wrong one half of the time

    asked, true = problem(), objective().gradient(problem().start, EVERYWHERE, problem(), torch.Generator())

    def agreement(n_copies: int) -> float:
        settings = {"logits": Judge(jagged, "logits").logits, "n_copies": n_copies, "noise_scale": 0.5}
        found = objective(**settings).gradient(asked.start, EVERYWHERE, asked, torch.Generator().manual_seed(0))
        return float(torch.cosine_similarity(found.flatten(1), true.flatten(1)).mean())

    assert agreement(64) > agreement(0) + 0.1


@pytest.mark.parametrize("pull", ["l1", "l2"])
def test_the_pull_points_away_from_the_start(pull: str) -> None:
    asked = problem()
    flat = objective(logits=lambda x: 0 * x.flatten(1)[:, :4], pull=pull, alpha_proximity=1.0)
    away = torch.ones_like(asked.start)
    gradient = flat.gradient(asked.start + 0.3 * away, EVERYWHERE, asked, torch.Generator())
    assert (gradient > 0).all()


# ---------------------------------------------------------------------------------------------- judge and surrogate


def test_modes_of_submodules_return_even_after_an_error() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    network[1].eval()

    def fail() -> None:
        with evaluating(network, object(), None):
            assert not network.training and not network[0].training
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert network.training and network[0].training and not network[1].training


@pytest.mark.parametrize("generator", [None, Halves()], ids=["pixels", "latents"])
def test_a_surrogate_imitates_what_it_can_only_ask(generator: Halves | None) -> None:
    def hard(x: Tensor) -> list[list[float]]:
        return torch.nn.functional.one_hot(Quarters()(x).argmax(1), 4).tolist()

    before, x = torch.get_rng_state(), torch.tensor(images())
    surrogate = distill_surrogate(
        hard, images(), generator=generator, classifier_output="probabilities", width=8, batch_size=16, random_state=0
    )
    assert torch.equal(before, torch.get_rng_state()) and not surrogate.training
    with torch.no_grad():
        assert (surrogate(x).argmax(1).numpy() == labels(x)).mean() >= 0.9


# --------------------------------------------------------------------------------------------- picture and scripts


def test_a_picture_has_a_row_for_each_image_and_two_columns_for_each_attempt() -> None:
    pytest.importorskip("matplotlib").use("agg")
    cf = explainer(mask_threshold=0.6).explain(images()[:3], n_counterfactuals=2)
    display = VisualCounterfactualDisplay.from_counterfactuals(cf, class_names=list("abcd"), max_images=2)
    assert display.axes_.shape == (2, 5) and len(display.counterfactuals) == 4
    assert np.array_equal(display.axes_[0, 0].images[0].get_array(), cf.originals[0, 0])
    assert np.array_equal(display.axes_[1, 3].images[0].get_array(), cf.images[3, 0])
    assert display.axes_[0, 0].get_title() == "abcd"[cf.predictions_before[0]]
    again = VisualCounterfactualDisplay(display.counterfactuals).plot(display.axes_)
    assert again.figure_ is display.figure_
    with pytest.raises(ValueError, match=r"axes has shape \(2, 4\); expected \(2, 5\)"):
        again.plot(display.axes_[:, 1:])
    with pytest.raises(ValueError, match="no counterfactual to draw"):
        VisualCounterfactualDisplay(cf[:0]).plot()


GUIDES = Path(__file__).parents[2] / "examples" / "2_guides"


def test_the_script_for_photographs_can_be_imported() -> None:
    path = GUIDES / "stable_diffusion.py"
    spec = importlib.util.spec_from_file_location("guide_stable_diffusion", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.main)


@pytest.mark.very_slow
def test_the_guide_to_digits_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    environment = os.environ | {"PYTHONPATH": str(GUIDES.parents[1]), "MPLBACKEND": "agg"}
    command = [sys.executable, str(GUIDES / "digits.py"), "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "non_adversarial_rate" in done.stdout
    assert (tmp_path / "digits.png").is_file() and (tmp_path / "digits.safetensors").is_file()
