"""The documentation: every public name once, no page that nobody finds, no link into nowhere, code that runs."""

from __future__ import annotations

import doctest
import html.parser
import importlib
import inspect
import os
import re
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import hyconex_sklearn
from hyconex_sklearn import dask, metrics, visual

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_extensions"))

from links import linked  # noqa: E402

MODULES = (hyconex_sklearn, dask, metrics, visual, visual.metrics)
MADE = ("gallery/", "figures/")  # written when the site is built


def pages() -> list[str]:
    """The pages that are in the repository, from the folder of the site."""
    found = [path.relative_to(DOCS) for kind in ("md", "rst") for path in DOCS.rglob(f"*.{kind}")]
    return sorted(path.as_posix() for path in found if path.parts[0] not in ("_build", "gallery", "results"))


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def public_names() -> list[str]:
    """Every public name of the package, dotted; modules are no names."""
    names = []
    for module in MODULES:
        own = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
        for name in getattr(module, "__all__", own):
            if not inspect.ismodule(getattr(module, name)):
                names.append(f"{module.__name__}.{name}")
    return names


# -------------------------------------------------------------------------------------------------- the API pages


def reference() -> str:
    """All pages of the reference."""
    return "\n".join(read(page) for page in pages() if page == "api.rst" or page.startswith("api/"))


def test_every_public_name_stands_in_the_reference_once() -> None:
    told = Counter(re.findall(r"^\.\. auto(?:class|function|data|exception):: (\S+)$", reference(), re.MULTILINE))
    missing, twice = set(public_names()) - set(told), [name for name, count in told.items() if count > 1]
    assert not missing, f"docs/api lacks {', '.join(sorted(missing))}."
    assert not twice, f"docs/api tells {', '.join(twice)} more than once."


def test_every_class_has_a_page_of_its_own() -> None:
    for page in pages():
        if page.startswith("api/"):
            names = re.findall(r"^\.\. autoclass:: (?:\w+\.)+(\w+)$", read(page), re.MULTILINE)
            assert names in ([], [Path(page).stem])
            assert not names or read(page).startswith(f"{names[0]}\n===")


def test_every_name_in_the_reference_exists() -> None:
    for path in re.findall(r"^\.\. auto\w+:: (hyconex\S+)$", reference(), re.MULTILINE):
        parts = path.split(".")
        value: Any = importlib.import_module(parts[0])
        for part in parts[1:]:
            assert hasattr(value, part), f"docs/api names {path}, which does not exist."
            value = getattr(value, part)


# ------------------------------------------------------------------------------------------------ pages and links


def test_every_page_is_found_from_the_first_one() -> None:
    known, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        known.add(page)
        if page.startswith("gallery/"):
            continue
        path = next(DOCS / f"{page}{suffix}" for suffix in (".md", ".rst") if (DOCS / f"{page}{suffix}").is_file())
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.M)
        blocks += re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)*)", text, re.M)
        for block in blocks:
            entries = [line.strip() for line in block.splitlines() if re.fullmatch(r" *[^: ]+", line)]
            waiting += [(Path(page).parent / entry).as_posix() for entry in entries]
    orphans = {page.rsplit(".", 1)[0] for page in pages()} - known
    assert not orphans, f"No toctree names {', '.join(sorted(orphans))}."


@pytest.mark.parametrize("page", [page for page in pages() if page.endswith(".md")])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", linked(read(page), f"docs/{page}", page), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text):
        place = os.path.normpath(Path(page).parent / target)
        made = place.startswith(MADE) and (place.startswith("figures/") or made_from(place).exists())
        assert made or (DOCS / place).exists(), f"docs/{page} links to {target}, which does not exist."


def made_from(place: str) -> Path:
    """The example that a page of the gallery shows."""
    folder, name = Path(place).parts[1:-1], Path(place).stem
    here = ROOT / "examples" / Path(*folder)
    return here / "GALLERY_HEADER.rst" if name == "index" else here / f"{name}.py"


def test_figures_that_pages_show_are_drawn() -> None:
    shown = {name for page in pages() for name in re.findall(r"figures/(\w+\.png)", read(page))}
    drawn = set(re.findall(r'folder / "(\w+\.png)"', read("figures.py") + read("rooms.py")))
    assert shown == drawn


