"""Reads rows in parts, from files that need not fit in memory.

In: a source of rows, such as that of `glassnet.tables.stream` for Parquet files. Out: arrays on
disk that a step reads; or an error that says which row of the source is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from glassnet.errors import GlassnetError, ShapeError, TrainingError
from glassnet.training.memmap import MappedRows, MappedWriter
from glassnet.words import plural

Arrays = Mapping[str, np.ndarray]


@runtime_checkable
class Source(Protocol):
    """The interface of a source of x, y and weights in parts, which are finite numbers."""

    @property
    def label(self) -> str:
        """The name of the source in messages."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of x."""
        ...

    @property
    def rows(self) -> int: ...

    @property
    def scratch(self) -> str | None:
        """The folder for the file of the arrays; None for the default."""
        ...

    def parts(
        self, dtype: str, gaps: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Yield x in a dtype, y, and weights or None, part by part; with `gaps` labels may be
        NaN."""
        ...

    def described(self) -> dict[str, Any]:
        """Return JSON values that describe where the rows are."""
        ...


def write_source(
    source: Source, dtype: str, check: Callable[[Any, Any, Any], Arrays], gaps: bool = False
) -> tuple[Arrays, MappedRows]:
    """Write the arrays that `check` returns for x, y and weights to disk, part by part."""
    done = 0
    with MappedWriter(source.scratch, source.rows) as scratch:
        for x, y, weight in source.parts(dtype, gaps) if gaps else source.parts(dtype):
            try:
                arrays = check(x, y, weight)
            except GlassnetError as error:
                raise _first_row_error(error, source, done, (x, y, weight), check) from None
            scratch.append(arrays)
            done += len(x)
            del x, y, weight, arrays  # frees memory for the next part
        if done != source.rows:
            raise TrainingError(
                f"{source.label} has {plural(done, 'row')}, but {source.rows} were expected"
            )
        found, mapped = scratch.mapped()
    return found, replace(mapped, names=source.names, described=source.described())


def _first_row_error(
    error: GlassnetError,
    source: Source,
    done: int,
    part: tuple[Any, Any, Any],
    check: Callable[[Any, Any, Any], Arrays],
) -> GlassnetError:
    """Return the error of the first wrong row, found by bisection."""

    def fault(first: int, last: int) -> GlassnetError | None:
        try:
            check(*(array if array is None else array[first:last] for array in part))
        except GlassnetError as found:
            return found
        return None

    low, high = 0, len(part[0])  # no fault in the first `low` rows, one in the first `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fault(0, middle) else (middle, high)
    found = fault(low, high) or error
    return type(error)(f"{source.label}, from row {done + low} on (counted from 0): {found}")


def check_no_labels(source: Source, y: Any, weight: Any, of: str) -> None:
    """Raise ShapeError where labels or weights are passed with a source, which has its own."""
    for name, given in ((f"{of}y", y), (f"{of}sample_weight", weight)):
        if given is not None:
            raise ShapeError(
                f"{name} was given beside {source.label}, whose columns have it; "
                "name them there: gn.stream(path, target=…, weight=…)"
            )
