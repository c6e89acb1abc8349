"""The certificate as a table: what outranks what in the status, and distances that can be checked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hyconex_sklearn._report import build_report
from hyconex_sklearn._result import Status


def report_of(**changes: Any) -> pd.DataFrame:
    """Report of one counterfactual of row 3 toward "yes" that is certified, but for `changes`."""
    parts: dict[str, Any] = {
        "rows": np.array([3]),
        "target": np.array([1]),
        "prediction": np.array([1]),
        "classes": np.array(["no", "yes"]),
        "probability": np.array([0.9]),
        "support": np.array([1.0]),
        "log_density": np.array([-2.0]),
        "plausible": np.array([True]),
        "certified": np.array([True]),
        "already": np.array([False]),
        "moved": np.array([[3.0, 0.0, -4.0]]),
        "n_changed": np.array([2]),
    }
    return build_report(**(parts | changes))


def test_labels_and_distances_are_those_of_the_row() -> None:
    line = report_of().iloc[0]
    assert (line["row"], line["target"], line["prediction"], line["rank"]) == (3, "yes", "yes", 0)
    assert (line["distance_l1"], line["distance_l2"], line["n_changed"]) == (7.0, 5.0, 2)
    assert line["valid"] and line["feasible"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.OK),
        ({"certified": np.array([False])}, Status.IMPLAUSIBLE),
        ({"certified": np.array([False]), "prediction": np.array([0])}, Status.NOT_VALID),
        ({"certified": np.array([False]), "already": np.array([True])}, Status.ALREADY_TARGET),
    ],
)
def test_the_status_names_the_gravest_shortfall(changes: dict[str, Any], status: Status) -> None:
    report = report_of(**changes)
    assert report["status"].tolist() == [status]
    assert report["valid"].tolist() == [status != Status.NOT_VALID]
