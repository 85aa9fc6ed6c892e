"""Checks that a graph is valid.

In: a graph. Out: the same graph, or a GraphError that names the node. In a valid graph the names of
inputs are unique, every operand is defined before it is used, and every type is the one that the
op's type rule infers.
"""

from __future__ import annotations

from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph, Node
from glassnet.graph.op import OPS
from glassnet.words import plural


def check(graph: Graph) -> Graph:
    """Return the graph if it is valid; raise GraphError otherwise."""
    names: set[str] = set()
    for place, node in enumerate(graph.nodes):
        if OPS.get(node.op.name) is not node.op:
            raise GraphError(f"%{place}: {node.op.name} is not a registered op")
        if node.op.name == "input":
            name = node.attr("name")
            if name in names:
                raise GraphError(f"%{place}: input {name!r} is declared twice")
            names.add(name)
        else:
            _check_node(graph, place, node)
    for place in graph.outputs:
        if not 0 <= place < len(graph.nodes):
            raise GraphError(f"output %{place} is not defined")
    return graph


def _check_node(graph: Graph, place: int, node: Node) -> None:
    if node.op.arity >= 0 and len(node.inputs) != node.op.arity:
        count = len(node.inputs)
        raise GraphError(
            f"%{place}: {node.op.name} takes {plural(node.op.arity, 'argument')}, got {count}"
        )
    for source in node.inputs:
        if not 0 <= source < place:
            raise GraphError(f"%{place}: {node.op.name} reads %{source}, not defined before it")
    types = [graph.nodes[source].type for source in node.inputs]
    try:
        wanted = node.op.infer(*types, **node.kwargs)
    except (ShapeError, TypeError) as error:
        raise GraphError(f"%{place}: {error}") from error
    if wanted != node.type:
        raise GraphError(f"%{place}: {node.op.name} gives {wanted}, but the node says {node.type}")
