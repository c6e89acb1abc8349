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
from _tables import people
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyconex_sklearn._saving.schema_json import describe, schema_from
from hyconex_sklearn._table.codec import TableCodec
from hyconex_sklearn._table.schema import NOTICEABLE

__all__ = ["people"]  # a fixture

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
    """Equal values, dtypes, names and row labels."""
    pd.testing.assert_frame_equal(result, expected, check_exact=True)


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
        got, expected = (table.iloc[:, j].reset_index(drop=True) for table in (result, ours))
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
    (unseen, _), *others = Z.tolist()
    assert others == [[0, 0], [0, 1]] and 0 < unseen < NOTICEABLE  # as good as the median level, and another cell


def test_an_unseen_level_has_its_place_in_the_order_of_the_table() -> None:
    codec = TableCodec.fit(pd.DataFrame({"size": pd.Categorical(["S", "M", "L"], ["S", "M", "L"], ordered=True)}))
    labels = ["XS", "S", "M+", "M++", "L", "XL"]
    table = pd.DataFrame({"size": pd.Categorical([*labels, None], labels, ordered=True)})
    np.testing.assert_array_equal(codec.numbers(table)[:, 0], [-0.5, 0, 0.5, 0.5, 2, 2.5, np.nan])
    np.testing.assert_array_equal(
        codec.numbers(table.astype(object))[:, 0], [*[np.nan, 0], *[np.nan] * 2, 2, *[np.nan] * 2]
    )
    assert codec.levels(table, 0).tolist() == [-2, 0, -2, -2, 2, -2, -1]


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
