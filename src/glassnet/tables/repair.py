"""Convert text that a strict CSV reader refuses to text that all readers read alike.

In: the bytes of a file, and the user's options. Out: CSV text, and a note for each change. Cells
are never moved to another column. A fault that cannot be repaired stays, and `CsvCheck` reports it.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.tables.notes import Note
from glassnet.tables.ragged import even_rows, split_by_spaces
from glassnet.words import plural

_DELIMITERS = ",;\t|"
_LOOKED_AT = 500  # lines from which the delimiter and the width are found
_MOST_TITLES = 20
_PAGE = re.compile(r"\s*(<!doctype html|<html|<head|<body|<table|<\?xml)", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Dialect:
    """The user's options for a CSV file; None: detect it."""

    delimiter: str | None = None
    encoding: str | None = None
    header: str | None = None  # "first" line, or "none"
    skip: int = 0  # lines before the table

    @property
    def is_given(self) -> bool:
        """Return whether the user set an option that a strict reader does not have."""
        return self.encoding is not None or self.header == "none" or self.skip > 0


@dataclass(frozen=True)
class RepairedText:
    """The repaired text, its delimiter, and notes."""

    text: str
    delimiter: str | None
    notes: tuple[Note, ...]
    changed: bool  # whether a strict reader sees something else now


def decode_text(content: bytes, label: str, encoding: str | None = None) -> tuple[str, Note | None]:
    """Return the text of a file, and a note if its encoding was detected and is not UTF-8.
    TableError if the given `encoding` is unknown or does not fit, or if none fits."""
    if encoding is not None:
        try:
            return content.decode(encoding).removeprefix("\ufeff"), None
        except LookupError:
            raise TableError(
                f"the encoding {encoding!r} is unknown; write for example utf-8, cp1252, utf-16"
            ) from None
        except UnicodeDecodeError as error:
            raise TableError(
                f"{label} is not {encoding}: byte {error.start + 1} has no meaning in it",
                hint("to have it found leave out ", Option("encoding")),
            ) from None
    for name in _candidates(content):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        plain = name in ("utf-8", "utf-8-sig")
        what = f"the text is read as {_NAMES.get(name, name.upper())}"
        note = Note(
            "encoding", what, advice=hint("if letters look wrong pass ", Option("encoding", "NAME"))
        )
        return text.removeprefix("\ufeff"), None if plain else note
    raise TableError(
        f"{label} is not text in any common encoding", hint("name it with ", Option("encoding"))
    )


_NAMES = {"cp1252": "Windows (cp1252)", "mac_roman": "Mac Roman", "latin-1": "Latin-1"}


def _candidates(content: bytes) -> list[str]:
    marked = [name for mark, name in _MARKS if content.startswith(mark)]
    head = content[:4096]
    wide: list[str] = []
    if not marked and head.count(0) * 4 > len(head):
        wide = ["utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"]
    # In Mac Roman the accented letters lie where Windows has few letters; its dashes and quotes,
    # which stand beside letters as well, do not count.
    few = rb"[\x80-\x84\x86-\x90\x98-\x9f]"
    inside = len(re.findall(rb"[a-z]" + few + rb"|" + few + rb"[a-z]", content))
    accents = len(re.findall(rb"[A-Za-z][\xe0-\xff][a-z]|[a-z][\xe0-\xff]", content))
    narrow = ["mac_roman", "cp1252"] if inside > accents else ["cp1252", "mac_roman"]
    return [*marked, *wide, "utf-8", *narrow, "latin-1"]


def repair_text(content: bytes, label: str, asked: Dialect) -> RepairedText:
    """Return the text of the table in a file, without title lines, comments and the like.
    TableError if no encoding fits, or the file is a web page."""
    text, note = decode_text(content, label, asked.encoding)
    notes = [] if note is None else [note]
    if _PAGE.match(text):
        raise TableError(f"{label} is a saved web page, not a table; save the table as CSV first")
    ends = {"\r\n": text.count("\r\n")}
    ends["\r"], ends["\n"] = text.count("\r") - ends["\r\n"], text.count("\n") - ends["\r\n"]
    if sum(count > 0 for count in ends.values()) > 1:
        notes.append(Note("line ends", "the lines end in several ways, which are taken for one"))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole, lines = lines, lines[asked.skip :]
    delimiter = asked.delimiter
    separator = re.fullmatch(r'"?sep=(.)"?', lines[0].strip()) if lines else None
    if separator is not None:
        lines, delimiter = lines[1:], delimiter or separator[1]
    lines = _without_comments(lines, notes)
    delimiter, width = _commonest_shape(lines, delimiter)
    if width == 1 and asked.delimiter is None:
        lines = split_by_spaces(lines)
        delimiter, width = _commonest_shape(lines, delimiter)
    lines = _skip_titles(lines, delimiter, width, notes)
    lines = _without_trailing_delimiter(lines, delimiter, notes)
    if width > 1:
        lines = even_rows(lines, delimiter, notes)
    if asked.header == "none" and lines:
        width = _width(lines[0], delimiter)
        lines = [delimiter.join(f"column {place + 1}" for place in range(width)), *lines]
    text = "\n".join(lines) + "\n"
    return RepairedText(text, delimiter, tuple(notes), "\n".join(whole).rstrip("\n") + "\n" != text)


