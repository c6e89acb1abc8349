"""TableCodec: what goes in comes back, whatever the table is made of."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyconex_sklearn._saving.schema_json import describe, schema_from
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.learn_column import MAX_LEVELS

Generator = np.random.Generator
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def _holed(values: Any, gaps: np.ndarray, missing: Any = None) -> list[Any]:
    return [missing if gap else value for value, gap in zip(values, gaps, strict=True)]


def _objects(values: list[Any]) -> pd.Series:
    return pd.Series(np.array([*values, None], dtype=object)[:-1], dtype=object)


def _labels(rng: Generator, n: int, labels: str = "abc") -> list[str]:
    return list(rng.choice(list(labels), n))


def _mixed(rng: Generator, n: int) -> list[Any]:
    return [(2, "a", 3.5, "2", True)[i] for i in rng.integers(0, 5, n)]


MAKERS: dict[str, Callable[[Generator, int, np.ndarray], pd.Series]] = {
    "float64": lambda r, n, gaps: pd.Series(_holed(r.normal(5, 2, n), gaps, np.nan), dtype="float64"),
    "float32": lambda r, n, gaps: pd.Series(_holed(r.normal(500, 2, n), gaps, np.nan), dtype="float32"),
    "float16": lambda r, n, gaps: pd.Series(_holed(r.normal(0, 2, n), gaps, np.nan), dtype="float16"),
    "cents": lambda r, n, gaps: pd.Series(_holed(np.round(r.normal(9, 3, n), 2), gaps, np.nan), dtype="float64"),
    "skewed": lambda r, n, gaps: pd.Series(_holed(np.exp(2 * r.normal(size=n)), gaps, np.nan), dtype="float64"),
    "huge": lambda r, n, gaps: pd.Series(_holed(1e300 * r.normal(size=n), gaps, np.nan), dtype="float64"),
    "tiny": lambda r, n, gaps: pd.Series(_holed(1e-300 * r.normal(size=n), gaps, np.nan), dtype="float64"),
    "int64": lambda r, n, gaps: pd.Series(r.integers(-50, 50, n)),
    "uint8": lambda r, n, gaps: pd.Series(r.integers(0, 256, n).astype("uint8")),
    "bool": lambda r, n, gaps: pd.Series(r.random(n) < 0.5),
    "Int64": lambda r, n, gaps: pd.Series(_holed(r.integers(-9, 9, n), gaps), dtype="Int64"),
    "UInt8": lambda r, n, gaps: pd.Series(_holed(r.integers(0, 256, n), gaps), dtype="UInt8"),
    "Float64": lambda r, n, gaps: pd.Series(_holed(r.normal(size=n), gaps), dtype="Float64"),
    "Float32": lambda r, n, gaps: pd.Series(_holed(r.normal(size=n), gaps), dtype="Float32"),
    "boolean": lambda r, n, gaps: pd.Series(_holed(r.random(n) < 0.5, gaps), dtype="boolean"),
    "str": lambda r, n, gaps: pd.Series(_holed(_labels(r, n), gaps), dtype="str"),
    "string": lambda r, n, gaps: pd.Series(_holed(_labels(r, n), gaps), dtype="string"),
    "object": lambda r, n, gaps: _objects(_holed(_labels(r, n), gaps)),
    "category": lambda r, n, gaps: pd.Series(
        pd.Categorical(_holed(_labels(r, n, "zxy"), gaps), categories=list("xyzw"))
    ),
    "numbers as category": lambda r, n, gaps: pd.Series(
        pd.Categorical(_holed(r.integers(0, 3, n), gaps), categories=[2, 0, 1])
    ),
    "ordered": lambda r, n, gaps: pd.Series(
        pd.Categorical(_holed(_labels(r, n, "SML"), gaps), categories=list("SMLX"), ordered=True)
    ),
    "object ints": lambda r, n, gaps: _objects(_holed(r.integers(0, 9, n).tolist(), gaps)),
    "object floats": lambda r, n, gaps: _objects(_holed(r.normal(size=n).tolist(), gaps, pd.NA)),
    "decimals": lambda r, n, gaps: _objects(_holed([Decimal(int(i)) / 4 for i in r.integers(0, 40, n)], gaps)),
    "object bools": lambda r, n, gaps: _objects(_holed((r.random(n) < 0.5).tolist(), gaps)),
    "mixed labels": lambda r, n, gaps: _objects(["a", *_holed(_mixed(r, n), gaps, np.nan)][:n]),
    "constant": lambda r, n, gaps: pd.Series(np.full(n, 7)),
    "one label": lambda r, n, gaps: pd.Series(["only"] * n),
    "all missing": lambda r, n, gaps: pd.Series(np.full(n, np.nan)),
    "sparse": lambda r, n, gaps: pd.Series(pd.arrays.SparseArray(r.integers(0, 3, n))),
}


@st.composite
def recipes(draw: st.DrawFn) -> Callable[[int, int], pd.DataFrame]:
    """A random schema, as a function that makes tables of it: (seed, rows) -> DataFrame."""
    kinds = draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=6))
    gappy = draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    index = draw(st.sampled_from(["default", "shuffled", "text", "repeated"]))
    named = draw(st.booleans())

    def make(seed: int, n: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        parts = [MAKERS[kind](rng, n, (rng.random(n) < 0.3) & gap) for kind, gap in zip(kinds, gappy, strict=True)]
        table = pd.concat(parts, axis=1)
        table.columns = [f"{kind} {j}" if named else j for j, kind in enumerate(kinds)]
        indices: dict[str, Any] = {
            "shuffled": rng.permutation(n) + 5,
            "text": [f"r{i}" for i in range(n)],
            "repeated": np.ones(n),
        }
        return table if index == "default" else table.set_axis(indices[index], axis=0)

    return make


seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 25)


def _same(result: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal values, dtypes and names; the index is a fresh one."""
    assert isinstance(result.index, pd.RangeIndex)
    pd.testing.assert_frame_equal(result, expected.reset_index(drop=True), check_exact=True)


