"""The classifiers that predictions are compared with, behind scikit-learn's interface and given the same tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from torch import Tensor, nn

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._common.runtime import copy_state, minibatches, seeded
from hyconex_sklearn._model.classifier import ResidualNetwork
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.loop import _MIN_STEPS
from hyconex_sklearn._training.rows import draw_held_out

try:
    from catboost import CatBoostClassifier
except ImportError:  # an optional peer
    CatBoostClassifier = None


def by_kind(numbers: Any, text: Any) -> Any:
    """Return a transformer with one part for numbers and one for everything else."""
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (text, make_column_selector(dtype_exclude="number"))
    )


def scaled(model: Any) -> Any:
    """Return a pipeline: numbers imputed and standardised, categories one-hot, then the model."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(by_kind(numbers, OneHotEncoder(handle_unknown="ignore", sparse_output=False)), model)


class CatBoost(ClassifierMixin, BaseEstimator):
    """CatBoost with its default settings, told which columns are categories."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> CatBoost:
        self.categories_ = list(X.select_dtypes(exclude="number").columns)
        self.model_ = CatBoostClassifier(
            random_seed=self.random_state, thread_count=1, verbose=False, allow_writing_files=False
        ).fit(self._text(X), y, cat_features=self.categories_)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.model_.predict_proba(self._text(X))

    def _text(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return X with categories as text: it takes no missing ones."""
        return X.assign(**{name: X[name].astype(str) for name in self.categories_})


_Rows = tuple[Tensor, Tensor]  # encoded rows (n, d), class indices (n,)


def fit_temperature(logits: Tensor, labels: Tensor, weight: Tensor) -> float:
    """Return the temperature that calibrates `logits` (n, K), by smoothed cross-entropy.

    Labels are smoothed by one pseudo-count for each class (as Platt scaling does): where held-out rows are few and
    all right, the plain likelihood would call for unlimited confidence.
    """
    n, n_classes = logits.shape
    goal = (nn.functional.one_hot(labels, n_classes) * n + 1.0) / (n + n_classes)

    def loss(log_temperature: float) -> float:
        terms = -(goal * (logits / math.exp(log_temperature)).log_softmax(1)).sum(1)
        return float((weight * terms).sum())

    return math.exp(minimize_scalar(loss, bounds=(-3.0, 4.0), method="bounded").x)


class TabResNet(ClassifierMixin, BaseEstimator):
    """The package's own encoding and residual network, alone: cross-entropy, early stopping, calibration."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TabResNet:
        same = HyConExClassifier()  # its default settings
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.codec_ = TableCodec.fit(X, same.categorical_features)
        x = torch.from_numpy(self.codec_.encode(X))
        held_out = draw_held_out(labels, 0.2, np.random.default_rng(self.random_state))
        train, valid = ((x[rows], torch.from_numpy(labels)[rows]) for rows in (~held_out, held_out))
        sizes = x.shape[1], len(self.classes_), same.hidden_size, same.n_blocks, same.dropout
        with seeded(self.random_state, x.device):
            self.network_ = ResidualNetwork(*sizes)
            _train(self.network_, train, valid, same)
        with torch.no_grad():
            self.temperature_ = fit_temperature(self.network_(valid[0]), valid[1], torch.ones(len(valid[0])))
        return self

    @torch.no_grad()
    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        x = torch.from_numpy(self.codec_.encode(X))
        return (self.network_(x) / self.temperature_).softmax(1).numpy()


def _train(network: nn.Module, train: _Rows, valid: _Rows, settings: HyConExClassifier) -> None:
    """Minimise cross-entropy until that of held-out rows has long stopped falling; leave the best epoch's network."""
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    best, state, since = np.inf, copy_state(network), 0
    while since < settings.patience:
        network.train()
        for rows in minibatches(len(train[0]), settings.batch_size, _MIN_STEPS, torch.default_generator):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(train[0][rows]), train[1][rows]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            loss = float(nn.functional.cross_entropy(network(valid[0]), valid[1]))
        best, state, since = (loss, copy_state(network), 0) if loss < best else (best, state, since + 1)
    network.load_state_dict(state)


class Boosting(ClassifierMixin, BaseEstimator):
    """scikit-learn's histogram gradient boosting, told which columns are categories."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Boosting:
        categories = range(X.select_dtypes("number").shape[1], X.shape[1])  # `by_kind` puts them last
        model = HistGradientBoostingClassifier(categorical_features=list(categories), random_state=self.random_state)
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=250
        )
        self.pipeline_ = make_pipeline(by_kind("passthrough", codes), model).fit(X, y)
        self.classes_ = self.pipeline_.classes_
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.pipeline_.predict_proba(X)


MODELS = {
    "hyconex": lambda seed: HyConExClassifier(random_state=seed),
    "tabresnet": lambda seed: TabResNet(seed),
    "hist_gradient_boosting": lambda seed: Boosting(seed),
    "random_forest": lambda seed: scaled(RandomForestClassifier(300, random_state=seed)),
    "logistic_regression": lambda seed: scaled(LogisticRegressionCV(Cs=5, max_iter=1000, cv=3, scoring="neg_log_loss")),
    "mlp": lambda seed: scaled(MLPClassifier(random_state=seed)),
}
if CatBoostClassifier is not None:
    MODELS["catboost"] = lambda seed: CatBoost(seed)
