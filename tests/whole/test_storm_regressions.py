"""What storms have brought to light: each failure once, as small as it could be made."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from _helpers import short_fits, short_searches
from _models import fast, fitted, iris, small_parts

from hyconex_sklearn import Actionability, metrics
from hyconex_sklearn._table.cells import values_differ
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.column_io import write_cells

__all__ = ["short_fits", "short_searches", "small_parts"]  # fixtures

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_parts", "short_searches"),
]

QUICK: dict[str, Any] = {"flow_epochs": 1, "pretrain_epochs": 2, "joint_epochs": 1}
NUMBERS = np.random.default_rng(0).normal(size=(30, 2))
SIGN = (NUMBERS[:, 0] > 0).astype(int)


# ------------------------------------------------------------------------------------------------- what is taken in


@pytest.mark.parametrize("which", ["X", "y"])
def test_a_masked_array_is_refused_since_its_mask_would_be_lost(which: str) -> None:
    X = np.ma.masked_array(NUMBERS, NUMBERS > 1) if which == "X" else NUMBERS
    y = np.ma.masked_array(SIGN, SIGN > 0) if which == "y" else SIGN
    with pytest.raises(TypeError, match=rf"{which} is a masked array.*filled"):
        fast().fit(X, y)
    with pytest.raises(TypeError, match="X is a masked array"):
        iris()[0].predict(np.ma.masked_array(iris()[1], iris()[1] > 5))


def test_labels_of_several_types_are_refused_wherever_the_odd_one_is() -> None:
    for labels in ([1] * 29 + ["a"], ["a"] + [1] * 29):
        with pytest.raises(TypeError, match=r"mixes labels of the types int, str.*Convert"):
            fast().fit(NUMBERS, np.array(labels, dtype=object))


def test_two_columns_of_a_name_are_told_in_our_own_words() -> None:
    with pytest.raises(ValueError, match=r"more than one column of the name 'a'.*rename or drop one"):
        fast().fit(pd.DataFrame(NUMBERS, columns=["a", "a"]), SIGN)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 2 brought these strings")
@pytest.mark.usefixtures("short_fits")
def test_strings_of_variable_width_are_labels_and_categories() -> None:
    strings = np.dtypes.StringDType()
    X = np.where(NUMBERS > 0, "up", "down").astype(strings)
    clf = fitted(X, np.array(["no", "certainly"])[SIGN].astype(strings), **QUICK)
    assert clf.classes_.tolist() == ["certainly", "no"]
    cf = clf.counterfactuals(X[:5])
    assert cf.data.dtype == strings and set(cf.data.ravel()) <= {"up", "down"}


def test_a_long_double_beyond_float64_is_refused_as_infinite() -> None:
    beyond = np.finfo(np.longdouble).max
    if beyond <= np.finfo(np.float64).max:
        pytest.skip("long double is float64 here")
    X = NUMBERS.astype(np.longdouble)
    X[3, 1] = beyond
    for table in (X, pd.DataFrame(X).rename(columns=str)):
        with pytest.raises(ValueError, match=r"infinity or a value too large for float64.*1'"):
            fast().fit(table, SIGN)
        with pytest.raises(ValueError, match=r"infinity or a value too large for float64.*1'"):
            fast(categorical_features=[1]).fit(table, SIGN)


def test_categories_in_the_other_byte_order_are_read() -> None:
    X = np.random.default_rng(0).integers(0, 3, (30, 2)).astype(">f8")
    codec, native = TableCodec.fit(X, [0]), TableCodec.fit(X.astype("f8"), [0])
    np.testing.assert_array_equal(codec.encode(X), native.encode(X.astype("f8")))
    assert codec.decode(codec.encode(X), X).dtype == X.dtype


# ------------------------------------------------------------------------------------------------ what is written back


def test_the_top_of_a_nullable_integer_column_keeps_its_dtype() -> None:
    for dtype in ("UInt64", "Int64"):
        top = np.iinfo(dtype.lower()).max
        cells = pd.array([0, top, None], dtype=dtype)
        out = write_cells(cells, np.array([0]), np.array([float(top)]))
        assert out.dtype == cells.dtype
        assert out[0] == int(np.nextafter(float(top), 0.0)) and out[1] == top


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "object"])
def test_a_label_that_is_a_long_integer_is_written_to_the_last_digit(dtype: str) -> None:
    labels = [2**62 + 1, 2**62 + 3]
    X = pd.DataFrame({"id": pd.array(labels * 5, dtype=dtype)})
    codec = TableCodec.fit(X, [0])
    turned = codec.decode(codec.encode(X)[::-1], X)
    assert turned["id"].tolist() == X["id"].tolist()[::-1]
    assert turned["id"].dtype == X["id"].dtype


def test_a_label_that_a_narrow_float_would_round_widens_the_column() -> None:
    fractions = np.array([1 / 3, 2 / 3] * 5)[:, None]
    codec = TableCodec.fit(fractions, [0])
    narrow = fractions.astype(np.float32)
    Z = codec.encode(fractions)
    with pytest.warns(UserWarning, match="not seen at fit"):
        reference = codec.encode(narrow)
    data = codec.decode(Z, narrow, reference=reference)
    assert data.dtype == np.float64
    np.testing.assert_array_equal(data, fractions)


def test_long_double_labels_keep_their_dtype() -> None:
    X = np.array([1.5, 2.5] * 5, dtype=np.longdouble)[:, None]
    codec = TableCodec.fit(X, [0])
    turned = codec.decode(codec.encode(X)[::-1], X)
    assert turned.dtype == X.dtype
    np.testing.assert_array_equal(turned, X[::-1])


# ----------------------------------------------------------------------------------------------------- what is reported


@pytest.mark.usefixtures("short_fits")
def test_a_change_too_small_for_float32_is_counted() -> None:
    X = np.array([[1e28], [1e284], [1e-158], [1e88]])
    clf = fitted(X, [0, 1, 2, 0], **QUICK)
    cf = clf.counterfactuals(X, bounds={0: (None, 1.0)})
    changed = (cf.data != cf.original).sum(1)
    np.testing.assert_array_equal(cf.report["n_changed"], changed)
    assert changed[cf.report["row"] != 2].all()  # the bound asks for it


@pytest.mark.usefixtures("short_fits")
def test_integers_beyond_float64_are_labels_that_can_be_explained() -> None:
    X = pd.DataFrame({"id": pd.Series([10**400, 7] * 15, dtype=object), "x": NUMBERS[:, 0]})
    cf = fitted(X, np.array([0, 1] * 15), **QUICK, categorical_features=["id"]).counterfactuals(X[:4])
    assert len(cf.explain()) == 4 and cf._repr_html_() and cf.to_json()
    assert set(cf.data["id"]) <= {10**400, 7}


def test_a_narrow_float_among_objects_is_compared_without_a_warning() -> None:
    before = np.array([np.float32(3), Decimal(2)], dtype=object)
    after = np.array([1e300, Decimal(2)], dtype=object)
    assert values_differ(before, after).tolist() == [True, False]


@pytest.mark.parametrize("target", [None, "second"])
def test_a_near_tie_is_decided_alike_by_prediction_and_report(target: str | None) -> None:
    clf = copy.deepcopy(iris()[0])
    # Logits of the first two classes that differ by too little to show in probabilities.
    classifier = clf._model.classifier
    for part in (classifier.residual.head, classifier.linear):
        part.weight.data.zero_()
        part.bias.data.zero_()
    classifier.linear.bias.data.copy_(torch.tensor([1e-9, 2e-9, -9.0]))
    X = iris()[1][:4]
    assert (clf.predict(X) == 0).all()
    cf = clf.counterfactuals(X, search="one_shot", target=target)
    np.testing.assert_array_equal(cf.prediction_before, 0)
    np.testing.assert_array_equal(clf.predict(cf.data), cf.report["prediction"])
    assert not (cf.report["target"] == 0).any()


def test_half_of_a_surrogate_pair_is_text_like_any_other() -> None:
    X = np.array([["ab\ud800"[i % 3], float(number)] for i, number in enumerate(NUMBERS[:, 0])], dtype=object)
    clf = fast(**QUICK, categorical_features=[0]).fit(X, SIGN)
    cf = clf.counterfactuals(X[:6])
    assert np.isfinite(metrics.evaluate_counterfactuals(cf, X[:6], X, SIGN)["l2"])
    assert len(cf.to_frame()) == len(cf) == len(metrics.violations(cf.original, cf.data, Actionability(immutable=[1])))
    assert clf.counterfactuals(X[:6], actionability=Actionability(repair=lambda table: table)).data.shape == (6, 2)
    named = fast(**QUICK, categorical_features=["a"]).fit(pd.DataFrame(X, columns=["a", "b"], dtype=object), SIGN)
    assert named.counterfactuals({"a": "\ud800", "b": 0.5}).data["a"].notna().all()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_beyond_the_signed_whole_numbers_stand_beside_cells_of_any_library(library: str) -> None:
    labels = SIGN.astype(np.uint64) + np.uint64(2**64 - 7)
    X = pd.DataFrame(NUMBERS, columns=["a", "b"])
    clf = fast(**QUICK).fit(X, labels)
    table = pytest.importorskip("polars").from_pandas(X) if library == "polars" else pa.Table.from_pandas(X)
    told = clf.counterfactuals(table[:4]).to_frame()
    assert set(told["target"].to_pylist() if library == "pyarrow" else told["target"]) <= {2**64 - 7, 2**64 - 6}


def test_whole_numbers_beyond_float64_are_labels_to_the_judges_too() -> None:
    large = [10**400, 10**400 + 1]
    X = pd.DataFrame({"a": pd.Series([large[i % 2] for i in range(30)], dtype=object), "b": NUMBERS[:, 0]})
    clf = fast(**QUICK, categorical_features=["a"]).fit(X, SIGN)
    cf = clf.counterfactuals(X[:4])
    assert len(metrics.violations(cf.original, cf.data, Actionability(immutable=["a"]))) == len(cf)


@pytest.mark.parametrize("huge", [np.finfo(np.longdouble).max, 10**400], ids=["long double", "integer"])
def test_numbers_beyond_float64_are_refused_in_cells_and_weights(huge: Any) -> None:
    rows = [[number, huge if i == 0 else 1.0] for i, number in enumerate(NUMBERS[:, 0].tolist())]
    with pytest.raises(ValueError, match=r"infinit|float64"):
        fast(**QUICK).fit(rows, SIGN)
    with pytest.raises((TypeError, ValueError), match=r"sample_weight (must|holds)"):
        fast(**QUICK).fit(NUMBERS, SIGN, sample_weight=[huge] + [1.0] * (len(SIGN) - 1))


def test_categories_that_pandas_cannot_compare_are_refused() -> None:
    X = pd.DataFrame({"a": NUMBERS[:, 0], "b": pd.Categorical.from_codes(SIGN, [(1, 2), (3, 4)])})
    query = X[:4].assign(b=pd.Categorical.from_codes([0, 1, 2, 0], [(1, 2), (3, 4), 5]))
    clf = fast(**QUICK).fit(X, SIGN)
    with pytest.raises(TypeError, match=r"column 'b' has categories that pandas itself cannot compare.* as text"):
        clf.counterfactuals(query)


@pytest.mark.parametrize("cell", [np.arange(3), [], (1, 2), {"a": 1}], ids=str)
def test_rows_whose_cells_hold_several_values_are_refused(cell: Any) -> None:
    rows = [[number, cell if i == 0 else 1.0] for i, number in enumerate(NUMBERS[:, 0].tolist())]
    with pytest.raises(ValueError, match=r"cells hold several values each.* column of its own"):
        fast(**QUICK).fit(rows, SIGN)
