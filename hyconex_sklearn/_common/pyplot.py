"""The door to matplotlib, which is optional and loaded late."""

from __future__ import annotations

from typing import Any


def pyplot(wanted_by: str) -> Any:
    """Return `matplotlib.pyplot`; raise an ImportError that tells how to install it where it is not there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{wanted_by} needs matplotlib, which is not installed. Install it with "
            "pip install 'hyconex-sklearn[plot]'."
        ) from error
    return plt
