"""Limits on the size of a table, against files that decompress to far more than expected.

In: the size that a file declares, or that has been read so far. Out: nothing, or a `TableError`
that names the limit and the option that raises it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.words import plural

SMALL = 1 << 28  # bytes that are always allowed
_MOST_TIMES = 100  # a table rarely compresses by a larger factor
_MOST_COLUMNS = 20_000
_LARGEST = 1e24  # bytes of a size that can be written
_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclass(frozen=True)
class Limits:
    """The limits. `size` is in bytes; None means `SMALL` bytes or a hundred times the file,
    whichever is more."""

    columns: int = _MOST_COLUMNS
    size: int | None = None

    def check_columns(self, label: str, count: int) -> None:
        """Raise TableError for a table with more columns than the limit."""
        if count > self.columns:
            raise TableError(
                f"{label} has {plural(count, 'column')}, more than {self.columns:,}",
                hint("if that is right, pass ", Option("max-columns", str(count))).otherwise(
                    "choose columns with ", Option("sql")
                ),
            )

    def check_size(self, label: str, size: int, packed: int, what: str = "unpacks to") -> None:
        """Raise TableError for a table of more bytes than the limit; `packed` is the size of its
        file in bytes, `what` the verb of the message."""
        most = max(SMALL, packed * _MOST_TIMES) if self.size is None else self.size
        if size > most:
            raise TableError(
                f"{label} has {_bytes(packed)} but {what} more than {_bytes(most)}, as files do "
                "that are made to fill a memory",
                hint(
                    "if it is what you expect, raise the limit with ",
                    Option("max-size", f"{max(2 * most // 10**9, 1)}GB"),
                ),
            )


DEFAULT_LIMITS = Limits()


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 800MB, 20GB, 1.5 TB or a plain number; the units are
    powers of 1000. ValueError for other texts, zero, and sizes of 1e24
    bytes or more."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?)i?b?\s*", text.lower())
    size = 0.0 if match is None else float(match[1]) * _UNITS[match[2]]
    if not 0 < size < _LARGEST:
        raise ValueError(f"{text!r} is not a size; write for example 800MB or 20GB")
    return int(size)


def _bytes(size: int) -> str:
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return plural(size, "byte")
