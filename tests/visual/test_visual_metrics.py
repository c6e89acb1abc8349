"""The figures by which counterfactual images are judged, checked against values that can be worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from _visual import Quarters, explainer, images, labels
from torch import Tensor

from hyconex_sklearn.visual import PixelSpace, VisualCounterfactuals, distill_surrogate, metrics


def result(
    changes: np.ndarray, *, position: Any = None, probability: float = 0.9, status: str = "ok", target: int = 1
) -> VisualCounterfactuals:
    """Counterfactuals of black images: `changes` (m, h, w) are their pixels, the target has the given probability."""
    pixels = np.asarray(changes, dtype=np.float32)[:, None]
    m = len(pixels)
    after = np.tile(np.float32([1 - probability, probability]), (m, 1))
    return VisualCounterfactuals(
        images=pixels,
        originals=np.zeros_like(pixels),
        position=np.arange(m) if position is None else np.asarray(position),
        target=np.full(m, target),
        rank=np.zeros(m, dtype=int),
        probabilities=after,
        probabilities_before=after[:, ::-1],
        status=np.array([status] * m, dtype=object),
        n_steps=np.ones(m, dtype=int),
    )


A = [[1.0, 0.0], [0.0, 0.0]]
B = [[0.0, 1.0], [0.0, 0.0]]
ALL = [[1.0, 1.0], [1.0, 1.0]]


def test_flips_count_from_a_probability_on() -> None:
    assert metrics.flip_rate(result([A, B])) == 1
    assert metrics.flip_rate(result([A, B], probability=0.505)) == 0
    assert metrics.flip_rate(result([A, B], probability=0.505), probability=0.5) == 1
    assert metrics.flip_rate(result([A, B], probability=0.2, status="not_valid")) == 0


def test_images_that_were_the_target_before_are_not_counted() -> None:
    assert math.isnan(metrics.flip_rate(result([A], status="already_target")))


def test_failed_reconstructions_count_as_not_flipped() -> None:
    assert metrics.flip_rate(result([A], probability=0.1, status="reconstruction_failed")) == 0


def test_the_independent_judge_is_asked_about_what_flipped() -> None:
    def judge(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), x[:, 0, 0, 0] - 0.5], 1)

    assert metrics.non_adversarial_rate(result([A, B, ALL]), judge) == pytest.approx(2 / 3)
    assert math.isnan(metrics.non_adversarial_rate(result([A], probability=0.1), judge))


def test_changed_pixels_are_a_share() -> None:
    assert metrics.changed_share(result([A, ALL])) == pytest.approx((0.25 + 1) / 2)


def test_sparsity_is_one_for_one_feature_and_zero_for_all_alike() -> None:
    assert metrics.sparsity(result([A])) == 1
    assert metrics.sparsity(result([ALL])) == 0
    assert metrics.sparsity(result([[[1.0, 0.5], [0.0, 0.0]]])) == pytest.approx(1 - 0.5 / 3)
    assert metrics.sparsity(result([A]), features=lambda x: x.flatten(1).sum(1, keepdim=True).repeat(1, 3)) == 0


def test_diversity_is_one_less_the_cosine_between_attempts_at_one_image() -> None:
    assert metrics.diversity(result([A, B], position=[0, 0])) == 1
    assert metrics.diversity(result([A, A], position=[0, 0])) == pytest.approx(0)
    assert metrics.diversity(result([A, ALL], position=[0, 0])) == pytest.approx(0.5)
    assert math.isnan(metrics.diversity(result([A, B])))


def test_the_frechet_distance_is_that_of_two_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    made, real = (rng.normal(size=(400, 1, 2)) * [2, 1] for _ in range(2))

    def features(x: Tensor) -> Tensor:
        return x.flatten(1)

    same = metrics.frechet_distance(result(made), made[:, None], features)
    near = metrics.frechet_distance(result(made), real[:, None], features)
    moved = metrics.frechet_distance(result(made), made[:, None] + 3, features)
    wider = metrics.frechet_distance(result(made), 3 * real[:, None], features)
    assert same == pytest.approx(0, abs=1e-6) and 0 < near < 0.1
    assert moved == pytest.approx(18)  # 3 squared, twice
    assert wider == pytest.approx(
        (6 - 2) ** 2 + (3 - 1) ** 2, rel=0.1
    )  # the difference of standard deviations, squared


def test_the_frechet_distance_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    rng = np.random.default_rng(0)
    made, real = (rng.uniform(size=(60, 3, 4, 4)).astype(np.float32) ** power for power in (1, 2))

    class Features(torch.nn.Module):
        num_features = 3

        def forward(self, x: Tensor) -> Tensor:
            return x.float().mean((2, 3))

    theirs = image.FrechetInceptionDistance(feature=Features(), normalize=False, input_img_size=(3, 4, 4))
    theirs.set_dtype(torch.float64)
    theirs.update(torch.tensor(real), real=True)
    theirs.update(torch.tensor(made), real=False)
    m = result(np.zeros((60, 4, 4)))
    ours = VisualCounterfactuals(**{**vars(m), "images": made, "originals": np.zeros_like(made)})
    assert metrics.frechet_distance(ours, real, Features()) == pytest.approx(float(theirs.compute()), rel=1e-3)


def test_no_figure_fails_on_an_empty_result() -> None:
    figures = metrics.evaluate(result([A])[:0], judge=Quarters(), features=Quarters(), real=images(), seconds=1.0)
    assert figures["images_per_second"] == 0
    assert all(math.isnan(value) for name, value in figures.items() if name != "images_per_second")


def test_evaluate_gives_every_figure_that_its_arguments_allow() -> None:
    cf = explainer().explain(images()[:4], (labels(images()[:4]) + 1) % 4)
    assert set(metrics.evaluate(cf)) == {"flip_rate", "changed_share", "sparsity", "diversity"}
    figures = metrics.evaluate(cf, judge=Quarters(), features=Quarters(), real=images(), seconds=2.0)
    assert figures["flip_rate"] == figures["non_adversarial_rate"] == 1
    assert figures["images_per_second"] == 2 and figures["frechet_distance"] > 0


def test_an_ablation_changes_one_part_at_a_time_and_leaves_the_explainer_alone() -> None:
    search, x = explainer(n_steps=5, n_smooth=2), images()[:4]
    before = repr(search.get_params())
    figures = metrics.ablate(search, x, (labels(x) + 1) % 4, judge=Quarters())
    assert set(figures) == {"as it is", "no smoothing", "no mask"}, "no surrogate was given, and noise is its own way"
    assert figures["no mask"]["changed_share"] > figures["as it is"]["changed_share"]
    assert all(one["images_per_second"] > 0 for one in figures.values())
    assert repr(search.get_params()) == before

    surrogate = distill_surrogate(Quarters(), images(), n_epochs=1, width=4, random_state=0)
    search.set_params(surrogate=surrogate)
    assert set(metrics.ablate(search, x, variants=["surrogate"])) == {"surrogate"}
    assert set(metrics.ablate(search, x, variants={"pixels": {"generator": PixelSpace()}})) == {"pixels"}
