"""Alternatives that differ in structure: each is asked with the columns that the earlier ones changed most frozen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .incumbent import INVALID, Incumbent
from .ladder import found, tighten
from .one_pass import move, step_of
from .query import Query

# Shares of the changed columns of earlier answers, largest changes first, that the next one may not touch: the first
# of these masks under which an answer is certified serves; the milder ones only serve queries that have no answer.
_SHARES = (0.5, 0.33, 0.25)


def alternatives(
    first: Incumbent, k: int, search: str, generator: torch.Generator
) -> Iterator[tuple[Tensor, Incumbent]]:
    """Yield k - 1 times the queries that got one more answer, and these answers.

    Masks are tried from the strictest to the mildest: the larger half, third, quarter of what each earlier answer
    changed; its largest change; the one column that most of them changed most; the smallest change of each. A query is
    served by the first of the shares that gives a certified row, else by the mask whose row lacks least; the others
    come in only where no row is valid. No row comes twice.

    References
    ----------
    Accumulated masks are the diversification of SCE (arXiv 2506.14698), made for images.
    """
    model, query = first.model, first.query
    earlier = [(torch.arange(len(query), device=query.x.device), first)]
    for _ in range(k - 1):
        best, served = _next_alternative(query, earlier, search, generator)
        rows = served.nonzero().squeeze(1)
        if len(rows) == 0:
            return
        answer = Incumbent(model, query[rows], best[rows])
        earlier.append((rows, answer))
        yield rows, answer


def _next_alternative(
    query: Query, earlier: list[tuple[Tensor, Incumbent]], search: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return one more row for each query (m, d), and which queries got one, (m,)."""
    model = earlier[0][1].model
    best, shortfall = query.x.clone(), query.x.new_full((len(query),), torch.inf)
    chosen = torch.zeros(len(query), model.space.n_columns, dtype=torch.bool, device=query.x.device)
    for place, frozen in enumerate(_masks(query, earlier)):
        missing = shortfall > 0 if place < len(_SHARES) else torch.isinf(shortfall)
        rows = (missing & frozen.any(1)).nonzero().squeeze(1)
        if len(rows) == 0:
            continue
        part = query[rows].without(frozen[rows], model.space.owner)
        answer = found(model, part, move(model, part, step_of(model, part)), search, generator)
        better = (answer.shortfall < shortfall[rows]) & (answer.shortfall < INVALID) & _new(answer.x, rows, earlier)
        best[rows] = torch.where(better[:, None], answer.x, best[rows])
        shortfall[rows] = torch.where(better, answer.shortfall, shortfall[rows])
        chosen[rows] = torch.where(better[:, None], frozen[rows], chosen[rows])
    served = torch.isfinite(shortfall)
    rows = served.nonzero().squeeze(1)
    if len(rows):
        answer = Incumbent(model, query[rows].without(chosen[rows], model.space.owner), best[rows])
        tighten(answer, search)
        best[rows] = answer.x
        served[rows] = _new(answer.x, rows, earlier)
    return best, served


def _masks(query: Query, earlier: list[tuple[Tensor, Incumbent]]) -> Iterator[Tensor]:
    """Yield table columns to freeze, as booleans (m, n_columns), from the strictest mask to the mildest."""
    space = earlier[0][1].model.space
    sizes = query.x.new_zeros(len(earlier), len(query), space.n_columns)
    for place, (rows, answer) in enumerate(earlier):
        sizes[place, rows] = space.by_column(((answer.x - query.x[rows]) * query.weight).abs())
    changed = sizes > 0
    rank = sizes.argsort(dim=2, descending=True, stable=True).argsort(2)
    count = changed.to(sizes.dtype).sum(2, keepdim=True)
    for share in _SHARES:
        yield ((rank < (share * count).ceil()) & changed).any(0)
    yield ((rank < 1) & changed).any(0)
    shared = changed.sum(0) + sizes.sum(0) / (1 + sizes.sum((0, 2))[:, None])  # by number of answers, then by size
    yield torch.nn.functional.one_hot(shared.argmax(1), space.n_columns).bool() & changed.any(0)
    yield ((rank == count - 1) & changed).any(0)


def _new(z: Tensor, rows: Tensor, earlier: list[tuple[Tensor, Incumbent]]) -> Tensor:
    """Return which answers (m, d) to the queries `rows` are not among those found before, shape (m,)."""
    new = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    for others, answer in earlier:
        place = torch.full((int(max(rows.max(), others.max())) + 1,), -1, device=rows.device)
        place[others] = torch.arange(len(others), device=rows.device)
        at = place[rows]
        new &= (at < 0) | (z != answer.x[at]).any(1)
    return new
