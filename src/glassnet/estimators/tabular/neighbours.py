"""Find the training rows that are nearest to a row, in the inputs of the network.

In: a model, a row of a table, and a table with training rows, since models store none. Out:
`NearestRows`: their numbers, distances, true values and cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.rounding import computed_to_nearest

if TYPE_CHECKING:
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.tables.table import Table

NEAREST = 5
_WIDE = 60  # signs of the cells of a row


@dataclass(frozen=True)
class NearestRow:
    """A training row: its index in its table, from 0, its distance, and its target and its cells as
    texts ("" for a missing one)."""

    row: int
    distance: float
    target: str
    cells: dict[str, str]


@dataclass(frozen=True)
class NearestRows:
    """The training rows nearest to the row with index `row`, nearest first; `target` is the name of
    the target."""

    row: int
    target: str
    rows: tuple[NearestRow, ...]

    def lines(self) -> list[str]:
        """Return the rows as lines of text."""
        found = [f"nearest rows of training to row {self.row}, their distance and {self.target}:"]
        for one in self.rows:
            cells = ", ".join(f"{name} {text}" for name, text in one.cells.items())
            cells = cells if len(cells) <= _WIDE else f"{cells[: _WIDE - 1]}…"
            found.append(
                f"  {one.row:>8}  {one.distance:>8.3g}  {one.target:<12}  {cells}".rstrip()
            )
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def as_json(self) -> list[dict[str, Any]]:
        """Return a dict of JSON values for each row."""
        return [
            {"row": one.row, "distance": one.distance, "target": one.target, "cells": one.cells}
            for one in self.rows
        ]


@computed_to_nearest
def nearest_rows(
    model: TableModel, table: Table, row: int, training: Table, count: int = NEAREST
) -> NearestRows:
    """Return the `count` rows of the training table that are nearest to a row of a table, by the
    Euclidean distance of the encoded inputs: scaled numbers, and 0 and 1 for categories.

    `row` is an index, from 0; TableError if the table has no such row, or `count` is less than 1.
    Training rows without a
    target are left out. Of equal distances, the first row comes first.
    """
    table.require_row(row)
    if count < 1:
        raise TableError(f"count={count} asks for no rows; pass 1 or more")
    schema = model.schema
    places = np.flatnonzero(~schema.target.read(schema.opened(training))[1])
    x = schema.encode(schema.load(training), places).x.astype(np.float64)
    asked = schema.encode(schema.load(table), np.array([row])).x.astype(np.float64)
    distances = np.sqrt(((x - asked) ** 2).sum(axis=1))
    chosen = np.argsort(distances, kind="stable")[:count]
    rows = places[chosen]
    found = training.texts([*schema.names, schema.target.name])

    def cell(name: str, at: int) -> str:
        text: Any = found[name][at]
        return "" if text is None else str(text)

    return NearestRows(row, schema.target.name, tuple(
        NearestRow(
            at, float(distances[place]), cell(schema.target.name, at),
            {name: cell(name, at) for name in schema.names},
        )
        for at, place in zip(rows.tolist(), chosen.tolist(), strict=True)
    ))  # fmt: skip
