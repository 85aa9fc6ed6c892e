"""Write the report of a fit or of an evaluation.

In: the results, and the path of the page. Out: an HTML file, written completely or not at all.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.cli.wording import GIVEN, note_text
from glassnet.outputs import check_writable, replacing
from glassnet.runs.paths import digest_of
from glassnet.visible import make_visible
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.table_model import Assessment, TableModel
    from glassnet.report.build_report import ReportData
    from glassnet.tables.table import Table


def check_report(path: str | None, *others: str | None) -> None:
    """Raise OutputError if the page cannot be written, or would replace one of the inputs."""
    if path is not None:
        reads = [other for other in others if other is not None]
        check_writable(path, *reads, option="--report", example="report.html")


def typed_command() -> str:
    """Return the command as typed, or as passed to `main`."""
    return make_visible(shlex.join(["glassnet", *GIVEN.get()]))


def write_fit_report(
    path: str, fits: Sequence[tuple[ExaminedTable, FittedTable]], model: str, command: str
) -> None:
    """Write the report of fits of a table whose model file is written."""
    from glassnet.report.sources import of_fit

    parts: list[ReportData] = []
    for examined, fitted in fits:
        network = fitted.model.architecture
        about = [
            f"seed {examined.seed}; {plural(network.parameters, 'parameter')}; "
            f"{plural(len(fitted.course.loss), 'epoch')}, the best was {fitted.course.best_epoch}",
            _file(model),
        ]
        parts.append(of_fit(examined, fitted, command, note_text, about))
    _write(path, parts)


def write_evaluation_report(
    path: str,
    found: Sequence[tuple[TableModel, Assessment]],
    model: str,
    table: Table,
    command: str,
) -> None:
    """Write the report of the models of a file on a table."""
    from glassnet.report.sources import of_evaluation

    parts = [
        of_evaluation(own, table, one, command, note_text, [_file(model)]) for own, one in found
    ]
    _write(path, parts)


def _file(model: str) -> str:
    return f"model {Path(model).name}, SHA-256 {(digest_of(model) or '')[:16]}…"


def _write(path: str, parts: Sequence[ReportData]) -> None:
    from glassnet.report.build_report import report

    content = report(*parts).encode()
    with replacing(path, "--report") as file:
        file.write(content)
