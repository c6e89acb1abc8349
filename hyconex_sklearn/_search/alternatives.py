"""First answers in, alternatives out that differ in structure: what earlier ones changed most is frozen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .._common.runtime import chunks
from .._model.certificate import Shortfall
from .incumbent import Incumbent
from .ladder import found, tighten
from .one_pass import propose
from .query import Query

# Shares of the changed columns of earlier answers, largest changes first, that the next one may not touch, and from how
# many columns a mask of as few as possible is begun: a row that differs less is worth more than one that nobody can
# rely on.
_SHARES = (0.5, 0.33, 0.25)
_FEW = 4
_TOGETHER = 48  # so few rows take hardly longer than a single one: masks are tried together that could be spared

#: Some of the queries, by number, and one answer to each.
Answered = tuple[Tensor, Incumbent]


def alternatives(first: Incumbent, k: int, search: str, generator: torch.Generator) -> Iterator[Answered]:
    """Yield `first` and up to k - 1 times the queries that got one more answer, and these answers.

    Masks are tried from the strictest to the mildest: the larger half, third, quarter of what each earlier answer
    changed; its largest change; as few columns as leave none of them possible, begun with one that many of them
    changed; the smallest change of each. A query is served by the first mask that gives a certified row, else by the
    one whose row lacks least. No row comes twice.

    References
    ----------
    Accumulated masks are the diversification of SCE (arXiv 2506.14698), made for images.
    """
    earlier = [(torch.arange(len(first.query), device=first.x.device), first)]
    yield earlier[0]
    while len(earlier) < k:
        best, served = _next_alternative(first.query, earlier, search, generator)
        rows = served.nonzero().squeeze(1)
        if len(rows) == 0:
            break
        earlier.append((rows, Incumbent(first.query[rows], best[rows])))
        yield earlier[-1]


def _next_alternative(
    query: Query, earlier: list[Answered], search: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return one more row for each query (m, d), and which queries got one, (m,)."""
    best, shortfall = query.x.clone(), torch.full_like(query.target, Shortfall.INVALID)
    chosen = torch.zeros_like(query.changed(best))
    masks = list(_masks(query, earlier))
    for part in chunks(len(masks), max(1, _TOGETHER // len(query))):  # so many masks are tried at once
        lacking = shortfall > Shortfall.CERTIFIED
        for rows, frozen, answer in _tried(query, masks[part], lacking, search, generator):
            better = (answer.shortfall < shortfall[rows]) & _new(answer.x, rows, earlier)
            at = rows[better]
            best[at], shortfall[at], chosen[at] = answer.x[better], answer.shortfall[better], frozen[at]
    served = shortfall < Shortfall.INVALID
    rows = served.nonzero().squeeze(1)
    if len(rows):
        kept = Incumbent(query[rows].without(chosen[rows]), best[rows])
        tighten(kept, search)
        best[rows] = kept.x
        served[rows] = _new(kept.x, rows, earlier)
    return best, served


class _Answers(NamedTuple):
    """Rows that were found for some queries."""

    x: Tensor
    shortfall: Tensor


def _tried(
    query: Query, masks: list[Tensor], missing: Tensor, search: str, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, _Answers]]:
    """Search under some masks (m, n_columns) together; yield for each the queries tried, the mask and the answers."""
    each = [(missing & frozen.any(1)).nonzero().squeeze(1) for frozen in masks]
    rows = torch.cat(each)
    if len(rows) == 0:
        return
    part = query[rows].without(torch.cat([frozen[at] for frozen, at in zip(masks, each, strict=True)]))
    answer = found(part, propose(part), search, generator)
    sizes = [len(at) for at in each]
    answers = zip(answer.x.split(sizes), answer.shortfall.split(sizes), strict=True)
    for at, frozen, own in zip(each, masks, answers, strict=True):
        yield at, frozen, _Answers(*own)


def _masks(query: Query, earlier: list[Answered]) -> Iterator[Tensor]:
    """Yield table columns to freeze, as booleans (m, n_columns), from the strictest mask to the mildest."""
    n_columns = query.model.space.n_columns
    sizes = query.x.new_zeros(len(earlier), len(query), n_columns)
    for place, (rows, answer) in enumerate(earlier):
        sizes[place, rows] = query[rows].sizes(answer.x)
    changed = sizes > 0
    rank = sizes.argsort(dim=2, descending=True, stable=True).argsort(2)
    count = changed.to(sizes.dtype).sum(2, keepdim=True)
    for share in _SHARES:
        yield ((rank < (share * count).ceil()) & changed).any(0)
    yield ((rank < 1) & changed).any(0)
    large = sizes.sum(0) / (1 + sizes.sum((0, 2))[:, None])  # below 1
    for column in (changed.sum(0) + large).topk(min(_FEW, n_columns), dim=1).indices.T:
        first = torch.nn.functional.one_hot(column, n_columns).bool() & changed.any(0)
        yield _completed(first, changed, large)
    yield ((rank == count - 1) & changed).any(0)


def _completed(frozen: Tensor, changed: Tensor, large: Tensor) -> Tensor:
    """Return masks (m, n_columns) with columns added until each earlier answer changes one of them.

    Else that answer, `changed` (e, m, n_columns), would only be found again. The column that most of the others change
    comes next; of several, the one of the largest changes (m, n_columns), all below 1.
    """
    for _ in range(len(changed)):
        missed = changed & ~(changed & frozen).any(2, keepdim=True)
        column = (missed.sum(0) + large).argmax(1)
        frozen = frozen | (torch.nn.functional.one_hot(column, frozen.shape[1]).bool() & missed.any(0))
    return frozen


def _new(z: Tensor, rows: Tensor, earlier: list[Answered]) -> Tensor:
    """Return which answers (m, d) to the queries `rows` are not among those found before, shape (m,)."""
    new = torch.ones_like(rows, dtype=torch.bool)
    for others, answer in earlier:
        theirs = torch.full_like(earlier[0][1].x, torch.nan)  # where a query got no answer, any is new
        theirs[others] = answer.x
        new &= (z != theirs[rows]).any(1)
    return new
