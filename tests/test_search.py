"""From queries to counterfactuals: the one pass, the ladder behind it, and what every stage keeps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _models import fitted, iris, mixed, mixed_table

from hyconex_sklearn._model import Model
from hyconex_sklearn._search import Incumbent, Query, climb, encoded_distance, fill_reservoir, one_shot


@pytest.fixture(params=[iris, mixed], ids=["iris", "mixed"])
def parts(request: pytest.FixtureRequest) -> tuple[Model, torch.Tensor, Any]:
    clf, X, _ = request.param()
    return clf._model, torch.from_numpy(clf._codec.encode(X)), clf._codec


def asked(parts: tuple[Model, torch.Tensor, Any], shift: int = 1) -> tuple[Query, torch.Tensor]:
    """Every row's question for another class than its own, and the one-shot answer to it."""
    model, x, _ = parts
    with torch.no_grad():
        target = (model.network.logits(x).argmax(1) + shift) % model.n_classes
        _, _, query, moved = one_shot(model, x, target)
    return query, moved


def lacks(model: Model, query: Query, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.shortfall(model.judge(z, query.target), query.target)


# ------------------------------------------------------------------------------------------------------- one pass


def test_one_pass_asks_for_every_other_class_in_order(parts: Any) -> None:
    model, x, _ = parts
    logits, rows, query, moved = one_shot(model, x, None)
    predicted = logits.argmax(1)
    expected = [(i, k) for i in range(len(x)) for k in range(model.n_classes) if k != predicted[i]]
    assert list(zip(rows.tolist(), query.target.tolist(), strict=True)) == expected
    assert torch.equal(query.x, x[rows]) and moved.shape == query.x.shape
    torch.testing.assert_close(logits, model.network.logits(x) / model.temperature)


def test_one_pass_moves_by_the_weights_of_the_target(parts: Any) -> None:
    model, x, _ = parts
    _, rows, query, moved = one_shot(model, x, None)
    step = model.network(x).weight[rows, query.target]
    torch.testing.assert_close(moved, model.space.move(query.x, step, query.mask))
    assert torch.equal(query.mask, model.space.free_mask(x)[rows])


def test_rows_in_their_target_stay(parts: Any) -> None:
    model, x, _ = parts
    own = model.network.logits(x).argmax(1)
    _, rows, query, moved = one_shot(model, x, own)
    assert torch.equal(moved, x) and torch.equal(rows, torch.arange(len(x))) and torch.equal(query.target, own)


def test_queries_are_cut_together() -> None:
    query = Query(torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 2]), torch.ones(3, 2))
    part = query[torch.tensor([True, False, True])]
    assert len(query) == 3 and len(part) == 2
    assert part.x.tolist() == [[0.0, 1.0], [4.0, 5.0]] and part.target.tolist() == [0, 2]


# ---------------------------------------------------------------------------------------------------- incumbents


def test_an_incumbent_never_gets_worse(parts: Any) -> None:
    model, x, codec = parts
    query, start = asked(parts)
    best = Incumbent(model, query, codec.snap, start)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.0, 0.1, 1.0, 3.0):
        shortfall, distance, before = best.shortfall.clone(), best.distance.clone(), best.x.clone()
        better = best.offer(query.x + scale * torch.randn(x.shape, generator=generator) * query.mask)
        assert ((best.shortfall < shortfall) | ((best.shortfall == shortfall) & (best.distance <= distance))).all()
        assert torch.equal((best.x != before).any(1), better)
    torch.testing.assert_close(best.shortfall, lacks(model, query, best.x))
    torch.testing.assert_close(best.distance, encoded_distance(query.x, best.x))


def test_a_certified_row_beats_a_nearer_one_that_is_not(parts: Any) -> None:
    model, _, codec = parts
    query, _ = asked(parts)
    found = climb(model, query, query.x, codec.snap)
    certified = lacks(model, query, found) == 0
    assert certified.any()
    best = Incumbent(model, query, codec.snap, query.x)  # no distance at all, and in the wrong class
    assert best.offer(found)[certified].all()
    assert not best.offer(query.x)[certified].any()
    assert torch.equal(best.x[certified], found[certified])


def test_what_is_kept_is_what_a_table_can_hold(parts: Any) -> None:
    model, _, codec = parts
    query, start = asked(parts)
    found = climb(model, query, start, codec.snap)
    snapped = torch.from_numpy(codec.snap(found.numpy(), query.x.numpy()))
    assert torch.equal(found, snapped)


# ------------------------------------------------------------------------------------------------------ the ladder


def test_climbing_certifies_what_can_be_and_never_falls_behind_the_start(parts: Any) -> None:
    model, _, codec = parts
    query, start = asked(parts)
    first = torch.from_numpy(codec.snap(start.numpy(), query.x.numpy()))
    found = climb(model, query, start, codec.snap)
    before, after = lacks(model, query, first), lacks(model, query, found)
    assert (after <= before).all()
    assert (after < 4).all()
    same = before == after
    assert (encoded_distance(query.x, found)[same] <= encoded_distance(query.x, first)[same] + 1e-5).all()


