"""Determines the output width of users' layers, and checks their methods.

In: a module. Out: its output width, found by building it; ShapeError where a method has the wrong
form.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type
from glassnet.nn.scope import Scope, apply
from glassnet.nn.storage import Parameter, Part, layout_of

ROWS = Dim("n")


def built_width(module: Part, width: int) -> int | None:
    """Return the output width of a module for an input of `width`; None where the layer cannot be
    built for that, which raises an error when it is used."""
    builder = GraphBuilder()
    x = builder.input("x", Type(module.dtype or "float32", (ROWS, width)))
    try:
        parameters = {
            name: builder.input(f"W.{name}", Type(x.dtype, parameter.shape))
            for name, parameter in layout_of(module).parameters.items()
        }
        with builder.tracing():
            size = checked_result(apply(module, x, Scope(parameters)), module, x).shape[1:]
    except Exception:  # the user's code
        return None
    return size[0] if len(size) == 1 and isinstance(size[0], int) else None


def checked_result(result: Any, module: object, x: Value) -> Value:
    """Return the result of a layer; raise ShapeError unless it has one row for every row of x."""
    if isinstance(result, Value):
        if result.ndim > 0 and result.shape[0] == x.shape[0]:
            return result
        wrong, right = "ops.sum(x)", "ops.sum(x, 1, keepdims=True)"
    elif result is None:
        wrong, right = "y = ops.tanh(x)", "return ops.tanh(x)"
    else:
        wrong, right = "numpy.ones((50, 2))", "x * 2.0, written with ops from x"
    seen = repr(result)
    if isinstance(result, np.ndarray):
        seen = f"an array of shape {cast('np.ndarray[Any, Any]', result).shape}"
    name = type(module).__name__ if type(module).__repr__ is object.__repr__ else repr(module)
    raise ShapeError(
        f"{name} gave {seen} for {x.type}; a layer gives one row for every row, "
        f"[rows, width]\n  wrong: {wrong}\n  right: {right}"
    )


def check_methods(module: object) -> None:
    """Raise ShapeError where a user's class cannot be a layer."""
    kind = type(module)
    build = inspect.getattr_static(kind, "build", None)
    code = getattr(build, "__code__", None)
    if code is not None and code.co_argcount != 3 and not code.co_flags & inspect.CO_VARARGS:
        raise ShapeError(
            f"{kind.__name__}.build takes {', '.join(code.co_varnames[: code.co_argcount])}; a "
            "layer gets the rows and its parameters\n  right: def build(self, x, parameters):"
        )


def check_declared(kind: type, declared: Any) -> None:
    """Raise ShapeError unless `parameter_specs` returned parameters by name."""
    if not isinstance(declared, Mapping):
        raise ShapeError(
            f"{kind.__name__}.parameter_specs gives {declared!r}; it gives parameters by name\n"
            '  right: return {"weight": Parameter((2, 3), "glorot_uniform")}'
        )
    for name, value in cast("Mapping[Any, Any]", declared).items():
        if not isinstance(name, str) or not isinstance(value, Parameter):
            raise ShapeError(
                f"{kind.__name__}.parameter_specs gives {value!r} for {name!r}, which is not a "
                "Parameter\n"
                f'  right: return {{"{name}": Parameter((2, 3), "glorot_uniform")}}'
            )
