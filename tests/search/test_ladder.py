"""From queries to counterfactuals: the one pass, the small steps, and the ladder that mends and shortens."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from _models import mixed_table
from _queries import TABLES, Parts, brief, classifier, lacks, line_model, parts, plane, settle, shortens_nothing, shown
from torch import Tensor

from hyconex_sklearn import Actionability
from hyconex_sklearn._common import parameters
from hyconex_sklearn._model.certificate import Shortfall
from hyconex_sklearn._search.incumbent import Incumbent
from hyconex_sklearn._search.ladder import SEARCHES, solve, tighten, walk
from hyconex_sklearn._search.one_pass import move, step_of
from hyconex_sklearn._search.query import Query

__all__ = ["brief"]
STEP = 0.1  # share of the network's step that the small steps take
briefly = pytest.mark.usefixtures("brief")


@pytest.fixture(params=["numbers3", "labels2", "mixed2"])
def asked(request: pytest.FixtureRequest) -> Parts:
    return parts(request.param).head(25)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def others(asked: Parts, **how: Any) -> tuple[Query, Tensor]:
    """Each row's question for another class than its own, and the answer of the one pass."""
    target = (asked.model.logits(asked.x).argmax(1) + 1) % asked.model.n_classes
    question = asked.ask(target, **how)
    return question.query, question.moved


def answer(asked: Parts, search: str = "auto", **how: Any) -> Incumbent:
    query, moved = others(asked, **how)
    return solve(query, moved, search, generator())


# ------------------------------------------------------------------------------------------------------- one pass


def test_one_pass_asks_for_every_other_class_in_order(asked: Parts) -> None:
    question = asked.ask()
    predicted = asked.model.logits(asked.x).argmax(1)
    expected = [(i, k) for i in range(len(asked.x)) for k in range(asked.model.n_classes) if k != predicted[i]]
    assert list(zip(question.rows.tolist(), question.query.target.tolist(), strict=True)) == expected
    assert torch.equal(question.query.x, asked.x[question.rows]) and not question.already.any()
    torch.testing.assert_close(question.logits, asked.model.logits(asked.x))


def test_one_pass_moves_by_the_weights_of_the_target(asked: Parts) -> None:
    question = asked.ask()
    step = asked.model.weights(asked.x)[question.rows, question.query.target]
    expected = asked.model.space.move(question.query.x, step, question.query.movable)
    torch.testing.assert_close(question.moved, expected)


def test_the_runner_up_is_the_second_most_probable_class() -> None:
    asked = parts("numbers3")
    question = asked.ask("second")
    probabilities = asked.model.logits(asked.x).softmax(1)
    assert torch.equal(question.query.target, probabilities.argsort(1)[:, -2])
    assert torch.equal(question.rows, torch.arange(len(asked.x)))
    assert len(question.query.target.unique()) == 3


def test_rows_in_their_target_stay(asked: Parts) -> None:
    own = asked.model.logits(asked.x).argmax(1)
    question = asked.ask(own)
    assert question.already.all() and torch.equal(question.moved, asked.x)
    mixed = asked.ask(torch.zeros_like(own))
    assert torch.equal(mixed.already, own == 0)
    assert torch.equal(mixed.moved[mixed.already], asked.x[mixed.already])


def test_the_network_is_told_what_may_move() -> None:
    asked = parts("mixed2").head(25)
    query, moved = others(asked, immutable=["age"])
    told = asked.model.weights(query.x, query.allowed)[torch.arange(25), query.target]
    untold = asked.model.weights(query.x)[torch.arange(25), query.target]
    torch.testing.assert_close(step_of(query, query.x), told)
    assert not torch.allclose(told, untold)
    torch.testing.assert_close(moved, move(query, told))
    assert torch.equal(moved[:, 0], query.x[:, 0])


def test_one_pass_chooses_only_labels_that_the_rules_allow() -> None:
    table, _ = mixed_table(60)
    slope = {"job": {"clerk": -0.5, "nurse": 0.7, "pilot": 0.9}}
    asked = line_model(table, slope, -0.5, table[table["job"] == "clerk"].head(4))
    only: dict[str, Any] = {"allowed_categories": {"job": ["clerk", "nurse"]}}
    for rules, job in (({}, "pilot"), (only, "nurse")):
        moved = asked.ask(torch.ones(4, dtype=torch.long), **rules).moved
        assert asked.codec.decode(moved.numpy(), asked.table)["job"].tolist() == [job] * 4


