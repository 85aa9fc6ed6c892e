"""Workbooks of Excel (.xlsx, .xls) and LibreOffice (.ods): convert one sheet to CSV text.

In: a path, and optionally the name of a sheet. Out: CSV text with dates and numbers as stored, not
as displayed, and notes. Before a sheet is read, the cells in its XML are counted: a few bytes can
declare billions.
"""

from __future__ import annotations

import csv
import datetime
import importlib
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.tables.limits import Limits
from glassnet.tables.notes import Note
from glassnet.tables.target_column import number_label
from glassnet.words import plural

_BLOCK = 1 << 20
_BYTES = 24  # that a cell takes in memory
_PLACE = re.compile(r"([A-Za-z]{0,3})(\d{1,9})")
_LETTERS = re.compile(r"[A-Za-z]{1,3}")
_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)


@dataclass(frozen=True)
class _Extent:
    """The size of a sheet, and the number of formulas without a stored value."""

    cells: int
    unknown: int = 0


def write_sheet(path: Path, sheet: str | None, to: Path, limits: Limits) -> tuple[Note, ...]:
    """Write a sheet as CSV to the file `to`, and return notes. `sheet` is a name, or a number from
    1; None for the first sheet with rows. TableError if there is no such sheet, the workbook is
    damaged or exceeds the limits, or the package that reads it is not installed."""
    calamine = _library(path)
    unknown = _check_workbook(path, limits)
    try:
        book = calamine.load_workbook(str(path))
        names, shown = _sheets(book)
        name, notes = _choose_sheet(path, book, names, shown, sheet)
        rows = list(_rows(book.get_sheet_by_name(name)))
    except TableError:
        raise
    except Exception as error:  # the library has one kind for each format
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TableError(f"{path} cannot be read as a workbook: {reason}; save it again") from None
    if unknown:
        have = "has no value, so its cell is" if unknown == 1 else "have no value; their cells are"
        text = f"{plural(unknown, 'formula')} of the workbook {have} missing"
        notes.append(Note("formulas", text, "", "open and save it in a spreadsheet program", True))
    with to.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_without_empty(rows))
    return tuple(notes)


def _library(path: Path) -> Any:
    try:
        return importlib.import_module("python_calamine")
    except ImportError:
        raise TableError(
            f"{path} is a workbook of sheets; reading it needs `pip install 'glassnet[excel]'`, or "
            "save the sheet as CSV"
        ) from None


