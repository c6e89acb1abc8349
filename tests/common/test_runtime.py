"""Devices, threads, seeds, minibatches and copies."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._common.runtime import (
    choose_threads,
    chunks,
    copy_state,
    minibatches,
    resolve_device,
    seeded,
    summed,
    thread_limit,
    to_tensor,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("device", ["cpu", CPU, "cpu:0"])
def test_a_device_by_name_or_as_it_is(device: object) -> None:
    assert resolve_device(device, 0.0).type == "cpu"


def test_the_device_of_choice_is_there() -> None:
    assert torch.ones(2, device=resolve_device(None, 1e15)).sum() == 2


def test_a_gpu_is_chosen_for_large_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device(None, 1e8).type == "cpu"
    assert resolve_device(None, 1e10).type == "cuda"


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", ""])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ValueError, match=f"device='{device}' can't be used here.*'cpu'"):
        resolve_device(device, 0.0)


def test_threads_are_given_back_even_after_an_error() -> None:
    before = torch.get_num_threads()

    def work() -> None:
        with thread_limit(before + 2):
            assert torch.get_num_threads() == before + 2
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert torch.get_num_threads() == before


def test_small_work_gets_one_thread_and_a_wish_is_granted() -> None:
    with thread_limit(4):
        assert choose_threads(None, work=1.0) == 1
        assert choose_threads(None, work=1e15) == 4
        assert choose_threads(3, work=1.0) == 3
        assert choose_threads(-1, work=1.0) == 4
        assert choose_threads(-2, work=1.0) == 3
        assert choose_threads(-9, work=1.0) == 1
        assert choose_threads(10**9, work=1.0) == max(4, os.cpu_count() or 1)


def test_a_seed_rules_the_block_and_nothing_after_it() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    draws = []
    for _ in range(2):
        with seeded(0, CPU):
            draws.append(torch.rand(5))
    assert torch.equal(*draws)
    assert torch.equal(torch.rand(3), expected)


def test_seed_and_dtype_leave_with_an_error_too() -> None:
    torch.set_default_dtype(torch.float64)
    before = torch.random.get_rng_state()

    def work() -> None:
        with seeded(0, CPU):
            assert torch.rand(1).dtype == torch.float32
            raise KeyError

    try:
        with pytest.raises(KeyError):
            work()
        assert torch.equal(torch.random.get_rng_state(), before)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_threads_that_train_take_turns() -> None:
    before, draws = torch.random.get_rng_state(), []

    def train() -> None:
        with seeded(0, CPU):
            draws.append([float(torch.rand(())) for _ in range(5_000)])

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(draws) == 4 and all(draw == draws[0] for draw in draws)
    assert torch.equal(torch.random.get_rng_state(), before)


@given(st.integers(1, 300), st.integers(1, 100), st.integers(1, 6), st.integers(0, 9))
def test_an_epoch_has_enough_steps_and_no_row_twice_in_a_pass(n: int, size: int, least: int, seed: int) -> None:
    batches = list(minibatches(n, size, least, torch.Generator().manual_seed(seed)))
    per_pass = max(1, n // min(size, n))
    assert len(batches) == max(per_pass, least)
    assert {len(batch) for batch in batches} == {min(size, n)}
    for first in range(0, len(batches), per_pass):
        rows = torch.cat(batches[first : first + per_pass])
        assert len(rows.unique()) == len(rows) and int(rows.min()) >= 0 and int(rows.max()) < n


def test_batches_follow_their_generator_and_are_shuffled() -> None:
    draws = [torch.cat(list(minibatches(50, 10, 1, torch.Generator().manual_seed(seed)))) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], torch.arange(50))


@given(st.integers(0, 100), st.integers(1, 30))
def test_chunks_cover_every_row_once(n: int, size: int) -> None:
    rows = [row for part in chunks(n, size) for row in range(n)[part]]
    assert rows == list(range(n))
    assert all(part.stop - part.start <= size for part in chunks(n, size))


def test_a_copied_state_does_not_follow_the_module() -> None:
    module = torch.nn.BatchNorm1d(2)
    state = copy_state(module)
    module.train()(torch.randn(8, 2))
    assert state["num_batches_tracked"] == 0 and not state["weight"].requires_grad
    assert module.num_batches_tracked == 1


def test_tensors_own_their_memory() -> None:
    array = np.arange(6.0).reshape(2, 3)[:, ::-1]
    array.flags.writeable = False
    tensor = to_tensor(array, CPU)
    tensor += 1
    np.testing.assert_array_equal(array, [[2, 1, 0], [5, 4, 3]])
    np.testing.assert_array_equal(tensor, array + 1)


@pytest.mark.parametrize("at_once", [1, 7, 23, 100])
def test_a_sum_in_chunks_is_that_of_all_rows(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyconex_sklearn._common.runtime._ROWS_AT_ONCE", at_once)
    x, weight = torch.arange(69.0).view(23, 3), torch.arange(23.0)
    total = summed(lambda x, weight: (x * weight[:, None]).sum(0), x, weight)
    torch.testing.assert_close(total, (x * weight[:, None]).sum(0))
