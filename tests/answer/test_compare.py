"""One row beside its alternatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from _results import adults, result

from hyconex_sklearn import Counterfactuals


def three() -> Counterfactuals:
    original = pd.DataFrame({"age": [30, 30, 41], "income": [np.nan, np.nan, 5.5], "job": ["clerk"] * 3, "id": 7})
    data = original.assign(age=[35, 30, 41], income=[np.nan, 2.5, 6.5], job=["clerk", "nurse", "clerk"])
    return result(original, data, row=[4, 4, 9], rank=[0, 1, 0])


def test_a_row_stands_beside_its_alternatives() -> None:
    told = three().compare(4)
    assert told.columns.tolist() == ["now", "1", "2"] and told.index.tolist() == ["age", "income", "job"]
    assert told.loc["age"].tolist() == [30, 35, 30] and told.loc["job"].tolist() == ["clerk", "clerk", "nurse"]
    assert told.loc["income"].isna().tolist() == [True, True, False] and told.loc["income", "2"] == 2.5
    assert three().compare(9).to_dict() == {"now": {"income": 5.5}, "1": {"income": 6.5}}


def test_all_columns_come_on_demand() -> None:
    told = three().compare(np.int64(4), changed_only=False)
    assert told.index.tolist() == ["age", "income", "job", "id"] and told.loc["id"].tolist() == [7, 7, 7]


def test_several_targets_are_told_apart() -> None:
    cf = three()
    both = result(cf.original, cf.data, row=4, rank=[0, 0, 1], target=["b", "c", "c"])
    assert both.compare(4).columns.tolist() == ["now", "b 1", "c 1", "c 2"]


def test_it_is_a_plain_table_for_spreadsheets() -> None:
    told = adults().with_words(labels={"hours": "Hours a week"}).compare(0)
    assert not isinstance(told.index, pd.MultiIndex) and told.index.name == "column"
    assert told.loc["Hours a week"].tolist() == [38, 45]
    kinds = {type(cell) for part in (told, adults().compare(2)) for cell in part.to_numpy().ravel()}
    assert kinds <= {int, float, str, bool}
    assert told.to_csv().splitlines() == ["column,now,1", "Hours a week,38,45", "education,HS-grad,Bachelors"]


def test_a_row_that_was_not_asked_about_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no counterfactual of row 0; the result has those of 2 rows: 4, 9\."):
        three().compare(0)
    with pytest.raises(ValueError, match=r"row 9; .* 3 rows: 0, 1, 2\. 9 is the label of row 2"):
        adults().compare(9)
    many = result(pd.DataFrame({"a": range(30)}), pd.DataFrame({"a": range(1, 31)}))
    with pytest.raises(ValueError, match=r"row None; .* 30 rows: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\.$"):
        many.compare(None)
    row: Any
    for row in (True, np.True_, [4, 9], (4,)):
        with pytest.raises(TypeError, match=r"single value of report\['row'\]"):
            three().compare(row)
