"""Common subexpression elimination: equal nodes are merged."""

from __future__ import annotations

from glassnet.graph.graph import Graph, Node


def merge_equal_nodes(graph: Graph) -> Graph:
    """Redirect every use to the first of equal nodes; the duplicates remain, unused."""
    first: dict[Node, int] = {}
    same: list[int] = []
    nodes: list[Node] = []
    for place, node in enumerate(graph.nodes):
        node = node.with_inputs(tuple([same[source] for source in node.inputs]))
        nodes.append(node)
        same.append(first.setdefault(node, place))
    return Graph(tuple(nodes), tuple(same[place] for place in graph.outputs))
