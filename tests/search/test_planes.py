"""The shortest way into half-spaces: inside all of them, and pushed only by those that bind."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._search.planes import pushes, shortest


def drawn(seed: int, m: int, p: int) -> tuple[Tensor, Tensor]:
    """Normals of length 1 and offsets, some planes behind the start and some before it."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(m, 3, p, generator=generator)
    return normal / normal.norm(dim=2, keepdim=True), torch.randn(m, 3, generator=generator)


@given(st.integers(0, 2**31), st.integers(4, 30))
@settings(max_examples=25)
def test_the_way_is_the_shortest_there_is(seed: int, p: int) -> None:
    normal, offset = drawn(seed, 50, p)
    push, miss = pushes(normal @ normal.transpose(1, 2), offset)
    way = shortest(normal, offset)
    over = (normal @ way[:, :, None])[..., 0] - offset
    found = miss < 1e-3
    assert found.float().mean() > 0.9  # planes that nearly face each other have no way that floats can tell
    assert (over[found] > -1e-2).all()
    # Convex, so this is enough: the way is made of pushes, none backwards, along planes that it ends on.
    torch.testing.assert_close(way, (push[:, :, None] * normal).sum(1))
    assert (push >= 0).all()
    assert ((push * over).abs()[found] < 2e-2 * (1 + push[found].square())).all()


@pytest.mark.parametrize(
    ("offset", "way"),
    [
        ([-1.0, -2.0, 0.0], [0.0, 0.0, 0.0]),
        ([2.0, -1.0, -1.0], [2.0, 0.0, 0.0]),
        ([2.0, 3.0, -1.0], [2.0, 3.0, 0.0]),
        ([2.0, 3.0, 4.0], [2.0, 3.0, 4.0]),
    ],
    ids=["none binds", "one", "two", "all"],
)
def test_only_planes_that_bind_push(offset: list[float], way: list[float]) -> None:
    found = shortest(torch.eye(3)[None], torch.tensor([offset]))
    torch.testing.assert_close(found, torch.tensor([way]), atol=1e-4, rtol=0)


def test_two_planes_alike_push_as_the_farther_one() -> None:
    normal = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    found = shortest(normal, torch.tensor([[1.0, 2.0, -1.0]]))
    torch.testing.assert_close(found, torch.tensor([[2.0, 0.0]]), atol=1e-3, rtol=0)


def test_planes_that_no_way_reaches_are_told() -> None:
    normal = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]])
    gram = normal @ normal.transpose(1, 2)
    assert pushes(gram, torch.tensor([[1.0, 1.0, -1.0]]))[1].item() > 0.5  # right of 1 and left of -1
    assert pushes(gram, torch.tensor([[1.0, -2.0, 1.0]]))[1].item() > 0.5  # nothing moves the third
