"""Fast path: read the cells of rows in memory without a database, where the result is the same.

In: columns as `frames` returns them, and the schema of a model. Out: the cells that `Schema.load`
returns for the table of these columns; None if only SQL can read a cell: numbers in text,
missing-value tokens among numbers, other Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.tables.encode import BooleanEncoder, DateEncoder, Encoder, NumberEncoder
from glassnet.tables.forms import Form
from glassnet.tables.frames import FrameColumn
from glassnet.tables.table import Numbers
from glassnet.tables.table_schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Cells = Numbers | NDArray[np.object_]

_BLANKS = " \t\r\n"
_WHOLE = 1e15  # integers below this become texts without a decimal point


def direct_cells(schema: Schema, columns: Sequence[FrameColumn]) -> dict[str, Cells] | None:
    """Return the cells of the columns that the model needs, by column name.

    None if SQL is needed: a column is absent, two have the same name, they differ in length or
    have no rows, or a cell needs conversion (see the head of this module).
    """
    if schema.missing:
        return None
    named = {column.name: column for column in columns}
    forms = {form.column: form for form in schema.forms}
    if len(named) < len(columns):
        return None
    found: dict[str, Cells] = {}
    for encoder in schema.columns:
        column = named.get(encoder.name)
        values = None if column is None else _read(encoder, column, forms.get(encoder.name))
        if values is None:
            return None
        found[encoder.name] = values
    rows = {len(column.values) for column in columns}
    return found if len(rows) == 1 and 0 not in rows else None


def _read(encoder: Encoder, column: FrameColumn, form: Form | None) -> Cells | None:
    gaps = () if form is None else form.missing
    if column.whole is not None or (gaps and any(map(_is_number, gaps))):
        return None
    values = column.values
    if isinstance(encoder, NumberEncoder):
        if column.kind != "number" or column.truth:
            return None
        return Numbers(np.asarray(values, np.float64), np.isnan(values))
    if isinstance(encoder, DateEncoder):
        return None if column.kind != "date" or gaps else _seconds(values)
    if column.kind in ("text", "category"):
        return _texts(values, {*gaps, ""})
    if column.truth and isinstance(encoder, BooleanEncoder) and not gaps:
        words = np.array(["false", "true", None], object)
        return words[np.where(np.isnan(values), 2, values != 0)]
    if column.kind == "number" and not column.truth and not gaps:
        return _labels(values)
    return None


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _seconds(values: NDArray[Any]) -> Numbers:
    missing = np.isnat(values)
    seconds = values.astype(np.int64) / 1e6
    return Numbers(np.where(missing, np.nan, seconds), missing)


def _texts(values: NDArray[Any], gaps: set[str]) -> NDArray[np.object_] | None:
    """Return texts without surrounding spaces, None for missing cells; None in place of all if a
    cell is not a text."""
    listed: list[Any] = values.tolist()
    clean: dict[Any, str | None] = {None: None}
    try:
        for value in {*listed} - {None}:
            if type(value) is not str:
                return None
            text = value.strip(_BLANKS)
            clean[value] = None if text in gaps else text
    except TypeError:  # cells that are not hashable
        return None
    found = np.empty(len(listed), object)
    found[:] = [clean[value] for value in listed]
    return found


def _labels(values: NDArray[Any]) -> NDArray[np.object_] | None:
    """Return integers as the texts that a file would have; None if some numbers are not integers
    below 1e15 in magnitude."""
    numbers = np.asarray(values, np.float64)
    missing = np.isnan(numbers)
    filled = np.where(missing, 0.0, numbers)
    if not ((filled == np.floor(filled)) & (np.abs(filled) < _WHOLE)).all():
        return None
    found = np.empty(len(numbers), object)
    found[:] = [
        None if gone else str(int(value))
        for value, gone in zip(filled.tolist(), missing.tolist(), strict=True)
    ]
    return found
