"""Check that a query only reads its table.

In: SQL of a user or of a run file. Out: the query, which must be one SELECT statement, and the
files that it names; or a `TableError`. DuckDB's own parser analyses the text, so that no spelling
hides a forbidden function; what is not known to be harmless is refused.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.tables.cells import sql_text
from glassnet.tables.query import table_errors

TRUST = hint("if you trust what recorded it, allow it with ", Option("trust"))
_HINT = "write one SELECT over the table data"
_TABLE_FUNCTIONS = {
    "range",
    "generate_series",
    "unnest",
    "repeat",
    "repeat_row",
    "json_each",
    "json_tree",
}
_READERS = {
    "read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto",
    "read_ndjson", "read_ndjson_auto", "read_json_objects", "read_json_objects_auto",
    "read_ndjson_objects", "read_text", "read_blob", "glob",
}  # fmt: skip
_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_REFUSED_TABLES = {"SHOW_REF", "COLUMN_DATA", "BOUND_TABLE_REF", "DELIM_GET"}
# They read settings and the environment, write logs, wait, or take raw memory for a value.
_REFUSED_FUNCTIONS = {
    "getenv", "current_setting", "getvariable", "write_log", "nextval", "currval", "setval",
    "sleep_ms", "pg_sleep", "json_serialize_plan", "json_execute_serialized_sql", "stats",
    "vector_type", "finalize", "combine", "to_aggregate_state",
}  # fmt: skip
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


@dataclass(frozen=True)
class Query:
    """A query that was checked and may run."""

    text: str
    files: tuple[str, ...]  # that it reads besides the table


def check_query(sql: str, label: str, connection: duckdb.DuckDBPyConnection) -> Query:
    """Return the query if it is a SELECT that reads only the table `data` and files that it names;
    else raise TableError."""
    failure = "cannot be computed"
    with table_errors(label, failure, "correct the query"):
        statements = duckdb.extract_statements(sql)
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        found = " and ".join(kind.name for kind in kinds) or "no statement"
        more = ""
        if re.search(r"\bpivot\b", sql, re.IGNORECASE):
            more = "; say which values a PIVOT has columns for: ON column IN (…)"
        raise TableError(
            f"{label} {failure}: the query is not one SELECT but {found}; {_HINT}{more}"
        )
    with table_errors(label, failure, "correct the query"):
        row = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [sql]).fetchone()
    seen = _QueryParts()
    for item in _objects(str(row[0]) if row else ""):
        seen.add(item)
    if seen.refused:
        raise TableError(f"{label} {failure}: the query uses {seen.refused[0]}; {_HINT}")
    unknown = [name for name in seen.tables if name.lower() not in {"data", *seen.own}]
    for name in unknown:
        if "." not in name and "/" not in name:
            raise TableError(
                f"{label} {failure}: there is no table {name!r}; the only table is called data"
            )
    files = [*unknown, *(seen.files or (["a file"] if seen.reads else []))]
    return Query(statements[0].query, tuple(dict.fromkeys(files)))


def lock_connection(
    connection: duckdb.DuckDBPyConnection, query: Query, table: tuple[str, ...]
) -> None:
    """Lock the connection: it may read no file but `table` (SQL texts) and write none except
    temporary files of a large query, and these settings cannot be changed. A query that names files
    may read files."""
    aside = os.path.join(tempfile.gettempdir(), f"glassnet-query-{secrets.token_hex(8)}")
    connection.execute(f"SET temp_directory = {sql_text(aside)}")
    connection.execute("SET python_enable_replacements = false")  # no variables of this process
    if not query.files:
        connection.execute(f"SET allowed_paths = [{', '.join(table)}]")
        connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@dataclass
class _Object:
    """A JSON object: its texts, its key in the enclosing object, and that object."""

    key: str
    around: _Object | None
    texts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class _QueryParts:
    """The parts of a query: tables, files, functions."""

    tables: list[str] = field(default_factory=list[str])
    own: set[str] = field(default_factory=set[str])  # names that the query gives to parts of itself
    files: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    reads: bool = False  # whether it calls a function that reads files

    def add(self, item: _Object) -> None:
        """Record what one JSON object of the parsed query names, and what is refused in it."""
        texts = item.texts
        kind = texts.get("type", "")
        if texts.get("error_message"):
            self.refused.append(f"what has no description ({texts['error_message']})")
        if kind in _REFUSED_TABLES or (kind.endswith("_NODE") and kind not in _QUERIES):
            self.refused.append(kind.removesuffix("_NODE").removesuffix("_QUERY").replace("_", " "))
        if item.key == "map" and "key" in texts:
            self.own.add(texts["key"].lower())
        if kind == "BASE_TABLE":
            path = [texts.get(part, "") for part in ("catalog_name", "schema_name", "table_name")]
            inside = path[2].lower() == "data" and path[1] in ("", "main", "temp")
            if path[1].lower() in ("information_schema", "pg_catalog"):
                self.refused.append(f"the tables of {path[1]}")
            self.tables.append("data" if inside else ".".join(part for part in path if part))
        if "function_name" in texts:
            self._function(item, texts["function_name"].lower())
        if item.key in ("literal", "value"):
            self._constant(item)

    def _function(self, item: _Object, name: str) -> None:
        if _is_table_function(item):
            if name in _READERS:
                self.reads = True
            elif name not in _TABLE_FUNCTIONS:
                self.refused.append(f"the function {name}")
        elif name in _REFUSED_FUNCTIONS or name.startswith("__internal"):
            self.refused.append(f"the function {name}")

    def _constant(self, item: _Object) -> None:
        """Record a text as a file name if it is an argument of a function that reads files, unless
        it is an option of that function."""
        text = item.texts.get("text", item.texts.get("value"))
        around = item.around
        while text is not None and around is not None and not _is_table_function(around):
            if around.texts.get("class") == "COMPARISON":
                return
            around = around.around
        if text is not None and around is not None and _name(around) in _READERS:
            self.files.append(text)


def _name(item: _Object) -> str:
    return item.texts.get("function_name", "").lower()


def _is_table_function(item: _Object) -> bool:
    around = item.around
    return (
        item.key == "function"
        and around is not None
        and around.texts.get("type") == ("TABLE_FUNCTION")
    )


def _objects(text: str) -> Iterator[_Object]:
    """Yield the objects of a JSON text, each when it is complete; without recursion, since sums of
    some hundred terms are nested as deep."""
    stack: list[_Object | None] = []  # None for a list
    last = key = ""
    keys = [""]  # of the objects and lists that are open
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in "{[":
            around = next((item for item in reversed(stack) if item is not None), None)
            stack.append(_Object(key or keys[-1], around) if token == "{" else None)
            keys.append(key or keys[-1])
            key = ""
        elif token in "}]":
            keys.pop()
            item = stack.pop()
            if item is not None:
                yield item
            key = ""
        elif token == ":":
            key, last = str(json.loads(last)), ""
        elif token == ",":
            key = ""
        elif token.startswith('"') and key:
            item = stack[-1]
            if item is not None:
                item.texts[key] = str(json.loads(token))
        else:
            last = token
