"""Maps NumPy's functions and methods on graph values to ops.

In: `np.tanh(value)`, `np.sum(value, axis=1)`, `value.mean()`. Out: the value of the corresponding
op; where there is none, an error that says what to write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassnet.errors import GraphError
from glassnet.graph import op
from glassnet.ops import elementwise as e
from glassnet.ops import functions as f
from glassnet.ops import logic
from glassnet.ops import reductions as r
from glassnet.ops import view as v
from glassnet.ops.contraction import matmul, matmul_op
from glassnet.ops.index import take
from glassnet.ops.joining import concatenate, stack

LN2, LN10 = math.log(2.0), math.log(10.0)

UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: e.add, np.subtract: e.sub, np.multiply: e.mul, np.divide: e.div, np.power: f.pow,
    np.float_power: f.pow, np.matmul: matmul_op, np.negative: e.neg, np.positive: lambda x: x,
    np.absolute: e.abs, np.fabs: e.abs, np.sign: e.sign, np.sqrt: e.sqrt, np.square: e.square,
    np.floor: e.floor, np.rint: e.round, np.maximum: e.maximum, np.minimum: e.minimum,
    np.reciprocal: lambda x: 1.0 / x, np.ceil: lambda x: -e.floor(-x),
    np.exp: f.exp, np.expm1: f.expm1, np.exp2: lambda x: f.pow(2.0, x), np.log: f.log,
    np.log1p: f.log1p, np.log2: lambda x: f.log(x) / LN2, np.log10: lambda x: f.log(x) / LN10,
    np.sin: f.sin, np.cos: f.cos, np.tan: lambda x: f.sin(x) / f.cos(x), np.tanh: f.tanh,
    np.sinh: lambda x: 0.5 * (f.expm1(x) - f.expm1(-x)),
    np.cosh: lambda x: 0.5 * (f.exp(x) + f.exp(-x)),
    np.less: logic.less, np.less_equal: logic.less_equal, np.greater: logic.greater,
    np.greater_equal: logic.greater_equal, np.equal: logic.equal, np.not_equal: logic.not_equal,
    np.logical_and: logic.logical_and, np.logical_or: logic.logical_or,
    np.logical_not: logic.logical_not, np.bitwise_and: logic.logical_and,
    np.bitwise_or: logic.logical_or, np.invert: logic.logical_not,
}  # fmt: skip


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Return x limited to the range from `low` to `high`; None is no limit."""
    x = x if low is None else e.maximum(x, low)
    return x if high is None else e.minimum(x, high)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the standard deviation over some axes: √variance (of the population, ddof 0)."""
    return e.sqrt(r.variance(x, axis, keepdims))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the Euclidean norm √Σx² over some axes."""
    if ord not in (None, 2) or (ord == 2 and axis is None and len(x.shape) != 1):
        raise GraphError(f"np.linalg.norm(…, ord={ord!r}) has no op; write it with ops.sum")
    return e.sqrt(r.sum(e.square(x), axis, keepdims))


def reshape(x: Any, *shape: Any, **how: Any) -> Any:
    """Reshape x; the shape is a tuple or several numbers."""
    given = how.get("shape", how.get("newshape", shape[0] if len(shape) == 1 else shape))
    return v.reshape(x, given)


def transpose(x: Any, *axes: Any) -> Any:
    """Permute the axes; without `axes` their order is reversed."""
    given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    return v.transpose(x, given or None)


def squeeze(x: Any, axis: Any = None) -> Any:
    """Remove axes of size 1: those in `axis`, or all."""
    named = [i for i, size in enumerate(x.shape) if size == 1] if axis is None else axis
    places = [named] if isinstance(named, int) else list(named)
    for place in sorted((axis % len(x.shape) for axis in places), reverse=True):
        x = v.squeeze(x, place)
    return x


def expand_dims(x: Any, axis: int) -> Any:
    """Insert a new axis of size 1."""
    return v.expand(x, axis)


def ravel(x: Any) -> Any:
    """Flatten x to one axis."""
    return v.reshape(x, -1)


def taken(x: Any, indices: Any, axis: int = 0) -> Any:
    """Return the rows x[indices]; only axis 0 is supported."""
    if axis not in (0, -len(x.shape)):
        raise GraphError(f"np.take(…, axis={axis}): ops.take gathers rows, along axis 0")
    return take(x, indices)