@pytest.mark.parametrize(
    ("text", "source", "page", "expected"),
    [
        ("[r](docs/results.md#images)", "README.md", "readme.md", "[r](results.md#images)"),
        ("[s](../SECURITY.md)", "docs/reliability.md", "reliability.md", "[s](security.md)"),
        ("[s](../../SECURITY.md)", "docs/guide/a.md", "guide/a.md", "[s](../security.md)"),
        ("[g](examples/2_guides/digits.py)", "README.md", "readme.md", "[g](gallery/2_guides/digits.rst)"),
        ("[e](examples/3_paper)", "README.md", "readme.md", "[e](measuring.md)"),
        ("[p](https://example.org/README.md)", "README.md", "readme.md", "[p](https://example.org/README.md)"),
        ("![p](docs/results/visual.png)", "README.md", "readme.md", "![p](results/visual.png)"),
        ("![p](results/visual.png)", "docs/results.md", "results.md", "![p](results/visual.png)"),
        ("[c](constraints.txt)", "README.md", "readme.md", "[c](constraints.txt)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(text: str, source: str, page: str, expected: str) -> None:
    assert linked(text, source, page) == expected


# ---------------------------------------------------------------------------------------------------------- examples


def test_every_extra_is_explained_where_people_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    missing = [name for name in project["optional-dependencies"] if f"| `{name}` |" not in read("install.md")]
    assert not missing, f"docs/install.md lacks the extras {', '.join(missing)}."


@pytest.mark.parametrize("folder", ["1_start", "2_guides"])
def test_every_example_has_a_title_and_tells_what_it_does(folder: str) -> None:
    helpers = re.search(r'"ignore_pattern": r"\^\((.+)\)', read("conf.py"))
    assert helpers
    for path in (ROOT / "examples" / folder).glob("*.py"):
        if path.stem not in helpers[1].split("|"):
            title, line, rest = (path.read_text(encoding="utf-8").removeprefix('"""\n')).split("\n", 2)
            assert set(line) == {"="} and len(line) == len(title), f"{path.name} wants a title, underlined."
            assert "# %%" in rest or "argparse" in rest, f"{path.name} wants cells: # %% and text."


def documented_modules() -> list[str]:
    home = Path(hyconex_sklearn.__file__).parent
    found = [path for path in home.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8")]
    return sorted(".".join(path.relative_to(home.parent).with_suffix("").parts) for path in found)


@pytest.mark.parametrize("name", documented_modules())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0, f"pytest --doctest-modules says what is wrong in {name}."


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quickstart", "guide"])
def test_the_code_of_the_pages_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they write files
    order = re.findall(r"^(\w+)$", read("guide/index.md").split("```{toctree}")[1], re.MULTILINE)
    texts = [read("quickstart.md")] if name == "quickstart" else [read(f"guide/{page}.md") for page in order]
    blocks = [block for text in texts for block in re.findall(r"^```python\n(.+?)^```", text, re.DOTALL | re.M)]
    assert blocks
    exec(compile("\n".join(blocks), f"{name}.md", "exec"), {"__name__": name})


# --------------------------------------------------------------------------------------------------------- docstrings

# numpydoc's checks, without those that ask every function for examples, cross references and a second paragraph, and
# without the type of the first word.
SENSIBLE = {
    *("GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "GL10", "SS01", "SS02", "SS03", "SS04", "SS06"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10", "RT01", "RT02", "RT03", "RT04"),
    *("RT05", "YD01", "SA02", "SA03", "SA04"),
}
SHORT = {"encode", "decode", "forward", "to", "description"}  # one line tells them, shapes included


def documented() -> list[str]:
    """Public names, and their public methods that are written in this package."""
    names = []
    for name in public_names():
        names.append(name)
        module, short = name.rsplit(".", 1)
        value = getattr(importlib.import_module(module), short)
        for method, body in inspect.getmembers(value) if inspect.isclass(value) else ():
            own = str(getattr(body, "__module__", "")).startswith("hyconex_sklearn")
            if own and callable(body) and not method.startswith("_") and method not in SHORT:
                names.append(f"{name}.{method}")
    return names


def test_docstrings_tell_parameters_returns_and_types() -> None:
    validate = pytest.importorskip("numpydoc.validate", reason="pip install -e '.[docs]' to check docstrings").validate
    enumerations = {"PR01"}  # what an Enum's metaclass takes is no parameter of anybody
    wrong = []
    for name in documented():
        if name == "hyconex_sklearn.visual.metrics.ABLATIONS":
            continue
        lenient = enumerations if name.endswith("Status") or name.endswith("Generator") else set()
        wrong += [f"{name}: {code} {text}" for code, text in validate(name)["errors"] if code in SENSIBLE - lenient]
    assert not wrong, "\n".join(wrong)


# ---------------------------------------------------------------------------------------------------- the built site

BUILT = os.environ.get("BUILT_DOCS", "")
built = pytest.mark.skipif(not BUILT, reason="set BUILT_DOCS to the folder of the built site to test it")


class Page(html.parser.HTMLParser):
    """Identities, links and what is loaded of one HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script", "iframe", "source") and "src" in found:
            self.loaded.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(found.get("href", ""))


@cache
def site() -> dict[str, Page]:
    folder = Path(BUILT)
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
        if "_static" not in path.parts
    }


@built
def test_every_public_name_has_one_anchor() -> None:
    ids = Counter(one for name, page in site().items() if name.startswith("api") for one in page.ids)
    assert {name: ids[name] for name in public_names()} == dict.fromkeys(public_names(), 1)


@built
def test_the_site_loads_nothing_from_elsewhere() -> None:
    foreign = {(name, url) for name, page in site().items() for url in page.loaded if re.match(r"(\w+:)?//", url)}
    assert not foreign


@built
def test_every_link_of_the_site_leads_somewhere() -> None:
    dead = []
    for name, page in site().items():
        for link in page.links:
            path, _, anchor = link.partition("#")
            if re.match(r"\w+:", link) or link in ("#", ""):
                continue
            goal = os.path.normpath(Path(name).parent / path) if path else name
            there = (Path(BUILT) / goal).exists()
            if not there or (anchor and goal in site() and anchor not in site()[goal].ids):
                dead.append(f"{name}: {link}")
    assert not dead, "\n".join(dead)


@built
def test_every_guide_ran_and_showed_what_it_printed() -> None:
    for path in sorted((Path(BUILT) / "gallery" / "2_guides").glob("*.html")):
        if path.stem not in ("index", "sg_execution_times", "stable_diffusion"):
            assert "sphx-glr-script-out" in path.read_text(encoding="utf-8"), f"{path.name} shows no output."
