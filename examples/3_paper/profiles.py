"""Where the time of fits and answers goes, part by part.

    OMP_NUM_THREADS=1 python examples/3_paper/profiles.py --data ../shared/data --output results

Wall seconds, in profiles.json and profiles.csv, of a default fit ("fit") by phase, and of the answers to 100,000 rows
by the single pass ("one_shot") and to 1,000 by the default search ("auto"), each toward the row's second class: passes
of the classifier, the hypernetwork, the committee and the flow, reading and writing tables, holding rows to the rules;
"other" is the rest. With slopes, only the way forward is told by name, and the way back is in "other". `--tables` takes
"23 numbers" and the names of the split tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from runs import QUICK_FIT, Records, command_line
from scaling import PARTS, PHASES, Clock
from speed import PUBLISHED, auto, one_shot, repeated, rows_of
from tables import load

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.classifier import Classifier
from hyconex_sklearn._model.committee import Committee
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._rules.feasible_set import FeasibleSet
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.concatenate import Joined

DRAWN = "23 numbers"
ANSWERS = {"one_shot": (one_shot, 100_000), "auto": (auto, 1_000)}
PLACES: dict[str, tuple[tuple[type, str], ...]] = {
    "classifier": ((Classifier, "forward"),),
    "hypernetwork": ((HyperNetwork, "forward"),),
    "committee": ((Committee, "forward"),),
    "density": ((MixedDensity, "log_prob"),),
    "encoding": ((TableCodec, "encode"),),
    "writing": ((TableCodec, "rewrite"), (Joined, "add")),
    "rules": ((FeasibleSet, "settle"),),
}


@contextmanager
def over_answers(clock: Clock) -> Iterator[None]:
    """Take the time of the parts of answers in the block."""
    with ExitStack() as stack:
        for name, places in PLACES.items():
            for owner, method in places:
                stack.enter_context(patch.object(owner, method, clock.timed(name, getattr(owner, method))))
        yield


def seconds(clock: Clock, names: tuple[str, ...]) -> dict[str, float]:
    """Return the wall seconds of the parts, of the rest and of all."""
    spent = {name: sum(wall for _, wall in clock.spent[name]) for name in (*names, "all")}
    return {**spent, "other": spent["all"] - sum(spent[name] for name in names)}


def measure(records: Records, table: str, seed: int, quick: bool, folder: Path | None) -> None:
    """Take the parts of a fit to a table, and of answers."""
    keys = records.missing(part=["fit", *ANSWERS], table=[table], seed=[seed])
    if not keys:
        return
    X, y, queries = rows_and_queries(table, seed, folder)
    clf, clock = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {})), Clock()
    HyConExClassifier(**QUICK_FIT, random_state=0).fit(X[:200], y[:200])  # what loads once
    with clock.over_fits(), clock.running("all"):
        clf.fit(X, y)
    for key in keys:
        if key["part"] == "fit":
            records.add(key, {"rows": len(X), **seconds(clock, (*PHASES, *PARTS))})
            continue
        ask, rows = ANSWERS[key["part"]]
        some, asked = repeated(queries, min(rows, 200) if quick else rows), Clock()
        ask(clf, some)
        with over_answers(asked), asked.running("all"):
            ask(clf, some)
        records.add(key, {"rows": len(some), **seconds(asked, tuple(PLACES))})


def rows_and_queries(table: str, seed: int, folder: Path | None) -> tuple[Any, np.ndarray, Any]:
    """Return rows and labels to fit, and rows to ask about."""
    if table == DRAWN:
        return rows_of(table, seed, folder)
    split = load(table, folder)
    return split.rows_to_fit, split.labels_to_fit, split.X_test


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    folder, quick = arguments.data, arguments.quick
    records = Records(arguments.output, "profiles", quick)
    for table in arguments.tables or ((DRAWN, *PUBLISHED, "adult") if folder and not quick else (DRAWN,)):
        for seed in arguments.seeds or [0]:
            measure(records, table, seed, quick, folder)


if __name__ == "__main__":
    main()
