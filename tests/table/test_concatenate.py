"""Large queries are answered block by block: the answer is that of a single block, in its dtypes too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _helpers import short_searches
from _models import iris, mixed

from hyconex_sklearn._answer.intervals import Intervals
from hyconex_sklearn._search import explainer as _explaining
from hyconex_sklearn._table import codec as _codec
from hyconex_sklearn._table.concatenate import Joined

__all__ = ["short_searches"]  # a fixture

# What networks compute differs in its last bits between batches of different sizes.
NEARLY = ["probability", "support", "log_density", "flips_at"]


def narrow(X: pd.DataFrame) -> pd.DataFrame:
    """The same rows in dtypes that hardly hold more than these: answers have to widen some columns."""
    return X.assign(
        job=X["job"].astype("category"),
        age=X["age"].astype(np.int8),
        income=X["income"].astype(np.float32),
        grade=X["grade"].cat.remove_unused_categories(),
    )


def queries() -> dict[str, tuple[Any, Any]]:
    """Estimators and query tables, by name."""
    clf, X, _ = mixed()
    clerks = X[(X["job"] == "clerk") & (X["grade"] != "mid")][:22]
    return {"array": (iris()[0], iris()[1][::6]), "frame": (clf, X[:22]), "narrow frame": (clf, narrow(clerks))}


@pytest.mark.usefixtures("short_searches")
@pytest.mark.parametrize("name", ["array", "frame", "narrow frame"])
@pytest.mark.parametrize(
    "question",
    [{"search": "one_shot"}, {"search": "steps", "n_counterfactuals": 2}, {"search": "one_shot", "immutable": [1]}],
    ids=["plain", "alternatives", "rules"],
)
def test_blocks_give_the_answer_of_a_single_block(
    name: str, question: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, X = queries()[name]
    monkeypatch.setattr("hyconex_sklearn._model.hypernetwork._CHUNK_ROWS", 7)
    whole = clf.counterfactuals(X, **question)
    monkeypatch.setattr(_explaining, "_BLOCK_CELLS", 1)
    monkeypatch.setattr(_codec, "CELLS_AT_ONCE", 1)
    blocks = clf.counterfactuals(X, **question)
    pd.testing.assert_frame_equal(blocks.report.drop(columns=NEARLY), whole.report.drop(columns=NEARLY))
    np.testing.assert_allclose(blocks.report[NEARLY], whole.report[NEARLY], rtol=1e-4, atol=1e-4)
    for one, other in ((blocks.data, whole.data), (blocks.original, whole.original)):
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))
    np.testing.assert_array_equal(blocks.prediction_before, whole.prediction_before)
    np.testing.assert_array_equal(blocks.probability_before, whole.probability_before)


def test_a_table_is_encoded_alike_in_one_go_and_column_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, X, _ = mixed()
    at_once = clf._codec.encode(X)
    monkeypatch.setattr(_codec, "CELLS_AT_ONCE", 1)
    np.testing.assert_array_equal(clf._codec.encode(X), at_once)


def joined(parts: list[Any], orders: Any = ()) -> Any:
    whole = Joined(sum(map(len, parts)) + 1, orders)
    for part in parts:
        whole.add({"table": part})
    return whole.fields()["table"]


def test_categories_that_only_some_blocks_needed_end_up_in_their_order() -> None:
    ordered = [pd.Categorical(c, list(labels), ordered=True) for c, labels in ((["a"], "ac"), (["b", "c"], "abc"))]
    plain = [pd.Categorical(["x"], ["x"]), pd.Categorical(["z", "x"], ["x", "z"])]
    parts = [pd.DataFrame({"grade": one, "job": other}) for one, other in zip(ordered, plain, strict=True)]
    table = joined(parts, [("a", "b", "c"), ("x", "z")])
    assert table["grade"].tolist() == ["a", "b", "c"] and list(table["grade"].cat.categories) == ["a", "b", "c"]
    assert table["grade"].cat.ordered
    assert table["job"].tolist() == ["x", "z", "x"] and list(table["job"].cat.categories) == ["x", "z"]


def test_what_a_single_block_needed_widens_the_whole() -> None:
    table = joined([np.array([[1]], dtype=np.int8), np.array([[300], [2]], dtype=np.int64)])
    assert table.dtype == np.int64 and table.tolist() == [[1], [300], [2]]
    parts = [pd.DataFrame({"a": pd.array([1], "Int8")}), pd.DataFrame({"a": pd.array([300, None], "Int64")})]
    assert joined(parts)["a"].dtype == "Int64" and joined(parts)["a"].isna().tolist() == [False, False, True]


def test_names_and_dtypes_of_columns_stay() -> None:
    names = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["one", "two"])
    part = pd.DataFrame([[1, "x"], [2, "y"]], columns=names, dtype=object)
    pd.testing.assert_frame_equal(joined([part, part]), pd.concat([part, part]))


def test_records_are_joined_array_by_array_and_keep_what_they_have_in_common() -> None:
    parts = [Intervals.none(m, 3, together=True, labels={1: ("low", "high")}) for m in (2, 0, 3)]
    parts[2].low[1, 2] = 7.0
    joined = Joined(9)
    for part in parts:
        joined.add({"intervals": part})
    whole = joined.fields()["intervals"]
    assert whole.low.shape == whole.complete.shape == (5, 3) and whole.low[3, 2] == 7.0
    assert whole.together and whole.labels == {1: ("low", "high")}
