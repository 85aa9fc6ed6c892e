"""How random graphs use the ops that are not elementwise.

In: a maker and an op. Out: a value, or None where nothing fits. A new op is taken up through the
examples of its record until it has a recipe here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.graph.op import Op, Value
from glassnet.graph.types import FLOATS, Dim, Size
from tests.fuzz.maker import Maker, grows


def example(maker: Maker, op: Op) -> Value | None:
    """One of the record's own examples, on literals."""
    if not op.examples:
        return None
    shapes, attrs = maker.pick(op.examples)
    args = [maker.builder.constant(maker.fill(maker.dtype, shape)) for shape in shapes]
    maker.evaluate()
    return maker.builder.apply(op, args, attrs)


def with_rank(maker: Maker, least: int, floats: bool = False) -> Value | None:
    found = [v for v in maker.pool if v.ndim >= least and (not floats or v.dtype in FLOATS)]
    return maker.value(found) if found else None


def constant(maker: Maker, op: Op) -> Value:
    dtype = maker.pick((maker.dtype, maker.dtype, "int32", "int64", "bool"))
    return maker.scalar(dtype)


def literal(maker: Maker, op: Op) -> Value:
    other = maker.value(maker.pool)
    shape = maker.sized(other.shape)
    return maker.builder.constant(maker.fill(maker.dtype, shape))


def iota(maker: Maker, op: Op) -> Value | None:
    like = with_rank(maker, 1)
    if like is None:
        return None
    attrs = {
        "shape": like.shape,
        "axis": maker.some(0, like.ndim - 1),
        "dtype": maker.pick((maker.dtype, "int32", "int64")),
    }
    return maker.builder.apply(op, (), attrs)


def extent(maker: Maker, op: Op) -> Value | None:
    if not maker.dims:
        return None
    dim = Dim(maker.pick(sorted(maker.dims)))
    return maker.builder.apply(op, (), {"dim": dim, "dtype": maker.pick((maker.dtype, "int64"))})


def reduce(maker: Maker, op: Op) -> Value | None:
    x = with_rank(maker, 1)
    if x is None or x.dtype == "bool":
        return None
    x = maker.tame(x, -100.0, 100.0)
    axes = tuple(axis for axis in range(x.ndim) if maker.some(0, 1)) or (0,)
    attrs: dict[str, Any] = {"axes": axes}
    if op.name == "sum":
        attrs["rows"] = axes == (0,) and bool(maker.some(0, 1))
    return maker.builder.apply(op, (x,), attrs)


def matmul(maker: Maker, op: Op) -> Value | None:
    a = with_rank(maker, 2, floats=True)
    if a is None:
        return None
    a = maker.tame(a, -5.0, 5.0)
    if maker.some(0, 2) == 0:
        a = flipped(a)
    values = [v for v in maker.pool if v.dtype == a.dtype and v.ndim == a.ndim]
    plain = [v for v in values if v.shape[:-2] == a.shape[:-2] and v.shape[-2] == a.shape[-1]]
    turned = [v for v in values if v.shape[:-2] == a.shape[:-2] and v.shape[-1] == a.shape[-1]]
    choice = maker.some(0, 3)
    if plain and choice < 2:
        b = maker.pick(plain)
    elif turned and choice < 3:
        b = flipped(maker.pick(turned))
    else:
        b = flipped(a)
    maker.evaluate()
    return maker.builder.apply(op, (a, maker.tame(b, -5.0, 5.0)), {"rows": bool(maker.some(0, 1))})


def flipped(x: Value) -> Value:
    return ops.transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def transpose(maker: Maker, op: Op) -> Value:
    x = maker.value(maker.pool)
    axes = list(range(x.ndim))
    for i in range(x.ndim):
        j = maker.some(i, x.ndim - 1)
        axes[i], axes[j] = axes[j], axes[i]
    return maker.builder.apply(op, (x,), {"axes": tuple(axes)})


