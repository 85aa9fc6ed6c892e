"""Removes operations by identities that hold bit for bit: x·1, 1·x, x/1, x−0, views that change
nothing, views of views.

Identities that change a bit for some number are not used: x + 0 turns −0 into 0, x·0 loses NaN.
"""

from __future__ import annotations

from dataclasses import replace

from glassnet.graph.graph import Graph, Node, freeze_attrs

UNIT = {("mul", 0): 1, ("mul", 1): 1, ("div", 1): 1, ("sub", 1): 0}


def apply_identities(graph: Graph) -> Graph:
    nodes: list[Node] = []
    same: list[int] = []
    for place, node in enumerate(graph.nodes):
        node = _flatten(node.with_inputs(tuple([same[i] for i in node.inputs])), nodes)
        nodes.append(node)
        same.append(_equal_to(node, place, nodes))
    return Graph(tuple(nodes), tuple(same[place] for place in graph.outputs))


def _equal_to(node: Node, place: int, nodes: list[Node]) -> int:
    """Return the index of an earlier node with the same value, or the node's own index."""
    for (name, position), unit in UNIT.items():
        if node.op.name == name and _is_number(nodes, node.inputs[position], unit):
            return node.inputs[1 - position]
    if node.op.name in ("reshape", "broadcast") and nodes[node.inputs[0]].type == node.type:
        return node.inputs[0]
    if node.op.name == "transpose" and node.attr("axes") == tuple(range(node.type.rank)):
        return node.inputs[0]
    return place


def _is_number(nodes: list[Node], place: int, number: float) -> bool:
    node = nodes[place]
    while node.op.name == "broadcast":
        node = nodes[node.inputs[0]]
    value = node.attr("value")
    # sub needs +0, since x − (−0) turns −0 into 0
    return node.op.name == "constant" and value == number and str(value)[0] != "-"


def _flatten(node: Node, nodes: list[Node]) -> Node:
    """Let a view of a view of the same kind read the inner argument directly."""
    if node.op.name not in ("reshape", "broadcast", "transpose"):
        return node
    inner = nodes[node.inputs[0]]
    if inner.op is not node.op:
        return node
    if node.op.name == "transpose":
        axes = tuple(inner.attr("axes")[axis] for axis in node.attr("axes"))
        return replace(node, inputs=inner.inputs, attrs=freeze_attrs({"axes": axes}))
    return node.with_inputs(inner.inputs)