@pytest.mark.parametrize("most", [1, 2, 3])
def test_one_pass_keeps_to_the_number_of_changes(most: int) -> None:
    asked = parts("mixed2").head(25)
    query, moved = others(asked, max_changes=most)
    for row in (moved, settle(query, moved)):  # the network is told which columns have to do all the work
        changed = asked.codec.schema.changed(row.numpy(), query.x.numpy()).sum(1)
        assert (changed <= most).all() and (changed == most).any()


# ------------------------------------------------------------------------------------------------------ small steps


def test_a_walk_stops_at_the_first_crossing() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-0.75, 0.0, 0.3], [-0.2, -0.2, 0.0], [-1.0, -1.0, 0.0]])
    end = walk(asked.query())
    score = torch.tensor([0.6, 0.8, 0.0])
    assert ((end @ score > 0) & ((end - STEP * score) @ score <= 1e-6)).all()
    assert shown(end)[0] == pytest.approx([-0.75 + 5 * 0.06, 5 * 0.08, 0.3])  # -0.45 takes five steps of 0.1


@pytest.mark.parametrize("name", ["numbers3", "mixed2"])
def test_a_walk_is_the_network_s_own_steps_row_by_row(name: str) -> None:
    asked = parts(name).head(6)
    query, _ = others(asked)
    together = walk(query)
    for i in range(len(query)):
        part, point = query[i : i + 1], query.x[i : i + 1]
        for _ in range(30):
            weight = asked.model.weights(point, part.allowed)[0, part.target]
            point = (point - STEP * part.movable * weight).clamp(part.lower, part.upper)
            if asked.model.logits(settle(part, point)).argmax(1) == part.target:
                break
        torch.testing.assert_close(together[i : i + 1], point, atol=1e-4, rtol=0)
    assert (together != query.x).any(1).all()


def test_a_walk_that_never_crosses_ends_inside_the_range_with_frozen_columns_as_they_were() -> None:
    asked = plane({0: 1.0, 1: 1.0}, np.full((1, 3), -1.0), -99.0)
    query = asked.query(immutable=["x1"], bounds={"x0": (None, 0.5)})
    end = walk(query)
    assert shown(end) == [[0.5, -1.0, -1.0]] and torch.equal(end[:, 1], query.x[:, 1])


def test_the_variant_of_small_steps_answers_with_the_walk_and_shortens_nothing() -> None:
    asked = parts("numbers2").head(10)
    query, moved = others(asked)
    best = solve(query, moved, "steps", generator())
    assert torch.equal(best.x, settle(query, walk(query)))


def test_one_shot_answers_with_the_one_pass(asked: Parts) -> None:
    query, moved = others(asked)
    assert torch.equal(solve(query, moved, "one_shot", generator()).x, settle(query, moved))


# ------------------------------------------------------------------------------------------------------ the ladder


@briefly
@pytest.mark.parametrize("search", ["auto", "latent"])
def test_a_search_never_falls_behind_the_one_pass(asked: Parts, search: str) -> None:
    asked = asked.head(10)
    query, moved = others(asked)
    first, best = Incumbent(query, moved), solve(query, moved, search, generator())
    assert (best.shortfall <= first.shortfall).all()
    assert (best.cost <= first.cost)[best.shortfall == first.shortfall].all()
    assert best.shortfall.sum() < first.shortfall.sum() or not first.shortfall.any()


@briefly
@pytest.mark.parametrize("name", TABLES)
def test_climbing_certifies_what_can_be(name: str) -> None:
    asked = parts(name).head(15)
    query, _ = others(asked)
    best = solve(query, query.x, "auto", generator())  # a start that went nowhere
    assert (best.shortfall < Shortfall.INVALID).all() and (best.shortfall == 0).float().mean() > 0.8
    torch.testing.assert_close(best.shortfall, lacks(query, best.x))
    assert torch.equal(settle(query, best.x), best.x)


def test_an_answer_ends_close_to_the_shortest_certified_way() -> None:
    asked = plane({0: 0.6, 1: 0.8}, [[-1.0, 0.0, 0.3], [0.0, -1.5, 1.0]])
    best = answer(asked)
    shortest = 1.0 - asked.x @ torch.tensor([0.6, 0.8, 0.0])
    assert (best.shortfall == 0).all()
    # One column instead of two may cost a quarter more of way.
    assert (best.query.distance(best.x) < 1.3 * shortest).all()


@pytest.mark.parametrize("name", ["numbers3", "mixed2"])
def test_a_way_that_is_too_long_is_shortened(name: str) -> None:
    asked = parts(name)
    query, _ = others(asked)
    pick = torch.stack([(asked.model.reservoir_labels == target).nonzero()[0, 0] for target in query.target])
    best = Incumbent(query, torch.where(query.movable > 0, asked.model.reservoir[pick], query.x))
    certified, way = best.shortfall == 0, query.distance(best.x)
    n_changed = best.query.changed(best.x).sum(1)
    assert certified.any()
    tighten(best, "auto")
    assert (best.shortfall[certified] == 0).all()
    assert query.distance(best.x)[certified].mean() < 0.8 * way[certified].mean()
    assert best.query.changed(best.x).sum(1)[certified].float().mean() < n_changed[certified].float().mean()


