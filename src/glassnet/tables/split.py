"""Divides rows into parts that never mix: to train, to decide when to stop, held out for the score.

In: row numbers, a seed, and perhaps a class a row. Out: sorted arrays of row numbers.
Which part a row falls into is a function of the seed, the rows and their classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassnet.ops.philox import permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Classes = NDArray[np.integer]

HELD_OUT = 0.2
VALIDATION = 0.2  # of the rows that are not held out
MOST_HELD_OUT = 10_000  # more rows would hardly sharpen the score
MOST_VALIDATION = 5_000
FOLDS = 5
FEWEST_ROWS = 10
_STREAM = 0x53504C54  # "SPLT": random numbers that nothing else draws


@dataclass(frozen=True)
class Split:
    """Row numbers, ascending."""

    train: Rows
    validation: Rows
    held_out: Rows


def split_rows(rows: Rows, seed: int, classes: Classes | None = None) -> Split:
    """Hold out a fifth of the rows but not too many, every class in proportion."""
    order = _grouped(rows, seed, classes)
    share = min(HELD_OUT, MOST_HELD_OUT / max(len(rows), 1))
    return _split(rows, order, _share(order, share))


def all_rows(rows: Rows, seed: int, classes: Classes | None = None) -> Split:
    """Hold out nothing."""
    order = _grouped(rows, seed, classes)
    return _split(rows, order, np.zeros(len(rows), np.bool_))


def fold_rows(rows: Rows, seed: int, classes: Classes | None = None) -> list[Split]:
    """Hold out every row once, a fifth of the rows at a time, every class in proportion."""
    order = _grouped(rows, seed, classes)
    fold = np.arange(len(rows)) % FOLDS
    return [_split(rows, order, fold == number) for number in range(FOLDS)]


@dataclass(frozen=True)
class _Order:
    """Places in an array of rows: class by class, in random order within each."""

    places: Rows
    group: Rows


def _grouped(rows: Rows, seed: int, classes: Classes | None) -> _Order:
    order = permutation(len(rows), seed, stream=_STREAM)
    group = np.zeros(len(rows), np.int64) if classes is None else np.asarray(classes, np.int64)
    places = order[np.argsort(group[order], kind="stable")]
    return _Order(places, group[places])


def _split(rows: Rows, order: _Order, held_out: NDArray[np.bool_]) -> Split:
    rest = _Order(order.places[~held_out], order.group[~held_out])
    stop = _share(rest, min(VALIDATION, MOST_VALIDATION / max(len(rest.group), 1)))
    return Split(
        rows[np.sort(rest.places[~stop])],
        rows[np.sort(rest.places[stop])],
        rows[np.sort(order.places[held_out])],
    )


def _share(order: _Order, share: float) -> NDArray[np.bool_]:
    """Evenly spread members of every class, rounded to the nearest whole number of rows."""
    place = np.arange(len(order.group)) - np.searchsorted(order.group, order.group)
    taken: NDArray[np.bool_] = np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    return taken
