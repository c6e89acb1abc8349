"""How far values may go, as it is told: in changes, sentences, JSON, tables, notebooks and pages."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _results import result
from hypothesis import assume, given
from hypothesis import strategies as st

from hyconex_sklearn import Counterfactuals
from hyconex_sklearn._answer.intervals import Intervals
from hyconex_sklearn._answer.page.content import page_content
from hyconex_sklearn._answer.wording import format_within

LEVELS = ("low", "mid", "high")


def with_ends(cf: Counterfactuals, ends: dict[tuple[int, int], tuple[float, float]], **more: Any) -> Counterfactuals:
    """A result with intervals at some cells, checked at 41 values."""
    found = Intervals.none(*cf.data.shape, **more)
    for at, (found.low[at], found.high[at]) in ends.items():
        found.checked[at], found.complete[at] = 41, not found.together
    return dataclasses.replace(cf, intervals=found)


def people(together: bool = False) -> Counterfactuals:
    original = pd.DataFrame(
        {
            "hours": [38, 38, 38],
            "income": [41_700.0, 41_700.0, 41_700.0],
            "level": pd.Categorical(["low"] * 3, LEVELS, ordered=True),
            "town": ["Oslo"] * 3,
        }
    )
    data = original.copy()
    data["hours"] = [45, 45, 20]
    data["income"] = [50_333.5, 41_700.0, 41_700.0]
    data["level"] = pd.Categorical(["mid", "low", "high"], LEVELS, ordered=True)
    data["town"] = ["Oslo", "Bergen", "Oslo"]
    cf = result(original, data)
    ranges = np.array([[1, 99], [10_000.0, 90_000.0], [np.nan] * 2, [np.nan] * 2])
    ends = {
        (0, 0): (44, 60),
        (0, 1): (50_012.34, 61_234.56),
        (0, 2): (1, 2),
        (1, 0): (45, 99),
        (2, 0): (1, 20),
        (2, 2): (2, 2),
    }
    labels = {2: LEVELS}
    cf = dataclasses.replace(cf, ranges=ranges)
    return with_ends(cf, ends, labels=labels, numbers=(0, 1, 2), together=together)


def told(cf: Counterfactuals) -> list[str]:
    return [sentence.split(" would")[0] for sentence in cf.explain()]


def test_sentences_tell_both_ends_or_the_one_that_fit_has_seen_values_beyond() -> None:
    assert told(people()) == [
        "hours 38 -> 45 (44 to 60), income 41,700 -> 50,334 (50,013 to 61,234) and level low -> mid (at least mid)",
        "hours 38 -> 45 (at least 45) and town Oslo -> Bergen",
        "hours 38 -> 20 (20 or less) and level low -> high (exactly high)",
    ]


def test_where_the_range_is_not_known_both_ends_are_told() -> None:
    cf = dataclasses.replace(people(), ranges=None)
    assert told(cf)[1].startswith("hours 38 -> 45 (45 to 99)")
    everything = with_ends(dataclasses.replace(people(), intervals=None), {(1, 0): (1, 99)})
    assert told(everything)[1].startswith("hours 38 -> 45 (1 to 99)")  # and where all that was seen is in it


def test_units_labels_separators_and_wording_are_the_users() -> None:
    cf = people().with_words(
        units={"hours": "h", "income": "EUR"},
        thousands=" ",
        sentences={"interval": "[{lowest}..{highest}]", "interval_from": "[{lowest}..]", "interval_only": "[={value}]"},
    )
    assert told(cf) == [
        "hours 38 -> 45 h [44..60 h], income 41 700 -> 50 334 EUR [50 013..61 234 EUR] and level low -> mid [mid..]",
        "hours 38 -> 45 h [45 h..] and town Oslo -> Bergen",
        "hours 38 -> 20 h (20 h or less) and level low -> high [=high]",
    ]


def test_changes_have_both_ends_in_the_types_of_their_column() -> None:
    lines = people().changes()
    assert list(lines.columns[-3:]) == ["lowest", "highest", "checked"]
    assert [repr(value) for value in lines["lowest"]] == ["44", "50012.34", "'mid'", "45", "None", "1", "'high'"]
    assert lines["highest"].tolist()[:3] == [60, 61234.56, "high"]
    assert lines["checked"].tolist() == ["all 41 values"] * 4 + [None] + ["all 41 values"] * 2
    assert {lines[name].dtype for name in ("lowest", "highest", "checked")} == {np.dtype(object)}


def test_nothing_is_told_where_nothing_was_asked() -> None:
    cf = dataclasses.replace(people(), intervals=None)
    assert list(cf.changes().columns[-2:]) == ["to", "contribution"]
    assert "(at" not in " ".join(cf.explain()) and "lowest" not in cf.to_json()
    assert not any(str(name).startswith("lowest") for name in cf.to_frame().columns)
    assert "parentheses" not in cf._repr_html_() and page_content(cf)["intervals"] is None


def test_boxes_tell_that_they_are_such() -> None:
    cf = people(together=True)
    assert set(cf.changes()["checked"]) == {"41 rows", None}
    assert "at the same time" in cf._repr_html_() and "at the same time" in page_content(cf)["intervals"]


def test_json_has_both_ends_of_each_change() -> None:
    first, second, _ = json.loads(people().to_json())
    assert first["changes"]["level"] | {"contribution": 0} == {
        "from": "low", "to": "mid", "contribution": 0, "lowest": "mid", "highest": "high", "checked": "all 41 values"
    }  # fmt: skip
    assert second["changes"]["town"]["lowest"] is None and second["changes"]["town"]["checked"] is None


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_have_both_ends_of_each_column_of_numbers(library: str) -> None:
    cf = people()
    if library == "polars":
        pl = pytest.importorskip("polars")
        tables = {name: pl.from_pandas(getattr(cf, name)) for name in ("data", "original")}
        cf = dataclasses.replace(cf, **tables)
    frame = cf.to_frame()
    new = [name for name in frame.columns if name.startswith(("lowest", "highest"))]
    assert new == [f"{end}_{name}" for name in ("hours", "income", "level") for end in ("lowest", "highest")]
    assert list(frame["lowest_hours"]) == [44, 45, 1] and list(frame["highest_level"]) == ["high", None, "high"]
    clash = people().to_frame().rename(columns={"town": "lowest_hours"})
    assert list(clash.columns).count("lowest_hours") == 2  # so the name has to be another one
    named = dataclasses.replace(people(), data=people().data.set_axis(["hours", "b", "c", "lowest_hours"], axis=1))
    named = dataclasses.replace(
        named, original=named.original.set_axis(named.data.columns, axis=1), feature_names=list(named.data.columns)
    )
    assert named.to_frame()["cf_lowest_hours"].tolist() == [44, 45, 1]


def test_a_notebook_shows_them_beside_the_new_value() -> None:
    html = people()._repr_html_()
    assert "<b>38 &rarr; 45</b> (44 to 60)</td>" in html and "<b>Oslo &rarr; Bergen</b></td>" in html
    assert html.count("Checked value by value, not proved.") == 1


def test_a_page_shows_them_with_the_change_and_how_they_were_checked() -> None:
    content = page_content(people())
    changes = content["rows"][0]["answers"][0]["changes"]
    assert changes[0]["within"] == ["(44 to 60)", "all 41 values checked"]
    assert "within" not in content["rows"][1]["answers"][0]["changes"][1] and "not proved" in content["intervals"]


def test_they_are_copied_and_stay_with_their_rows() -> None:
    cf = people()
    given_ = cf.intervals
    assert given_ is not None
    again = dataclasses.replace(cf)
    given_.low[0, 0] = -1
    assert again.intervals is not None and again.intervals.low[0, 0] == 44
    for part in (
        again[[2, 0]],
        pickle.loads(pickle.dumps(again))[[2, 0]],
        again.with_words(labels={"town": "T"})[[2, 0]],
    ):
        assert part.intervals is not None
        assert part.intervals.low[:, 0].tolist() == [1, 44] and part.intervals.labels == {2: LEVELS}
    assert told(again[1])[0] == told(again)[1]


def test_intervals_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"intervals\.low has shape \(2, 4\); give shape \(3, 4\)"):
        dataclasses.replace(people(), intervals=Intervals.none(2, 4))


def test_single_precision_is_told_in_the_digits_that_it_has() -> None:
    X = np.array([[0.5]], dtype=np.float32)
    cf = with_ends(result(X, X + np.float32(0.2)), {(0, 0): tuple(np.float32([0.6, 0.8]).astype(float))})
    assert told(cf) == ["x0 0.5 -> 0.7 (0.6 to 0.8)"]
    assert cf.changes()[["lowest", "highest"]].to_numpy().tolist() == [[0.6, 0.8]]


# ------------------------------------------------------------------------------------------------------------ rounding


def test_a_new_value_at_an_end_is_told_in_the_digits_that_put_it_there() -> None:
    X = np.array([[12.0]])
    cf = with_ends(result(X, X + 9.5743), {(0, 0): (21.5743, 28.123456)})
    cf = dataclasses.replace(cf, ranges=np.array([[0.0, 40.0]]))
    assert told(cf) == ["x0 12 -> 21.5743 (21.5743 to 28.1234)"]


finite = st.floats(-1e12, 1e12).map(lambda value: float(f"{value:.12g}"))


@given(finite, finite, finite, finite, st.sampled_from([1e-6, 0.1, 1.0, 30.0, 1e5, 1e9]))
def test_ends_are_rounded_inward_and_the_new_value_is_told_between_them(
    before: float, low: float, after: float, high: float, spread: float
) -> None:
    low, after, high = sorted((low, after, high))
    assume(before != after)
    old, new, lowest, highest = format_within(before, after, low, high, spread)
    assert old != new
    assert low <= float(lowest) <= float(new) <= float(highest) <= high
