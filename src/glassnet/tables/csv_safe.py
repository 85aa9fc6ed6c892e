"""Escape CSV cells that a spreadsheet would compute as formulas.

In: cells of a CSV. Out: whether they begin like a formula; the same with an apostrophe before,
which makes a spreadsheet read a text; and the inverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|nan)")
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20|]")  # the wide ones in Asian Excel


def is_formula(cell: Any) -> bool:
    """Return whether a text begins like a formula, with or without apostrophes before it; a signed
    number does not."""
    return isinstance(cell, str) and bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def escape_formula(cell: Any) -> Any:
    """Return the cell with an apostrophe before it if it is a formula, else unchanged."""
    return f"'{cell}" if is_formula(cell) else cell


def unescape_formula(cell: Any) -> Any:
    """Return the cell without one apostrophe before a formula: the inverse of `escape_formula`."""
    taken = isinstance(cell, str) and cell.startswith("'") and is_formula(cell)
    return cell[1:] if taken else cell


def count_formulas(cells: Iterable[Any]) -> int:
    """Return the number of cells that begin like a formula."""
    return sum(map(is_formula, cells))
