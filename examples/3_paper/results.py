"""Write the page of measured results from the records that the scripts beside this one left in a folder.

    python examples/3_paper/results.py --records docs/results --page docs/results.md

Every figure on the page comes from the records; the page names their date, versions, machine and seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import glance
import pandas as pd
import results_time
from labels import ABLATED, DIVERSE, EXPLAINED, FAIRNESS, GROUPED, MEANING, QUALITY, RULED, SEEN, STRESSED
from pages import Page, write_page
from summaries import (
    by_figure,
    by_group,
    complete,
    in_groups,
    markdown,
    number,
    paired,
    signed,
    spread,
    table_by_table,
    worst,
)

TIE = 0.01  # a change of a share that counts as none
INTRODUCTION = """# Measured results

This page is written by `examples/3_paper/results.py` from the records in [results](results), which the scripts in
`examples/3_paper` wrote; each section names its command, and versions tell where an environment with the older packages
of the neighbours (`peers_environment.py`) ran it. Figures are means over the seeds, ± their standard deviation where it
shows.

"Few changes" and "Explanations" are of the present code. "Predictions", "Categories of many levels" and "Report pages"
are a step older: columns had no grids then, which changes the density, and so the rows drawn to teach, of the few
tables that have such columns. "Ablation" (but for its picture) is another step older: there the classifier learnt from
its teacher alone, and not from labels too. All other sections are older still: in what they measured, one network
classified and moved, a small held-out part chose and calibrated it, and the search stopped with more columns changed
than today's. Answers of the old and the new single pass are compared under "Ablation" ("tied" is the old form).

