"""The encoded space as tensors: positions, bounds, and moves that stay inside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from _models import mixed_table
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._table.codec import TableCodec

TABLE, _ = mixed_table(80)
CODEC = TableCodec.fit(TABLE)
SPACE = EncodedSpace(CODEC.schema)
X = torch.from_numpy(CODEC.encode(TABLE))


def steps(seed: int, scale: float) -> torch.Tensor:
    return scale * torch.randn(X.shape, generator=torch.Generator().manual_seed(seed))


def test_numbers_and_codes_share_out_what_can_differ() -> None:
    numeric, discrete = set(SPACE.numeric.tolist()), set(SPACE.discrete.tolist())
    assert not numeric & discrete
    constant = CODEC.schema.columns[-1].start  # "fixed"
    assert numeric | discrete == set(range(SPACE.n_features)) - {constant}
    assert not SPACE.movable[constant]


def test_bounds_hold_the_table() -> None:
    assert (SPACE.lower - 1e-5 <= X).all() and (SPACE.upper + 1e-5 >= X).all()


def test_indicators_stay_and_a_missing_number_stays_missing() -> None:
    mask = SPACE.movable_in(X)
    indicators, numbers = SPACE.filled_by.T
    assert len(indicators) and (mask[:, indicators] == 0).all()
    assert torch.equal(mask[:, numbers] == 0, X[:, indicators] == 1)
    assert (mask[:, SPACE.blocks[SPACE.present]] == 1).all()


def test_tables_without_gaps_need_no_copy_of_the_mask() -> None:
    space = EncodedSpace(TableCodec.fit(np.array([[1.5, 2.0], [2.5, 2.0]])).schema)
    assert space.movable_in(torch.zeros(3, 2)).tolist() == [[1.0, 0.0]] * 3


@given(st.integers(0, 99), st.sampled_from([0.1, 1.0, 10.0]))
def test_moves_stay_in_the_seen_range_and_are_hard(seed: int, scale: float) -> None:
    moved = SPACE.move(X, steps(seed, scale), SPACE.movable_in(X))
    assert (moved[:, SPACE.numeric] >= SPACE.lower[SPACE.numeric] - 1e-6).all()
    assert (moved[:, SPACE.numeric] <= SPACE.upper[SPACE.numeric] + 1e-6).all()
    blocks = torch.where(SPACE.present, moved[:, SPACE.blocks], 0.0)
    torch.testing.assert_close(blocks.sum(-1), torch.ones(blocks.shape[:2]))
    torch.testing.assert_close(blocks.max(-1).values, torch.ones(blocks.shape[:2]))
    frozen = SPACE.movable_in(X) == 0
    assert torch.equal(moved[frozen], X[frozen])


@given(st.integers(0, 99))
def test_missing_is_never_newly_chosen(seed: int) -> None:
    moved = SPACE.move(X, steps(seed, 10.0), SPACE.movable_in(X))
    level = SPACE.missing_level
    assert level.any()
    assert (moved[:, level] <= X[:, level] + 1e-6).all()


@given(st.integers(0, 99))
def test_what_the_mask_freezes_does_not_move(seed: int) -> None:
    columns = torch.rand(len(X), int(SPACE.owner.max()) + 1, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask = SPACE.movable_in(X) * columns[:, SPACE.owner]
    moved = SPACE.move(X, steps(seed, 5.0), mask)
    assert torch.equal(moved[mask == 0], X[mask == 0])
    assert not torch.equal(moved, X)


def job() -> slice:
    """Positions of the levels of the column "job"; the last one is "missing"."""
    column = CODEC.schema.columns[2]
    return slice(column.start, column.stop)


@given(st.integers(0, 99))
def test_only_levels_that_may_be_chosen_are(seed: int) -> None:
    choices = torch.ones_like(X, dtype=torch.bool)
    choices[:, job()] = torch.rand(len(X), 4, generator=torch.Generator().manual_seed(seed)) < 0.5
    own = X[:, job()] > 0.5
    choices[:, job()] |= own  # staying is allowed
    moved = SPACE.move(X, steps(seed, 5.0), SPACE.movable_in(X), choices)
    taken = moved[:, job()] > 0.5
    assert (choices[:, job()] | ~taken).all() and (taken & ~own).any()


def test_a_row_has_to_leave_a_level_that_may_not_be_kept() -> None:
    choices = torch.ones_like(X, dtype=torch.bool)
    choices[:, job()] = X[:, job()] < 0.5
    stayed = SPACE.move(X, torch.zeros_like(X), SPACE.movable_in(X), choices)
    assert (stayed[:, job()].argmax(1) != X[:, job()].argmax(1)).all()
    assert (stayed[:, job()][:, -1] == 0).all()  # and not for "missing"
    frozen = torch.zeros_like(X)
    assert torch.equal(SPACE.move(X, torch.zeros_like(X), frozen, choices), X)


def test_no_word_on_choices_allows_them_all() -> None:
    step, mask = steps(0, 3.0), SPACE.movable_in(X)
    every = torch.ones_like(X, dtype=torch.bool)
    assert torch.equal(SPACE.move(X, step, mask), SPACE.move(X, step, mask, every))


def test_values_are_added_up_over_the_positions_of_each_table_column() -> None:
    values = torch.arange(X.numel(), dtype=torch.float32).view(X.shape)
    total = SPACE.by_column(values)
    assert total.shape == (len(X), SPACE.n_columns) == (len(X), len(TABLE.columns))
    for j, column in enumerate(CODEC.schema.columns):
        torch.testing.assert_close(total[:, j], values[:, column.positions].sum(1))


def test_missing_cells_are_the_gaps_of_numbers() -> None:
    cells = SPACE.by_column(SPACE.missing_cells(X).float()) > 0
    for j, name in enumerate(TABLE.columns):
        gaps = TABLE[name].isna().to_numpy() & (name != "job")
        assert cells[:, j].tolist() == gaps.tolist()


def test_a_row_outside_of_the_seen_range_may_stay_there() -> None:
    far = X.clone()
    far[:, SPACE.numeric] = 50.0
    torch.testing.assert_close(SPACE.move(far, torch.zeros_like(far), SPACE.movable_in(far)), far)
    back = SPACE.move(far, torch.full_like(far, 1e3), torch.ones_like(far))
    torch.testing.assert_close(back[:, SPACE.numeric], SPACE.lower[SPACE.numeric].expand(len(far), -1))


def test_a_small_step_moves_by_itself_and_keeps_the_levels() -> None:
    space = EncodedSpace(TableCodec.fit(pd.DataFrame({"x": [0.0, 1.5, 3.1], "c": ["u", "v", "u"]})).schema)
    x = torch.tensor([[0.0, 1.0, 0.0]])
    moved = space.move(x, torch.tensor([[0.3, 0.1, -0.1]]), torch.ones_like(x))
    torch.testing.assert_close(moved, torch.tensor([[-0.3, 1.0, 0.0]]))


def test_gradients_pass_choices_and_come_back_from_behind_the_clip() -> None:
    space = EncodedSpace(TableCodec.fit(pd.DataFrame({"x": [0.0, 1.5, 3.1], "c": ["u", "v", "u"]})).schema)
    x = torch.tensor([[0.0, 1.0, 0.0]]).repeat(2, 1)
    step = torch.tensor([[100.0, 0.0, 0.0], [100.0, 0.0, 0.0]], requires_grad=True)
    moved = space.move(x, step, torch.ones_like(x))
    pull = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 1.0]])  # row 0 wants lower still, row 1 wants back
    (pull * moved).sum().backward()
    assert step.grad is not None
    assert step.grad[0, 0] == 0.0
    assert step.grad[1, 0] == 1.0
    assert step.grad[1, 2] != 0.0  # a hard choice has the gradient of a soft one


@pytest.mark.parametrize("table", [TABLE[["job"]], TABLE[["age"]]], ids=["text", "numbers"])
def test_tables_of_one_kind(table: pd.DataFrame) -> None:
    codec = TableCodec.fit(table)
    space, x = EncodedSpace(codec.schema), torch.from_numpy(codec.encode(table))
    moved = space.move(x, -10 * x, space.movable_in(x))
    assert moved.shape == x.shape and torch.isfinite(moved).all()


def test_buffers_are_rebuilt_from_the_schema_and_not_stored() -> None:
    assert not SPACE.state_dict()
