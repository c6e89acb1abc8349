"""
Score a table that is larger than memory
========================================

    python score_parquet.py model.safetensors rows scored
    python score_parquet.py model.safetensors rows scored --demo 1000000     # draws rows and fits a model first

Reads the Parquet files of a folder one after the other, some rows at a time, and writes a file of the same name for
each: its columns and index as they are, the probability of every class, and the counterfactual of the single pass
toward the runner-up. Memory holds no more than a batch. A file is written under another name and renamed when it is
whole: killed and started again, the script does what is missing. Take another output folder for another model.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from hyconex_sklearn import HyConExClassifier


def scored(clf: HyConExClassifier, batch: pa.RecordBatch) -> pa.Table:
    """Return the rows of a batch with what the model says of them."""
    table = pa.Table.from_batches([batch])
    # Arrow's own types: a gap among whole numbers makes no other type of column in one batch than in the next.
    rows = table.to_pandas(types_mapper=pd.ArrowDtype)[list(clf.feature_names_in_)]
    cf = clf.counterfactuals(rows, target="second", search="one_shot")
    said = [
        pd.DataFrame(clf.predict_proba(rows), rows.index, [f"probability_{label}" for label in clf.classes_]),
        cf.report[["target", "probability", "valid", "plausible", "status"]].add_prefix("answer_"),
        cf.data.add_prefix("cf_"),
    ]
    for name, column in pd.concat(said, axis=1).items():
        table = table.append_column(str(name), pa.array(column, from_pandas=True))
    return table


def score_file(clf: HyConExClassifier, source: Path, target: Path, batch_rows: int) -> Iterator[int]:
    """Write the scores of one file, yielding the number of rows of each batch when it is done."""
    scratch, writer = target.with_name(target.name + ".unfinished"), None
    for batch in pq.ParquetFile(source).iter_batches(batch_rows):
        table = scored(clf, batch)
        writer = writer or pq.ParquetWriter(scratch, table.schema)
        writer.write_table(table)
        yield batch.num_rows
    if writer:  # a file without rows has no scores
        writer.close()
        os.replace(scratch, target)


def score_folder(clf: HyConExClassifier, source: Path, output: Path, batch_rows: int) -> None:
    """Score every file that has no scores yet."""
    output.mkdir(parents=True, exist_ok=True)
    sizes = {path: pq.read_metadata(path).num_rows for path in sorted(source.glob("*.parquet"))}
    missing = [path for path in sizes if not (output / path.name).exists()]
    done, total = sum(sizes[path] for path in sizes.keys() - missing), sum(sizes.values())
    with tqdm(total=total, initial=done, unit="row", unit_scale=True) as bar:
        for path in missing:
            for rows in score_file(clf, path, output / path.name, batch_rows):
                bar.update(rows)


def draw(model: Path, source: Path, n: int) -> None:
    """Draw a table in five files of n rows each, and fit a model to the first one's head."""
    source.mkdir(parents=True, exist_ok=True)
    for number in range(5):
        rng = np.random.default_rng(number)
        table = pd.DataFrame({"age": rng.integers(18, 80, n), "income": rng.lognormal(10, 0.5, n).round(2)})
        table["job"] = rng.choice(["clerk", "driver", "nurse"], n)
        score = (table["age"] - 50) / 20 + np.log(table["income"]) - 10 + (table["job"] == "nurse")
        table["granted"] = np.where(score + rng.logistic(size=n) / 3 > 0.3, "yes", "no")
        table.to_parquet(source / f"part-{number}.parquet")
    head = pd.read_parquet(source / "part-0.parquet")[:2_000]
    HyConExClassifier(random_state=0).fit(head.drop(columns="granted"), head["granted"]).save(model)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="what `HyConExClassifier.save` wrote")
    parser.add_argument("source", type=Path, help="folder of Parquet files with at least the columns of the fit")
    parser.add_argument("output", type=Path, help="folder for the scores")
    parser.add_argument("--batch-rows", type=int, default=50_000, help="rows that are in memory at a time (50,000)")
    parser.add_argument("--demo", type=int, metavar="ROWS", help="draw so many rows and fit a model first")
    options = parser.parse_args(arguments)
    if options.demo:
        draw(options.model, options.source, options.demo // 5)
    score_folder(HyConExClassifier.load(options.model), options.source, options.output, options.batch_rows)


if __name__ == "__main__":
    main()
