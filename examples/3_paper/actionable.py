"""Rules, sparsity, alternatives and the price of a search, on four tables.

    python examples/3_paper/actionable.py --data ../shared/data --output results

One record for each table, seed and part: "searches" compares them, and draws the trade-off between distance and
agreement over `target_probability` (tradeoff.png); "half" freezes a random half of the cells of each row;
"alternatives" asks for three; "rules" asks under random rules of every kind, and checks them in plain pandas, by code
that shares nothing with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from runs import QUICK_FIT, Records, Stopwatch, command_line
from tables import Split, load

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier
from hyconex_sklearn.metrics import agreement, independent_classifier, l2_distance, near_target

NAMES = ("adult", "audit", "law", "cancer")
PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
RULE_SETS = 8  # random rule sets for each fit
RULED_ROWS = 105  # rows asked under each of them: 4 tables x 3 seeds x 8 x 105 = 10,080 queries
QUICK_SHARE = 100  # a quick run asks one row where a whole one asks so many

Judge = Callable[[Counterfactuals], dict[str, float]]


def judged(cf: Counterfactuals, split: Split, oracle: Callable[[Any], Any]) -> dict[str, float]:
    """Return what the report says, on average, and what an independent classifier says."""
    target = cf.report["target"].to_numpy()
    return {
        "valid": cf.report["valid"].mean(),
        "plausible": cf.report["plausible"].mean(),
        "support": cf.report["support"].mean(),
        "agreement": agreement(cf.data, target, oracle).mean(),
        "l2": l2_distance(cf.original, cf.data, split.X_train).mean(),
        "changed": cf.report["n_changed"].mean(),
    }


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


def rules_violated(clf: HyConExClassifier, split: Split, seed: int, share: int) -> dict[str, float]:
    """Ask under random rules, every search in turn."""
    rng, rows = np.random.default_rng([seed, 1]), RULED_ROWS // share
    asked = wrong = feasible = 0
    for i in range(RULE_SETS):
        X = split.X_test.sample(rows, replace=True, random_state=int(rng.integers(2**31))).reset_index(drop=True)
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
        mixed = codec.schema.snap(np.where(frozen[row][codec.schema.owner], home, own), home)
        with torch.no_grad():
            served[i] = bool((model.logits(torch.from_numpy(mixed)).argmax(1) == int(target)).any())
    return served


def under_half(clf: HyConExClassifier, X: pd.DataFrame, judge: Judge, seed: int) -> dict[str, float]:
    """Freeze a random half of the cells of each row."""
    frozen = half_frozen(X, np.random.default_rng([seed, 0]))
    one_shot = clf.counterfactuals(X, immutable=frozen, search="one_shot")
    auto = clf.counterfactuals(X, immutable=frozen)
    served = reservoir_serves(clf, X, auto, frozen)
    means = judge(auto)
    return {
        "half_served": served.mean(),
        "half_one_shot_valid": one_shot.report["valid"].to_numpy()[served].mean(),
        "half_valid": auto.report["valid"].to_numpy()[served].mean(),
        "half_flagged": (auto.report["status"] != "ok").to_numpy()[~auto.report["valid"].to_numpy()].mean(),
        "half_one_shot_valid_all": one_shot.report["valid"].mean(),
        "half_valid_all": auto.report["valid"].mean(),
        "half_plausible": means["plausible"],
        "half_agreement": means["agreement"],
        "half_ok": (auto.report["status"] == "ok").mean(),
        "half_ok_agreement": judge(auto[auto.report["status"] == "ok"])["agreement"],
    }


# ------------------------------------------------------------------------------------------------------- alternatives


def alternatives(clf: HyConExClassifier, X: pd.DataFrame) -> dict[str, float]:
    """Ask for three alternatives each."""
    with Stopwatch() as watch:
        cf = clf.counterfactuals(X, n_counterfactuals=3)
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
        "k3_seconds": watch.seconds,
    }


# ----------------------------------------------------------------------------------------------------------- searches


def compared(clf: HyConExClassifier, split: Split, judge: Judge, share: int) -> dict[str, float]:
    """One-shot, auto and latent search without rules, and the trade-off over target probabilities."""
    figures: dict[str, float] = {}
    X = split.X_test[: 1_000 // share]
    clf.counterfactuals(X[:1])  # lazy imports
    for search in ("one_shot", "auto", "latent"):
        with Stopwatch() as watch:
            cf = clf.counterfactuals(X if search != "latent" else X[: 200 // share], search=search)
        figures[f"{search}_seconds"] = watch.seconds
        means = judge(cf) | {"encoded": cf.report["distance_l2"].mean(), "ok": (cf.report["status"] == "ok").mean()}
        means["near"] = near_target(cf.data, cf.report["target"], split.X_train, split.y_train).mean()
        figures |= {f"{search}_{name}": value for name, value in means.items()}
    for probability in PROBABILITIES:
        means = judge(clf.counterfactuals(X[: 300 // share], target_probability=probability))
        figures |= {f"p{probability}_{name}": means[name] for name in ("l2", "agreement", "plausible", "changed")}
    for name in ("l2", "encoded", "changed", "seconds"):
        figures[f"ratio_{name}"] = figures[f"auto_{name}"] / figures[f"one_shot_{name}"]
    return figures


# --------------------------------------------------------------------------------------------------------------- parts

PARTS: dict[str, Callable[[HyConExClassifier, Split, Judge, int, int], dict[str, float]]] = {
    "searches": lambda clf, split, judge, seed, share: compared(clf, split, judge, share),
    "half": lambda clf, split, judge, seed, share: under_half(clf, split.X_test[: 300 // share], judge, seed),
    "alternatives": lambda clf, split, judge, seed, share: alternatives(clf, split.X_test[: 200 // share]),
    "rules": lambda clf, split, judge, seed, share: rules_violated(clf, split, seed, share),
}


SHOWN = (
    "violated asked half_one_shot_valid half_valid half_served half_plausible half_agreement half_ok half_ok_agreement "
    "auto_plausible auto_agreement one_shot_plausible one_shot_agreement ratio_changed ratio_l2 ratio_encoded "
    "latent_l2 latent_agreement k3_jaccard k3_valid k3_certified one_shot_seconds auto_seconds ratio_seconds"
).split()


def plot(runs: pd.DataFrame, path: Path) -> None:
    """Draw distance against agreement over the probabilities asked, one line per table."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for name, mean in runs.groupby("table", sort=False).mean(numeric_only=True).iterrows():
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


