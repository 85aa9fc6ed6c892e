"""Find identifiers that are informative: numbers assigned in an order that the target follows, such
as accession numbers of a museum that depend on the year.

In: columns, and the target of the rows. Out: the columns, where such an identifier is numeric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.hints import Option, hint
from glassnet.tables.kinds import Column, infer_columns
from glassnet.tables.notes import Note
from glassnet.tables.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST_ROWS = 200
_GAPS = 4  # the range of the numbers, as a multiple of the rows, at least: not a row count
_ALIKE = 0.3  # of neighbours, as a correlation: of unrelated rows it is below 3/√rows


def with_useful(
    columns: Sequence[Column], table: Table, truth: NDArray[Any], rows: NDArray[np.int64],
    classes: bool,
) -> list[Column]:  # fmt: skip
    """Return the columns, with informative identifiers as numbers: their range is at least four
    times the number of rows, and rows with neighbouring numbers have similar targets.

    Parameters
    ----------
    truth
        The target of each row of the table: class codes if `classes` is true, else numbers.
    rows
        The numbers of the rows that have a target; with fewer than 200, nothing is changed.
    """
    found: list[Column] = []
    for column in columns:
        useful = column.kind == "identifier" and len(rows) >= _FEWEST_ROWS
        found.append(_useful(column, table, truth, rows, classes) if useful else column)
    return found


def _useful(
    column: Column, table: Table, truth: NDArray[Any], rows: NDArray[np.int64], classes: bool
) -> Column:
    """Return the column as a number, with a note, if it is an informative identifier; else
    unchanged."""
    numbers = table.numbers([column.name])[column.name]
    if numbers.unreadable.any() or numbers.missing.any():
        return column
    values = numbers.values
    gaps = values.max() - values.min() >= _GAPS * len(values)
    if not gaps or _alike(truth[rows][np.argsort(values[rows], kind="stable")], classes) < _ALIKE:
        return column
    (number,) = infer_columns(table, [column.name], {column.name: "number"})
    text = (
        "is different in each row, but neighbouring numbers have similar targets, so it is used "
        "as a number"
    )
    way = hint("if numbers of new rows say nothing pass ", Option("kind", "drop", column.name))
    note = Note("useful identifier", text, column.name, way, True)
    return Column(number.name, number.kind, number.missing, number.summary, number.cells, (note,))


def _alike(ordered: NDArray[Any], classes: bool) -> float:
    """Return the similarity of adjacent targets: about 0 for unrelated rows, 1 if classes are all
    equal; 0 if the targets do not vary."""
    first, second = ordered[:-1], ordered[1:]
    if classes:
        shares = np.bincount(ordered) / len(ordered)
        chance = float(np.square(shares).sum())
        return (float((first == second).mean()) - chance) / (1.0 - chance) if chance < 1 else 0.0
    centred = ordered - ordered.mean()
    square = float(np.square(centred).mean())
    return float((centred[:-1] * centred[1:]).mean()) / square if square else 0.0
