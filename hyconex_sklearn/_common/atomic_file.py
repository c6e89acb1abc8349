"""Writing a file at once: at any moment its old content is there in full, or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that at any moment, even of a crash, its old content or the new one is there in full.

    The new content is written beside it, to ``.hyconex-*.tmp``, forced to the disk, and renamed. The scratch file is
    removed if anything fails; only a process that is killed leaves it behind. Permission bits of an existing file are
    kept, and a symbolic link stays one.

    Raises
    ------
    OSError
        If the folder is missing, the path is no place for a file, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    check_place(target, path)
    scratch = target.with_name(f".hyconex-{secrets.token_hex(8)}.tmp")
    try:
        with scratch.open("xb") as stream:
            if target.exists():
                os.chmod(scratch, stat.S_IMODE(target.stat().st_mode))
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def check_place(target: Path, path: str | os.PathLike[str]) -> None:
    if target.is_dir():
        raise IsADirectoryError(f"{os.fspath(path)!r} is a directory; pass the path of a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(target.parent)!r} to save into; create it first.")
    if target.exists() and not target.is_file():
        raise OSError(f"{os.fspath(path)!r} is a device or pipe, which saving would replace; pass the path of a file.")
    if target.exists() and not os.access(target, os.W_OK):  # renaming would not mind
        raise PermissionError(f"{os.fspath(path)!r} is read-only; make it writable, or save elsewhere.")


def _sync_folder(folder: Path) -> None:
    """Force the rename to the disk, where the system lets one: the file itself is whole in any case."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
