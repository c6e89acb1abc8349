"""What is under way in, a progress bar out that is full when it is over."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import TqdmWarning

with warnings.catch_warnings():
    warnings.simplefilter("ignore", TqdmWarning)  # in a notebook without ipywidgets a bar of text does as well
    from tqdm.auto import tqdm


@contextmanager
def progress(total: int, name: str, unit: str, shown: bool) -> Iterator[Any]:
    """Yield a bar to `update`; what ends sooner than expected ends full, what fails does not."""
    with tqdm(total=total, desc=name, unit=unit, disable=not shown) as bar:
        try:
            yield bar
        except GeneratorExit:  # whoever took what was under way has enough of it
            _fill(bar)
            raise
        _fill(bar)


def _fill(bar: Any) -> None:
    bar.total = bar.n
    bar.refresh()
