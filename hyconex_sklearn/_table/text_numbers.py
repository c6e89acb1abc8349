"""The labels of a column in, a warning out where they are numbers that somebody left as text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from .._common.messages import listing, user_stacklevel
from .cells import Array

#: Fewer different numbers may well be the codes of a few groups.
FEWEST = 10
#: Of the cells: what is left may be gaps in somebody's own words, such as "?".
NEARLY_ALL = 0.9
#: Labels that are looked at; the rest will be like them.
_LOOKED_AT = 1_000


def warn_of_numbers(name: Any, labels: Sequence[Any], counts: Array) -> None:
    """Warn where nearly all cells of a column of labels read as numbers, of which there are many, and not as codes.

    Parameters
    ----------
    name : hashable
        The column's name.
    labels : sequence of length m
        Its different labels: text, and numbers where the column holds both.
    counts : array of shape (m,)
        Cells of each.
    """
    labels, counts = labels[:_LOOKED_AT], counts[:_LOOKED_AT]
    if not any(isinstance(label, str) for label in labels):
        return
    reads = [_number(label) is not None for label in labels]
    texts = [label for label, read in zip(labels, reads, strict=True) if read and isinstance(label, str)]
    if sum(reads) < FEWEST or counts[reads].sum() < NEARLY_ALL * counts.sum() or _are_codes(texts):
        return
    others = [label for label, read in zip(labels, reads, strict=True) if not read]
    examples = listing([*texts[:1], *others[:2]])
    cuts = {"%": ".str.rstrip('%')", ",": ".str.replace(',', '')"}
    cut = "".join(how for sign, how in cuts.items() if any(sign in text for text in texts))
    warnings.warn(
        f"column {name!r} holds text, such as {examples}, but nearly all of its cells read as numbers. It is learnt as "
        f"a category of {len(labels)} labels without order. If they are numbers, convert the column before fit, and in "
        f"queries: pd.to_numeric(X[{name!r}]{cut}, errors='coerce'), which makes other text missing. If they are "
        "codes, say so: categorical_features=[...], or dtype 'category'.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


def _number(label: Any) -> float | None:
    """The number that a label reads as, "12%" and "1,200" included; None where it reads as none."""
    if isinstance(label, bool):
        return None
    try:
        number = float(label.strip().rstrip("%").replace(",", "") if isinstance(label, str) else label)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _are_codes(texts: Sequence[str]) -> bool:
    """Whether numbers as text look like codes: zeros in front, or as many digits (four or more) in each of them."""
    digits = [text.strip() for text in texts]
    if any(len(text) > 1 and text[0] == "0" and text.isdigit() for text in digits):
        return True
    return bool(digits) and all(text.isdigit() and len(text) == len(digits[0]) >= 4 for text in digits)
