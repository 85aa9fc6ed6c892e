"""Decide how the rows of a table are split, so that the score is not biased.

In: a table, the cells of the columns that a model uses, and the user's options. Out: the `Division`
of the rows, the options with all decisions, and notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.serialize import LATER, Name
from glassnet.tables import split
from glassnet.tables.forms import Form
from glassnet.tables.kinds import Column
from glassnet.tables.notes import Note
from glassnet.tables.repeats import (
    equal_rows,
    is_by_chance,
    may_repeat,
    merge_units,
    near_rows,
    repeated_ids,
)
from glassnet.tables.split import Division
from glassnet.tables.table import PLAIN, Numbers, Table
from glassnet.tables.weights import EQUAL, WeightOptions
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Cells = Mapping[str, Numbers | NDArray[np.object_]]


@dataclass(frozen=True)
class SplitOptions:
    """The user's options for the split, which a run file records.

    `group` is the column whose equal values stay on one side; `order` the column by which the last
    rows are held out; `together` says whether equal rows stay on one side (None: not decided yet);
    `tested` whether the score is taken from another table; `weights` are the weights of rows in
    training.
    """

    group: Name | None = None
    order: Name | None = None
    together: bool | None = None
    tested: bool = False
    forms: tuple[Form, ...] = field(default=(), metadata=LATER)  # of these columns
    weights: WeightOptions = field(default=EQUAL, metadata=LATER)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the options name: group, order, weights."""
        found = self.group, self.order, self.weights.column
        return tuple(name for name in found if name is not None)

    def check(self) -> None:
        """Raise ValueError if one column is both group and order."""
        if self.group is not None and self.group == self.order:
            raise ValueError("group and order name the same column")


@dataclass(frozen=True)
class Divided:
    """The division, the options with all decisions, and the notes."""

    division: Division
    options: SplitOptions
    notes: tuple[Note, ...]


def check_options(table: Table, target: str, options: SplitOptions) -> None:
    """Raise TableError if a column that the options name does not exist, is the target or holds
    lists, or if one column is both group and order."""
    parts = ("groups", options.group), ("the order", options.order)
    for part, name in (*parts, ("the weights", options.weights.column)):
        if name is None:
            continue
        table.require(name)
        if name == target:
            raise TableError(f"the target {name!r} cannot give {part}; name another column")
        if table.columns[name].family == "nested":
            raise TableError(
                f"column {name!r} holds lists, not single values, and cannot give {part}; name "
                "another"
            )
    if options.group is not None and options.group == options.order:
        raise TableError(
            f"{options.group!r} is to give both groups and order; rows of the same time stay "
            "together anyway, so the order alone is enough"
        )


def divide(
    table: Table,
    cells: Cells,
    keys: NDArray[np.uint64],
    rows: Rows,
    seed: int,
    classes: NDArray[Any] | None,
    options: SplitOptions,
    packed: bool | None = None,
) -> Divided:
    """Return how the rows are split, with all decisions and notes; TableError if the order or the
    group column cannot be used. `cells` are those of the columns that the model uses, `keys` their
    `row_keys`, both of all rows; `classes` the class codes of `rows`, or None. `packed` says
    whether the networks of all folds are trained together (None: with fewer than 50,000 rows)."""
    notes: list[Note] = []
    time = None if options.order is None else _times(table, options.order, rows, notes)
    units, together = None, False
    if options.group is not None:
        units = _groups(table, options.group, rows, notes)
    if time is None and options.together is not False:
        twins, repeated = equal_rows(keys[rows])
        if repeated:
            by_chance = options.together is None and is_by_chance(cells.values(), rows, twins)
            together = not by_chance
            notes.append(_about_equal(len(rows), repeated, together))
        if together:
            units = twins if units is None else merge_units(units, twins)
    forms = tuple(table.forms[name] for name in options.columns if name in table.forms)
    decided = replace(options, together=together, forms=forms)
    _check_units(table.label, units, options)
    division = Division(
        rows, seed, classes, units, time, options.tested,
        len(rows) < split.PACKED if packed is None else packed,
    )  # fmt: skip
    return Divided(division, decided, tuple(notes))


