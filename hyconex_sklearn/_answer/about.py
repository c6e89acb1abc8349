"""Where answers come from: the model that was asked, and the rules that it was asked under, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._table.found_relation import FoundRelation


@dataclass(frozen=True)
class About:
    """Where answers come from: the model that was asked, and the rules that it was asked under.

    Parameters
    ----------
    classes : tuple
        Labels that the model knows.
    rules : mapping of str to object
        The fields of `Actionability` that were set, as plain values.
    fitted_on : str or None
        Day of the fit, in UTC; None where it is not known.
    accuracy : float or None
        Share of the training rows that were classified right by models that had not seen them; None where it is not
        known.
    kept : tuple of relations
        What held between columns in all rows of training and is kept where a row obeys it, as of the classifier's
        ``relations_``.
    """

    classes: tuple[Any, ...]
    rules: Mapping[str, Any]
    fitted_on: str | None = None
    accuracy: float | None = None
    kept: tuple[FoundRelation, ...] = ()
