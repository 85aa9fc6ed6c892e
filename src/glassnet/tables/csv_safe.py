"""Cells that a spreadsheet would take for formulas, and how they are written as texts.

In: cells of a CSV. Out: which of them begin like a formula; the same with an apostrophe before,
which tells a spreadsheet that a text follows; and from that the cells as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|nan)")
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20|]")  # the wide ones in Asian Excel


def is_formula(cell: Any) -> bool:
    """Whether a cell is a text that begins like a formula, apostrophes before it or not; a number
    with a sign is none."""
    return isinstance(cell, str) and bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def escape_formula(cell: Any) -> Any:
    """The cell with one apostrophe more if it is a formula."""
    return f"'{cell}" if is_formula(cell) else cell


def unescape_formula(cell: Any) -> Any:
    """The inverse of `escape_formula`: one apostrophe less before a formula."""
    taken = isinstance(cell, str) and cell.startswith("'") and is_formula(cell)
    return cell[1:] if taken else cell


def count_formulas(cells: Iterable[Any]) -> int:
    """How many of the cells begin like a formula."""
    return sum(map(is_formula, cells))
