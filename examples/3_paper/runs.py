"""What the scripts beside it share: a command line, and finished pieces of work kept in a folder."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from hyconex_sklearn import __version__

PACKAGES = ("torch", "zuko", "scikit-learn", "numpy", "pandas", "catboost", "dice-ml", "NICEx")
QUICK_FIT = {
    "flow_epochs": 5,
    "pretrain_epochs": 5,
    "joint_epochs": 5,
}  # parameters of a fit that shows no more than that it works


class Records:
    """Figures of finished pieces of work, each under its key, in `folder/name.json` and `folder/name.csv`.

    Each piece is on disk as soon as it is done, so that an interrupted run goes on where it stopped.

    Raises
    ------
    ValueError
        If the folder holds records of the other mode: a quick run shows that a script works, and measures nothing.
    """

    def __init__(self, folder: Path, name: str, quick: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._quick = folder / f"{name}.json", quick
        modes = {record["quick"] for record in self.read()}
        if modes - {quick}:
            raise ValueError(f"{self.path} holds records made {'without' if quick else 'with'} --quick: take another.")

    def read(self) -> list[dict[str, Any]]:
        """Return all records, oldest first."""
        return json.loads(self.path.read_text())["records"] if self.path.exists() else []

    def made(self) -> list[dict[str, Any]]:
        """Return the distinct dates, versions and machines of the records."""
        return json.loads(self.path.read_text())["about"] if self.path.exists() else []

    def missing(self, **values: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the keys that have no record yet, of all combinations of `values`."""
        keys = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
        done = [record for record in self.read() if not record.get("error")]
        return [key for key in keys if not any(key.items() <= record.items() for record in done)]

    def add(self, key: dict[str, Any], figures: dict[str, Any]) -> None:
        """Write one finished piece in place of a failed one of the same key.

        The file is read anew, so that runs of other tables may write to the same folder, and replaced at once.
        """
        record = {**key, "quick": self._quick, **{name: _plain(value) for name, value in figures.items()}}
        others = [other for other in self.read() if not key.items() <= other.items()]
        made = [*self.made(), about()]
        distinct = [one for i, one in enumerate(made) if one not in made[:i]]
        content = {"about": distinct, "records": [*others, record]}
        scratch = self.path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(content, indent=1))
        os.replace(scratch, self.path)
        self.frame().to_csv(self.path.with_suffix(".csv"), index=False)
        print(" ".join(f"{name}={_short(value)}" for name, value in record.items() if name != "quick"), flush=True)

    def frame(self) -> pd.DataFrame:
        """Return all records as a table."""
        return pd.DataFrame(self.read())


def _plain(value: Any) -> Any:
    """Return a value that strict JSON holds."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def about() -> dict[str, Any]:
    """Return date, versions and machine."""
    versions = {"hyconex_sklearn": __version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "versions": versions,
        "system": platform.system(),
        "machine": _processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as the library chooses"),
    }


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def failure(error: Exception) -> dict[str, str]:
    """Return what is recorded of a piece that failed, so that the others go on."""
    return {"error": f"{type(error).__name__}: {error}"[:200]}


def attempt(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Return the figures of `work`, or the error that it ended with."""
    try:
        return work(*given)
    except Exception as error:
        return failure(error)


class Stopwatch:
    """Seconds of a `with` block, in `seconds` once it has ended."""

    def __enter__(self) -> Stopwatch:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start


def command_line(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every script has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the CSV files; without it, tables that need none")
    parser.add_argument("--output", type=Path, required=True, help="folder for JSON, CSV and pictures")
    parser.add_argument("--quick", action="store_true", help="one seed and little training: does the script work?")
    parser.add_argument(
        "--seeds", nargs="+", type=int, help="seeds of estimators; of splits, too, where the script says so"
    )
    parser.add_argument("--tables", nargs="+", help="only these tables")
    warnings.simplefilter("ignore")
    return parser
