"""`glassnet evaluate`: score a model on a table that has the target column.

In: a model file and a table. Out: the score, and that of a constant prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glassnet.cli import options
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.estimators.tabular.table_model import Assessment
    from glassnet.tables.table import Table


@options.reads_table
def evaluate(
    model: options.ModelPath,
    table: options.TablePath,
    target: options.ModelTarget = None,
    reading: options.ReadingOptions = options.AS_IT_IS,
    weight: options.ScoreWeight = None,
    report: options.Report = None,
    json: options.Json = False,
) -> None:
    """Score MODEL on TABLE, and compare with a constant prediction."""
    from glassnet.cli.output import console, print_json, safe, warn
    from glassnet.cli.report_file import check_report, typed_command, write_evaluation_report
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.estimators.tabular.target_models import TargetModels

    check_report(report, model, table)
    loaded = TargetModels.load(model).only(target, model)
    with Waiting(f"reading {table}"):
        opened = reading.open(table)
        found = [(own, own.assess(opened, weight)) for own in loaded.models]
    warn([(own, one.prediction) for own, one in found], opened)
    if report is not None:
        write_evaluation_report(report, found, model, opened, typed_command())
    if json:
        results = [{"target": one.prediction.target, **_as_json(one)} for _, one in found]
        values = results[0] if len(results) == 1 else {"targets": results}
        print_json({"model": model, "table": table, **values})
        return
    for place, (_, one) in enumerate(found):
        if len(found) > 1:
            above = "\n" if place else ""
            console().print(f"{above}[bold]target {safe(one.prediction.target)}[/]")
        _print(one, opened)
    if report is not None:
        console().print(f"\nreport    {safe(report)}")


def _print(found: Assessment, table: Table) -> None:
    from glassnet.cli.output import console
    from glassnet.cli.score_report import print_score
    from glassnet.cli.table_report import print_notes

    score, classes = found.score, found.prediction.classes
    by = "" if score.weight is None else f", weighted by {score.weight!r}"
    rows = f"{plural(score.rows, 'row')} of {table.label}{by}"
    print_score(score, rows, table.rows - score.rows, classes=classes)
    print_notes(found.remarks(), console())
    if found.new is not None:
        some = "" if found.exact else ", a part of those"
        rows = f"{plural(found.new.rows, 'row')}{some} that training had not seen{by}"
        console().print()
        print_score(found.new, rows, 0, classes=classes, brief=True)


def _as_json(found: Assessment) -> dict[str, Any]:
    """Return an assessment as JSON values."""
    from glassnet.cli.score_report import score_json
    from glassnet.cli.table_report import notes_json

    prediction = found.prediction
    classes = prediction.classes
    return {
        "score": score_json(found.score, classes),
        "seen_rows": found.seen,
        "seen_rows_exact": found.exact,
        "score_of_new_rows": None if found.new is None else score_json(found.new, classes),
        "remarks": notes_json(found.remarks()),
        "missing": prediction.missing,
        "unknown": prediction.unknown,
    }