def _without_comments(lines: list[str], notes: list[Note]) -> list[str]:
    """Return the lines without comments and blank lines, and note them. The last comment becomes
    the header if it is above the rows, names as many columns, and the first row has a number."""
    kept: list[str] = []
    comments: list[str] = []
    blank, inside = 0, False
    for line in lines:
        outside = not inside
        inside ^= line.count('"') % 2 == 1
        if outside and line.startswith("#"):
            comments.append(line)
        elif outside and not line.strip(" "):
            blank += 1
        else:
            kept.append(line)
    if comments and kept:
        delimiter, width = _commonest_shape(kept, None)
        head = comments[-1].lstrip("# ")
        titled = width > 1 and _width(head, delimiter) == width
        above = lines.index(comments[-1]) < lines.index(kept[0])
        if titled and above and not _is_wordy(kept[0], delimiter):
            kept, comments = [head, *kept], comments[:-1]
    while lines and not lines[-1].strip(" "):  # at the end they are usual
        lines, blank = lines[:-1], blank - 1
    if comments:
        what = f"{plural(len(comments), 'comment line')} (#) left out"
        notes.append(Note("comment lines", what))
    if blank > 0:
        notes.append(Note("blank lines", f"{plural(blank, 'blank line')} left out"))
    return kept


def _is_wordy(line: str, delimiter: str) -> bool:
    """Return whether no cell of a line is a number, as in a header."""
    number = re.compile(r'"?[-+]?[\d.,]+"?')
    return not any(number.fullmatch(cell.strip()) for cell in line.split(delimiter))


def _width(line: str, delimiter: str) -> int:
    return re.sub(r'"[^"]*"', "", line).count(delimiter) + 1


def _commonest_shape(lines: list[str], delimiter: str | None) -> tuple[str, int]:
    """Return the delimiter that gives most lines equally many fields, two or more, and that number;
    without one, the given delimiter or a comma, and 1."""
    best, found = (0, 0), (delimiter or ",", 1)
    for sign in delimiter or _DELIMITERS:
        widths = Counter(_width(line, sign) for line in lines[:_LOOKED_AT])
        for width, count in widths.items():
            if width > 1 and (count, width) > best:
                best, found = (count, width), (sign, width)
    return found


def _skip_titles(lines: list[str], delimiter: str, width: int, notes: list[Note]) -> list[str]:
    """Return the lines from the first one that has the table's width, and note those above it; all
    lines if those above are more than 20 or as wide."""
    first = next((n for n, line in enumerate(lines) if _is_header(line, delimiter, width)), 0)
    narrow = all(_is_title(line, delimiter, width) for line in lines[:first])
    if any(_width(line, delimiter) == width for line in lines[:first]):
        narrow &= _is_wordy(lines[first], delimiter)
    if not 0 < first <= _MOST_TITLES or not narrow or width < 2:
        return lines
    if first == 1 and _width(lines[0], delimiter) == width - 1 and width > 2:
        return lines  # a header whose rows end with a delimiter
    shown = lines[0].strip()[:40]
    what = f"{plural(first, 'line')} above the table left out, such as {shown!r}"
    notes.append(
        Note("title lines", what, advice=hint("if they are rows pass ", Option("delimiter")))
    )
    return lines[first:]


def _filled_width(line: str, delimiter: str) -> int:
    """Return the number of fields up to the last non-empty one."""
    rest = line.rstrip(delimiter + " ")
    return _width(rest, delimiter) if rest else 0


def _is_title(line: str, delimiter: str, width: int) -> bool:
    """Return whether a line has fewer fields than the table, or at least half of its fields are
    empty."""
    return _width(line, delimiter) < width or _filled_width(line, delimiter) * 2 <= width


def _is_header(line: str, delimiter: str, width: int) -> bool:
    return _width(line, delimiter) == width and not _is_title(line, delimiter, width)


def _without_trailing_delimiter(lines: list[str], delimiter: str, notes: list[Note]) -> list[str]:
    """Return the lines without a delimiter at the end of all of them but the header, and note
    it."""
    if len(lines) < 2 or _width(lines[0], delimiter) + 1 != _width(lines[1], delimiter):
        return lines
    if not all(line.endswith(delimiter) for line in lines[1:]):
        return lines
    notes.append(Note("trailing delimiters", f"{delimiter!r} at the end of every row left out"))
    return [lines[0], *(line[: -len(delimiter)] for line in lines[1:])]


def looks_like_data(names: tuple[str, ...], first: list[str]) -> bool | None:
    """Return whether the header `names` are a row of data, compared with the `first` row below:
    True if that is certain, None if it is possible, else False."""
    numbers = [re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?", name) is not None for name in names]
    alike = all(
        re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?|", cell.strip()) is not None
        for cell, number in zip(first, numbers, strict=False)
        if number
    )
    if not any(numbers) or not alike or len(first) != len(names):
        return False
    points = [name for name, number in zip(names, numbers, strict=True) if number and "." in name]
    if len(points) * 2 >= len(names) or (points and all(numbers)):
        return True
    return None if all(numbers) else False
