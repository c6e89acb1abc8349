"""The second opinion: members of their own, trained together, and honest about what they have not seen."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from hyconex_sklearn._model.committee import N_MEMBERS, Committee, bootstrap, fit_committee, mean_log_odds, votes


def table(n: int = 200, d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator)
    return x, (x[:, :3].sum(1) > 0).long()


def committee(owner: Tensor, n_classes: int = 2, seed: int = 0) -> Committee:
    torch.manual_seed(seed)
    return Committee(owner, n_classes, torch.Generator().manual_seed(seed))


def trained(x: Tensor, labels: Tensor, seed: int = 0, epochs: int = 30, weight: Tensor | None = None) -> Committee:
    members = committee(torch.arange(x.shape[1]), 2, seed)
    weight = torch.ones(len(x)) if weight is None else weight
    generator = torch.Generator().manual_seed(seed)
    counts = bootstrap(len(x), generator)
    with patch("hyconex_sklearn._model.committee._EPOCHS", epochs):
        fit_committee(members, x, labels, weight, counts, batch_size=64, generator=generator)
    return members


X, Y = table()


def test_members_see_whole_table_columns_and_not_all_of_them() -> None:
    owner = torch.tensor([0, 1, 1, 1, 2, 3, 3, 4])
    members = committee(owner, 3)
    seen = members.seen
    for column in range(5):
        own = seen[:, owner == column]
        assert torch.equal(own, own[:, :1].expand_as(own))
    n_seen = torch.stack([seen[:, owner == column][:, 0] for column in range(5)], 1).sum(1)
    assert len(n_seen.unique()) == 1 and 1 <= n_seen[0] < 5
    assert len(seen.unique(dim=0)) > 1
    x = torch.randn(4, 8)
    blind = seen[0] == 0
    other = torch.where(blind, x + 10.0, x)
    torch.testing.assert_close(members(x)[:, 0], members(other)[:, 0])
    assert not torch.allclose(members(x), members(other))


def test_a_single_column_is_seen_by_all() -> None:
    assert (committee(torch.zeros(1, dtype=torch.long)).seen == 1).all()


def test_they_learn_what_there_is_and_generalise() -> None:
    members = trained(X, Y)
    x, y = table(seed=1)
    assert members(x).shape == (len(x), N_MEMBERS, 2)
    assert (votes(members(x), y) > 0.5).float().mean() > 0.75


def test_support_is_a_share_of_votes() -> None:
    members = trained(X, Y)
    right, wrong = votes(members(X), Y), votes(members(X), 1 - Y)
    torch.testing.assert_close(right + wrong, torch.ones(len(X)))
    count = (members(X).argmax(2) == Y[:, None]).sum(1)
    torch.testing.assert_close(right * N_MEMBERS, count.float())


def test_the_mean_probability_of_the_members_as_log_odds() -> None:
    members = 3 * torch.randn(20, N_MEMBERS, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    target = torch.arange(20) % 4
    p = members.softmax(2).mean(1)[torch.arange(20), target]
    torch.testing.assert_close(mean_log_odds(members, target), (p / (1 - p)).log())


def test_members_differ_where_the_case_is_open_and_agree_where_it_is_not() -> None:
    members = trained(X, Y)
    clear, open_ = X[:, :3].sum(1).abs() > 3.0, X[:, :3].sum(1).abs() < 0.3
    sure, disputed = votes(members(X), Y)[clear], votes(members(X), Y)[open_]
    assert sure.mean() > disputed.mean() + 0.1
    assert ((disputed > 0) & (disputed < 1)).float().mean() > 0.3


def test_one_seed_one_committee() -> None:
    first, again, other = (trained(X, Y, seed, epochs=3) for seed in (0, 0, 1))
    assert torch.equal(first(X), again(X)) and not torch.equal(first(X), other(X))


def test_rows_of_weight_zero_are_not_learned() -> None:
    none_of_the_first = torch.ones(len(X)).index_fill_(0, torch.arange(100), 0.0)
    assert torch.isfinite(trained(X, Y, weight=none_of_the_first)(X)).all()
    lopsided = trained(X, Y, weight=1 + 29.0 * Y)
    assert votes(lopsided(X), torch.ones_like(Y)).mean() > votes(trained(X, Y)(X), torch.ones_like(Y)).mean()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_rows_is_enough(n: int) -> None:
    members = trained(X[:n], Y[:n], epochs=5)
    assert torch.isfinite(members(X)).all()


@pytest.mark.parametrize("at_once", [16_384, 50])
def test_every_member_keeps_the_state_that_served_its_own_held_out_rows_best(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyconex_sklearn._common.runtime._ROWS_AT_ONCE", at_once)  # 50: the last ten rows count as much
    noise = torch.randint(2, (60,), generator=torch.Generator().manual_seed(3))
    drawn = (bootstrap(60, torch.Generator().manual_seed(0)).T > 0).float()  # rows that a member did not get: held out

    def held_out_losses(epochs: int) -> Tensor:
        log_softmax = trained(X[:60], noise, epochs=epochs)(X[:60]).log_softmax(2)
        losses = -log_softmax[torch.arange(60), :, noise].T
        return (losses * (1 - drawn)).sum(1) / (1 - drawn).sum(1)

    assert (held_out_losses(80) <= held_out_losses(5) + 1e-5).all()


# ------------------------------------------------------------------------------------------- members of another kind


def test_as_many_members_as_wide_and_with_as_many_columns_as_asked() -> None:
    torch.manual_seed(0)
    members = Committee(torch.arange(5), 3, torch.Generator().manual_seed(0), 4, 7, column_share=1.0)
    assert members(X).shape == (len(X), 4, 3) and (members.seen == 1).all()
    assert members.width == 4 * (7 + 3)


def test_every_row_is_drawn_as_often_as_it_should_be() -> None:
    counts = bootstrap(500, torch.Generator().manual_seed(0))
    assert counts.shape == (500, N_MEMBERS) and counts.sum(0).tolist() == [500] * N_MEMBERS
    assert ((counts == 0).float().mean() - 0.368).abs() < 0.02
    assert len(counts.T.unique(dim=0)) == N_MEMBERS


def test_a_member_learns_nothing_of_rows_that_it_is_not_given() -> None:
    x, labels = table()
    lying = labels.clone()
    lying[::2] = 1 - labels[::2]
    counts = torch.zeros(len(x), 2, dtype=torch.uint8)
    counts[::2, 0], counts[1::2, 1] = 1, 1  # the first member is given the lies alone
    torch.manual_seed(0)
    members = Committee(torch.arange(5), 2, torch.Generator().manual_seed(0), 2, 16, column_share=1.0)
    with patch("hyconex_sklearn._model.committee._keep_best_members", lambda _, __, ___, best, state: best):
        state = dict(members.state_dict())  # of the last step, not of the best
        with patch("hyconex_sklearn._model.committee.copy_state", lambda _: state):
            generator = torch.Generator().manual_seed(0)
            fit_committee(members, x, lying, torch.ones(len(x)), counts, batch_size=64, generator=generator)
    right = (members(x).argmax(2) == labels[:, None]).float().mean(0)
    assert right[0] < 0.2 and right[1] > 0.8


def test_a_clock_that_rings_ends_the_training_after_an_epoch() -> None:
    epochs = []

    def rings() -> bool:
        epochs.append(1)
        return len(epochs) == 3

    members = committee(torch.arange(5))
    generator = torch.Generator().manual_seed(0)
    counts = bootstrap(len(X), generator)
    fit_committee(members, X, Y, torch.ones(len(X)), counts, 64, generator, rings)
    assert len(epochs) == 3


def test_of_no_rows_nothing_is_said() -> None:
    owner = torch.tensor([0, *[1] * 65])
    for wide in ((), (slice(1, 66),)):
        members = Committee(owner, 3, torch.Generator(), wide=wide)
        assert members(torch.zeros(0, 66)).shape == (0, members.n_members, 3)
