"""`glassnet look`: show the column types of a table, without training.

In: a table, and optionally its target. Out: its columns with their types, and all decisions that
were made in reading it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli import options

_TARGET = "The column to predict, to see how it would be read as a target."


@options.reads_table
def look(
    table: options.TablePath,
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="COLUMN", help=_TARGET)
    ] = None,
    kind: options.Kinds = None,
    reading: options.ReadingOptions = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Show the type of each column of TABLE, and all decisions made in reading it."""
    from glassnet.cli.output import console, print_json, safe
    from glassnet.cli.table_report import column_json, notes_json, print_columns, print_notes
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.estimators.tabular.examine import understand
    from glassnet.words import plural

    kinds = options.column_kinds(kind or [])
    with Waiting(f"reading {table}"):
        opened = reading.open(table)
        found = understand(opened, target, kinds)
    goal = found.described_target()
    if json:
        print_json(
            {
                "table": opened.label,
                "rows": opened.rows,
                "columns": [column_json(column) for column in found.columns],
                "target": goal and dict(zip(("name", "summary", "missing"), goal, strict=True)),
                "notes": notes_json(found.notes),
            }
        )
        return
    to = console()
    size = f"{plural(opened.rows, 'row')}, {plural(len(opened.names), 'column')}"
    to.print(f"[bold]{safe(opened.label)}[/]: {size}\n", soft_wrap=True)
    print_columns(found.columns, to, target=goal)
    if found.notes:
        to.print()
    print_notes(found.notes, to)
