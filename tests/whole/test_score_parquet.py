"""The example that scores a folder of Parquet files: every row once, whatever happens on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _models import fast, fitted, mixed_table, small_parts
from pandas.testing import assert_frame_equal

from hyconex_sklearn import HyConExClassifier

pytest.importorskip("pyarrow")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "4_serve"))

import score_parquet

__all__ = ["small_parts"]  # a fixture

FILES, ROWS = 3, 25


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, pd.DataFrame]:
    """A saved model, a folder of three files, and their rows together: with an index, a column more, and gaps."""
    folder = tmp_path_factory.mktemp("asked")
    X, y = mixed_table()
    X = X.astype({"grade": str, "job": object})
    fitted(X[FILES * ROWS :], y[FILES * ROWS :]).save(folder / "model.safetensors")
    rows = X[: FILES * ROWS].assign(person=[f"p{i}" for i in range(FILES * ROWS)])
    (folder / "rows").mkdir()
    for number in range(FILES):
        part = rows[number * ROWS : (number + 1) * ROWS]
        part.to_parquet(folder / "rows" / f"part-{number}.parquet", row_group_size=10)
    return str(folder / "model.safetensors"), folder / "rows", rows


def score(asked: tuple[str, Path, pd.DataFrame], output: Path, batch_rows: int = 8) -> None:
    score_parquet.main([asked[0], str(asked[1]), str(output), "--batch-rows", str(batch_rows)])


def scores(output: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted(output.glob("*.parquet"))])


def test_every_row_keeps_its_columns_and_index_and_gets_its_scores(asked: Any, tmp_path: Path) -> None:
    score(asked, tmp_path)
    rows, found = asked[2], scores(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"part-{number}.parquet" for number in range(FILES)]
    again = pd.concat([pd.read_parquet(path) for path in sorted(asked[1].glob("*.parquet"))])
    assert_frame_equal(found[rows.columns], again)
    assert found.index.equals(rows.index)

    clf = HyConExClassifier.load(asked[0])
    X = rows[clf.feature_names_in_]
    np.testing.assert_allclose(found[["probability_no", "probability_yes"]], clf.predict_proba(X), atol=1e-6)
    cf = clf.counterfactuals(X, target="second", search="one_shot")
    assert found["answer_target"].tolist() == cf.report["target"].tolist()
    assert found["answer_status"].tolist() == cf.report["status"].tolist()
    np.testing.assert_allclose(found["cf_income"].astype(float), cf.data["income"].astype(float), rtol=1e-5)
    assert found["cf_children"].astype("Int64").tolist() == cf.data["children"].tolist()
    assert found["cf_job"].fillna("").tolist() == cf.data["job"].fillna("").tolist()


def test_a_numbered_table_keeps_its_numbers(asked: Any, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = asked[2].reset_index(drop=True)[:20]  # whose index is told in the file's head only
    rows.to_parquet(tmp_path / "rows" / "only.parquet")
    score((asked[0], tmp_path / "rows", rows), tmp_path / "scored")
    found = pd.read_parquet(tmp_path / "scored" / "only.parquet")
    assert found.index.tolist() == list(range(20)) and found["person"].tolist() == rows["person"].tolist()


@pytest.mark.parametrize("batch", [1, 4, 5])
def test_an_interrupted_run_leaves_whole_files_only_and_goes_on(
    asked: Any, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = score_parquet.scored, []

    def counted(clf: Any, rows: Any) -> Any:
        calls.append(rows.num_rows)
        if len(calls) == batch:
            raise KeyboardInterrupt
        return original(clf, rows)

    with monkeypatch.context() as patch:
        patch.setattr(score_parquet, "scored", counted)
        with pytest.raises(KeyboardInterrupt):
            score(asked, tmp_path, batch_rows=10)
        whole = sorted(path.name for path in tmp_path.glob("*.parquet"))
        assert whole == [f"part-{number}.parquet" for number in range((batch - 1) // 3)]  # of three batches each
        before = {name: (tmp_path / name).stat().st_mtime_ns for name in whole}
        score(asked, tmp_path, batch_rows=10)
        assert sum(calls[batch:]) == (FILES - len(whole)) * ROWS
        made = len(calls)
        score(asked, tmp_path, batch_rows=10)
        assert len(calls) == made
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in whole} == before
    assert not list(tmp_path.glob("*.unfinished"))
    score(asked, tmp_path / "at once", batch_rows=10)
    assert_frame_equal(scores(tmp_path), scores(tmp_path / "at once"), check_exact=True)


def test_gaps_in_one_batch_only_make_no_other_type_of_column(asked: Any, tmp_path: Path) -> None:
    rows = asked[2].assign(age=asked[2]["age"].where(np.arange(len(asked[2])) != 3).astype("Int64"))
    (tmp_path / "rows").mkdir()
    rows.to_parquet(tmp_path / "rows" / "only.parquet")
    score((asked[0], tmp_path / "rows", rows), tmp_path / "scored", batch_rows=10)
    assert scores(tmp_path / "scored")["age"].isna().sum() == 1


class Quick:
    """The estimator with a training that takes a second."""

    load = staticmethod(HyConExClassifier.load)

    def __new__(cls, **given: Any) -> Any:
        return fast(**given)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_demonstration_runs_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_parquet, "HyConExClassifier", Quick)
    where = [str(tmp_path / name) for name in ("model.safetensors", "rows", "scored")]
    score_parquet.main([*where, "--demo", "500"])
    found = scores(tmp_path / "scored")
    assert len(found) == 500
    assert ((found["probability_yes"] > 0.5) == (found["granted"] == "yes")).mean() > 0.7
