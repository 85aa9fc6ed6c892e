"""Columns of data frames (pandas, polars, Arrow and whatever else narwhals knows) and of arrays.

In: a frame, an array or a mapping. Out: named columns as NumPy arrays, numbers with NaN where a
cell is missing, words with None, dates with NaT. Nothing of these packages is imported unless the
frame is one of theirs.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import narwhals as nw
import numpy as np

from glassnet.errors import TableError, TableWarning
from glassnet.tables.column_names import unique_names
from glassnet.words import plural


@dataclass(frozen=True)
class FrameColumn:
    """A column: `kind` is "number" (NaN is missing), "category" or "text" (None is missing), "date"
    (datetime64[us] on the clock of UTC; NaT is missing), or "other" (none of these; `values` is
    empty). `type` is what the frame or the array calls it."""

    name: str
    kind: str
    type: str
    values: np.ndarray
    whole: np.ndarray | None = (
        None  # whole numbers beyond 2^53, of which `values` have fewer digits
    )

    @property
    def truth(self) -> bool:
        """Whether its numbers are 1 for true and 0 for false."""
        return self.type.lower() == "boolean"


def is_frame(given: Any) -> bool:
    """Whether this is a data frame, eager or lazy, or a batch of Arrow."""
    known = nw.dependencies
    if known.is_pandas_dataframe(given):
        return True
    lazy = known.is_polars_lazyframe(given)
    return bool(known.is_into_dataframe(given) or lazy or _is_batch(given))


def is_series(given: Any) -> bool:
    """Whether this is a column of a data frame."""
    if type(given) in (list, tuple, np.ndarray):
        return False
    return bool(nw.dependencies.is_into_series(given))


def collect_frame(given: Any) -> Any:
    """The same, each column under a name of its own; a batch of Arrow as a table; TableError for a
    frame whose rows are not there."""
    if _is_batch(given):
        given = nw.dependencies.get_pyarrow().Table.from_batches([given])
    given = _with_unique_names(given)
    if nw.dependencies.is_pandas_dataframe(given):
        return given
    if isinstance(nw.from_native(given, pass_through=True), nw.LazyFrame):
        polars = nw.dependencies.is_polars_lazyframe(given)
        way = "frame.collect()" if polars else "it as a frame of pandas, polars or Arrow"
        raise TableError(f"the frame is lazy, its rows are not there yet; pass {way}")
    return given


def _is_batch(given: Any) -> bool:
    arrow: Any = nw.dependencies.get_pyarrow()
    return arrow is not None and isinstance(given, arrow.RecordBatch)


def frame_columns(given: Any) -> list[FrameColumn]:
    """The columns of a frame, in order."""
    given = collect_frame(given)
    if nw.dependencies.is_pandas_dataframe(given):
        row = _columns_of_one_row(given) if len(given) == 1 else None
        return row or [_pandas_column(str(name), series) for name, series in given.items()]
    frame: Any = nw.from_native(given, eager_only=True)
    return [_column(str(series.name), series) for series in frame.iter_columns()]


def _columns_of_one_row(frame: Any) -> list[FrameColumn] | None:
    """The columns of a frame of pandas with one row, of which all cells are texts or numbers; None
    where some are not, or a number may have lost digits."""
    cells: list[Any] = frame.iloc[0].tolist()
    found = [
        _list_column(str(name), [cell])
        for name, cell in zip(frame.columns.tolist(), cells, strict=True)
    ]
    columns = [column for column in found if column is not None]
    return columns if len(columns) == len(found) else None


def _pandas_column(name: str, series: Any) -> FrameColumn:
    """What `_column` gives, sooner where pandas holds an array of NumPy's or texts."""
    dtype: Any = series.dtype
    kind = _PANDAS.get(dtype.str) if isinstance(dtype, np.dtype) else None
    if kind is None or dtype.kind == "O":
        if str(series.dtype) == "str":
            texts = series.to_numpy(dtype=object, na_value=None)
            return FrameColumn(name, "text", "String", texts)
        return _column(name, nw.from_native(series, series_only=True))
    found = _array_column(name, series.to_numpy())
    return replace(found, type=kind) if found.type != kind else found


