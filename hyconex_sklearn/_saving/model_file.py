"""Fitted parts <-> one file: what the header says, which tensors belong to it, and that both fit together.

The header holds the constructor parameters, the schema of the table, the class labels with their type, the thresholds
read off held-out rows, the public fitted attributes, the sizes of the networks, the versions that wrote it and the
number of the format; the tensors are the weights, the masks of the density, the columns that each member of the
committee sees, and the reservoir. Index tensors that follow from the schema are not in the file but made anew.

Reading runs nothing that the file says. Before a network is made, each size that the header names has to be the size of
a tensor that is in the file, so that memory stays in proportion to the file; then names, shapes and dtypes of all
tensors have to be exactly those of the network. What reads this format reads every file of it: whoever adds, drops or
renames a field counts `FORMAT` up. Constructor parameters are free: one that the file lacks takes its default.
"""

from __future__ import annotations

import io
import os
import platform
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import safetensors
import sklearn
import torch
import zuko
from torch import Tensor

from .._common.atomic_file import write_file
from .._common.runtime import plain_torch, seeded
from .._model.committee import Committee
from .._model.density import MixedDensity, n_transforms
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork
from .._model.model import Model
from .._table.schema import TableSchema
from .._version import __version__
from .container import Content, Layout, check_digest, pack, read_file, unpack
from .json_values import decode, encode, items, members, real, text, whole, wrong
from .schema_json import describe, schema_from

FORMAT = 1
_PACKAGES = (np, safetensors, sklearn, torch, zuko)
_KEYS = ("sha256", "format", "versions", "parameters", "schema", "classes", "fitted", "sizes", "thresholds")
_THRESHOLDS = ("threshold", "confidence", "committee_confidence")  # one number for each class
_TEMPERATURES = (1e-3, 1e3)
_MOST_CONFIDENT = 1e3  # log-odds
# Bytes that masks may take for a moment while a density is made: of one transformation, and of all one after the other.
# The largest is one byte for each output and input of a network; for codes also two doubles for each block and input.
_MASK_BYTES, _ALL_MASK_BYTES, _DOUBLES = 1e9, 4e9, 16
# Made anew from the schema.
_DERIVED = {
    "temperature",
    *_THRESHOLDS,
    *(f"density.{name}" for name in ("numeric", "discrete", "categories.block_of", "categories.single")),
}
_BASE = "density.flow.base."  # the flow's standard normal; each version of zuko names its parts otherwise
_DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
_HOSTILE = "The file was altered, or not written by save; save the model anew."


@dataclass(frozen=True)
class Fitted:
    """All that an estimator is made of.

    Parameters
    ----------
    parameters : dict
        Constructor parameters.
    schema : TableSchema
    classes : ndarray of shape (K,)
    names : ndarray of shape (n_columns,) or None
        ``feature_names_in_``.
    history : list of dict
    n_iter : int
    model : Model
        On the CPU once read.
    """

    parameters: dict[str, Any]
    schema: TableSchema
    classes: np.ndarray
    names: np.ndarray | None
    history: list[dict[str, Any]]
    n_iter: int
    model: Model


def write_fitted(path: str | os.PathLike[str], fitted: Fitted) -> None:
    """Write a file that `read_fitted` reads; that it can is tried before anything is written.

    Raises
    ------
    TypeError
        If a parameter, name or label is of a type that the file can't keep.
    ValueError
        If the model would not load again.
    OSError
        If the file can't be written; an older one is whole.
    """
    try:
        data = pack(_header(fitted), _stored(fitted.model))
        _restored(unpack(io.BytesIO(data), len(data)))
    except ValueError as error:
        raise ValueError(f"The model can't be saved so that it would load again: {error}") from error
    write_file(path, data)


def read_fitted(path: str | os.PathLike[str]) -> Fitted:
    """Return what `write_fitted` wrote.

    Raises
    ------
    ValueError
        If the file was altered in any bit, is of a newer format, or none of ours.
    OSError
        If the file is not there or can't be read.
    """
    try:
        return _restored(read_file(path))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} can't be loaded: {error}") from error


