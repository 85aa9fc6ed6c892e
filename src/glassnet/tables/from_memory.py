"""Make a table of data in memory: the columns of a frame, an array or a mapping.

In: columns as `frames` returns them. Out: a `Table` that is read by the same SQL as a file, so that
equal rows give equal numbers.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.tables.cells import Cells
from glassnet.tables.frames import FrameColumn
from glassnet.tables.read_table import connect
from glassnet.tables.table import Table
from glassnet.tables.target_column import number_label

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


def table_of(columns: Sequence[FrameColumn], label: str, missing: Sequence[str] = ()) -> Table:
    """Return the table of named columns of equal length.

    Parameters
    ----------
    label
        The name of the table in messages.
    missing
        Texts that count as missing.

    Raises
    ------
    TableError
        If there are no rows, a name occurs twice, or a column has values other than numbers,
        texts, booleans and dates.
    """
    held: dict[str, NDArray[Any]] = {}
    cells: dict[str, Cells] = {}
    reading: list[str] = []
    for place, column in enumerate(columns):
        if column.name in cells:
            raise TableError(f"{label} has two columns {column.name!r}; give each its own name")
        name = f"c{place}"
        held[name], sql, kind = _in_sql(label, column, name)
        cells[column.name] = Cells(name, kind)
        reading.append(f"{sql} AS {name}")
    rows = row_count(columns)
    if not rows:
        raise TableError(f"{label} has no rows; a table needs at least one")
    connection = _database(os.getpid()).cursor()
    connection.register("held", held)
    relation = f"(SELECT {', '.join(reading)} FROM held)"
    return Table(label, cells, rows, relation, connection, tuple(missing))


def row_count(columns: Sequence[FrameColumn]) -> int:
    """Return the number of rows of the columns; 0 without columns."""
    return max((len(column.values) for column in columns), default=0)


@functools.cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """Return an empty database, shared by all tables of a process: opening a database takes longer
    than predicting some thousand rows. A forked process lacks its parent's threads, so that it can
    neither use nor close the parent's database; it keeps that and opens another."""
    return connect()


def _in_sql(label: str, column: FrameColumn, name: str) -> tuple[NDArray[Any], str, str]:
    """Return the column's values for DuckDB, SQL that reads them, and the SQL type; TableError for
    a column of other objects."""
    values = column.values
    if column.truth:
        return values, f"CASE WHEN isnan({name}) THEN NULL ELSE {name} <> 0 END", "BOOLEAN"
    if column.whole is not None:
        return _texts(column.whole), f"CAST({name} AS VARCHAR)", "VARCHAR"
    if column.kind == "number":
        return values, name, "FLOAT" if values.dtype == np.float32 else "DOUBLE"
    if column.kind == "date":
        return values, name, "TIMESTAMP"
    if column.kind == "other":
        raise TableError(
            f"{label}: column {column.name!r} has type {column.type}, which is not a number, text, "
            "truth value or date; turn it into one of these, or leave it out"
        )
    # without a text the type would be NULL
    return _texts(values), f"CAST({name} AS VARCHAR)", "VARCHAR"


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    texts = np.empty(len(values), object)
    texts[:] = [None if value is None else _text(value) for value in values]
    return texts


def _text(value: Any) -> str:
    """Return a cell as the text that a file would have: an integer without a decimal point."""
    if isinstance(value, Integral) and not isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        return number_label(float(value))
    return str(value)
