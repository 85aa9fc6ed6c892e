"""What a fit knows of a table before training: columns, target, rows, and the encoding.

In: a table and the name of its target. Out: an `ExaminedTable`, and for each division of its rows
the arrays that a network is trained, stopped and scored on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.rounding import to_nearest
from glassnet.tables.decide import base_kind, decide_forms
from glassnet.tables.kinds import FIXED_KINDS, Column, infer_columns
from glassnet.tables.notes import Note
from glassnet.tables.schema import Design, Schema
from glassnet.tables.split import FEWEST_ROWS, Split, all_rows, fold_rows, split_rows
from glassnet.tables.table import Table
from glassnet.tables.target import TargetSchema, infer_target, target_notes, target_summary
from glassnet.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

# With fewer rows than this, a fifth of them says too little: the score is cross-validated.
SMALL_TABLE = 2_000


@dataclass(frozen=True)
class TableColumns:
    """What the columns of a table are, and its target if there is one."""

    table: Table
    columns: list[Column]
    target: TargetSchema | None
    truth: NDArray[Any]  # class codes or numbers, for every row; empty without a target
    without_target: NDArray[np.bool_]
    notes: list[Note]  # what was decided about the table and its columns

    def described_target(self) -> tuple[str, str, int] | None:
        """Its name, what it is, and how many rows have none."""
        if self.target is None:
            return None
        summary = target_summary(self.target, self.truth)
        return self.target.name, summary, int(self.without_target.sum())


@dataclass(frozen=True)
class ExaminedTable:
    """A table that has been understood."""

    table: Table
    columns: list[Column]
    target: TargetSchema
    truth: NDArray[Any]  # class codes or numbers, for every row
    rows: NDArray[np.int64]  # those that have a target
    seed: int
    notes: tuple[Note, ...] = ()  # what was decided about the table and its columns

    @property
    def folded(self) -> bool:
        """Whether every row is held out in turn, rather than a fifth of them once."""
        return is_folded(self.rows)

    @property
    def without_target(self) -> int:
        return self.table.rows - len(self.rows)

    def split(self) -> Split:
        """The division of rows that the final network is trained with."""
        return final_split(self.rows, self.seed, self._classes())

    def folds(self) -> list[Split]:
        """The divisions that the score is taken from, where `split` holds out nothing."""
        return fold_rows(self.rows, self.seed, self._classes()) if self.folded else []

    def _classes(self) -> NDArray[Any] | None:
        return self.truth[self.rows] if self.target.classes else None


@dataclass(frozen=True)
class PreparedTable:
    """Arrays for one training run; everything in them was learnt from the training rows."""

    schema: Schema
    split: Split
    train: Design
    validation: Design
    held_out: Design | None
    goals: tuple[NDArray[Any], NDArray[Any]]  # what the network should answer: train, validation


@to_nearest
def understand(
    table: Table, target: str | None = None, kinds: Mapping[str, str] | None = None
) -> TableColumns:
    """Decide what the columns and the target are."""
    fixed = _checked_kinds(table, target, kinds or {})
    written = decide_forms(table, table.names, fixed, target)
    table, notes = written.table, [*table.notes, *_unused(table)]
    goal, truth, missing = None, np.zeros(0), np.zeros(0, np.bool_)
    if target is not None:
        goal = infer_target(table, target, fixed.get(target))
        truth, missing = goal.read(table)
        notes += written.notes.get(target, ())
        notes += target_notes(table, goal, truth, fixed.get(target))
    columns = infer_columns(table, [name for name in table.names if name != target], fixed)
    for column in columns:
        notes += [*written.notes.get(column.name, ()), *column.notes]
    return TableColumns(table, columns, goal, truth, missing, notes)


def _unused(table: Table) -> list[Note]:
    """A note for each text that was said to mean missing and occurs nowhere."""
    return [
        Note("unused token", f"--missing {token!r} occurs in no cell", advice="check its spelling")
        for token in table.unused_tokens()
    ]


@to_nearest
def examine(
    table: Table, target: str, *, kinds: Mapping[str, str] | None = None, seed: int = 0
) -> ExaminedTable:
    """Decide what the columns and the target are, and which rows can be used."""
    found = understand(table, target, kinds)
    if not any(column.used for column in found.columns):
        raise TableError(
            f"{table.label} has no column to predict {target!r} from: all are empty, "
            "constant, identifiers or dropped; add columns, or set what they are with --kind"
        )
    assert found.target is not None
    rows = np.flatnonzero(~found.without_target)
    examined = ExaminedTable(
        found.table, found.columns, found.target, found.truth, rows, seed, tuple(found.notes)
    )
    _check_rows(examined)
    return examined


@to_nearest
def prepare(examined: ExaminedTable, split: Split) -> PreparedTable:
    """Learn the encoding from the training rows, and encode all rows with it."""
    truth = examined.truth
    target = examined.target.fitted(truth[split.train])
    schema = Schema.fit(
        examined.columns, target, split.train, examined.table.missing, examined.table.forms
    )
    cells = {column.name: column.cells for column in examined.columns if column.cells is not None}
    return PreparedTable(
        schema,
        split,
        schema.encode(cells, split.train),
        schema.encode(cells, split.validation),
        schema.encode(cells, split.held_out) if len(split.held_out) else None,
        (goal(target, truth[split.train]), goal(target, truth[split.validation])),
    )


def is_folded(rows: NDArray[np.int64]) -> bool:
    """Whether so few rows are scored in folds."""
    return len(rows) < SMALL_TABLE


def final_split(rows: NDArray[np.int64], seed: int, classes: NDArray[Any] | None) -> Split:
    """The division of the rows with a target that the final network is trained with."""
    return (all_rows if is_folded(rows) else split_rows)(rows, seed, classes)


def goal(target: TargetSchema, truth: NDArray[Any]) -> NDArray[Any]:
    """What the network should answer."""
    if target.classes:
        return truth.astype(np.int32)
    return target.standardise(truth).astype(np.float32)[:, None]


def _checked_kinds(table: Table, target: str | None, kinds: Mapping[str, str]) -> Mapping[str, str]:
    if target is not None:
        table.require(target)
    for name, kind in kinds.items():
        table.require(name)
        allowed = ("number", "category") if name == target else FIXED_KINDS
        if base_kind(kind) not in allowed:
            raise TableError(
                f"column {name!r} cannot be of kind {kind!r}; choose {', '.join(allowed[:-1])} "
                f"or {allowed[-1]}"
            )
    return kinds


def _check_rows(examined: ExaminedTable) -> None:
    if len(examined.rows) >= FEWEST_ROWS:
        splits = [examined.split(), *examined.folds()]
        if all(len(split.train) and len(split.validation) for split in splits):
            return
    rows = counted(len(examined.rows), "row")
    are = "is" if len(examined.rows) == 1 else "are"
    raise TableError(
        f"{examined.table.label}: {rows} with a target {are} too few, "
        "since a fifth is held out for the score and a fifth of the rest decides when to stop; at "
        f"least {FEWEST_ROWS} rows are needed, and for classes several of each"
    )
