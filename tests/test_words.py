"""Counts in words, and that no message counts in another way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glassnet.words import plural
from tests.data import ROOT

# Nouns that messages count, and numbers before them that are never 1.
NOUNS = "rows|columns|epochs|classes|numbers|features|parameters|updates|values|outputs|weights"
COUNT = re.compile(rf"\{{[^{{}}]+\}} (?:{NOUNS})\b")
NEVER_ONE = (
    "{FEWEST_ROWS} rows",
    "{len(self.columns)} features",  # scikit-learn's words, which its tests ask for
    "{table.rows:,} rows {have}",
    "{len(parts):,} rows",
    "{present} rows",
    "{name} rows",
    "{width} numbers",
    "{table.shape[1]} numbers as colours",
    "{len(columns)} features",
)


@pytest.mark.parametrize(
    ("count", "noun", "told"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (1234567, "row", "1,234,567 rows"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (3, "epoch", "3 epochs"),
        (2, "different value", "2 different values"),
    ],
)
def test_counted(count: int, noun: str, told: str) -> None:
    assert plural(count, noun) == told
    assert plural(2, "axis", "axes") == "2 axes"
    assert plural(1, "axis", "axes") == "1 axis"


def uncounted(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if COUNT.search(line)]
    return [line for line in lines if not any(own in line for own in NEVER_ONE)]


def test_messages_count_with_it() -> None:
    assert uncounted('f"there are {len(rows)} rows"')  # it would be noticed
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted(Path(ROOT, "src").rglob("*.py"))
        if (lines := uncounted(path.read_text(encoding="utf-8")))
    }
    assert found == {}
