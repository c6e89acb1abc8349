"""Imports of the package in, a picture of its rooms out: who stands on whom, and how large each room is.

Drawn with the other figures, by figures.py.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import hyconex_sklearn

HOME = Path(hyconex_sklearn.__file__).parent
WIDTH, BOX = 11.0, (1.62, 0.66)  # of the picture, and of one room, in inches
OURS, PUBLIC, LINE = "#E3F0F8", "#FFF3D6", "#666666"


def room_of(path: Path) -> str:
    """Return the room of a module: its folder, or its own name at the entrance."""
    return path.relative_to(HOME).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Return the rooms that a module imports from, but for its own and the version."""
    package = path.relative_to(HOME).with_suffix("").parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            inside = (*package[: len(package) + 1 - node.level], *(node.module or "").split("."))
            found |= {inside[0]} if inside[0] else {alias.name for alias in node.names}
    return found - {room_of(path), "_version"}


@cache
def rooms() -> dict[str, tuple[int, int]]:
    """Return modules and lines of each room, the entrance left out: it names everything."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for path in sorted(HOME.rglob("*.py")):
        sizes[room_of(path)].append(len(path.read_text(encoding="utf-8").splitlines()))
    return {room: (len(lines), sum(lines)) for room, lines in sizes.items() if room not in ("__init__", "_version")}


@cache
def arrows() -> dict[str, set[str]]:
    """Return for each room those that it imports from."""
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for path in HOME.rglob("*.py"):
        if room_of(path) in found:
            found[room_of(path)] |= imported(path)
    return found


@cache
def floor(room: str) -> int:
    """Return how many rooms stand below one another under a room."""
    return max((1 + floor(below) for below in arrows()[room]), default=0)


def needed(room: str) -> set[str]:
    """Return the rooms that a room imports from, less those that it reaches through others anyway."""
    through: set[str] = set()
    rest = [below for direct in arrows()[room] for below in arrows()[direct]]
    while rest:
        below = rest.pop()
        if below not in through:
            through.add(below)
            rest += arrows()[below]
    return arrows()[room] - through


def places() -> dict[str, tuple[float, float]]:
    """Return where each room is drawn: on its floor, as near as may be to the rooms above and below."""
    near: dict[str, set[str]] = {
        room: needed(room) | {above for above in rooms() if room in needed(above)} for room in rooms()
    }
    on: dict[int, list[str]] = defaultdict(list)
    for room in rooms():
        on[floor(room)].append(room)
    across = dict.fromkeys(rooms(), WIDTH / 2)
    for _ in range(4):
        for names in on.values():
            names.sort(key=lambda room: sum(across[other] for other in sorted(near[room])) / max(1, len(near[room])))
            across |= {room: WIDTH * (place + 0.5) / len(names) for place, room in enumerate(names)}
    return {room: (across[room], 1.15 * floor(room)) for room in rooms()}


def draw(folder: Path) -> None:
    """Draw the rooms as boxes and their imports as arrows; those that go without saying faintly."""
    where = places()
    top = max(y for _, y in where.values())
    figure, ax = plt.subplots(figsize=(WIDTH, top + 1))
    ax.set(xlim=(0, WIDTH), ylim=(-0.5, top + 0.5))
    ax.axis("off")
    for room, (x, y) in where.items():
        modules, lines = rooms()[room]
        colour = OURS if room.startswith("_") else PUBLIC
        corner = (x - BOX[0] / 2, y - BOX[1] / 2)
        ax.add_patch(mpl.patches.FancyBboxPatch(corner, *BOX, "round,pad=0,rounding_size=.12", fc=colour, ec=LINE))
        ax.text(x, y + 0.1, room, ha="center", va="center", fontsize=10, weight="bold")
        files = f"{modules} file{'s' if modules > 1 else ''}, {lines:,} lines"
        ax.text(x, y - 0.16, files, ha="center", va="center", fontsize=7.5, color=LINE)
        for below in arrows()[room]:
            strong = below in needed(room)
            ends = (where[below][0], where[below][1] + BOX[1] / 2), (x, y - BOX[1] / 2)
            style = {"arrowstyle": "-|>", "color": LINE, "lw": 1.3 if strong else 0.6, "alpha": 1 if strong else 0.25}
            ax.annotate("", xy=ends[0], xytext=ends[1], arrowprops=style, zorder=0)
    figure.savefig(folder / "rooms.png", dpi=130, bbox_inches="tight")
    plt.close(figure)
