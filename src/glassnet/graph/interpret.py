"""The reference interpreter: computes every node of a graph with NumPy, in order.

In: a graph and arrays. Out: arrays. With `wide=True` every float is a float64: compiled code is
compared with these results. The interpreter agrees with compiled code up to rounding, not bit for
bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.graph import Graph, Literal, Node
from glassnet.graph.types import Dim, Type, match_dims


def interpret(graph: Graph, args: Mapping[str, Any], wide: bool = False) -> list[np.ndarray]:
    """Return the outputs for arrays by input name; `wide` computes in float64.

    Raises ShapeError where an array does not fit."""
    dims = bind_shapes(graph.input_types, {name: np.shape(arg) for name, arg in args.items()})
    values = evaluate(graph, args, dims, wide)
    return [values[place] for place in graph.outputs]


def evaluate(
    graph: Graph, args: Mapping[str, Any], dims: Mapping[str, int], wide: bool = False
) -> list[np.ndarray]:
    """Return the value of every node."""
    values: list[np.ndarray] = []
    for node in graph.nodes:
        dtype = widened_dtype(node.type.dtype, wide)
        if node.op.name == "input":
            result = np.asarray(args[node.attr("name")])
        else:
            with np.errstate(all="ignore"):
                inputs = [values[source] for source in node.inputs]
                result = node.op.numpy(*inputs, **bind_attrs(node, dims, wide))
        values.append(np.asarray(result).astype(dtype, copy=False))
    return values


def widened_dtype(dtype: str, wide: bool) -> str:
    return "float64" if wide and dtype == "float32" else dtype


def bind_attrs(node: Node, dims: Mapping[str, int], wide: bool) -> dict[str, Any]:
    """Return a node's attributes with run-time sizes as numbers and literals as arrays."""
    return {name: _bind(item, dims, wide) for name, item in node.attrs}


def _bind(item: Any, dims: Mapping[str, int], wide: bool) -> Any:
    if isinstance(item, Dim):
        return dims[item.name]
    if isinstance(item, Literal):
        return item.array
    if isinstance(item, tuple):
        return tuple(_bind(part, dims, wide) for part in cast("tuple[Any, ...]", item))
    return widened_dtype(item, wide) if isinstance(item, str) else item


def bind_shapes(types: Mapping[str, Type], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the run-time sizes, determined from the shapes of the inputs.

    Raises ShapeError where a shape does not fit its type."""
    if types.keys() != shapes.keys():
        raise ShapeError(f"inputs are {', '.join(types)}; got {', '.join(shapes) or 'none'}")
    dims: dict[str, int] = {}
    for name, wanted in types.items():
        if not match_dims(wanted.shape, shapes[name], dims):
            bound = ", ".join(f"{dim}={size}" for dim, size in dims.items())
            raise ShapeError(
                f"input {name!r} has shape {list(shapes[name])}, wanted {wanted}"
                + (f" with {bound}" if bound else "")
            )
    return dims
