"""Reductions over axes, and functions composed of them.

In: floats, or integers. Out: records for sum, max and min; functions for mean, variance, softmax
and similar ones. Axis 0 is that of the rows of a batch. Sums over it are computed in blocks of 64
rows, whose sums are added in a tree, so that the result does not depend on which thread computes
which rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import Op, Reduction, define
from glassnet.graph.types import FLOATS, Type
from glassnet.ops import functions as f
from glassnet.ops.elementwise import square, stop_gradient
from glassnet.ops.logic import cast, equal, logical_or, not_equal, where
from glassnet.ops.source_ops import iota_like, size_of
from glassnet.ops.type_rules import (
    NUMBERS,
    dtype_of,
    shape_of,
    want_dtype,
    whole_axes,
    whole_axis,
    with_ones,
    without,
)
from glassnet.ops.view import broadcast_op, reshape_op, sum_axes

__all__ = [
    "argmax", "argmin", "log_softmax", "logsumexp", "max", "mean", "min", "softmax", "sum",
    "variance",
]  # fmt: skip

Axis = int | Sequence[int] | None


def _reduced(name: str, x: Type, axes: Sequence[int]) -> Type:
    want_dtype(name, x, NUMBERS)
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.rank for a in axes) or not axes:
        raise ShapeError(f"{name}: axes {list(axes)} of {x}; wanted axes in ascending order")
    return x.with_shape(without(x.shape, axes))


def _infer_sum(*types: Type, axes: Sequence[int], rows: bool = False) -> Type:
    if rows and tuple(axes) != (0,):
        raise ShapeError(f"sum: rows=True with axes {list(axes)}; wanted axis 0 alone")
    return _reduced("sum", types[0], axes)


def _vjp_sum(g: Any, ans: Any, x: Any, axes: Sequence[int], rows: bool = False) -> tuple[Any]:
    return (_spread(g, x, axes),)


def _spread(y: Any, x: Any, axes: Sequence[int]) -> Any:
    """Broadcast a reduced value to the shape of x, from which it was reduced."""
    with_axes = reshape_op(y, shape=with_ones(x.shape, axes))
    return broadcast_op(with_axes, shape=x.shape)


sum_op = define(
    Op(
        "sum",
        "reduce",
        "Σ x over the axes",
        1,
        infer=_infer_sum,
        numpy=lambda x, axes, rows=False: np.sum(x, axis=tuple(axes), dtype=np.asarray(x).dtype),
        vjp=_vjp_sum,
        code=Reduction(lambda dtype: 0, lambda b, total, x: total + x),
        symbol="sum",
        examples=(
            (((3, 4),), {"axes": (1,)}),
            (((3, 4),), {"axes": (0, 1)}),
            (((70, 2),), {"axes": (0,), "rows": True}),
            (((2, 0),), {"axes": (1,)}),
        ),
    )
)


def _vjp_extreme(g: Any, ans: Any, x: Any, axes: Sequence[int]) -> tuple[Any]:
    """Distribute the gradient equally to all elements that equal the extreme."""
    chosen = cast(equal(x, _spread(ans, x, axes)), x.dtype)
    share = g / sum_axes(chosen, axes)
    return (chosen * _spread(share, x, axes),)


def _limit(dtype: str, sign: int) -> float | int:
    if dtype in FLOATS:
        return sign * float("inf")
    info = np.iinfo(dtype)
    return int(info.max if sign > 0 else info.min)


def _extreme(name: str, formula: str, meaning: Any, sign: int, better: Callable[..., Any]) -> Op:
    def infer(*types: Type, axes: Sequence[int]) -> Type:
        return _reduced(name, types[0], axes)

    def numpy(x: Any, axes: Sequence[int]) -> Any:
        return meaning(x, axis=tuple(axes), initial=_limit(dtype_of(x), sign))

    # x ≠ x selects a NaN; once the accumulator is NaN, no comparison replaces it
    code = Reduction(
        lambda dtype: _limit(dtype, sign),
        lambda b, best, x: b.select(better(x, best) | x.ne(x), x, best),
    )
    return define(
        Op(
            name,
            "reduce",
            formula,
            1,
            infer=infer,
            numpy=numpy,
            vjp=_vjp_extreme,
            code=code,
            smooth=False,
            examples=((((3, 4),), {"axes": (1,)}), (((3, 4),), {"axes": (0, 1)})),
        )
    )


max_op = _extreme("max", "the largest x over the axes", np.max, -1, lambda x, best: x > best)
min_op = _extreme("min", "the smallest x over the axes", np.min, 1, lambda x, best: x < best)


def _reduce(x: Any, axis: Axis, keepdims: bool, name: str, apply: Callable[..., Any]) -> Any:
    shape = shape_of(x)
    want_dtype(name, Type(dtype_of(x), shape), NUMBERS)
    axes = whole_axes(name, axis, len(shape))
    y = apply(x, axes) if axes else x
    return reshape_op(y, shape=with_ones(shape, axes)) if keepdims else y


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over `axis`: an axis, several, or None for all. Keeps the dtype of x."""
    return _reduce(x, axis, keepdims, "sum", sum_axes)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest element over `axis` (None: all axes); NaN if one is NaN, −∞ if there is
    none."""
    return _reduce(x, axis, keepdims, "max", lambda x, axes: max_op(x, axes=axes))


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the smallest element over `axis` (None: all axes); NaN if one is NaN, ∞ if there is
    none."""
    return _reduce(x, axis, keepdims, "min", lambda x, axes: min_op(x, axes=axes))


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean over `axis` (None: all axes)."""
    return sum(x, axis, keepdims) / size_of(x, axis, dtype_of(x))


def variance(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean squared deviation from the mean over `axis` (ddof 0; None: all axes)."""
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims)


