"""Each class and each module has a name of its own, so that a name says what is meant.

In: the source of the package. Out: a failure with the names that occur twice.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.data import ROOT


def twice(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of modules and classes that stand in several places; `sources` are texts by path."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in sources.items():
        name = Path(path).stem
        if not name.startswith("__"):
            places[f"module {name}"].append(path)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[f"class {node.name}"].append(path)
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def test_no_name_is_used_twice() -> None:
    package = ROOT / "src" / "glassnet"
    files = sorted(package.rglob("*.py"))
    assert len(files) > 200
    assert twice({str(f.relative_to(package)): f.read_text(encoding="utf-8") for f in files}) == {}


def test_a_second_use_would_be_seen() -> None:
    table = "class Table: ..."
    sources = {"a/rows.py": table, "b/rows.py": "class _Row: ...", "c/x.py": table}
    assert twice(sources) == {
        "module rows": ["a/rows.py", "b/rows.py"],
        "class Table": ["a/rows.py", "c/x.py"],
    }
