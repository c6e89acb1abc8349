"""The package as a whole: who may import whom, what an import loads, what is shipped, how long things may be."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata, resources
from itertools import chain
from pathlib import Path

import pytest

import hyconex_sklearn

PACKAGE = "hyconex_sklearn"
HOME = Path(hyconex_sklearn.__file__).parent
ROOT = Path(__file__).parents[1]

TORCH = {"torch", "zuko", "safetensors.torch"}
NETWORKS = {"_committee", "_density", "_hypernet", "_model"}

# What each module must not import: siblings by their bare names, other packages by theirs (submodules are meant, too).
# A module may be listed before it exists.
FORBIDDEN: dict[str, set[str]] = {
    "__init__": {"matplotlib", "visual", "dask"},
    "__main__": {"pandas", *TORCH, "_classifier"},
    "_actionability": {*TORCH, "_codec", "_classifier"},
    "_answers": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_cells": {*TORCH, "_codec", "_classifier"},
    "_checks": {*TORCH, "_classifier"},
    "_classifier": {"visual"},
    "_command_line": {*TORCH, "matplotlib", "visual", "_fitting", "_explaining"},
    "_codec": {*TORCH, "_classifier"},
    "_column_fit": {*TORCH, "_classifier"},
    "_columns": {*TORCH, "_classifier"},
    "_committee": {"pandas", "_hypernet", "_classifier"},
    "_container": {"pandas", "_model", "_persistence", "_classifier"},
    "_density": {"pandas", "_hypernet", "_classifier"},
    "_diversity": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "dask": {*TORCH, "_codec", "_classifier", "_fitting", "_explaining"},
    "_described": {"pandas", *TORCH, "_classifier"},
    "_explaining": {"_training", "_fitting", "_classifier"},
    "_joining": {*TORCH, "_codec", "_classifier"},
    "_feasible": {"pandas", *TORCH, "_codec", "_actionability", "_classifier"},
    "_files": {"pandas", *TORCH, PACKAGE},
    "_fitting": {"pandas", "_classifier"},
    "_greedy": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_hypernet": {"pandas", "zuko", "_density", "_losses", "_classifier"},
    "_joint": {"pandas", "_search", "_classifier"},
    "_keeping": {"pandas", "_fitting", "_explaining", "_classifier"},
    "_latent": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_losses": {"pandas", "torch.optim", *NETWORKS, "_classifier"},
    "_metric_distances": {*TORCH, "_classifier"},
    "_metric_judges": {*TORCH, "_classifier"},
    "_metric_rules": {*TORCH, "_feasible", "_reading", "_rules", "_translation", "_classifier"},
    "_metric_units": {*TORCH, "_classifier"},
    "_model": {"pandas", "_training", "_search", "_classifier"},
    "_onnx": {"pandas", "_codec", "_search", "_classifier"},
    "_persistence": {"pandas", "_fitting", "_search", "_classifier"},
    "_notebook": {*TORCH, "matplotlib", "_classifier"},
    "_page": {*TORCH, "matplotlib", "_codec", "_classifier"},
    "_pipeline": {*TORCH, "_classifier"},
    "_planes": {"pandas", PACKAGE},
    "_plain": {"pandas", "safetensors", "_schema", "_model", "_classifier"},
    "_plotting": {"pandas", *TORCH, "_codec", "_classifier"},
    "_probing": {*TORCH, "_codec", "_actionability", "_classifier"},
    "_query": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_ranges": {"pandas", *TORCH, "_codec", "_classifier"},
    "_reading": {"pandas", *TORCH, "_codec", "_feasible", "_classifier"},
    "_refine": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_relations": {"pandas", *TORCH, "_codec", "_actionability", "_classifier"},
    "_result": {*TORCH, "matplotlib", "_classifier"},
    "_report": {*TORCH, "_classifier"},
    "_repair": {*TORCH, "_classifier"},
    "_reservoir": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_rules": {"pandas", *TORCH, "_codec", "_classifier"},
    "_schema": {"pandas", *TORCH, "_classifier"},
    "_scoring": {*TORCH, "_classifier"},
    "_sentences": {"pandas", *TORCH, "_codec", "_classifier"},
    "_search": {"pandas", "_training", "_joint", "_classifier"},
    "_shorten": {"pandas", "_codec", "_training", "_joint", "_classifier"},
    "_space": {"pandas", "_classifier"},
    "_status": {"pandas", *TORCH, PACKAGE},
    "_torch_utils": {"pandas", PACKAGE},
    "_training": {"pandas", "_search", "_classifier"},
    "_translation": {*TORCH, "_classifier"},
    "_validation": {*TORCH, "_classifier"},
    "_wording": {*TORCH, "_codec", "_classifier"},
    "displays": {*TORCH, "_codec", "_classifier", "_search", "_training"},
    "metrics": {*TORCH, "_classifier"},
    "visual": {"pandas", "_codec", "_classifier"},
    "visual/_display": {"pandas", *TORCH, "_codec", "_classifier"},
    "visual/_result": {*TORCH, "_codec", "_classifier"},
}
MEETING_PLACE = "_explaining"  # the one module where pandas and torch meet
MODULES = sorted(HOME.rglob("*.py"))
SCRIPTS = [*MODULES, *sorted((ROOT / "examples").rglob("*.py"))]

LONGEST_FUNCTION = 70  # lines of code, without the docstring
LONGEST_MODULE = 500  # lines


def imported(tree: ast.AST, package: str = PACKAGE) -> set[str]:
    """Every dotted name that is imported anywhere in the tree, relative ones resolved against `package`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    # A public name taken from the package itself comes from the module that defines it.
    public = {f"{PACKAGE}.{name}": getattr(hyconex_sklearn, name).__module__ for name in hyconex_sklearn.__all__}
    return names | {public[name] for name in names if name in public}


