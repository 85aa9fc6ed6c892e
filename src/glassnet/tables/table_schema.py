"""The schema of a table: the columns that a model uses, their encoders, and the target.

In: columns and training rows, or JSON. Out: a frozen object that converts a table to arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.errors import TableError
from glassnet.serialize import LATER, Length, Name, from_plain, refuse, to_plain
from glassnet.tables.decide import read_otherwise
from glassnet.tables.encode import (
    ENCODERS,
    NUMBERS,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoded,
    Encoder,
    NumberEncoder,
    check_readable,
    encode_numbers,
    fit_numbers,
)
from glassnet.tables.forms import Form
from glassnet.tables.kinds import Column
from glassnet.tables.repeats import row_keys
from glassnet.tables.table import Numbers, Table
from glassnet.tables.target_column import TargetSchema
from glassnet.tables.target_statistics import Averaged, TargetStatistics
from glassnet.tables.text_encoder import TextEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Cells = Numbers | NDArray[np.object_]

# The first is of tables whose columns are all plain, the third of those with statistics, the last
# of those with text.
PLAIN_VERSION, VERSION, STATISTICS_VERSION, TEXT_VERSION = 1, 2, 3, 4


WITH_STATISTICS = (CategoryEncoder, TextEncoder)  # encoders that can have statistics of the target


@dataclass(frozen=True)
class SchemaData:
    """A schema as JSON values; `ENCODERS` has the types of its columns."""

    version: Literal[1, 2, 3, 4]
    target: TargetSchema
    columns: Annotated[tuple[dict[str, Any], ...], Length(1)]
    missing: tuple[Name, ...]
    forms: tuple[Form, ...] = field(default=(), metadata=LATER)
    numbers_first: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True)
class Design:
    """The design matrix x [rows, inputs], and by column, where it is above 0, the number of missing
    cells and of cells with an unknown value."""

    x: NDArray[np.float32]
    missing: dict[str, int]
    unknown: dict[str, int]


@dataclass(frozen=True)
class Schema:
    """All properties of the table that a model stores."""

    columns: tuple[Encoder, ...]
    target: TargetSchema
    missing: tuple[str, ...] = ()  # texts that count as missing
    forms: tuple[Form, ...] = ()  # of the columns, and of the target, that are not plain
    numbers_first: bool = False  # among the inputs, as networks with embeddings take them

    @staticmethod
    def fit(
        columns: Sequence[Column],
        target: TargetSchema,
        rows: NDArray[np.int64],
        missing: Sequence[str] = (),
        forms: Mapping[str, Form] | None = None,
        also: Sequence[str] = (),
        averaged: Averaged | None = None,
    ) -> Schema:
        """Return a schema with encoders fitted on the given rows only. Formats are stored for the
        target, the columns that are used, and those in `also`. With `averaged` of these rows,
        categories of many values, and texts, get target statistics."""
        used_columns = [column for column in columns if column.cells is not None]
        plain = {
            column.name: column.cells
            for column in used_columns
            if column.kind == "number" and isinstance(column.cells, Numbers)
        }
        numbers: dict[str, Encoder] = dict(fit_numbers(plain, rows))
        encoders = [
            numbers.get(column.name) or ENCODERS[column.kind].fit(column.name, column.cells, rows)  # pyright: ignore[reportArgumentType]
            for column in used_columns
        ]
        if averaged is not None:
            encoders = [
                encoder.with_statistics(column.cells, rows, averaged)  # pyright: ignore[reportArgumentType]
                if isinstance(encoder, WITH_STATISTICS) else encoder
                for encoder, column in zip(encoders, used_columns, strict=True)
            ]  # fmt: skip
        used = {target.name, *also, *(encoder.name for encoder in encoders)}
        found = (forms or {}).items()
        kept = tuple(form for name, form in found if name in used and not form.usual)
        return Schema(tuple(encoders), target, tuple(missing), kept, True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that the model needs."""
        return tuple(encoder.name for encoder in self.columns)

    @property
    def inputs(self) -> list[str]:
        """The name of each column of x, in order."""
        names = [name for encoder in self.columns for name in encoder.inputs]
        return [name for _, name in sorted(zip(self._places, names, strict=True))]

    @property
    def places(self) -> dict[str, list[int]]:
        """The positions of each column's inputs in a row of x."""
        found: dict[str, list[int]] = {}
        start = 0
        for encoder in self.columns:
            stop = start + len(encoder.inputs)
            found[encoder.name] = self._places[start:stop]
            start = stop
        return found

    @cached_property
    def _places(self) -> list[int]:
        """The position in x of each input in column order: numbers first, then others, then
        statistics by fold."""
        kinds: list[int] = []
        for encoder in self.columns:
            number = self.numbers_first and isinstance(encoder, NUMBERS)
            found = statistics_of(encoder)
            plain = len(encoder.inputs) - (0 if found is None else found.groups * found.each)
            kinds += [0 if number and place == 0 else 1 for place in range(plain)]
            if found is not None:
                kinds += [2 + group for group in range(found.groups) for _ in range(found.each)]
        order = sorted(range(len(kinds)), key=lambda place: kinds[place])
        return [rank for _, rank in sorted(zip(order, range(len(order)), strict=True))]

    @cached_property
    def _targets(self) -> list[tuple[list[int], slice | list[int]]]:
        """For each column, the positions of its inputs in x; a slice if they are adjacent."""
        found: list[tuple[list[int], slice | list[int]]] = []
        start = 0
        for encoder in self.columns:
            places = self._places[start : start + len(encoder.inputs)]
            start += len(places)
            first = places[0] if places else 0
            together = places == list(range(first, first + len(places)))
            found.append((places, slice(first, first + len(places)) if together else places))
        return found

    @property
    def numbers(self) -> int:
        """The number of leading inputs that are numbers; 0 unless `numbers_first`."""
        return self.numbers_first * sum(isinstance(column, NUMBERS) for column in self.columns)

    @property
    def statistics(self) -> int:
        """The number of trailing inputs that are target statistics."""
        found = [one for encoder in self.columns if (one := statistics_of(encoder)) is not None]
        return sum(one.groups * one.each for one in found)

    @property
    def per_group(self) -> int:
        """The number of inputs per fold: the trailing target statistics, made without the rows of
        that fold."""
        found = [one for encoder in self.columns if (one := statistics_of(encoder)) is not None]
        return sum(one.each for one in found if one.grouped)

    @property
    def has_text(self) -> bool:
        """Whether some inputs come from free text."""
        return any(isinstance(encoder, TextEncoder) for encoder in self.columns)

    def opened(self, table: Table) -> Table:
        """Return the table with the model's missing-value texts and formats; a column in another
        format is read in that format."""
        forms = {form.column: form for form in self.forms if form.column in table.columns}
        table = table.with_missing((*table.missing, *self.missing)).with_forms(forms)
        numbers, dates = self._of(NumberEncoder), self._of(DateEncoder)
        if not self.target.classes and self.target.name in table.columns:
            numbers = [*numbers, self.target.name]
        present = [name for name in numbers if name in table.columns]
        table = read_otherwise(table, present, "number", table.numbers(present))
        present = [name for name in dates if name in table.columns]
        return read_otherwise(table, present, "date", table.seconds(present))

    def load(self, table: Table) -> dict[str, Cells]:
        """Return the cells of all rows of the columns that the model needs, by name.

        TableError if a column is absent, or a cell of a number or date column is not one in any
        format that reads the whole column.
        """
        self._require(table)
        table = self.opened(table)
        numbers = table.numbers(self._of(NumberEncoder))
        times = table.seconds(self._of(DateEncoder))
        texts = table.texts(
            [name for kind in (CategoryEncoder, BooleanEncoder, TextEncoder)
             for name in self._of(kind)]
        )  # fmt: skip
        for name, cells in numbers.items():
            check_readable(table.label, name, cells, "number")
        for name, cells in times.items():
            check_readable(table.label, name, cells, "date")
        return {**numbers, **times, **texts}

    def labelled(self, table: Table) -> tuple[Design, NDArray[Any], NDArray[np.uint64]]:
        """Return the encoded rows that have a target, their true values (class codes or numbers),
        and their keys; TableError if no row has one, or as in `load`."""
        truth, missing = self.target.read(self.opened(table))
        rows = np.flatnonzero(~missing)
        if not len(rows):
            raise TableError(
                f"{table.label}: the target {self.target.name!r} has no value in any row; "
                "a score needs the true answers"
            )
        cells = self.load(table)
        return self.encode(cells, rows), truth[rows], row_keys(cells)[rows]

    def encode(
        self,
        cells: Mapping[str, Cells],
        rows: NDArray[np.int64] | None = None,
        parts: NDArray[np.int64] | None = None,
    ) -> Design:
        """Return the design matrix of the given rows, or of all, from the cells of `load`. Training
        rows need `parts`, the part of each row that statistics were made of: its statistics leave
        out that part."""
        x: NDArray[np.float32] | None = None
        missing: dict[str, int] = {}
        unknown: dict[str, int] = {}
        numbers: list[tuple[NumberEncoder, Numbers, list[int]]] = []
        for encoder, (places, target) in zip(self.columns, self._targets, strict=True):
            values = _select_rows(cells[encoder.name], rows)
            if x is None:
                x = np.empty((_row_count(values), len(self._places)), np.float32)
            if isinstance(encoder, NumberEncoder) and isinstance(values, Numbers):
                numbers.append((encoder, values, places))
                continue
            encoded = _encode(encoder, values, parts)
            x[:, target] = encoded.x
            if encoded.missing:
                missing[encoder.name] = encoded.missing
            if encoded.unknown:
                unknown[encoder.name] = encoded.unknown
        assert x is not None
        if numbers:
            encoders, columns, places = zip(*numbers, strict=True)
            missing |= encode_numbers(encoders, columns, x, places)
        if len(missing) > 1:
            missing = {name: missing[name] for name in self.names if name in missing}
        return Design(x, missing, unknown)

    def to_plain(self) -> dict[str, Any]:
        """Return the schema as JSON values."""
        plain: dict[str, Any] = {
            "version": VERSION if self.forms or self.numbers_first else PLAIN_VERSION,
            "target": _plain_target(self.target),
            "columns": [_plain_column(encoder) for encoder in self.columns],
            "missing": list(self.missing),
        }
        if self.statistics:
            plain["version"] = STATISTICS_VERSION
        if self.has_text:
            plain["version"] = TEXT_VERSION
        if self.numbers_first:
            plain["numbers_first"] = True
        if self.forms:
            plain["forms"] = [to_plain(form) for form in self.forms]
        return plain

    @staticmethod
    def from_plain(plain: Any) -> Schema:
        """Return the schema that `to_plain` described; ValueError if the values are not valid."""
        found = from_plain(SchemaData, plain, "the schema")
        columns = tuple(
            _encoder(column, f"column {i}") for i, column in enumerate(found.columns, 1)
        )
        names = [*(column.name for column in columns), found.target.name]
        if len(set(names)) < len(names):
            raise ValueError("the schema names a column twice")
        return Schema(columns, found.target, found.missing, found.forms, found.numbers_first)

    def _of(self, kind: type[Encoder]) -> list[str]:
        return [encoder.name for encoder in self.columns if isinstance(encoder, kind)]

    def _require(self, table: Table) -> None:
        absent = [name for name in self.names if name not in table.columns]
        if not absent:
            return
        close = table.nearest(absent[0])
        hint = f"did you rename it to {close!r}?" if close else "add it, or train without it"
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise TableError(
            f"{table.label} lacks the column {absent[0]!r}{more} that the model was trained with; "
            f"{hint}"
        )


