"""Collect the data of a report from a fit or an evaluation.

In: the result of a fit or an evaluation, and the wording of notes by the caller. Out: `ReportData`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.blend import mixed
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.out_of_fold import UnseenOutputs
from glassnet.estimators.tabular.table_network import with_column
from glassnet.report.build_report import ReportData
from glassnet.tables.kinds import Column
from glassnet.tables.target_column import target_summary
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.table_model import Assessment, TableModel
    from glassnet.tables.notes import Note
    from glassnet.tables.table import Table

Words = Callable[["Note"], str]


def of_fit(
    examined: ExaminedTable, fitted: FittedTable, command: str, words: Words, about: Sequence[str]
) -> ReportData:
    """Return the report data of a fit; the rows that its score was computed from must be known."""
    answers, model = fitted.answers, fitted.model
    assert answers is not None
    table, notes = examined.table, (*examined.notes, *fitted.remarks)
    if examined.test is not None:
        table = examined.test
        cells = model.schema.load(table)
        answers, x = _labelled_rows(model, table, answers)
    else:
        cells = {
            column.name: column.cells for column in examined.columns if column.cells is not None
        }
        x = model.schema.encode(cells, answers.rows).x
    used = sum(column.used for column in examined.columns)
    goal = target_summary(examined.target, examined.truth)
    lines = (
        f"{Path(examined.table.label).name}: {plural(examined.table.rows, 'row')}, "
        f"{plural(used, 'column')} used; target {examined.target.name}: {goal}",
        f"The score is of {fitted.scored_on}.",
    )
    folds = answers.folds
    answer = None if folds is None else _by_folds(model, folds)
    return ReportData(
        Path(examined.table.label).name, lines, model, fitted.score, answers, x, cells,
        _texts(table), command, examined.columns,
        [words(note) for note in notes if not note.doubt],
        [words(note) for note in notes if note.doubt], fitted.course, answer, tuple(about),
    )  # fmt: skip


def of_evaluation(
    model: TableModel,
    table: Table,
    found: Assessment,
    command: str,
    words: Words,
    about: Sequence[str],
) -> ReportData:
    """Return the report data of a model's evaluation on a table."""
    answers, x = _labelled_rows(model, table, found.answers)
    cells = model.schema.load(table)
    columns = [
        Column(column.name, column.kind, _missing(cells[column.name]), "", cells[column.name])
        for column in model.schema.columns
    ]
    by = "" if found.score.weight is None else f", weighted by {found.score.weight!r}"
    notes, name = (*table.notes, *found.remarks()), Path(table.label).name
    lines = (
        f"{name}: {plural(table.rows, 'row')}, {plural(len(columns), 'column')} used; target "
        f"{model.schema.target.name}",
        f"The score is of {plural(found.score.rows, 'row')} of {name}{by}.",
    )
    return ReportData(
        name, lines, model, found.score, answers, x, cells, _texts(table), command, columns,
        [words(note) for note in notes if not note.doubt],
        [words(note) for note in notes if note.doubt], about=tuple(about),
    )  # fmt: skip


def _labelled_rows(
    model: TableModel, table: Table, answers: Evaluation
) -> tuple[Evaluation, NDArray[np.float32]]:
    """Return the predictions with the numbers of the rows that have a target, and these rows
    encoded."""
    design, _, _ = model.schema.labelled(table)
    missing = model.schema.target.read(model.schema.opened(table))[1]
    rows = np.flatnonzero(~missing)
    return replace(answers, rows=rows), design.x


def _by_folds(model: TableModel, folds: NDArray[np.int64]) -> Callable[..., NDArray[Any]]:
    """Return a function that predicts each row by the networks that were not trained on it."""
    parts = [(part, UnseenOutputs(part.architecture)) for part in model.parts]

    def answer(x: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[Any]:
        rows = with_column(x, folds[places])
        found = [part.given(unseen.of(part.network.W, rows)) for part, unseen in parts]
        return mixed(found, [part.weight for part, _ in parts])

    return answer


def _texts(table: Table) -> Callable[[Sequence[str], int], list[str]]:
    texts: dict[str, Any] = {}

    def of(names: Sequence[str], row: int) -> list[str]:
        texts.update(table.texts([name for name in names if name not in texts]))
        return [texts[name][row] or "" for name in names]

    return of


def _missing(cells: Any) -> int:
    missing = getattr(cells, "missing", None)
    return int(missing.sum()) if missing is not None else sum(cell is None for cell in cells)