# ------------------------------------------------------------------------------------------------------------ writing


def _header(fitted: Fitted) -> dict[str, Any]:
    model = fitted.model
    names = None if fitted.names is None else encode(fitted.names, "feature_names_in_")
    return {
        "format": FORMAT,
        "versions": _versions(),
        "parameters": {name: encode(value, name) for name, value in fitted.parameters.items()},
        "schema": describe(fitted.schema),
        "classes": encode(fitted.classes, "classes_"),
        "fitted": {
            "feature_names_in_": names,
            "n_features_in_": len(fitted.schema.columns),
            "n_iter_": fitted.n_iter,
            "history_": encode(fitted.history, "history_"),
        },
        "sizes": {
            "hidden_size": model.network.stem.out_features,
            "n_blocks": len(model.network.blocks),
            "flow_transforms": model.density.transforms,
            "flow_hidden": list(model.density.hidden),
        },
        "thresholds": {
            "temperature": encode(float(model.temperature), "temperature"),
            **{name: encode(getattr(model, name).tolist(), name) for name in _THRESHOLDS},
        },
    }


def _versions() -> dict[str, str]:
    """Return the versions that a person would ask for; nothing is decided by them."""
    versions = {"hyconex_sklearn": __version__, "python": platform.python_version()}
    return versions | {package.__name__: str(package.__version__) for package in _PACKAGES}


def _stored(model: Model) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not _is_derived(name)}


def _is_derived(name: str) -> bool:
    return name in _DERIVED or name.startswith(_BASE)


# ------------------------------------------------------------------------------------------------------------ reading


def _restored(content: Content) -> Fitted:
    """Return the fitted parts, everything that the file says checked."""
    header = content.header
    _check_format(header)
    check_digest(content)
    try:
        members(header, "the header", _KEYS)
        _check_versions(header["versions"])
        schema = schema_from(header["schema"])
        classes = _classes(header["classes"])
        attributes = members(header["fitted"], "fitted", ("feature_names_in_", "n_features_in_", "n_iter_", "history_"))
        whole(attributes["n_features_in_"], "n_features_in_", len(schema.columns), len(schema.columns))
        return Fitted(
            parameters=_parameters(header["parameters"]),
            schema=schema,
            classes=classes,
            names=_names(attributes["feature_names_in_"], len(schema.columns)),
            history=_history(attributes["history_"]),
            n_iter=whole(attributes["n_iter_"], "n_iter_", 0, 2**53),
            model=_model(content, schema, len(classes)),
        )
    except ValueError as error:
        raise ValueError(f"{error}. {_HOSTILE}") from error


def _check_format(header: dict[str, Any]) -> None:
    number = header.get("format")
    if type(number) is not int or number < 1:
        raise ValueError(f"{wrong('format', number, 'an integer from 1')}. {_HOSTILE}")
    if number > FORMAT:
        versions = header.get("versions")
        writer = versions.get("hyconex_sklearn") if isinstance(versions, dict) else None
        raise ValueError(
            f"it has format {number}, written by hyconex_sklearn {str(writer)[:40]}; this is hyconex_sklearn "
            f"{__version__}, which reads formats up to {FORMAT}. Update the package, or save the model with this one."
        )


def _check_versions(versions: Any) -> None:
    if not isinstance(versions, dict) or len(versions) > 40:
        raise wrong("versions", versions, "an object of at most 40 names")
    for name, version in versions.items():
        text(version, f"the version of {text(name, 'a package')}")


def _parameters(coded: Any) -> dict[str, Any]:
    if not isinstance(coded, dict):
        raise wrong("parameters", coded, "an object")
    return {name: decode(value, name) for name, value in coded.items()}


