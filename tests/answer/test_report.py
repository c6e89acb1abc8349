"""The certificate as a table: what outranks what in the status, and distances that can be checked by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hyconex_sklearn._answer.report import build_report, example_report
from hyconex_sklearn._answer.status import Doubt, Status

#: What makes a counterfactual less than "ok", the gravest first.
FLAWS: dict[Status, dict[str, Any]] = {
    Status.ALREADY_TARGET: {"already": True},
    Status.INFEASIBLE: {"feasible": False},
    Status.NOT_VALID: {"prediction": 0},
    Status.IMPLAUSIBLE: {"plausible": False},
    Status.UNSURE: {"supported": False},
    Status.FEWER: {"lacking": 2},
}


def report_of(**changes: Any) -> pd.DataFrame:
    """Report of one counterfactual of row 3 toward "yes" that is certified, but for `changes`."""
    parts: dict[str, Any] = {
        "rows": 3,
        "target": 1,
        "rank": 2,
        "prediction": 1,
        "probability": 0.9,
        "support": 1.0,
        "log_density": -2.0,
        "plausible": True,
        "least_probability": 0.8,
        "least_support": 0.75,
        "support_before": 0.75,
        "confident": True,
        "supported": True,
        "agreed": True,
        "feasible": True,
        "already": False,
        "lacking": 0,
        "flips_at": 0.4,
        "moved": [3.0, 0.0, -4.0],
        "n_changed": 2,
    }
    asked = changes.pop("asked", False)
    arrays = {name: np.array([value]) for name, value in (parts | changes).items()}
    return build_report(**arrays, asked=asked, classes=np.array(["no", "yes"]))


def test_labels_and_distances_are_those_of_the_row() -> None:
    line = report_of().iloc[0]
    assert (line["row"], line["target"], line["prediction"], line["rank"]) == (3, "yes", "yes", 2)
    assert (line["probability"], line["support"], line["log_density"]) == (0.9, 1.0, -2.0)
    assert (line["distance_l1"], line["distance_l2"], line["n_changed"]) == (7.0, 5.0, 2)
    assert line["valid"] and line["feasible"] and line["plausible"]
    assert line["status"] == Status.OK


@pytest.mark.parametrize("status", FLAWS)
def test_a_single_flaw_is_named(status: Status) -> None:
    report = report_of(**FLAWS[status])
    assert report["status"].tolist() == [status] and report["status"][0] in list(Status)
    assert report["valid"].tolist() == [status != Status.NOT_VALID]
    assert report["feasible"].tolist() == [status != Status.INFEASIBLE]
    assert report["plausible"].tolist() == [status != Status.IMPLAUSIBLE]


@pytest.mark.parametrize(("graver", "milder"), list(combinations(FLAWS, 2)), ids=str)
def test_of_two_flaws_the_graver_is_named(graver: Status, milder: Status) -> None:
    assert report_of(**FLAWS[graver], **FLAWS[milder])["status"].tolist() == [graver]


def test_every_line_has_its_own_status() -> None:
    lines = [report_of(**flaw) for flaw in ({}, *FLAWS.values())]
    assert [line["status"][0] for line in lines] == [Status.OK, *FLAWS]
    assert all(list(line.columns) == list(lines[0].columns) for line in lines)


@pytest.mark.parametrize(
    ("flaws", "asked", "doubt"),
    [
        ({}, False, Doubt.NONE),
        ({"confident": False}, False, Doubt.PROBABILITY),
        ({"confident": False}, True, Doubt.ASKED),
        ({"supported": False}, True, Doubt.SUPPORT),
        ({"agreed": False}, True, Doubt.COMMITTEE),
        ({"supported": False, "agreed": False}, False, Doubt.SUPPORT),
        ({"confident": False, "supported": False, "agreed": False}, False, Doubt.PROBABILITY),
    ],
)
def test_a_row_that_is_not_sure_says_why(flaws: dict[str, Any], asked: bool, doubt: Doubt) -> None:
    line = report_of(**flaws, asked=asked).iloc[0]
    assert line["doubt"] == doubt and line["status"] == (Status.UNSURE if flaws else Status.OK)
    # A graver flaw has the say in the status, and leaves the doubt as it is.
    assert report_of(**flaws, asked=asked, plausible=False)["doubt"].tolist() == [doubt]


def test_an_empty_report_has_the_columns_and_dtypes_of_all_others() -> None:
    whole, empty = report_of(), example_report(np.array(["no", "yes"]))
    assert len(empty) == 0 and empty.dtypes.to_dict() == whole.dtypes.to_dict()
