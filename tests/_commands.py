"""A model, tables in files, and what a command says, for the tests of the command line."""

from __future__ import annotations

import csv
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import FAST, mixed_table, small

from hyconex_sklearn._command_line.main import main

QUICK = ["--set", *(f"{name}={json.dumps(value)}" for name, value in FAST.items() if name != "random_state")]


def people(n: int = 160, seed: int = 0) -> pd.DataFrame:
    """A table as it comes in files: an identifier, codes, gaps, true and false, and the class."""
    X, y = mixed_table(n, seed)
    rng = np.random.default_rng(seed)
    X = X.drop(columns="fixed").assign(zip=rng.choice(["00123", "10115", "10117"], n), granted=y)
    return X.assign(id=[f"p{i}" for i in range(n)], owner=X["owner"].map({True: "true", False: "false"}))


@cache
def home() -> Path:
    """A folder with the files of a model and the model itself. Shared: only read from it."""
    folder = Path(tempfile.mkdtemp(prefix="hyconex-"))
    people().to_csv(folder / "people.csv", index=False)
    people(50, 1).to_csv(folder / "others.csv", index=False)
    people(6, 2).to_csv(folder / "rows.csv", index=False)
    data, model = str(folder / "people.csv"), str(folder / "model")
    with small():
        code = main(["fit", data, "--target", "granted", "--drop", "id", "--output", model, *QUICK])
    assert code == 0
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An empty working folder with links to the shared files."""
    shared = home()
    capsys.readouterr()
    for file in shared.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a command that fails with code 2, and writes nothing to stdout."""
    try:
        code: Any = main(argv)
    except SystemExit as left:  # where the arguments can't be read
        code = left.code
    out, err = capsys.readouterr()
    assert code == 2
    wrong = [line for line in err.splitlines() if not line.startswith("hyconex-sklearn: note: ")]
    assert out == "" and len(wrong) == 1 and wrong[0].startswith("hyconex-sklearn: error: ")
    return wrong[0]