def _classes(coded: Any) -> np.ndarray:
    classes = decode(coded, "classes")
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
        raise wrong("classes", coded, "an array of two or more labels")
    labels = classes.tolist()
    if not all(isinstance(label, str | int | float) for label in labels) or len(set(labels)) < len(labels):
        raise wrong("classes", labels, "different labels: text, numbers or booleans")
    if not all(map(np.isfinite, (label for label in labels if isinstance(label, float)))):
        raise wrong("classes", labels, "finite labels")
    return classes


def _names(coded: Any, n_columns: int) -> np.ndarray | None:
    names = decode(coded, "feature_names_in_")
    if names is None:
        return None
    if not isinstance(names, np.ndarray) or names.shape != (n_columns,) or not all(isinstance(n, str) for n in names):
        raise wrong("feature_names_in_", coded, f"None or an array of {n_columns} texts")
    return names


def _history(coded: Any) -> list[dict[str, Any]]:
    records = items(decode(coded, "history_"), "history_")
    for record in records:
        if not isinstance(record, dict) or not all(isinstance(name, str) for name in record):
            raise wrong("a record of history_", record, "a dict of text to values")
    return records


# ---------------------------------------------------------------------------------------------------------- the model


def _model(content: Content, schema: TableSchema, n_classes: int) -> Model:
    """Return the model on the CPU; the user's random state, dtype and modes are as before."""
    layout = content.layout
    sizes = _sizes(content.header["sizes"], len(layout))
    thresholds = _thresholds(content.header["thresholds"], n_classes)
    _check_network(sizes, layout, schema.n_encoded, n_classes)
    _check_density(sizes, layout, schema, n_classes)
    with plain_torch(), seeded(0, torch.device("cpu")):
        space = EncodedSpace(schema)
        model = Model(
            space,
            HyperNetwork(space.n_features, n_classes, sizes["hidden_size"], sizes["n_blocks"], dropout=0.0),
            MixedDensity(space, n_classes, sizes["flow_transforms"], sizes["flow_hidden"]),
            Committee(space.owner, n_classes, torch.Generator()),
        )
        n_rows = _shape(layout, "reservoir")[0]
        model.reservoir = torch.zeros(n_rows, space.n_features)
        model.reservoir_labels = torch.zeros(n_rows, dtype=torch.long)
        _check_layout(layout, _stored(model))
        model.load_state_dict(model.state_dict() | _checked(content.tensors(), n_classes) | thresholds)
    return model.requires_grad_(False).eval()


def _sizes(coded: Any, n_tensors: int) -> dict[str, Any]:
    """Return the sizes of the networks; no network has more layers than the file has tensors."""
    sizes = members(coded, "sizes", ("hidden_size", "n_blocks", "flow_transforms", "flow_hidden"))
    for name, most in (("hidden_size", 2**31), ("n_blocks", n_tensors), ("flow_transforms", 2**31)):
        whole(sizes[name], name, 1, most)
    for size in items(sizes["flow_hidden"], "flow_hidden", 1, n_tensors):
        whole(size, "flow_hidden", 1, 2**31)
    return sizes


def _thresholds(coded: Any, n_classes: int) -> dict[str, Tensor]:
    """Return temperature, thresholds and confidences; a threshold need not be finite: a density may have collapsed."""
    parts = members(coded, "thresholds", ("temperature", *_THRESHOLDS))
    temperature = real(parts["temperature"], "temperature", *_TEMPERATURES)
    found = {"temperature": torch.tensor(temperature, dtype=torch.float32)}
    for name in _THRESHOLDS:
        values = decode(items(parts[name], name, n_classes, n_classes), name)
        for value in values:
            if type(value) is not float or (name != "threshold" and not abs(value) < _MOST_CONFIDENT):
                raise wrong(name, value, "a float, and a moderate one if it is a confidence")
        found[name] = torch.tensor(values, dtype=torch.float32)
    return found


def _shape(layout: Layout, name: str) -> tuple[int, ...]:
    """Return the shape of a tensor, at least one-dimensional."""
    shape = layout.get(name, ("", ()))[1]
    if not shape:
        raise wrong("the tensors", sorted(layout), f"one of the name {name}")
    return shape


