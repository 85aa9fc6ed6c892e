"""Dead code elimination: unused nodes are removed, except inputs, which callers pass by name."""

from __future__ import annotations

from glassnet.graph.graph import Graph


def drop_dead_nodes(graph: Graph) -> Graph:
    alive = set(graph.outputs) | set(graph.inputs.values())
    for place in range(len(graph.nodes) - 1, -1, -1):
        if place in alive:
            alive.update(graph.nodes[place].inputs)
    place_of = {old: new for new, old in enumerate(sorted(alive))}
    nodes = [graph.nodes[old] for old in sorted(alive)]
    moved = [n.with_inputs(tuple([place_of[i] for i in n.inputs])) for n in nodes]
    return Graph(tuple(moved), tuple(place_of[i] for i in graph.outputs))
