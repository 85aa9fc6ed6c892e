"""A small file for every rule of reading: each column's kind, every value, and what is said.

Each `corpus/NAME.csv` has a `NAME.json` beside it with what a person reads in it, written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glassnet.estimators.tabular.examine import TableColumns, understand
from glassnet.tables.read_table import read_table

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(path.stem for path in CORPUS.glob("*.json"))


def cells(cells: Any) -> list[Any] | None:
    """The cells of a column, None for a gap."""
    if cells is None or isinstance(cells, list):
        return cells
    if not hasattr(cells, "values"):
        return cells.tolist()
    pairs = zip(cells.values.tolist(), cells.missing.tolist(), strict=True)
    return [None if lost else value for value, lost in pairs]


def wanted(name: str) -> dict[str, Any]:
    return json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))


def understood(name: str) -> TableColumns:
    expected = wanted(name)
    target = expected.get("target", {}).get("name")
    return understand(read_table(CORPUS / f"{name}.csv", **expected.get("options", {})), target)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule(name: str) -> None:
    expected, found = wanted(name), understood(name)
    assert {own.name: [own.kind, cells(own.cells)] for own in found.columns} == expected["columns"]
    assert sorted(note.rule for note in found.notes) == expected["notes"]
    if "target" in expected:
        assert found.target is not None
        assert list(found.target.classes) == expected["target"]["classes"]
        assert int(found.without_target.sum()) == expected["target"]["without"]
