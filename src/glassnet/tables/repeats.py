"""Find repeated rows: equal rows, nearly equal rows, and ids that repeat.

In: the cells of the columns that a model uses. Out: a key per row, equal for equal rows, on all
machines, for any order of columns and any spelling of a cell; and notes on rows that must not be
split between training and scoring.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.hints import Option, hint
from glassnet.ops.philox import permutation
from glassnet.tables.kinds import spelling_key
from glassnet.tables.notes import Note
from glassnet.tables.table import Numbers
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Cells = Numbers | NDArray[np.object_]
    Keys = NDArray[np.uint64]

_GAP = 0x9E3779B97F4A7C15  # the key of a missing cell
_BY_CHANCE = 1.5  # up to this multiple of the expected number, equal pairs count as chance
_FEWEST_DIFFERENT = 10  # with fewer different rows, equal rows cannot be kept together
_MOST_SEEN = 1 << 14  # digests of rows in a model file, at most
_STREAM = 0x4E454152  # "NEAR": random numbers that nothing else draws
_NEAR, _FAR = 3.0, 10.0  # times the distance of the nearest row
_WORK = 150_000_000  # differences that are computed to find near rows, at most
_MOST_COLUMNS = 24
_FEWEST_ASKED = 12
_PEOPLE = (
    "person|patient|subject|participant|respondent|user|customer|client|member|household|family|"
    "employee|student|player|driver|owner|donor|session|device|machine|sensor|vehicle|vin"
)
_REPEATED_ID = re.compile(rf"(?i:(^|[_\s.-])(id|ids|uid|uuid|guid|{_PEOPLE}))$|[a-z](Id|ID)$")


def row_keys(cells: Mapping[str, Cells]) -> Keys:
    """Return a key per row, uint64 [rows], from one column or more. Texts that differ only in case
    and spaces have equal keys."""
    total: Keys | None = None
    for name, column in cells.items():
        bits = _bits(column) ^ np.uint64(_digest(name))
        mixed = _mix_bits(bits)
        total = mixed if total is None else total + mixed
    assert total is not None
    return _mix_bits(total)


def target_keys(keys: Keys, truth: NDArray[Any], classes: Sequence[str]) -> Keys:
    """Return the keys of the rows with their targets, uint64 [rows]. `truth` has class codes (-1:
    an unknown class), or numbers if `classes` is empty."""
    if not classes:
        return _mix_bits(keys + _bits(Numbers(truth.astype(np.float64), np.isnan(truth))))
    labels = np.array([_digest(label) for label in classes] + [_GAP], np.uint64)
    return _mix_bits(keys + labels[truth])


def _bits(cells: Cells) -> Keys:
    if isinstance(cells, Numbers):
        bits = (cells.values + 0.0).view(np.uint64).copy()  # −0 becomes 0
        bits[np.isnan(cells.values) | cells.missing] = _GAP
        return bits
    known: dict[Any, int] = {None: _GAP}
    texts: list[Any] = cells.tolist()
    for text in set(texts) - known.keys():
        known[text] = _digest(spelling_key(str(text)))
    return np.fromiter((known[text] for text in texts), np.uint64, len(texts))


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def _mix_bits(bits: Keys) -> Keys:
    """Apply the finaliser of SplitMix64: each input bit changes all output bits."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class SeenRows:
    """The training rows of a model as digests, to detect them in another table: half of the bits of
    each row's key, and of many rows only the smallest digests."""

    digests: NDArray[np.uint32]  # ascending
    limit: int = 1 << 32  # digests from here on are not stored

    @staticmethod
    def of(keys: Keys) -> SeenRows | None:
        """Return the digests of the rows' keys; None if fewer than half of them are different, as
        in tables of few values."""
        digests = np.unique((keys >> np.uint64(32)).astype(np.uint32))
        if len(digests) * 2 < len(keys):
            return None
        if len(digests) <= _MOST_SEEN:
            return SeenRows(digests)
        return SeenRows(digests[:_MOST_SEEN], int(digests[_MOST_SEEN]))

    def asked(self, keys: Keys) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return two masks [rows]: the rows whose digests are in the stored range, and those of
        them that were in training. The second is empty if chance explains the number of matches."""
        digests = (keys >> np.uint64(32)).astype(np.uint32)
        known = digests < self.limit
        seen = known & np.isin(digests, self.digests)
        expected = int(known.sum()) * len(self.digests) / self.limit  # by chance
        if seen.sum() <= expected + 3 * math.sqrt(expected):
            seen[:] = False
        return known, seen

    def to_text(self) -> str:
        """Return the digests as text for a file."""
        return f"{self.limit} {b64encode(self.digests.astype('<u4').tobytes()).decode()}"

    @staticmethod
    def from_text(text: str) -> SeenRows:
        """Return the digests that `to_text` wrote; ValueError if the text is damaged."""
        limit, _, coded = text.partition(" ")
        content = b64decode(coded, validate=True)
        if len(content) > 4 * _MOST_SEEN or len(content) % 4 or not limit.isdecimal():
            raise ValueError("the digests of its rows are damaged")
        digests = np.frombuffer(content, "<u4").astype(np.uint32)
        if not len(digests) or not 0 < int(limit) <= 1 << 32 or (np.diff(digests) == 0).any():
            raise ValueError("the digests of its rows are damaged")
        return SeenRows(digests, int(limit))


def equal_rows(keys: Keys) -> tuple[NDArray[np.int64], int]:
    """Return a number per row, the same for equal rows, and the number of rows that equal an
    earlier one."""
    _, units = np.unique(keys, return_inverse=True)
    units = units.astype(np.int64).reshape(-1)
    return units, len(units) - int(units.max(initial=-1)) - 1


def is_by_chance(cells: Iterable[Cells], rows: NDArray[np.int64], units: NDArray[np.int64]) -> bool:
    """Return whether chance explains the equal rows: at least two thirds of the equal pairs would
    be expected if the columns were independent, or fewer than 10 rows are different. `units` are
    the numbers of `equal_rows` for `rows`."""
    sizes = np.bincount(units)
    if len(sizes) < _FEWEST_DIFFERENT:
        return True
    pairs = float((sizes * (sizes - 1.0)).sum()) / 2
    expected = len(rows) * (len(rows) - 1.0) / 2
    for column in cells:
        expected *= _chance(column, rows)
        if pairs > _BY_CHANCE * expected:
            return False
    return True


def _chance(cells: Cells, rows: NDArray[np.int64]) -> float:
    """Return the probability that two rows have the same value. Numbers could also lie between the
    observed ones, in steps of their smallest difference, if that makes it smaller."""
    if not isinstance(cells, Numbers):
        counts = np.unique(_bits(cells[rows]), return_counts=True)[1]
        return float(((counts / len(rows)) ** 2).sum())
    values = cells.values[rows][~cells.missing[rows]]
    different, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    gaps = len(rows) - int(counts.sum())
    same = float(((counts / len(rows)) ** 2).sum()) + (gaps / len(rows)) ** 2
    steps = np.diff(different)
    if not len(steps):
        return same
    possible = (different[-1] - different[0]) / steps.min() + 1
    return min(same, 1 / possible + (gaps / len(rows)) ** 2)


def merge_units(units: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of merged units, int64 [rows] from 0: rows that either grouping puts
    together, directly or through other rows, are one unit."""
    parent = list(range(int(units.max()) + 1))

    def root(unit: int) -> int:
        while parent[unit] != unit:
            parent[unit] = parent[parent[unit]]
            unit = parent[unit]
        return unit

    first: dict[int, int] = {}
    for unit, other in zip(units.tolist(), others.tolist(), strict=True):
        joined = root(first.setdefault(other, unit))
        ours = root(unit)
        parent[max(ours, joined)] = min(ours, joined)
    roots = np.array([root(unit) for unit in range(len(parent))])
    return np.unique(roots[units], return_inverse=True)[1].astype(np.int64).reshape(-1)


