"""Tables in, what a fitted model says of their rows out: classes, probabilities, parts, local models, densities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ._common.runtime import choose_threads, in_chunks, plain_torch, thread_limit
from ._model.contributions import contributions
from ._model.model import Model
from ._table.check_input import check_table
from ._table.check_labels import target_numbers
from ._table.codec import TableCodec
from ._table.rows import read_rows

_ROWS_AT_ONCE = 2_048  # whose hidden units fit into the cache: a fifth quicker


class Predicts:
    """The methods of an estimator that ask its fitted model about rows and search for nothing."""

    _model: Model
    _codec: TableCodec
    classes_: np.ndarray
    n_jobs: int | None
    device_: torch.device

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : DataFrame (pandas, polars), Arrow table or array-like of shape (n, n_features)
            Rows to classify, with the columns that `fit` has seen; one row may be a dict or a Series.

        Returns
        -------
        ndarray of shape (n,)
            Labels out of `classes_`.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        TypeError, ValueError
            If the table has other columns, or cells that can't be read.
        """
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return calibrated class probabilities.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows to classify, with the columns that `fit` has seen.

        Returns
        -------
        ndarray of shape (n, K), float32
            Columns in the order of `classes_`; each row sums to one. Raises what `predict` does.
        """
        return self._of_logits(X, lambda logits: logits.softmax(1))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the natural logarithms of the calibrated class probabilities, finite where these round to 0.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows to classify, with the columns that `fit` has seen.

        Returns
        -------
        ndarray of shape (n, K), float32
            Columns in the order of `classes_`. Raises what `predict` does.
        """
        return self._of_logits(X, lambda logits: logits.log_softmax(1))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return calibrated logits, whose softmax is `predict_proba`; of two classes, the log-odds of the second.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows to classify, with the columns that `fit` has seen.

        Returns
        -------
        ndarray of shape (n,) or (n, K), float32
            Of shape (n,) where there are two classes. Raises what `predict` does.
        """
        return self._of_logits(X, lambda logits: logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits)

    def _of_logits(self, X: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        """Return a function of the calibrated logits (n, K)."""
        with self._encoded(X) as (_, encoded):
            return function(in_chunks(self._model.logits, encoded, size=_ROWS_AT_ONCE)).cpu().numpy()

    def contributions(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what each column adds to the prediction of each row, against the typical row.

        The typical row has the median of each number and the most frequent level of each category. Its columns are
        exchanged for the row's own, one after the other; a column adds what the logits gain at its exchange, on average
        over eight orders, the same ones every time: Shapley values of the classifier itself.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows, with the columns that `fit` has seen.

        Returns
        -------
        contributions : ndarray of shape (n, K, n_features), float32
            What each column of X, in X's order, adds to the calibrated logit of each class. The difference of two
            classes is what it adds to the log-odds of one against the other.
        baseline : ndarray of shape (K,), float32
            Calibrated logits of the typical row. `baseline + contributions.sum(2)` are those of the rows, and their
            softmax is `predict_proba`. Raises what `predict` does.

        References
        ----------
        Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling", Computers &
        Operations Research 36 (2009).
        """
        with self._encoded(X) as (X, encoded):
            model = self._model
            typical = model.typical.expand_as(encoded)
            added = contributions(model.logits, typical, encoded, model.space).cpu().numpy()
            baseline = model.logits(model.typical[None])[0].cpu().numpy()
            return added[:, :, np.argsort(self._codec.match(X))], baseline

    def local_linear(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear classifier that the hypernetwork writes for each row, in encoded units.

        It gives the classifier's own logits at the row, and leads where they grow: one step along the coefficients of
        a class is its counterfactual, x'_m = x + coef_m, and coef_m . (x'_m - x) is about what the logit of m gains on
        the way. To tell what a prediction rests on, take `contributions`.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows, with the columns that `fit` has seen.

        Returns
        -------
        coef : ndarray of shape (n, K, d)
            Row m is the normal of class m's logit, and the one-shot step toward class m.
        intercept : ndarray of shape (n, K)
            Calibrated logit of each class where the encoded row is zero. Raises what `predict` does.
        """
        with self._encoded(X) as (_, encoded):
            model = self._model
            size = model.hypernetwork.rows_at_once
            coef = -in_chunks(model.weights, encoded, size=size)
            intercept = in_chunks(model.logits, encoded) - torch.einsum("nkd,nd->nk", coef, encoded)
            return coef.cpu().numpy(), intercept.cpu().numpy()

    def score_samples(self, X: Any, y: ArrayLike | None = None) -> np.ndarray:
        """Return the log-density of rows under the flow.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, n_features)
            Rows, with the columns that `fit` has seen.
        y : array-like of shape (n,), optional
            Class label of each row.

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            Natural log p(x | y) in encoded units: for the given labels, or for every class.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As of `predict`, or if a label is not among `classes_`.
        """
        with self._encoded(X) as (_, encoded):
            size = self._model.hypernetwork.rows_at_once
            density = in_chunks(self._model.density.log_prob_all, encoded, size=size).cpu().numpy()
        if y is None:
            return density
        return density[np.arange(len(density)), target_numbers(column_or_1d(y), len(density), self.classes_)]

    @contextmanager
    def _encoded(self, X: Any) -> Iterator[tuple[Any, torch.Tensor]]:
        """Check and encode X, yield both, and compute on as many threads as the work deserves, without gradients."""
        check_is_fitted(self)
        X = check_table(self, self._rows(X), reset=False)
        encoded = self._codec.encode(X)
        network = self._model.hypernetwork
        threads = choose_threads(self.n_jobs, network.work(min(len(encoded), network.rows_at_once)))
        with plain_torch(), torch.no_grad(), thread_limit(threads):
            yield X, torch.from_numpy(encoded).to(self.device_)

    def _rows(self, X: Any) -> Any:
        """Return a row that is told by label as a table of one row."""
        return read_rows(X, self._codec.schema.feature_names if self._codec.schema.container == "dataframe" else None)