# ----------------------------------------------------------------------------------------------------- properties


@FEW
@given(recipes(), seeds, sizes)
def test_decoding_the_own_encoding_gives_the_same_table(make: Any, seed: int, n: int) -> None:
    table = make(seed, n)
    before = table.copy(deep=True)
    codec = TableCodec.fit(table)
    Z = codec.encode(table)
    assert Z.dtype == np.float32 and Z.flags.c_contiguous and Z.flags.owndata and np.isfinite(Z).all()
    _same(codec.decode(Z, table), table)
    pd.testing.assert_frame_equal(table, before, check_exact=True)
    assert (codec.schema.snap(Z, Z).view(np.uint32) == Z.view(np.uint32)).all()


@FEW
@given(recipes(), seeds, sizes)
def test_encoded_rows_can_be_written_onto_any_other_rows(make: Any, seed: int, n: int) -> None:
    ours, theirs = make(seed, n), make(seed + 1, n)
    both = pd.concat([ours, theirs], ignore_index=True)
    codec = TableCodec.fit(both)
    result = codec.decode(codec.encode(ours), theirs)
    assert result.dtypes.tolist() == theirs.dtypes.tolist()
    for j, column in enumerate(codec.schema.columns):
        got, expected = result.iloc[:, j], ours.iloc[:, j].reset_index(drop=True)
        assert (got.isna() == expected.isna()).all()
        got, expected = got.dropna(), expected.dropna()
        if column.kind in ("numeric", "integer") and column.decimals is None:
            got, expected = got.to_numpy(np.float64), expected.to_numpy(np.float64)
            loose = 1e-3 * np.abs(expected) + 1e-6 * column.unit if column.power is not None else 0.0
            narrow = 2e-3 if "16" in column.dtype else 1e-6 if "32" in column.dtype else 0.0
            # float64 first: the tolerance of huge columns must not overflow
            assert (np.abs(got - expected) <= 2e-6 * column.scale + narrow * np.abs(expected) + loose).all()
        else:
            assert got.tolist() == expected.tolist()


@FEW
@given(recipes(), seeds, sizes, st.sampled_from([1e-4, 0.02, 0.5, 5.0]))
@pytest.mark.filterwarnings("ignore:column .* holds categories")
def test_snap_is_what_decoding_and_encoding_give(make: Any, seed: int, n: int, noise: float) -> None:
    codec, query = TableCodec.fit(make(seed, n)), make(seed + 1, n + 3)
    reference = codec.encode(query)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(query), 2 * n)
    reference = reference[rows]
    soft = (reference + noise * rng.normal(size=reference.shape)).astype(np.float32)
    snapped = codec.schema.snap(soft, reference)
    assert snapped.dtype == np.float32
    assert (codec.schema.snap(snapped, reference).view(np.uint32) == snapped.view(np.uint32)).all()

    decoded = codec.decode(snapped, query, rows, reference)
    again = codec.encode(decoded)
    assert np.allclose(again, snapped, rtol=1e-5, atol=2e-6)
    changed = codec.schema.changed(snapped, reference)
    for j, column in enumerate(codec.schema.columns):
        kept = ~changed[:, j]
        untouched = query.iloc[rows[kept], [j]].reset_index(drop=True)
        _assert_identical(decoded.iloc[kept, j], untouched.iloc[:, 0])
        where = column.positions
        assert (again[kept, where].view(np.uint32) == reference[kept, where].view(np.uint32)).all()
        if column.kind in ("numeric", "integer"):
            moved = decoded.iloc[changed[:, j], j].to_numpy(np.float64)
            assert ((moved >= column.lower) & (moved <= column.upper)).all()
        # Missing is never newly chosen.
        assert not (decoded.iloc[:, j].isna().to_numpy() & changed[:, j]).any()


