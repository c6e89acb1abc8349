"""The import law: which room may import which, where tables and tensors meet, and that no import goes in a circle."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import hyconex_sklearn

PACKAGE = "hyconex_sklearn"
HOME = Path(hyconex_sklearn.__file__).parent
MODULES = sorted(HOME.rglob("*.py"))

# What each room may import beside itself; whatever is not named is refused. All may import `_version`.
LAW = {
    "_common": "",
    "_table": "_common",
    "_rules": "_common _table",
    "_model": "_common _table",
    "_answer": "_common _table",
    "_search": "_common _table _rules _model _answer",
    "_training": "_common _table _rules _model _search",
    "_saving": "_common _table _model",
    "_pipeline": "_common _table _rules _answer",
    "metrics": "_common _table _rules.actionability _answer _pipeline",
    "displays": "_common _table _answer _pipeline",
    "visual": "_common",
    "dask": "_common _table _rules _pipeline",
    "_predictions": "_common _table _model",
    "_classifier": "_common _table _rules _model _search _training _answer _saving _predictions",
    "_command_line": "_common _table _rules.actionability _answer _classifier metrics",
    "__main__": "_command_line",
    "__init__": "_rules.actionability _answer _pipeline _classifier metrics displays",
}
TENSORS = "torch zuko safetensors"
TABLES_ONLY = ("_table", "_rules", "_answer", "_pipeline", "metrics", "displays", "dask", "_command_line")
TENSORS_ONLY = ("_model", "_search", "_training", "_saving", "_predictions", "_classifier")
MEETING_PLACE = "_search.explainer"  # the one module where pandas and torch meet


def name_of(path: Path) -> str:
    """The module's dotted name inside the package; that of a package ends in `__init__`."""
    return ".".join(path.relative_to(HOME).with_suffix("").parts)


def imported(tree: ast.AST, module: str) -> set[str]:
    """Every dotted name that is imported anywhere in the tree of a module, relative ones resolved."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = [PACKAGE, *module.split(".")][: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    # A public name taken from the package itself comes from the module that defines it.
    public = {f"{PACKAGE}.{name}": getattr(hyconex_sklearn, name).__module__ for name in hyconex_sklearn.__all__}
    return {public.get(name, name) for name in names}


def siblings(names: set[str]) -> set[str]:
    """The imported names of the package itself, told from within it."""
    return {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}


def within(name: str, places: str) -> bool:
    """Whether a dotted name is one of the places, or inside one."""
    return any(name == place or name.startswith(f"{place}.") for place in places.split())


def breaches(module: str, names: set[str]) -> set[str]:
    """What a module imports and must not."""
    room = module.split(".")[0]
    refused = {name for name in siblings(names) if not within(name, f"{room} {LAW[room]} _version")}
    tables, tensors = ({name for name in names if within(name, kind)} for kind in ("pandas", TENSORS))
    if module == MEETING_PLACE:
        return refused
    if room in TABLES_ONLY or room in TENSORS_ONLY:
        return refused | (tensors if room in TABLES_ONLY else tables)
    return refused | (tables and tensors)


def imports_of(path: Path) -> set[str]:
    return imported(ast.parse(path.read_text(encoding="utf-8")), name_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_what_its_room_may_not(path: Path) -> None:
    module = name_of(path)
    if module == "_version":
        assert not imports_of(path)
        return
    assert module.split(".")[0] in LAW, f"{module} is in no room; the rooms are {', '.join(LAW)}."
    found = breaches(module, imports_of(path))
    assert not found, f"{module} must not import {', '.join(sorted(found))}; see LAW in {Path(__file__).name}."


def test_no_import_goes_in_a_circle() -> None:
    """Not inside functions either, nor where only a type checker looks."""
    modules = {name_of(path).removesuffix(".__init__"): imports_of(path) for path in MODULES}
    graph = {
        module: {next(known for known in _heads(name) if known in modules) for name in siblings(names)} - {module}
        for module, names in modules.items()
        if module != "__init__"
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(error.args[1])}")


def _heads(name: str) -> list[str]:
    """A dotted name and what it is inside of, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


@pytest.mark.parametrize("room", [room for room in LAW if room.startswith("_") and (HOME / room).is_dir()])
def test_the_door_of_a_room_tells_of_each_of_its_files(room: str) -> None:
    door = ast.parse((HOME / room / "__init__.py").read_text(encoding="utf-8"))
    told = ast.get_docstring(door) or ""
    assert len(door.body) == 1, f"{room}/__init__.py holds more than its docstring."
    untold = [
        path.stem for path in (HOME / room).glob("*.py") if path.stem != "__init__" and f"`{path.stem}`" not in told
    ]
    assert not untold, f"{room}/__init__.py does not tell of {', '.join(untold)}."


