"""Opens tables: CSV (.gz, .zst), Parquet, Arrow/Feather, JSON lines, and SQL over any of them.

In: a path, and perhaps a query. Out: a `Table`. The rows keep the order of the file; nothing is
fetched from a network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from glassnet.errors import TableError, UntrustedError
from glassnet.rounding import to_nearest
from glassnet.tables.bytes import FileFormat, check_unpacked, detect, unpacked
from glassnet.tables.cells import Cells, named, quoted
from glassnet.tables.column_names import names_without_case
from glassnet.tables.csv_check import CsvCheck, CsvShape
from glassnet.tables.limits import DEFAULT_LIMITS, Limits
from glassnet.tables.notes import Note
from glassnet.tables.query import explained
from glassnet.tables.sandbox import TRUST, checked, lock
from glassnet.tables.table import Table
from glassnet.tables.typed import exactly, open_typed, typed_table


@to_nearest
def read_table(
    path: str | Path,
    *,
    sql: str | None = None,
    missing: Sequence[str] = (),
    delimiter: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    files: bool = True,
    database: str = ":memory:",
) -> Table:
    """Open and check a table. In `sql` the table is called `data`; it is one SELECT, which may read
    other files that it names, unless `files` says no. Its result is kept in the `database`."""
    path = Path(path)
    form = detect(path)
    connection = connect(database)
    if form.kind == "csv":
        table = _open_csv(path, form, connection, tuple(missing), delimiter, limits)
    else:
        table = open_typed(path, form, connection, tuple(missing), limits)
    return table if sql is None else _query(table, sql, path, files)


@to_nearest
def connect(database: str = ":memory:") -> duckdb.DuckDBPyConnection:
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
    connection.execute(f"SET disabled_optimizers = {quoted(pushed)}")
    return connection


def _open_csv(
    path: Path,
    form: FileFormat,
    connection: duckdb.DuckDBPyConnection,
    missing: tuple[str, ...],
    delimiter: str | None,
    limits: Limits,
) -> Table:
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii()):
        raise TableError(f"--delimiter must be one character, not {delimiter!r}")
    check_unpacked(path, form.compression, limits)
    with unpacked(path, form.compression) as stream:
        shape = CsvCheck(str(path), delimiter, limits).run(stream)
    relation = _csv_relation(path, form, shape)
    columns = {
        name: Cells(f"c{place}", "VARCHAR", shape.odd_numbers)
        for place, name in enumerate(shape.names)
    }
    return Table(str(path), columns, shape.rows, relation, connection, missing, shape.notes)


def _csv_relation(path: Path, form: FileFormat, shape: CsvShape) -> str:
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(shape.names)))
    longest = max(shape.longest_record + 16, 1 << 21)
    options = {
        "columns": "{" + columns + "}",
        "auto_detect": "false",
        "header": "true",
        "delim": quoted(shape.delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "nullstr": "''",
        "strict_mode": "true",
        "null_padding": "false",
        "compression": quoted(form.compression),
        "max_line_size": str(longest),
        "buffer_size": str(max(longest * 4, 32_000_000)),
    }
    text = ", ".join(f"{name} = {value}" for name, value in options.items())
    relation = f"read_csv({exactly(path)}, {text})"
    if len(shape.names) == 1:
        # With one column DuckDB takes the blank lines at the end for rows.
        relation = f"(FROM {relation} LIMIT {shape.rows})"
    return relation


def _query(table: Table, sql: str, path: Path, files: bool) -> Table:
    """The result of a query over the table, which sees numbers as numbers."""
    connection = table.connection
    label = f"{table.label} (--sql)"
    query = checked(sql, label, connection)
    if query.files and not files:
        raise UntrustedError(
            f"{label} reads other files as well: {', '.join(query.files)}; {TRUST}"
        )
    # Without an ORDER BY the order of rows would otherwise depend on how threads race.
    connection.execute("SET threads = 1")
    with explained(table.label, "cannot be queried"):
        parts = ", ".join(_typed_columns(table))
        connection.execute(f"CREATE TEMP VIEW data AS SELECT {parts} FROM {table.relation}")
    with explained(label, "cannot be computed", "correct the query"):
        lock(connection, query, (quoted(str(path.absolute())), exactly(path)))
        connection.execute(f"CREATE TABLE result AS {query.text}")
    found = typed_table(label, "result", connection, table.missing)
    renamed = [
        Note("case in SQL", f"is called {new!r} in --sql, where case counts for nothing", old)
        for old, new in names_without_case(table.names).items()
        if old != new
    ]
    return replace(found, notes=(*table.notes, *renamed, *found.notes))


def _typed_columns(table: Table) -> list[str]:
    """SQL for every column: numbers as numbers, all else as it is."""
    texts = [name for name, cells in table.columns.items() if cells.family == "text"]
    numbers = table.numbers(texts)
    parts: list[str] = []
    own = names_without_case(table.names)
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
        parts.append(f"{value} AS {named(own[name])}")
    return parts