def _assert_identical(got: pd.Series, expected: pd.Series) -> None:
    for ours, theirs in zip(got.tolist(), expected.tolist(), strict=True):
        assert type(ours) is type(theirs)
        assert ours is theirs or ours == theirs or (ours != ours and theirs != theirs)


@FEW
@given(seeds, st.integers(2, 30), st.sampled_from(["float64", "float32", "int64", "uint8", "bool", "object", "U"]))
def test_arrays_come_back_as_the_same_kind_of_array(seed: int, n: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2 if dtype == "bool" else 5, (n, 3)).astype(dtype)
    codec = TableCodec.fit(X)
    Z = codec.encode(X)
    result = codec.decode(Z, X)
    assert codec.schema.container == "ndarray" and codec.schema.dtype == str(X.dtype)
    assert type(result) is np.ndarray and result.dtype == X.dtype and (result == X).all()
    moved = codec.decode(Z[::-1].copy(), X)
    assert moved.dtype == X.dtype and (moved == X[::-1]).all()


# ---------------------------------------------------------------------------------------------------------- kinds


@pytest.fixture
def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 40
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "pay": np.round(rng.normal(30, 5, n), 2),
            "size": pd.Categorical(np.resize(["L", "S", "M"], n), categories=["S", "M", "L", "XL"], ordered=True),
            "job": np.resize(["smith", "baker", "judge"], n),
            "owns": np.resize([True, False], n),
            "weight": np.where(np.arange(n) % 5 == 0, np.nan, rng.normal(70, 9, n)),
            "team": pd.Series(np.resize(["x", "y", None], n), dtype="str"),
            "same": 1,
        }
    )


def test_kinds_follow_the_dtypes(people: pd.DataFrame) -> None:
    columns = TableCodec.fit(people).schema.columns
    kinds = ["integer", "numeric", "ordered", "categorical", "boolean", "numeric", "categorical", "constant"]
    assert [column.kind for column in columns] == kinds
    assert columns[1].decimals == 2 and columns[5].decimals is None
    assert (columns[7].lower, columns[7].upper) == (1, 1)
    assert columns[2].categories == ("S", "M", "L")
    assert columns[3].categories == ("baker", "judge", "smith")
    assert columns[6].categories == ("x", "y", None)


@pytest.mark.parametrize("listed", [["age"], [0], [True] + [False] * 7, np.array(["age"]), pd.Index(["age"])])
def test_listed_columns_are_categorical_whatever_their_dtype(people: pd.DataFrame, listed: Any) -> None:
    columns = TableCodec.fit(people, listed).schema.columns
    assert columns[0].kind == "categorical"
    assert columns[0].categories == tuple(sorted(set(people["age"].tolist())))
    assert columns[1].kind == "numeric" and columns[3].kind == "categorical"


def test_objects_that_are_numbers_are_numbers() -> None:
    X = np.array([[1, 1.5, "a", True], [None, Decimal("2"), 1, False], [3, np.float32(4), None, None]], dtype=object)
    assert [c.kind for c in TableCodec.fit(X).schema.columns] == ["integer", "numeric", "categorical", "boolean"]
    listed = TableCodec.fit(X, [0, 1, 3]).schema.columns
    assert [c.kind for c in listed] == ["categorical", "categorical", "categorical", "boolean"]


def test_categories_have_an_order_only_where_their_dtype_says_so() -> None:
    labels = ["S", "L", "S"]
    X = pd.DataFrame({"plain": pd.Categorical(labels), "ordered": pd.Categorical(labels, ordered=True)})
    assert [c.kind for c in TableCodec.fit(X).schema.columns] == ["categorical", "ordered"]
    assert [c.kind for c in TableCodec.fit(X, ["ordered"]).schema.columns] == ["categorical", "categorical"]


