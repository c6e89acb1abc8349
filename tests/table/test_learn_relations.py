"""Relations between columns: those that hold are found and read as text, and none is found where there is none."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.found_relation import FoundRelation
from hyconex_sklearn._table.learn_relations import learn_relations


def found(X: Any, kinds: str = "copy multiple sum order") -> list[FoundRelation]:
    return [relation for relation in learn_relations(TableCodec.fit(X), X) if relation.kind in kinds.split()]


def told(X: Any, kinds: str = "copy multiple sum order") -> list[str]:
    return [str(relation) for relation in found(X, kinds)]


def people(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age, net = rng.integers(18, 75, n), np.round(rng.lognormal(7, 0.5, n), 2)
    return pd.DataFrame({"age": age, "net": net, "tax": np.round(net * rng.uniform(0.1, 0.4, n), 2)})


def test_copies_multiples_and_sums_are_found() -> None:
    X = people()
    X["months"], X["age again"], X["total"] = 12 * X["age"], X["age"], (X["net"] + X["tax"]).round(2)
    assert sorted(told(X, "copy multiple sum")) == ["age again = age", "months = 12 \u00d7 age", "total = net + tax"]
    relation = next(relation for relation in found(X) if relation.kind == "sum")
    assert relation == FoundRelation("sum", {"total": 1.0, "net": -1.0, "tax": -1.0}, 0.0, 300) and relation.exact


def test_a_sum_of_three_and_what_follows_from_it_are_told_once() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 50, (200, 4)), columns=list("abcd"))
    X["s"] = X["a"] + X["b"] - X["c"]
    X["half"] = X["s"] / 2
    X["t"] = X["half"] + X["d"]
    assert sorted(told(X, "multiple sum")) == ["half = s / 2", "s = a + b - c", "t = d + half"]


def test_each_relation_determines_a_column_that_none_before_it_speaks_of() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 4)).round(3), columns=list("abcd"))
    X["ab"], X["cd"] = X["a"] + X["b"], X["c"] + X["d"]
    X["all"], X["more"] = X["ab"] + X["cd"], 2.5 * X["ab"]
    spoken: set[str] = set()
    relations = found(X, "copy multiple sum")
    for relation in relations:
        first, *_ = relation.terms
        assert first not in spoken and relation.terms[first] == 1
        spoken |= relation.terms.keys()
    assert len(relations) == 4


def test_gaps_are_left_aside_and_counted() -> None:
    X = people().astype({"age": float})
    X["months"], X["total"] = 12 * X["age"], X["net"] + X["tax"]
    X.loc[::3, "age"] = np.nan
    X.loc[1::3, "tax"] = np.nan
    assert {str(relation): relation.n_rows for relation in found(X, "multiple sum")} == {
        "months = 12 \u00d7 age": 200,
        "total = net + tax": 200,
    }


@pytest.mark.parametrize("row", [0, 150, 299])
def test_a_single_row_that_breaks_a_relation_ends_it(row: int) -> None:
    X = people()
    X["months"], X["total"], X["later"] = 12 * X["age"], X["net"] + X["tax"], X["age"] + 20
    X.loc[row, ["months", "total", "later"]] += [1, 0.01, -40]
    assert told(X) == ["net <= total"]  # which it does not break


def test_all_rows_are_looked_at_however_many_there_are() -> None:
    X = people(3_000)
    X["months"], X["total"] = 12 * X["age"], X["net"] + X["tax"]
    with patch("hyconex_sklearn._table.learn_relations._MOST_ROWS", 100):
        assert {str(r): r.n_rows for r in found(X, "multiple sum")} == {
            "total = net + tax": 3_000,
            "months = 12 \u00d7 age": 3_000,
        }
        X.loc[1_501, ["months", "total"]] += [1, 0.01]
        assert told(X, "multiple sum") == []


def test_relations_of_single_precision_hold_as_far_as_that_goes() -> None:
    X = people().astype(np.float32)
    X["total"], X["third"] = X["net"] + X["tax"], X["net"] / np.float32(3)
    assert sorted(told(X, "multiple sum")) == ["net = 3 \u00d7 third", "total = net + tax"]


def test_arrays_and_names_that_are_no_text_are_told_as_they_are() -> None:
    X = people().to_numpy()
    X = np.column_stack([X, X[:, 1] + X[:, 2]])
    assert told(X, "sum") == ["x3 = x1 + x2"]
    (relation,) = found(pd.DataFrame(X, columns=[5, ("a", 1), 7, None]), "sum")
    assert relation.terms == {None: 1.0, ("a", 1): -1.0, 7: -1.0}


def test_what_holds_in_few_rows_or_in_few_different_ones_is_not_believed() -> None:
    X = people(19)
    X["months"], X["total"] = 12 * X["age"], X["net"] + X["tax"]
    assert told(X) == []
    rare = pd.DataFrame(np.zeros((500, 3), dtype=int), columns=list("abc"))
    rare.loc[:9, "a"] = rare.loc[:9, "b"] = 1  # ten rows of five hundred say that they are the same
    rare["c"] = np.arange(500) % 7
    assert told(rare) == []


def test_dummies_are_known_as_copies_and_need_no_more() -> None:
    one_hot = np.eye(4, dtype=int)[np.random.default_rng(0).integers(0, 4, 400)]
    assert told(pd.DataFrame(one_hot, columns=list("abcd"))) == []  # that they add up to 1 is no sum of columns
    X = pd.DataFrame(one_hot, columns=list("abcd")).assign(again=one_hot[:, 1])
    assert told(X) == ["again = b"]


def test_text_truth_values_constants_and_gaps_alone_are_nothing_to_relate() -> None:
    X = people()
    X = X.assign(job=np.resize(["a", "b"], 300), same=1, none=np.nan, owns=X["age"] > 40, nearly=1.0)
    X["owns again"], X["job again"] = X["owns"], X["job"]
    X.loc[5, "nearly"] = np.nan
    assert told(X, "copy multiple sum") == []


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(5, 200), st.integers(2, 12), st.sampled_from([2, 3, 5, 20, 1_000]))
def test_columns_that_have_nothing_to_do_with_each_other_are_not_related(
    seed: int, n: int, width: int, values: int
) -> None:
    X = np.random.default_rng(seed).integers(0, values, (n, width))
    assert told(pd.DataFrame(X)) == []


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 3]))
def test_neither_are_columns_of_unlike_shapes(seed: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(10, 3, 400), rng.lognormal(1, 1, 400), rng.poisson(0.1, 400), rng.exponential(9, 400)]
    assert told(pd.DataFrame(np.column_stack(columns).round(decimals)), "copy multiple sum") == []


# ------------------------------------------------------------------------------------------------------------- orders


def test_an_order_is_found_with_its_gap() -> None:
    X = people(400)
    X["employed"] = np.clip(X["age"] - 16 - np.random.default_rng(1).integers(0, 20, 400), 0, None)
    (relation,) = found(X, "order")
    assert str(relation) == "employed <= age - 16" and not relation.exact
    assert (relation.terms, relation.bound, relation.n_rows) == ({"employed": 1.0, "age": -1.0}, -16.0, 400)


def test_an_order_without_rows_at_its_gap_is_told_without_one() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(10, 3, 400)
    assert told(pd.DataFrame({"low": low, "high": low + rng.lognormal(0, 1, 400)})) == ["low <= high"]


def test_orders_that_say_nothing_or_follow_are_not_told() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(10, 3, 400)
    X = pd.DataFrame({"low": low, "mid": low + rng.exponential(3, 400), "far": rng.normal(1_000, 1, 400)})
    X["high"] = X["mid"] + rng.exponential(3, 400)
    assert sorted(told(X)) == ["low <= mid", "mid <= high"]  # all are below "far", which is no news
    assert told(X[:99]) == []


def test_a_part_is_not_told_to_be_less_than_its_sum() -> None:
    X = people()
    X["total"] = X["net"] + X["tax"]
    assert told(X) == ["total = net + tax"]


def test_numbers_at_the_ends_of_float64_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=50) * 1e300, "b": rng.normal(size=50) * 1e-310, "c": rng.normal(size=50)})
    X["again"] = X["a"]
    assert told(X) == ["again = a"]