def division_doubts(
    columns: Sequence[Column],
    table: Table,
    keys: NDArray[np.uint64],
    rows: Rows,
    seed: int,
    options: SplitOptions,
) -> list[Note]:
    """Return notes on columns and rows for which the score may be too good, if the user named no
    group, order or test table; else nothing."""
    if options.group is not None or options.order is not None or options.tested:
        return []
    unlikely = ("empty", "nested", "constant", "drop", "date")
    named = [
        column.name for column in columns if column.kind not in unlikely and may_repeat(column.name)
    ]
    notes = repeated_ids(table.texts(named) if named else {})
    cells = [column.cells for column in columns if column.cells is not None]
    different = np.unique(keys[rows], return_index=True)[1]
    if near_rows(cells, rows[different], seed):
        text = (
            "most rows are in small groups of nearly equal rows, such as repeated measurements; if "
            "rows of one group are on both sides of the split, the score is much too good"
        )
        way = hint("if a column says which rows belong together name it with ", Option("group"))
        notes.append(Note("near twins", text, "", way, True))
    return notes


def _about_equal(rows: int, repeated: int, together: bool) -> Note:
    are = "equals an earlier one" if repeated == 1 else "equal an earlier one"
    text = f"{plural(repeated, 'row')} of {rows:,} {are} in all columns but the target; "
    if together:
        text += "equal rows stay on one side, so that no scored row has a duplicate in training"
        way = hint("to split them like others pass ", Option("equal-rows", "apart"))
        return Note("equal rows", text, "", way)
    text += "since the columns have few values, chance explains that; they are split like others"
    way = hint("to keep them on one side pass ", Option("equal-rows", "together"))
    return Note("equal rows", text, "", way)


def _groups(table: Table, name: str, rows: Rows, notes: list[Note]) -> Rows:
    texts = table.texts([name])[name][rows].tolist()
    known: dict[Any, int] = {}
    lost = sum(text is None for text in texts)
    units = np.empty(len(texts), np.int64)
    for place, text in enumerate(texts):
        key = ("alone", place) if text is None else text
        units[place] = known.setdefault(key, len(known))
    groups = plural(len(known) - lost, "group")
    text = f"has {groups}, each of which stays on one side; the column is not an input"
    if lost:
        text += f", and {plural(lost, 'row')} without a value {'is' if lost == 1 else 'are'} alone"
    notes.append(Note("group", text, name))
    return units


def _times(table: Table, name: str, rows: Rows, notes: list[Note]) -> NDArray[np.float64]:
    dated = table.forms.get(name, PLAIN).kind == "date" or table.columns[name].family == "time"
    found = (table.seconds if dated else table.numbers)([name])[name]
    wrong = np.flatnonzero(found.unreadable)
    if len(wrong):
        text = str(table.texts([name])[name][wrong[0]])[:40]
        raise TableError(
            f"{table.label}: row {wrong[0] + 1} of {name!r}, which is to give the order, is "
            f"{text!r}, not a number or a date; name a column that has an order"
        )
    values = found.values[rows]
    lost = int(np.isnan(values).sum())
    if lost == len(values):
        raise TableError(f"{table.label}: {name!r}, which is to give the order, has no value")
    if np.nanmin(values) == np.nanmax(values):
        raise TableError(
            f"{table.label}: {name!r}, which is to give the order, has the same value in every row"
        )
    text = (
        "gives the order of the rows; the last ones are held out, so that the future is predicted"
    )
    if lost:
        text += f"; {plural(lost, 'row')} without a value come first"
    notes.append(Note("order", text, name))
    return np.where(np.isnan(values), -np.inf, values)


def _check_units(label: str, units: Rows | None, options: SplitOptions) -> None:
    if units is not None and options.group is not None and len(np.unique(units)) < 2:
        raise TableError(
            f"{label}: {options.group!r}, which is to give the groups, has one value in all rows, "
            "which cannot stay on one side; name a column with several"
        )