def test_every_search_that_may_be_asked_for_is_there() -> None:
    assert tuple(SEARCHES) == parameters.SEARCHES


@pytest.mark.parametrize("search", ["steps", "one_shot"])
def test_the_plain_variants_shorten_nothing(search: str) -> None:
    asked = plane({0: 1.0}, np.zeros((1, 3)))
    best = Incumbent(asked.query(), torch.tensor([[2.5, 1.0, 1.0]]))
    tighten(best, search)
    assert shown(best.x) == [[2.5, 1.0, 1.0]]


@briefly
@pytest.mark.parametrize("search", SEARCHES)
def test_frozen_columns_and_bounds_hold_for_every_search(search: str) -> None:
    asked = parts("mixed2").head(10)
    best = answer(asked, search, immutable=["job", "income"], bounds={"age": (25, 60)})
    frozen = (asked.model.space.owner == 1) | (asked.model.space.owner == 2)
    assert torch.equal(best.x[:, frozen], asked.x[:, frozen])
    age = asked.codec.schema.columns[0].inverse(best.x[:, 0].numpy())
    assert ((age >= 25) & (age <= 60)).all()
    assert (best.x != asked.x).any()


@pytest.mark.parametrize("stage", ["offer_reservoir", "descend", "build", "search_latent", "walk"])
def test_each_stage_answers_where_all_others_fail(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plane({0: 1.0}, [[-0.5, 0.0, 0.0]])
    asked.model.reservoir = torch.tensor([[-0.4, 0.0, 0.0], [2.0, 1.0, 0.0]])  # the nearest one is no answer
    asked.model.reservoir_labels = torch.tensor([1, 1])
    monkeypatch.setattr("hyconex_sklearn._search.ladder._NEIGHBOURS", 1)
    for other in {"offer_reservoir", "descend", "build", "search_latent"} - {stage}:
        monkeypatch.setattr(f"hyconex_sklearn._search.ladder.{other}", lambda *_: None)
    if stage != "walk":
        monkeypatch.setattr("hyconex_sklearn._search.ladder.walk", lambda query: query.x)
    query = asked.query()
    best = solve(query, query.x, "auto", generator())
    assert best.shortfall.item() < Shortfall.INVALID and (best.x != query.x).any()


@pytest.mark.parametrize("stage", ["offer_reservoir", "descend", "build", "search_latent"])
def test_each_stage_mends_a_row_that_lacks_nothing_but_plausibility(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plane({0: 1.0}, [[-0.5, 0.0, 0.0]])
    asked.model.threshold.fill_(-7.0)
    asked.model.reservoir = torch.tensor([[-0.4, 0.0, 0.0], [2.0, 1.0, 0.0]])  # the nearest one is no answer
    asked.model.reservoir_labels = torch.tensor([1, 1])
    monkeypatch.setattr("hyconex_sklearn._search.ladder._NEIGHBOURS", 1)
    for other in {"offer_reservoir", "descend", "build", "search_latent"} - {stage}:
        monkeypatch.setattr(f"hyconex_sklearn._search.ladder.{other}", lambda *_: None)
    shortens_nothing(monkeypatch, "auto")
    query, rare = asked.query(), torch.tensor([[2.0, 5.0, 5.0]])
    assert Incumbent(query, rare).shortfall.item() == 1.0
    assert solve(query, rare, "auto", generator()).shortfall.item() == 0.0


def test_the_latent_search_climbs_before_anything_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plane({0: 1.0}, [[-0.5, 0.0, 0.0]])
    shortens_nothing(monkeypatch, "latent")
    query = asked.query()
    assert solve(query, query.x, "latent", generator()).shortfall.item() < Shortfall.INVALID


@briefly
def test_without_a_reservoir_the_search_still_answers(asked: Parts) -> None:
    asked = asked.head(10)
    poor = copy.deepcopy(asked.model)
    poor.reservoir, poor.reservoir_labels = poor.reservoir[:0], poor.reservoir_labels[:0]
    query, moved = others(asked)
    query = replace(query, model=poor)
    best = solve(query, moved, "auto", generator())
    assert (best.shortfall <= Incumbent(query, moved).shortfall).all()


@briefly
@pytest.mark.parametrize("search", SEARCHES)
def test_a_row_gets_the_same_answer_alone_and_in_company(search: str) -> None:
    asked = parts("mixed3").head(6)
    query, moved = others(asked)
    together = solve(query, moved, search, generator())
    for i in (0, 5):
        alone = solve(query[i : i + 1], moved[i : i + 1], search, generator())
        assert alone.shortfall[0] == together.shortfall[i]
        torch.testing.assert_close(alone.cost[0], together.cost[i], atol=2e-2, rtol=0)


@briefly
@pytest.mark.parametrize("search", SEARCHES)
def test_the_search_is_deterministic_and_changes_nothing(search: str) -> None:
    asked = parts("numbers2").head(6)
    query, moved = others(asked)
    copies = [tensor.clone() for tensor in (query.x, query.target, query.movable, moved)]
    state = {name: tensor.clone() for name, tensor in asked.model.state_dict().items()}
    first, again = (solve(query, moved, search, generator()).x for _ in range(2))
    assert torch.equal(first, again)
    assert all(map(torch.equal, (query.x, query.target, query.movable, moved), copies))
    assert all(torch.equal(tensor, state[name]) for name, tensor in asked.model.state_dict().items())
    assert all(parameter.grad is None for parameter in asked.model.parameters())


# ------------------------------------------------------------------------------------------- as the estimator is asked


@briefly
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", TABLES)
def test_every_search_answers_for_every_kind_of_table(name: str, search: str) -> None:
    clf, X = classifier(name)
    torch_state, numpy_state = torch.random.get_rng_state(), str(np.random.get_state())
    cf = clf.counterfactuals(X[:4], search=search)
    report = cf.report
    assert len(cf.data) == len(report) == 4 * (len(clf.classes_) - 1)
    assert (clf.predict(cf.data) == report["prediction"]).all()
    assert (report["valid"] == (report["prediction"] == report["target"])).all()
    assert report["feasible"].all() and np.isfinite(report["distance_l2"]).all()
    assert report["valid"].all() or search != "auto"
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert str(np.random.get_state()) == numpy_state


@briefly
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", ["numbers2", "mixed2"])
def test_a_single_row_can_be_asked_about(name: str, search: str) -> None:
    clf, X = classifier(name)
    report = clf.counterfactuals(X[3:4], search=search).report
    assert report["row"].tolist() == [0] * (len(clf.classes_) - 1)


@briefly
@pytest.mark.parametrize("probability", [0.6, 0.9])
def test_certified_rows_reach_the_probability_that_is_asked(probability: float) -> None:
    clf, X = classifier("numbers3")
    cf = clf.counterfactuals(X[::15], target_probability=probability)
    sure = (cf.report["status"] == "ok").to_numpy()
    reached = clf.predict_proba(cf.data)[np.arange(len(cf.data)), cf.report["target"].to_numpy()]
    assert sure.any() and (reached[sure] >= probability - 1e-6).all()
    np.testing.assert_allclose(reached, cf.report["probability"], atol=1e-6)


@briefly
def test_more_confidence_takes_more_way() -> None:
    asked = plane({0: 1.0}, [[-0.1, 0.0, 0.0]])
    ways = [float(answer(asked, probability=p).x[0, 0]) for p in (0.6, 0.75, 0.85)]
    odds = [np.log(p / (1 - p)) for p in (0.6, 0.75, 0.85)]
    assert ways[0] < ways[1] < ways[2]
    assert all(need <= way < need + 0.15 for way, need in zip(ways, odds, strict=True))


@briefly
def test_the_seed_of_the_noise_decides_and_none_means_the_same_every_time() -> None:
    clf, X = classifier("numbers3")
    default, again, one, same = (
        clf.counterfactuals(X[:3], search="latent", random_state=state).data for state in (None, None, 7, 7)
    )
    assert np.array_equal(default, again) and np.array_equal(one, same)


def test_what_a_change_costs_decides_which_column_changes() -> None:
    asked = plane({0: 2.0, 1: 2.0}, np.zeros((1, 3)), -0.1)
    for dear, cheap in ((0, 1), (1, 0)):
        best = answer(asked, feature_weights={f"x{dear}": 3.0})
        assert best.query.changed(best.x)[0].nonzero().squeeze(1).tolist() == [cheap]


@briefly
def test_a_row_that_no_change_can_bring_to_obey_comes_back_as_it_is() -> None:
    clf, X = classifier("mixed2")
    rows = X[X["age"] > 60].head(3)
    rules = Actionability(bounds={"age": (None, 50)}, monotonic_cst={"age": 1})
    cf = clf.counterfactuals(rows, actionability=rules)
    assert cf.report["status"].isin(["infeasible", "already_target"]).all() and not cf.report["feasible"].any()
    assert (cf.data["age"].to_numpy() == rows["age"].to_numpy()).all()
