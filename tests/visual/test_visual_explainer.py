"""What a query about images gives back, and what is promised of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import settings_of_the_user
from _visual import SIDE, Halves, Quarters, autoencoder, explainer, images, labels
from sklearn.base import clone
from torch import Tensor, nn

from hyconex_sklearn.visual import (
    ConvAutoencoder,
    PixelSpace,
    VisualCounterfactualExplainer,
    VisualCounterfactuals,
    VisualStatus,
    distill_surrogate,
    metrics,
)

X = images()[:6]
FAR = (labels(X) + 2) % 4


def same(left: VisualCounterfactuals, right: VisualCounterfactuals) -> bool:
    return np.array_equal(left.images, right.images) and list(left.status) == list(right.status)


# ------------------------------------------------------------------------------------------------- the certificate


@pytest.mark.parametrize("smoothing", [None, "noise"])
@pytest.mark.parametrize("generator", [PixelSpace(), Halves()], ids=["pixels", "maps"])
def test_flags_hold_for_the_pixels_that_are_returned(generator: Any, smoothing: str | None) -> None:
    cf = explainer(generator, smoothing=smoothing, n_smooth=3).explain(X, FAR)
    assert cf.valid.all() and set(cf.status) == {"ok"}
    assert cf.images.dtype == np.float32 and cf.images.shape == X.shape
    assert np.array_equal(cf.images, (cf.images * 255).round() / np.float32(255)), "not 8-bit values"
    assert cf.images.min() >= 0 and cf.images.max() <= 1
    with torch.no_grad():
        again = Quarters()(torch.tensor(cf.images)).softmax(1).numpy()
    np.testing.assert_allclose(cf.probabilities, again, atol=1e-6)
    assert (cf.predictions == again.argmax(1)).all() and (cf.predictions == FAR).all()
    assert (again[np.arange(6), FAR] >= 0.95 - 1e-4).all()


def test_images_survive_a_file_of_8_bit_with_the_same_certificate() -> None:
    cf = explainer(autoencoder()).explain(X, FAR)
    stored = (cf.images * 255).round().astype(np.uint8)
    assert np.array_equal(stored.astype(np.float32) / np.float32(255), cf.images)


def test_what_the_mask_leaves_alone_is_the_original_bit_for_bit() -> None:
    cf = explainer(autoencoder(), mask_threshold=0.4).explain(X, FAR)
    still = ~np.broadcast_to(cf.masks[:, None], X.shape)
    assert 0 < cf.masks.mean() < 0.9
    assert np.array_equal(cf.images[still], X[still])
    assert np.array_equal(cf.originals, X)
    assert np.array_equal(cf.masks, (cf.images != X).any(1))


def test_without_a_mask_more_pixels_change() -> None:
    masked, free = (explainer(autoencoder(), mask_threshold=share).explain(X, FAR) for share in (0.4, 0.0))
    assert masked.masks.mean() < 0.7 * free.masks.mean()


def test_images_between_8_bit_values_are_rounded_before_they_are_explained() -> None:
    cf = explainer().explain(np.clip(X.astype(np.float64) + 0.001, 0, 1), FAR)
    assert np.array_equal(cf.originals, X)


# --------------------------------------------------------------------------------------------------------- status


def test_an_image_that_is_the_target_already_comes_back_unchanged() -> None:
    cf = explainer().explain(X, labels(X)[0])
    done = labels(X) == labels(X)[0]
    assert (cf.status[done] == VisualStatus.ALREADY_TARGET).all() and (cf.status[~done] == "ok").all()
    assert np.array_equal(cf.images[done], X[done]) and cf.valid.all()


class Swapped(Halves):
    """A poor generator: it turns the dim half of images on their heads."""

    def decode(self, z: Tensor) -> Tensor:
        """Return blocks, some of them upside down."""
        decoded = super().decode(z)
        return torch.where((z.amax((1, 2, 3)) < 0.75)[:, None, None, None], decoded.flip(2, 3), decoded)


def test_a_reconstruction_of_another_class_is_reported_for_its_image_only() -> None:
    cf = explainer(Swapped()).explain(X, FAR)
    with torch.no_grad():
        z = Swapped().encode(torch.tensor(X))
        bad = labels(Swapped().decode(z)) != labels(X)
    assert 0 < bad.sum() < len(X)
    assert ((cf.status == "reconstruction_failed") == bad).all()
    assert np.array_equal(cf.images[bad], X[bad]) and not cf.valid[bad].any()


def test_a_reconstruction_that_overflows_is_reported() -> None:
    class Overflowing(Halves):
        def decode(self, z: Tensor) -> Tensor:
            return super().decode(z) * torch.inf

    assert set(explainer(Overflowing()).explain(X, FAR).status) == {"reconstruction_failed"}


def test_a_search_that_does_not_arrive_says_so_and_shows_its_best_attempt() -> None:
    cf = explainer(n_steps=1, learning_rate=1e-3).explain(X, FAR)
    assert set(cf.status) == {"not_valid"} and not cf.valid.any()
    assert (cf.report["probability"] >= cf.report["probability_before"]).all()


def test_a_target_that_is_reached_but_not_surely_enough_is_told() -> None:
    weak = explainer(classifier=Quarters(8.0), n_steps=60)
    cf = weak.set_params(target_probability=0.999999).explain(X, FAR)
    assert cf.valid.all() and set(cf.status) == {"unsure"}


def test_every_status_has_a_description() -> None:
    assert all(status.description.endswith(".") for status in VisualStatus)


# -------------------------------------------------------------------------------------------------------- targets


def test_the_default_target_is_the_runner_up() -> None:
    cf = explainer().explain(X)
    with torch.no_grad():
        second = Quarters()(torch.tensor(X)).topk(2).indices[:, 1].numpy()
    assert (cf.target == second).all()


@pytest.mark.parametrize(
    "target", [2, np.int64(2), [2] * 6, torch.full((6,), 2)], ids=["int", "int64", "list", "tensor"]
)
def test_a_target_is_a_class_or_one_for_each_image(target: Any) -> None:
    assert (explainer().explain(X, target).target == 2).all()


# -------------------------------------------------------------------------------------------------------- attempts


class Uneven(Quarters):
    """Quarters of which some parts count more than others, so that there is a choice of what to change."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of weighted images."""
        return super().forward(x * torch.linspace(1.5, 0.5, SIDE // 2).repeat(2))


@pytest.mark.parametrize("generator", [PixelSpace(), Halves()], ids=["pixels", "maps"])
def test_attempts_change_different_pixels(generator: Any) -> None:
    cf = explainer(generator, Uneven(), mask_threshold=0.7).explain(X, FAR, n_counterfactuals=3)
    assert (
        len(cf) == 18 and cf.rank.tolist() == [0, 1, 2] * 6 and cf.position.tolist() == sorted([0, 1, 2, 3, 4, 5] * 3)
    )
    assert (cf.masks.reshape(6, 3, SIDE, SIDE).sum(1) <= 1).all(), "a pixel was changed twice"
    assert cf.valid.reshape(6, 3)[:, :2].all()


def test_attempts_change_different_pixels_where_latents_have_no_place() -> None:
    cf = explainer(autoencoder()).explain(X, FAR, n_counterfactuals=2)
    assert (cf.masks.reshape(6, 2, SIDE, SIDE).sum(1) <= 1).all()


def test_the_first_attempt_does_not_depend_on_how_many_are_asked_for() -> None:
    one, two = (explainer().explain(X, FAR, n_counterfactuals=k) for k in (1, 2))
    assert same(one, two[two.rank == 0])


def test_when_nothing_is_left_to_change_the_status_says_so() -> None:
    cf = explainer(mask_threshold=0.0).explain(X, FAR, n_counterfactuals=2)
    second = cf[cf.rank == 1]
    assert set(second.status) == {"nothing_left"} and not second.masks.any() and not second.valid.any()


# ------------------------------------------------------------------------------------------------------- the search


def test_an_easy_image_stops_early() -> None:
    low, high = (explainer(target_probability=p).explain(X, FAR) for p in (0.6, 0.99))
    assert (low.n_steps <= high.n_steps).all() and low.n_steps.sum() < high.n_steps.sum() < 30 * 6


@pytest.mark.parametrize("smoothing", [None, "noise"])
def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(smoothing: str | None) -> None:
    search = explainer(smoothing=smoothing)
    together = search.explain(X, FAR)
    apart = [search.explain(X[i : i + 1], FAR[i]) for i in range(3)]
    assert all(np.abs(one.images - together.images[i]).max() < 0.02 for i, one in enumerate(apart))
    assert same(search.set_params(batch_size=6).explain(X, FAR), together)


def test_the_same_seed_gives_the_same_images() -> None:
    first, again, other = (explainer(smoothing="noise", random_state=s).explain(X, FAR) for s in (1, 1, 2))
    assert same(first, again) and not same(first, other)


@pytest.mark.parametrize("settings", [{"objective": "margin"}, {"proximity": "l2"}, {"mask_blur": 0.0}], ids=str)
def test_the_variants_of_the_search_arrive_too(settings: dict[str, Any]) -> None:
    assert explainer(**settings).explain(X, FAR).valid.all()


def test_a_stronger_pull_keeps_images_nearer() -> None:
    near, far = (explainer(alpha_proximity=a, proximity="l2", mask_threshold=0.0).explain(X, FAR) for a in (50.0, 0.0))
    assert near.report["distance_l2"].mean() < far.report["distance_l2"].mean()


# --------------------------------------------------------------------------------------- classifiers of every kind


def by_numpy(x: Tensor) -> np.ndarray:
    """A black box: probabilities, as an array, without a gradient."""
    return Quarters()(x).softmax(1).detach().numpy()


def test_a_black_box_is_explained_through_its_surrogate() -> None:
    surrogate = distill_surrogate(by_numpy, images(), classifier_output="probabilities", width=8, random_state=0)
    search = explainer(
        autoencoder(), by_numpy, classifier_output="probabilities", smoothing="surrogate", surrogate=surrogate
    )
    cf = search.explain(X, FAR)
    assert cf.valid.mean() >= 0.8
    np.testing.assert_allclose(cf.probabilities, by_numpy(torch.tensor(cf.images)), atol=1e-4)


def test_a_black_box_without_a_surrogate_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"No gradient comes from the classifier.*distill_surrogate"):
        explainer(classifier=by_numpy, classifier_output="probabilities").explain(X, FAR)


def test_a_differentiable_function_needs_no_module() -> None:
    network = Quarters()
    assert same(explainer(classifier=lambda x: network(x)).explain(X, FAR), explainer().explain(X, FAR))


def test_colours_work_too() -> None:
    rgb = np.repeat(X, 3, axis=1)
    cf = explainer().explain(rgb, FAR)
    assert cf.images.shape == rgb.shape and cf.masks.shape == (6, SIDE, SIDE) and cf.valid.all()


# ---------------------------------------------------------------------------------------------------- side effects


def test_a_query_changes_nothing_of_the_users() -> None:
    network = nn.Sequential(Quarters(), nn.Dropout(0.5)).train()
    network[0].eval()
    pixels, before = torch.tensor(X, requires_grad=True), torch.get_rng_state()
    search = explainer(classifier=network, smoothing="noise")
    settings = repr(search.get_params())
    cf = search.explain(pixels, FAR)
    assert torch.equal(before, torch.get_rng_state()) and repr(search.get_params()) == settings
    assert network.training and not network[0].training and network[1].training
    assert network[0].sharpness.grad is None and pixels.grad is None and np.array_equal(pixels.detach(), X)
    assert cf.valid.all(), "dropout was on"


PUBLIC: list[Callable[[], object]] = [
    lambda: explainer().explain(X, FAR, n_counterfactuals=2).report,
    lambda: distill_surrogate(Quarters(), X, generator=Halves(), n_epochs=1, width=4, random_state=0),
    lambda: ConvAutoencoder(image_shape=(1, SIDE, SIDE), width=4, n_epochs=1, random_state=0).fit(X),
    lambda: metrics.evaluate(explainer().explain(X, FAR), judge=Quarters(), features=Quarters(), real=images()),
]


@pytest.mark.parametrize("number", range(len(PUBLIC)))
def test_every_call_leaves_the_users_settings(number: int) -> None:
    own = settings_of_the_user()
    PUBLIC[number]()
    assert settings_of_the_user() == own


def test_threads_may_ask_at_the_same_time_whatever_the_default_dtype() -> None:
    search = explainer(classifier=Quarters().eval(), n_smooth=2)
    expected = search.explain(X, FAR)
    torch.set_default_dtype(torch.float64)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: search.explain(X, FAR), range(8)))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(same(answer, expected) for answer in answers)


