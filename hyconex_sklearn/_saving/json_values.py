"""Values in, strict JSON out, and back: type and bits are kept, and whatever is read is checked for type and range.

JSON's own values stand for themselves, except that a number is never NaN or infinite. Everything else is an object of
one tag: ``{"tuple": [1, 2]}``, ``{"dict": [["a", 1]]}``, ``{"float": "inf"}``, ``{"device": "cuda:0"}``, numpy arrays
and scalars with their dtype, a ``RandomState`` by its numbers. Reading trusts nothing: a value of the wrong type or out
of range, or an array that would need more memory than its JSON accounts for, is a ``ValueError`` that names its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from itertools import accumulate
from typing import Any

import numpy as np
import torch

_DEEPEST = 24  # nested lists and objects
_DTYPE = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|U\d{1,6}|O)")
_DEVICE = re.compile(r"[a-z]{1,20}(:\d{1,3})?")
_MERSENNE_KEYS = 624
_KEPT = "None, bool, int, float, str, list, tuple, dict, numpy scalars and arrays, RandomState and torch.device"

# ---------------------------------------------------------------------------------------------------- checked reading


def parse(text: bytes | str, what: str) -> Any:
    """Return the value of a JSON text; stricter than the standard library.

    Raises
    ------
    ValueError
        If the text is no JSON, nests deeper than any header does, repeats a key, or holds NaN or infinity.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        if _depth(text) > _DEEPEST:
            raise ValueError(f"it nests deeper than {_DEEPEST} levels")
        return json.loads(text, object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:
        raise ValueError(f"{what} can't be read as strict JSON ({error})") from error


def _depth(text: str) -> int:
    """Return how deep lists and objects nest, without nesting calls."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*+"', "", text)
    return max(accumulate(1 if mark in "[{" else -1 for mark in re.findall(r"[\[\]{}]", outside)), default=0)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("it repeats a key")
    return members


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number that JSON has")
    return number


def members(value: Any, what: str, keys: Collection[str] | None = None) -> dict[str, Any]:
    """Return an object that has exactly these keys; None stands for any."""
    if not isinstance(value, dict) or (keys is not None and value.keys() != set(keys)):
        raise wrong(what, value, "an object" if keys is None else f"an object with the keys {', '.join(sorted(keys))}")
    return value


def items(value: Any, what: str, fewest: int = 0, most: float = math.inf) -> list[Any]:
    """Return a list of `fewest` to `most` items."""
    if not isinstance(value, list) or not fewest <= len(value) <= most:
        raise wrong(what, value, f"a list of {fewest} to {most} items")
    return value


def whole(value: Any, what: str, low: int, high: int) -> int:
    """Return an integer of `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise wrong(what, value, f"an integer from {low} to {high}")
    return value


def real(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite float of `low` to `high`."""
    if type(value) is not float or not low <= value <= high:
        raise wrong(what, value, f"a float from {low:g} to {high:g}")
    return value


def text(value: Any, what: str, longest: int = 200) -> str:
    """Return a text of at most `longest` characters."""
    if not isinstance(value, str) or len(value) > longest:
        raise wrong(what, value, f"text of at most {longest} characters")
    return value


def wrong(what: str, got: Any, expected: str) -> ValueError:
    """Return the error of a field that holds something else than it should."""
    return ValueError(f"{what} is {_shown(got)}, expected {expected}")


def _shown(got: Any) -> str:
    if isinstance(got, list) and len(got) > 3:
        return f"a list of {len(got)}"
    if isinstance(got, dict):
        return f"an object with the keys {', '.join(map(repr, list(got)[:5]))}"
    shown = repr(got)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."


# ------------------------------------------------------------------------------------------------------------ writing


def encode(value: Any, what: str) -> Any:
    """Return a value in JSON; `decode` gives an equal one of the same type.

    Raises
    ------
    TypeError
        If the value is, or holds, something that the tags can't say.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind in (list, tuple):
        coded = [encode(item, what) for item in value]
        return coded if kind is list else {"tuple": coded}
    if kind is dict:
        return {"dict": [[encode(part, what) for part in pair] for pair in value.items()]}
    if kind is np.ndarray or isinstance(value, np.generic):
        return {"array" if kind is np.ndarray else "scalar": _encode_array(np.asarray(value), what)}
    if kind is np.random.RandomState:
        return {"RandomState": _encode_random_state(value, what)}
    if kind is torch.device:
        return {"device": str(value)}
    raise _unkept(what, value)


def encode_members(values: dict[str, Any]) -> dict[str, Any]:
    """Return the object of named values that `decode_members` reads."""
    return {name: encode(value, name) for name, value in values.items()}


def _unkept(what: str, value: Any) -> TypeError:
    kind = type(value)
    return TypeError(
        f"{what} holds a {kind.__module__}.{kind.__qualname__} ({value!r}), which a model file can't keep; it keeps "
        f"{_KEPT}. Set it to one of these (a list, for instance) before saving, or use joblib.dump."
    )


def _encode_array(array: np.ndarray, what: str) -> dict[str, Any]:
    if not _DTYPE.fullmatch(array.dtype.str):
        raise _unkept(what, array)
    values = [encode(item, what) for item in array.ravel().tolist()]
    return {"dtype": array.dtype.str, "shape": list(array.shape), "values": values}


def _encode_random_state(random: np.random.RandomState, what: str) -> list[Any]:
    state = random.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise _unkept(what, random)
    return [state["state"]["key"].tolist(), int(state["state"]["pos"]), int(state["has_gauss"]), float(state["gauss"])]


# ------------------------------------------------------------------------------------------------------------ reading


def decode(coded: Any, what: str) -> Any:
    """Return the value that `encode` wrote.

    Raises
    ------
    ValueError
        If the JSON is nothing that `encode` writes.
    """
    if isinstance(coded, list):
        return [decode(item, what) for item in coded]
    if not isinstance(coded, dict):
        return coded
    tag = next(iter(coded)) if len(coded) == 1 else None
    if tag not in _READERS:
        raise wrong(what, coded, f"a value or one of the tags {', '.join(_READERS)}")
    return _READERS[tag](coded[tag], what)


def decode_members(coded: Any, what: str) -> dict[str, Any]:
    """Return the named values that `encode_members` wrote."""
    return {name: decode(value, name) for name, value in members(coded, what).items()}


def padding(coded: Any) -> int:
    """Return the bytes that all arrays of text in a JSON value take: a few characters can ask for any width."""
    if isinstance(coded, list):
        return sum(map(padding, coded))
    if not isinstance(coded, dict):
        return 0
    width = re.fullmatch(r"[<>|]U(\d{1,6})", str(coded.get("dtype")))
    values = coded.get("values")
    own = 4 * int(width[1]) * len(values) if width and isinstance(values, list) else 0
    return own + sum(map(padding, coded.values()))


def _read_float(coded: Any, what: str) -> float:
    if coded not in ("nan", "inf", "-inf"):
        raise wrong(what, coded, "'nan', 'inf' or '-inf'")
    return float(coded)


def _read_dict(coded: Any, what: str) -> dict[Any, Any]:
    pairs = [[decode(part, what) for part in items(pair, what, 2, 2)] for pair in items(coded, what)]
    for key, _ in pairs:
        check_hashable(key, what)
    if len(read := dict(pairs)) < len(pairs):
        raise wrong(what, coded, "different keys")
    return read


def check_hashable(key: Any, what: str) -> None:
    """Raise if a value can't be a key or a name."""
    try:
        hash(key)
    except TypeError as error:
        raise wrong(what, key, "a key that can be hashed") from error


def _read_array(coded: Any, what: str) -> np.ndarray:
    parts = members(coded, what, ("dtype", "shape", "values"))
    shape = [whole(length, what, 0, 2**31) for length in items(parts["shape"], what, 0, 8)]
    values = [decode(item, what) for item in items(parts["values"], what, math.prod(shape), math.prod(shape))]
    if not _DTYPE.fullmatch(text(parts["dtype"], what)):
        raise wrong(what, parts["dtype"], "a dtype of numbers, booleans, text or objects")
    array = np.empty(len(values), dtype=parts["dtype"])
    if not all(_fits(value, array.dtype) for value in values):
        raise wrong(what, values, f"items of dtype {array.dtype.str}")
    for at, value in enumerate(values):  # one by one: numpy would take a list of tuples for a table
        array[at] = value
    return array.reshape(shape)


def _read_scalar(coded: Any, what: str) -> Any:
    scalar: Any = _read_array(coded, what)[()]
    if not isinstance(scalar, np.generic) or np.asarray(scalar).dtype.str != coded["dtype"]:  # as it was written
        raise wrong(what, coded, "a dtype of numpy's own scalars")
    return scalar


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "b":
        return type(value) is bool
    if dtype.kind in "iu":
        return type(value) is int and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    if dtype.kind == "f":
        return type(value) is float and (not math.isfinite(value) or abs(value) <= float(np.finfo(dtype).max))
    return dtype.kind == "O" or (type(value) is str and 4 * len(value) <= dtype.itemsize)


def _read_random_state(coded: Any, what: str) -> np.random.RandomState:
    numbers, pos, has_gauss, gauss = items(coded, what, 4, 4)
    key = [whole(number, what, 0, 2**32 - 1) for number in items(numbers, what, _MERSENNE_KEYS, _MERSENNE_KEYS)]
    state = (whole(pos, what, 0, _MERSENNE_KEYS), whole(has_gauss, what, 0, 1), real(gauss, what))
    random = np.random.RandomState(0)
    random.set_state(("MT19937", np.array(key, dtype=np.uint32), *state))
    return random


def _read_device(coded: Any, what: str) -> torch.device:
    if not _DEVICE.fullmatch(text(coded, what)):
        raise wrong(what, coded, "a device such as 'cpu' or 'cuda:0'")
    try:
        return torch.device(coded)
    except RuntimeError as error:
        raise wrong(what, coded, "a device that torch knows") from error


_READERS: dict[Any, Callable[[Any, str], Any]] = {
    "float": _read_float,
    "tuple": lambda coded, what: tuple(decode(item, what) for item in items(coded, what)),
    "dict": _read_dict,
    "array": _read_array,
    "scalar": _read_scalar,
    "RandomState": _read_random_state,
    "device": _read_device,
}
