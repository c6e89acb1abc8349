"""What carries labels is matched by label or refused, and the labels of rows come back, on every way to ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import iris, mixed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from hyconex_sklearn import Actionability, Counterfactuals, HyConExClassifier, counterfactuals

ONCE: dict[str, Any] = {"search": "one_shot"}
INDICES = {
    "text": pd.Index([f"c{i}" for i in range(12)], name="customer"),
    "shuffled": pd.Index(np.random.default_rng(0).permutation(12)),
    "twice": pd.Index([5] * 12),
    "levels": pd.MultiIndex.from_product([list("abc"), range(4)], names=["shop", None]),
    "dates": pd.date_range("2020", periods=12, tz="UTC"),
    "named as a column of the report": pd.RangeIndex(3, 15, name="row"),
}


def asked(index: Any = INDICES["text"]) -> tuple[HyConExClassifier, pd.DataFrame]:
    clf, X, _ = mixed()
    return clf, X[:12].set_axis(index)


def same_answers(one: Counterfactuals, other: Counterfactuals) -> None:
    pd.testing.assert_frame_equal(one.data, other.data)
    pd.testing.assert_frame_equal(one.report, other.report)


# ------------------------------------------------------------------------------------------- the labels of rows return


@pytest.mark.parametrize("kind", INDICES)
@pytest.mark.parametrize("blocks", [False, True])
def test_the_labels_of_the_rows_come_back(kind: str, blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X = asked(INDICES[kind])
    if blocks:
        monkeypatch.setattr("hyconex_sklearn._search.explainer._BLOCK_CELLS", 1)
        monkeypatch.setattr("hyconex_sklearn._model.hypernetwork._CHUNK_ROWS", 5)
    cf = clf.counterfactuals(X, n_counterfactuals=2, search="steps")
    expected = X.index[cf.report["row"].to_numpy()]
    for part in (cf.data, cf.original, cf.report, cf.to_frame()):
        assert part.index.equals(expected)
        assert part is cf.report or part.index.names == X.index.names
    changes = cf.changes()
    assert changes.index.equals(X.index[changes["row"].to_numpy()])
    assert (cf.report.groupby("row").size() <= 2 * (len(clf.classes_) - 1)).all()
    valid = cf.report["valid"]
    assert cf.data[valid].equals(cf.data[valid.to_numpy()])
    assert cf[3:5].data.index.equals(expected[3:5])


def test_the_labels_of_the_rows_come_back_through_a_pipeline() -> None:
    clf, X = asked()
    pipe = make_pipeline(FunctionTransformer(validate=False), clf)
    same_answers(counterfactuals(pipe, X, **ONCE), clf.counterfactuals(X, **ONCE))


def test_an_answer_can_be_compared_with_its_table_by_label() -> None:
    clf, X, y = iris()
    frame = pd.DataFrame(X)
    cf = clf.counterfactuals(frame[y == 1][:4].to_numpy(), **ONCE)
    assert isinstance(cf.data, np.ndarray)
    mixed_clf, table = asked()
    cf = mixed_clf.counterfactuals(table, **ONCE)
    differ = (cf.data["age"] != table["age"]).to_numpy()
    assert (
        differ
        == cf.changes()
        .groupby("row")["feature"]
        .apply(set)
        .reindex(range(12))
        .map(lambda names: isinstance(names, set) and "age" in names)
        .to_numpy()
    ).all()


# --------------------------------------------------------------------------------------------- what is matched by label


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.permutations(range(12)), st.permutations(range(7)), st.booleans())
def test_the_order_in_which_labelled_rules_stand_says_nothing(
    rows: list[int], columns: list[int], pipeline: bool
) -> None:
    clf, X = asked()
    ask = clf.counterfactuals
    if pipeline:
        pipe = make_pipeline(FunctionTransformer(validate=False), clf)
        ask = lambda X, **how: counterfactuals(pipe, X, **how)  # noqa: E731
    rng = np.random.default_rng(0)
    mask = pd.DataFrame(rng.random(X.shape) < 0.3, index=X.index, columns=X.columns)
    low = (X["age"] - 2).astype(float)
    target = pd.Series(rng.choice(["no", "yes"], 12), index=X.index)
    plain = ask(X, immutable=mask.to_numpy(), bounds={"age": (low.to_numpy(), None)}, target=target.to_numpy(), **ONCE)
    turned = {"bounds": {"age": (low.iloc[rows], None)}, "target": target.iloc[rows]}
    same_answers(ask(X, immutable=mask.iloc[rows, columns], **turned, **ONCE), plain)
    same_answers(ask(X, mutable=(~mask).iloc[rows, columns], **turned, **ONCE), plain)
    by_column = pd.Series([1, 0, 0, 1, 1, 0, 0], index=X.columns)
    plain = ask(X, monotonic_cst=by_column.tolist(), immutable=(by_column == 0).tolist(), **ONCE)
    turned_columns = by_column.iloc[columns]
    same_answers(ask(X, monotonic_cst=turned_columns, immutable=turned_columns == 0, **ONCE), plain)


@pytest.mark.parametrize(
    "query",
    [
        {"target": pd.Series(["no"] * 12)},
        {"bounds": {"age": (pd.Series(range(12)), None)}},
        {"immutable": pd.DataFrame(np.eye(12, 7, dtype=bool), columns=list(mixed()[1]))},
        {"actionability": Actionability(mutable=pd.DataFrame(np.eye(12, 7, dtype=bool), columns=list(mixed()[1])))},
    ],
)
def test_values_of_other_rows_are_refused_before_any_search(query: dict[str, Any]) -> None:
    clf, X = asked()
    for ask in (clf, make_pipeline(FunctionTransformer(validate=False), clf)):
        with pytest.raises(ValueError, match=r"matched by row labels and has none of X's 'c0'.*to_numpy"):
            counterfactuals(ask, X, **query)


def test_a_mask_or_a_target_of_more_rows_serves_those_that_are_asked_about() -> None:
    clf, X = asked()
    target = pd.Series(["yes", "no"] * 6, index=X.index)
    few = X.iloc[[7, 2]]
    same_answers(
        clf.counterfactuals(few, target=target, **ONCE), clf.counterfactuals(few, target=["no", "yes"], **ONCE)
    )


def test_rows_of_an_array_are_called_by_position() -> None:
    clf, X, _ = iris()
    target = pd.Series([2, 0, 1])
    expected = clf.counterfactuals(X[[0, 60, 120]], target=[2, 0, 1], **ONCE)
    turned = clf.counterfactuals(X[[0, 60, 120]], target=target[::-1], **ONCE)
    np.testing.assert_array_equal(turned.data, expected.data)
    with pytest.raises(ValueError, match="several values for the row 0"):
        clf.counterfactuals(X[[0, 60, 120]], target=target.set_axis([0, 0, 1]))


# ------------------------------------------------------------------------------------------------- names of other tools


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("features_to_vary", "mutable="),
        ("permitted_range", "bounds="),
        ("desired_class", "target="),
        ("total_CFs", "n_counterfactuals="),
        ("allowed_categories", r"actionability=Actionability\(allowed_categories="),
        ("resolution", r"actionability=Actionability\(resolution="),
    ],
)
def test_a_keyword_of_another_tool_is_told_by_our_name(name: str, ours: str) -> None:
    clf, X = asked()
    for ask in (clf, make_pipeline(FunctionTransformer(validate=False), clf)):
        with pytest.raises(TypeError, match=rf"'{name}'\. Here it is {ours}"):
            counterfactuals(ask, X, **{name: 1})
    with pytest.raises(ValueError, match=r"'opposite'; the classes are 'no', 'yes'\. Leave target out"):
        clf.counterfactuals(X, target="opposite")
