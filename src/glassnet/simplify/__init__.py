"""Graph to smaller graph with the same outputs to the last bit: the passes, in order."""

from __future__ import annotations

from glassnet.graph.graph import Graph
from glassnet.simplify.algebra import algebra
from glassnet.simplify.cse import share
from glassnet.simplify.dce import prune
from glassnet.simplify.sink_broadcast import narrow

PASSES = (algebra, narrow, share, prune)


def simplify(graph: Graph) -> Graph:
    """Run the passes in order until none changes the graph."""
    while True:
        smaller = graph
        for run in PASSES:
            smaller = run(smaller)
        if smaller == graph:
            return graph
        graph = smaller
