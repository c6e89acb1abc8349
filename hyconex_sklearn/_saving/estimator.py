"""What an estimator needs to be kept: one safe file, pickles, copies."""

from __future__ import annotations

import copy
import copyreg
import os
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from .._common.messages import user_stacklevel
from .._common.parameters import check_parameters
from .._common.runtime import resolve_device
from .._model.model import Model
from .._table.codec import TableCodec
from .._table.found_relation import FoundRelation
from .._version import __version__
from .model_file import Fitted, read_fitted, write_fitted
from .onnx import write_onnx

_VERSION = "_hyconex_sklearn_version"


class Kept(BaseEstimator):
    """Saving, loading, pickling and copying, for an estimator of the fitted parts below.

    A file or pickle holds no row of the training table, and tensors on the CPU: the device is chosen where it is
    loaded.
    """

    _model: Model
    _codec: TableCodec
    classes_: np.ndarray
    n_features_in_: int
    n_iter_: int
    history_: list[dict[str, Any]]
    fitted_on_: str | None
    batch_size: int
    device_: torch.device
    device: Any

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file that is safe to load, whoever sends it.

        A safetensors file with a JSON header; no training row is in it (SECURITY.md tells what is). It is written
        beside `path` and renamed: an interruption or a full disk leaves an older file whole.

        Parameters
        ----------
        path : str or path-like
            File to write, such as "model.safetensors"; its folder has to exist.

        Raises
        ------
        NotFittedError
            If there is nothing to save.
        TypeError
            If a parameter, or the label or name of a column, is of a type that JSON can't tell: intervals, dates,
            decimals. The message says what to convert; `pickle` keeps them.
        ValueError
            If a parameter was set to an invalid value after fit, or the model is larger than a file may be.
        OSError
            If the file can't be written.
        """
        check_is_fitted(self)
        check_parameters(self)
        parameters = self.get_params(deep=False)
        names = getattr(self, "feature_names_in_", None)
        parts = (self._codec.schema, self.classes_, names, self.history_, self.n_iter_, self.fitted_on_, self._model)
        write_fitted(path, Fitted(parameters, *parts))

    def to_onnx(self, path: str | os.PathLike[str]) -> Path:
        """Write one graph for other runtimes, and beside it how rows become its numbers and back.

        The graph takes encoded ``rows`` and a ``mask`` (n, d), 1 where a feature may move, and gives calibrated
        ``probabilities`` (n, K) and ``counterfactuals`` (n, K, d): the one pass toward every class. It is compared
        with torch before anything is written. Searches, density and committee stay here: what comes out of the graph
        is a proposal, to be asked about again as the row that you hold, not a certified answer.

        Parameters
        ----------
        path : str or path-like
            File to write, such as "model.onnx".

        Returns
        -------
        Path
            Of the description, ``path`` with the ending ``.json``: classes, inputs, outputs and columns.

        Raises
        ------
        NotFittedError
            If there is nothing to write.
        ImportError
            If a package of the extra ``onnx`` is missing.
        TypeError
            If a label or the name of a column is of a type that JSON can't tell.
        RuntimeError
            If onnxruntime gives other numbers than torch, by more than 1e-5.
        OSError
            If a file can't be written.
        """
        check_is_fitted(self)
        return write_onnx(path, self._model, self._codec.schema, self.classes_)

    @property
    def relations_(self) -> tuple[FoundRelation, ...]:
        """Relations between columns of numbers that all training rows obeyed."""
        check_is_fitted(self)
        return self._codec.schema.relations

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: Any = None) -> Self:
        """Return the estimator that `save` wrote; it answers as the saved one, bit for bit on the same machine.

        Nothing in the file is run, and each of its fields is checked before memory is taken for it. That makes it safe
        to load, not right: a checksum tells damage, not who wrote the file.

        Parameters
        ----------
        path : str or path-like
            File that `save` wrote.
        device : str, torch.device or None, default=None
            Where to compute, instead of the saved parameter `device`; that one is left aside where it is not
            available.

        Returns
        -------
        HyConExClassifier
            Of the class that `load` was called on.

        Raises
        ------
        ValueError
            If the file was altered in any bit, is of a newer format, or none that `save` wrote; if `device` is not
            available.
        OSError
            If the file is not there or can't be read.
        """
        fitted = read_fitted(path)
        try:
            unknown = fitted.parameters.keys() - set(cls._get_param_names())
            if unknown:
                raise ValueError(f"{cls.__name__} has no parameter {', '.join(map(repr, sorted(unknown)))}")
            estimator = cls(**fitted.parameters)
            check_parameters(estimator)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{os.fspath(path)!r} can't be loaded: {error} The file was altered, or written by another version or "
                "class; save the model with this one."
            ) from error
        if device is not None:
            estimator.set_params(device=device)
            resolve_device(device, 0.0)
        estimator._take(fitted)
        return estimator

    def _take(self, fitted: Fitted) -> None:
        """Become the fitted estimator, at once; nothing of an earlier fit remains."""
        device = self._place(fitted.model)
        names = {} if fitted.names is None else {"feature_names_in_": fitted.names}
        self.__dict__ = {
            **{name: value for name, value in vars(self).items() if name != "feature_names_in_"},
            **names,
            "n_features_in_": len(fitted.schema.columns),
            "classes_": fitted.classes,
            "history_": fitted.history,
            "n_iter_": fitted.n_iter,
            "fitted_on_": fitted.fitted_on,
            "device_": device,
            "_codec": TableCodec(fitted.schema),
            "_model": fitted.model,
        }

    def _place(self, model: Model) -> torch.device:
        """Move a model to the device that was asked for, or to one that is here; return that one."""
        work = model.hypernetwork.work(self.batch_size)
        try:
            device = resolve_device(self.device, work)
        except ValueError:  # fitted on a device that this machine lacks
            device = resolve_device(None, work)
        model.to(device)
        return device

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As of every object, for pickles, joblib and copies, which ask here."""
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        """Refuse to be taken apart: only serialisers ask here that write each part of an object in a way of their own.

        Tensors are beyond them, and they would fail there with an error that helps nobody.
        """
        if hasattr(self, "_model"):
            raise TypeError(
                f"A fitted {type(self).__name__} holds tensors, which skops and the like can't write. Use its own "
                "format, which is safe to load, too: clf.save('model.safetensors') and HyConExClassifier.load(...)."
            )
        return self.__reduce_ex__(2)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles hold CPU tensors, so that a model trained on a GPU loads anywhere, and the version of the package."""
        state = dict(super().__getstate__())
        if "_model" in state:
            state["_model"] = copy.deepcopy(state["_model"]).cpu()
            del state["device_"]
            state[_VERSION] = __version__
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version = state.pop(_VERSION, "unknown")
        super().__setstate__(state)
        if "_model" not in state:
            return
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=f"{__version__} of hyconex_sklearn",
                    original_sklearn_version=f"{version} of hyconex_sklearn",
                ),
                stacklevel=user_stacklevel(),
            )
        self.device_ = self._place(self._model)
