"""Indexing of graph values with square brackets.

In: the index expression, and a shape. Out: the bounds of a slice on every axis, and the axes that
an integer index removes.
"""

from __future__ import annotations

from operator import index
from typing import Any, cast

from glassnet.errors import GraphError
from glassnet.graph.types import Dim, Shape, Size
from glassnet.words import plural


def expand_key(key: Any, rank: int) -> tuple[Any, ...]:
    """Return an index as a tuple, with `...` replaced by full slices; None marks a new axis."""
    keys: tuple[Any, ...] = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)
    dots = [place for place, item in enumerate(keys) if item is Ellipsis]
    if not dots:
        return keys
    missing = rank - (len(keys) - 1 - sum(item is None for item in keys))
    whole_axes = (slice(None),) * missing
    return (*keys[: dots[0]], *whole_axes, *keys[dots[0] + 1 :])


def is_list_of_rows(key: Any) -> bool:
    """Whether an index is a list or a 1-d array of integers, that is, row numbers."""
    if isinstance(key, list):
        return all(as_whole_number(item) is not None for item in cast("list[Any]", key))
    return getattr(getattr(key, "dtype", None), "kind", "") in ("i", "u") and key.ndim == 1


def slice_bounds(key: Any, shape: Shape) -> tuple[dict[str, tuple[Any, ...]], set[int]]:
    """Return the attributes of the slice op for `value[key]`, and the axes that an integer index
    removes. Raises GraphError for an index that is not supported or out of range."""
    keys: tuple[Any, ...] = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)
    if len(keys) > len(shape):
        raise GraphError(f"{len(keys)} indices for a value of {plural(len(shape), 'axis', 'axes')}")
    pairs = zip(keys, shape, strict=False)
    bounds = [axis_bounds(axis, item, size) for axis, (item, size) in enumerate(pairs)]
    bounds += [(0, size, 1) for size in shape[len(keys) :]]
    starts, stops, steps = zip(*bounds, strict=True) if bounds else ((), (), ())
    dropped = {axis for axis, item in enumerate(keys) if as_whole_number(item) is not None}
    return {"starts": starts, "stops": stops, "steps": steps}, dropped


def axis_bounds(axis: int, item: Any, size: Size) -> tuple[int, Size, int]:
    """Return start, stop and step for one axis. The step is not 0; a negative one counts down."""
    if isinstance(item, slice) and item == slice(None):
        return 0, size, 1
    if isinstance(size, Dim):
        raise GraphError(f"axis {axis} has {size} elements, known at run time; take it whole (:)")
    place = as_whole_number(item)
    if place is not None:
        if not -size <= place < size:
            raise GraphError(f"index {place} is outside axis {axis} of size {size}")
        return place % size, place % size + 1, 1
    if isinstance(item, slice):
        bounds = cast("slice[Any, Any, Any]", item)
        if bounds.step == 0:
            raise GraphError(f"axis {axis}: a slice cannot step by 0")
        start, stop, step = bounds.indices(size)
        return (start, stop, step) if len(range(start, stop, step)) else (0, 0, 1)
    raise GraphError(
        f"index {item!r} is not an integer or slice; use ops.take to gather rows, : for a whole "
        "axis, ops.where(mask, x, 0) to choose numbers"
    )


def as_whole_number(item: Any) -> int | None:
    """Return an integer as int, None for anything else."""
    try:
        return index(item)
    except TypeError:
        return None
