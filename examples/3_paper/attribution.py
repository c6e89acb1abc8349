"""What explanations are worth: do contributions, and the hypernetwork's weights, tell what the classifier does?

    python examples/3_paper/attribution.py --data ../shared/data --output results

One record for each table and seed, which draws an 80/20 split, too. Of 200 test rows, with the effect of a column being
what the predicted class loses when the column alone is exchanged for the typical row's (occlusion):

- "contributions_sign" and "weights_sign": share of rows whose largest term has the sign of its column's effect.
  A term of the weights is coefficient times distance from the typical row.
- "contributions_correlation" and "weights_correlation": of the terms of a row with the effects, on average.

Of the same rows toward every class m that is not predicted, with x' the answer of the single pass:

- "gradient_cosine": of the coefficients with the classifier's gradient at the row, on average.
- "secant_error": by how much the coefficients misjudge the gain from x to x', relative to it, the median.
- "own_linear": share of rows whose own linear classifier puts x' into class m.
- "valid", "plausible", "support", "certified" as the report says, "masked_validity" with a random half of the columns
  of each row immutable.

Everything is in logits of a class minus the mean of the others': of two classes, log-odds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from runs import QUICK_FIT, Records, command_line
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from tables import read
from torch import Tensor

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._common.runtime import in_chunks
from hyconex_sklearn._model.contributions import contributions
from hyconex_sklearn._model.model import Model

TABLES = ("wine", "law", "audit", "moons", "cancer", "kc2", "qsar-biodeg", "german")
QUERIES = 200

Coefficients = Callable[[Model, Tensor], Tensor]


def contrast(values: Tensor, of: Tensor) -> Tensor:
    """Return the values (n, K, ...) of classes `of` (n,) minus the mean of the other classes', (n, ...)."""
    own = values[torch.arange(len(of)), of]
    return own - (values.sum(1) - own) / (values.shape[1] - 1)


def coefficients(model: Model, x: Tensor) -> Tensor:
    """Return the coefficients (n, K, d) of each row's own linear classifier."""
    return -in_chunks(model.weights, x, size=model.hypernetwork.rows_at_once)


# --------------------------------------------------------------------------------------------------- what columns do


def effects(model: Model, x: Tensor, predicted: Tensor) -> Tensor:
    """Return what the predicted class of rows (n, d) loses when one column is exchanged, (n, n_columns)."""
    columns = torch.arange(model.space.n_columns)[:, None]
    rows = torch.where(model.space.owner == columns, model.typical, x[:, None])  # (n, n_columns, d)
    logits = in_chunks(model.logits, rows.flatten(0, 1)).unflatten(0, rows.shape[:2]).transpose(1, 2)
    return contrast(model.logits(x), predicted)[:, None] - contrast(logits, predicted)


def weight_terms(model: Model, x: Tensor, coef: Tensor, predicted: Tensor) -> Tensor:
    """Return coefficient times distance from the typical row, for the predicted class, (n, n_columns)."""
    return model.space.by_column(contrast(coef, predicted) * (x - model.typical))


def beside(terms: Tensor, effect: Tensor) -> tuple[float, float]:
    """Return the share of rows whose largest term has the sign of the effect, and the mean correlation of both."""
    largest = terms.abs().argmax(1, keepdim=True)
    same = terms.gather(1, largest).sign() == effect.gather(1, largest).sign()
    both = torch.stack([terms, effect], 1)  # (n, 2, n_columns)
    vary = (both.std(2) > 1e-6).all(1)
    correlations = [float(torch.corrcoef(pair)[0, 1]) for pair in both[vary]]
    return float(same.float().mean()), float(np.mean(correlations)) if correlations else float("nan")


# ----------------------------------------------------------------------------------------------------- where they lead


def gradient(model: Model, x: Tensor, target: Tensor) -> Tensor:
    """Return the gradient (m, d) of the classifier at rows `x` (m, d) toward `target` (m,)."""
    with torch.enable_grad():
        start = x.clone().requires_grad_()
        return torch.autograd.grad(contrast(model.logits(start), target).sum(), start)[0]


def of_steps(model: Model, x: Tensor, coef: Tensor, predicted: Tensor) -> dict[str, float]:
    """Compare each row's own linear classifier with the classifier, on the way to every class that is not predicted."""
    rows, target = (torch.arange(model.n_classes) != predicted[:, None]).nonzero(as_tuple=True)
    start, own = x[rows], coef[rows]
    moved = model.space.move(start, model.weights(x)[rows, target], model.space.movable_in(start))
    before, after = model.logits(start), model.logits(moved)
    gain = contrast(after - before, target)
    told = torch.einsum("mkd,md->mk", own, moved - start)
    off = (contrast(told, target) - gain).abs() / gain.abs().clamp(min=1e-6)
    cosine = torch.cosine_similarity(contrast(own, target), gradient(model, start, target), dim=1)
    return {
        "gradient_cosine": float(cosine.mean()),
        "secant_error": float(off.median()),
        "own_linear": float(((before + told).argmax(1) == target).float().mean()),
    }


@torch.no_grad()
def explained(clf: HyConExClassifier, X: pd.DataFrame, coef_of: Coefficients = coefficients) -> dict[str, float]:
    """Return the figures that `clf` and rows `X` give: those of columns, and those of steps."""
    model: Model = clf._model
    x = torch.from_numpy(clf._codec.encode(X))
    predicted, coef = model.logits(x).argmax(1), coef_of(model, x)
    effect = effects(model, x, predicted)
    added = contributions(model.logits, model.typical.expand_as(x), x, model.space)
    sign, correlation = beside(contrast(added, predicted), effect)
    weight_sign, weight_correlation = beside(weight_terms(model, x, coef, predicted), effect)
    return {
        "contributions_sign": sign,
        "contributions_correlation": correlation,
        "weights_sign": weight_sign,
        "weights_correlation": weight_correlation,
        **of_steps(model, x, coef, predicted),
    }


def masked_validity(clf: HyConExClassifier, X: pd.DataFrame, seed: int) -> float:
    """Return the share of valid answers of the single pass with a random half of the columns of each row immutable."""
    frozen = np.random.default_rng(seed).random(X.shape).argsort(axis=1) < X.shape[1] // 2
    return clf.counterfactuals(X, search="one_shot", immutable=frozen).report["valid"].mean()


# ------------------------------------------------------------------------------------------------------------- records


def measure(table: str, seed: int, folder: Path | None, quick: bool) -> dict[str, float]:
    """Fit a table, and compare what is said of test rows with what the classifier does."""
    X, y = read(table, folder)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    clf = HyConExClassifier(random_state=seed, **(QUICK_FIT if quick else {})).fit(X_train, y_train)
    proba = clf.predict_proba(X_test).astype(float)
    X = X_test[:QUERIES]
    report = clf.counterfactuals(X, search="one_shot").report
    return {
        "log_loss": log_loss(y_test, proba / proba.sum(1, keepdims=True), labels=clf.classes_),
        **explained(clf, X),
        **{name: report[name].mean() for name in ("valid", "plausible", "support")},
        "certified": (report["status"] == "ok").mean(),
        "masked_validity": masked_validity(clf, X, seed),
        "rows": len(X),
    }


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    quick, folder = arguments.quick, arguments.data
    tables = arguments.tables or (("iris",) if quick else TABLES if folder else ("cancer",))
    records = Records(arguments.output, "attribution", quick)
    for key in records.missing(table=tables, seed=arguments.seeds or ([0] if quick else range(3))):
        records.add(key, measure(key["table"], key["seed"], folder, quick))


if __name__ == "__main__":
    main()
