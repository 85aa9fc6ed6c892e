"""View ops: transpose, reshape, broadcast, slices.

In: any dtype. Out: records whose `View` maps layouts, so that most of them copy no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph import layout as lay
from glassnet.graph.op import Op, View, define, operator
from glassnet.graph.types import Dim, Shape, Size, Type, show_shape
from glassnet.ops.type_rules import shape_of, whole_axis, without

__all__ = ["broadcast", "expand", "flip", "reshape", "slice", "squeeze", "transpose"]


def _view(
    name: str, formula: str, *, infer: Any, numpy: Any, vjp: Any, read: Any, **more: Any
) -> Op:
    return define(
        Op(
            name,
            "view",
            formula,
            1,
            infer=infer,
            numpy=numpy,
            vjp=vjp,
            code=View(read=read),
            **more,
        )
    )


# -- transpose -----------------------------------------------------------------------------------


def _infer_transpose(*types: Type, axes: Sequence[int]) -> Type:
    x = types[0]
    if sorted(axes) != list(range(x.rank)):
        raise ShapeError(f"transpose: axes {list(axes)} for {x}; wanted each of 0 to {x.rank - 1}")
    return x.with_shape([x.shape[axis] for axis in axes])


def _vjp_transpose(g: Any, ans: Any, x: Any, axes: Sequence[int]) -> tuple[Any]:
    return (transpose_op(g, axes=tuple(axes.index(place) for place in range(len(axes)))),)


transpose_op = _view(
    "transpose",
    "y[i, j, …] = x[the same, in the order of axes]",
    infer=_infer_transpose,
    numpy=lambda x, axes: np.transpose(x, axes),
    vjp=_vjp_transpose,
    read=lambda layout, shape, axes: lay.transpose_layout(layout, axes),
    symbol="T",
    examples=((((3, 4),), {"axes": (1, 0)}), (((2, 3, 4),), {"axes": (2, 0, 1)})),
)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Permute the axes: axis i of the result is axis axes[i] of x. By default they are reversed."""
    rank = len(shape_of(x))
    order = range(rank)[::-1] if axes is None else (whole_axis("transpose", a, rank) for a in axes)
    return transpose_op(x, axes=tuple(order))


# -- reshape -------------------------------------------------------------------------------------


def _infer_reshape(*types: Type, shape: Shape) -> Type:
    x = types[0]
    if lay.count(x.shape) != lay.count(shape):
        raise ShapeError(
            f"reshape: {x} has {lay.count(x.shape)} elements, {show_shape(shape)} has "
            f"{lay.count(shape)}; wanted the same number"
        )
    return x.with_shape(shape)


reshape_op = _view(
    "reshape",
    "the elements in row-major order under another shape",
    infer=_infer_reshape,
    numpy=lambda x, shape: np.reshape(x, shape),
    vjp=lambda g, ans, x, shape: (reshape_op(g, shape=x.shape),),
    read=lambda layout, out_shape, shape: lay.reshape_layout(layout, out_shape),
    symbol="reshape",
    examples=(
        (((3, 4),), {"shape": (2, 6)}),
        (((1, 3),), {"shape": (3,)}),
        (((1,),), {"shape": ()}),
    ),
)


def reshape(x: Any, shape: Sequence[Size] | Size) -> Any:
    """Return the elements of x, in row-major order, in another shape; one size may be −1, which is
    computed from the others. Raises ShapeError where the numbers of elements differ."""
    wanted: tuple[Size, ...] = (shape,) if isinstance(shape, int | Dim) else tuple(shape)
    if -1 in wanted:
        wanted = _filled(shape_of(x), wanted)
    return reshape_op(x, shape=wanted)


def _filled(old: Shape, wanted: Shape) -> Shape:
    """Return the shape with its −1 replaced by the size that keeps the number of elements."""
    total, known_part = lay.count(old), lay.count([size for size in wanted if size != -1])
    dims = list(total.dims)
    for dim in known_part.dims:
        if dim in dims:
            dims.remove(dim)
    fits = known_part.factor and total.factor % known_part.factor == 0
    factor = total.factor // known_part.factor if fits else 0
    if not fits or wanted.count(-1) > 1 or len(dims) > 1 or (dims and factor != 1):
        raise ShapeError(f"reshape: {show_shape(old)} as {show_shape(wanted)}; no size fits the -1")
    missing_size: Size = dims[0] if dims else factor
    return tuple(missing_size if size == -1 else size for size in wanted)


def expand(x: Any, axis: int) -> Any:
    """Return x with a new axis of size 1 at position `axis`."""
    shape = shape_of(x)
    place = whole_axis("expand", axis, len(shape) + 1)
    return reshape_op(x, shape=(*shape[:place], 1, *shape[place:]))


def squeeze(x: Any, axis: int) -> Any:
    """Return x without its axis `axis`, which must have size 1; raise ShapeError otherwise."""
    shape = shape_of(x)
    place = whole_axis("squeeze", axis, len(shape))
    if shape[place] != 1:
        raise ShapeError(f"squeeze: axis {place} of {show_shape(shape)}; wanted an axis of size 1")
    return reshape_op(x, shape=without(shape, [place]))


# -- broadcast -----------------------------------------------------------------------------------


def _infer_broadcast(*types: Type, shape: Shape) -> Type:
    x = types[0]
    right = tuple(shape)[len(shape) - x.rank :]
    fits = x.rank <= len(shape) and all(
        old in (1, new) for old, new in zip(x.shape, right, strict=False)
    )
    if not fits:
        raise ShapeError(
            f"broadcast: {x} to {show_shape(shape)}; wanted, aligned on the right, sizes that are "
            "equal or 1"
        )
    return x.with_shape(shape)


