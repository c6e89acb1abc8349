"""The certificate as a table: what outranks what in the status, and distances that can be checked by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hyconex_sklearn._answer.report import build_report
from hyconex_sklearn._answer.status import Status

#: What makes a counterfactual less than "ok", the gravest first.
FLAWS: dict[Status, dict[str, Any]] = {
    Status.ALREADY_TARGET: {"already": True},
    Status.INFEASIBLE: {"feasible": False},
    Status.NOT_VALID: {"prediction": 0},
    Status.IMPLAUSIBLE: {"plausible": False},
    Status.UNSURE: {"sure": False},
    Status.FEWER: {"fewer": True},
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
        "sure": True,
        "feasible": True,
        "already": False,
        "fewer": False,
        "moved": [3.0, 0.0, -4.0],
        "n_changed": 2,
    }
    arrays = {name: np.array([value]) for name, value in (parts | changes).items()}
    return build_report(**arrays, classes=np.array(["no", "yes"]))


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


def test_no_counterfactual_gives_an_empty_report_with_all_columns() -> None:
    whole = report_of()
    empty = build_report(
        **{name: np.array([], dtype=int) for name in ("rows", "target", "rank", "prediction", "n_changed")},
        **{name: np.array([]) for name in ("probability", "support", "log_density")},
        **{name: np.array([], dtype=bool) for name in ("plausible", "sure", "feasible", "already", "fewer")},
        classes=np.array(["no", "yes"]),
        moved=np.zeros((0, 3)),
    )
    assert len(empty) == 0 and list(empty.columns) == list(whole.columns)
