"""Rules, sparsity, alternatives and the price of a search, on four tables.

    python examples/3_paper/actionable.py --data ../shared/data --plot tradeoff.png

prints one line per table, the mean over the seeds, and writes every figure to a JSON file. A run that was interrupted
goes on where it stopped. The rules are checked in plain pandas, by code that shares nothing with the package.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from benchmark import Judge
from sklearn.datasets import load_breast_cancer
from tables import Split, load, split_as_published

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier

NAMES = ("adult", "audit", "law", "cancer")
PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
RULE_SETS = 8  # random rule sets for each fit
RULED_ROWS = 105  # rows asked under each of them: 4 tables x 3 seeds x 8 x 105 = 10,080 queries


def load_table(name: str, folder: Path) -> Split:
    """Read one of `NAMES`; the breast cancer data come with scikit-learn."""
    if name != "cancer":
        return load(name, folder)
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return split_as_published(X, y.to_numpy())


# ------------------------------------------------------------------------------------------------------------- rules


def random_rules(X: pd.DataFrame, train: pd.DataFrame, rng: np.random.Generator) -> Actionability:
    """Draw rules of every kind that no row of X contradicts: frozen cells keep their values, whatever those are."""
    numbers, text = X.select_dtypes("number").columns, X.select_dtypes(exclude="number").columns
    drawn: dict = {"immutable": rng.random(X.shape) < rng.uniform(0, 0.6)}
    bounded = [name for name in numbers if rng.random() < 0.3]
    low, high = np.sort([train[bounded].quantile(q).to_numpy() for q in rng.random(2)], axis=0)
    drawn["immutable"][:, X.columns.get_indexer(bounded)] = False
    drawn["bounds"] = {
        name: tuple(float(end) if rng.random() < 0.8 else None for end in ends)
        for name, *ends in zip(bounded, low, high, strict=True)
    }
    drawn["monotonic_cst"] = {name: int(rng.integers(-1, 2)) for name in numbers if rng.random() < 0.4}
    drawn["allowed_transitions"] = {
        name: {
            label: [other for other in X[name].unique() if rng.random() < 0.5]
            for label in X[name].unique()
            if rng.random() < 0.5
        }
        for name in text
        if rng.random() < 0.5
    }
    if rng.random() < 0.4:
        drawn["max_changes"] = int(rng.integers(1, X.shape[1] + 1))
    if len(numbers) > 1 and rng.random() < 0.4:
        one, other = rng.choice(numbers, 2, replace=False)
        scale = train[[one, other]].std()
        sides = {one: 1 / scale[one], other: -1 / scale[other]}
        drawn["relations"] = [(sides, float((train[[one, other]] / scale).diff(-1, axis=1)[one].quantile(0.7)))]
    return Actionability(**drawn)


def violations(rules: Actionability, frozen: np.ndarray, X: pd.DataFrame, cf: Counterfactuals) -> int:
    """Count the returned rows that break a rule, and those that claim to obey all and don't."""
    before, after = X.iloc[cf.report["row"]].reset_index(drop=True), cf.data
    same = (before == after) | (before.isna() & after.isna())
    broken = (~same & frozen[cf.report["row"]]).any(axis=1)
    if rules.max_changes is not None:
        broken |= (~same).sum(axis=1) > rules.max_changes
    claimed = pd.Series(False, index=after.index)
    for name, (low, high) in (rules.bounds or {}).items():
        claimed |= (after[name] < (-np.inf if low is None else low)) | (
            after[name] > (np.inf if high is None else high)
        )
    for name, sign in (rules.monotonic_cst or {}).items():
        claimed |= sign * (after[name] - before[name]) < 0
    for name, allowed in (rules.allowed_transitions or {}).items():
        for label, others in allowed.items():
            broken |= (before[name] == label) & ~after[name].isin([label, *others])
    for sides, bound in rules.relations:
        claimed |= sum(after[name] * factor for name, factor in sides.items()) > bound + 1e-9
    return int((broken | (claimed & cf.report["feasible"])).sum())


