"""PyTorch's operators on shapes and rows written with our ops, with PyTorch's arguments.

In: graph values in the place of tensors, and the other arguments of a sample. Out: graph values;
`Left`, with the reason, where a sample asks for what we do not have.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.graph.op import Value
from tests.oracles.adapters import Left


def transposed(x: Any, first: int, second: int) -> Any:
    axes = list(range(len(x.shape)))
    if axes:
        axes[first], axes[second] = axes[second], axes[first]
    return ops.transpose(x, axes)


def moved(x: Any, source: Any, target: Any) -> Any:
    rank = len(x.shape)
    sources, targets = ([a % rank for a in axes] for axes in (source, target))
    rest = iter([a for a in range(rank) if a not in sources])
    order = [sources[targets.index(a)] if a in targets else next(rest) for a in range(rank)]
    return ops.transpose(x, order)


def expanded(x: Any, *shape: Any) -> Any:
    sizes = list(shape[0] if isinstance(shape[0], list | tuple) else shape)
    old = [1] * (len(sizes) - len(x.shape)) + list(x.shape)
    return ops.broadcast(x, [o if s == -1 else s for o, s in zip(old, sizes, strict=True)])


def like(op: Any) -> Any:
    return lambda x, other: op(x, other.shape)


def squeezed(x: Any, dim: Any = None) -> Any:
    rank = len(x.shape)
    dims = range(rank) if dim is None else dim if isinstance(dim, list | tuple) else [dim]
    for axis in sorted({d % rank for d in dims} if rank else (), reverse=True):
        x = ops.squeeze(x, axis) if x.shape[axis] == 1 else x
    return x


def flattened(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    rank = len(x.shape)
    if not rank:
        return ops.reshape(x, 1)
    start, end = start_dim % rank, end_dim % rank
    return ops.reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]),
                           *x.shape[end + 1 :]))  # fmt: skip


def cut(x: Any, dim: int, key: Any) -> Any:
    return x[(slice(None),) * (dim % len(x.shape)) + (key,)]


def narrow(x: Any, dim: int, start: Any, length: int) -> Any:
    if isinstance(start, Value):
        raise Left("a start known at run time")
    return cut(x, dim, slice(start, start + length))


def pieces(x: Any, size: Any, dim: int = 0) -> list[Any]:
    total = x.shape[dim]
    sizes = size if isinstance(size, list | tuple) else [size] * (total // size)
    sizes = [*sizes, total - sum(sizes)] if sum(sizes) < total else sizes
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [cut(x, dim, slice(end - s, end)) for s, end in zip(sizes, ends, strict=True)]


def item(x: Any, key: Any) -> Any:
    keys = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(k, int | slice) for k in keys):
        raise Left("an index that is an array")
    return x[keys]


def padded(x: Any, widths: Any, mode: Any = "constant", value: Any = 0.0) -> Any:
    """PyTorch counts axes from the last, and pads with any value; negative widths cut."""
    if isinstance(mode, float):
        mode, value = "constant", mode
    if mode != "constant":
        raise Left("padding that repeats elements")
    if min(widths) < 0:
        raise Left("padding that cuts")
    rank = len(x.shape)
    low, high = [0] * rank, [0] * rank
    for place in range(len(widths) // 2):
        low[-1 - place], high[-1 - place] = widths[2 * place], widths[2 * place + 1]
    inside = ops.pad(x.builder.constant(np.ones(x.shape, bool)), low, high)
    return ops.where(inside, ops.pad(x, low, high), value)


def joined(xs: Any, dim: int = 0) -> Any:
    if len({len(x.shape) for x in xs}) > 1:
        raise Left("arrays of different ranks joined")
    return ops.concatenate(xs, dim)


# -- rows ----------------------------------------------------------------------------------------


def first(x: Any, dim: int) -> tuple[Any, Any]:
    """The axis brought to the front, and how to bring it back."""
    if not x.shape:
        raise Left("rows of a single number")
    return transposed(x, 0, dim), lambda y: transposed(y, 0, dim)


def select_rows(x: Any, dim: int, index: Any) -> Any:
    turned, back = first(x, dim)
    return back(ops.take(turned, index))


def add_rows(x: Any, dim: int, index: Any, source: Any, alpha: float = 1) -> Any:
    turned, back = first(x, dim)
    rows, _ = first(source, dim)
    return back(turned + ops.scatter_add(index, rows, turned.shape[0]) * alpha)


def embedding(table: Any, index: Any) -> Any:
    rows = ops.take(table, ops.reshape(index, -1))
    return ops.reshape(rows, (*index.shape, table.shape[1]))


def one_hot(x: Any, num_classes: int = -1) -> Any:
    if num_classes < 0 or len(x.shape) != 1:
        raise Left("one-hot rows without a number of classes, or of more than a vector")
    return ops.one_hot(x, num_classes, "int64")


def trace(x: Any) -> Any:
    rows, columns = x.shape
    eye = [[float(i == j) for j in range(columns)] for i in range(rows)]
    return ops.sum(x * x.builder.constant(eye, "float64"))


def summed_to(x: Any, *shape: Any) -> Any:
    sizes = list(shape[0] if isinstance(shape[0], list | tuple) else shape)
    grown = len(x.shape) - len(sizes)
    axes = [i for i, s in enumerate(x.shape) if i < grown or sizes[i - grown] != s]
    return ops.reshape(ops.sum(x, axes) if axes else x, sizes)


def unsqueezed(x: Any, dim: int) -> Any:
    return ops.expand(x, dim)


def sliced(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return cut(x, dim, slice(start, end, step))


def rolled(x: Any, shifts: Any, dims: Any = None) -> Any:
    pairs = [(shifts, dims)] if isinstance(shifts, int) else zip(shifts, dims, strict=True)
    for shift, dim in pairs:
        if dim is None:
            raise Left("all axes rolled as one")
        size = x.shape[dim]
        place = -shift % size if size else 0
        x = ops.concatenate([cut(x, dim, slice(place, None)), cut(x, dim, slice(place))], dim)
    return x
