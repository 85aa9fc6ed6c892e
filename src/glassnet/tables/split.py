"""Divides rows into three parts that never mix: to train, to stop, and held out for the score.

In: the number of rows, a seed, and perhaps a class a row. Out: three sorted arrays of row numbers.
Which part a row falls into is a function of the seed, the rows and their classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassnet.ops.philox import permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD_OUT = 0.2
VALIDATION = 0.2  # of the rows that are not held out
FEWEST_ROWS = 10
_STREAM = 0x53504C54  # "SPLT": random numbers that nothing else draws


@dataclass(frozen=True)
class Split:
    """Row numbers, ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_rows(
    rows: NDArray[np.int64], seed: int, classes: NDArray[np.integer] | None = None
) -> Split:
    """Split the given row numbers, every class in proportion."""
    order = rows[permutation(len(rows), seed, stream=_STREAM)]
    groups = np.zeros(len(rows), np.int64) if classes is None else np.asarray(classes, np.int64)
    group_of = np.zeros(int(rows.max()) + 1 if len(rows) else 0, np.int64)
    group_of[rows] = groups
    held_out = _share(order, group_of, HELD_OUT)
    rest = order[~np.isin(order, held_out)]
    validation = _share(rest, group_of, VALIDATION)
    train = rest[~np.isin(rest, validation)]
    return Split(np.sort(train), np.sort(validation), np.sort(held_out))


def _share(
    order: NDArray[np.int64], group_of: NDArray[np.int64], share: float
) -> NDArray[np.int64]:
    """Evenly spread members of every group, rounded to the nearest whole number of rows."""
    grouped = order[np.argsort(group_of[order], kind="stable")]
    groups = group_of[grouped]
    starts = np.searchsorted(groups, groups)
    place = np.arange(len(grouped)) - starts
    taken = np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    return grouped[taken]
