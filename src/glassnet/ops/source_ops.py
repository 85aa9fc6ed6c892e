"""Source ops, which have no arguments: inputs, numbers, arrays, indices, sizes.

In: attributes. Out: records, and helpers that work for graph values and arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import GraphError, ShapeError
from glassnet.graph import layout as lay
from glassnet.graph.op import Op, Value, define
from glassnet.graph.types import Shape, Size, Type, show_shape
from glassnet.ops.type_rules import NUMBERS, shape_of, whole_axes

__all__ = ["iota_like", "size_of"]


def _infer_input(*types: Type, name: str) -> Type:
    raise GraphError(f"input {name!r} has the type that it was declared with")


def _numpy_input(name: str) -> Any:
    raise GraphError(f"input {name!r} has no value of its own; pass an array for it")


input_op = define(Op("input", "source", "an argument", 0, infer=_infer_input, numpy=_numpy_input))


def _infer_constant(*types: Type, value: Any, dtype: str) -> Type:
    return Type(dtype, ())


constant_op = define(
    Op(
        "constant",
        "source",
        "a number",
        0,
        infer=_infer_constant,
        numpy=lambda value, dtype: np.asarray(value, dtype),
        code=lambda b, at, node, value, dtype: b.const(value, dtype),
    )
)

literal_op = define(
    Op(
        "literal",
        "source",
        "an array",
        0,
        infer=lambda value: Type(value.array.dtype.name, value.array.shape),
        numpy=lambda value: np.asarray(value),
    )
)


def _infer_iota(*types: Type, shape: Shape, axis: int, dtype: str) -> Type:
    if dtype not in NUMBERS or not 0 <= axis < len(shape):
        raise ShapeError(
            f"iota: axis {axis} of {show_shape(shape)} as {dtype}; wanted one of its axes, and "
            f"{' or '.join(NUMBERS)}"
        )
    return Type(dtype, tuple(shape))


def _numpy_iota(shape: Sequence[int], axis: int, dtype: str) -> Any:
    column = [size if a == axis else 1 for a, size in enumerate(shape)]
    return np.broadcast_to(np.arange(shape[axis], dtype=dtype).reshape(column), shape)


iota_op = define(
    Op(
        "iota",
        "source",
        "y[i, j, …] = the index on one axis",
        0,
        infer=_infer_iota,
        numpy=_numpy_iota,
        code=lambda b, at, node, shape, axis, dtype: b.convert(at[axis], dtype),
    )
)

extent_op = define(
    Op(
        "extent",
        "source",
        "a size known at run time, as a number",
        0,
        infer=lambda dim, dtype: Type(dtype, ()),
        numpy=lambda dim, dtype: np.asarray(dim, dtype),
        code=lambda b, at, node, dim, dtype: b.extent(dim, dtype),
    )
)


def iota_like(x: Any, axis: int, dtype: str) -> Any:
    """Return the index along one axis, in the shape of x."""
    attrs = {"shape": shape_of(x), "axis": axis, "dtype": dtype}
    return x.builder.apply(iota_op, (), attrs) if isinstance(x, Value) else iota_op.numpy(**attrs)


def size_of(x: Any, axis: int | Sequence[int] | None, dtype: str) -> Any:
    """Return the number of elements along some axes (None: all), as a number of `dtype`."""
    shape = shape_of(x)
    total = lay.count([shape[a] for a in whole_axes("size_of", axis, len(shape))])
    number: Any = total.factor
    for dim in total.dims:
        number = _extent(x, dim, dtype) * number
    return number


def _extent(x: Any, dim: Size, dtype: str) -> Any:
    return x.builder.apply(extent_op, (), {"dim": dim, "dtype": dtype})