def breaches(names: set[str], forbidden: set[str]) -> set[str]:
    """The imported names that fall under a forbidden one."""
    dotted = {*forbidden, *(f"{PACKAGE}.{name}" for name in forbidden)}  # a module may be named as a package is
    return {name for name in names if any(name == ban or name.startswith(f"{ban}.") for ban in dotted)}


def key_of(path: Path) -> str:
    """The module's line in the table; a subpackage has one line for all its files that have none of their own."""
    inside = path.relative_to(HOME).with_suffix("")
    return inside.as_posix() if inside.as_posix() in FORBIDDEN else inside.parts[0]


def imports_of(path: Path) -> set[str]:
    inside = ".".join([PACKAGE, *path.relative_to(HOME).parent.parts])
    return imported(ast.parse(path.read_text(encoding="utf-8")), inside)


def label(path: Path) -> str:
    return str(path.relative_to(path.parents[1]))


# ------------------------------------------------------------------------------------------------------- import law


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_no_module_imports_what_it_must_not(path: Path) -> None:
    key = key_of(path)
    assert key in FORBIDDEN, (
        f"{path.name} is not in the import table. Add {key!r} to FORBIDDEN in tests/test_package.py, with what it must "
        "not import: tables and tensors stay apart."
    )
    found = breaches(imports_of(path), FORBIDDEN[key])
    assert not found, f"{path.name} must not import {', '.join(sorted(found))}."


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_pandas_and_torch_meet_in_one_module_only(path: Path) -> None:
    names = imports_of(path)
    both = bool(breaches(names, {"pandas"})) and bool(breaches(names, TORCH))
    assert not both or key_of(path) == MEETING_PLACE, (
        f"{path.name} imports pandas and torch. Let plain arrays cross the border; only {MEETING_PLACE}.py sees both."
    )


@pytest.mark.parametrize("package", ["dask", "matplotlib", "diffusers", "onnx", "onnxruntime", "onnxscript"])
def test_what_is_optional_is_imported_inside_functions_only(package: str) -> None:
    for path in MODULES:
        top = ast.Module([node for node in ast.parse(path.read_text()).body if not _defines(node)], [])
        assert not breaches(imported(top), {package}), f"{path.name} loads {package} when it is imported."


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_codec", "import torch"),
        ("_codec", "import torch.nn as nn"),
        ("_codec", "from torch import nn"),
        ("_codec", "def f():\n    import zuko"),
        ("_codec", "if TYPE_CHECKING:\n    from safetensors.torch import save"),
        ("_search", "from ._training import History"),
        ("_search", "from . import _training"),
        ("_search", "def f():\n    from hyconex_sklearn import _training"),
        ("_search", "import hyconex_sklearn._training"),
        ("_losses", "from torch.optim import AdamW"),
        ("_torch_utils", "from ._space import EncodedSpace"),
        ("_persistence", "from . import HyConExClassifier"),
        ("__init__", "from .visual import explain"),
        ("__init__", "from .dask import predict_proba"),
    ],
)
def test_the_law_sees_every_way_to_import(module: str, source: str) -> None:
    assert breaches(imported(ast.parse(source)), FORBIDDEN[module])


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_codec", "import torchvision"),
        ("_codec", "from ._schema import TableSchema"),
        ("_search", "from ._torch_utils import chunks"),
        ("_losses", "from torch import Tensor"),
        ("_persistence", "from . import Counterfactuals"),
        ("_torch_utils", "import torch"),
    ],
)
def test_the_law_lets_the_rest_pass(module: str, source: str) -> None:
    assert not breaches(imported(ast.parse(source)), FORBIDDEN[module])


def test_relative_imports_of_a_subpackage_are_resolved() -> None:
    tree = ast.parse("from .._codec import TableCodec\nfrom .parts import f")
    names = imported(tree, f"{PACKAGE}.visual")
    assert breaches(names, FORBIDDEN["visual"]) == {f"{PACKAGE}._codec", f"{PACKAGE}._codec.TableCodec"}
    assert f"{PACKAGE}.visual.parts" in names


def test_a_bare_import_loads_neither_plots_nor_images_nor_clusters() -> None:
    code = f"import sys, {PACKAGE}; print('\\n'.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"{PACKAGE}._classifier" in loaded
    assert not loaded & {"matplotlib", "diffusers", "dask", f"{PACKAGE}.visual", f"{PACKAGE}.dask"}


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
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": f"{PACKAGE}.__version__"}
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


@pytest.mark.slow
def test_the_guide_to_the_report_page_writes_one(tmp_path: Path) -> None:
    script = ROOT / "examples" / "2_guides" / "report_page.py"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    command = [sys.executable, str(script), "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "report.html").read_text(encoding="utf-8") and "report.html" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("guide", ["constraints", "diversity", "pipelines"])
def test_the_guides_run(guide: str) -> None:
    script = ROOT / "examples" / "2_guides" / f"{guide}.py"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "would change the prediction from refused to granted" in done.stdout


# --------------------------------------------------------------------------------------------------- a small house


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of code of each function, without decorators and docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0]
            told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", SCRIPTS, ids=label)
def test_functions_and_modules_stay_short(path: Path) -> None:
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= LONGEST_MODULE, f"{path.name} has {length} lines; split what does not belong together."
    for name, lines in functions(path):
        assert lines <= LONGEST_FUNCTION, f"{path.name}: {name} has {lines} lines; give its parts names of their own."
