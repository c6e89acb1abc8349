"""Fitted parts in, one file out, and back: what its header and tensors say, and that they fit together.

The header holds the constructor parameters, the schema of the table, the class labels with their type, the public
fitted attributes, the versions that wrote it and the number of the format; the tensors are the weights, the masks of
the density, the columns that each member of the committee sees, what was read off held-out rows, and the reservoir.
Index tensors that follow from the schema are not in the file but made anew; the sizes of the networks are those of the
weights.

Reading runs nothing that the file says. Before a network is made, its layers have to be among the numbers that are in
the file, so that memory stays in proportion to it; then names, shapes and dtypes of all tensors have to be exactly
those of the network. What reads this format reads every file of it: whoever adds, drops or renames a field counts
`FORMAT` up. (Format 1 had one network that classified and moved; format 2, which is read, too, told neither the day of
the fit nor the usual range of a column, had no grids but decimals, and asked as much support of every class.)
Constructor parameters are free: one that the file lacks takes its default; so are the relations between columns, of
which files that lack them know none.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import date
from itertools import count, pairwise, takewhile
from typing import Any, NamedTuple

import numpy as np
import safetensors
import sklearn
import torch
import zuko
from torch import Tensor

from .._common.atomic_file import write_file
from .._common.runtime import plain_torch, seeded
from .._model.classifier import Classifier
from .._model.committee import Committee
from .._model.density import MixedDensity, n_transforms
from .._model.encoded_space import EncodedSpace
from .._model.hypernetwork import HyperNetwork
from .._model.level_embedding import SIZE, narrow_width, wide_among
from .._model.model import Model
from .._table.schema import TableSchema
from .._version import __version__
from .container import Content, check_digest, pack, read_file, unpack
from .json_values import decode, decode_members, encode, encode_members, items, members, padding, text, whole, wrong
from .schema_json import describe, schema_from

FORMAT = 3
_SUPPORT_BEFORE = 0.8  # that files of the format before ask
_PACKAGES = (np, safetensors, sklearn, torch, zuko)
_KEYS = ("sha256", "format", "versions", "parameters", "schema", "classes", "names", "history", "n_iter", "fitted_on")
# Bytes that masks may take for a moment while a density is made: of one transformation, and of all one after the other.
# The largest is one byte for each output and input of a network; for codes also two doubles for each block and input.
_MASK_BYTES, _ALL_MASK_BYTES, _DOUBLES = 1e9, 4e9, 16
# Made anew from the schema; the flow's base is a standard normal, whose parts each version of zuko names otherwise.
_OF_DENSITY = ("numeric", "discrete", "categories.block_of", "categories.single", "flow.base.")
_DERIVED = tuple(f"density.{part}" for part in _OF_DENSITY)
_RANGES = {
    "temperature": (1e-3, 1e3),
    "confidence": (-1e3, 1e3),
    "committee_confidence": (-1e3, 1e3),
    "support": (0, 1),
}
_LARGEST_TEXTS = 2**26  # bytes of all arrays of text in a header
_HOSTILE = "The file was altered, or not written by save; save the model anew."


@dataclass(frozen=True)
class Fitted:
    """All that an estimator is made of."""

    parameters: dict[str, Any]  # of the constructor
    schema: TableSchema
    classes: np.ndarray  # (K,)
    names: np.ndarray | None  # (n_columns,), ``feature_names_in_``
    history: list[dict[str, Any]]
    n_iter: int
    fitted_on: str | None  # day in UTC, as 2026-12-31; None: not known
    model: Model  # on the CPU once read


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
        _restored(unpack(data))
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
    return {
        "format": FORMAT,
        "versions": _versions(),
        "parameters": encode_members(fitted.parameters),
        "schema": describe(fitted.schema),
        "classes": encode(fitted.classes, "classes_"),
        "names": encode(fitted.names, "feature_names_in_"),
        "history": [encode_members(record) for record in fitted.history],
        "n_iter": fitted.n_iter,
        "fitted_on": fitted.fitted_on,
    }


def _versions() -> dict[str, str]:
    """Return the versions that a person would ask for; nothing is decided by them."""
    versions = {"hyconex_sklearn": __version__, "python": platform.python_version()}
    return versions | {package.__name__: str(package.__version__) for package in _PACKAGES}


def _stored(model: Model) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(_DERIVED)}


# ------------------------------------------------------------------------------------------------------------ reading


def _restored(content: Content) -> Fitted:
    """Return the fitted parts, everything that the file says checked."""
    header = content.header
    _check_format(header)
    check_digest(content)
    try:
        older = header["format"] < FORMAT
        if older:
            header = _upgraded(header)
        members(header, "the header", _KEYS)
        if padding(header) > _LARGEST_TEXTS:
            raise wrong("the header", header, f"text in arrays of at most {_LARGEST_TEXTS} bytes in all")
        for name, version in members(header["versions"], "versions", _versions()).items():
            text(version, f"the version of {name}")
        schema = schema_from(header["schema"])
        classes = _classes(header["classes"])
        tensors = content.tensors()
        if older:
            tensors["support"] = torch.full((len(classes),), _SUPPORT_BEFORE)
        return Fitted(
            parameters=decode_members(header["parameters"], "parameters"),
            schema=schema,
            classes=classes,
            names=_names(header["names"], len(schema.columns)),
            history=[decode_members(record, "a record of history_") for record in items(header["history"], "history_")],
            n_iter=whole(header["n_iter"], "n_iter_", 0, 2**53),
            fitted_on=_day(header["fitted_on"]),
            model=_model(tensors, schema, len(classes)),
        )
    except ValueError as error:
        raise ValueError(f"{error}. {_HOSTILE}") from error


def _check_format(header: dict[str, Any]) -> None:
    number = header.get("format")
    if type(number) is not int or number < 1:
        raise ValueError(f"{wrong('format', number, 'an integer from 1')}. {_HOSTILE}")
    if number in (FORMAT, FORMAT - 1):
        return
    versions = header.get("versions")
    writer = versions.get("hyconex_sklearn") if isinstance(versions, dict) else None
    newer = "Update the package, or save the model with this one."
    older = "Its model is made otherwise: fit again and save that."
    raise ValueError(
        f"it has format {number}, written by hyconex_sklearn {str(writer)[:40]}; this is hyconex_sklearn "
        f"{__version__}, which reads format {FORMAT}. {newer if number > FORMAT else older}"
    )


def _upgraded(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header of the format before with the fields that this one added, which say that nothing is known."""
    schema = members(header.get("schema"), "schema")
    columns = [
        {"usual": None, "multiple": 1, **members(one, "a column")} for one in items(schema.get("columns"), "columns")
    ]
    return {"fitted_on": None, **header, "schema": {**schema, "columns": columns}}


