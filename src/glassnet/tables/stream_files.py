"""Read one Parquet or Arrow file part by part, in the order of its rows.

In: a path, column names. Out: the columns, the number of rows, and the columns as numeric arrays, a
given number of rows at a time. Memory holds at most one row group (or record batch).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np

from glassnet.errors import TableError
from glassnet.tables.cells import Cells, sql_name
from glassnet.tables.column_names import unique_names
from glassnet.tables.compression import detect
from glassnet.tables.query import table_errors
from glassnet.tables.read_table import connect
from glassnet.tables.typed import file_sql, parquet_names


@dataclass(frozen=True)
class FileColumn:
    """A column; `type` is its type in the file, `read` says whether and how it becomes numbers."""

    type: str
    read: str  # "number", "wide" (more digits than a float64 may have), "truth", or "" for neither


@dataclass(frozen=True)
class ColumnPart:
    """Some rows of a column; `missing` marks the missing cells (None if there are none)."""

    values: np.ndarray
    missing: np.ndarray | None


class RowFile(Protocol):
    """A file that is read part by part."""

    @property
    def path(self) -> Path: ...
    @property
    def columns(self) -> dict[str, FileColumn]: ...
    @property
    def rows(self) -> int: ...

    def cuts(self, names: Sequence[str], size: int) -> Iterator[list[ColumnPart]]:
        """Yield the named columns of the next `size` rows or fewer, until the end; TableError if
        the file is damaged or changed."""
        ...


def open_row_file(path: Path, connection: duckdb.DuckDBPyConnection) -> RowFile:
    """Return a Parquet or Arrow file, recognised by its first bytes; TableError if it is neither,
    or damaged."""
    kind = detect(path).kind
    if kind == "parquet":
        return _parquet(path, connection)
    if kind == "arrow":
        return _arrow(path)
    raise TableError(
        f"{path} is neither a Parquet nor an Arrow file; write the table as one first: "
        "duckdb.sql(\"COPY (FROM 'table.csv') TO 'table.parquet'\")"
    )


def connection() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with one thread, since each thread holds a row group, and without
    DuckDB's file cache."""
    found = connect()
    found.execute("SET threads = 1")
    with contextlib.suppress(duckdb.Error):
        found.execute("SET enable_external_file_cache = false")
    return found


@dataclass(frozen=True)
class ParquetRows:
    """A Parquet file, read by DuckDB."""

    path: Path
    columns: dict[str, FileColumn]
    queried: dict[str, str]  # the name of a column in queries, where no two differ only in case
    groups: tuple[int, ...]
    connection: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(self.groups)

    def cuts(self, names: Sequence[str], size: int) -> Iterator[list[ColumnPart]]:
        """Yield the columns, as `RowFile.cuts`."""
        parts = ", ".join(f"{self._number(name)} AS r{i}" for i, name in enumerate(names))
        source = f"read_parquet({file_sql(self.path)}, file_row_number = true{PLAIN})"
        for first, last in row_spans(self.groups, size):
            where = f"file_row_number >= {first} AND file_row_number < {last}"
            cuts = self._answer(f"SELECT {parts} FROM {source} WHERE {where}")
            if len(cuts[0].values) != last - first:
                raise TableError(f"{self.path} changed while it was being read; start again")
            yield cuts

    def _answer(self, query: str) -> list[ColumnPart]:
        with table_errors(str(self.path), "cannot be read to its end"):
            answer: Any = self.connection.execute(query)
            found: dict[str, Any] = answer.fetchnumpy()
        return [_column_part(column) for column in found.values()]

    def _number(self, name: str) -> str:
        known, column = self.columns[name], sql_name(self.queried[name])
        if known.read == "wide":  # by its digits: the nearest float64, rounded once
            return f"CAST(CAST({column} AS VARCHAR) AS DOUBLE)"
        return f"CAST({column} AS TINYINT)" if known.read == "truth" else column


PLAIN = ", hive_partitioning = false"  # a folder called year=2024 adds no column