def _vjp_broadcast(g: Any, ans: Any, x: Any, shape: Shape) -> tuple[Any]:
    extra = len(shape) - len(x.shape)
    grown = [i for i, size in enumerate(shape) if i < extra or x.shape[i - extra] != size]
    return (reshape_op(sum_axes(g, grown), shape=x.shape),)


def sum_axes(x: Any, axes: Sequence[int]) -> Any:
    """Return the sum over some axes in a fixed order: first the other axes, then axis 0, that of
    the rows of a batch, in blocks of 64 rows, so that threads do not change the result."""
    inner = tuple(axis for axis in axes if axis != 0)
    if inner:
        x = operator("sum")(x, axes=inner, rows=False)
    return operator("sum")(x, axes=(0,), rows=True) if 0 in axes else x


broadcast_op = _view(
    "broadcast",
    "the elements repeated along new axes and axes of size 1",
    infer=_infer_broadcast,
    numpy=lambda x, shape: np.broadcast_to(x, shape),
    vjp=_vjp_broadcast,
    read=lambda layout, out_shape, shape: lay.broadcast_layout(layout, out_shape),
    symbol="broadcast",
    examples=(
        (((3,),), {"shape": (2, 3)}),
        (((3, 1),), {"shape": (3, 4)}),
        (((),), {"shape": (2, 3)}),
    ),
)


def broadcast(x: Any, shape: Sequence[Size]) -> Any:
    """Repeat x to a shape by NumPy's broadcasting rule. Raises ShapeError where it does not fit."""
    return broadcast_op(x, shape=tuple(shape))


# -- slice ---------------------------------------------------------------------------------------


def _infer_slice(
    *types: Type, starts: Sequence[int], stops: Sequence[Size], steps: Sequence[int]
) -> Type:
    x = types[0]
    if not len(starts) == len(stops) == len(steps) == x.rank or 0 in steps:
        raise ShapeError(f"slice: {x} needs a start, a stop and a step other than 0 for each axis")
    return x.with_shape(
        [
            _slice_size(axis, *bounds)
            for axis, bounds in enumerate(zip(x.shape, starts, stops, steps, strict=True))
        ]
    )


def _slice_size(axis: int, size: Size, start: int, stop: Size, step: int) -> Size:
    if isinstance(size, Dim) or isinstance(stop, Dim):
        if (start, stop, step) != (0, size, 1):
            raise ShapeError(f"slice: axis {axis} has {size} elements; wanted the whole axis")
        return size
    places = range(start, stop, step)
    if places and not (0 <= places[0] < size and 0 <= places[-1] < size):
        raise ShapeError(f"slice: {start}:{stop}:{step} leaves axis {axis} of size {size}")
    return len(places)


def _numpy_slice(x: Any, starts: Any, stops: Any, steps: Any) -> Any:
    cuts = [
        builtin_slice(start, None if stop < 0 else stop, step)
        for start, stop, step in zip(starts, stops, steps, strict=True)
    ]
    return np.asarray(x)[tuple(cuts)]


builtin_slice = slice


def _vjp_slice(g: Any, ans: Any, x: Any, starts: Any, stops: Any, steps: Any) -> tuple[Any]:
    """Pad the gradient with zeros around and between the elements, in the order of x."""
    if any(step < 0 for step in steps):
        g = flip(g, [axis for axis, step in enumerate(steps) if step < 0])
    low, high, between = [], [], []
    for size, taken, start, step in zip(x.shape, ans.shape, starts, steps, strict=True):
        if isinstance(size, Dim):
            first, rest = 0, 0
        elif taken == 0:
            first, rest = size, 0
        else:
            ends = sorted((start, start + (taken - 1) * step))
            first, rest = ends[0], size - 1 - ends[1]
        low.append(first)
        high.append(rest)
        between.append(step if step > 0 else -step)
    return (operator("pad")(g, low=tuple(low), high=tuple(high), steps=tuple(between)),)


slice_op = _view(
    "slice",
    "y[i] = x[start + i · step] on each axis",
    infer=_infer_slice,
    numpy=_numpy_slice,
    vjp=_vjp_slice,
    read=lambda layout, shape, starts, stops, steps: lay.slice_layout(layout, starts, shape, steps),
    symbol="[]",
    examples=(
        (((5, 4),), {"starts": (1, 0), "stops": (4, 4), "steps": (2, 1)}),
        (((5, 4),), {"starts": (4, 3), "stops": (-1, 0), "steps": (-1, -2)}),
        (((5,),), {"starts": (2,), "stops": (2,), "steps": (1,)}),
    ),
)


def slice(x: Any, key: Any) -> Any:
    """Return x[key] for a key of integers and slices, as `x[key]` does."""
    if not hasattr(x, "builder"):
        return np.asarray(x)[key]
    return x[key]


def flip(x: Any, axes: int | Sequence[int]) -> Any:
    """Reverse the order of the elements along one or several axes."""
    shape = shape_of(x)
    asked = [axes] if isinstance(axes, int) else axes
    reversed_axes = {whole_axis("flip", axis, len(shape)) for axis in asked}
    key = tuple(
        builtin_slice(None, None, -1) if axis in reversed_axes else builtin_slice(None)
        for axis in range(len(shape))
    )
    return slice(x, key)
