"""Print the columns of a table with their types, and the notes on the decisions made.

In: columns with their types, and the notes of reading. Out: lines that fit the window, or JSON
values. Long names are cut in the middle, long lists of values at the end; notes are wrapped.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console

from glassnet.cli.output import safe
from glassnet.cli.wording import advice_text, note_text
from glassnet.tables.kinds import Column
from glassnet.tables.notes import Note
from glassnet.visible import make_visible
from glassnet.words import plural

_MOST_LINES = 40  # with more columns, neighbours of the same type share a line
_GAP = "  "


@dataclass(frozen=True)
class ReportLine:
    """The cells of a line on a column; `style` is a rich style."""

    cells: tuple[str, ...]
    style: str = ""


def print_columns(
    columns: Sequence[Column],
    to: Console,
    *,
    inputs: Mapping[str, int] | None = None,
    target: tuple[str, str, int] | None = None,
) -> None:
    """Print a line per column; in a wide table, one per group of neighbours of the same type.
    `inputs` is the number of network inputs of each column; `target` is the target's name, summary
    and number of missing values."""
    wide = len(columns) > _MOST_LINES
    grouped = itertools.groupby(
        enumerate(columns), key=lambda item: item[1].kind if wide else item[0]
    )
    lines = [_line([column for _, column in group], inputs) for _, group in grouped]
    if target is not None:
        name, summary, count = target
        missing = f"{count:,}" if count else ""
        lines.append(ReportLine((name, "target", missing, "", summary), "bold"))
    header = ReportLine(("column", "kind", "missing", "inputs", "values"), "dim")
    _print_lines([header, *lines], to, with_inputs=inputs is not None)


def _line(run: list[Column], inputs: Mapping[str, int] | None) -> ReportLine:
    first, missing = run[0], sum(column.missing for column in run)
    width = sum((inputs or {}).get(column.name, 0) for column in run)
    several = len(run) > 1
    cells = (
        f"{first.name} … {run[-1].name}" if several else first.name,
        first.kind,
        f"{missing:,}" if missing else "",
        f"{width:,}" if first.used else "left out",
        plural(len(run), "column") if several else first.summary,
    )
    return ReportLine(cells, "" if first.used else "yellow")


def _print_lines(lines: list[ReportLine], to: Console, *, with_inputs: bool) -> None:
    shown = [0, 1, 2, 3, 4] if with_inputs else [0, 1, 2, 4]
    table = [[make_visible(line.cells[place]) for place in shown] for line in lines]
    widths = [max(cell_len(row[place]) for row in table) for place in range(len(shown))]
    last = len(shown) - 1
    rest = sum(widths[1:last]) + len(_GAP) * last
    widths[0] = min(widths[0], max(to.width * 2 // 5, 12))
    widths[last] = max(to.width - widths[0] - rest, 8)
    for line, row in zip(lines, table, strict=True):
        cells = [_shorten_middle(row[0], widths[0]).ljust(widths[0])]
        for place in range(1, last):
            padded = str.rjust if shown[place] in (2, 3) else str.ljust
            cells.append(padded(row[place], widths[place]))
        cells.append(_shorten_end(row[last], widths[last]))
        text = safe(_GAP.join(cells).rstrip())
        to.print(f"[{line.style}]{text}[/]" if line.style else text, soft_wrap=True)


def print_notes(notes: Sequence[Note], to: Console) -> None:
    """Print the notes, one below the other."""
    for note in notes:
        head = "doubt     " if note.doubt else "note      "
        text = textwrap.fill(
            note_text(note), max(to.width, 40), initial_indent=head,
            subsequent_indent=" " * len(head), break_on_hyphens=False,
        )  # fmt: skip
        for line in text.splitlines():
            to.print(safe(line), soft_wrap=True)


def column_json(column: Column) -> dict[str, Any]:
    """Return a column as JSON values."""
    return {
        "name": column.name,
        "kind": column.kind,
        "missing": column.missing,
        "used": column.used,
        "summary": column.summary,
    }


def notes_json(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Return notes as JSON values."""
    return [
        {
            "rule": note.rule,
            "text": note.text,
            "column": note.column,
            "advice": advice_text(note),
            "doubt": note.doubt,
        }
        for note in notes
    ]


def _shorten_middle(text: str, width: int) -> str:
    """Cut the middle of a name that is too long: `the_first…_last`."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _shorten_end(text: str, width: int) -> str:
    return text if cell_len(text) <= width else text[: width - 1] + "…"
