"""Estimators on their way through files: the same again, or altered on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _models import fitted

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._saving.container import pack, unpack

QUICK = {"flow_epochs": 1, "pretrain_epochs": 1, "joint_epochs": 0}


def through_a_file(clf: HyConExClassifier, folder: Path, **options: Any) -> HyConExClassifier:
    clf.save(folder / "model.safetensors")
    return type(clf).load(folder / "model.safetensors", **options)


def twins(one: HyConExClassifier, other: HyConExClassifier) -> bool:
    """Whether two estimators hold the same, bit for bit."""
    here, there = (clf._model.state_dict() for clf in (one, other))
    assert list(here) == list(there)
    assert all(torch.equal(here[name], there[name]) and here[name].dtype == there[name].dtype for name in here)
    assert vars(one).keys() == vars(other).keys()
    assert repr(one.get_params()) == repr(other.get_params())
    assert repr(one._codec.schema) == repr(other._codec.schema)
    assert one.classes_.dtype == other.classes_.dtype and one.classes_.tolist() == other.classes_.tolist()
    assert repr(one.history_) == repr(other.history_) and one.n_iter_ == other.n_iter_
    assert one.n_features_in_ == other.n_features_in_
    assert not any(part.training for part in other._model.modules())
    assert not any(weight.requires_grad for weight in other._model.parameters())
    return True


@cache
def small_fit(labels: str, table: str = "numbers") -> tuple[HyConExClassifier, Any, Any]:
    """A hardly trained model of some kind of labels and table."""
    rng = np.random.default_rng(0)
    X: Any = rng.normal(size=(60, 3))
    number = (X[:, 0] > 0).astype(int)
    if table == "text":
        X = pd.DataFrame({"a": np.where(number, "x", "y"), "b": rng.choice(["p", "q", "r"], 60)})
    elif table == "one number":
        X = X[:, :1]
    elif table == "constant":
        X = np.ones((60, 2))
    elif table == "positions":
        X = pd.DataFrame(X)
    y = {
        "str": np.array(["no", "yes"]),
        "wide str": np.array(["no", "yes"], dtype="<U50"),
        "object": np.array(["no", "yes"], dtype=object),
        "numpy str": np.array([np.str_("no"), np.str_("yes")], dtype=object),
        "int64": np.array([-3, 2**53 + 1]),
        "uint8": np.array([3, 250], dtype=np.uint8),
        "big-endian": np.array([1, 2], dtype=">i4"),
        "bool": np.array([False, True]),
        "float": np.array([0.0, 2.0]),
        "float32": np.array([-1.0, 3.0], dtype=np.float32),
    }[labels][number]
    return fitted(X, y, **QUICK), X, y


def altered(clf: HyConExClassifier, folder: Path, change: Callable[[Any], Any], **tensors: Any) -> Path:
    """A file whose header or tensors were changed and whose checksum says that it is as it was written."""
    path = folder / "model.safetensors"
    clf.save(path)
    content = unpack(path.read_bytes())
    content.header.pop("sha256")
    change(content.header)
    stored = {name: tensor for name, tensor in (content.tensors() | tensors).items() if tensor is not None}
    path.write_bytes(pack(content.header, stored))
    return path
