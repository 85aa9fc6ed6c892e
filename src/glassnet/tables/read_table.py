"""Open tables: CSV, JSON lines, Parquet, Arrow/Feather, sheets of workbooks, packed files (.gz,
.zst, .bz2, .xz, .zip), and SQL queries on them.

In: a path, and optionally a query. Out: a `Table`. The rows keep the order of the file; nothing is
read from a network.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from glassnet.errors import TableError, UntrustedError
from glassnet.hints import Option, hint
from glassnet.rounding import computed_to_nearest
from glassnet.tables.cells import Cells, sql_name, sql_text
from glassnet.tables.column_names import names_without_case
from glassnet.tables.compression import FileFormat, check_unpacked, detect, unpacked
from glassnet.tables.csv_check import CsvCheck, CsvShape
from glassnet.tables.limits import DEFAULT_LIMITS, Limits
from glassnet.tables.notes import Note
from glassnet.tables.query import table_errors
from glassnet.tables.repair import Dialect, RepairedText, looks_like_data, repair_text
from glassnet.tables.sandbox import TRUST, check_query, lock_connection
from glassnet.tables.table import Table
from glassnet.tables.typed import file_sql, open_typed, typed_table
from glassnet.tables.workbook import write_sheet


@computed_to_nearest
def read_table(
    path: str | Path,
    *,
    sql: str | None = None,
    missing: Sequence[str] = (),
    delimiter: str | None = None,
    encoding: str | None = None,
    header: str | None = None,
    skip: int = 0,
    decimal: str | None = None,
    sheet: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    files: bool = True,
    database: str = ":memory:",
) -> Table:
    """Return an opened and checked table; TableError if that fails. `path` may be "-" (standard
    input), `header` "first" or "none", `sheet` a name or number. `sql` is one SELECT over `data`,
    whose result is stored in the `database`; if `files` is false it may read no other files."""
    dialect = Dialect(delimiter, encoding, header, skip)
    label = str(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", label):
        raise TableError(f"{label} is an address; nothing is fetched, so save the table to a file")
    path, aside, chosen = _local_file(Path(path), limits, sheet)
    connection = connect(database)
    try:
        form = detect(path)
        if form.kind == "csv":
            table, path = _open_csv(path, form, connection, dialect, limits)
        else:
            table = open_typed(path, form, connection, (), limits)
    except TableError as error:  # what lies aside has the name that the user knows
        message = error.message.replace(str(path), label)
        raise type(error)(message, error.hint) from None
    table = replace(
        table, label=label, missing=tuple(missing), decimal=decimal or "",
        aside=(aside, table.aside), notes=(*chosen, *table.notes),
    )  # fmt: skip
    return table if sql is None else _query(table, sql, path, files)


_LONGEST_LINE = 1 << 20  # a longer one in a file that is refused is not looked at again


class TemporaryFolder:
    """A private folder for temporary files; it is removed with the last table that is read from it,
    or with the process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="glassnet-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def _local_file(
    path: Path, limits: Limits, sheet: str | None
) -> tuple[Path, TemporaryFolder | None, tuple[Note, ...]]:
    """Return a file that DuckDB can read, its temporary folder, and notes. The folder is None
    unless a copy was needed: of standard input, a compression that DuckDB lacks, a workbook's
    sheet."""
    if str(path) == "-":
        aside = TemporaryFolder()
        copy = aside.folder / "standard input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        found, inner, notes = _local_file(copy, limits, sheet)
        return found, inner or aside, notes
    form = detect(path)
    if form.kind == "workbook":
        aside = TemporaryFolder()
        copy = aside.folder / "sheet.csv"
        return copy, aside, write_sheet(path, sheet, copy, limits)
    if sheet is not None:
        raise TableError(f"{path} is not a workbook of sheets", hint("leave out ", Option("sheet")))
    if form.kind != "packed":
        return path, None, ()
    check_unpacked(path, form.compression, limits)
    aside = TemporaryFolder()
    copy = aside.folder / path.stem
    with copy.open("wb") as file, unpacked(path, form.compression) as stream:
        shutil.copyfileobj(stream, file)
    return copy, aside, ()


