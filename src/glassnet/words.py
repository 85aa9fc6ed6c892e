"""Words for people.

In: numbers and nouns. Out: text as one would say it.
"""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """1 row, 2 rows, 1,000 classes; `many` where the plural is neither with "s" nor with "es"."""
    ending = "es" if one.endswith(("s", "x")) else "s"
    return f"{count:,} {one if count == 1 else many or one + ending}"
