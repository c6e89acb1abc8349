"""Ways to alter a model file: damage, which its checksum tells, and hostile changes that bring a checksum of their own.

The file is taken apart and put together by hand, not by the package that is to be tested with it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_ENTRY, _NO_DIGEST = "hyconex_sklearn", "0" * 64
_PREFIX = 8
_RAW = "@raw@"  # stands for JSON text that no value is written as


class Parts(NamedTuple):
    """A model file taken apart."""

    data: bytes
    header: dict[str, Any]
    entries: dict[str, dict[str, Any]]  # dtype, shape and place of each tensor
    blob: bytes


def take_apart(data: bytes) -> Parts:
    """Return the parts of a good file."""
    length = int.from_bytes(data[:_PREFIX], "little")
    entries = json.loads(data[_PREFIX : _PREFIX + length])
    header = json.loads(entries.pop("__metadata__")[_ENTRY])
    return Parts(data, header, entries, data[_PREFIX + length :])


def sealed(header: dict[str, Any], entries: Any, blob: bytes, raw: str = "null", seal: bool = True) -> bytes:
    """Return a file with a valid checksum; `raw` replaces the text `@raw@`. Without `seal` the old checksum stays."""
    digest = header.get("sha256") if not seal else None
    written = json.dumps({**header, "sha256": digest or _NO_DIGEST}).replace(f'"{_RAW}"', raw)
    outer = (
        json.dumps({"__metadata__": {_ENTRY: written}, **entries}, separators=(",", ":"))
        .replace(f'"{_RAW}"', raw)
        .encode()
    )
    outer += b" " * (-len(outer) % 8)
    data = len(outer).to_bytes(_PREFIX, "little") + outer + blob
    return data.replace(_NO_DIGEST.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


# ---------------------------------------------------------------------------------------- damage, as disks and wires do


def _stretch(rng: np.random.Generator, data: bytes) -> tuple[int, int]:
    """Return the ends of a random stretch, as often in the header as in the tensors."""
    length = int.from_bytes(data[:_PREFIX], "little") + _PREFIX
    first = int(rng.integers(0, length if rng.random() < 0.5 else len(data)))
    return first, min(len(data), first + int(2 ** rng.uniform(0, 12)))


def _flipped(rng: np.random.Generator, data: bytes, n: int) -> bytes:
    altered = bytearray(data)
    for _ in range(n):
        altered[_stretch(rng, data)[0]] ^= 1 << int(rng.integers(8))
    return bytes(altered)


def _overwritten(rng: np.random.Generator, data: bytes, noise: bool) -> bytes:
    first, last = _stretch(rng, data)
    return data[:first] + (rng.bytes(last - first) if noise else bytes(last - first)) + data[last:]


def _swapped(rng: np.random.Generator, data: bytes) -> bytes:
    (first, last), (third, _) = _stretch(rng, data), _stretch(rng, data)
    altered, n = bytearray(data), min(last - first, len(data) - third)
    altered[first : first + n], altered[third : third + n] = data[third : third + n], data[first : first + n]
    return bytes(altered)


def _repeated(rng: np.random.Generator, data: bytes, times: int) -> bytes:
    first, last = _stretch(rng, data)
    return data[:first] + times * data[first:last] + data[last:]


def _longer(rng: np.random.Generator, data: bytes) -> bytes:
    return data + [rng.bytes(int(rng.integers(1, 99))), bytes(int(rng.integers(1, 10**6))), data][rng.integers(3)]


def _length_changed(rng: np.random.Generator, data: bytes) -> bytes:
    length = int.from_bytes(data[:_PREFIX], "little")
    lies = [0, 1, length - 1, length + 1, len(data), len(data) - 8, 2**24, 2**31, 2**63, 2**64 - 1]
    return lies[rng.integers(len(lies))].to_bytes(_PREFIX, "little") + data[_PREFIX:]


DAMAGE: dict[str, Callable[[np.random.Generator, Parts], bytes]] = {
    "one bit flipped": lambda rng, parts: _flipped(rng, parts.data, 1),
    "several bits flipped": lambda rng, parts: _flipped(rng, parts.data, int(rng.integers(2, 20))),
    "stretch overwritten": lambda rng, parts: _overwritten(rng, parts.data, noise=True),
    "stretch zeroed": lambda rng, parts: _overwritten(rng, parts.data, noise=False),
    "stretches swapped": lambda rng, parts: _swapped(rng, parts.data),
    "stretch removed": lambda rng, parts: _repeated(rng, parts.data, 0),
    "stretch doubled": lambda rng, parts: _repeated(rng, parts.data, 2),
    "cut off": lambda rng, parts: parts.data[: rng.integers(len(parts.data))],
    "made longer": lambda rng, parts: _longer(rng, parts.data),
    "length of header": lambda rng, parts: _length_changed(rng, parts.data),
    "field changed, old checksum": lambda rng, parts: _field_replaced(rng, parts, seal=False),
}

# --------------------------------------------------------------------------------------- hostile, with a valid checksum

_VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 3, 7, 255, 256, 2**31 - 1, 2**31, 2**63, 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.5, 1.0, -1.5, 1e-320, 1e-300, 1e16, 1e300, -1e308, "", "0", "numeric", "ordered", "constant"),
    *("cuda:0", "meta", "ä\ud800\x00", "x" * 100_000, "__import__('os')", "../../etc/passwd"),
    *(
        [],
        [None],
        [[]],
        [1],
        [0.5] * 3,
        ["a", "a"],
        list(range(5_000)),
        {},
        {"a": 1},
        {"tuple": []},
        {"dict": [[[], 1]]},
    ),
    *(
        {"float": "nan"},
        {"float": "-inf"},
        {"float": "x"},
        {"device": "meta"},
        {"device": "fpga:9"},
        {"pickle": "gAQu"},
    ),
    {"array": {"dtype": "|O", "shape": [2], "values": [[], {"tuple": []}]}},
    {"array": {"dtype": "<f8", "shape": [0, 2**31], "values": []}},
    {"array": {"dtype": "<U999999", "shape": [3], "values": ["a", "b", "c"]}},
    {"scalar": {"dtype": "<i8", "shape": [], "values": [2**40]}},
    {"RandomState": [[0] * 624, 624, 1, 1e300]},
]
_TEXTS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x1", "01", "1.", "9" * 5_000, "[" * 100_000),
    *('{"a": 1, "a": 2}', '{"dict": ' * 30 + "1" + "}" * 30, "[1, 2", '"', "\\u0000", "nul", "[]]", "1 2", ""),
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where all values of a JSON value are, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(deeper for key, part in inner for deeper in _places(part, (*place, key)))]


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _some_place(rng: np.random.Generator, header: dict[str, Any], kind: type = object) -> tuple[Any, ...] | None:
    """Return the place of a value of a kind, every section as likely as the others."""
    section = list(header)[rng.integers(len(header))]
    found = [place for place in _places(header[section], (section,)) if isinstance(_at(header, place), kind)]
    return found[rng.integers(len(found))] if found else None


def _changed(header: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    header = copy.deepcopy(header)
    _at(header, place[:-1])[place[-1]] = value
    return header


def _field_replaced(rng: np.random.Generator, parts: Parts, seal: bool = True) -> bytes:
    place = _some_place(rng, parts.header)
    value = _VALUES[rng.integers(len(_VALUES))]
    if rng.random() < 0.3:  # something that is right elsewhere
        value = _at(parts.header, _some_place(rng, parts.header))
    return sealed(_changed(parts.header, place, value), parts.entries, parts.blob, seal=seal)


def _number_moved(rng: np.random.Generator, parts: Parts) -> bytes:
    """Another number of the same type."""
    place = _some_place(rng, parts.header, int | float)
    number = _at(parts.header, place) if place else 0
    if not place or isinstance(number, bool):
        return _field_replaced(rng, parts)
    if isinstance(number, int):
        number += int(rng.choice([-2, -1, 1, 2, 100]))
    else:
        number = float(number * rng.choice([-1.0, 0.0, 0.5, 2.0, 1e6, 1e-6]))
    return sealed(_changed(parts.header, place, number), parts.entries, parts.blob)


def _ranges_moved(rng: np.random.Generator, parts: Parts) -> bytes:
    """Some numbers of one column, which have to agree with each other."""
    header = copy.deepcopy(parts.header)
    columns = header["schema"]["columns"]
    column = columns[rng.integers(len(columns))]
    for name in rng.choice(["center", "scale", "power", "unit", "lower", "upper", "fill", "decimals"], 3):
        if name == "decimals":
            column[name] = [None, 0, 1, 6][rng.integers(4)]
        else:
            column[name] = float(rng.choice([0.0, 1.0, -1.0, 3.0, 1e300, -1e300, 5e-324]))
    return sealed(header, parts.entries, parts.blob)


def _raw_text(rng: np.random.Generator, parts: Parts) -> bytes:
    """JSON that is none, or none of the strict kind."""
    place, text = _some_place(rng, parts.header), _TEXTS[rng.integers(len(_TEXTS))]
    if rng.random() < 0.2:
        name = list(parts.entries)[rng.integers(len(parts.entries))]
        return sealed(parts.header, {**parts.entries, name: _RAW}, parts.blob, raw=text)
    return sealed(_changed(parts.header, place, _RAW), parts.entries, parts.blob, raw=text)


def _members_changed(rng: np.random.Generator, parts: Parts) -> bytes:
    """A key or an item removed, added, renamed or repeated."""
    header = copy.deepcopy(parts.header)
    place = _some_place(rng, header, dict | list)
    within = _at(header, place) if place and rng.random() < 0.8 else header
    if isinstance(within, list):
        at = int(rng.integers(len(within) + 1))
        within[at : at + 1] = [[], within[at : at + 1] * 2, ["@"], within[at : at + 1] * 1_000][rng.integers(4)]
    elif within:
        key = list(within)[rng.integers(len(within))]
        within |= {"more": within.pop(key)} if rng.random() < 0.5 else {"more": 1}
        if rng.random() < 0.3:
            within.pop("more")
    return sealed(header, parts.entries, parts.blob)


def _tensors_changed(rng: np.random.Generator, parts: Parts) -> bytes:
    """Tensors removed, renamed, reshaped, retyped, moved or added; sometimes their bytes with them."""
    entries, blob = copy.deepcopy(parts.entries), parts.blob
    names = list(entries)
    name, other = (names[at] for at in rng.integers(len(names), size=2))
    entry, way = entries[name], int(rng.integers(9))
    if way == 0:
        entries.pop(name)
    elif way == 1:
        entries[name + "x"] = entries.pop(name)
    elif way == 2:
        entry["shape"] = [[], entry["shape"][::-1], [*entry["shape"], 1], [2**31, 2**31], [0], [-1]][rng.integers(6)]
    elif way == 3:
        entry["dtype"] = ["F64", "I64", "BOOL", "F32", "BF16", "U8", "X", None][rng.integers(8)]
    elif way == 4:
        entry["data_offsets"] = entries[other]["data_offsets"]
    elif way == 5:
        entry["data_offsets"][rng.integers(2)] += int(rng.choice([-8, -1, 4, 8, 2**40]))
    elif way == 6:
        more = [len(blob), len(blob) + 8]
        entries["more"], blob = {"dtype": "F32", "shape": [2], "data_offsets": more}, blob + bytes(8)
    elif way == 7:
        entries[name], entries[other] = entries[other], entries[name]
    else:
        entry[["shape", "dtype", "data_offsets"][rng.integers(3)]] = _VALUES[rng.integers(len(_VALUES))]
    return sealed(parts.header, entries, blob)


def _not_finite(rng: np.random.Generator, parts: Parts) -> bytes:
    """NaN or infinity among the numbers of the tensors."""
    blob, at = bytearray(parts.blob), 4 * int(rng.integers(len(parts.blob) // 4))
    blob[at : at + 4] = np.float32([np.nan, np.inf, -np.inf][rng.integers(3)]).tobytes()
    return sealed(parts.header, parts.entries, bytes(blob))


HOSTILE: dict[str, Callable[[np.random.Generator, Parts], bytes]] = {
    "field replaced": _field_replaced,
    "number moved": _number_moved,
    "numbers of a column moved": _ranges_moved,
    "text that is no strict JSON": _raw_text,
    "keys or items changed": _members_changed,
    "tensors changed": _tensors_changed,
    "not finite": _not_finite,
}
