"""The package as a whole: what is shipped, how long things may be."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from itertools import chain
from pathlib import Path

import pytest

import hyconex_sklearn

PACKAGE = "hyconex_sklearn"
HOME = Path(hyconex_sklearn.__file__).parent
ROOT = Path(__file__).parents[2]

MODULES = sorted(HOME.rglob("*.py"))
SCRIPTS = [*MODULES, *sorted((ROOT / "examples").rglob("*.py"))]

# Lines of code, without docstrings.
LONGEST_FUNCTION, LONGEST_MODULE = 70, 350
DEFINITIONS = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def label(path: Path) -> str:
    return str(path.relative_to(path.parents[1]))


# ------------------------------------------------------------------------------------------------- what is shipped


def test_public_names_exist_and_are_documented() -> None:
    assert len(set(hyconex_sklearn.__all__)) == len(hyconex_sklearn.__all__)
    for name in hyconex_sklearn.__all__:
        doc = getattr(hyconex_sklearn, name).__doc__
        assert doc, f"{name} has no docstring."
        assert len(doc.split()) > 5, f"{name} has a docstring of {len(doc.split())} words: {doc!r}."


def test_types_are_shipped() -> None:
    assert resources.files(PACKAGE).joinpath("py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"][PACKAGE]


def test_the_version_has_one_home() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(a|b|rc|dev)\d+)?", hyconex_sklearn.__version__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": f"{PACKAGE}._version.__version__"}
    assert f"## {hyconex_sklearn.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        installed = metadata.version("hyconex-sklearn")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed, so there is no installed version to compare")
    assert installed == hyconex_sklearn.__version__


def test_every_requirement_has_a_lower_bound_and_a_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = _versions("constraints.txt")
    for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
        match = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", line)
        assert match, f"{line!r} should be 'name>=version': a lower bound and no upper one."
        assert match[1] in tested, f"{match[1]} has no tested version in constraints.txt."
        assert _numbers(tested[match[1]]) >= _numbers(match[2]), f"{match[1]} was tested below its lower bound."


def test_the_oldest_versions_that_are_claimed_are_tested_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    claimed = dict(line.split(">=") for line in chain(project["dependencies"], extras["visual"], extras["test"]))
    oldest, newest = (_versions(f"constraints{name}.txt") for name in ("-minimum", ""))
    assert oldest.keys() == claimed.keys()
    for name, bound in claimed.items():
        expected = newest[name] if name == "torch" else bound  # older builds for the CPU alone are hard to come by
        assert re.fullmatch(rf"{re.escape(expected)}(\.0)*", oldest[name]), f"{name}: {bound} is claimed."


def _versions(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_commands_of_the_readme_name_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"<!-- (\w+) command -->\n+```sh\n(.+)\n```", readme)
    assert [kind for kind, _ in commands] == ["run", "test"]
    for _, line in commands:
        assert "-c constraints.txt" in line
        for name in re.findall(r"[\w/]+\.(?:py|txt)", line):
            assert (ROOT / name).is_file(), f"README.md names {name}, which does not exist."


@pytest.mark.slow
def test_the_code_of_the_readme_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # it saves a model
    blocks = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out


@pytest.mark.very_slow
def test_the_guide_to_the_report_page_writes_one(tmp_path: Path) -> None:
    script = ROOT / "examples" / "2_guides" / "report_page.py"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    command = [sys.executable, str(script), "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "report.html").read_text(encoding="utf-8") and "report.html" in done.stdout


@pytest.mark.very_slow
@pytest.mark.parametrize("guide", ["constraints", "diversity", "pipelines"])
def test_the_guides_run(guide: str) -> None:
    script = ROOT / "examples" / "2_guides" / f"{guide}.py"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "would change the prediction from refused to granted" in done.stdout


# --------------------------------------------------------------------------------------------------- a small house


def lines_of(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Lines of a definition, or of a module from its first statement on, without decorators and docstrings."""
    told = 0
    for part in ast.walk(node):
        if isinstance(part, DEFINITIONS) and isinstance(part.body[0], ast.Expr):
            first = part.body[0]
            told += (first.end_lineno or 0) - first.lineno + 1 if isinstance(first.value, ast.Constant) else 0
    last = node.body[-1].end_lineno or 0
    return last - (1 if isinstance(node, ast.Module) else node.lineno) + 1 - told


@pytest.mark.parametrize("path", SCRIPTS, ids=label)
def test_functions_and_modules_stay_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    length = lines_of(tree) if tree.body else 0
    assert length <= LONGEST_MODULE, f"{path.name} has {length} lines; split what does not belong together."
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = lines_of(node)
            assert lines <= LONGEST_FUNCTION, f"{path.name}: {node.name} has {lines} lines; name its parts."
