"""One self-contained page about a result, for people who do not program."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

from ..rows import AnsweredRows
from .content import page_content, page_table

_POLICY = "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'"


def report_page(result: AnsweredRows, title: str, row_names: Sequence[str] | None = None) -> bytes:
    """Return the page as UTF-8. What comes from the table is in it as JSON and as escaped text, never as markup."""
    content = page_content(result, row_names)
    style, script = _part("page.css"), _part("page.js")
    page = Template(_part("page.html")).substitute(
        title=escape(title),
        policy=_POLICY.format(_digest(style), _digest(script)),
        style=style,
        script=script,
        about=_about(content.pop("about")),
        content=_json(content),
        table=_json(page_table(result, row_names)),
        listing=_listing(content),
    )
    return page.encode(errors="replace")  # half of a surrogate pair is no text


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The one style and the one script that the page's own policy lets pass."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(content: Any) -> str:
    """JSON that no text in it can end: ASCII, and without the character that opens a tag."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _about(told: list[tuple[str, list[str]]]) -> str:
    parts = []
    for term, lines in told:
        parts.append(f"<dt>{term}</dt>{''.join(f'<dd>{escape(line)}</dd>' for line in lines)}")
    return f'<dl class="about">{"".join(parts)}</dl>' if parts else ""


def _listing(content: dict[str, Any]) -> str:
    """Every row with its sentences, for readers without JavaScript."""
    lines = []
    for row in content["rows"]:
        sentences = "".join(f"<li>{escape(answer['sentence'])}</li>" for answer in row["answers"])
        lines.append(f"<h2>{escape(row['name'])}</h2><ul>{sentences}</ul>")
    return "\n".join(lines)
