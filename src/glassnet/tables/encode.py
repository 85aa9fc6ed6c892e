"""Encoders: fit a column on the training rows, and transform its cells to inputs.

In: the cells of a column. Out: a few float32 columns of the design matrix, and the numbers of
missing and unknown cells. Only order statistics, counts and single IEEE operations are used, so
that the result has the same bits on all machines.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np

from glassnet.errors import TableError
from glassnet.serialize import LATER, Name, Within
from glassnet.tables.decide import BOOLEAN_WORDS
from glassnet.tables.encoded import Encoded
from glassnet.tables.kinds import known_spelling
from glassnet.tables.table import Numbers
from glassnet.tables.target_statistics import Averaged, TargetStatistics
from glassnet.tables.text_encoder import TextEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Texts = NDArray[np.object_]

CLIP = 3.0  # scaled numbers are within (-CLIP, CLIP)
MOST_LEVELS = 100
FEW_LEVELS = 32  # one-hot levels of a column with target statistics
Scale = Annotated[float, Within(0.0, above=True)]
RARE = 3  # a value in fewer training rows than this shares the "unknown" input
_DAY = 86400.0
_PLACES = (0.01, 0.25, 0.5, 0.75, 0.99)  # quantiles for the scale
_AT_ONCE = 1 << 18  # cells that are encoded at once
T = TypeVar("T")


@dataclass(frozen=True)
class NumberEncoder:
    """Encodes a number as z / √(1 + (z / 3)²), with z = (number − centre) / scale. A missing cell
    becomes 0; an indicator input marks it if training had some."""

    name: Name
    centre: float
    scale: Scale
    flag: bool  # some training rows were missing
    kind: str = "number"

    @staticmethod
    def fit(name: str, numbers: Numbers, rows: NDArray[np.int64]) -> NumberEncoder:
        """Return the encoder fitted on the given rows only."""
        values, missing = numbers.values[rows], numbers.missing[rows]
        centre, scale = _robust(values[~missing])
        return NumberEncoder(name, centre, scale, bool(missing.any()))

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs."""
        return [self.name, f"{self.name} missing"] if self.flag else [self.name]

    def encode(self, cells: Numbers) -> Encoded:
        """Return the inputs of cells [rows, inputs], and how many are missing or unknown."""
        x = _scale_numbers(cells, self.centre, self.scale)
        parts = [x, cells.missing.astype(np.float64)] if self.flag else [x]
        return Encoded(np.column_stack(parts), int(cells.missing.sum()))


