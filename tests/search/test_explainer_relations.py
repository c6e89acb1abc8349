"""What held between columns of the training rows holds in answers, and is told, kept and let go like any rule."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fitted, small_parts
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyconex_sklearn import Actionability, HyConExClassifier, counterfactuals
from hyconex_sklearn._answer.page.content import page_content
from hyconex_sklearn.metrics import violations

__all__ = ["small_parts"]  # a fixture


@cache
def asked() -> tuple[HyConExClassifier, pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 240
    X = pd.DataFrame({"age": rng.integers(18, 75, n), "net": rng.lognormal(7, 0.5, n).round(2)})
    X["tax"] = (X["net"] * rng.uniform(0.1, 0.4, n)).round(2)
    X["total"], X["months"] = (X["net"] + X["tax"]).round(2), 12 * X["age"]
    X["employed"] = (X["age"] - 16 - rng.integers(0, 15, n)).clip(lower=0)
    X["rate"] = rng.normal(size=n)
    X["rate again"] = X["rate"]
    y = ((X["age"] - 45) / 15 + np.log(X["total"]) - 7 + X["rate"] > 0).astype(int).to_numpy()
    return fitted(X, y), X, y


def kept(X: pd.DataFrame) -> np.ndarray:
    """Which rows obey all three."""
    sums = (X["net"] + X["tax"]).round(2) == X["total"]
    return np.asarray(sums & (X["months"] == 12 * X["age"]) & (X["rate"] == X["rate again"]))


def test_fit_tells_what_it_has_found() -> None:
    clf, _, _ = asked()
    told = ["total = net + tax", "months = 12 \u00d7 age", "rate again = rate", "employed <= age - 16"]
    assert sorted(map(str, clf.relations_)) == sorted(told)
    assert {relation.n_rows for relation in clf.relations_} == {240}


@pytest.mark.parametrize("search", ["auto", "latent", "steps", "one_shot"])
def test_every_answer_keeps_the_equations(search: str) -> None:
    clf, X, _ = asked()
    cf = clf.counterfactuals(X[:12], search=search, n_counterfactuals=2)
    assert kept(cf.data).all() and cf.report["feasible"].all()
    assert search != "auto" or (cf.report["status"] == "ok").mean() > 0.8
    assert (cf.report["n_changed"] == (cf.original != cf.data).sum(axis=1).to_numpy()).all()


RULES: dict[str, dict[str, Any]] = {
    "a part is immutable": {"immutable": ["net", "rate"]},
    "a sum is immutable": {"immutable": ["total", "months"]},
    "bounds on a sum": {"bounds": {"total": (1_000, 1_500), "months": (None, 500)}},
    "bounds on a sum and an immutable part": {"bounds": {"total": (1_000, 1_500)}, "immutable": ["net"]},
    "directions": {"monotonic_cst": {"total": 1, "months": -1, "rate again": 1}},
    "few changes": {"max_changes": 2},
    "one change": {"max_changes": 1},
    "a relation": {"relations": [({"total": 1.0, "months": 1.0}, 1_600.0)]},
    "prices": {"feature_weights": {"total": 9, "months": 0.2}},
}


@pytest.mark.parametrize("rules", RULES)
def test_the_equations_hold_beside_other_rules(rules: str) -> None:
    clf, X, _ = asked()
    said = Actionability(**RULES[rules])
    cf = clf.counterfactuals(X[:12], actionability=said)
    served = cf.report["status"] != "already_target"
    assert kept(cf.data).all() and served.all()
    # What is infeasible is so by what the user said.
    np.testing.assert_array_equal(violations(cf.original, cf.data, said), ~cf.report["feasible"])
    assert cf.report["feasible"].any()


def test_a_row_that_obeys_no_equation_is_served_without() -> None:
    clf, X, _ = asked()
    rows = X[:10].assign(total=X["total"] + 5, months=X["months"] + 6)
    cf = clf.counterfactuals(rows)
    assert cf.report["feasible"].all() and cf.report["valid"].all()
    assert (cf.data["rate"] == cf.data["rate again"]).all() and (cf.data["months"] != 12 * cf.data["age"]).any()


def test_equations_are_let_go_on_one_word() -> None:
    clf, X, _ = asked()
    cf = clf.counterfactuals(X[:20], actionability=Actionability(keep_relations=False))
    assert not kept(cf.data).any() and cf.report["feasible"].all()


def test_suggested_rules_are_the_orders_to_edit_and_pass() -> None:
    clf, X, _ = asked()
    rules = clf.suggest_rules()
    assert rules == Actionability(relations=[({"employed": 1.0, "age": -1.0}, -16.0)])
    cf = clf.counterfactuals(X[:20], actionability=rules)
    assert (cf.data["age"] - cf.data["employed"] >= 16).all() and kept(cf.data).all() and cf.report["feasible"].all()


def test_a_frozen_column_that_binds_another_is_named() -> None:
    clf, X, _ = asked()
    rows = X[X["age"] > 50][:5]
    with pytest.warns(UserWarning, match=r"'months' breaks a rule .* bound to what may not change by months = 12"):
        cf = clf.counterfactuals(rows, target=0, immutable=["age"], bounds={"months": (None, 500)})
    assert (cf.report["status"] == "infeasible").any() and cf.data.equals(cf.original)


def test_a_model_is_kept_with_its_relations(tmp_path: Path) -> None:
    clf, X, _ = asked()
    clf.save(path := tmp_path / "model.safetensors")
    for twin in (HyConExClassifier.load(path), pickle.loads(pickle.dumps(clf))):
        assert twin.relations_ == clf.relations_ and [*map(repr, twin.relations_)] == [*map(repr, clf.relations_)]
        pd.testing.assert_frame_equal(twin.counterfactuals(X[:5]).data, clf.counterfactuals(X[:5]).data)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.filterwarnings("ignore:The .* phase was still improving")
def test_another_fit_forgets_them() -> None:
    clf, X, y = asked()
    twin = pickle.loads(pickle.dumps(clf)).set_params(flow_epochs=1, pretrain_epochs=1, joint_epochs=1)
    rng = np.random.default_rng(0)
    twin.fit(pd.DataFrame({name: rng.permutation(column) for name, column in X.items()}), y)
    assert twin.relations_ == () and twin.suggest_rules() == Actionability()
    assert not hasattr(HyConExClassifier(), "relations_")


def test_the_page_lists_what_is_kept() -> None:
    clf, X, _ = asked()
    cf = clf.counterfactuals(X[:2], immutable=["rate"], search="one_shot")
    assert [str(relation) for relation in cf.about.kept] == [str(each) for each in clf.relations_ if each.exact]
    words = cf.with_words(labels={"total": "Total pay"})
    lines = dict(page_content(words)["about"])["Rules"]
    assert lines[0].endswith("must not change") and len(lines) == 4
    assert "Total pay = net + tax holds on, where it did" in lines
    free = clf.counterfactuals(X[:2], actionability=Actionability(keep_relations=False), search="one_shot")
    (line,) = dict(page_content(free)["about"])["Rules"]
    assert line == "what held between columns of the training rows need not hold"


def test_tables_of_other_precision_keep_them_as_far_as_that_goes() -> None:
    clf, X, y = asked()
    cf = clf.counterfactuals(X[:15].astype({"net": np.float32, "tax": np.float32, "rate": np.float32}))
    assert np.allclose(cf.data["net"] + cf.data["tax"], cf.data["total"], rtol=1e-6)
    assert np.allclose(cf.data["rate"], cf.data["rate again"], rtol=1e-6) and cf.report["feasible"].all()
    array = fitted(X.to_numpy(), y, joint_epochs=2)
    cf = array.counterfactuals(X[:15].to_numpy())
    assert kept(pd.DataFrame(cf.data, columns=X.columns)).all()


def test_behind_the_steps_of_a_pipeline_they_hold_and_the_users_rules_judge() -> None:
    _, X, y = asked()
    scaler = StandardScaler().set_output(transform="pandas").fit(X)
    pipe = make_pipeline(scaler, fitted(scaler.transform(X), y, joint_epochs=2))
    assert "rate again = rate" in [*map(str, pipe[-1].relations_)]
    said = Actionability(immutable=["age"])
    cf = counterfactuals(pipe, X[:10], actionability=said)
    assert np.allclose(cf.data["rate"], cf.data["rate again"]) and cf.about.kept == ()
    np.testing.assert_array_equal(violations(cf.original, cf.data, said), ~cf.report["feasible"])