@pytest.mark.parametrize("package", ["dask", "matplotlib", "diffusers", "onnx", "onnxruntime", "onnxscript"])
def test_what_is_optional_is_imported_inside_functions_only(package: str) -> None:
    for path in MODULES:
        top = ast.Module([node for node in ast.parse(path.read_text()).body if not _defines(node)], [])
        found = {name for name in imported(top, name_of(path)) if within(name, package)}
        assert not found, f"{path.name} loads {package} when it is imported."


def test_tables_of_other_libraries_are_met_in_one_module_alone() -> None:
    meet = {name_of(path) for path in MODULES if any(within(name, "narwhals polars") for name in imports_of(path))}
    assert meet == {"_table.containers"}


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_table.codec", "import torch.nn as nn"),
        ("_table.codec", "def f():\n    import zuko"),
        ("_table.codec", "if TYPE_CHECKING:\n    from safetensors.torch import save"),
        ("_search.ladder", "from .._training.history import History"),
        ("_search.ladder", "from .. import _training"),
        ("_search.ladder", "def f():\n    from hyconex_sklearn import _training"),
        ("_search.ladder", "import hyconex_sklearn._training.loop"),
        ("_search.ladder", "import pandas as pd"),
        ("_common.runtime", "from .._model.encoded_space import EncodedSpace"),
        ("_saving.model_file", "from .. import HyConExClassifier"),
        ("metrics._rules", "from .._rules.feasible_set import FeasibleSet"),
        ("_answer.page.__init__", "from ..._pipeline import counterfactuals"),
        ("__init__", "from .visual import VisualStatus"),
        ("__init__", "from .dask import predict_proba"),
    ],
)
def test_the_law_sees_every_way_to_import(module: str, source: str) -> None:
    assert breaches(module, imported(ast.parse(source), module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_table.codec", "import torchvision"),
        ("_table.codec", "from .schema import TableSchema"),
        ("_search.ladder", "from .._common.runtime import chunks"),
        ("_search.explainer", "import pandas, torch"),
        ("_common.runtime", "import torch"),
        ("metrics._rules", "from .. import Actionability"),
        ("_answer.page.__init__", "from ..changes import sentences\nfrom .content import page_content"),
        ("_saving.estimator", "from .._version import __version__"),
    ],
)
def test_the_law_lets_the_rest_pass(module: str, source: str) -> None:
    assert not breaches(module, imported(ast.parse(source), module))


def loaded_by(code: str) -> set[str]:
    """The modules that are loaded once a new process has run some code."""
    head = "import contextlib, io, sys\nout, sys.stdout = sys.stdout, io.StringIO()"
    code = f"{head}\n{code}\nprint(*sys.modules, file=out)"
    environment = {**os.environ, "PYTHONPATH": str(HOME.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_load_neither_plots_nor_images_nor_clusters() -> None:
    loaded = loaded_by(f"from {PACKAGE} import *")
    assert f"{PACKAGE}._classifier" in loaded and f"{PACKAGE}.displays" in loaded
    assert not loaded & {"matplotlib", "diffusers", "dask", f"{PACKAGE}.visual", f"{PACKAGE}.dask"}


def test_what_need_not_wait_for_torch_does_not() -> None:
    helped = "with contextlib.suppress(SystemExit): {PACKAGE}._command_line.main.main(['explain', '--help'])"
    helped = f"import {PACKAGE}._command_line.main\n{helped.format(PACKAGE=PACKAGE)}"
    for code in (f"import {PACKAGE}", helped):
        loaded = loaded_by(code)
        assert PACKAGE in loaded and not loaded & {"torch", "sklearn", "scipy"}


def test_a_model_from_a_file_answers_without_what_trains_one() -> None:
    fixture = Path(__file__).parents[1] / "fixtures" / "model_v3"
    loaded = loaded_by(
        f"""
import json, pandas, torch
alone = set(sys.modules)
import {PACKAGE}._command_line.explain
clf = {PACKAGE}.HyConExClassifier.load({f"{fixture}.safetensors"!r})
with open({f"{fixture}.json"!r}) as file:
    rows = pandas.DataFrame(json.load(file)["rows"])
clf.counterfactuals(rows)
assert "sympy" in alone or "sympy" not in sys.modules, "torch has loaded sympy, which takes half a second"
"""
    )
    assert "torch" in loaded and not loaded & {"sklearn.ensemble", "sklearn.linear_model", f"{PACKAGE}.metrics"}


def test_every_public_name_is_there_and_no_other() -> None:
    for name in (*hyconex_sklearn.__all__, "metrics", "displays"):
        assert name in dir(hyconex_sklearn) and getattr(hyconex_sklearn, name).__name__.endswith(name)
    assert set(hyconex_sklearn.__all__) == set(hyconex_sklearn._HOMES)
    with pytest.raises(AttributeError, match="has no attribute 'HyConexClassifier'"):
        getattr(hyconex_sklearn, "HyConexClassifier")  # noqa: B009
