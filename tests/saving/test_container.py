"""A file of header and tensors: whole or refused, old or new."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._common.atomic_file import write_file
from hyconex_sklearn._saving import container as _container
from hyconex_sklearn._saving.container import Content, check_digest, pack, read_file, unpack

HEADER = {"zeros": "0" * 64, "quotes": '\\"sha256\\": "', "name": "ä\ud800", "list": [1, 0.1, None]}
TENSORS = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor([True, False]), "none": torch.zeros(0, 3)}
DATA = pack(HEADER, TENSORS)
LENGTH = int.from_bytes(DATA[:8], "little")


def read(data: bytes) -> Content:
    content = unpack(data)
    check_digest(content)
    content.tensors()
    return content


def test_header_and_tensors_come_back() -> None:
    content = read(DATA)
    assert {**content.header, "sha256": None} == {**HEADER, "sha256": None}
    assert content.tensors().keys() == TENSORS.keys()
    for name, tensor in content.tensors().items():
        assert torch.equal(tensor, TENSORS[name]) and tensor.dtype == TENSORS[name].dtype


def test_any_reader_of_safetensors_can_read_the_file(tmp_path: Path) -> None:
    write_file(tmp_path / "m.safetensors", DATA)
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("a"), TENSORS["a"])
        assert json.loads(file.metadata()["hyconex_sklearn"])["name"] == HEADER["name"]


def test_the_same_content_gives_the_same_bytes() -> None:
    assert pack(HEADER, TENSORS) == DATA


# --------------------------------------------------------------------------------------------------------- alterations


def test_every_flipped_bit_is_noticed() -> None:
    for at in range(len(DATA)):
        for bit in (1, 32, 128):  # 32 turns upper into lower case
            altered = bytearray(DATA)
            altered[at] ^= bit
            with pytest.raises(ValueError):
                read(bytes(altered))


def test_every_shorter_file_is_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(ValueError):
            read(DATA[:length])


@given(st.binary(min_size=1, max_size=40))
def test_every_longer_file_is_refused(more: bytes) -> None:
    with pytest.raises(ValueError, match=r"at least one bit was altered\. Copy the file again"):
        read(DATA + more)
    with pytest.raises(ValueError, match=r"they were cut off, added to or altered .* Copy the file again"):
        unpack(DATA + more).tensors()


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(ValueError):
        read(noise)


@given(st.integers(0, 2**64 - 1))
def test_a_header_longer_than_the_file_is_refused_unread(length: int) -> None:
    if length == LENGTH:
        return
    with pytest.raises(ValueError):
        read(length.to_bytes(8, "little") + DATA[8:])


def outer(**entries: Any) -> bytes:
    """A file with our metadata, these tensors, and eight bytes."""
    text = json.dumps({"__metadata__": {"hyconex_sklearn": "{}"}, **entries}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


def entry(dtype: Any = "F32", shape: Any = (2,), data_offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}


def test_a_file_made_by_hand_is_read() -> None:
    assert unpack(outer(a=entry())).tensors()["a"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [2**62]},
        {"shape": [2**40, 0], "data_offsets": [0, 0]},  # and eight bytes that belong to nobody
        {"shape": [-2]},
        {"shape": [2.0]},
        {"shape": "2"},
        {"dtype": "I64"},
        {"dtype": "F4", "shape": [16]},  # which torch lacks
        {"dtype": None},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0, 2**63]},
        {"data_offsets": [0]},
        {"data_offsets": None},
        {"shape": [1], "data_offsets": [4, 8]},
    ],
    ids=str,
)
def test_a_tensor_that_is_not_its_bytes_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"the tensors can't be read.*Copy the file again, or save the model anew"):
        unpack(outer(a=entry(**wrong))).tensors()


@pytest.mark.parametrize("offsets", [[(0, 4), (0, 4)], [(4, 8), (4, 8)], [(0, 4), (2, 6)]])
def test_tensors_that_overlap_are_refused(offsets: list[tuple[int, int]]) -> None:
    data = outer(**{name: entry(shape=[1], data_offsets=at) for name, at in zip("ab", offsets, strict=True)})
    with pytest.raises(ValueError, match="the tensors can't be read"):
        unpack(data).tensors()


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {"hyconex_sklearn": 1}, []], ids=str)
def test_another_safetensors_file_is_told_from_ours(metadata: Any) -> None:
    text = json.dumps({"__metadata__": metadata} if metadata is not None else {}).encode()
    data = len(text).to_bytes(8, "little") + text
    with pytest.raises(ValueError, match="holds no model of this package"):
        unpack(data)


def test_a_file_that_no_reader_would_take_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"the header would take \d+ bytes, but at most 16777216"):
        pack({"long": "x" * 2**24}, {})
    monkeypatch.setattr(_container, "LARGEST_FILE", 1_000)
    with pytest.raises(ValueError, match=r"the file would take \d+ bytes, but at most 1000"):
        pack({}, {"a": torch.zeros(1_000)})


def test_an_oversized_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.write(DATA)
        stream.truncate(2**33)  # takes no room on the disk
    with pytest.raises(ValueError, match="at most 2147483648"):
        read_file(path)
    with path.open("r+b") as stream:
        stream.truncate(2**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="cut off, added to or altered"):
        read_file(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # kB


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(ValueError, match=kind):
        read_file(path)
    with pytest.raises(OSError, match=kind):
        write_file(path, DATA)


@pytest.mark.parametrize("start", [b"\x80\x05\x95", b"PK\x03\x04"])
def test_a_pickle_is_told_from_a_model_file(start: bytes) -> None:
    with pytest.raises(ValueError, match="it is a pickle or an archive"):
        read(start + bytes(100))


# ------------------------------------------------------------------------------------------------------------- writing


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """An older file, the only one in its folder before and after."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    yield path
    assert os.listdir(tmp_path) == [path.name]


