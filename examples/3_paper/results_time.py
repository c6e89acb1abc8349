"""Sections of the page of results that are about time: fits, answers, growth, other tools, clusters."""

from __future__ import annotations

import pandas as pd
from pages import Page
from summaries import by_group, markdown, number

EPOCH = {f"cpu_{phase}": phase for phase in ("density", "classifier", "clusters", "joint")}
NO_EPOCH = {
    "cpu_labels": "labels",
    "cpu_columns": "columns",
    "cpu_split": "encoding",
    "cpu_committee": "committee",
    "cpu_linear": "linear start",
    "cpu_teacher": "teacher",
    "cpu_drawn": "drawn rows",
    "cpu_prototypes": "prototypes",
    "cpu_thresholds": "thresholds",
    "cpu_reservoir": "reservoir",
    "cpu_other": "other",
}

GOALS = {("batch", "predict_proba"): "2", ("batch", "one_shot"): "2.5", ("search", "auto"): "15"}
MILLISECONDS = {"23 numbers": "2", "23 numbers, frame": "5", "adult": "5"}  # of one row, single pass


def speed(page: Page) -> None:
    """Fits beside the published code's, and answers beside what they can't do without."""
    frame = page.records("speed")
    if frame is None:
        return
    page.head("Speed", "speed", frame)
    fits = frame[frame["part"] == "fit"]
    if len(fits):
        figures = {"seconds": "seconds", "published": "published code", "times": "times as quick"}
        page.add(
            "A default fit, on one thread, beside the time that was published for the same table (other machine, one "
            "thread). Aimed at: 40 times.",
            by_group(fits, ["table"], figures, 1),
        )
    page.add(
        "Answers: rows a second, and the time in parts of what they build on: `predict_proba` of the bare forward pass "
        "of the same classifier over encoded rows, certified counterfactuals of the single pass of `predict_proba`, "
        "the default search of the single pass.",
        _ratios(frame),
        "A single row, the median of many calls:",
        _single_rows(frame[frame["part"] == "row"]),
    )


def profiles(page: Page) -> None:
    """Where time goes."""
    frame = page.records("profiles")
    if frame is None:
        return
    page.head("Where time goes", "profiles", frame)
    frame = frame.drop(columns=["seed", "quick"], errors="ignore")
    told = {
        "fit": "Seconds of a default fit, by phase:",
        "one_shot": "Seconds of certified answers of the single pass. The hypernetwork is passed once; the classifier "
        "twice, for the row and to judge what is handed out.",
        "auto": "Seconds of the default search; slopes are in other.",
    }
    for part, text in told.items():
        rows = frame[frame["part"] == part].dropna(axis=1, how="all")
        if len(rows):
            figures = [name for name in rows.columns if name not in ("part", "table", "other", "all")] + [
                "other",
                "all",
            ]
            lines = [[row["table"], *(number(row[name], 2) for name in figures)] for _, row in rows.iterrows()]
            page.add(text, markdown(["table", *figures], lines))


def pages(page: Page) -> None:
    """How soon a report page can be used."""
    frame = page.records("page_opening")
    if frame is None:
        return
    page.head("Report pages", "page_opening", frame)
    figures = {
        "bytes": "bytes",
        "opened_seconds": "opened",
        "sorted_seconds": "overview sorted",
        "filtered_seconds": "text looked for",
    }
    page.add(
        "Seconds until a page can be used, in Chromium, from the file. Aimed at: one second for 2,000 counterfactuals.",
        by_group(frame, ["table", "counterfactuals"], figures, 3),
    )


def _ratios(frame: pd.DataFrame) -> str:
    """Return how much longer each answer takes than what it builds on, and the goal."""
    base = {("batch", "predict_proba"): "bare", ("batch", "one_shot"): "predict_proba", ("search", "auto"): "one_shot"}
    seconds = frame[frame["part"] != "fit"].groupby(["table", "part", "method"], sort=False)["seconds"].mean()
    rows = frame.groupby(["table", "part", "method"], sort=False)["rows"].max()
    lines = []
    for table, part, method in seconds.index:
        if (part, method) in base:
            own, below = seconds[table, part, method], seconds[table, part, base[part, method]]
            asked = rows[table, part, method]
            lines.append(
                [table, method, number(asked), number(asked / own), number(own / below, 2), GOALS[part, method]]
            )
    return markdown(["table", "answer", "rows at once", "rows a second", "times the lower one", "goal"], lines)


def _single_rows(frame: pd.DataFrame) -> str:
    seconds = frame.groupby(["table", "method"], sort=False)["seconds"].mean().unstack(sort=False)
    lines = [
        [table, *(f"{1_000 * value:.2f} ms" for value in row), f"{MILLISECONDS[table]} ms"]
        for table, row in seconds.iterrows()
    ]
    return markdown(["table", *seconds.columns, "goal, one_shot"], lines)


