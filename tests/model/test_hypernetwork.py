"""The network that writes the weights of a linear model around every row."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._model.hypernetwork import HyperNetwork


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
def test_every_row_has_weights_of_each_class(n: int, d: int, k: int) -> None:
    weight = shaken(d, k).eval()(rows(n, d), rows(n, k, 1))
    assert weight.shape == (n, k, d) and torch.isfinite(weight).all()


def test_it_starts_with_the_steps_up_the_logits_of_the_linear_model() -> None:
    net, x = network().eval(), rows(50)
    coef = rows(4, seed=1)
    net.set_linear(coef)
    weight = net(x, x @ coef.T)
    torch.testing.assert_close(weight, -coef.expand(50, -1, -1), atol=0.1, rtol=0)
    for label in range(4):
        moved = x - weight[:, label]
        assert ((moved - x) @ coef[label] > 0).all()


def test_rows_have_weights_of_their_own_and_do_not_see_each_other() -> None:
    net, x, logits = shaken().eval(), rows(6), rows(6, 4, 1)
    weight = net(x, logits)
    assert not torch.allclose(weight[0], weight[1])
    torch.testing.assert_close(net(x[2:3], logits[2:3])[0], weight[2])


def test_no_mask_means_that_everything_may_move_and_a_mask_matters() -> None:
    net, x, logits = shaken().eval(), rows(6), rows(6, 4, 1)
    torch.testing.assert_close(net(x, logits), net(x, logits, torch.ones_like(x)))
    assert not torch.allclose(net(x, logits), net(x, logits, torch.zeros_like(x)))


def test_it_heeds_what_the_classifier_thinks_of_the_row_and_nothing_of_how_logits_say_it() -> None:
    net, x, logits = shaken().eval(), rows(6), rows(6, 4, 1)
    assert not torch.allclose(net(x, logits), net(x, logits.flip(1)))
    torch.testing.assert_close(net(x, logits), net(x, logits + 7.0))
    sure = torch.tensor([[9.0, 0.0, 0.0, 0.0]], dtype=torch.float64).expand(6, -1)
    torch.testing.assert_close(net(x, sure), net(x, 1e6 * sure), atol=1e-3, rtol=0)  # no logit is too large


def test_training_differs_by_dropout_only() -> None:
    x, logits = rows(6), rows(6, 4, 1)
    calm = shaken(dropout=0.0)
    torch.testing.assert_close(calm.train()(x, logits), calm.eval()(x, logits))
    wild = shaken(dropout=0.5)
    assert not torch.allclose(wild.train()(x, logits), wild.eval()(x, logits))
    torch.testing.assert_close(wild.eval()(x, logits), wild.eval()(x, logits))
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in wild.modules())


def test_every_parameter_gets_a_gradient() -> None:
    net, x = shaken(), rows(6)
    net(x, rows(6, 4, 1)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_fewer_rows_at_once_where_their_weights_are_many() -> None:
    assert network(3, 4).rows_at_once > 1_000
    wide = HyperNetwork(5_000, 1_000, hidden_size=1, n_blocks=0, dropout=0.0)
    assert wide.rows_at_once == 1
    assert network(3, 4).work(20) == 20 * network(3, 4).work(1) > 0
