"""Saves that are killed: does the file load every time, as the old model or the new one?

    python examples/3_paper/interrupted_saves.py --output docs/reliability

A child process saves two models over the same file, in turns, until it is killed by a signal that nothing can catch, at
a random moment. Then the file is loaded, and has to be one of the two. Killing a process shows that a save never leaves
half a file; what a disk forgets when the power fails, it can't show (that is what forcing to the disk is for).

Writes interrupted_saves.json and interrupted_saves.csv: how many files held which model, and how many kills left a
scratch file behind, because they struck in the middle of the writing.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from altered_files import table
from runs import QUICK_FIT, Records, command_line

from hyconex_sklearn import HyConExClassifier

KILLS, QUICK_KILLS = 100, 5
LONGEST_WAIT = 0.3  # seconds, several saves


def models(size: int) -> tuple[HyConExClassifier, HyConExClassifier]:
    """Return two fitted models that answer differently."""
    X, y = table()
    settings = {**QUICK_FIT, "joint_epochs": 0, "hidden_size": size}
    old, new = (HyConExClassifier(random_state=seed, **settings).fit(X, y) for seed in (0, 1))
    return old, new


def save_for_ever(path: Path, clfs: tuple[HyConExClassifier, HyConExClassifier], ready: int) -> None:
    """Save in turns; say so after the first time."""
    for number in range(10**9):
        clfs[1 - number % 2].save(path)
        if number == 0:
            os.write(ready, b".")


def killed(path: Path, clfs: tuple[HyConExClassifier, HyConExClassifier], wait: float) -> None:
    """Let a child save, and kill it so many seconds after its first save."""
    heard, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_for_ever(path, clfs, ready)
        finally:
            os._exit(1)
    os.read(heard, 1)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(heard)
    os.close(ready)


def held(path: Path, clfs: tuple[HyConExClassifier, HyConExClassifier]) -> str:
    """Return which model the file holds."""
    X = table(50)[0]
    try:
        found = HyConExClassifier.load(path).predict_proba(X)
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}")
        return "neither"
    for name, clf in zip(("old", "new"), clfs, strict=True):
        if np.array_equal(found, clf.predict_proba(X)):
            return name
    return "neither"


def run(n: int, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """Kill `n` saves and count what is left."""
    counts = {"kills": n, "old": 0, "new": 0, "neither": 0, "scratch_left": 0}
    with tempfile.TemporaryDirectory() as folder:
        path, clfs = Path(folder) / "model.safetensors", models(size)
        clfs[0].save(path)
        counts["file_bytes"] = path.stat().st_size
        for wait in rng.uniform(0, LONGEST_WAIT, n):
            killed(path, clfs, wait)
            counts[held(path, clfs)] += 1
            for scratch in Path(folder).glob(".hyconex-*.tmp"):
                counts["scratch_left"] += 1
                scratch.unlink()
    return counts


def main() -> None:
    """Kill saves of a small model and of a large one."""
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "interrupted_saves", options.quick)
    for key in records.missing(hidden_size=[8] if options.quick else [8, 512]):
        kills = QUICK_KILLS if options.quick else KILLS
        records.add(key, run(kills, key["hidden_size"], np.random.default_rng(key["hidden_size"])))


if __name__ == "__main__":
    main()
