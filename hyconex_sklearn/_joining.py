"""Results of several blocks of rows as one, without ever holding all of them twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ._columns import widened

Array = NDArray[Any]


def joined_fields(blocks: list[dict[str, Any]], orders: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the fields of all blocks, each end to end; the list of blocks is emptied on the way.

    Parameters
    ----------
    blocks : list of dict
        Tables and arrays under the same names in each, with one row for each counterfactual.
    orders : sequence of tuple
        Labels of each table column in their order, for columns of ordered categories.
    """
    if len(blocks) == 1:
        return blocks.pop()
    parts = {name: [block[name] for block in blocks] for name in blocks[0]}
    blocks.clear()
    return {name: joined_tables(parts.pop(name), orders) for name in list(parts)}


def joined_tables(parts: list[Any], orders: Sequence[tuple[Any, ...]] = ()) -> Any:
    """Return arrays or frames as one, end to end; a list of arrays is emptied on the way.

    Where a block's column was widened for a cell that did not fit, the whole column is, as if it had been one block.
    """
    if isinstance(parts[0], pd.DataFrame):
        for j, dtypes in _disagreements(parts):
            if all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes):
                _share_categories(parts, j, orders[j] if orders else ())
        return pd.concat(parts, ignore_index=True)
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), np.result_type(*(part.dtype for part in parts)))
    start = 0
    while parts:  # memory that is not written to yet costs nothing, and each block goes as soon as it is copied
        part = parts.pop(0)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _disagreements(parts: list[pd.DataFrame]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number and the dtypes of each column whose dtype is not the same in all frames."""
    for j, dtypes in enumerate(zip(*(part.dtypes for part in parts), strict=True)):
        if any(dtype != dtypes[0] for dtype in dtypes):
            yield j, list(dtypes)


def _share_categories(parts: list[pd.DataFrame], j: int, order: tuple[Any, ...]) -> None:
    """Give column j of all frames the categories of each."""
    columns: list[Any] = [part.iloc[:, j] for part in parts]
    met = dict.fromkeys(label for column in columns for label in column.cat.categories)
    first = columns[0].dtype
    categories = widened(first, [label for label in met if label not in first.categories], order)
    for part, column in zip(parts, columns, strict=True):
        part.isetitem(j, column.cat.set_categories(categories))
