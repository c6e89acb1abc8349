"""A query from rules to certified rows: what stands between the estimator's method and the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .._answer.counterfactuals import Counterfactuals
from .._answer.report import build_report
from .._answer.status import Status
from .._common.runtime import chunks
from .._model.model import Model
from .._rules.actionability import Actionability
from .._rules.compile import compile_rules
from .._rules.feasible_set import FeasibleSet
from .._rules.user_repair import RepairedSet, repaired_where
from .._table.cells import cells_differ
from .._table.codec import TableCodec, rows_of
from .._table.concatenate import Joined
from .._table.schema import Column
from .answers import Answers, answer

_BLOCK_CELLS = 500_000  # encoded cells of the counterfactuals that are decoded and judged at once


class _Question(NamedTuple):
    """A table of n rows with all that is asked about it."""

    X: Any
    x: Tensor  # (n, d), encoded
    wanted: Tensor | str | None
    rules: Actionability
    allowed: FeasibleSet  # what the rules come to for these rows
    search: str
    k: int
    seed: int


@dataclass(frozen=True)
class Explainer:
    """The fitted parts that answer a query; none of them is changed by it.

    Parameters
    ----------
    model : Model
        Network, density and committee.
    codec : TableCodec
        Between tables and encoded rows.
    classes : ndarray of shape (K,)
        Class labels.
    chunk_rows : int
        Rows asked at once.
    """

    model: Model
    codec: TableCodec
    classes: np.ndarray
    chunk_rows: int

    def explain(
        self, X: Any, x: Tensor, wanted: Tensor | str | None, rules: Actionability, search: str, k: int, seed: int
    ) -> Counterfactuals:
        """Return the counterfactuals of table X, encoded `x` (n, d); the rest is as in `answer`."""
        question = _Question(X, x, wanted, rules, self._allowed(rules, X, x), search, k, seed)
        # Block by block, so that beside the table and the answer memory holds no more than one block's worth.
        columns = self._columns_of(X)
        whole = {"feature_names": [column.name for column in columns], "ranges": _ranges(columns)}
        k_all = k * (len(self.classes) - 1 if wanted is None else 1)  # counterfactuals of a row, at most
        size = self._block_rows(k_all)
        if len(x) <= size:
            only = self._explain_block(question, slice(0, len(x)))
            return Counterfactuals._adopted(**whole, **only)
        joined = Joined(len(x) * k_all, [column.categories for column in columns])
        for block in chunks(len(x), size):
            joined.add(self._explain_block(question, block))
        return Counterfactuals._adopted(**whole, **joined.fields())

    def _block_rows(self, k: int) -> int:
        """Return how many rows, of k counterfactuals each, are answered, decoded and judged at once: whole chunks."""
        chunk = self.chunk_rows * k * self.codec.schema.n_encoded
        return self.chunk_rows * max(1, _BLOCK_CELLS // chunk)

    def _columns_of(self, X: Any) -> list[Column]:
        """Return the schema's columns in the order of X."""
        by_place = np.argsort(self.codec.match(X))
        return [self.codec.schema.columns[j] for j in by_place]

    def _explain_block(self, question: _Question, block: slice) -> dict[str, Any]:
        """Return the fields of `Counterfactuals` for some rows of the table."""
        X, allowed, probability = question.X, question.allowed, question.rules.target_probability
        parts = chunks(block.stop, self.chunk_rows, block.start)
        found = Answers.joined([self._answer_chunk(question, rows) for rows in parts])
        reference = question.x[block].cpu().numpy()[found.row - block.start]
        original = rows_of(X, found.row)
        data = self.codec.rewrite(found.z, original.copy(), reference)
        spoilt = np.zeros(len(reference), dtype=bool)  # by the user's function
        if isinstance(allowed, RepairedSet):
            data, spoilt = repaired_where(~found.already, data, original, allowed.take(found.row), reference)
        return {
            "data": data,
            "original": original,
            "report": self._report(data, original, reference, found, allowed, probability, spoilt),
            "probability_before": found.before,
            "prediction_before": self.classes[found.predicted],
        }

    def _answer_chunk(self, question: _Question, rows: slice) -> Answers:
        wanted = question.wanted
        return answer(
            self.model,
            question.x[rows],
            wanted[rows] if isinstance(wanted, Tensor) else wanted,
            question.allowed.take(rows),
            probability=question.rules.target_probability,
            search=question.search,
            k=question.k,
            seed=question.seed,
            offset=rows.start,
        )

    def report_again(self, X: Any, x: Tensor, rules: Actionability, data: Any, report: pd.DataFrame) -> pd.DataFrame:
        """Return `report` anew for rows `data` that came back changed: rounded in a pipeline, say."""
        row, rank = (report[name].to_numpy() for name in ("row", "rank"))
        target = np.searchsorted(self.classes, report["target"].to_numpy())
        already, fewer = ((report["status"] == status).to_numpy() for status in (Status.ALREADY_TARGET, Status.FEWER))
        reference = x.cpu().numpy()[row]
        found = Answers(row, target, rank, fewer, np.zeros(len(row)), np.where(already, target, -1), reference)
        # That the user's function spoilt a row cannot be seen from the row, which is the query's.
        spoilt = ~report["feasible"].to_numpy() & (rules.repair is not None)
        original = rows_of(X, row)
        allowed = self._allowed(rules, X, x)
        return self._report(data, original, reference, found, allowed, rules.target_probability, spoilt)

    def _allowed(self, rules: Actionability, X: Any, x: Tensor) -> FeasibleSet:
        """Read the rules against the rows of X; raise where they don't fit."""
        names = self.codec.schema.feature_names
        if isinstance(X, pd.DataFrame) and list(X.columns) != list(names) and rules._by_position(names):
            raise ValueError(
                f"{', '.join(rules._by_position(names))} tells columns by position, but the columns of X are in "
                f"another order than at fit, which was {list(names)}. Name the columns, or pass X in that order."
            )
        numbers = None if rules.is_trivial else self.codec.numbers(X)
        allowed = compile_rules(rules, self.codec.schema, numbers, x.cpu().numpy())
        return allowed if rules.repair is None else RepairedSet.of(allowed, self.codec, X, rules.repair)

    def _report(
        self,
        data: Any,
        original: Any,
        reference: np.ndarray,
        found: Answers,
        allowed: FeasibleSet,
        probability: float | None,
        spoilt: np.ndarray,
    ) -> pd.DataFrame:
        """Judge the rows that the user will hold: encoded anew from the decoded table."""
        again = self.codec.encode(data, warn_unseen=False)
        x, target = (torch.from_numpy(array).to(self.model.threshold.device) for array in (again, found.target))
        feasible = ~spoilt
        if not allowed.trivial:
            feasible &= allowed.take(found.row).obeyed(again, reference, self.codec.numbers(data))
        return build_report(
            rows=found.row,
            target=found.target,
            rank=found.rank,
            classes=self.classes,
            feasible=feasible,
            already=found.already,
            fewer=found.fewer,
            n_changed=cells_differ(original, data).sum(1),  # float32 hides what is small beside the column's range
            moved=(again.astype(np.float64) - reference) * allowed.weights,
            **self.model.certificate(x, target, probability),
        )


def _ranges(columns: list[Column]) -> np.ndarray:
    """Smallest and largest value that fit has seen in each column, NaN for all but numbers; shape (d, 2)."""
    ends = [(c.lower, c.upper) if c.kind in ("numeric", "integer") else (np.nan, np.nan) for c in columns]
    return np.array(ends, dtype=float)
