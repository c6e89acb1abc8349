"""The result of a query: cut, tabulated, written as JSON and HTML."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _results import adults, result
from hypothesis import given, settings
from hypothesis import strategies as st

from hyconex_sklearn._answer.counterfactuals import Counterfactuals
from hyconex_sklearn._answer.page.content import page_table
from hyconex_sklearn._answer.status import Status

# ----------------------------------------------------------------------------------------- cutting


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (1, [1]),
        (-1, [2]),
        (-3, [0]),
        (np.int64(2), [2]),
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([False, True, False], [1]),
        (pd.Series([True, False, True], index=[7, 8, 9]), [0, 2]),
        (pd.array([True, False, False], dtype="boolean"), [0]),
        (np.array([True, np.True_, False], dtype=object), [0, 1]),
        ([2, 0, -1], [2, 0, 2]),
        (np.array([], dtype=int), []),
        ([], []),
    ],
)
def test_rows_are_chosen_as_in_an_array(key: Any, rows: list[int]) -> None:
    cf = adults()
    cut = cf[key]
    assert isinstance(cut, Counterfactuals) and len(cut) == len(rows)
    pd.testing.assert_frame_equal(cut.data, cf.data.iloc[rows])
    pd.testing.assert_frame_equal(cut.original, cf.original.iloc[rows])
    assert list(cut.report["row"]) == rows
    assert cut.report.index.equals(cut.data.index)
    assert len(cut.probability_before) == len(cut.prediction_before) == len(rows)


@pytest.mark.parametrize("mask", [np.ones(2, bool), [True] * 4, pd.Series([True])])
def test_a_mask_of_the_wrong_length_is_refused(mask: Any) -> None:
    with pytest.raises(IndexError, match=rf"mask has {len(mask)} entries; expected 3"):
        adults()[mask]


@pytest.mark.parametrize("dtype", ["float32", "Float32", "float[pyarrow]", "float16"])
def test_numbers_of_single_precision_are_told_in_the_digits_that_they_have(dtype: str) -> None:
    if "arrow" in dtype:
        pytest.importorskip("pyarrow")
    original = pd.DataFrame({"share": pd.Series([0.1, 0.7, None], dtype=dtype)})
    cf = result(original, pd.DataFrame({"share": pd.Series([0.3, 0.7, 0.2], dtype=dtype)}))
    assert cf.changes()[["from", "to"]].loc[0].tolist() == [0.1, 0.3] and cf.changes()["to"].iloc[-1] == 0.2
    assert cf.compare(0).to_numpy().tolist() == [[0.1, 0.3]]
    records = json.loads(cf.to_json())
    assert records[0]["changes"]["share"] == {"from": 0.1, "to": 0.3, "contribution": None}
    assert [record["counterfactual"]["share"] for record in records] == [0.3, 0.7, 0.2]
    assert page_table(cf).splitlines()[1].endswith(",0.3")


def test_single_numbers_among_objects_are_told_in_their_digits_too() -> None:
    original = np.array([[np.float32(0.1), "a"]], dtype=object)
    records = json.loads(result(original, np.array([[np.float32(0.3), "a"]], dtype=object)).to_json())
    assert records[0]["counterfactual"] == {"x0": 0.3, "x1": "a"}


def test_a_mask_with_labels_is_the_result_s_own_or_refused() -> None:
    cf = adults()
    named = replace(cf, data=cf.data.set_axis(list("zyx")), original=cf.original.set_axis(list("zyx")))
    mask = pd.Series([True, False, False], index=list("zyx"))
    assert named[mask].data.index.tolist() == named[mask.astype(object)].data.index.tolist() == ["z"]
    for other in (mask[::-1], mask[::-1].astype(object), mask.set_axis([5, 6, 7]), mask.set_axis(range(3))):
        with pytest.raises(IndexError, match=r"other row labels.*array"):
            named[other]
    shuffled = replace(cf, data=cf.data.set_axis([2, 0, 1]), original=cf.original.set_axis([2, 0, 1]))
    with pytest.raises(IndexError, match="got an Index, which holds labels"):
        shuffled[shuffled.report.index]


def test_every_view_has_the_labels_of_the_rows() -> None:
    cf = adults()
    labels = pd.Index(["anna", "anna", "bo"], name="customer")
    named = replace(cf, data=cf.data.set_axis(labels), original=cf.original.set_axis(labels))
    pd.testing.assert_frame_equal(named.to_frame(), cf.to_frame().set_axis(labels))
    assert named.changes().index.equals(labels[cf.changes()["row"].to_numpy()])
    assert named.changes().index.name == "customer" and named[1:].to_frame().index.tolist() == ["anna", "bo"]
    assert "row anna: " in repr(named) and "<td>anna</td>" in named._repr_html_()
    several = replace(named, data=named.data.set_axis(pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])))
    assert "row a, 2: " in repr(several)


@pytest.mark.parametrize("position", [3, -4, [0, 3]])
def test_a_position_outside_is_refused(position: Any) -> None:
    with pytest.raises(IndexError, match="out of range; expected -3 to 2"):
        adults()[position]


@pytest.mark.parametrize("key", ["hours", 1.0, True, None, [0.5], (0, 1.5), [[0]]])
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="boolean mask"):
        adults()[key]


def test_iteration_gives_one_result_per_counterfactual_and_ends() -> None:
    parts = list(adults())
    assert [part.report["row"].item() for part in parts] == [0, 1, 2]
    assert [len(part) for part in parts] == [1, 1, 1]
    assert len(parts[0].changes()) == 2


def test_parts_of_different_length_are_refused() -> None:
    cf = adults()
    with pytest.raises(ValueError, match="original has 2 rows, but report has 3"):
        Counterfactuals(cf.data, cf.original.head(2), cf.report, cf.feature_names, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="3 feature names"):
        Counterfactuals(cf.data, cf.original, cf.report, ["a", "b", "c"], np.zeros(3), np.zeros(3))


def test_the_result_is_frozen_and_its_own() -> None:
    X = np.zeros((2, 2))
    cf = result(X, X)
    X[:] = 9.0
    assert not cf.data.any() and not cf.original.any()
    with pytest.raises(AttributeError):
        cf.data = X  # type: ignore[misc]


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda cf: pickle.loads(pickle.dumps(cf))], ids=["deepcopy", "pickle"]
)
def test_copies_carry_everything(clone: Any) -> None:
    cf = adults()
    twin = clone(cf)
    pd.testing.assert_frame_equal(twin.to_frame(), cf.to_frame())
    assert twin.explain() == cf.explain()
    twin.data.iloc[0, 0] = 99
    assert cf.data.iloc[0, 0] == 45


# ----------------------------------------------------------------------------------------- to_frame


def test_report_and_data_stand_side_by_side() -> None:
    cf = adults()
    frame = cf.to_frame()
    assert list(frame.columns) == [*cf.report.columns, *cf.data.columns]
    assert list(frame["hours"]) == [45, 40, 50] and list(frame["row"]) == [0, 1, 2]
    assert (frame[cf.data.columns].dtypes == cf.data.dtypes).all()


def test_a_data_column_keeps_its_name_where_the_report_has_it_too() -> None:
    X = pd.DataFrame({"row": ["a", "b"], "cf_row": [1, 2], "status": ["x", "y"]})
    frame = result(X, X).to_frame()
    assert frame.columns.is_unique
    assert list(frame["row"]) == ["a", "b"] and list(frame["status"]) == ["x", "y"]
    assert list(frame["cf_cf_row"]) == [0, 1] and list(frame["cf_status"]) == ["ok", "ok"]


def test_an_array_gets_column_names() -> None:
    frame = result(np.zeros((2, 3)), np.ones((2, 3))).to_frame()
    assert list(frame.columns[-3:]) == ["x0", "x1", "x2"] and (frame["x2"] == 1).all()


# ----------------------------------------------------------------------------------------- changes


def test_changes_lists_every_changed_cell_with_its_own_type() -> None:
    changes = adults().changes()
    assert list(changes.columns) == ["row", "target", "rank", "feature", "from", "to", "contribution"]
    assert list(changes["row"]) == [0, 0, 1, 2]
    assert list(changes["feature"]) == ["hours", "education", "wage", "member"]
    assert list(changes["to"]) == [45, "Bachelors", 2.5, True]
    assert changes["from"].dtype == changes["to"].dtype == object
    assert [type(value) for value in changes["to"]] == [int, str, float, bool]
    assert changes["contribution"].dtype == np.float64 and changes["contribution"].isna().all()  # made by hand


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.array([np.nan, 0.0, 1.0]), np.array([np.nan, -0.0, 1.0])),
        (np.array([None, "a", np.nan], dtype=object), np.array([None, "a", None], dtype=object)),
        (pd.array([1, None, 3], dtype="Int64"), pd.array([1, None, 3], dtype="Int64")),
        (pd.array(["a", None, "c"], dtype="str"), pd.array(["a", None, "c"], dtype="str")),
        (pd.Categorical(["a", None, "b"]), pd.Categorical(["a", None, "b"], categories=["c", "b", "a"])),
        (np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0])),
    ],
)
def test_equal_values_are_no_change_whatever_the_dtype(before: Any, after: Any) -> None:
    cf = result(pd.DataFrame({"a": before}), pd.DataFrame({"a": after}))
    assert len(cf.changes()) == 0
    assert list(cf.changes().columns) == ["row", "target", "rank", "feature", "from", "to", "contribution"]


@pytest.mark.parametrize(
    ("dtype", "value"), [("Int64", 3), ("Float64", 0.5), ("boolean", False), ("string", "a"), ("object", "a")]
)
def test_a_gap_that_is_filled_or_made_is_a_change(dtype: str, value: Any) -> None:
    gap, filled = (pd.DataFrame({"a": pd.array(cells, dtype=dtype)}) for cells in ([pd.NA, value], [value, pd.NA]))
    changes = result(gap, filled).changes()
    assert changes["row"].tolist() == [0, 1]
    assert pd.isna(changes["from"][0]) and changes["to"][0] == value
    assert changes["from"][1] == value and pd.isna(changes["to"][1])


def test_changed_cells_of_all_columns_stand_together_as_objects() -> None:
    original = pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5]})
    changes = result(original, original.assign(n=[7, 2], x=[0.5, 2.5])).changes()
    assert [type(value) for value in changes["from"]] == [type(value) for value in changes["to"]] == [int, float]
    text = result(pd.DataFrame({"job": ["a"]}), pd.DataFrame({"job": ["b"]})).changes()
    assert text["from"].dtype == text["to"].dtype == object


CELLS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([np.nan, 0.0, -0.0, 1.5, "a", "b"]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(1, 4), st.booleans(), st.data())
def test_changes_is_exactly_the_cells_that_differ(m: int, d: int, frame: bool, data: Any) -> None:
    tables = [np.empty((m, d), dtype=object) for _ in range(2)]
    for table in tables:
        table[:] = data.draw(st.lists(st.lists(CELLS, min_size=d, max_size=d), min_size=m, max_size=m)) if m else table
    old, new = (pd.DataFrame(table, dtype=object).add_prefix("x") if frame else table for table in tables)
    cf = result(old, new)
    expected = []
    for i in range(m):
        for j in range(d):
            before, after = tables[0][i, j], tables[1][i, j]
            if not (pd.isna(before) and pd.isna(after)) and (pd.isna(before) or pd.isna(after) or before != after):
                expected.append((i, f"x{j}"))
    changes = cf.changes()
    assert list(zip(changes["row"], changes["feature"], strict=True)) == expected
    assert len(cf.explain()) == m
    records = json.loads(cf.to_json())
    assert [(r["row"], name) for r in records for name in r["changes"]] == expected


def test_a_duplicated_index_and_duplicated_names_do_not_confuse_cells() -> None:
    original = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"], index=[0, 0])
    data = original.copy()
    data.iloc[1, 1] = 9
    changes = result(original, data).changes()
    assert changes[["row", "from", "to"]].to_numpy().tolist() == [[1, 4, 9]]


# ----------------------------------------------------------------------------------------- JSON


def test_json_keeps_columns_whose_names_are_written_alike() -> None:
    table = pd.DataFrame([[1, 2, 3]], columns=pd.Index([1, "1", "a"], dtype=object))
    (record,) = json.loads(result(table, table + 10).to_json())
    assert record["counterfactual"] == {"1 #0": 11, "1 #1": 12, "a": 13}
    assert record["changes"]["1 #1"] == {"from": 2, "to": 12, "contribution": None} and len(record["changes"]) == 3


def test_json_has_plain_values_and_null_for_what_json_cannot_say() -> None:
    cf = adults()
    cf = result(cf.original, cf.data, log_density=[-np.inf, np.nan, 1.5], target=np.array([1, 2, 3]), status=Status.OK)
    text = cf.to_json()
    assert "NaN" not in text and "Infinity" not in text
    first, second, third = json.loads(text)
    assert set(cf.report.columns) <= set(first)
    assert first["target"] == 1 and first["status"] == "ok" and first["valid"] is True
    assert first["log_density"] is None and second["log_density"] is None and third["log_density"] == 1.5
    assert first["changes"] == {
        "hours": {"from": 38, "to": 45, "contribution": None},
        "education": {"from": "HS-grad", "to": "Bachelors", "contribution": None},
    }
    assert second["changes"] == {"wage": {"from": None, "to": 2.5, "contribution": None}}
    assert second["counterfactual"] == {"hours": 40, "wage": 2.5, "education": "HS-grad", "member": None}
    assert cf.to_json(indent=2).count("\n") > 30 and json.loads(cf.to_json(indent=2)) == json.loads(text)


def test_json_has_every_scalar_of_the_report_as_plain_python() -> None:
    X = np.zeros((1, 2), dtype=np.float32)
    cf = result(X, X + 1, target=np.int64(3), prediction=np.bool_(True), status=Status.UNSURE, support=np.float32(0.5))
    (record,) = json.loads(cf.to_json())
    kinds = {"row": int, "target": int, "rank": int, "prediction": bool, "probability": float, "support": float}
    kinds |= {"valid": bool, "plausible": bool, "feasible": bool, "log_density": float, "distance_l1": float}
    kinds |= {"distance_l2": float, "n_changed": int, "status": str, "prediction_before": str}
    kinds |= {"probability_before": float, "changes": dict, "counterfactual": dict}
    assert {name: type(value) for name, value in record.items()} == kinds
    assert record["status"] == "unsure" and record["support"] == 0.5 and record["probability_before"] == 0.31
    assert list(record)[:14] == list(cf.report.columns)


def test_json_tells_scalars_of_numpy_among_objects() -> None:
    X = np.array([[np.float32(0.5), np.int8(3), np.bool_(True), np.float64(np.inf), "a"]], dtype=object)
    (record,) = json.loads(result(X, X).to_json())
    assert record["counterfactual"] == {"x0": 0.5, "x1": 3, "x2": True, "x3": None, "x4": "a"}


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_, object])
def test_json_takes_every_array(dtype: Any) -> None:
    X = np.array([[0, 1]]).astype(dtype)
    assert json.loads(result(X, X[:, ::-1]).to_json())[0]["counterfactual"] == {"x0": 1, "x1": 0}


# ----------------------------------------------------------------------------------------- text and HTML


def test_html_marks_changed_cells_and_shows_flags_as_words() -> None:
    page = adults()._repr_html_()
    assert page.count('<td class="hyconex-changed"') == 4
    assert "<b>38 &rarr; 45</b></td>" in page and "<b>missing &rarr; 2.5</b></td>" in page
    assert '<td class="hyconex-same">1.25</td>' in page and page.count("<td>yes</td>") == 6


def test_html_escapes_everything_that_comes_from_the_table() -> None:
    evil = "<script>alert('x')</script>"
    original = pd.DataFrame({evil: ["a", evil], "kept": [evil, evil]})
    data = original.assign(**{evil: [evil, "a"]})
    page = result(original, data, target=evil, status=evil)._repr_html_()
    assert "<script" not in page and page.count("&lt;script&gt;") == 9


def test_html_of_many_rows_and_columns_is_cut_with_a_note() -> None:
    original = np.zeros((50, 40))
    data = original.copy()
    data[:, 7], data[30, 9] = 1.0, 1.0
    page = result(original, data)._repr_html_()
    assert page.count("<tr") == 21 and "... and 30 more" in page
    assert ">x7</th>" in page and ">x9</th>" not in page and ">x0</th>" not in page
    assert "1 of 40 columns shown" in page
    assert not re.search(r"</(th|td|tr|p)>[^<]", page)  # nothing stands between the cells
    whole = result(original[:20, :30], data[:20, :30])._repr_html_()
    assert "more" not in whole and ">x0</th>" in whole and "shown" not in whole


def test_the_printed_form_counts_and_tells_the_first() -> None:
    cf = adults()
    lines = repr(result(cf.original, cf.data, valid=[True, True, False])).splitlines()
    assert lines[0] == "Counterfactuals: 3 counterfactuals, 67% valid, 100% plausible"
    assert "hours 38 -> 45" in lines[1] and lines[1].endswith("(probability 0.31 -> 0.64).") and len(lines) == 4
    nearly = repr(result(np.zeros((1000, 1)), np.ones((1000, 1)), valid=[True] * 999 + [False]))
    assert nearly.startswith("Counterfactuals: 1,000 counterfactuals, >99% valid, 100% plausible")
    assert repr(cf[:1]).startswith("Counterfactuals: 1 counterfactual, ")
    assert repr(cf[:0]) == "Counterfactuals: none"
    wide = repr(result(np.zeros((9, 500)), np.ones((9, 500))))
    assert len(wide) < 1000 and wide.endswith("... and 6 more")
    assert all(line.endswith("...") and not line.endswith("....") for line in wide.splitlines()[1:4])


def test_an_empty_result_can_be_shown_in_every_form() -> None:
    empty = adults()[:0]
    assert empty.explain() == [] and json.loads(empty.to_json()) == []
    assert len(empty.changes()) == len(empty.to_frame()) == 0
    assert "<td" not in empty._repr_html_()


# ----------------------------------------------------------------------------------------- status


def test_every_status_explains_itself() -> None:
    names = ["ok", "already_target", "not_valid", "implausible", "unsure", "infeasible", "fewer"]
    assert [str(status) for status in Status] == names
    assert Status("not_valid") == "not_valid" and "search='auto'" in Status.NOT_VALID.description
    assert "target_probability" in Status.UNSURE.description and "n_counterfactuals" in Status.FEWER.description
    assert "immutable" in Status.INFEASIBLE.description
    texts = [status.description for status in Status]
    assert len(set(texts)) == len(names) and all(text.endswith(".") and len(text) > 40 for text in texts)
