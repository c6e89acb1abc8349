"""The terms of the objective against their formulas, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.losses import (
    classification_loss,
    distance,
    log_odds,
    plausibility_loss,
    prototype_loss,
    secant_loss,
    validity_loss,
)
from hyconex_sklearn._table.codec import TableCodec


def logits_of(seed: int, n: int = 7, k: int = 4) -> Tensor:
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 99))
def test_classification_is_cross_entropy_with_hard_and_soft_goals(seed: int) -> None:
    logits = logits_of(seed)
    labels = torch.arange(7) % 4
    hard = torch.nn.functional.one_hot(labels, 4).double()
    torch.testing.assert_close(classification_loss(logits, hard), torch.nn.functional.cross_entropy(logits, labels))
    soft = logits_of(seed + 1).softmax(1)
    torch.testing.assert_close(classification_loss(logits, soft), torch.nn.functional.cross_entropy(logits, soft))


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    logits, goal = logits_of(0, 3), logits_of(1, 3).softmax(1)
    weighted = classification_loss(logits, goal, torch.tensor([2.0, 1.0, 0.0]))
    repeated = classification_loss(logits[[0, 0, 1]], goal[[0, 0, 1]])
    torch.testing.assert_close(weighted, repeated)


@given(st.integers(0, 99), st.integers(2, 6))
def test_log_odds_are_those_of_the_softmax(seed: int, k: int) -> None:
    logits = logits_of(seed, k=k)
    target = torch.arange(7) % k
    p = logits.softmax(1)[torch.arange(7), target]
    torch.testing.assert_close(log_odds(logits, target), (p / (1 - p)).log())
    torch.testing.assert_close(log_odds(logits + 5.0, target), log_odds(logits, target))


def test_log_odds_of_extreme_logits_are_finite() -> None:
    logits = torch.tensor([[1e4, -1e4], [0.0, 1e4]])
    assert log_odds(logits, torch.tensor([0, 0])).tolist() == [2e4, -1e4]


def test_validity_ends_at_the_margin() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    loss = validity_loss(logits, torch.zeros(3, dtype=torch.long), torch.tensor(1.5))
    assert loss.tolist() == pytest.approx([1.5, 0.0, 3.5])
    loss.sum().backward()
    gradient = logits.grad
    assert gradient is not None
    assert gradient[1].abs().sum() == 0  # sure enough: nothing pulls any more
    assert (gradient[[0, 2], 0] < 0).all() and (gradient[[0, 2], 1] > 0).all()


def space_of(**columns: Any) -> EncodedSpace:
    return EncodedSpace(TableCodec.fit(pd.DataFrame(columns)).schema).double()


def test_distance_is_a_root_mean_square_plus_the_share_of_changed_levels() -> None:
    space = space_of(x=[0.1, 1.2, 2.5], c=["u", "v", "w"], y=[3.5, 4.1, 5.7], d=["p", "q", "p"])
    x = torch.zeros(1, space.n_features, dtype=torch.float64)
    x[0, space.blocks[:, 0]] = 1.0
    moved = x.clone()
    moved[0, space.numeric] = torch.tensor([3.0, 4.0], dtype=torch.float64)
    moved[0, space.blocks[0, :2]] = torch.tensor([0.0, 1.0], dtype=torch.float64)  # one of two blocks
    assert float(distance(x, moved, space)) == pytest.approx(math.sqrt(12.5) + 0.5, abs=1e-5)
    assert float(distance(x, x, space)) == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize("columns", [{"x": [0.1, 1.2, 2.5]}, {"c": ["u", "v", "w"]}], ids=["numbers", "text"])
def test_distance_of_one_kind_of_column_alone(columns: dict[str, Any]) -> None:
    space = space_of(**columns)
    x = torch.zeros(2, space.n_features, dtype=torch.float64)
    assert torch.isfinite(distance(x, x + 1.0, space)).all()
    assert (distance(x, x + 1.0, space) > distance(x, x, space)).all()


def test_distance_is_the_same_whether_two_or_two_hundred_columns_move() -> None:
    rng = np.random.default_rng(0)
    found = []
    for d in (2, 200):
        space = EncodedSpace(TableCodec.fit(rng.normal(size=(20, d))).schema)
        x = torch.zeros(1, d)
        found.append(float(distance(x, x + 0.7, space)))
    assert found[0] == pytest.approx(found[1]) == pytest.approx(0.7, abs=1e-3)


def test_distance_has_a_gradient_at_zero() -> None:
    space = space_of(x=[0.1, 1.2, 2.5])
    moved = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    distance(torch.zeros(1, 1, dtype=torch.float64), moved, space).sum().backward()
    assert moved.grad is not None and torch.isfinite(moved.grad).all()


def test_plausibility_is_zero_above_the_threshold_and_bounded_in_its_pull() -> None:
    density = torch.tensor([5.0, 2.0, -7.0, -1e6], dtype=torch.float64, requires_grad=True)
    loss = plausibility_loss(density, torch.full((4,), 2.0, dtype=torch.float64), 9)
    assert loss.tolist() == pytest.approx([0.0, 0.0, math.log(4.0), math.log(1 + (1e6 + 2) / 3)])
    loss.sum().backward()
    assert density.grad is not None
    assert density.grad[0] == 0 and (density.grad.abs() <= 1 / 3).all() and density.grad[2] < density.grad[3] < 0


def test_prototypes_attract() -> None:
    moved = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = prototype_loss(moved, torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64))
    assert loss.tolist() == pytest.approx([math.sqrt(2.0), 0.0], abs=2e-3)
    loss.sum().backward()
    assert moved.grad is not None and moved.grad[0, 1] < 0 and torch.isfinite(moved.grad).all()


# ------------------------------------------------------------------------------------- the local model's own errors


@given(st.integers(0, 99), st.integers(2, 5))
def test_a_local_model_that_tells_the_gain_has_no_secant_loss(seed: int, k: int) -> None:
    x, moved, weight = (torch.randn(7, 3, generator=torch.Generator().manual_seed(seed + i)).double() for i in range(3))
    weights = weight[:, None].repeat(1, k, 1) + logits_of(seed, 7, k)[:, :, None]
    gain = torch.einsum("mkd,md->mk", weights, x - moved)
    assert secant_loss(weights, x, moved, gain).tolist() == pytest.approx([0.0] * 7)
    # What all classes gain alike says nothing of any of them.
    assert secant_loss(weights, x, moved, gain + 5.0).tolist() == pytest.approx([0.0] * 7)


def test_the_secant_loss_is_half_a_square_near_zero_and_grows_no_faster_than_the_error_far_out() -> None:
    x = torch.zeros(3, 1, dtype=torch.float64)
    moved, weight = x + 1.0, torch.zeros(3, 2, 1, dtype=torch.float64, requires_grad=True)
    gain = torch.tensor([[0.0, 0.0], [0.2, -0.2], [100.0, -100.0]], dtype=torch.float64)
    loss = secant_loss(weight, x, moved, gain)
    assert loss.tolist() == pytest.approx([0.0, 0.02, 99.5])
    loss.sum().backward()
    assert weight.grad is not None and weight.grad.abs().max() <= 0.5
    # A step along -W: the weight of a class whose logit grows has to become less.
    assert weight.grad[1, 0, 0] > 0 > weight.grad[1, 1, 0]
