"""The graph: an immutable list of typed tensor operations, each result defined once (SSA).

In: nodes from a `GraphBuilder`. Out: a frozen `Graph`, which the front end passes to the compiler.

    graph ::= "graph(" input* ") {" node* "return" index* "}"
    node  ::= index "=" op "(" index* attr* ")" ":" type
    attr  ::= name "=" literal
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from glassnet.graph.op import Op
from glassnet.graph.types import Dim, Type


class Literal:
    """An array as an attribute: read-only, equal by dtype, shape and bytes."""

    __slots__ = ("_key", "array")

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.array(array, order="C")
        if self.array.dtype.kind == "f":
            self.array[np.isnan(self.array)] = np.nan  # one NaN pattern, as arrays compare by bytes
        self.array.flags.writeable = False
        self._key = (self.array.dtype.str, self.array.shape, self.array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        shape = f", {self.array.shape}" if self.array.size == 0 else ""
        return f"{self.array.dtype.name}({self.array.tolist()!r}{shape})"


@dataclass(frozen=True, eq=False)
class Node:
    """One operation applied to earlier nodes, given by their indices. Nodes are equal if they
    compute the same bits from the same nodes."""

    op: Op
    inputs: tuple[int, ...]
    attrs: tuple[tuple[str, Any], ...]
    type: Type

    @cached_property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.attrs)

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """The key for comparing nodes. Floats count by their repr: −0 ≠ 0, and NaN = NaN."""
        return self.op.name, self.inputs, _digits(self.attrs), self.type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def with_inputs(self, inputs: tuple[int, ...]) -> Node:
        """Return the same operation applied to other nodes."""
        return self if inputs == self.inputs else Node(self.op, inputs, self.attrs, self.type)

    def attr(self, name: str, default: Any = None) -> Any:
        return self.kwargs.get(name, default)


@dataclass(frozen=True)
class Graph:
    """Nodes in order of definition, and the indices of the outputs. Inputs come first, except those
    for captured arrays of a traced function."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    @cached_property
    def inputs(self) -> dict[str, int]:
        """The index of every input by name, in order."""
        return {n.attr("name"): i for i, n in enumerate(self.nodes) if n.op.name == "input"}

    @cached_property
    def input_types(self) -> dict[str, Type]:
        return {name: self.nodes[i].type for name, i in self.inputs.items()}

    @cached_property
    def output_types(self) -> tuple[Type, ...]:
        return tuple(self.nodes[i].type for i in self.outputs)

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """Names of the sizes known only at run time, sorted."""
        sizes = {size for node in self.nodes for size in node.type.shape}
        return tuple(sorted(size.name for size in sizes if isinstance(size, Dim)))

    @cached_property
    def uses(self) -> tuple[tuple[int, ...], ...]:
        """For every node, the indices of the nodes that read it, ascending and unique."""
        users: list[list[int]] = [[] for _ in self.nodes]
        for i, node in enumerate(self.nodes):
            for source in dict.fromkeys(node.inputs):
                users[source].append(i)
        return tuple(tuple(found) for found in users)

    def __str__(self) -> str:
        return show(self)


def freeze_attrs(attrs: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Convert attributes to the hashable form in nodes: sorted by name, lists as tuples."""
    return tuple([(name, _freeze(attrs[name])) for name in sorted(attrs)]) if attrs else ()


def _digits(item: Any) -> Any:
    if isinstance(item, tuple):
        return tuple(_digits(part) for part in cast("tuple[Any, ...]", item))
    return ("float", repr(item)) if isinstance(item, float) else item


def _freeze(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return Literal(cast("np.ndarray[Any, Any]", item))
    if isinstance(item, np.generic):
        return cast("Any", item).item()
    if isinstance(item, Sequence) and not isinstance(item, str):
        return tuple(_freeze(part) for part in cast("Sequence[Any]", item))
    return item


def show(graph: Graph) -> str:
    """Return the graph as text, one node per line."""
    heads = [f"%{i} {name}: {graph.nodes[i].type}" for name, i in graph.inputs.items()]
    lines = [f"graph({', '.join(heads)}) {{"]
    for place, node in enumerate(graph.nodes):
        if node.op.name != "input":
            lines.append(f"  {show_node(place, node)}")
    lines.append(f"  return {', '.join(f'%{i}' for i in graph.outputs)}")
    return "\n".join([*lines, "}"])


def show_node(place: int, node: Node) -> str:
    parts = [f"%{i}" for i in node.inputs] + [f"{k}={show_attr(v)}" for k, v in node.attrs]
    return f"%{place} = {node.op.name}({', '.join(parts)}) : {node.type}"


def show_attr(item: Any) -> str:
    if isinstance(item, tuple):
        parts = cast("tuple[Any, ...]", item)
        inner = ", ".join(show_attr(part) for part in parts)
        return f"({inner},)" if len(parts) == 1 else f"({inner})"
    return str(item) if isinstance(item, Dim) else repr(item)
