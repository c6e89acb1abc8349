"""What must hold in every storm: a valid result, or a refusal that says what is wrong and what to do."""

from __future__ import annotations

import copy
import json
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import sklearn
from _helpers import same_cells, settings_of_the_user, take
from _storm_containers import check_container, held, looked_at
from _storms import Storm
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

import hyconex_sklearn
from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, Status
from hyconex_sklearn._answer.page import report_page
from hyconex_sklearn._table.cells import cells_differ
from hyconex_sklearn.metrics._rules import broken_rules
from hyconex_sklearn.metrics._units import aligned

#: Rows of the query that counterfactuals are asked for.
ASKED = 6

#: Settings with which a fit takes a tenth of a second.
TINY: dict[str, Any] = {
    "flow_epochs": 1,
    "pretrain_epochs": 1,
    "joint_epochs": 1,
    "hidden_size": 8,
    "n_blocks": 1,
    "flow_hidden": (8,),
    "flow_transforms": 1,
    "random_state": 0,
}
_SHORT = {
    "_training.fit_model._RESERVOIR": 40,
    "_model.committee._EPOCHS": 2,
    "_training.fill_reservoir._DRAWS": 2,
    "_training.fill_reservoir._MENDING_STEPS": 2,
    **{f"_search.ladder._{name}_STEPS": 2 for name in ("MENDING", "SHORTENING", "THINNING", "POLISHING", "CAPPED")},
    "_search.ladder._STEPS": 3,
    "_search.latent._STEPS": 2,
}
_EXPECTED_WARNINGS: list[tuple[type[Warning], str]] = [
    (UserWarning, "column .* different labels in .* cells"),
    (ConvergenceWarning, ""),
    (DataConversionWarning, ""),  # labels in a column
    (UserWarning, ".*were not seen at fit"),
    (UserWarning, "column .* breaks a rule .*'infeasible'"),
    (UserWarning, "X does not have valid feature names"),
    (UserWarning, "X has feature names, but"),
    (UserWarning, "column .* nearly all of its cells read as numbers"),
    (FutureWarning, "Support for labels represented as bytes is deprecated"),  # refused from scikit-learn 1.7 on
]
_HOMES = tuple(str(Path(module.__file__ or "").parent) for module in (hyconex_sklearn, sklearn))


@contextmanager
def quick_and_strict() -> Iterator[None]:
    """Little work, and every warning that a user could not have expected is an error."""
    with ExitStack() as stack:
        for name, value in _SHORT.items():
            stack.enter_context(patch(f"hyconex_sklearn.{name}", value))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        for category, message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield


def outcome(storm: Storm) -> str:
    """Fit, predict and ask; return "valid" or where it was refused, and raise where it is neither."""
    frame, y = storm.table(), storm.classes()
    X = held(frame, storm.container)
    clf = HyConExClassifier(**{**TINY, **storm.fit})
    with quick_and_strict():
        own = settings_of_the_user()
        table, labels = copy.deepcopy(X), copy.deepcopy(y)
        try:
            clf.fit(X, y)
        except (ValueError, TypeError) as error:
            check_refusal(error)
            assert not hasattr(clf, "classes_")
            return "fit refused"
        finally:
            assert settings_of_the_user() == own
            check_same(X, table)
            check_same(y, labels)
        return asked(clf, frame, storm)


def asked(clf: HyConExClassifier, X: Any, storm: Storm) -> str:
    """Put the storm's questions to its estimator."""
    query = held(storm.query(X), storm.asked_in)
    table, own = copy.deepcopy(query), settings_of_the_user()
    said = "valid"
    same_kind = storm.change == "as fitted" and storm.container == storm.asked_in
    try:
        check_predictions(clf, query)
        some = query[:ASKED] if isinstance(query, list) else take(query, slice(ASKED))
        check_answers(clf, some, wanted(clf, some, storm), same_kind)
    except (ValueError, TypeError) as error:
        check_refusal(error)
        said = "query refused"
    assert settings_of_the_user() == own
    check_same(query, table)
    return said


def wanted(clf: HyConExClassifier, X: Any, storm: Storm) -> dict[str, Any]:
    """The storm's question with labels of the estimator's own, and rules said as the storm does."""
    n, ask = len(X), asked_rules(clf, X, storm)
    target = ask.pop("target", "every")
    first, last = clf.classes_[0], clf.classes_[-1]
    targets = {"second": "second", "a label": first, "a label for each": [first, last] * n}
    if target != "every":
        ask["target"] = targets[target][:n] if target == "a label for each" else targets[target]
    return ask


