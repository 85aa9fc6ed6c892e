"""Convert a user's table for the page: column types and scaling are those of `glassnet fit`.

In: a table and the name of its target. Out: a `PageTable`, and notes on the decisions made. The
page draws each input, so it takes a limited number of them: those that explain most of the target.
Free text, whose inputs are n-grams, is left out unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import ExaminedTable, examine
from glassnet.page.fragments import CLASSES
from glassnet.page.point_sets import PageTable
from glassnet.tables.kinds import Column
from glassnet.tables.table import Table
from glassnet.tables.table_schema import Schema
from glassnet.words import plural

MOST_INPUTS = 8
MOST_ROWS = 1000


@dataclass(frozen=True)
class UserTable:
    """A table for the page, and notes on the decisions made."""

    table: PageTable
    notes: tuple[str, ...]


def read_user_table(
    opened: Table, target: str, columns: Sequence[str] = (), inputs: int = MOST_INPUTS
) -> UserTable:
    """Return the page's table: inputs scaled as for a fit, classes as numbers, a numeric target
    standardised to mean 0 and standard deviation 1.

    `columns` are the columns to use, by default all; `inputs` is the largest number of inputs.
    TableError if no model can be trained on the table, or it has more classes than the page has
    outputs.
    """
    seen = _examined(opened, target, columns)
    drawn, notes = _without_text(opened.label, seen.columns, columns)
    rows = seen.rows
    if len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
        notes.append(f"{MOST_ROWS} of {plural(len(seen.rows), 'row')} are shown, spread evenly")
    goal = seen.target.fitted(seen.truth[rows])
    fitted = Schema.fit(drawn, goal, rows, opened.missing)
    schema = replace(fitted, numbers_first=False)  # inputs in the order of the columns
    cells = {column.name: column.cells for column in drawn if column.cells is not None}
    x, truth = schema.encode(cells, rows).x, seen.truth[rows]
    y = truth if goal.classes else goal.standardise(truth)
    names = schema.inputs
    chosen = _most_informative(x, y, len(goal.classes), inputs)
    if len(chosen) < len(names):
        kept = ", ".join(names[i] for i in chosen)
        notes.append(
            f"{len(chosen)} of {plural(len(names), 'input')} are used, those that explain most of "
            f"{target}: {kept}; name others with --columns"
        )
    x = np.ascontiguousarray(x[:, chosen], np.float32)
    used = tuple(names[i] for i in chosen)
    made = PageTable(opened.label, x, y.astype(np.float32), used, target, goal.classes)
    return UserTable(made, tuple(notes))


def _examined(opened: Table, target: str, columns: Sequence[str]) -> ExaminedTable:
    for name in columns:
        opened.require(name)
    kinds = {name: "drop" for name in opened.names if columns and name not in {*columns, target}}
    seen = examine(opened, target, kinds=kinds)
    classes = len(seen.target.classes)
    if classes > CLASSES:
        raise TableError(
            f"the target {target!r} has {plural(classes, 'class')}; the page has at most "
            f"{plural(CLASSES, 'output')}; choose another target"
        )
    return seen


def _without_text(
    label: str, columns: Sequence[Column], asked: Sequence[str]
) -> tuple[list[Column], list[str]]:
    """Return the columns without free text that was not asked for, and notes; TableError if no
    other column is used."""
    texts = [column.name for column in columns if column.kind == "text" and column.used]
    left_out = [name for name in texts if name not in asked]
    kept = [column for column in columns if column.name not in left_out]
    if not any(column.used for column in kept):
        raise TableError(
            f"{label}: the only inputs are free text, which the page leaves out; to have the "
            "n-grams of one as inputs name it with --columns"
        )
    return kept, [
        f"{name!r} is free text and left out; name it with --columns" for name in left_out
    ]


def _most_informative(x: np.ndarray, y: np.ndarray, classes: int, most: int) -> list[int]:
    """Return the `most` inputs most correlated with the target, in their order."""
    goals = np.eye(classes)[y.astype(int)] if classes else y[:, None]
    centred, goals = _centre(x.astype(np.float64)), _centre(goals)
    spread = np.sqrt(_total(centred**2))[:, None] * np.sqrt(_total(goals**2))
    both = np.abs(np.stack([_total(centred * goal[:, None]) for goal in goals.T], axis=1))
    shares = np.divide(both, spread, out=np.zeros_like(both), where=spread > 0).max(1)
    return sorted(np.argsort(-shares, kind="stable")[:most].tolist())


def _centre(values: np.ndarray) -> np.ndarray:
    return values - _total(values) / len(values)


def _total(values: np.ndarray) -> np.ndarray:
    """Return the sums of columns, added row after row: the page adds in the same order, so that
    ties are the same there."""
    return np.add.accumulate(values, axis=0)[-1]
