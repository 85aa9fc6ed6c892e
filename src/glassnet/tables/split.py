"""Split rows into disjoint parts: training, validation (early stopping), and held out for the
score.

In: row numbers, a seed, and optionally for each row its class, its unit (rows of a unit stay on one
side) or its time (the last rows are held out). Out: sorted arrays of row numbers, which depend only
on these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from glassnet.ops.philox import permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Classes = NDArray[np.integer]
    Mask = NDArray[np.bool_]

HELD_OUT = 0.2
VALIDATION = 0.2  # of the rows that are not held out
MOST_HELD_OUT = 10_000  # more rows would hardly reduce the error of the score
MOST_VALIDATION = 5_000
FOLDS = 5
FEWEST_ROWS = 10
# With fewer rows than this, a fifth of them says too little: the score is cross-validated.
SMALL_TABLE = 2_000
# With fewer rows than this, networks of all folds learn together, so that all rows are trained on
# and each is scored by networks that have not seen it.
PACKED = 50_000
_STREAM = 0x53504C54  # "SPLT": random numbers that nothing else draws
_PARTS_STREAM = 0x50415254  # "PART"


@dataclass(frozen=True)
class Split:
    """Sorted row numbers of the three parts."""

    train: Rows
    validation: Rows
    held_out: Rows


@dataclass(frozen=True)
class Groups:
    """Folds of rows: each row is trained on by all networks except those of its own fold. Some rows
    are also used for early stopping, each predicted by networks that were not trained on it."""

    rows: Split
    training: Rows  # the fold of each training row
    validation: Rows  # and of each of the validation rows
    count: int


def group_rows(rows: Rows, seed: int, folds: Sequence[Split]) -> Groups:
    """Return groups from splits of all `rows` in which each row is held out once."""
    folds_of = np.zeros(len(rows), np.int64)
    for number, fold in enumerate(folds):
        folds_of[np.searchsorted(rows, fold.held_out)] = number
    some = np.sort(permutation(len(rows), seed, stream=_STREAM)[:MOST_VALIDATION])
    split = Split(rows, rows[some], rows[:0])
    return Groups(split, folds_of, folds_of[some], len(folds))


@dataclass(frozen=True)
class Division:
    """How the rows of a table are split."""

    rows: Rows
    seed: int
    classes: Classes | None = None
    units: Rows | None = None  # rows of one unit stay on one side
    time: NDArray[np.float64] | None = None  # the last rows are held out
    tested: bool = False  # the score is taken from another table
    packed: bool = False  # networks of all folds learn together, unless there is a time

    @property
    def folded(self) -> bool:
        """Whether the score is cross-validated: each row is scored by networks trained without it,
        while the final model is trained on all rows."""
        small = len(self.rows) < SMALL_TABLE or (self.packed and self.time is None)
        return small and not self.tested

    @cached_property
    def groups(self) -> Groups | None:
        """Return the folds if the networks of all folds are trained together, else None."""
        if not self.packed or not self.folded or self.time is not None:
            return None
        folds = self.folds()
        return group_rows(self.rows, self.seed, folds) if len(folds) > 1 else None

    def units_of(self, rows: Rows) -> Rows | None:
        """Return the unit of each of the given rows; None if each row is its own unit."""
        return None if self.units is None else self.units[np.searchsorted(self.rows, rows)]

    def split(self) -> Split:
        """Return the split that the final network is trained with."""
        if self.groups is not None:
            return self.groups.rows
        whole = self.folded or self.tested
        if self.time is not None:
            return last_rows(self.rows, self.time, self.units, hold_out=not whole)
        return (all_rows if whole else split_rows)(self.rows, self.seed, self.classes, self.units)

    def parts(self, split: Split) -> tuple[Rows, int]:
        """Return the part of each training row, for target statistics that use other parts only,
        and the number of parts: the folds, if the networks of all folds are trained together."""
        if self.groups is not None:
            return self.groups.training, self.groups.count
        units = self.units_of(split.train)
        unit = np.arange(len(split.train)) if units is None else units
        found = permutation(int(unit.max(initial=0)) + 1, self.seed, stream=_PARTS_STREAM)
        return found[unit] % FOLDS, FOLDS

    def folds(self) -> list[Split]:
        """Return the splits that cross-validate the score: five folds, or with times one split that
        holds out the last rows; none unless `folded`."""
        if not self.folded:
            return []
        if self.time is not None:
            return [last_rows(self.rows, self.time, self.units, hold_out=True)]
        return fold_rows(self.rows, self.seed, self.classes, self.units)


def split_rows(
    rows: Rows, seed: int, classes: Classes | None = None, units: Rows | None = None
) -> Split:
    """Return a split that holds out a fifth of the rows, but at most about 10,000, stratified by
    class; of the rest, a fifth, but at most about 5,000, is for validation.

    `classes` and `units` have a number for each of `rows`; rows of a unit stay on one side.
    """
    order = _class_order(len(rows), seed, classes, units)
    share = min(HELD_OUT, MOST_HELD_OUT / max(len(rows), 1))
    return _split(rows, order, _evenly_spread(order, share))


def all_rows(
    rows: Rows, seed: int, classes: Classes | None = None, units: Rows | None = None
) -> Split:
    """Return a split that holds out nothing; a fifth of the rows is for validation."""
    order = _class_order(len(rows), seed, classes, units)
    return _split(rows, order, np.zeros(len(order.group), np.bool_))


def fold_rows(
    rows: Rows, seed: int, classes: Classes | None = None, units: Rows | None = None
) -> list[Split]:
    """Return five splits that hold out each row once, a fifth of the rows at a time, stratified by
    class; fewer if there are fewer units."""
    order = _class_order(len(rows), seed, classes, units)
    fold = _assign_folds(order, min(FOLDS, len(order.group)))
    return [_split(rows, order, fold == number) for number in range(fold.max() + 1)]


def last_rows(
    rows: Rows, time: NDArray[np.float64], units: Rows | None = None, *, hold_out: bool
) -> Split:
    """Return a split that holds out the last fifth in time, or nothing; the last fifth of the rest
    is for validation. Rows of the same time stay on one side, unless all are; so do those of a
    unit, which has the time of its last row. `time` is that of each of `rows`, float64."""
    if units is not None:
        latest = np.full(units.max() + 1, -np.inf)
        np.maximum.at(latest, units, time)
        time = latest[units]
    ranked = np.argsort(time, kind="stable")
    stop = len(rows)
    if hold_out:
        stop = _time_boundary(time[ranked], stop, min(HELD_OUT * stop, MOST_HELD_OUT))
    start = _time_boundary(time[ranked], stop, min(VALIDATION * stop, MOST_VALIDATION))
    train, validation, held_out = np.split(ranked, (start, stop))
    return Split(*(rows[np.sort(part)] for part in (train, validation, held_out)))


def _time_boundary(time: NDArray[np.float64], stop: int, wanted: float) -> int:
    """Return where the last `wanted` of the first `stop` sorted times begin: the nearest position
    between two different times; exactly there if all times are equal."""
    changes = np.flatnonzero(np.diff(time[:stop])) + 1
    if not len(changes):
        return stop - round(wanted)
    return int(changes[np.abs(changes - (stop - wanted)).argmin()])


@dataclass(frozen=True)
class _Order:
    """Units of rows by class, in random order within each class."""

    members: Callable[[Mask], Rows]  # places in the array of rows, of the units that are asked for
    group: Rows  # the class of each unit
    sizes: Rows | None  # how many rows each has; None for units of one row

    def without(self, left_out: Mask) -> _Order:
        """Return the order without some units."""
        rest = np.flatnonzero(~left_out)

        def members(asked: Mask) -> Rows:
            chosen = np.zeros(len(left_out), np.bool_)
            chosen[rest[asked]] = True
            return self.members(chosen)

        return _Order(members, self.group[rest], None if self.sizes is None else self.sizes[rest])


def _class_order(count: int, seed: int, classes: Classes | None, units: Rows | None) -> _Order:
    group = np.zeros(count, np.int64) if classes is None else np.asarray(classes, np.int64)
    if units is None:
        places = _shuffle_group(group, seed)
        return _Order(lambda asked: places[asked], group[places], None)
    _, first, unit_of, sizes = np.unique(
        units, return_index=True, return_inverse=True, return_counts=True
    )
    # Units are numbered as they come, so that the names of groups decide nothing.
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    unit_of = number[unit_of]
    sizes = np.bincount(unit_of)
    shared = np.zeros(len(sizes), np.int64) if classes is None else _commonest_class(unit_of, group)
    places = _shuffle_group(shared, seed)

    def members(asked: Mask) -> Rows:
        chosen = np.zeros(len(sizes), np.bool_)
        chosen[places[asked]] = True
        return np.flatnonzero(chosen[unit_of])

    return _Order(members, shared[places], sizes[places])


def _shuffle_group(group: Rows, seed: int) -> Rows:
    order = permutation(len(group), seed, stream=_STREAM)
    return order[np.argsort(group[order], kind="stable")]


def _commonest_class(unit_of: Rows, group: Rows) -> Rows:
    """Return the most frequent class of each unit, the first if several are."""
    pairs, counts = np.unique(np.column_stack([unit_of, group]), axis=0, return_counts=True)
    best = pairs[np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))]
    return best[np.unique(best[:, 0], return_index=True)[1], 1]


def _split(rows: Rows, order: _Order, held_out: Mask) -> Split:
    rest = order.without(held_out)
    count = len(rest.group) if rest.sizes is None else int(rest.sizes.sum())
    share = min(VALIDATION, MOST_VALIDATION / max(count, 1))
    if len(rest.group) == 1 and count > 1:  # a single unit is divided by rows
        places = rest.members(np.ones(1, np.bool_))
        few = permutation(count, 0, stream=_STREAM) < max(round(share * count), 1)
        train, validation = places[~few], places[few]
    else:
        stop = _evenly_spread(rest, share)
        train, validation = rest.members(~stop), rest.members(stop)
    return Split(
        rows[np.sort(train)], rows[np.sort(validation)], rows[np.sort(order.members(held_out))]
    )


def _evenly_spread(order: _Order, share: float) -> Mask:
    """Return a mask of units, evenly spread in each class, that have about this share of its
    rows."""
    if order.sizes is None:
        place = np.arange(len(order.group)) - np.searchsorted(order.group, order.group)
        return np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    taken = np.zeros(len(order.group), np.bool_)
    current, seen, assigned = -1, 0, 0
    for unit, (group, size) in enumerate(
        zip(order.group.tolist(), order.sizes.tolist(), strict=True)
    ):
        if group != current:
            current, seen, assigned = group, 0, 0
        seen += size
        if assigned + size / 2 <= share * seen:
            assigned, taken[unit] = assigned + size, True
    if len(taken) > 1 and not taken.any():  # all are large: the smallest is the least too many
        taken[order.sizes.argmin()] = True
    return taken


def _assign_folds(order: _Order, folds: int) -> Rows:
    """Return the fold of each unit: the one with the fewest rows so far."""
    if order.sizes is None:
        return np.arange(len(order.group)) % folds
    assigned, found = [0] * folds, np.empty(len(order.group), np.int64)
    for unit, size in enumerate(order.sizes.tolist()):
        found[unit] = fold = assigned.index(min(assigned))
        assigned[fold] += size
    return found
