"""Run a query that a run file recorded in a separate process with limits on time and memory.

In: a table, and SQL that somebody else may have written. Out: the `Table` of its result, or a
`TableError`. DuckDB's own limits do not count what it allocates for one long text, and it cannot be
interrupted within one operation; the operating system enforces both limits.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError, TableError, UntrustedError
from glassnet.hints import Hint, Option
from glassnet.tables.cells import sql_text
from glassnet.tables.query import table_errors
from glassnet.tables.read_table import connect, read_table
from glassnet.tables.sandbox import TRUST
from glassnet.tables.table import Table
from glassnet.tables.typed import typed_table
from glassnet.words import plural

SECONDS = 1.0  # of processor time, and one more for every so many bytes of the table
BYTES_A_SECOND = 2_000_000
MEMORY = 420_000_000  # bytes, and so many more for every byte of the table
SHARE = 30
CELLS = 5_000_000
_NO_MEMORY = re.compile("allocat|out of memory", re.IGNORECASE)
WAIT = 30.0  # limit of elapsed time, as a multiple of the limit of processor time


def read_apart(
    path: str | Path, *, sql: str, missing: Sequence[str] = (), how: Mapping[str, Any] | None = None
) -> Table:
    """Return the table of a query that the user did not type, as `read_table` does.

    Parameters
    ----------
    sql, missing
        As for `read_table`.
    how
        Other options of `read_table`, by name.

    Raises
    ------
    UntrustedError
        If the query reads other files, or needs more time, memory or cells than the limits, which
        grow with the size of the file.
    TableError
        If the file or the query cannot be read.
    """
    size = os.path.getsize(path)
    seconds = SECONDS + size / BYTES_A_SECOND
    asked: dict[str, Any] = {"path": str(path), "sql": sql, "missing": list(missing)}
    asked |= {"how": dict(how or {}), "seconds": seconds, "memory": MEMORY + SHARE * size}
    asked |= {"cells": CELLS + SHARE * size}
    with tempfile.TemporaryDirectory(prefix="glassnet-query-") as folder:
        place = Path(folder) / "result.duckdb"
        _run({**asked, "database": str(place)}, seconds)
        return _loaded(f"{path} (query)", place, tuple(missing))


def _loaded(label: str, place: Path, missing: tuple[str, ...]) -> Table:
    connection = connect()
    connection.execute("SET threads = 1")
    with table_errors(label, "cannot be computed", TRUST):
        connection.execute(f"ATTACH {sql_text(str(place))} AS apart (READ_ONLY)")
        connection.execute("CREATE TEMP TABLE result AS FROM apart.result")
        connection.execute("DETACH apart")
    return typed_table(label, "result", connection, missing)


def _run(asked: dict[str, Any], seconds: float) -> None:
    """Run the other process, which writes the table to `asked["database"]`; raise the error that it
    reports, or UntrustedError if it was stopped by a limit."""
    root = Path(__file__).resolve().parents[2]
    known = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(known), "PYTHONSAFEPATH": "1"}
    around["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others set a gigabyte aside
    command = [sys.executable, "-m", "glassnet.tables.query_apart"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=around) as child:
        try:
            out, _ = child.communicate(json.dumps(asked).encode(), timeout=WAIT * seconds)
        except subprocess.TimeoutExpired:
            out = b""
        finally:
            child.kill()
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:  # it was ended
        answer = {"error": "", "bounds": True}
    if answer.get("bounds"):
        raise UntrustedError(
            f"{asked['path']} (query) cannot be computed: the query needs more than "
            f"{seconds:.3g} s or {asked['memory'] // 1_000_000:,} MB",
            TRUST,
        )
    if "error" in answer:
        failure = UntrustedError if answer.get("untrusted") else TableError
        raise failure(str(answer["error"]), _hint_of(answer.get("hint")))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Run the query, in the other process; return nothing in a dict, or the error as JSON
    values."""
    _limit(asked["seconds"], asked["memory"])
    try:
        table = read_table(
            asked["path"], sql=asked["sql"], missing=asked["missing"],
            **asked["how"], files=False, database=asked["database"],
        )  # fmt: skip
        if table.rows * len(table.names) > asked["cells"]:
            raise UntrustedError(
                f"{table.label} has {plural(table.rows, 'row')} of "
                f"{plural(len(table.names), 'column')}, more than "
                "is taken from a recorded query",
                TRUST,
            )
        table.connection.close()
    except (GlassnetError, MemoryError, RecursionError) as error:
        known = error if isinstance(error, TableError) else None
        full = isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None
        untrusted = isinstance(error, UntrustedError)
        answer: dict[str, Any] = {"error": str(error), "bounds": full, "untrusted": untrusted}
        if known is not None:
            answer |= {"error": known.message, "hint": known.hint and asdict(known.hint)}
        return answer
    return {}


def _hint_of(plain: Any) -> Hint | None:
    """Return the hint that the other process wrote as JSON values, or None."""
    if plain is None:
        return None
    ways: list[list[Any]] = plain["ways"]
    return Hint(tuple(tuple(p if isinstance(p, str) else Option(**p) for p in way) for way in ways))


def _limit(seconds: float, memory: int) -> None:
    """Set limits on this process, as far as the system supports them."""
    with suppress(ImportError, AttributeError, OSError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # threads need memory too
    with suppress(AttributeError, OSError):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
    with suppress(ImportError, OSError, ValueError):
        resource: Any = import_module("resource")  # not on every system
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = math.ceil(used.ru_utime + used.ru_stime + seconds)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))  # whole seconds; if all else fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
        # What is written to, not what is mapped: DuckDB maps a gigabyte and uses little of it.
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin))))
