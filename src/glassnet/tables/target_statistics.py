"""Target statistics: the average target of the training rows that share a value, as inputs for
categories with too few rows per value for one-hot inputs.

In: the cells of a column, the values to average, and a partition of the rows. Out:
`TargetStatistics`, which returns numbers for cells. A training row gets the statistics of rows of
other parts, so that its own target is not among its inputs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from glassnet.serialize import Name, Total, Within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]

MANY = 24  # a category of more values than this has statistics
MOST_OUTPUTS = 8  # averages of one column; classes beyond have none
PARTS = 5  # of the training rows, where these are in no folds
_MOST_LEVELS = 20_000
_LEAST_ROWS = 2  # a value in fewer rows has no statistics
_SMOOTHING = 10.0  # rows with the overall average that are added to each value
_PLACES = Annotated[int, Within(1, 1 << 10)]


@dataclass(frozen=True)
class Averaged:
    """The values to average: `goals` [rows, averages] with a name for each average, and the part of
    each row, from 0. If the parts are folds (`grouped`), each fold has its own set of inputs, made
    without its rows."""

    goals: Floats
    names: tuple[str, ...]
    parts: Rows
    count: int  # of parts
    grouped: bool


@dataclass(frozen=True)
class TargetStatistics:
    """For each value of a category, the number of training rows, and the sum of the averaged values
    minus the overall mean; both by part of the rows.

    A cell becomes, for each average, (sum of the counting rows) / (their number + 10), divided by
    `scales`; and n / (n + 10) for their number n. A missing cell, and a value with no or one
    training row, have zeros.
    """

    names: tuple[Name, ...]  # of the averages
    levels: tuple[Name, ...]
    counts: tuple[tuple[Total, ...], ...]  # by part, by level
    sums: tuple[tuple[tuple[float, ...], ...], ...]  # by average, by part, by level
    scales: tuple[Annotated[float, Within(0.0, above=True)], ...]  # of the averages
    parts: _PLACES
    grouped: bool

    def check(self) -> None:
        """Raise ValueError if the fields do not match each other."""
        size = len(self.levels)
        tables = [self.counts, *self.sums]
        if len(set(self.levels)) < size:
            raise ValueError("a level is there twice")
        if not len(self.names) == len(self.sums) == len(self.scales):
            raise ValueError("there are not as many sums and scales as averages")
        if any(len(t) != self.parts or any(len(row) != size for row in t) for t in tables):
            raise ValueError("there are not as many counts and sums as levels")

    @staticmethod
    def fit(texts: NDArray[np.object_], averaged: Averaged) -> TargetStatistics | None:
        """Return the statistics of the cells of the training rows. None if the column has 24 or
        fewer different values, no value is in two rows, or there are more than 8 averages."""
        counts: Counter[Any] = Counter(texts.tolist())
        counts.pop(None, None)
        if len(counts) <= MANY or len(averaged.names) > MOST_OUTPUTS:
            return None
        often = [level for level, count in counts.items() if count >= _LEAST_ROWS]
        often = sorted(often, key=lambda level: (-counts[level], level))[:_MOST_LEVELS]
        if not often:
            return None
        levels = sorted(often)
        codes = {level: code for code, level in enumerate(levels)}
        code = np.array([codes.get(text, len(levels)) for text in texts.tolist()], np.int64)
        every = np.arange(len(code), dtype=np.int64)
        return TargetStatistics.of_pairs(tuple(levels), [(every, code)], averaged)

    @staticmethod
    def of_pairs(
        levels: tuple[str, ...], pairs: Iterable[tuple[Rows, Rows]], averaged: Averaged
    ) -> TargetStatistics:
        """Fit on pairs of a row and the index of a level that it has, in batches; the index after
        the last means none. A row can have several levels."""
        shape = averaged.count, len(levels) + 1
        size = shape[0] * shape[1]
        means = [math.fsum(column) / len(column) for column in averaged.goals.T]
        centred = [column - mean for column, mean in zip(averaged.goals.T, means, strict=True)]
        counted = np.zeros(size, np.int64)
        totals = [np.zeros(size) for _ in centred]
        for rows, codes in pairs:
            place = averaged.parts[rows] * shape[1] + codes
            counted += np.bincount(place, minlength=size)
            for total, column in zip(totals, centred, strict=True):
                total += np.bincount(place, column[rows], size)
        number = counted.reshape(shape)[:, :-1]
        sums = [total.reshape(shape)[:, :-1] for total in totals]
        scales = [_spread(number.sum(0), table.sum(0)) for table in sums]
        return TargetStatistics(
            averaged.names, levels, _rows_of(number), tuple(map(_rows_of, sums)),
            tuple(scales), averaged.count, averaged.grouped,
        )  # fmt: skip

    @property
    def groups(self) -> int:
        """The number of sets of inputs."""
        return self.parts if self.grouped else 1

    @property
    def each(self) -> int:
        """The number of inputs per set."""
        return len(self.names) + 1

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, set by set."""
        names = [*(f"mean of {name}" for name in self.names), "rows of that value"]
        if not self.grouped:
            return names
        return [f"{name}, without fold {g + 1}" for g in range(self.groups) for name in names]

    @cached_property
    def codes(self) -> dict[Any, int]:
        """The index of each level."""
        return {level: code for code, level in enumerate(self.levels)}

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int64], Floats]:
        """Counts [parts, levels + 1] and sums [averages, parts, levels + 1]; the last level, for
        unknown values, is zero."""
        counts = np.array(self.counts, np.int64).reshape(self.parts, -1)
        sums = np.array(self.sums).reshape(len(self.names), self.parts, -1)
        return np.pad(counts, ((0, 0), (0, 1))), np.pad(sums, ((0, 0), (0, 0), (0, 1)))

    @cached_property
    def _unseen(self) -> Floats:
        """The inputs of new rows by level, [levels + 1, groups · each]."""
        sets = [self._set(self._others(group)) for group in range(self.groups)]
        return np.concatenate(sets, 1)

    @cached_property
    def _seen(self) -> list[Floats]:
        """The inputs of training rows of each part, which leave out that part."""
        return [
            np.concatenate(
                [self._set(self._others(group, part)) for group in range(self.groups)], 1
            )
            for part in range(self.parts)
        ]

    def of(self, texts: Iterable[Any], parts: Rows | None = None) -> Floats:
        """Return the inputs of cells, [n, groups · each]; with the `parts` of training rows,
        without their own part."""
        found, unknown = self.codes, len(self.levels)
        codes = np.array([found.get(text, unknown) for text in texts], np.int64)
        return self.of_codes(codes, parts)

    def of_codes(self, codes: Rows, parts: Rows | None = None) -> Floats:
        """As `of`, for indices of levels; the index after the last is of unknown values."""
        if parts is None:
            return self._unseen[codes]
        x = np.empty((len(codes), self.groups * self.each))
        for part in range(self.parts):
            mask = parts == part
            x[mask] = self._seen[part][codes[mask]]
        return x

    def _others(self, group: int, part: int = -1) -> list[int]:
        """Return the parts whose rows count for a group and a part."""
        left_out = {part, group if self.grouped else -1}
        return [number for number in range(self.parts) if number not in left_out]

    def _set(self, parts: list[int]) -> Floats:
        counts, sums = self._tables
        number, columns = np.zeros(counts.shape[1]), list[Any]()
        for part in parts:
            number += counts[part]
        for table, scale in zip(sums, self.scales, strict=True):
            total = np.zeros(counts.shape[1])
            for part in parts:
                total += table[part]
            columns.append(total / (number + _SMOOTHING) / scale)
        return np.stack([*columns, number / (number + _SMOOTHING)], axis=1)


def _spread(counts: NDArray[np.int64], sums: Floats) -> float:
    """Return the root mean square of an average over rows; 1 if all are 0."""
    total = math.fsum(counts * (sums / (counts + _SMOOTHING)) ** 2)
    square = total / max(int(counts.sum()), 1)
    return math.sqrt(square) if square > 1e-12 else 1.0


def _rows_of(table: NDArray[Any]) -> tuple[Any, ...]:
    return tuple(tuple(row) for row in table.tolist())
