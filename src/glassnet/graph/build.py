"""Builds a graph node by node.

In: ops applied to values, numbers and arrays. Out: a `Graph`. Numbers and arrays take the dtype of
the other operand. Broadcasts of elementwise arguments become explicit nodes here, so that no later
stage needs the broadcasting rule.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph, Literal, Node, freeze_attrs
from glassnet.graph.op import OPS, Op, Value, operator
from glassnet.graph.types import FLOATS, SHORT, Shape, Size, Type, show_shape, type_of
from glassnet.references import References, base_of, same_memory
from glassnet.words import plural


class GraphBuilder:
    """A graph under construction.

    `references` are the arrays that may change after the graph is built, such as those in the
    closure of a traced function. When one of them (or a view of one) is used, it becomes an input
    of the graph; `captured` maps the name of the input to the array. Any other array is a constant.
    `known` maps the slots of a network's parameters to their values; `context` is for the layers of
    a network while they are built.
    """

    def __init__(self, nodes: Sequence[Node] = (), references: References | None = None) -> None:
        self.nodes = list(nodes)
        self.references = references
        self.captured: dict[str, np.ndarray] = {}
        self.known: dict[Any, Value] = {}
        self.context: Any = None

    @contextmanager
    def tracing(self) -> Generator[None]:
        """Mark this graph as the one under construction while the user's code runs inside."""
        _tracing.builders.append(self)
        try:
            yield
        finally:
            _tracing.builders.pop()

    def input(self, name: str, type: Type) -> Value:
        if not name or any(letter.isspace() or letter in ":,()" for letter in name):
            raise GraphError(f"an input cannot be called {name!r}; use a word without spaces")
        if any(node.op.name != "input" for node in self.nodes):
            raise GraphError(f"input {name!r} comes after other nodes; inputs are declared first")
        if any(node.attr("name") == name for node in self.nodes):
            raise GraphError(f"two inputs are called {name!r}")
        return self.late_input(name, type)

    def capture(self, array: np.ndarray, name: str = "captured") -> Value:
        """Add an input that stands for an array; whoever runs the graph must pass `captured`."""
        inputs = {n.attr("name"): i for i, n in enumerate(self.nodes) if n.op.name == "input"}
        for earlier, other in self.captured.items():
            if same_memory(array, other):
                return self.value(inputs[earlier])
        free = (f"{name}{i}" if i else name for i in itertools.count(name == "captured"))
        unused = next(name for name in free if name not in inputs)
        self.captured[unused] = array
        return self.late_input(unused, type_of(array))

    def late_input(self, name: str, type: Type) -> Value:
        """Add an input after other nodes."""
        return self.append(Node(OPS["input"], (), freeze_attrs({"name": name}), type))

    def value(self, index: int) -> Value:
        return Value(self, index, self.nodes[index].type)

    def append(self, node: Node) -> Value:
        self.nodes.append(node)
        return Value(self, len(self.nodes) - 1, node.type)

    def apply(self, op: Op, args: Sequence[Any], attrs: Mapping[str, Any]) -> Value:
        """Add one node, after converting and broadcasting its arguments. Raises ShapeError where
        shapes or dtypes do not fit, GraphError where an argument is not a number or an array."""
        values = self._lift(op, args)
        if op.arity >= 0 and len(values) != op.arity:
            raise ShapeError(f"{op.name} takes {plural(op.arity, 'argument')}, got {len(values)}")
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
        """Add a number or an array as a node: an input if the array may change, else a constant."""
        given: Any = item
        if isinstance(given, np.ndarray) and self.references is not None:
            found = self._live_value(cast("np.ndarray[Any, Any]", given))
            if found is not None:
                same = dtype in (None, found.dtype)
                return found if same else OPS["cast"](found, dtype=dtype)
        with np.errstate(over="ignore"):  # rounding to infinity is correct for the dtype
            array = np.asarray(item) if dtype is None else np.asarray(item).astype(dtype)
        name = dtype or array.dtype.name
        if name not in SHORT:
            raise GraphError(f"a constant of dtype {name}; use {', '.join(SHORT)}")
        if array.ndim:
            return self.apply(OPS["literal"], (), {"value": Literal(array)})
        return self.apply(OPS["constant"], (), {"value": array.item(), "dtype": name})

    def _live_value(self, array: np.ndarray) -> Value | None:
        """Return the value of an array that may change; None where the array is a constant."""
        assert self.references is not None
        base = base_of(array)
        if not any(base is live for live in self.references.live()):
            return None
        for slot, value in self.known.items():
            parameter: np.ndarray | None = slot.array
            if parameter is not None and np.shares_memory(parameter, array):
                if same_memory(parameter, array):
                    return value
                raise GraphError(
                    f"an array of shape {array.shape} is part of a parameter of shape "
                    f"{parameter.shape} of this network; as an array it would have no gradient\n"
                    '  wrong: model.parameters()["linear1.weight"][0]\n'
                    "  right: the parameter as a whole, ops.sum(ops.square(model.parameters()"
                    '["linear1.weight"]))'
                )
        usable = array.flags.c_contiguous and array.dtype.name in SHORT and array.dtype.isnative
        return self.capture(array) if usable else None

    def finish(self, outputs: Sequence[Value]) -> Graph:
        for value in outputs:
            if value.builder is not self:
                raise GraphError(f"{value!r} belongs to another graph")
        return Graph(tuple(self.nodes), tuple(value.index for value in outputs))

    def _lift(self, op: Op, args: Sequence[Any]) -> list[Value]:
        if all(isinstance(arg, Value) and arg.builder is self for arg in args):
            return list(args)
        dtypes = [arg.dtype for arg in args if isinstance(arg, Value) and arg.dtype != "bool"]
        if op.kind == "index":  # row numbers do not take the dtype of the rows
            dtypes = []
        bool_places = [arg.index for arg in args if isinstance(arg, Value) and arg.dtype == "bool"]
        default_dtype = self._source_dtype(bool_places) if bool_places and not dtypes else None
        return [self._lift_one(op, arg, dtypes, default_dtype) for arg in args]

    def _source_dtype(self, places: list[int]) -> str | None:
        """Return the float dtype from which bool nodes at `places` were computed; else the float
        dtype of the inputs, if they have only one."""
        seen = set(places)
        while places:
            node = self.nodes[places.pop(0)]
            if node.type.dtype in FLOATS:
                return node.type.dtype
            places += [place for place in node.inputs if place not in seen]
            seen.update(node.inputs)
        given = {node.type.dtype for node in self.nodes if node.op.name == "input"}
        floats = given.intersection(FLOATS)
        return floats.pop() if len(floats) == 1 else None

    def _lift_one(self, op: Op, arg: Any, dtypes: list[str], default_dtype: str | None) -> Value:
        if isinstance(arg, Value):
            if arg.builder is not self:
                raise GraphError(f"{op.name}: {arg!r} belongs to another graph")
            return arg
        array = np.asarray(arg)
        if array.dtype.kind not in "fiub":
            raise GraphError(f"{op.name}: {type(arg).__name__} {arg!r} is not a number or array")
        whole = array.dtype.kind in "iu"
        wanted = next((d for d in dtypes if d in FLOATS or whole), None)
        wanted = default_dtype if array.dtype.kind == "f" and not dtypes else wanted
        if array.dtype.kind == "b":
            wanted = None
        if whole and wanted in ("int32", "int64") and (array.astype(wanted) != array).any():
            raise GraphError(f"{op.name}: {arg!r} is out of the range of {wanted}; ops.cast(…)")
        return self.constant(arg if isinstance(arg, (int, float, np.generic)) else array, wanted)


class _Tracing(threading.local):
    """The graphs under construction in this thread, the innermost last."""

    def __init__(self) -> None:
        self.builders: list[GraphBuilder] = []


_tracing = _Tracing()


def builder_being_traced() -> GraphBuilder | None:
    """Return the graph for which the user's code is being traced; None outside of tracing."""
    return _tracing.builders[-1] if _tracing.builders else None


def broadcast_shape(name: str, shapes: Sequence[Shape]) -> Shape:
    """Return the common shape by NumPy's rule: shapes are aligned on the right; sizes must be equal
    or 1. Raises ShapeError, which names the op."""
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