def _shift(x: Any, axis: Axis) -> Any:
    """Return the maximum as a constant for derivatives, 0 where it is infinite. Subtracting it
    prevents overflow and changes no derivative."""
    top = stop_gradient(max(x, axis, keepdims=True))
    return where(equal(top - top, 0.0), top, 0.0)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return ln Σ eˣ over `axis` (None: all axes), without overflow."""
    top = _shift(x, axis)
    y = f.log(sum(f.exp(x - top), axis, keepdims=True)) + top
    return y if keepdims else _drop(y, x, axis)


def _drop(y: Any, x: Any, axis: Axis) -> Any:
    shape = shape_of(x)
    return reshape_op(y, shape=without(shape, whole_axes("logsumexp", axis, len(shape))))


def softmax(x: Any, axis: Axis = -1) -> Any:
    """Return eˣ / Σ eˣ along `axis`, without overflow; the results sum to 1."""
    e = f.exp(x - _shift(x, axis))
    return e / sum(e, axis, keepdims=True)


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """Return the logarithm of the softmax along `axis`, accurate also where the softmax is 0."""
    z = x - _shift(x, axis)
    return z - f.log(sum(f.exp(z), axis, keepdims=True))


def argmax(x: Any, axis: int = -1) -> Any:
    """Return the index of the largest element along `axis` as int64: the first of equal ones, or
    that of the first NaN."""
    return _place(x, axis, max(x, axis, keepdims=True))


def argmin(x: Any, axis: int = -1) -> Any:
    """Return the index of the smallest element along `axis` as int64: the first of equal ones, or
    that of the first NaN."""
    return _place(x, axis, min(x, axis, keepdims=True))


def _place(x: Any, axis: int, best: Any) -> Any:
    found = logical_or(equal(x, best), not_equal(x, x))
    places = iota_like(x, whole_axis("argmax", axis, len(shape_of(x))), "int64")
    return min(where(found, places, int(np.iinfo("int64").max)), axis)
