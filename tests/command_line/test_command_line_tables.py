"""Files that the command line reads: of every kind, and malformed in every way that people meet."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from hyconex_sklearn._command_line.console import UsageError
from hyconex_sklearn._command_line.tables import check_kind, check_outputs, read_table, write_table


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
        ("data.csv", f"{'a' * 70};b\n1;2\n", "single column, 'a{60}...': it has semicolons"),
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


def test_a_csv_file_is_written_with_the_separator_that_was_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["1;2"], "b": ["x,y"]}, dtype=object)
    for name, separator, lines in (
        ("out.csv", None, 'a,b\n1;2,"x,y"\n'),
        ("out.csv", ";", 'a;b\n"1;2";x,y\n'),
        ("out.tsv", ";", "a\tb\n1;2\tx,y\n"),
    ):
        write_table(str(tmp_path / name), table, table, separator)
        assert (tmp_path / name).read_text() == lines


def test_a_result_has_to_find_its_place_before_any_work_is_done(tmp_path: Path) -> None:
    there = written_to(tmp_path, "precious")
    for path, message in ((there, "exists already"), (str(tmp_path), "is a folder"), (f"{tmp_path}/no/x", "no folder")):
        with pytest.raises(UsageError, match=message):
            check_outputs({"--output": path}, {}, force=False)
    check_outputs({"--output": there, "--report": None}, {"DATA": str(tmp_path / "other.csv")}, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_no_result_replaces_what_is_read_or_another_result_under_any_name(tmp_path: Path, force: bool) -> None:
    data, new = written_to(tmp_path, "a,b\n"), str(tmp_path / "new.csv")
    (tmp_path / "link.csv").symlink_to(data)
    roundabout = f"{tmp_path}/../{tmp_path.name}/"
    for outputs, names in (
        ({"--output": data}, "DATA and --output"),
        ({"--output": f"{tmp_path}/link.csv"}, "DATA and --output"),
        ({"--output": None, "--report": f"{roundabout}data.csv"}, "DATA and --report"),
        ({"--output": new, "--report": f"{roundabout}new.csv"}, "--output and --report"),
    ):
        with pytest.raises(UsageError, match=f"^{names} are the same file"):
            check_outputs(outputs, {"DATA": data}, force)


def test_parquet_without_pyarrow_is_told_what_to_install_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyconex_sklearn._command_line.tables.find_spec", lambda name: None)
    for action in (check_kind, read_table):
        with pytest.raises(UsageError, match=r"pip install 'hyconex-sklearn\[parquet\]'"):
            action(str(tmp_path / "data.parquet"))


def test_the_index_of_a_parquet_file_is_kept_where_it_has_a_name(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=pd.Index(["p1", "p2"], name="id"))
    for index, expected in (
        (frame.index, ["id", "a", "b"]),
        (frame.index.rename(None), ["a", "b"]),
        (pd.MultiIndex.from_arrays([["p1", "p2"], [7, 8]], names=["id", None]), ["id", "a", "b"]),
        (pd.RangeIndex(2), ["a", "b"]),
    ):
        frame.set_axis(index).to_parquet(tmp_path / "data.parquet")
        table = read_table(str(tmp_path / "data.parquet"))
        assert table.names == expected and table.cells["a"].tolist() == [1, 2]
        assert "id" not in expected or table.cells["id"].tolist() == ["p1", "p2"]