@computed_to_nearest
def connect(database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Return a connection to a new DuckDB database, with the settings that all tables need."""
    # No extension may be fetched, and times without an offset are taken as they stand.
    connection = duckdb.connect(
        database, config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    connection.execute("SET preserve_insertion_order = true")
    connection.execute("SET enable_progress_bar = false")
    with contextlib.suppress(duckdb.Error):
        connection.execute("SET TimeZone = 'UTC'")
    # A TRY_CAST that is pushed into the CSV reader no longer tries: it fails on the first text.
    known = {row[0] for row in connection.execute("FROM duckdb_optimizers()").fetchall()}
    pushed = ",".join(sorted({"type_pushdown", "scalar_fn_pushdown"} & known))
    connection.execute(f"SET disabled_optimizers = {sql_text(pushed)}")
    return connection


def _open_csv(
    path: Path,
    form: FileFormat,
    connection: duckdb.DuckDBPyConnection,
    asked: Dialect,
    limits: Limits,
) -> tuple[Table, Path]:
    """Return the table, and the file that it is read from: the given one, or a repaired copy."""
    if asked.delimiter is not None and (len(asked.delimiter) != 1 or not asked.delimiter.isascii()):
        raise TableError(f"the delimiter must be one character, not {asked.delimiter!r}")
    check_unpacked(path, form.compression, limits)
    refused: TableError | None = None
    notes: tuple[Note, ...] = ()
    if not asked.is_given:
        try:
            with unpacked(path, form.compression) as stream:
                shape = CsvCheck(str(path), asked.delimiter, limits).run(stream)
            row = _names_are_data(path, form, shape) if asked.header is None else False
            if not row and not (asked.header is None and _header_is_suspicious(shape)):
                doubt = (_NUMBERS_AS_NAMES,) if row is None else ()
                return _csv_table(path, form, shape, connection, doubt), path
            if row:
                asked, notes = replace(asked, header="none"), (_NO_NAMES,)
        except TableError as error:
            refused = error
    return _open_mended(path, form, connection, asked, limits, refused, notes)


def _open_mended(
    path: Path,
    form: FileFormat,
    connection: duckdb.DuckDBPyConnection,
    asked: Dialect,
    limits: Limits,
    refused: TableError | None,
    notes: tuple[Note, ...],
) -> tuple[Table, Path]:
    """Return the table of a repaired copy of the file, and the copy. If there is nothing to repair
    or it fails, raise the error `refused` of the first attempt, if there was one."""
    with unpacked(path, form.compression) as stream:
        content = stream.read()
    lines = content.replace(b"\r", b"\n").split(b"\n")
    if refused is not None and max(map(len, lines)) > _LONGEST_LINE:
        raise refused
    del lines
    found = repair_text(content, str(path), asked)
    found, notes = _with_header(found, content, str(path), asked, notes)
    same = not found.notes and not found.changed and found.delimiter == ","
    if refused is not None and same:
        raise refused
    aside = TemporaryFolder()
    place = aside.folder / "mended.csv"
    place.write_text(found.text, encoding="utf-8", newline="")
    try:
        with place.open("rb") as stream:
            shape = CsvCheck(str(path), found.delimiter, limits).run(stream)
    except TableError:
        if refused is None:
            raise
        raise refused from None
    plain = FileFormat("csv", "none")
    table = _csv_table(place, plain, shape, connection, (*found.notes, *notes))
    return replace(table, aside=aside), place


def _with_header(
    found: RepairedText, content: bytes, label: str, asked: Dialect, notes: tuple[Note, ...]
) -> tuple[RepairedText, tuple[Note, ...]]:
    """Return the text, with a line of column names if its first line is a row of data, and the
    notes with one on that decision."""
    if asked.header is not None:
        return found, notes
    rows = list(itertools.islice(_records(found.text, found.delimiter or ","), 2))
    data = looks_like_data(tuple(map(str.strip, rows[0])), rows[1]) if len(rows) == 2 else False
    if data:
        return repair_text(content, label, replace(asked, header="none")), (*notes, _NO_NAMES)
    return found, notes if data is False else (*notes, _NUMBERS_AS_NAMES)


_NO_NAMES = Note(
    "no header", "the first line has numbers, as the others have, so no line names the columns",
    advice=hint("if it has the names pass ", Option("header", "first")),
)  # fmt: skip
_NUMBERS_AS_NAMES = Note(
    "header of numbers", "the first line has only numbers and is taken for names",
    advice=hint("if it is a row pass ", Option("header", "none")), doubt=True,
)  # fmt: skip


def _header_is_suspicious(shape: CsvShape) -> bool:
    """Return whether the first line may not be the header: a comment, a `sep=` line, mostly blank
    names, or columns separated by spaces."""
    names, first = shape.names, shape.names[0]
    unnamed = sum(name == f"column {place}" for place, name in enumerate(names, 1))
    wide = len(names) == 1 and ("  " in first or "\t" in first)
    return first.lower().startswith(("sep=", "#")) or unnamed * 2 >= len(names) > 2 or wide


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _names_are_data(path: Path, form: FileFormat, shape: CsvShape) -> bool | None:
    """Return whether the header looks like a row of data; None if that is unclear."""
    if not any(sign.isdigit() for name in shape.names for sign in name[:1] + name[1:2]):
        return False
    with unpacked(path, form.compression) as stream:
        head = stream.read(1 << 16).decode("utf-8", "replace")
    lines = list(itertools.islice(_records(head, shape.delimiter), 2))
    names = tuple(name.strip() for name in lines[0])
    return looks_like_data(names, lines[1] if len(lines) > 1 else [])


def _csv_table(
    path: Path,
    form: FileFormat,
    shape: CsvShape,
    connection: duckdb.DuckDBPyConnection,
    notes: tuple[Note, ...],
) -> Table:
    columns = {
        name: Cells(f"c{place}", "VARCHAR", shape.odd_numbers)
        for place, name in enumerate(shape.names)
    }
    relation = _csv_relation(path, form, shape)
    return Table(str(path), columns, shape.rows, relation, connection, (), (*shape.notes, *notes))


def _csv_relation(path: Path, form: FileFormat, shape: CsvShape) -> str:
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(shape.names)))
    longest = max(shape.longest_record + 16, 1 << 21)
    options = {
        "columns": "{" + columns + "}",
        "auto_detect": "false",
        "header": "true",
        "delim": sql_text(shape.delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "nullstr": "''",
        "strict_mode": "true",
        "null_padding": "false",
        "compression": sql_text(form.compression),
        "max_line_size": str(longest),
        "buffer_size": str(max(longest * 4, 32_000_000)),
    }
    text = ", ".join(f"{name} = {value}" for name, value in options.items())
    relation = f"read_csv({file_sql(path)}, {text})"
    if len(shape.names) == 1:
        # With one column DuckDB takes the blank lines at the end for rows.
        relation = f"(FROM {relation} LIMIT {shape.rows})"
    return relation


def _query(table: Table, sql: str, path: Path, files: bool) -> Table:
    """Return the result of a query on the table as a table; in the query, numeric columns are
    numbers. TableError if it is not allowed or fails. The connection is locked afterwards."""
    connection = table.connection
    label = f"{table.label} (query)"
    query = check_query(sql, label, connection)
    if query.files and not files:
        raise UntrustedError(f"{label} reads other files as well: {', '.join(query.files)}", TRUST)
    # Without an ORDER BY the order of rows would otherwise depend on how threads race.
    connection.execute("SET threads = 1")
    with table_errors(table.label, "cannot be queried"):
        parts = ", ".join(_typed_columns(table))
        connection.execute(f"CREATE TEMP VIEW data AS SELECT {parts} FROM {table.relation}")
    with table_errors(label, "cannot be computed", "correct the query"):
        lock_connection(connection, query, (sql_text(str(path.absolute())), file_sql(path)))
        connection.execute(f"CREATE TABLE result AS {query.text}")
    found = typed_table(label, "result", connection, table.missing)
    renamed = [
        Note("case in SQL", f"is called {new!r} in queries, where case counts for nothing", old)
        for old, new in names_without_case(table.names).items()
        if old != new
    ]
    return replace(found, notes=(*table.notes, *renamed, *found.notes))


def _typed_columns(table: Table) -> list[str]:
    """Return SQL for each column: numeric columns as numbers, all others unchanged."""
    texts = [name for name, cells in table.columns.items() if cells.family == "text"]
    numbers = table.numbers(texts)
    parts: list[str] = []
    unique_names = names_without_case(table.names)
    for name, cells in table.columns.items():
        value = cells.column
        if name in numbers:
            column = numbers[name]
            if column.missing.all() or column.unreadable.any():
                value = cells.text(table.missing)
            else:
                present = column.values[~column.missing]
                whole = (present == np.round(present)).all() and (np.abs(present) < 2**53).all()
                value = f"CAST({cells.number(table.missing)} AS {'BIGINT' if whole else 'DOUBLE'})"
        parts.append(f"{value} AS {sql_name(unique_names[name])}")
    return parts
