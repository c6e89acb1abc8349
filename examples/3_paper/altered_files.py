"""Altered model files: is every one refused, or loads to the same model?

    python examples/3_paper/altered_files.py --output docs/reliability

A small model is saved, copies of the file are altered in random ways (see alterations.py), and each is loaded. Damage
has to be refused by a ValueError, unless the copy happens to be the same: then all answers have to be. A hostile file,
altered with a checksum of its own, may also hold another model (a column renamed, a threshold moved): that one has to
answer with finite numbers, or refuse the table by an error about its columns. Everything else counts as failed: another
exception, a number that is not finite, more than a gibibyte of memory beyond what the process had, or ten seconds.

Writes altered_files.json and altered_files.csv, one line for each kind of alteration.
"""

from __future__ import annotations

import math
import re
import resource
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from alterations import DAMAGE, HOSTILE, Parts, take_apart
from runs import QUICK_FIT, Records, command_line

from hyconex_sklearn import HyConExClassifier

FILES, QUICK_FILES = 10_000, 340
MORE_MEMORY = 2**30
SLOW = 10.0  # seconds
_OTHER_TABLE = re.compile(r"column|feature")
_OUTCOMES = ("refused", "same", "another_model", "another_table", "failed")


def table(n: int = 200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a table with every kind of column."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 75, n),
            "income": rng.lognormal(10, 1.5, n).round(2),
            "job": rng.choice(["clerk", "driver", "nurse"], n),
            "grade": pd.Categorical(rng.choice(["low", "high"], n), categories=["low", "high"], ordered=True),
            "owner": rng.random(n) < 0.5,
            "fixed": 7,
        }
    )
    X.loc[::9, "income"] = np.nan
    X.loc[::7, "job"] = None
    return X, np.where(X["age"] + 20 * X["owner"] + rng.normal(0, 9, n) > 55, "yes", "no")


class Trial:
    """A good file, what its model answers, and what becomes of altered copies."""

    def __init__(self, folder: Path) -> None:
        self.X, y = table()
        sizes: dict[str, Any] = {"hidden_size": 8, "n_blocks": 1, "flow_hidden": (8,), "flow_transforms": 2}
        clf = HyConExClassifier(random_state=0, **sizes, **QUICK_FIT).fit(self.X, y)
        self.path = folder / "model.safetensors"
        clf.save(self.path)
        self.parts: Parts = take_apart(self.path.read_bytes())
        self.expected = self.answers(clf)
        self.failures: list[str] = []

    def answers(self, clf: HyConExClassifier) -> tuple[np.ndarray, ...]:
        """Return what a model says of some rows, as arrays of floats."""
        rows = self.X[:8]
        cf = clf.counterfactuals(rows, search="one_shot")
        clf.predict(rows)
        density = np.nan_to_num(clf.score_samples(rows), neginf=-1e30)  # impossible is an answer, too
        return clf.predict_proba(self.X), density, cf.report["probability"].to_numpy()

    def outcome(self, data: bytes, damage: bool) -> str:
        """Load an altered copy and return what became of it."""
        self.path.write_bytes(data)
        try:
            clf = HyConExClassifier.load(self.path)
        except ValueError:
            return "refused"
        try:
            found = self.answers(clf)
        except (ValueError, TypeError) as error:
            if damage or not _OTHER_TABLE.search(str(error)):
                raise
            return "another_table"
        same = all(np.array_equal(one, other) for one, other in zip(found, self.expected, strict=True))
        if damage:
            assert same and data == self.parts.data, "a silent difference"
        assert all(np.isfinite(numbers).all() for numbers in found), "numbers that are not finite"
        return "same" if same else "another_model"

    def run(self, kind: str, n: int) -> dict[str, Any]:
        """Alter `n` copies in one way and return how many of them ended how."""
        alter, rng = (DAMAGE | HOSTILE)[kind], np.random.default_rng(zlib.crc32(kind.encode()))
        counts, slowest, before = Counter(), 0.0, _peak()
        for number in range(n):
            data, start = alter(rng, self.parts), time.perf_counter()
            try:
                counts[self.outcome(data, kind in DAMAGE)] += 1
            except Exception as error:
                counts["failed"] += 1
                self.failures.append(f"{kind} {number}: {type(error).__name__}: {error}"[:300])
            slowest = max(slowest, time.perf_counter() - start)
        if slowest > SLOW:
            counts["failed"] += 1
            self.failures.append(f"{kind}: {slowest:.1f} seconds")
        ended = {outcome: counts[outcome] for outcome in _OUTCOMES}
        return {"files": n, **ended, "slowest_seconds": slowest, "more_memory_mb": _peak() - before}


def _peak() -> float:
    """Return the most memory that the process has taken so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limit_memory(more: int) -> None:
    """Let the process take so much more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, resource.RLIM_INFINITY))


def main() -> None:
    """Run every kind of alteration that has no record yet."""
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "altered_files", options.quick)
    missing = records.missing(kind=[*DAMAGE, *HOSTILE])
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        limit_memory(MORE_MEMORY)
        each = math.ceil((QUICK_FILES if options.quick else FILES) / len(DAMAGE | HOSTILE))
        for key in missing:
            records.add(key, trial.run(key["kind"], each))
    print(*trial.failures, sep="\n")


if __name__ == "__main__":
    main()
