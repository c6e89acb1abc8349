"""Pages of documentation that are written from records: every figure on them is one of a script's."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

COMMAND = "OMP_NUM_THREADS=1 python examples/3_paper/{name}.py --data FOLDER_WITH_THE_TABLES --output FOLDER"


class Page:
    """The records of a folder, and the text made of them so far."""

    def __init__(self, folder: Path, page: Path, introduction: str) -> None:
        self.folder, self.page, self.parts = folder, page, [introduction]

    def records(self, name: str) -> pd.DataFrame | None:
        """Return the records of a script, None where it has not run."""
        path = self.folder / f"{name}.json"
        return pd.DataFrame(json.loads(path.read_text())["records"]) if path.exists() else None

    def add(self, *parts: str) -> None:
        self.parts += parts

    def head(self, title: str, name: str, frame: pd.DataFrame) -> None:
        """Begin a section: how its records were made, when, where, with which seeds."""
        made = " ".join(map(_made, json.loads((self.folder / f"{name}.json").read_text())["about"]))
        if "seed" in frame:
            made += f" Seeds {', '.join(str(int(seed)) for seed in sorted(frame['seed'].dropna().unique()))}."
        if frame["quick"].any():
            made += " **A quick run: it shows that the script works, and measures nothing.**"
        self.add(f"## {title}", f"```sh\n{COMMAND.format(name=name)}\n```", made)

    def picture(self, name: str, caption: str) -> None:
        """Show a picture of the folder, where there is one."""
        if (self.folder / name).exists():
            self.add(f"![{caption}]({os.path.relpath(self.folder / name, self.page.parent)})")


def _made(about: dict[str, Any]) -> str:
    """Return date, machine and versions as text."""
    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    machine = f"{about['machine']}, {about['cores']} cores; threads: {about['threads']}"
    return f"{about['date']}. {machine}. Python {about['python']}, {versions}."


def write_page(doc: str | None, introduction: str, sections: Iterable[Callable[[Page], None]]) -> None:
    """Write the page that the command line names from the records that it names."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, required=True, help="folder that the scripts wrote to")
    parser.add_argument("--page", type=Path, required=True, help="markdown file to write")
    arguments = parser.parse_args()
    page = Page(arguments.records, arguments.page, introduction)
    for section in sections:
        section(page)
    arguments.page.write_text("\n\n".join(page.parts) + "\n")
