"""The fitted parts together: what they say of a row, and how grave it is if something is missing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from _models import iris, mixed

from hyconex_sklearn._model.certificate import Demands, Judgement, Shortfall
from hyconex_sklearn._model.committee import votes
from hyconex_sklearn._model.losses import log_odds
from hyconex_sklearn._model.model import Model


def model_and_rows() -> tuple[Model, torch.Tensor, torch.Tensor]:
    clf, X, y = iris()
    return clf._model, torch.from_numpy(clf._codec.encode(X)), torch.from_numpy(y)


def test_a_judgement_puts_together_what_the_parts_say() -> None:
    model, x, y = model_and_rows()
    judged = model.judge(x, y)
    logits = model.classifier(x) / model.temperature
    assert torch.equal(logits, model.logits(x))
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


def test_weights_are_written_for_the_rows_as_the_classifier_sees_them() -> None:
    model, x, _ = model_and_rows()
    mask = (torch.arange(x.shape[1]) % 2).float().expand_as(x)
    torch.testing.assert_close(model.weights(x, mask), model.hypernetwork(x, model.logits(x), mask))
    torch.testing.assert_close(model.weights(x), model.weights(x, torch.ones_like(x)))
    assert model.weights(x).shape == (len(x), model.n_classes, model.n_features)


def judgement(wrong: bool, unsure: bool, unsupported: bool, implausible: bool) -> Judgement:
    """One row's judgement about class 0 under `STRICT`: what isn't asked about is beyond all doubt."""
    values = {name: torch.tensor([99.0]) for name in Judgement._fields}
    values |= {
        "prediction": torch.tensor([int(wrong)]),
        "log_odds": torch.tensor([0.5 if unsure else 2.0]),
        "support": torch.tensor([0.5 if unsupported else 0.9]),
        "log_density": torch.tensor([-9.0 if implausible else 0.0]),
    }
    return Judgement(**values)


#: What is asked of one row: a log-odds of 1, twice, the support of .8, and a log-density of -5.
STRICT = Demands(*(torch.tensor([value]) for value in (1.0, 1.0, 0.8, -5.0)))


def shortfall(wrong: bool, unsure: bool, unsupported: bool, implausible: bool) -> int:
    row = judgement(wrong, unsure, unsupported, implausible)
    return int(row.shortfall(torch.tensor([0]), STRICT))


def test_a_certified_row_lacks_nothing() -> None:
    assert shortfall(False, False, False, False) == Shortfall.CERTIFIED
    exactly = judgement(False, False, False, False)._replace(
        log_odds=torch.tensor([1.0]),
        support=torch.tensor([0.8125]),
        committee_odds=torch.tensor([1.0]),
        log_density=torch.tensor([-5.0]),
    )
    assert int(exactly.shortfall(torch.tensor([0]), STRICT)) == Shortfall.CERTIFIED


def test_a_committee_that_agrees_without_confidence_is_not_enough() -> None:
    row = judgement(False, False, False, False)._replace(committee_odds=torch.tensor([0.9]))
    assert int(row.shortfall(torch.tensor([0]), STRICT)) == shortfall(False, True, False, False)


def test_the_wrong_class_is_graver_than_all_doubt_and_doubt_graver_than_rarity() -> None:
    rare = shortfall(False, False, False, True)
    unsure, unsupported = shortfall(False, True, False, False), shortfall(False, False, True, False)
    wrong = shortfall(True, False, False, False)
    assert 0 < rare < unsure == unsupported
    assert shortfall(False, True, True, True) < wrong


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.fixture
def told_apart() -> Model:
    """A model that asks something else of each of three classes."""
    model = copy.deepcopy(iris()[0]._model)
    model.confidence = torch.tensor([1.0, 2.0, 3.0])
    model.committee_confidence = torch.tensor([1.5, 2.5, 3.5])
    model.threshold = torch.tensor([-5.0, -6.0, -7.0])
    return model


def test_every_class_has_its_own_demands(told_apart: Model) -> None:
    demands = told_apart.demands(torch.tensor([2, 0, 0]))
    assert demands.confidence.tolist() == [3.0, 1.0, 1.0]
    assert demands.committee_confidence.tolist() == [3.5, 1.5, 1.5]
    assert demands.threshold.tolist() == [-7.0, -5.0, -5.0]


def test_a_probability_replaces_the_confidence_and_asks_the_committee_for_no_more_than_is_usual(
    told_apart: Model,
) -> None:
    low, high = (told_apart.demands(torch.tensor([0, 2]), p) for p in (0.6, 0.99))
    assert low.confidence.sigmoid().tolist() == pytest.approx([0.6, 0.6])
    assert high.confidence.sigmoid().tolist() == pytest.approx([0.99, 0.99])
    assert low.committee_confidence.sigmoid().tolist() == pytest.approx([0.6, 0.6])
    assert high.committee_confidence.tolist() == [1.5, 3.5]
    assert high.threshold.tolist() == [-5.0, -7.0]


@pytest.mark.parametrize("rows", [torch.tensor([2, 0, 2]), torch.tensor([True, False, True]), slice(1, 3)], ids=str)
def test_demands_are_cut_together(told_apart: Model, rows: torch.Tensor | slice) -> None:
    demands = told_apart.demands(torch.tensor([0, 1, 2]))
    for part, whole in zip(demands.at(rows), demands, strict=True):
        assert torch.equal(part, whole[rows])


def sureness(said: dict[str, np.ndarray]) -> np.ndarray:
    """Where all demands on how sure the parts are are met."""
    return np.logical_and.reduce([said["confident"], said["supported"], said["agreed"]])


def test_a_certificate_says_what_was_judged() -> None:
    model, x, _ = model_and_rows()
    y = torch.arange(len(x)) % 3  # rows of every worth
    said = model.certificate(x, y, None)
    judged, demands = model.judge(x, y), model.demands(y)
    assert said["prediction"].tolist() == judged.prediction.tolist()
    np.testing.assert_allclose(said["probability"], judged.log_odds.double().sigmoid(), rtol=1e-6)
    np.testing.assert_allclose(said["support"], judged.support)
    np.testing.assert_allclose(said["log_density"], judged.log_density, rtol=1e-6)
    np.testing.assert_allclose(said["least_probability"], demands.confidence.double().sigmoid(), rtol=1e-6)
    np.testing.assert_allclose(said["least_support"], demands.support)
    lacking = judged.shortfall(y, demands).numpy()
    sure = sureness(said)
    assert len({*sure}) == len({*said["plausible"]}) == 2
    levels = {Shortfall.INVALID: said["prediction"] == y.numpy()}
    levels |= {Shortfall.UNSURE: sure, Shortfall.IMPLAUSIBLE: said["plausible"]}
    assert (lacking == sum(level * ~fine for level, fine in levels.items())).all()


def test_a_higher_probability_makes_fewer_rows_sure() -> None:
    model, x, y = model_and_rows()
    said = [model.certificate(x, y, probability) for probability in (0.5, 0.9, 0.999999)]
    shares = [sureness(part).mean() for part in said]
    assert shares[0] > shares[1] > shares[2]
    np.testing.assert_allclose([part["least_probability"][0] for part in said], (0.5, 0.9, 0.999999), rtol=1e-6)


def test_certificates_of_many_rows_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y = model_and_rows()
    model = copy.deepcopy(model)
    for asked in (model.threshold, model.confidence, model.committee_confidence):
        asked -= 1e-3  # each was read off one of these rows
    whole = model.certificate(x, y, None)
    monkeypatch.setattr("hyconex_sklearn._model.model._CHUNK_ROWS", 7)
    for name, values in model.certificate(x, y, None).items():
        if values.dtype == bool:  # a row that stands where a demand ends may fall to either side
            assert (values == whole[name]).mean() > 0.98
        else:
            np.testing.assert_allclose(values, whole[name], atol=1e-4)


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
def test_the_typical_row_is_one_that_the_table_could_hold(shared: object) -> None:
    clf, X, _ = shared()  # type: ignore[operator]
    typical = clf._model.typical[None].numpy()
    table = clf._codec.decode(typical, X[:1])
    np.testing.assert_allclose(clf._codec.encode(table), typical, atol=1e-6)
    if shared is mixed:
        assert table["job"].tolist() == X["job"].mode().tolist() and table["age"].item() == X["age"].median().round()


@pytest.mark.parametrize("shared", [iris, mixed])
def test_the_reservoir_holds_rows_in_their_class_that_a_table_can_hold(shared: object) -> None:
    clf, _, _ = shared()  # type: ignore[operator]
    model = clf._model
    assert set(model.reservoir_labels.tolist()) == set(range(len(clf.classes_)))
    assert torch.equal(model.judge(model.reservoir, model.reservoir_labels).prediction, model.reservoir_labels)
    rows = model.reservoir.numpy()
    assert (clf._codec.schema.snap(rows, rows) == rows).all()
    indicators = model.space.filled_by[:, 0]
    assert (rows[:, indicators] == 0).all()


def test_nothing_in_a_fitted_model_learns_any_more() -> None:
    model, x, _ = model_and_rows()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    assert torch.equal(model.logits(x), model.logits(x)) and torch.equal(model.weights(x), model.weights(x))


def test_a_state_travels_between_models_of_one_shape() -> None:
    model, x, y = model_and_rows()
    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        parameter.zero_()
    twin.load_state_dict(model.state_dict())
    for left, right in zip(twin.judge(x, y), model.judge(x, y), strict=True):
        assert torch.equal(left, right)
