"""Formats counts and shortens texts for messages.

In: numbers and nouns, or texts. Out: text such as "1 row" and "2 rows".
"""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: 1 row, 2 rows, 1,000 classes. `many` is an irregular plural."""
    ending = "es" if one.endswith(("s", "x")) else "s"
    return f"{count:,} {one if count == 1 else many or one + ending}"


def shorten(text: str, width: int, end: bool = False) -> str:
    """Return at most `width` characters of a text: its beginning, or its end if `end` is true."""
    if len(text) <= width:
        return text
    return f"…{text[1 - width :]}" if end else f"{text[: width - 1]}…"