@dataclass(frozen=True)
class CategoryEncoder:
    """One-hot encoding, with an input for missing cells (if training had some) and one for unknown
    values.

    Rare values share the input for unknown values, and so train it. If no value was rare, it could
    not be trained; an unknown cell then gets the average of the training rows (the share of each
    value). A column of many values also has the `statistics` of the target for each of them.
    """

    name: Name
    levels: tuple[Name, ...]
    flag: bool
    rare: bool
    average: tuple[Annotated[float, Within(0.0, 1.0)], ...]
    kind: str = "category"
    statistics: TargetStatistics | None = field(default=None, metadata=LATER)

    def check(self) -> None:
        """Raise ValueError if the fields do not match each other."""
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("a level is there twice")
        if len(self.average) != len(self.levels) + self.flag:
            raise ValueError("there are not as many averages as levels")

    @staticmethod
    def fit(name: str, texts: Texts, rows: NDArray[np.int64]) -> CategoryEncoder:
        """Return the encoder fitted on the given rows only."""
        counts: Counter[Any] = Counter(texts[rows].tolist())
        lost = counts.pop(None, 0)
        ranked = sorted(counts, key=lambda level: (-counts[level], level))
        levels = tuple(sorted(level for level in ranked[:MOST_LEVELS] if counts[level] >= RARE))
        total = max(counts.total() + lost, 1)
        average = [counts[level] / total for level in levels]
        others = counts.total() - sum(counts[level] for level in levels)
        if lost:
            average.append(lost / total)
        return CategoryEncoder(name, levels, lost > 0, others > 0, tuple(average))

    def with_statistics(
        self, texts: Texts, rows: NDArray[np.int64], averaged: Averaged
    ) -> CategoryEncoder:
        """Return the encoder with target statistics if the column has many values; then only the 32
        most frequent ones have one-hot inputs."""
        found = TargetStatistics.fit(texts[rows], averaged)
        if found is None or len(self.levels) <= FEW_LEVELS:
            return replace(self, statistics=found)
        shares = dict(zip(self.levels, self.average, strict=False))
        common = sorted(self.levels, key=lambda level: (-shares[level], level))[:FEW_LEVELS]
        levels = tuple(level for level in self.levels if level in common)
        average = (*(shares[level] for level in levels), *self.average[len(self.levels) :])
        return replace(self, levels=levels, rare=True, average=average, statistics=found)

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs."""
        names = [f"{self.name}={level}" for level in self.levels]
        names += [f"{self.name} missing"] * self.flag + [f"{self.name} unknown"] * self.rare
        if self.statistics is None:
            return names
        return names + [f"{self.name}: {name}" for name in self.statistics.inputs]

    @cached_property
    def _known(self) -> tuple[dict[Any, int], Floats]:
        """Return the code of each level and of a missing cell, and the inputs of each code, [codes,
        inputs]; the last code is that of unknown values."""
        unknown = len(self.levels) + self.flag
        codes: dict[Any, int] = {level: place for place, level in enumerate(self.levels)}
        codes[None] = len(self.levels) if self.flag else unknown
        vectors = np.eye(unknown + 1)
        if not self.rare:
            vectors = vectors[:, :unknown]
            vectors[unknown] = self.average
        return codes, vectors

    def encode(self, cells: Texts, parts: NDArray[np.int64] | None = None) -> Encoded:
        """Return the inputs of cells; with the `parts` of training rows, each row's statistics come
        from other parts only."""
        known, _ = self._known
        statistics, texts = self.statistics, list[Any](cells.tolist())
        rare = {} if statistics is None else statistics.codes
        strange = set(texts) - known.keys() - rare.keys()
        if strange:
            spelt = {text: known_spelling(text, self.levels) for text in strange}
            texts = [spelt.get(text, text) for text in texts]
        found = self._encoded(texts)
        if statistics is None:
            return found
        return replace(found, x=np.concatenate([found.x, statistics.of(texts, parts)], 1))

    def _encoded(self, texts: list[Any]) -> Encoded:
        """Return the inputs of texts without the target statistics."""
        known, vectors = self._known
        unknown, missing = len(self.levels) + self.flag, texts.count(None)
        if len(texts) == 1:
            code = known.get(texts[0], unknown)
            return Encoded(vectors[code : code + 1], missing, int(code == unknown and not missing))
        codes = np.array([known.get(text, unknown) for text in texts], np.int64)
        unknowns = int((codes == unknown).sum()) - (0 if self.flag else missing)
        return Encoded(vectors[codes], missing, unknowns)


_SIGNS = {
    word: sign for pair in BOOLEAN_WORDS for word, sign in zip(pair, (-1.0, 1.0), strict=True)
}


@dataclass(frozen=True)
class BooleanEncoder:
    """Encodes true as 1, false as -1, missing and unknown as 0; an indicator input marks missing
    cells if training had some."""

    name: Name
    flag: bool
    kind: str = "boolean"

    @staticmethod
    def fit(name: str, texts: Texts, rows: NDArray[np.int64]) -> BooleanEncoder:
        """Return the encoder fitted on the given rows only."""
        return BooleanEncoder(name, any(text is None for text in texts[rows].tolist()))

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs."""
        return [self.name, f"{self.name} missing"] if self.flag else [self.name]

    def encode(self, cells: Texts) -> Encoded:
        """Return the inputs of cells [rows, inputs], and how many are missing or unknown."""
        words = [None if text is None else str(text).lower() for text in cells.tolist()]
        values = np.array([_SIGNS.get(word or "", 0.0) for word in words])
        missing = np.array([word is None for word in words])
        unknown = int(((values == 0) & ~missing).sum())
        parts = [values, missing.astype(np.float64)] if self.flag else [values]
        return Encoded(np.column_stack(parts), int(missing.sum()), unknown)


