"""The options of the commands, and how their texts are read.

In: texts from the command line. Out: values, or an error that says what was expected.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glassnet.tables.limits import Limits

_TABLE = "CSV of any delimiter (.gz, .zst), Parquet, Arrow/Feather or JSON lines."
_MODEL = "A model file that `glassnet fit` has written."
_OUTPUT = "The model file; by default the table's name with .safetensors, here."
_RECORD = "Record the training of the model in this run file, and its later phases beside it."
_KIND = "Fix what a column is: number, category, boolean, date or drop. Repeatable."

TablePath = Annotated[str, typer.Argument(metavar="TABLE", help=_TABLE, show_default=False)]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL, show_default=False)]
Target = Annotated[
    str, typer.Option("--target", "-t", metavar="COLUMN", help="The column to predict.")
]
ModelOutput = Annotated[str | None, typer.Option("--output", "-o", metavar="MODEL", help=_OUTPUT)]
Record = Annotated[str | None, typer.Option(metavar="RUN", help=_RECORD)]
CsvOutput = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="CSV", help="By default standard output."),
]
Time = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Train at most so long: 60s, 5m, 1h.")
]
Epochs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Train at most so many epochs.")
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Another number: another split and network.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Threads; they never change the result.")
]
Kinds = Annotated[list[str] | None, typer.Option(metavar="COLUMN=KIND", help=_KIND)]
Missing = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="A text that means missing, such as NA. Repeatable."),
]
Sql = Annotated[
    str | None,
    typer.Option(metavar="QUERY", help="Use the result of this query; the table is called data."),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="What separates CSV columns, if not obvious.")
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]

MaxColumns = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Accept a table with so many columns (else 20,000)."),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Accept a packed table of this size unpacked, such as 20GB (else 100 times its file).",
    ),
]

_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds from 90, 90s, 1.5m, 2h."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min|h|)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"--time {text!r} is no duration; write for example 60s or 5m")
    return float(match[1]) * _SECONDS[match[2]]


def limits(max_columns: int | None, max_size: str | None) -> Limits:
    """The bounds of a table's size, with those that were asked for."""
    from glassnet.tables.limits import DEFAULT_LIMITS, parse_size

    try:
        size = DEFAULT_LIMITS.size if max_size is None else parse_size(max_size)
    except ValueError as error:
        raise typer.BadParameter(f"--max-size {error}") from None
    return replace(DEFAULT_LIMITS, columns=max_columns or DEFAULT_LIMITS.columns, size=size)


def column_kinds(texts: list[str]) -> dict[str, str]:
    """COLUMN=KIND texts as a mapping."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, kind = text.rpartition("=")
        if not equals or not name:
            raise typer.BadParameter(
                f"--kind {text!r} is not of the form COLUMN=KIND; write for example zip=category"
            )
        found[name] = kind
    return found