def _encoder(plain: dict[str, Any], where: str) -> Encoder:
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in ENCODERS:
        refuse(f"{where}.kind", kind, " or ".join(ENCODERS))
    return from_plain(ENCODERS[kind], plain, where)


def statistics_of(encoder: Encoder) -> TargetStatistics | None:
    """Return the target statistics of a column, or None."""
    return encoder.statistics if isinstance(encoder, WITH_STATISTICS) else None


def _plain_column(encoder: Encoder) -> dict[str, Any]:
    """Return the encoder as JSON values, without the field of statistics if there are none, since
    older versions do not know it."""
    plain = to_plain(encoder)
    return {name: value for name, value in plain.items() if name != "statistics" or value}


def _plain_target(target: TargetSchema) -> dict[str, Any]:
    """Return the target as JSON values, without the fields of the logarithm and of the order if it
    has none, since older versions do not know them."""
    absent = (*(() if target.log else _OF_LOGARITHM), *(() if target.ordered else ("ordered",)))
    return {name: value for name, value in to_plain(target).items() if name not in absent}


_OF_LOGARITHM = ("log", "shift", "centre", "factor")


def _row_count(cells: Cells) -> int:
    return len(cells.values if isinstance(cells, Numbers) else cells)


def _select_rows(cells: Cells, rows: NDArray[np.int64] | None) -> Cells:
    if rows is None:
        return cells
    if isinstance(cells, Numbers):
        return Numbers(cells.values[rows], cells.missing[rows])
    return cells[rows]


def _encode(encoder: Encoder, cells: Cells, parts: NDArray[np.int64] | None) -> Encoded:
    if isinstance(encoder, WITH_STATISTICS):
        return encoder.encode(cells, parts)  # pyright: ignore[reportArgumentType]
    return encoder.encode(cells)  # pyright: ignore[reportArgumentType]
