"""Results made by hand, for tests that need no model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from hyconex_sklearn._answer.counterfactuals import Counterfactuals
from hyconex_sklearn._table.cells import Table, cells_differ

#: Names, labels and values that are no markup, whatever they look like.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "</noscript><b>",
    "&lt;b&gt; & \"quotes\" 'too' `and` ${these}",
    "$title $content",
    "line\u2028and\u2029paragraph\r\n\x00",
    "🦊 wage 💶",
    "\ud800 alone",
    "\u202erevoked",
    "הכנסה",
    "n" * 200,
]


def result(original: Table, data: Table, **report: Any) -> Counterfactuals:
    """A result around two tables, with report columns that can be overridden."""
    m, d = data.shape
    columns: dict[str, Any] = {
        "row": np.arange(m), "target": ">50K", "rank": 0, "prediction": ">50K", "probability": 0.64, "support": 1.0,
        "valid": True, "plausible": True, "feasible": True, "log_density": -3.5, "distance_l1": 1.0,
        "distance_l2": 1.0, "n_changed": cells_differ(original, data).sum(axis=1), "status": "ok",
    } | report  # fmt: skip
    names = list(data.columns) if isinstance(data, pd.DataFrame) else [f"x{j}" for j in range(d)]
    # As objects: there is text that Arrow, where pandas has it, can't hold.
    told = {name: pd.Series(v, range(m), object) if isinstance(v, str) else v for name, v in columns.items()}
    frame = pd.DataFrame(told, index=range(m))
    return Counterfactuals(data, original, frame, names, np.full(m, 0.31), np.array(["<=50K"] * m))


def adults() -> Counterfactuals:
    original = pd.DataFrame(
        {
            "hours": [38, 40, 50],
            "wage": [1.25, np.nan, 3.0],
            "education": pd.Categorical(["HS-grad", "HS-grad", "Bachelors"]),
            "member": pd.array([True, None, False], dtype="boolean"),
        },
        index=[7, 8, 9],
    )
    data = original.copy()
    data.loc[7, "hours"] = 45
    data.loc[7, "education"] = "Bachelors"
    data.loc[8, "wage"] = 2.5
    data.loc[9, "member"] = True
    return result(original, data)


def hostile(names: list[str]) -> Counterfactuals:
    """One column for each name, which is also a cell before and after, a target and a prediction."""
    columns = pd.Index(names, dtype=object)  # text that Arrow would refuse, too
    original = pd.DataFrame([names, names[::-1]], columns=columns, dtype=object)
    cf = result(original, original.iloc[::-1].reset_index(drop=True), target=names[0], prediction=names[-1])
    return dataclasses.replace(cf, prediction_before=np.array([names[0]] * 2, dtype=object))
