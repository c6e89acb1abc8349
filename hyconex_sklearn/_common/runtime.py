"""Device, threads, seeds, minibatches and state copies: what every torch part needs and none should repeat."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from joblib import parallel_backend
from torch import Tensor, nn

_ROWS_AT_ONCE, _CELLS_AT_ONCE = 16_384, 16_000_000  # of a table that is evaluated at fit, and of what is made of it
_SHARED, _SENT = 5e8, 2e9  # work of a step, in flop, that several threads share, and that is sent to a GPU
_TRAINING = threading.RLock()  # held by the thread that trains
_LIMITING = threading.Lock()  # held by the thread that sets its number of torch threads
_FORKED = False


def _start_as_a_fork() -> None:
    """Free locks whose holders were not forked along, and remember that the parent's torch threads were not either."""
    global _TRAINING, _LIMITING, _FORKED
    _TRAINING, _LIMITING, _FORKED = threading.RLock(), threading.Lock(), True


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_start_as_a_fork)


def resolve_device(device: object | None, work: float) -> torch.device:
    """Return the device to compute on: the asked one, else CUDA where it is there and worth it, else the CPU.

    A step of little `work` (flop) is over on the CPU before its hundreds of small operations have been sent elsewhere.

    Raises
    ------
    ValueError
        If torch does not know the device or it is not available here.
    """
    if device is None:
        return torch.device("cuda" if work >= _SENT and torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(str(device))
        torch.zeros(1, device=resolved).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={device!r} can't be used here ({error}). Pass None to let the package choose, or 'cpu'."
        ) from error
    return resolved


@contextmanager
def thread_limit(n_threads: int) -> Iterator[None]:
    """Run the block with `n_threads` torch threads in this Python thread; all others keep the user's number.

    `torch.set_num_threads` sets the number of this Python thread, and the one that others start with. What that was, a
    new thread tells, and another one puts it back.
    """
    before = torch.get_num_threads()
    if n_threads == before:
        yield
        return
    with _LIMITING:
        others = _in_new_thread(torch.get_num_threads)
    try:
        with _LIMITING:
            _set_own_threads(n_threads, others)
        yield
    finally:
        with _LIMITING:
            _set_own_threads(before, others)


def _set_own_threads(n_threads: int, others: int) -> None:
    torch.set_num_threads(n_threads)
    if n_threads != others:
        _in_new_thread(lambda: torch.set_num_threads(others))


def _in_new_thread(function: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def choose_threads(n_jobs: int | None, work: float) -> int:
    """Return how many torch threads to use: as asked, else one where a step is too small to share (`work` in flop).

    Small steps spend more time waking threads than computing, and suffer badly when other processes use the cores.
    No more than the machine has cores: thousands of threads, which a model file may ask for, would end the process.
    One in a forked process, too: it would wait forever for the threads of its parent.
    """
    if _FORKED:
        return 1
    available = torch.get_num_threads()
    if n_jobs is None:
        return 1 if work < _SHARED else available
    return max(1, available + 1 + n_jobs) if n_jobs < 0 else min(n_jobs, max(available, os.cpu_count() or 1))


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run the block with gradients and outside any inference mode, whatever the user's torch is set to."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run the block on torch's global random state seeded with `seed`, and in float32; the user's settings return.

    For training: module initialisation, dropout and zuko's sampling take no generator, and new parameters the default
    dtype. Both belong to the whole process, so threads that train take turns. scikit-learn's own jobs stay in this
    thread, whatever joblib was told: a cluster may give them to a thread that waits for its turn.
    """
    devices = [device] if device.type == "cuda" else []
    with _TRAINING, parallel_backend("sequential"), torch.random.fork_rng(devices=devices):
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def minibatches(n: int, batch_size: int, min_steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the row indices of one epoch, shuffled; tables under `min_steps` batches are passed through repeatedly.

    An epoch of a small table would otherwise be one or two steps, and "200 epochs" would mean something else for
    every table size. Rows left over after the last full batch wait for the next epoch's shuffle. The indices are where
    the generator is.
    """
    batch_size = min(batch_size, n)
    per_pass = max(1, n // batch_size)
    for step in range(max(per_pass, min_steps)):
        if step % per_pass == 0:
            order = torch.randperm(n, generator=generator, device=generator.device)
        start = (step % per_pass) * batch_size
        yield order[start : start + batch_size]


def chunks(n: int, size: int, first: int = 0) -> Iterator[slice]:
    """Yield slices that cut rows `first` to `n` into pieces of at most `size`, so that memory stays bounded."""
    for start in range(first, n, size):
        yield slice(start, min(start + size, n))


def in_chunks(function: Callable[..., Tensor], *rows: Tensor, width: int = 1, size: int = _ROWS_AT_ONCE) -> Tensor:
    """Return `function` of tensors of n > 0 rows each, (n, ...), `size` rows at a time; fewer where it is `width`."""
    n, size = len(rows[0]), _size(size, width)
    return placed(n, ((at, (function(*(tensor[at] for tensor in rows)),)) for at in chunks(n, size)))[0]


def summed(function: Callable[..., Tensor], *rows: Tensor, width: int = 1) -> Tensor:
    """Return the sum over n > 0 rows that `function` of all would give, from as many at a time as in `in_chunks`."""
    parts = [function(*(tensor[at] for tensor in rows)) for at in chunks(len(rows[0]), _size(_ROWS_AT_ONCE, width))]
    return torch.stack(parts).sum(0)


def _size(rows: int, width: int) -> int:
    return max(1, min(rows, _CELLS_AT_ONCE // width))


def placed(n: int, parts: Iterable[tuple[slice, tuple[Tensor, ...]]]) -> tuple[Tensor, ...]:
    """Return tensors of n rows of which each part tells some rows, slice by slice.

    Each part goes to its place at once: parts that were kept in a list would lie between the large tensors that come
    and go, and hold hundreds of MB apart.
    """
    whole: tuple[Tensor, ...] = ()
    for at, part in parts:
        whole = whole or tuple(tensor.new_empty(n, *tensor.shape[1:]) for tensor in part)
        for tensor, rows in zip(whole, part, strict=True):
            tensor[at] = rows
    return whole


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a detached copy of the module's parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def to_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Return a tensor that owns its memory (read-only and memory-mapped arrays are valid input)."""
    return torch.tensor(np.ascontiguousarray(array), device=device)
