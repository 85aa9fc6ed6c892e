"""Repair lines that a strict CSV reader refuses: rows too short or too long, quotes in the middle
of a field.

In: the text of a table below its title lines. Out: the text with equally many fields in each line,
and notes. Cells are never moved: fields that a row lacks at its end are missing; in a row with too
many fields, all cells are missing, since their columns are unknown.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from glassnet.tables.notes import Note
from glassnet.words import plural

_END = "\u0001end\u0001"  # a last line, which is a record of its own unless a quote is open
_MOST_ODD = 0.2  # with a larger part of odd rows the delimiter is another, or it is no table
_SPACES = re.compile(r"[ \t]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_WAYS: tuple[dict[str, Any], ...] = ({}, {"escapechar": "\\"}, {"quotechar": "'"})


def even_rows(lines: list[str], delimiter: str, notes: list[Note]) -> list[str]:
    """Return lines with as many fields as the header, and append a note on each change to `notes`.

    The lines are returned unchanged if they need no repair, if more than a fifth of the rows
    differ from the header, or if a quote is never closed.
    """
    if any("\0" in line for line in lines):
        return lines
    ways = (
        sorted(_WAYS, key=lambda way: "escapechar" not in way)
        if _uses_backslashes(lines)
        else _WAYS
    )
    found = [rows for way in ways if (rows := _parsed(lines, delimiter, way)) is not None]
    if not found or len(found[0]) < 2:
        return lines
    rows = min(found, key=_count_odd_rows)
    usual = rows is found[0] and not _uses_backslashes(lines)
    loose = usual and _needs_lenient_quotes(lines, delimiter)
    if usual and not _count_odd_rows(rows) and not loose:
        return lines
    repairs: list[Note] = []
    if loose:
        repairs.append(Note("quotes", "quotes inside fields are part of the text"))
    elif not usual:
        repairs.append(Note("quotes", "fields have single quotes, or quotes after backslashes"))
    rows = _with_first_name(rows, repairs)
    rows = _without_footer(rows, repairs)
    body = _to_header_width(rows, repairs)
    if body is None:
        return lines
    notes += repairs
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(body)
    return text.getvalue().split("\n")[:-1]


def split_by_spaces(lines: list[str]) -> list[str]:
    """Return lines with commas in place of the spaces between columns: of two spaces or more if
    that gives all lines equally many fields, else of any. If neither does, return them
    unchanged."""
    cut = [_SPACES.split(line.strip()) for line in lines]
    widths = {len(row) for row in cut}
    if len(widths) != 1 or widths == {1}:
        cut = [line.split() for line in lines]
        widths = {len(row) for row in cut}
    if len(widths) != 1 or widths <= {0, 1}:
        return lines
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cut)
    return text.getvalue().split("\n")[:-1]


def _parsed(lines: Sequence[str], delimiter: str, way: dict[str, Any]) -> list[list[str]] | None:
    """Return the non-empty records; None if a quote is never closed."""
    text = io.StringIO("\n".join([*lines, _END]), newline="")
    try:
        rows = [row for row in csv.reader(text, delimiter=delimiter, **way) if row]
    except csv.Error:
        return None
    return rows[:-1] if rows and rows[-1] == [_END] else None


def _uses_backslashes(lines: Sequence[str]) -> bool:
    return any('\\"' in line for line in lines)


def _count_odd_rows(rows: Sequence[Sequence[str]]) -> int:
    return sum(len(row) != len(rows[0]) for row in rows)


def _needs_lenient_quotes(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether a strict reader refuses quotes that a lenient one accepts."""
    broken = re.compile(rf'(^|{re.escape(delimiter)})"([^"]|"")*"[^{re.escape(delimiter)}"]')
    if any(broken.search(line) for line in lines):
        return False  # a quoted field goes on after its quote
    inside = re.compile(rf'[^{re.escape(delimiter)}"\n]"[^{re.escape(delimiter)}"\n]')
    return any(inside.search(line) for line in lines)


def _with_first_name(rows: list[list[str]], repairs: list[Note]) -> list[list[str]]:
    """Return the rows with an empty name for the first column, and note it, if nine tenths of the
    rows have one field more than the header: some programs write a row number without a name."""
    (width, count), *_ = Counter(len(row) for row in rows[1:]).most_common(1)
    if width != len(rows[0]) + 1 or count * 10 < 9 * (len(rows) - 1):
        return rows
    text = f"every row has {width} fields and the header {width - 1}; the first column has no name"
    repairs.append(Note("short header", text))
    return [["", *rows[0]], *rows[1:]]


def _without_footer(rows: list[list[str]], repairs: list[Note]) -> list[list[str]]:
    """Return the rows without lines of one field, with letters, below a table of three columns or
    more; note it."""
    last = len(rows)
    while last > 2 and len(rows[0]) > 2 and _is_footer(rows[last - 1]):
        last -= 1
    if last < len(rows):
        shown = rows[last][0].strip()[:40]
        text = f"{plural(len(rows) - last, 'line')} below the table left out, such as {shown!r}"
        repairs.append(Note("foot lines", text))
    return rows[:last]


def _is_footer(row: Sequence[str]) -> bool:
    return len(row) == 1 and _LETTER.search(row[0]) is not None


def _to_header_width(rows: list[list[str]], repairs: list[Note]) -> list[list[str]] | None:
    """Return all rows with as many fields as the header, and note each change; None if more than a
    fifth of the rows differ."""
    width, short, long = len(rows[0]), list[int](), list[int]()
    body = [rows[0]]
    for number, row in enumerate(rows[1:], 1):
        while len(row) > width and not row[-1].strip():
            row = row[:-1]
        if len(row) < width:
            short.append(number)
        elif len(row) > width:
            long.append(number)
            row = []
        body.append([*row, *[""] * (width - len(row))])
    if (len(short) + len(long)) > _MOST_ODD * (len(rows) - 1):
        return None
    if short:
        whose = "it lacks" if len(short) == 1 else "they lack"
        text = f"{_width_note(short, 'fewer')}; the fields that {whose} are missing values"
        repairs.append(Note("short rows", text, "", "", True))
    if long:
        text = f"{_width_note(long, 'more')}; since their columns are unknown, all "
        text += f"of {'its' if len(long) == 1 else 'their'} cells are missing values"
        way = "put a field that holds the delimiter in quotes"
        repairs.append(Note("long rows", text, "", way, True))
    return body


def _width_note(numbers: Sequence[int], more: str) -> str:
    have = "row has" if len(numbers) == 1 else "rows have"
    first = f"row {numbers[0]}" if len(numbers) == 1 else f"the first is row {numbers[0]}"
    return f"{len(numbers):,} {have} {more} fields than the header ({first})"