def test_a_query_works_without_gradients_around_it() -> None:
    search = explainer()
    with torch.inference_mode():
        assert search.explain(torch.tensor(X), FAR).valid.all()


def test_parameters_can_be_read_set_cloned_and_printed() -> None:
    search = VisualCounterfactualExplainer(Quarters(), PixelSpace(), n_steps=7)
    assert search.get_params()["n_steps"] == 7 and search.set_params(n_smooth=2).n_smooth == 2
    assert clone(search).n_steps == 7
    assert "n_steps=7" in repr(search)
    with pytest.raises(TypeError):
        VisualCounterfactualExplainer(Quarters(), PixelSpace(), 7)  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------------- the result


def test_the_report_tells_each_attempt_on_a_line() -> None:
    cf = explainer().explain(X, FAR, n_counterfactuals=2)
    report = cf.report
    assert isinstance(report, pd.DataFrame) and len(report) == 12
    assert set("image target rank prediction probability valid changed n_steps status".split()) <= set(report)
    assert (report["valid"] == cf.valid).all() and (report["changed"] == cf.masks.mean((1, 2))).all()
    assert (report["prediction_before"] == np.repeat(labels(X), 2)).all()
    moved = (cf.images - cf.originals).reshape(12, -1)
    np.testing.assert_allclose(report["distance_l1"], np.abs(moved).mean(1), rtol=1e-5)


def test_a_result_is_cut_like_an_array() -> None:
    cf = explainer().explain(X, FAR)
    assert len(cf) == 6 and len(cf[2]) == 1 and len(cf[:4]) == 4 and len(cf[cf.valid]) == cf.valid.sum()
    assert np.array_equal(cf[[3, 1]].images, cf.images[[3, 1]]) and cf[-1].position.tolist() == [5]
    assert [one.position[0] for one in cf] == list(range(6))
    assert len(cf[:0]) == 0 and len(cf[:0].report) == 0
    for wrong, error in ((6, IndexError), ("ok", TypeError), (np.array([True]), IndexError)):
        with pytest.raises(error):
            cf[wrong]


def test_a_result_tells_in_a_line_what_it_is() -> None:
    cf = explainer().explain(X, FAR)
    assert "6 counterfactuals of 1x16x16 pixels, 100% valid" in repr(cf) and "6 ok" in repr(cf)
    assert "1 counterfactual of" in repr(cf[0]) and repr(cf[:0]) == "VisualCounterfactuals: none"