def _day(coded: Any) -> str | None:
    if coded is None:
        return None
    try:
        return date.fromisoformat(text(coded, "fitted_on")).isoformat()
    except ValueError as error:
        raise wrong("fitted_on", coded, "a day such as 2026-12-31") from error


def _classes(coded: Any) -> np.ndarray:
    classes = decode(coded, "classes")
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
        raise wrong("classes", coded, "an array of two or more labels")
    labels = classes.tolist()
    plain = (isinstance(label, str | int) or (type(label) is float and np.isfinite(label)) for label in labels)
    if not all(plain) or len(set(labels)) < len(labels):
        raise wrong("classes", labels, "different labels: text, finite numbers or booleans")
    return classes


def _names(coded: Any, n_columns: int) -> np.ndarray | None:
    names = decode(coded, "feature_names_in_")
    if names is None:
        return None
    if not isinstance(names, np.ndarray) or names.shape != (n_columns,) or not all(isinstance(n, str) for n in names):
        raise wrong("feature_names_in_", coded, f"None or an array of {n_columns} texts")
    return names


# ---------------------------------------------------------------------------------------------------------- the model


class _Sizes(NamedTuple):
    """What decides how much memory a model takes, beside its table."""

    hidden: int
    n_blocks: int
    n_flows: int
    flow_hidden: list[int]
    n_rows: int  # of the reservoir


def _model(tensors: dict[str, Tensor], schema: TableSchema, n_classes: int) -> Model:
    """Return the model on the CPU; the user's random state, dtype and modes are as before."""
    sizes = _sizes(tensors)
    _check_room(tensors, schema, n_classes, sizes)
    with plain_torch(), seeded(0, torch.device("cpu")):
        space = EncodedSpace(schema)
        # As many transformations as give the flows that are there: of splines, half as many are made.
        transforms = next(n for n in count(1) if n_transforms(len(space.numeric), n) >= sizes.n_flows)
        model = Model(
            space,
            Classifier(space.n_features, n_classes, sizes.hidden, sizes.n_blocks, 0.0, space.wide),
            HyperNetwork(space.n_features, n_classes, sizes.hidden, sizes.n_blocks, 0.0, space.wide),
            MixedDensity(space, n_classes, transforms, sizes.flow_hidden),
            Committee(space.owner, n_classes, torch.Generator(), wide=space.wide),
        )
        model.reservoir = torch.zeros(sizes.n_rows, space.n_features)
        model.reservoir_labels = torch.zeros(sizes.n_rows, dtype=torch.long)
        _check_tensors(tensors, _stored(model), n_classes)
        model.load_state_dict(model.state_dict() | tensors)
    return model.requires_grad_(False).eval()


