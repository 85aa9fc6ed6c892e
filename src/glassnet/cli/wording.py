"""Word errors and notes for the command line.

In: an error or a note of a table. Out: its text, with options as a user types them.
"""

from __future__ import annotations

import shlex
from contextvars import ContextVar

from glassnet.errors import TableError
from glassnet.hints import Option
from glassnet.tables.notes import Note

# the arguments of the running command, after `glassnet`
GIVEN: ContextVar[tuple[str, ...]] = ContextVar("GIVEN", default=())


def typed_option(option: Option) -> str:
    """Return an option as a user types it: `--kind 'age=number'`, `--header first`."""
    name = f"--{option.name}"
    if not (option.value or option.column):
        return name
    if not option.column:
        plain = option.value.isidentifier() or option.value.isalnum() or option.value == "-o"
        return f"{name} {option.value if plain else _in_quotes(option.value)}"
    return f"{name} {_in_quotes(f'{option.column}={option.value}')}"


def _in_quotes(text: str) -> str:
    return shlex.quote(text) if "'" in text else f"'{text}'"


def error_text(error: Exception) -> str:
    """Return the text of an error for the command line."""
    return error.render(typed_option) if isinstance(error, TableError) else str(error)


def note_text(note: Note) -> str:
    """Return the text of a note for the command line."""
    return note.render(typed_option)


def advice_text(note: Note) -> str:
    """Return how to override the decision of a note."""
    return note.advice if isinstance(note.advice, str) else note.advice.render(typed_option)