def where(*args: Any) -> Any:
    """Return elements of a where the condition is true, else of b."""
    if len(args) != 3:
        raise GraphError("np.where(condition) has no op: ops.where(condition, a, b) chooses")
    return logic.where(*args)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: r.sum, np.mean: r.mean, np.max: r.max, np.min: r.min, np.amax: r.max, np.amin: r.min,
    np.var: r.variance, np.std: std, np.argmax: r.argmax, np.argmin: r.argmin, np.clip: clip,
    np.where: where, np.reshape: reshape, np.transpose: v.transpose, np.squeeze: squeeze,
    np.expand_dims: expand_dims, np.ravel: ravel, np.broadcast_to: v.broadcast, np.flip: v.flip,
    np.concatenate: concatenate, np.stack: stack, np.dot: matmul, np.take: taken, np.round: e.round,
    np.around: e.round, np.linalg.norm: norm, np.shape: lambda x: x.shape,
    np.ndim: lambda x: len(x.shape), np.zeros_like: lambda x: x * 0.0,
    np.ones_like: lambda x: x * 0.0 + 1.0,
}  # fmt: skip

METHODS: dict[str, Callable[..., Any]] = {
    "sum": r.sum, "mean": r.mean, "max": r.max, "min": r.min, "var": r.variance, "std": std,
    "argmax": r.argmax, "argmin": r.argmin, "clip": clip, "reshape": reshape,
    "transpose": transpose, "squeeze": squeeze, "ravel": ravel, "flatten": ravel, "dot": matmul,
    "astype": logic.cast, "round": e.round, "take": taken,
}  # fmt: skip

# Methods of tensors of other libraries -> what to write.
INSTEAD = {
    "detach": "ops.stop_gradient(x)", "numpy": "return x: numbers are known at a call",
    "item": "return x: numbers are known at a call", "cpu": "nothing", "cuda": "nothing",
    "tolist": "return x: numbers are known at a call", "to": "x.astype('float32')",
    "view": "x.reshape(…)", "unsqueeze": "x[:, None]", "permute": "x.transpose(…)",
    "matmul": "x @ y", "mm": "x @ y", "add": "x + y", "mul": "x * y", "sub": "x - y",
    "div": "x / y", "pow": "x ** y", "t": "x.T", "float": "x.astype('float32')",
    "double": "x.astype('float64')", "norm": "ops.sqrt(ops.sum(ops.square(x)))",
    "backward": "gn.grad(f)(x)", "grad": "gn.grad(f)(x)", "requires_grad": "gn.grad(f)(x)",
    "clamp": "x.clip(low, high)", "copy": "x itself: a value never changes", "clone": "x itself",
    "cumsum": "x @ numpy.triu(numpy.ones((n, n))), the sums along the n columns of a row",
    "prod": "ops.exp(ops.sum(ops.log(x), 1)), of numbers above 0",
    "any": "ops.max(ops.cast(x, 'int32')) > 0", "all": "ops.min(ops.cast(x, 'int32')) > 0",
    "size": "x.shape", "fill": "a new value: a value never changes",
}  # fmt: skip


def call_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], how: dict[str, Any]) -> Any:
    """Handle a NumPy ufunc on graph values, such as np.tanh(value)."""
    op_function = UFUNCS.get(ufunc)
    if method == "reduce" and ufunc in (np.add, np.maximum, np.minimum):
        op_function = {np.add: r.sum, np.maximum: r.max, np.minimum: r.min}[ufunc]
        axis = how.get("axis", 0)
        return op_function(inputs[0], axis, bool(how.get("keepdims", False)))
    if op_function is None or method != "__call__" or how:
        raise GraphError(_no_op(f"np.{ufunc.__name__}", ufunc.__name__))
    return op_function(*inputs)


def call_function(function: Any, args: Sequence[Any], how: dict[str, Any]) -> Any:
    """Handle a NumPy function on graph values, such as np.sum(value)."""
    op_function = FUNCTIONS.get(function)
    if op_function is None:
        raise GraphError(_no_op(f"np.{function.__name__}", function.__name__))
    plain = {name: option for name, option in how.items() if option is not None or name == "axis"}
    try:
        return op_function(*args, **plain)
    except TypeError as error:
        raise GraphError(f"np.{function.__name__} of a graph value: {error}") from None


def _no_op(asked: str, name: str) -> str:
    from_ops = sorted(known for known in op.OPS if known.startswith(name[:3]))
    near = f"; there is ops.{', ops.'.join(from_ops)}" if from_ops else ""
    right = INSTEAD.get(name, "functions of glassnet.ops, such as ops.tanh(x) and ops.sum(x, 1)")
    return f"{asked} of a graph value has no op{near}\n  right: {right}"


def method(value: Any, name: str) -> Callable[..., Any]:
    """Return a NumPy method of a graph value, such as value.mean. Raises AttributeError."""
    op_function = METHODS.get(name)
    if op_function is not None:
        return lambda *args, **how: op_function(value, *args, **how)
    instead = INSTEAD.get(name)
    if instead is None and name in op.OPS:
        instead = f"ops.{name}(x)"
    hint = f"\n  right: {instead}" if instead else ""
    raise AttributeError(f"a graph value has no attribute {name!r}{hint}", name=name, obj=value)


op.NUMPY.update(ufunc=call_ufunc, function=call_function, method=method, take=take)
