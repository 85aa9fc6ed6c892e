"""Simplifies a graph without changing any bit of its outputs: the passes, in order."""

from __future__ import annotations

from glassnet.graph.graph import Graph
from glassnet.simplify.algebra import apply_identities
from glassnet.simplify.cse import merge_equal_nodes
from glassnet.simplify.dce import drop_dead_nodes
from glassnet.simplify.sink_broadcast import sink_broadcasts

PASSES = (apply_identities, sink_broadcasts, merge_equal_nodes, drop_dead_nodes)


def simplify(graph: Graph) -> Graph:
    """Run the passes in order until none changes the graph."""
    while True:
        smaller = graph
        for run in PASSES:
            smaller = run(smaller)
        if smaller == graph:
            return graph
        graph = smaller
