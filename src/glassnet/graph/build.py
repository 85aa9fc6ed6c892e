"""Building a graph node by node.

In: op applications on values, numbers and arrays. Out: a checked `Graph`. Numbers take the dtype
of the value beside them; broadcasts of elementwise arguments are made explicit here, so that no
later stage has to know the broadcasting rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph, Literal, Node, freeze_attrs
from glassnet.graph.op import OPS, Op, Value, operator
from glassnet.graph.types import FLOATS, SHORT, Shape, Size, Type, show_shape
from glassnet.words import counted


class GraphBuilder:
    """A graph under construction."""

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self.nodes = list(nodes)

    def input(self, name: str, type: Type) -> Value:
        if not name or any(letter.isspace() or letter in ":,()" for letter in name):
            raise GraphError(f"an input cannot be called {name!r}; use a word without spaces")
        if any(node.op.name != "input" for node in self.nodes):
            raise GraphError(f"input {name!r} comes after other nodes; inputs are declared first")
        if any(node.attr("name") == name for node in self.nodes):
            raise GraphError(f"two inputs are called {name!r}")
        return self.append(Node(OPS["input"], (), freeze_attrs({"name": name}), type))

    def value(self, index: int) -> Value:
        return Value(self, index, self.nodes[index].type)

    def append(self, node: Node) -> Value:
        self.nodes.append(node)
        return Value(self, len(self.nodes) - 1, node.type)

    def apply(self, op: Op, args: Sequence[Any], attrs: Mapping[str, Any]) -> Value:
        """Add one node, after lifting and broadcasting its arguments."""
        values = self._lift(op, args)
        if op.arity >= 0 and len(values) != op.arity:
            raise ShapeError(f"{op.name} takes {counted(op.arity, 'argument')}, got {len(values)}")
        if op.kind == "elementwise":
            shapes = [value.type.shape for value in values]
            if shapes.count(shapes[0]) < len(shapes):
                shape = broadcast_shape(op.name, shapes)
                values = [self.broadcast(value, shape) for value in values]
        result = op.infer(*(value.type for value in values), **attrs)
        places = tuple(value.index for value in values)
        return self.append(Node(op, places, freeze_attrs(attrs), result))

    def broadcast(self, value: Value, shape: Shape) -> Value:
        return value if value.shape == shape else operator("broadcast")(value, shape=shape)

    def constant(self, item: Any, dtype: str | None = None) -> Value:
        """A number or an array as a node."""
        with np.errstate(over="ignore"):  # rounding to infinity is what the dtype means
            array = np.asarray(item) if dtype is None else np.asarray(item).astype(dtype)
        name = dtype or array.dtype.name
        if name not in SHORT:
            raise GraphError(f"a constant of dtype {name}; use {', '.join(SHORT)}")
        if array.ndim:
            return self.apply(OPS["literal"], (), {"value": Literal(array)})
        return self.apply(OPS["constant"], (), {"value": array.item(), "dtype": name})

    def finish(self, outputs: Sequence[Value]) -> Graph:
        for value in outputs:
            if value.builder is not self:
                raise GraphError(f"{value!r} belongs to another graph")
        return Graph(tuple(self.nodes), tuple(value.index for value in outputs))

    def _lift(self, op: Op, args: Sequence[Any]) -> list[Value]:
        if all(isinstance(arg, Value) and arg.builder is self for arg in args):
            return list(args)
        dtypes = [arg.dtype for arg in args if isinstance(arg, Value) and arg.dtype != "bool"]
        return [self._lift_one(op, arg, dtypes) for arg in args]

    def _lift_one(self, op: Op, arg: Any, dtypes: list[str]) -> Value:
        if isinstance(arg, Value):
            if arg.builder is not self:
                raise GraphError(f"{op.name}: {arg!r} belongs to another graph")
            return arg
        array = np.asarray(arg)
        if array.dtype.kind not in "fiub":
            raise GraphError(f"{op.name}: {type(arg).__name__} {arg!r} is no number or array")
        whole = array.dtype.kind in "iu"
        wanted = next((d for d in dtypes if d in FLOATS or whole), None)
        loose = not isinstance(arg, np.ndarray) and array.dtype.kind != "b"
        return self.constant(array, wanted if loose else None)


def broadcast_shape(name: str, shapes: Sequence[Shape]) -> Shape:
    """NumPy's rule: shapes are aligned on the right; sizes are equal, or one of them is 1."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Size] = []
    for axis in range(-rank, 0):
        sizes = dict.fromkeys(shape[axis] for shape in shapes if len(shape) >= -axis)
        wide = [size for size in sizes if size != 1]
        if len(wide) > 1:
            seen = " and ".join(show_shape(shape) for shape in shapes)
            raise ShapeError(
                f"{name}: shapes {seen} do not fit; aligned on the right, sizes must be equal "
                f"or 1, and axis {axis} has {' and '.join(map(str, wide))}"
            )
        result.append(wide[0] if wide else 1)
    return tuple(result)
