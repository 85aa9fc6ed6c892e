"""Read columns of data frames (pandas, polars, Arrow and others that narwhals supports) and of
arrays.

In: a frame, an array or a mapping. Out: named columns as NumPy arrays; missing cells are NaN in
numbers, None in texts, NaT in dates. These packages are imported only if the frame is one of
theirs.
"""

from __future__ import annotations

import datetime
import sys
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
    """A column.

    `kind` is "number" (missing: NaN), "category" or "text" (missing: None), "date" (datetime64[us]
    in UTC; missing: NaT), or "other" (`values` is empty). `type` is the dtype's name in the frame
    or array.
    """

    name: str
    kind: str
    type: str
    values: np.ndarray
    whole: np.ndarray | None = (
        None  # whole numbers beyond 2^53, of which `values` have fewer digits
    )

    @property
    def truth(self) -> bool:
        """Whether its numbers are 1 for true and 0 for false (NaN: missing)."""
        return self.type.lower() == "boolean"


def is_frame(given: Any) -> bool:
    """Return whether this is an eager data frame, a lazy one of polars, or an Arrow record
    batch."""
    known = nw.dependencies
    if _is_pandas(given):
        return True
    lazy = known.is_polars_lazyframe(given)
    return bool(known.is_into_dataframe(given) or lazy or _is_batch(given))


def is_series(given: Any) -> bool:
    """Return whether this is a column of a data frame."""
    if type(given) in (list, tuple, np.ndarray):
        return False
    return bool(nw.dependencies.is_into_series(given))


def collect_frame(given: Any) -> Any:
    """Return the frame with unique column names, an Arrow record batch as a table. TableWarning for
    each renamed column; TableError for a lazy frame."""
    if not _is_pandas(given) and _is_batch(given):
        given = nw.dependencies.get_pyarrow().Table.from_batches([given])
    given = _with_unique_names(given)
    if _is_pandas(given):
        return given
    if isinstance(nw.from_native(given, pass_through=True), nw.LazyFrame):
        polars = nw.dependencies.is_polars_lazyframe(given)
        way = "frame.collect()" if polars else "it as a frame of pandas, polars or Arrow"
        raise TableError(f"the frame is lazy, its rows are not there yet; pass {way}")
    return given


def _is_pandas(given: Any) -> bool:
    """Return whether this is a frame of pandas, or of a class derived from it."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and type(given) is getattr(pandas, "DataFrame", None):
        return True
    return bool(nw.dependencies.is_pandas_dataframe(given))


def _is_batch(given: Any) -> bool:
    arrow: Any = nw.dependencies.get_pyarrow()
    return arrow is not None and isinstance(given, arrow.RecordBatch)


def frame_columns(given: Any) -> list[FrameColumn]:
    """Return the columns of a frame, in order; warnings and errors as in `collect_frame`."""
    return collected_columns(collect_frame(given))


def collected_columns(given: Any) -> list[FrameColumn]:
    """Return the columns of a frame from `collect_frame`, in order."""
    if _is_pandas(given):
        row = _columns_of_one_row(given) if len(given) == 1 else None
        return row or [_pandas_column(str(name), series) for name, series in given.items()]
    frame: Any = nw.from_native(given, eager_only=True)
    return [_column(str(series.name), series) for series in frame.iter_columns()]


def _columns_of_one_row(frame: Any) -> list[FrameColumn] | None:
    """Return the columns of a pandas frame with one row; None unless all cells are texts, or
    numbers below 2^53 in magnitude or NaN."""
    cells: list[Any] = frame.iloc[0].tolist()
    found: list[FrameColumn] = []
    for name, cell in zip(frame.columns.tolist(), cells, strict=True):
        column = _list_column(str(name), [cell])
        if column is None:
            return None
        found.append(column)
    return found


def _pandas_column(name: str, series: Any) -> FrameColumn:
    """Return a column of pandas; faster than `_column` for NumPy arrays and texts."""
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
    """Return a pandas or Arrow frame with unique column names; warn about each renamed column."""
    known: Any = nw.dependencies
    arrow: bool = not _is_pandas(given) and known.is_pyarrow_table(given)
    if not arrow and not _is_pandas(given):
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
    """Return the columns of an array [rows, columns], named x0, x1, …"""
    return [_array_column(f"x{place}", values) for place, values in enumerate(array.T)]


def as_objects(given: Any) -> np.ndarray | None:
    """Return an array of dtype object, or a list that is not all numbers, as an object array. None
    for other arrays, for no cells, and for rows of different lengths."""
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
    """Yield name and cells of each object column of a frame, an array or a list of rows."""
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
    """Return the columns of a mapping from names to lists, arrays or series of equal length;
    TableError if lengths differ."""
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
    """Return a column from a series, an array or a list; TableError unless it has one dimension."""
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
    """Return a column of up to 64 texts, or of as many numbers below 2^53 in magnitude or NaN; None
    for other lists. Faster than `_array_column`."""
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
    """Return whether some numbers are so large (2^53) that a float64 may not hold all digits."""
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
    """Return a column of Python objects: of numbers or dates if all are, of texts if some are
    (other objects may be among them), else of kind "other"."""
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
    """Return Python's dates and times as datetime64; a time with an offset is converted to UTC."""
    moved = [
        value.astimezone(datetime.UTC).replace(tzinfo=None)
        if isinstance(value, datetime.datetime) and value.tzinfo is not None
        else value
        for value in values
    ]
    return np.array(moved, "M8[us]")


def as_words(values: Any) -> np.ndarray:
    """Return cells as Python objects, with None for all kinds of missing cells."""
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
