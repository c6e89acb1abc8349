"""The few figures that readers look for first, computed from the records of all scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from summaries import complete, number

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


def _accuracy(frame: pd.DataFrame) -> Iterator[list[str]]:
    for figure, label in {"auroc": "AUROC", "log_loss": "log loss"}.items():
        means = complete(frame, figure).mean().drop("hyconex").map("{:.4f}".format)
        own = f"{complete(frame, figure)['hyconex'].mean():.4f}"
        yield [f"{label}, mean of {len(complete(frame, figure))} tables", own, _listed(means)]


def _neighbours(frame: pd.DataFrame) -> Iterator[list[str]]:
    peers = frame[~frame["method"].str.startswith("hyconex")]
    for figure, label in {
        "agreement": "agreement",
        "plausibility": "plausible",
        "l2": "L2",
        "coverage": "found",
    }.items():
        of_table = peers.groupby(["method", "table"], sort=False)[figure].mean()
        own = frame[frame["method"] == "hyconex_auto"].groupby("table")[figure].mean().mean()
        yield [
            f"{label}, default search",
            number(own),
            _listed(of_table.groupby(level=0, sort=False).mean().map(number)),
        ]


def _ablation(frame: pd.DataFrame) -> Iterator[list[str]]:
    means = frame.groupby(["variant", "table"], sort=False).mean(numeric_only=True).groupby(level=0).mean()
    asked = {
        ("judge attached", "agreement"): "judge detached: agreement of the single pass",
        ("no linear start", "auroc"): "linear start: AUROC",
        ("no masks", "masked_validity"): "masks: single pass valid with half of the columns immutable",
        ("not held on counterfactuals", "log_loss"): "held on counterfactuals: log loss",
    }
    for (variant, figure), label in asked.items():
        if variant in means.index:
            yield [label, number(means.loc["full", figure], 4), f"{variant} {number(means.loc[variant, figure], 4)}"]


def _stress(frame: pd.DataFrame) -> Iterator[list[str]]:
    auto = frame[(frame["part"] == "topology") & (frame["search"] == "auto")]
    means = auto.groupby("table", sort=False)[["valid", "plausible"]].mean()
    for table, valid, plausible in means.itertuples():
        yield [f"{table}, default search: valid, plausible", f"{number(valid)}, {number(plausible)}", ""]


def _timing(frame: pd.DataFrame) -> Iterator[list[str]]:
    """Yield how many times as many rows the single pass answers, the least over the tables."""
    peers = frame[(frame["part"] == "peers") & frame["per_second"].notna()]
    ratios: dict[str, list[float]] = {}
    for _, rows in peers.groupby("table"):
        own = rows.loc[rows["method"] == "hyconex_one_shot"].set_index("rows")["per_second"]
        for line in rows[~rows["method"].str.startswith("hyconex")].itertuples():
            ratios.setdefault(line.method, []).append(own[own.index.max()] / line.per_second)
    for method, times in ratios.items():
        label = f"single pass: times as many rows a second as {method}"
        yield [label, f"{min(times):,.0f}", f"{len(times)} tables, up to {max(times):,.0f}"]


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
