"""The density of mixed rows: normalised, sampled as it is evaluated, and aware of the class."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import mixed_table
from torch import Tensor

from hyconex_sklearn._model.density import CategoricalHead, MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._table.codec import TableCodec


def parts(table: Any, n_classes: int = 2) -> tuple[TableCodec, EncodedSpace, MixedDensity]:
    codec = TableCodec.fit(table)
    space = EncodedSpace(codec.schema)
    torch.manual_seed(0)
    density = MixedDensity(space, n_classes, 2, (16,))
    with torch.no_grad():
        for parameter in density.parameters():
            parameter.mul_(2.0)  # far from any special start
    return codec, space, density


def all_codes(blocks: list[int]) -> Tensor:
    """Every combination of one-hot levels for blocks of these widths; width 1 is a 0/1 indicator."""
    choices = [torch.eye(width) if width > 1 else torch.tensor([[0.0], [1.0]]) for width in blocks]
    return torch.stack([torch.cat(combination) for combination in itertools.product(*choices)])


@pytest.mark.parametrize("n_numbers", [1, 2, 5, 23])
def test_numbers_are_treated_as_by_the_flow_itself(n_numbers: int) -> None:
    _, _, density = parts(np.random.default_rng(0).normal(size=(50, n_numbers)), 3)
    assert density.flow is not None
    x, labels = 2 * torch.randn(40, n_numbers), torch.arange(40) % 3
    x[0] = 20.0  # where a spline bends no more
    with torch.no_grad():
        own = density.flow(density.one_hot(labels))
        expected = own.log_prob(x)
        torch.testing.assert_close(density.log_prob(x, labels), expected, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(density.to_latent(x, labels), own.transform(x), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(density.from_latent(x, x, labels), own.transform.inv(x), atol=1e-4, rtol=1e-4)
    assert expected.std() > 1


@pytest.mark.parametrize("blocks", [[3], [1], [2, 3], [3, 1, 2], [1, 1, 4]])
def test_probabilities_of_all_combinations_add_up_to_one(blocks: list[int]) -> None:
    torch.manual_seed(1)
    block_of = torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))
    head = CategoricalHead(block_of, 2, (16,)).double()
    x = all_codes(blocks).double()
    for label in range(2):
        y = torch.nn.functional.one_hot(torch.full((len(x),), label), 2).double()
        torch.testing.assert_close(head.log_prob(x, y).exp().sum(), torch.tensor(1.0, dtype=torch.float64))


def test_drawn_codes_are_as_frequent_as_the_head_says() -> None:
    torch.manual_seed(1)
    blocks = [2, 3]
    head = CategoricalHead(torch.tensor([0, 0, 1, 1, 1]), 2, (16,))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(3.0)
    codes = all_codes(blocks)
    y = torch.tensor([[0.0, 1.0]])
    drawn = head.sample(y.expand(20_000, -1))
    assert torch.equal(drawn[:, :2].sum(1), torch.ones(len(drawn)))
    frequency = (drawn[:, None] == codes[None]).all(2).float().mean(0)
    expected = head.log_prob(codes, y.expand(len(codes), -1)).exp()
    torch.testing.assert_close(frequency, expected.detach(), atol=0.015, rtol=0)
    assert expected.max() - expected.min() > 0.05


def test_indicators_are_never_drawn() -> None:
    head = CategoricalHead(torch.tensor([0, 1, 1]), 2, (8,))
    assert (head.sample(torch.tensor([[1.0, 0.0]]).expand(200, -1))[:, 0] == 0).all()


def test_the_density_of_numbers_integrates_to_one() -> None:
    rng = np.random.default_rng(0)
    _, _, density = parts(rng.normal(size=(50, 1)) * 1.2345)
    grid = torch.linspace(-60, 60, 40_001)[:, None]
    for label in range(2):
        with torch.no_grad():
            p = density.log_prob(grid, torch.full((len(grid),), label)).exp()
        assert float(torch.trapezoid(p, grid[:, 0])) == pytest.approx(1.0, abs=0.01)


def test_the_mixed_density_adds_up_over_levels_and_numbers() -> None:
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=30), "c": list("uvw") * 10})
    _, space, density = parts(table)
    grid = torch.linspace(-60, 60, 8_001)
    total = 0.0
    for level in range(3):
        x = torch.zeros(len(grid), space.n_features)
        x[:, space.numeric[0]] = grid
        x[:, space.blocks[0, level]] = 1.0
        with torch.no_grad():
            p = density.log_prob(x, torch.zeros(len(grid), dtype=torch.long)).exp()
        total += float(torch.trapezoid(p, grid))
    assert total == pytest.approx(1.0, abs=0.01)


def test_densities_for_all_classes_are_those_for_each() -> None:
    table, _ = mixed_table(20)
    codec, _, density = parts(table, 3)
    x = torch.from_numpy(codec.encode(table))
    every = density.log_prob_all(x)
    for label in range(3):
        torch.testing.assert_close(every[:, label], density.log_prob(x, torch.full((20,), label)), rtol=1e-4, atol=1e-3)
    assert not torch.allclose(every[:, 0], every[:, 1])


def test_draws_are_complete_rows_and_follow_the_random_state() -> None:
    table, _ = mixed_table(60)
    _, space, density = parts(table)
    labels = torch.tensor([0, 1] * 20)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(density.sample(labels))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.isfinite(draws[0]).all()
    codes = torch.where(space.present, draws[0][:, space.blocks], 0.0)
    assert torch.equal(codes.sum(-1), torch.ones(codes.shape[:2]))
    assert (draws[0][:, space.filled_by[:, 0]] == 0).all()


@pytest.mark.parametrize("columns", [["age", "income"], ["age", "income", "job", "owner"], None], ids=str)
def test_latents_lead_back_to_the_numbers_they_come_from(columns: list[str] | None) -> None:
    table, _ = mixed_table(60)
    codec, space, density = parts(table if columns is None else table[columns], 3)
    x, labels = torch.from_numpy(codec.encode(table if columns is None else table[columns])), torch.arange(60) % 3
    with torch.no_grad():
        latent = density.to_latent(x, labels)
        assert latent.shape == (60, len(space.numeric)) and not torch.allclose(latent, x[:, space.numeric])
        torch.testing.assert_close(density.from_latent(latent, x, labels), x[:, space.numeric], atol=1e-3, rtol=1e-3)
        there = torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
        numbers = density.from_latent(there, x, labels)
        back = density.to_latent(x.index_copy(1, space.numeric, numbers), labels)
    torch.testing.assert_close(back, there, atol=1e-3, rtol=1e-3)


def test_latents_depend_on_the_class_and_on_the_categories_and_on_no_other_row() -> None:
    table, _ = mixed_table(20)
    codec, space, density = parts(table, 2)
    x, labels = torch.from_numpy(codec.encode(table)), torch.zeros(20, dtype=torch.long)
    with torch.no_grad():
        latent = density.to_latent(x, labels)
        assert not torch.allclose(latent, density.to_latent(x, 1 - labels))
        torch.testing.assert_close(density.to_latent(x[3:5], labels[3:5]), latent[3:5])
        other = x.clone()
        other[:, space.blocks[space.present]] = 1 - other[:, space.blocks[space.present]]
        assert not torch.allclose(latent, density.to_latent(other, labels))


def test_the_density_is_that_of_the_latents_divided_by_the_stretch() -> None:
    table = np.random.default_rng(0).normal(size=(40, 5))
    codec, _, density = parts(table)
    x, labels = torch.from_numpy(codec.encode(table)), torch.zeros(40, dtype=torch.long)
    latent = density.to_latent(x, labels).detach().requires_grad_(True)
    stretch = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda z, i=i: density.from_latent(z, x[[i]], labels[[i]])[0], part)
            for i, part in enumerate(latent[:4, None])
        ]
    )[:, :, 0]
    normal = -0.5 * (latent[:4] ** 2 + np.log(2 * np.pi)).sum(1)
    expected = normal - torch.linalg.slogdet(stretch).logabsdet
    torch.testing.assert_close(density.log_prob(x[:4], labels[:4]), expected, atol=1e-3, rtol=1e-3)


def test_learning_tells_classes_apart_in_numbers_and_text() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    text = np.where(rng.random(200) < 0.9, y, 1 - y).astype(str)
    table = pd.DataFrame({"x": rng.normal(size=200) + 3 * y, "c": text})
    codec, _, density = parts(table)
    x, labels = torch.from_numpy(codec.encode(table)), torch.from_numpy(y)
    optimiser = torch.optim.Adam(density.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        (-density.log_prob(x, labels).mean()).backward()
        optimiser.step()
    every = density.log_prob_all(x).detach()
    assert (every.argmax(1) == labels).float().mean() > 0.9
    torch.manual_seed(0)
    drawn = density.sample(labels)
    assert (density.log_prob_all(drawn).argmax(1) == labels).float().mean() > 0.85


@pytest.mark.parametrize("columns", [["age", "income"], ["job", "owner"], ["fixed"]], ids=["numbers", "codes", "none"])
def test_tables_of_one_kind(columns: list[str]) -> None:
    table = mixed_table(20)[0][columns].dropna()
    codec, _, density = parts(table)
    x = torch.from_numpy(codec.encode(table))
    labels = torch.zeros(len(x), dtype=torch.long)
    assert torch.isfinite(density.log_prob(x, labels)).all()
    assert density.sample(labels).shape == x.shape