def repeated_ids(texts: Mapping[str, Any]) -> list[Note]:
    """Return a note for each of these columns with at least 5 different values, some of which
    repeat. The columns are those whose names suggest an id (see `may_repeat`)."""
    notes: list[Note] = []
    for name, column in texts.items():
        present = [text for text in column.tolist() if text is not None]
        different = len(set(present))
        if different < 5 or different == len(present) or different * 2 < math.sqrt(len(present)):
            continue
        text = (
            f"has {plural(different, 'different value')} in {plural(len(present), 'row')}; if "
            "rows of one value belong together, the score is too good, since they are on both "
            "sides of the split"
        )
        way = hint("to keep them on one side pass ", Option("group", name))
        notes.append(Note("repeated id", text, name, way, True))
    return notes


def may_repeat(name: str) -> bool:
    """Return whether a column's name suggests an id of a person or thing."""
    return _REPEATED_ID.search(name) is not None


def near_rows(cells: Iterable[Cells], rows: NDArray[np.int64], seed: int) -> bool:
    """Return whether most of these rows, which all differ, are in small groups of nearly equal
    rows: within ten times the distance of the nearest row are hardly more rows than within three
    times, and at most a tenth of all. Evenly spread rows do not look like that.

    Only numeric columns are compared, for a random sample of rows; False for fewer than 30 rows.
    """
    numbers = [cell for cell in cells if isinstance(cell, Numbers)]
    most = max(min(_MOST_COLUMNS, _WORK // (_FEWEST_ASKED * max(len(rows), 1))), 1)
    if len(rows) < 30 or not numbers:
        return False
    x = np.column_stack([_scale_to_range(number, rows) for number in numbers[:most]])
    x = x[:, x.max(axis=0) > x.min(axis=0)]
    if not x.shape[1]:
        return False
    asked = min(max(min(200, _WORK // x.size), _FEWEST_ASKED), len(x))
    chosen = permutation(len(x), seed, stream=_STREAM)[:asked]
    alone = 0
    for row in chosen.tolist():
        distance = np.sqrt(((x - x[row]) ** 2).sum(axis=1))
        distance[row] = np.inf
        nearest = float(distance.min())
        near = int((distance <= _NEAR * nearest).sum())
        far = int((distance <= _FAR * nearest).sum())
        # rows that are equal in numbers differ in words, so that they are not the same thing
        alone += nearest > 0 and far <= 1.5 * near and far * 10 <= len(x)
    return alone * 2 > asked


def _scale_to_range(numbers: Numbers, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return values [rows] minus the median, divided by the range of their middle 80 %, limited to
    ±10; missing ones are 0."""
    values = np.where(numbers.missing, np.nan, numbers.values)[rows]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(rows), np.float32)
    low, middle, high = np.quantile(finite, (0.1, 0.5, 0.9))
    with np.errstate(over="ignore"):
        scaled = (np.where(np.isnan(values), middle, values) - middle) / ((high - low) or 1.0)
    return np.clip(scaled, -10.0, 10.0).astype(np.float32)
