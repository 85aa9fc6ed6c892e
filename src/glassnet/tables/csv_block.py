"""Find the structure of a block of CSV text: which delimiters, line ends and quotes are real.

In: bytes that begin at the start of a record. Out: positions of records and fields, and of the
first faulty byte. A byte is outside quotes if an even number of quotes comes before it; doubled
quotes keep that number even.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUOTE, _CR, _LF, _ZERO, _NINE, _UNDERSCORE = 34, 13, 10, 48, 57, 95
_SIGNS = (ord(" "), ord("+"), ord("-"))
_BEFORE_A_NUMBER = (_QUOTE, _CR, _LF, ord(" "), ord("+"), ord("-"))


def _outside_quotes(positions: NDArray[np.int64], quotes: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(quotes):
        return positions
    return positions[np.searchsorted(quotes, positions) % 2 == 0]


def complete_records_length(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that ends with a complete record (or 0).

    A carriage return at the very end may be half of a CR LF, so it is not a line end yet.
    """
    view = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((view == _LF) | (view == _CR))
    if len(ends) and data[-1] == _CR:
        ends = ends[:-1]
    ends = _outside_quotes(ends, np.flatnonzero(view == _QUOTE))
    return int(ends[-1]) + 1 if len(ends) else 0


def line_end_of(data: NDArray[np.uint8]) -> str:
    """Return the line end of the first record ("" if there is none)."""
    ends = _outside_quotes(
        np.flatnonzero((data == _LF) | (data == _CR)), np.flatnonzero(data == _QUOTE)
    )
    if not len(ends):
        return ""
    first = int(ends[0])
    if data[first] == _LF:
        return "\n"
    return "\r\n" if first + 1 < len(data) and data[first + 1] == _LF else "\r"


@dataclass(frozen=True)
class Block:
    """Consecutive records, with the positions of all delimiters, line ends and quotes."""

    data: NDArray[np.uint8]
    delimiter: int
    line_end: str

    @property
    def line_byte(self) -> int:
        """Return the byte that ends a line: CR if lines end with CR alone, else LF."""
        return _CR if self.line_end == "\r" else _LF

    @cached_property
    def quotes(self) -> NDArray[np.int64]:
        """Return the positions of all quotes, ascending."""
        return np.flatnonzero(self.data == _QUOTE)

    @cached_property
    def delimiters(self) -> NDArray[np.int64]:
        """Return the positions of the delimiters outside quotes, ascending."""
        return _outside_quotes(np.flatnonzero(self.data == self.delimiter), self.quotes)

    @cached_property
    def breaks(self) -> NDArray[np.int64]:
        """Return the positions of the line ends outside quotes, ascending; of CR LF, of the LF."""
        return _outside_quotes(np.flatnonzero(self.data == self.line_byte), self.quotes)

    def records(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return start and end of each record, without line ends."""
        starts = np.concatenate(([0], self.breaks + 1))
        ends = np.concatenate((self.breaks - max(len(self.line_end) - 1, 0), [len(self.data)]))
        if starts[-1] == len(self.data):
            starts, ends = starts[:-1], ends[:-1]
        return starts, ends

    def widths(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of fields of each record."""
        return np.searchsorted(self.delimiters, ends) - np.searchsorted(self.delimiters, starts) + 1

    def record_and_field(self, position: int) -> tuple[int, int]:
        """Return the record, and the field within it, that contains a byte (both from 0)."""
        record = int(np.searchsorted(self.breaks, position))
        start = int(self.breaks[record - 1]) + 1 if record else 0
        field = np.searchsorted(self.delimiters, position) - np.searchsorted(self.delimiters, start)
        return record, int(field)

    def lines_before(self, position: int) -> int:
        """Return the number of line ends before a byte, including quoted ones."""
        return int(np.count_nonzero(self.data[:position] == self.line_byte))

    def misplaced_opening(self) -> int | None:
        """Return the position of the first quote that opens in the middle of a field."""
        opening = self.quotes[::2]
        before = self.data[np.maximum(opening - 1, 0)]
        good = (opening == 0) | np.isin(before, (self.delimiter, self.line_byte, _QUOTE))
        return _first(opening[~good])

    def misplaced_closing(self) -> int | None:
        """Return the position of the first quote that closes before its field ends."""
        closing = self.quotes[1::2]
        after = self.data[np.minimum(closing + 1, len(self.data) - 1)]
        good = (closing == len(self.data) - 1) | np.isin(after, (self.delimiter, _CR, _LF, _QUOTE))
        return _first(closing[~good])

    def unclosed(self) -> int | None:
        """Return the position of the quote that opens the last field and is not closed."""
        return int(self.quotes[-1]) if len(self.quotes) % 2 else None

    def opening_of(self, position: int) -> int:
        """Return the position where the quoted field that contains the quote at `position`
        opens."""
        index = int(np.searchsorted(self.quotes, position)) // 2 * 2
        while index and self.quotes[index] == self.quotes[index - 1] + 1:
            index -= 2
        return int(self.quotes[index])

    def stray_line_end(self) -> int | None:
        """Return the position of the first unquoted line end that differs from the first line's."""
        feeds = _outside_quotes(np.flatnonzero(self.data == _LF), self.quotes)
        returns = _outside_quotes(np.flatnonzero(self.data == _CR), self.quotes)
        if self.line_end == "\n":
            return _first(returns)
        if self.line_end == "\r":
            return _first(feeds)
        lone_feeds = np.setdiff1d(feeds, returns + 1, assume_unique=True)
        lone_returns = np.setdiff1d(returns, feeds - 1, assume_unique=True)
        return _first(np.sort(np.concatenate((lone_feeds, lone_returns))))

    def has_odd_numbers(self) -> bool:
        """Return whether a cell may look like `1_000` or `007`; True can be a false alarm."""
        data = self.data
        digit = (data >= _ZERO) & (data <= _NINE)
        lines = np.flatnonzero(data[1:-1] == _UNDERSCORE)
        if bool((digit[lines] & digit[lines + 2]).any()):
            return True
        begins = (*_BEFORE_A_NUMBER, self.delimiter)
        zeros = np.flatnonzero((data[:-1] == _ZERO) & digit[1:])
        if len(zeros) and zeros[0] == 0:
            return True
        before = data[np.maximum(zeros - 1, 0)]
        # A sign or a blank begins a number where it begins a cell, not in 2024-01-31 or 1e-05.
        inside = np.isin(before, _SIGNS) & ~np.isin(data[np.maximum(zeros - 2, 0)], begins)
        return bool((np.isin(before, begins) & ~inside).any())


def _first(positions: NDArray[np.int64]) -> int | None:
    return int(positions[0]) if len(positions) else None
