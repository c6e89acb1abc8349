"""Device, threads, seeds, minibatches and state copies: what every torch part needs and none should repeat."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

_ROWS_AT_ONCE = 16_384  # of a table that is evaluated at fit


def resolve_device(device: object | None) -> torch.device:
    """Return the device to compute on: the asked one, else CUDA where there is one, else the CPU.

    Raises
    ------
    ValueError
        If torch does not know the device or it is not available here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(str(device))
        torch.zeros(1, device=resolved).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={device!r} can't be used here ({error}). Pass None to let the package choose, or 'cpu'."
        ) from error
    return resolved


@contextmanager
def thread_limit(n_threads: int | None) -> Iterator[None]:
    """Run the block with `n_threads` torch threads (None: as they are) and restore the user's number afterwards."""
    before = torch.get_num_threads()
    if n_threads is not None and n_threads != before:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def choose_threads(n_jobs: int | None, work: float) -> int:
    """Return how many torch threads to use: as asked, else one where a step is too small to share (`work` in flop).

    Small steps spend more time waking threads than computing, and suffer badly when other processes use the cores.
    No more than the machine has cores: thousands of threads, which a model file may ask for, would end the process.
    """
    available = torch.get_num_threads()
    if n_jobs is None:
        return 1 if work < 5e8 else available
    return max(1, available + 1 + n_jobs) if n_jobs < 0 else min(n_jobs, max(available, os.cpu_count() or 1))


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run the block in float32 and outside any inference mode, whatever the user's torch is set to."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run the block on torch's global random state seeded with `seed`; the user's state returns afterwards.

    For code that takes no generator: module initialisation, dropout and zuko's sampling.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def minibatches(n: int, batch_size: int, min_steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the row indices of one epoch, shuffled; tables under `min_steps` batches are passed through repeatedly.

    An epoch of a small table would otherwise be one or two steps, and "200 epochs" would mean something else for
    every table size. Rows left over after the last full batch wait for the next epoch's shuffle.
    """
    batch_size = min(batch_size, n)
    per_pass = max(1, n // batch_size)
    for step in range(max(per_pass, min_steps)):
        if step % per_pass == 0:
            order = torch.randperm(n, generator=generator)
        start = (step % per_pass) * batch_size
        yield order[start : start + batch_size]


def chunks(n: int, size: int, first: int = 0) -> Iterator[slice]:
    """Yield slices that cut rows `first` to `n` into pieces of at most `size`, so that memory stays bounded."""
    for start in range(first, n, size):
        yield slice(start, min(start + size, n))


def in_chunks(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """Return `function` of tensors of n rows each, (n, ...), a few thousand rows at a time."""
    parts = [function(*(part[at] for part in rows)) for at in chunks(len(rows[0]), _ROWS_AT_ONCE)]
    return torch.cat(parts)


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a detached copy of the module's parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def to_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Return a tensor that owns its memory (read-only and memory-mapped arrays are valid input)."""
    return torch.tensor(np.ascontiguousarray(array), device=device)