def rules_violated(clf: HyConExClassifier, split: Split, rng: np.random.Generator) -> dict[str, float]:
    """Ask under random rules, every search in turn."""
    asked = wrong = feasible = 0
    for i in range(RULE_SETS):
        X = split.X_test.sample(RULED_ROWS, replace=True, random_state=int(rng.integers(2**31))).reset_index(drop=True)
        rules = random_rules(X, split.X_train, rng)
        search = ("auto", "one_shot", "steps", "auto")[i % 4]
        cf = clf.counterfactuals(X, actionability=rules, search=search)
        wrong += violations(rules, np.array(rules.immutable), X, cf)
        asked, feasible = asked + len(cf), feasible + int(cf.report["feasible"].sum())
    return {"asked": asked, "violated": wrong, "feasible": feasible / asked}


# ----------------------------------------------------------------------------------------------------- half immutable


def half_frozen(X: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """A random half of the columns for each row, True where frozen."""
    order = rng.random(X.shape).argsort(axis=1)
    return order < X.shape[1] // 2


def reservoir_serves(clf: HyConExClassifier, X: pd.DataFrame, cf: Counterfactuals, frozen: np.ndarray) -> np.ndarray:
    """Which queries some row of the model's reservoir answers, its values put into the columns that may change.

    The reservoir is private to the model, hence the underscores: this is what "a feasible row exists" means here.
    """
    model, codec = clf._model, clf._codec
    encoded = codec.encode(X)
    served = np.zeros(len(cf), dtype=bool)
    targets = np.searchsorted(clf.classes_, cf.report["target"])
    for i, (row, target) in enumerate(zip(cf.report["row"], targets, strict=True)):
        own = model.reservoir[model.reservoir_labels == int(target)].numpy()
        home = np.repeat(encoded[[row]], len(own), axis=0)
        mixed = codec.snap(np.where(frozen[row][codec.schema.owner], home, own), home)
        with torch.no_grad():
            served[i] = bool((model.network.logits(torch.from_numpy(mixed)).argmax(1) == int(target)).any())
    return served


def under_half(clf: HyConExClassifier, X: pd.DataFrame, judge: Judge, rng: np.random.Generator) -> dict[str, float]:
    """Freeze a random half of the cells of each row."""
    frozen = half_frozen(X, rng)
    one_shot = clf.counterfactuals(X, immutable=frozen, search="one_shot")
    auto = clf.counterfactuals(X, immutable=frozen)
    served = reservoir_serves(clf, X, auto, frozen)
    judged = judge(auto)
    return {
        "half_served": served.mean(),
        "half_one_shot_valid": one_shot.report["valid"].to_numpy()[served].mean(),
        "half_valid": auto.report["valid"].to_numpy()[served].mean(),
        "half_flagged": (auto.report["status"] != "ok").to_numpy()[~auto.report["valid"].to_numpy()].mean(),
        "half_one_shot_valid_all": one_shot.report["valid"].mean(),
        "half_valid_all": auto.report["valid"].mean(),
        "half_plausible": judged["plausible"],
        "half_agreement": judged["agreement"],
        "half_ok": (auto.report["status"] == "ok").mean(),
        "half_ok_agreement": judge(auto[auto.report["status"] == "ok"])["agreement"],
    }


# ------------------------------------------------------------------------------------------------------- alternatives


def alternatives(clf: HyConExClassifier, X: pd.DataFrame) -> dict[str, float]:
    """Ask for three alternatives each."""
    start = time.perf_counter()
    cf = clf.counterfactuals(X, n_counterfactuals=3)
    seconds = time.perf_counter() - start
    changed = ((cf.data != cf.original) & ~(cf.data.isna() & cf.original.isna())).to_numpy()
    distances, valid, certified = [], [], []
    for _, lines in cf.report.groupby(["row", "target"]):
        at = lines.index.to_numpy()
        distances += [
            1 - (changed[i] & changed[j]).sum() / (changed[i] | changed[j]).sum() for i, j in combinations(at, 2)
        ]
        valid.append(len(at) == 3 and lines["valid"].all())
        certified.append(len(at) == 3 and lines["status"].isin(["ok", "fewer"]).all())
    return {
        "k3_jaccard": np.mean(distances),
        "k3_valid": np.mean(valid),
        "k3_certified": np.mean(certified),
        "k3_per_query": len(cf) / len(valid),
        "k3_seconds": seconds,
    }


# ------------------------------------------------------------------------------------------------------ measured once


def compared(clf: HyConExClassifier, X: pd.DataFrame, judge: Judge) -> dict[str, float]:
    """One-shot, auto and latent search without rules, and the trade-off over target probabilities."""
    figures: dict[str, float] = {}
    clf.counterfactuals(X[:50])  # lazy imports
    for search in ("one_shot", "auto", "latent"):
        rows = X if search != "latent" else X[:200]
        start = time.perf_counter()
        cf = clf.counterfactuals(rows, search=search)
        figures[f"{search}_seconds"] = time.perf_counter() - start
        judged = judge(cf) | {"encoded": cf.report["distance_l2"].mean(), "ok": (cf.report["status"] == "ok").mean()}
        figures |= {f"{search}_{name}": value for name, value in judged.items()}
    for probability in PROBABILITIES:
        judged = judge(clf.counterfactuals(X[:300], target_probability=probability))
        figures |= {f"p{probability}_{name}": judged[name] for name in ("l2", "agreement", "plausible", "changed")}
    for name in ("l2", "encoded", "changed", "seconds"):
        figures[f"ratio_{name}"] = figures[f"auto_{name}"] / figures[f"one_shot_{name}"]
    return figures


def measure(split: Split, judge: Judge, seed: int) -> dict[str, float]:
    """Fit with one seed, and measure everything on test rows."""
    clf = HyConExClassifier(random_state=seed).fit(split.rows_to_fit, split.labels_to_fit)
    rng, X = np.random.default_rng(seed), split.X_test
    figures = compared(clf, X[:1000], judge) | under_half(clf, X[:300], judge, rng)
    figures |= alternatives(clf, X[:200]) | rules_violated(clf, split, rng)
    return {name: float(value) for name, value in figures.items()}


SHOWN = (
    "violated asked half_one_shot_valid half_valid half_served half_plausible half_agreement half_ok half_ok_agreement "
    "auto_plausible auto_agreement one_shot_plausible one_shot_agreement ratio_changed ratio_l2 ratio_encoded "
    "latent_l2 latent_agreement k3_jaccard k3_valid k3_certified one_shot_seconds auto_seconds ratio_seconds"
).split()


def plot(runs: pd.DataFrame, path: Path) -> None:
    """Draw distance against agreement over the probabilities asked, one line per table."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for name, table in runs.groupby(level=0, sort=False):
        mean = table.mean()
        way = np.array([mean[f"p{p}_l2"] for p in PROBABILITIES]) / mean["one_shot_l2"]
        agreement = [mean[f"p{p}_agreement"] for p in PROBABILITIES]
        (line,) = axes.plot(way, agreement, marker="o", label=name)
        for p, x, y in zip(PROBABILITIES, way, agreement, strict=True):
            axes.annotate(f"{p:g}", (x, y), textcoords="offset points", xytext=(4, -9), fontsize=7)
        default = (mean["auto_l2"] / mean["one_shot_l2"], mean["auto_agreement"])
        axes.plot(*default, marker="*", markersize=13, color=line.get_color())
        axes.plot(1, mean["one_shot_agreement"], marker="x", color=line.get_color())
    axes.set_xlabel("distance, as a share of the single pass's")
    axes.set_ylabel("agreement of a random forest")
    axes.set_title(
        "Distance against agreement over target_probability\n(star: default, cross: single pass)", fontsize=10
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Run what is missing, print the means, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the CSV files")
    parser.add_argument("--tables", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("actionable.json"))
    parser.add_argument("--plot", type=Path, help="draw the trade-off to this file (needs matplotlib)")
    arguments = parser.parse_args()
    runs = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    warnings.simplefilter("ignore")
    for name in arguments.tables:
        split = load_table(name, arguments.data)
        judge = Judge(split.X_train, split.y_train)
        for seed in arguments.seeds:
            if f"{name}/{seed}" not in runs:
                runs[f"{name}/{seed}"] = measure(split, judge, seed)
                arguments.output.write_text(json.dumps(runs, indent=1))
                print(f"{name}, seed {seed}: done", flush=True)
    table = pd.DataFrame({tuple(key.split("/")): figures for key, figures in runs.items()}).T
    print(table.groupby(level=0, sort=False).mean()[SHOWN].T.round(3).to_string())
    print(f"rules violated: {table['violated'].sum():.0f} of {table['asked'].sum():.0f} queries")
    if arguments.plot:
        plot(table, arguments.plot)


if __name__ == "__main__":
    main()