def _check_shape(layout: Layout, name: str, shape: tuple[int, ...]) -> None:
    if _shape(layout, name) != shape:
        raise wrong(f"the shape of {name}", _shape(layout, name), f"{shape}, as the header says")


def _check_network(sizes: dict[str, Any], layout: Layout, d: int, n_classes: int) -> None:
    """Raise unless the weights that decide how large the hypernetwork is are in the file, in that size."""
    hidden = sizes["hidden_size"]
    _check_shape(layout, "network.stem.weight", (hidden, 2 * d))
    _check_shape(layout, "network.head.weight", (n_classes * (d + 1), hidden))
    for number in range(sizes["n_blocks"]):
        _check_shape(layout, f"network.blocks.{number}.expand.weight", (hidden, hidden))


def _check_density(sizes: dict[str, Any], layout: Layout, schema: TableSchema, n_classes: int) -> None:
    """Raise unless the density's weights are in the file, in that size, and its masks can be made in bounded memory."""
    n_numbers, n_blocks = len(schema.numeric_index), len(schema.blocks) + len(schema.missing_index)
    n_codes = len(schema.missing_index) + sum(block.stop - block.start for block in schema.blocks)
    n_flows = n_transforms(n_numbers, sizes["flow_transforms"]) if n_numbers else 0
    wide = n_codes + n_classes
    masks = max(2 * n_numbers * (n_numbers + wide), (n_codes + _DOUBLES * n_blocks) * wide)
    if masks > _MASK_BYTES or n_flows * masks > _ALL_MASK_BYTES:
        raise ValueError(f"the table is {schema.n_encoded} encoded columns wide, too many for its density")
    if n_codes:
        _check_net(layout, "density.categories.net", [wide, *sizes["flow_hidden"]], n_codes)
    inputs = wide + (n_numbers if n_numbers > 1 else 0)  # a single number has no other to look at
    for number in range(n_flows):
        prefix = f"density.flow.transform.transforms.{number}.hyper"
        _check_net(layout, prefix, [inputs, *sizes["flow_hidden"]], n_numbers)


def _check_net(layout: Layout, prefix: str, widths: list[int], n_out: int) -> None:
    """Raise unless each layer is in the file: from each width to the next, and at last to `n_out` outputs or more."""
    for number, (before, after) in enumerate(pairwise(widths)):
        _check_shape(layout, f"{prefix}.{2 * number}.weight", (after, before))
    name = f"{prefix}.{2 * len(widths) - 2}.weight"
    _check_shape(layout, name, (max(n_out, _shape(layout, name)[0]), widths[-1]))


def _check_layout(layout: Layout, expected: dict[str, Tensor]) -> None:
    """Raise unless names, dtypes and shapes of the tensors in the file are the expected ones."""
    if layout.keys() != expected.keys():
        differing = sorted(layout.keys() ^ expected.keys())
        raise wrong("the tensors", differing, "those of the model: these are too many or missing")
    for name, tensor in expected.items():
        if layout[name] != (_DTYPES[tensor.dtype], tuple(tensor.shape)):
            raise wrong(f"tensor {name}", layout[name], f"{_DTYPES[tensor.dtype]} of shape {tuple(tensor.shape)}")


def _checked(tensors: dict[str, Tensor], n_classes: int) -> dict[str, Tensor]:
    """Return the tensors whose numbers are finite, whose booleans are 0 or 1, and whose labels are classes."""
    for name, tensor in tensors.items():
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise ValueError(f"tensor {name} holds bytes that are no booleans, expected 0 or 1")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ValueError(f"tensor {name} holds NaN or infinity, expected finite numbers")
    labels = tensors["reservoir_labels"]
    if not bool(((labels >= 0) & (labels < n_classes)).all()):
        raise wrong("reservoir_labels", labels.tolist(), f"numbers of classes, 0 to {n_classes - 1}")
    return tensors