def _sizes(tensors: dict[str, Tensor]) -> _Sizes:
    """Return the sizes that the shapes of the tensors tell."""

    def length(name: str, least: int = 1) -> int:
        shape = tensors[name].shape if name in tensors else ()
        if not shape or shape[0] < least:
            raise wrong("the tensors", sorted(tensors), f"one of the name {name} and a length of {least} or more")
        return shape[0]

    def lengths(names: str, step: int = 1) -> list[int]:
        return [length(name) for name in takewhile(tensors.__contains__, map(names.format, count(0, step)))]

    flows = "density.flow.transform.transforms.{}.hyper"
    outputs = lengths("density.categories.net.{}.weight", 2) or lengths(f"{flows.format(0)}.{{}}.weight", 2)
    return _Sizes(
        hidden=length("classifier.residual.stem.weight"),
        n_blocks=len(lengths("classifier.residual.blocks.{}.expand.weight")),
        n_flows=len(lengths(f"{flows}.0.weight")),
        flow_hidden=outputs[:-1],  # the same in all networks of the density
        n_rows=length("reservoir_labels", 0),
    )


def _check_room(tensors: dict[str, Tensor], schema: TableSchema, n_classes: int, sizes: _Sizes) -> None:
    """Raise unless all layers are as large as tensors that are there, and masks can be made in bounded memory."""
    d, n_numbers, n_blocks = schema.n_encoded, len(schema.numeric_index), len(schema.blocks) + len(schema.missing_index)
    wide = wide_among(schema.blocks)
    narrow = narrow_width(d, wide)  # what the networks see
    n_codes = narrow - n_numbers - len(schema.constant_index)
    context, n_flows = n_codes + n_classes, max(1, sizes.n_flows) if n_numbers else 0
    masks = max(2 * n_numbers * (n_numbers + context), (n_codes + _DOUBLES * n_blocks) * context)
    if masks > _MASK_BYTES or n_flows * masks > _ALL_MASK_BYTES:
        raise ValueError(f"the table is {d} encoded columns wide, too many for its density")
    inputs = context + (n_numbers if n_numbers > 1 else 0)  # a single number has no other to look at
    blocks = (2 * sizes.n_blocks + 1) * [sizes.hidden]
    told = narrow + n_classes + narrow - (SIZE - 1) * len(wide)  # rows, opinions and masks
    layers = [[narrow, *blocks, n_classes], [told, *blocks, n_classes * narrow], [sizes.n_rows, d], [n_classes, d]]
    layers += n_flows * [[inputs, *sizes.flow_hidden, n_numbers]]
    layers += [[context, *sizes.flow_hidden, n_codes]] if n_codes else []
    needed = 4 * sum(before * after for widths in layers for before, after in pairwise(widths))
    if needed > (there := sum(tensor.nbytes for tensor in tensors.values())):
        raise ValueError(f"its tensors take {there} bytes, but those of a model of their shapes {needed} or more")


def _check_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor], n_classes: int) -> None:
    """Raise unless names, dtypes and shapes are the expected ones, and numbers are such as a model can compute with."""
    if tensors.keys() != expected.keys():
        differing = sorted(tensors.keys() ^ expected.keys())
        raise wrong("the tensors", differing, "those of the model: these are too many or missing")
    for name, tensor in tensors.items():
        found, meant = ((each.dtype, tuple(each.shape)) for each in (tensor, expected[name]))
        if found != meant:
            raise wrong(f"tensor {name}", found, f"{meant}")
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise ValueError(f"tensor {name} holds bytes that are no booleans, expected 0 or 1")
        low, high = _RANGES.get(name, (-torch.inf, torch.inf))
        # A threshold need not be finite: a density may have collapsed.
        if name != "threshold" and not bool((tensor.isfinite() & (tensor >= low) & (tensor <= high)).all()):
            raise ValueError(f"tensor {name} holds a number that is not finite or not from {low:g} to {high:g}")
    labels = tensors["reservoir_labels"]
    if not bool(((labels >= 0) & (labels < n_classes)).all()):
        raise wrong("reservoir_labels", labels.tolist(), f"numbers of classes, 0 to {n_classes - 1}")
