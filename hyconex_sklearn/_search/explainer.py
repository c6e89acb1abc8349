"""A table and the user's rules in, certified counterfactuals out: between the estimator's method and the search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .._answer.about import About
from .._answer.contributions import LogProba
from .._answer.counterfactuals import Counterfactuals
from .._answer.intervals import Intervals
from .._answer.reach import reach
from .._answer.report import build_report
from .._answer.status import CERTIFIED, Status
from .._common.progress import progress
from .._common.runtime import choose_threads, chunks, in_chunks, plain_torch, thread_limit
from .._model.model import Model
from .._rules.actionability import Actionability
from .._rules.compile import compile_rules
from .._rules.feasible_set import FeasibleSet
from .._rules.table_rules import TableRules
from .._rules.user_repair import RepairedSet, repaired_where
from .._table.cells import cells_differ
from .._table.codec import TableCodec, rows_of
from .._table.concatenate import Joined
from .._table.possible_values import PossibleValues
from .answers import Answers, answer
from .query import Request
from .tips import Ways, flips_at

_BLOCK_CELLS = 500_000  # encoded cells of the counterfactuals that are decoded and judged at once


@dataclass(frozen=True)
class Explainer:
    """The fitted parts that answer a query; none of them is changed by it."""

    model: Model
    codec: TableCodec
    classes: np.ndarray  # (K,), labels
    chunk_rows: int  # rows asked at once
    n_jobs: int | None = None  # torch threads
    fitted_on: str | None = None  # day
    accuracy: float | None = None  # see `About`
    verbose: bool = False  # whether a bar tells how many answers are done

    def explain(
        self,
        X: Any,
        x: Tensor,
        wanted: Tensor | str | None,
        rules: Actionability,
        k: int = 1,
        intervals: str | None = None,
        **how: Any,
    ) -> Counterfactuals:
        """Return the counterfactuals of table X, encoded `x` (n, d); the rest is as in `Request`.

        With `intervals`, "each" or "box", how far their values may go, too.
        """
        read = self._read(rules, X)
        if how.get("menu"):
            k = min(rules.max_changes or x.shape[1], len(self.codec.schema.columns))
        request = Request(x, wanted, self._compiled(read, X, x), rules.target_probability, k=k, **how)
        columns = [self.codec.schema.columns[j] for j in np.argsort(self.codec.match(X))]  # in the order of X
        numbers = [c.kind in ("numeric", "integer") for c in columns]
        unknown = (np.nan, np.nan)
        ends = [(c.lower, c.upper) if number else unknown for c, number in zip(columns, numbers, strict=True)]
        usual = [c.usual if number and c.usual else unknown for c, number in zip(columns, numbers, strict=True)]
        kept = tuple(each for each in self.codec.schema.relations if each.exact and rules.keep_relations)
        whole: dict[str, Any] = {
            "feature_names": [column.name for column in columns],
            "ranges": np.array(ends, dtype=float),
            "usual": np.array(usual, dtype=float),
            "about": About(tuple(self.classes.tolist()), rules._plain(), self.fitted_on, self.accuracy, kept),
            "_log_proba": LogProba(self.log_proba, self.classes),
        }
        # Block by block, so that beside the table and the answer memory holds no more than one block's worth.
        k_all = k * (len(self.classes) - 1 if wanted is None else 1)  # counterfactuals of a row, at most
        cells = self.chunk_rows * k_all * self.codec.schema.n_encoded
        size = self.chunk_rows * max(1, _BLOCK_CELLS // cells)  # rows of a block: whole chunks
        with progress(len(x) * k_all, "counterfactuals", "answer", self.verbose) as bar:
            if len(x) <= size:
                block = self._explain_block(X, request, read, slice(0, len(x)), bar, intervals)
                return Counterfactuals._adopted(**whole, **block)
            joined = Joined(len(x) * k_all, [column.categories for column in columns])
            for rows in chunks(len(x), size):
                joined.add(self._explain_block(X, request, read, rows, bar, intervals))
        return Counterfactuals._adopted(**whole, **joined.fields())

    def _explain_block(
        self, X: Any, request: Request, read: TableRules, block: slice, bar: Any, intervals: str | None
    ) -> dict[str, Any]:
        """Return the fields of `Counterfactuals` for some rows of the table."""
        parts = chunks(block.stop, self.chunk_rows, block.start)
        found = Answers.joined([answer(self.model, request.at(rows), rows.start, bar.update) for rows in parts])
        reference, original = request.x[found.row].cpu().numpy(), rows_of(X, found.row)
        data = read.exactly(read.codec.rewrite(found.z, original.copy(), reference), original)
        spoilt = np.zeros(len(reference), dtype=bool)  # by the user's function
        if isinstance(request.rules, RepairedSet):
            rules = request.rules.take(found.row)
            data, spoilt = repaired_where(~found.already, data, original, rules, reference)
        report = self._report(request, read, found, original, data, spoilt)
        told: dict[str, Any] = {
            "data": data,
            "original": original,
            "report": report,
            "probability_before": found.before,
            "prediction_before": self.classes[found.predicted],
        }
        if intervals is not None:
            told["intervals"] = self._intervals(X, request, read, found, told, intervals == "box")
        return told

    def _intervals(
        self, X: Any, request: Request, read: TableRules, found: Answers, told: dict[str, Any], together: bool
    ) -> Intervals:
        """Return how far the values of certified answers may go; `told` are the fields of their result."""
        data, original = told["data"], told["original"]

        def judge(at: np.ndarray, table: Any) -> np.ndarray:
            return self._holds(X, request, read, table, found.row[at], found.target[at])

        certified = told["report"]["status"].isin(CERTIFIED).to_numpy()
        place = self.codec.match(data).tolist()
        known = [(j, grid) for j, column in enumerate(read.codec.schema.columns) if (grid := PossibleValues.of(column))]
        named = {*read.exact, *read.directions}
        limits = {place[j]: read.ends_of(j, original, found.row) for j, _ in known if j in named}
        size = _BLOCK_CELLS // self.codec.schema.n_encoded
        return reach(data, original, certified, {place[j]: g for j, g in known}, limits, judge, size, together)

    def judging(self, X: Any, x: Tensor, rules: Actionability) -> Callable[[Any, np.ndarray, np.ndarray], np.ndarray]:
        """Return what tells which rows of a table hold as answers to rows of X, encoded `x`: by number, toward labels.

        They hold if they are certified and obey the rules.
        """
        read = self._read(rules, X)
        request = Request(x, None, self._compiled(read, X, x), rules.target_probability)

        def judge(table: Any, row: np.ndarray, target: np.ndarray) -> np.ndarray:
            with plain_torch(), torch.no_grad(), thread_limit(choose_threads(self.n_jobs, self._work(len(table)))):
                return self._holds(X, request, read, table, row, np.searchsorted(self.classes, target))

        return judge

    def _holds(
        self, X: Any, request: Request, read: TableRules, table: Any, row: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Return which rows of a table are certified toward `target` (m,), and obey the rules as answers to `row`."""
        rules, device = request.rules, request.x.device
        x = torch.from_numpy(self.codec.encode(table, warn_unseen=False)).to(device)
        good = self.model.certified(x, torch.from_numpy(target).to(device), request.probability)
        if not rules.trivial:
            good &= read.obeyed(table, rows_of(X, row), row)
        if isinstance(rules, RepairedSet):
            good &= rules.untouched(table)
        return good

    def report_again(self, X: Any, x: Tensor, rules: Actionability, data: Any, report: pd.DataFrame) -> pd.DataFrame:
        """Return `report` anew for rows `data` that came back changed: rounded in a pipeline, say."""
        row, rank, lacking, support = (
            report[name].to_numpy() for name in ("row", "rank", "n_lacking", "support_before")
        )
        target = np.searchsorted(self.classes, report["target"].to_numpy())
        predicted = np.where(report["status"] == Status.ALREADY_TARGET, target, -1)
        found = Answers(row, target, rank, lacking, np.full(len(row), np.nan), predicted, support, np.empty(0))
        # That the user's function spoilt a row cannot be seen from the row, which is the query's.
        spoilt = ~report["feasible"].to_numpy() & (rules.repair is not None)
        # What held behind the steps of a pipeline, the grids of the columns before them need not allow.
        read = self._read(replace(rules, keep_relations=False), X)
        request = Request(x, None, self._compiled(read, X, x), rules.target_probability)
        return self._report(request, read, found, rows_of(X, row), data, spoilt)

    def log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the calibrated class probabilities (n, K) of a table."""
        with plain_torch(), torch.no_grad(), thread_limit(choose_threads(self.n_jobs, self._work(len(X)))):
            x = torch.from_numpy(self.codec.encode(X, warn_unseen=False)).to(self.model.typical.device)
            return in_chunks(self.model.logits, x).double().log_softmax(1).cpu().numpy()

    def _work(self, n: int) -> float:
        """Return the work, in flop, that asking n rows is."""
        return self.model.hypernetwork.work(min(n, self.chunk_rows))

    def _read(self, rules: Actionability, X: Any) -> TableRules:
        """Read the rules against the table X; raise where they don't fit."""
        names = self.codec.schema.feature_names
        if isinstance(X, pd.DataFrame) and list(X.columns) != list(names) and rules._by_position(names):
            raise ValueError(
                f"{', '.join(rules._by_position(names))} tells columns by position, but the columns of X are in "
                f"another order than at fit, which was {list(names)}. Name the columns, or pass X in that order."
            )
        return TableRules.read(rules, self.codec, X)

    def _compiled(self, read: TableRules, X: Any, x: Tensor) -> FeasibleSet:
        """Return what the rules allow the rows of X."""
        compiled = compile_rules(read, X, x.cpu().numpy())
        return compiled if read.said.repair is None else RepairedSet.of(compiled, read, X)

    def _report(
        self, request: Request, read: TableRules, found: Answers, original: Any, data: Any, spoilt: np.ndarray
    ) -> pd.DataFrame:
        """Judge the rows that the user will hold: by their cells, and encoded anew from the decoded table."""
        rules, at = request.rules, np.array(found.row)  # a column of a report may be read-only, which torch warns of
        reference = request.x[at].cpu().numpy()
        again = self.codec.encode(data, warn_unseen=False)
        x, target = (torch.from_numpy(array).to(request.x.device) for array in (again, found.target))
        certificate = self.model.certificate(x, target, request.probability)
        feasible = ~spoilt if rules.trivial else ~spoilt & read.obeyed(data, original, at)
        return build_report(
            rows=found.row,
            target=found.target,
            rank=found.rank,
            classes=self.classes,
            feasible=feasible,
            already=found.already,
            lacking=np.where(found.already, 0, found.lacking),
            support_before=found.support,
            asked=request.probability is not None,
            flips_at=self._flips_at(found, certificate, (original, data), (reference, again)),
            n_changed=cells_differ(original, data).sum(1),  # float32 hides what is small beside the column's range
            moved=(again.astype(np.float64) - reference) * rules.weights,
            **certificate,
        )

    def _flips_at(
        self, found: Answers, certificate: dict[str, np.ndarray], tables: tuple[Any, Any], encoded: tuple[Any, Any]
    ) -> np.ndarray:
        """Return where on the way the prediction becomes the target; NaN where it does not, or already was (m,)."""
        rows = np.flatnonzero((certificate["prediction"] == found.target) & ~found.already)
        before, after = map(self.codec.numbers, tables)
        ways, target = Ways(self.codec.schema, before, after, *encoded)[rows], found.target[rows]

        def margin(at: np.ndarray, z: np.ndarray) -> np.ndarray:
            x = torch.from_numpy(z).to(self.model.typical.device)
            logits = in_chunks(self.model.logits, x, size=self.model.rows_at_once).double().cpu().numpy()
            own = np.take_along_axis(logits, target[at, None], 1)[:, 0]
            np.put_along_axis(logits, target[at, None], -np.inf, 1)
            return np.asarray(own - logits.max(1))

        share = np.full(len(found.row), np.nan)
        if len(rows):
            share[rows] = flips_at(margin, ways, found.before[rows], certificate["probability"][rows])
        return share
