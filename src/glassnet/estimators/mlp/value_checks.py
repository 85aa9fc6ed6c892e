"""Check the values of rows, labels and weights.

In: arrays, lists, data frames. Out: whether scikit-learn's checks would pass without changes, so
that they can be skipped (they take as long as some epochs of a small network); or an error that
names the argument, the row, the value and the fix, if NumPy would convert the value to another
number or raise an unspecific error.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from glassnet.tables.frames import FrameColumn, as_objects, as_words, object_columns

EXACT = (int, Fraction)  # Python's numbers without an end
TIMES = (np.datetime64, np.timedelta64)  # which NumPy takes for counts of their units
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def is_column(y: Any) -> bool:
    """Return whether labels are a 1-D array of integers, booleans or texts, which needs no
    checks."""
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"


def is_table(X: Any) -> bool:
    """Return whether rows are a 2-D array, not empty, of finite float32 or float64."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0:
        return False
    return X.dtype in FLOATS and _is_finite(X)


def is_training(X: Any, y: Any) -> bool:
    """Return whether rows (C-contiguous) and as many labels or targets are arrays that need no
    checks."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or y.size == 0:
        return False
    known = y.dtype.kind in "biuU" or (y.dtype.kind == "f" and _is_finite(y))
    return known and is_table(X) and X.flags.c_contiguous and len(X) == len(y)


def _is_finite(numbers: np.ndarray) -> bool:
    """Return whether the sum of the numbers is finite. Then all are finite; it needs no second
    array. Very large numbers, whose sum overflows, give False, too."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum()))


def refuse_mixed(y: Any, name: str = "y") -> None:
    """Raise TypeError if 1-D labels mix strings and numbers, or one is missing (NaN among numbers
    is left to scikit-learn's error); ValueError for an integer of more than 64 bits. `name` is that
    of the argument."""
    refuse_long(y, name)
    listed = isinstance(y, (list, tuple))
    labels: Any = np.asarray(y, dtype=object) if listed else np.asarray(y)
    if labels.dtype.kind != "O" or labels.ndim != 1:
        return
    kinds = {isinstance(label, str) for label in labels}
    theirs = str(getattr(y, "dtype", "object")) != "object"
    for row, (label, known) in enumerate(zip(labels, as_words(labels), strict=True)):
        if known is None and (True in kinds or not (theirs or isinstance(label, float))):
            raise TypeError(
                f"{name} has {label!r} among its labels, in row {row} (counted from 0); drop the "
                "rows without a label, or give them a label"
            )
    if len(kinds) == 2:
        text = next(label for label in labels if isinstance(label, str))
        other = next(label for label in labels if not isinstance(label, str))
        raise TypeError(
            f"{name} has strings and numbers among its labels, {text!r} and {other!r}; give all of "
            "them one type: y = [str(label) for label in y]"
        )


def refuse_no_numbers(y: Any, name: str = "y") -> None:
    """Raise ValueError if a target is a date, a text that is not a number, beyond float64, or
    missing (NaN only for "y": that of validation rows is refused later)."""
    try:
        array = np.asarray(y)
    except ValueError:  # rows of several lengths, of which scikit-learn tells
        return
    if array.dtype.kind in "mM":
        raise ValueError(
            f"{name} has type {array.dtype}, and a regressor predicts numbers; turn it into some, "
            "such as days: (y - y.min()) / numpy.timedelta64(1, 'D')"
        )
    refuse_too_large(y, name, "scale the numbers, or predict their logarithms")
    if name == "y" and array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(
            f"Input y contains NaN, first in row {int(np.argwhere(np.isnan(array))[0][0])} "
            "(counted from 0); drop the rows without a number, or fill them in. Of several columns "
            "each can be left out where it is missing:\n"
            '  right: gn.train(model, X, y, loss=gn.losses.HalfMSE(missing="skip"), …)'
        )
    if array.dtype.kind not in "OU" or not array.ndim:
        return
    cells: list[Any] = array.ravel().tolist()
    for place, (cell, known) in enumerate(zip(cells, as_words(cells), strict=True)):
        row = f"{cell!r} in row {place * len(array) // len(cells)} (counted from 0)"
        if known is None:
            raise ValueError(f"{name} has {row}; drop the rows without a number, or fill them in")
        try:
            float(cell)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} has {row}, and a regressor predicts numbers; a classifier takes words"
            ) from None


def refuse_cells(X: Any) -> None:
    """Raise ValueError if a cell is a NumPy date or time span, or a number beyond float64, in
    columns of Python objects."""
    for name, cells in object_columns(X):
        for row, cell in enumerate(cells):
            if type(cell) in TIMES:
                kind = "date" if type(cell) is np.datetime64 else "other"
                raise unreadable_column_error(
                    FrameColumn(name, kind, f"object with {cell.dtype}", np.empty(0))
                )
            if exceeds_float64(cell):
                where = f"column {name!r}, row {row}"
                way = "scale this column, take its logarithm, or leave it out"
                raise too_large_error("X", cell, where, way)


def unreadable_column_error(column: FrameColumn) -> ValueError:
    """Return (not raise) the error for a column that is neither numeric nor categorical."""
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


def refuse_too_large(numbers: Any, name: str, way: str) -> None:
    """Raise ValueError for a Python number beyond float64 in y or in weights; `way` is the advice
    in its message."""
    for row, cell in _objects(numbers):
        if exceeds_float64(cell):
            raise too_large_error(name, cell, f"row {row}", way)


def refuse_long(labels: Any, name: str = "y") -> None:
    """Raise ValueError for a class label that is an integer of more than 64 bits."""
    for row, label in _objects(labels):
        if isinstance(label, int) and not -(2**63) <= label < 2**64:
            raise ValueError(
                f"{name} has {_size(label)} among its labels, in row {row} (counted from 0), and "
                "whole numbers of NumPy have 64 bits; number the classes: "
                "numpy.unique(numpy.array(y, dtype=object), return_inverse=True)[1]"
            )


def exceeds_float64(cell: Any) -> bool:
    """Return whether a Python integer or fraction is too large for float64; False for others."""
    if not isinstance(cell, EXACT):
        return False
    try:
        float(cell)
    except OverflowError:
        return True
    return False


def too_large_error(name: str, cell: Any, where: str, way: str) -> ValueError:
    """Return (not raise) the error for a number beyond float64."""
    return ValueError(
        f"{name} has {_size(cell)} in {where} (counted from 0), and float64 ends at 1.8e+308; {way}"
    )


def _objects(given: Any) -> list[tuple[int, Any]]:
    """Return each cell with its row; an empty list unless the cells are Python objects."""
    array = as_objects(given)
    if array is None:
        return []
    cells: list[Any] = array.ravel().tolist()
    return [(place * len(array) // len(cells), cell) for place, cell in enumerate(cells)]


def _size(cell: int | Fraction) -> str:
    """Return the order of magnitude of a number as text: Python refuses to print more than 4300
    digits."""
    digits = math.log10(abs(cell.numerator)) - math.log10(cell.denominator)
    return f"a number of about {'-' if cell < 0 else ''}1e+{digits:.0f}"