def reshape(maker: Maker, op: Op) -> Value:
    """Axes joined, split, or of size 1 put in and taken away."""
    x = maker.value(maker.pool)
    shape: list[Size] = list(x.shape)
    way = maker.some(0, 3)
    if way == 0:
        return ops.reshape(x, (-1,))
    if way == 1 and len(shape) < 4:
        return ops.expand(x, maker.some(0, len(shape)))
    if way == 2:
        return ops.reshape(x, tuple(size for size in shape if size != 1))
    axis = maker.some(0, max(len(shape) - 1, 0))
    if len(shape) > 1 and axis + 1 < len(shape):
        joined = [shape[axis], shape[axis + 1]]
        if all(isinstance(size, int) for size in joined):
            shape[axis : axis + 2] = [int(np.prod(np.array(joined, int)))]
            return ops.reshape(x, tuple(shape))
    whole = [axis for axis, size in enumerate(shape) if isinstance(size, int) and size % 2 == 0]
    if not whole or len(shape) > 3:
        return ops.reshape(x, tuple(shape))
    axis = maker.pick(whole)
    size = shape[axis]
    assert isinstance(size, int)
    shape[axis : axis + 1] = [2, size // 2]
    return ops.reshape(x, tuple(shape))


def broadcast(maker: Maker, op: Op) -> Value | None:
    x = maker.value(maker.pool)
    wider = [v.shape for v in maker.pool if grows(x.shape, v.shape)]
    if maker.some(0, 2) == 0 and x.ndim < 4:
        wider = [(maker.some(0, 3), *x.shape)]
    return maker.builder.broadcast(x, maker.pick(wider)) if wider else None


def slice_(maker: Maker, op: Op) -> Value:
    x = maker.value(maker.pool)
    key: list[Any] = []
    for size in x.shape:
        way = maker.some(0, 3) if isinstance(size, int) else 0
        if way == 0:
            key.append(slice(None))
        elif way == 1 and isinstance(size, int) and size:
            key.append(maker.some(-size, size - 1))
        else:
            assert isinstance(size, int)
            step = maker.pick((1, 1, 2, 3, -1, -2))
            bounds = sorted((maker.some(0, size), maker.some(0, size)))
            key.append(slice(*(bounds if step > 0 else bounds[::-1]), step))
    return x[tuple(key)]


def concatenate(maker: Maker, op: Op) -> Value | None:
    x = with_rank(maker, 1)
    if x is None:
        return None
    axis = maker.some(0, x.ndim - 1)
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    found = [
        v
        for v in maker.pool
        if v.dtype == x.dtype
        and v.ndim == x.ndim
        and (*v.shape[:axis], *v.shape[axis + 1 :]) == rest
    ]
    return ops.concatenate([x, *(maker.pick(found) for _ in range(maker.some(0, 2)))], axis)


def pad(maker: Maker, op: Op) -> Value:
    x = maker.value(maker.pool)
    known = [isinstance(size, int) for size in x.shape]
    widths = [(maker.some(0, 3), maker.some(0, 3)) if k else (0, 0) for k in known]
    attrs = {
        "low": tuple(low for low, _ in widths),
        "high": tuple(high for _, high in widths),
        "steps": tuple(maker.some(1, 3) if k else 1 for k in known),
    }
    return maker.builder.apply(op, (x,), attrs)


def indices(maker: Maker) -> list[Value]:
    return [v for v in maker.pool if v.index < len(maker.args) and v.ndim == 1 and is_index(v)]


def is_index(value: Value) -> bool:
    return value.dtype in ("int32", "int64")


def take(maker: Maker, op: Op) -> Value | None:
    x, index = with_rank(maker, 1), indices(maker)
    if x is None or not index:
        return None
    rows = maker.pick(index)
    numbers = maker.number(rows)
    size = maker.number(x).shape[0]
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < size):
        return None
    return maker.builder.apply(op, (x, rows), {})


def scatter_add(maker: Maker, op: Op) -> Value | None:
    index = indices(maker)
    if not index:
        return None
    rows = maker.pick(index)
    numbers = maker.number(rows)
    found = [v for v in maker.pool if v.shape[:1] == rows.shape and v.dtype != "bool"]
    if not found or (numbers.size and numbers.min() < 0):
        return None
    size = int(numbers.max(initial=0)) + maker.some(1, 3)
    x = maker.tame(maker.pick(found), -50.0, 50.0)
    return maker.builder.apply(op, (rows, x), {"size": size})


RECIPES: dict[str, Callable[[Maker, Op], Value | None]] = {
    "constant": constant,
    "literal": literal,
    "iota": iota,
    "extent": extent,
    "sum": reduce,
    "max": reduce,
    "min": reduce,
    "matmul": matmul,
    "transpose": transpose,
    "reshape": reshape,
    "broadcast": broadcast,
    "slice": slice_,
    "concatenate": concatenate,
    "pad": pad,
    "take": take,
    "scatter_add": scatter_add,
}
