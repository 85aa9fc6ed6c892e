"""Moves broadcasts behind elementwise operations, so that repeated numbers are computed once. A sum
over axes of one element becomes 0 plus that element, an elementwise operation. No bit changes."""

from __future__ import annotations

from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph, Node
from glassnet.graph.op import Value, operator


def sink_broadcasts(graph: Graph) -> Graph:
    builder = GraphBuilder()
    same: list[int] = []
    for node in graph.nodes:
        node = node.with_inputs(tuple([same[source] for source in node.inputs]))
        found = (
            _single(builder, node)
            if node.op.kind == "reduce"
            else _on_single_numbers(builder, node)
        )
        same.append((builder.append(node) if found is None else found).index)
    return Graph(tuple(builder.nodes), tuple(same[place] for place in graph.outputs))


def _on_single_numbers(builder: GraphBuilder, node: Node) -> Value | None:
    """Return the operation on scalars, then broadcast, if every argument repeats one number."""
    if node.op.kind != "elementwise" or node.type.rank == 0:
        return None
    numbers = [_repeated_value(builder, place) for place in node.inputs]
    if any(number.shape for number in numbers):
        return None
    return builder.broadcast(builder.apply(node.op, numbers, node.kwargs), node.type.shape)


def _repeated_value(builder: GraphBuilder, place: int) -> Value:
    """Return the value behind broadcasts, reshapes and transposes."""
    while builder.nodes[place].op.name in ("broadcast", "reshape", "transpose"):
        (place,) = builder.nodes[place].inputs
    return builder.value(place)


def _single(builder: GraphBuilder, node: Node) -> Value | None:
    """Return 0 + x for a sum over axes of one element; the 0 turns −0 into 0, as a sum does."""
    if node.op.name != "sum":
        return None
    only = builder.value(node.inputs[0])
    axes: tuple[int, ...] = node.attr("axes")
    if any(only.shape[axis] != 1 for axis in axes):
        return None
    return operator("reshape")(0 + only, shape=node.type.shape)