# ------------------------------------------------------------------------------------------------------------- checks


def check_refusal(error: Exception) -> None:
    """A refusal is raised by a check of ours or of scikit-learn's, and says what to do; all else is an accident."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = frame.filename.startswith(_HOMES[0])
    if type(error) not in (ValueError, TypeError) or not frame.filename.startswith(_HOMES) or "raise" not in frame.line:
        raise AssertionError(f"not a refusal but an accident in {frame}: {error!r}") from error
    if ours and len(str(error).split(". ")) < 2 and ";" not in str(error):
        raise AssertionError(f"a refusal that does not say what to do: {error!r}") from error


def check_same(left: Any, right: Any) -> None:
    """A table or labels that were passed are as they were."""
    assert type(left) is type(right)
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_index_equal(left.index, right.index)
        assert left.dtypes.tolist() == right.dtypes.tolist()
    if isinstance(left, pd.DataFrame | np.ndarray) and left.ndim == 2:
        assert same_cells(left, right).all()
    else:
        assert repr(left) == repr(right)


def check_predictions(clf: HyConExClassifier, X: Any) -> None:
    """Probabilities of every row that are finite and sum to one."""
    probability = clf.predict_proba(X)
    assert probability.shape == (len(X), len(clf.classes_))
    assert np.isfinite(probability).all() and (probability >= 0).all()
    np.testing.assert_allclose(probability.sum(1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[probability.argmax(1)])
    assert np.isfinite(clf.score_samples(X)).all()
    assert all(np.isfinite(part).all() for part in clf.local_linear(X))


def check_answers(clf: HyConExClassifier, X: Any, ask: dict[str, Any], same_kind: bool) -> None:
    """A line for every row and target; flags that hold for the rows that came back; nothing touched in passing."""
    cf = clf.counterfactuals(X, **ask)
    check_container(cf.data, X, same_kind)
    of_pandas = isinstance(X, pd.DataFrame | np.ndarray)  # others are looked at in dtypes that follow their gaps
    X, original, data = map(looked_at, (X, cf.original, cf.data))
    report, row = cf.report, cf.report["row"].to_numpy()
    check_nothing_lost(clf, X, cf, ask)
    numbers = report[["probability", "support", "log_density", "distance_l1", "distance_l2"]].to_numpy()
    assert np.isfinite(numbers).all()
    with warnings.catch_warnings():
        if same_kind:  # what is chosen is a category that the fit saw
            warnings.filterwarnings("error", ".*were not seen at fit")
        np.testing.assert_array_equal(clf.predict(cf.data), report["prediction"])
    np.testing.assert_array_equal(report["valid"], report["prediction"] == report["target"])

    assert same_cells(original, take(X, row)).all()
    changed = cells_differ(original, data)
    untouched = same_cells(original, data)
    if not same_kind:  # a column may be widened
        untouched |= ~changed
    np.testing.assert_array_equal(untouched, ~changed)
    np.testing.assert_array_equal(report["n_changed"], changed.sum(1))
    assert not changed[(report["status"] == Status.ALREADY_TARGET).to_numpy()].any()
    check_rules(X, original, data, cf.report, ask)
    check_kind(cf, data, X, same_kind and of_pandas)
    check_views(cf, int(changed.sum()))


def asked_rules(clf: HyConExClassifier, X: Any, storm: Storm) -> dict[str, Any]:
    """The storm's rules on the columns of its table, said plainly, by label or in arrays."""
    X, ask = looked_at(X), dict(storm.ask)
    frame = isinstance(X, pd.DataFrame)
    names = list(X.columns) if frame else [f"x{j}" for j in range(np.shape(X)[1])]
    rng = np.random.default_rng([storm.seed, 5])
    for column, pair in list((ask.get("bounds") or {}).items()):
        ask["bounds"] = {column: _bounds_said(X, column, pair, storm.said, rng)}
    rarer: dict[str, Any] = {}
    if "numbers" in ask:
        j, step = ask.pop("numbers")
        column = clf._columns[j]
        if column.kind in ("numeric", "integer") and column.decimals is not None:
            ends = [column.lower, column.fill, column.upper]
            rarer = {"allowed_values": {j: ends}} if step == "some" else {"resolution": {j: step}}
            if frame:
                rarer = {rule: {column.name: said[j]} for rule, said in rarer.items()}
    if "allowed" in ask:
        j = ask.pop("allowed")
        column = clf._columns[j]
        labels = [label for label in column.categories if label is not None]
        if labels:
            chosen = {
                column.name if frame else j: [
                    labels[i] for i in rng.permutation(len(labels))[: max(1, len(labels) // 2)]
                ]
            }
            rarer["allowed_categories"] = chosen
    if rarer:
        ask["actionability"] = Actionability(**rarer)
    if storm.said == "labelled" and len(set(map(repr, names))) == len(names):
        order = rng.permutation(len(names))
        for rule in ("immutable", "mutable"):
            if rule in ask:
                mask = pd.Series(np.isin(np.arange(len(names)), ask[rule]), index=pd.Index(names, tupleize_cols=False))
                ask[rule] = mask.iloc[order]
        if "monotonic_cst" in ask:
            ways = [ask["monotonic_cst"].get(j, 0) for j in order]
            ask["monotonic_cst"] = pd.Series(ways, index=pd.Index([names[j] for j in order], tupleize_cols=False))
    return ask


def _bounds_said(X: Any, column: int, pair: Any, said: str, rng: np.random.Generator) -> Any:
    """A pair of bounds in the storm's own way; a word stands for some of the column's own cells."""
    cells = X.iloc[:, column] if isinstance(X, pd.DataFrame) else pd.Series(np.asarray(X)[:, column])
    if isinstance(pair, str):
        with np.errstate(all="ignore"):
            numbers = pd.to_numeric(pd.Series(cells.astype(object).tolist()), errors="coerce").astype(float)
        numbers = numbers[np.isfinite(numbers)]
        if pair == "own" or not len(numbers):
            pair = (None, float(numbers.min()) if len(numbers) else 1.0)
        else:
            pair = tuple(float(value) for value in np.sort(numbers)[[len(numbers) // 3, len(numbers) // 2]])
    if said == "plain":
        return pair
    low = pd.Series([pair[0]] * len(cells), index=cells.index, dtype=object)
    return (low.to_numpy() if said == "arrays" else low.iloc[rng.permutation(len(low))], pair[1])


def check_rules(X: Any, original: Any, data: Any, report: pd.DataFrame, ask: dict[str, Any]) -> None:
    """No frozen cell changed, and what breaks a rule in the eyes of an independent judge is not called feasible."""
    rules, row = Actionability._in_query(ask), report["row"].to_numpy()
    before, after = aligned(X=original, X_cf=data)
    frozen = Actionability(immutable=rules.immutable, mutable=rules.mutable)
    for told, among in ((frozen, np.ones(len(row), dtype=bool)), (rules, report["feasible"].to_numpy())):
        try:
            broken = broken_rules(X, before, after, told, row, len(X))
        except (TypeError, ValueError) as error:
            if "names a column that X does not have: 'x" in str(error):  # as a fit to rows without names calls it
                return
            raise AssertionError(f"the judge does not take what the classifier took: {error}") from error
        assert not broken[among].any(), f"called feasible: {after[broken & among].iloc[0].tolist()} under {told}"


def check_nothing_lost(clf: HyConExClassifier, X: Any, cf: Counterfactuals, ask: dict[str, Any]) -> None:
    """Every question has at least one answer and at most as many as were asked for, in order."""
    report, k = cf.report, ask["n_counterfactuals"]
    questions = len(X) * (1 if "target" in ask else len(clf.classes_) - 1)
    groups = report.groupby(["row", report["target"].astype(str)], sort=False).size()
    assert len(groups) == questions and groups.max() <= k
    assert sorted(report["row"].unique()) == list(range(len(X)))
    assert (report["row"].diff().fillna(0) >= 0).all()


def check_kind(cf: Counterfactuals, data: Any, X: Any, same_kind: bool) -> None:
    """The answer is a table of X's own kind."""
    assert type(data) is type(X) and data.shape[1] == X.shape[1]
    if isinstance(X, pd.DataFrame):
        assert list(map(repr, data.columns)) == list(map(repr, X.columns))
        expected = X.index[cf.report["row"].to_numpy()]
        for table in (data, cf.original, cf.to_frame()) if isinstance(cf.data, pd.DataFrame) else ():
            assert table.index.equals(expected) and table.index.names == expected.names
        assert not same_kind or data.dtypes.tolist() == X.dtypes.tolist()
    else:
        assert not same_kind or data.dtype == X.dtype


def check_views(cf: Counterfactuals, n_cells: int) -> None:
    """Every way to read the answer works, and they agree."""
    assert len(cf.to_frame()) == len(cf.explain()) == len(json.loads(cf.to_json())) == len(cf)
    assert len(cf.changes()) == n_cells
    assert repr(cf) and cf._repr_html_().encode() and report_page(cf, "page")
