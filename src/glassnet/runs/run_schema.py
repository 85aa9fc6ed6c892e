"""Open a run file safely: it may come from anyone, and nothing in it may be executed.

In: a path. Out: a connection, with limits on SQLite's work, to a file that has exactly the tables
that a version of glassnet creates and nothing else: no view, no trigger, no other column. The
schema is checked before anything else is read.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

from glassnet.errors import ModelFileError
from glassnet.runs.disk import (
    APPLICATION,
    COPY,
    SIDES,
    address,
    check_sides,
    log_of,
    resolve_path,
    side_file,
)

FORMAT = 1
TABLES = """
CREATE TABLE run(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, validation_loss REAL);
CREATE TABLE checkpoint(
  epoch INTEGER PRIMARY KEY, arrays TEXT NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE data(name TEXT PRIMARY KEY, arrays TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE result(
  one INTEGER PRIMARY KEY CHECK (one = 1), sha256 TEXT NOT NULL, content BLOB NOT NULL);
"""
OF_DATA = "data"  # the table that the first files did not have

Entry = tuple[str, str, str, str | None]  # kind, name, table, the statement that made it

LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2000,
    sqlite3.SQLITE_LIMIT_COLUMN: 32,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 2000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 16,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
PRAGMAS = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "temp_store = MEMORY")
WAIT = 5.0  # seconds for another program that holds the file
STEPS = 50_000  # of SQLite's virtual machine between two checks for Ctrl-C
MOST_LOOKS = 1_000  # checks in one statement, at most: an undamaged file needs fewer
MANY = 1 << 26  # bytes of a value that is allowed in any file


class StatementLimit:
    """A limit on SQLite's work for one statement, which also lets Ctrl-C interrupt it."""

    def __init__(self) -> None:
        self.looks = 0

    def begin(self) -> None:
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        return self.looks > MOST_LOOKS

    def refused(self, place: Path, error: sqlite3.Error) -> Exception | None:
        """Return the error to raise if this limit stopped the statement; None for other errors.

        SQLite reports an exception raised by a signal as an interruption: KeyboardInterrupt."""
        if getattr(error, "sqlite_errorname", "") != "SQLITE_INTERRUPT":
            return None
        if self.looks <= MOST_LOOKS:
            raise KeyboardInterrupt from None
        return ModelFileError(f"{place} is damaged: its tables have no end; {COPY}")


def connect(place: Path, mode: str, work: StatementLimit) -> sqlite3.Connection:
    """Open a connection to read ("ro"), write ("rw") or create ("rwc"). Nothing is read yet."""
    check_sides(place)
    database = sqlite3.connect(
        address(place, mode), uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT
    )
    for limit, most in LIMITS.items():
        database.setlimit(limit, most)
    if mode == "ro":  # a damaged file may chain its pages in a cycle, as one endless value
        database.setlimit(
            sqlite3.SQLITE_LIMIT_LENGTH, min(10**9, max(MANY, 16 * _stored_size(place)))
        )
    _harden(database)
    for pragma in (*PRAGMAS, *(["query_only = ON"] if mode == "ro" else [])):
        database.execute(f"PRAGMA {pragma}")
    database.set_progress_handler(work, STEPS)
    return database


def _harden(database: sqlite3.Connection) -> None:
    """Set the options for untrusted files that Python offers from 3.12 on."""
    if sys.version_info >= (3, 12):
        database.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        database.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        database.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
        database.setconfig(sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA, False)


def _stored_size(place: Path) -> int:
    """Return the bytes that the file and its log occupy on disk; a sparse file's size is larger."""
    size = 0
    for path in (resolve_path(place), log_of(place)):
        with suppress(OSError):
            found = path.stat()
            size += getattr(found, "st_blocks", found.st_size // 512 + 1) * 512
    return size


def check_kind(place: Path, database: sqlite3.Connection) -> None:
    """Raise ModelFileError if this is not a run file, or has the format of a later version."""
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise ModelFileError(f"{place} is not a run file; name one that training has recorded")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT:
        raise ModelFileError(
            f"{place} has format {version}, this program reads up to {FORMAT}; update glassnet"
        )
    if version < 1:
        raise ModelFileError(f"{place} is damaged: it has format {version}; {COPY}")


def check_schema(place: Path, database: sqlite3.Connection) -> frozenset[str]:
    """Return the names of the tables; ModelFileError if the schema is not one that a version of
    glassnet creates."""
    found = frozenset(_entries(database))
    if found == CURRENT or found == CURRENT - _entries_of(OF_DATA):
        return frozenset(entry[1] for entry in found if entry[0] == "table")
    for kind, name, _, _ in sorted(found - CURRENT, key=str):
        raise ModelFileError(
            f"{place} holds {str(kind)[:20]} {str(name)[:60]!r}, which recording does not make, so "
            "that nothing in it was read; if you made that yourself, remove it (sqlite3 FILE "
            '"DROP …"), else use another file'
        )
    lacking = sorted(entry[1] for entry in CURRENT - found)
    raise ModelFileError(f"{place} is damaged: it lacks the table {lacking[0]!r}; {COPY}")


def is_blank(database: sqlite3.Connection) -> bool:
    """Return whether this database has no table, as a writer that is killed at once leaves it."""
    return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def is_empty_file(place: Path) -> bool:
    """Return `is_blank` of the database at a path; False if there is none."""
    if not place.is_file():
        return False
    try:
        database = connect(place, "rw", StatementLimit())
    except (sqlite3.Error, ModelFileError):
        return False
    try:
        return is_blank(database)
    except sqlite3.Error:
        return False
    finally:
        database.close()


def remove_reader_files(place: Path) -> None:
    """Let SQLite remove the files that it created beside a run file to read it.

    SQLite does so when the last connection closes, if that one may write. Nothing is done for a run
    that has a writer, or whose writer was killed."""
    if not log_of(place).exists() or side_file(place, "-lock").exists():
        return
    with suppress(sqlite3.Error, ModelFileError):
        database = connect(place, "rw", StatementLimit())
        try:
            database.execute("PRAGMA schema_version").fetchone()
        finally:
            database.close()


def remove(place: Path) -> None:
    """Remove a run file and SQLite's files beside it."""
    beside = [side_file(place, ending) for ending in SIDES[:3]]
    place.unlink()
    for path in beside:
        path.unlink(missing_ok=True)


def make_tables(database: sqlite3.Connection) -> None:
    """Create the tables of a run in an empty database."""
    for statement in TABLES.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _entries(database: sqlite3.Connection) -> list[Entry]:
    """Return the schema's entries with whitespace normalised; at most 20, more than ours has."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 20"
    return [
        (kind, name, table, " ".join(sql.split()) if isinstance(sql, str) else sql)
        for kind, name, table, sql in database.execute(query)
    ]


def _current_entries() -> frozenset[Entry]:
    made: list[Entry] = [("index", f"sqlite_autoindex_{OF_DATA}_1", OF_DATA, None)]
    for statement in TABLES.split(";"):
        sql = " ".join(statement.split())
        if sql:
            name = sql.split("(")[0].split()[-1]
            made.append(("table", name, name, sql))
    return frozenset(made)


def _entries_of(table: str) -> frozenset[Entry]:
    return frozenset(entry for entry in CURRENT if entry[2] == table)


CURRENT = _current_entries()
