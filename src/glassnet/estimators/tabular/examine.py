"""Examine a table before training: column types, target, split, and encoding.

In: a table and the name of its target. Out: an `ExaminedTable`, and for each split of its rows the
arrays for training, validation and scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.rounding import computed_to_nearest
from glassnet.tables.decide import ORDERED, base_kind, decide_forms, scale_of
from glassnet.tables.divide import SplitOptions, check_options, divide, division_doubts
from glassnet.tables.identifiers import with_useful
from glassnet.tables.kinds import FIXED_KINDS, Column, infer_columns
from glassnet.tables.notes import Note
from glassnet.tables.repeats import SeenRows, row_keys, target_keys
from glassnet.tables.split import FEWEST_ROWS, Division, Groups, Split
from glassnet.tables.table import Table
from glassnet.tables.table_schema import Design, Schema
from glassnet.tables.target_column import TargetSchema, infer_target, target_notes, target_summary
from glassnet.tables.target_statistics import Averaged
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table with their types, and the target if there is one."""

    table: Table
    columns: list[Column]
    target: TargetSchema | None
    truth: NDArray[Any]  # class codes or numbers, for every row; empty without a target
    without_target: NDArray[np.bool_]
    notes: list[Note]  # what was decided about the table and its columns

    def described_target(self) -> tuple[str, str, int] | None:
        """Return the target's name, its description, and the number of rows without a value; None
        without a target."""
        if self.target is None:
            return None
        summary = target_summary(self.target, self.truth)
        return self.target.name, summary, int(self.without_target.sum())


