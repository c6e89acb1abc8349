"""From records to lines of markdown: means with their spread, paired comparisons, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range, wilcoxon
from tables import GROUPS


def markdown(header: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """Return a markdown table."""
    rows = [list(map(str, header)), *(list(map(str, line)) for line in lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def number(value: float, digits: int = 3) -> str:
    """Return a figure as text: counts and large figures with thousands separators, none as a dash."""
    if value is None or not np.isfinite(value):
        return "–"  # noqa: RUF001
    if abs(value) >= 1_000 or (abs(value) >= 10 and float(value).is_integer()):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """Return a difference as text, none as a dash."""
    return number(value) if np.isnan(value) else f"{value:+.3f}"


def spread(values: pd.Series, digits: int = 3) -> str:
    """Return mean ± standard deviation over the seeds, the latter where there are several and it shows."""
    mean, deviation = values.mean(), values.std()
    shown = len(values) > 1 and round(deviation, digits) > 0
    return number(mean, digits) + (f" ± {number(deviation, digits)}" if shown else "")


def by_figure(
    frame: pd.DataFrame, across: str, figures: Mapping[str, str], digits: int = 3, order: list[str] | None = None
) -> str:
    """Return a table of one line for each figure (column name to label) and one column for each value of `across`."""
    groups = dict(list(frame.groupby(across, sort=False)))
    names = [name for name in (order or groups) if name in groups]
    shown = {column: label for column, label in figures.items() if column in frame}
    lines = [[label, *(spread(groups[name][column], digits) for name in names)] for column, label in shown.items()]
    return markdown(["figure", *names], lines)


def by_group(frame: pd.DataFrame, down: list[str], figures: Mapping[str, str], digits: int = 3) -> str:
    """Return a table of one line for each group and one column for each figure; means over tables first, then seeds."""
    shown = {column: label for column, label in figures.items() if column in frame}
    lines = []
    for key, rows in frame.groupby(down, sort=False):
        of_seed = rows.groupby("seed")[list(shown)].mean() if "seed" in rows else rows[list(shown)]
        lines.append([*key, *(spread(of_seed[column], digits) for column in shown)])
    return markdown([*down, *shown.values()], lines)


def complete(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return the mean of a figure over seeds, tables x models; only tables that every model has finished."""
    return frame.pivot_table(index="table", columns="model", values=figure, sort=False).dropna()


def in_groups(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the records of tables on which choices were made, of those that only report, and of others."""
    group = frame["table"].map({table: name for name, tables in GROUPS.items() for table in tables}).fillna("other")
    return {name: frame[group == name] for name in (*GROUPS, "other") if (group == name).any()}


def worst(frame: pd.DataFrame, figure: str, other: str, larger_is_better: bool) -> str:
    """Return for each model its mean with the spread over seeds, and beside it where it is worst.

    That is its worst table, and the table on which it falls farthest behind the model `other`.
    """
    table = complete(frame, figure)
    of_seed = frame[frame["table"].isin(table.index)].groupby(["model", "seed"])[figure].mean()
    sign = 1 if larger_is_better else -1
    gap = table.sub(table[other], axis=0)
    lines = []
    for model in (sign * table).mean().sort_values(ascending=False).index:
        lowest, behind = ((sign * part[model]).idxmin() for part in (table, gap))
        cells = [f"{number(table.loc[lowest, model], 4)} ({lowest})", f"{gap.loc[behind, model]:+.4f} ({behind})"]
        lost = int((sign * gap[model] < -5e-4).sum())
        cells = [*cells, str(lost)] if model != other else [cells[0], "–", "–"]  # noqa: RUF001
        lines.append([model, spread(of_seed[model], 4), *cells])
    return markdown(
        ["model", "mean ± over seeds", "worst table", f"farthest behind {other}", "tables behind it"], lines
    )


def table_by_table(frame: pd.DataFrame, figures: Mapping[str, str], one: str, other: str) -> str:
    """Return a line for each table: each figure (column name to label) of two models, and their difference.

    The difference has its spread over the seeds, each of which gives both models the same split.
    """
    lines = []
    for table, rows in frame.groupby("table", sort=False):
        line = [table]
        for figure in figures:
            both = rows.pivot_table(index="seed", columns="model", values=figure).reindex(columns=[other, one])
            gap = both[one] - both[other]
            deviation = f" ± {gap.std():.3f}" if len(gap) > 1 else ""
            line += [number(both[other].mean(), 4), number(both[one].mean(), 4), signed(gap.mean()) + deviation]
        lines.append(line)
    header = [name for label in figures.values() for name in (f"{label}, {other}", one, "difference")]
    return markdown(["table", *header], lines)


def paired(frame: pd.DataFrame, figure: str, one: str, larger_is_better: bool) -> tuple[str, str]:
    """Compare one model with each other over tables.

    Returns
    -------
    tuple of str
        A markdown table: mean, mean rank, wins of `one`, ties and losses, mean difference with its standard error over
        tables, p of the Wilcoxon test. And a sentence on the Friedman test and the critical difference of mean ranks
        (Nemenyi, 0.05).

    References
    ----------
    Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006.
    """
    table = complete(frame, figure)
    ranks = (-table if larger_is_better else table).round(4).rank(axis=1).mean()
    lines = []
    for model in ranks.sort_values().index:
        line = [model, number(table[model].mean(), 4), number(ranks[model], 2)]
        lines.append(line + (["–"] * 3 if model == one else _against(table, one, model, larger_is_better)))  # noqa: RUF001
    n, k = table.shape
    critical = studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    better = "wins/ties/losses of " + one
    header = ["model", "mean", "mean rank", better, f"{one} minus it, ± standard error", "p (Wilcoxon)"]
    sentence = f"Tables: {n}. Critical difference of mean ranks: {critical:.2f}."
    if k > 2 and n > 1:
        sentence += f" Friedman test: p = {friedmanchisquare(*(table[model] for model in table)).pvalue:.2g}."
    return markdown(header, lines), sentence


def _against(table: pd.DataFrame, one: str, other: str, larger_is_better: bool) -> list[str]:
    gap = table[one] - table[other]
    better = gap if larger_is_better else -gap
    wins, losses = int((better > 5e-4).sum()), int((better < -5e-4).sum())
    p = wilcoxon(gap).pvalue if len(gap) > 4 and gap.abs().max() > 0 else np.nan
    error = f" ± {gap.std() / np.sqrt(len(gap)):.4f}" if len(gap) > 1 else ""
    return [f"{wins}/{len(gap) - wins - losses}/{losses}", f"{gap.mean():+.4f}{error}", number(p, 3)]
