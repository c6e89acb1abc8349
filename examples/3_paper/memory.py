"""Memory: how much a fit and the answers take at their peak, beyond the table that goes in and what comes out.

    python examples/3_paper/memory.py --output reliability

Each piece runs in its own process, on a drawn table of numbers:

- "predict", "one_shot" (every other class, a frame or an array): many rows;
- "classes": a thousand rows, each toward every other of a thousand classes: a million counterfactuals;
- "fit", "fit, more rows": one epoch of each phase; "copies" is the peak in sizes of the table, of which a part is the
  same for any number of rows;
- "large", "large, float64 array": the same of five million rows, in steps of 2,048 rows, so that it takes a quarter of
  an hour: a file of float32 numbers, mapped into memory and only read, and an array.

A record says in MB: input, output, peak (memory at its largest, less what the process held before, which includes the
input), and extra, peak less output. Needs Linux. Writes memory.json and memory.csv.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from runs import Records, Stopwatch, command_line

from hyconex_sklearn import HyConExClassifier

MB = 1e6
FIT = {"flow_epochs": 1, "pretrain_epochs": 1, "joint_epochs": 1}
# piece: rows, columns, classes
PIECES = {
    "predict": (1_000_000, 20, 2),
    "one_shot": (1_000_000, 20, 2),
    "one_shot, frame": (1_000_000, 20, 2),
    "classes": (1_000, 20, 1_000),
    "fit": (250_000, 20, 2),
    "fit, more rows": (1_000_000, 20, 2),
    "large": (5_000_000, 20, 2),
    "large, float64 array": (5_000_000, 20, 2),
}
QUICK = {"predict": (5_000, 20, 2), "one_shot, frame": (5_000, 20, 2), "large": (5_000, 20, 2)}


def filled(X: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Draw numbers into X (rows, columns), and return labels; every class occurs in the first rows."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((classes, X.shape[1]))
    y = np.arange(len(X)) % classes
    for start in range(0, len(X), 100_000):  # no second table while it is drawn
        own = y[start : start + 100_000]
        X[start : start + 100_000] = centres[own] + rng.standard_normal((len(own), X.shape[1]))
    return y


def drawn(piece: str, shape: tuple[int, int], classes: int, seed: int, folder: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and labels of a piece; those of "large" lie in a file in the folder."""
    if piece != "large":
        X = np.empty(shape)
        return X, filled(X, classes, seed)
    path = Path(folder) / "table"
    y = filled(np.memmap(path, np.float32, "w+", shape=shape), classes, seed)
    return np.memmap(path, np.float32, "r", shape=shape), y


def measured(piece: str, rows: int, columns: int, classes: int, seed: int, folder: str) -> dict[str, float]:
    """Do one piece in this process, with files in the folder, and return its figures."""
    X, y = drawn(piece, (rows, columns), classes, seed, folder)
    clf = HyConExClassifier(random_state=seed, **FIT, batch_size=2_048 if "large" in piece else 256)
    learned = min(rows, max(2_000, 5 * classes))
    clf.fit(X[:learned], y[:learned])
    table = pd.DataFrame(X, copy=False) if "frame" in piece else X
    work = {
        "predict": lambda: clf.predict_proba(table),
        "one_shot": lambda: clf.counterfactuals(table, search="one_shot"),
        "classes": lambda: clf.counterfactuals(table, search="one_shot"),
        "fit": lambda: clf.fit(X, y),
        "large": lambda: clf.fit(X, y),
    }[piece.split(",")[0]]
    clf.counterfactuals(table[:3], search="one_shot")  # loads what the first query loads
    with _Peak() as peak, Stopwatch() as watch:
        result = work()
    output = _size(result)
    figures = {"input": X.nbytes / MB, "output": output, "peak": peak.grown, "extra": peak.grown - output}
    figures["seconds"] = watch.seconds
    return figures | ({"copies": peak.grown / (X.nbytes / MB)} if result is clf else {})


class _Peak:
    """By how many MB the memory of this process has grown at most in a `with` block, in `grown`.

    Looked at every few milliseconds. Memory of its own, in RAM or swapped out: what the system evicts of libraries and
    of the input, and reads again, is no growth.
    """

    def __enter__(self) -> _Peak:
        self._before = self._highest = _held()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.003):
            self._highest = max(self._highest, _held())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self.grown = self._highest - self._before


def _held() -> float:
    """Return the memory of this process in MB that no file backs."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(status[name].split()[0]) for name in ("RssAnon", "VmSwap")) * 1024 / MB


def _size(result: Any) -> float:
    """Return the size of an answer in MB, without the text that its cells share."""
    if isinstance(result, np.ndarray):
        return result.nbytes / MB
    if isinstance(result, HyConExClassifier):
        return 0.0
    parts = [
        getattr(result, name) for name in ("data", "original", "report", "probability_before", "prediction_before")
    ]
    return sum(part.memory_usage().sum() if isinstance(part, pd.DataFrame) else part.nbytes for part in parts) / MB


def in_a_process(piece: str, size: tuple[int, int, int], seed: int) -> dict[str, Any]:
    """Return the figures of one piece from a process of its own."""
    command = [sys.executable, __file__, "--piece", piece, *map(str, size), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"error": done.stderr[-200:]}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    if "--piece" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--piece", nargs=5)
        piece, *numbers = parser.parse_args().piece
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured(piece, *map(int, numbers), folder)))
        return
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "memory", options.quick)
    sizes = QUICK if options.quick else PIECES
    for key in records.missing(piece=options.tables or sizes, seed=options.seeds or [0]):
        rows, columns, classes = sizes[key["piece"]]
        size = {"rows": rows, "columns": columns, "classes": classes}
        records.add(key, size | in_a_process(key["piece"], sizes[key["piece"]], key["seed"]))


if __name__ == "__main__":
    main()
