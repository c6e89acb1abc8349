"""Saving and loading, pickling and copying: the same answers, no rows, no harm."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from _helpers import same_cells, short_fits, short_searches, state_of
from _models import fast, fitted, iris, mixed, mixed_table, model, small_parts
from _saved import QUICK, altered, small_fit, through_a_file, twins
from pandas.testing import assert_frame_equal
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import hyconex_sklearn
from hyconex_sklearn import HyConExClassifier
from hyconex_sklearn._common.parameters import SEARCHES

__all__ = ["model", "short_fits", "short_searches", "small_parts"]  # fixtures

HOME = Path(hyconex_sklearn.__file__).parents[1]
FIXTURES = Path(__file__).parents[1] / "fixtures"

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("short_searches", "short_fits"),
]


# ----------------------------------------------------------------------------------------------------------- the same


def test_a_loaded_model_is_the_saved_one_bit_for_bit(model: Any, tmp_path: Path) -> None:
    clf, X, y = model
    twin = through_a_file(clf, tmp_path)
    assert twins(clf, twin)
    for name in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(getattr(twin, name)(X), getattr(clf, name)(X))
    np.testing.assert_array_equal(twin.score_samples(X, y), clf.score_samples(X, y))
    np.testing.assert_array_equal(twin.local_linear(X)[0], clf.local_linear(X)[0])
    if isinstance(X, pd.DataFrame):
        assert twin.feature_names_in_.dtype == object
        np.testing.assert_array_equal(twin.feature_names_in_, clf.feature_names_in_)


RULES: dict[str, Any] = {"immutable": [0], "max_changes": 2, "bounds": {1: (3.0, None)}, "n_counterfactuals": 2}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("rules", [{}, RULES], ids=["free", "rules"])
def test_a_loaded_model_gives_the_same_counterfactuals(
    model: Any, search: str, rules: dict[str, Any], tmp_path: Path
) -> None:
    clf, X, _ = model
    twin = through_a_file(clf, tmp_path)
    answer, expected = (each.counterfactuals(X[:8], search=search, **rules) for each in (twin, clf))
    assert_frame_equal(answer.report, expected.report, check_exact=True)
    assert same_cells(answer.data, expected.data).all()


LABELS = ["str", "wide str", "object", "numpy str", "int64", "uint8", "big-endian", "bool", "float", "float32"]


@pytest.mark.parametrize("labels", LABELS)
def test_labels_keep_their_type(labels: str, tmp_path: Path) -> None:
    clf, X, y = small_fit(labels)
    twin = through_a_file(clf, tmp_path)
    assert twins(clf, twin)
    assert twin.predict(X).dtype == clf.predict(X).dtype
    assert list(map(type, twin.predict(X)[:3])) == list(map(type, clf.predict(X)[:3]))
    target = twin.counterfactuals(X[:3], target=y[0], search="one_shot").report["target"]
    assert target.dtype == clf.counterfactuals(X[:3], target=y[0], search="one_shot").report["target"].dtype


@pytest.mark.parametrize("table", ["text", "one number", "constant", "positions"])
def test_models_without_numbers_or_without_categories_come_back(table: str, tmp_path: Path) -> None:
    clf, X, _ = small_fit("str", table)
    twin = through_a_file(clf, tmp_path)
    assert twins(clf, twin) and hasattr(twin, "feature_names_in_") == (table == "text")
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    answer, expected = (each.counterfactuals(X[:3], search="latent") for each in (twin, clf))
    assert_frame_equal(answer.report, expected.report, check_exact=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"random_state": None},
        {"random_state": np.int64(7)},
        {"class_weight": {0: 1.0, np.int64(1): np.float32(0.1), 2: 3}},
        {"categorical_features": np.array([True, False, False, False])},
        {"categorical_features": (0, 2)},
        {"categorical_features": ["a", "b"]},
        {"flow_hidden": [8]},
        {"device": torch.device("cpu"), "n_jobs": -1, "verbose": True},
        {"hidden_size": 999, "n_blocks": 7, "flow_transforms": 9, "flow_hidden": (1, 2), "dropout": 0.9},
    ],
    ids=str,
)
def test_parameters_travel_as_they_are_even_if_set_after_fit(changes: dict[str, Any], tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0]).set_params(**changes)
    twin = through_a_file(clf, tmp_path)
    assert twins(clf, twin)
    for name in changes:
        assert type(getattr(twin, name)) is type(getattr(clf, name))


def test_a_random_state_instance_goes_on_where_it_was(tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0]).set_params(random_state=np.random.RandomState(3))
    twin = through_a_file(clf, tmp_path)
    assert twin.random_state.randint(2**31) == clf.random_state.randint(2**31)


@pytest.mark.parametrize("value", [{0, 1}, pd.Index([0, 1]), range(2)], ids=lambda value: type(value).__name__)
def test_a_parameter_that_cannot_be_kept_is_told_before_anything_is_written(value: Any, tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0]).set_params(categorical_features=value)
    (path := tmp_path / "model.safetensors").write_bytes(b"old")
    with pytest.raises(TypeError, match=r"categorical_features holds a .*can't keep.* Set it to one of these"):
        clf.save(path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_parameter_that_became_invalid_is_told_before_anything_is_written(tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0]).set_params(hidden_size=0)
    with pytest.raises(ValueError, match=r"hidden_size must be an integer >= 1 .*, got 0"):
        clf.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_what_would_not_load_again_is_not_written(tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0])
    clf._model.hypernetwork.weight0.data[0, 0] = torch.nan
    with pytest.raises(
        ValueError, match=r"can't be saved so that it would load again: tensor hypernetwork\.weight0 holds"
    ):
        clf.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_thresholds_of_a_density_that_collapsed_are_kept(tmp_path: Path) -> None:
    clf = copy.deepcopy(iris()[0])
    clf._model.threshold[:] = torch.tensor([-torch.inf, torch.inf, torch.nan])
    assert through_a_file(clf, tmp_path)._model.threshold.tolist()[:2] == [-np.inf, np.inf]


def test_an_unfitted_estimator_has_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        fast().save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


class Other(HyConExClassifier):
    """A subclass with one more parameter."""

    def __init__(self, *, comment: str = "", hidden_size: int = 16) -> None:
        super().__init__(hidden_size=hidden_size)
        self.comment = comment


def test_a_subclass_comes_back_as_itself(tmp_path: Path) -> None:
    clf = Other(comment="mine")
    clf.__dict__.update({name: value for name, value in vars(iris()[0]).items() if name != "hidden_size"})
    twin = through_a_file(clf, tmp_path)
    assert type(twin) is Other and twin.comment == "mine" and twin.hidden_size == 16
    np.testing.assert_array_equal(twin.predict_proba(iris()[1]), clf.predict_proba(iris()[1]))
    with pytest.raises(ValueError, match="HyConExClassifier has no parameter 'comment'"):
        HyConExClassifier.load(tmp_path / "model.safetensors")


def test_a_parameter_that_the_file_lacks_takes_its_default(tmp_path: Path) -> None:
    path = altered(iris()[0], tmp_path, lambda header: header["parameters"].pop("patience"))
    assert HyConExClassifier.load(path).patience == HyConExClassifier().patience


def test_the_device_is_chosen_where_it_is_loaded(tmp_path: Path) -> None:
    clf, X, _ = iris()
    away = copy.copy(clf)
    away.device = "cuda:99"
    twin = through_a_file(away, tmp_path)
    assert twin.device == "cuda:99" and twin.device_.type in ("cpu", "cuda")
    asked = through_a_file(away, tmp_path, device="cpu")
    assert asked.device == "cpu" and asked.device_ == torch.device("cpu")
    np.testing.assert_array_equal(asked.predict_proba(X), clf.predict_proba(X))
    with pytest.raises(ValueError, match="can't be used here"):
        through_a_file(clf, tmp_path, device="cuda:99")


def test_saving_and_loading_leave_the_estimator_and_the_users_settings_alone(tmp_path: Path) -> None:
    clf = copy.deepcopy(mixed()[0])
    before = state_of(clf)
    torch.manual_seed(5)
    expected = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("error")
            twin = through_a_file(clf, tmp_path)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.rand(3), expected[0]) and torch.get_num_threads() == expected[1]
    assert state_of(clf) == before
    assert twins(clf, twin)


def test_a_second_fit_of_a_loaded_estimator_is_that_of_the_saved_one(tmp_path: Path) -> None:
    clf, X, y = small_fit("str")
    twin = through_a_file(clf, tmp_path)
    assert twins(*(copy.deepcopy(each).fit(X, y) for each in (clf, twin)))


def test_a_file_is_read_without_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iris()[0].save(tmp_path / "model.safetensors")

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("unpickled")

    for owner, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load"), (np, "load")):
        monkeypatch.setattr(owner, name, refused)
    for name in ("eval", "exec"):
        monkeypatch.setattr(f"builtins.{name}", refused)
    assert HyConExClassifier.load(tmp_path / "model.safetensors").n_features_in_ == 4


# ------------------------------------------------------------------------------------------------------------- pickles


def test_a_pickle_of_another_release_warns_and_loads() -> None:
    clf, X, _ = iris()
    with patch.object(hyconex_sklearn._saving.estimator, "__version__", "0.0.9"):
        kept = pickle.dumps(clf)
    with pytest.warns(InconsistentVersionWarning, match=r"0\.0\.9 of hyconex_sklearn .* 0\.1\.0 of") as caught:
        twin = pickle.loads(kept)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert twins(clf, twin)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy", "unfitted"])
def test_a_copy_of_this_release_does_not_warn(how: str, tmp_path: Path) -> None:
    clf = fast() if how == "unfitted" else iris()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if how == "deepcopy":
            copy.deepcopy(clf)
        elif how == "joblib":
            joblib.load(joblib.dump(clf, tmp_path / "model.joblib")[0])
        else:
            pickle.loads(pickle.dumps(clf))


# ---------------------------------------------------------------------------------------------------- what is in there


def kept_as_bytes(clf: HyConExClassifier, folder: Path) -> dict[str, bytes]:
    clf.save(folder / "model.safetensors")
    return {"file": (folder / "model.safetensors").read_bytes(), "pickle": pickle.dumps(clf)}


def test_neither_file_nor_pickle_holds_a_training_row(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(200, 4))
    clf = fitted(X, (X[:, 0] > 0).astype(int), **QUICK)
    encoded = clf._codec.encode(X)
    for kind, data in kept_as_bytes(clf, tmp_path).items():
        assert clf._model.reservoir[0].numpy().tobytes() in data, kind  # what is there is found
        for rows in (X, X.astype(np.float32), encoded, encoded.astype(np.float64)):
            assert not any(row.tobytes() in data for row in rows), kind
            assert not any(row.tobytes() in data for row in rows[:, :2].copy()), kind
            assert not any(repr(row.tolist())[1:-1].encode() in data for row in rows), kind


def test_file_and_pickle_are_small(tmp_path: Path) -> None:
    X, y = mixed_table()
    defaults = HyConExClassifier().get_params()
    sizes = {name: defaults[name] for name in ("hidden_size", "n_blocks", "flow_hidden", "flow_transforms")}
    clf = fitted(X, y, **sizes, **QUICK)
    for kind, data in kept_as_bytes(clf, tmp_path).items():
        assert len(data) < 2_000_000, kind


# --------------------------------------------------------------------------------------------------- earlier releases


@pytest.mark.parametrize("number", [2, 3])
def test_a_model_of_an_earlier_format_loads_and_answers_as_it_did(number: int) -> None:
    """Other machines and library versions may round otherwise, hence the tolerance."""
    asked = json.loads((FIXTURES / f"model_v{number}.json").read_text())
    X = pd.DataFrame(asked["rows"]).astype(mixed_table(20)[0].dtypes.to_dict())
    clf = HyConExClassifier.load(FIXTURES / f"model_v{number}.safetensors")
    assert clf.hidden_size == 8 and clf.class_weight == {"no": 1.0, "yes": 2.0}
    assert clf.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(clf.predict_proba(X), asked["probability"], atol=1e-5)
    np.testing.assert_allclose(clf.score_samples(X), asked["log_density"], rtol=1e-4, atol=1e-3)
    one_shot = clf.counterfactuals(X, search="one_shot").report
    np.testing.assert_allclose(one_shot["probability"], asked["one_shot"], atol=1e-3)
    assert len(clf._model.reservoir) == asked["reservoir_rows"]
    cf = clf.counterfactuals(X[:3])
    assert cf.report["valid"].all()
    # Which day it was fitted, and which values were usual, is in files of format 3.
    assert (cf.about.fitted_on is None) == np.isnan(cf.usual).all() == (number == 2)


def test_a_loaded_model_serves_in_a_fresh_process(tmp_path: Path) -> None:
    clf, X, _ = iris()
    clf.save(path := tmp_path / "model.safetensors")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np\n"
        "from hyconex_sklearn import HyConExClassifier\n"
        "clf = HyConExClassifier.load(sys.argv[1])\n"
        "np.save(sys.argv[3], clf.predict_proba(np.load(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "X.npy"), str(tmp_path / "p.npy")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(HOME)})
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), clf.predict_proba(X))


def test_serialisers_that_take_an_object_apart_are_pointed_to_save() -> None:
    """As skops does: it asks for the plain `__reduce__`, which pickle, joblib and copies pass by."""
    clf, X, _ = iris()
    with pytest.raises(TypeError, match=r"holds tensors, which skops .* clf\.save\('model\.safetensors'\)"):
        clf.__reduce__()
    made, arguments, state = fast().__reduce__()
    assert made(*arguments).__class__ is HyConExClassifier and state["hidden_size"] == fast().hidden_size
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(clf, protocol))
        np.testing.assert_array_equal(again.predict(X), clf.predict(X))


def test_skops_says_what_to_use() -> None:
    skops = pytest.importorskip("skops.io")
    with pytest.raises(TypeError, match=r"clf\.save"):
        skops.dumps(iris()[0])
