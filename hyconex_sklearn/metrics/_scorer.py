"""A score for model selection that counts explanations beside predictions."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.neighbors import NearestNeighbors

from .._answer.counterfactuals import Counterfactuals
from .._common.parameters import check_query
from .._pipeline.counterfactuals import counterfactuals
from .._table.cells import Array, framed
from .._table.check_input import as_table
from .._table.containers import is_foreign, read_table, rows_in
from ._judges import plausibility
from ._units import TableEncoder, labels_1d, same_labels

_FEWEST = 2  # held-out rows of a class without which there is nothing to compare its counterfactuals with


def make_counterfactual_scorer(
    *,
    validity: float = 1.0,
    plausibility: float = 1.0,
    proximity: float = 1.0,
    accuracy: float = 3.0,
    search: str = "one_shot",
) -> CounterfactualScorer:
    """Make a scorer that weighs a classifier's counterfactuals beside its accuracy.

    For ``scoring=`` in ``GridSearchCV``, ``cross_validate`` and the like, so that ``alpha_validity``,
    ``alpha_proximity`` and ``alpha_plausibility`` are tuned for explanations, too. It asks for every alternative class
    of every held-out row, and returns the weighted mean of four terms, each in [0, 1], higher being better.

    Parameters
    ----------
    validity : float, default=1.0
        Weight of the share of counterfactuals that are predicted as their target.
    plausibility : float, default=1.0
        Weight of the share that are no rarer in their target class than the rarest quarter of its held-out rows, by
        `hyconex_sklearn.metrics.plausibility`: kernel densities of the held-out rows in the columns and units of the
        table. The flow of the model has no say, or a candidate with a lax density would judge itself the best.
    proximity : float, default=1.0
        Weight of the mean closeness, r / (r + s): s is how far the counterfactual is from its row, r how far held-out
        rows of other classes are, on average, from the nearest of the target class. 1 is no move at all, 0.5 a move as
        long as that to a real row. Ways are sums over columns, in min-max units of the held-out rows and 1 for a
        category that differs: the encoded units of the report are those of one fit, and no yardstick between fits.
    accuracy : float, default=3.0
        Weight of the share of held-out rows that are predicted right.
    search : {"one_shot", "auto", "latent", "steps"}, default="one_shot"
        How counterfactuals are asked for. "one_shot" judges the single pass, which is what the alphas shape, and takes
        no time. "auto" judges what a query gives by default; its search mends much of what a candidate gets wrong, so
        that candidates differ less.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)`` is a float in [0, 1]; ``scorer.terms(estimator, X, y)`` a dict of the terms that
        have a weight, each on its own. `estimator` is fitted, and whatever `counterfactuals` takes: a
        ``HyConExClassifier``, a pipeline that ends in one, a search. The scorer can be pickled and copied.

    Raises
    ------
    TypeError, ValueError
        If a weight is not a finite number >= 0, or all are 0. When called: if the estimator has no counterfactuals; if
        no counterfactual can be judged, since the held-out rows lack classes. A search turns the latter into its
        ``error_score``.

    Notes
    -----
    A missing number that is filled counts as moved by its whole range.

    An answer that is not valid counts as 0 in plausibility and proximity, too: a row that does not move would be the
    closest of all. Counterfactuals toward a class that the held-out rows show less than twice are left out of these
    two, as there is nothing to compare them with. All candidates of a search see the same held-out rows, and so the
    same judge and the same units.

    By default half of the weight is accuracy: a point of it is given up for no less than three points of another
    term, which differ by tens of points where accuracies differ by one or two.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from hyconex_sklearn import HyConExClassifier, make_counterfactual_scorer
    >>> grid = {"alpha_plausibility": [0.1, 0.3, 1.0]}
    >>> scoring = make_counterfactual_scorer()
    >>> search = GridSearchCV(HyConExClassifier(random_state=0), grid, scoring=scoring, cv=3)
    >>> search.fit(X, y).best_params_  # doctest: +SKIP
    """
    return CounterfactualScorer(validity, plausibility, proximity, accuracy, search)


@dataclass(frozen=True)
class CounterfactualScorer:
    """What `make_counterfactual_scorer` returns; a class, since closures can't be pickled."""

    validity: float
    plausibility: float
    proximity: float
    accuracy: float
    search: str

    def __post_init__(self) -> None:
        weights = self._weights()
        for name, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
                raise TypeError(f"{name} must be a number, got {weight!r}. It is a weight; 1 is a common one.")
            if not 0 <= float(weight) < math.inf:
                raise ValueError(f"{name} must be finite and >= 0, got {weight!r}. A weight of 0 leaves the term out.")
        if not any(weights.values()):
            raise ValueError(f"{', '.join(weights)} are all 0. Give a weight > 0 to what a model shall be chosen by.")
        check_query(self.search, 1)

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the weighted mean of the terms."""
        weights, terms = self._weights(), self.terms(estimator, X, y)
        total = sum(float(weights[name]) for name in terms)
        return sum(float(weights[name]) * term for name, term in terms.items()) / total

    def terms(self, estimator: Any, X: Any, y: Any) -> dict[str, float]:
        """Return the terms that have a weight.

        Parameters
        ----------
        estimator : fitted estimator
        X : DataFrame or array-like of shape (n, d)
            Held-out rows.
        y : array-like of shape (n,)
            Their class labels.

        Returns
        -------
        dict of str to float
            Each in [0, 1].
        """
        X = X if is_foreign(X) else as_table(X)
        y = labels_1d(y, "y", len(X), "X")
        asked = [name for name, weight in self._weights().items() if weight]
        terms: dict[str, float] = {}
        if asked != ["accuracy"]:
            cf = counterfactuals(estimator, X, search=self.search)
            terms = _explained(cf, X, y, asked)
        if "accuracy" in asked:
            terms["accuracy"] = float(accuracy_score(y, estimator.predict(X)))
        return terms

    def _weights(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "search"}

    def __repr__(self) -> str:
        told = [f"{name}={weight:g}" for name, weight in self._weights().items()]
        return f"make_counterfactual_scorer({', '.join(told)}, search={self.search!r})"


def _explained(cf: Counterfactuals, X: Any, y: Array, asked: list[str]) -> dict[str, float]:
    """Validity, plausibility and proximity, as far as they are asked for."""
    valid, target, rows = (cf.report[name].to_numpy() for name in ("valid", "target", "row"))
    terms = {"validity": float(valid.mean())} if "validity" in asked else {}
    if not {"plausibility", "proximity"}.intersection(asked):
        return terms
    here = _comparable(target, y)
    data, target, valid = rows_in(cf.data, here), target[here], valid[here]
    if "plausibility" in asked:
        terms["plausibility"] = float((valid & plausibility(data, target, X, y)).mean())
    if "proximity" in asked:
        terms["proximity"] = float((valid * _closeness(data, target, rows[here], X, y)).mean())
    return terms


def _comparable(target: Array, y: Array) -> Array:
    """Which counterfactuals aim at a class that the held-out rows show often enough, beside rows of another class."""
    counts = Counter(y.tolist())
    here = np.array([_FEWEST <= counts[label] < len(y) for label in target.tolist()], dtype=bool)
    if not here.any():
        raise ValueError(
            f"No counterfactual can be judged: they aim at {sorted(set(map(str, target)))}, and the labels of the "
            f"held-out rows are {dict(counts)}; at least {_FEWEST} rows of a class aimed at are needed, and one of "
            "another. Use fewer folds, and stratified ones."
        )
    return here


def _closeness(data: Any, target: Array, rows: Array, X: Any, y: Array) -> Array:
    """r / (r + s) of each counterfactual: s is its own way, r the usual one from other classes to its target."""
    encoder = TableEncoder(one_hot=0.5).fit(X)  # two levels differ in two places: by 1 in sum
    before, after = (np.hstack([encoder.transform(table), _gaps(table, encoder.units_.numbers)]) for table in (X, data))
    way = np.abs(after - before[rows]).sum(axis=1)
    usual = np.empty(len(way))
    for label in dict.fromkeys(target.tolist()):
        own = same_labels(y, label)
        nearest = NearestNeighbors(n_neighbors=1, metric="manhattan").fit(before[own])
        usual[same_labels(target, label)] = nearest.kneighbors(before[~own])[0].mean()
    both = usual + way
    return np.divide(usual, both, out=np.ones(len(way)), where=both > 0)


def _gaps(table: Any, numbers: Array) -> Array:
    """1 where a number is missing: a gap that is filled is a whole range away. A missing label is a level anyway."""
    frame = framed(read_table(table))
    return frame.iloc[:, np.flatnonzero(numbers)].isna().to_numpy(dtype=float)
