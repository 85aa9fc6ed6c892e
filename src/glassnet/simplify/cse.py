"""Equal nodes become one."""

from __future__ import annotations

from glassnet.graph.graph import Graph, Node


def merge_equal_nodes(graph: Graph) -> Graph:
    """Redirect every use to the first node that says the same; duplicates are left unused."""
    first: dict[Node, int] = {}
    same: list[int] = []
    nodes: list[Node] = []
    for place, node in enumerate(graph.nodes):
        node = node.with_inputs(tuple([same[source] for source in node.inputs]))
        nodes.append(node)
        same.append(first.setdefault(node, place))
    return Graph(tuple(nodes), tuple(same[place] for place in graph.outputs))
