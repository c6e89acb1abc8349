"""Links between files of the repository, as links between pages of the site: the same Markdown serves both."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath

# Files and folders that are pages under another name, from the root of the repository and from the folder of the site.
PAGES = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "docs/results": "results.md",
    "docs/reliability": "reliability.md",
    "examples/1_start": "gallery/1_start/index.rst",
    "examples/2_guides": "gallery/2_guides/index.rst",
    "examples/3_paper": "measuring.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def linked(text: str, source: str, page: str) -> str:
    """Return Markdown whose links to files of the repository lead to the pages that show them, where there are such.

    Pictures in the folder of the site are found, too.

    Parameters
    ----------
    text : str
        Content of a file.
    source : str
        Path of that file from the root of the repository.
    page : str
        Path of the page that shows it, from the folder of the site.
    """

    def replace(match: re.Match[str]) -> str:
        label, target, anchor = match.groups(default="")
        goal = page_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), target)))
        if goal is None:
            return match[0]
        return f"[{label}]({posixpath.relpath(goal, posixpath.dirname(page) or '.')}{anchor})"

    return _LINK.sub(replace, text)


def page_of(path: str) -> str | None:
    """Return the page that shows a file or folder of the repository, from the folder of the site; None for no page.

    A picture shows itself.
    """
    inside = PurePosixPath(path)
    if path in PAGES:
        return PAGES[path]
    if path.startswith(("examples/1_start/", "examples/2_guides/")) and inside.suffix == ".py":
        return f"gallery/{inside.parent.name}/{inside.stem}.rst"
    if path.startswith("docs/") and inside.suffix in (".md", ".rst", ".png"):
        return path.removeprefix("docs/")
    return None
