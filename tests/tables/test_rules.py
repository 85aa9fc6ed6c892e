"""Every note is of a rule in docs/reading.md, and every rule has a file in the corpus."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

import pytest

from glassnet.cli.wording import typed_option
from glassnet.tables.rules import RULES, reading_page
from tests.data import ROOT
from tests.tables.test_corpus import CORPUS

# of these there are tests elsewhere, since no CSV file alone leaves the note
ELSEWHERE = {"duplicate name", "case in SQL", "unused token", "not a date", "infinite", "rounded",
             "long numbers", "nested", "sheet", "formulas",
             "equal rows", "group", "order", "repeated id", "seen rows", "no better than a guess",
             "no better than a line", "near twins", "useful identifier",
             "ordered classes"}  # fmt: skip


def noted() -> Iterator[str]:
    """The rules of all notes in the source."""
    for path in (ROOT / "src" / "glassnet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if call and node.func.id == "Note":  # type: ignore[attr-defined]
                first = node.args[0]  # type: ignore[attr-defined]
                assert isinstance(first, ast.Constant)
                yield str(first.value)


def test_every_note_is_explained() -> None:
    assert set(noted()) == set(RULES)


def test_the_page_is_that_of_the_rules() -> None:
    assert (ROOT / "docs" / "reading.md").read_text(encoding="utf-8") == reading_page(typed_option)


def test_every_rule_has_a_file() -> None:
    seen: set[str] = set()
    for path in CORPUS.glob("*.json"):
        seen |= set(json.loads(path.read_text(encoding="utf-8"))["notes"])
    assert seen | ELSEWHERE == set(RULES)
    assert not seen & ELSEWHERE


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_rule_is_a_line_of_a_table(rule: object) -> None:
    assert "\n" not in str(rule)
    assert "|" not in str(rule)