def _sheets(book: Any) -> tuple[list[str], list[str]]:
    """Return the names of all sheets of cells, and of those that are not hidden."""
    about = [sheet for sheet in book.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
    shown = [str(sheet.name) for sheet in about if str(sheet.visible).endswith("Visible")]
    return [str(sheet.name) for sheet in about], shown


def _choose_sheet(
    path: Path, book: Any, names: list[str], shown: list[str], asked: str | None
) -> tuple[str, list[Note]]:
    """Return the name of the sheet that was `asked` for by name or number, by default the first
    with two rows or more, and notes; TableError if there is none."""
    listed = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
    if asked is not None:
        if asked in names:
            return asked, []
        close = [name for name in names if name.strip().lower() == asked.strip().lower()]
        if len(close) == 1:
            return close[0], []
        if asked.isdecimal() and 0 < int(asked) <= len(names):
            return names[int(asked) - 1], []
        raise TableError(f"{path} has no sheet {asked!r}; its sheets are {listed}")
    filled = [name for name in shown or names if _has_rows(book.get_sheet_by_name(name))]
    if not filled:
        raise TableError(f"{path} has no sheet with a row of names and rows below; its sheets "
                         f"are {listed or 'none'}")  # fmt: skip
    if len(filled) == 1:
        return filled[0], []
    text = (
        f"the table is the sheet {filled[0]!r}, the first of {len(filled)} that have rows "
        f"({', '.join(map(repr, filled[:6]))}{', …' if len(filled) > 6 else ''})"
    )
    way = hint("for another one pass ", Option("sheet", filled[1]))
    return filled[0], [Note("sheet", text, "", way)]


def _has_rows(sheet: Any) -> bool:
    return sheet.height >= 2


def _rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the non-empty rows as texts."""
    for row in sheet.to_python(skip_empty_area=True):
        texts = [_text(cell) for cell in row]
        if any(texts):
            yield texts


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        return number_label(float(cell)) if isinstance(cell, float) else str(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, datetime.timedelta):
        seconds = cell.total_seconds()
        minutes, rest = divmod(abs(round(seconds)), 60)
        return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    if isinstance(cell, (datetime.date, datetime.time)):
        return cell.isoformat()
    return str(cell).strip()


def _without_empty(rows: Sequence[list[str]]) -> list[list[str]]:
    """Return the rows, of equal length, without columns that are empty in all of them."""
    width = max((len(row) for row in rows), default=0)
    filled = [place for place in range(width) if any(place < len(r) and r[place] for r in rows)]
    return [[row[place] if place < len(row) else "" for place in filled] for row in rows]


# --- how large it is ------------------------------------------------------------------------------


def _check_workbook(path: Path, limits: Limits) -> int:
    """Raise TableError for a workbook that decompresses to too much; return the number of formulas
    without a value."""
    packed, size, unknown = path.stat().st_size, 0, 0
    if not zipfile.is_zipfile(path):
        return 0  # an old one, which is not packed and has at most 65,536 rows of 256 columns
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.bin" in archive.namelist():
                raise TableError(f"{path} is a binary workbook; save it as .xlsx or CSV first")
            for member in archive.namelist():
                with archive.open(member) as stream:
                    while block := stream.read(_BLOCK):
                        size += len(block)
                        limits.check_size(str(path), size, packed)
            for member in archive.namelist():
                extent = _extent_of(archive, member)
                what = "has cells that take"
                limits.check_size(str(path), extent.cells * _BYTES, packed, what)
                unknown += extent.unknown
    except (zipfile.BadZipFile, ET.ParseError, EOFError, ValueError, OSError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} is a damaged workbook ({error}); save it again") from None
    return unknown


def _extent_of(archive: zipfile.ZipFile, member: str) -> _Extent:
    if _SHEETS.fullmatch(member):
        with archive.open(member) as stream:
            return _excel(stream)
    if member == "content.xml":
        with archive.open(member) as stream:
            return _open_document(stream)
    return _Extent(0)


def _excel(stream: IO[bytes]) -> _Extent:
    """Return the size of an Excel sheet, and its formulas without a value. Cells have positions, or
    follow one another."""
    last = widest = place = unknown = 0
    for element in _elements(stream, "c", "row"):
        if _local(element) == "row":
            found = _PLACE.fullmatch(element.get("r", ""))
            last, place = max(last + 1, int(found[2]) if found else 0), 0
            element.clear()
            continue
        column = _LETTERS.match(element.get("r", ""))
        place = place + 1 if column is None else _number(column[0])
        widest = max(widest, place)
        parts = {_local(part): part for part in element}
        value = parts.get("v")
        unknown += "f" in parts and (value is None or not value.text)
    return _Extent(last * widest, unknown)


def _number(letters: str) -> int:
    total = 0
    for letter in letters.upper():
        total = total * 26 + ord(letter) - 64
    return total


def _open_document(stream: IO[bytes]) -> _Extent:
    """Return the size of the largest sheet of an OpenDocument file. Rows and cells can be declared
    as repeated; empty ones at the end do not count."""
    rows = widest = largest = place = filled = gap = 0
    for element in _elements(stream, "table-cell", "covered-table-cell", "table-row", "table"):
        kind = _local(element)
        times = max(_attribute(element, f"number-{'row' if kind == 'table-row' else 'column'}s-"
                               "repeated"), 1)  # fmt: skip
        if kind.endswith("cell"):
            place += times
            if len(element) or _has_value(element):
                filled = place
        elif kind == "table-row":
            gap += times
            if filled:
                rows, widest, gap = rows + gap, max(widest, filled), 0
            place = filled = 0
            element.clear()
        else:
            largest, rows, widest = max(largest, rows * widest), 0, 0
            gap = 0
            element.clear()
    return _Extent(largest)


def _elements(stream: IO[bytes], *names: str) -> Iterator[ET.Element]:
    for _, element in ET.iterparse(stream):
        if _local(element) in names:
            yield element


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _attribute(element: ET.Element, name: str) -> int:
    found = next((text for key, text in element.items() if key.rpartition("}")[2] == name), "1")
    return int(found)


def _has_value(element: ET.Element) -> bool:
    return any(key.rpartition("}")[2] == "value-type" for key, _ in element.items())
