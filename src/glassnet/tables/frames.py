"""Columns of data frames: pandas, polars, Arrow and whatever else narwhals knows.

In: a frame. Out: named columns as NumPy arrays, numbers with NaN where a cell is missing, words
with None. Nothing of these packages is imported unless the frame is one of theirs.
"""

# narwhals' types of columns are generic in the frame that they come from
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from glassnet.errors import TableError


@dataclass(frozen=True)
class FrameColumn:
    """A column: `kind` is "number" (NaN is missing), "category" or "text" (None is missing), or
    "other" (neither; `values` is empty). `type` is what the frame calls it."""

    name: str
    kind: str
    type: str
    values: np.ndarray


def is_frame(given: Any) -> bool:
    """Whether this is a data frame, eager or lazy, or a batch of Arrow."""
    known = nw.dependencies
    lazy = known.is_polars_lazyframe(given)
    return bool(known.is_into_dataframe(given) or lazy or _is_batch(given))


def eager(given: Any) -> Any:
    """The same; a batch of Arrow as a table; TableError for a frame whose rows are not there."""
    if _is_batch(given):
        return nw.dependencies.get_pyarrow().Table.from_batches([given])
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
    frame: Any = nw.from_native(eager(given), eager_only=True)
    return [_column(str(name), frame[name]) for name in frame.columns]


def _column(name: str, series: Any) -> FrameColumn:
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        wanted = nw.Float32 if dtype == nw.Float32 else nw.Float64
        cast = series if dtype == wanted else series.cast(wanted)
        return FrameColumn(name, "number", str(dtype), _numbers(cast))
    if dtype in (nw.Categorical, nw.Enum):
        return FrameColumn(name, "category", str(dtype), words(series.to_list()))
    if dtype == nw.String:
        return FrameColumn(name, "text", str(dtype), words(series.to_list()))
    if dtype == nw.Object:
        return _mixed(name, words(series.to_list()))
    return FrameColumn(name, "other", str(dtype), np.empty(0, object))


def _numbers(series: Any) -> np.ndarray:
    array = np.asarray(series.to_numpy())
    return array if array.dtype.kind == "f" else array.astype(float)


def _mixed(name: str, values: np.ndarray) -> FrameColumn:
    """A column of Python objects: numbers if all are, else words."""
    try:
        numbers = np.array([np.nan if v is None else v for v in values], dtype=object)
        if not any(isinstance(v, str) for v in numbers):
            return FrameColumn(name, "number", "object", numbers.astype(float))
    except (TypeError, ValueError):
        return FrameColumn(name, "other", "object", np.empty(0, object))
    return FrameColumn(name, "text", "object", values)


def words(values: Any) -> np.ndarray:
    """Python objects, None for every kind of missing cell."""
    listed: list[Any] = [None if _absent(value) else value for value in values]
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def _absent(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN, NaT
    except (TypeError, ValueError):  # pandas.NA is neither true nor false
        return True
