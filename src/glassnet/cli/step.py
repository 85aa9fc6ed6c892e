"""`glassnet step`: open one step of a recorded run.

In: a run file, and its data if the file does not hold them. Out: text, HTML, or JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import Json, Trust

if TYPE_CHECKING:
    from glassnet.inspect.opened_step import OpenStep

RunPath = Annotated[
    str, typer.Argument(metavar="RUN", help="A run file, recorded by training.", show_default=False)
]
DataPath = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="The table of RUN if it moved, or an .npz of x, y (and weight) if RUN has none.",
        show_default=False,
    ),
]
_EPOCH = "The epoch, from 1; by default 1, with --ledger all epochs."
Epoch = Annotated[int | None, typer.Option(metavar="E", help=_EPOCH)]
Batch = Annotated[int | None, typer.Option(metavar="B", help="The batch, from 1.")]
Row = Annotated[int | None, typer.Option(metavar="R", help="The batch that contains this row.")]
Neuron = Annotated[str | None, typer.Option(metavar="UNIT", help="One unit: 'linear1[3]'.")]
Weight = Annotated[
    str | None, typer.Option(metavar="WEIGHT", help="One weight: 'linear1.weight[2,3]'.")
]
_LEDGER = "All updates of one weight, over the run or in --epoch E."
Ledger = Annotated[str | None, typer.Option(metavar="WEIGHT", help=_LEDGER)]
Html = Annotated[bool, typer.Option("--html", help="Write HTML to standard output.")]


def step(
    run: RunPath,
    data: DataPath = None,
    epoch: Epoch = None,
    batch: Batch = None,
    row: Row = None,
    neuron: Neuron = None,
    weight: Weight = None,
    ledger: Ledger = None,
    as_html: Html = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Open a step of RUN: all values, gradients and updates, as training computed them.

    With --json, numbers that are not finite are the texts "nan", "inf" and "-inf"."""
    from glassnet.cli.output import print_json
    from glassnet.cli.resume import run_arrays
    from glassnet.inspect.open_step import open_step
    from glassnet.inspect.render import json_values as values

    if as_html and json:
        raise typer.BadParameter("--html and --json cannot be used together; choose one")
    if ledger is not None:
        if any(choice is not None for choice in (batch, row, neuron, weight)):
            raise typer.BadParameter("--ledger goes with --epoch, --html and --json only")
        _print_ledger(run, ledger, epoch, run_arrays(run, data, trust), as_html, json)
        return
    epoch = 1 if epoch is None else epoch
    opened = open_step(run, epoch=epoch, batch=batch, row=row, **run_arrays(run, data, trust))
    at = 0 if row is None else opened.rows.tolist().index(row)
    if json:
        print_json(values.as_json(opened, neuron, weight, at))
    else:
        _print_step(opened, neuron, weight, at, as_html)


def _print_step(
    opened: OpenStep, neuron: str | None, weight: str | None, at: int, as_html: bool
) -> None:
    from glassnet.inspect.render import detail, html, text
    from glassnet.inspect.render.overview import overview

    details = [] if neuron is None else detail.neuron(opened, neuron, at)
    details += [] if weight is None else detail.weight(opened, weight)
    if as_html:
        title = f"epoch {opened.epoch}, batch {opened.batch}"
        print(html.page([*details, *overview(opened)], title))
    else:
        print(text.as_text(details or overview(opened)))


def _print_ledger(
    run: str, weight: str, epoch: int | None, rows: dict[str, Any], as_html: bool, json: bool
) -> None:
    from glassnet.cli.output import print_json
    from glassnet.inspect.ledger import open_ledger
    from glassnet.inspect.ledger_view import as_json, blocks
    from glassnet.inspect.render import html, text

    found = open_ledger(run, weight, epoch=epoch, **rows)
    if json:
        print_json(as_json(found))
    elif as_html:
        print(html.page(blocks(found), f"updates of {found.name}"))
    else:
        print(text.as_text(blocks(found)))
    if found.is_verified is False:
        raise typer.Exit(1)
