"""The hand-written types of llvmlite name only what llvmlite has."""

from __future__ import annotations

import ast

import llvmlite.binding
import pytest

from tests.data import ROOT

STUB = ast.parse((ROOT / "typings" / "llvmlite" / "binding" / "__init__.pyi").read_text())


def names(body: list[ast.stmt]) -> list[str]:
    found = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return found + [
        node.target.id
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def test_functions_and_classes_exist() -> None:
    # Abstract bases are private in llvmlite; their methods are looked up on the classes below them.
    bases = {"ObjectRef", "ContextRef"}
    missing = [n for n in names(STUB.body) if n not in bases and not hasattr(llvmlite.binding, n)]
    assert missing == []


@pytest.mark.parametrize(
    "node", [n for n in STUB.body if isinstance(n, ast.ClassDef)], ids=lambda node: node.name
)
def test_members_exist(node: ast.ClassDef) -> None:
    real = getattr(llvmlite.binding, node.name, llvmlite.binding.ModuleRef.__bases__[0])
    assert [name for name in names(node.body) if not hasattr(real, name)] == []


def test_an_invented_name_would_be_found() -> None:
    tree = ast.parse("def no_such_call() -> None: ...")
    assert [n for n in names(tree.body) if not hasattr(llvmlite.binding, n)] == ["no_such_call"]
