"""Starting costs next to nothing: what is loaded when, and how long it takes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module

import pytest

import glassnet
from tests.data import ROOT

LIMIT = 0.2  # seconds of one processor
HEAVY = ("numpy", "llvmlite", "duckdb", "sklearn", "scipy", "narwhals", "safetensors", "pyarrow")

IMPORT = "import glassnet"
HELP = "import sys; sys.argv = ['glassnet', '--help']; from glassnet.cli import main; main()"


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; HELP ends it by SystemExit, as --help does."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def seconds(code: str) -> float:
    """The least processor time of whole processes, several where the first are too slow: other work
    on the machine can only add to it, by what it does to caches."""
    times: list[float] = []
    while len(times) < 25 and min(times, default=LIMIT) >= LIMIT:
        start = of_children()
        python(code)
        times.append(of_children() - start)
    return min(times)


def of_children() -> float:
    return sum(os.times()[2:4])


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import", "help"])
def test_start_is_quick(code: str) -> None:
    assert seconds(code) < LIMIT


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import", "help"])
def test_nothing_heavy_is_loaded(code: str) -> None:
    report = f"import sys\nprint([m for m in {HEAVY} if m in sys.modules])"
    ended = f"try:\n    {code}\nexcept SystemExit:\n    pass\n{report}"
    assert python(ended).stdout.splitlines()[-1] == "[]"


def test_what_is_loaded_would_be_seen() -> None:
    report = f"import sys, numpy\nprint([m for m in {HEAVY} if m in sys.modules])"
    assert python(report).stdout.splitlines()[-1] == "['numpy']"


def test_every_public_name_is_found() -> None:
    for name in glassnet.__all__:
        assert getattr(glassnet, name) is not None
    assert dir(glassnet) == sorted(glassnet.__all__)


def test_functions_are_not_hidden_by_modules_of_their_name() -> None:
    """Importing a submodule sets it as an attribute of the package, over the public name."""
    for name in ("train", "grad", "trace", "compile"):
        with pytest.raises(ModuleNotFoundError):
            import_module(f"glassnet.{name}")


def test_editors_see_the_names_that_are_loaded_lazily() -> None:
    """The block for type checkers and the table of lazy names say the same."""
    tree = ast.parse((ROOT / "src" / "glassnet" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lazy = {name: place.partition(":")[0] for name, place in glassnet._LAZY.items()}
    modules = {name for name, place in glassnet._LAZY.items() if ":" not in place}
    assert typed == {n: m.rpartition(".")[0] if n in modules else m for n, m in lazy.items()}
    assert sorted([*lazy, "__version__", "numerics_version"]) == sorted(glassnet.__all__)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"(?s)no name 'trian'.*right: gn\.train"):
        glassnet.trian  # noqa: B018
    with pytest.raises(AttributeError, match=r"no name 'quux'; it has .*train"):
        glassnet.quux  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    assert os.path.isfile(ROOT / "src" / "glassnet" / "py.typed")
