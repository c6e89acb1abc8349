"""The few figures that readers look for first, computed from the records of all scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from summaries import complete, in_groups, number

Records = dict[str, pd.DataFrame]


def lines(records: Records) -> Iterator[list[str]]:
    """Yield question, figure and what to compare it with, for those scripts that have run."""
    for name, ask in {"accuracy": _accuracy, "benchmark": _neighbours, "ablation": _ablation}.items():
        if name in records:
            yield from ask(records[name])
    if "actionable" in records:
        asked, violated = (int(records["actionable"][name].sum()) for name in ("asked", "violated"))
        yield ["rules violated", f"{violated}", f"{asked:,} random queries"]
    if "stress" in records:
        yield from _stress(records["stress"])
    if "timing" in records:
        yield from _timing(records["timing"])
    if "visual" in records:
        yield from _images(records["visual"])


def _accuracy(frame: pd.DataFrame) -> Iterator[list[str]]:
    told = {
        "choosing": "tables on which settings were chosen",
        "reporting": "tables that only report",
        "other": "others",
    }
    for group, rows in in_groups(frame).items():
        for figure, label in {"auroc": "AUROC", "log_loss": "log loss"}.items():
            table = complete(rows, figure)
            if not table.empty:
                means = table.mean().map("{:.4f}".format)
                yield [f"{label}, {len(table)} {told[group]}", means["hyconex"], _listed(means.drop("hyconex"))]


def _neighbours(frame: pd.DataFrame) -> Iterator[list[str]]:
    frame = of_all_asked(frame[frame["method"] != "hyconex_all"])
    labels = {
        "agreement": "agreement (of all rows asked), default search",
        "plausibility": "plausible by the own flow, default search",
        "plausibility_independent": "plausible by a kernel density, default search",
        "l2": "L2, default search",
    }
    for figure, label in labels.items():
        means = frame.groupby(["method", "table"], sort=False)[figure].mean().groupby(level=0, sort=False).mean()
        yield [label, number(means["hyconex_auto"]), _listed(means.drop("hyconex_auto").map(number))]


def of_all_asked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return records whose shares are of all rows asked: what was not found, or failed as a whole, counts as none."""
    shares = ["validity", "agreement", "plausibility", "plausibility_independent", "near_target"]
    return frame.assign(**{name: (frame[name] * frame["coverage"]).fillna(0.0) for name in shares})


def _ablation(frame: pd.DataFrame) -> Iterator[list[str]]:
    """Yield what a part contributes: the mean difference over tables and seeds, with its standard error."""
    asked = {
        ("labels only", "log_loss"): "a teacher or labels only: log loss",
        ("no drawn rows", "agreement"): "drawn rows to learn from or none: agreement",
        ("tied", "weights_sign"): "weights that only move, or also classify: sign of the largest term",
        ("tied", "own_linear"): "... own linear model puts the answer into its class",
        ("no secant", "secant_error"): "secant loss or none: median relative error of the secant",
        ("no linear start", "auroc"): "linear start or none: AUROC",
        ("no linear start", "log_loss"): "linear start or none: log loss",
        ("no masks", "masked_validity"): "masks or none: valid with half of the columns immutable",
        ("cross-entropy", "plausibility"): "margin loss rather than cross-entropy: plausible",
        ("batch norm", "plausibility"): "layer norm rather than batch norm: plausible",
    }
    values = frame.set_index(["variant", "table", "seed"]).sort_index()
    for (variant, figure), label in asked.items():
        if variant in values.index and figure in values:
            gap = (values.loc["full", figure] - values.loc[variant, figure]).dropna()
            error = gap.std() / len(gap) ** 0.5 if len(gap) > 1 else float("inf")
            clear = "a clear difference" if abs(gap.mean()) > 2 * error else "no clear difference"
            means = f"{number(values.loc['full', figure].mean(), 4)}, {number(values.loc[variant, figure].mean(), 4)}"
            yield [label, f"{gap.mean():+.4f} ± {number(error, 4)}: {clear}", means]


def _stress(frame: pd.DataFrame) -> Iterator[list[str]]:
    auto = frame[(frame["part"] == "topology") & (frame["search"] == "auto")]
    means = auto.groupby("table", sort=False)[["valid", "plausible"]].mean()
    for table, valid, plausible in means.itertuples():
        yield [f"{table}, default search: valid, plausible", f"{number(valid)}, {number(plausible)}", ""]


def _timing(frame: pd.DataFrame) -> Iterator[list[str]]:
    """Yield how many times as many rows the single pass answers, each method at its best batch size."""
    peers = frame[(frame["part"] == "peers") & frame["per_second"].notna()]
    best = peers.groupby(["table", "method"], sort=False)["per_second"].max().unstack(0)
    for method, rates in best.iterrows():
        if not str(method).startswith("hyconex"):
            times = (best.loc["hyconex_one_shot"] / rates).dropna().map("{:,.0f}".format)
            yield [f"single pass: times the rows a second of {method}", _listed(times), "each at its best batch size"]


def _images(frame: pd.DataFrame) -> Iterator[list[str]]:
    rows = frame[frame["part"] == "ablation"]
    means = rows.groupby("variant", sort=False)[["flip_rate", "non_adversarial_rate"]].mean()
    labels = {"flip_rate": "digits flipped", "non_adversarial_rate": "... of these, for an independent classifier, too"}
    for figure, label in labels.items():
        yield [label, number(means.loc["default", figure]), _listed(means[figure].drop("default").map(number))]


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
