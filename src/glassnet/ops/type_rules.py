"""Type rules and checks of shapes that several families of ops share.

In: types, shapes and axes as users write them. Out: types and axes counted from 0, or a ShapeError
that names the op, what it got and what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import TypeRule
from glassnet.graph.types import FLOATS, Shape, Size, Type

INTS = ("int32", "int64")
NUMBERS = (*FLOATS, *INTS)
BOOL = ("bool",)
ANY = (*NUMBERS, *BOOL)


def elementwise_rule(name: str, dtypes: Sequence[str], result: str | None = None) -> TypeRule:
    """Return the type rule for arguments of one type whose dtype is one of `dtypes`. The result has
    their shape, and the dtype `result` or theirs."""

    def infer(*types: Type, **attrs: Any) -> Type:
        want_dtype(name, types[0], dtypes)
        for other in types[1:]:
            if other != types[0]:
                raise ShapeError(
                    f"{name}: arguments are {' and '.join(map(str, types))}; wanted one dtype and "
                    "one shape (ops.cast changes the dtype)"
                )
        return Type(result or types[0].dtype, types[0].shape)

    return infer


def want_dtype(name: str, type: Type, dtypes: Sequence[str]) -> None:
    if type.dtype not in dtypes:
        raise ShapeError(f"{name}: the argument is {type}; wanted {' or '.join(dtypes)}")


def want_rank(name: str, type: Type, rank: int) -> None:
    if type.rank != rank:
        raise ShapeError(f"{name}: the argument is {type} of rank {type.rank}; wanted rank {rank}")


def whole_axis(name: str, axis: int, rank: int) -> int:
    """Return the axis as a number from 0; negative ones count from the last. Raises ShapeError."""
    if not -rank <= axis < rank:
        raise ShapeError(
            f"{name}: axis {axis} of a value of rank {rank}; wanted {-rank} to {rank - 1}"
        )
    return axis % rank


def whole_axes(name: str, axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Return the axes sorted, each counted from 0; None means all. Raises ShapeError."""
    if axis is None:
        return tuple(range(rank))
    asked = (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(sorted({whole_axis(name, a, rank) for a in asked}))
    if len(axes) != len(asked):
        raise ShapeError(f"{name}: axes {list(asked)} name one axis twice")
    return axes


def without(shape: Shape, axes: Sequence[int]) -> Shape:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def with_ones(shape: Shape, axes: Sequence[int]) -> Shape:
    """Return the shape with size 1 on the axes."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def replaced(shape: Shape, axis: int, size: Size) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def shape_of(x: Any) -> Shape:
    """Return the shape of a graph value, an array or a number."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def dtype_of(x: Any) -> str:
    """Return the name of the dtype of a graph value, an array or a number."""
    return str(x.dtype) if hasattr(x, "dtype") else np.asarray(x).dtype.name
