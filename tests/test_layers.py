"""Imports go down the list of layers only, and each outside package enters through one folder.

In: the source tree, read as syntax (nothing is imported). Out: one sentence for each import that
breaks a rule. The rules are the tables below; docs/design.md says why.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data import ROOT

# Top first: a module imports only from its own folder and from rows below its own.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("page", "plot", "report"),
    ("estimators", "inspect"),
    ("tables", "runs"),
    ("training",),
    ("testing",),
    ("pipeline", "stages"),
    ("nn", "optim"),
    ("run",),
    ("llvm",),
    ("lower",),
    ("fuse",),
    ("gradient", "simplify", "tracing"),
    ("ops",),
    ("graph",),
    ("describe", "model_file"),
    ("arguments", "files", "outputs", "references", "rounding", "serialize"),
    ("errors", "foreign", "version", "words"),
    ("hints", "visible"),
)

# The two halves meet in the graph and networks are written with ops, so these see less than what
# lies below them.
ENGINE = ("run", "llvm", "lower", "fuse")
LEAST = {
    "describe", "model_file", "arguments", "files", "outputs", "references", "rounding",
    "serialize", "errors", "foreign", "hints", "version", "visible", "words",
}  # fmt: skip
BACK = {*ENGINE, "graph", *LEAST}
FRONT = {"ops", "graph", *LEAST}
SEES = {
    **dict.fromkeys(ENGINE, BACK),
    "nn": FRONT | {"nn"},
    "optim": FRONT | {"optim"},
}

# Where an outside package may be imported; those not listed are free.
ONLY_IN = {
    "llvmlite": ("llvm",),
    "sklearn": ("estimators", "cli.data"),
    "duckdb": ("tables",),
    "narwhals": ("tables",),
    "typer": ("cli",),
    "rich": ("cli",),
}

# Imports inside a function, and why. Everything else is imported at the top of a file.
LAZY = {
    "cli": ("*",),  # a command loads what it needs when it runs, so that --help is quick
    "nn": ("pipeline",),  # a model called on arrays compiles itself: the one way up
    "pipeline": ("llvm", "run"),  # a missing LLVM costs speed, not the package
    "training": ("llvm",),  # the same
}

RANK = {unit: rank for rank, row in enumerate(reversed(LAYERS)) for unit in row}


@dataclass(frozen=True)
class Import:
    """`source` imports `target` at `line`; both are dotted names. `inside` a function, or for
    `types` only, under `if TYPE_CHECKING`."""

    source: str
    target: str
    line: int
    inside: bool
    types: bool

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}, imports {self.target}"


def modules(package: Path) -> dict[str, Path]:
    """Dotted name -> file, for every module of a package."""
    names: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(package: Path) -> Iterator[Import]:
    """Every import statement of a package, in functions and under conditions too."""
    files = modules(package)
    for source, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        inside = below(tree, lambda node: isinstance(node, FUNCTIONS))
        types = below(tree, lambda node: isinstance(node, ast.If) and names_checking(node.test))
        for node in ast.walk(tree):
            for target in targets(node, source, files):
                line = node.lineno  # type: ignore[attr-defined]
                yield Import(source, target, line, node in inside, node in types)


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def below(tree: ast.AST, matches: Callable[[ast.AST], bool]) -> set[ast.AST]:
    """Every node inside a node that matches."""
    return {node for top in ast.walk(tree) if matches(top) for node in ast.walk(top)}


def names_checking(test: ast.expr) -> bool:
    return ast.unparse(test).endswith("TYPE_CHECKING")


def targets(node: ast.AST, source: str, files: Mapping[str, Path]) -> Iterator[str]:
    """The modules that a statement names: `from a import b` names a.b where that is a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            is_folder = files[source].name == "__init__.py"
            parts = source.split(".")
            parts = parts[: len(parts) - node.level + is_folder]
            base = ".".join([*parts, base] if base else parts)
        for alias in node.names:
            deeper = f"{base}.{alias.name}"
            yield deeper if deeper in files else base


def unit(module: str) -> str:
    """The folder or file directly in the package: glassnet.graph.types -> graph."""
    return module.partition(".")[2].partition(".")[0]


def broken(package: Path) -> list[str]:
    """One sentence for each broken rule."""
    found: list[str] = []
    inner: dict[str, set[str]] = {}
    for name in modules(package):
        if unit(name) and unit(name) not in RANK:
            found.append(f"{name} has no place in LAYERS; give {unit(name)!r} one")
    for use in imports(package):
        if not unit(use.source):
            continue  # the public names are loaded lazily from every layer
        if use.target.partition(".")[0] == package.name:
            found += broken_inside(use)
            inner.setdefault(use.source, set()).add(use.target)
        else:
            found += broken_outside(use)
    return found + [" -> ".join(cycle) + " is a cycle" for cycle in cycles(inner)]