def timing(page: Page) -> None:
    """How long answers take."""
    frame = page.records("timing")
    if frame is None:
        return
    page.head("Time", "timing", frame)
    ours = frame[frame["part"].isin(["latency", "throughput"])]
    page.add("Rows a second, by rows asked at once:", _rates(ours))
    page.add("Growth, from a base of a thousand rows, five columns and two classes:")
    figures = {
        "fit_seconds": "fit, seconds",
        "per_second": "one-shot, rows a second",
        "wachter_per_second": "Wachter et al.",
        "nice_per_second": "NICE",
    }
    page.add(by_group(frame[frame["part"] == "growth"].astype({"size": int}), ["grows", "size"], figures))
    page.add("The same classifier explained by others, in the same run; rows a second:", _against_peers(frame))


def _rates(frame: pd.DataFrame) -> str:
    """Return rows a second of each method and number of rows, with milliseconds for a single row."""
    sizes = sorted(int(rows) for rows in frame["rows"].unique())
    lines = []
    for (table, method), rows in frame.groupby(["table", "method"], sort=False):
        rate = rows.groupby("rows")["per_second"].mean()
        one = rows.loc[rows["rows"] == 1, "seconds"].mean()
        lines.append([table, method, f"{1000 * one:.1f} ms", *(_whole(rate.get(size)) for size in sizes[1:])])
    return markdown(["table", "method", "1 row", *(f"{size:,} rows" for size in sizes[1:])], lines)


def _whole(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:,.0f}"


def _against_peers(frame: pd.DataFrame) -> str:
    """Return rates of all methods, and how many times as many rows one-shot answers: at its best, and on few rows."""
    lines = []
    for table, rows in frame[frame["part"] == "peers"].groupby("table", sort=False):
        own = rows[rows["method"] == "hyconex_one_shot"].groupby("rows")["per_second"].mean()
        for line in rows.itertuples():
            if line.per_second == line.per_second:
                ratios = [f"{own[size] / line.per_second:,.0f}" for size in (own.index.max(), own.index.min())]
                lines.append([table, line.method, int(line.rows), number(line.valid), number(line.per_second), *ratios])
    return markdown(
        ["table", "method", "rows", "valid", "rows a second", "one-shot, times", "on few rows, times"], lines
    )


def scaling(page: Page) -> None:
    """How a fit grows with its table."""
    frame = page.records("scaling")
    if frame is None:
        return
    page.head("Growth of a fit", "scaling", frame)
    frame = frame.assign(size=frame["size"].astype(int), epoch=frame[list(EPOCH)].sum(axis=1)).sort_values("size")
    by_rows = frame[frame["grows"] == "rows"].copy()
    per_row = by_rows["epoch"] / by_rows["size"]
    by_rows["linear"] = per_row / per_row.groupby(by_rows["seed"]).transform("first")
    page.add(
        "CPU seconds of one epoch of each phase, by rows, of twenty columns and two classes. Last, what a row takes in "
        "all of them together, in parts of what it takes in the smallest table: 1 is linear.",
        by_group(by_rows, ["size"], EPOCH | {"epoch": "all four", "linear": "per row"}),
    )
    page.picture("scaling.png", "CPU seconds of the parts of a fit over rows, and over features times classes")
    page.add(
        "What is no epoch: reading labels, learning columns, encoding, the committee, the linear start, the teacher of "
        "the classifier and what it says, rows drawn for it to speak of, the prototypes, thresholds and calibration, "
        "the reservoir, and what has no name.",
        by_group(by_rows, ["size"], NO_EPOCH),
        "One epoch as columns or classes grow:",
        by_group(frame[frame["grows"] != "rows"], ["grows", "size"], EPOCH | {"epoch": "all four"}),
    )


def clusters(page: Page) -> None:
    """What a second worker is worth."""
    frame = page.records("cluster")
    if frame is None:
        return
    page.head("Clusters", "cluster", frame)
    parts = dict(list(frame.groupby("part", sort=False)))
    figures = {
        "rows": "rows",
        "seconds": "seconds",
        "per_second": "rows a second",
        "cpu_seconds": "CPU seconds of all workers",
        "loads": "model loaded",
        "speedup": "times one worker",
    }
    page.add(
        "The default search through Dask, on worker processes of one machine. Aimed at: 1.6 times the throughput of "
        "one worker with two.",
        by_group(parts["throughput"].astype({"workers": int}), ["workers"], figures, 2),
        "Beside the answers of one call about the same table: the share of rows that are equal, of rows whose report "
        "is, too, bit for bit, and how far numbers are apart at most, in parts of their size.",
        by_group(parts["equality"], ["search"], {"same_rows": "rows", "same_bits": "bits", "apart": "apart"}, 6),
    )
