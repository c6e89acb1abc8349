"""Categories of many levels: read and written as short vectors by every network, so that no weight is wasted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from _models import fitted
from hypothesis import given
from hypothesis import strategies as st

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._model.committee import Committee
from hyconex_sklearn._model.density import CategoricalHead, MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.level_embedding import SIZE, WIDE, LevelEmbedding, LevelScores, narrow_width
from hyconex_sklearn._table.codec import TableCodec


def table(n_levels: int, n: int = 2_000) -> pd.DataFrame:
    """Two numbers around a place of so many levels, each met, and a colour."""
    rng = np.random.default_rng(0)
    place = np.concatenate([np.arange(n_levels), rng.integers(n_levels, size=n - n_levels)])
    columns = {
        "a": rng.normal(size=n),
        "place": [f"place {number}" for number in place],
        "colour": rng.choice(["red", "green", "blue"], n),
        "b": rng.normal(size=n),
    }
    return pd.DataFrame(columns)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_vectors_stand_for_wide_blocks_and_all_else_stays(before: int, between: int, after: int) -> None:
    starts = before, before + WIDE + between
    wide = [slice(start, start + WIDE) for start in starts]
    width = starts[1] + WIDE + after
    x = torch.randn(5, width)
    embedding, scores = LevelEmbedding(width, wide), LevelScores(width, wide)
    narrow = embedding(x)
    n_plain = before + between + after
    assert narrow.shape == (5, n_plain + 2 * SIZE) and narrow.shape[1] == narrow_width(width, wide)
    outside = [j for j in range(width) if not any(block.start <= j < block.stop for block in wide)]
    assert torch.equal(narrow[:, :n_plain], x[:, outside])
    back = scores(narrow)
    assert back.shape == x.shape and torch.equal(back[:, outside], x[:, outside])
    torch.testing.assert_close(back[:, wide[1]], scores.levels[1](narrow[:, -SIZE:]))


def test_without_wide_blocks_rows_pass_through_and_nothing_is_learnt() -> None:
    x = torch.randn(3, 70)
    for module in (LevelEmbedding(70), LevelScores(70)):
        assert module(x) is x and not list(module.parameters())


def test_probabilities_of_all_levels_add_up_to_one_and_are_drawn_as_often() -> None:
    torch.manual_seed(0)
    wide = slice(2, 2 + WIDE)
    head = CategoricalHead(torch.tensor([0, 0, *[1] * WIDE, 2, 2, 2]), 2, (8,), [wide])
    codes = torch.zeros(2 * WIDE * 3, WIDE + 5)
    for row, (i, j, k) in enumerate(np.ndindex(2, WIDE, 3)):
        codes[row, [i, 2 + j, 2 + WIDE + k]] = 1.0
    y = torch.tensor([[0.0, 1.0]])
    p = head.log_prob(codes, y.expand(len(codes), -1)).exp().detach()
    torch.testing.assert_close(p.sum(), torch.tensor(1.0))
    drawn = head.sample(y.expand(20_000, -1))
    of_levels = p.reshape(2, WIDE, 3).sum((0, 2))
    torch.testing.assert_close(drawn[:, wide].mean(0), of_levels, atol=0.01, rtol=0)


def test_each_block_is_told_the_blocks_before_it_alone() -> None:
    torch.manual_seed(0)
    head = CategoricalHead(torch.tensor([0, 0, *[1] * WIDE, 2, 2, 2]), 2, (32,), [slice(2, 2 + WIDE)])
    x = torch.randn(1, WIDE + 5, requires_grad=True)
    scores = head.scores(head._hidden(x, torch.tensor([[1.0, 0.0]])))
    for out, seen in ((0, 0), (5, 2), (WIDE + 3, 2 + WIDE)):
        (gradient,) = torch.autograd.grad(scores[0, out], x, retain_graph=True)
        assert (gradient[0, :seen] != 0).all() and (gradient[0, seen:] == 0).all()


def test_no_network_has_a_weight_for_each_level_and_unit() -> None:
    spaces = [EncodedSpace(TableCodec.fit(table(n)).schema) for n in (100, 900)]

    def parameters(space: EncodedSpace) -> list[int]:
        networks = (
            MixedDensity(space, 2, 4, (64, 64)),
            HyperNetwork(space.n_features, 2, 128, 3, 0.0, space.wide),
            Committee(space.owner, 2, torch.Generator(), wide=space.wide),
        )
        return [sum(p.numel() for p in network.parameters()) for network in networks]

    few, many = (parameters(space) for space in spaces)
    assert all(more - fewer < 800 * 100 for fewer, more in zip(few, many, strict=True))


@pytest.fixture(scope="module")
def places() -> tuple[HyConExClassifier, pd.DataFrame, np.ndarray]:
    """A model of 300 places, every other of which is of the other class."""
    X = table(300)
    y = X["place"].str.removeprefix("place ").astype(int).to_numpy() % 2
    return fitted(X, y, pretrain_epochs=None), X, y


def test_what_a_rare_level_says_is_learnt(places: tuple[HyConExClassifier, pd.DataFrame, np.ndarray]) -> None:
    clf, X, y = places
    assert clf.score(X, y) > 0.95


def test_answers_name_levels_and_certificates_hold(
    places: tuple[HyConExClassifier, pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    clf, X, _ = places
    found = clf.counterfactuals(X.head(20))
    valid = found.report["valid"].to_numpy()
    assert valid.mean() > 0.9
    assert set(found.data["place"]) <= set(X["place"])
    np.testing.assert_array_equal(clf.predict(found.data)[valid], found.report["target"][valid])
    clf.save(path := tmp_path / "places.safetensors")
    again = HyConExClassifier.load(path).counterfactuals(X.head(20))
    pd.testing.assert_frame_equal(again.data, found.data)