def failing(stage: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, stage, fail)


@pytest.mark.parametrize("stage", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_scratch(
    stage: str, error: BaseException, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(stage, error, patch)
        with pytest.raises(type(error)):
            write_file(old, DATA)
    assert old.read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_file(old: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_file(old, DATA + bytes(2_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert old.read_bytes() == b"old"


def test_a_folder_that_cannot_be_synced_is_no_reason_to_fail(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        failing("open", OSError(errno.EACCES, "Permission denied"), patch)
        write_file(old, DATA)
    assert old.read_bytes() == DATA


@pytest.mark.parametrize("kind", [str, Path])
def test_a_new_file_has_the_usual_permissions_and_an_old_one_keeps_its_own(
    kind: Callable[[Path], Any], old: Path
) -> None:
    old.chmod(0o640)
    write_file(kind(old), DATA)
    assert old.read_bytes() == DATA and stat.S_IMODE(old.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        write_file(kind(other := old.with_name("other")), DATA)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(other.stat().st_mode) == 0o640
    other.unlink()


def test_a_symbolic_link_stays_one(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    write_file(link, DATA)
    assert link.is_symlink() and old.read_bytes() == DATA
    link.unlink()


def test_a_place_without_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere.*create it first"):
        write_file(tmp_path / "nowhere" / "model.safetensors", DATA)


def test_a_read_only_file_stays_as_it_is(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any
    with pytest.raises(PermissionError, match="is read-only"):
        write_file(old, DATA)
    assert old.read_bytes() == b"old"


def test_a_reader_beside_writers_sees_whole_files_only(old: Path) -> None:
    contents = [pack({"number": number}, {"a": torch.full((5_000,), float(number))}) for number in range(2)]
    write_file(old, contents[0])
    writers = [
        threading.Thread(target=lambda data=data: [write_file(old, data) for _ in range(30)]) for data in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = read_file(old)
        check_digest(content)
        assert (content.tensors()["a"] == content.header["number"]).all()
    for writer in writers:
        writer.join()
