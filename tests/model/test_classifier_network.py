"""The network that classifies: a linear model, and what a residual network adds to it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._model.classifier import Classifier, ResidualBlock, ResidualNetwork


def network(d: int = 3, k: int = 4, dropout: float = 0.5, n_blocks: int = 2) -> Classifier:
    torch.manual_seed(0)
    return Classifier(d, k, hidden_size=8, n_blocks=n_blocks, dropout=dropout).double()


def shaken(d: int = 3, k: int = 4, dropout: float = 0.5) -> Classifier:
    """A network as after some training: no parameter is 0."""
    net = network(d, k, dropout)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def rows(n: int, d: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 5), st.integers(1, 6), st.integers(2, 5), st.integers(0, 3))
def test_every_row_has_a_logit_of_each_class_and_starts_undecided(n: int, d: int, k: int, n_blocks: int) -> None:
    net = network(d, k, n_blocks=n_blocks).eval()
    logits = net(rows(n, d))
    assert logits.shape == (n, k) and (logits.abs() < 0.1).all()


def test_it_starts_as_the_linear_model() -> None:
    net, x = network().eval(), rows(50)
    weight, bias = rows(4, seed=1), rows(1, 4, seed=2)[0]
    net.set_linear(weight, bias)
    torch.testing.assert_close(net(x), x @ weight.T + bias, atol=0.1, rtol=0)
    assert not torch.equal(net(x), x @ weight.T + bias)  # from the first step on, all of it learns


def test_rows_do_not_see_each_other() -> None:
    net, x = shaken().eval(), rows(6)
    torch.testing.assert_close(net(x[2:3])[0], net(x)[2])


def test_it_can_say_what_no_linear_model_can() -> None:
    net, x = network(2, 2, dropout=0.0).train(), torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).double()
    labels = torch.tensor([0, 1, 1, 0])
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimiser.step()
    assert torch.equal(net(x).argmax(1), labels)


def test_training_differs_by_dropout_only() -> None:
    x = rows(6)
    calm = shaken(dropout=0.0)
    torch.testing.assert_close(calm.train()(x), calm.eval()(x))
    wild = shaken(dropout=0.5)
    assert not torch.allclose(wild.train()(x), wild.eval()(x))
    torch.testing.assert_close(wild.eval()(x), wild.eval()(x))
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in wild.modules())


def test_a_block_starts_as_the_identity_and_learns() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(8, 0.5)
    h = torch.randn(5, 8)
    assert torch.equal(block(h), h)
    block.eval()(h).square().sum().backward()
    assert block.contract.weight.grad is not None and block.contract.weight.grad.abs().sum() > 0


def test_a_network_of_any_depth_starts_near_zero() -> None:
    for n_blocks in (0, 1, 5):
        torch.manual_seed(0)
        out = ResidualNetwork(3, 7, 8, n_blocks, 0.0)(torch.randn(20, 3))
        assert out.shape == (20, 7) and out.abs().max() < 0.1


def test_every_parameter_gets_a_gradient() -> None:
    net, x = shaken(), rows(6)
    net(x).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())
