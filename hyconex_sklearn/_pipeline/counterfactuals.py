"""Counterfactuals of a pipeline or a search, mapped back to the units of the table that went in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from .._answer.contributions import LogProba
from .._answer.counterfactuals import Counterfactuals
from .._answer.status import severity
from .._common.parameters import check_query
from .._rules.actionability import Actionability
from .._table.cells import Table, cells_differ, names_of, take_rows
from .._table.check_input import as_table
from .._table.containers import Kind
from .._table.rows import read_rows
from .explains_itself import ExplainsItself, explaining
from .intervals import IntervalsBefore
from .invert_steps import Step, as_they_are, have_moved, is_identity, map_back, thawed, transform_through, type_name
from .ranges import ranges_before
from .resolution import on_grid, resolution
from .tips import tips_before
from .translate_rules import Translation, by_position, translate


def counterfactuals(estimator: Any, X: Any, **kwargs: Any) -> Counterfactuals:
    """Return the counterfactuals of a classifier, a pipeline that ends in one, or a search over either.

    The rows of `X` go through the transformers, the final classifier is asked, and its answer is mapped back through
    the inverse of every transformer. Cells that do not change are copied from `X` itself; others lie on the grid that
    the column has, as far as `X` and the ends of the seen range tell: whole numbers stay whole, hundreds hundreds.
    Rounding on the way back can move a row, so the flags of the report are computed again from the rows that are
    returned.

    Parameters
    ----------
    estimator : fitted classifier, Pipeline, GridSearchCV, RandomizedSearchCV or other search
        Has to end in a classifier with a ``counterfactuals`` method, such as ``HyConExClassifier``; where rules are
        told through steps, or rows are rounded on the way back, in one that can also judge rows again.
    X : DataFrame or array-like of shape (n, d)
        The rows to explain, as `estimator` takes them in ``predict``.
    **kwargs
        Passed to the final classifier's ``counterfactuals``. Rules (``immutable``, ``bounds``, ..., ``actionability``)
        speak of the columns of `X`, in its order and units, and are told to the classifier in those behind the steps:

        - ``immutable`` freezes whatever the steps make of a column (a whole one-hot block, say).
        - ``bounds`` and ``monotonic_cst`` need a column that becomes one column of its own, by a map that only rises
          or only falls; ``relations`` one by a straight line.
        - ``allowed_values`` need a column as ``bounds`` do. New numbers are rounded to a ``resolution`` on the way
          back, where the steps don't leave their column as it is, so that a certificate may be lost.
        - ``allowed_categories``, ``allowed_transitions`` and rules on ordered labels need labels that the steps leave
          as they are.
        - ``feature_weights`` go to all columns made of a column, and of no other; ``max_changes`` needs every column
          to become one column of its own.
        - ``repair`` needs steps that leave the whole table as it is.

        What all training rows obeyed (`relations_` of the classifier) is kept between the columns behind the steps.

        Whether a row is feasible is judged by its own cells, against the rules as they are given here.

        - ``intervals`` are those of the rows that come back, in the units and decimals of `X`, judged behind the steps;
          for numbers whose range there is known (``ranges``), and for ordered categories that the steps leave alone.

    Returns
    -------
    Counterfactuals
        ``data`` and ``original`` in the container, units, dtypes and categories of `X`. ``n_changed`` counts columns
        of `X`; distances are those of the final classifier.

    Raises
    ------
    TypeError
        If there is no such classifier at the end.
    ValueError
        If a step cannot be inverted; the message names it. If a rule cannot be told to the final classifier; the
        message names rule and column. Raised before any search.

    Examples
    --------
    Small, with few epochs, for a quick look:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from hyconex_sklearn import HyConExClassifier, counterfactuals
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> quick = {"flow_epochs": 20, "pretrain_epochs": 20, "joint_epochs": 20, "hidden_size": 32}
    >>> pipe = make_pipeline(StandardScaler(), HyConExClassifier(**quick, random_state=0)).fit(X, y)
    >>> cf = counterfactuals(pipe, X[:1], target=1, immutable=["sepal width (cm)"])
    >>> cf.data["sepal width (cm)"].tolist(), X["sepal width (cm)"][:1].tolist()
    ([3.5], [3.5])
    >>> cf.report["prediction"].tolist()
    [1]
    """
    steps, final = _unwrap(estimator)
    if not steps:
        return final.counterfactuals(X, **kwargs)
    intervals = kwargs.pop("intervals", None)  # in the user's units, of the rows that come back
    check_query(intervals=intervals)
    given = read_rows(X, getattr(estimator, "feature_names_in_", None))
    way = _Way(steps, Kind.of(given))
    X = as_table(given)
    kwargs = by_position(kwargs, X)
    stages = transform_through(steps, X, way.kind)
    asked = stages[-1].table

    def back(rows: np.ndarray, changed: Table) -> Table:
        return map_back(steps, [stage.rows(rows) for stage in stages], changed)

    back(np.arange(1), asked[:1])  # a step without inverse is reported before the search spends any time
    told = translate(_repairing(kwargs, way.kind), X, asked, way.there, back)
    if told.rules is not None:
        _judging(final)  # before the search spends any time
    far = None
    if intervals is not None:
        judge = explaining(final, "_certifier", "which judges how far values may go")
        far = IntervalsBefore(intervals, X, asked, way.there, told, judge, kwargs)
    found = told.ask(final, asked)
    rows = found.report["row"].to_numpy()
    original = take_rows(X, rows)
    data = told.settled(back(rows, found.data), original, rows)
    ends = {name: ranges_before(getattr(found, name), asked, X, back) for name in ("ranges", "usual")}
    about = found.about and replace(found.about, rules=Actionability._in_query(kwargs)._plain(), kept=())

    def certified(data: Table) -> Counterfactuals:
        return _certified(way, final, found, original, data, asked, told, about=about, **ends)

    learnt = resolution(X, *ends.values()) if hasattr(final, "_certify_rows") else {}
    grids, limits = told.grids(learnt), told.limits(original, rows, ends["ranges"])

    def rounded(way: np.ndarray) -> Table:
        return on_grid(data, original, grids, way, limits)

    answered = _rounded(data, rounded, certified, severity(found.report))
    if "flips_at" in answered.report:
        moved = cells_differ(data, answered.data).any()
        shares = answered.report["flips_at"].to_numpy()
        behind = (take_rows(asked, rows), way.there(answered.data) if moved else found.data)
        answered.report["flips_at"] = tips_before(shares, rows, behind, (original, answered.data), back)
    if far is not None:
        answered = replace(answered, intervals=far.found(answered))._judged_by(answered._log_proba)
    return answered._in_kind(way.kind, given)


class _Way(NamedTuple):
    """Fitted steps, and what a table is made of before them."""

    steps: list[Step]
    kind: Kind

    def there(self, table: Table) -> Table:
        """Rows like the user's after the last step."""
        return transform_through(self.steps, table, self.kind)[-1].table


