"""Files that the command line reads: of every kind, and malformed in every way that people meet."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from hyconex_sklearn._command_line._console import UsageError
from hyconex_sklearn._command_line._tables import check_free, read_table, write_table


def written_to(folder: Path, data: str | bytes, name: str = "data.csv") -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def read(folder: Path, data: str | bytes, name: str = "data.csv", separator: str | None = None) -> pd.DataFrame:
    return read_table(written_to(folder, data, name), separator).cells


@pytest.mark.parametrize(
    ("name", "data", "separator"),
    [
        ("data.csv", b"a,b\n1,x\n,\n", None),
        ("data.CSV", b"a,b\r\n1,x\r\n,\r\n", None),
        ("bom.csv", b"\xef\xbb\xbfa,b\n1,x\n,\n", None),
        ("spaces.csv", b"a , b\n1,x\n\n,\n\n", None),
        ("data.tsv", b"a\tb\n1\tx\n\t\n", None),
        ("data.csv.gz", gzip.compress(b"a,b\n1,x\n,\n", mtime=0), None),
        ("data.tsv.gz", gzip.compress(b"a\tb\n1\tx\n\t\n", mtime=0), None),
        ("data.csv", b"a;b\n1;x\n;\n", ";"),
        ("last.csv", b"a,b\n1,x\n,", None),
    ],
)
def test_a_table_is_read_as_it_stands_in_the_file(tmp_path: Path, name: str, data: bytes, separator: str) -> None:
    cells = read(tmp_path, data, name, separator)
    assert list(cells.columns) == ["a", "b"]
    assert cells.to_numpy().tolist() == [["1", "x"], ["", ""]]


def test_quoted_cells_may_hold_newlines_separators_and_quotes(tmp_path: Path) -> None:
    table = read_table(written_to(tmp_path, 'a,b\n"one\ntwo","x, ""y"""\n2,z\n'))
    assert table.cells.to_numpy().tolist() == [["one\ntwo", 'x, "y"'], ["2", "z"]]
    assert table.lines == [3, 4]  # where each row ends


def test_a_huge_cell_is_read_whole(tmp_path: Path) -> None:
    assert read(tmp_path, f"a,b\n{'x' * 300_000},1\n").iloc[0, 0] == "x" * 300_000


def test_row_numbers_that_others_wrote_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = read(tmp_path, ",a,b\n0,1,x\n1,2,y\n")
    assert list(cells.columns) == ["a", "b"] and cells["a"].tolist() == ["1", "2"]
    assert "the first column" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("data.csv", "", "is empty; expected a line with the names of columns"),
        ("data.csv", "\n\n", "is empty"),
        ("data.csv", "a,b\n", "has a header and no rows"),
        ("data.csv", "a,b\n1,2\n3\n", "line 3 of .*data.csv' has 1 cells, but the header has 2"),
        ("data.csv", "a,b\n1,2,3\n", "line 2 of .* has 3 cells, but the header has 2"),
        ("data.csv", "a;b\n1;2\n", "has a single column, 'a;b': it has semicolons. Give --separator ';'"),
        ("data.csv", "a\tb\n1\t2\n", "it has tabs. Give --separator 'tab'"),
        ("data.tsv", "a,b\n1,2\n", "it has commas. Give --separator ','"),
        ("data.csv", "a,b,a\n1,2,3\n", "has several columns of the name 'a'. Rename or drop one"),
        ("data.csv", "a,,c\n1,2,3\n", "column 2 of .* has no name"),
        ("data.csv", 'a,b\n"1,2\n', "line 2 of .* can't be read: unexpected end of data"),
        ("data.csv", 'a,b\n"1"x,2\n', "line 2 of .* can't be read"),
        ("data.csv", "name,b\nJosé,2\n".encode("latin-1"), r"is not in UTF-8 \(byte 0xe9 can't be read\)"),
        ("data.csv", "a,b\n1,2\n".encode("utf-16"), "is not in UTF-8"),
        ("data.csv.gz", "a,b\n1,2\n", "is no whole gzip file"),
        ("data.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "is no whole gzip file"),
        ("data.xlsx", "PK", "is no kind of table that is known; expected a name that ends in .csv"),
        ("data", "a,b\n1,2\n", "is no kind of table"),
        ("data.parquet.gz", "", "is no kind of table"),
    ],
)
def test_a_malformed_file_is_told_in_words(tmp_path: Path, name: str, data: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, data, name)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_table(str(tmp_path / "none.csv"))


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.csv.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"a": ["1", "", 'x, "y"'], "b": ["two\nlines", "é", "\t"]}, dtype=object)
    path = str(tmp_path / name)
    write_table(path, table, table)
    assert read_table(path).cells.to_numpy().tolist() == table.to_numpy().tolist()


def test_a_result_has_to_find_its_place_before_any_work_is_done(tmp_path: Path) -> None:
    there = written_to(tmp_path, "precious")
    for path, message in ((there, "exists already"), (str(tmp_path), "is a folder"), (f"{tmp_path}/no/x", "no folder")):
        with pytest.raises(UsageError, match=message):
            check_free(path, force=False)
    check_free(there, force=True)
    check_free(None, force=False)


def test_parquet_without_pyarrow_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", absent)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", absent)
    table = pd.DataFrame({"a": ["1"]})
    for action in (
        lambda: read(tmp_path, b"", "data.parquet"),
        lambda: write_table(str(tmp_path / "out.parquet"), table, table),
    ):
        with pytest.raises(UsageError, match=r"pip install 'hyconex-sklearn\[parquet\]'"):
            action()
    assert not (tmp_path / "out.parquet").exists()
