"""How many numbers a row has behind a layer of the user's, and what its methods must look like.

In: a module. Out: the width that it gives, found by building it; ShapeError where a method could
not be used.
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
    """How many numbers a row has that came in with `width`; None where the layer cannot be built
    for that, which is said when it is used."""
    builder = GraphBuilder()
    x = builder.input("x", Type(module.dtype or "float32", (ROWS, width)))
    try:
        held = {
            name: builder.input(f"W.{name}", Type(x.dtype, parameter.shape))
            for name, parameter in layout_of(module).parameters.items()
        }
        with builder.tracing():
            size = checked_result(apply(module, x, Scope(held)), module, x).shape[1:]
    except Exception:  # code of the user
        return None
    return size[0] if len(size) == 1 and isinstance(size[0], int) else None


def checked_result(result: Any, module: object, x: Value) -> Value:
    """What a layer built; ShapeError where that is not one row for every row."""
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
    """ShapeError where a class of the user's could never be a layer."""
    kind = type(module)
    build = inspect.getattr_static(kind, "build", None)
    code = getattr(build, "__code__", None)
    if code is not None and code.co_argcount != 3 and not code.co_flags & inspect.CO_VARARGS:
        raise ShapeError(
            f"{kind.__name__}.build takes {', '.join(code.co_varnames[: code.co_argcount])}; a "
            "layer gets the rows and its parameters\n  right: def build(self, x, parameters):"
        )


def check_declared(kind: type, declared: Any) -> None:
    """ShapeError where what `parameter_specs` gives are not parameters by name."""
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
