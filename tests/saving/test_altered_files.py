"""Files that were altered, cut off or written by others: every one is refused, before it takes memory or runs code."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers import short_fits
from _models import iris, mixed, small_parts
from _saved import altered, small_fit, twins

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._saving import model_file

__all__ = ["short_fits", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("short_fits"),
]


def test_a_newer_format_names_both_versions(tmp_path: Path) -> None:
    newer = {"format": 4, "versions": {"hyconex_sklearn": "9.1.0"}, "anything": 1}
    path = altered(iris()[0], tmp_path, lambda header: header.update(newer))
    with pytest.raises(ValueError, match=r"format 4, .* hyconex_sklearn 9\.1\.0; this is hyconex_sklearn 0\.1\.0"):
        HyConExClassifier.load(path)


def test_an_older_format_says_to_fit_again(tmp_path: Path) -> None:
    older = {"format": 1, "versions": {"hyconex_sklearn": "0.0.9"}}
    path = altered(iris()[0], tmp_path, lambda header: header.update(older))
    with pytest.raises(ValueError, match=r"format 1, .* hyconex_sklearn 0\.0\.9; .* fit again"):
        HyConExClassifier.load(path)


def padded(n: int) -> dict[str, Any]:
    """An array of n empty texts, each of which takes four megabytes."""
    return {"array": {"dtype": "<U999999", "shape": [n], "values": [""] * n}}


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "a class more": lambda h: h["classes"]["array"].update(shape=[4], values=[0, 1, 2, 3]),
    "a class twice": lambda h: h["classes"]["array"].update(values=[0, 1, 1]),
    "classes of lists": lambda h: h["classes"]["array"].update(dtype="|O", values=[[], [], []]),
    "very many classes": lambda h: h["classes"]["array"].update(shape=[10**5], values=list(range(10**5))),
    "classes as list": lambda h: h.update(classes=[0, 1, 2]),
    "no classes": lambda h: h.update(classes=None),
    "NaN as class": lambda h: h["classes"]["array"].update(dtype="<f8", values=[0.0, 1.0, {"float": "nan"}]),
    "a column more": lambda h: h["schema"]["columns"].append({**h["schema"]["columns"][3], "start": 4, "stop": 5}),
    "names that are none": lambda h: h.update(names=["a", "b", "c", "d"]),
    "names of five": lambda h: h.update(names={"array": {"dtype": "|O", "shape": [5], "values": list("abcde")}}),
    "history of text": lambda h: h.update(history=["a"]),
    "epochs as text": lambda h: h.update(n_iter="3"),
    "a day that is none": lambda h: h.update(fitted_on="2026-02-30"),
    "a day as number": lambda h: h.update(fitted_on=20260228),
    "usual values beyond the range": lambda h: h["schema"]["columns"][0].update(usual=[-1e9, 1e9]),
    "a single usual value": lambda h: h["schema"]["columns"][0].update(usual=[5.0]),
    "usual values in the wrong order": lambda h: h["schema"]["columns"][0]["usual"].reverse(),
    "format 2 with columns of text": lambda h: (h.update(format=2), h["schema"].update(columns=["a"])),
    "format 2 without columns": lambda h: (h.update(format=2), h.pop("schema")),
    "a key more": lambda h: h.update(more=1),
    "a key less": lambda h: h.pop("n_iter"),
    "versions of lists": lambda h: h["versions"].update(torch=[]),
    "format 0": lambda h: h.update(format=0),
    "format of text": lambda h: h.update(format="1"),
    "another parameter": lambda h: h["parameters"].update(self=1),
    "parameter of a wrong type": lambda h: h["parameters"].update(alpha_validity="high"),
    "parameter out of range": lambda h: h["parameters"].update(dropout=1.5),
    "endless number": lambda h: h["parameters"].update(alpha_validity=10**400),
    "endless width": lambda h: h["parameters"].update(hidden_size=10**400),
    "parameters as list": lambda h: h.update(parameters=[]),
    "wide text": lambda h: h["parameters"].update(categorical_features=padded(20)),
    "wide texts": lambda h: h.update(history=[{"loss": padded(1)}] * 20),
    "tag of nobody": lambda h: h["parameters"].update(random_state={"pickle": "gASVAAAA"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_with_a_valid_checksum_is_refused(name: str, tmp_path: Path) -> None:
    path = altered(iris()[0], tmp_path, HOSTILE[name])
    with pytest.raises(ValueError, match=r"model\.safetensors' can't be loaded: .*(altered|not written)"):
        HyConExClassifier.load(path)


def test_a_file_that_asks_for_endless_threads_gets_no_more_than_there_are_cores(tmp_path: Path) -> None:
    clf, X, _ = iris()
    twin = HyConExClassifier.load(altered(clf, tmp_path, lambda header: header["parameters"].update(n_jobs=2**40)))
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


def shapes_of(tensors: dict[str, Any]) -> str:
    return " ".join(f"{name} {tuple(t.shape) if t is not None else t}" for name, t in tensors.items())


@pytest.mark.parametrize(
    "tensors",
    [
        {"classifier.linear.bias": None},
        {"more": torch.zeros(1)},
        {"classifier.linear.bias": torch.zeros(4)},
        {"classifier.linear.bias": torch.zeros(3, dtype=torch.int64)},
        {"classifier.linear.bias": torch.full((3,), torch.nan)},
        {"classifier.residual.head.weight": None},
        {"classifier.residual.stem.weight": torch.zeros(())},
        {"reservoir": torch.zeros(5, 3)},
        {"reservoir": torch.zeros(5, 4)},
        {"reservoir": None},
        {"reservoir": torch.zeros(1, 4), "reservoir_labels": torch.tensor([3])},
        {"reservoir": torch.zeros(1, 4), "reservoir_labels": torch.tensor([-1])},
        {"density.flow.transform.transforms.0.hyper.2.weight": torch.zeros(92, 9)},
        {"temperature": torch.tensor(0.0)},
        {"temperature": torch.zeros(1)},
        {"threshold": torch.zeros(2)},
        {"confidence": torch.full((3,), torch.nan)},
        {"committee_confidence": torch.full((3,), 1e9)},
    ],
    ids=shapes_of,
)
def test_tensors_that_are_not_the_models_are_refused(tensors: dict[str, Any], tmp_path: Path) -> None:
    path = altered(iris()[0], tmp_path, lambda header: None, **tensors)
    with pytest.raises(ValueError, match=r"can't be loaded: .*(tensor|shape|reservoir)"):
        HyConExClassifier.load(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"classifier.residual.stem.weight": torch.zeros(20_000, 8)},
        {"classifier.residual.stem.weight": torch.zeros(0, 8)},
        {"classifier.residual.head.weight": None, "classifier.residual.stem.weight": torch.zeros(5_000, 8)},
        {f"classifier.residual.blocks.{number}.expand.weight": torch.zeros(1, 1) for number in range(100)},
        {"density.flow.transform.transforms.0.hyper.0.weight": torch.zeros(2**16, 1)},
        {"density.flow.transform.transforms.0.hyper.2.weight": torch.zeros(0, 8)},
        {f"density.flow.transform.transforms.{number}.hyper.0.weight": torch.zeros(1, 1) for number in range(999)},
        {f"density.flow.transform.transforms.0.hyper.{number}.weight": torch.zeros(999, 1) for number in (0, 2, 4)},
        {"reservoir": torch.zeros(2**40, 0), "reservoir_labels": torch.zeros(2**40, 0, dtype=torch.int64)},
        {"reservoir": torch.zeros(2**20, 0), "reservoir_labels": torch.zeros(2**20, dtype=torch.int64)},
    ],
    ids=shapes_of,
)
def test_shapes_that_ask_for_more_than_the_file_holds_are_refused_before_a_model_is_made(
    tensors: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = altered(iris()[0], tmp_path, lambda header: None, **tensors)
    monkeypatch.setattr(model_file, "EncodedSpace", None)
    with pytest.raises(ValueError, match=r"can't be loaded: .*(its tensors take|the tensors is)"):
        HyConExClassifier.load(path)


def test_a_flow_that_the_file_lacks_takes_no_memory_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its width would be that of the categories' network, and its inputs those of the table."""
    clf = mixed()[0]
    flow = {name: None for name in clf._model.state_dict() if name.startswith("density.flow.transform.")}
    wide = {"density.categories.net.0.weight": torch.zeros(2**16, 1)}
    path = altered(clf, tmp_path, lambda header: None, **flow, **wide)
    monkeypatch.setattr(model_file, "EncodedSpace", None)
    with pytest.raises(ValueError, match=r"can't be loaded: its tensors take \d+ bytes"):
        HyConExClassifier.load(path)


def test_a_table_too_wide_for_its_density_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iris()[0].save(path := tmp_path / "model.safetensors")
    monkeypatch.setattr(model_file, "_MASK_BYTES", 10)
    with pytest.raises(ValueError, match="4 encoded columns wide, too many"):
        HyConExClassifier.load(path)


def test_an_interrupted_save_leaves_the_older_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = iris()[0], small_fit("str")[0]
    old.save(path := tmp_path / "model.safetensors")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for module, name in ((os, "fsync"), (os, "replace"), (model_file, "pack")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                new.save(path)
        assert twins(HyConExClassifier.load(path), old)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
