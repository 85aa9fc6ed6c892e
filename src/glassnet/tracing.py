"""Traces a Python function into a graph.

In: a function of arrays written with ops, and example arguments (arrays, numbers or types). Out:
its graph. The function is called once, with graph values in place of the arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import glassnet.ops  # noqa: F401  # pyright: ignore[reportUnusedImport]  (fills the registry)
from glassnet.errors import GraphError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.legality import check
from glassnet.graph.op import Value
from glassnet.graph.types import Type, type_of
from glassnet.graph.userline import user_line
from glassnet.references import References
from glassnet.rounding import computed_to_nearest


@dataclass(frozen=True)
class Traced:
    """The result of tracing: the graph; `single`, whether the function returned one value rather
    than a tuple; and `captured`, the arrays that it reads besides its arguments, by input name."""

    graph: Graph
    single: bool
    captured: Mapping[str, np.ndarray]


@computed_to_nearest
def trace(f: Callable[..., Any], *examples: Any) -> Graph:
    """Return the graph of `f` for arguments with the dtypes and shapes of the examples.

    An example is an array or a number (its values do not matter), or a `Type`. The inputs of the
    graph are named like the parameters of `f`. Arrays outside `f` that it uses, and the parameters
    of networks that it calls, are further inputs; numbers are constants of the graph. Raises
    GraphError where `f` returns something that is not an array, or uses a value as a condition
    (`if x:`), ShapeError where shapes or dtypes do not fit an op.
    """
    return trace_function(f, [as_type(example) for example in examples]).graph


@computed_to_nearest
def trace_function(
    f: Callable[..., Any], types: Sequence[Type], references: References | None = None
) -> Traced:
    """Trace `f` for arguments of these types. Pass `references` if those of `f` are known."""
    builder = GraphBuilder(references=references or References(f))
    names = parameter_names(f, len(types))
    inputs = [builder.input(name, type) for name, type in zip(names, types, strict=True)]
    with user_line(), builder.tracing():
        result = f(*inputs)
        single = not isinstance(result, (tuple, list))
        parts: list[Any] = [result] if single else list(cast("tuple[Any, ...]", result))
        outputs = [_as_value(builder, part) for part in parts]
    return Traced(check(builder.finish(outputs)), single, builder.captured)


def as_type(example: Any) -> Type:
    return example if isinstance(example, Type) else type_of(np.asarray(example))


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the first `count` positional parameters; x0, x1, … for unknown ones."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in kinds][:count]
    return names + [f"x{i}" for i in range(len(names), count)]


def _as_value(builder: GraphBuilder, part: Any) -> Value:
    if isinstance(part, Value):
        return part
    if isinstance(part, (int, float, np.ndarray, np.generic)):
        return builder.constant(part)
    raise GraphError(
        f"a traced function returned {type(part).__name__}; return arrays, or a tuple of arrays"
    )
