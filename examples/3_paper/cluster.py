"""Clusters: how much quicker do two workers of a Dask cluster search counterfactuals than one?

    python examples/3_paper/cluster.py --output docs/results

The default classifier is fitted to a drawn table of four numbers and four texts, and asked about other rows of it by
`hyconex_sklearn.dask.counterfactuals`, search "auto", in partitions of a thousand rows. The workers of a cluster are
processes on this machine, with one thread each. Records, by part:

- "throughput", for one and two workers: wall time of the whole answer ("seconds"), rows a second, the seconds of CPU
  that the workers spent ("cpu_seconds": no more with two than with one, if none waits for another), how often a worker
  loaded the model ("loads"), and the time of the same on one worker divided by this one's ("speedup");
- "equality", for each search: what share of the rows gets from the cluster, bit for bit, the answer that one call about
  the whole table gives: the counterfactual row ("same_rows") and its report, too ("same_bits"), and how far numbers of
  both are apart at most, as a share of their size ("apart").
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from runs import QUICK_FIT, Records, Stopwatch, command_line
from timing import mixed

from hyconex_sklearn import HyConExClassifier, dask


@dataclass(frozen=True)
class Size:
    """How much is fitted and asked."""

    base_rows: int = 1_000  # training rows
    rows: int = 200_000
    partition: int = 1_000
    compared: int = 5_000  # rows of the comparison with one call
    searches: tuple[str, ...] = ("one_shot", "auto")  # that are compared
    workers: tuple[int, ...] = (1, 2)  # of the clusters; the last one's answers are compared
    settings: dict[str, int] = field(default_factory=dict)


FULL, QUICK = Size(), Size(100, 6, 3, 6, ("one_shot",), (2,), QUICK_FIT)


class Counted(HyConExClassifier):
    """Counts in each process how often it was loaded there."""

    loads = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        Counted.loads += 1


def spent() -> float:
    """Return the CPU seconds of this process."""
    return time.process_time()


def loaded() -> int:
    """Return how often this process has loaded a model."""
    return Counted.loads


def throughput(client: Client, clf: HyConExClassifier, X: pd.DataFrame, size: Size) -> dict[str, float]:
    """Time the search for all rows, after a short question to each worker: it loads what it needs."""
    ddf = dd.from_pandas(X, npartitions=max(1, len(X) // size.partition))
    few = dd.from_pandas(X[: 2 * len(client.ncores())], npartitions=len(client.ncores()))
    dask.counterfactuals(clf, few, search="one_shot").compute()
    cpu, loads = (sum(client.run(count).values()) for count in (spent, loaded))
    with Stopwatch() as watch:
        answers = dask.counterfactuals(clf, ddf).compute()
    return {
        "seconds": watch.seconds,
        "per_second": len(X) / watch.seconds,
        "cpu_seconds": sum(client.run(spent).values()) - cpu,
        "loads": sum(client.run(loaded).values()) - loads,
        "partitions": ddf.npartitions,
        "certified": (answers["status"] == "ok").mean(),
    }


def equality(client: Client, clf: HyConExClassifier, X: pd.DataFrame, search: str, size: Size) -> dict[str, float]:
    """Compare the cluster's answers with those of one call."""
    ddf = dd.from_pandas(X, npartitions=max(1, len(X) // size.partition))
    found = dask.counterfactuals(clf, ddf, search=search).compute().reset_index(drop=True)
    expected = clf.counterfactuals(ddf.compute(), search=search).to_frame()
    same = pd.DataFrame({name: found[name] == expected[name] for name in expected})
    numbers = expected.columns[expected.dtypes == np.float64]
    size_of = np.maximum(1.0, expected[numbers].abs())
    return {
        "same_rows": same[list(X.columns)].all(axis=1).mean(),
        "same_bits": same.all(axis=1).mean(),
        "apart": ((found[numbers] - expected[numbers]).abs() / size_of).max().max(),
    }


def measure(records: Records, seed: int, size: Size) -> None:
    """Ask clusters of one and of two workers what has no record yet."""
    clf = None
    for workers in size.workers:
        asked = records.missing(part=["throughput"], workers=[workers], rows=[size.rows], seed=[seed])
        if workers == size.workers[-1]:
            asked += records.missing(
                part=["equality"], workers=[workers], rows=[size.compared], search=size.searches, seed=[seed]
            )
        if not asked:
            continue
        if clf is None:
            clf = Counted(random_state=seed, **size.settings).fit(*mixed(size.base_rows, seed))
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster) as client,
        ):
            for key in asked:
                X = mixed(key["rows"], seed + 1)[0]
                if key["part"] == "equality":
                    figures = equality(client, clf, X, key["search"], size)
                else:
                    figures = throughput(client, clf, X, size)
                    figures["speedup"] = base_seconds(records, key, figures["seconds"]) / figures["seconds"]
                records.add(key, figures)


def base_seconds(records: Records, key: dict[str, Any], own: float) -> float:
    """Return the seconds that one worker took for the same."""
    alone = {**key, "workers": 1}
    return next((record["seconds"] for record in records.read() if alone.items() <= record.items()), own)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rows", type=int, help="rows of the search that is timed (200,000)")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    if arguments.rows:
        size = replace(size, rows=arguments.rows)
    records = Records(arguments.output, "cluster", arguments.quick)
    for seed in arguments.seeds or [0]:
        measure(records, seed, size)


if __name__ == "__main__":
    main()
