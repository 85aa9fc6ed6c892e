"""The hand-written types of llvmlite and scikit-learn name only what those have."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

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


SKLEARN = ROOT / "typings" / "sklearn"
MADE_LATER = {"LabelBinarizer": ("classes_", "y_type_", "sparse_input_")}  # by `fit`


@pytest.mark.parametrize(
    "path", sorted(SKLEARN.rglob("*.pyi")), ids=lambda path: str(path.relative_to(SKLEARN))
)
def test_scikit_learn_has_it(path: Path) -> None:
    parts = path.relative_to(SKLEARN.parent).with_suffix("").parts
    module = import_module(".".join(part for part in parts if part != "__init__"))
    body = ast.parse(path.read_text()).body
    assert [own for own in names(body) if not hasattr(module, own)] == []
    for node in body:
        if isinstance(node, ast.ClassDef):
            real, later = getattr(module, node.name), MADE_LATER.get(node.name, ())
            members = [own for own in names(node.body) if own not in later]
            assert [own for own in members if not hasattr(real, own)] == []


def test_an_invented_name_would_be_found() -> None:
    tree = ast.parse("def no_such_call() -> None: ...")
    assert [n for n in names(tree.body) if not hasattr(llvmlite.binding, n)] == ["no_such_call"]