Distances are in min-max units of the training rows: L1 and L2 over numbers, Gower over all columns. "Agreement": an
independent random forest, fitted on the training rows, also predicts the target. "Near": the 10th nearest training row
of the target class is no farther than it is for 95 % of that class's own rows. "Plausible": the density is at or above
the lower quartile of the class's training rows, under the explained model's own flow or under an independent kernel
density; of real rows of the class, three quarters are. (A flow rates its training rows higher than rows that it has not
seen; the package's own certificates therefore compare with held-out rows, and are easier to meet.) LOF: local outlier
factor, the median. All of them are functions of `hyconex_sklearn.metrics`; where a section says "certified", valid and
plausible are what the report says of itself.
"""


def accuracy(page: Page) -> None:
    """Predictions beside those of other classifiers."""
    frame = page.records("accuracy")
    if frame is None:
        return
    page.head("Predictions", "accuracy", frame)
    page.add(
        "An 80/20 split for each seed. Every classifier has its default settings (the forest 300 trees). Means over "
        "seeds, then over tables; the two groups of tables are never mixed."
    )
    for group, rows in in_groups(frame).items():
        if not complete(rows, "auroc").empty:
            page.add(*GROUPED[group], *_predictions(rows))


def _predictions(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what is told of one group of tables."""
    labels = {"auroc": "AUROC", "log_loss": "log loss"}
    linear = "logistic_regression" in set(frame["model"])
    for figure, label in labels.items():
        yield f"{label[0].upper()}{label[1:]}{' (one class against the rest)' if figure == 'auroc' else ''}:"
        yield from paired(frame, figure, "hyconex", larger_is_better=figure == "auroc")
        if linear:
            yield worst(frame, figure, "logistic_regression", larger_is_better=figure == "auroc")
    if linear:
        yield "Table by table against logistic regression, ± over the seeds:"
        yield table_by_table(frame, labels, "hyconex", "logistic_regression")
    yield "AUROC of each table:"
    table = complete(frame, "auroc")
    lines = ([name, *(number(value, 4) for value in row)] for name, *row in table.itertuples())
    yield markdown(["table", *table.columns], lines)


def neighbours(page: Page) -> None:
    """Counterfactuals of several methods for the same classifier and rows."""
    frame = page.records("benchmark")
    if frame is None:
        return
    page.head("Counterfactuals beside the neighbours", "benchmark", frame)
    own = frame["method"] == "hyconex_all"
    peers = glance.of_all_asked(frame[~own])
    failed = peers.loc[peers["coverage"] == 0, ["method", "table"]].drop_duplicates().agg(" on ".join, axis=1)
    page.add(FAIRNESS + (f" Found nothing: {', '.join(failed)}." if len(failed) else ""))
    page.add(
        "Means over the tables; shares are of all rows asked, distances of those answered:",
        by_group(peers, ["method"], QUALITY | {"per_second": "rows a second"}),
    )
    page.add("Agreement, table by table:", _wide(peers, "table", "method", "agreement"))
    page.add("L2, table by table:", _wide(peers, "table", "method", "l2"))
    page.add("The default search on up to a thousand test rows of each table:")
    predictions = {"auroc": "AUROC", "accuracy": "accuracy"}
    certificate = {"support": "committee support", "certified": "certified", "fit_seconds": "fit, seconds"}
    page.add(by_figure(frame[own], "table", predictions | QUALITY | certificate))


def levels(page: Page) -> None:
    """Predictions where a category has many levels."""
    frame = page.records("levels")
    if frame is None:
        return
    page.head("Categories of many levels", "levels", frame)
    figures = {"accuracy": "accuracy", "log_loss": "log loss"}  # the machine had other work while these were fitted
    page.add(
        "5,000 rows to fit, a category of so many levels, each with an effect of its own, and four numbers:",
        by_group(frame, ["levels", "model"], figures),
    )


def few_changes(page: Page) -> None:
    """How many columns answers change."""
    frame = page.records("few_changes")
    if frame is None:
        return
    page.head("Few changes", "few_changes", frame)
    figures = {
        **{"columns": "changed columns", "l2": "L2", "gower": "Gower", "certified": "certified"},
        **{"plausible": "plausible", "agreement": "agreement", "near": "near"},
    }
    page.add(
        "The default query, up to 300 test rows of each table toward the runner-up (of the drawn tables, `scores` has "
        "23 correlated whole numbers, `wide` 37 correlated numbers and a tenth of its rows positive, `rare` ten and "
        "7 %; these two toward the rarer class). Nothing of the search was chosen on these tables and draws:",
        by_group(frame, ["table"], figures, digits=2),
    )


def _wide(frame: pd.DataFrame, down: str, across: str, figure: str, digits: int = 3) -> str:
    """Return a figure as a table of one line for each value of `down`, and a last line of means."""
    cells = frame.groupby([down, across], sort=False)[figure]
    columns = list(dict.fromkeys(frame[across]))
    means = cells.mean().unstack()[columns]
    lines = [
        [
            name,
            *(
                spread(cells.get_group((name, each)), digits) if (name, each) in cells.groups else ""
                for each in columns
            ),
        ]
        for name in means.index
    ]
    return markdown([down, *columns], [*lines, ["mean", *(number(value, digits) for value in means.mean())]])


def ablation(page: Page) -> None:
    """Fits that lack a part."""
    frame = page.records("ablation")
    if frame is None:
        return
    page.head("Ablation", "ablation", frame)
    sweep = frame["variant"].str.startswith("alpha_plausibility")
    noisy = frame["variant"] == "noisy one-hot"
    variants = frame[~sweep & ~noisy]
    page.add(
        "The single pass, without any search; means over the tables. All variants of a table and seed share one "
        "density, which also judges them. Only adult has categories.",
        by_group(variants, ["variant"], ABLATED),
    )
    shown = {"agreement": "Agreement", "plausibility": "Plausible (default flow)", "l2": "L2", "auroc": "AUROC"}
    if "own_linear" in variants:
        page.add(MEANING, by_group(variants, ["variant"], EXPLAINED))
    for figure, label in shown.items():
        page.add(f"{label}, table by table:", _wide(variants, "variant", "table", figure))
    if noisy.any():
        both = frame[frame["table"].isin(frame.loc[noisy, "table"]) & (noisy | (frame["variant"] == "full"))]
        page.add(
            "The density of categories, exact or of noisy one-hot codes:", by_group(both, ["table", "variant"], ABLATED)
        )
    _over_alpha(page, frame, sweep)
    page.picture("plausibility.png", "Share of plausible rows and distance over alpha_plausibility")


def _over_alpha(page: Page, frame: pd.DataFrame, sweep: pd.Series) -> None:
    """Tell whether plausibility rises with its weight."""
    order = {float(name.split("=")[1]): name for name in frame.loc[sweep, "variant"]} | {0.1: "full"}
    alphas = [f"{alpha:g}" for alpha in sorted(order)]
    names = {name: f"{alpha:g}" for alpha, name in order.items()}
    rows = frame[frame["variant"].isin(names)].assign(alpha_plausibility=frame["variant"].map(names))
    rows = rows.sort_values("alpha_plausibility", key=lambda column: column.astype(float), kind="stable")
    steps = (
        rows.groupby(["table", "alpha_plausibility"])["plausibility"].mean().unstack()[alphas].diff(axis=1).iloc[:, 1:]
    )
    falls = steps.index[(steps < -TIE).any(axis=1)]
    never = f"On {len(steps) - len(falls)} of {len(steps)} tables plausibility never falls as its weight rises"
    exceptions = f"; it does on {', '.join(falls)}" if len(falls) else ""
    page.add(f"{never} (by more than {TIE:g}){exceptions}.", _wide(rows, "alpha_plausibility", "table", "plausibility"))
    page.add("What it costs, means over the tables:", by_group(rows, ["alpha_plausibility"], ABLATED))


def attribution(page: Page) -> None:
    """What explanations are worth."""
    frame = page.records("attribution")
    if frame is None:
        return
    page.head("Explanations", "attribution", frame)
    answers = {
        "valid": "one pass, valid",
        "plausible": "... plausible",
        "support": "... committee support",
        "certified": "... certified",
        "masked_validity": "... valid, half immutable",
        "log_loss": "log loss",
    }
    page.add(MEANING, by_figure(frame, "table", EXPLAINED | answers))


def rules(page: Page) -> None:
    """Rules, sparsity, alternatives."""
    frame = page.records("actionable")
    if frame is None:
        return
    page.head("Rules, sparsity, alternatives", "actionable", frame)
    asked, violated = int(frame["asked"].sum()), int(frame["violated"].sum())
    page.add(f"Rules violated: {violated} of {asked:,} random (row, rule) queries, checked in plain pandas.")
    page.add(by_figure(frame, "table", RULED))
    page.picture("tradeoff.png", "Distance against agreement over target_probability, one line per table")


def stress(page: Page) -> None:
    """Tables and queries that are hard."""
    frame = page.records("stress")
    if frame is None:
        return
    page.head("Stress", "stress", frame)
    drawn, outliers = (frame[frame["part"] == part] for part in ("topology", "outliers"))
    if len(drawn):
        page.add("Tables on which a single straight step should fail:", by_group(drawn, ["table", "search"], STRESSED))
    for table in dict.fromkeys(drawn["table"]):
        page.picture(f"{table}.png", f"{table}: the ways of thirty rows, search by search")
    if len(outliers):
        honesty = {"honest": "honest", "overclaimed": "overclaimed"}
        page.add(
            "Queries unlike the training rows: the rarest test rows of each class, and test rows moved by 3 and 6 "
            'standard deviations in a random direction. "Honest": `predict` of the row says what the report says; '
            '"overclaimed": it says valid and `predict` denies.',
            by_group(outliers, ["table", "kind", "search"], {"rows": "rows"} | STRESSED | honesty),
        )


def images(page: Page) -> None:
    """Counterfactual images."""
    frame = page.records("visual")
    if frame is None:
        return
    page.head("Images", "visual", frame)
    parts = dict(list(frame.groupby("part", sort=False)))
    page.add(
        "Held-out handwritten digits, each toward a class drawn from the other nine; everything is trained anew for "
        'each seed. "Non-adversarial": of the flipped images, the share that an independently trained classifier sees '
        'as the target, too. "Changed": share of pixels, of the valid ones. Fréchet distance of the valid ones to all '
        "held-out images, in the judge's last hidden layer; the fewer images, the larger it is. Speed of one core "
        "where the head says one thread.",
        "Several attempts, each where the earlier ones changed nothing. Diversity is 1 - |cosine| between the changes "
        "of two valid attempts: in pixels, where the masks see to it, and in the judge's last hidden layer, where "
        "attempts toward the same class must have something in common:",
        by_group(parts["attempts"], ["variant"], SEEN | DIVERSE),
    )
    page.picture("visual.png", "Digits, and three attempts at another class with what each changed")
    page.add("One attempt, one part of the search changed at a time:", by_group(parts["ablation"], ["variant"], SEEN))
    page.add(
        "When does smoothing help? Noise is in units of a latent's root mean square. Non-adversarial rate (and the "
        "classifiers' own accuracy):",
        _smoothing(parts["smoothing"], "non_adversarial_rate"),
        "Flip rate:",
        _smoothing(parts["smoothing"], "flip_rate"),
        _gain(parts["smoothing"]),
    )
    page.add(
        "How sure the explained classifier has to be:",
        by_group(parts["probability"], ["space", "probability"], SEEN),
    )


def _smoothing(frame: pd.DataFrame, figure: str) -> str:
    """Return a figure by classifier and space, one column for each smoothing."""
    names = list(dict.fromkeys(frame["variant"]))
    lines = []
    for (classifier, space), rows in frame.groupby(["classifier", "space"], sort=False):
        values = rows.groupby("variant")[figure]
        shown = (spread(values.get_group(name), 2) for name in names)
        lines.append([classifier, spread(rows["accuracy"]), space, *shown])
    return markdown(["classifier", "accuracy", "space", *names], lines)


def _gain(frame: pd.DataFrame) -> str:
    """Return what each smoothing adds to the non-adversarial rate, from the smoothest classifier to the roughest."""
    latent = frame[frame["space"] == "latent"]
    rates = latent.groupby(["classifier", "variant"], sort=False)["non_adversarial_rate"].mean().unstack()
    gains = rates.sub(rates["none"], axis=0).drop(columns="none")[[*dict.fromkeys(latent["variant"])][1:]]
    gains = gains.loc[rates["none"].sort_values(ascending=False).index]
    lines = [[name, *map(signed, row)] for name, *row in gains.itertuples()]
    head = "What smoothing adds in the latent space, the classifier that needs it least first:"
    return head + "\n\n" + markdown(["classifier", *gains.columns], lines)


def at_a_glance(page: Page) -> None:
    """The figures that readers look for first."""
    names = ("accuracy", "benchmark", "ablation", "actionable", "stress", "timing", "visual")
    records = {name: frame for name in names if (frame := page.records(name)) is not None}
    page.add("## At a glance", markdown(["figure", "hyconex", "compare"], glance.lines(records)))


SECTIONS: tuple[Callable[[Page], None], ...] = (
    at_a_glance,
    accuracy,
    levels,
    few_changes,
    neighbours,
    ablation,
    attribution,
    rules,
    stress,
    results_time.speed,
    results_time.profiles,
    results_time.timing,
    results_time.pages,
    results_time.scaling,
    results_time.clusters,
    images,
)


def main() -> None:
    write_page(__doc__, INTRODUCTION, SECTIONS)


if __name__ == "__main__":
    main()