_PANDAS = {"<i8": "Int64", "<i4": "Int32", "<f8": "Float64", "<f4": "Float32", "|b1": "Boolean"}


def _with_unique_names(given: Any) -> Any:
    """The same frame of pandas or Arrow, with another name, which is said, for every column that
    has the name of an earlier one."""
    known: Any = nw.dependencies
    arrow: bool = known.is_pyarrow_table(given)
    if not arrow and not known.is_pandas_dataframe(given):
        return given
    if not arrow and given.columns.is_unique and given.columns.inferred_type == "string":
        return given
    names = [str(name) for name in (given.column_names if arrow else given.columns)]
    if len(set(names)) == len(names):
        return given
    unique, notes = unique_names(names)
    for note in notes:
        warnings.warn(f"the frame: {note}", TableWarning, stacklevel=4)
    return given.rename_columns(list(unique)) if arrow else given.set_axis(list(unique), axis=1)


def array_columns(array: np.ndarray) -> list[FrameColumn]:
    """The columns of an array (rows, columns), under the names x0, x1, …"""
    return [_array_column(f"x{place}", values) for place, values in enumerate(array.T)]


def as_objects(given: Any) -> np.ndarray | None:
    """An array or a list as one of Python objects, where these are among its cells; None where they
    are not, and for rows of several lengths."""
    try:
        array = np.asarray(given)
    except ValueError:
        return None
    if array.dtype.kind in "fiubc" or not array.size or not array.ndim:
        return None
    if isinstance(given, (list, tuple)):  # of words and numbers NumPy makes words
        array = np.asarray(given, object)
    return array if array.dtype.kind == "O" else None


def object_columns(given: Any) -> Iterator[tuple[str, list[Any]]]:
    """The columns of a frame, or of rows in an array or a list, that are Python objects, as they
    are: names and cells."""
    if is_frame(given):
        for series in nw.from_native(collect_frame(given), eager_only=True).iter_columns():
            if series.dtype == nw.Object:
                yield str(series.name), series.to_list()
        return
    array = as_objects(given)
    if array is not None:
        for place, values in enumerate(array.reshape(len(array), -1).T):
            yield f"x{place}", values.tolist()


def mapping_columns(given: Mapping[Any, Any]) -> list[FrameColumn]:
    """The columns of a mapping from names to lists, arrays or series of one length each."""
    columns = [single_column(str(name), values) for name, values in given.items()]
    counts = {len(column.values): column.name for column in columns if column.kind != "other"}
    if len(counts) > 1:
        (rows, name), (others, other), *_ = counts.items()
        raise TableError(
            f"column {name!r} has {plural(rows, 'row')} and {other!r} has {others}; all need the "
            "same"
        )
    return columns


def single_column(name: str, given: Any) -> FrameColumn:
    """One column: a series of a frame, an array or a list."""
    if is_series(given):
        return _column(name, nw.from_native(given, series_only=True))
    known: Any = getattr(given, "dtype", None)
    if isinstance(given, list):
        plain = _list_column(name, cast(list[Any], given))
        if plain is not None:
            return plain
    array: Any = np.asarray(given, known if isinstance(known, np.dtype) else object)  # pyright: ignore
    if array.ndim != 1:
        raise TableError(f"column {name!r} has shape {array.shape}; wanted a list of single values")
    return _array_column(name, array)


def _list_column(name: str, given: list[Any]) -> FrameColumn | None:
    """What `_array_column` makes of the objects of a short list that are all texts, or all plain
    numbers; None where there is anything else, or much of it."""
    if not 0 < len(given) <= _SHORT:
        return None
    kinds: set[Any] = {type(value) for value in given}
    if kinds == {str}:
        values = np.empty(len(given), object)
        values[:] = given
        return FrameColumn(name, "text", "object", values)
    if kinds <= _PLAIN and all(-_EXACT < value < _EXACT or value != value for value in given):
        return FrameColumn(name, "number", "object", np.array(given, float))
    return None


