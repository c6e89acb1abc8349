"""Values in headers: what goes in comes out with its type and bits, and what nobody wrote is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hyconex_sklearn._saving.json_values import decode, encode, parse

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
DTYPES = ["<i8", "|u1", ">i4", "<f8", "<f4", "<f2", "|b1", "<U7"]
NUMPY = arrays.arrays(st.sampled_from(DTYPES), arrays.array_shapes(min_side=0, max_dims=2))
KEYS = st.integers() | st.text(max_size=3) | st.sampled_from([np.int64(3), np.str_("a"), True, (1, "b")])
VALUES = st.recursive(
    SCALARS | NUMPY | NUMPY.filter(lambda a: a.size > 0).map(lambda a: a.ravel()[0]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)


def there_and_back(value: Any) -> Any:
    return decode(parse(json.dumps(encode(value, "it"), allow_nan=False), "it"), "it")


def same(left: Any, right: Any) -> bool:
    """Equal in type and in every bit."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and left.shape == right.shape and same(left.tolist(), right.tolist())
    if isinstance(left, float):
        return repr(left) == repr(right)  # -0.0, and NaN
    return bool(left == right)


@given(VALUES)
def test_values_keep_type_and_bits(value: Any) -> None:
    assert same(there_and_back(value), value)


def test_object_arrays_may_hold_anything_that_alone_is_kept() -> None:
    array = np.empty(4, dtype=object)
    array[:] = ["a", (1, 2), None, [np.int8(3)]]
    assert same(there_and_back(array), array)


@pytest.mark.parametrize("device", ["cpu", "cuda:3", "meta"])
def test_a_device_comes_back(device: str) -> None:
    assert there_and_back(torch.device(device)) == torch.device(device)


def test_a_random_state_goes_on_where_it_was() -> None:
    random = np.random.RandomState(5)
    random.normal(size=7)  # an odd number: half of a pair is kept for the next call
    twin = there_and_back(random)
    np.testing.assert_array_equal(twin.normal(size=1_000), random.normal(size=1_000))


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        range(3),
        Decimal(1),
        pd.Index(["a"]),
        pd.Timestamp("2020-01-01"),
        [print],
        np.longdouble(1),
        np.array(["2020"], dtype="M8[D]"),
        np.random.RandomState(np.random.PCG64(0)),
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_kept_is_named_with_what_to_do(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^class_weight holds a .*can't keep.* Set it to"):
        encode(value, "class_weight")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "1e999",
        '{"a": 1, "a": 2}',
        "[" * 30 + "]" * 30,
        '{"a":' * 100_000,
        "[" * 1_000_000,
        b"\xff\xfe",
        "1" * 5_000,
        '"\\ud8',
        "[] []",
    ],
    ids=range(13),
)
def test_json_that_is_not_strict_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="the header can't be read as strict JSON"):
        parse(text, "the header")


def test_brackets_in_text_are_no_depth() -> None:
    assert parse(json.dumps(['"' + "[{" * 50, "\\"]), "it") == ['"' + "[{" * 50, "\\"]


@pytest.mark.parametrize(
    "coded",
    [
        {},
        {"tuple": 1},
        {"tuple": [1], "dict": []},
        {"set": [1]},
        {"__class__": "os.system"},
        {"float": "1.0"},
        {"float": []},
        {"dict": [[1]]},
        {"dict": [[1, 2], [1, 3]]},
        {"dict": [[[1], 2]]},
        {"array": {"dtype": "<i8", "shape": [2], "values": [1]}},
        {"array": {"dtype": "<i8", "shape": [-1], "values": [1]}},
        {"array": {"dtype": "<i8", "shape": [True], "values": [1]}},
        {"array": {"dtype": "<i8", "shape": [1], "values": [2**63]}},
        {"array": {"dtype": "<i8", "shape": [1], "values": [1.0]}},
        {"array": {"dtype": "|b1", "shape": [1], "values": [1]}},
        {"array": {"dtype": "<f4", "shape": [1], "values": [1e300]}},
        {"array": {"dtype": "<f8", "shape": [1], "values": [1]}},
        {"array": {"dtype": "<U1", "shape": [1], "values": ["ab"]}},
        {"array": {"dtype": "V9", "shape": [1], "values": [1]}},
        {"array": {"dtype": "i8,i8", "shape": [1], "values": [1]}},
        {"array": {"dtype": ["<i8"], "shape": [1], "values": [1]}},
        {"scalar": {"dtype": "|O", "shape": [], "values": [1]}},
        {"scalar": {"dtype": "<U9999", "shape": [], "values": ["a"]}},
        {"scalar": {"dtype": "<i8", "shape": [], "values": []}},
        {"scalar": {"dtype": "<i8", "shape": [1], "values": [1]}},
        {"RandomState": [[1], 0, 0, 0.0]},
        {"RandomState": [[1] * 624, 0, 0]},
        {"RandomState": [[-1] * 624, 0, 0, 0.0]},
        {"RandomState": [[1] * 624, 625, 0, 0.0]},
        {"RandomState": [[1] * 624, 0, 2, 0.0]},
        {"RandomState": [[1] * 624, 0, 0, 0]},
        {"device": "no such device"},
        {"device": "cuda:99999999999"},
        {"device": 3},
    ],
    ids=range(35),
)
def test_what_encode_never_writes_is_refused(coded: Any) -> None:
    with pytest.raises(ValueError, match=r"is .*, expected "):
        decode(coded, "it")
