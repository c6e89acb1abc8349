"""Questions to small models that several test files share: some fitted once, some made to be checked by hand."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from _models import fitted, iris, mixed, mixed_table
from torch import Tensor, nn

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.classifier import Classifier
from hyconex_sklearn._model.committee import Committee
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._rules.actionability import Actionability
from hyconex_sklearn._rules.compile import compile_rules
from hyconex_sklearn._rules.feasible_set import FeasibleSet
from hyconex_sklearn._rules.table_rules import TableRules
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.ladder import SEARCHES
from hyconex_sklearn._search.one_pass import OnePass, one_pass
from hyconex_sklearn._search.query import Query, Request
from hyconex_sklearn._search.reservoir import offer_reservoir
from hyconex_sklearn._table.codec import TableCodec

#: The shared fitted models: kind of columns and number of classes.
TABLES = ["numbers2", "numbers3", "labels2", "labels3", "mixed2", "mixed3"]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps of every gradient search, where a test is not about how far it gets."""
    monkeypatch.setattr("hyconex_sklearn._search.latent._STEPS", 4)
    for stage, steps in {"MENDING": 10, "SHORTENING": 3, "THINNING": 1, "POLISHING": 1, "CAPPED": 4}.items():
        monkeypatch.setattr(f"hyconex_sklearn._search.ladder._{stage}_STEPS", steps)


def shortens_nothing(monkeypatch: pytest.MonkeyPatch, search: str) -> None:
    """Leave answers as a search finds them."""
    still = dict.fromkeys(("shorten", "search_again", "spare"), lambda _: None)
    monkeypatch.setitem(SEARCHES, search, SEARCHES[search]._replace(**still))


class Parts(NamedTuple):
    """A model with the table that it is asked about."""

    model: Model
    codec: TableCodec
    table: Any
    x: Tensor  # the table, encoded

    def rules(self, **keywords: Any) -> FeasibleSet:
        """Rules about every row of the table, as the keywords of `Actionability`."""
        read = TableRules.read(Actionability(**keywords), self.codec, self.table)
        return compile_rules(read, self.table, self.x.numpy())

    def query(self, target: int | Tensor = 1, probability: float | None = None, **rules: Any) -> Query:
        """Ask about every row of the table toward one class, or one for each row."""
        wanted = torch.full((len(self.x),), target) if isinstance(target, int) else target
        return Query.of(self.model, self.x, wanted, self.model.demands(wanted, probability), self.rules(**rules))

    def ask(self, wanted: Tensor | str | None = None, probability: float | None = None, **rules: Any) -> OnePass:
        """Ask the one pass about every row of the table."""
        return one_pass(self.model, Request(self.x, wanted, self.rules(**rules), probability))

    def head(self, n: int) -> Parts:
        """The same with the first n rows of the table."""
        return self._replace(table=self.table[:n], x=self.x[:n])


