"""`glassnet explain`: feature importances and curves of a model, or contributions for one row.

In: a model file and a table. Out: importances and curves, or contributions, as text or JSON.
"""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli import options

_ROW = "Explain the prediction for this row of TABLE, from 0, instead of all rows."
_CLASS = "With --row: explain the probability of this class, by default of the predicted one."
_TRAIN = "With --row: also show the nearest rows of this table, the training table."
_METRIC = "The metric of the importances; by default log_loss, or rmse for numbers."


@options.reads_table
def explain(
    model: options.ModelPath,
    table: options.TablePath,
    target: options.ModelTarget = None,
    row: Annotated[int | None, typer.Option(min=0, metavar="R", help=_ROW)] = None,
    of: Annotated[str | None, typer.Option("--class", metavar="NAME", help=_CLASS)] = None,
    train: Annotated[str | None, typer.Option(metavar="TABLE", help=_TRAIN)] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help=_METRIC)] = None,
    reading: options.ReadingOptions = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Show the importance of each column of TABLE to MODEL, and how its prediction changes with the
    values."""
    from glassnet.cli.output import console, print_json, safe
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.estimators.tabular.explanation import explain as explained
    from glassnet.estimators.tabular.explanation import explain_row
    from glassnet.estimators.tabular.neighbours import nearest_rows
    from glassnet.estimators.tabular.target_models import load_model

    for option, given in (("--class", of), ("--train", train)):
        if row is None and given is not None:
            raise typer.BadParameter(f"{option} needs --row; name the row too")
    loaded = load_model(model, target)
    with Waiting(f"explaining {table}"):
        opened = reading.open(table)
        if row is None:
            found = explained(loaded, opened, metric=metric)
        else:
            found = explain_row(loaded, opened, row, of=of)
        near = None
        if row is not None and train is not None:
            near = nearest_rows(loaded, opened, row, reading.open(train))
    if json:
        more = {} if near is None else {"nearest": near.as_json()}
        print_json({"model": model, "table": table, **found.as_json(), **more})
        return
    to = console()
    for line in [*found.lines(), *([] if near is None else ["", *near.lines()])]:
        to.print(safe(line), soft_wrap=True)