@dataclass(frozen=True)
class ExaminedTable:
    """A table with its column types, its target and its split."""

    table: Table
    columns: list[Column]
    target: TargetSchema
    truth: NDArray[Any]  # class codes or numbers, for every row
    division: Division  # of the rows that have a target
    options: SplitOptions  # the options of the division
    keys: NDArray[np.uint64]  # of every row, the same for equal rows
    notes: tuple[Note, ...] = ()  # what was decided about the table and its columns
    test: Table | None = None  # the table that the score is taken from
    weights: NDArray[np.float64] | None = None  # of `rows` in training; None: all count alike

    @property
    def rows(self) -> NDArray[np.int64]:
        """The ascending indices of the rows that have a target."""
        return self.division.rows

    @property
    def seed(self) -> int:
        """The seed of the split."""
        return self.division.seed

    @property
    def without_target(self) -> int:
        """The number of rows without a target."""
        return self.table.rows - len(self.rows)

    def split(self) -> Split:
        """Return the split that the final network is trained with."""
        return self.division.split()

    def seen_rows(self, split: Split) -> SeenRows | None:
        """Return the digests of the training rows with their targets (with the folds together, of
        all rows); None if most of them are equal."""
        rows = np.concatenate([split.train, split.validation]) if self.groups is None else self.rows
        return SeenRows.of(target_keys(self.keys[rows], self.truth[rows], self.target.classes))

    def weights_of(self, split: Split) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Return the weights of the training and the validation rows; None without weights."""
        if self.weights is None:
            return None
        known = self.weights.astype(np.float32)
        train, validation = (
            known[np.searchsorted(self.rows, part)] for part in (split.train, split.validation)
        )
        return train, validation

    @property
    def groups(self) -> Groups | None:
        """The folds if the networks of all folds are trained together, else None."""
        return self.division.groups

    def folds(self) -> list[Split]:
        """Return the splits for the score if `split` holds out nothing, else an empty list."""
        return self.division.folds()


@dataclass(frozen=True)
class PreparedTable:
    """Arrays for one training; all encodings were fitted on the training rows."""

    schema: Schema
    split: Split
    train: Design
    validation: Design
    held_out: Design | None  # the rows that are scored: of the split, or of the test table
    truth: NDArray[Any]  # of the held-out rows
    goals: tuple[NDArray[Any], NDArray[Any]]  # the targets of the network: train, validation
    keys: NDArray[np.uint64] | None  # of the rows of the test table
    folds: tuple[NDArray[np.int64], NDArray[np.int64]] | None  # of train and validation rows
    weights: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None  # of these rows


@computed_to_nearest
def understand(
    table: Table,
    target: str | None = None,
    kinds: Mapping[str, str] | None = None,
    options: SplitOptions | None = None,
) -> TableColumns:
    """Return the columns with their types, and the target if it is named. The columns of groups and
    weights are not inputs. TableError if a column is not there, or cannot be of the given type."""
    options = options or SplitOptions()
    fixed = _checked_kinds(table, target, kinds or {})
    needed = {name: kind for name, kind in fixed.items() if name not in options.columns}
    written = decide_forms(table, table.names, needed, target)
    table, notes = written.table, [*table.notes, *_unused_token_notes(table)]
    goal, truth, missing = None, np.zeros(0), np.zeros(0, np.bool_)
    if target is not None:
        goal = infer_target(table, target, fixed.get(target))
        truth, missing = goal.read(table)
        notes += written.notes.get(target, ())
        notes += target_notes(table, goal, truth, fixed.get(target))
    columns = infer_columns(table, [name for name in table.names if name != target], fixed)
    if goal is not None:
        rows = np.flatnonzero(~missing)
        columns = with_useful(columns, table, truth, rows, bool(goal.classes))
    unused = {options.weights.column: "weight", options.group: "group"}
    columns = [_as(unused[one.name], one) if one.name in unused else one for one in columns]
    for column in columns:
        notes += [*written.notes.get(column.name, ()), *column.notes]
    return TableColumns(table, columns, goal, truth, missing, notes)


def _as(kind: str, column: Column) -> Column:
    """Return a column as one that is not an input."""
    return Column(column.name, kind, column.missing, column.summary, None)


def _unused_token_notes(table: Table) -> list[Note]:
    """Return a note for each missing-value text of the user that occurs nowhere."""
    return [
        Note(
            "unused token",
            f"{token!r}, given as a missing value, occurs in no cell",
            advice="check its spelling",
        )
        for token in table.unused_tokens()
    ]


@computed_to_nearest
def examine(
    table: Table,
    target: str,
    *,
    kinds: Mapping[str, str] | None = None,
    seed: int = 0,
    options: SplitOptions | None = None,
    test: Table | None = None,
    packed: bool | None = None,
) -> ExaminedTable:
    """Infer the types of the columns and the target, select the rows that have a target, and split
    them. With a `test` table, the score is computed on it. `packed` says whether the networks of
    all folds are trained together; by default, that depends on the number of rows. TableError if no
    column is usable, the rows are too few, or an option does not suit the table."""
    options = replace(options or SplitOptions(), tested=test is not None)
    table.require(target)
    check_options(table, target, options)
    found = understand(table, target, kinds, options)
    if not any(column.used for column in found.columns):
        raise TableError(
            f"{table.label} has no column to predict {target!r} from: all are empty, "
            "constant, identifiers or dropped",
            hint("add columns").otherwise("set what they are with ", Option("kind")),
        )
    assert found.target is not None
    rows = np.flatnonzero(~found.without_target)
    cells = {column.name: column.cells for column in found.columns if column.cells is not None}
    classes = found.truth[rows] if found.target.classes else None
    keys = row_keys(cells)
    divided = divide(found.table, cells, keys, rows, seed, classes, options, packed)
    notes = [*found.notes, *divided.notes]
    notes += division_doubts(found.columns, found.table, keys, rows, seed, options)
    examined = ExaminedTable(
        found.table, found.columns, found.target, found.truth, divided.division, divided.options,
        keys, tuple(notes), test,
        divided.options.weights.of(found.table, rows, found.truth[rows], found.target.classes),
    )  # fmt: skip
    _check_rows(examined)
    return examined


@computed_to_nearest
def prepare(examined: ExaminedTable, split: Split) -> PreparedTable:
    """Return the arrays for one training: the encoding is fitted on the training rows, and all rows
    of the split and of the test table are encoded with it."""
    truth, schema = examined.truth, fitted_schema(examined, split)
    target = schema.target
    cells = {column.name: column.cells for column in examined.columns if column.cells is not None}
    held_out, answers, keys = None, truth[split.held_out], None
    groups = examined.groups
    if examined.test is not None:
        held_out, answers, keys = schema.labelled(examined.test)
    elif len(split.held_out):
        held_out = schema.encode(cells, split.held_out)
    return PreparedTable(
        schema,
        split,
        schema.encode(cells, split.train, examined.division.parts(split)[0]),
        schema.encode(cells, split.validation),
        held_out,
        answers,
        (target_array(target, truth[split.train]), target_array(target, truth[split.validation])),
        keys,
        None if groups is None else (groups.training, groups.validation),
        examined.weights_of(split),
    )


def fitted_schema(examined: ExaminedTable, split: Split) -> Schema:
    """Return the schema of inputs and target, fitted on the training rows of the split."""
    truth = examined.truth[split.train]
    target = examined.target.fitted(truth)
    return Schema.fit(
        examined.columns, target, split.train, examined.table.missing, examined.table.forms,
        examined.options.columns, averaged(target, truth, examined.division, split),
    )  # fmt: skip


def averaged(
    target: TargetSchema, truth: NDArray[Any], division: Division, split: Split
) -> Averaged:
    """Return the values that target statistics are means of: the standardised target, or the class
    indicators, for two classes only that of the second. `truth` is that of the training rows."""
    goals, names = np.asarray(target_array(target, truth), np.float64), (target.name,)
    if target.classes:
        names = target.classes[1:] if len(target.classes) == 2 else target.classes
        first = len(target.classes) - len(names)
        goals = (truth[:, None] == np.arange(first, len(target.classes))).astype(np.float64)
    parts, count = division.parts(split)
    return Averaged(goals, names, parts, count, division.groups is not None)


def target_array(target: TargetSchema, truth: NDArray[Any]) -> NDArray[Any]:
    """Return the targets of the network: class codes int32 [rows], or standardised numbers float32
    [rows, 1]."""
    if target.classes:
        return truth.astype(np.int32)
    return target.standardise(truth).astype(np.float32)[:, None]


def _checked_kinds(table: Table, target: str | None, kinds: Mapping[str, str]) -> Mapping[str, str]:
    if target is not None:
        table.require(target)
    for name, kind in kinds.items():
        table.require(name)
        allowed = ("number", "category", ORDERED) if name == target else FIXED_KINDS
        if base_kind(kind) not in allowed or (name != target and scale_of(kind)):
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
    rows = plural(len(examined.rows), "row")
    are = "is" if len(examined.rows) == 1 else "are"
    raise TableError(
        f"{examined.table.label}: {rows} with a target {are} too few, "
        "since a fifth is held out for the score and a fifth of the rest decides when to stop; at "
        f"least {FEWEST_ROWS} rows are needed, and for classes several of each"
    )
