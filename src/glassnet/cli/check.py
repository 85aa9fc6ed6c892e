"""`glassnet check`: check gradients, compiled code and recorded steps on the user's own rows.

In: a model file and a table, or a run file. Out: a table of comparisons; status 1 if numbers
disagree or a comparison could not be made.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import Delimiter, Json, ModelTarget, Sql, Trust

if TYPE_CHECKING:
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.inspect.proofs import Finding
    from glassnet.tables.table import Table


def check(
    subject: Annotated[
        str, typer.Argument(metavar="MODEL|RUN", help="A model or run file.", show_default=False)
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE|DATA",
            help="For a model: a table. For a run: its table if it moved, or an .npz of x and y.",
            show_default=False,
        ),
    ] = None,
    target: ModelTarget = None,
    sql: Sql = None,
    delimiter: Delimiter = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Compare gradients with finite differences, compiled code with the interpreter, and recorded
    steps with the same steps repeated."""
    from glassnet.cli.output import print_json
    from glassnet.inspect.proofs import findings_text
    from glassnet.inspect.render.json_values import plain

    findings = _findings(subject, data, target, sql, delimiter, trust)
    if json:
        checks = [{**asdict(finding), "verdict": finding.verdict} for finding in findings]
        print_json(plain({"checks": checks, "ok": all(finding.ok for finding in findings)}))
    else:
        print(findings_text(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _findings(
    subject: str,
    data: str | None,
    target: str | None,
    sql: str | None,
    delimiter: str | None,
    trust: bool,
) -> list[Finding]:
    from pathlib import Path

    from glassnet.cli.resume import run_arrays
    from glassnet.errors import TableError
    from glassnet.estimators.tabular.target_models import load_model
    from glassnet.inspect.proofs import check_model, check_run
    from glassnet.runs.disk import is_run
    from glassnet.tables.read_table import read_table

    if is_run(Path(subject)):
        if target is not None:
            raise typer.BadParameter(f"--target is for a model, and {subject} is a run file")
        return check_run(subject, **run_arrays(subject, data, trust))
    model = load_model(subject, target)
    if data is None:
        raise TableError(f"{subject} is a model; name a table too, to check it on its rows")
    opened = read_table(data, sql=sql, delimiter=delimiter)
    return check_model(model.network, *_encoded_rows(model, opened))


def _encoded_rows(model: TableModel, table: Table) -> tuple[Any, ...]:
    """Return x; and, if the table has the target column, the labels and the loss."""
    from glassnet.errors import TableError
    from glassnet.estimators.tabular.examine import target_array
    from glassnet.estimators.tabular.table_network import with_fold_column
    from glassnet.nn.losses import CrossEntropy, HalfMSE

    target, cells = model.schema.target, model.schema.load(table)
    if target.name not in table.names:
        return (with_fold_column(model.architecture, model.schema.encode(cells).x),)
    truth, missing = target.read(model.schema.opened(table))
    known = ~missing & (truth >= 0) if target.classes else ~missing
    rows = known.nonzero()[0][:4096]
    if not len(rows):
        raise TableError(
            f"{table.label}: the target {target.name!r} has no value in any row that the model "
            "knows; a check of its loss needs some"
        )
    loss = CrossEntropy() if target.classes else HalfMSE()
    x = with_fold_column(model.architecture, model.schema.encode(cells, rows).x)
    return x, target_array(target, truth[rows]), loss