def labels_table(n_classes: int, n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    """Text and booleans only, which decide the class."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "shape": rng.choice(list("uvw"), n),
            "side": rng.choice(list("pq"), n),
            "taste": rng.choice(list("xyz"), n),
            "ripe": rng.random(n) < 0.5,
        }
    )
    score = 1.0 * (X["shape"] == "u") + (X["side"] == "p") + 0.5 * (X["taste"] == "x") + 0.5 * X["ripe"]
    return X, np.digitize(score, [1.2] if n_classes == 2 else [0.8, 1.6])


@cache
def classifier(name: str) -> tuple[HyConExClassifier, Any]:
    """A fitted estimator of `TABLES` and its table. Shared: never change them."""
    if name in ("numbers3", "mixed2"):
        clf, X, _ = {"numbers3": iris, "mixed2": mixed}[name]()
        return clf, X
    if name == "numbers2":
        X, y = iris()[1:]
        X, y = X[50:], y[50:]
    elif name == "mixed3":
        X, y = mixed_table()
        y = np.where(X["owner"], "owner", y)
    else:
        X, y = labels_table(int(name[-1]))
    return fitted(X, y), X


def parts(name: str) -> Parts:
    """The inside of a shared estimator."""
    clf, X = classifier(name)
    return Parts(clf._model, clf._codec, X, torch.from_numpy(clf._codec.encode(X)))


def line_model(train: Any, slope: dict[Any, Any], offset: float = 0.0, table: Any = None) -> Parts:
    """A model of two classes that can be checked by hand: class 1 has the log-odds slope . x + offset.

    Classifier and committee agree on it; the density is a standard normal of the numbers with uniform categories, and
    no row is too rare. One pass toward class 1 moves a row by the slope itself, whatever the mask, and one toward class
    0 as far the other way.

    Parameters
    ----------
    train : table
        What the codec is fitted on.
    slope : dict of column number or name to number, or to a dict of label to number
        In encoded units; columns that are not named have no say.
    table : table, optional
        What is asked about, by default `train`.
    """
    codec = TableCodec.fit(train)
    space = EncodedSpace(codec.schema)
    direction = torch.zeros(space.n_features)
    for name, value in slope.items():
        column = codec.schema.columns[name if isinstance(name, int) else codec.schema.feature_names.index(name)]
        levels = value if isinstance(value, dict) else {0: value}
        for label, score in levels.items():
            place = column.categories.index(label) if isinstance(value, dict) else 0
            direction[column.start + place] = score
    sizes = space.n_features, 2, 4, 1, 0.0
    network, steps = Classifier(*sizes), HyperNetwork(*sizes)
    committee = Committee(space.owner, 2, torch.Generator().manual_seed(0))
    density = MixedDensity(space, 2, 2, (4,))
    for module in (network, steps, committee, density):
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
    with torch.no_grad():
        network.set_linear(torch.stack([torch.zeros_like(direction), direction]), torch.tensor([0.0, offset]))
        steps.set_linear(torch.stack([-direction, direction]))
        committee.seen.fill_(1.0)
        for unit, sign in enumerate((1.0, -1.0)):  # silu(s) - silu(-s) = s
            committee.weight1[:, unit], committee.bias1[:, unit] = sign * direction, sign * offset
            committee.weight2[:, 1, unit] = sign
    model = Model(space, network, steps, density, committee).requires_grad_(False).eval()
    model.threshold.fill_(-1e9)
    model.confidence.fill_(1.0)
    model.committee_confidence.fill_(1.0)
    table = train if table is None else table
    return Parts(model, codec, table, torch.from_numpy(codec.encode(table)))


def plane(slope: dict[int, float], table: Any, offset: float = 0.0) -> Parts:
    """A `line_model` of continuous columns whose encoded units are the table's own, but for rounding errors."""
    table = np.asarray(table, dtype=float)
    train = np.random.default_rng(0).normal(size=(500, table.shape[1]))
    return line_model((train - train.mean(0)) / train.std(0), slope, offset, table)


def shown(z: Tensor) -> list[list[float]]:
    """Encoded rows, rounding errors left out."""
    return z.double().round(decimals=5).tolist()


def lacks(query: Query, z: Tensor) -> Tensor:
    """What the certificates of settled rows lack, rules aside."""
    with torch.no_grad():
        return query.model.judge(z, query.target).shortfall(query.target, query.demands)


def settle(query: Query, z: Tensor) -> Tensor:
    """The rows that the user would hold."""
    return query.settle(z)[0]


def every(best: Incumbent) -> Tensor:
    """All queries of an incumbent, by number."""
    return torch.arange(len(best.query))


def at_home(asked: Parts, **how: Any) -> Incumbent:
    """An incumbent for each row of the table that is the row itself; `how` is asked as in `Parts.query`."""
    query = asked.query(**how)
    return Incumbent(query, query.x)


def start(asked: Parts, row: list[float], **rules: Any) -> Incumbent:
    """An incumbent for each row of the table, at the same place."""
    return Incumbent(asked.query(**rules), torch.tensor([row] * len(asked.x)))


def far(asked: Parts, **rules: Any) -> Incumbent:
    """Certified rows as far as the reservoir has them, so that there is something to shorten."""
    best = at_home(asked, **rules)
    offer_reservoir(best, every(best), 1)
    return best
