"""Progress bars: full when what they tell of is over, and quiet where a notebook has no widgets."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from hyconex_sklearn._common.progress import progress


def counting(n: int) -> Iterator[int]:
    with progress(n, "counting", "step", True) as bar:
        for number in range(n):
            bar.update()
            yield number


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]


def test_a_bar_is_full_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(counting(9))) == 9
    assert "100%" in (line := last_line(capsys)) and "9/9" in line


def test_a_bar_that_stops_early_ends_full(capsys: pytest.CaptureFixture[str]) -> None:
    steps = counting(9)
    assert [next(steps), next(steps), next(steps)] == [0, 1, 2]
    steps.close()
    assert "100%" in (line := last_line(capsys)) and "3/3" in line
    with progress(9, "phase", "step", True) as bar:
        bar.update(2)
    assert "100%" in (line := last_line(capsys)) and "2/2" in line


def test_a_bar_of_what_failed_is_not_full(capsys: pytest.CaptureFixture[str]) -> None:
    steps = counting(4)
    next(steps)
    with pytest.raises(RuntimeError):
        steps.throw(RuntimeError)
    assert "1/4" in last_line(capsys)


def test_a_bar_that_nobody_asked_for_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(4, "phase", "step", False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_a_notebook_without_widgets_gets_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = SimpleNamespace(get_ipython=lambda: SimpleNamespace(config={"IPKernelApp": {}}))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.find_spec("hyconex_sklearn._common.progress")
    assert spec is not None and spec.loader is not None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with module.progress(1, "phase", "step", False):
            pass
    assert not told
