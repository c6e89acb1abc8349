"""The fitted parts together: what they say of a row, and how grave it is if something is missing."""

from __future__ import annotations

import copy

import pytest
import torch
from _models import iris, mixed

from hyconex_sklearn._committee import votes
from hyconex_sklearn._losses import log_odds
from hyconex_sklearn._model import Judgement, Model


def model_and_rows() -> tuple[Model, torch.Tensor, torch.Tensor]:
    clf, X, y = iris()
    return clf._model, torch.from_numpy(clf._codec.encode(X)), torch.from_numpy(y)


def test_a_judgement_puts_together_what_the_parts_say() -> None:
    model, x, y = model_and_rows()
    judged = model.judge(x, y)
    logits = model.network.logits(x) / model.temperature
    assert torch.equal(judged.prediction, logits.argmax(1))
    torch.testing.assert_close(judged.log_odds, log_odds(logits, y))
    torch.testing.assert_close(judged.support, votes(model.committee(x), y))
    torch.testing.assert_close(judged.log_density, model.density.log_prob(x, y))
    assert ((judged.log_odds > 0) <= (judged.prediction == y)).all()


def test_temperature_changes_how_sure_it_is_and_never_what_it_says() -> None:
    model, x, y = model_and_rows()
    hot = copy.deepcopy(model)
    hot.temperature = model.temperature * 3
    assert torch.equal(hot.judge(x, y).prediction, model.judge(x, y).prediction)
    sure, doubtful = (part.judge(x, part.judge(x, y).prediction).log_odds for part in (model, hot))
    assert (doubtful < sure).all()


def judgement(wrong: bool, unsure: bool, unsupported: bool, implausible: bool) -> Judgement:
    """One row's judgement about class 0 under `strict`: what isn't asked about is beyond all doubt."""
    values = {name: torch.tensor([99.0]) for name in Judgement._fields}
    values |= {
        "prediction": torch.tensor([int(wrong)]),
        "log_odds": torch.tensor([0.5 if unsure else 2.0]),
        "support": torch.tensor([0.5 if unsupported else 0.9]),
        "log_density": torch.tensor([-9.0 if implausible else 0.0]),
    }
    return Judgement(**values)


@pytest.fixture(scope="module")
def strict() -> Model:
    """A model that asks of class 0 log-odds of 1, twice, and log-density of -5; of others more than exists."""
    model = copy.deepcopy(iris()[0]._model)
    model.confidence = model.committee_confidence = torch.tensor([1.0, 9.0, 9.0])
    model.threshold = torch.tensor([-5.0, 99.0, 99.0])
    return model


def shortfall(model: Model, wrong: bool, unsure: bool, unsupported: bool, implausible: bool) -> float:
    return float(model.shortfall(judgement(wrong, unsure, unsupported, implausible), torch.tensor([0])))


def test_a_certified_row_lacks_nothing(strict: Model) -> None:
    assert shortfall(strict, False, False, False, False) == 0.0
    exactly = judgement(False, False, False, False)._replace(
        log_odds=torch.tensor([1.0]),
        support=torch.tensor([0.8125]),
        committee_odds=torch.tensor([1.0]),
        log_density=torch.tensor([-5.0]),
    )
    assert float(strict.shortfall(exactly, torch.tensor([0]))) == 0.0


def test_the_wrong_class_is_graver_than_all_doubt_and_doubt_graver_than_rarity(strict: Model) -> None:
    rare = shortfall(strict, False, False, False, True)
    unsure, unsupported = shortfall(strict, False, True, False, False), shortfall(strict, False, False, True, False)
    wrong = shortfall(strict, True, False, False, False)
    assert 0 < rare < unsure == unsupported
    assert shortfall(strict, False, True, True, True) < wrong


def test_every_class_has_its_own_bounds(strict: Model) -> None:
    row = judgement(False, False, False, False)
    assert float(strict.shortfall(row._replace(prediction=torch.tensor([1])), torch.tensor([1]))) > 0


@pytest.mark.parametrize("shared", [iris, mixed])
def test_what_was_read_off_held_out_rows_is_in_range(shared: object) -> None:
    clf, _, _ = shared()  # type: ignore[operator]
    model = clf._model
    k = len(clf.classes_)
    assert model.n_classes == k
    assert model.threshold.shape == model.confidence.shape == model.committee_confidence.shape == (k,)
    assert model.temperature > 0 and (model.confidence > 0).all()
    assert (model.committee_confidence > 0).all()
    assert torch.isfinite(model.threshold).all()


@pytest.mark.parametrize("shared", [iris, mixed])
def test_the_reservoir_holds_rows_in_their_class_that_a_table_can_hold(shared: object) -> None:
    clf, _, _ = shared()  # type: ignore[operator]
    model = clf._model
    assert set(model.reservoir_labels.tolist()) == set(range(len(clf.classes_)))
    assert torch.equal(model.judge(model.reservoir, model.reservoir_labels).prediction, model.reservoir_labels)
    rows = model.reservoir.numpy()
    assert (clf._codec.snap(rows, rows) == rows).all()
    indicators = model.space.filled_by[:, 0]
    assert (rows[:, indicators] == 0).all()


def test_nothing_in_a_fitted_model_learns_any_more() -> None:
    model, x, _ = model_and_rows()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    assert torch.equal(model.network.logits(x), model.network.logits(x))


def test_a_state_travels_between_models_of_one_shape() -> None:
    model, x, y = model_and_rows()
    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        parameter.zero_()
    twin.load_state_dict(model.state_dict())
    for left, right in zip(twin.judge(x, y), model.judge(x, y), strict=True):
        assert torch.equal(left, right)
