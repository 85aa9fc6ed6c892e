"""Convert DuckDB's errors to those of this package.

In: a block of code that runs queries. Out: its result, a `TableError` of one line, or a
`KeyboardInterrupt`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import duckdb

from glassnet.errors import TableError
from glassnet.hints import Hint, hint

AGAIN = "correct the file, or write it again"


@contextlib.contextmanager
def table_errors(label: str, failure: str, advice: Hint | str = AGAIN) -> Generator[None]:
    """Convert a DuckDB error within the context to the TableError "LABEL FAILURE: first line of
    DuckDB's message; ADVICE", and an interrupted query to KeyboardInterrupt."""
    try:
        yield
    except (duckdb.Error, RuntimeError) as error:
        # Ctrl-C in a query arrives as an error of the query.
        if isinstance(error, duckdb.InterruptException) or str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        if not isinstance(error, duckdb.Error):
            raise
        way = hint(advice) if isinstance(advice, str) else advice
        raise TableError(f"{label} {failure}: {_first_line(error)}", way) from None


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line.split("Error: ", 1)[-1].rstrip(". ")
