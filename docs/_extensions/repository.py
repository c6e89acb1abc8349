"""What the site takes from the repository: links between its files, measuring scripts, figures, statuses, templates."""

from __future__ import annotations

import ast
import os
import posixpath
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from links import linked
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

import hyconex_sklearn
from hyconex_sklearn import metrics, visual

DOCS = Path(__file__).parents[1]
PUBLIC = {
    name: f"{module.__name__}.{name}"
    for module in (visual.metrics, visual, metrics, hyconex_sklearn)
    for name in getattr(module, "__all__", ())
}


def _link_page(app: Sphinx, document: str, content: list[str]) -> None:
    path = Path(app.env.doc2path(document)).relative_to(DOCS).as_posix()
    if path.endswith(".md"):
        content[0] = linked(content[0], f"docs/{path}", path)


def _link_included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    source = posixpath.normpath(posixpath.join("docs", path.as_posix()))
    content[0] = linked(content[0], source, f"{app.env.docname}.md")


class NameOrCode(SphinxRole):
    """Single backticks: a public name becomes a link to the reference, all else is code."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name = PUBLIC.get(self.text, self.text)
        if name not in PUBLIC.values():
            return [nodes.literal(self.rawtext, self.text)], []
        role = self.env.get_domain("py").role("obj")
        assert role is not None
        return role("py:obj", self.rawtext, f"{self.text} <{name}>", self.lineno, self.inliner)


class Scripts(SphinxDirective):
    """A list of the scripts in a folder that are run by themselves: file, and first line of its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for path in sorted((DOCS / self.arguments[0]).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(isinstance(node, ast.If) and "__main__" in ast.dump(node.test) for node in tree.body):
                first = (ast.get_docstring(tree) or "").splitlines()[0]
                lines += [f"{{download}}`{path.name} <{os.path.relpath(path, DOCS)}>`", f": {first}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


class Statuses(SphinxDirective):
    """A list of every status and what it means, taken from the code."""

    def run(self) -> list[nodes.Node]:
        items = [line for status in hyconex_sklearn.Status for line in (f"`{status}`", f": {status.description}", "")]
        return self.parse_text_to_nodes("\n".join(items))


class Templates(SphinxDirective):
    """A list of the templates of all sentences by their names, taken from the code."""

    def run(self) -> list[nodes.Node]:
        templates = hyconex_sklearn.Counterfactuals.sentence_templates()
        lines = [line for name, text in templates.items() for line in (f"`{name}`", f": `{text.strip()}`", "")]
        return self.parse_text_to_nodes("\n".join(lines))


def _draw_figures(app: Sphinx) -> None:
    """Draw what the pages show, in a process of its own: it leaves no setting behind."""
    folder, script = DOCS / "figures", DOCS / "figures.py"
    stamp = folder / "drawn"
    sources = [*DOCS.glob("*.py"), *Path(hyconex_sklearn.__file__).parent.rglob("*.py")]
    if not stamp.exists() or stamp.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        subprocess.run([sys.executable, str(script), str(folder)], check=True)
        stamp.touch()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect everything."""
    app.add_role("name_or_code", NameOrCode())
    app.add_directive("scripts", Scripts)
    app.add_directive("statuses", Statuses)
    app.add_directive("templates", Templates)
    app.connect("source-read", _link_page)
    app.connect("include-read", _link_included)
    app.connect("builder-inited", _draw_figures, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
