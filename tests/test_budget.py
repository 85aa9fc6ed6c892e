"""Files, functions and the engine stay small enough to be read.

In: the source tree. Out: one sentence for each file or function over its budget. A budget that
must be broken is raised here, with the reason beside it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.data import ROOT

FILE_LINES = 500
FUNCTION_LINES = 40
# 4000 were planned. Gathering while multiplying, one kernel for softmax, loss and gradient, and
# vectors where code is written out took 450 more; each made some step clearly faster. Steps that
# come back to Python before they are done took 100: without them Ctrl-C waits for seconds. A pass
# that does once what was done for every row took 30. Blocks of rows took 120: weight gradients of
# large batches are computed up to four times as fast. Asking for rows while others are multiplied
# took 50: a step with shuffled images is 8 % shorter. Parts of what one thread does alone, such as
# the sum of all losses, took 170: without them Ctrl-C waits for as long as there are rows. Leaving
# out products with 0 took 240: steps on images or encoded categories are up to a third shorter.
# WebAssembly took 320: exact multiply-adds, and modules without a linker. That other files in the
# folder of kept code are left alone took 60. Arrays that a graph reads besides its arguments took
# 90: without them a compiled function keeps the weights that a network had at its first call.
# That the parts of an op are named, and names that say what they are, took 31.
# NumPy's functions and methods on graph values, its brackets, and constants that take the dtype of
# what they are compared with took 78: people write them, and each was an error of its own.
# That a number never gets the name of a size that is open already took 7: else code would write
# behind the end of an array. The answer where a network stands in place of an array took 7.
# An answer for % and // took 7.
# That an instruction set can be named took 7: AVX2 is measured on any machine.
# Stores that look first whether their mask is full took 17: on AVX2 steps of networks with open
# widths are up to a third shorter.
# Longer names, which say what functions do, took 41.
# That numbers of each column are not taken for numbers of each row took 6.
# Code for known widths that is made beside a running training took 116: trainings of some tenths of
# a second have it too, and none waits for it where code for open widths is there.
# LLVM's level for tests, and writes to the code cache that do not look at all files, took 3.
# A highest number of threads took 1.
ENGINE_LINES = 6051

# From the graph to running machine code. The op records are left out: they are the open part, one
# record an op, and a new op should cost nothing elsewhere. Documentation is left out too: lines of
# code are counted, so that nobody saves on docstrings.
ENGINE = (
    "graph", "tracing", "gradient", "simplify",
    "fuse", "lower", "llvm", "run", "pipeline",
)  # fmt: skip

# path of a file, or path:function -> its own budget. The reason stands in a comment.
EXCEPTIONS: dict[str, int] = {}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def over_budget(folder: Path, exceptions: Mapping[str, int]) -> Iterator[str]:
    """One sentence for each file and each function that is too long."""
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if lines(path) > exceptions.get(name, FILE_LINES):
            yield f"{name} has {lines(path)} lines"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                if length > exceptions.get(f"{name}:{node.name}", FUNCTION_LINES):
                    yield f"{name}:{node.name} has {length} lines"


def code_lines(path: Path) -> int:
    """Lines that are neither blank, nor a comment, nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None
            prose.update(range(node.lineno, node.end_lineno + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#") and number not in prose
    )


def engine_lines(package: Path) -> int:
    return sum(
        code_lines(path)
        for path in package.rglob("*.py")
        if path.relative_to(package).with_suffix("").parts[0] in ENGINE
    )


def test_files_and_functions_are_short() -> None:
    assert list(over_budget(ROOT / "src", EXCEPTIONS)) == []
    assert list(over_budget(ROOT / "tests", EXCEPTIONS)) == []


def test_the_engine_is_small() -> None:
    assert engine_lines(ROOT / "src" / "glassnet") <= ENGINE_LINES


def function(name: str, length: int) -> str:
    """Source of a function of that many lines."""
    return f"def {name}():\n" + "    x = 1\n" * (length - 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n" * 500, []),
        ("x = 1\n" * 501, ["part/a.py has 501 lines"]),
        (function("f", 40), []),
        (function("f", 41), ["part/a.py:f has 41 lines"]),
        (
            "class C:\n    " + function("g", 42).replace("\n", "\n    "),
            ["part/a.py:g has 42 lines"],
        ),
    ],
)
def test_planted_lengths(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "a.py").write_text(text)
    assert list(over_budget(tmp_path, {})) == found


def test_an_exception_moves_one_budget_only(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(function("f", 50) + function("g", 50))
    assert list(over_budget(tmp_path, {"a.py:f": 50})) == ["a.py:g has 50 lines"]


def test_only_the_code_of_the_engine_counts(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "ops").mkdir()
    (tmp_path / "graph" / "types.py").write_text('"""One.\n\nTwo."""\n\n# three\n' + "x = 1\n" * 7)
    (tmp_path / "fuse").mkdir()
    (tmp_path / "fuse" / "kernels.py").write_text("x = 1  # four\n" * 5)
    (tmp_path / "ops" / "view.py").write_text("x = 1\n" * 90)
    assert engine_lines(tmp_path) == 12
