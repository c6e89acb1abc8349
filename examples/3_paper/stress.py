"""Stress: tables that a single straight step should fail on, and queries unlike anything in the training rows.

    python examples/3_paper/stress.py --data ../shared/data --output results

Each seed draws its own rows (or 80/20 split) and seeds its own fit; every row is asked for every other class.

- part "topology": circles, a checkerboard and spirals, each search in turn: how many answers are valid, plausible and
  certified (status ok), the committee's support, whether an independent forest agrees and training rows of the target
  class are near, how far the rows moved (min-max units), how long it took. The first seed is drawn, `table.png`.
- part "outliers": the rarest test rows of each class, and test rows moved out of the training rows' cloud. Besides the
  above: "honest", the share of which `predict` of the returned rows says what the report says; "overclaimed", how
  many it calls valid that `predict` denies; "flagged", how many come back with another status than ok.

Shares are of all rows that came back, those with a flag included. Writes stress.json, stress.csv and the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from runs import QUICK_FIT, Records, Stopwatch, attempt, command_line, failure
from sklearn.model_selection import train_test_split
from tables import DRAWN, read

from hyconex_sklearn import Counterfactuals, HyConExClassifier
from hyconex_sklearn.metrics import agreement, independent_classifier, l2_distance, near_target

SEARCHES = ("one_shot", "steps", "latent", "auto")
OUTLIER_TABLES = ("wine", "law", "audit", "cancer", "moons")
MOVES = {"rare": None, "moved_3": 3.0, "moved_6": 6.0}  # kinds of outliers; training standard deviations moved
RARE_SHARE = 0.05  # of each class, or as large as makes the rows below
RARE_ROWS = 20
SHOWN_ROWS = 30


@dataclass(frozen=True)
class Size:
    """How much is fitted and asked."""

    drawn_rows: int
    queries: int
    settings: dict[str, int]


FULL, QUICK = Size(2_000, 300, {}), Size(300, 10, QUICK_FIT)


class Case:
    """One table and seed: its split, the fitted classifier and an independent forest."""

    def __init__(self, X: pd.DataFrame, y: np.ndarray, seed: int, size: Size) -> None:
        parts = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
        self.X_train, self.X_test = (part.reset_index(drop=True) for part in parts[:2])
        self.y_train, self.y_test = parts[2:]
        self.clf = HyConExClassifier(random_state=seed, **size.settings).fit(self.X_train, self.y_train)
        self.forest = independent_classifier(self.X_train, self.y_train)

    def judged(self, cf: Counterfactuals) -> dict[str, float]:
        """Return what the report says of all returned rows, and what others say of them."""
        target = cf.report["target"].to_numpy()
        return {
            "valid": cf.report["valid"].mean(),
            "plausible": cf.report["plausible"].mean(),
            "certified": (cf.report["status"] == "ok").mean(),
            "support": cf.report["support"].mean(),
            "agreement": agreement(cf.data, target, self.forest.predict).mean(),
            "near_target": near_target(cf.data, target, self.X_train, self.y_train).mean(),
            "l2": l2_distance(cf.original, cf.data, self.X_train).mean(),
            "counterfactuals": len(cf),
        }

    def honesty(self, cf: Counterfactuals) -> dict[str, float]:
        """Compare the report with what `predict` says of the returned rows, and count the flags."""
        valid = cf.report["valid"].to_numpy()
        confirmed = self.clf.predict(cf.data) == cf.report["target"].to_numpy()
        return {
            "honest": (valid == confirmed).mean(),
            "overclaimed": (valid & ~confirmed).sum(),
            "flagged": (cf.report["status"] != "ok").sum(),
        }


def fitted(records: Records, missing: list[dict[str, Any]], *given: Any) -> Case | None:
    """Return the fitted case; where the fit fails, each missing piece is recorded with the error."""
    try:
        return Case(*given)
    except Exception as error:
        if not missing:  # and nowhere to tell it
            raise
        for key in missing:
            records.add(key, failure(error))
        return None


# ----------------------------------------------------------------------------------------------------------- topology


def searched(case: Case, search: str, n_queries: int, answers: dict[str, Counterfactuals]) -> dict[str, float]:
    """Answer test rows by one search, keep the answers for the picture, and judge them."""
    with Stopwatch() as watch:
        cf = case.clf.counterfactuals(case.X_test[:n_queries], search=search)
    answers[search] = cf
    return {**case.judged(cf), "seconds": watch.seconds}


def topology(records: Records, table: str, seed: int, size: Size, picture: Path | None) -> None:
    """Fit a drawn table and ask every search that has no record; all of them for the picture, where one is due."""
    missing = records.missing(part=["topology"], table=[table], seed=[seed], search=SEARCHES)
    if not missing and picture is None:
        return
    case = fitted(records, missing, *DRAWN[table](size.drawn_rows, seed), seed, size)
    if case is None:
        return
    case.clf.counterfactuals(case.X_test[:1])  # loads what the first query loads, so that it is not timed
    answers: dict[str, Counterfactuals] = {}
    for key in missing:
        records.add(key, attempt(searched, case, key["search"], size.queries, answers))
    if picture is not None:
        for search in set(SEARCHES) - {key["search"] for key in missing}:
            attempt(searched, case, search, size.queries, answers)
        draw(case, answers, f"{table}: the same rows by every search; shares of {size.queries} rows", picture)


def draw(case: Case, answers: dict[str, Counterfactuals], title: str, path: Path) -> None:
    """Draw training rows, the classifier's regions, and the way from some test rows to their counterfactuals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(SEARCHES), figsize=(20, 5.8), sharex=True, sharey=True, layout="constrained")
    for ax, search in zip(axes, SEARCHES, strict=True):
        _background(ax, case)
        if search not in answers:
            ax.set_title(f"{search}\nfailed")
            continue
        cf = answers[search]
        _ways(ax, cf, case.clf.classes_)
        valid, plausible = (cf.report[name].mean() for name in ("valid", "plausible"))
        certified = (cf.report["status"] == "ok").mean()
        ax.set_title(f"{search}\nvalid {valid:.1%}, plausible {plausible:.1%}, certified {certified:.1%}")
    figure.suptitle(f"{title}. Dot: query, arrowhead: counterfactual, crossed out where not certified", y=1.05)
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close(figure)


