"""Where things are computed: training steps that stay on their device, and a GPU where there is one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from _models import FAST, small

from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._common.runtime import minibatches
from hyconex_sklearn._model.classifier import Classifier
from hyconex_sklearn._model.committee import Committee, _member_losses
from hyconex_sklearn._model.density import MixedDensity
from hyconex_sklearn._model.encoded_space import EncodedSpace
from hyconex_sklearn._model.hypernetwork import HyperNetwork
from hyconex_sklearn._model.losses import classification_loss
from hyconex_sklearn._model.model import Model
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._training.step_phase import Objective, counterfactual_terms, draw_targets, judged, propose

needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def table() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(240, 3)), columns=list("abc")).assign(d=rng.choice(list("xyz"), 240))
    y = (X["a"] + (X["d"] == "x") > 0.3).to_numpy().astype(int) + (X["b"] > 1)
    X.loc[::20, "c"] = np.nan
    return X, y


# -------------------------------------------------------------------------------------- without a GPU: no step waits


def test_no_training_step_reads_from_its_device_or_leaves_it() -> None:
    """On torch's device "meta" tensors hold nothing: whoever asks for a value, or mixes devices, fails."""
    X, _ = table()
    space = EncodedSpace(TableCodec.fit(X).schema)
    d, meta = space.n_features, torch.device("meta")
    sizes = d, 3, 8, 1, 0.1
    parts = Classifier(*sizes), HyperNetwork(*sizes), MixedDensity(space, 3, 2, (8,))
    model = Model(space, *parts, Committee(space.owner, 3, torch.Generator())).to(meta)
    x, labels, per_class = (
        torch.empty(32, d, device=meta),
        torch.zeros(32, dtype=torch.long, device=meta),
        torch.empty(3, device=meta),
    )
    generator: Any = None

    targets = draw_targets(labels, 3, generator)
    moves = propose(model, x, targets, generator)
    terms = counterfactual_terms(judged(model, moves), moves, model, Objective(0.8, 0.1, 0.1, per_class))
    taught = classification_loss(model.classifier(x), torch.empty(32, 3, device=meta), x[:, 0])
    (terms.sum() + taught).backward()
    others = model.density.log_prob(x, labels), _member_losses(model.committee, x, labels, x[:, 0])
    assert all(tensor.device == meta for tensor in (terms, taught, *others))


def test_batches_are_drawn_where_the_generator_is() -> None:
    generator = torch.Generator()
    assert all(rows.device == generator.device for rows in minibatches(20, 8, 1, generator))


# ------------------------------------------------------------------------------------------------- where there is one


@cache
def on_the_gpu() -> HyConExClassifier:
    with small():
        return HyConExClassifier(**FAST, device="cuda").fit(*table())


@pytest.fixture
def on_the_cpu(tmp_path: Path) -> HyConExClassifier:
    on_the_gpu().save(tmp_path / "model")
    return HyConExClassifier.load(tmp_path / "model", device="cpu")


@needs_a_gpu
def test_a_model_fitted_on_a_gpu_lives_there() -> None:
    clf = on_the_gpu()
    assert clf.device_.type == "cuda"
    assert all(tensor.is_cuda for tensor in (*clf._model.parameters(), *clf._model.buffers()))
    assert clf.score(*table()) > 0.7


@needs_a_gpu
def test_a_gpu_and_a_cpu_give_the_same_answers(on_the_cpu: HyConExClassifier) -> None:
    X, y = table()
    there, here = on_the_gpu(), on_the_cpu
    assert here.device_.type == "cpu"
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), atol=1e-4)
    np.testing.assert_allclose(there.score_samples(X, y), here.score_samples(X, y), atol=1e-3, rtol=1e-4)
    one, other = (clf.counterfactuals(X, search="one_shot") for clf in (there, here))
    numbers = ["a", "b", "c"]
    np.testing.assert_allclose(one.data[numbers], other.data[numbers], atol=1e-4)
    assert (one.data["d"] == other.data["d"]).mean() > 0.99
    np.testing.assert_allclose(one.report["probability"], other.report["probability"], atol=1e-3)


@needs_a_gpu
@pytest.mark.parametrize("search", ["auto", "latent", "steps"])
def test_every_search_runs_on_a_gpu(search: str, on_the_cpu: HyConExClassifier) -> None:
    X, _ = table()
    asked = {"search": search, "immutable": ["b"], "target": "second"}
    one, other = (clf.counterfactuals(X[:20], **asked) for clf in (on_the_gpu(), on_the_cpu))
    assert abs(one.report["valid"].mean() - other.report["valid"].mean()) <= 0.1
    assert (one.data["b"].to_numpy() == X["b"].to_numpy()[one.report["row"]]).all()


@needs_a_gpu
def test_the_same_seed_gives_the_same_fit_on_a_gpu() -> None:
    with small():
        again = HyConExClassifier(**FAST, device="cuda").fit(*table())
    np.testing.assert_allclose(again.predict_proba(table()[0]), on_the_gpu().predict_proba(table()[0]), atol=1e-4)
