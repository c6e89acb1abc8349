"""The tables of the published experiments, read and split as they were there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Split:
    """A table cut into 64 % train, 16 % validation and 20 % test rows."""

    X_train: pd.DataFrame
    y_train: np.ndarray
    X_valid: pd.DataFrame
    y_valid: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray

    @property
    def rows_to_fit(self) -> pd.DataFrame:
        """Train and validation rows: an estimator that holds out rows by itself is given both."""
        return pd.concat([self.X_train, self.X_valid], ignore_index=True)

    @property
    def labels_to_fit(self) -> np.ndarray:
        """Labels of `rows_to_fit`."""
        return np.concatenate([self.y_train, self.y_valid])


def _headless(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(path, header=None)
    X = table.iloc[:, :-1].rename(columns="x{}".format)
    return X, table.iloc[:, -1].astype(int).to_numpy()


def _balanced(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """All rows of the rarer class and as many of the other."""
    counts = table[target].value_counts()
    rare = table[table[target] == counts.index[-1]]
    other = table[table[target] == counts.index[0]].sample(len(rare), random_state=42)
    return pd.concat([rare, other], ignore_index=True)


def _wine(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(path, skipinitialspace=True)
    return table.drop(columns="Target").astype(float), table["Target"].to_numpy()


def _law(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = _balanced(pd.read_csv(path)[["lsat", "gpa", "zfygpa", "pass_bar"]].dropna(), "pass_bar")
    return table.drop(columns="pass_bar").astype(float), table["pass_bar"].astype(int).to_numpy()


def _audit(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(path)
    table = table.drop(columns=[*table.columns[:2], "Detection_Risk"])
    target = table.columns[-1]
    table = _balanced(table, target)
    return table.drop(columns=target).astype(float), table[target].to_numpy()


def _adult(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(path)
    table = table.drop(columns=[name for name in table.columns if name.startswith("Unnamed")])
    return table.drop(columns="income"), table["income"].to_numpy()


_READERS = {"moons": _headless, "blobs": _headless, "wine": _wine, "law": _law, "audit": _audit, "adult": _adult}
NAMES = tuple(_READERS)


def load(name: str, folder: Path) -> Split:
    """Read table `name` from `folder` and split it as published."""
    return split_as_published(*_READERS[name](folder / f"{name}.csv"))


def split_as_published(X: pd.DataFrame, y: np.ndarray) -> Split:
    """Cut a table into 64 % train, 16 % validation and 20 % test rows, with the published seeds."""
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=4, stratify=y)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X_rest, y_rest, test_size=0.2, random_state=0, stratify=y_rest
    )
    parts = (X_train, y_train, X_valid, y_valid, X_test, y_test)
    return Split(*(part.reset_index(drop=True) if isinstance(part, pd.DataFrame) else part for part in parts))
