"""Model files and pickles: how large they are, how long they take, and whether the answers come back bit for bit.

    python examples/3_paper/kept_sizes.py --data ../shared/data --output docs/reliability

Each table is fitted with the defaults, saved, pickled and dumped by joblib; the loaded model answers some rows by every
search. "same" says that all answers were the saved model's, to the last bit.

Writes kept_sizes.json and kept_sizes.csv.
"""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from runs import QUICK_FIT, Records, Stopwatch, attempt, command_line
from tables import read

from hyconex_sklearn import HyConExClassifier

TABLES, QUICK_TABLES = ("adult", "cancer", "wine", "digits"), ("iris",)
SEARCHES = ("one_shot", "steps", "latent", "auto")
ROWS = 20


def measure(name: str, data: Path | None, quick: bool) -> dict[str, Any]:
    """Fit a table, keep the model in three ways, and compare what the loaded one says."""
    X, y = read(name, data)
    clf = HyConExClassifier(random_state=0, **(QUICK_FIT if quick else {})).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with Stopwatch() as saving:
            clf.save(path)
        with Stopwatch() as loading:
            twin = HyConExClassifier.load(path)
        dumped = Path(joblib.dump(clf, Path(folder) / "model.joblib")[0])
        sizes = {"file_bytes": path.stat().st_size, "joblib_bytes": dumped.stat().st_size}
    return {
        "rows": len(X),
        "columns": X.shape[1],
        **sizes,
        "pickle_bytes": len(pickle.dumps(clf)),
        "save_seconds": saving.seconds,
        "load_seconds": loading.seconds,
        "same": bool(same(clf, twin, X)),
    }


def same(clf: HyConExClassifier, twin: HyConExClassifier, X: Any) -> bool:
    """Return whether two models give the same answers, bit for bit."""
    answers = []
    for model in (clf, twin):
        found = [model.counterfactuals(X[:ROWS], search=search) for search in SEARCHES]
        answers.append((model.predict_proba(X), model.score_samples(X), found))
    (proba, density, ours), (proba_too, density_too, theirs) = answers
    pairs = zip(ours, theirs, strict=True)
    alike = all(one.report.equals(other.report) and one.data.equals(other.data) for one, other in pairs)
    return alike and np.array_equal(proba, proba_too) and np.array_equal(density, density_too)


def main() -> None:
    """Measure every table that has no record yet."""
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "kept_sizes", options.quick)
    for key in records.missing(table=options.tables or (QUICK_TABLES if options.quick else TABLES)):
        records.add(key, attempt(measure, key["table"], options.data, options.quick))


if __name__ == "__main__":
    main()
