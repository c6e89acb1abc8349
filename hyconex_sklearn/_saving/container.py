"""Header and tensors in, one file out, and back: bounded before it is read, checked to the last bit.

The file is in the safetensors format: eight bytes with the length of a JSON text, that text (dtype, shape and place of
each tensor), the tensors' bytes. Its metadata have one entry, which holds our own header, a JSON object. Any reader of
safetensors can list and load the tensors; ``safetensors.safe_open(path, "pt").metadata()`` shows the header.

The header's ``sha256`` is the digest of the *whole file* with the digest's own 64 digits set to 0. It tells any
accidental change; it does not tell who wrote the file. So nothing that the file says is believed for being intact:
lengths are checked against the size of the file before they are used, safetensors refuses tensors that are not exactly
their bytes, and what the header means is checked by who reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from .json_values import members, parse

LARGEST_FILE = 2**31  # bytes
LARGEST_HEADER = 2**24
_ENTRY = "hyconex_sklearn"
_NO_DIGEST = "0" * 64
_PREFIX = 8  # bytes with the length of the JSON text
_COPY_ANEW = "Copy the file again, or save the model anew"
_OTHER_FILE = "Pass a file that save wrote"


class Content(NamedTuple):
    """What a file holds: our header, and the bytes of the whole."""

    header: dict[str, Any]
    data: bytes

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors; they take as much memory as the file."""
        with _unreadable_told():
            return safetensors.torch.load(self.data)


@contextmanager
def _unreadable_told() -> Iterator[None]:
    try:
        yield
    except (SafetensorError, KeyError, RuntimeError) as error:  # the last two: a dtype or shape that torch lacks
        raise ValueError(
            f"the tensors can't be read: they were cut off, added to or altered ({error}). {_COPY_ANEW}."
        ) from error


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


def unpack(data: bytes) -> Content:
    """Return the content of the bytes of a file; digest and tensors are checked where they are asked for.

    Raises
    ------
    ValueError
        If they hold no header that `pack` wrote.
    """
    length = _header_length(data[:_PREFIX], len(data))
    listed = parse(data[_PREFIX : _PREFIX + length], "the list of tensors")
    metadata = members(listed, "the list of tensors").get("__metadata__")
    if not isinstance(metadata, dict) or metadata.keys() != {_ENTRY} or not isinstance(metadata[_ENTRY], str):
        raise ValueError(f"it is a safetensors file, but holds no model of this package. {_OTHER_FILE}.")
    return Content(members(parse(metadata[_ENTRY], "the header"), "the header"), data)


def _header_length(prefix: bytes, size: int) -> int:
    """Return the length of the JSON text in a file of `size` bytes, told by the first of them."""
    length = int.from_bytes(prefix, "little")
    if size <= _PREFIX:
        reason = f"it has {size} bytes, too few for a model"
    elif size > LARGEST_FILE:
        reason = f"it has {size} bytes, but a model has at most {LARGEST_FILE}"
    elif 2 <= length <= min(LARGEST_HEADER, size - _PREFIX):
        return length
    elif prefix[:1] == b"\x80" or prefix[:2] == b"PK":
        reason = "it is a pickle or an archive, not a file that save wrote (joblib.load runs what such a file says)"
    else:
        bounds = f"{length} of {size} bytes (of {LARGEST_HEADER} at most)"
        reason = f"its header would take {bounds}: cut off, or no safetensors"
    raise ValueError(f"{reason}. {_OTHER_FILE}, or copy it again.")


def check_digest(content: Content) -> None:
    """Raise if any bit of the file was changed since it was packed."""
    claimed = str(content.header.get("sha256"))
    blank = content.data.replace(claimed.encode("ascii", "replace"), _NO_DIGEST.encode(), 1)
    if claimed != hashlib.sha256(blank).hexdigest():
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
        size = os.fstat(stream.fileno()).st_size
        _header_length(stream.read(_PREFIX), size)
        with _unreadable_told(), safetensors.safe_open(where, "np"):  # compares header and size, and reads no tensor
            stream.seek(0)
        return unpack(stream.read(size))