def test_climbing_mends_a_start_that_went_nowhere(parts: Any) -> None:
    model, _, codec = parts
    query, _ = asked(parts)
    found = climb(model, query, query.x.clone(), codec.snap)
    assert (lacks(model, query, query.x) >= 4).all()
    assert (lacks(model, query, found) < 4).all()


@pytest.mark.parametrize("without", ["_DESCENT_STEPS", "_BISECTIONS"])
def test_climbing_shortens_a_way_that_is_too_long(parts: Any, without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"hyconex_sklearn._search.{without}", 0, raising=False)  # each stage shortens by itself
    monkeypatch.setattr("hyconex_sklearn._search._NEIGHBOURS", 0, raising=False)
    model, _, codec = parts
    query, _ = asked(parts)
    pick = torch.stack([(model.reservoir_labels == target).nonzero()[-1, 0] for target in query.target])
    far = torch.where(query.mask > 0, model.reservoir[pick], query.x)
    ok = lacks(model, query, torch.from_numpy(codec.snap(far.numpy(), query.x.numpy()))) == 0
    assert ok.any()
    found = climb(model, query[ok], far[ok], codec.snap)
    assert encoded_distance(query.x[ok], found).mean() < 0.95 * encoded_distance(query.x[ok], far[ok]).mean()
    assert (lacks(model, query[ok], found) == 0).all()


def test_frozen_features_stay_frozen(parts: Any) -> None:
    model, x, codec = parts
    query, start = asked(parts)
    owner = model.space.owner
    frozen = owner == 0  # the first table column, whatever it holds
    mask = query.mask * ~frozen
    found = climb(model, Query(query.x, query.target, mask), torch.where(mask > 0, start, query.x), codec.snap)
    assert torch.equal(found[:, frozen], x[:, frozen])
    assert (found != x).any()


def test_without_a_reservoir_the_search_still_answers(parts: Any) -> None:
    model, _, codec = parts
    poor = copy.deepcopy(model)
    poor.reservoir, poor.reservoir_labels = model.reservoir[:0], model.reservoir_labels[:0]
    query, start = asked(parts)
    found = climb(poor, query, start, codec.snap)
    first = torch.from_numpy(codec.snap(start.numpy(), query.x.numpy()))
    assert (lacks(model, query, found) <= lacks(model, query, first)).all()


def test_without_numbers_the_search_still_answers() -> None:
    X, _ = mixed_table()
    clf = fitted(X[["job", "owner"]], (X["job"].fillna("none") == "pilot").to_numpy())
    assert clf.counterfactuals(X[["job", "owner"]]).report["valid"].all()


def test_a_row_gets_the_same_answer_alone_and_in_company(parts: Any) -> None:
    model, _, codec = parts
    query, start = asked(parts)
    together = climb(model, query, start, codec.snap)
    alone = torch.cat([climb(model, query[[i]], start[[i]], codec.snap) for i in range(4)])
    assert torch.equal(lacks(model, query[:4], alone), lacks(model, query[:4], together[:4]))


def test_the_search_is_deterministic_and_changes_nothing(parts: Any) -> None:
    model, _, codec = parts
    query, start = asked(parts)
    copies = [tensor.clone() for tensor in (query.x, query.target, query.mask, start)]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state, grads = torch.random.get_rng_state(), [parameter.grad for parameter in model.parameters()]
    assert torch.equal(climb(model, query, start, codec.snap), climb(model, query, start, codec.snap))
    for now, then in zip((query.x, query.target, query.mask, start), copies, strict=True):
        assert torch.equal(now, then)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(grad is parameter.grad for grad, parameter in zip(grads, model.parameters(), strict=True))


# ------------------------------------------------------------------------------------------------------ reservoir


def refilled(parts: Any, seed: int, per_class: int, spoil: Callable[[Model], None] = lambda model: None) -> Model:
    model, _, codec = parts
    model = copy.deepcopy(model)
    spoil(model)
    torch.manual_seed(seed)
    fill_reservoir(model, codec.snap, per_class)
    return model


def test_the_reservoir_has_rows_of_every_class_and_certified_ones_first(parts: Any) -> None:
    model = refilled(parts, 0, 30)
    counts = torch.bincount(model.reservoir_labels, minlength=model.n_classes)
    assert ((counts > 0) & (counts <= 30)).all()
    lacking = model.shortfall(model.judge(model.reservoir, model.reservoir_labels), model.reservoir_labels)
    assert (lacking < 4).all()
    for label in range(model.n_classes):
        own = lacking[model.reservoir_labels == label]
        assert torch.equal(own, own.sort().values)


def test_the_reservoir_follows_the_random_state(parts: Any) -> None:
    first, again, other = (refilled(parts, seed, 10).reservoir for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_a_class_that_nothing_belongs_to_leaves_the_others_their_rows(parts: Any) -> None:
    def never(model: Model) -> None:
        model.network.bias0.data[0] = -1e4

    model = refilled(parts, 0, 10, never)
    assert set(model.reservoir_labels.tolist()) == set(range(1, model.n_classes))
