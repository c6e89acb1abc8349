"""How the time of a fit grows with the rows, columns and classes of a table; run it while nothing else runs.

    python examples/3_paper/scaling.py --output results

Drawn tables of numbers, from 10,000 rows, 20 columns and two classes on; one of the three grows. A fit has three epochs
of each phase (one of "clusters", k-means prototypes before the joint one). scaling.json and scaling.csv say in seconds
of CPU (`cpu_`) and of the clock (`wall_`): one epoch of each phase, the median; what is no epoch, by name (columns:
what is learned of each; split: held-out rows are drawn, and all encoded; thresholds: plausibility, temperature,
confidence); and the whole fit. scaling.png shows the CPU's, with what would be linear. `--rows` takes other numbers.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from runs import Records, attempt, command_line
from timing import numbers

import hyconex_sklearn
import hyconex_sklearn._training.fit_model
from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._training.loop import Training

BASE = {"rows": 10_000, "features": 20, "classes": 2}
FULL: dict[str, tuple[int, ...]] = {
    "rows": (10_000, 30_000, 100_000, 300_000, 1_000_000),
    "features": (10, 20, 50, 100, 200),
    "classes": (2, 3, 5, 10, 20),
}
QUICK: dict[str, tuple[int, ...]] = {"rows": (400, 800), "features": (10,), "classes": (3,)}
EPOCHS = 3
PHASES = ("density", "classifier", "clusters", "joint")
# What is no epoch: functions under the names by which a fit calls them.
PARTS = {
    "labels": ("_classifier.check_labels",),
    "columns": ("_table.codec.fit_column",),
    "split": ("_training.rows.split",),
    "committee": ("_training.fit_model.fit_committee",),
    "linear": ("_training.classifier_phase.linear_member",),
    "teacher": ("_training.classifier_phase.fit_ensemble", "_training.ensemble.Ensemble.predict_proba"),
    "drawn": ("_training.classifier_phase.draw_rows",),
    "prototypes": ("_training.step_phase.class_prototypes",),
    "thresholds": ("_training.fit_model.plausible_threshold", "_training.fit_model.calibrate"),
    "reservoir": ("_training.fit_model.fill_reservoir",),
}


class Clock:
    """Seconds of CPU and of the clock that named parts of a fit take, each time that they run."""

    def __init__(self) -> None:
        self.spent: dict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Add what the block takes to `spent[name]`."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.spent[name].append((time.process_time() - cpu, time.perf_counter() - wall))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time taken."""

        def work(*given: Any, **named: Any) -> Any:
            with self.running(name):
                return function(*given, **named)

        return work

    @contextmanager
    def over_fits(self) -> Iterator[None]:
        """Take the time of the parts of fits in the block: an epoch ends with each record of `Training.epochs`."""
        recorded = Training.epochs

        def epochs(training: Training, phase: str, *given: Any, **named: Any) -> Iterator[dict[str, Any]]:
            records = recorded(training, phase, *given, **named)
            while True:
                with self.running(phase):
                    record = next(records, None)
                if record is None:
                    return
                yield record

        with ExitStack() as stack:
            stack.enter_context(patch.object(Training, "epochs", epochs))
            for name, functions in PARTS.items():
                for path in functions:
                    timed = self.timed(name, attrgetter(path)(hyconex_sklearn))
                    stack.enter_context(patch(f"hyconex_sklearn.{path}", timed))
            yield


def fitted_in_parts(rows: int, features: int, classes: int, seed: int, epochs: int) -> dict[str, Any]:
    """Return the seconds of all parts of a fit to a table of this shape."""
    X, y = numbers(rows, seed, features, classes)
    settings = dict.fromkeys(("flow_epochs", "pretrain_epochs", "joint_epochs"), epochs)
    clf, clock = HyConExClassifier(random_state=seed, **settings), Clock()
    with clock.over_fits(), clock.running("fit"):
        clf.fit(X, y)
    figures: dict[str, Any] = {"rows": rows, "features": features, "classes": classes, "epochs": epochs}
    for kind, unit in enumerate(("cpu", "wall")):
        for name in (*PHASES, *PARTS, "fit"):
            seconds = [spent[kind] for spent in clock.spent[name]]
            figures[f"{unit}_{name}"] = statistics.median(seconds) if name in PHASES else sum(seconds)
        named = sum(spent[kind] for name, all_spent in clock.spent.items() if name != "fit" for spent in all_spent)
        figures[f"{unit}_other"] = figures[f"{unit}_fit"] - named
    return figures


# ------------------------------------------------------------------------------------------------------------- picture


def draw(records: pd.DataFrame, path: Path) -> None:
    """Draw an epoch and all else over rows, and an epoch over features x classes, beside dashed lines through 0."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.6), layout="constrained")
    by_rows = records[records["grows"] == "rows"].sort_values("size")
    lines(axes[0], by_rows["size"], by_rows, PHASES, linear=True)
    axes[0].set(title="one epoch", xlabel="rows", ylabel="CPU seconds")
    lines(axes[1], by_rows["size"], by_rows, (*PARTS, "other"), linear=False)
    axes[1].set(title="what is no epoch", xlabel="rows")
    for grows, style in (("features", "-"), ("classes", ":")):
        some = records[records["grows"] == grows].sort_values("size")
        lines(axes[2], some["features"] * some["classes"], some, PHASES, linear=False, style=style)
    axes[2].set(title="one epoch; dotted: classes grow", xlabel="features x classes", ylim=(0, None))
    for ax in axes[:2]:
        ax.set(xscale="log", yscale="log")
        ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def lines(ax: Any, x: pd.Series, records: pd.DataFrame, names: Any, linear: bool, style: str = "-") -> None:
    """Draw the seconds of some parts over x, and where they would be if they grew like x from the first one on."""
    for number, name in enumerate(names):
        colour, seconds = f"C{number}", records[f"cpu_{name}"]
        ax.plot(x, seconds, style, marker="os^vDPX<>*d"[number], color=colour, markersize=4, label=name)
        if linear:
            ax.plot(x, seconds.iloc[0] * x / x.iloc[0], "--", color=colour, linewidth=0.8)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rows", nargs="+", type=int, help="these numbers of rows, in place of 10,000 to 1,000,000")
    arguments = parser.parse_args()
    records = Records(arguments.output, "scaling", arguments.quick)
    sizes = QUICK if arguments.quick else FULL
    sizes = {**sizes, "rows": tuple(arguments.rows or sizes["rows"])}
    base = {"rows": 400, "features": 5, "classes": 2} if arguments.quick else BASE
    epochs = 1 if arguments.quick else EPOCHS
    keys = [
        key
        for seed in arguments.seeds or [0]
        for grows, values in sizes.items()
        for key in records.missing(grows=[grows], size=values, seed=[seed])
    ]
    if keys:
        fitted_in_parts(200, 5, 2, 0, 1)  # loads what the first fit loads
    for key in keys:
        shape = {**base, key["grows"]: key["size"]}
        records.add(key, attempt(fitted_in_parts, *shape.values(), key["seed"], epochs))
    if keys:
        draw(records.frame(), arguments.output / "scaling.png")


if __name__ == "__main__":
    main()
