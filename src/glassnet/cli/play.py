"""`glassnet play`: write a page on which a network trains, as one HTML file.

In: nothing, or a table and the name of its target. Out: the page, opened in the browser.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

_TABLE = (
    "A table, as for `glassnet fit`; a run file, whose steps the page repeats and continues; a "
    "model file, with --rows; or a built-in table: xor, circles, moons, spirals, gaussians, sine, "
    "penguins. By default moons. Of an ensemble, as `glassnet fit` trains, the page shows one "
    "network."
)
_TARGET = "The column of TABLE to predict, or the target of MODEL if it has several."
_ROWS = "With a model file: the table to show; with a plain network: a built-in table."
_MEMBER = "Which network of an ensemble, from 1; by default the first."


def play(
    table: Annotated[
        str | None, typer.Argument(metavar="[TABLE|RUN|MODEL]", help=_TABLE, show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", metavar="COLUMN", help=_TARGET),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="The columns to predict from; by default all."),
    ] = None,
    rows: Annotated[str | None, typer.Option(metavar="TABLE", help=_ROWS)] = None,
    member: Annotated[int | None, typer.Option(metavar="K", help=_MEMBER)] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PAGE", help="By default a temporary file."),
    ] = None,
    lecture: Annotated[
        bool, typer.Option("--lecture", help="Start with the lecture: eleven stations.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Write a page on which a network trains: one HTML file that works offline."""
    import webbrowser

    from glassnet.page.write_page import write_page

    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    path, notes = write_page(table, target, names, output, lecture, rows, member)
    for note in notes:
        print(f"glassnet: {note}", file=sys.stderr)
    print(path)
    if show and not webbrowser.open(path.resolve().as_uri()):
        print("glassnet: no browser was found; open the file in one", file=sys.stderr)