def _repairing(query: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """The query, whose function `repair` gets tables of the user's kind."""
    rules = query.get("actionability")
    return query | {"actionability": rules._repairing(kind)} if isinstance(rules, Actionability) else query


def final_classifier(estimator: Any) -> Any:
    """The classifier at the end of a pipeline or search, or the estimator itself."""
    return _unwrap(estimator)[1]


def behind_steps(estimator: Any, X: Any) -> tuple[Any, Table, list[Any]]:
    """The classifier at the end, the rows of `X` (of any kind) as it gets them, and the names of its columns."""
    steps, final = _unwrap(estimator)
    kind, X = Kind.of(X), as_table(X)
    table = _Way(steps, kind).there(X)
    if isinstance(table, pd.DataFrame):
        return final, table, list(table.columns)
    names = list(getattr(final, "feature_names_in_", names_of(table)))
    told = X.columns.to_numpy(dtype=object) if isinstance(X, pd.DataFrame) else None
    for _, step in steps:
        if not is_identity(step):
            try:
                told = step.get_feature_names_out(told)
            except Exception:  # somebody else's transformer may lack it, or raise anything
                return final, table, names
    return final, table, list(told) if told is not None and len(told) == len(names) else names


def _unwrap(estimator: Any) -> tuple[list[Step], Any]:
    """Transformers in order, and the classifier at the end that explains itself."""
    estimator = thawed(estimator)
    if hasattr(estimator, "best_estimator_"):
        return _unwrap(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        last, final = estimator.steps[-1]
        if final is None or final == "passthrough":
            raise TypeError(f"The pipeline's last step {last!r} is 'passthrough'; expected a classifier.")
        steps, final = _unwrap(final)
        return [*estimator.steps[:-1], *steps], final
    if callable(getattr(estimator, "counterfactuals", None)):
        return [], estimator
    if isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV | CalibratedClassifierCV):
        raise TypeError(_decides_otherwise(estimator))
    if hasattr(estimator, "refit") and hasattr(estimator, "estimator"):
        raise NotFittedError(f"{type_name(estimator)} has no best_estimator_; call fit first, with refit=True.")
    raise TypeError(_no_counterfactuals(estimator))


def _decides_otherwise(estimator: Any) -> str:
    """What to do with a classifier that decides by the probabilities of another one, at a threshold or recalibrated."""
    by = "a threshold of its own"
    remedy = (
        "Ask the classifier inside for the probability that the threshold asks for: "
        "counterfactuals(wrapper.estimator_, X, target=label, target_probability=0.7)."
    )
    if isinstance(estimator, CalibratedClassifierCV):
        by = "probabilities that are calibrated anew"
        remedy = "A HyConExClassifier is calibrated by itself: fit one without the wrapper, and ask it."
    return (
        f"{type_name(estimator)} decides by {by}, so a counterfactual of the classifier inside need not be one of the "
        f"whole. {remedy}"
    )


def _no_counterfactuals(estimator: Any) -> str:
    got = f"{type_name(estimator)} has no method counterfactuals"
    if hasattr(estimator, "predict") and (hasattr(estimator, "estimator") or hasattr(estimator, "estimators")):
        return (
            f"{got}: it wraps other classifiers and predicts by a rule of its own, so a counterfactual of one of them "
            "need not be one of the whole. Ask the inner classifier itself, or fit a HyConExClassifier without wrapper."
        )
    return f"{got}; expected a fitted HyConExClassifier, a Pipeline that ends in one, or a search such as GridSearchCV."


def _judging(final: Any) -> ExplainsItself:
    return explaining(final, "_certify_rows", "which judges the rows that come back through the steps of a pipeline")


def _certified(
    way: _Way,
    final: Any,
    found: Counterfactuals,
    original: Table,
    data: Table,
    asked: Table,
    told: Translation,
    **more: Any,
) -> Counterfactuals:
    """The result in the units of the user's table, its flags computed from the returned rows; and `more` fields."""
    report, again = found.report, way.there(data)
    if told.rules is not None or have_moved(found.data, again):
        report = told.judged(_judging(final)._certify_rows(again, report, asked, **told.certifying), data, original)
    return Counterfactuals(
        data=data,
        original=original,
        report=report.assign(n_changed=cells_differ(original, data).sum(axis=1)),
        feature_names=names_of(data),
        probability_before=found.probability_before,
        prediction_before=found.prediction_before,
        **more,
    )._judged_by(_before_steps(way, found._log_proba))


def _rounded(
    data: Table,
    rounded: Callable[[np.ndarray], Table],
    certified: Callable[[Table], Counterfactuals],
    before: np.ndarray,
) -> Counterfactuals:
    """The rows on the grid of their columns, certified; `rounded` is what they are on it, rounded this way or that.

    Where a row on the nearest grid values lacks more than it did `before` (m,), it is rounded away from its original,
    or toward it, if that helps.
    """
    way = np.zeros(len(before), dtype=int)
    best = certified(rounded(way))
    for other in (1, -1):
        if (severity(best.report) > before).any() and cells_differ(data, best.data).any():
            tried = certified(rounded(np.full_like(way, other)))
            way[severity(tried.report) < severity(best.report)] = other
            best = certified(rounded(way))
    return best


def _before_steps(way: _Way, behind: LogProba | None) -> LogProba | None:
    """The probabilities of rows before the steps, as these are fitted now."""
    if behind is None:
        return None
    kept, of = way._replace(steps=as_they_are(way.steps)), behind.of
    return behind._replace(of=lambda table: of(kept.there(table)))
