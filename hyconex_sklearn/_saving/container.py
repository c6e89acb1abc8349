"""One file: a JSON header and named tensors, bounded before it is read, checked to the last bit, written at once.

The file is in the safetensors format: eight bytes with the length of a JSON text, that text (dtype, shape and place of
each tensor), the tensors' bytes. Its metadata have one entry, which holds our own header, a JSON object. Any reader of
safetensors can list and load the tensors; ``safetensors.safe_open(path, "pt").metadata()`` shows the header.

The header's ``sha256`` is the digest of the *whole file* with the digest's own 64 digits set to 0. It tells any
accidental change; it does not tell who wrote the file. So nothing that the file says is believed for being intact:
lengths are checked against the size of the file before they are used, and what the header means by who reads it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from .json_values import items, members, parse, text, whole, wrong

LARGEST_FILE = 2**31  # bytes
LARGEST_HEADER = 2**24
_ENTRY = "hyconex_sklearn"
_NO_DIGEST = "0" * 64
_PREFIX = 8  # bytes with the length of the JSON text
_COPY_ANEW = "Copy the file again, or save the model anew"
_OTHER_FILE = "Pass a file that save wrote"


Layout = dict[str, tuple[str, tuple[int, ...]]]  # dtype and shape of each tensor
_BYTES = {"F32": 4, "I64": 8, "BOOL": 1}


class Content(NamedTuple):
    """What a file holds: header, layout of the tensors, and the bytes from which `tensors` reads them."""

    header: dict[str, Any]
    layout: Layout
    data: bytes

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors; they take as much memory as the file."""
        try:
            return safetensors.torch.load(self.data)
        except SafetensorError as error:
            raise ValueError(f"the tensors can't be read ({error}). {_COPY_ANEW}.") from error


# ------------------------------------------------------------------------------------------------------------ packing


def pack(header: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a file with a header of strict JSON values.

    Raises
    ------
    ValueError
        If header or file would be larger than a reader accepts.
    """
    written = json.dumps({"sha256": _NO_DIGEST, **header}, allow_nan=False)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(plain, metadata={_ENTRY: written})
    length = int.from_bytes(data[:_PREFIX], "little")
    for size, bound, part in ((length, LARGEST_HEADER, "header"), (len(data), LARGEST_FILE, "file")):
        if size > bound:
            raise ValueError(f"the {part} would take {size} bytes, but at most {bound} can be loaded")
    # The header's own first member is the first place that can hold so many zeros.
    return data.replace(_NO_DIGEST.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def unpack(stream: BinaryIO, size: int) -> Content:
    """Return the content of a stream of `size` bytes.

    Raises
    ------
    ValueError
        If it is not what `pack` returns, to the last bit.
    """
    prefix = stream.read(_PREFIX)
    length = int.from_bytes(prefix, "little")
    if not _PREFIX < size <= LARGEST_FILE or not 2 <= length <= min(LARGEST_HEADER, size - _PREFIX):
        raise ValueError(f"{_no_file_of_ours(prefix, size, length)}. {_OTHER_FILE}, or copy it again.")
    outer = stream.read(length)
    entries = parse(outer, "the list of tensors")
    if not isinstance(entries, dict):
        raise wrong("the list of tensors", entries, "an object")
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.keys() != {_ENTRY} or not isinstance(metadata[_ENTRY], str):
        raise ValueError(f"it is a safetensors file, but holds no model of this package. {_OTHER_FILE}.")
    layout = _layout(entries, size - _PREFIX - length)
    header = parse(metadata[_ENTRY], "the header")
    if not isinstance(header, dict):
        raise wrong("the header", header, "an object")
    data = prefix + outer + stream.read(size - _PREFIX - length)
    return Content(header, layout, data)


def _no_file_of_ours(prefix: bytes, size: int, length: int) -> str:
    if size <= _PREFIX:
        return f"it has {size} bytes, too few for a model"
    if size > LARGEST_FILE:
        return f"it has {size} bytes, but a model has at most {LARGEST_FILE}"
    if prefix[:1] == b"\x80" or prefix[:2] == b"PK":
        return "it is a pickle or an archive, not a file that save wrote (joblib.load runs what such a file says)"
    return f"its header would take {length} of {size} bytes (of {LARGEST_HEADER} at most): cut off, or no safetensors"


def _layout(entries: dict[str, Any], room: int) -> Layout:
    """Return dtype and shape of each tensor, each as large as its bytes, and all together as large as their room."""
    layout, taken = {}, 0
    for name, entry in entries.items():
        what = f"tensor {name!r}"
        parts = members(entry, what, ("dtype", "shape", "data_offsets"))
        if (dtype := text(parts["dtype"], what)) not in _BYTES:
            raise wrong(what, dtype, f"a tensor of type {', '.join(_BYTES)}")
        shape = tuple(whole(length, what, 0, LARGEST_FILE) for length in items(parts["shape"], what, 0, 8))
        first, last = (whole(at, what, 0, room) for at in items(parts["data_offsets"], what, 2, 2))
        if (size := math.prod(shape) * _BYTES[dtype]) != last - first:
            raise ValueError(f"{what} has {last - first} bytes, expected {size}")
        layout[name], taken = (dtype, shape), taken + size
    if taken != room:
        raise ValueError(f"its tensors take {taken} bytes, but {room} are there: cut off, or added to. {_COPY_ANEW}.")
    return layout


def check_digest(content: Content) -> None:
    """Raise if any bit of the file was changed since it was packed."""
    claimed = content.header.get("sha256")
    said = claimed.encode() if isinstance(claimed, str) and claimed.isascii() and len(claimed) == 64 else b""
    found = hashlib.sha256(content.data.replace(said, _NO_DIGEST.encode(), 1) if said else b"").hexdigest()
    if claimed != found:
        raise ValueError(f"its checksum does not match: at least one bit was altered. {_COPY_ANEW}.")


# -------------------------------------------------------------------------------------------------------------- files


def read_file(path: str | os.PathLike[str]) -> Content:
    """Return the content of a file; at most `LARGEST_FILE` bytes are read.

    Raises
    ------
    ValueError
        If it is no regular file, or none that `pack` made.
    OSError
        If it is not there or can't be read.
    """
    where = Path(path)
    if not stat.S_ISREG(where.stat().st_mode):  # before it is opened: a pipe would wait for ever
        raise ValueError(f"it is no file but a {'directory' if where.is_dir() else 'device or pipe'}. {_OTHER_FILE}.")
    with where.open("rb") as stream:
        return unpack(stream, os.fstat(stream.fileno()).st_size)
