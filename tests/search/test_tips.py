"""Where on the way to a counterfactual the prediction changes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fitted, iris, mixed
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hyconex_sklearn import Counterfactuals, HyConExClassifier, Status, counterfactuals


def on_the_way(cf: Counterfactuals, share: Any) -> Any:
    """Rows at shares of their ways: numbers move evenly, all else is exchanged at the start."""
    if isinstance(cf.data, np.ndarray):
        return cf.original + np.reshape(share, (-1, 1)) * (cf.data - cf.original)
    table = cf.data.copy()
    for name in table.columns:
        old, new = (pd.to_numeric(part[name], errors="coerce").astype(float) for part in (cf.original, cf.data))
        if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool:
            table[name] = new.where((new - old).isna(), old + share * (new - old))
    return table


def margins(clf: HyConExClassifier, cf: Counterfactuals, share: Any) -> np.ndarray:
    """By how much the target's log-odds exceed those of all other classes."""
    told = clf.predict_log_proba(on_the_way(cf, share)).astype(float)
    at = np.arange(len(cf)), np.searchsorted(clf.classes_, cf.report["target"])
    own = told[at]
    told[at] = -np.inf
    return np.asarray(own - told.max(1))


@pytest.mark.parametrize("search", ["auto", "one_shot"])
@pytest.mark.parametrize("shared", [iris, mixed])
def test_the_prediction_changes_where_the_report_says(shared: Any, search: str) -> None:
    clf, X, _ = shared()
    cf = clf.counterfactuals(X[::2], search=search)
    share = cf.report["flips_at"].to_numpy()
    moves = cf.report["valid"].to_numpy()
    assert (np.isfinite(share) == moves).all() and moves.sum() > 20
    cf, share = cf[moves], share[moves]
    assert (share >= 0).all() and (share <= 1).all() and len({*share.round(3)}) > 10
    whole_way = margins(clf, cf, 1.0) - margins(clf, cf, 0.0)
    between = share > 0
    off = np.abs(margins(clf, cf, share)) / np.where(between, whole_way, 1.0)
    assert np.median(off[between]) < 0.01 and np.quantile(off[between], 0.9) < 0.1
    # Where it is changed by what is exchanged at the start, numbers have nothing to decide.
    assert (margins(clf, cf, 0.0)[~between] > -1e-3).all()


def test_nothing_flips_where_nothing_changes() -> None:
    clf, X, _ = iris()
    cf = clf.counterfactuals(X[:20], target=0)
    already = (cf.report["status"] == Status.ALREADY_TARGET).to_numpy()
    assert already.any() and cf.report["flips_at"][already].isna().all()
    stuck = clf.counterfactuals(X[:5], max_changes=1, bounds={j: (X[:5, j], X[:5, j]) for j in range(4)})
    assert stuck.report["flips_at"].isna().all()


def test_no_cell_has_to_be_known_of_other_rows() -> None:
    clf, X, _ = mixed()
    whole = clf.counterfactuals(X[:12], search="one_shot").report["flips_at"]
    alone = [clf.counterfactuals(X[i : i + 1], search="one_shot").report["flips_at"].iloc[0] for i in range(12)]
    np.testing.assert_allclose(alone, whole, atol=1e-4)


def bent(name: str) -> Any:
    """A step that takes the exponential of one column, whose inverse is the logarithm."""
    step = FunctionTransformer(np.exp, inverse_func=np.log, check_inverse=False, feature_names_out="one-to-one")
    return ColumnTransformer([("bent", step, [name])], remainder="passthrough", verbose_feature_names_out=False)


def test_behind_a_pipeline_the_share_is_that_of_the_users_own_units() -> None:
    clf, X, _ = iris()
    names = [f"c{j}" for j in range(4)]
    table = pd.DataFrame(X, columns=names)
    straight = StandardScaler(with_mean=False, with_std=False).fit(table)
    same = counterfactuals(make_pipeline(straight.set_output(transform="default"), clf), table[:40])
    own = clf.counterfactuals(X[:40])
    np.testing.assert_allclose(same.report["flips_at"], own.report["flips_at"], atol=1e-6)
    # c0 = log of what the classifier sees: half of the way there is another share of the way here.
    asked = {"immutable": ["c1", "c2", "c3"], "search": "one_shot"}
    logged = table.assign(c0=np.log(table["c0"]))
    piped = counterfactuals(make_pipeline(bent("c0").fit(logged), clf), logged, **asked)
    plain = clf.counterfactuals(X, immutable=[1, 2, 3], search="one_shot")
    found = np.flatnonzero((plain.report["flips_at"] > 0).to_numpy() & (piped.report["n_changed"] == 1).to_numpy())
    assert len(found)
    old, new = plain.original[found, 0], plain.data[found, 0]
    tip = old + plain.report["flips_at"].to_numpy()[found] * (new - old)
    np.testing.assert_allclose(
        piped.report["flips_at"].to_numpy()[found], np.log(tip / old) / np.log(new / old), atol=1e-3
    )


def test_a_table_without_numbers_has_a_tip_too() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.choice(["x", "y", "z"], (90, 3)), columns=["a", "b", "c"])
    cf = fitted(X, (X["a"] == "x").to_numpy()).counterfactuals(X[:6])
    assert (cf.report["flips_at"][cf.report["n_changed"] > 0].dropna() == 0).all()


def test_a_way_across_all_that_a_float_holds_has_a_tip() -> None:
    ends = np.array([-1.7e308, 1.7e308])
    X = np.column_stack([np.tile(ends, 20), np.random.default_rng(0).normal(size=40)])
    clf = fitted(X, (X[:, 0] > 0).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        report = clf.counterfactuals(X[:4]).report
    assert report["flips_at"][report["valid"]].between(0, 1).all() and report["valid"].any()