def test_a_single_label_is_a_constant_unless_some_cells_are_missing() -> None:
    X = pd.DataFrame(
        {
            "one": ["only"] * 3,
            "none": pd.Series([None] * 3, dtype="str"),
            "two": pd.Series(["only", None, "only"], dtype="str"),
        }
    )
    columns = TableCodec.fit(X).schema.columns
    assert [c.kind for c in columns] == ["constant", "constant", "categorical"]
    assert [c.categories for c in columns] == [("only",), (), ("only", None)]
    assert [c.dtype for c in columns] == [str(dtype) for dtype in X.dtypes]


def test_integers_too_large_for_exact_floats_are_integers_all_the_same() -> None:
    X = np.array([[0], [10**15], [3 * 10**15]])
    codec = TableCodec.fit(X)
    moved = codec.encode(X) + np.float32(0.123)
    result = codec.decode(codec.schema.snap(moved, codec.encode(X)), X)
    assert result.dtype == X.dtype and (result[:2] > X[:2]).all()


def test_decimals_of_narrow_floats_are_seen() -> None:
    cents = np.round(np.random.default_rng(0).uniform(0, 9, 300), 2).astype(np.float32)
    assert TableCodec.fit(cents[:, None]).schema.columns[0].decimals == 2


def test_numbers_may_come_as_categories() -> None:
    fitted = pd.DataFrame({"v": [1.5, 2.5, 4.0, np.nan]})
    codec = TableCodec.fit(fitted)
    query = fitted.astype({"v": "category"})
    assert (codec.encode(query) == codec.encode(fitted)).all()
    pd.testing.assert_frame_equal(codec.decode(codec.encode(query), query), query)


def test_nan_and_na_are_both_missing_in_a_nullable_column() -> None:
    values = pd.arrays.FloatingArray(np.array([1.0, np.nan, 2.0, 0.0]), np.array([False, False, False, True]))
    X = pd.DataFrame({"v": pd.Series(values)})
    assert TableCodec.fit(X, ["v"]).schema.columns[0].categories == (1.0, 2.0, None)
    assert TableCodec.fit(X).encode(X)[:, 1].tolist() == [0, 1, 0, 1]


def test_equal_labels_of_different_types_are_one_category_and_text_is_another() -> None:
    X = np.array([[1], [True], [1.0], ["1"], [1]], dtype=object)
    codec = TableCodec.fit(X)
    Z = codec.encode(X)
    assert codec.schema.columns[0].categories == (1, "1")
    assert (Z[[0, 1, 2, 4]] == [1, 0]).all() and (Z[3] == [0, 1]).all()
    # Cells that stay keep their own spelling.
    assert [type(cell) for cell in codec.decode(Z, X)[:, 0]] == [int, bool, float, str, int]


def test_a_column_of_many_labels_keeps_the_frequent_ones() -> None:
    labels = [f"rare {i}" for i in range(400)] + ["often"] * 3
    X = pd.DataFrame({"id": labels})
    codec = TableCodec.fit(X)
    assert codec.schema.n_encoded == MAX_LEVELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = codec.encode(X)
    assert (Z.sum(axis=1) == [1] * 254 + [0] * 146 + [1] * 3).all()
    assert codec.decode(Z, X).equals(X)


def test_a_heavy_tail_is_tamed_whatever_its_unit() -> None:
    pay = np.exp(2 * np.random.default_rng(0).normal(size=500))
    encoded = [TableCodec.fit(unit * pay[:, None]).encode(unit * pay[:, None]) for unit in (1e-6, 1.0, 1e6)]
    assert encoded[1].max() < 5 < ((pay - pay.mean()) / pay.std()).max()
    assert np.allclose(encoded[0], encoded[1], atol=1e-2) and np.allclose(encoded[2], encoded[1], atol=1e-2)
    # Few distinct values stay apart.
    counts = np.repeat([0.0, 1.0, 2.0], [90, 5, 5])[:, None]
    assert np.diff(np.unique(TableCodec.fit(counts).encode(counts))).min() > 0.5
    # Zeros beside the tail are not what its unit is.
    sparse = np.r_[np.zeros(700), pay[:300]][:, None]
    assert TableCodec.fit(sparse).encode(sparse).max() < 5
    # Long columns are judged by a part of their rows.
    many = np.exp(2 * np.random.default_rng(0).normal(size=25_000))[:, None]
    assert TableCodec.fit(many).encode(many).max() < 5
    # A mild skew is none.
    assert TableCodec.fit(np.random.default_rng(0).gamma(4, size=(500, 1))).schema.columns[0].power is None
    # A switch that is rarely off is skewed, too, but no power could help it.
    assert TableCodec.fit(1 - np.eye(50)[:, :1]).schema.columns[0].power is None