def _parquet(path: Path, connection: duckdb.DuckDBPyConnection) -> ParquetRows:
    name = file_sql(path)
    with table_errors(str(path), "cannot be read"):
        described = connection.execute(
            f"DESCRIBE SELECT * FROM read_parquet({name}{PLAIN})"
        ).fetchall()
        groups = connection.execute(
            "SELECT any_value(row_group_num_rows) FROM parquet_metadata("
            f"{name}) GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    names, _ = unique_names([name.strip() for name in parquet_names(path, connection)])
    columns = {
        name: FileColumn(row[1], _reading(row[1]))
        for name, row in zip(names, described, strict=True)
    }
    queried = {name: row[0] for name, row in zip(names, described, strict=True)}
    return ParquetRows(
        path, columns, queried, tuple(int(row[0] or 0) for row in groups), connection
    )


def _reading(type: str) -> str:
    family = Cells("", type).family
    if type == "BOOLEAN":
        return "truth"
    return family if family in {"number", "wide"} else ""


def _column_part(column: Any) -> ColumnPart:
    missing: Any = np.ma.getmaskarray(column) if np.ma.isMaskedArray(column) else np.False_
    return ColumnPart(np.ma.getdata(column), missing if missing.any() else None)


def row_spans(groups: Iterable[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each part, and the row after its last; a part has `size` rows at most.
    Small row groups are joined; a large one is cut into equal parts, each of which reads the whole
    group."""
    first = last = 0
    for rows in groups:
        if last > first and last - first + rows > size:
            yield first, last
            first = last
        parts = max(1, -(-rows // size))
        for part in range(1, parts):
            yield first, last + rows * part // parts
            first = last + rows * part // parts
        last += rows
    if last > first:
        yield first, last


@dataclass(frozen=True)
class ArrowRows:
    """An Arrow file (Feather, version 2), read by pyarrow; an uncompressed one is memory-mapped."""

    path: Path
    columns: dict[str, FileColumn]
    rows: int

    def cuts(self, names: Sequence[str], size: int) -> Iterator[list[ColumnPart]]:
        """Yield the columns, as `RowFile.cuts`; a part ends with its record batch."""
        arrow, ipc = _pyarrow(self.path)
        places = [list(self.columns).index(name) for name in names]
        kept = sorted(set(places))
        options = ipc.IpcReadOptions(included_fields=kept, use_threads=False)
        seen = 0
        with _read_by(self.path), arrow.memory_map(str(self.path)) as source:
            reader = ipc.open_file(source, options=options)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                seen += batch.num_rows
                for first in range(0, batch.num_rows, size):
                    part = batch.slice(first, size)
                    yield [self._cut(arrow, part.column(kept.index(p)), n)
                           for p, n in zip(places, names, strict=True)]  # fmt: skip
        if seen != self.rows:
            raise TableError(f"{self.path} changed while it was being read; start again")

    def _cut(self, arrow: Any, column: Any, name: str) -> ColumnPart:
        missing = None
        if column.null_count:
            missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
        if self.columns[name].read == "wide":  # by its digits, as above
            column = column.cast(arrow.string()).cast(arrow.float64())
        return ColumnPart(np.asarray(column.to_numpy(zero_copy_only=False)), missing)


def _arrow(path: Path) -> ArrowRows:
    arrow, ipc = _pyarrow(path)
    with _read_by(path), arrow.memory_map(str(path)) as source:
        schema = ipc.open_file(source).schema
        # One column is enough to count rows; to read the others may mean to unpack them.
        options = ipc.IpcReadOptions(included_fields=[0], use_threads=False)
        reader = ipc.open_file(source, options=options) if len(schema) else None
        count = reader.num_record_batches if reader is not None else 0
        rows = sum(reader.get_batch(number).num_rows for number in range(count))  # pyright: ignore
    names, _ = unique_names([str(field.name).strip() for field in schema])
    columns = {
        name: FileColumn(str(field.type), _arrow_reading(arrow, field.type))
        for name, field in zip(names, schema, strict=True)
    }
    return ArrowRows(path, columns, rows)


def _arrow_reading(arrow: Any, type: Any) -> str:
    kinds = arrow.types
    if kinds.is_integer(type) or kinds.is_floating(type):
        return "number"
    if kinds.is_decimal(type):
        return "wide"
    return "truth" if kinds.is_boolean(type) else ""


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.ipc")
    except ImportError:
        raise TableError(
            f"{path} is an Arrow file; reading it needs `pip install pyarrow`"
        ) from None


@contextlib.contextmanager
def _read_by(path: Path) -> Generator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path} is damaged: {reason}; write it again") from None