@dataclass(frozen=True)
class DateEncoder:
    """Encodes the day as a scaled number; month and weekday one-hot, and the time of day from −1 to
    1, if they varied in training. An indicator input marks missing cells if training had some."""

    name: Name
    centre: float
    scale: Scale
    flag: bool
    months: tuple[Annotated[int, Within(1, 12)], ...]
    weekdays: tuple[Annotated[int, Within(1, 7)], ...]
    clock: bool
    kind: str = "date"

    def check(self) -> None:
        """Raise ValueError if a month or a day of the week occurs twice."""
        if len({*self.months}) < len(self.months) or len({*self.weekdays}) < len(self.weekdays):
            raise ValueError("a month or a day of the week is there twice")

    @staticmethod
    def fit(name: str, times: Numbers, rows: NDArray[np.int64]) -> DateEncoder:
        """Return the encoder fitted on the given rows only."""
        values, missing = times.values[rows], times.missing[rows]
        present = values[~missing]
        centre, scale = _robust(np.floor(present / _DAY))
        months, weekdays = np.unique(_months(present)), np.unique(_weekdays(present))
        clock = bool(len(np.unique(present % _DAY)) > 1)
        return DateEncoder(
            name,
            centre,
            scale,
            bool(missing.any()),
            _known_values(months),
            _known_values(weekdays),
            clock,
        )

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs."""
        names = [self.name, *(f"{self.name} month {month}" for month in self.months)]
        names += [f"{self.name} weekday {day}" for day in self.weekdays]
        return names + [f"{self.name} time"] * self.clock + [f"{self.name} missing"] * self.flag

    def encode(self, cells: Numbers) -> Encoded:
        """Return the inputs of cells [rows, inputs], and how many are missing or unknown."""
        values, missing = cells.values, cells.missing
        days = Numbers(np.floor(values / _DAY), missing)
        parts = [_scale_numbers(days, self.centre, self.scale)]
        filled = np.where(missing, 0.0, values)
        for found, known in ((_months(filled), self.months), (_weekdays(filled), self.weekdays)):
            parts += [np.where(missing, 0.0, found == value) for value in known]
        if self.clock:
            parts.append(np.where(missing, 0.0, (filled % _DAY) / _DAY * 2 - 1))
        if self.flag:
            parts.append(missing.astype(np.float64))
        return Encoded(np.column_stack(parts), int(missing.sum()))


NUMBERS = (NumberEncoder, DateEncoder)  # their first input is a number, not an indicator


Encoder = NumberEncoder | CategoryEncoder | BooleanEncoder | DateEncoder | TextEncoder
ENCODERS: dict[str, type[Encoder]] = {
    "number": NumberEncoder,
    "category": CategoryEncoder,
    "boolean": BooleanEncoder,
    "date": DateEncoder,
    "text": TextEncoder,
}


def fit_numbers(
    columns: Mapping[str, Numbers], rows: NDArray[np.int64]
) -> dict[str, NumberEncoder]:
    """Return a `NumberEncoder` for each column by name, fitted on the given rows."""
    found: dict[str, NumberEncoder] = {}
    for names in batches([*columns], len(rows)):
        values = np.stack([columns[name].values[rows] for name in names], axis=1)
        gaps = np.stack([columns[name].missing[rows] for name in names], axis=1).any(axis=0)
        whole = np.asarray(~gaps & np.isfinite(values).all(axis=0), np.bool_)
        ordered = np.sort(values[:, whole], axis=0)
        places = np.ceil(len(rows) * np.array(_PLACES) - 1).astype(np.int64)
        centres, scales = _centres_and_scales(
            ordered[np.maximum(places, 0)], ordered[0], ordered[-1]
        )
        numbers = zip(centres.tolist(), scales.tolist(), strict=True)
        easy: list[bool] = whole.tolist()
        for name, plain in zip(names, easy, strict=True):
            if plain:
                found[name] = NumberEncoder(name, *next(numbers), False)
            else:
                found[name] = NumberEncoder.fit(name, columns[name], rows)
    return found


def encode_numbers(
    encoders: Sequence[NumberEncoder],
    cells: Sequence[Numbers],
    x: NDArray[np.float32],
    inputs: Sequence[Sequence[int]],
) -> dict[str, int]:
    """Write the inputs of many numeric columns to x; return the number of missing cells by column,
    where it is above 0. `inputs` has the positions in x of each encoder's inputs."""
    if len(x) == 1:
        return _encode_row(encoders, cells, x[0], inputs)
    lost: dict[str, int] = {}
    for places in batches(range(len(encoders)), len(x)):
        encoders_of = [encoders[place] for place in places]
        values = np.stack([cells[place].values for place in places], axis=1)
        missing = np.stack([cells[place].missing for place in places], axis=1)
        centre, scale = (
            np.array([getattr(e, n) for e in encoders_of]) for n in ("centre", "scale")
        )
        begin = [inputs[place][0] for place in places]
        x[:, begin] = _scale_numbers(Numbers(values, missing), centre, scale)
        for column in np.flatnonzero([encoder.flag for encoder in encoders_of]).tolist():
            x[:, inputs[places[column]][1]] = missing[:, column]
        counts = missing.sum(axis=0)
        lost |= {encoders_of[c].name: int(counts[c]) for c in np.flatnonzero(counts).tolist()}
    return lost


