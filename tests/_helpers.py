"""What several test files compare, and how to get answers quickly."""

from __future__ import annotations

import hashlib
import pickle
import random
import warnings
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import iris, mixed

from hyconex_sklearn import Counterfactuals, HyConExClassifier


@pytest.fixture
def short_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps of each part of a search: laws and rules hold at any length, and answers come quickly."""
    for stage in ("_MENDING", "_SHORTENING", "_THINNING", "_POLISHING", "_CAPPED", ""):
        monkeypatch.setattr(f"hyconex_sklearn._search.ladder.{stage}_STEPS", 4)
    monkeypatch.setattr("hyconex_sklearn._search.latent._STEPS", 4)


@pytest.fixture
def short_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poor teacher, hardly a committee or a reservoir: for fits that no other test shares.

    Their answers are compared with each other, and with none of a fit in full.
    """
    iris(), mixed()  # else a short fit could become the one that other tests share
    monkeypatch.setattr("hyconex_sklearn._training.ensemble._FOLDS", 2)
    monkeypatch.setattr("hyconex_sklearn._training.ensemble._REGULARISATION", (1.0,))
    monkeypatch.setattr("hyconex_sklearn._model.committee._EPOCHS", 5)
    monkeypatch.setattr("hyconex_sklearn._training.fill_reservoir._MENDING_STEPS", 1)
    monkeypatch.setattr("hyconex_sklearn._training.fill_reservoir._DRAWS", 2)


def take(table: Any, rows: Any) -> Any:
    """Some rows of a DataFrame or an array, by position."""
    return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def same_cells(left: Any, right: Any) -> np.ndarray:
    """Which cells of two tables are the same in type and in every bit, shape (m, d); missing marks count as equal."""
    left, right = (
        table.astype(object).to_numpy() if isinstance(table, pd.DataFrame) else table for table in (left, right)
    )
    pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
    same = [a is b or repr(a) == repr(b) for a, b in pairs]
    return np.array(same, dtype=bool).reshape(left.shape)


def differ(one: Any, other: Any) -> bool:
    """Whether two answers differ in any bit, dtype or label."""
    if type(one) is not type(other):
        return True
    if isinstance(one, Counterfactuals):
        return any(differ(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    if isinstance(one, pd.DataFrame):
        return differ(list(one.items()), list(other.items())) or not one.index.identical(other.index)
    if isinstance(one, pd.Series):
        return one.dtype != other.dtype or differ(one.to_numpy(), other.to_numpy())
    if isinstance(one, (tuple, list)):
        return len(one) != len(other) or any(differ(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        cells = (repr(one.tolist()), repr(other.tolist())) if one.dtype == object else (one.tobytes(), other.tobytes())
        return one.dtype != other.dtype or one.shape != other.shape or cells[0] != cells[1]
    return bool(one != other)


def state_of(clf: HyConExClassifier) -> str:
    """A digest of everything that the estimator holds."""
    digest = hashlib.sha256()
    for name, value in sorted(vars(clf).items()):
        digest.update(name.encode())
        if name == "_model":
            for key, tensor in value.state_dict().items():
                digest.update(key.encode() + tensor.numpy().tobytes())
            digest.update(str([module.training for module in value.modules()]).encode())
        else:
            digest.update(pickle.dumps(value))
    return digest.hexdigest()


def settings_of_the_user() -> tuple[Any, ...]:
    """What a user may have set in torch, numpy and Python, and nobody else may change."""
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.random.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),
        torch.are_deterministic_algorithms_enabled(),
        random.getstate(),
        np.geterr(),
        # The first step of an optimiser loads parts of torch that load sympy, which adds a filter of its own.
        [each for each in warnings.filters if not each[2].__module__.startswith("sympy")],
    )
