"""Check that a CSV file is well formed before any value is read.

In: the decompressed bytes of a CSV file. Out: its shape (names, rows, delimiter, line end), or a
`TableError` with line and column. The rules are strict, so that all CSV readers agree about the
cells of a file that passes.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.tables.column_names import unique_names
from glassnet.tables.csv_block import Block, complete_records_length, line_end_of
from glassnet.tables.csv_sniff import sniff_delimiter
from glassnet.tables.limits import DEFAULT_LIMITS, Limits
from glassnet.tables.notes import Note
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 1 << 23
LONGEST_RECORD = 1 << 24


@dataclass(frozen=True)
class CsvShape:
    """The shape of a checked CSV file."""

    names: tuple[str, ...]
    rows: int
    delimiter: str
    line_end: str
    longest_record: int  # bytes
    odd_numbers: bool  # some cell may be `1_000` or `007`, which lenient readers take for numbers
    notes: tuple[Note, ...] = ()


class CsvCheck:
    """Checks a file block by block; `line` and `row` are those of the next block.

    Row 0 is the header.
    """

    def __init__(
        self,
        label: str,
        delimiter: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.label = label
        self.limits = limits
        self.notes: tuple[Note, ...] = ()
        self.delimiter = delimiter
        self.line_end = ""
        self.names: tuple[str, ...] = ()
        self.line = 1
        self.row = 0
        self.blank: tuple[int, int] | None = None
        self.longest = 0
        self.odd_numbers = False

    def run(self, stream: IO[bytes]) -> CsvShape:
        """Read the stream once and return the shape; TableError at the first fault."""
        for data in self._blocks(stream):
            self._check(np.frombuffer(data, np.uint8))
        if not self.names:
            raise TableError(f"{self.label} is empty; a table needs a header line and rows")
        if self.row == 1:
            raise TableError(
                f"{self.label} has a header line but no rows below it; add rows of data"
            )
        return CsvShape(
            self.names,
            self.row - 1,
            self.delimiter or ",",
            self.line_end or "\n",
            self.longest,
            self.odd_numbers,
            self.notes,
        )

    def _blocks(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Yield pieces of about `BLOCK_BYTES` that begin at the start of a record; all but the last
        end with one, too."""
        piece = stream.read(BLOCK_BYTES)
        if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise TableError(
                f"{self.label} is UTF-16 text; convert it with `iconv -f utf-16 -t utf-8 IN > OUT`"
            )
        rest = b""
        piece = piece.removeprefix(codecs.BOM_UTF8)
        while piece:
            data = rest + piece
            end = complete_records_length(data)
            if end:
                yield data[:end]
            rest = data[end:]
            if len(rest) > LONGEST_RECORD:
                break
            piece = stream.read(BLOCK_BYTES)
        if rest:
            yield rest

    def _check(self, data: NDArray[np.uint8]) -> None:
        if len(data) > LONGEST_RECORD and not (data == ord('"')).any():
            raise TableError(  # no line end before the limit, quoted or not
                f"{self.label}: line {self.line} is longer than {LONGEST_RECORD >> 20} MB; "
                "shorten the line"
            )
        if not self.names:
            self.delimiter = self.delimiter or sniff_delimiter(data)
            self.line_end = line_end_of(data)
        block = Block(data, ord(self.delimiter or ","), self.line_end)
        first = not self.names
        if first:
            self.names = self._header(block)
        self._check_text(block)
        self._check_quotes(block)
        self._check_line_ends(block)
        starts, ends = self._records(block)
        if len(starts):
            if first:
                self._check_names()
            self._check_widths(block, starts, ends)
            self.longest = max(self.longest, int((ends - starts).max()))
        self.odd_numbers = self.odd_numbers or block.has_odd_numbers()
        self.line += block.lines_before(len(data))
        self.row += len(starts)

    def _check_text(self, block: Block) -> None:
        nul = np.flatnonzero(block.data == 0)
        if len(nul):
            raise self._error(
                block,
                int(nul[0]),
                "holds a NUL byte, so this is not plain text; export the table again as UTF-8 CSV",
            )
        try:
            codecs.utf_8_decode(block.data.tobytes(), "strict", True)
        except UnicodeDecodeError as error:
            raise self._error(
                block,
                error.start,
                f"holds the byte 0x{int(block.data[error.start]):02x}, which is not UTF-8; "
                "convert the file, for example with `iconv -f latin1 -t utf-8 IN > OUT`",
            ) from None

    def _check_quotes(self, block: Block) -> None:
        """Raise TableError unless quotes open only at the start of a field and close at its end."""
        opening, closing, unclosed = (
            block.misplaced_opening(),
            block.misplaced_closing(),
            block.unclosed(),
        )
        at = min((at for at in (opening, closing, unclosed) if at is not None), default=None)
        if at is None:
            return
        if at == opening:
            raise self._error(
                block,
                at,
                "has a quote inside a field that does not begin with one; "
                'put the field in quotes and double the quote inside, as in "5"" pipe"',
            )
        opened = block.opening_of(at)
        if at == closing:
            line = self.line + block.lines_before(at)
            raise self._error(
                block,
                opened,
                f"opens a quote whose closing quote, on line {line}, is not at the end of a field; "
                "close the quote, or double the quotes inside the field",
            )
        raise self._error(block, opened, "opens a quote that is never closed; close it")

    def _check_line_ends(self, block: Block) -> None:
        stray = block.stray_line_end()
        if stray is not None:
            raise self._error(
                block,
                stray,
                "holds another kind of line end than the first line; "
                "make all line ends alike, for example with `dos2unix`",
            )
        if len(block.data) > LONGEST_RECORD and not len(block.breaks):
            raise self._error(
                block, 0, f"is longer than {LONGEST_RECORD >> 20} MB; shorten the line"
            )

    def _records(self, block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return starts and ends of the records without blank lines at the end of the block; those
        raise TableError if rows follow in a later block."""
        starts, ends = block.records()
        filled = np.flatnonzero(ends > starts)
        count = int(filled[-1]) + 1 if len(filled) else 0
        if count and self.blank:
            raise self._blank_line(*self.blank)
        if count < len(starts) and not self.blank:
            self.blank = self.line + block.lines_before(int(starts[count])), self.row + count
        return starts[:count], ends[:count]

    def _header(self, block: Block) -> tuple[str, ...]:
        """Return the names in the first record, without strict checks, so that later messages can
        use them."""
        end = int(block.records()[1][0])
        text = bytes(block.data[:end]).decode(errors="replace")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter or ",")
        try:
            fields = [field for row in rows for field in row]
        except csv.Error:
            fields = text.split(self.delimiter)
        return tuple(field.strip() for field in fields)

    def _check_names(self) -> None:
        if not self.names:
            raise self._blank_line(1, 0)
        self.limits.check_columns(self.label, len(self.names))
        self.names, self.notes = unique_names(self.names)

    def _check_widths(
        self, block: Block, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> None:
        """Raise TableError unless each record has as many fields as the header has names."""
        widths = block.widths(starts, ends)
        blank = ends == starts
        wrong = np.flatnonzero((widths != len(self.names)) | blank)
        if not len(wrong):
            return
        record = int(wrong[0])
        line, row = self.line + block.lines_before(int(starts[record])), self.row + record
        if blank[record]:
            raise self._blank_line(line, row)
        width, count = int(widths[record]), len(self.names)
        body = widths[1 - min(self.row, 1) :]
        if row == 1 and len(body) > 1 and bool((body == width).all()):
            advice = "name every column" if width > count else "remove the names without values"
            raise TableError(
                f"{self.label}: every row has {width} fields but the header (line 1) names "
                f"{plural(count, 'column')}",
                hint(f"{advice} in the header").otherwise("set ", Option("delimiter")),
            )
        where = (
            f"beyond the last column {self.names[-1]!r}"
            if width > count
            else f"and none for column {self.names[width]!r}"
        )
        noun = "field" if width == 1 else "fields"
        raise TableError(
            f"{self.label}: line {line} (row {row}) has {width} {noun} where the header has "
            f"{count}, {where}; correct the line, or quote the field that holds the delimiter"
        )

    def _blank_line(self, line: int, row: int) -> TableError:
        if not row:
            return TableError(
                f"{self.label} begins with a blank line; line 1 must name the columns"
            )
        return TableError(
            f"{self.label}: line {line} (row {row}) is blank; remove it, or fill in the delimiters"
        )

    def _error(self, block: Block, position: int, fault: str) -> TableError:
        line = self.line + block.lines_before(position)
        record, field = block.record_and_field(position)
        row = self.row + record
        name = f" {self.names[field]!r}" if row and field < len(self.names) else ""
        place = f"row {row}, " if row else ""
        return TableError(f"{self.label}: line {line} ({place}column {field + 1}{name}) {fault}")