_SHORT = 64
_EXACT = 2**53  # whole numbers below are float64s
_PLAIN = {float, int, np.float64, np.int64}


def _column(name: str, series: Any) -> FrameColumn:
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        wanted = nw.Float32 if dtype == nw.Float32 else nw.Float64
        try:
            numbers = _numbers(series if dtype == wanted else series.cast(wanted))
        except ValueError:  # Arrow refuses to round
            numbers = np.array([np.nan if v is None else float(v) for v in series.to_list()])
        long = (dtype.is_integer() or dtype.is_decimal()) and _may_lose_digits(numbers)
        return FrameColumn(
            name, "number", str(dtype), numbers, as_words(series.to_list()) if long else None
        )
    if dtype in (nw.Categorical, nw.Enum):
        return FrameColumn(name, "category", str(dtype), as_words(series.to_list()))
    if dtype == nw.String:
        return FrameColumn(name, "text", str(dtype), as_words(series.to_list()))
    if dtype == nw.Object:
        return _mixed_column(name, as_words(series.to_list()))
    if dtype == nw.Date or dtype == nw.Datetime:
        return FrameColumn(name, "date", str(dtype), _dates(as_words(series.to_list())))
    return FrameColumn(name, "other", str(dtype), np.empty(0, object))


def _may_lose_digits(numbers: np.ndarray) -> bool:
    """Whether some are so large that a float64 may not have all their digits."""
    return bool(len(numbers)) and bool((np.abs(numbers) >= _EXACT).any())


def _numbers(series: Any) -> np.ndarray:
    array = np.asarray(series.to_numpy())
    return array if array.dtype.kind == "f" else array.astype(float)


def _array_column(name: str, values: np.ndarray) -> FrameColumn:
    if values.dtype.kind in "fiub":
        kind = "boolean" if values.dtype.kind == "b" else str(values.dtype)
        numbers = values if values.dtype == np.float32 else values.astype(float)
        long = values.dtype.kind in "iu" and _may_lose_digits(numbers)
        return FrameColumn(
            name, "number", kind, numbers, as_words(values.tolist()) if long else None
        )
    if values.dtype.kind == "M":
        return FrameColumn(name, "date", str(values.dtype), values.astype("M8[us]"))
    if values.dtype.kind == "m":
        return FrameColumn(name, "other", str(values.dtype), np.empty(0, object))
    return _mixed_column(name, as_words(values.tolist()))


def _mixed_column(name: str, values: np.ndarray) -> FrameColumn:
    """A column of Python objects: numbers or dates if all are, else words."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, (datetime.date, np.datetime64)) for value in present):
        return FrameColumn(name, "date", "object", _dates(values))
    try:
        numbers = np.array([np.nan if v is None else v for v in values], dtype=object)
        if not any(isinstance(v, str) for v in numbers):
            if any(isinstance(v, (np.datetime64, np.timedelta64)) for v in present):
                return FrameColumn(name, "other", "object", np.empty(0, object))
            truth = bool(present) and all(isinstance(v, (bool, np.bool_)) for v in present)
            kind = "boolean" if truth else "object"
            floats = numbers.astype(float)
            return FrameColumn(
                name, "number", kind, floats, values if _may_lose_digits(floats) else None
            )
    except (TypeError, ValueError):
        return FrameColumn(name, "other", "object", np.empty(0, object))
    except OverflowError:
        return FrameColumn(name, "other", "object beyond float64", np.empty(0, object))
    return FrameColumn(name, "text", "object", values)


def _dates(values: np.ndarray) -> np.ndarray:
    """Python's dates and times; a time with an offset as the clock of UTC shows it."""
    moved = [
        value.astimezone(datetime.UTC).replace(tzinfo=None)
        if isinstance(value, datetime.datetime) and value.tzinfo is not None
        else value
        for value in values
    ]
    return np.array(moved, "M8[us]")


def as_words(values: Any) -> np.ndarray:
    """Python objects, None for every kind of missing cell."""
    listed: list[Any] = [None if _is_missing(value) else value for value in values]
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN, NaT
    except (TypeError, ValueError):  # pandas.NA is neither true nor false
        return True
