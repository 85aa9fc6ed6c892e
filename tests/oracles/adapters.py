"""PyTorch's operators written with our ops, with PyTorch's arguments.

In: graph values in the place of tensors, and the other arguments of a sample. Out: graph values;
`Left`, with the reason, where a sample asks for what we do not have.
"""

from __future__ import annotations

import math
from typing import Any

from glassnet import ops
from glassnet.graph.op import Value


class Left(Exception):
    """This sample has no counterpart among our ops."""


def whole(x: Any) -> bool:
    """Whether an argument is what we take for a tensor's: a float64 value, a number or nothing."""
    return not isinstance(x, Value) or x.dtype == "float64"


def axes_of(x: Any, dim: Any) -> tuple[int, ...]:
    """PyTorch's `dim` as axes: all of them where it is None or an empty list."""
    rank = len(x.shape)
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(rank))
    dims = dim if isinstance(dim, list | tuple) else [dim]
    return tuple(d % rank for d in dims) if rank else ()


def number_of(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[axis] for axis in axes)


# -- elementwise ---------------------------------------------------------------------------------


def add(x: Any, y: Any, alpha: float = 1) -> Any:
    return x + y * alpha if alpha != 1 else x + y


def sub(x: Any, y: Any, alpha: float = 1) -> Any:
    return add(x, y, -alpha)


def div(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode:
        raise Left("a division that rounds to a whole number")
    return x / y


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    if not (whole(min) and whole(max)):
        raise Left("dtypes mixed")
    x = x if min is None else ops.maximum(x, min)
    return x if max is None else ops.minimum(x, max)


def round_to(x: Any, decimals: int = 0) -> Any:
    if decimals:
        raise Left("rounding to decimals")
    return ops.round(x)


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    return ops.where(mask, value, x)


def cast_to(dtype: str) -> Any:
    def convert(x: Any, memory_format: Any = None) -> Any:
        return ops.not_equal(x, 0.0) if dtype == "bool" else ops.cast(x, dtype)

    return convert


def truth(op: Any) -> Any:
    """A logical op on numbers: PyTorch takes all but 0 as true."""
    return lambda *xs: op(*(x if x.dtype == "bool" else ops.not_equal(x, 0.0) for x in xs))


def either(x: Any, y: Any) -> Any:
    return ops.logical_and(ops.logical_or(x, y), ops.logical_not(ops.logical_and(x, y)))


def filled(value: float | None = None) -> Any:
    """Zeros, ones or another number in the shape of x."""
    return lambda x, number=value, **settings: ops.stop_gradient(x) * 0.0 + number


def addcmul(x: Any, a: Any, b: Any, value: float = 1) -> Any:
    return x + a * b * value


def addcdiv(x: Any, a: Any, b: Any, value: float = 1) -> Any:
    return x + a / b * value


# -- reductions ----------------------------------------------------------------------------------


def reduction(op: Any) -> Any:
    """With PyTorch's names for the axes; a single number is its own sum and extreme."""

    def reduce(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        axes = axes_of(x, dim)
        return op(x, axes, keepdim) if axes else x

    return reduce


def log_of_sum(x: Any, dim: Any, keepdim: bool = False) -> Any:
    whole = x if x.shape else ops.reshape(x, 1)
    y = ops.logsumexp(whole, axes_of(whole, dim), keepdim)
    return y if x.shape else ops.reshape(y, ())


def variance(
    x: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, correction: Any = 1
) -> Any:
    """Ours divides by the number of elements, PyTorch's by one less or as it is told."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    taken = (1 if correction is None else correction) if unbiased else 0
    axes = axes_of(x, dim)
    count = number_of(x, axes)
    return ops.variance(x, axes, keepdim) * (count / max(0, count - taken))


def deviation(x: Any, *args: Any, **kwargs: Any) -> Any:
    return ops.sqrt(variance(x, *args, **kwargs))


def along(op: Any, alone: Any) -> Any:
    """softmax and its like; `alone` is the result for a single number."""
    return lambda x, dim, dtype=None: op(x, dim) if x.shape else alone(x)


def place(op: Any) -> Any:
    def find(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if not x.shape:
            raise Left("the place of a single number")
        found = op(x, dim) if dim is not None else op(ops.reshape(x, -1), 0)
        return ops.expand(found, dim) if keepdim else found

    return find


def extreme(op: Any, binary: Any) -> Any:
    """torch.max and torch.min: of all elements, along an axis (with places), or of two tensors."""

    def find(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, Value):
            return binary(x, dim)
        axes = axes_of(x, dim)
        return op(x, axes, keepdim) if axes else x

    return find


# -- products ------------------------------------------------------------------------------------


def add_product(x: Any, a: Any, b: Any, alpha: float = 1, beta: float = 1) -> Any:
    return x * beta + (a @ b) * alpha


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = x @ weight.T
    return y if bias is None else y + bias


def multi_dot(xs: Any) -> Any:
    y = xs[0]
    for x in xs[1:]:
        y = y @ x
    return y