def measure(records: Records, keys: list[dict[str, Any]], split: Split, judge: Judge, quick: bool) -> None:
    """Fit with the seed that some missing records share, and measure their parts."""
    seed, share = keys[0]["seed"], QUICK_SHARE if quick else 1
    clf = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {}))
    clf.fit(split.rows_to_fit, split.labels_to_fit)
    for key in keys:
        with Stopwatch() as watch:
            figures = PARTS[key["part"]](clf, split, judge, seed, share)
        records.add(key, {**figures, "seconds": watch.seconds})


def main() -> None:
    """Run what is missing, print the means, draw the plot."""
    arguments = command_line(__doc__).parse_args()
    quick = arguments.quick
    tables = arguments.tables or (NAMES if arguments.data and not quick else ("cancer",))
    seeds = arguments.seeds or ([0] if quick else range(3))
    records = Records(arguments.output, "actionable", quick)
    for table in tables:
        missing = records.missing(table=[table], seed=seeds, part=PARTS)
        if missing:
            split = load(table, arguments.data)
            judge = partial(judged, split=split, oracle=independent_classifier(split.X_train, split.y_train).predict)
        for _, keys in groupby(missing, key=lambda key: key["seed"]):
            measure(records, list(keys), split, judge, quick)
    frame = records.frame()
    means = frame.groupby("table", sort=False).mean(numeric_only=True)
    print(means[[*SHOWN]].T.round(3).to_string())
    print(f"rules violated: {frame['violated'].sum():.0f} of {frame['asked'].sum():.0f} queries")
    plot(frame, arguments.output / "tradeoff.png")


if __name__ == "__main__":
    main()