def _encode_row(
    encoders: Sequence[NumberEncoder],
    cells: Sequence[Numbers],
    row: NDArray[np.float32],
    inputs: Sequence[Sequence[int]],
) -> dict[str, int]:
    """Do the same for a single row with Python's numbers: arrays of one number take longer. The
    operations are those of `_scale_numbers`, each rounded once, so the bits are the same."""
    lost: dict[str, int] = {}
    for encoder, numbers, places in zip(encoders, cells, inputs, strict=True):
        gone = bool(numbers.missing[0])
        value = encoder.centre if gone else float(numbers.values[0])
        scaled = min(max((value - encoder.centre) / encoder.scale, -1e9), 1e9)
        share = scaled / CLIP
        row[places[0]] = scaled / math.sqrt(1.0 + share * share)
        if encoder.flag:
            row[places[1]] = gone
        if gone:
            lost[encoder.name] = 1
    return lost


def batches(items: Sequence[T], rows: int) -> Iterator[Sequence[T]]:
    """Return an iterator over batches of columns that have at most 2^18 cells each, or one
    column."""
    size = max(_AT_ONCE // max(rows, 1), 1)
    return (items[first : first + size] for first in range(0, len(items), size))


def _centres_and_scales(quantiles: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return centres and scales of columns, by the rule of `_robust`."""
    with np.errstate(over="ignore"):
        spread = np.maximum(quantiles[3] - quantiles[1], quantiles[4] / 4 - quantiles[0] / 4)
        whole = high / 2 - low / 2
    scale = np.where(spread > 0, spread, np.where(whole > 0, whole, 1.0))
    return quantiles[2], np.minimum(scale, np.finfo(np.float64).max)


def _robust(values: Floats) -> tuple[float, float]:
    """Return median and spread. The spread is the interquartile range, but at least a quarter of
    the range of the middle 98 %, so that a column that is mostly zero keeps its rare large values
    apart; if that is zero too, half the whole range, or 1. Infinite values are ignored."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    # Elements of the data themselves, so that no rounding enters.
    found = np.quantile(values, _PLACES, method="inverted_cdf")
    centre, scale = _centres_and_scales(
        found[:, None], values.min(keepdims=True), values.max(keepdims=True)
    )
    return float(centre[0]), float(scale[0])


def _scale_numbers(numbers: Numbers, centre: float | Floats, scale: float | Floats) -> Floats:
    with np.errstate(over="ignore"):
        scaled = (np.where(numbers.missing, centre, numbers.values) - centre) / scale
    # Far outliers are clipped first, since their square may overflow.
    scaled = np.clip(scaled, -1e9, 1e9)
    return scaled / np.sqrt(1.0 + (scaled / CLIP) ** 2)


def _months(seconds: Floats) -> NDArray[np.int64]:
    return seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def _weekdays(seconds: Floats) -> NDArray[np.int64]:
    """Return days of the week, 1 for Monday; 1 January 1970 was a Thursday."""
    return (np.floor(seconds / _DAY).astype(np.int64) + 3) % 7 + 1


def _known_values(values: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values) if len(values) > 1 else ()


def check_readable(label: str, name: str, numbers: Numbers, what: str) -> None:
    """Raise TableError if a cell cannot be read as the type that the model was trained with."""
    wrong = np.flatnonzero(numbers.unreadable)
    if len(wrong):
        raise TableError(
            f"{label}: row {wrong[0] + 1} of column {name!r} holds no {what}, but the model was "
            f"trained with {what}s there; correct the cell, or empty it to mark it as missing"
        )
