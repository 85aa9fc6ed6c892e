"""Gathering and scattering of rows by index.

In: values and integer vectors. Out: records for gathering rows and for adding to rows, and one-hot
encoding as a composition. Indices count from 0 and must be in range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import Op, define
from glassnet.graph.types import Size, Type
from glassnet.ops.logic import cast, equal
from glassnet.ops.type_rules import INTS, NUMBERS, dtype_of, want_dtype, want_rank
from glassnet.ops.view import expand

__all__ = ["one_hot", "scatter_add", "take"]


def _infer_take(*types: Type) -> Type:
    x, index = types
    want_dtype("take", index, INTS)
    want_rank("take", index, 1)
    if not x.rank:
        raise ShapeError(f"take: rows of {x}; wanted a value with at least one axis")
    return x.with_shape((*index.shape, *x.shape[1:]))


take_op = define(
    Op(
        "take",
        "index",
        "y[i, …] = x[index[i], …]",
        2,
        infer=_infer_take,
        numpy=lambda x, index: np.take(x, index, axis=0),
        vjp=lambda g, ans, x, index: (scatter_op(index, g, size=x.shape[0]), None),
        code="gather",
        examples=((((5, 3), (4,)), {}), (((5,), (0,)), {})),
    )
)


def _infer_scatter(*types: Type, size: Size) -> Type:
    index, x = types
    want_dtype("scatter_add", index, INTS)
    want_rank("scatter_add", index, 1)
    want_dtype("scatter_add", x, NUMBERS)
    if x.shape[:1] != index.shape:
        raise ShapeError(f"scatter_add: index {index} for rows of {x}; wanted one index per row")
    return x.with_shape((size, *x.shape[1:]))


def _numpy_scatter(index: Any, x: Any, size: int) -> Any:
    x = np.asarray(x)
    y = np.zeros((size, *x.shape[1:]), x.dtype)
    np.add.at(y, index, x)
    return y


scatter_op = define(
    Op(
        "scatter_add",
        "index",
        "y[index[i], …] += x[i, …]",
        2,
        infer=_infer_scatter,
        numpy=_numpy_scatter,
        vjp=lambda g, ans, index, x, size: (None, take_op(g, index)),
        code="scatter",
        examples=((((4,), (4, 3)), {"size": 5}), (((0,), (0,)), {"size": 3})),
    )
)


def take(x: Any, index: Any) -> Any:
    """Return the rows x[index], [m, …], of x [n, …] for an integer vector `index` [m].

    Indices must be in 0…n−1. Raises ShapeError for other shapes or dtypes."""
    return take_op(x, index)


def scatter_add(index: Any, x: Any, size: Size) -> Any:
    """Return zeros [size, …] to which row i of x [n, …] is added at row index[i].

    `index` is an integer vector [n] with values in 0…size−1; rows are added in ascending i. Raises
    ShapeError for other shapes or dtypes."""
    return scatter_op(index, x, size=size)


def one_hot(labels: Any, classes: int, dtype: str = "float32") -> Any:
    """Return one-hot rows [n, classes] of `dtype` for integer labels [n]: 1 in the column of the
    label, 0 elsewhere. A label outside 0…classes−1 gives a row of zeros."""
    columns = np.arange(classes, dtype=dtype_of(labels))
    return cast(equal(expand(labels, 1), columns), dtype)
