"""Words for people.

In: numbers and nouns. Out: text as one would say it.
"""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """1 row, 2 rows, 1,000 classes; `many` where the plural is neither with "s" nor with "es"."""
    ending = "es" if one.endswith(("s", "x")) else "s"
    return f"{count:,} {one if count == 1 else many or one + ending}"


def shorten(text: str, width: int, end: bool = False) -> str:
    """At most so many characters of a text: its beginning, or its `end`."""
    if len(text) <= width:
        return text
    return f"…{text[1 - width :]}" if end else f"{text[: width - 1]}…"
