"""What a query gives back: counterfactual rows, their certificate, and three ways to read them."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._common.atomic_file import write_file
from .._table.cells import Table, column_of, framed, free_name
from .._table.containers import Kind
from .._table.row_labels import in_order
from .._table.units import as_written
from .changes import ComparedColumn
from .notebook import notebook_table
from .page import report_page
from .rows import AnsweredRows
from .sentences import sentences
from .side_by_side import side_by_side
from .wording import counted, format_share, is_missing, row_name, shorten
from .words import TEMPLATES

_KEYS = ["row", "target", "rank"]
_REPR_SENTENCES = 3


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactuals(AnsweredRows):
    """Counterfactual rows with their certificate; what ``counterfactuals(X)`` returns.

    Has a length, iterates over one-row results, and is cut like an array: by an integer, a slice, a boolean mask
    (``cf[cf.report["valid"]]``) or an array of positions.

    Parameters
    ----------
    data : DataFrame (of pandas or polars), Arrow table or ndarray of shape (m, d)
        The counterfactual rows, in the container, units, dtypes and categories of the table that was asked about. The
        rows of a DataFrame of pandas are labelled as those of the table were.
    original : DataFrame, Arrow table or ndarray of shape (m, d)
        The query rows, aligned with `data`: a row that has three counterfactuals stands here three times.
    report : DataFrame of m lines
        One line per counterfactual: ``row`` (position in the query table), ``target``, ``rank``, ``prediction``,
        ``probability`` (of the target), ``least_probability`` (what a certificate asks of it), ``support`` (share of
        the committee that agrees), ``least_support`` (what a certificate asks of it), ``support_before`` (share that
        agrees with the prediction of the unchanged row),
        ``doubt`` (why the row is not sure enough), ``valid``, ``plausible``, ``feasible``, ``log_density``,
        ``flips_at`` (share of the way at which the prediction becomes the target), ``distance_l1``, ``distance_l2``
        (encoded units), ``n_changed``, ``n_lacking`` (alternatives that were asked for and not found, told at the last
        one that was), ``status``.
    feature_names : list of length d
        Names of the columns.
    probability_before : ndarray of shape (m,)
        Probability of the target class for the original row.
    prediction_before : ndarray of shape (m,)
        Predicted label of the original row.
    ranges : ndarray of shape (d, 2), or None
        Smallest and largest value that fit has seen in each column, in the units of `data`; NaN for columns that are
        not numbers and where it is not known, None where nothing is known.
    usual : ndarray of shape (d, 2), or None
        The same of the 0.01 and the 0.99 quantile: between them lie all but the outliers.
    about : About or None
        Where the answers come from: `classes`, `fitted_on` and `accuracy` of the model, the `rules` of the query, and
        the relations that were `kept`.
    words : Words
        How it is told; `with_words` returns a result with other ones.
    intervals : Intervals or None
        How far the changed values of certified rows may go, where the query asked for it: float arrays `low` and `high`
        of shape (m, d) in the units of `data` (ordered categories: places among ``labels[column]``), NaN where there is
        no interval; `checked` (m, d), how many values were tried, and `complete` (m, d), whether these were all.

    Notes
    -----
    Tables and arrays are copied, so that later edits of the caller's data leave the result as it was.
    """

    def to_frame(self) -> Any:
        """Report and counterfactual rows side by side.

        Returns
        -------
        DataFrame of m lines
            The columns of `report`, then those of `data`, with its row labels; of polars or Arrow where `data` is, else
            of pandas. Where a data column has the name of a report column, the data column keeps it and the report
            column is prefixed with ``cf_``. Where the query asked for intervals, ``lowest_...`` and ``highest_...``
            stand between the two, for each column of numbers or ordered categories.
        """
        taken = set(self.feature_names)
        report = self.report.rename(columns={name: free_name(name, taken) for name in self.report.columns})
        if self.intervals is not None:
            names = list(self.data.columns) if isinstance(self.data, pd.DataFrame) else self.feature_names
            report = report.assign(**self.intervals.beside(names, taken, report.index))
        data: Any = self.data
        if isinstance(data, pd.DataFrame):
            return pd.concat([report.reset_index(drop=True), data.reset_index(drop=True)], axis=1).set_axis(data.index)
        if isinstance(data, np.ndarray):
            data = framed(data, columns=pd.Index(self.feature_names))
        return Kind.of(data).beside(report, data)

    def changes(self) -> pd.DataFrame:
        """Every changed cell on a line of its own.

        Returns
        -------
        DataFrame
            Columns ``row``, ``target``, ``rank``, ``feature``, ``from``, ``to``, ``contribution``, in the order of the
            counterfactuals and, within one, of the table's columns. ``from`` and ``to`` have dtype object: every value
            keeps its type, and numbers of single precision the digits that they have. ``contribution`` (float64) is
            what the change of the cell adds to the log-odds of the target, log p / (1 - p), on the way from the
            original row to the counterfactual; those of a counterfactual add up to what its log-odds gain in all. NaN
            in results that were made by hand. Rows have the labels that their counterfactuals have in `data`. Where the
            query asked for intervals, ``lowest``, ``highest`` (dtype object) and ``checked`` (such as "all 41 values")
            tell how far the new value may go; None for what has no interval.

        Notes
        -----
        Contributions are Shapley values over the changed columns of a counterfactual: cells are exchanged one after
        the other, and each adds what the log-odds gain at its exchange, on average over orders. Up to six columns all
        orders count, up to a hundred eight of them, beyond that two; always the same ones. They are computed when they
        are first asked for, by the classifier that gave the answer, whatever it was fitted to since. A result keeps
        that classifier; its pickles hold the contributions instead.
        """
        columns = ComparedColumn.all_of(self)
        changed = np.reshape([column.changed for column in columns], (len(columns), len(self)))
        rows, at = np.nonzero(changed.T)  # by row, then column
        cells = [(columns[j].before[i], columns[j].after[i]) for i, j in zip(rows.tolist(), at.tolist(), strict=True)]
        names = np.empty(len(columns), dtype=object)
        names[:] = self.feature_names
        long = {
            "feature": names[at],
            "from": pd.Series([before for before, _ in cells], dtype=object),
            "to": pd.Series([after for _, after in cells], dtype=object),
            "contribution": self._contributions[rows, at],
        }
        if self.intervals is not None:
            ends = [columns[j].interval(i) or (None, None) for i, j in zip(rows.tolist(), at.tolist(), strict=True)]
            checked = [columns[j].checked(i) for i, j in zip(rows.tolist(), at.tolist(), strict=True)]
            long["lowest"] = pd.Series([low for low, _ in ends], dtype=object)
            long["highest"] = pd.Series([high for _, high in ends], dtype=object)
            long["checked"] = pd.Series(checked, dtype=object)
        told = pd.concat([self.report[_KEYS].iloc[rows].reset_index(drop=True), pd.DataFrame(long)], axis=1)
        return told.set_axis(self.data.index[rows]) if isinstance(self.data, pd.DataFrame) else told

    def compare(self, row: Any, *, changed_only: bool = True) -> pd.DataFrame:
        """One row beside its alternatives: a line for each column of the table.

        Parameters
        ----------
        row : int
            A value of ``report["row"]``.
        changed_only : bool, default=True
            Whether columns that no alternative changes are left out.

        Returns
        -------
        DataFrame
            Columns ``"now"``, ``"1"``, ``"2"``, ... in the order of the result; where a row has several targets, these
            stand before the numbers. The index holds the labels of the table's columns. Cells are plain values
            (dtype object), so that ``cf.compare(0).to_excel("row.xlsx")`` is a sheet to work with.

        Raises
        ------
        TypeError, ValueError
            If the result has no counterfactual of that row.
        """
        return side_by_side(self, row, changed_only)

    def with_words(
        self,
        *,
        labels: Mapping[Any, str] | None = None,
        units: Mapping[Any, str] | None = None,
        thousands: str | None = None,
        sentences: Mapping[str, str] | None = None,
    ) -> Counterfactuals:
        """The same result, told in other words: in sentences, notebooks, pages and pictures alike.

        What is left out stays as it was. Values in `data`, `report`, `changes` and `to_json` stay what they are.

        Parameters
        ----------
        labels : dict of column to str, optional
            What to call columns, such as ``{"loan_amount": "Loan amount"}``.
        units : dict of column to str, optional
            What stands behind the numbers of columns, such as ``{"loan_amount": "EUR"}``.
        thousands : str, optional
            What separates groups of three digits in columns that hold numbers of five digits and more: a comma (as by
            default), a space, an apostrophe or an underscore; "" for nothing.
        sentences : dict of str to str, optional
            Sentences, and parts of them, in another wording or language: templates by their names, with fields in
            braces. Names and fields are those of `sentence_templates`.

        Returns
        -------
        Counterfactuals
            A new one; this one stays as it is.

        Raises
        ------
        TypeError, ValueError
            If there is no such column, template or field.

        Examples
        --------
        >>> cf = cf.with_words(labels={"age": "Age"}, units={"age": "years"})  # doctest: +SKIP
        >>> cf.with_words(sentences={"change": "{column}: {after} statt {before}"})  # doctest: +SKIP
        """
        words = self.words.with_changes(self.feature_names, labels, units, thousands, sentences)
        for column in ComparedColumn.all_of(self) if units is not None else []:
            column.check_unit(units or {})
        told = replace(self, words=words)._judged_by(self._log_proba)
        vars(told).update({name: part for name, part in vars(self).items() if name == "_contributions"})
        return told

    @staticmethod
    def sentence_templates() -> dict[str, str]:
        """The templates of all sentences, as they are where `with_words` gives no others.

        Returns
        -------
        dict of str to str
            By name, with fields in braces.
        """
        return dict(TEMPLATES)

    def explain(self) -> list[str]:
        """What is to be said of each counterfactual, in plain sentences.

        Returns
        -------
        list of str, of length m
            Such as ``"age 38 -> 45 would change the prediction from no to yes (probability 0.31 -> 0.64)."``. What
            follows says where the prediction tips, if one number is all that changes, whether most second opinions
            would decide otherwise of the unchanged row, and whether fewer alternatives were found than asked for.
            Where the query asked for intervals, each change tells in parentheses how far it may go, rounded inward:
            ``"age 38 -> 45 (44 to 60)"``, or one end alone where the other is the end of what fit has seen.
            Numbers are rounded to the range that fit has seen of their column, or else to its spread in this result,
            never so far that two different values look alike. A gap is told as ``missing``; text that says just that,
            that is empty, or that begins or ends with a space stands in quotes.
        """
        return sentences(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """The result as JSON text, with plain scalars only; missing and infinite values become ``null``.

        Parameters
        ----------
        indent : int or None, default=None
            Spaces per level, or None for a single line.

        Returns
        -------
        str
            A list of records: the fields of `report`, ``prediction_before``, ``probability_before``, ``changes``
            (``{feature: {"from": ..., "to": ..., "contribution": ...}}``, and with intervals ``"lowest"``,
            ``"highest"`` and ``"checked"``, as in `changes`) and ``counterfactual`` (``{feature: value}``). Columns
            whose names are written alike get their position, such as ``"1 #0"`` and ``"1 #4"``.
        """
        before = {"prediction_before": self.prediction_before, "probability_before": self.probability_before}
        records = _records(self.report.assign(**before))
        names = _json_names(self.feature_names)
        for record, row in zip(records, _records(self._tables[1], names), strict=True):
            record |= {"changes": {}, "counterfactual": row}
        for name, column in zip(names, ComparedColumn.all_of(self), strict=True):
            for i in column.rows:
                told = {"from": column.before[i], "to": column.after[i]}
                told["contribution"] = self._contributions[i, column.position]
                if self.intervals is not None:
                    told["lowest"], told["highest"] = column.interval(i) or (None, None)
                    told["checked"] = column.checked(i)
                records[i]["changes"][name] = {key: _plain(value) for key, value in told.items()}
        return json.dumps(records, indent=indent, allow_nan=False)

    def to_html(
        self, path: str | os.PathLike[str], *, title: str = "Counterfactuals", row_names: Iterable[Any] | None = None
    ) -> Path:
        """Write the result as a page to look at, filter and print, for people who do not program.

        One file that needs no network and no other file: choose a row, see its prediction and, for every target, what
        would have to be different, as sentences and as bars on the range that fit has seen (where that is not known,
        on what the values of the result span). Some thousand counterfactuals open at once; cut a larger result first
        (``cf[:2000]``). The page holds the rows, so whoever gets it can read all of them.

        Parameters
        ----------
        path : str or path-like
            File to write, such as "report.html"; its folder has to exist. An older file is replaced at once or not at
            all.
        title : str, default="Counterfactuals"
            Heading of the page.
        row_names : iterable of length n, or None
            What to call each row of the table that was asked about, such as customer numbers, in its order; of a
            Series, by the labels of its index. None calls them by their labels, or "Row 0", "Row 1", ... where they
            have none.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        TypeError, ValueError
            If there is no counterfactual to show, or a row without a name.
        OSError
            If the folder is missing or the file can't be written.
        """
        if not len(self):
            raise ValueError("The result is empty, so a page would show nothing; expected one counterfactual or more.")
        if isinstance(row_names, str):
            raise TypeError(f"row_names is the text {row_names!r:.80}; give a list of names, one for each row.")
        names = self._names_of_rows(row_names)
        write_file(path, report_page(self, str(title), names))
        return Path(path)

    def _names_of_rows(self, given: Iterable[Any] | None) -> list[str] | None:
        """What to call the row of each counterfactual, matched by label where names have labels; None if not said."""
        if given is None:
            return None
        if isinstance(given, pd.Series):
            labelled = self.report if isinstance(self.data, pd.DataFrame) else self.report.set_index("row")
            return list(map(str, in_order(given, labelled, "row_names")))
        names, rows = [str(name) for name in given], self.report["row"]
        if len(names) <= rows.max():
            raise ValueError(f"row_names has {len(names)} names, but row {rows.max()} is shown; give one for each row.")
        return [names[row] for row in rows]

    def __repr__(self) -> str:
        if not len(self):
            return "Counterfactuals: none"
        valid, plausible = (float(self.report[flag].mean()) for flag in ("valid", "plausible"))
        number = counted(len(self), "counterfactual")
        lines = [f"Counterfactuals: {number}, {format_share(valid)} valid, {format_share(plausible)} plausible"]
        shown = sentences(self[:_REPR_SENTENCES], self)
        rows = self.row_names[:_REPR_SENTENCES]
        lines += [f"  row {row_name(row)}: {shorten(text)}" for row, text in zip(rows, shown, strict=True)]
        if len(self) > _REPR_SENTENCES:
            lines.append(f"  ... and {len(self) - _REPR_SENTENCES} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return notebook_table(self)


def _plain(value: Any) -> Any:
    """A scalar that JSON knows, None for missing and infinite values."""
    if is_missing(value):
        return None
    if isinstance(value, np.float32 | np.float16):
        value = float(str(value))  # in the digits that it has
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float)) else str(value)


def _json_names(names: Sequence[Any]) -> list[str]:
    """The names as text, each another one."""
    texts = [str(name) for name in names]
    twice = Counter(texts)
    return [text if twice[text] == 1 else f"{text} #{j}" for j, text in enumerate(texts)]


def _records(table: Table, names: Sequence[Any] | None = None) -> list[dict[str, Any]]:
    names = list(table.columns) if names is None and isinstance(table, pd.DataFrame) else names or []
    columns = [[_plain(value) for value in as_written(column_of(table, j))] for j in range(len(names))]
    keys = [str(name) for name in names]
    return [dict(zip(keys, (column[i] for column in columns), strict=True)) for i in range(len(table))]
