"""Concatenation, stacking and padding.

In: any dtype. Out: records that write each argument to its part of the result, and 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph import layout as lay
from glassnet.graph.layout import Layout
from glassnet.graph.op import Op, View, define
from glassnet.graph.types import Dim, Shape, Size, Type
from glassnet.ops.type_rules import replaced, shape_of, whole_axis
from glassnet.ops.view import expand, slice_op

__all__ = ["concatenate", "pad", "stack"]


def _infer_concatenate(*types: Type, axis: int) -> Type:
    seen = " and ".join(map(str, types)) or "nothing"
    if not types or not 0 <= axis < types[0].rank:
        raise ShapeError(f"concatenate: {seen} along axis {axis}; wanted values with that axis")
    first, total = types[0], 0
    for other in types:
        size = other.shape[axis] if other.rank == first.rank else None
        fits = size is not None and other == first.with_shape(replaced(first.shape, axis, size))
        if not fits or not isinstance(size, int):
            raise ShapeError(
                f"concatenate: {seen} along axis {axis}; wanted one dtype, equal sizes on the "
                "other axes, and known sizes on this one"
            )
        total += size
    return first.with_shape(replaced(first.shape, axis, total))


def _vjp_concatenate(g: Any, ans: Any, *xs: Any, axis: int) -> list[Any]:
    parts: list[Any] = []
    start = 0
    for x in xs:
        stop = start + x.shape[axis]
        parts.append(_cut(g, replaced(g.shape, axis, stop), axis, start))
        start = stop
    return parts


def _cut(g: Any, stops: Shape, axis: int, start: int) -> Any:
    starts = tuple(start if a == axis else 0 for a in range(len(stops)))
    return slice_op(g, starts=starts, stops=stops, steps=(1,) * len(stops))


def _write_concatenate(layout: Layout, shapes: Sequence[Shape], axis: int) -> list[Layout]:
    parts: list[Layout] = []
    start = 0
    for shape in shapes:
        moved = layout.moved(axis, start)
        parts.append(moved.with_axes(shape, moved.strides))
        size = shape[axis]
        assert isinstance(size, int)
        start += size
    return parts


concatenate_op = define(
    Op(
        "concatenate",
        "view",
        "the arguments one after the other along an axis",
        -1,
        infer=_infer_concatenate,
        numpy=lambda *xs, axis: np.concatenate(xs, axis),
        vjp=_vjp_concatenate,
        code=View(write=_write_concatenate),
        examples=((((2, 3), (2, 4)), {"axis": 1}), (((2,), (1,), (0,)), {"axis": 0})),
    )
)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join values of one dtype along an existing axis; the sizes of the other axes must be equal.

    Raises ShapeError otherwise, or where the sizes along `axis` are known only at run time."""
    if not xs:
        raise ShapeError("concatenate: no values; wanted at least one")
    return concatenate_op(*xs, axis=whole_axis("concatenate", axis, len(shape_of(xs[0]))))


def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join values of one shape and dtype along a new axis at position `axis`."""
    place = whole_axis("stack", axis, len(shape_of(xs[0])) + 1) if xs else axis
    return concatenate([expand(x, place) for x in xs], place)


def _infer_pad(*types: Type, low: Sequence[int], high: Sequence[int], steps: Sequence[int]) -> Type:
    x = types[0]
    if not len(low) == len(high) == len(steps) == x.rank or min((*low, *high, 0)) < 0:
        raise ShapeError(f"pad: {x} needs two widths, 0 or more, and a step for each axis")
    if min((*steps, 1)) < 1:
        raise ShapeError(f"pad: steps {list(steps)}; wanted 1 or more")
    return x.with_shape([_padded(*b) for b in zip(x.shape, low, high, steps, strict=True)])


def _padded(size: Size, low: int, high: int, step: int) -> Size:
    if isinstance(size, Dim):
        if (low, high, step) != (0, 0, 1):
            raise ShapeError(
                f"pad: an axis of {size} elements, known at run time, cannot be padded"
            )
        return size
    return low + max(0, (size - 1) * step + 1) + high


def _numpy_pad(x: Any, low: Any, high: Any, steps: Any) -> Any:
    x = np.asarray(x)
    shape: Any = [_padded(*b) for b in zip(x.shape, low, high, steps, strict=True)]
    y = np.zeros(shape, x.dtype)
    spans = zip(x.shape, low, steps, strict=True)
    y[tuple(slice(a, a + n * step, step) for n, a, step in spans)] = x
    return y


def _vjp_pad(g: Any, ans: Any, x: Any, low: Any, high: Any, steps: Any) -> tuple[Any]:
    stops = tuple(
        size if isinstance(size, Dim) else first + max(0, (size - 1) * step + 1)
        for size, first, step in zip(x.shape, low, steps, strict=True)
    )
    return (slice_op(g, starts=tuple(low), stops=stops, steps=tuple(steps)),)


pad_op = define(
    Op(
        "pad",
        "view",
        "y[low + i · step] = x[i], 0 elsewhere",
        1,
        infer=_infer_pad,
        numpy=_numpy_pad,
        vjp=_vjp_pad,
        code=View(
            write=lambda layout, shapes, low, high, steps: [
                lay.slice_layout(layout, low, shapes[0], steps)
            ]
        ),
        symbol="pad",
        examples=(
            (((3, 2),), {"low": (1, 0), "high": (2, 1), "steps": (1, 1)}),
            (((3,),), {"low": (1,), "high": (0,), "steps": (2,)}),
            (((0,),), {"low": (2,), "high": (1,), "steps": (3,)}),
        ),
    )
)


def pad(x: Any, low: Sequence[int], high: Sequence[int]) -> Any:
    """Return x with low[a] zeros before and high[a] zeros after the elements of every axis a."""
    return pad_op(x, low=tuple(low), high=tuple(high), steps=(1,) * len(low))