def _background(ax: Any, case: Case) -> None:
    """Shade the class regions lightly and dot the training rows faintly on one frame for all panels."""
    points = case.X_train.to_numpy()
    margin = 0.12 * np.ptp(points, axis=0)
    low, high = points.min(0) - margin, points.max(0) + margin
    across, up = np.meshgrid(*np.linspace(low, high, 200).T)
    grid = pd.DataFrame(np.c_[across.ravel(), up.ravel()], columns=case.X_train.columns)
    classes = case.clf.classes_
    regions = case.clf.predict_proba(grid).argmax(1).reshape(across.shape)
    levels = np.arange(len(classes) + 1) - 0.5
    ax.contourf(across, up, regions, levels=levels, colors=[f"C{k}" for k in range(len(classes))], alpha=0.13)
    for k, label in enumerate(classes):
        ax.scatter(*points[case.y_train == label].T, s=4, c=f"C{k}", alpha=0.3, linewidths=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")


def _ways(ax: Any, cf: Counterfactuals, classes: np.ndarray) -> None:
    """Draw an arrow from each of the first rows to its counterfactual, and cross out what is not certified."""
    shown = cf[: min(SHOWN_ROWS, len(cf))]
    before, after = shown.original.to_numpy(), shown.data.to_numpy()
    colours = [f"C{k}" for k in np.searchsorted(classes, shown.prediction_before)]
    ax.quiver(
        *before.T, *(after - before).T, angles="xy", scale_units="xy", scale=1, width=0.0035, color="0.15", zorder=3
    )
    ax.scatter(*before.T, s=26, c=colours, edgecolors="0.15", linewidths=0.8, zorder=4)
    doubtful = (shown.report["status"] != "ok").to_numpy()
    ax.scatter(*after[doubtful].T, s=60, c="crimson", marker="x", linewidths=1.6, zorder=5)


# ----------------------------------------------------------------------------------------------------------- outliers


def rarest(case: Case) -> pd.DataFrame:
    """Return the test rows of each class that are the rarest under its density, a few at least."""
    density = pd.Series(case.clf.score_samples(case.X_test, case.y_test))
    rank = density.groupby(case.y_test).rank(pct=True)
    most = max(RARE_SHARE, RARE_ROWS / len(rank))
    return case.X_test[(rank <= most).to_numpy()].reset_index(drop=True)


def moved(case: Case, n_queries: int, deviations: float, seed: int) -> pd.DataFrame:
    """Return test rows moved in random directions; `deviations` is the length in training standard deviations."""
    X = case.X_test[:n_queries].copy()
    numbers = X.select_dtypes("number").columns
    way = np.random.default_rng(seed).normal(size=(len(X), len(numbers)))
    way *= deviations / np.linalg.norm(way, axis=1, keepdims=True)
    X[numbers] += way * case.X_train[numbers].std().to_numpy()
    return X


def answered(case: Case, key: dict[str, Any], n_queries: int) -> dict[str, float]:
    """Answer outliers of one kind by one search, and judge the answers."""
    deviations = MOVES[key["kind"]]
    X = rarest(case) if deviations is None else moved(case, n_queries, deviations, key["seed"])
    with Stopwatch() as watch:
        cf = case.clf.counterfactuals(X, search=key["search"])
    return {**case.judged(cf), **case.honesty(cf), "rows": len(X), "seconds": watch.seconds}


def outliers(records: Records, table: str, seed: int, size: Size, folder: Path | None) -> None:
    """Fit a table and ask for counterfactuals of the outliers that have no record."""
    missing = records.missing(part=["outliers"], table=[table], seed=[seed], kind=MOVES, search=("one_shot", "auto"))
    case = fitted(records, missing, *read(table, folder), seed, size) if missing else None
    for key in missing if case else ():
        records.add(key, attempt(answered, case, key, size.queries))


def chosen_tables(quick: bool, folder: Path | None) -> Iterable[str]:
    """Return the tables of a run that names none."""
    if quick:
        return ("circles", "iris")
    return (*DRAWN, *(OUTLIER_TABLES if folder else ("cancer",)))


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    quick, folder = arguments.quick, arguments.data
    size, seeds = (QUICK if quick else FULL), arguments.seeds or ([0] if quick else range(3))
    records = Records(arguments.output, "stress", quick)
    for table in arguments.tables or chosen_tables(quick, folder):
        picture = arguments.output / f"{table}.png"
        for seed in seeds:
            if table in DRAWN:
                due = seed == seeds[0] and not picture.exists()
                topology(records, table, seed, size, picture if due else None)
            else:
                outliers(records, table, seed, size, folder)


if __name__ == "__main__":
    main()
