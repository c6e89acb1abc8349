"""Metrics by judges that see the training data alone: densities, neighbours, outlier detectors, another classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline

from .._table.cells import Array
from .._table.containers import rows_in
from ._units import (
    TableEncoder,
    aligned,
    as_frame,
    check_option,
    check_quantile,
    found_in,
    labels_1d,
    placed,
    predictions_of,
    same_labels,
)

_BANDWIDTHS = np.geomspace(1.0, 0.05, 8)  # the widest first: it is taken where nothing tells them apart
_SCORED = 1000  # rows that a bandwidth is chosen on; all others count as their neighbours
_BLOCK = 500  # rows whose distances are held at once
_UNIT = np.sqrt(0.5)  # one-hot value at which two levels are at distance 1

# --------------------------------------------------------------------------------------------------------- densities


def log_density(X_cf: Any, target: Any, X_train: Any, y_train: Any) -> Array:
    """Log density of each row among the training rows of its target class, by Gaussian kernels.

    Numbers in min-max units and one-hot categories share one bandwidth for each class, chosen from a small grid by the
    leave-one-out likelihood. Kernels over categories are probabilities that sum to one over their levels: as densities
    they would have no finite likelihood.

    Parameters
    ----------
    X_cf : DataFrame or ndarray of shape (n, d)
        Counterfactuals; a row without any value: none was found.
    target : array-like of shape (n,)
        Class label asked for.
    X_train : DataFrame or ndarray of shape (m, d)
        Training rows.
    y_train : array-like of shape (m,)
        Their class labels.

    Returns
    -------
    ndarray of shape (n,)
        Natural logarithm, without bounds, to be compared within one data set; NaN where none was found. Higher is
        more usual.

    Raises
    ------
    TypeError, ValueError
        If rows or columns don't fit together, or the training data hold a target label less than twice.

    References
    ----------
    Parzen (1962), On estimation of a probability density function and mode; Aitchison & Aitken (1976), Multivariate
    binary discrimination by the kernel method.
    """
    seen = _Seen.read(X_cf, target, X_train, y_train, one_hot=_UNIT)
    return seen.by_class(lambda after, own: _KernelDensity.fit(own, seen.encoder).score(after))


def plausibility(
    X_cf: Any,
    target: Any,
    X_train: Any,
    y_train: Any,
    *,
    score_samples: Callable[[Any, Any], Any] | None = None,
    quantile: float = 0.25,
) -> Array:
    """Whether each row is no rarer in its target class than most training rows of that class.

    Parameters
    ----------
    X_cf, target, X_train, y_train : tables and labels
        As of `log_density`.
    score_samples : callable, optional
        ``score_samples(X, y)`` gives the log density (n,) of rows in their classes, such as the method of a fitted
        classifier. None: kernel densities as of `log_density`, where no training row counts as its own neighbour.
    quantile : float in [0, 1], default=0.25
        Share of the class's training rows that count as too rare.

    Returns
    -------
    bool ndarray of shape (n,)
        True where the log density is at that quantile or above; False where none was found. More is better.

    Raises
    ------
    TypeError, ValueError
        As of `log_density`, or if `quantile` is not in [0, 1].

    References
    ----------
    Artelt & Hammer (2020), Convex density constraints for computing plausible counterfactual explanations.
    """
    check_quantile(quantile)
    seen = _Seen.read(X_cf, target, X_train, y_train, one_hot=_UNIT)
    if score_samples is None:

        def usual(after: Array, own: Array) -> Array:
            density = _KernelDensity.fit(own, seen.encoder)
            return density.score(after) >= np.quantile(density.score_own(), quantile)

        return seen.by_class(usual, missing=False)
    scores = np.full(len(seen.found), np.nan)
    if seen.found.any():
        scores[seen.found] = np.asarray(score_samples(rows_in(X_cf, seen.found), seen.target[seen.found]))
    answer = np.zeros(len(scores), dtype=bool)
    for label, rows in seen.classes():
        own = same_labels(seen.labels, label)
        threshold = np.quantile(np.asarray(score_samples(rows_in(X_train, own), seen.labels[own])), quantile)
        answer[rows] = scores[rows] >= threshold
    return answer


@dataclass(frozen=True)
class _KernelDensity:
    """Kernels on the encoded rows of one class; numbers have a density, categories a probability."""

    own: Array  # (m, e)
    n_numbers: int
    n_levels: Array  # levels of each category column
    bandwidth: float

    @classmethod
    def fit(cls, own: Array, encoder: TableEncoder) -> _KernelDensity:
        """Choose the bandwidth under which rows are most likely when they are left out themselves."""
        constant = np.ptp(own[:, : encoder.units_.numbers.sum()], axis=0) == 0  # has no density
        n_levels = np.array([len(levels) + 1 for levels in encoder.levels_], dtype=float)
        each = [cls(own, int((~constant).sum()), n_levels, float(h)) for h in _BANDWIDTHS]
        rows = np.unique(np.linspace(0, len(own) - 1, _SCORED).astype(int)) if len(own) > _SCORED else None
        likelihood = [density.score_own(rows).mean() for density in each]
        return each[int(np.argmax(likelihood))]

    def score(self, Z: Array) -> Array:
        return self._log_mean(Z, None)

    def score_own(self, rows: Array | None = None) -> Array:
        """Of own rows, each without itself."""
        rows = np.arange(len(self.own)) if rows is None else rows
        return self._log_mean(self.own[rows], rows)

    def _log_mean(self, Z: Array, left_out: Array | None) -> Array:
        """Log of the mean kernel around the own rows, (len(Z),)."""
        scale = 2 * self.bandwidth**2
        result = np.empty(len(Z))
        for start in range(0, len(Z), _BLOCK):
            block = slice(start, start + _BLOCK)
            squared = euclidean_distances(Z[block], self.own, squared=True)
            if left_out is not None:
                squared[np.arange(len(squared)), left_out[block]] = np.inf
            result[block] = logsumexp(-squared / scale, axis=1)
        others = len(self.own) - (left_out is not None)
        volume = self.n_numbers / 2 * np.log(np.pi * scale) + np.log1p((self.n_levels - 1) * np.exp(-1 / scale)).sum()
        return result - np.log(others) - volume


# ------------------------------------------------------------------------------------------------------- neighbours


def near_target(
    X_cf: Any, target: Any, X_train: Any, y_train: Any, *, n_neighbors: int = 10, quantile: float = 0.95
) -> Array:
    """Whether each row is as near to the training rows of its target class as these are to one another.

    Parameters
    ----------
    X_cf, target, X_train, y_train : tables and labels
        As of `log_density`; numbers are told in min-max units, categories one-hot, and missing numbers as the mean.
    n_neighbors : int >= 1, default=10
        Which neighbour's distance counts; all others in a class that is smaller.
    quantile : float in [0, 1], default=0.95
        Share of the class's training rows whose own distance is near enough.

    Returns
    -------
    bool ndarray of shape (n,)
        True where the row is near; False where none was found. More is better.

    Raises
    ------
    TypeError, ValueError
        As of `log_density`, or if `quantile` is not in [0, 1] or `n_neighbors` is below 1.

    References
    ----------
    Dandl et al. (2020), Multi-objective counterfactual explanations.
    """
    check_quantile(quantile)
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be an integer >= 1, got {n_neighbors!r}. Pass 10, for instance.")

    def near(after: Array, own: Array) -> Array:
        neighbours = NearestNeighbors(n_neighbors=min(n_neighbors, len(own) - 1)).fit(own)
        reach = np.quantile(neighbours.kneighbors()[0][:, -1], quantile)
        return neighbours.kneighbors(after)[0][:, -1] <= reach

    return _Seen.read(X_cf, target, X_train, y_train, one_hot=1.0).by_class(near, missing=False)


def local_outlier_factor(X_cf: Any, target: Any, X_train: Any, y_train: Any, *, of: str = "target") -> Array:
    """Local outlier factor of each row: how much sparser its surroundings are than those of its neighbours.

    Parameters
    ----------
    X_cf, target, X_train, y_train : tables and labels
        As of `log_density`.
    of : {"target", "all"}, default="target"
        Compare with the training rows of the target class, or with all of them.

    Returns
    -------
    ndarray of shape (n,)
        Positive; near 1 for an inlier, larger for an outlier, and huge beside many equal training rows, so that the
        median says more than the mean. NaN where none was found. Lower is better.

    Raises
    ------
    TypeError, ValueError
        As of `log_density`, or if `of` is not known.

    References
    ----------
    Breunig, Kriegel, Ng & Sander (2000), LOF: Identifying density-based local outliers.
    """
    check_option("of", of, ("target", "all"))

    def factor(after: Array, own: Array) -> Array:
        detector = LocalOutlierFactor(n_neighbors=min(20, len(own) - 1), novelty=True).fit(own)
        return np.asarray(-detector.score_samples(after))

    seen = _Seen.read(X_cf, target, X_train, y_train, one_hot=_UNIT)
    return seen.by_class(factor) if of == "target" else seen.at_once(factor)


def isolation_forest(
    X_cf: Any, target: Any, X_train: Any, y_train: Any, *, of: str = "target", random_state: int = 0
) -> Array:
    """Anomaly score of each row: how few random cuts set it apart from the training rows.

    Parameters
    ----------
    X_cf, target, X_train, y_train : tables and labels
        As of `log_density`.
    of : {"target", "all"}, default="target"
        Compare with the training rows of the target class, or with all of them.
    random_state : int, default=0
        Seed of the cuts.

    Returns
    -------
    ndarray of shape (n,)
        In (0, 1]; up to 0.5 for an inlier, near 1 for an outlier. NaN where none was found. Lower is better.

    Raises
    ------
    TypeError, ValueError
        As of `log_density`, or if `of` is not known.

    References
    ----------
    Liu, Ting & Zhou (2008), Isolation forest.
    """
    check_option("of", of, ("target", "all"))

    def anomaly(after: Array, own: Array) -> Array:
        return np.asarray(-IsolationForest(random_state=random_state).fit(own).score_samples(after))

    seen = _Seen.read(X_cf, target, X_train, y_train, one_hot=_UNIT)
    return seen.by_class(anomaly) if of == "target" else seen.at_once(anomaly)


@dataclass(frozen=True)
class _Seen:
    """Counterfactuals and training rows, checked and encoded alike."""

    target: Array  # (n,)
    found: Array  # bool (n,)
    after: Array  # (n, e)
    labels: Array  # (m,)
    train: Array  # (m, e)
    encoder: TableEncoder

    @classmethod
    def read(cls, X_cf: Any, target: Any, X_train: Any, y_train: Any, one_hot: float) -> _Seen:
        """Raise where the parts don't fit together."""
        after, train = aligned(X_cf=X_cf, X_train=X_train)
        target = labels_1d(target, "target", len(after), "X_cf")
        labels = labels_1d(y_train, "y_train", len(train), "X_train")
        counts = Counter(labels.tolist())
        for label in dict.fromkeys(target.tolist()):
            if (count := counts[label]) < 2:
                raise ValueError(
                    f"target holds the label {label!r}, which y_train holds {count} times; expected twice at least. "
                    f"The labels of y_train are {list(counts)}: ask about those, or pass more training rows."
                )
        encoder = TableEncoder(one_hot).fit(train)
        return cls(target, found_in(after), encoder.transform(after), labels, encoder.transform(train), encoder)

    def classes(self) -> list[tuple[Any, Array]]:
        """Each class that was asked for, and its rows (n,) that were found; none without rows."""
        labels = dict.fromkeys(self.target[self.found].tolist())
        return [(label, self.found & same_labels(self.target, label)) for label in labels]

    def by_class(self, judge: Callable[[Array, Array], Array], missing: Any = np.nan) -> Array:
        """Judge the rows of each class by its own training rows."""
        answer = np.full(len(self.found), missing)
        for label, rows in self.classes():
            answer[rows] = judge(self.after[rows], self.train[same_labels(self.labels, label)])
        return answer

    def at_once(self, judge: Callable[[Array, Array], Array]) -> Array:
        """Judge all rows by all training rows."""
        answer = np.full(len(self.found), np.nan)
        if self.found.any():
            answer[self.found] = judge(self.after[self.found], self.train)
        return answer


