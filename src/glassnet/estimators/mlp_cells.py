"""Cells of which NumPy would make other numbers than they are, or none at all.

In: rows, labels or weights as users have them. Out: an error that names the argument and the place,
says what stands there, and what to do.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from glassnet.tables.frames import FrameColumn, object_columns, objects

EXACT = (int, Fraction)  # Python's numbers without an end
TIMES = (np.datetime64, np.timedelta64)  # which NumPy takes for counts of their units


def refuse_cells(X: Any) -> None:
    """A ValueError for a date, a span of time or a number beyond float64 among Python objects."""
    for name, cells in object_columns(X):
        for row, cell in enumerate(cells):
            if type(cell) in TIMES:
                kind = "date" if type(cell) is np.datetime64 else "other"
                raise unread(FrameColumn(name, kind, f"object with {cell.dtype}", np.empty(0)))
            if beyond(cell):
                where = f"column {name!r}, row {row}"
                way = "scale this column, take its logarithm, or leave it out"
                raise too_large("X", cell, where, way)


def unread(column: FrameColumn) -> ValueError:
    """For a column that is no numbers and no words."""
    way = "turn it into numbers or leave it out"
    if column.kind == "date":
        way = (
            "turn it into numbers, such as days since a first date, or leave it out; "
            "TabularClassifier and TabularRegressor take dates as they are"
        )
    return ValueError(
        f"column {column.name!r} has type {column.type}, which is neither a number nor a category; "
        f"{way}"
    )


def refuse_beyond(numbers: Any, name: str, way: str) -> None:
    """A ValueError for a number beyond float64 in y or in weights, which are Python's own."""
    for row, cell in _objects(numbers):
        if beyond(cell):
            raise too_large(name, cell, f"row {row}", way)


def refuse_long(labels: Any, name: str = "y") -> None:
    """A ValueError for a class that is a whole number of more than 64 bits."""
    for row, label in _objects(labels):
        if isinstance(label, int) and not -(2**63) <= label < 2**64:
            raise ValueError(
                f"{name} has {_size(label)} among its labels, in row {row} (counted from 0), and "
                "whole numbers of NumPy have 64 bits; number the classes: "
                "numpy.unique(numpy.array(y, dtype=object), return_inverse=True)[1]"
            )


def beyond(cell: Any) -> bool:
    """Whether one of Python's numbers is larger than float64 takes."""
    if not isinstance(cell, EXACT):
        return False
    try:
        float(cell)
    except OverflowError:
        return True
    return False


def too_large(name: str, cell: Any, where: str, way: str) -> ValueError:
    return ValueError(
        f"{name} has {_size(cell)} in {where} (counted from 0), and float64 ends at 1.8e+308; {way}"
    )


def _objects(given: Any) -> list[tuple[int, Any]]:
    """Each cell with its row, where they are Python objects."""
    array = objects(given)
    if array is None:
        return []
    cells: list[Any] = array.ravel().tolist()
    return [(place * len(array) // len(cells), cell) for place, cell in enumerate(cells)]


def _size(cell: int | Fraction) -> str:
    """Python itself refuses to print a number of more than 4300 digits."""
    digits = math.log10(abs(cell.numerator)) - math.log10(cell.denominator)
    return f"a number of about {'-' if cell < 0 else ''}1e+{digits:.0f}"
