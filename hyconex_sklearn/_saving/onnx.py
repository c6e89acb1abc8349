"""One graph for other runtimes: encoded rows in, probabilities and the one pass toward every class out."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._common.atomic_file import check_place, write_file
from .._model.model import Model
from .._table.schema import TableSchema
from .json_values import encode
from .schema_json import describe

FORMAT = 1  # of the description beside the graph
TOLERANCE = 1e-5  # between torch and onnxruntime, relative to 1 or to the value where that is larger
_INPUTS, _OUTPUTS = ("rows", "mask"), ("probabilities", "counterfactuals")
_CHECKED = 256  # rows on which the written graph is compared with torch


class OnePass(nn.Module):
    """Calibrated probabilities of rows, and their counterfactuals x' = x - a * W_m(x, a) for every class m.

    What `counterfactuals(search="one_shot")` proposes, before numbers are rounded to what their column can hold: that
    is the decoder's part.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (n, K) and (n, K, d) for encoded rows and masks (n, d), 1 where a feature may move."""
        space, logits = self.model.space, self.model.logits(rows)
        step = self.model.hypernetwork(rows, logits, mask)  # (n, K, d)
        each = rows[:, None].expand_as(step).flatten(0, 1)  # (n * K, d)
        movable = (mask * space.movable_in(rows))[:, None].expand_as(step).flatten(0, 1)
        moved = space.move(each, step.flatten(0, 1), movable)
        return logits.softmax(1), moved.view_as(step)


def write_onnx(path: str | os.PathLike[str], model: Model, schema: TableSchema, classes: np.ndarray) -> Path:
    """Write the graph to `path`, and what encodes and decodes rows beside it, with the ending .json; return that path.

    Raises
    ------
    ImportError
        If a package of the extra `onnx` is missing.
    RuntimeError
        If onnxruntime does not compute what torch does.
    """
    beside = Path(path).with_suffix(".json")
    if beside == Path(path):
        raise ValueError(f"path={os.fspath(path)!r} has the ending of the description; give one such as 'model.onnx'.")
    _check_packages()
    check_place(Path(path), path)
    described = description(schema, classes)  # first: it may refuse a label
    graph = OnePass(copy.deepcopy(model).cpu()).eval()
    data = exported(graph, model)
    check_same(graph, data, model)
    described["graph_sha256"] = hashlib.sha256(data).hexdigest()
    write_file(beside, json.dumps(described, indent=1, allow_nan=False).encode())
    write_file(path, data)
    return beside


def description(schema: TableSchema, classes: np.ndarray) -> dict[str, Any]:
    """Return what a program needs beside the graph, as strict JSON: labels, columns, names of inputs and outputs."""
    return {
        "format": "hyconex_sklearn rows",
        "version": FORMAT,
        "classes": [encode(label, "classes") for label in classes.tolist()],
        "inputs": dict(zip(_INPUTS, ([None, schema.n_encoded],) * 2, strict=True)),
        "outputs": dict(zip(_OUTPUTS, ([None, len(classes)], [None, len(classes), schema.n_encoded]), strict=True)),
        "schema": describe(schema),
    }


def exported(graph: OnePass, model: Model) -> bytes:
    """Return the graph in ONNX, for any number of rows."""
    rows = _examples(model, 2)
    batch = {0: torch.export.Dim("n", min=1)}
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            graph,
            (rows, torch.ones_like(rows)),
            dynamo=True,
            input_names=_INPUTS,
            output_names=_OUTPUTS,
            dynamic_shapes=(batch, batch),
            verbose=False,
        )
    assert program is not None
    return program.model_proto.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the exporter has to say to its own developers."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def check_same(graph: OnePass, data: bytes, model: Model) -> None:
    """Raise where onnxruntime computes something else than torch, with and without a mask."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    rows = _examples(model, _CHECKED)
    half = (torch.arange(rows.numel()).view_as(rows) * 7919 % 13 < 6).to(rows.dtype)
    for mask in (torch.ones_like(rows), half):
        with torch.no_grad():
            expected = graph(rows, mask)
        found = session.run(list(_OUTPUTS), dict(zip(_INPUTS, (rows.numpy(), mask.numpy()), strict=True)))
        for name, ours, theirs in zip(_OUTPUTS, expected, found, strict=True):
            away = np.abs(ours.numpy() - theirs) / np.maximum(1, np.abs(ours.numpy()))
            if not away.max() <= TOLERANCE:
                raise RuntimeError(
                    f"onnxruntime {onnxruntime.__version__} and torch {torch.__version__} differ in the {name} by up "
                    f"to {away.max():.2g}, more than {TOLERANCE}; nothing was written. Try other versions of the two."
                )


def _examples(model: Model, n: int) -> Tensor:
    """Return n encoded rows: of the reservoir, as far as there is one."""
    rows = model.reservoir.cpu()
    rows = rows if len(rows) else torch.zeros(1, model.n_features)
    return rows[torch.arange(n) * max(1, len(rows) // n) % len(rows)].contiguous()


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"to_onnx needs {error.name}, which is not installed. Install what it takes with "
            "pip install 'hyconex-sklearn[onnx]'."
        ) from error
