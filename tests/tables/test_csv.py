"""CSV files: every cell arrives as it was written, and a malformed file is refused."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassnet.errors import TableError
from glassnet.tables import csv_check
from glassnet.tables.read_table import read_table

QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
NAMES = ("a", "B", "c d", 'q"q', "e,f", "ü")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(2, len(NAMES)))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6))
    return list(NAMES[:width]), rows


def read(path: Path) -> list[list[str | None]]:
    table = read_table(path)
    columns = table.texts(table.names)
    return [list(row) for row in zip(*columns.values(), strict=True)]


def as_read(cell: str) -> str | None:
    """Surrounding blanks are dropped; nothing else is a missing cell."""
    return cell.strip(" \t\r\n") or None


@QUICK
@given(
    tables(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
    st.booleans(),
)
def test_every_cell_arrives(
    tmp_path: Path,
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    line_end: str,
    quoting: int,
    packed: bool,
    marked: bool,
) -> None:
    names, rows = table
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([names, *rows])
    content = (b"\xef\xbb\xbf" if marked else b"") + text.getvalue().encode()
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_table(path, delimiter=delimiter)
    assert list(found.names) == names
    assert read(path) == [[as_read(cell) for cell in row] for row in rows]


PIECES = [
    b"a",
    b"1",
    b" ",
    b",",
    b";",
    b'"',
    b'""',
    b"\n",
    b"\r\n",
    b"\r",
    b"\xc3\xa9",
    b"\0",
    b"\xe9",
]


@QUICK
@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_what_is_not_refused_is_what_every_reader_finds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    try:
        delimiter = csv_check.CsvCheck("t").run(io.BytesIO(content)).delimiter
    except TableError:
        return
    text = io.StringIO(content.decode(), newline="")
    header, *rows = [row for row in csv.reader(text, delimiter=delimiter) if row]
    assert len(read_table(path).names) == len(header)
    assert read(path) == [[as_read(cell) for cell in row] for row in rows]


@QUICK
@given(tables(), st.integers(1, 12))
def test_blocks_of_any_size_find_the_same(
    table: tuple[list[str], list[list[str]]], size: int
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([table[0], *table[1]])
    content = text.getvalue().encode()
    whole = csv_check.CsvCheck("t").run(io.BytesIO(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_check, "BLOCK_BYTES", size)
        assert csv_check.CsvCheck("t", whole.delimiter).run(io.BytesIO(content)) == whole


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["is empty"]),
        (b"\n\n", ["is empty"]),
        (b"a,b\n", ["header line but no rows"]),
        (b"a,b\n1,2\n3\n", ["line 3 (row 2)", "1 field", "'b'"]),
        (b"a,b\n1,2\n3,4,5\n", ["line 3 (row 2)", "3 fields", "header has 2"]),
        (b"a,b,c\n1,2\n4,5\n", ["every row has 2 fields", "3 columns"]),
        (b'a,b\n1,2\n"3,4\n5,6\n', ["line 3 (row 2, column 1 'a')", "never closed"]),
        (b'a,b\n"1,2\n"3,4"\n', ["line 2 (row 1, column 1 'a')", "line 3"]),
        (b'a,b\n"x"y,2\n', ["line 2 (row 1, column 1 'a')", "not at the end of a field"]),
        (b"a,b\n1,2\n3,\x00\n", ["line 3 (row 2, column 2 'b')", "NUL"]),
        (b"\x1f\x8b\x08\x00damaged", ["damaged", "gzip"]),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-20], ["damaged"]),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_malformed_file_is_refused_with_its_place(
    tmp_path: Path, content: bytes, parts: list[str]
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(TableError) as raised:
        read_table(path)
    message = str(raised.value)
    assert "\n" not in message
    for part in [str(path), *parts]:
        assert part in message


def test_a_fault_far_into_the_file_has_the_right_place(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    good = b'1,"x\ny"\n' * 3000  # two lines a row
    path.write_bytes(b"a,b\n" + good + b"1,2,3\n" + good + b'"')  # which no row closes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_check, "BLOCK_BYTES", 1 << 12)
        with pytest.raises(TableError, match=r"line 6002 \(row 3001\) has 3 fields"):
            read_table(path)


@pytest.mark.parametrize("path", ["nothing.csv", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(TableError, match=r"does not exist|is a folder"):
        read_table(tmp_path / path)


def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\n\n\n")
    assert read(path) == [["1", "2"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    rows = [["name", "n"], ["p.q", "1"], ["r", "2"]]
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows))
    assert read(path) == [["p.q", "1"], ["r", "2"]]


def test_a_column_without_a_name_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b",b\n1,2\n")
    assert read_table(path).names == ("column 1", "b")
