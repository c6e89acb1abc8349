"""Trainings of small tables, for tests of single phases."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.history import Clock
from hyconex_sklearn._training.loop import Training
from hyconex_sklearn._training.rows import Rows


def rows_of(x: Any, labels: Any, weight: Any = None, times: Any = None) -> Rows:
    """Encoded rows that count the same, if nothing else is said; `times` count as `weight`, too."""
    times = np.ones(len(x)) if times is None else times
    weight = times if weight is None else weight
    arrays = (
        np.asarray(x, np.float32),
        np.asarray(labels),
        np.asarray(weight, np.float32),
        np.asarray(times, np.float32),
    )
    return Rows(*(torch.tensor(array) for array in arrays))


def training_of(
    rows: Rows, n_train: int | None = None, seed: int = 0, clock: Clock | None = None, **settings: Any
) -> Training:
    """A training of these rows, the first `n_train` of which are not held out."""
    torch.manual_seed(seed)
    settings = {"batch_size": 32, "learning_rate": 5e-3, **settings}
    generator = torch.Generator().manual_seed(seed)
    n_train = len(rows) if n_train is None else n_train
    return Training(HyConExClassifier(**settings), rows, n_train, seed, generator, clock or Clock())


def encoded(table: Any) -> tuple[EncodedSpace, np.ndarray]:
    """The encoded space of a table, and its rows there."""
    codec = TableCodec.fit(table)
    return EncodedSpace(codec.schema), codec.encode(table)
