"""Open files with typed columns: Parquet, Arrow/Feather and JSON lines.

In: a path and its format. Out: a `Table` with the file's column names. Fields of a struct become
separate columns, called `address.city`. Decimals, dates and times of JSON are read as text, so that
they follow the rules of CSV files.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb

from glassnet.errors import TableError
from glassnet.tables.cells import Cells, sql_name, sql_text
from glassnet.tables.column_names import unique_names
from glassnet.tables.compression import FileFormat, check_unpacked, unpacked
from glassnet.tables.limits import Limits
from glassnet.tables.query import table_errors
from glassnet.tables.table import Table

_LONGEST_LINE = 1 << 22
_DEEPEST = 4  # structs inside structs that are taken apart
_AS_TEXT = ("DOUBLE", "DATE", "TIMESTAMP", "TIME", "UUID")


def file_sql(path: Path) -> str:
    """Return the path as an SQL text that names exactly this file: DuckDB would read `*`, `?` and
    `[` as a pattern."""
    return sql_text(re.sub(r"([*?\[])", r"[\1]", str(path.absolute())))


def open_typed(
    path: Path,
    form: FileFormat,
    connection: duckdb.DuckDBPyConnection,
    missing: tuple[str, ...],
    limits: Limits,
) -> Table:
    """Return the table of a Parquet, Arrow or JSON file; TableError if it is damaged, has no rows
    or exceeds the limits."""
    label = str(path)
    if form.kind == "arrow":
        arrow = _read_arrow(path)
        names = [str(name) for name in arrow.column_names]
        limits.check_columns(label, len(names))
        places = [f"c{place}" for place in range(len(names))]
        connection.register("arrow_table", _readable(arrow.rename_columns(places)))
        relation = "arrow_table"
    elif form.kind == "parquet":
        relation = f"read_parquet({file_sql(path)}, hive_partitioning = false)"
        names = parquet_names(path, connection)
        limits.check_columns(label, len(names))
    else:
        check_unpacked(path, form.compression, limits)
        relation, names = _json(path, form, connection, limits)
    table = typed_table(label, relation, connection, missing, names)
    limits.check_columns(label, len(table.columns))
    size = table.rows * len(table.columns) * 8
    limits.check_size(label, size, path.stat().st_size, "has rows and columns that take")
    return table


def typed_table(
    label: str,
    relation: str,
    connection: duckdb.DuckDBPyConnection,
    missing: tuple[str, ...],
    names: Sequence[str] | None = None,
) -> Table:
    """Return the table of a relation (SQL after FROM); TableError if it cannot be read or has no
    rows. `names` are the column names, if the relation cannot have them because SQL ignores case;
    they are ignored if their number differs."""
    with table_errors(label, "cannot be read"):
        described = connection.sql(f"SELECT * FROM {relation}")
        found_names, types = described.columns, described.types
        counted = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    if names is None or len(names) != len(found_names):
        names = found_names
    parts = [
        part
        for place, name in enumerate(names)
        for part in _parts(name.strip(), sql_name(found_names[place]), types[place])
    ]
    unique, notes = unique_names([name for name, _ in parts])
    columns = {name: cells for name, (_, cells) in zip(unique, parts, strict=True)}
    rows = int(counted[0]) if counted else 0
    if not columns or not rows:
        raise TableError(f"{label} has no rows; a table needs at least one")
    return Table(label, columns, rows, relation, connection, missing, notes)


def _parts(name: str, sql: str, type: Any, depth: int = 0) -> Iterator[tuple[str, Cells]]:
    """Yield name and cells of a column; of a struct, those of its fields, to a depth of four."""
    if type.id == "struct" and depth < _DEEPEST:
        for field, inner in type.children:
            inside = f"struct_extract({sql}, {sql_text(field)})"
            yield from _parts(f"{name}.{field}", inside, inner, depth + 1)
    elif str(type) == "JSON":  # numbers and texts in one column: as text, without JSON's quotes
        yield name, Cells(f"({sql} ->> '$')", "VARCHAR")
    else:
        yield name, Cells(sql, str(type))


def parquet_names(path: Path, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the column names in the file: the children of the first element, each followed by its
    own children."""
    with table_errors(str(path), "cannot be read"):
        query = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({file_sql(path)})"
        elements = connection.execute(query).fetchall()
    names: list[str] = []
    left = 0  # elements that are still inside a column
    for name, children in elements[1:]:
        if left:
            left += children - 1
        else:
            names.append(name)
            left = children
    return names


def _json(
    path: Path, form: FileFormat, connection: duckdb.DuckDBPyConnection, limits: Limits
) -> tuple[str, list[str]]:
    """Return SQL that reads the file, and the names of its columns."""
    options = f"map_inference_threshold = -1, compression = {sql_text(form.compression)}"
    limits.check_columns(str(path), _keys_of_first(path, form))
    found = f"read_json({file_sql(path)}, sample_size = -1, {options})"
    with table_errors(str(path), "cannot be read"):
        described = connection.execute(f"DESCRIBE SELECT * FROM {found}").fetchall()
        limits.check_columns(str(path), len(described))
        names = _json_names(path, form, connection, [row[0] for row in described])
    if names != [row[0] for row in described]:
        return found, names
    types = {
        row[0]: "VARCHAR" if str(row[1]).startswith(_AS_TEXT) and row[1][-1] != "]" else row[1]
        for row in described
    }
    columns = ", ".join(f"{sql_text(name)}: {sql_text(type)}" for name, type in types.items())
    return f"read_json({file_sql(path)}, columns = {{{columns}}}, {options})", names


def _keys_of_first(path: Path, form: FileFormat) -> int:
    """Return the number of keys of the first line; 0 if it is not an object or longer than 4 MB. To
    let DuckDB read an object with very many keys takes long."""
    with unpacked(path, form.compression) as stream:
        line = stream.readline(_LONGEST_LINE)
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return 0
    return len(cast("dict[str, Any]", found)) if isinstance(found, dict) else 0


def _json_names(
    path: Path, form: FileFormat, connection: duckdb.DuckDBPyConnection, names: list[str]
) -> list[str]:
    """Return the column names in the file, where DuckDB renamed some (`X` beside `x` to `X_1`)."""
    lowered = {name.lower() for name in names}
    ends = [re.fullmatch(r"(.+)_\d+", name) for name in names]
    if not any(end and end[1].lower() in lowered for end in ends):
        return names
    objects = f"read_json_objects({file_sql(path)}, compression = {sql_text(form.compression)})"
    found = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects}").fetchall()
    keys = {str(row[0]) for row in found}
    return [
        end[1] if end and name not in keys and end[1] in keys else name
        for name, end in zip(names, ends, strict=True)
    ]


def _read_arrow(path: Path) -> Any:
    try:
        feather = importlib.import_module("pyarrow.feather")
    except ImportError:
        raise TableError(
            f"{path} is an Arrow file; reading it needs `pip install pyarrow`"
        ) from None
    try:
        return feather.read_table(str(path), memory_map=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path} is damaged: {reason}; write it again") from None


def _readable(arrow: Any) -> Any:
    """Return the table with columns of types that DuckDB does not support (float16, decimal256) as
    types that hold all their values."""
    pyarrow = importlib.import_module("pyarrow")
    for place, field in enumerate(arrow.schema):
        wanted = None
        if pyarrow.types.is_float16(field.type):
            wanted = pyarrow.float32()
        elif pyarrow.types.is_decimal256(field.type):
            wanted = pyarrow.string()
        if wanted is not None:
            arrow = arrow.set_column(place, field.name, arrow.column(place).cast(wanted))
    return arrow
