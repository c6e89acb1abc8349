"""Files in, tables of cells out, and back: read with errors that tell the line, written at once or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from .._common.atomic_file import write_file
from .console import UsageError, listed, note, quoted

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_KINDS = ".csv, .tsv (both also with .gz) or .parquet"
TABLE_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
_LARGEST_CELL = 2**31 - 1  # characters; what a C long holds everywhere


@dataclass(frozen=True)
class Table:
    """A table as it stands in a file.

    Parameters
    ----------
    path : str
    cells : DataFrame
        Text of every cell, or typed columns where the file has types.
    lines : sequence of int
        Line of each row in the file; row numbers where it has no lines.
    is_text : bool
        Whether cells are text that has yet to be read.
    """

    path: str
    cells: pd.DataFrame
    lines: range | list[int]
    is_text: bool

    @property
    def names(self) -> list[str]:
        return list(self.cells.columns)


def check_kind(path: str) -> str:
    """Return the suffix that tells the kind of a file; raise where it is none of ours, or can't be read here."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else "".join(suffixes[-1:])
    if kind not in (*_SEPARATORS, ".parquet") or (kind == ".parquet" and suffixes[-1] == ".gz"):
        raise UsageError(f"{path!r} is no kind of table that is known; expected a name that ends in {_KINDS}.")
    if kind == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError("Parquet files need pyarrow: pip install 'hyconex-sklearn[parquet]', or use a CSV file.")
    return kind


def check_outputs(outputs: dict[str, str | None], inputs: dict[str, str], force: bool) -> None:
    """Raise before any work is done where a result could not be written, or would replace what is read or written.

    Parameters
    ----------
    outputs, inputs : dict of str to str
        Files by what the user knows them as, such as --output and DATA; None where there is none.
    force : bool
        Whether older files may be replaced.
    """
    taken = {os.path.realpath(path): name for name, path in inputs.items()}
    for name, path in outputs.items():
        if path is None:
            continue
        place = os.path.realpath(path)
        if place in taken:
            raise UsageError(f"{taken[place]} and {name} are the same file, {path!r}. Give {name} another name.")
        taken[place], target = name, Path(path)
        if target.is_dir():
            raise UsageError(f"{path!r} is a folder; give the name of a file.")
        if not target.parent.is_dir():
            raise UsageError(f"there is no folder {str(target.parent)!r}; create it first.")
        if target.exists() and not force:
            raise UsageError(f"{path!r} exists already; give another name, or --force to replace it.")


# ------------------------------------------------------------------------------------------------------------- reading


def read_table(path: str, separator: str | None = None) -> Table:
    """Read a table; raise where it is not there or malformed, with the line where there are lines.

    Parameters
    ----------
    path : str
        A CSV, TSV or Parquet file.
    separator : str, optional
        Between the cells of a line, instead of what the name of the file suggests.
    """
    kind = check_kind(path)
    if not Path(path).exists():
        raise UsageError(f"there is no file {path!r}.")
    if kind == ".parquet":
        return _read_parquet(path)
    separator = _SEPARATORS[kind] if separator is None else separator
    try:
        opener = gzip.open if path.lower().endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            return _read_text(path, stream, separator)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path!r} is not in UTF-8 (byte 0x{error.object[error.start]:02x} can't be read). Save it as UTF-8."
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"{path!r} is no whole gzip file ({error}). Compress it again, or drop the .gz.") from error


def _read_text(path: str, stream: io.TextIOBase, separator: str) -> Table:
    rows = _rows(path, stream, separator)
    _, header = next(rows, (0, []))
    if not header:
        raise UsageError(f"{path!r} is empty; expected a line with the names of columns, and one for each row.")
    header = [name.strip() for name in header]
    _check_header(path, header, separator)
    lines, cells = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise UsageError(f"line {line} of {path!r} has {len(row)} cells, but the header has {len(header)}.")
        lines.append(line)
        cells.append(row)
    if not cells:
        raise UsageError(f"{path!r} has a header and no rows; expected at least one.")
    frame = pd.DataFrame(cells, columns=pd.Index(header, dtype=object), dtype=object)
    if header[0] == "":
        note(f"the first column of {path!r} has no name and is taken for row numbers: left out.")
        frame = frame.iloc[:, 1:]
    return Table(path, frame, lines, is_text=True)


def _rows(path: str, stream: io.TextIOBase, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row; blank lines are skipped."""
    limit = csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(stream, delimiter=separator, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num} of {path!r} can't be read: {error}.") from error
    finally:
        csv.field_size_limit(limit)


def _check_header(path: str, header: list[str], separator: str) -> None:
    for other, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas"), ("|", "bars")):
        if len(header) == 1 and other != separator and other in header[0]:
            shown = "tab" if other == "\t" else other
            raise UsageError(
                f"{path!r} has a single column, {quoted(header[0])}: it has {name}. Give --separator '{shown}'."
            )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UsageError(f"{path!r} has several columns of the name {listed(map(repr, twice))}. Rename or drop one.")
    if "" in header[1:]:
        raise UsageError(f"column {header.index('', 1) + 1} of {path!r} has no name. Give each column one.")


def _read_parquet(path: str) -> Table:
    frame = pd.read_parquet(path)
    # A level of the index that has a name is a column to whoever gave it: often the one that tells who a row is.
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = frame.reset_index(named).reset_index(drop=True)
    if 0 in frame.shape:
        raise UsageError(
            f"{path!r} has {frame.shape[0]} rows and {frame.shape[1]} columns; expected at least one of each."
        )
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    return Table(path, frame, range(1, len(frame) + 1), is_text=False)


# ------------------------------------------------------------------------------------------------------------- writing


def write_table(path: str, text: pd.DataFrame, typed: pd.DataFrame, separator: str | None = None) -> None:
    """Write a table: its text, or, where the kind of file has types, its typed columns.

    Parameters
    ----------
    path : str
        A CSV, TSV or Parquet file.
    text, typed : DataFrame
        The same table twice.
    separator : str, optional
        Between the cells of a CSV file, instead of commas; others are what their name says.
    """
    kind = check_kind(path)
    if kind == ".parquet":
        data = typed.to_parquet(index=False)
    else:
        delimiter = separator if separator is not None and kind == ".csv" else _SEPARATORS[kind]
        data = text.to_csv(sep=delimiter, index=False, lineterminator="\n").encode()
    write_file(path, gzip.compress(data, mtime=0) if path.lower().endswith(".gz") else data)