# ------------------------------------------------------------------------------------------------- matching, errors


def test_columns_are_matched_by_name(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    turned = people[people.columns[::-1]]
    assert (codec.encode(turned) == codec.encode(people)).all()
    Z = codec.encode(people)
    Z[:, 0] += 1
    decoded = codec.decode(codec.schema.snap(Z, codec.encode(people)), turned)
    assert decoded.columns.tolist() == turned.columns.tolist()
    assert decoded.drop(columns="age").equals(turned.drop(columns="age"))
    assert (decoded["age"] >= turned["age"]).all() and (decoded["age"] > turned["age"]).any()


def test_missing_and_extra_columns_are_named(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- pey\n(.|\n)*yet now missing:\n- pay\n"):
        codec.encode(people.rename(columns={"pay": "pey"}))
    with pytest.raises(ValueError, match="more than one column of the name 'age'"):
        codec.encode(people.rename(columns={"pay": "age"}))
    with pytest.raises(ValueError, match="X has 7 features, but the table at fit had 8"):
        codec.encode(people.to_numpy(dtype=object)[:, :7])


def test_a_table_without_names_is_matched_by_position() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    frame = pd.DataFrame(X, columns=["a", "b"])
    assert (TableCodec.fit(frame).encode(X) == TableCodec.fit(X).encode(frame)).all()


def test_an_unseen_category_warns_once_per_column_and_survives(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    query = people.copy()
    query["job"] = ["pilot", "actor", "nurse", "cook"] * 10
    query["size"] = query["size"].where(query.index > 0, "XL")
    with pytest.warns(UserWarning) as caught:
        Z = codec.encode(query)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2 and {warning.filename for warning in caught} == {__file__}
    assert "'size'" in messages[0] and "'XL'" in messages[0]
    assert "'job'" in messages[1] and "'pilot', 'actor', 'nurse' and 1 more" in messages[1]
    job = codec.schema.columns[3]
    assert (Z[:, job.start : job.stop] == 0).all()
    moved = Z.copy()
    moved[0, 0] += 1
    assert codec.decode(codec.schema.snap(moved, Z), query, reference=Z)["job"].equals(query["job"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec.encode(query, warn_unseen=False)
        assert codec.decode(Z, query)["job"].equals(query["job"])  # told once is enough


def test_labels_of_an_ordered_column_may_be_asked_about_as_plain_numbers() -> None:
    steps = pd.CategoricalDtype([30, 10, 20], ordered=True)
    codec = TableCodec.fit(pd.DataFrame({"step": pd.Series([10, 20, 30, 10], dtype=steps), "v": [0.5, 1.5, 2.5, 9.0]}))
    query = pd.DataFrame({"step": [20, 30], "v": [1.5, 0.5]})
    Z = codec.encode(query)
    assert (codec.encode(query.astype({"step": steps})) == Z).all()
    moved = codec.decode(Z[::-1].copy(), query)
    assert moved["step"].tolist() == [30, 20] and moved["step"].dtype == "int64"


def test_an_unseen_level_of_an_ordered_column_is_not_a_missing_one() -> None:
    sizes = pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    codec = TableCodec.fit(pd.DataFrame({"size": pd.Series(["S", "M", "L", None], dtype=sizes)}))
    with pytest.warns(UserWarning, match="'XL'.*as the median level"):
        Z = codec.encode(pd.DataFrame({"size": pd.Series(["XL", "M", None], dtype=sizes)}))
    assert Z.tolist() == [[0, 0], [0, 0], [0, 1]]


def test_a_single_value_beside_missing_ones_keeps_its_unit() -> None:
    codec = TableCodec.fit(np.array([[4.0], [np.nan], [4.0]]))
    assert codec.encode(np.array([[4.0], [np.nan], [5.0]])).tolist() == [[0, 0], [0, 1], [1, 0]]


def test_missing_cells_that_the_fit_never_met_are_quietly_taken(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    query = people.astype({"age": "Float64", "job": object, "owns": object})
    query.loc[2, ["age", "pay", "job", "owns", "size"]] = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = codec.encode(query)
    age, job = codec.schema.columns[0], codec.schema.columns[3]
    assert Z[2, 0] == np.float32(age.forward(people["age"].sort_values().iloc[19]))
    assert (Z[2, job.start : job.stop] == 0).all()
    pd.testing.assert_frame_equal(codec.decode(Z, query), query)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            np.array([[{"a": 1}, 2]], dtype=object),
            TypeError,
            "'x0' .*type dict.* argument must be a string or a number",
        ),
        (np.array([[1, [2]]], dtype=object), TypeError, "'x1' .*type list"),
        (np.array([[1 + 2j, 1]]), ValueError, "Complex data not supported"),
        (np.array([[1 + 2j, "a"]], dtype=object), ValueError, "Complex data not supported"),
        (np.array([[1.0, np.inf]]), ValueError, "infinity.*'x1'"),
        (np.array([[1, 10**400]], dtype=object), ValueError, "infinity.*'x1'"),
        (pd.DataFrame({"c": [1.0, -np.inf]}, dtype="Float64"), ValueError, "infinity.*'c'"),
        (pd.DataFrame({"c": pd.date_range("2020", periods=2)}), TypeError, "'c' holds dates.*numbers or categories"),
        (pd.DataFrame({"c": pd.to_timedelta([1, 2], "s")}), TypeError, "'c' holds dates or durations"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "more than one column of the name 'a'"),
    ],
)
def test_what_cannot_be_encoded_is_an_error_that_names_the_column(bad: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        TableCodec.fit(bad)


def test_numbers_that_turn_into_text_or_infinity_are_errors(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    with pytest.raises(ValueError, match="column 'age' held numbers at fit, but now holds text such as 'old'"):
        codec.encode(people.assign(age=["old"] * 40))
    with pytest.raises(ValueError, match=r"infinity.*column 'pay'"):
        codec.encode(people.assign(pay=np.inf))
    with pytest.raises(ValueError, match="column 'same' held numbers"):
        codec.encode(people.assign(same="one"))


# ------------------------------------------------------------------------------------------------- snap and decode


def _one(codec: TableCodec, query: pd.DataFrame, name: str, encoded: Any) -> Any:
    """The cell that results when one column of the first row is set in encoded space."""
    reference = codec.encode(query.iloc[:1], warn_unseen=False)
    Z = reference.copy()
    column = codec.schema.columns[codec.schema.feature_names.index(name)]
    Z[0, column.start : column.stop] = encoded
    return codec.decode(codec.schema.snap(Z, reference), query.iloc[:1])[name].iloc[0]


def test_decoded_numbers_are_rounded_and_stay_in_the_seen_range(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    age, pay = codec.schema.columns[0], codec.schema.columns[1]
    assert _one(codec, people, "age", age.forward(41.3)) == 41
    assert _one(codec, people, "pay", pay.forward(30.1234)) == 30.12
    assert _one(codec, people, "age", 50.0) == people["age"].max()
    assert _one(codec, people, "size", 50.0) == "L"
    assert _one(codec, people, "job", [0.1, 0.7, 0.2]) == "judge"
    assert _one(codec, people, "owns", [0.9, 0.1]) is np.False_


def test_a_move_too_small_to_notice_leaves_the_cell_alone(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    weight, now = codec.schema.columns[5], people["weight"].iloc[1]
    query = people.iloc[1:]
    assert _one(codec, query, "weight", weight.forward(now) + 9e-4) == now
    assert _one(codec, query, "weight", weight.forward(now) + 2e-3) == pytest.approx(now + 2e-3 * weight.scale)
    assert (
        _one(codec, query, "age", codec.schema.columns[0].forward(query["age"].iloc[0] + 0.4)) == query["age"].iloc[0]
    )


def test_a_value_between_the_steps_stays_until_it_rounds_to_something_else(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    age = codec.schema.columns[0]
    query = people.assign(age=33.4999)
    assert _one(codec, query, "age", age.forward(33.2)) == 33.4999
    assert _one(codec, query, "age", age.forward(33.5001)) == 33.4999  # rounds to 34, but by a hair's breadth
    assert _one(codec, query, "age", age.forward(33.9)) == 34


def test_a_value_outside_the_seen_range_stays_until_it_is_moved(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    query = people.assign(age=99, pay=31.234567)
    age, pay = codec.schema.columns[0], codec.schema.columns[1]
    assert _one(codec, query, "age", age.forward(99)) == 99
    assert _one(codec, query, "pay", pay.forward(31.234567)) == 31.234567
    # Brought to the edge on purpose, or beyond it.
    assert _one(codec, query, "age", age.forward(age.upper)) == people["age"].max()
    assert _one(codec, query, "age", age.forward(33)) == 33


def test_missing_is_kept_or_filled_but_never_newly_chosen(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    weight = codec.schema.columns[5]
    assert np.isnan(people["weight"].iloc[0])
    assert np.isnan(_one(codec, people, "weight", weight.forward(weight.fill)))
    assert _one(codec, people, "weight", weight.forward(60.0)) == pytest.approx(60.0, abs=1e-4)
    assert _one(codec, people, "team", [0.1, 0.2, 0.9]) == "y"  # the likeliest of the others
    gone = people.iloc[2:]
    assert pd.isna(_one(codec, gone, "team", [0.1, 0.2, 0.9]))
    assert _one(codec, gone, "team", [0.1, 0.9, 0.2]) == "y"
    reference = codec.encode(people.iloc[1:2])
    Z = reference.copy()
    Z[:, codec.schema.missing_index] = 1.0
    assert (codec.schema.snap(Z, reference) == reference).all()


def test_untouched_cells_are_the_very_bits_of_the_query() -> None:
    odd_nan = np.array([0x7FF8_0000_0000_BEEF], dtype=np.uint64).view(np.float64)[0]
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[0] = [odd_nan, -0.0, 1e-310]
    codec = TableCodec.fit(X)
    for table in (X, pd.DataFrame(X), pd.DataFrame(X).assign(text="a")[[0, 1, 2]]):
        Z = codec.encode(table)
        moved = Z.copy()
        moved[:, codec.schema.columns[2].start] += 1
        result = np.asarray(codec.decode(codec.schema.snap(moved, Z), table))
        assert (result[:, :2].view(np.uint64) == X[:, :2].copy().view(np.uint64)).all()
        assert (result[:, 2] != X[:, 2]).sum() >= 29
    words = pd.DataFrame({"w": pd.Series(["left", "right"] * 5, dtype=object), "v": np.arange(10.0)})
    codec = TableCodec.fit(words)
    Z = codec.encode(words)
    Z[:, -1] = 0
    assert all(a is b for a, b in zip(codec.decode(Z, words)["w"], words["w"], strict=True))


def test_a_value_that_the_dtype_of_the_query_cannot_hold_widens_the_column() -> None:
    fitted = pd.DataFrame({"v": [0.25, 10.5, 300.0], "c": list("abc"), "u": [1, 2, 1000]})
    codec = TableCodec.fit(fitted)
    query = pd.DataFrame({"v": [1, 2], "c": pd.Categorical(["a", "a"]), "u": np.array([1, 2], dtype="uint8")})
    result = codec.decode(codec.encode(fitted.iloc[1:]), query)
    assert result["v"].tolist() == [10.5, 300.0] and result["v"].dtype == "float64"
    assert result["u"].tolist() == [2, 1000] and result["u"].dtype == "int64"
    assert result["c"].tolist() == ["b", "c"] and isinstance(result["c"].dtype, pd.CategoricalDtype)
    big = pd.DataFrame({"v": [1e300, 2.5e299, -1e300]})
    wide = TableCodec.fit(big)
    single = wide.decode(wide.encode(big), pd.DataFrame({"v": pd.Series([1, 2, None], dtype="Float32")}))
    assert single["v"].tolist() == pytest.approx(big["v"].tolist()) and single["v"].dtype == "Float64"
    codec = TableCodec.fit(np.array([[0.5], [1.5], [9.0]]))
    array = codec.decode(codec.encode(np.array([[0.5]])), np.array([[3]]))
    assert array.tolist() == [[0.5]] and array.dtype == "float64"
    codec = TableCodec.fit(np.array([["a"], ["lengthy"]]))
    assert codec.decode(codec.encode(np.array([["lengthy"]])), np.array([["a"]])).tolist() == [["lengthy"]]


def test_numbers_keep_their_type() -> None:
    top = 2**63 - 1
    codec = TableCodec.fit(np.array([[top], [0]]))
    result = codec.decode(codec.encode(np.array([[top]])), np.array([[0]]))
    assert result.dtype == np.int64 and result[0, 0] == pytest.approx(top)
    prices = np.array([[Decimal("1.25"), 3], [Decimal("2.5"), 4], [Decimal("9"), 7]], dtype=object)
    codec = TableCodec.fit(prices)
    result = codec.decode(codec.encode(prices[::-1]), prices)
    assert (result == prices[::-1]).all()
    assert {type(cell) for cell in result[:, 0]} == {Decimal} and {type(cell) for cell in result[:, 1]} == {int}


def test_a_level_that_an_ordered_query_lacks_is_inserted_in_its_place() -> None:
    sizes = pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    fitted = pd.DataFrame({"size": pd.Series(["S", "M", "L", "M"], dtype=sizes)})
    codec = TableCodec.fit(fitted)
    query = pd.DataFrame({"size": pd.Series(["S"], dtype=pd.CategoricalDtype(["S", "L"], ordered=True))})
    result = codec.decode(codec.encode(fitted.iloc[1:2]), query)["size"]
    assert result.tolist() == ["M"] and result.dtype == sizes


def test_rows_may_repeat_and_the_query_is_never_modified(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    before = people.copy(deep=True)
    rows = np.array([3, 3, 0, 7])
    reference = codec.encode(people)[rows]
    Z = reference + np.float32(0.7) * codec.schema.movable
    result = codec.decode(codec.schema.snap(Z, reference), people, rows)
    assert len(result) == 4 and result.dtypes.equals(people.dtypes)
    assert result.iloc[0].equals(result.iloc[1])
    pd.testing.assert_frame_equal(people, before)


def test_changed_tells_the_columns_apart(people: pd.DataFrame) -> None:
    codec = TableCodec.fit(people)
    reference = codec.encode(people)
    Z = reference.copy()
    Z[0, codec.schema.columns[3].start] += 1
    Z[1, codec.schema.columns[5].missing] += 1
    assert np.argwhere(codec.schema.changed(Z, reference)).tolist() == [[0, 3], [1, 5]]


def test_read_only_and_fortran_arrays_are_welcome() -> None:
    X = np.asfortranarray(np.random.default_rng(0).normal(size=(10, 3)))
    X.flags.writeable = False
    codec = TableCodec.fit(X)
    assert (codec.decode(codec.encode(X), X) == X).all()
    assert codec.encode(X[::2]).shape == (5, 3)


@pytest.mark.parametrize("magnitude", [5e-324, 1e-300, 1e-30, 1e30, 1e300, 1.7e308])
@pytest.mark.parametrize("shape", ["plain", "outlier", "lognormal", "rarely on"])
def test_any_magnitude_is_encoded_without_a_warning(magnitude: float, shape: str) -> None:
    shapes = {
        "plain": np.array([1.0, 2.0, 3.0, -1.0]),
        "outlier": np.r_[np.linspace(1, 2, 50), 1e5],
        "lognormal": np.exp(3 * np.random.default_rng(0).normal(size=50)),
        "rarely on": np.r_[np.zeros(50), 1.0],
    }
    values = shapes[shape] / np.abs(shapes[shape]).max() * magnitude
    X = values[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec = TableCodec.fit(X)
        Z = codec.encode(X)
        far = codec.encode(np.array([[1e308], [-1e308], [0.0], [1e-320]]))
        snapped = codec.schema.snap(Z + 1, Z)
        again = codec.encode(codec.decode(snapped, X))
    assert np.isfinite(Z).all() and np.isfinite(far).all() and np.abs(far).max() <= 1e6
    assert np.allclose(again, snapped, rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------------------------------------------- persistence


def test_json_and_pickle_bring_back_the_same_codec(people: pd.DataFrame) -> None:
    people["mixed"] = np.array([*[1, "a", 2.5, True, None] * 8, 0], dtype=object)[:-1]
    people[("a", 1)] = 2
    codec = TableCodec.fit(people)
    codec.encode(people)
    for twin in (
        TableCodec(schema_from(json.loads(json.dumps(describe(codec.schema))))),
        pickle.loads(pickle.dumps(codec)),
    ):
        assert twin.schema == codec.schema
        assert (twin.encode(people) == codec.encode(people)).all()
        labels = [c.categories for c in twin.schema.columns]
        assert [list(map(type, c)) for c in labels] == [list(map(type, c.categories)) for c in codec.schema.columns]


def test_the_codec_holds_no_training_rows() -> None:
    X = np.random.default_rng(0).normal(size=(20_000, 3))
    codec = TableCodec.fit(X)
    codec.encode(X)
    assert len(pickle.dumps(codec)) < 5_000


@pytest.mark.parametrize(("n_labels", "told"), [(200, True), (110, True), (100, False), (40, False)])
def test_a_column_that_names_its_rows_is_told(n_labels: int, told: bool, recwarn: pytest.WarningsRecorder) -> None:
    TableCodec.fit(pd.DataFrame({"id": [f"C{i % n_labels:04}" for i in range(200)], "x": np.arange(200.0)}), None)
    warned = [str(each.message) for each in recwarn if "different labels" in str(each.message)]
    assert bool(warned) == told
    assert all(text.startswith(f"column 'id' has {n_labels} different labels in 200 cells") for text in warned)
