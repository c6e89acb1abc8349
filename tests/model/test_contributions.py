"""What columns add to logits on the way from one row to another."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyconex_sklearn._model.contributions import contributions
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._table.codec import TableCodec

#: A table with numbers, one of them with gaps, and categories; and its rows.
TABLE = pd.DataFrame(
    {
        "a": [0.5, 1.5, 2.25, 3.75, 0.0, 9.5],
        "b": [1.5, None, 2.5, None, 0.25, 3.0],
        "c": ["u", "v", "w", "u", None, "v"],
        "d": [True, False, True, True, False, False],
    }
)
CODEC = TableCodec.fit(TABLE)
SPACE = EncodedSpace(CODEC.schema)
X = torch.from_numpy(CODEC.encode(TABLE)).double()
PAIRS = st.tuples(
    st.lists(st.integers(0, 5), min_size=4, max_size=4), st.lists(st.integers(0, 5), min_size=4, max_size=4)
)


def patched(origin: list[int]) -> Tensor:
    """A row whose columns come from the rows of these numbers, (1, d)."""
    return X[torch.tensor(origin)[SPACE.owner], torch.arange(SPACE.n_features)][None]


def curved(seed: int, k: int = 3) -> torch.nn.Module:
    """A function whose columns act together."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(SPACE.n_features, 16), torch.nn.Tanh(), torch.nn.Linear(16, k)).double()


@settings(max_examples=40)
@given(PAIRS, st.integers(0, 99))
def test_they_sum_to_what_the_logits_gain_and_only_changed_columns_have_a_share(
    pair: tuple[list[int], list[int]], seed: int
) -> None:
    start, end = (patched(origin) for origin in pair)
    logits = curved(seed)
    with torch.no_grad():
        told = contributions(logits, start, end, SPACE)
        torch.testing.assert_close(told.sum(2), logits(end) - logits(start))
        back = contributions(logits, end, start, SPACE)
    assert told.shape == (1, 3, SPACE.n_columns)
    same = SPACE.by_column((start != end).double()) == 0
    assert (told[:, :, same[0]] == 0).all()
    torch.testing.assert_close(back, -told)  # each order is walked both ways


@settings(max_examples=40)
@given(PAIRS, st.integers(0, 99))
def test_of_a_linear_function_they_are_its_terms(pair: tuple[list[int], list[int]], seed: int) -> None:
    start, end = (patched(origin) for origin in pair)
    coef = torch.randn(2, SPACE.n_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    told = contributions(lambda x: x @ coef.T + 1.0, start, end, SPACE)
    torch.testing.assert_close(told[0], SPACE.by_column(coef * (end - start)))


def test_categories_change_whole_and_gaps_with_their_indicator() -> None:
    seen = []

    def logits(x: Tensor) -> Tensor:
        seen.append(x)
        return x[:, :2]

    contributions(logits, X[[0, 2]], X[[3, 4]], SPACE)
    known = [{tuple(row) for row in X[:, SPACE.owner == column].tolist()} for column in range(SPACE.n_columns)]
    for column, rows in enumerate(known):
        assert {tuple(row) for row in torch.cat(seen)[:, SPACE.owner == column].tolist()} <= rows


def test_two_columns_that_act_only_together_share_what_they_do() -> None:
    space = EncodedSpace(TableCodec.fit(pd.DataFrame({"a": [0.5, 1.5, 2.25], "b": [0.5, 7.5, 3.0]})).schema)
    start, end = torch.zeros(1, 2), torch.ones(1, 2)
    told = contributions(lambda x: x.prod(1, keepdim=True), start, end, space)
    assert told.flatten().tolist() == [0.5, 0.5]


def test_they_are_the_same_every_time_and_whoever_else_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, start = curved(0), X[:1].expand_as(X)
    with torch.no_grad():
        whole, again = (contributions(logits, start, X, SPACE) for _ in range(2))
        assert torch.equal(whole, again)
        monkeypatch.setattr("hyconex_sklearn._common.runtime._CELLS_AT_ONCE", 1_500)  # two rows at a time
        torch.testing.assert_close(contributions(logits, start, X, SPACE), whole)


def test_a_single_column_has_all_of_it() -> None:
    space = EncodedSpace(TableCodec.fit(pd.DataFrame({"a": [0.5, 1.5, 2.25]})).schema)
    told = contributions(torch.sin, torch.tensor([[0.5]]), torch.tensor([[2.0]]), space)
    torch.testing.assert_close(told[0, 0], torch.sin(torch.tensor([2.0])) - torch.sin(torch.tensor([0.5])))
