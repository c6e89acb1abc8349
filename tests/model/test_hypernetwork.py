"""The network that writes a linear classifier for every row."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._model.hypernetwork import HyperNetwork, LocalLinear, ResidualBlock


def network(d: int = 3, k: int = 4, dropout: float = 0.5) -> HyperNetwork:
    torch.manual_seed(0)
    return HyperNetwork(d, k, hidden_size=8, n_blocks=2, dropout=dropout).double()


def shaken(d: int = 3, k: int = 4, dropout: float = 0.5) -> HyperNetwork:
    """A network as after some training: no parameter is 0."""
    net = network(d, k, dropout)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def rows(n: int, d: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 5), st.integers(1, 6), st.integers(2, 5))
def test_logits_are_each_rows_own_linear_map(n: int, d: int, k: int) -> None:
    net, x = shaken(d, k).eval(), rows(n, d)
    local = net(x)
    assert local.weight.shape == (n, k, d) and local.bias.shape == (n, k)
    expected = (local.weight * x[:, None]).sum(2) + local.bias
    torch.testing.assert_close(local.logits(x), expected)
    torch.testing.assert_close(net.logits(x), expected)


def test_it_starts_as_the_linear_model() -> None:
    net, x = network().eval(), rows(50)
    weight, bias = rows(4, seed=1), rows(1, 4, seed=2)[0]
    net.set_linear(weight, bias)
    torch.testing.assert_close(net.logits(x), x @ weight.T + bias, atol=0.2, rtol=0)
    torch.testing.assert_close(net(x).weight, weight.expand(50, -1, -1), atol=0.1, rtol=0)


def test_rows_have_classifiers_of_their_own_and_do_not_see_each_other() -> None:
    net, x = shaken().eval(), rows(6)
    weight = net(x).weight
    assert not torch.allclose(weight[0], weight[1])
    torch.testing.assert_close(net(x[2:3]).weight[0], weight[2])


def test_no_mask_means_that_everything_may_move_and_a_mask_matters() -> None:
    net, x = shaken().eval(), rows(6)
    torch.testing.assert_close(net(x).weight, net(x, torch.ones_like(x)).weight)
    assert not torch.allclose(net(x).weight, net(x, torch.zeros_like(x)).weight)


def test_training_differs_by_dropout_only() -> None:
    x = rows(6)
    calm = shaken(dropout=0.0)
    torch.testing.assert_close(calm.train().logits(x), calm.eval().logits(x))
    wild = shaken(dropout=0.5)
    assert not torch.allclose(wild.train().logits(x), wild.eval().logits(x))
    torch.testing.assert_close(wild.eval().logits(x), wild.eval().logits(x))
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in wild.modules())


def test_a_block_starts_as_the_identity_and_learns() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(8, 0.5)
    h = torch.randn(5, 8)
    assert torch.equal(block(h), h)
    block.eval()(h).square().sum().backward()
    assert block.contract.weight.grad is not None and block.contract.weight.grad.abs().sum() > 0


def test_every_parameter_gets_a_gradient() -> None:
    net, x = shaken(), rows(6)
    net.logits(x).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_local_linear_is_two_tensors() -> None:
    weight, bias = LocalLinear(torch.ones(2, 3, 4), torch.zeros(2, 3))
    assert weight.shape == (2, 3, 4) and bias.shape == (2, 3)