def broken_inside(use: Import) -> Iterator[str]:
    """Rules for an import of our own module."""
    source, target = unit(use.source), unit(use.target)
    lazy = LAZY.get(source, ())
    if use.inside and "*" not in lazy and target not in lazy:
        yield f"{use} inside a function; import it at the top of the file"
    if (use.inside and target in lazy) or source == target:
        return
    if not target:
        yield f"{use}; import the name from the module that defines it"
    elif RANK.get(target, 0) >= RANK.get(source, len(LAYERS)):
        yield f"{use}, which is not below it"
    elif target not in SEES.get(source, {target}):
        yield f"{use}; {source} may import {', '.join(sorted(SEES[source]))} only"


def broken_outside(use: Import) -> Iterator[str]:
    """Rules for an import of another package."""
    top = use.target.partition(".")[0]
    homes = ONLY_IN.get(top)
    where = use.source.partition(".")[2]
    if homes and not any(where == home or where.startswith(home + ".") for home in homes):
        yield f"{use}; only {' and '.join(homes)} may"
    if use.inside and top in sys.stdlib_module_names and "*" not in LAZY.get(unit(use.source), ()):
        yield f"{use} inside a function; import it at the top of the file"


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The import cycles that a walk meets, each as the modules passed on the way round."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for target in sorted(edges.get(name, ())):
                walk(target, [*path, name])
            done.add(name)

    for name in sorted(edges):
        walk(name, [])
    return found


def test_the_package_keeps_to_its_layers() -> None:
    assert broken(ROOT / "src" / "glassnet") == []


SOUND = {
    "__init__.py": "from glassnet.cli import main",
    "version.py": "",
    "errors.py": "import enum",
    "graph/__init__.py": "",
    "graph/types.py": "from glassnet.errors import GraphError",
    "graph/view.py": "if TYPE_CHECKING:\n    import glassnet.graph.types",
    "ops/__init__.py": "from glassnet.ops import view\nfrom glassnet.graph import types",
    "ops/view.py": "import numpy as np\nfrom glassnet.graph.types import Type",
    "nn/module.py": "def f():\n    from glassnet.pipeline import compile",
    "llvm/jit.py": "import llvmlite.binding as llvm",
    "pipeline.py": "from glassnet.llvm.jit import jit\nfrom glassnet.ops import view",
    "cli/__init__.py": "import typer\ndef main():\n    from glassnet.tables import read",
    "cli/data.py": "def load():\n    from sklearn import datasets",
    "tables/__init__.py": "import duckdb",
}

# One planted violation each: the file, its new text, and a part of the sentence expected.
PLANTED = [
    ("graph/parse.py", "from glassnet.ops import view", "which is not below it"),
    ("graph/parse.py", "from glassnet import ops", "glassnet.ops, which is not below it"),
    ("graph/parse.py", "from ..ops.view import x", "glassnet.ops.view, which is not below it"),
    ("graph/types.py", "import glassnet.cli", "which is not below it"),
    ("graph/types.py", "if TYPE_CHECKING:\n    import glassnet.nn", "which is not below it"),
    ("graph/types.py", "from glassnet import grad", "from the module that defines it"),
    ("errors.py", "import glassnet.version", "which is not below it"),
    ("llvm/jit.py", "from glassnet.ops import view", "llvm may import"),
    ("llvm/jit.py", "import glassnet.tracing", "llvm may import"),
    ("nn/module.py", "from glassnet.gradient import gradients", "nn may import"),
    ("nn/module.py", "from glassnet.pipeline import compile", "which is not below it"),
    ("nn/module.py", "def f():\n    from glassnet.ops import view", "inside a function"),
    ("nn/module.py", "def f():\n    import json", "inside a function"),
    ("optim/adam.py", "from glassnet.nn.module import Module", "which is not below it"),
    ("run/threads.py", "from llvmlite import ir", "only llvm may"),
    ("pipeline.py", "def f():\n    import llvmlite.binding", "only llvm may"),
    ("tables/read_table.py", "from sklearn.base import clone", "only estimators and cli.data may"),
    ("cli/fit.py", "import sklearn", "only estimators and cli.data may"),
    ("runs/train.py", "import duckdb", "only tables may"),
    ("page/csv.py", "import narwhals as nw", "only tables may"),
    ("graph/types.py", "from glassnet.graph import types", "is a cycle"),
    ("graph/a.py", "import glassnet.graph.a", "glassnet.graph.a -> glassnet.graph.a is a cycle"),
    ("graph/view.py", "if TYPE_CHECKING:\n    import glassnet.graph.view", "is a cycle"),
    ("misc.py", "", "has no place in LAYERS"),
]


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    package = folder / "glassnet"
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    return package


def test_a_sound_package_passes(tmp_path: Path) -> None:
    assert broken(plant(tmp_path, SOUND)) == []


@pytest.mark.parametrize(("name", "text", "sentence"), PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    found = broken(plant(tmp_path, {**SOUND, name: text}))
    assert len(found) == 1
    assert sentence in found[0]


def test_a_cycle_through_three_files_is_found(tmp_path: Path) -> None:
    ring = {f"graph/{a}.py": f"from glassnet.graph import {b}" for a, b in ("ab", "bc", "ca")}
    assert broken(plant(tmp_path, {**SOUND, **ring})) == [
        "glassnet.graph.a -> glassnet.graph.b -> glassnet.graph.c -> glassnet.graph.a is a cycle"
    ]