# ----------------------------------------------------------------------------------------------- another classifier


def agreement(X_cf: Any, target: Any, predict: Callable[[Any], Any]) -> Array:
    """Whether a classifier that had no part in it sees the target class, too.

    Parameters
    ----------
    X_cf : DataFrame or ndarray of shape (n, d)
        Counterfactuals; a row without any value: none was found.
    target : array-like of shape (n,)
        Class label asked for.
    predict : callable
        Gives the class labels (n,) of rows, such as ``independent_classifier(X_train, y_train).predict``.

    Returns
    -------
    bool ndarray of shape (n,)
        False where none was found. More is better: a row that fools a single model is no explanation of the data.

    Raises
    ------
    TypeError, ValueError
        If `target` has another length, or `predict` does not return one label for each row.

    References
    ----------
    Pawelczyk, Broelemann & Kasneci (2020), On counterfactual explanations under predictive multiplicity.
    """
    found = found_in(as_frame(X_cf, "X_cf"))
    target = labels_1d(target, "target", len(found), "X_cf")
    agreed = same_labels(target[found], predictions_of(predict, X_cf, found)) if found.any() else False
    return placed(found, agreed, missing=False)


def independent_classifier(X_train: Any, y_train: Any, random_state: int = 0) -> Pipeline:
    """Fit a random forest to judge by.

    Parameters
    ----------
    X_train : DataFrame or ndarray of shape (m, d)
        Training rows of any dtypes, with gaps or without.
    y_train : array-like of shape (m,)
        Their class labels.
    random_state : int, default=0
        Seed of the forest.

    Returns
    -------
    Pipeline
        Fitted; 300 trees on numbers and one-hot categories. Takes tables with the columns of `X_train`, and categories
        that these don't hold.

    Raises
    ------
    TypeError, ValueError
        If `X_train` is no table, or `y_train` has another length.

    References
    ----------
    Breiman (2001), Random forests.
    """
    (train,) = aligned(X_train=X_train)
    labels = labels_1d(y_train, "y_train", len(train), "X_train")
    forest = RandomForestClassifier(300, random_state=random_state)
    return make_pipeline(TableEncoder(), forest).fit(X_train, labels)
