"""Encode free text by its character n-grams.

In: the texts of a column. Out: inputs that say which of the commonest n-grams a text holds, and the
average target of the training rows that share its n-grams.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from glassnet.serialize import LATER, Length, Name, Within
from glassnet.tables.encoded import Encoded
from glassnet.tables.ngrams import HASHES, ngrams
from glassnet.tables.target_statistics import MOST_OUTPUTS, Averaged, TargetStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Texts = NDArray[np.object_]

MOST_GRAMS = 32  # n-grams with an input of their own
FEW_GRAMS = 8  # of a column with statistics of the target
MOST_COUNTED = 4000  # n-grams with statistics of the target
_LEAST_ROWS = 3  # an n-gram of fewer training rows says nothing
_MOST_MEASURED = 20_000  # rows, about, that n-grams are chosen and spreads taken from
Hash = Annotated[int, Within(0, HASHES - 1)]
Spread = Annotated[float, Within(0.0, above=True)]


@dataclass(frozen=True)
class TextEncoder:
    """For each of `grams`, an input that is 1 if the text contains it, else 0; one that is 1 for a
    missing cell, if training had some or there is no other input; and the mean of the target
    `statistics` over the different n-grams of the text, divided by `spreads`.

    n-grams are known by their hashes (`glassnet.tables.ngrams`). Those that are not among the
    statistics do not count in their mean; a text without any has zeros.
    """

    name: Name
    grams: Annotated[tuple[Hash, ...], Length(0, MOST_GRAMS)]
    flag: bool
    kind: str = "text"
    statistics: TargetStatistics | None = field(default=None, metadata=LATER)
    spreads: tuple[Spread, ...] = field(default=(), metadata=LATER)

    def check(self) -> None:
        """Raise ValueError if the fields do not match each other."""
        if len(set(self.grams)) < len(self.grams):
            raise ValueError("an n-gram is there twice")
        found = self.statistics
        if len(self.spreads) != (0 if found is None else found.each):
            raise ValueError("there are not as many spreads as statistics")
        for level in () if found is None else found.levels:
            if not (level.isascii() and level.isdecimal() and int(level) < HASHES):
                raise ValueError(f"{level[:20]!r} is no hash of an n-gram")

    @staticmethod
    def fit(name: str, texts: Texts, rows: Ints) -> TextEncoder:
        """Return the encoder fitted on the given rows only, without target statistics."""
        cells = texts[rows]
        common = _commonest(cells, MOST_GRAMS)
        missing = any(text is None for text in cells.tolist())
        return TextEncoder(name, tuple(sorted(common)), missing or not common)

    def with_statistics(self, texts: Texts, rows: Ints, averaged: Averaged) -> TextEncoder:
        """Return the encoder with target statistics of the n-grams; then only the most frequent
        n-grams have an input of their own. More than 8 classes have no statistics."""
        cells = texts[rows]
        common = _commonest(cells, MOST_COUNTED)
        if not common or len(averaged.names) > MOST_OUTPUTS:
            return self
        statistics = _statistics(cells, sorted(common), averaged)
        few = replace(self, grams=tuple(sorted(common[:FEW_GRAMS])), statistics=statistics)
        unit = replace(few, spreads=(1.0,) * statistics.each)
        some = _some(len(cells))
        means = unit._columns(cells[some], averaged.parts[some])[1][:, : statistics.each]
        squares = [math.fsum(column * column) / len(column) for column in means.T]
        spreads = tuple(math.sqrt(one) if one > 1e-12 else 1.0 for one in squares)
        return replace(few, spreads=spreads)

    @property
    def inputs(self) -> list[str]:
        """A name for each input."""
        names = [f"{self.name}: n-gram {gram}" for gram in self.grams]
        names += [f"{self.name} missing"] * self.flag
        if self.statistics is None:
            return names
        return names + [f"{self.name}: {name}" for name in self.statistics.inputs]

    def encode(self, cells: Texts, parts: Ints | None = None) -> Encoded:
        """Return the inputs of cells; with the `parts` of training rows, each row's statistics come
        from other parts only."""
        lost = np.array([text is None for text in cells.tolist()], np.bool_)
        columns = [*self._columns(cells, parts)]
        if self.flag:
            columns.insert(1, lost.astype(np.float64)[:, None])
        return Encoded(np.concatenate(columns, 1), int(lost.sum()))

    @cached_property
    def _places(self) -> tuple[Ints, Ints]:
        """The index of each hash among `grams` and among the levels of the statistics; −1 for
        others."""
        found = self.statistics
        levels = () if found is None else found.levels
        return _codes(self.grams), _codes([int(level) for level in levels])

    def _columns(self, cells: Texts, parts: Ints | None) -> tuple[Floats, Floats]:
        """Return which of `grams` each text contains, as 0 and 1; and its statistics, [n, groups ·
        each]."""
        held = np.zeros((len(cells), len(self.grams)))
        means = np.zeros((len(cells), len(self.spreads) * self._groups))
        for rows, hashes in ngrams(cells.tolist()):
            own, counted = (places[hashes] for places in self._places)
            held[rows[own >= 0], own[own >= 0]] = 1.0
            known = counted >= 0
            if self.statistics is not None and known.any():
                self._add_means(means, rows[known], counted[known], parts)
        return held, means / np.tile(self.spreads, self._groups)

    @property
    def _groups(self) -> int:
        return 0 if self.statistics is None else self.statistics.groups

    def _add_means(self, means: Floats, rows: Ints, codes: Ints, parts: Ints | None) -> None:
        """Set the rows of `means`, given the texts (ascending) and levels of known n-grams."""
        assert self.statistics is not None
        values = self.statistics.of_codes(codes, None if parts is None else parts[rows])
        first, stop = int(rows[0]), int(rows[-1]) + 1
        number = np.maximum(np.bincount(rows - first), 1)
        for place, column in enumerate(values.T):
            means[first:stop, place] = np.bincount(rows - first, column) / number


def _codes(hashes: Any) -> Ints:
    codes = np.full(HASHES, -1, np.int64)
    codes[np.array(hashes, np.int64)] = np.arange(len(hashes))
    return codes


def _commonest(cells: Texts, most: int) -> list[int]:
    """Return the hashes that most texts contain, the commonest first."""
    counts = np.zeros(HASHES, np.int64)
    for _, hashes in ngrams(cells[_some(len(cells))].tolist()):
        counts += np.bincount(hashes, minlength=HASHES)
    ranked = np.argsort(-counts, kind="stable")[:most]
    return ranked[counts[ranked] >= _LEAST_ROWS].tolist()


def _statistics(cells: Texts, hashes: list[int], averaged: Averaged) -> TargetStatistics:
    codes = _codes(hashes)

    def pairs() -> Iterator[tuple[Ints, Ints]]:
        for rows, found in ngrams(cells.tolist()):
            known = codes[found] >= 0
            yield rows[known], codes[found[known]]

    return TargetStatistics.of_pairs(tuple(map(str, hashes)), pairs(), averaged)


def _some(rows: int) -> Ints:
    """Return all rows, or of many about 20,000 that are evenly spaced."""
    return np.arange(0, rows, max(rows // _MOST_MEASURED, 1), dtype=np.int64)
